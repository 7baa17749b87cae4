//! What the kernel asks a hypervisor for, done by the kernel itself. Calls that only a hypervisor can
//! answer are refused as one does that does not have them.

#![expect(non_upper_case_globals, reason = "names as in the headers")]

use super::{apic, cpu, serial};
use crate::dev::shared::{VCPU0, byte, word};
use crate::dev::time;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, Ordering};
use hypercall_abi::arch_x86_64::trap_info;
use hypercall_abi::errno::{XEN_EINVAL, XEN_ENOSYS};
use hypercall_abi::event_channel::*;
use hypercall_abi::sched::*;
use hypercall_abi::vcpu::*;
use hypercall_abi::xen::*;

/// Virtual interrupts that have a port.
const VIRQS: usize = 24;
/// The port of each; 0 is none. Port numbers are those of the virtual interrupts, and one more.
static PORTS: [AtomicU32; VIRQS] = [const { AtomicU32::new(0) }; VIRQS];

/// Called by the hypercall page.
///
/// # Safety
/// Addresses among the arguments are of the kernel's own structures, as the call's number says.
#[unsafe(no_mangle)]
unsafe extern "C" fn native_call(nr: u32, a: u64, b: u64, c: u64, _d: u64, _e: u64) -> i64 {
    // SAFETY (of all below): passed on to the caller.
    let result = match u64::from(nr) {
        __HYPERVISOR_xen_version if a == u64::from(hypercall_abi::version::XENVER_version) => Ok(0),
        // SAFETY: as above.
        __HYPERVISOR_console_io => unsafe { console(a, b, c) },
        __HYPERVISOR_fpu_taskswitch => {
            cpu::deny_fpu(a != 0);
            Ok(0)
        }
        // SAFETY: as above.
        __HYPERVISOR_set_trap_table => unsafe { trap_table(a as *const trap_info) },
        __HYPERVISOR_callback_op => Ok(0),
        // SAFETY: as above.
        __HYPERVISOR_sched_op => unsafe { schedule(a as u32, b) },
        // SAFETY: as above.
        __HYPERVISOR_event_channel_op => unsafe { event_channel(a as u32, b) },
        // SAFETY: as above.
        __HYPERVISOR_vcpu_op => unsafe { vcpu(a as u32, c) },
        _ => Err(XEN_ENOSYS),
    };
    result.unwrap_or_else(|errno| -errno)
}

type Answer = Result<i64, i64>;

/// # Safety
/// `at` is a buffer of `count` bytes, which reading overwrites.
unsafe fn console(cmd: u64, count: u64, at: u64) -> Answer {
    match cmd as u32 {
        CONSOLEIO_write => {
            // SAFETY: passed on to the caller.
            serial::write(unsafe { core::slice::from_raw_parts(at as *const u8, count as usize) });
            Ok(0)
        }
        CONSOLEIO_read => {
            // SAFETY: passed on to the caller.
            let to = unsafe { core::slice::from_raw_parts_mut(at as *mut u8, count as usize) };
            Ok(serial::read(to) as i64)
        }
        _ => Err(XEN_ENOSYS),
    }
}

/// Vectors lead to the kernel's stubs for the bare machine, whatever the table's addresses are: of the
/// table only who may call a vector counts.
///
/// # Safety
/// `table` ends with an entry of address 0.
unsafe fn trap_table(table: *const trap_info) -> Answer {
    let mut open = [false; 256];
    for i in 0.. {
        // SAFETY: passed on to the caller.
        let entry = unsafe { table.wrapping_add(i).read() };
        if entry.address == 0 {
            break;
        }
        open[usize::from(entry.vector)] = entry.flags & 3 == 3;
    }
    cpu::set_vectors(|vector| open[usize::from(vector)]);
    Ok(0)
}

/// # Safety
/// `arg` is the operation's structure.
unsafe fn schedule(op: u32, arg: u64) -> Answer {
    match op {
        SCHEDOP_yield => {}
        SCHEDOP_block => {
            // As a hypervisor does: what is pending already ends the wait before it begins.
            if byte(VCPU0 + offset_of!(vcpu_info, evtchn_upcall_pending)).load(Ordering::Relaxed)
                == 0
            {
                cpu::wait();
            }
        }
        SCHEDOP_shutdown => {
            // SAFETY: passed on to the caller.
            let why = unsafe { (arg as *const sched_shutdown).read() }.reason;
            power_off(why);
        }
        _ => return Err(XEN_ENOSYS),
    }
    Ok(0)
}

/// Turns the machine off: by the power management of QEMU's PCs, else by a fault that nobody handles,
/// which resets it.
fn power_off(why: u32) -> ! {
    serial::write(match why {
        SHUTDOWN_poweroff => b"bare machine: off\n",
        _ => b"bare machine: crashed\n",
    });
    const SLEEP: u16 = 1 << 13;
    for control in [0x604, 0xb004] {
        cpu::out_word(control, SLEEP);
    }
    cpu::reset()
}

/// # Safety
/// `arg` is the operation's structure.
unsafe fn event_channel(op: u32, arg: u64) -> Answer {
    match op {
        EVTCHNOP_bind_virq => {
            // SAFETY: passed on to the caller.
            let bind = unsafe { &mut *(arg as *mut evtchn_bind_virq) };
            let port = PORTS.get(bind.virq as usize).ok_or(XEN_EINVAL)?;
            bind.port = bind.virq + 1;
            port.store(bind.port, Ordering::Relaxed);
        }
        EVTCHNOP_unmask => {
            // SAFETY: passed on to the caller.
            let port = unsafe { (arg as *const evtchn_unmask).read() }.port;
            let (at, bit) = (
                offset_of!(shared_info, evtchn_mask) + place(port),
                1 << (port % 64),
            );
            word(at).fetch_and(!bit, Ordering::Relaxed);
            let pending = word(offset_of!(shared_info, evtchn_pending) + place(port));
            if pending.load(Ordering::Relaxed) & bit != 0 {
                call_up(port);
            }
        }
        EVTCHNOP_close => {}
        _ => return Err(XEN_ENOSYS),
    }
    Ok(0)
}

/// Where the word of a port is in an array of ports' bits.
fn place(port: u32) -> usize {
    port as usize / 64 * 8
}

/// Says that a port has an event.
fn call_up(port: u32) {
    word(VCPU0 + offset_of!(vcpu_info, evtchn_pending_sel))
        .fetch_or(1 << (port / 64), Ordering::Relaxed);
    byte(VCPU0 + offset_of!(vcpu_info, evtchn_upcall_pending)).store(1, Ordering::Relaxed);
}

/// A device's interrupt has come.
pub(super) fn raise(virq: u32) {
    let port = PORTS[virq as usize].load(Ordering::Relaxed);
    if port != 0 {
        word(offset_of!(shared_info, evtchn_pending) + place(port))
            .fetch_or(1 << (port % 64), Ordering::Relaxed);
        call_up(port);
    }
}

/// # Safety
/// `arg` is the operation's structure.
unsafe fn vcpu(op: u32, arg: u64) -> Answer {
    match op {
        // The first that is asked of the clock, when memory has been taken over.
        VCPUOP_stop_periodic_timer => apic::init(),
        VCPUOP_set_singleshot_timer => {
            // SAFETY: passed on to the caller.
            let timer = unsafe { (arg as *const vcpu_set_singleshot_timer).read() };
            apic::arm(timer.timeout_abs_ns.saturating_sub(time::system_time()));
        }
        _ => return Err(XEN_ENOSYS),
    }
    Ok(0)
}

//! Hypercalls: the one instruction sequence, and a typed wrapper for each call the kernel makes.

use crate::mm::VIRT_BASE;
use crate::native::{self, cpu};
use core::arch::asm;
use core::mem::size_of;
use guest_user::abi::Errno;
use hypercall_abi::arch_x86_64::trap_info;
use hypercall_abi::callback::{CALLBACKOP_register, callback_register};
use hypercall_abi::event_channel::*;
use hypercall_abi::memory::{XENMEM_exchange, xen_memory_exchange, xen_memory_reservation};
use hypercall_abi::sched::*;
use hypercall_abi::vcpu::*;
use hypercall_abi::xen::*;
use zerocopy::{FromBytes, Immutable, IntoBytes};

unsafe extern "C" {
    static hypercall_page: u8;
}

/// Bytes per entry of the hypercall page.
const STUB_LEN: u64 = 32;
/// Entries of the hypercall page.
const STUBS: u64 = 128;

/// Makes a hypercall; the result is the register as the hypervisor left it.
///
/// # Safety
/// The call must not make the hypervisor write, unmap or remap memory in a way that Rust's view
/// of it does not allow.
pub(crate) unsafe fn raw(nr: u64, args: [u64; 5]) -> i64 {
    assert!(
        nr < STUBS,
        "hypercall number {nr} outside the hypercall page"
    );
    let stub = (&raw const hypercall_page as u64) + nr * STUB_LEN;
    let result: i64;
    // SAFETY: the stub is a `mov eax, nr; syscall; ret` placed by the loader; it changes rax, rcx
    // and r11, and possibly the argument registers. What the call does is the caller's matter.
    unsafe {
        asm!(
            "call {stub}",
            stub = in(reg) stub,
            inlateout("rdi") args[0] => _, inlateout("rsi") args[1] => _,
            inlateout("rdx") args[2] => _, inlateout("r10") args[3] => _,
            inlateout("r8") args[4] => _,
            lateout("rax") result, lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// The result of a hypercall.
pub(crate) type HvResult<T = u64> = Result<T, Errno>;

fn check(result: i64) -> HvResult {
    guest_user::abi::result(result)
}

/// A call whose arguments are numbers, or addresses that the hypervisor only reads.
fn plain(nr: u64, args: [u64; 5]) -> HvResult {
    // SAFETY: used below only for calls that write no guest memory.
    check(unsafe { raw(nr, args) })
}

/// A call `nr(op, &arg)` whose structure the hypervisor may update.
pub(crate) fn with_struct<T: FromBytes + IntoBytes>(nr: u64, op: u32, arg: &mut T) -> HvResult {
    let args = [u64::from(op), core::ptr::from_mut(arg) as u64, 0, 0, 0];
    // SAFETY: the operations used with this wrapper write at most the structure, which is borrowed
    // mutably and for which any bytes are valid.
    check(unsafe { raw(nr, args) })
}

/// `xen_version` without a structure.
pub(crate) fn xen_version(cmd: u32) -> HvResult {
    plain(__HYPERVISOR_xen_version, [u64::from(cmd), 0, 0, 0, 0])
}

/// Writes to the hypervisor's console.
pub(crate) fn console_write(data: &[u8]) -> HvResult {
    let args = [
        u64::from(CONSOLEIO_write),
        data.len() as u64,
        data.as_ptr() as u64,
        0,
        0,
    ];
    plain(__HYPERVISOR_console_io, args)
}

/// Takes input from the hypervisor's console; returns how many bytes.
pub(crate) fn console_read(buf: &mut [u8]) -> HvResult<usize> {
    let args = [
        u64::from(CONSOLEIO_read),
        buf.len() as u64,
        buf.as_mut_ptr() as u64,
        0,
        0,
    ];
    // SAFETY: the hypervisor writes at most `buf.len()` bytes at `buf`.
    let n = check(unsafe { raw(__HYPERVISOR_console_io, args) })?;
    Ok((n as usize).min(buf.len()))
}

/// Gives the processor back until an event is pending; upcalls are enabled while it waits.
pub(crate) fn sched_block() {
    // Blocking cannot fail; if it returned an error the caller's loop would just look again.
    let _ = plain(
        __HYPERVISOR_sched_op,
        [u64::from(SCHEDOP_block), 0, 0, 0, 0],
    );
}

/// Lets another vCPU run.
pub(crate) fn sched_yield() {
    let _ = plain(
        __HYPERVISOR_sched_op,
        [u64::from(SCHEDOP_yield), 0, 0, 0, 0],
    );
}

/// Ends the domain; returns only if the hypervisor refuses.
pub(crate) fn shutdown(reason: u32) -> HvResult {
    let mut arg = sched_shutdown { reason };
    with_struct(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &mut arg)
}

/// `event_channel_op` with its structure.
pub(crate) fn event_channel_op<T: FromBytes + IntoBytes>(op: u32, arg: &mut T) -> HvResult {
    with_struct(__HYPERVISOR_event_channel_op, op, arg)
}

/// Notifies the other end of a port.
pub(crate) fn evtchn_send(port: u32) -> HvResult {
    event_channel_op(EVTCHNOP_send, &mut evtchn_send { port })
}

/// Registers the kernel's trap handlers; the table ends with an entry of address 0.
pub(crate) fn set_trap_table(table: &[trap_info]) -> HvResult {
    assert!(
        table.last().is_some_and(|t| t.address == 0),
        "unterminated trap table"
    );
    plain(
        __HYPERVISOR_set_trap_table,
        [table.as_ptr() as u64, 0, 0, 0, 0],
    )
}

/// Registers one callback.
pub(crate) fn register_callback(kind: u16, address: u64, flags: u16) -> HvResult {
    let mut arg = callback_register {
        r#type: kind,
        flags,
        _pad0: [0; 4],
        address,
    };
    with_struct(__HYPERVISOR_callback_op, CALLBACKOP_register, &mut arg)
}

/// Names the stack on which the kernel is entered from user mode.
pub(crate) fn stack_switch(ss: u16, rsp: u64) -> HvResult {
    if native::is_native() {
        cpu::set_kernel_stack(rsp);
        return Ok(0);
    }
    plain(__HYPERVISOR_stack_switch, [u64::from(ss), rsp, 0, 0, 0])
}

/// Makes the next FPU instruction fault.
pub(crate) fn deny_fpu() -> HvResult {
    plain(__HYPERVISOR_fpu_taskswitch, [1, 0, 0, 0, 0])
}

/// `vcpu_op` on any vCPU of this domain.
///
/// # Safety
/// The hypervisor may write what the operation answers at `arg`, or from then on if it registers
/// an area.
pub(crate) unsafe fn vcpu_call(op: u32, vcpu: u64, arg: u64) -> HvResult {
    // SAFETY: passed on to the caller.
    check(unsafe { raw(__HYPERVISOR_vcpu_op, [u64::from(op), vcpu, arg, 0, 0]) })
}

/// `vcpu_op` on vCPU 0 with a structure.
pub(crate) fn vcpu_op<T: FromBytes + IntoBytes>(op: u32, arg: &mut T) -> HvResult {
    let args = [u64::from(op), 0, core::ptr::from_mut(arg) as u64, 0, 0];
    // SAFETY: the operations used write at most the structure, which is borrowed mutably.
    check(unsafe { raw(__HYPERVISOR_vcpu_op, args) })
}

/// Stops the periodic timer that a vCPU starts with.
pub(crate) fn stop_periodic_timer() -> HvResult {
    plain(
        __HYPERVISOR_vcpu_op,
        [u64::from(VCPUOP_stop_periodic_timer), 0, 0, 0, 0],
    )
}

/// Arms the one-shot timer for an absolute system time in nanoseconds.
pub(crate) fn set_singleshot_timer(deadline_ns: u64) -> HvResult {
    let mut arg = vcpu_set_singleshot_timer {
        timeout_abs_ns: deadline_ns,
        flags: 0,
        _pad0: [0; 4],
    };
    vcpu_op(VCPUOP_set_singleshot_timer, &mut arg)
}

/// `memory_op` on a list of frames: returns how many extents were done.
///
/// # Safety
/// Frames given up must be unused and unmapped by this kernel.
pub(crate) unsafe fn reservation(op: u32, frames: &mut [u64]) -> HvResult {
    let mut arg = xen_memory_reservation {
        extent_start: frames.as_mut_ptr() as u64,
        nr_extents: frames.len() as u64,
        extent_order: 0,
        mem_flags: 0,
        domid: DOMID_SELF,
        _pad0: [0; 6],
    };
    let args = [u64::from(op), &raw mut arg as u64, 0, 0, 0];
    // SAFETY: the hypervisor writes the structure and the list; frames it takes are unused.
    check(unsafe { raw(__HYPERVISOR_memory_op, args) })
}

/// Gives `1 << order` frames for as many that follow one another, behind the pages from `pfn` on;
/// returns the first.
///
/// # Safety
/// The frames must be unused and unmapped by this kernel.
pub(crate) unsafe fn exchange(frames: &mut [u64], pfn: u64, order: u32) -> HvResult {
    let reservation = |list: &mut [u64], extent_order| xen_memory_reservation {
        extent_start: list.as_mut_ptr() as u64,
        nr_extents: list.len() as u64,
        extent_order,
        mem_flags: 0,
        domid: DOMID_SELF,
        _pad0: [0; 6],
    };
    let mut out = [pfn];
    let mut arg = xen_memory_exchange {
        r#in: reservation(frames, 0),
        out: reservation(&mut out, order),
        nr_exchanged: 0,
    };
    // The hypervisor writes the structure and the list of what it gives; what it takes is unused.
    with_struct(__HYPERVISOR_memory_op, XENMEM_exchange, &mut arg)?;
    Ok(out[0])
}

/// `grant_table_op` on a list.
///
/// # Safety
/// What the operations map, unmap or write must not be memory that Rust relies on.
pub(crate) unsafe fn grant_table_op<T>(cmd: u32, list: &mut [T]) -> HvResult {
    let args = [
        u64::from(cmd),
        list.as_mut_ptr() as u64,
        list.len() as u64,
        0,
        0,
    ];
    // SAFETY: passed on to the caller; the list itself is borrowed mutably.
    check(unsafe { raw(__HYPERVISOR_grant_table_op, args) })
}

/// Changes the page-table entry that maps `va` in the current root.
///
/// # Safety
/// Nothing that Rust relies on may live at `va` with rights that the new entry takes away.
pub(crate) unsafe fn update_va_mapping(va: u64, entry: u64, flags: u64) -> HvResult {
    if native::is_native() {
        return native::update_va_mapping(va, entry, flags);
    }
    // SAFETY: passed on to the caller.
    check(unsafe { raw(__HYPERVISOR_update_va_mapping, [va, entry, flags, 0, 0]) })
}

/// Changes page-table entries; `Err` says how many were done before the one that failed.
///
/// # Safety
/// As for [`update_va_mapping`], for each entry.
pub(crate) unsafe fn mmu_update(requests: &[mmu_update], domid: u16) -> Result<(), (usize, Errno)> {
    if requests.is_empty() {
        return Ok(());
    }
    if native::is_native() {
        if domid != DOMID_SELF {
            return Err((0, Errno::ENOSYS));
        }
        for request in requests {
            let entry = (VIRT_BASE + (request.ptr & !7)) as *mut u64;
            // SAFETY: passed on to the caller; frames are pages here, and the direct map has them.
            unsafe { entry.write_volatile(request.val) };
        }
        return Ok(());
    }
    let mut done = 0u32;
    let args = [
        requests.as_ptr() as u64,
        requests.len() as u64,
        &raw mut done as u64,
        u64::from(domid),
        0,
    ];
    // SAFETY: passed on to the caller; the hypervisor itself writes only `done`.
    let result = check(unsafe { raw(__HYPERVISOR_mmu_update, args) });
    result.map(drop).map_err(|errno| (done as usize, errno))
}

/// Extended page-table operations.
///
/// # Safety
/// The operations must leave the kernel's own memory mapped as Rust expects.
pub(crate) unsafe fn mmuext(ops: &[mmuext_op]) -> HvResult {
    if native::is_native() {
        ops.iter().for_each(native::mmuext);
        return Ok(0);
    }
    let args = [
        ops.as_ptr() as u64,
        ops.len() as u64,
        0,
        u64::from(DOMID_SELF),
        0,
    ];
    // SAFETY: passed on to the caller.
    check(unsafe { raw(__HYPERVISOR_mmuext_op, args) })
}

/// One extended operation on a frame.
pub(crate) const fn mmuext_frame(cmd: u32, mfn: u64) -> mmuext_op {
    mmuext_op {
        cmd,
        _pad0: [0; 4],
        arg1: mfn,
        arg2: 0,
    }
}

/// Forgets all translations of this vCPU.
pub(crate) fn flush_tlb() {
    // SAFETY: flushing changes no mapping.
    let flushed = unsafe { mmuext(&[mmuext_frame(MMUEXT_TLB_FLUSH_LOCAL, 0)]) };
    flushed.expect("a TLB flush is never refused");
}

/// Reads a value of the hypervisor's that any bytes describe, with `xen_version`'s calling form.
pub(crate) fn xen_version_struct<T>(cmd: u32, arg: &mut T) -> HvResult
where
    T: FromBytes + IntoBytes + Immutable,
{
    const { assert!(size_of::<T>() > 0) };
    with_struct(__HYPERVISOR_xen_version, cmd, arg)
}

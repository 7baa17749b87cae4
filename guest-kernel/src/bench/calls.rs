//! Small calls: version, FPU, stack, segment bases, timers, vCPU, scheduling.

use super::measure::{Call, ROUNDS};
use super::{Bench, Figures};
use crate::check::page::{Page, call};
use crate::dev::time;
use hypercall_abi::arch_x86_64::{FLAT_KERNEL_SS, SEGBASE_FS};
use hypercall_abi::errno::XEN_ENOSYS;
use hypercall_abi::sched::SCHEDOP_yield;
use hypercall_abi::vcpu::*;
use hypercall_abi::version::{XENVER_get_features, XENVER_version, xen_feature_info};
use hypercall_abi::xen::*;

pub(super) const BENCHES: &[Bench] = &[versions, processor, descriptor, timers, vcpu, console];

/// A number that no call has.
const UNKNOWN: u64 = 63;
/// How far in the future a timer is set that must not fire meanwhile, in nanoseconds.
const FAR: u64 = 3_600_000_000_000;

fn versions(f: &mut Figures) {
    let version = [u64::from(XENVER_version), 0, 0, 0, 0];
    // SAFETY: the version is a number.
    unsafe { f.call("null_hypercall", __HYPERVISOR_xen_version, version) };
    let unknown = Call::new(UNKNOWN, [0; 5]).refused_with(XEN_ENOSYS);
    // SAFETY: what is refused changes nothing.
    unsafe { f.pair("unknown_hypercall", [unknown; 2], ROUNDS, 1) };
    let mut info = xen_feature_info {
        submap_idx: 0,
        submap: 0,
    };
    let features = [u64::from(XENVER_get_features), at(&mut info), 0, 0, 0];
    // SAFETY: the call writes the structure, which any bytes describe.
    unsafe { f.call("get_features", __HYPERVISOR_xen_version, features) };
}

fn processor(f: &mut Figures) {
    let deny = [1, 0, 0, 0, 0];
    // SAFETY: the FPU stays denied, as the kernel has it.
    unsafe { f.call("fpu_taskswitch", __HYPERVISOR_fpu_taskswitch, deny) };
    let stack = [u64::from(FLAT_KERNEL_SS), 0, 0, 0, 0];
    // SAFETY: the stack serves entries from user mode; each process names its own before it runs.
    unsafe { f.call("stack_switch", __HYPERVISOR_stack_switch, stack) };
    let base = [u64::from(SEGBASE_FS), 0, 0, 0, 0];
    // SAFETY: the kernel does not use the segment.
    unsafe { f.call("set_segment_base", __HYPERVISOR_set_segment_base, base) };
    // SAFETY: the answer is a number.
    unsafe { f.call("get_debugreg", __HYPERVISOR_get_debugreg, [7, 0, 0, 0, 0]) };
}

/// A descriptor of the guest's part of the GDT.
fn descriptor(f: &mut Figures) {
    /// A writable data segment of ring 3, 4 GiB.
    const DATA: u64 = 0x00cf_f300_0000_ffff;
    let gdt = Page::read_only();
    let frames = [gdt.mfn()];
    // SAFETY: the kernel uses no selector of the guest's part of the table.
    unsafe { call(__HYPERVISOR_set_gdt, [frames.as_ptr() as u64, 512, 0, 0, 0]) }
        .expect("a page can be a GDT");
    let args = [gdt.slot(12), DATA, 0, 0, 0];
    // SAFETY: as above.
    unsafe { f.call("update_descriptor", __HYPERVISOR_update_descriptor, args) };
    // SAFETY: as above.
    unsafe { call(__HYPERVISOR_set_gdt, [0; 5]) }.expect("a GDT can be given up");
}

/// A byte for the hypervisor's console: a blank, which is seen by nobody.
fn console(f: &mut Figures) {
    const BYTES: u64 = 16;
    let byte = b" ";
    let args = [u64::from(CONSOLEIO_write), 1, byte.as_ptr() as u64, 0, 0];
    let call = Call::new(__HYPERVISOR_console_io, args);
    // SAFETY: the call reads the byte.
    unsafe { f.pair("console_byte", [call; 2], BYTES, 1) };
}

fn timers(f: &mut Figures) {
    let deadline = time::system_time() + FAR;
    let args = [deadline, 0, 0, 0, 0];
    // SAFETY: a timer changes no memory.
    unsafe { f.call("set_timer_op", __HYPERVISOR_set_timer_op, args) };
    let mut timer = vcpu_set_singleshot_timer {
        timeout_abs_ns: deadline,
        flags: 0,
        _pad0: [0; 4],
    };
    let args = vcpu_args(VCPUOP_set_singleshot_timer, at(&mut timer));
    // SAFETY: the call reads the structure.
    unsafe { f.call("set_singleshot_timer", __HYPERVISOR_vcpu_op, args) };
    let args = vcpu_args(VCPUOP_stop_singleshot_timer, 0);
    // SAFETY: the kernel's own timer is armed anew for each wish.
    unsafe { f.call("stop_singleshot_timer", __HYPERVISOR_vcpu_op, args) };
}

fn vcpu(f: &mut Figures) {
    let mut state = vcpu_runstate_info {
        state: 0,
        _pad0: [0; 4],
        state_entry_time: 0,
        time: [0; 4],
    };
    let args = vcpu_args(VCPUOP_get_runstate_info, at(&mut state));
    // SAFETY: the call writes the structure, which any bytes describe.
    unsafe { f.call("get_runstate_info", __HYPERVISOR_vcpu_op, args) };
    // SAFETY: the answer is a number.
    unsafe {
        f.call(
            "vcpu_is_up",
            __HYPERVISOR_vcpu_op,
            vcpu_args(VCPUOP_is_up, 0),
        )
    };
    let args = [u64::from(SCHEDOP_yield), 0, 0, 0, 0];
    // SAFETY: no other vCPU of this domain runs.
    unsafe { f.call("yield", __HYPERVISOR_sched_op, args) };
}

fn vcpu_args(cmd: u32, arg: u64) -> [u64; 5] {
    [u64::from(cmd), 0, arg, 0, 0]
}

/// The address of a structure, as a hypercall argument.
fn at<T>(of: &mut T) -> u64 {
    core::ptr::from_mut(of) as u64
}

//! What the toolstack says and hears of vCPUs' places: hard and soft affinity, `getvcpuinfo`.

use super::Report;
use super::page::*;
use crate::hypercall::HvResult;
use crate::smp;
use hypercall_abi::domctl::*;
use hypercall_abi::sched::*;
use hypercall_abi::xen::*;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

/// A vCPU that runs, one that was never initialised, and one that does not exist.
const VCPUS: [u32; 3] = [1, 3, 99];

/// A `domctl` on the caller's own domain, which is dom0.
fn domctl<T: Copy + IntoBytes + Immutable + FromBytes>(cmd: u32, member: &mut T) -> HvResult {
    let mut op = xen_domctl::new_zeroed();
    (op.cmd, op.interface_version) = (cmd, XEN_DOMCTL_INTERFACE_VERSION);
    op.u.set(*member);
    // SAFETY: the hypervisor writes the structure, and the maps that it names.
    let result = unsafe { call(__HYPERVISOR_domctl, [address(&mut op), 0, 0, 0, 0]) };
    *member = op.u.get();
    result
}

/// Sets or gets affinity; the result, and the two maps afterwards.
fn place(cmd: u32, vcpu: u32, flags: u32, hard: u64, soft: u64) -> (HvResult, u64, u64) {
    let (mut hard, mut soft) = (hard, soft);
    let map = |bits: &mut u64| xenctl_bitmap {
        bitmap: address(bits),
        nr_bits: 64,
        _pad0: [0; 4],
    };
    let mut arg = xen_domctl_vcpuaffinity {
        vcpu,
        flags,
        cpumap_hard: map(&mut hard),
        cpumap_soft: map(&mut soft),
    };
    let result = domctl(cmd, &mut arg);
    (result, hard, soft)
}

/// Has a vCPU stay on one processor.
pub(crate) fn stay(vcpu: u32, processor: u32) {
    let set = XEN_DOMCTL_setvcpuaffinity;
    let (result, ..) = place(set, vcpu, XEN_VCPUAFFINITY_HARD, 1 << processor, 0);
    result.expect("dom0 may say where its vCPUs run");
}

pub(super) fn affinity(r: &mut Report) {
    const HARD: u32 = XEN_VCPUAFFINITY_HARD;
    const SOFT: u32 = XEN_VCPUAFFINITY_SOFT;
    const BOTH: u32 = HARD | SOFT;
    let (set, get) = (XEN_DOMCTL_setvcpuaffinity, XEN_DOMCTL_getvcpuaffinity);
    for vcpu in VCPUS {
        for (key, cmd, flags, hard, soft) in [
            ("first", get, BOTH, 0, 0),
            ("hard", set, HARD, 0b1010, 0),
            ("soft", set, SOFT, 0, 0b0011),
            ("now", get, BOTH, 0, 0),
            ("apart", set, SOFT, 0, 0b0101),
            ("nowhere", set, HARD, 0, 0),
            ("not_online", set, HARD, 1 << 40, 0),
            ("more", set, HARD, 1 << 40 | 0b0100, 0),
            ("soft_nowhere", set, SOFT, 0, 0),
            ("soft_not_online", set, SOFT, 0, 1 << 40),
            ("one_is_bad", set, BOTH, 0, 0b0001),
            ("now", get, BOTH, 0, 0),
            ("no_flag", set, 0, 1, 1),
            ("get_no_flag", get, 0, 0, 0),
            ("bad_flag", set, HARD | 8, 1, 1),
            ("get_force", get, HARD | XEN_VCPUAFFINITY_FORCE, 0, 0),
            ("all", set, BOTH, u64::MAX, u64::MAX),
            ("now", get, BOTH, 0, 0),
        ] {
            let (result, hard, soft) = place(cmd, vcpu, flags, hard, soft);
            r.line(format_args!(
                "{key}_{vcpu}={} hard={hard:#x} soft={soft:#x}",
                Shown(result)
            ));
        }
    }
}

/// What becomes of affinity while `SCHEDOP_pin_override` is in force, and who may end that.
pub(super) fn overridden(r: &mut Report) {
    const HARD: u32 = XEN_VCPUAFFINITY_HARD;
    const SOFT: u32 = XEN_VCPUAFFINITY_SOFT;
    const FORCE: u32 = XEN_VCPUAFFINITY_FORCE;
    let (set, get) = (XEN_DOMCTL_setvcpuaffinity, XEN_DOMCTL_getvcpuaffinity);
    let pin = |pcpu: i32| {
        let mut arg = sched_pin_override { pcpu };
        // SAFETY: the operation reads the structure alone.
        unsafe {
            call(
                __HYPERVISOR_sched_op,
                [SCHEDOP_pin_override.into(), address(&mut arg), 0, 0, 0],
            )
        }
    };
    let ask = |r: &mut Report, key: &str, cmd, flags, hard, soft| {
        let (result, hard, soft) = place(cmd, 0, flags, hard, soft);
        r.line(format_args!(
            "{key}={} hard={hard:#x} soft={soft:#x}",
            Shown(result)
        ));
        let now = place(get, 0, HARD | SOFT, 0, 0);
        r.line(format_args!(
            "{key}_now={} hard={:#x} soft={:#x}",
            Shown(now.0),
            now.1,
            now.2
        ));
    };
    ask(r, "force_alone", set, FORCE, 0b1, 0b1);
    ask(r, "force_free", set, HARD | FORCE, 0b1111, 0);
    let pinned = pin(1);
    ask(r, "pinned", get, HARD, 0, 0);
    ask(r, "hard", set, HARD, 0b0110, 0);
    ask(r, "soft", set, SOFT, 0, 0b0101);
    ask(r, "soft_force", set, SOFT | FORCE, 0, 0b0110);
    ask(r, "force_nowhere", set, HARD | FORCE, 1 << 40, 0);
    ask(r, "force", set, HARD | FORCE, 0b0111, 0);
    let ended = pin(-1);
    ask(r, "hard_again", set, HARD, 0b1011, 0);
    // What ends it besides, though it sets nothing itself.
    for (key, cmd, flags, hard) in [
        ("refused", set, HARD | FORCE, 1 << 40),
        ("empty", set, HARD | FORCE, 0),
        ("nothing", set, FORCE, 0b1),
        ("get", get, FORCE, 0b1),
        ("get_hard", get, HARD | FORCE, 0b1),
        ("busy_and_bad", set, HARD, 1 << 40),
    ] {
        let pinned = pin(2);
        ask(r, key, cmd, flags, hard, 0);
        let ended = pin(-1);
        r.line(format_args!(
            "{key}_pin={} end={}",
            Shown(pinned),
            Shown(ended)
        ));
    }
    ask(r, "all", set, HARD | SOFT, u64::MAX, u64::MAX);
    r.result("pin", pinned);
    r.result("end_of_pin", ended);
    r.result("end_again", pin(-1));
}

extern "C" fn nothing(_: u64) -> u64 {
    0
}

pub(super) fn info(r: &mut Report) {
    for vcpu in VCPUS {
        let mut arg = xen_domctl_getvcpuinfo::new_zeroed();
        arg.vcpu = vcpu;
        let result = domctl(XEN_DOMCTL_getvcpuinfo, &mut arg);
        r.line(format_args!(
            "of_{vcpu}={} online={} blocked={} ran={}",
            Shown(result),
            arg.online,
            arg.blocked,
            arg.cpu_time > 0
        ));
    }
    // Where it is told to run, it runs.
    for cpu in [3, 0, 2] {
        let set = XEN_DOMCTL_setvcpuaffinity;
        let (pinned, _, _) = place(set, 1, XEN_VCPUAFFINITY_HARD, 1 << cpu, 0);
        let ran = smp::run_on(1, nothing, 0);
        let mut arg = xen_domctl_getvcpuinfo::new_zeroed();
        arg.vcpu = 1;
        let asked = domctl(XEN_DOMCTL_getvcpuinfo, &mut arg);
        r.line(format_args!(
            "pinned={} ran={ran:?} asked={} cpu={}",
            Shown(pinned),
            Shown(asked),
            arg.cpu
        ));
    }
    let set = XEN_DOMCTL_setvcpuaffinity;
    let (freed, _, _) = place(set, 1, XEN_VCPUAFFINITY_HARD, u64::MAX, 0);
    r.result("anywhere", freed);
}

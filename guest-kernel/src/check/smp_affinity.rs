//! What the toolstack says and hears of vCPUs' places: hard and soft affinity, `getvcpuinfo`.

use super::Report;
use super::page::*;
use crate::hypercall::HvResult;
use crate::smp;
use hypercall_abi::domctl::*;
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

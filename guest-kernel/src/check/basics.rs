//! Version, features, unknown calls, console.

use super::{Check, Report};
use crate::boot_info;
use crate::hypercall::{self, raw};
use guest_user::abi;
use hypercall_abi::version::*;
use hypercall_abi::xen::*;

pub(super) const CHECKS: &[Check] = &[
    ("version", version),
    ("features", features),
    ("unknown_hypercall", unknown_hypercall),
    ("console_io", console_io),
    ("start_info", start_info),
    ("timer", timer),
];

fn version(r: &mut Report) {
    r.result("version", hypercall::xen_version(XENVER_version));
    r.result("pagesize", hypercall::xen_version(XENVER_pagesize));
    r.result("unknown", hypercall::xen_version(99));
}

fn features(r: &mut Report) {
    for submap_idx in [0, 1] {
        let mut info = xen_feature_info {
            submap_idx,
            submap: 0,
        };
        let result = hypercall::xen_version_struct(XENVER_get_features, &mut info);
        match result {
            Ok(_) => r.line(format_args!("submap={submap_idx} bits={:#x}", info.submap)),
            Err(_) => r.result("get_features", result),
        }
    }
}

fn unknown_hypercall(r: &mut Report) {
    for (key, nr) in [("nr11", 11), ("nr47", 47), ("nr63", 63)] {
        // SAFETY: no call has these numbers, so none can change memory.
        r.result(key, abi::result(unsafe { raw(nr, [0; 5]) }));
    }
}

fn console_io(r: &mut Report) {
    r.result("write_nothing", hypercall::console_write(b""));
    // SAFETY: an unknown command does nothing.
    let unknown = unsafe { raw(__HYPERVISOR_console_io, [77, 0, 0, 0, 0]) };
    r.result("unknown_command", abi::result(unknown));
    let hole = HYPERVISOR_HOLE;
    // SAFETY: the address is in the hypervisor's range, so nothing of the kernel's is read.
    let bad = unsafe {
        raw(
            __HYPERVISOR_console_io,
            [u64::from(CONSOLEIO_write), 4, hole, 0, 0],
        )
    };
    r.result("bad_buffer", abi::result(bad));
}

/// An address in the hypervisor's own range, beyond its machine-to-phys table.
const HYPERVISOR_HOLE: u64 = 0xffff_8300_0000_0000;

fn start_info(r: &mut Report) {
    let boot = boot_info();
    r.line(format_args!(
        "magic={} dom0={}",
        boot.magic(),
        boot.is_dom0()
    ));
    r.line(format_args!(
        "p2m_moved={}",
        boot.mfn_list() == 0x80_0000_0000
    ));
}

fn timer(r: &mut Report) {
    r.outcome("stop_periodic_again", hypercall::stop_periodic_timer());
    r.outcome("singleshot_in_the_past", hypercall::set_singleshot_timer(1));
}

//! Multicalls of null hypercalls, per entry.

use super::measure::{Call, ROUNDS};
use super::{Bench, Figures};
use hypercall_abi::version::XENVER_version;
use hypercall_abi::xen::{__HYPERVISOR_multicall, __HYPERVISOR_xen_version, multicall_entry};

pub(super) const BENCHES: &[Bench] = &[multicalls];

fn multicalls(f: &mut Figures) {
    const NOT_DONE: u64 = u64::MAX;
    for (name, count) in [
        ("multicall_1", 1),
        ("multicall_8_per_entry", 8),
        ("multicall_32_per_entry", 32),
    ] {
        let null = multicall_entry {
            op: __HYPERVISOR_xen_version,
            result: NOT_DONE,
            args: [u64::from(XENVER_version), 0, 0, 0, 0, 0],
        };
        let mut list = [null; 32];
        let call = Call::new(
            __HYPERVISOR_multicall,
            [list.as_mut_ptr() as u64, count, 0, 0, 0],
        );
        // SAFETY: the call writes results into the list.
        unsafe { f.pair(name, [call; 2], ROUNDS, count) };
        assert!(
            list.iter()
                .take(count as usize)
                .all(|e| e.result != NOT_DONE)
        );
    }
}

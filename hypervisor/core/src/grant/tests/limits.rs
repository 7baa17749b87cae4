//! The most mappings that a domain may have (`max_maptrack_frames`, domctl.h).

use std::vec::Vec;

use hypercall_abi::grant_table::*;
use zerocopy::FromZeros;

use super::stage::{Hv, Party, check, mapping, three};
use crate::addr::Mfn;
use crate::grant::table::PER_OWN_FRAME;

const GRANTER: u16 = 0;
const MAPPER: usize = 1;
/// More than one, because an entry is in use 128 times at most.
const GREFS: u32 = 3;

/// Maps a grant, into an entry or for a device only: the status, and the handle.
fn map(hv: Hv, mapper: &mut Party, flags: u32, gref: u32) -> (i16, u32) {
    let mut list = mapping(Party::address(0), flags, gref, GRANTER);
    mapper.call(hv, GNTTABOP_map_grant_ref, &mut list[..]);
    (list[0].status, list[0].handle)
}

/// Undoes a mapping for a device of `page`.
fn unmap(hv: Hv, mapper: &mut Party, handle: u32, page: Mfn) -> i16 {
    let mut list = [gnttab_unmap_grant_ref::new_zeroed()];
    (list[0].handle, list[0].dev_bus_addr) = (handle, page.addr());
    mapper.call(hv, GNTTABOP_unmap_grant_ref, &mut list);
    list[0].status
}

#[test]
fn handles_are_as_many_as_the_domain_may_have() {
    let (hv, mut parties) = three();
    let granter = parties[usize::from(GRANTER)].as_ref().expect("it lives");
    let page = granter.pages[1];
    let granted = page.0 << 32 | (MAPPER as u64) << 16 | u64::from(GTF_permit_access);
    for gref in 0..GREFS {
        granter.set_word(hv, gref, granted);
    }
    let mapper = parties[MAPPER].as_mut().expect("it lives");
    let handles: Vec<u32> = (0..PER_OWN_FRAME)
        .map(|n| {
            let (status, handle) = map(hv, mapper, GNTMAP_device_map, n % GREFS);
            assert_eq!(status, GNTST_okay);
            handle
        })
        .collect();
    for flags in [GNTMAP_device_map, GNTMAP_host_map] {
        assert_eq!(
            map(hv, mapper, flags, 0).0,
            GNTST_no_device_space,
            "{flags}"
        );
        assert_eq!(mapper.entry(hv, 0), None);
    }
    // Who was refused holds nothing, and one that is given back is there for the next.
    assert_eq!(unmap(hv, mapper, handles[9], page), GNTST_okay);
    let again = map(hv, mapper, GNTMAP_device_map, 1);
    assert_eq!(again, (GNTST_okay, handles[9]));
    check(hv, &parties);
    let mapper = parties[MAPPER].as_mut().expect("it lives");
    for handle in handles {
        assert_eq!(unmap(hv, mapper, handle, page), GNTST_okay);
    }
    let granter = parties[usize::from(GRANTER)].as_ref().expect("it lives");
    for gref in 0..GREFS {
        assert_eq!(granter.word(hv, gref), granted);
    }
    check(hv, &parties);
}

//! Grants: the control domain grants to itself.

use super::measure::{Call, least, once};
use super::{Bench, Figures};
use crate::check::page::{Page, address, call};
use crate::mm::paging::pte;
use hypercall_abi::grant_table::*;
use hypercall_abi::xen::{__HYPERVISOR_grant_table_op, DOMID_SELF};
use zerocopy::FromZeros;

pub(super) const BENCHES: &[Bench] = &[mappings, others];

/// The entries that are granted.
const FIRST: u32 = 100;
/// Mappings in one call.
const BATCH: usize = 8;

/// The call on a list.
fn on<T>(cmd: u32, list: &mut [T]) -> Call {
    let args = [
        u64::from(cmd),
        list.as_mut_ptr() as u64,
        list.len() as u64,
        0,
        0,
    ];
    Call::new(__HYPERVISOR_grant_table_op, args)
}

/// Makes it once; its ticks.
fn ticks<T>(cmd: u32, list: &mut [T]) -> Result<u64, i64> {
    let call = on(cmd, list);
    // SAFETY: the calls map spare pages, and write the list.
    unsafe { once(&mut [call; 2], 1) }
}

/// The first page of the control domain's table.
fn table() -> Option<Page> {
    let mut frame = [0_u64];
    let mut setup = gnttab_setup_table::new_zeroed();
    (setup.dom, setup.nr_frames) = (DOMID_SELF, 1);
    setup.frame_list = address(&mut frame);
    let args = [
        u64::from(GNTTABOP_setup_table),
        address(&mut setup),
        1,
        0,
        0,
    ];
    // SAFETY: the structure and the list are this function's own.
    unsafe { call(__HYPERVISOR_grant_table_op, args) }.ok()?;
    let window = Page::new();
    window.map(frame[0] << 12 | pte::RW).ok()?;
    Some(window)
}

/// Maps `COUNT` pages in one call and unmaps them in another.
fn cycle<const COUNT: usize>(f: &mut Figures, names: [&'static str; 2], at: &[Page; BATCH]) {
    let mut maps: [_; COUNT] = core::array::from_fn(|i| {
        let mut map = gnttab_map_grant_ref::new_zeroed();
        (map.host_addr, map.flags) = (at[i].va(), GNTMAP_host_map);
        map.r#ref = FIRST + i as u32;
        map
    });
    let mut undone = u64::MAX;
    let done = least(|| {
        f.begin(names[0], COUNT as u64);
        let done = ticks(GNTTABOP_map_grant_ref, &mut maps)?;
        let mut unmaps: [_; COUNT] = core::array::from_fn(|i| {
            let mut unmap = gnttab_unmap_grant_ref::new_zeroed();
            (unmap.host_addr, unmap.handle) = (maps[i].host_addr, maps[i].handle);
            unmap
        });
        f.begin(names[1], COUNT as u64);
        undone = undone.min(ticks(GNTTABOP_unmap_grant_ref, &mut unmaps)?);
        let mapped = maps.iter().map(|map| map.status);
        let all = mapped.chain(unmaps.iter().map(|unmap| unmap.status));
        match all.into_iter().find(|&status| status != GNTST_okay) {
            Some(status) => Err(status.into()),
            None => Ok(done),
        }
    });
    match done {
        Ok(done) => {
            f.ticks(names[0], done, COUNT as u64);
            f.ticks(names[1], undone, COUNT as u64);
        }
        Err(result) => f.refused(names[0], result),
    }
}

fn mappings(f: &mut Figures) {
    let Some(table) = table() else {
        return f.refused("grant_map", -1);
    };
    let pages: [Page; BATCH] = core::array::from_fn(|_| Page::new());
    for (page, gref) in pages.iter().zip(FIRST..) {
        table.write(
            gref as usize,
            u64::from(GTF_permit_access) | page.mfn() << 32,
        );
    }
    let at: [Page; BATCH] = core::array::from_fn(|_| Page::new());
    for page in &at {
        page.map(0).expect("a spare page can be unmapped");
    }
    cycle::<1>(f, ["grant_map", "grant_unmap"], &at);
    cycle::<BATCH>(f, ["grant_map_8_per_page", "grant_unmap_8_per_page"], &at);
    for gref in FIRST..FIRST + BATCH as u32 {
        table.write(gref as usize, 0);
    }
}

fn others(f: &mut Figures) {
    let mut query = [gnttab_query_size::new_zeroed()];
    query[0].dom = DOMID_SELF;
    report(f, "grant_query_size", GNTTABOP_query_size, &mut query);
    let Some(table) = table() else {
        return f.refused("grant_copy", -1);
    };
    let (from, to) = (Page::new(), Page::new());
    let granted = |page: &Page| u64::from(GTF_permit_access) | page.mfn() << 32;
    table.write(FIRST as usize, granted(&from));
    let mut copy = [gnttab_copy::new_zeroed()];
    copy[0].len = 64;
    (copy[0].source.domid, copy[0].dest.domid) = (DOMID_SELF, DOMID_SELF);
    (copy[0].source.u, copy[0].dest.u) = (from.mfn(), to.mfn());
    report(f, "copy_64_bytes", GNTTABOP_copy, &mut copy);
    copy[0].source.u = FIRST.into();
    copy[0].flags = GNTCOPY_source_gref;
    report(f, "copy_64_bytes_from_grant", GNTTABOP_copy, &mut copy);
    copy[0].len = 4096;
    report(f, "copy_page_from_grant", GNTTABOP_copy, &mut copy);
    table.write(FIRST as usize, 0);
}

fn report<T>(f: &mut Figures, name: &'static str, cmd: u32, list: &mut [T]) {
    f.begin(name, 1);
    match least(|| ticks(cmd, list)) {
        Ok(ticks) => f.ticks(name, ticks, 1),
        Err(result) => f.refused(name, result),
    }
}

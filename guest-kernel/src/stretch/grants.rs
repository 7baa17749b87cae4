//! Grants: lists of every operation on them, each as long as its pages allow, in one call and many
//! times over.

use super::{CALLS, Call, list};
use crate::check::page::{Page, address, call, extended};
use crate::hypercall::HvResult;
use crate::mm::paging::{ENTRIES, pte};
use alloc::vec::Vec;
use guest_user::abi::Errno;
use hypercall_abi::grant_table::*;
use hypercall_abi::xen::*;
use zerocopy::FromZeros;

/// The first entries are others' (the console's, the store's).
pub(super) const FIRST: u32 = 64;
/// Entries that are used, in two pages of the table.
pub(super) const COUNT: usize = 768;
/// Bytes that a copy can move at most.
const PAGE: u16 = 4096;

/// Makes the call on a list.
fn on<T>(cmd: u32, list: &mut [T]) -> HvResult {
    let args = [u64::from(cmd), list.as_mut_ptr() as u64, list.len() as u64];
    // SAFETY: the lists are this module's, and what they map are spare tables and pages.
    unsafe {
        call(
            __HYPERVISOR_grant_table_op,
            [args[0], args[1], args[2], 0, 0],
        )
    }
}

/// Makes it, and requires of each of its operations that it is done.
pub(super) fn done<T>(cmd: u32, list: &mut [T], status: impl Fn(&T) -> i16) -> HvResult {
    on(cmd, list)?;
    match list.iter().map(status).find(|&status| status != GNTST_okay) {
        Some(status) => {
            crate::log::kprintln!("STRETCH-WORK grant operation {cmd}: status {status}");
            Err(Errno(i64::from(-status)))
        }
        None => Ok(0),
    }
}

/// The table, made as long as it may be, and its first pages.
pub(super) fn table() -> HvResult<[Page; 2]> {
    let mut query = [gnttab_query_size::new_zeroed()];
    query[0].dom = DOMID_SELF;
    on(GNTTABOP_query_size, &mut query)?;
    let mut frames: Vec<u64> = alloc::vec![0; query[0].max_nr_frames as usize];
    let mut setup = [gnttab_setup_table::new_zeroed()];
    (setup[0].dom, setup[0].nr_frames) = (DOMID_SELF, query[0].max_nr_frames);
    setup[0].frame_list = frames.as_mut_ptr() as u64;
    done(GNTTABOP_setup_table, &mut setup, |op| op.status)?;
    let windows = core::array::from_fn(|_| Page::new());
    for (window, frame) in windows.iter().zip(&frames) {
        Page::map(window, frame << 12 | pte::RW)?;
    }
    Ok(windows)
}

/// All of it.
pub(super) fn all() -> HvResult {
    let table = table()?;
    let page = Page::new();
    let set = |gref: usize, word| table[gref / ENTRIES].write(gref % ENTRIES, word);
    let grefs = FIRST as usize..FIRST as usize + COUNT;
    for gref in grefs.clone() {
        set(gref, u64::from(GTF_permit_access) | page.mfn() << 32);
    }
    let result = unused()
        .and_then(|()| copies(&page))
        .and_then(|_| maps(&page));
    for gref in grefs {
        set(gref, 0);
    }
    for window in &table {
        window.restore();
    }
    result
}

/// What is asked of entries that nobody uses.
fn unused() -> HvResult<()> {
    let mut swaps: Vec<_> = (0..4 * COUNT)
        .map(|i| gnttab_swap_grant_ref {
            ref_a: FIRST + (i % COUNT) as u32,
            ref_b: FIRST + ((i + 1) % COUNT) as u32,
            ..gnttab_swap_grant_ref::new_zeroed()
        })
        .collect();
    done(GNTTABOP_swap_grant_ref, &mut swaps, |op| op.status)?;
    let mut query = gnttab_query_size::new_zeroed();
    query.dom = DOMID_SELF;
    let args = [
        u64::from(GNTTABOP_query_size),
        address(&mut query),
        1,
        0,
        0,
        0,
    ];
    list(&[(__HYPERVISOR_grant_table_op, args); CALLS]).map(drop)
}

/// Whole pages, from grants and between own pages.
fn copies(page: &Page) -> HvResult {
    let to = Page::new();
    let mut copies: Vec<_> = (0..COUNT)
        .map(|i| {
            let mut copy = gnttab_copy::new_zeroed();
            (copy.source.domid, copy.dest.domid, copy.len) = (DOMID_SELF, DOMID_SELF, PAGE);
            (copy.source.u, copy.dest.u) = (page.mfn(), to.mfn());
            if i % 2 == 0 {
                copy.source.u = u64::from(FIRST) + i as u64;
                copy.flags = GNTCOPY_source_gref;
            }
            copy
        })
        .collect();
    done(GNTTABOP_copy, &mut copies, |op| op.status)?;
    many(GNTTABOP_copy, &mut copies)
}

/// A list in a multicall of as many calls.
fn many<T>(cmd: u32, all: &mut [T]) -> HvResult {
    let calls = all.chunks_mut(32).map(|part| {
        let args = [
            u64::from(cmd),
            part.as_mut_ptr() as u64,
            part.len() as u64,
            0,
            0,
            0,
        ];
        (__HYPERVISOR_grant_table_op, args)
    });
    list(&calls.collect::<Vec<Call>>())
}

/// Pages mapped into the entries of a table, for devices as well, and unmapped; by address, and
/// replaced.
fn maps(page: &Page) -> HvResult {
    let spare: [Page; 2] = core::array::from_fn(|_| super::table(0, 0..0));
    for table in &spare {
        extended(MMUEXT_PIN_L1_TABLE, table.mfn(), 0)?;
    }
    let slot = |i: usize| spare[i / ENTRIES].slot(i % ENTRIES);
    for in_parts in [false, true] {
        let mut maps: Vec<_> = (0..COUNT)
            .map(|i| {
                let flags = GNTMAP_host_map | GNTMAP_device_map | GNTMAP_contains_pte;
                map(slot(i), FIRST + i as u32, flags)
            })
            .collect();
        made(in_parts, GNTTABOP_map_grant_ref, &mut maps, |op| op.status)?;
        let mut flushes: Vec<_> = (0..64)
            .map(|_| {
                let mut flush = gnttab_cache_flush::new_zeroed();
                (flush.a, flush.length, flush.op) = (page.mfn() << 12, PAGE, GNTTAB_CACHE_CLEAN);
                flush
            })
            .collect();
        on(GNTTABOP_cache_flush, &mut flushes)?;
        let mut unmaps: Vec<_> = maps.iter().map(unmap).collect();
        made(in_parts, GNTTABOP_unmap_grant_ref, &mut unmaps, |op| {
            op.status
        })?;
    }
    let at: Vec<Page> = (0..32).map(|_| Page::new()).collect();
    let other: Vec<Page> = (0..32).map(|_| Page::new()).collect();
    let by_address = |at: &Vec<Page>| -> Vec<_> {
        let maps = at.iter().zip(FIRST..);
        maps.map(|(page, gref)| map(page.va(), gref, GNTMAP_host_map))
            .collect()
    };
    let mut maps = by_address(&at);
    done(GNTTABOP_map_grant_ref, &mut maps, |op| op.status)?;
    let mut unmaps: Vec<_> = maps.iter().map(unmap).collect();
    done(GNTTABOP_unmap_grant_ref, &mut unmaps, |op| op.status)?;
    let mut maps = by_address(&at);
    done(GNTTABOP_map_grant_ref, &mut maps, |op| op.status)?;
    let mut replaced: Vec<_> = (maps.iter().zip(&other))
        .map(|(map, other)| {
            let mut replace = gnttab_unmap_and_replace::new_zeroed();
            (replace.host_addr, replace.new_addr) = (map.host_addr, other.va());
            replace.handle = map.handle;
            replace
        })
        .collect();
    let result = done(GNTTABOP_unmap_and_replace, &mut replaced, |op| op.status);
    for page in at.iter().chain(&other) {
        page.restore();
    }
    for table in &spare {
        extended(MMUEXT_UNPIN_TABLE, table.mfn(), 0)?;
    }
    result
}

fn map(host_addr: u64, gref: u32, flags: u32) -> gnttab_map_grant_ref {
    gnttab_map_grant_ref {
        host_addr,
        flags,
        r#ref: gref,
        ..gnttab_map_grant_ref::new_zeroed()
    }
}

/// All that a mapping was.
pub(super) fn unmap(map: &gnttab_map_grant_ref) -> gnttab_unmap_grant_ref {
    let device = map.flags & GNTMAP_device_map != 0;
    gnttab_unmap_grant_ref {
        host_addr: map.host_addr,
        dev_bus_addr: if device { map.dev_bus_addr } else { 0 },
        handle: map.handle,
        ..gnttab_unmap_grant_ref::new_zeroed()
    }
}

/// A list in one call, or in a multicall of many.
fn made<T>(in_parts: bool, cmd: u32, all: &mut [T], status: impl Fn(&T) -> i16) -> HvResult {
    if !in_parts {
        return done(cmd, all, status);
    }
    many(cmd, all)?;
    match all.iter().map(status).find(|&status| status != GNTST_okay) {
        Some(status) => Err(Errno(i64::from(-status))),
        None => Ok(0),
    }
}

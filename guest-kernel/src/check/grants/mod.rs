//! Grants between domains: mapping, copying, what is refused, and what the shared entry shows
//! meanwhile. The control domain grants to itself, and takes what a domain that it made grants.

mod copies;
mod maps;
mod others;
mod wide;

use super::page::*;
use super::{Check, Report};
use crate::hypercall::HvResult;
use crate::mm::paging::pte;
use core::fmt;
use hypercall_abi::grant_table::*;
use hypercall_abi::xen::*;
use zerocopy::FromZeros;

pub(super) use copies::CHECKS as COPIES;
pub(super) use maps::CHECKS as MAPS;
pub(super) use others::CHECKS as OTHERS;
pub(super) use wide::CHECKS as WIDE;

/// The control domain's id, as `dom` of an operation and as the grantee in an entry.
const ME: u16 = 0;
/// An entry that checks use.
const REF: u32 = 20;
/// An entry that one check leaves mapped: where a result could not be told, nobody knows the handle.
const LOST: u32 = 40;
/// A status that nobody gives: nothing was written.
const UNTOUCHED: i16 = 0x55;

/// Makes a `grant_table_op` on a list.
fn op<T>(cmd: u32, list: &mut [T]) -> HvResult {
    let args = [
        u64::from(cmd),
        list.as_mut_ptr() as u64,
        list.len() as u64,
        0,
        0,
    ];
    // SAFETY: the operations write the list alone, and entries of the check's own spare pages.
    unsafe { call(__HYPERVISOR_grant_table_op, args) }
}

/// The first page of a grant table, mapped writable.
struct Table(Page);

impl Table {
    /// That of `dom`, which the caller may ask about.
    fn of(dom: u16) -> HvResult<Self> {
        let mut list = [0_u64];
        let mut setup = gnttab_setup_table::new_zeroed();
        (setup.dom, setup.nr_frames) = (dom, 1);
        setup.frame_list = address(&mut list);
        op(GNTTABOP_setup_table, core::slice::from_mut(&mut setup))?;
        let window = Page::new();
        let entry = list[0] << 12 | pte::RW;
        if dom == DOMID_SELF {
            window.map(entry)?;
        } else {
            update(window.own_slot(), entry, dom)?;
            crate::hypercall::flush_tlb();
        }
        Ok(Self(window))
    }

    /// Sets an entry.
    fn set(&self, gref: u32, flags: u16, domid: u16, frame: u64) {
        let value = u64::from(flags) | u64::from(domid) << 16 | frame << 32;
        self.0.write(gref as usize, value);
    }

    /// Grants `page` to the caller.
    fn grant(&self, gref: u32, page: &Page, flags: u16) {
        self.set(gref, GTF_permit_access | flags, ME, page.mfn());
    }

    fn clear(&self, gref: u32) {
        self.0.write(gref as usize, 0);
    }

    /// The flags of an entry now.
    fn flags(&self, gref: u32) -> u16 {
        self.0.read(gref as usize) as u16
    }
}

/// A mapping to ask for.
fn wanted(host_addr: u64, flags: u32, gref: u32, dom: u16) -> gnttab_map_grant_ref {
    let mut map = gnttab_map_grant_ref::new_zeroed();
    (map.host_addr, map.flags, map.r#ref, map.dom) = (host_addr, flags, gref, dom);
    (map.status, map.handle, map.dev_bus_addr) = (UNTOUCHED, 0x5555, 0x77);
    map
}

/// What became of a mapping that was asked for.
struct Mapped {
    result: HvResult,
    status: i16,
    handle: u32,
    bus: u64,
}

fn map(host_addr: u64, flags: u32, gref: u32, dom: u16) -> Mapped {
    let mut list = [wanted(host_addr, flags, gref, dom)];
    let result = op(GNTTABOP_map_grant_ref, &mut list);
    // What was mapped there before may be remembered.
    crate::hypercall::flush_tlb();
    let [map] = list;
    Mapped {
        result,
        status: map.status,
        handle: map.handle,
        bus: map.dev_bus_addr,
    }
}

/// The usual mapping of the caller's own entry.
fn map_own(at: &Page, flags: u32) -> Mapped {
    map(at.va(), GNTMAP_host_map | flags, REF, ME)
}

impl fmt::Display for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} status={}", Shown(self.result), self.status)
    }
}

/// The outcome of an operation whose status is all that it gives.
struct Outcome(HvResult, i16);

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} status={}", Shown(self.0), self.1)
    }
}

fn undo(host_addr: u64, dev_bus_addr: u64, handle: u32) -> gnttab_unmap_grant_ref {
    let mut unmap = gnttab_unmap_grant_ref::new_zeroed();
    (unmap.host_addr, unmap.dev_bus_addr, unmap.handle) = (host_addr, dev_bus_addr, handle);
    unmap.status = UNTOUCHED;
    unmap
}

fn unmap(host_addr: u64, dev_bus_addr: u64, handle: u32) -> Outcome {
    let mut list = [undo(host_addr, dev_bus_addr, handle)];
    let result = op(GNTTABOP_unmap_grant_ref, &mut list);
    Outcome(result, list[0].status)
}

//! Grant tables: their frames and version, the calls that set them up, and by which domains use what
//! others grant.
//!
//! The frames are shared pages of the domain: zeroed, permanently writable, freed with the domain.

#[cfg(any(test, feature = "testkit"))]
pub mod census;
mod copy;
mod entry;
mod list;
mod map;
mod others;
pub(crate) mod quick;
mod table;
#[cfg(test)]
mod tests;

use hypercall_abi::grant_table::{
    GNTST_bad_domain, GNTST_bad_virt_addr, GNTST_general_error, GNTST_okay,
    GNTST_permission_denied, GNTTABOP_cache_flush, GNTTABOP_copy, GNTTABOP_get_status_frames,
    GNTTABOP_get_version, GNTTABOP_map_grant_ref, GNTTABOP_query_size, GNTTABOP_set_version,
    GNTTABOP_setup_table, GNTTABOP_swap_grant_ref, GNTTABOP_transfer, GNTTABOP_unmap_and_replace,
    GNTTABOP_unmap_grant_ref, gnttab_get_status_frames, gnttab_get_version, gnttab_query_size,
    gnttab_set_version, gnttab_setup_table,
};

pub use table::GrantTable;

use crate::addr::guest_range;
use crate::domain::lifecycle::Progress;
use crate::domain::{DOMID_SELF, Domain, DomainState};
use crate::error::{Errno, HypercallResult, Result, Stop};
use crate::guest::{GuestSlice, copy_in, copy_out};
use crate::hypercall::{Budget, Cx};
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

/// The only version of the table's layout there is.
const VERSION: u32 = 1;
/// Frames a domain has from its creation on.
const INITIAL_FRAMES: u32 = 1;
/// Frames a domain may have at most, whatever its toolstack says.
pub const MAX_FRAMES: u32 = 1024;

/// Frames of mappings that a domain may have at most, whatever its toolstack says.
pub const MAX_TRACKS: u32 = 1024;

/// Gives a new domain room for its table, and says how many frames its mappings may take; all frames
/// come with the first use.
///
/// # Errors
/// `EINVAL` when `max_frames` is 0 or more than [`MAX_FRAMES`], or `max_tracks` more than
/// [`MAX_TRACKS`]; `ENOMEM`.
pub fn init(state: &mut DomainState, max_frames: u32, max_tracks: u32) -> Result<()> {
    if max_frames == 0 || max_frames > MAX_FRAMES || max_tracks > MAX_TRACKS {
        return Err(Errno::EINVAL);
    }
    state.grants = GrantTable::reserve(max_frames, max_tracks)?;
    Ok(())
}

/// Bits of the command from which on real Xen keeps how far it came.
const CONTINUATION_SHIFT: u32 = 12;

/// Ends the mappings of a domain that ends, whose page tables are gone, and frees its table.
pub fn release<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, budget: &mut Budget) -> Progress {
    if map::release(hv, dom, budget) == Progress::More {
        return Progress::More;
    }
    while dom.lock().grants.shrink(hv) {
        if !budget.take(UNITS_OF_OLD_FRAME) {
            return Progress::More;
        }
    }
    Progress::Done
}

/// Units of budget for a frame that is cleared.
const UNITS_OF_FRAME: u32 = 40;
/// Units for one that is freed.
const UNITS_OF_OLD_FRAME: u32 = 12;

/// Makes the table at least `nr_frames` long.
///
/// # Errors
/// `EINVAL` above the domain's maximum, `ENOMEM`; `Retry` when the budget is spent. The table keeps
/// the frames it got.
pub fn grow<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    nr_frames: u32,
    budget: &mut Budget,
) -> Result<(), Stop> {
    if nr_frames > state.grants.max_frames {
        return Err(Errno::EINVAL.into());
    }
    state.grants.grow(hv, dom, nr_frames, budget)
}

/// `grant_table_op` (grant_table.h).
///
/// # Errors
/// `EFAULT`; `EINVAL` for a count that the call does not take; `ENOSYS` for other calls. Operations on
/// what others grant tell of their errors in the list.
// Never inlined: its frame must not be the dispatcher's, nor its callers' in a multicall.
#[inline(never)]
pub fn grant_table_op<M: Machine>(
    cx: &mut Cx<'_, M>,
    cmd: u64,
    uop: u64,
    count: u64,
) -> HypercallResult {
    // Real Xen keeps its progress there, and checks what it finds.
    if cmd as u32 >> CONTINUATION_SHIFT != 0 {
        return Err(Errno::EINVAL.into());
    }
    let count = count as u32;
    if count.cast_signed() < 0 {
        return Err(Errno::EINVAL.into());
    }
    let list = u64::from(count);
    match cmd as u32 {
        GNTTABOP_map_grant_ref => map::map(cx, uop, list),
        GNTTABOP_unmap_grant_ref => map::unmap(cx, uop, list),
        GNTTABOP_copy => copy::copy(cx, uop, list),
        GNTTABOP_query_size => {
            single(count)?;
            query_size(cx, uop)
        }
        other => seldom(cx, other, uop, count),
    }
}

/// Operations that are made once, or never.
#[cold]
#[inline(never)]
fn seldom<M: Machine>(cx: &mut Cx<'_, M>, cmd: u32, uop: u64, count: u32) -> HypercallResult {
    let list = u64::from(count);
    match cmd {
        GNTTABOP_setup_table => {
            single(count)?;
            setup_table(cx, uop)
        }
        GNTTABOP_transfer => others::transfer(cx, uop, list),
        GNTTABOP_unmap_and_replace => map::replace(cx, uop, list),
        GNTTABOP_set_version => set_version(cx, uop),
        GNTTABOP_get_status_frames => {
            single(count)?;
            get_status_frames(cx, uop)
        }
        GNTTABOP_get_version => get_version(cx, uop),
        GNTTABOP_swap_grant_ref => others::swap(cx, uop, list),
        GNTTABOP_cache_flush => others::cache_flush(cx, uop, list),
        // Also for printing the table: who may read the log, may ask the domain.
        _ => Err(Errno::ENOSYS.into()),
    }
}

/// The count of a call that takes no list.
fn single(count: u32) -> Result<()> {
    if count == 1 {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

/// The domain a call names, as the caller may see it; else the call's status.
fn subject<'a, M: Machine>(cx: &Cx<'a, M>, domid: u16) -> Result<&'a Domain, i16> {
    if domid == DOMID_SELF || domid == cx.dom.id() {
        return Ok(cx.dom);
    }
    let other = cx.hv.domains.find(domid).map_err(|_| GNTST_bad_domain)?;
    if cx.dom.is_privileged() {
        Ok(other)
    } else {
        Err(GNTST_permission_denied)
    }
}

fn setup_table<M: Machine>(cx: &mut Cx<'_, M>, uop: u64) -> HypercallResult {
    let mut op: gnttab_setup_table = copy_in(cx.m(), uop)?;
    op.status = match subject(cx, op.dom) {
        Err(status) => status,
        Ok(dom) if op.nr_frames > dom.lock().grants.max_frames => GNTST_general_error,
        Ok(dom) => {
            let list = GuestSlice::<u64>::new(op.frame_list, op.nr_frames.into())?;
            let mut state = dom.lock();
            let grown = grow(cx.hv, dom, &mut state, op.nr_frames, &mut cx.budget);
            if grown == Err(Stop::Retry) {
                return Err(Stop::Retry);
            }
            // For telling of the frames.
            cx.afford(op.nr_frames / 2)?;
            if grown.is_err() {
                GNTST_general_error
            } else {
                let mut status = GNTST_okay;
                for (index, mfn) in state
                    .grants
                    .frames
                    .iter()
                    .enumerate()
                    .take(op.nr_frames as usize)
                {
                    if list.write(cx.m(), index as u64, &mfn.0).is_err() {
                        status = GNTST_bad_virt_addr;
                    }
                }
                status
            }
        }
    };
    copy_out(cx.m(), uop, &op)?;
    Ok(0)
}

fn query_size<M: Machine>(cx: &Cx<'_, M>, uop: u64) -> HypercallResult {
    let mut op: gnttab_query_size = copy_in(cx.m(), uop)?;
    op.status = match subject(cx, op.dom) {
        Err(status) => status,
        Ok(dom) => {
            let state = dom.lock();
            let frames = state.grants.frames.len() as u32;
            op.nr_frames = frames.max(INITIAL_FRAMES);
            op.max_nr_frames = state.grants.max_frames;
            GNTST_okay
        }
    };
    copy_out(cx.m(), uop, &op)?;
    Ok(0)
}

/// Version 2 gives what a hypervisor limited to version 1 gives; the version in force is written
/// back whatever the result.
fn set_version<M: Machine>(cx: &Cx<'_, M>, uop: u64) -> HypercallResult {
    let mut op: gnttab_set_version = copy_in(cx.m(), uop)?;
    let result = match op.version {
        VERSION => Ok(0),
        2 => Err(Errno::ENOSYS),
        _ => Err(Errno::EINVAL),
    };
    op.version = VERSION;
    copy_out(cx.m(), uop, &op)?;
    Ok(result?)
}

fn get_version<M: Machine>(cx: &Cx<'_, M>, uop: u64) -> HypercallResult {
    let mut op: gnttab_get_version = copy_in(cx.m(), uop)?;
    match subject(cx, op.dom) {
        Ok(_) => op.version = VERSION,
        Err(GNTST_bad_domain) => return Err(Errno::ESRCH.into()),
        Err(_) => return Err(Errno::EPERM.into()),
    }
    copy_out(cx.m(), uop, &op)?;
    Ok(0)
}

/// There are no status words: version 1 has its flags in the entries.
fn get_status_frames<M: Machine>(cx: &Cx<'_, M>, uop: u64) -> HypercallResult {
    let mut op: gnttab_get_status_frames = copy_in(cx.m(), uop)?;
    op.status = match subject(cx, op.dom) {
        Err(status) => status,
        Ok(_) => {
            if !guest_range(op.frame_list, 1) {
                return Err(Errno::EFAULT.into());
            }
            if op.nr_frames == 0 {
                GNTST_okay
            } else {
                GNTST_general_error
            }
        }
    };
    copy_out(cx.m(), uop, &op)?;
    Ok(0)
}

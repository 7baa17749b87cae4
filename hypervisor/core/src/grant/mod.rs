//! Grant tables: their frames and version, and the calls that set them up.
//!
//! The frames are shared pages of the domain: zeroed, permanently writable, freed with the domain.

use alloc::vec::Vec;

use hypercall_abi::grant_table::{
    GNTST_bad_domain, GNTST_bad_virt_addr, GNTST_general_error, GNTST_okay,
    GNTST_permission_denied, GNTTABOP_get_version, GNTTABOP_query_size, GNTTABOP_set_version,
    GNTTABOP_setup_table, gnttab_get_version, gnttab_query_size, gnttab_set_version,
    gnttab_setup_table,
};

use crate::addr::Mfn;
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

/// A domain's grant table.
#[derive(Default)]
pub struct GrantTable {
    /// Its frames, in order.
    pub frames: Vec<Mfn>,
    /// Most frames it may have.
    pub max_frames: u32,
}

/// Gives a new domain room for its table; the frames come with the first use.
///
/// # Errors
/// `EINVAL` when `max_frames` is 0 or more than [`MAX_FRAMES`], `ENOMEM`.
pub fn init(state: &mut DomainState, max_frames: u32) -> Result<()> {
    if max_frames == 0 || max_frames > MAX_FRAMES {
        return Err(Errno::EINVAL);
    }
    let table = &mut state.grants;
    table.max_frames = max_frames;
    table
        .frames
        .try_reserve_exact(max_frames as usize)
        .map_err(|_| Errno::ENOMEM)
}

/// Bits of the command from which on real Xen keeps how far it came.
const CONTINUATION_SHIFT: u32 = 12;

/// Frees the table of a domain that ends.
pub fn release<M: Machine>(
    hv: &Hypervisor<M>,
    state: &mut DomainState,
    budget: &mut Budget,
) -> Progress {
    while let Some(mfn) = state.grants.frames.pop() {
        hv.free_shared_page(mfn);
        if !budget.take(UNITS_OF_OLD_FRAME) {
            return Progress::More;
        }
    }
    Progress::Done
}

/// Units of budget for a frame that is cleared.
const UNITS_OF_FRAME: u32 = 16;
/// Units for one that is freed.
const UNITS_OF_OLD_FRAME: u32 = 5;

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
    let table = &mut state.grants;
    if nr_frames > table.max_frames {
        return Err(Errno::EINVAL.into());
    }
    while table.frames.len() < nr_frames.max(INITIAL_FRAMES) as usize {
        if !budget.take(UNITS_OF_FRAME) {
            return Err(Stop::Retry);
        }
        table.frames.push(hv.alloc_shared_page(dom)?);
    }
    Ok(())
}

/// `grant_table_op` (grant_table.h): the calls about the table itself.
///
/// # Errors
/// `EFAULT`; `EINVAL` for a count that the call does not take; `ENOSYS` for other calls.
// Never inlined: its frame must not be the dispatcher's, nor its callers' in a multicall.
#[inline(never)]
pub fn grant_table_op<M: Machine>(
    cx: &mut Cx<'_, M>,
    cmd: u64,
    uop: u64,
    count: u64,
) -> HypercallResult {
    let single = || {
        if count == 1 {
            Ok(())
        } else {
            Err(Errno::EINVAL)
        }
    };
    // Real Xen keeps its progress there, and checks what it finds.
    if cmd as u32 >> CONTINUATION_SHIFT != 0 {
        return Err(Errno::EINVAL.into());
    }
    match cmd as u32 {
        GNTTABOP_setup_table => {
            single()?;
            setup_table(cx, uop)
        }
        GNTTABOP_query_size => {
            single()?;
            query_size(cx, uop)
        }
        GNTTABOP_set_version => set_version(cx, uop),
        GNTTABOP_get_version => get_version(cx, uop),
        _ => Err(Errno::ENOSYS.into()),
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

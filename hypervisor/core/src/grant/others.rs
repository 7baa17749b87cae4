//! `transfer`, `swap_grant_ref`, `cache_flush`.

use hypercall_abi::grant_table::{
    GNTST_bad_domain, GNTST_bad_gntref, GNTST_bad_page, GNTST_eagain, GNTST_general_error,
    GNTST_okay, GNTTAB_CACHE_CLEAN, GNTTAB_CACHE_INVAL, GTF_accept_transfer,
    GTF_transfer_committed, GTF_transfer_completed, gnttab_cache_flush, gnttab_swap_grant_ref,
    gnttab_transfer,
};

use super::list;
use crate::addr::{Mfn, PAGE_SIZE};
use crate::domain::Phase;
use crate::error::{Errno, HypercallResult, Stop};
use crate::frame::word::Owner;
use crate::hypercall::Cx;
use crate::platform::Machine;

/// Units of budget for one of these.
const UNITS: u32 = 14;

/// `GNTTABOP_swap_grant_ref`.
#[cold]
#[inline(never)]
pub(super) fn swap<M: Machine>(cx: &mut Cx<'_, M>, uop: u64, count: u64) -> HypercallResult {
    list::each(
        cx,
        (uop, count),
        UNITS,
        |cx, op: &mut gnttab_swap_grant_ref| {
            let swapped = swap_one(cx, op.ref_a, op.ref_b);
            op.status = swapped.map_or_else(|status| status, |()| GNTST_okay);
        },
    )
}

fn swap_one<M: Machine>(cx: &Cx<'_, M>, a: u32, b: u32) -> Result<(), i16> {
    let m = cx.m();
    let state = cx.dom.lock();
    let table = &state.grants;
    let one = table.shared(a).ok_or(GNTST_bad_gntref)?;
    let other = table.shared(b).ok_or(GNTST_bad_gntref)?;
    if a == b {
        return Ok(());
    }
    if table.active(m, a).pins != 0 || table.active(m, b).pins != 0 {
        return Err(GNTST_eagain);
    }
    let (first, second) = (m.load_u64(one.0, one.1), m.load_u64(other.0, other.1));
    m.store_u64(one.0, one.1, second);
    m.store_u64(other.0, other.1, first);
    Ok(())
}

/// `GNTTABOP_transfer`.
#[cold]
#[inline(never)]
pub(super) fn transfer<M: Machine>(cx: &mut Cx<'_, M>, uop: u64, count: u64) -> HypercallResult {
    list::each(cx, (uop, count), UNITS, |cx, op: &mut gnttab_transfer| {
        let given = transfer_one(cx, op);
        op.status = given.map_or_else(|status| status, |()| GNTST_okay);
        cx.hv.settle_aside(&mut cx.budget);
    })
}

/// Gives a page of the caller's that nobody uses to a domain that has an entry for it. Only if it is
/// not such a page does it stay the caller's.
fn transfer_one<M: Machine>(cx: &Cx<'_, M>, op: &gnttab_transfer) -> Result<(), i16> {
    let (hv, m, mfn) = (cx.hv, cx.m(), Mfn(op.mfn));
    let page = hv.steal_page(cx.dom, mfn).map_err(|_| GNTST_bad_page)?;
    let accepted = (|| {
        let to = hv.domains.find(op.domid).map_err(|_| GNTST_bad_domain)?;
        if to.phase() != Phase::Alive {
            return Err(GNTST_bad_domain);
        }
        let state = to.lock();
        let (shared, at) = state.grants.shared(op.r#ref).ok_or(GNTST_general_error)?;
        let wanted = u32::from(GTF_accept_transfer) | u32::from(cx.dom.id()) << 16;
        // Nothing but what the receiver wrote to accept it; and only once.
        let committed = u32::from(GTF_transfer_committed);
        m.exchange_u32(shared, at, wanted, wanted | committed)
            .map_err(|_| GNTST_general_error)?;
        Ok((to, state, shared, at))
    })();
    let (to, state, shared, at) = match accepted {
        Ok(accepted) => accepted,
        Err(status) => {
            hv.free_stolen_page(page);
            return Err(status);
        }
    };
    let given: Result<(), Errno> = hv.give_stolen_page(cx.dom, to, page);
    if given.is_ok() {
        m.store_u32(shared, at + 4, mfn.0 as u32);
        let completed = u64::from(GTF_transfer_completed);
        m.fetch_or_u64(shared, at, completed);
    } else {
        m.fetch_and_u64(shared, at, !u64::from(GTF_transfer_committed));
    }
    drop(state);
    given.map_err(|_| GNTST_general_error)
}

/// `GNTTABOP_cache_flush`.
///
/// # Errors
/// `EINVAL` for bytes beyond the page, unknown operations and frames that are no memory; `EPERM` for a
/// page that is neither the caller's nor mapped by it; `EOPNOTSUPP` for dropping what caches hold.
#[cold]
#[inline(never)]
pub(super) fn cache_flush<M: Machine>(cx: &mut Cx<'_, M>, uop: u64, count: u64) -> HypercallResult {
    let one =
        |cx: &mut Cx<'_, M>, op: &mut gnttab_cache_flush, from: &mut u32| flush_one(cx, op, from);
    list::each_in_parts(cx, (uop, count), UNITS, one)
}

fn flush_one<M: Machine>(
    cx: &mut Cx<'_, M>,
    op: &gnttab_cache_flush,
    from: &mut u32,
) -> Result<(), Stop> {
    let known = GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL;
    let end = usize::from(op.offset) + usize::from(op.length);
    if end > PAGE_SIZE || op.op & !known != 0 {
        return Err(Errno::EINVAL.into());
    }
    if op.length == 0 || op.op == 0 {
        return Ok(());
    }
    let mfn = Mfn::containing(op.a);
    if mfn.0 >= cx.hv.frames.len() {
        return Err(Errno::EINVAL.into());
    }
    if cx.hv.frames.owner(mfn) != Owner::from(cx.dom) && !is_mapped(cx, mfn, from)? {
        return Err(Errno::EPERM.into());
    }
    if op.op & GNTTAB_CACHE_CLEAN == 0 {
        return Err(Errno::EOPNOTSUPP.into());
    }
    cx.m().flush_cache();
    Ok(())
}

/// Whether the caller has mapped `mfn`, another's page, with a handle from `from` on, which keeps up
/// with how many were looked at.
///
/// # Errors
/// `Retry` where the budget does not suffice to look at all that it has mapped.
fn is_mapped<M: Machine>(cx: &mut Cx<'_, M>, mfn: Mfn, from: &mut u32) -> Result<bool, Stop> {
    /// Handles that are looked at for one unit.
    const PER_UNIT: u32 = 4;
    let state = cx.dom.lock();
    let table = &state.grants;
    while *from < table.handles() {
        let track = table.track(cx.hv.machine, *from);
        if track.is_some_and(|track| track.mfn() == mfn) {
            return Ok(true);
        }
        *from += 1;
        if from.is_multiple_of(PER_UNIT) && !cx.budget.take(1) {
            return Err(Stop::Retry);
        }
    }
    Ok(false)
}

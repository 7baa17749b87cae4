//! `GNTTABOP_copy`: bytes from one page to another, each either granted or the caller's own.
//!
//! While bytes are copied, the granters are locked: so the claims on their entries are nobody else's
//! to see, and last no longer than the copy.

use hypercall_abi::grant_table::{
    GNTCOPY_dest_gref, GNTCOPY_source_gref, GNTST_bad_copy_arg, GNTST_bad_domain, GNTST_okay,
    GNTST_permission_denied, gnttab_copy, gnttab_copy_ptr,
};
use hypercall_abi::xen::DOMID_SELF;

use super::entry::{Claim, For, Pins, get_page, put_page};
use super::list;
use super::table::GrantTable;
use crate::addr::{Mfn, PAGE_SIZE};
use crate::domain::{Domain, DomainGuard, Phase, lock_pair};
use crate::error::HypercallResult;
use crate::hypercall::Cx;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

/// Units of budget for a copy.
const UNITS: u32 = 14;
/// Bytes that are copied for one unit.
const BYTES_PER_UNIT: u32 = 512;

/// `GNTTABOP_copy`.
pub(super) fn copy<M: Machine>(cx: &mut Cx<'_, M>, uop: u64, count: u64) -> HypercallResult {
    list::each(cx, (uop, count), UNITS, |cx, op: &mut gnttab_copy| {
        op.status = match copy_one(cx, op) {
            Ok(()) => GNTST_okay,
            Err(status) => status,
        };
        cx.budget.take(u32::from(op.len) / BYTES_PER_UNIT);
        cx.hv.settle_aside(&mut cx.budget);
    })
}

/// Where bytes come from, or go to.
struct Side<'a> {
    dom: &'a Domain,
    /// How it was named: a frame without a grant is the caller's, who says so.
    domid: u16,
    /// The entry of a grant.
    gref: Option<u32>,
    /// The frame, if it is no grant.
    frame: Mfn,
    writes: bool,
}

/// A page that is held.
struct Held {
    mfn: Mfn,
    claim: Option<Claim>,
}

impl<'a> Side<'a> {
    fn of<M: Machine>(
        cx: &Cx<'a, M>,
        ptr: &gnttab_copy_ptr,
        gref: bool,
        writes: bool,
    ) -> Result<Self, i16> {
        let dom = match ptr.domid {
            DOMID_SELF => cx.dom,
            domid => cx.hv.domains.find(domid).map_err(|_| GNTST_bad_domain)?,
        };
        if dom.phase() != Phase::Alive {
            return Err(GNTST_bad_domain);
        }
        Ok(Self {
            dom,
            domid: ptr.domid,
            gref: gref.then_some(ptr.u as u32),
            frame: Mfn(ptr.u),
            writes,
        })
    }

    /// Takes the page; the table is that of the granter, which is locked.
    #[inline(never)]
    fn hold<M: Machine>(&self, cx: &Cx<'_, M>, table: Option<&GrantTable>) -> Result<Held, i16> {
        if let (Some(gref), Some(table)) = (self.gref, table) {
            let caller = (gref, cx.dom.id());
            let pins = Pins::host(self.writes);
            let claim = table.claim(cx.hv, self.dom, caller, (pins, For::Copy), 1)?;
            return Ok(Held {
                mfn: claim.mfn,
                claim: Some(claim),
            });
        }
        if self.domid != DOMID_SELF {
            return Err(GNTST_permission_denied);
        }
        get_page(cx.hv, self.dom, self.frame, self.writes)?;
        Ok(Held {
            mfn: self.frame,
            claim: None,
        })
    }

    #[inline(never)]
    fn let_go<M: Machine>(&self, hv: &Hypervisor<M>, held: Held, table: Option<&GrantTable>) {
        put_page(hv, held.mfn, self.writes);
        if let (Some(claim), Some(table)) = (held.claim, table) {
            table.unclaim(hv.machine, claim);
        }
    }
}

fn copy_one<M: Machine>(cx: &Cx<'_, M>, op: &gnttab_copy) -> Result<(), i16> {
    let from_gref = op.flags & GNTCOPY_source_gref != 0;
    let to_gref = op.flags & GNTCOPY_dest_gref != 0;
    let from = Side::of(cx, &op.source, from_gref, false)?;
    let to = Side::of(cx, &op.dest, to_gref, true)?;
    let (first, second) = lock(&from, &to);
    let source = first.as_ref().map(|state| &state.grants);
    let dest = second
        .as_ref()
        .or(first.as_ref())
        .map(|state| &state.grants);
    let source_page = from.hold(cx, source)?;
    let copied = to.hold(cx, dest).and_then(|dest_page| {
        let done = copy_bytes(cx.m(), op, source_page.mfn, dest_page.mfn);
        to.let_go(cx.hv, dest_page, dest);
        done
    });
    from.let_go(cx.hv, source_page, source);
    copied
}

/// Locks the granters: the source's, and the destination's where it is another.
#[inline(always)]
fn lock<'a>(from: &Side<'a>, to: &Side<'a>) -> (Option<DomainGuard<'a>>, Option<DomainGuard<'a>>) {
    match (from.gref, to.gref) {
        (Some(_), Some(_)) => {
            let (first, second) = lock_pair(from.dom, to.dom);
            (Some(first), second)
        }
        (Some(_), None) => (Some(from.dom.lock()), None),
        (None, Some(_)) => (None, Some(to.dom.lock())),
        (None, None) => (None, None),
    }
}

#[inline(always)]
fn copy_bytes<M: Machine>(m: &M, op: &gnttab_copy, source: Mfn, dest: Mfn) -> Result<(), i16> {
    let (from, to) = (usize::from(op.source.offset), usize::from(op.dest.offset));
    let len = usize::from(op.len);
    if from.max(to) + len > PAGE_SIZE {
        return Err(GNTST_bad_copy_arg);
    }
    m.copy_part((dest, to), (source, from), len);
    Ok(())
}

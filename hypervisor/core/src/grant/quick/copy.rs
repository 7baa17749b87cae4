//! `copy`: between the caller's own pages, or one of them and a grant that nobody else uses.

use hypercall_abi::grant_table::{GNTCOPY_dest_gref, GNTCOPY_source_gref, GTF_type_mask};
use hypercall_abi::xen::DOMID_SELF;

use super::{Access, claim};
use crate::addr::{Mfn, PAGE_SIZE};
use crate::domain::{Domain, Phase};
use crate::frame::word::Owner;
use crate::hypervisor::Hypervisor;
use crate::platform::{CopyFault, Machine};

/// Makes the copy at `at`; 1 if it did.
#[inline(always)]
pub(super) fn copy<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    at: u64,
) -> Result<u64, CopyFault> {
    let m = hv.machine;
    let Ok([source, from, dest, to, what]) = m.read_guest_five(at) else {
        return Ok(0);
    };
    let (len, flags) = (what as u16, (what >> 16) as u16);
    let (from, to) = (Side::of(source, from), Side::of(dest, to));
    if from.offset.max(to.offset) + usize::from(len) > PAGE_SIZE {
        return Ok(0);
    }
    let copied = match flags & (GNTCOPY_source_gref | GNTCOPY_dest_gref) {
        0 => own_pages(hv, dom, (&from, &to), len),
        GNTCOPY_source_gref => with_grant::<false, M>(hv, dom, (&from, &to), len),
        GNTCOPY_dest_gref => with_grant::<true, M>(hv, dom, (&to, &from), len),
        _ => false,
    };
    if copied {
        // A status of 0, and what was there.
        m.write_guest_u64(at + 32, u64::from(len) | u64::from(flags) << 16)?;
    }
    Ok(copied.into())
}

struct Side {
    /// A frame, or the entry of a grant.
    what: u64,
    domid: u16,
    offset: usize,
}

impl Side {
    #[inline(always)]
    fn of(what: u64, rest: u64) -> Self {
        Self {
            what,
            domid: rest as u16,
            offset: usize::from((rest >> 16) as u16),
        }
    }
}

#[inline(always)]
fn own_pages<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    (from, to): (&Side, &Side),
    len: u16,
) -> bool {
    let (source, dest, owner) = (Mfn(from.what), Mfn(to.what), Owner::from(dom));
    if from.domid != DOMID_SELF || to.domid != DOMID_SELF || !hv.try_get_here(owner, source, false)
    {
        return false;
    }
    let got = hv.try_get_here(owner, dest, true);
    if got {
        (hv.machine).copy_part((dest, to.offset), (source, from.offset), len.into());
        hv.page_put_writable_since(dest, hv.tlb.stamp());
    }
    hv.page_put(source);
    got
}

/// A copy from a grant to an own page, or the other way round. The granter stays locked.
#[inline(always)]
fn with_grant<const TO_GRANT: bool, M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    (grant, own): (&Side, &Side),
    len: u16,
) -> bool {
    let (m, mine) = (hv.machine, Mfn(own.what));
    if own.domid != DOMID_SELF {
        return false;
    }
    let granter = match grant.domid {
        DOMID_SELF => dom,
        domid => hv.domains.slot(domid),
    };
    if grant.domid != DOMID_SELF && granter.id() != grant.domid {
        return false;
    }
    let state = granter.lock();
    if granter.phase() != Phase::Alive {
        return false;
    }
    let Some(places) = state.grants.places(grant.what as u32) else {
        return false;
    };
    let (owner, grantee) = (Owner::from(granter), u32::from(dom.id()));
    let access = if TO_GRANT {
        Access::WRITE
    } else {
        Access::READ
    };
    let Some(frame) = claim(hv, owner, places, grantee, (GTF_type_mask, access)) else {
        return false;
    };
    let theirs = Mfn(frame.into());
    let got = hv.try_get_here(Owner::from(dom), mine, !TO_GRANT);
    let (granted, own) = ((theirs, grant.offset), (mine, own.offset));
    let (from, to) = if TO_GRANT {
        (own, granted)
    } else {
        (granted, own)
    };
    if got {
        m.copy_part(to, from, len.into());
    }
    if got || TO_GRANT {
        // Whichever is written to.
        hv.page_put_writable_since(to.0, hv.tlb.stamp());
    }
    if got || !TO_GRANT {
        hv.page_put(from.0);
    }
    let (shared, at) = places.0;
    m.clear_u32(shared, at, access.marks());
    got
}

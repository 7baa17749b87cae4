//! `unmap_grant_ref`.

use arrayvec::ArrayVec;
use hypercall_abi::grant_table::{GNTMAP_host_map, GNTMAP_readonly};

use super::super::map::{flush_everywhere, let_go};
use super::super::table::{GrantTable, Track};
use super::{Access, MOST, RESULT, Slots};
use crate::domain::{Domain, DomainGuard};
use crate::hypervisor::Hypervisor;
use crate::platform::{CopyFault, Machine};
use crate::vcpu::Vcpu;

const HOST: u16 = GNTMAP_host_map as u16;
/// Bytes of an operation.
const UNMAP: u64 = 24;

/// Unmaps, from the first on.
#[inline(always)]
pub(super) fn unmaps<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &Vcpu,
    dom: &Domain,
    (list, count): (u64, u64),
) -> Result<u64, CopyFault> {
    let Some(mut slots) = Slots::of(vcpu) else {
        return Ok(0);
    };
    if count != 1 {
        return several(hv, slots, dom, (list, count));
    }
    let Ok([host_addr, _, what]) = hv.machine.read_guest_three(list) else {
        return Ok(0);
    };
    let mut state = dom.lock();
    let what = (host_addr, what);
    let Some(track) = unmap(hv, &mut slots, &mut state.grants, what) else {
        return Ok(0);
    };
    let stamp = forget(hv, dom, state);
    drop(end_use(hv, track, stamp, None));
    // A status of 0.
    (hv.machine).write_guest_u64(list + RESULT, what.1 & 0xffff_ffff)?;
    Ok(1)
}

/// More than one, with one flush: first all entries go, and only then the granters get their pages
/// back.
#[inline(never)]
fn several<M: Machine>(
    hv: &Hypervisor<M>,
    mut slots: Slots,
    dom: &Domain,
    (list, count): (u64, u64),
) -> Result<u64, CopyFault> {
    let m = hv.machine;
    let mut undone: ArrayVec<Track, MOST> = ArrayVec::new();
    let mut told = Ok(());
    let (mut at, end) = (list, list + count * UNMAP);
    let mut state = dom.lock();
    while at != end {
        let Ok([host_addr, _, what]) = m.read_guest_three(at) else {
            break;
        };
        let Some(track) = unmap(hv, &mut slots, &mut state.grants, (host_addr, what)) else {
            break;
        };
        if undone.try_push(track).is_err() {
            break;
        }
        // A status of 0. Where it cannot be told, what was undone is still to end.
        told = m.write_guest_u64(at + RESULT, what & 0xffff_ffff);
        if told.is_err() {
            break;
        }
        at += UNMAP;
    }
    if !undone.is_empty() {
        let stamp = forget(hv, dom, state);
        let mut locked = None;
        for &track in &undone {
            locked = end_use(hv, track, stamp, locked);
        }
    }
    told.map(|()| (at - list) / UNMAP)
}

/// Makes all CPUs forget the entries that were taken out of the caller's tables; the flush clock, when
/// they were gone.
#[inline(always)]
fn forget<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, state: DomainGuard<'_>) -> u32 {
    let alone = state.vcpus.len() == 1;
    drop(state);
    let stamp = hv.tlb.stamp();
    if alone {
        hv.flush_local();
    } else {
        flush_everywhere(hv, dom);
    }
    stamp
}

/// Takes the entry of a mapping out, and its handle.
#[inline(always)]
fn unmap<M: Machine>(
    hv: &Hypervisor<M>,
    slots: &mut Slots,
    grants: &mut GrantTable,
    (host_addr, what): (u64, u64),
) -> Option<Track> {
    let handle = what as u32;
    let place = grants.track_place(handle)?;
    let track = GrantTable::track_at(hv.machine, place);
    if track.flags() & !(GNTMAP_readonly as u16) != HOST {
        return None;
    }
    let slot = slots.find(hv, host_addr)?;
    if !hv.empty_entry_here(slot, track.mfn(), Access::of(track).right()) {
        return None;
    }
    grants.free_at(hv.machine, place, handle);
    Some(track)
}

/// A granter that is locked, and its slot.
type Locked<'a> = Option<(u16, &'a Domain, DomainGuard<'a>)>;

/// The use of a page that nobody can reach any more ends. The page is given up first: a granter that
/// sees its entry unused may do with it what it likes. `stamp` is of when the entry was gone.
#[inline(always)]
fn end_use<'a, M: Machine>(
    hv: &'a Hypervisor<M>,
    track: Track,
    stamp: u32,
    locked: Locked<'a>,
) -> Locked<'a> {
    let access = Access::of(track);
    if access.writes() {
        hv.page_put_writable_since(track.mfn(), stamp);
    } else {
        hv.page_put(track.mfn());
    }
    let (granter, state) = match locked {
        Some((slot, granter, state)) if slot == track.slot() => (granter, state),
        other => {
            drop(other);
            let granter = hv.domains.slot(track.slot());
            (granter, granter.lock())
        }
    };
    if granter.generation() == track.generation()
        && end_only_use(hv.machine, &state.grants, track.gref(), access)
    {
        return Some((track.slot(), granter, state));
    }
    drop(state);
    let_go(hv, track, 0);
    None
}

/// The use of `gref` ends if it is the only one there is; whether it is.
#[inline(always)]
fn end_only_use<M: Machine>(m: &M, grants: &GrantTable, gref: u32, access: Access) -> bool {
    let Some(((shared, at), (kept, place))) = grants.places(gref) else {
        return false;
    };
    if m.load_u64(kept, place) >> 32 != u64::from(access.pins().0) {
        return false;
    }
    m.store_u64(kept, place, 0);
    m.clear_u32(shared, at, access.marks());
    true
}

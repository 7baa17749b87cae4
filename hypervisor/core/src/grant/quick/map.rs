//! `map_grant_ref` of pages of one granter.

use hypercall_abi::grant_table::{GNTMAP_host_map, GNTMAP_readonly, GTF_sub_page, GTF_type_mask};

use super::super::entry::{Pins, put_page};
use super::super::map::entry_for;
use super::super::table::{GrantTable, Track};
use super::{Access, RESULT, Slots, claim};
use crate::addr::Mfn;
use crate::domain::{Domain, DomainGuard, Phase, lock_pair};
use crate::frame::word::Owner;
use crate::hypervisor::Hypervisor;
use crate::platform::{CopyFault, Machine};
use crate::vcpu::Vcpu;

/// Bytes of an operation.
const MAP: u64 = 32;

/// Maps, from the first on, what one domain grants.
#[inline(always)]
pub(super) fn maps<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &Vcpu,
    dom: &Domain,
    (list, count): (u64, u64),
) -> Result<u64, CopyFault> {
    if count != 1 {
        return several(hv, vcpu, dom, (list, count));
    }
    let Ok(op) = hv.machine.read_guest_three(list) else {
        return Ok(0);
    };
    let Some(mut parties) = Parties::of(hv, vcpu, dom, &op) else {
        return Ok(0);
    };
    let Some(result) = parties.map(hv, &op) else {
        parties.part();
        return Ok(0);
    };
    drop(parties);
    hv.machine.write_guest_two(list + RESULT, result)?;
    Ok(1)
}

/// More than one: apart, for a loop keeps much that one has no use for.
#[inline(never)]
fn several<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &Vcpu,
    dom: &Domain,
    (list, count): (u64, u64),
) -> Result<u64, CopyFault> {
    let m = hv.machine;
    let Ok(mut op) = m.read_guest_three(list) else {
        return Ok(0);
    };
    let Some(mut parties) = Parties::of(hv, vcpu, dom, &op) else {
        return Ok(0);
    };
    let (mut at, end) = (list, list + count * MAP);
    while let Some(result) = parties.map(hv, &op) {
        m.write_guest_two(at + RESULT, result)?;
        at += MAP;
        if at == end {
            break;
        }
        match m.read_guest_three(at) {
            Ok(next) if next[2] as u16 == op[2] as u16 => op = next,
            _ => break,
        }
    }
    Ok((at - list) / MAP)
}

/// A granter and the mapper, both locked.
struct Parties<'a> {
    granter: &'a Domain,
    owner: Owner,
    grantee: u32,
    theirs: DomainGuard<'a>,
    /// Unless it grants itself.
    ours: Option<DomainGuard<'a>>,
    slots: Slots,
}

impl<'a> Parties<'a> {
    /// Those of an operation.
    #[inline(always)]
    fn of<M: Machine>(
        hv: &'a Hypervisor<M>,
        vcpu: &Vcpu,
        dom: &'a Domain,
        op: &[u64; 3],
    ) -> Option<Self> {
        let slots = Slots::of(vcpu)?;
        let domid = op[2] as u16;
        let granter = hv.domains.slot(domid);
        if granter.id() != domid {
            return None;
        }
        let (theirs, ours) = lock_pair(granter, dom);
        (granter.phase() == Phase::Alive).then_some(Self {
            granter,
            owner: Owner::from(granter),
            grantee: dom.id().into(),
            theirs,
            ours,
            slots,
        })
    }

    /// One mapping; what the operation says then behind what was asked for.
    #[inline(always)]
    fn map<M: Machine>(&mut self, hv: &Hypervisor<M>, op: &[u64; 3]) -> Option<[u64; 2]> {
        let [host_addr, what, whose] = *op;
        let (flags, gref) = (what as u32, (what >> 32) as u32);
        let (m, access) = (hv.machine, Access(flags & GNTMAP_readonly));
        // No more than that.
        if flags != GNTMAP_host_map | access.0 {
            return None;
        }
        let places = self.theirs.grants.places(gref)?;
        let how = (GTF_type_mask | GTF_sub_page, access);
        let frame = claim(hv, self.owner, places, self.grantee, how)?;
        let (kept, at) = places.1;
        let uses = u64::from(access.pins().0) << 32;
        m.store_u64(kept, at, u64::from(frame) | uses);
        m.store_u32(kept, at + 8, self.grantee);
        let track = Track::new(self.granter, gref, frame, flags as u16);
        let Some(handle) = self.grants().keep_track(m, track) else {
            self.give_back(hv, track);
            return None;
        };
        let Some(slot) = self.slots.find(hv, host_addr) else {
            self.grants().drop_handle(m, handle);
            self.give_back(hv, track);
            return None;
        };
        let entry = entry_for(GNTMAP_host_map, track.mfn(), access.right());
        hv.put_claimed_entry_here(slot, entry);
        // The granter's id stays, and a status of 0.
        let result = whose & 0xffff | u64::from(handle) << 32;
        Some([result, Mfn(frame.into()).addr()])
    }

    /// They are not to be kept any longer. Apart, so that a mapping that succeeds keeps nothing for it.
    #[cold]
    #[inline(never)]
    fn part(self) {}

    /// The mapper's own.
    #[inline(always)]
    fn grants(&mut self) -> &mut GrantTable {
        match &mut self.ours {
            Some(ours) => &mut ours.grants,
            None => &mut self.theirs.grants,
        }
    }

    /// A page that has found no place; its entry has this one use.
    #[cold]
    #[inline(never)]
    fn give_back<M: Machine>(&self, hv: &Hypervisor<M>, track: Track) {
        put_page(hv, track.mfn(), track.writes());
        let pins = Pins::host(track.writes());
        self.theirs.grants.unpin(hv.machine, track.gref(), pins);
    }
}

//! Random traces: three domains map, unmap, copy and swap what they grant each other, change their
//! entries behind the users' backs, overwrite what maps a grant, and die. After every step statuses,
//! shared entries and page tables are what the model says, and all counts are found in memory.

use std::vec::Vec;

use hypercall_abi::grant_table::*;
use hypercall_abi::xen::DOMID_SELF;
use zerocopy::FromZeros;

use super::model::{Model, Purpose, Use};
use super::stage::{Hv, PAGES, Party, SLOTS, check, mapping, three};
use crate::addr::Mfn;
use crate::domain::Phase;

/// Entries that traces use.
const GREFS: u32 = 4;
/// A domain that does not exist.
const NOBODY: u16 = 9;

struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % below
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.next(all.len())]
    }
}

struct Trace {
    hv: Hv,
    parties: Vec<Option<Party>>,
    model: Model,
    random: Random,
    /// How many operations succeeded, by kind.
    done: [u32; 6],
}

impl Trace {
    fn new(seed: u64) -> Self {
        let (hv, parties) = three();
        let mut trace = Self {
            hv,
            parties,
            model: Model::default(),
            random: Random(seed | 1 << 40),
            done: [0; 6],
        };
        for id in 0..3 {
            trace.enrol(id);
        }
        trace
    }

    fn enrol(&mut self, id: u16) {
        let pages = self.party(id).pages.clone();
        for (i, page) in pages.into_iter().enumerate() {
            self.model.owners.insert(page, (id, i == PAGES - 1));
        }
    }

    fn party(&mut self, id: u16) -> &mut Party {
        self.parties[id as usize].as_mut().expect("it is there")
    }

    fn page_of(&mut self, id: u16) -> Mfn {
        let i = self.random.next(PAGES);
        self.party(id).pages[i]
    }

    /// Anybody, most often somebody.
    fn granter(&mut self) -> u16 {
        self.random.one_of(&[0, 1, 2, 0, 1, 2, 0, 1, 2, NOBODY])
    }

    /// A domain writes one of its entries, in use or not.
    fn set(&mut self, id: u16) {
        let gref = self.random.next(GREFS as usize) as u32;
        let kinds = [
            0,
            GTF_permit_access,
            GTF_permit_access,
            GTF_permit_access,
            GTF_permit_access | GTF_readonly,
            GTF_permit_access | GTF_sub_page,
            GTF_permit_access | GTF_reading | GTF_writing,
            GTF_accept_transfer,
        ];
        let (flags, grantee) = (self.random.one_of(&kinds), self.random.next(3) as u64);
        let owner = if self.random.next(8) == 0 { 0 } else { id };
        let frame = self.page_of(owner).0;
        let word = u64::from(flags) | grantee << 16 | frame << 32;
        let hv = self.hv;
        self.party(id).set_word(hv, gref, word);
        self.model.words.insert((id, gref), word);
        self.done[0] += 1;
    }

    fn map(&mut self, id: u16) {
        let (granter, slot) = (self.granter(), self.random.next(SLOTS));
        let gref = self.random.one_of(&[0, 1, 2, 3, 0, 1, 2, 3, 700]);
        let host = [GNTMAP_host_map; 3];
        let kinds = [&host[..], &[GNTMAP_device_map, 3, 0]].concat();
        let flags = self.random.one_of(&kinds) | self.random.one_of(&[0, GNTMAP_readonly]);
        let writes = flags & GNTMAP_readonly == 0;
        let expected = if flags & 3 == 0 {
            Err(GNTST_bad_gntref)
        } else if granter == NOBODY {
            Err(GNTST_bad_domain)
        } else if gref >= 512 {
            Err(GNTST_bad_gntref)
        } else {
            let entry = (granter, gref);
            self.model.claim(id, entry, writes, Purpose::Map)
        };
        let hv = self.hv;
        let mut list = mapping(Party::address(slot), flags, gref, granter);
        let result = self
            .party(id)
            .call(hv, GNTTABOP_map_grant_ref, &mut list[..]);
        assert_eq!(result, 0);
        let [map] = *list;
        match expected {
            Err(status) => assert_eq!(map.status, status),
            Ok(frame) => {
                assert_eq!((map.status, map.dev_bus_addr), (GNTST_okay, frame.addr()));
                let host = flags & GNTMAP_host_map != 0;
                if host {
                    assert_eq!(self.party(id).entry(hv, slot), Some((frame, writes)));
                }
                self.model.uses.push(Use {
                    mapper: id,
                    granter,
                    life: self.model.life(granter),
                    gref,
                    frame,
                    writes,
                    host,
                    device: flags & GNTMAP_device_map != 0,
                    handle: map.handle,
                });
                self.done[1] += 1;
            }
        }
    }

    /// Undoes a mapping, or not: where it is, and for whom, is guessed.
    fn unmap(&mut self, id: u16) {
        let hv = self.hv;
        let mine = self.model.uses.iter().filter(|u| u.mapper == id);
        let handles: Vec<u32> = mine.map(|u| u.handle).chain([250, u32::MAX]).collect();
        let handle = self.random.one_of(&handles);
        let slot = self.random.next(SLOTS);
        let by_host = self.random.next(4) != 0;
        let found = (self.model.uses.iter()).position(|u| (u.mapper, u.handle) == (id, handle));
        let frame = found.map_or(Mfn(5), |i| self.model.uses[i].frame);
        let bus = self.random.one_of(&[0, frame.addr(), 0x5000]);
        let mut list = [gnttab_unmap_grant_ref::new_zeroed()];
        list[0].host_addr = if by_host { Party::address(slot) } else { 0 };
        (list[0].dev_bus_addr, list[0].handle) = (bus, handle);
        let at = self.party(id).entry(hv, slot);
        let result = self.party(id).call(hv, GNTTABOP_unmap_grant_ref, &mut list);
        assert_eq!(result, 0);
        let expected = self.expect_unmap(found, (by_host, at), bus);
        assert_eq!(list[0].status, expected, "handle {handle} bus {bus:x}");
        let now = self.party(id).entry(hv, slot);
        let gone = at.is_some() && now.is_none();
        assert!(gone || at == now);
        self.done[2] += u32::from(gone);
    }

    fn expect_unmap(
        &mut self,
        found: Option<usize>,
        (by_host, at): (bool, Option<(Mfn, bool)>),
        bus: u64,
    ) -> i16 {
        let Some(i) = found else {
            return GNTST_bad_handle;
        };
        let mut u = self.model.uses[i].clone();
        let was = (u.host, u.device);
        if u.device && bus != 0 && bus != u.frame.addr() {
            return GNTST_bad_dev_addr;
        }
        if by_host && u.host {
            if at != Some((u.frame, u.writes)) {
                return GNTST_general_error;
            }
            u.host = false;
        }
        if u.device && bus != 0 {
            u.device = false;
        }
        if (u.host, u.device) != was {
            let entry = (u.granter, u.life, u.gref);
            let (wrote, over) = (u.writes, !u.host && !u.device);
            self.model.uses[i] = u;
            if over {
                self.model.uses.remove(i);
            }
            // Host and device count apart: what is left of the two is a use.
            self.model.ended(entry, wrote);
        }
        GNTST_okay
    }

    fn copy(&mut self, id: u16) {
        let hv = self.hv;
        let mut copy = gnttab_copy::new_zeroed();
        copy.flags = self.random.next(4) as u16;
        copy.len = self.random.one_of(&[8, 8, 8, 4096, 0]);
        copy.dest.offset = self.random.one_of(&[0, 0, 16, 4090]);
        let mut sides = Vec::new();
        for (flag, ptr, writes) in [
            (GNTCOPY_source_gref, &mut copy.source, false),
            (GNTCOPY_dest_gref, &mut copy.dest, true),
        ] {
            let is_grant = copy.flags & flag != 0;
            let whose = if is_grant { self.granter() } else { id };
            if is_grant {
                (ptr.u, ptr.domid) = (self.random.next(GREFS as usize) as u64, whose);
            } else {
                (ptr.u, ptr.domid) = (self.page_of(id).0, DOMID_SELF);
            }
            sides.push((is_grant, whose, ptr.u, writes));
        }
        let expected = self.expect_copy(id, &sides, &copy);
        let mut list = [copy];
        let result = self.party(id).call(hv, GNTTABOP_copy, &mut list);
        assert_eq!((result, list[0].status), (0, expected));
        self.done[3] += u32::from(expected == GNTST_okay);
    }

    fn expect_copy(
        &mut self,
        id: u16,
        sides: &[(bool, u16, u64, bool)],
        copy: &gnttab_copy,
    ) -> i16 {
        if sides.iter().any(|&(_, whose, ..)| whose == NOBODY) {
            return GNTST_bad_domain;
        }
        for &(is_grant, whose, what, writes) in sides {
            let page = if is_grant {
                let entry = (whose, what as u32);
                self.model.claim(id, entry, writes, Purpose::Copy)
            } else {
                let frame = Mfn(what);
                self.model.page(id, frame, writes).map(|()| frame)
            };
            if let Err(status) = page {
                return status;
            }
        }
        if usize::from(copy.dest.offset) + usize::from(copy.len) > 4096 {
            return GNTST_bad_copy_arg;
        }
        GNTST_okay
    }

    /// The guest puts something else where a grant may be mapped.
    fn overwrite(&mut self, id: u16) {
        let (slot, page) = (self.random.next(SLOTS), self.random.next(PAGES));
        let own = self.party(id).pages[page].addr();
        let raw = self.random.one_of(&[0, own | 5, own | 7]);
        let hv = self.hv;
        let may = raw & 2 == 0 || page != PAGES - 1;
        assert_eq!(self.party(id).update(hv, slot, raw), may);
        self.done[4] += 1;
    }

    /// A domain dies, with what it granted and what it mapped; another takes its place, if nobody
    /// holds what is left.
    fn die(&mut self, id: u16) {
        let hv = self.hv;
        let party = self.parties[id as usize].take().expect("it is there");
        let dom = party.end(hv);
        self.model.owners.retain(|_, &mut (owner, _)| owner != id);
        *self.model.lives.entry(id).or_default() += 1;
        let (gone, left): (Vec<_>, Vec<_>) =
            self.model.uses.drain(..).partition(|u| u.mapper == id);
        self.model.uses = left;
        for u in gone {
            self.model.ended((u.granter, u.life, u.gref), u.writes);
        }
        self.model.words.retain(|&(granter, _), _| granter != id);
        // What others still have of it goes at the next opportunity.
        while dom.phase() != Phase::Free {
            let others: Vec<u16> = (0..3).filter(|&other| other != id).collect();
            for other in others {
                self.let_go_of(other, id);
            }
        }
        self.parties[id as usize] = Some(Party::new(hv, id));
        self.enrol(id);
        self.done[5] += 1;
    }

    /// `other` ends all that it has mapped of domains that are gone, for good.
    fn let_go_of(&mut self, other: u16, gone: u16) {
        let hv = self.hv;
        for slot in 0..SLOTS {
            self.party(other).update(hv, slot, 0);
        }
        let life = self.model.life(gone);
        let uses: Vec<Use> = self.model.uses.clone();
        for u in uses {
            if (u.mapper, u.granter) != (other, gone) || u.life == life || !u.device {
                continue;
            }
            let mut list = [gnttab_unmap_grant_ref::new_zeroed()];
            (list[0].dev_bus_addr, list[0].handle) = (u.frame.addr(), u.handle);
            self.party(other)
                .call(hv, GNTTABOP_unmap_grant_ref, &mut list);
            assert_eq!(list[0].status, GNTST_okay);
            let all = &mut self.model.uses;
            let i = (all.iter()).position(|v| (v.mapper, v.handle) == (other, u.handle));
            let i = i.expect("it was there");
            all[i].device = false;
            if !all[i].host {
                all.remove(i);
            }
        }
    }

    fn step(&mut self) {
        let id = self.random.next(3) as u16;
        match self.random.next(64) {
            0..14 => self.set(id),
            14..34 => self.map(id),
            34..50 => self.unmap(id),
            50..58 => self.copy(id),
            58..63 => self.overwrite(id),
            _ if id != 0 && self.random.next(4) == 0 => self.die(id),
            _ => {}
        }
        for id in 0..3 {
            for gref in 0..GREFS {
                let (hv, model) = (self.hv, self.model.word(id, gref));
                let is = self.party(id).word(hv, gref);
                assert_eq!(is, model, "entry {gref} of d{id}");
            }
        }
        check(self.hv, &self.parties);
    }
}

#[test]
fn traces_agree_with_the_model() {
    let mut done = [0; 6];
    for seed in 1..6_u64 {
        let mut trace = Trace::new(seed * 0x9e37_79b9);
        for _ in 0..600 {
            trace.step();
        }
        for (sum, count) in done.iter_mut().zip(trace.done) {
            *sum += count;
        }
    }
    std::println!("set, mapped, unmapped, copied, overwritten, died: {done:?}");
    assert!(done.iter().all(|&count| count > 5), "{done:?}");
}

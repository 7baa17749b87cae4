//! Free frames that are set aside for a domain which is to get them (`XENMEM_claim_pages`, memory.h).
//!
//! A claim says how many frames a domain is to have in all; what it lacks of them is outstanding, and
//! nobody else gets so many of the free frames. So a claim follows the domain's count of frames by
//! itself: it falls when frames come, rises when they go, and is over once nothing is outstanding.
//! Counts, free frames and claims change together, under the lock of the free frames; no number here
//! is wrong at any moment, whatever CPUs do.

use core::sync::atomic::Ordering;

use super::alloc::FreeMap;
use super::table::FrameTable;
use crate::addr::Mfn;
use crate::domain::{Domain, Phase};
use crate::error::{Errno, Result};

/// The free frames, and what is claimed of them.
#[derive(Debug)]
pub(super) struct Free {
    map: FreeMap,
    /// What all claims lack; never more than there are free frames.
    claimed: u64,
    /// Domains that have a claim.
    claims: u32,
}

/// What an allocation may take of the frames that its domain has claimed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Using {
    /// They are for this.
    Claim,
    /// Nothing: as many frames go at the end, up to so many that the domain may have beyond its
    /// maximum meanwhile.
    Exchange(u32),
}

impl Free {
    /// No frame is free yet.
    pub(super) fn new(map: FreeMap) -> Self {
        Self {
            map,
            claimed: 0,
            claims: 0,
        }
    }

    /// Number of free frames, claimed or not.
    pub(super) fn count(&self) -> u64 {
        self.map.free()
    }

    /// Number of free frames that nobody has claimed.
    fn unclaimed(&self) -> u64 {
        self.map.free() - self.claimed
    }

    /// A frame for the hypervisor itself.
    pub(super) fn take_own(&mut self) -> Option<Mfn> {
        if self.unclaimed() == 0 {
            return None;
        }
        self.map.take(0)
    }

    /// `2^order` frames for `dom`, aligned to their size, that it is charged for. An extent is either
    /// of the claimed frames or of the others.
    pub(super) fn take(&mut self, dom: &Domain, order: u32, using: Using) -> Option<Mfn> {
        let count = 1 << order;
        let (own, beyond) = match using {
            Using::Claim => (dom.outstanding(), 0),
            Using::Exchange(beyond) => (0, beyond),
        };
        if self.unclaimed() < count.into() && own < count {
            return None;
        }
        let before = dom.outstanding();
        dom.charge_beyond(count, beyond).ok()?;
        let Some(first) = self.map.take(order) else {
            dom.uncharge(count);
            return None;
        };
        match using {
            Using::Claim => self.has_come(dom, before),
            Using::Exchange(_) => self.follow(dom, before),
        }
        Some(first)
    }

    /// Up to `count` single frames for `dom`, as many as it may have, that it is charged for; shown to
    /// `each`.
    #[inline(always)]
    pub(super) fn take_some(&mut self, dom: &Domain, count: u32, each: impl FnMut(Mfn)) {
        let (room, before) = if self.claims == 0 {
            (dom.charge_some(count), 0)
        } else {
            self.charge_some(dom, count)
        };
        let lacking = self.map.take_some(room as usize, each);
        if lacking != 0 {
            dom.uncharge(lacking as u32);
        }
        if self.claims != 0 {
            self.has_come(dom, before);
        }
    }

    /// Charges `dom` for up to `count` single frames that it may take where there are claims: how
    /// many, all of them free, and what it had outstanding.
    #[cold]
    fn charge_some(&mut self, dom: &Domain, count: u32) -> (u32, u32) {
        let before = dom.outstanding();
        let open = self.unclaimed() + u64::from(before);
        let count = count.min(open.try_into().unwrap_or(u32::MAX));
        (dom.charge_some(count), before)
    }

    /// Frames have come to `dom` that count on its claim, which is over when it is met.
    #[cold]
    fn has_come(&mut self, dom: &Domain, before: u32) {
        self.follow(dom, before);
        if dom.outstanding() == 0 {
            self.end_claim(dom);
        }
    }

    /// Frames that nobody is charged for become free.
    pub(super) fn release(&mut self, first: Mfn, count: u64) {
        self.map.release(first, count);
    }

    /// Frames that `dom` is charged for become free.
    pub(super) fn give_back(&mut self, dom: &Domain, first: Mfn, count: u32) {
        self.map.release(first, count.into());
        self.uncharge(dom, count);
    }

    /// Single frames that `dom` is charged for become free; quickest when neighbours come together.
    #[inline(always)]
    pub(super) fn give_back_some(&mut self, dom: &Domain, frames: &[Mfn]) {
        self.map.release_some(frames);
        self.uncharge(dom, frames.len() as u32);
    }

    #[inline(always)]
    fn uncharge(&mut self, dom: &Domain, count: u32) {
        if self.claims == 0 {
            dom.uncharge(count);
        } else {
            self.has_gone(dom, count);
        }
    }

    /// Frames have gone from `dom`.
    #[cold]
    fn has_gone(&mut self, dom: &Domain, count: u32) {
        let before = dom.outstanding();
        dom.uncharge(count);
        self.follow(dom, before);
    }

    /// The domain's count has changed.
    fn follow(&mut self, dom: &Domain, before: u32) {
        self.claimed = self.claimed - u64::from(before) + u64::from(dom.outstanding());
        debug_assert!(self.claimed <= self.map.free(), "more is claimed than free");
    }

    fn end_claim(&mut self, dom: &Domain) {
        self.claimed -= u64::from(dom.outstanding());
        if dom.claim.swap(0, Ordering::Relaxed) != 0 {
            self.claims -= 1;
        }
    }

    fn begin_claim(&mut self, dom: &Domain, pages: u64) -> Result<()> {
        let has = dom.tot_pages.load(Ordering::Relaxed);
        let max = dom.max_pages.load(Ordering::Relaxed);
        let pages = u32::try_from(pages).map_err(|_| Errno::EINVAL)?;
        if dom.phase() != Phase::Alive || dom.has_claim() || pages > max || pages <= has {
            return Err(Errno::EINVAL);
        }
        if u64::from(pages - has) > self.unclaimed() {
            return Err(Errno::ENOMEM);
        }
        dom.claim.store(pages, Ordering::Relaxed);
        self.claims += 1;
        self.claimed += u64::from(pages - has);
        Ok(())
    }
}

impl FrameTable {
    /// Claims for `dom` what it lacks of `pages` frames; 0 ends its claim.
    ///
    /// # Errors
    /// `EINVAL` when it has so many, may not have so many, has a claim already, or is being destroyed;
    /// `ENOMEM` when fewer are free that nobody has claimed.
    pub(crate) fn claim(&self, dom: &Domain, pages: u64) -> Result<()> {
        if pages == 0 {
            self.end_claim(dom);
            return Ok(());
        }
        self.free().begin_claim(dom, pages)
    }

    /// A frame that `from` is charged for is to be charged to `to`.
    ///
    /// # Errors
    /// `ENOMEM` when that would own more than its maximum.
    #[cold]
    pub(super) fn charge_other(&self, from: &Domain, to: &Domain) -> Result<()> {
        let mut free = self.free();
        let before = to.outstanding();
        // Where both are one, it has the frame already.
        to.charge_beyond(1, u32::from(from.slot == to.slot))?;
        if free.claims != 0 {
            free.has_come(to, before);
        }
        if free.unclaimed() == 0 {
            // What it gives away, it does not want back.
            free.end_claim(from);
        }
        free.uncharge(from, 1);
        Ok(())
    }

    /// Nothing is claimed for `dom` any more. One that is dying claims nothing after this.
    pub(crate) fn end_claim(&self, dom: &Domain) {
        self.free().end_claim(dom);
    }

    /// Free frames that are claimed, and by how many domains.
    #[must_use]
    pub fn claimed(&self) -> (u64, u32) {
        let free = self.free();
        (free.claimed, free.claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypercall::Budget;
    use crate::hypervisor::Hypervisor;
    use crate::pv::census;
    use crate::testkit::{self, FakeMachine};
    use proptest::prelude::*;
    use std::vec::Vec;

    /// Frames of the machine, and how many of them each of two domains may have.
    const FRAMES: usize = 70;
    const MAX: u32 = 50;

    #[derive(Clone, Copy, Debug)]
    enum Act {
        Claim(u64),
        Come(usize),
        Go(usize),
        Extent(u32),
        /// An extent that nobody goes on with.
        Abandoned(u32),
        /// An extent comes for another.
        Exchange(u32),
        /// The hypervisor takes a frame.
        Own,
        Destroy,
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            (0..60_u64).prop_map(Act::Claim),
            (0..60_u64).prop_map(Act::Claim),
            (1..16_usize).prop_map(Act::Come),
            (1..16_usize).prop_map(Act::Come),
            (1..16_usize).prop_map(Act::Go),
            (0..4_u32).prop_map(Act::Extent),
            (0..4_u32).prop_map(Act::Abandoned),
            (0..3_u32).prop_map(Act::Exchange),
            Just(Act::Own),
            Just(Act::Destroy),
        ]
    }

    /// A domain, and what the interface says of it, in numbers of its own.
    struct Party {
        id: u16,
        dom: &'static Domain,
        frames: Vec<u64>,
        outstanding: u64,
    }

    impl Party {
        fn new(hv: &'static Hypervisor<FakeMachine>, id: u16) -> Self {
            Self {
                id,
                dom: testkit::domain(hv, id, 1, MAX),
                frames: Vec::new(),
                outstanding: 0,
            }
        }

        /// Frames came that count on the claim.
        fn got(&mut self, count: u64) {
            self.outstanding = self.outstanding.saturating_sub(count);
        }

        /// Frames went.
        fn lost(&mut self, count: u64) {
            if self.outstanding != 0 {
                self.outstanding += count;
            }
        }
    }

    struct Bench {
        hv: &'static Hypervisor<FakeMachine>,
        parties: [Party; 2],
        own: Vec<Mfn>,
        budget: Budget,
    }

    impl Bench {
        fn new() -> Self {
            let hv = testkit::hypervisor(FRAMES, 1);
            Self {
                hv,
                parties: [1, 2].map(|id| Party::new(hv, id)),
                own: Vec::new(),
                budget: Budget::new(u32::MAX),
            }
        }

        fn unclaimed(&self) -> u64 {
            let claimed: u64 = self.parties.iter().map(|p| p.outstanding).sum();
            self.hv.frames.free_frames() - claimed
        }

        /// Whether `count` frames may come to party `p` at once.
        fn may(&self, p: usize, count: u64, of_claim: bool) -> bool {
            let own = if of_claim {
                self.parties[p].outstanding
            } else {
                0
            };
            count <= self.unclaimed() || count <= own
        }

        fn step(&mut self, p: usize, act: Act) {
            let (hv, unclaimed) = (self.hv, self.unclaimed());
            let (dom, has) = (self.parties[p].dom, self.parties[p].frames.len() as u64);
            let room = u64::from(MAX) - has;
            match act {
                Act::Claim(0) => {
                    assert_eq!(hv.frames.claim(dom, 0), Ok(()));
                    self.parties[p].outstanding = 0;
                }
                Act::Claim(pages) => {
                    let refused =
                        self.parties[p].outstanding != 0 || pages <= has || pages > u64::from(MAX);
                    let expected = match refused {
                        true => Err(Errno::EINVAL),
                        false if pages - has > unclaimed => Err(Errno::ENOMEM),
                        false => Ok(()),
                    };
                    assert_eq!(hv.frames.claim(dom, pages), expected);
                    if expected.is_ok() {
                        self.parties[p].outstanding = pages - has;
                    }
                }
                Act::Come(count) => {
                    let open = unclaimed + self.parties[p].outstanding;
                    let mut list = std::vec![7; count];
                    let given = hv.give_frames(dom, &mut list, true, &mut self.budget);
                    assert_eq!(given as u64, (count as u64).min(room).min(open));
                    let party = &mut self.parties[p];
                    party.frames.extend(&list[..given]);
                    party.got(given as u64);
                }
                Act::Go(count) => {
                    let at = has.saturating_sub(count as u64) as usize;
                    let list = self.parties[p].frames.split_off(at);
                    let gone = hv.give_up_frames(dom, &list, &mut self.budget);
                    assert_eq!(gone, list.len());
                    self.parties[p].lost(gone as u64);
                }
                Act::Extent(order) | Act::Abandoned(order) => {
                    self.extent(p, order, matches!(act, Act::Abandoned(_)));
                }
                Act::Exchange(order) => self.exchange(p, order),
                Act::Own => match hv.alloc_own_page() {
                    Ok(page) => {
                        assert_ne!(unclaimed, 0);
                        self.own.push(page);
                    }
                    Err(_) => {
                        assert_eq!(unclaimed, 0);
                        self.own.drain(..).for_each(|page| hv.free_own_page(page));
                    }
                },
                Act::Destroy => {
                    let id = self.parties[p].id;
                    // The slot is free again if the domain's shared page can be had.
                    crate::domain::lifecycle::destroy_whole(hv, dom).expect("no control domain");
                    self.parties[p].outstanding = 0;
                    assert_eq!(hv.frames.claim(dom, 1), Err(Errno::EINVAL), "it is gone");
                    while self.unclaimed() == 0 {
                        let other = 1 - p;
                        self.step(other, Act::Claim(0));
                    }
                    self.parties[p] = Party::new(hv, id);
                }
            }
            census::check_claims(hv).expect("the sums agree");
            for party in &self.parties {
                assert_eq!(u64::from(party.dom.outstanding()), party.outstanding);
                assert_eq!(party.dom.has_claim(), party.outstanding != 0);
            }
        }

        fn extent(&mut self, p: usize, order: u32, abandoned: bool) {
            let (hv, size, dom) = (self.hv, 1_u64 << order, self.parties[p].dom);
            let has = self.parties[p].frames.len() as u64;
            let allowed = has + size <= u64::from(MAX) && self.may(p, size, true);
            let extent = hv.begin_extent(dom, order, None, Using::Claim, &mut self.budget);
            let Ok(mut extent) = extent else {
                assert!(!allowed || order != 0, "memory is in pieces at most");
                return;
            };
            assert!(allowed);
            self.parties[p].got(size);
            if abandoned {
                hv.abandon_extent(extent);
                self.parties[p].lost(size);
                return;
            }
            let _ = hv.give_extent(dom, &mut extent, &mut self.budget);
            let first = extent.first().0;
            self.parties[p].frames.extend(first..first + size);
        }

        fn exchange(&mut self, p: usize, order: u32) {
            let (hv, size, dom) = (self.hv, 1_u64 << order, self.parties[p].dom);
            if (self.parties[p].frames.len() as u64) < size {
                return;
            }
            let allowed = self.may(p, size, false);
            let using = Using::Exchange(1 << order);
            let extent = hv.begin_extent(dom, order, None, using, &mut self.budget);
            let Ok(mut extent) = extent else {
                assert!(!allowed || order != 0, "memory is in pieces at most");
                return;
            };
            assert!(allowed, "an exchange has no use of the claim");
            census::check_claims(hv).expect("the sums agree meanwhile");
            let _ = hv.give_extent(dom, &mut extent, &mut self.budget);
            let frames = &mut self.parties[p].frames;
            let gone: Vec<u64> = frames.drain(..size as usize).collect();
            let first = extent.first().0;
            frames.extend(first..first + size);
            assert_eq!(
                hv.give_up_frames(dom, &gone, &mut self.budget),
                size as usize
            );
        }
    }

    proptest! {
        #[test]
        fn claims_are_met_and_nobody_takes_them(
            acts in proptest::collection::vec((0..2_usize, act()), 1..120),
        ) {
            let mut bench = Bench::new();
            for (p, act) in acts {
                bench.step(p, act);
            }
        }
    }

    #[test]
    fn a_shared_page_is_taken_of_what_is_unclaimed() {
        let mut bench = Bench::new();
        let free = bench.hv.frames.free_frames();
        bench.step(0, Act::Claim(u64::from(MAX)));
        bench.step(1, Act::Claim(free - u64::from(MAX)));
        let dom = bench.parties[0].dom;
        assert_eq!(bench.hv.alloc_shared_page(dom), Err(Errno::ENOMEM));
        bench.step(1, Act::Claim(0));
        assert!(bench.hv.alloc_shared_page(dom).is_ok());
    }
}

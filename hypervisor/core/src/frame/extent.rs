//! Frames on their way from the free map to a domain and back, several at a time, in work that can
//! be interrupted after every few of them.

use arrayvec::ArrayVec;

use super::claim::Using;
use super::proof::{Locked, Taken};
use super::word::{Owner, Word};
use crate::addr::Mfn;
use crate::domain::Domain;
use crate::domain::lifecycle::Progress;
use crate::error::Result;
use crate::hypercall::Budget;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

/// Most frames handled at once.
pub(crate) const BATCH: usize = 16;
/// Units of budget for giving a frame that needs no scrubbing, or taking one back.
const FRAME_UNITS: u32 = 4;
/// Units for scrubbing a frame: 512 stores.
const SCRUB_UNITS: u32 = 20;
/// Units for taking an extent out of the free map.
const EXTENT_UNITS: u32 = 4;

/// `2^order` frames taken out of the free map for a domain and charged to it, of which those from
/// the next one on are nobody's yet.
pub(crate) struct Extent {
    first: Mfn,
    taken: Taken,
    /// Pseudo-physical number of the first frame, if it gets one.
    gpfn: Option<u64>,
    /// Whom they are for: the slot, and the generation of the domain in it.
    slot: u16,
    generation: u32,
}

impl Extent {
    /// The first frame.
    pub(crate) const fn first(&self) -> Mfn {
        self.first
    }

    /// Whom it is for, slot and generation, and how many of its frames are nobody's yet.
    #[cfg(any(test, feature = "testkit"))]
    pub(crate) const fn in_hand(&self) -> (u16, u32, u64) {
        (self.slot, self.generation, self.taken.left())
    }

    /// Whether `dom` is the domain that it was taken for.
    pub(crate) fn is_for(&self, dom: &Domain) -> bool {
        (self.slot, self.generation) == (dom.slot, dom.generation())
    }
}

impl<M: Machine> Hypervisor<M> {
    /// Takes an extent for `dom`.
    ///
    /// # Errors
    /// `ENOMEM` when there is none or the domain would own too much.
    pub(crate) fn begin_extent(
        &self,
        dom: &Domain,
        order: u32,
        gpfn: Option<u64>,
        using: Using,
        budget: &mut Budget,
    ) -> Result<Extent> {
        budget.take(EXTENT_UNITS);
        let taken = self.frames.take_free(dom, order, using)?;
        Ok(Extent {
            first: taken.next(),
            taken,
            gpfn,
            slot: dom.slot,
            generation: dom.generation(),
        })
    }

    /// Makes the extent's frames the domain's, as many as the budget allows: call until `Done`.
    pub(crate) fn give_extent(
        &self,
        dom: &Domain,
        extent: &mut Extent,
        budget: &mut Budget,
    ) -> Progress {
        while !budget.is_spent() {
            let Some(locked) = extent.taken.next_frame() else {
                return Progress::Done;
            };
            let index = locked.mfn().0 - extent.first.0;
            let gpfn = extent.gpfn.map(|first| first.wrapping_add(index));
            budget.take(self.give_frame(dom, locked, gpfn));
        }
        if extent.taken.is_empty() {
            Progress::Done
        } else {
            Progress::More
        }
    }

    /// Gives the extent up: what is the domain's already stays so.
    pub(crate) fn abandon_extent(&self, extent: Extent) {
        // No domain comes or goes meanwhile.
        let _creation = self.domains.lock_creation();
        let dom = self.domains.slot(extent.slot);
        let dom = extent.is_for(dom).then_some(dom);
        self.frames.put_back(extent.taken, dom);
    }

    /// Makes a frame, charged already, `dom`'s; gives the units of budget for that.
    #[inline]
    fn give_frame(&self, dom: &Domain, locked: Locked, gpfn: Option<u64>) -> u32 {
        let mfn = locked.mfn();
        let scrub = self.frames.content_of(mfn) != dom.generation();
        let flushed = self.prepare(dom, locked, scrub);
        if let Some(gpfn) = gpfn {
            self.set_m2p(mfn, gpfn);
        }
        let owner = Owner::domain(dom.slot);
        self.frames
            .set_owned(&flushed, |proof| Word::allocated(owner, proof));
        if scrub { SCRUB_UNITS } else { FRAME_UNITS }
    }

    /// Gives `dom` single frames, one for each number in `list`, where theirs take its place; how many,
    /// fewer if memory or the domain's maximum is reached. In an increase there are no numbers to
    /// remember.
    pub(crate) fn give_frames(
        &self,
        dom: &Domain,
        list: &mut [u64],
        numbered: bool,
        budget: &mut Budget,
    ) -> usize {
        // As if all were to be scrubbed.
        let affordable = budget.good_for(SCRUB_UNITS).max(1) as usize;
        let wanted = list.len().min(BATCH).min(affordable);
        let mut taken = self.frames.take_some(dom, wanted);
        let (given, mut units) = (taken.len(), 0);
        for (locked, place) in taken.drain(..).zip(list) {
            let gpfn = core::mem::replace(place, locked.mfn().0);
            units += self.give_frame(dom, locked, numbered.then_some(gpfn));
        }
        budget.take(units);
        given
    }

    /// `dom` gives up frames, which are freed when nothing uses them any more. Returns how many,
    /// up to the first that it cannot give up.
    pub(crate) fn give_up_frames(&self, dom: &Domain, mfns: &[u64], budget: &mut Budget) -> usize {
        let owner = Owner::domain(dom.slot);
        let mut freed = ArrayVec::<Mfn, BATCH>::new();
        let mut done = 0;
        let mfns = &mfns[..mfns.len().min(BATCH)];
        budget.take(FRAME_UNITS * mfns.len() as u32);
        for mfn in mfns.iter().map(|&mfn| Mfn(mfn)) {
            match self.frames.change(mfn, |w| w.give_up(owner)) {
                Ok(w) => {
                    self.set_m2p(mfn, super::page::INVALID_M2P);
                    if w.refs() == 0 {
                        freed.push(mfn);
                    }
                }
                // Given up before and still in use: as given up as it can be.
                Err(_) if self.frames.word(mfn).is_given_up_by(owner) => {}
                Err(_) => break,
            }
            done += 1;
        }
        self.frames.free_frames_of(dom, &freed, self.tlb.stamp());
        dom.frames_unmarked(freed.len() as u32);
        done
    }
}

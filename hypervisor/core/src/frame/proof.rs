//! Lock first, flush then, use last: the order is in the types.
//!
//! A frame changes its use in three steps. It is *locked*: a compare-and-swap fixes the new use in
//! its word, or the free map hands it out, so that no other use can begin. Then every CPU that may
//! remember the earlier use is made to *flush*. Only then is the frame *used*: a table counts as
//! validated, a former table becomes writable, a free frame gets an owner. [`Locked`] comes from the
//! first step alone, [`Flushed`] from a [`Locked`] alone, and the transitions of the third step take
//! a [`Flushed`]. Flushing before locking, which was XSA-401, does not compile.

use arrayvec::ArrayVec;

use super::claim::Using;
use super::extent::BATCH;
use super::order::{Touch, touched_frame};
use super::table::FrameTable;
use super::word::{Kind, Owner, Refusal, Word};
use crate::addr::Mfn;
use crate::domain::Domain;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

/// A frame whose next use is fixed and has not begun.
#[derive(Debug)]
#[must_use]
pub struct Locked(Mfn);

/// Proof that since one frame was [`Locked`], every CPU that may have remembered an earlier use of
/// it has flushed.
#[derive(Debug)]
#[must_use]
pub struct Flushed(Mfn);

impl Flushed {
    /// The frame.
    #[inline]
    #[must_use]
    pub const fn mfn(&self) -> Mfn {
        self.0
    }

    /// A proof for words that no frame has: those of tests and models.
    #[cfg(any(test, feature = "testkit"))]
    pub const fn of_no_frame() -> Self {
        Self(Mfn(u64::MAX))
    }
}

impl Locked {
    /// The frame.
    pub(super) const fn mfn(&self) -> Mfn {
        self.0
    }
}

/// Consecutive frames taken out of the free map, all of them locked by that: nobody can name a free
/// frame.
#[must_use]
pub(super) struct Taken {
    next: u64,
    end: u64,
}

impl Taken {
    fn new(first: Mfn, order: u32) -> Self {
        Self {
            next: first.0,
            end: first.0 + (1 << order),
        }
    }

    /// The next frame.
    pub(super) const fn next(&self) -> Mfn {
        Mfn(self.next)
    }

    /// Number of frames left.
    pub(super) const fn left(&self) -> u64 {
        self.end - self.next
    }

    /// Whether none is left.
    pub(super) const fn is_empty(&self) -> bool {
        self.left() == 0
    }

    /// The next frame leaves the extent.
    #[inline]
    pub(super) fn next_frame(&mut self) -> Option<Locked> {
        if self.is_empty() {
            return None;
        }
        self.next += 1;
        touched_frame(Mfn(self.next - 1), Touch::FromFreeMap);
        Some(Locked(Mfn(self.next - 1)))
    }

    /// Each frame.
    pub(super) fn frames(mut self) -> impl Iterator<Item = Locked> {
        core::iter::from_fn(move || self.next_frame())
    }
}

impl FrameTable {
    /// Begins the first use of an untyped frame as a table or descriptor page.
    ///
    /// # Errors
    /// As [`Word::get_first`].
    pub(crate) fn lock_first(&self, mfn: Mfn, owner: Owner, kind: Kind) -> Result<Locked, Refusal> {
        self.change(mfn, |w| w.get_first(owner, kind))?;
        Ok(Locked(mfn))
    }

    /// Begins a writable use of a former table.
    ///
    /// # Errors
    /// As [`Word::get_former_table`].
    pub(super) fn lock_former_table(&self, mfn: Mfn, owner: Owner) -> Result<Locked, Refusal> {
        self.change(mfn, |w| w.get_former_table(owner))?;
        Ok(Locked(mfn))
    }

    /// Takes a free frame for the hypervisor itself.
    pub(super) fn take_own(&self) -> Option<Taken> {
        Some(Taken::new(self.free().take_own()?, 0))
    }

    /// Takes `2^order` free frames, aligned to their size, for `dom`, and charges it for them.
    ///
    /// # Errors
    /// `ENOMEM` when they are not free, or claimed for others, or the domain would own too much.
    pub(super) fn take_free(
        &self,
        dom: &Domain,
        order: u32,
        using: Using,
    ) -> crate::error::Result<Taken> {
        let first = self
            .free()
            .take(dom, order, using)
            .ok_or(crate::error::Errno::ENOMEM)?;
        Ok(Taken::new(first, order))
    }

    /// Takes up to `count` free frames, one by one, for `dom`, and charges it for them.
    #[inline]
    pub(super) fn take_some(&self, dom: &Domain, count: usize) -> ArrayVec<Locked, BATCH> {
        let mut taken = ArrayVec::new();
        self.free()
            .take_some(dom, count.min(BATCH) as u32, |mfn| taken.push(Locked(mfn)));
        taken
    }

    /// Frames that nobody got are free again. If `dom` still is whom they were for, it is no longer
    /// charged for them.
    pub(super) fn put_back(&self, taken: Taken, dom: Option<&Domain>) {
        let mut free = self.free();
        match dom {
            Some(dom) => free.give_back(dom, taken.next(), taken.left() as u32),
            None => free.release(taken.next(), taken.left()),
        }
    }

    /// Takes a frame from its owner that nobody else refers to.
    ///
    /// # Errors
    /// As [`Word::give_away`].
    pub(super) fn lock_alone(&self, mfn: Mfn, owner: Owner) -> Result<Locked, Refusal> {
        self.change(mfn, |w| w.give_away(owner))?;
        Ok(Locked(mfn))
    }

    /// A frame of the hypervisor's own, which no guest can name, at boot.
    pub(super) fn lock_own(&self, mfn: Mfn) -> Option<Locked> {
        (mfn.0 < self.len() && self.word(mfn) == Word(0)).then_some(Locked(mfn))
    }

    /// A locked table or descriptor page has been checked whole.
    ///
    /// # Errors
    /// As [`Word::validated`].
    pub(crate) fn set_validated(&self, proof: &Flushed) -> Result<(), Refusal> {
        self.change(proof.0, |w| w.validated(proof))?;
        Ok(())
    }

    /// A former table may be mapped writable.
    pub(super) fn set_flushed(&self, proof: &Flushed) -> Result<(), Refusal> {
        self.change(proof.0, |w| Ok(w.flushed(proof)))?;
        Ok(())
    }

    /// A frame that nobody could name begins its life as `word`.
    pub(super) fn set_owned(&self, proof: &Flushed, word: impl Fn(&Flushed) -> Word) {
        self.set(proof.0, word(proof));
    }
}

impl<M: Machine> Hypervisor<M> {
    /// Makes sure that no CPU remembers what a frame was used for before it was locked.
    #[inline]
    pub(crate) fn flush_former_use(&self, locked: Locked) -> Flushed {
        // Read here and not earlier: once the frame is locked, no further use of the old kind ends.
        let stale = self.tlb.stale_cpus(self.frames.stamp(locked.0));
        if stale != 0 {
            self.flush_mask(stale);
        }
        Flushed(locked.0)
    }
}

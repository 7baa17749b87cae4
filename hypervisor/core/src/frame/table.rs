//! The frame table: two words per frame, changed only by compare-and-swap of whole words.

use core::sync::atomic::{AtomicU64, Ordering};

use spin::{Mutex, MutexGuard};

use super::alloc::FreeMap;
use super::claim::Free;
use super::order::{Touch, touched_frame, touched_info};
use super::proof::Flushed;
use super::word::{Owner, Refusal, Word};
use crate::addr::Mfn;
use crate::domain::Domain;
use crate::error::Result;

/// What the table keeps for one frame. All zeros: the hypervisor's own.
#[derive(Default)]
#[repr(C)]
pub struct FrameInfo {
    word: AtomicU64,
    /// Bits 31-0: flush-clock stamp of the end of the last typed use. Bits 63-32: generation of
    /// the domain whose data is in the frame, 0 when nobody knows.
    history: AtomicU64,
}

const _: () = assert!(size_of::<FrameInfo>() == 16);

impl FrameInfo {
    /// The word.
    #[inline(always)]
    pub(super) fn word(&self) -> Word {
        Word(self.word.load(Ordering::Relaxed))
    }

    /// Replaces the word if it still is `seen`.
    #[inline(always)]
    pub(super) fn try_replace(&self, seen: Word, next: Word) -> bool {
        let replaced = self
            .word
            .compare_exchange(seen.0, next.0, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok();
        if replaced {
            touched_info(self, Touch::Word(next.0));
        }
        replaced
    }

    /// A typed use ends at `stamp`. Called before the word shows it. A stamp never goes back: of two
    /// CPUs that end a use each, the one that read the clock earlier may be the later to come here.
    #[inline]
    pub(super) fn set_stamp(&self, stamp: u32) {
        touched_info(self, Touch::Stamp(stamp));
        // The clock stands still between flushes.
        if self.history.load(Ordering::Acquire) as u32 != stamp {
            self.advance_stamp(stamp);
        }
    }

    /// The same, in line for where a flush has just been, if nobody interferes.
    #[inline(always)]
    pub(super) fn set_stamp_here(&self, stamp: u32) {
        touched_info(self, Touch::Stamp(stamp));
        let old = self.history.load(Ordering::Acquire);
        if stamp.wrapping_sub(old as u32) as i32 <= 0 {
            return;
        }
        let new = old & !0xffff_ffff | u64::from(stamp);
        let order = (Ordering::AcqRel, Ordering::Acquire);
        if (self.history.compare_exchange(old, new, order.0, order.1)).is_err() {
            self.advance_stamp(stamp);
        }
    }

    #[cold]
    #[inline(never)]
    fn advance_stamp(&self, stamp: u32) {
        let mut old = self.history.load(Ordering::Acquire);
        while (stamp.wrapping_sub(old as u32) as i32) > 0 {
            let new = old & !0xffff_ffff | u64::from(stamp);
            match self
                .history
                .compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return,
                Err(now) => old = now,
            }
        }
    }
}

/// The words of all frames, and which frames are free.
pub struct FrameTable {
    info: &'static [FrameInfo],
    free: Mutex<Free>,
    /// Frames marked as devices' and firmware's.
    io: AtomicU64,
}

impl FrameTable {
    /// Over zeroed `info`, one for each frame from 0 on: all the hypervisor's.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(info: &'static [FrameInfo]) -> Result<Self> {
        Ok(Self {
            info,
            free: Mutex::new(Free::new(FreeMap::new(info.len())?)),
            io: AtomicU64::new(0),
        })
    }

    /// Frames the table covers; every frame number beyond is a device's or nothing.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.info.len() as u64
    }

    /// Whether it covers none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.info.is_empty()
    }

    /// At boot: gives memory that is nobody's to the allocator.
    pub fn release_boot_memory(&self, start: Mfn, count: u64) {
        self.set_boot(start, count, Word::FREE);
        let end = (start.0 + count).min(self.len());
        self.free.lock().release(start, end.saturating_sub(start.0));
    }

    /// At boot: marks firmware and device ranges inside the table.
    pub fn mark_io(&self, start: Mfn, count: u64) {
        self.set_boot(start, count, Word::IO);
        let end = start.0.saturating_add(count).min(self.len());
        self.io
            .fetch_add(end.saturating_sub(start.0), Ordering::Relaxed);
    }

    /// Frames of memory: all but those marked.
    #[must_use]
    pub fn ram_frames(&self) -> u64 {
        self.len() - self.io.load(Ordering::Relaxed).min(self.len())
    }

    fn set_boot(&self, start: Mfn, count: u64, word: Word) {
        let all = self.info.iter().skip(start.0 as usize);
        for info in all.take(count as usize) {
            info.word.store(word.0, Ordering::Relaxed);
        }
    }

    /// Free frames, claimed or not.
    #[must_use]
    pub fn free_frames(&self) -> u64 {
        self.free.lock().count()
    }

    pub(super) fn free(&self) -> MutexGuard<'_, Free> {
        self.free.lock()
    }

    /// The word of `mfn`; that of a device for frames beyond memory.
    #[inline]
    #[must_use]
    pub fn word(&self, mfn: Mfn) -> Word {
        match self.info.get(mfn.0 as usize) {
            Some(info) => Word(info.word.load(Ordering::Acquire)),
            None => Word::IO,
        }
    }

    /// Whose `mfn` is.
    #[must_use]
    pub fn owner(&self, mfn: Mfn) -> Owner {
        self.word(mfn).owner()
    }

    /// All words: a loop keeps this at hand.
    #[inline(always)]
    pub(super) fn all(&self) -> &'static [FrameInfo] {
        self.info
    }

    /// What the table keeps for `mfn`, if it covers it.
    #[inline(always)]
    pub(super) fn info(&self, mfn: Mfn) -> Option<&FrameInfo> {
        self.info.get(mfn.0 as usize)
    }

    /// Applies a transition if it is allowed and nobody interferes, and says whether it did. If not,
    /// [`Self::change`] tells why.
    #[inline(always)]
    pub(crate) fn try_change(
        &self,
        mfn: Mfn,
        transition: impl FnOnce(Word) -> Result<Word, Refusal>,
    ) -> bool {
        let Some(info) = self.info(mfn) else {
            return false;
        };
        let seen = info.word();
        transition(seen).is_ok_and(|next| info.try_replace(seen, next))
    }

    /// Applies a transition until it succeeds without interference; gives the new word.
    ///
    /// # Errors
    /// The transition's own refusal; `NotOwner` for frames beyond the table.
    #[inline]
    pub(crate) fn change(
        &self,
        mfn: Mfn,
        transition: impl Fn(Word) -> Result<Word, Refusal>,
    ) -> Result<Word, Refusal> {
        self.change_with(mfn, |_, word| transition(word))
    }

    /// The same for a transition that looks at the frame's history.
    pub(super) fn change_with(
        &self,
        mfn: Mfn,
        transition: impl Fn(&FrameInfo, Word) -> Result<Word, Refusal>,
    ) -> Result<Word, Refusal> {
        let Some(info) = self.info.get(mfn.0 as usize) else {
            return Err(Refusal::NotOwner);
        };
        let mut seen = info.word.load(Ordering::Relaxed);
        loop {
            let next = transition(info, Word(seen))?;
            match info
                .word
                .compare_exchange_weak(seen, next.0, Ordering::SeqCst, Ordering::Relaxed)
            {
                Ok(_) => {
                    touched_info(info, Touch::Word(next.0));
                    return Ok(next);
                }
                Err(now) => seen = now,
            }
        }
    }

    /// Sets the word of a frame that nobody else can reach (just taken from the allocator).
    pub(super) fn set(&self, mfn: Mfn, word: Word) {
        if let Some(info) = self.info.get(mfn.0 as usize) {
            info.word.store(word.0, Ordering::SeqCst);
            touched_info(info, Touch::Word(word.0));
        }
    }

    /// The flush-clock stamp of `mfn`.
    #[inline]
    #[must_use]
    pub fn stamp(&self, mfn: Mfn) -> u32 {
        touched_frame(mfn, Touch::ReadStamp);
        self.info
            .get(mfn.0 as usize)
            .map_or(0, |i| i.history.load(Ordering::Acquire) as u32)
    }

    /// Stamps `mfn`: see [`FrameInfo::set_stamp`].
    #[inline]
    pub(super) fn set_stamp(&self, mfn: Mfn, stamp: u32) {
        if let Some(info) = self.info.get(mfn.0 as usize) {
            info.set_stamp(stamp);
        }
    }

    /// Frames without references, of `dom` and counted, become free: its data stays in them, and
    /// whatever mapping anybody remembers of them ended before `stamp`.
    #[inline]
    pub(super) fn free_frames_of(&self, dom: &Domain, mfns: &[Mfn], stamp: u32) {
        if mfns.is_empty() {
            return;
        }
        let history = u64::from(dom.generation()) << 32 | u64::from(stamp);
        for &mfn in mfns {
            if let Some(info) = self.info.get(mfn.0 as usize) {
                info.history.store(history, Ordering::Relaxed);
                info.word.store(Word::FREE.0, Ordering::Release);
                touched_info(info, Touch::Stamp(stamp));
                touched_info(info, Touch::Word(Word::FREE.0));
            }
        }
        self.free.lock().give_back_some(dom, mfns);
        for &mfn in mfns {
            touched_frame(mfn, Touch::ToFreeMap);
        }
    }

    /// A frame that nobody could name becomes the hypervisor's own. What it writes there is scrubbed,
    /// whoever gets the frame: no domain has generation 0.
    #[cold]
    pub(super) fn set_own(&self, proof: &Flushed) {
        if let Some(info) = self.info.get(proof.mfn().0 as usize) {
            info.history.fetch_and(0xffff_ffff, Ordering::Relaxed);
            touched_info(info, Touch::Word(Word::OWN.0));
            info.word.store(Word::OWN.0, Ordering::SeqCst);
        }
    }

    /// One that was becomes nobody's again.
    #[cold]
    pub(super) fn free_own(&self, mfn: Mfn) {
        if let Some(info) = self.info.get(mfn.0 as usize) {
            touched_info(info, Touch::Word(Word::FREE.0));
            let was = info.word.swap(Word::FREE.0, Ordering::SeqCst);
            debug_assert!(was == Word::OWN.0, "{mfn:?} is in use");
            self.free.lock().release(mfn, 1);
        }
    }

    /// Generation of the domain whose data the frame holds.
    pub(super) fn content_of(&self, mfn: Mfn) -> u32 {
        self.info
            .get(mfn.0 as usize)
            .map_or(0, |i| (i.history.load(Ordering::Relaxed) >> 32) as u32)
    }

    pub(super) fn set_content(&self, mfn: Mfn, generation: u32) {
        if let Some(info) = self.info.get(mfn.0 as usize) {
            let old = info.history.load(Ordering::Relaxed) & 0xffff_ffff;
            let new = u64::from(generation) << 32 | old;
            info.history.store(new, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;

    #[test]
    fn a_stamp_never_goes_back() {
        let info = Box::leak(Box::new([FrameInfo::default()]));
        let table = FrameTable::new(info).unwrap();
        table.set_content(Mfn(0), 9);
        for (stamp, then) in [
            (5, 5),
            (3, 5),
            (0x8000_0004, 0x8000_0004),
            (0xffff_fff0, 0xffff_fff0),
            (7, 7),
            (0xffff_fff0, 7),
        ] {
            table.set_stamp(Mfn(0), stamp);
            assert_eq!(table.stamp(Mfn(0)), then, "after {stamp}");
        }
        assert_eq!(table.content_of(Mfn(0)), 9);
        table.set_stamp(Mfn(1), 1);
        assert_eq!((table.stamp(Mfn(1)), table.word(Mfn(1))), (0, Word::IO));
    }
}

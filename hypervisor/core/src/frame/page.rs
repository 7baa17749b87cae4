//! References to frames as the rest of the core takes and gives them up.
//!
//! A frame's data is scrubbed when it reaches a domain of another generation than the one that
//! left it; its owner's TLB entries are flushed before that. So a domain that balloons down and up
//! pays nothing for its own frames, and no domain ever sees another's bytes.

use core::sync::atomic::Ordering;

use super::claim::Using;
use super::order::{Touch, touched_frame};
use super::proof::{Flushed, Locked};
use super::table::FrameInfo;
use super::word::{Kind, Owner, Refusal, Word};
use crate::addr::Mfn;
use crate::domain::Domain;
use crate::error::{Errno, Result};
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

/// `m2p` entry of a frame that has no pseudo-physical number (`INVALID_M2P_ENTRY`, xen.h).
pub const INVALID_M2P: u64 = u64::MAX;

/// A page on its way from one domain to another.
#[must_use]
pub(crate) struct Stolen(Locked);

impl From<Refusal> for Errno {
    fn from(r: Refusal) -> Self {
        match r {
            Refusal::Full => Self::ENOSPC,
            _ => Self::EINVAL,
        }
    }
}

impl<M: Machine> Hypervisor<M> {
    /// Sets what the machine-to-phys table says of `mfn`.
    #[inline]
    pub fn set_m2p(&self, mfn: Mfn, pfn: u64) {
        if let Some(entry) = self.m2p.get(mfn.0 as usize) {
            entry.store(pfn, Ordering::Relaxed);
        }
    }

    /// Takes a reference to a frame of `owner`.
    ///
    /// # Errors
    /// `EINVAL` unless it owns it; `ENOSPC` when its count is full.
    #[inline]
    pub fn page_get(&self, owner: impl Into<Owner>, mfn: Mfn) -> Result<()> {
        let owner = owner.into();
        self.frames.change(mfn, |w| w.get(owner))?;
        Ok(())
    }

    /// Takes a reference and a writable use of a frame of `owner`.
    ///
    /// # Errors
    /// `EINVAL` unless it owns it and it is no table or descriptor page; `ENOSPC` when a count is
    /// full.
    pub fn page_get_writable(&self, owner: impl Into<Owner>, mfn: Mfn) -> Result<()> {
        let owner = owner.into();
        match self.frames.change(mfn, |w| w.get_writable(owner)) {
            Ok(_) => Ok(()),
            Err(Refusal::NeedsFlush) => self.get_former_table(owner, mfn),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Takes what a mapping needs, at the first attempt and in the usual case; says whether it did.
    #[inline(always)]
    pub(crate) fn try_get(&self, owner: Owner, mfn: Mfn, writable: bool) -> bool {
        if writable {
            self.frames.try_change(mfn, |w| w.get_writable(owner))
        } else {
            self.frames.try_change(mfn, |w| w.get(owner))
        }
    }

    /// The same, all of it in line.
    #[inline(always)]
    pub(crate) fn try_get_here(&self, owner: Owner, mfn: Mfn, writable: bool) -> bool {
        let Some(info) = self.frames.info(mfn) else {
            return false;
        };
        let seen = info.word();
        let next = if writable {
            seen.get_writable_here(owner)
        } else {
            seen.get(owner)
        };
        next.is_ok_and(|next| info.try_replace(seen, next))
    }

    /// A writable use of what was a table: nothing may remember it as one.
    #[cold]
    fn get_former_table(&self, owner: Owner, mfn: Mfn) -> Result<()> {
        let locked = self.frames.lock_former_table(mfn, owner)?;
        let flushed = self.flush_former_use(locked);
        self.frames.set_flushed(&flushed)?;
        Ok(())
    }

    /// Gives a reference up; frees the frame with the last. Device frames have none.
    #[inline(always)]
    pub fn page_put(&self, mfn: Mfn) {
        if let Some(info) = self.frames.info(mfn) {
            let seen = info.word();
            if let Ok(next) = seen.put()
                && info.try_replace(seen, next)
            {
                if next.refs() == 0 {
                    self.free_frame(mfn, next);
                }
                return;
            }
        }
        self.page_put_slowly(mfn, |_, w| w.put());
    }

    /// Gives up a writable use and its reference. Device frames have none.
    #[inline(always)]
    pub fn page_put_writable(&self, mfn: Mfn) {
        let put_one_of_few = |info: &FrameInfo, w: Word| {
            // Stamped before the word can show the end of the last use. What ended earlier is
            // covered: its entry was gone before its count was. The last use but one stamps too: it
            // may begin and end between another's stamp and its compare-and-swap, which would find
            // the word as it was.
            info.set_stamp(self.tlb.stamp());
            w.put_writable()
        };
        if let Some(info) = self.frames.info(mfn) {
            let seen = info.word();
            if let Some(next) = seen.put_one_of_many_writable() {
                if info.try_replace(seen, next) {
                    return;
                }
            } else if let Ok(next) = put_one_of_few(info, seen)
                && info.try_replace(seen, next)
            {
                if next.refs() == 0 {
                    self.free_frame(mfn, next);
                }
                return;
            }
        }
        self.page_put_slowly(mfn, put_one_of_few);
    }

    /// Gives up a writable use, and its reference, whose entry was gone before the flush clock stood at
    /// `stamp`: one reading for several.
    #[inline(always)]
    pub(crate) fn page_put_writable_since(&self, mfn: Mfn, stamp: u32) {
        if let Some(info) = self.frames.info(mfn) {
            let seen = info.word();
            info.set_stamp_here(stamp);
            if let Ok(next) = seen.put_writable()
                && next.refs() != 0
                && info.try_replace(seen, next)
            {
                return;
            }
        }
        self.page_put_writable_slowly(mfn);
    }

    #[cold]
    #[inline(never)]
    fn page_put_writable_slowly(&self, mfn: Mfn) {
        self.page_put_writable(mfn);
    }

    /// Changes the words of frames in a row: of that which `named` says for each index from `index`
    /// on, `step` by `step`, as long as it says one and the change succeeds at once. Gives the index
    /// it came to. For loops over whole tables.
    #[inline(always)]
    fn change_row(
        &self,
        mut index: usize,
        step: isize,
        named: impl Fn(usize) -> Option<Mfn>,
        change: impl Fn(Word) -> Option<Word>,
    ) -> usize {
        let all = self.frames.all();
        while let Some(info) = named(index).and_then(|mfn| all.get(mfn.0 as usize)) {
            let seen = info.word();
            let Some(word) = change(seen) else { break };
            if !info.try_replace(seen, word) {
                break;
            }
            index = index.wrapping_add_signed(step);
        }
        index
    }

    /// Takes a writable use and its reference of each frame that `named` says for the indexes from
    /// `index` up, to the first that is not mapped writable already; gives its index.
    #[inline(always)]
    pub(crate) fn get_row_writable(
        &self,
        owner: Owner,
        index: usize,
        named: impl Fn(usize) -> Option<Mfn>,
    ) -> usize {
        self.change_row(index, 1, named, |w| w.get_writable_again(owner))
    }

    /// Gives up a writable use and its reference of each frame that `named` says for the indexes
    /// from `index` down, to the first that has few of them; gives its index.
    #[inline(always)]
    pub(crate) fn put_row_writable(
        &self,
        index: usize,
        named: impl Fn(usize) -> Option<Mfn>,
    ) -> usize {
        self.change_row(index, -1, named, Word::put_one_of_many_writable)
    }

    /// A put that met interference, or of what has no count.
    #[cold]
    #[inline(never)]
    fn page_put_slowly(
        &self,
        mfn: Mfn,
        put: impl Fn(&FrameInfo, Word) -> core::result::Result<Word, Refusal>,
    ) {
        match self.frames.change_with(mfn, put) {
            Ok(w) if w.refs() == 0 => self.free_frame(mfn, w),
            Ok(_) => {}
            Err(_) => {
                let owner = self.frames.owner(mfn);
                debug_assert!(owner == Owner::IO, "put of {mfn:?} without such a use");
            }
        }
    }

    /// Takes a reference and a descriptor-page use; the first use checks all 512 descriptors.
    ///
    /// # Errors
    /// `EINVAL` unless `dom` owns it, it is not used otherwise, and holds only descriptors that a
    /// guest may have.
    pub fn page_get_descriptors(&self, dom: &Domain, mfn: Mfn) -> Result<()> {
        let owner = Owner::domain(dom.slot);
        match self
            .frames
            .change(mfn, |w| w.get_validated(owner, Kind::Descriptors))
        {
            Ok(_) => return Ok(()),
            Err(Refusal::WrongKind) => {}
            Err(refusal) => return Err(refusal.into()),
        }
        let locked = self.frames.lock_first(mfn, owner, Kind::Descriptors)?;
        let flushed = self.flush_former_use(locked);
        for index in 0..512 {
            let offset = index * 8;
            let raw = self.machine.load_u64(mfn, offset);
            match crate::trap::descriptor::admit(raw) {
                Some(fixed) if fixed == raw => {}
                Some(fixed) => self.machine.store_u64(mfn, offset, fixed),
                None => {
                    self.untype(mfn);
                    return Err(Errno::EINVAL);
                }
            }
        }
        self.frames.set_validated(&flushed)?;
        Ok(())
    }

    /// Gives up a descriptor-page use and its reference.
    pub fn page_put_descriptors(&self, mfn: Mfn) {
        let last = self.frames.change(mfn, |w| match w.put_validated()? {
            Some(fewer) => Ok(fewer),
            None => w.unvalidate(),
        });
        match last {
            Ok(w) if w.is_validated() => {}
            Ok(_) => self.untype(mfn),
            Err(_) => debug_assert!(false, "put of {mfn:?} without a descriptor use"),
        }
    }

    /// Ends the release of a locked table or descriptor page; frees the frame with the last
    /// reference.
    pub(crate) fn untype(&self, mfn: Mfn) {
        self.frames.set_stamp(mfn, self.tlb.stamp());
        match self.frames.change(mfn, Word::untype) {
            Ok(w) if w.refs() == 0 => self.free_frame(mfn, w),
            Ok(_) => {}
            Err(_) => debug_assert!(false, "untype of {mfn:?}, which is not locked"),
        }
    }

    /// A frame without references goes back to the allocator.
    #[cold]
    #[inline(never)]
    fn free_frame(&self, mfn: Mfn, last: Word) {
        /// Units of budget for that.
        const UNITS: u32 = 4;
        self.aside.note(self.machine.cpu(), UNITS);
        let owner = last.owner().slot().map(|slot| self.domains.slot(slot));
        if let Some(dom) = owner {
            self.frames.set_content(mfn, dom.generation());
        }
        self.frames.set_stamp(mfn, self.tlb.stamp());
        self.set_m2p(mfn, INVALID_M2P);
        self.frames.set(mfn, Word::FREE);
        match owner {
            Some(dom) if last.is_counted() => self.frames.free().give_back(dom, mfn, 1),
            _ => self.frames.free().release(mfn, 1),
        }
        touched_frame(mfn, Touch::ToFreeMap);
        if let Some(dom) = owner {
            dom.frame_unmarked();
        }
    }

    /// Makes a frame that nobody can name fit for `dom`: nobody remembers a mapping of it, it holds
    /// nobody else's data (if that is so already, `scrub` may be false), and it bears the domain's
    /// mark.
    pub(super) fn prepare(&self, dom: &Domain, locked: Locked, scrub: bool) -> Flushed {
        let flushed = self.flush_former_use(locked);
        let mfn = flushed.mfn();
        if scrub {
            self.machine.zero_frame(mfn);
        }
        self.frames.set_content(mfn, dom.generation());
        dom.frame_marked();
        flushed
    }

    /// Gives `dom` a frame that it counts as its own.
    ///
    /// # Errors
    /// `ENOMEM` when none is free or the domain owns its maximum.
    pub fn alloc_domain_page(&self, dom: &Domain) -> Result<Mfn> {
        self.alloc_domain_pages(dom, 0)
    }

    /// Gives `dom` `2^order` contiguous frames, aligned to their size, that it counts as its own.
    ///
    /// # Errors
    /// `ENOMEM` when they are not free or the domain would own more than its maximum, or is dying.
    pub fn alloc_domain_pages(&self, dom: &Domain, order: u32) -> Result<Mfn> {
        let first = self.alloc_pages(dom, order, true)?;
        if dom.is_dying() {
            // Its destruction may have passed these frames by.
            for mfn in (first.0..first.0 + (1 << order)).map(Mfn) {
                let _ = self.release_domain_page(dom, mfn);
            }
            return Err(Errno::ENOMEM);
        }
        Ok(first)
    }

    fn alloc_pages(&self, dom: &Domain, order: u32, scrub: bool) -> Result<Mfn> {
        let taken = self.frames.take_free(dom, order, Using::Claim)?;
        let owner = Owner::domain(dom.slot);
        let first = taken.next();
        for locked in taken.frames() {
            let others = self.frames.content_of(locked.mfn()) != dom.generation();
            let flushed = self.prepare(dom, locked, scrub && others);
            self.frames
                .set_owned(&flushed, |proof| Word::allocated(owner, proof));
        }
        Ok(first)
    }

    /// Gives the first domain `2^order` contiguous frames as the machine started with them,
    /// unscrubbed: it is trusted with the whole machine, and scrubbing costs 512 stores a frame.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn alloc_boot_pages(&self, dom: &Domain, order: u32) -> Result<Mfn> {
        self.alloc_pages(dom, order, false)
    }

    /// Hands a frame of the hypervisor's own (a boot module) over to `dom`, contents and all.
    ///
    /// # Errors
    /// `EINVAL` unless the hypervisor owns it; `ENOMEM` over the domain's maximum.
    pub fn adopt_boot_page(&self, dom: &Domain, mfn: Mfn) -> Result<()> {
        let locked = self.frames.lock_own(mfn).ok_or(Errno::EINVAL)?;
        dom.charge(1)?;
        let flushed = self.prepare(dom, locked, false);
        let owner = Owner::domain(dom.slot);
        self.frames
            .set_owned(&flushed, |proof| Word::allocated(owner, proof));
        Ok(())
    }

    /// A zeroed frame that `dom` owns but does not count, held writable for ever by the
    /// hypervisor: shared info, grant table. It can never become a table.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn alloc_shared_page(&self, dom: &Domain) -> Result<Mfn> {
        let taken = self.frames.take_own().ok_or(Errno::ENOMEM)?;
        let (mfn, owner) = (taken.next(), Owner::domain(dom.slot));
        for locked in taken.frames() {
            let flushed = self.prepare(dom, locked, false);
            self.machine.zero_frame(mfn);
            self.frames
                .set_owned(&flushed, |proof| Word::shared(owner, proof));
        }
        Ok(mfn)
    }

    /// Gives up the hypervisor's hold on a shared page; it is freed with its last mapping.
    pub fn free_shared_page(&self, mfn: Mfn) {
        self.page_put_writable(mfn);
    }

    /// A zeroed frame of the hypervisor's own, which no guest can name.
    ///
    /// # Errors
    /// `ENOMEM`.
    #[cold]
    #[inline(never)]
    pub fn alloc_own_page(&self) -> Result<Mfn> {
        let taken = self.frames.take_own().ok_or(Errno::ENOMEM)?;
        let mfn = taken.next();
        for locked in taken.frames() {
            let flushed = self.flush_former_use(locked);
            self.machine.zero_frame(mfn);
            self.frames.set_own(&flushed);
        }
        Ok(mfn)
    }

    /// Frees a frame of the hypervisor's own, which nobody reads any more.
    #[cold]
    #[inline(never)]
    pub fn free_own_page(&self, mfn: Mfn) {
        self.frames.free_own(mfn);
    }

    /// Takes a page from its owner that nobody refers to but it.
    ///
    /// # Errors
    /// `EINVAL` for any other frame.
    #[cold]
    pub(crate) fn steal_page(&self, dom: &Domain, mfn: Mfn) -> Result<Stolen> {
        let locked = self.frames.lock_alone(mfn, dom.into())?;
        self.set_m2p(mfn, INVALID_M2P);
        Ok(Stolen(locked))
    }

    /// Gives a page that was taken from `from` to `to`, which is alive and locked, with what is in it;
    /// frees it where that may have no more.
    ///
    /// # Errors
    /// `ENOMEM` then.
    #[cold]
    pub(crate) fn give_stolen_page(&self, from: &Domain, to: &Domain, page: Stolen) -> Result<()> {
        if let Err(e) = self.frames.charge_other(from, to) {
            self.free_stolen_page(page);
            return Err(e);
        }
        let flushed = self.prepare(to, page.0, false);
        let owner = Owner::domain(to.slot);
        self.frames
            .set_owned(&flushed, |proof| Word::allocated(owner, proof));
        from.frame_unmarked();
        Ok(())
    }

    /// Frees a page that was taken from its owner.
    #[cold]
    pub(crate) fn free_stolen_page(&self, page: Stolen) {
        let mfn = page.0.mfn();
        self.free_frame(mfn, self.frames.word(mfn));
    }

    /// `dom` gives one of its frames up. The frame is freed, and no longer charged, with its last
    /// reference; a pin is one.
    ///
    /// # Errors
    /// `EINVAL` unless `dom` owns it and has not given it up before.
    pub fn release_domain_page(&self, dom: &Domain, mfn: Mfn) -> Result<()> {
        let owner = Owner::domain(dom.slot);
        let w = self.frames.change(mfn, |w| w.give_up(owner))?;
        self.set_m2p(mfn, INVALID_M2P);
        if w.refs() == 0 {
            self.free_frame(mfn, w);
        }
        Ok(())
    }
}

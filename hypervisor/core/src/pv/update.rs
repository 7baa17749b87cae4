//! Granting and giving back the claims of single entries: the one place where mmu_update,
//! update_va_mapping, trapped writes and walks meet.

use super::entry::{
    CACHE, CHOSEN_CACHE, Claim, FRAME, GLOBAL, GUEST_KERNEL, HARMLESS, PRESENT, RW, UNCACHED, USER,
    ValidEntry, adjust, adjust_plain, claim, frame,
};
use super::walk::{self, Walk};
use crate::addr::{ENTRIES, HYPERVISOR_SLOT_END, HYPERVISOR_SLOT_START, Mfn};
use crate::domain::Domain;
use crate::error::{Errno, Result, Stop};
use crate::frame::word::{Kind, Owner, Word};
use crate::hypercall::Budget;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

/// Whose tables and pages an update concerns.
#[derive(Clone, Copy)]
pub struct Parties<'a> {
    /// Owner of the table that is changed; its lock is held.
    pub table: &'a Domain,
    /// Owner of the pages that level-1 entries map; [`Owner::IO`] when only device frames are meant.
    pub pages: Owner,
    /// The domain that has to have the right to a device's frame, besides the table's owner: that of
    /// the pages, or the caller when only device frames are meant; `None` if nobody has it.
    pub devices: Option<&'a Domain>,
}

impl<'a> Parties<'a> {
    /// A domain changing its own tables to map its own pages.
    #[must_use]
    pub fn own(dom: &'a Domain) -> Self {
        Self {
            table: dom,
            pages: Owner::domain(dom.slot),
            devices: Some(dom),
        }
    }
}

impl Parties<'_> {
    /// Whether a device's frame may be mapped.
    #[cold]
    fn may_map(&self, mfn: Mfn) -> bool {
        let Some(devices) = self.devices else {
            return false;
        };
        let same = core::ptr::eq(devices, self.table);
        devices.may_map(mfn) && (same || self.table.may_map(mfn))
    }

    /// Whether any domain's pages may be mapped: those that the control domain has by its power over
    /// all, which it hands on to another's table by naming itself.
    fn mean_all_pages(&self) -> bool {
        self.devices.is_some_and(|dom| {
            dom.is_privileged() && self.pages == Owner::from(dom) && !core::ptr::eq(dom, self.table)
        })
    }
}

/// Whether a store keeps the accessed and dirty bits that the processor set meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessedDirty {
    /// Stored as given.
    Overwrite,
    /// Taken over from the old entry.
    Keep,
    /// Stored only over this very value; the update is to be tried again otherwise.
    Unchanged(u64),
}

/// The frame number with all bits that an entry has room for: not even a device's.
const NO_FRAME: Mfn = Mfn((1 << 40) - 1);

impl<M: Machine> Hypervisor<M> {
    /// Takes what a level-1 entry claims, at the first attempt and in the usual case: a page of the
    /// owner's, cached. Says whether it did; the entry is then stored as it is.
    #[inline(always)]
    pub(super) fn try_grant_page(&self, pages: Owner, raw: u64) -> bool {
        raw & PRESENT == 0 || raw & CACHE == 0 && self.try_get(pages, frame(raw), raw & RW != 0)
    }

    /// Takes what a level-1 entry claims; gives the entry as it may be stored.
    ///
    /// # Errors
    /// `EINVAL` for forbidden bits and the frame of all ones; `EBUSY` for frames of others and tables
    /// mapped writable; `EPERM` for device frames without the right, and beyond the address width.
    #[inline(never)]
    pub(super) fn grant_page(&self, parties: Parties<'_>, raw: u64) -> Result<u64> {
        let Claim::Page {
            mfn,
            writable,
            uncached,
        } = claim(1, raw)?
        else {
            return Ok(raw);
        };
        if uncached && !parties.table.has_devices() {
            return Err(Errno::EINVAL);
        }
        // Whoever owns it by now: the word that is changed says it again.
        let owner = match self.frames.owner(mfn) {
            any if any.slot().is_some() && parties.mean_all_pages() => any,
            _ => parties.pages,
        };
        let taken = if writable {
            self.page_get_writable(owner, mfn)
        } else {
            self.page_get(owner, mfn)
        };
        match taken {
            Ok(()) => Ok(raw),
            Err(Errno::EINVAL) => self.grant_odd_page(parties, raw, mfn),
            Err(other) => Err(other),
        }
    }

    /// A page that its supposed owner does not own: a device frame, which needs no counting. It is
    /// mapped uncached unless the guest chose another way than caching, and read-only where the hypervisor itself
    /// drives the device.
    fn grant_odd_page(&self, parties: Parties<'_>, raw: u64, mfn: Mfn) -> Result<u64> {
        if mfn == NO_FRAME {
            return Err(Errno::EINVAL);
        }
        if self.frames.owner(mfn) != Owner::IO {
            return Err(Errno::EBUSY);
        }
        if !parties.may_map(mfn) {
            return Err(Errno::EPERM);
        }
        let cache = if raw & CHOSEN_CACHE == 0 { UNCACHED } else { 0 };
        let lost = if self.config.device_frame_read_only(mfn) {
            RW
        } else {
            0
        };
        Ok((raw | cache) & !lost)
    }

    /// Gives back what a level-1 entry that was granted held.
    #[inline(always)]
    pub(super) fn ungrant_page(&self, raw: u64) {
        if raw & PRESENT == 0 {
            return;
        }
        if raw & RW != 0 {
            self.page_put_writable(frame(raw));
        } else {
            self.page_put(frame(raw));
        }
    }

    /// Stores an entry into a live level-1 table, whose domain is locked, for a page of which the caller
    /// holds what the entry claims; gives back what the old one held.
    #[inline(never)]
    pub(crate) fn put_claimed_entry(&self, slot: (Mfn, usize), raw: u64) {
        self.put_claimed_entry_here(slot, raw);
    }

    /// The same, in line.
    #[inline(always)]
    pub(crate) fn put_claimed_entry_here(&self, (table, index): (Mfn, usize), raw: u64) {
        let old = self.machine.read_entry(table, index);
        let new = ValidEntry::granted(adjust_plain(raw));
        self.machine.write_entry(table, index, new);
        self.ungrant_page(old);
    }

    /// Replaces the entry of a live level-1 table, whose domain is locked, if it maps `mfn`, writable or
    /// not; says whether it did. What the old entry held is the caller's then, and what `raw` claims was.
    #[inline(never)]
    pub(crate) fn replace_entry(
        &self,
        (table, index): (Mfn, usize),
        (mfn, writable): (Mfn, bool),
        raw: u64,
    ) -> bool {
        let old = self.machine.read_entry(table, index);
        let right = if writable { RW | PRESENT } else { PRESENT };
        if frame(old) != mfn || old & (RW | PRESENT) != right {
            return false;
        }
        self.machine
            .write_entry(table, index, ValidEntry::granted(raw));
        true
    }

    /// The same in line, for an empty entry in its place; `right` is [`RW`] or 0.
    #[inline(always)]
    pub(crate) fn empty_entry_here(
        &self,
        (table, index): (Mfn, usize),
        mfn: Mfn,
        right: u64,
    ) -> bool {
        let old = self.machine.read_entry(table, index);
        if (old ^ (mfn.addr() | right | PRESENT)) & (FRAME | RW | PRESENT) != 0 {
            return false;
        }
        self.machine
            .write_entry(table, index, ValidEntry::granted(0));
        true
    }

    /// Empties an entry of a live level-1 table, whose domain is locked; what it held is the caller's.
    pub(crate) fn take_entry(&self, (table, index): (Mfn, usize)) -> u64 {
        let old = self.machine.read_entry(table, index);
        let empty = ValidEntry::granted(0);
        self.machine.write_entry(table, index, empty);
        old
    }

    /// Gives back what an entry held that was [taken](Self::take_entry).
    pub(crate) fn give_up_entry(&self, raw: u64) {
        self.ungrant_page(raw);
    }

    /// Takes what the entries `from` to `to` of a level-1 table claim, up to the first that is not of
    /// the commonest sort: a page that is mapped writable elsewhere, in an entry that stays as it is.
    /// Gives that entry's index, or `to`.
    #[inline(never)]
    pub(super) fn grant_row(&self, pages: Owner, table: Mfn, from: usize, to: usize) -> usize {
        const SORT: u64 = PRESENT | RW | USER;
        let to = to.min(ENTRIES);
        self.get_row_writable(pages, from, |index| {
            if index >= to {
                return None;
            }
            let raw = self.machine.read_entry(table, index);
            let stays = raw & (GUEST_KERNEL | GLOBAL) != 0;
            (raw & (SORT | CACHE) == SORT && stays).then_some(frame(raw))
        })
    }

    /// Gives back what the entries `from` to `to` of a level-1 table hold, from the last on down to
    /// the first that is not of the commonest sort: a page that stays mapped writable elsewhere.
    /// Gives the index behind that entry, or `from`.
    #[inline(never)]
    pub(super) fn ungrant_row(&self, table: Mfn, from: usize, to: usize) -> usize {
        const SORT: u64 = PRESENT | RW;
        self.put_row_writable(to, |behind| {
            if behind <= from {
                return None;
            }
            let raw = self.machine.read_entry(table, behind - 1);
            (raw & SORT == SORT).then_some(frame(raw))
        })
    }

    /// Overwrites entry `index` of the live level-1 table `table` in the usual case, and says
    /// whether it did; otherwise nothing is changed, and [`Self::update_l1`] tells why.
    #[inline(always)]
    pub(crate) fn try_update_l1(&self, pages: Owner, table: Mfn, index: usize, raw: u64) -> bool {
        let old = self.machine.read_entry(table, index);
        let mut new = raw;
        let mut same_claim = false;
        if raw & PRESENT != 0 {
            new = adjust(1, raw);
            same_claim = (old ^ new) & !HARMLESS == 0;
            if !same_claim && !self.try_grant_page(pages, new) {
                return false;
            }
        }
        self.machine
            .write_entry(table, index, ValidEntry::granted(new));
        if !same_claim {
            self.ungrant_page(old);
        }
        true
    }

    /// Changes entry `index` of the live level-1 table `table`.
    ///
    /// # Errors
    /// As [`Self::grant_page`], and `EAGAIN`; nothing is changed then.
    pub(crate) fn update_l1(
        &self,
        parties: Parties<'_>,
        (table, index): (Mfn, usize),
        raw: u64,
        ad: AccessedDirty,
    ) -> Result<()> {
        let old = self.machine.read_entry(table, index);
        let mut new = adjust(1, raw);
        let same_claim = (old ^ new) & !HARMLESS == 0;
        if !same_claim && !self.try_grant_page(parties.pages, new) {
            new = self.grant_page(parties, new)?;
        }
        let replaced = self.store(table, index, old, ValidEntry::granted(new), ad);
        if !same_claim {
            self.ungrant_page(replaced.unwrap_or(new));
        }
        replaced.map(|_| ())
    }

    /// Stores over `old`, which only the processor may have changed since it was read; gives what
    /// was replaced.
    ///
    /// # Errors
    /// `EAGAIN` when the value that had to be unchanged was not.
    #[inline]
    fn store(
        &self,
        table: Mfn,
        index: usize,
        old: u64,
        new: ValidEntry,
        ad: AccessedDirty,
    ) -> Result<u64> {
        let mut seen = old;
        match ad {
            AccessedDirty::Overwrite => {
                self.machine.write_entry(table, index, new);
                return Ok(old);
            }
            AccessedDirty::Unchanged(expected) => {
                return match self.machine.swap_entry(table, index, expected, new) {
                    Ok(()) => Ok(expected),
                    Err(_) => Err(Errno::EAGAIN),
                };
            }
            AccessedDirty::Keep => {}
        }
        loop {
            let kept = ValidEntry::granted(
                new.raw() | seen & (super::entry::ACCESSED | super::entry::DIRTY),
            );
            match self.machine.swap_entry(table, index, seen, kept) {
                Ok(()) => return Ok(seen),
                Err(now) => seen = now,
            }
        }
    }

    /// Changes entry `index` of the live table `table` of `level` 2 to 4. What the old entry held
    /// is queued in `walk` for release; the caller drains it.
    ///
    /// # Errors
    /// `EINVAL` for forbidden bits, the hypervisor's slots of a root, or a table that is not
    /// valid; `Retry` when the new table's validation ran out of budget.
    pub(crate) fn update_upper(
        &self,
        parties: Parties<'_>,
        level: u8,
        (table, index): (Mfn, usize),
        raw: u64,
        ad: AccessedDirty,
        (walk, budget): (&mut Walk, &mut Budget),
    ) -> Result<(), Stop> {
        if level == 4 && (HYPERVISOR_SLOT_START..HYPERVISOR_SLOT_END).contains(&index) {
            return Err(Errno::EINVAL.into());
        }
        let old = self.machine.read_entry(table, index);
        let new = adjust(level, raw);
        if (old ^ new) & !HARMLESS == 0 || (old | new) & PRESENT == 0 {
            self.store(table, index, old, ValidEntry::granted(new), ad)?;
            return Ok(());
        }
        let same_table = old & new & PRESENT != 0 && frame(old) == frame(new);
        let child = match claim(level, new)? {
            Claim::Table(child) if !same_table => Some(child),
            _ => None,
        };
        if let Some(child) = child {
            walk::get_table(self, parties.table, (child, level - 1), walk, budget)?;
        }
        let replaced = match self.store(table, index, old, ValidEntry::granted(new), ad) {
            Ok(replaced) => replaced,
            Err(e) => {
                if let Some(child) = child {
                    walk::put_table(self, child, walk);
                }
                return Err(e.into());
            }
        };
        if replaced & PRESENT != 0 && !same_table {
            walk::put_table(self, frame(replaced), walk);
        }
        Ok(())
    }

    /// Changes the entry at machine address `address` of a table or writable page of
    /// `parties.table`: one `MMU_NORMAL_PT_UPDATE`.
    ///
    /// # Errors
    /// As the update of the frame's kind; `EINVAL` for other frames.
    #[inline]
    pub(crate) fn update_entry(
        &self,
        parties: Parties<'_>,
        address: u64,
        raw: u64,
        ad: AccessedDirty,
        (walk, budget): (&mut Walk, &mut Budget),
    ) -> Result<(), Stop> {
        let table = Mfn::containing(address);
        let index = (address as usize >> 3) & 511;
        let owner = Owner::domain(parties.table.slot);
        let word = self.frames.word(table);
        if word.is_live_table(owner) {
            return match word.kind() {
                Kind::L1 => Ok(self.update_l1(parties, (table, index), raw, ad)?),
                kind => {
                    self.update_upper(parties, kind as u8, (table, index), raw, ad, (walk, budget))
                }
            };
        }
        self.update_plain(owner, word, (table, index), raw)
    }

    /// A store into a page that is no live table: plain data, if it is or may become writable.
    #[cold]
    fn update_plain(
        &self,
        owner: Owner,
        word: Word,
        (page, index): (Mfn, usize),
        raw: u64,
    ) -> Result<(), Stop> {
        if word.owner() == owner && word.kind().level().is_some() {
            // Another vCPU's walk holds it.
            return Err(Stop::Retry);
        }
        self.page_get_writable(owner, page)?;
        self.machine.store_u64(page, index * 8, raw);
        self.page_put_writable(page);
        Ok(())
    }
}

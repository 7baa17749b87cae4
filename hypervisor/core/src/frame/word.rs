//! The frame word: owner, type, counts and flags of one frame in one atomic 64-bit word.
//!
//! ```text
//! 63   55 54  51 50      49          48       47          46        45   23 22        0
//! | owner | kind | STALE | VALIDATED | PINNED | ALLOCATED | COUNTED | types | references |
//! ```
//! Every transition is a pure function from word to word here; the table applies it with one
//! compare-and-swap, so that there is no state of a frame outside its word.
//!
//! - `references` counts page-table entries, pins, roots, grants, descriptor tables, and one for
//!   the owner's own claim while `ALLOCATED` is set.
//! - `COUNTED`: charged to the owner's allowance, from its allocation until it is free again; a
//!   page given up stays charged while somebody still maps it.
//! - `types` counts those references that rely on the kind. `kind` is `None` exactly when it is 0.
//! - A page-table kind without `VALIDATED` is locked: one walk is working on it.
//! - `STALE`: was a page table since the last flush that counted; see [`super::proof`].
//! - Each of the `types` is one of the `references`, so that where these have room those have.

use super::proof::Flushed;
use crate::domain::Domain;

/// The use that a frame is typed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// No typed use: may be mapped read-only.
    None = 0,
    /// Page table of level 1.
    L1 = 1,
    /// Page table of level 2.
    L2 = 2,
    /// Page table of level 3.
    L3 = 3,
    /// Page table of level 4.
    L4 = 4,
    /// Descriptor page of a GDT or LDT.
    Descriptors = 5,
    /// Mapped writable somewhere, or shared with the hypervisor for writing.
    Writable = 8,
}

impl Kind {
    const fn from_bits(bits: u64) -> Self {
        match bits & 15 {
            1 => Self::L1,
            2 => Self::L2,
            3 => Self::L3,
            4 => Self::L4,
            5 => Self::Descriptors,
            8 => Self::Writable,
            _ => Self::None,
        }
    }

    /// The kind of a page table of `level` 1 to 4.
    #[must_use]
    pub const fn table(level: u8) -> Self {
        Self::from_bits(level as u64)
    }

    /// The level, if it is a page table.
    #[must_use]
    pub const fn level(self) -> Option<u8> {
        match self {
            Self::L1 | Self::L2 | Self::L3 | Self::L4 => Some(self as u8),
            _ => None,
        }
    }
}

/// Whose a frame is: the hypervisor's (the zero word's owner), nobody's, a device's, or that of
/// the domain in a slot of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner(u16);

impl Owner {
    /// The hypervisor; what a zeroed table says.
    pub const HYPERVISOR: Self = Self(0);
    /// Free.
    pub const FREE: Self = Self(0x1ff);
    /// Not memory: firmware or device.
    pub const IO: Self = Self(0x1fe);

    /// The domain in table slot `slot`.
    #[inline]
    #[must_use]
    pub const fn domain(slot: u16) -> Self {
        Self(slot + 1)
    }

    /// The slot of the owning domain, if a domain owns it.
    #[must_use]
    pub const fn slot(self) -> Option<u16> {
        match self.0 {
            0 | 0x1fe | 0x1ff => None,
            n => Some(n - 1),
        }
    }
}

impl From<&Domain> for Owner {
    #[inline]
    fn from(dom: &Domain) -> Self {
        Self::domain(dom.slot)
    }
}

/// Why a word cannot make a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Somebody else's frame, or nobody's.
    NotOwner,
    /// In use as something else.
    WrongKind,
    /// Locked by a walk; try again later.
    Locked,
    /// A count is full.
    Full,
    /// Formerly a page table: flush first.
    NeedsFlush,
    /// Not in the state that the transition starts from.
    BadState,
}

/// A frame word's value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Word(pub u64);

const REF_ONE: u64 = 1;
const REF_MASK: u64 = (1 << 23) - 1;
/// As many references as there may be.
const FULL: u64 = 1 << 22;
const TYPE_ONE: u64 = 1 << 23;
const TYPE_MASK: u64 = REF_MASK << 23;
const COUNTED: u64 = 1 << 46;
const ALLOCATED: u64 = 1 << 47;
const PINNED: u64 = 1 << 48;
const VALIDATED: u64 = 1 << STATE_SHIFT;
const STALE: u64 = 1 << 50;
const KIND_SHIFT: u32 = 51;
const KIND_MASK: u64 = 15 << KIND_SHIFT;
const OWNER_SHIFT: u32 = 55;
const OWNER_MASK: u64 = 0x1ff << OWNER_SHIFT;
/// From here on: the bits that decide what a frame may be used for.
const STATE_SHIFT: u32 = 49;
const _: () = assert!(crate::domain::MAX_DOMAINS < 0x1fe);

const fn owner_bits(owner: Owner) -> u64 {
    (owner.0 as u64) << OWNER_SHIFT
}

const fn kind_bits(kind: Kind) -> u64 {
    (kind as u64) << KIND_SHIFT
}

/// [`Word::state`] of a frame of `owner` used as `kind`, neither stale nor validated.
const fn state_of(owner: Owner, kind: Kind) -> u64 {
    (owner_bits(owner) | kind_bits(kind)) >> STATE_SHIFT
}

impl Word {
    /// A free frame.
    pub const FREE: Self = Self(owner_bits(Owner::FREE));
    /// Firmware or device memory.
    pub const IO: Self = Self(owner_bits(Owner::IO));
    /// The hypervisor's own: no guest can name it.
    pub const OWN: Self = Self(owner_bits(Owner::HYPERVISOR));

    /// A frame that a domain has just been given: one reference, the owner's.
    #[must_use]
    pub const fn allocated(owner: Owner, _: &Flushed) -> Self {
        Self(owner_bits(owner) | COUNTED | ALLOCATED | REF_ONE)
    }

    /// A frame shared between the hypervisor and a domain: held writable for ever by the
    /// hypervisor's own reference, not counted as the domain's memory.
    #[must_use]
    pub const fn shared(owner: Owner, _: &Flushed) -> Self {
        Self(owner_bits(owner) | kind_bits(Kind::Writable) | TYPE_ONE | REF_ONE)
    }

    /// Owner, kind, and whether it is stale or validated.
    #[inline]
    const fn state(self) -> u64 {
        self.0 >> STATE_SHIFT
    }

    /// Whose it is.
    #[inline]
    #[must_use]
    pub const fn owner(self) -> Owner {
        Owner((self.0 >> OWNER_SHIFT) as u16)
    }

    /// What it is typed for.
    #[inline]
    #[must_use]
    pub const fn kind(self) -> Kind {
        Kind::from_bits(self.0 >> KIND_SHIFT)
    }

    /// References of all sorts.
    #[must_use]
    pub const fn refs(self) -> u32 {
        (self.0 & REF_MASK) as u32
    }

    /// References that rely on the kind.
    #[must_use]
    pub const fn types(self) -> u32 {
        ((self.0 & TYPE_MASK) / TYPE_ONE) as u32
    }

    /// Whether a table or descriptor page has been checked whole.
    #[must_use]
    pub const fn is_validated(self) -> bool {
        self.0 & VALIDATED != 0
    }

    /// Whether the guest pinned it.
    #[must_use]
    pub const fn is_pinned(self) -> bool {
        self.0 & PINNED != 0
    }

    /// Whether it is charged to its owner.
    #[must_use]
    pub const fn is_counted(self) -> bool {
        self.0 & COUNTED != 0
    }

    /// Whether its owner still claims it.
    #[must_use]
    pub const fn is_allocated(self) -> bool {
        self.0 & ALLOCATED != 0
    }

    /// Whether `owner` gave it up, and something uses it still.
    #[must_use]
    pub const fn is_given_up_by(self, owner: Owner) -> bool {
        self.refs() != 0
            && self.0 & (OWNER_MASK | COUNTED | ALLOCATED) == owner_bits(owner) | COUNTED
    }

    /// Whether it was a page table since the last flush that counted.
    #[must_use]
    pub const fn is_stale(self) -> bool {
        self.0 & STALE != 0
    }

    /// Whether this is a whole page table of `level` that `owner` uses.
    #[inline]
    #[must_use]
    pub const fn is_live_table(self, owner: Owner) -> bool {
        let level = (self.0 & KIND_MASK) >> KIND_SHIFT;
        self.0 & (OWNER_MASK | VALIDATED) == owner_bits(owner) | VALIDATED
            && level >= 1
            && level <= 4
    }

    /// Whether this is a whole page table of level 1 that `owner` uses.
    #[inline]
    #[must_use]
    pub const fn is_live_l1(self, owner: Owner) -> bool {
        self.state() == state_of(owner, Kind::L1) | VALIDATED >> STATE_SHIFT
    }

    /// One more reference, for a read-only mapping or the like.
    ///
    /// # Errors
    /// `NotOwner`, `Full`.
    #[inline]
    pub const fn get(self, owner: Owner) -> Result<Self, Refusal> {
        if self.0 & OWNER_MASK != owner_bits(owner) {
            return Err(Refusal::NotOwner);
        }
        if self.0 & FULL != 0 || self.0 & REF_MASK == 0 {
            return Err(self.why_no_more());
        }
        Ok(Self(self.0 + REF_ONE))
    }

    /// A frame without references is on its way to the free list, or a device's, and has no counts.
    #[cold]
    const fn why_no_more(self) -> Refusal {
        match self.refs() {
            0 => Refusal::NotOwner,
            _ => Refusal::Full,
        }
    }

    /// One more reference and one more writable use.
    ///
    /// # Errors
    /// `NotOwner`, `WrongKind`, `Full`, `NeedsFlush`.
    #[inline]
    pub const fn get_writable(self, owner: Owner) -> Result<Self, Refusal> {
        self.get_writable_here(owner)
    }

    /// The same, in line.
    ///
    /// # Errors
    /// As [`Self::get_writable`].
    #[inline(always)]
    pub const fn get_writable_here(self, owner: Owner) -> Result<Self, Refusal> {
        let state = self.state();
        let step = if state == state_of(owner, Kind::Writable) {
            REF_ONE + TYPE_ONE
        } else if state == state_of(owner, Kind::None) && self.0 & REF_MASK != 0 {
            REF_ONE + TYPE_ONE + kind_bits(Kind::Writable)
        } else {
            return Err(self.why_not_writable(owner));
        };
        if self.0 & FULL != 0 {
            return Err(Refusal::Full);
        }
        Ok(Self(self.0 + step))
    }

    /// One more reference and writable use of what is writable already; `None` for other words.
    #[inline]
    #[must_use]
    pub const fn get_writable_again(self, owner: Owner) -> Option<Self> {
        // State and room at one look.
        const LOOK: u64 = u64::MAX << STATE_SHIFT | FULL;
        if self.0 & LOOK == state_of(owner, Kind::Writable) << STATE_SHIFT {
            Some(Self(self.0 + (REF_ONE + TYPE_ONE)))
        } else {
            None
        }
    }

    #[cold]
    const fn why_not_writable(self, owner: Owner) -> Refusal {
        if self.0 & OWNER_MASK != owner_bits(owner) {
            Refusal::NotOwner
        } else if !matches!(self.kind(), Kind::None | Kind::Writable) {
            Refusal::WrongKind
        } else if self.0 & STALE != 0 {
            Refusal::NeedsFlush
        } else {
            self.why_no_more()
        }
    }

    /// One more reference and writable use of what was a table and has not been flushed since. It
    /// stays so until [`Self::flushed`]; meanwhile others who want it writable flush as well.
    ///
    /// # Errors
    /// `NotOwner`, `WrongKind`, `Full`.
    pub const fn get_former_table(self, owner: Owner) -> Result<Self, Refusal> {
        match (Self(self.0 & !STALE)).get_writable(owner) {
            Ok(next) => Ok(Self(next.0 | self.0 & STALE)),
            Err(refusal) => Err(refusal),
        }
    }

    /// The first typed use of an untyped frame.
    ///
    /// # Errors
    /// `NotOwner`, `WrongKind`, `Full`.
    #[inline]
    pub const fn get_first(self, owner: Owner, kind: Kind) -> Result<Self, Refusal> {
        if self.0 & OWNER_MASK != owner_bits(owner) {
            return Err(Refusal::NotOwner);
        }
        if self.0 & KIND_MASK != 0 {
            return Err(Refusal::WrongKind);
        }
        if self.0 & FULL != 0 || self.0 & REF_MASK == 0 {
            return Err(Refusal::Full);
        }
        Ok(Self(self.0 + REF_ONE + TYPE_ONE + kind_bits(kind)))
    }

    /// One more use of a validated table or descriptor page.
    ///
    /// # Errors
    /// `NotOwner`, `WrongKind` (also when untyped), `Locked`, `Full`.
    #[inline]
    pub const fn get_validated(self, owner: Owner, kind: Kind) -> Result<Self, Refusal> {
        if self.0 & OWNER_MASK != owner_bits(owner) {
            return Err(Refusal::NotOwner);
        }
        if self.0 & KIND_MASK != kind_bits(kind) {
            return Err(Refusal::WrongKind);
        }
        if self.0 & VALIDATED == 0 {
            return Err(Refusal::Locked);
        }
        if self.0 & FULL != 0 {
            return Err(Refusal::Full);
        }
        Ok(Self(self.0 + REF_ONE + TYPE_ONE))
    }

    /// The end of validation: the walk that holds the only use says the whole table is good.
    ///
    /// # Errors
    /// `BadState` unless locked.
    pub const fn validated(self, _: &Flushed) -> Result<Self, Refusal> {
        if !self.is_locked() {
            return Err(Refusal::BadState);
        }
        Ok(Self((self.0 | VALIDATED) & !STALE))
    }

    /// Whether one walk works on it as a table or descriptor page.
    const fn is_locked(self) -> bool {
        self.0 & VALIDATED == 0 && !matches!(self.kind(), Kind::None | Kind::Writable)
    }

    /// Gives up one reference.
    ///
    /// # Errors
    /// `BadState` if there is none.
    #[inline]
    pub const fn put(self) -> Result<Self, Refusal> {
        if self.0 & REF_MASK == 0 {
            return Err(Refusal::BadState);
        }
        Ok(Self(self.0 - REF_ONE))
    }

    /// Gives up one writable use and its reference; the last use clears the kind.
    ///
    /// # Errors
    /// `BadState` if there is none.
    #[inline]
    pub const fn put_writable(self) -> Result<Self, Refusal> {
        // A kind of its own bit.
        if self.0 & kind_bits(Kind::Writable) == 0 {
            return Err(Refusal::BadState);
        }
        // With a kind there is a use, and with a use a reference.
        let next = self.0 - (REF_ONE + TYPE_ONE);
        Ok(Self(if next & TYPE_MASK == 0 {
            next & !KIND_MASK
        } else {
            next
        }))
    }

    /// Gives up one of more than two writable uses and its reference; `None` for other words.
    #[inline]
    #[must_use]
    pub const fn put_one_of_many_writable(self) -> Option<Self> {
        let many = self.0 & TYPE_MASK > 2 * TYPE_ONE;
        if many && self.0 & kind_bits(Kind::Writable) != 0 {
            Some(Self(self.0 - (REF_ONE + TYPE_ONE)))
        } else {
            None
        }
    }

    /// Gives up one of several uses of a validated table or descriptor page.
    /// `Ok(None)` when it is the last: then [`Self::unvalidate`] starts its release.
    ///
    /// # Errors
    /// `BadState` unless validated and in use.
    #[inline]
    pub const fn put_validated(self) -> Result<Option<Self>, Refusal> {
        if self.0 & VALIDATED == 0 || self.0 & TYPE_MASK == 0 || self.0 & REF_MASK == 0 {
            return Err(Refusal::BadState);
        }
        if self.0 & TYPE_MASK == TYPE_ONE {
            return Ok(None);
        }
        Ok(Some(Self(self.0 - REF_ONE - TYPE_ONE)))
    }

    /// Locks the table for release by the holder of its only use.
    ///
    /// # Errors
    /// `BadState` unless validated with one use.
    pub const fn unvalidate(self) -> Result<Self, Refusal> {
        if self.0 & VALIDATED == 0 || self.0 & TYPE_MASK != TYPE_ONE {
            return Err(Refusal::BadState);
        }
        Ok(Self(self.0 & !VALIDATED))
    }

    /// Ends the release of a locked table: no kind, no use, and one reference less.
    ///
    /// # Errors
    /// `BadState` unless locked with one use.
    pub const fn untype(self) -> Result<Self, Refusal> {
        if !self.is_locked() || self.0 & TYPE_MASK != TYPE_ONE {
            return Err(Refusal::BadState);
        }
        Ok(Self(((self.0 - REF_ONE - TYPE_ONE) & !KIND_MASK) | STALE))
    }

    /// Marks a validated table as pinned; the caller's use becomes the pin's.
    ///
    /// # Errors
    /// `BadState` if it is pinned already or not validated.
    pub const fn pin(self) -> Result<Self, Refusal> {
        if self.0 & PINNED != 0 || self.0 & VALIDATED == 0 {
            return Err(Refusal::BadState);
        }
        Ok(Self(self.0 | PINNED))
    }

    /// Takes the pin off; its use is now the caller's to give up.
    ///
    /// # Errors
    /// `NotOwner`, `BadState` if it is not pinned.
    pub const fn unpin(self, owner: Owner) -> Result<Self, Refusal> {
        if self.0 & OWNER_MASK != owner_bits(owner) {
            return Err(Refusal::NotOwner);
        }
        if self.0 & PINNED == 0 {
            return Err(Refusal::BadState);
        }
        Ok(Self(self.0 & !PINNED))
    }

    /// The owner gives up a frame that nobody but it refers to: until it is somebody's again, or
    /// free, nobody can.
    ///
    /// # Errors
    /// As [`Self::give_up`]; `WrongKind` while there are other references.
    pub const fn give_away(self, owner: Owner) -> Result<Self, Refusal> {
        if self.refs() != 1 {
            return Err(Refusal::WrongKind);
        }
        self.give_up(owner)
    }

    /// The owner gives the frame up: one reference less. It stays charged, and pinned if it was,
    /// until the last reference goes.
    ///
    /// # Errors
    /// `NotOwner`, `BadState` if it was given up already.
    pub const fn give_up(self, owner: Owner) -> Result<Self, Refusal> {
        if self.0 & OWNER_MASK != owner_bits(owner) {
            return Err(Refusal::NotOwner);
        }
        if self.0 & ALLOCATED == 0 || self.0 & REF_MASK == 0 {
            return Err(Refusal::BadState);
        }
        Ok(Self((self.0 & !ALLOCATED) - REF_ONE))
    }

    /// Nothing remembers it as a table.
    #[must_use]
    pub const fn flushed(self, _: &Flushed) -> Self {
        Self(self.0 & !STALE)
    }
}

impl core::fmt::Debug for Word {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "{:?} {:?} refs {} types {}{}{}{}{}",
            self.owner(),
            self.kind(),
            self.refs(),
            self.types(),
            if self.is_allocated() {
                " allocated"
            } else {
                ""
            },
            if self.is_validated() {
                " validated"
            } else {
                ""
            },
            if self.is_pinned() { " pinned" } else { "" },
            if self.is_stale() { " stale" } else { "" },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Owner = Owner::domain(3);
    const OTHER: Owner = Owner::domain(4);
    const PROOF: Flushed = Flushed::of_no_frame();

    #[test]
    fn the_zero_word_is_the_hypervisors() {
        let w = Word(0);
        assert_eq!(w.owner(), Owner::HYPERVISOR);
        assert_eq!(w.get(ME), Err(Refusal::NotOwner));
        assert_eq!(w.get_writable(ME), Err(Refusal::NotOwner));
    }

    #[test]
    fn writable_and_table_exclude_each_other() {
        let w = Word::allocated(ME, &PROOF).get_writable(ME).unwrap();
        assert_eq!(w.get_first(ME, Kind::L1), Err(Refusal::WrongKind));
        let w = w.put_writable().unwrap();
        assert_eq!(w.kind(), Kind::None);
        let t = w.get_first(ME, Kind::L2).unwrap();
        assert_eq!(t.get_writable(ME), Err(Refusal::WrongKind));
        assert_eq!(t.get_validated(ME, Kind::L2), Err(Refusal::Locked));
        let t = t.validated(&PROOF).unwrap();
        assert_eq!(t.get_validated(ME, Kind::L1), Err(Refusal::WrongKind));
        let two = t.get_validated(ME, Kind::L2).unwrap();
        assert_eq!(two.put_validated(), Ok(Some(t)));
        assert_eq!(t.put_validated(), Ok(None));
        let gone = t.unvalidate().unwrap().untype().unwrap();
        assert_eq!(gone.kind(), Kind::None);
        assert_eq!(gone.get_writable(ME), Err(Refusal::NeedsFlush));
        assert!(gone.flushed(&PROOF).get_writable(ME).is_ok());
        let mine = gone.get_former_table(ME).unwrap();
        assert!(mine.is_stale() && mine.kind() == Kind::Writable);
        assert_eq!(
            mine.get_writable(ME),
            Err(Refusal::NeedsFlush),
            "not for others yet"
        );
        assert_eq!(
            mine.get_first(ME, Kind::L1),
            Err(Refusal::WrongKind),
            "locked"
        );
        assert_eq!(mine.validated(&PROOF), Err(Refusal::BadState));
        assert!(mine.flushed(&PROOF).get_writable(ME).is_ok());
    }

    #[test]
    fn others_get_nothing() {
        let w = Word::allocated(ME, &PROOF);
        assert_eq!(w.get(OTHER), Err(Refusal::NotOwner));
        assert_eq!(w.get_writable(OTHER), Err(Refusal::NotOwner));
        assert_eq!(w.get_first(OTHER, Kind::L1), Err(Refusal::NotOwner));
        assert_eq!(w.give_up(OTHER), Err(Refusal::NotOwner));
        assert_eq!(Word::FREE.get(ME), Err(Refusal::NotOwner));
    }

    #[test]
    fn counts_do_not_overflow() {
        let mut w = Word::allocated(ME, &PROOF).get_writable(ME).unwrap();
        w.0 += FULL - 1;
        assert_eq!(w.get_writable(ME), Err(Refusal::Full));
        let mut w = Word::allocated(ME, &PROOF);
        w.0 += FULL - 1;
        assert_eq!(w.get(ME), Err(Refusal::Full));
        assert_eq!(w.get_first(ME, Kind::L1), Err(Refusal::Full));
        assert_eq!(Word(owner_bits(ME)).put(), Err(Refusal::BadState));
    }

    #[test]
    fn a_pinned_frame_given_up_stays_charged_and_pinned() {
        let w = Word::allocated(ME, &PROOF)
            .get_first(ME, Kind::L1)
            .and_then(|w| w.validated(&PROOF))
            .and_then(Word::pin)
            .unwrap();
        assert_eq!(w.pin(), Err(Refusal::BadState));
        let w = w.give_up(ME).unwrap();
        assert!(w.is_counted() && w.is_pinned() && !w.is_allocated());
        assert_eq!(w.give_up(ME), Err(Refusal::BadState));
        let w = w.unpin(ME).and_then(Word::unvalidate).unwrap();
        let w = w.untype().unwrap();
        assert!(w.is_counted() && w.refs() == 0);
    }
}

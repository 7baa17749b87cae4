//! What a page-table entry asks for, and the only type that may be stored into a live table.
//!
//! Validation is one total function from (level, raw value) to a [`Claim`]; whether the claim is
//! granted is decided against the frame word in [`super::update`] and [`super::walk`].

use crate::addr::Mfn;
use crate::error::{Errno, Result};

/// Present.
pub const PRESENT: u64 = 1 << 0;
/// Writable.
pub const RW: u64 = 1 << 1;
/// Reachable from ring 3.
pub const USER: u64 = 1 << 2;
/// Accessed, set by the processor.
pub const ACCESSED: u64 = 1 << 5;
/// Dirty, set by the processor.
pub const DIRTY: u64 = 1 << 6;
/// Bits 9 to 11, free for the guest's use.
pub const AVAILABLE: u64 = 0b111 << 9;
/// Global: not forgotten when a root is loaded, if the processor is told to heed it.
pub const GLOBAL: u64 = 1 << 8;
/// Bits 52 to 62, which the processor ignores: protection keys are off.
pub const IGNORED: u64 = 0x7ff << 52;
/// Bit 52: the guest asked for a kernel-only mapping; kept so that it can tell (the PV kernel runs
/// in ring 3, so its mappings are user mappings to the processor).
pub const GUEST_KERNEL: u64 = 1 << 52;
/// No execute.
pub const NX: u64 = 1 << 63;
/// Cache attributes of a level-1 entry: PWT, PCD, PAT.
pub const CACHE: u64 = 1 << 3 | 1 << 4 | 1 << 7;
/// PWT and PCD: not cached.
pub const UNCACHED: u64 = 1 << 3 | 1 << 4;
/// PCD and PAT: without either, an entry is cached, written back or written through.
pub const CHOSEN_CACHE: u64 = 1 << 4 | 1 << 7;
/// The frame number's bits: machine addresses of up to 52 bits.
pub const FRAME: u64 = 0x000f_ffff_ffff_f000;

/// Bits whose change alone changes no claim.
pub const HARMLESS: u64 = ACCESSED | DIRTY | AVAILABLE;

const COMMON: u64 = PRESENT | RW | USER | ACCESSED | DIRTY | AVAILABLE | IGNORED | NX | FRAME;

/// An entry that was validated, or that is not present; only [`crate::pv`] makes the former.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidEntry(u64);

impl ValidEntry {
    /// The raw value to store.
    #[inline]
    #[must_use]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// An entry that maps nothing: any value without the present bit.
    #[inline]
    #[must_use]
    pub const fn absent(raw: u64) -> Option<Self> {
        if raw & PRESENT == 0 {
            Some(Self(raw))
        } else {
            None
        }
    }

    /// An entry whose claim was granted.
    #[inline]
    pub(in crate::pv) const fn granted(raw: u64) -> Self {
        Self(raw)
    }
}

/// What an entry asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing.
    Absent,
    /// To map a page; `writable` needs the frame's writable type.
    Page {
        /// The page.
        mfn: Mfn,
        /// Whether it maps it writable.
        writable: bool,
        /// Whether it asks for other than write-back caching.
        uncached: bool,
    },
    /// To refer to a table of the next lower level.
    Table(
        /// The table.
        Mfn,
    ),
}

/// The frame an entry names.
#[inline]
#[must_use]
pub const fn frame(raw: u64) -> Mfn {
    Mfn((raw & FRAME) >> 12)
}

/// What `raw` as an entry of a level-`level` table asks for.
///
/// # Errors
/// `EINVAL` when bits are set that a guest may not use: superpages, and global and cache attributes
/// above level 1.
#[inline]
pub const fn claim(level: u8, raw: u64) -> Result<Claim> {
    if raw & PRESENT == 0 {
        return Ok(Claim::Absent);
    }
    if level == 1 {
        // Every bit has a use here, or none to the processor.
        const { assert!(COMMON | CACHE | GLOBAL == u64::MAX) };
        return Ok(Claim::Page {
            mfn: frame(raw),
            writable: raw & RW != 0,
            uncached: raw & CACHE != 0,
        });
    }
    if raw & !COMMON != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(Claim::Table(frame(raw)))
}

/// The value that is stored for a granted `raw`: both halves of a 64-bit PV guest run in ring 3,
/// so every present entry is reachable from there. A level-1 entry remembers that the guest asked
/// for less; if it asked for a user mapping, that is global, for it is the same under both roots.
/// A level-4 entry is accessed from the start. All of this as guests see it on real Xen.
#[inline]
#[must_use]
pub const fn adjust(level: u8, raw: u64) -> u64 {
    if raw & PRESENT == 0 {
        return raw;
    }
    match level {
        1 if raw & USER == 0 => {
            // Fewer of the updates that guests make are for the kernel's half.
            core::hint::cold_path();
            raw | USER | GUEST_KERNEL
        }
        1 if raw & GUEST_KERNEL == 0 => raw | GLOBAL,
        1 => raw,
        4 => raw | USER | ACCESSED,
        _ => raw | USER,
    }
}

/// The same for a present level-1 entry in which the guest chose none of the ignored bits: without a
/// branch.
#[inline(always)]
#[must_use]
pub const fn adjust_plain(raw: u64) -> u64 {
    let more = if raw & USER == 0 {
        USER | GUEST_KERNEL
    } else {
        GLOBAL
    };
    raw | more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_say_what_the_entry_maps() {
        assert_eq!(claim(1, 0x5000 | RW), Ok(Claim::Absent));
        assert_eq!(
            claim(1, 0x5000 | RW | PRESENT),
            Ok(Claim::Page {
                mfn: Mfn(5),
                writable: true,
                uncached: false
            })
        );
        assert_eq!(claim(3, 0x7067), Ok(Claim::Table(Mfn(7))));
        assert_eq!(claim(2, 0x7067 | 1 << 7), Err(Errno::EINVAL));
    }

    #[test]
    fn absent_entries_need_no_grant() {
        assert!(ValidEntry::absent(0xdead_0000).is_some());
        assert!(ValidEntry::absent(0xdead_0001).is_none());
    }

    #[test]
    fn kernel_mappings_remember_that_they_are() {
        assert_eq!(adjust(1, PRESENT | RW), PRESENT | RW | USER | GUEST_KERNEL);
        assert_eq!(adjust(1, PRESENT | USER), PRESENT | USER | GLOBAL);
        for raw in [PRESENT | RW, PRESENT | USER | AVAILABLE | NX] {
            assert_eq!(adjust_plain(raw), adjust(1, raw));
        }
        assert_eq!(adjust(3, PRESENT), PRESENT | USER);
        assert_eq!(adjust(4, PRESENT), PRESENT | USER | ACCESSED);
        assert_eq!(adjust(1, 0x1234_0000), 0x1234_0000);
    }
}

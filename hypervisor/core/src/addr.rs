//! Frame numbers and guest addresses as types of their own.

use core::fmt;

/// log2 of the page size, in bits.
pub const PAGE_SHIFT: u32 = 12;
/// Bytes in a page.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;
/// Entries in a page table of any level.
pub const ENTRIES: usize = 512;

/// First address of the range that belongs to the hypervisor in every address space
/// (`HYPERVISOR_VIRT_START` of arch-x86/xen-x86_64.h).
pub const HYPERVISOR_START: u64 = 0xffff_8000_0000_0000;
/// First address behind the hypervisor's range (`HYPERVISOR_VIRT_END`).
pub const HYPERVISOR_END: u64 = 0xffff_8800_0000_0000;
/// First address behind the lower half.
const LOWER_END: u64 = 0x0000_8000_0000_0000;
/// First L4 slot of the hypervisor's range.
pub const HYPERVISOR_SLOT_START: usize = 256;
/// First L4 slot behind the hypervisor's range.
pub const HYPERVISOR_SLOT_END: usize = 272;

/// A machine frame number: a page of the real machine's memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mfn(pub u64);

/// A pseudo-physical frame number: a page as one domain counts its memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pfn(pub u64);

impl Mfn {
    /// The machine address of the frame's first byte.
    #[must_use]
    pub const fn addr(self) -> u64 {
        self.0 << PAGE_SHIFT
    }

    /// The frame that holds machine address `addr`.
    #[must_use]
    pub const fn containing(addr: u64) -> Self {
        Self(addr >> PAGE_SHIFT)
    }
}

impl fmt::Debug for Mfn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mfn {:x}", self.0)
    }
}

impl fmt::Debug for Pfn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pfn {:x}", self.0)
    }
}

/// Whether `va` is canonical: bits 63 to 47 all alike.
#[must_use]
pub const fn canonical(va: u64) -> bool {
    ((va as i64) << 16 >> 16) as u64 == va
}

/// Whether a guest may name the `len` bytes at `va` at all: canonical, not wrapping, and outside
/// the hypervisor's range. Says nothing about whether they are mapped.
#[must_use]
#[inline]
pub const fn guest_range(va: u64, len: u64) -> bool {
    if va >= HYPERVISOR_END {
        // The kernel's half, to its last byte.
        return len <= va.wrapping_neg();
    }
    core::hint::cold_path();
    va <= LOWER_END && len <= LOWER_END - va
}

/// The index into the level-`level` table (4 = root) that translates `va`.
#[must_use]
pub const fn table_index(va: u64, level: u32) -> usize {
    ((va >> (PAGE_SHIFT + 9 * (level - 1))) & 0x1ff) as usize
}

/// Clamps an index that a guest controls below `len` in a way that speculation cannot bypass:
/// out-of-range values become 0 without a branch. The caller has already checked the bound.
#[must_use]
pub fn clamp_index(index: usize, len: usize) -> usize {
    // The compiler knows from the caller's check what the mask will be, unless it does not know the
    // index any more.
    let index = core::hint::black_box(index);
    // All ones when index < len, else zero: the borrow of the subtraction, spread over the word.
    let mask = ((index as u64).wrapping_sub(len as u64) as i64 >> 63) as usize;
    index & mask
}

/// The same where `LEN` is a power of two: one instruction.
#[must_use]
#[inline]
pub fn clamp_to_power<const LEN: usize>(index: usize) -> usize {
    const { assert!(LEN.is_power_of_two()) };
    core::hint::black_box(index) & (LEN - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stop_at_the_hypervisor() {
        assert!(guest_range(0, 4096));
        assert!(guest_range(0x7fff_ffff_f000, 0x1000));
        assert!(!guest_range(0x7fff_ffff_f000, 0x1001));
        assert!(!guest_range(HYPERVISOR_START, 1));
        assert!(!guest_range(HYPERVISOR_END - 1, 1));
        assert!(guest_range(HYPERVISOR_END, 1));
        assert!(guest_range(u64::MAX, 1));
        assert!(!guest_range(u64::MAX, 2));
        assert!(guest_range(HYPERVISOR_END, HYPERVISOR_END.wrapping_neg()));
        assert!(!guest_range(HYPERVISOR_END, u64::MAX));
        assert!(!guest_range(0x8000_0000_0000, 1));
    }

    #[test]
    fn clamp_keeps_what_is_in_range() {
        assert_eq!(clamp_index(5, 6), 5);
        assert_eq!(clamp_index(6, 6), 0);
        assert_eq!(clamp_index(usize::MAX >> 1, 6), 0);
        assert_eq!(clamp_to_power::<8>(7), 7);
        assert_eq!(clamp_to_power::<8>(9), 1);
    }
}

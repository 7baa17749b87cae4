//! From the boot loader's 32-bit entry to the final page tables.

use core::arch::global_asm;

pub(crate) mod memory;
pub(crate) mod multiboot;
pub(crate) mod paging;
pub(crate) mod space;

use crate::layout;

global_asm!(
    include_str!("head.S"),
    DIRECT_MAP_SLOT = const layout::DIRECT_MAP_SLOT,
    IMAGE_SLOT = const layout::IMAGE_SLOT,
    DIRECT_MAP = const layout::DIRECT_MAP,
    boot_main = sym crate::boot_main,
    options(att_syntax)
);

/// Size of what head.S maps: the first 4 GiB of machine addresses.
pub(crate) const FIRST_MAP: u64 = 1 << 32;

/// Machine memory below 4 GiB as bytes, while head.S's tables or later ones map it; `None` where
/// the range is beyond.
///
/// # Safety
/// Nothing writes to the range while the slice lives, and it is mapped in the direct map.
pub(crate) unsafe fn machine_bytes(start: u64, len: u64) -> Option<&'static [u8]> {
    if start.checked_add(len)? > FIRST_MAP {
        return None;
    }
    let first = (layout::DIRECT_MAP + start) as *const u8;
    // SAFETY: the caller's; any bytes are valid u8.
    Some(unsafe { core::slice::from_raw_parts(first, len as usize) })
}

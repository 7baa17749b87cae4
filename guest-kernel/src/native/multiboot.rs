//! What a multiboot loader passes on, read once.

use crate::mm::VIRT_BASE;
use core::ops::Range;

/// What a loader has in eax.
const MAGIC: u32 = 0x2bad_b002;
const HAS_MEMORY: u32 = 1 << 0;
const HAS_COMMAND_LINE: u32 = 1 << 2;
const HAS_MODULES: u32 = 1 << 3;
/// Where memory above the hole of PCs begins, and its physical size that the early tables map.
const HIGH_MEMORY: u64 = 1 << 20;
const EARLY: u64 = 1 << 30;

/// Physical addresses, and what else there is to know.
pub(super) struct Found {
    /// The end of the memory that begins at 1 MiB.
    pub(super) memory_end: u64,
    /// The first module.
    pub(super) module: Option<Range<u64>>,
    /// The end of all that the loader has put into memory.
    pub(super) used_end: u64,
    /// The physical address of the command line.
    pub(super) command_line: Option<u64>,
}

/// A word at a physical address below 1 GiB.
///
/// # Safety
/// The early page tables must be in force, and the word written by nobody.
unsafe fn word(address: u64) -> u32 {
    assert!(
        address < EARLY && address.is_multiple_of(4),
        "a lie of the loader's"
    );
    // SAFETY: passed on to the caller.
    unsafe { ((VIRT_BASE + address) as *const u32).read_volatile() }
}

/// Reads the loader's information.
///
/// # Safety
/// As for [`word`]; `info` is the loader's ebx.
pub(super) unsafe fn read(magic: u32, info: u32, image_end: u64) -> Found {
    assert_eq!(magic, MAGIC, "not started by a multiboot loader");
    let field = |index: u64| {
        // SAFETY: passed on to the caller.
        unsafe { word(u64::from(info) + index * 4) }
    };
    let flags = field(0);
    assert!(flags & HAS_MEMORY != 0, "the loader tells of no memory");
    let memory_end = (HIGH_MEMORY + u64::from(field(2)) * 1024).min(EARLY);
    let modules = match flags & HAS_MODULES != 0 {
        true => u64::from(field(5)),
        false => 0,
    };
    let list = u64::from(field(6));
    let mut found = Found {
        memory_end,
        module: None,
        used_end: image_end.max(u64::from(info) + 4096),
        command_line: (flags & HAS_COMMAND_LINE != 0).then(|| u64::from(field(4))),
    };
    if modules > 0 {
        // SAFETY: passed on to the caller.
        let start = u64::from(unsafe { word(list) });
        // SAFETY: passed on to the caller.
        let end = u64::from(unsafe { word(list + 4) });
        // SAFETY: passed on to the caller.
        let arguments = u64::from(unsafe { word(list + 8) });
        assert!(start <= end && end <= memory_end, "the module lies nowhere");
        found.module = Some(start..end);
        found.used_end = found.used_end.max(end).max(arguments + 4096);
    }
    found
}

/// The bytes of a text that ends with 0, at most as many as there is room for.
///
/// # Safety
/// As for [`word`].
pub(super) unsafe fn text(address: u64, to: &mut [i8]) {
    for (byte, at) in to.iter_mut().zip(address..) {
        // SAFETY: passed on to the caller.
        let word = unsafe { word(at & !3) };
        *byte = (word >> (at % 4 * 8)) as i8;
        if *byte == 0 {
            return;
        }
    }
}

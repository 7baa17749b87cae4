//! A part of memory filled with a known pattern, to be checked while pages come and go.

use crate::global::Global;
use crate::mm::{Pfn, frame};
use alloc::vec::Vec;
use guest_user::abi::Errno;

/// The most pages that are patterned: 4 MiB.
const PAGES_MAX: u64 = 1024;
/// An odd multiplier with well-mixed bits (2^64 / golden ratio).
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

static PAGES: Global<Vec<Pfn>> = Global::new(Vec::new());

/// The word that belongs at a place of the pattern.
fn word(page: usize, index: usize) -> u64 {
    ((page as u64) << 9 | index as u64)
        .wrapping_add(1)
        .wrapping_mul(MIX)
}

fn fold(sum: u64, word: u64) -> u64 {
    (sum ^ word).wrapping_mul(MIX).rotate_left(23)
}

/// Takes pages and writes the pattern: an eighth of what is free.
fn fill() -> Result<(), Errno> {
    let count = (frame::free_count() / 8).clamp(1, PAGES_MAX);
    let mut pages = Vec::new();
    pages
        .try_reserve(count as usize)
        .map_err(|_| Errno::ENOMEM)?;
    for page in 0..count as usize {
        let Some(pfn) = frame::alloc() else { break };
        frame::map_words(pfn, |i, _| word(page, i));
        pages.push(pfn);
    }
    PAGES.with(|p| *p = pages);
    Ok(())
}

/// The checksum of the patterned memory, which is filled at the first call; `EIO` if a word is
/// not what was written.
pub(crate) fn check() -> Result<u64, Errno> {
    if PAGES.with(|p| p.is_empty()) {
        fill()?;
    }
    let mut sum = 0;
    let mut intact = true;
    let count = PAGES.with(|p| p.len());
    for page in 0..count {
        let pfn = PAGES.with(|p| p[page]);
        frame::map_words(pfn, |i, value| {
            intact &= value == word(page, i);
            sum = fold(sum, value);
            value
        });
        if page % 64 == 63 {
            crate::task::yield_now();
        }
    }
    if intact { Ok(sum) } else { Err(Errno::EIO) }
}

//! A part of memory filled with a known pattern, to be checked while pages come and go.

use crate::global::Global;
use crate::mm::{Pfn, frame};
use crate::smp::plug;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
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

/// What the vCPUs find of each page: the sum over its words, whether they are what was written.
static SUMS: [AtomicU64; PAGES_MAX as usize] = [const { AtomicU64::new(0) }; PAGES_MAX as usize];
static INTACT: AtomicBool = AtomicBool::new(true);
/// The pages as the other vCPUs may read them: numbers, and how many; and how many vCPUs share them.
static NUMBERS: [AtomicU64; PAGES_MAX as usize] = [const { AtomicU64::new(0) }; PAGES_MAX as usize];
static COUNT: AtomicUsize = AtomicUsize::new(0);
static SHARERS: AtomicUsize = AtomicUsize::new(1);
/// Pages that a vCPU looks at before other tasks of vCPU 0 have their turn.
const TURN: usize = 64;
/// The first page of a turn.
static FROM: AtomicUsize = AtomicUsize::new(0);

/// Sums every so-manieth page of a turn, from `number` on.
extern "C" fn sum_pages(number: u64) -> u64 {
    let from = FROM.load(Ordering::Relaxed);
    let end = COUNT.load(Ordering::Relaxed).min(from + TURN);
    let sharers = SHARERS.load(Ordering::Relaxed);
    for page in (from + number as usize..end).step_by(sharers) {
        let (mut sum, mut intact) = (0, true);
        frame::map_words(Pfn(NUMBERS[page].load(Ordering::Relaxed)), |i, value| {
            intact &= value == word(page, i);
            sum = fold(sum, value);
            value
        });
        SUMS[page].store(sum, Ordering::Relaxed);
        if !intact {
            INTACT.store(false, Ordering::Relaxed);
        }
    }
    0
}

/// The checksum of the patterned memory, which is filled at the first call; `EIO` if a word is
/// not what was written. All vCPUs that are up share the work; the sum is the same whoever did it.
pub(crate) fn check() -> Result<u64, Errno> {
    if PAGES.with(|p| p.is_empty()) {
        fill()?;
    }
    let count = PAGES.with(|pages| {
        for (number, pfn) in NUMBERS.iter().zip(&*pages) {
            number.store(pfn.0, Ordering::Relaxed);
        }
        pages.len()
    });
    COUNT.store(count, Ordering::Relaxed);
    INTACT.store(true, Ordering::Relaxed);
    for from in (0..count).step_by(TURN) {
        let helpers = plug::helpers();
        FROM.store(from, Ordering::Relaxed);
        SHARERS.store(helpers + 1, Ordering::Relaxed);
        plug::share(helpers, sum_pages)?;
        crate::task::yield_now();
    }
    let sums = SUMS[..count].iter().map(|sum| sum.load(Ordering::Relaxed));
    if INTACT.load(Ordering::Relaxed) {
        Ok(sums.fold(0, fold))
    } else {
        Err(Errno::EIO)
    }
}

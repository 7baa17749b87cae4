//! The allocator of pseudo-physical pages: a bitmap of free pages with a rotating search start.

use super::{MAX_PAGES, PAGE_SIZE, Pfn};
use crate::global::Global;

const WORDS: usize = (MAX_PAGES / 64) as usize;

struct Frames {
    free: [u64; WORDS],
    count: u64,
    /// Word at which the next search begins.
    next: usize,
}

static FRAMES: Global<Frames> = Global::new(Frames {
    free: [0; WORDS],
    count: 0,
    next: 0,
});

fn place(pfn: Pfn) -> (usize, u64) {
    ((pfn.0 / 64) as usize, 1 << (pfn.0 % 64))
}

/// Gives a page back (or, at boot, in).
pub(crate) fn free(pfn: Pfn) {
    let (word, bit) = place(pfn);
    FRAMES.with(|f| {
        assert_eq!(f.free[word] & bit, 0, "page {:#x} freed twice", pfn.0);
        f.free[word] |= bit;
        f.count += 1;
    });
}

/// Takes a page; its contents are whatever they were.
pub(crate) fn alloc() -> Option<Pfn> {
    FRAMES.with(|f| {
        let start = f.next;
        for i in 0..WORDS {
            let word = (start + i) % WORDS;
            if f.free[word] != 0 {
                let bit = f.free[word].trailing_zeros();
                f.free[word] &= !(1 << bit);
                f.count -= 1;
                f.next = word;
                return Some(Pfn(word as u64 * 64 + u64::from(bit)));
            }
        }
        None
    })
}

/// Takes `1 << order` pages that follow one another, of which the first is a multiple of that
/// number; at most 64.
pub(crate) fn alloc_run(order: u32) -> Option<Pfn> {
    let count = 1 << order;
    assert!(count <= 64, "no run of pages is so long");
    let run = u64::MAX >> (64 - count);
    FRAMES.with(|f| {
        for (word, free) in f.free.iter_mut().enumerate() {
            let mut shifts = (0..64).step_by(count);
            if let Some(shift) = shifts.find(|shift| *free >> shift & run == run) {
                *free &= !(run << shift);
                f.count -= count as u64;
                return Some(Pfn(word as u64 * 64 + shift));
            }
        }
        None
    })
}

/// Takes a page and fills it with zeroes.
pub(crate) fn alloc_zeroed() -> Option<Pfn> {
    let pfn = alloc()?;
    zero(pfn);
    Some(pfn)
}

/// How many pages are free.
pub(crate) fn free_count() -> u64 {
    FRAMES.with(|f| f.count)
}

/// Fills a page that the caller owns with zeroes.
pub(crate) fn zero(pfn: Pfn) {
    // SAFETY: the caller took the page from the allocator, so nothing else refers to it, and the
    // direct map has it writable.
    unsafe { core::ptr::write_bytes(pfn.va() as *mut u8, 0, PAGE_SIZE as usize) };
}

/// Copies bytes out of a page that the caller owns.
pub(crate) fn copy_out(pfn: Pfn, offset: usize, to: &mut [u8]) {
    assert!(
        offset + to.len() <= PAGE_SIZE as usize,
        "copying beyond a page"
    );
    // SAFETY: the range is inside the page, which only the caller uses, and which the direct map has.
    unsafe {
        core::ptr::copy_nonoverlapping(
            (pfn.va() + offset as u64) as *const u8,
            to.as_mut_ptr(),
            to.len(),
        );
    }
}

/// Copies bytes into a page that the caller owns.
pub(crate) fn fill(pfn: Pfn, offset: usize, data: &[u8]) {
    assert!(
        offset + data.len() <= PAGE_SIZE as usize,
        "copy beyond the page"
    );
    let to = (pfn.va() + offset as u64) as *mut u8;
    // SAFETY: the range lies in one page that the caller took from the allocator; `data` is not
    // part of it, because nothing else refers to that page.
    unsafe { core::ptr::copy_nonoverlapping(data.as_ptr(), to, data.len()) };
}

/// Copies a whole page into another that the caller owns.
pub(crate) fn copy(from: Pfn, to: Pfn) {
    assert_ne!(from, to, "a page is copied onto itself");
    // SAFETY: the direct map has both; `to` is the caller's alone, and processes, whose `from` may be,
    // do not run meanwhile.
    unsafe {
        core::ptr::copy_nonoverlapping(
            from.va() as *const u8,
            to.va() as *mut u8,
            PAGE_SIZE as usize,
        );
    }
}

/// Calls `f` on each word of a page that the caller owns, and stores what it returns.
pub(crate) fn map_words(pfn: Pfn, mut f: impl FnMut(usize, u64) -> u64) {
    for i in 0..(PAGE_SIZE / 8) as usize {
        let word = (pfn.va() as *mut u64).wrapping_add(i);
        // SAFETY: the word lies in a page that the caller took from the allocator.
        let value = f(i, unsafe { word.read() });
        // SAFETY: as above.
        unsafe { word.write(value) };
    }
}

//! The process's allocator, which can be told to have nothing left for a moment.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Allocations of this thread still to succeed before one fails; `None` when none shall.
    static LEFT: Cell<Option<u64>> = const { Cell::new(None) };
}

struct Heap;

/// Whether this allocation is the one to fail.
fn fails() -> bool {
    LEFT.with(|left| match left.get() {
        None => false,
        Some(0) => {
            left.set(None);
            true
        }
        Some(n) => {
            left.set(Some(n - 1));
            false
        }
    })
}

// SAFETY: every method hands over to `System` unchanged, or gives null, which says that there is
// no memory.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if fails() {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from `System`, with this layout.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if fails() {
            return std::ptr::null_mut();
        }
        // SAFETY: `ptr` came from `System`, with this layout.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static HEAP: Heap = Heap;

/// Runs `f` while the allocation after `successes` more fails, once; whether it came to that.
/// An allocation that may not fail ends the process here: that is a bug that this finds.
pub fn without_allocation<T>(successes: u64, f: impl FnOnce() -> T) -> (T, bool) {
    LEFT.with(|left| left.set(Some(successes)));
    let result = f();
    let untouched = LEFT.with(|left| left.replace(None)).is_some();
    (result, !untouched)
}

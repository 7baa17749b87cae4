//! The global allocator of a program: one reserved range, whose pages the kernel gives at first
//! touch, managed by `linked_list_allocator`.

use crate::sys;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::{NonNull, null_mut};
use linked_list_allocator::Heap;

/// Address space reserved for the heap, in pages: 256 MiB.
const RESERVED_PAGES: u64 = 65_536;
const PAGE_SIZE: usize = 4096;

/// A heap for a program with one thread.
pub struct UserHeap(UnsafeCell<Heap>);

// SAFETY: a process has exactly one thread, and there are no signal handlers, so no two uses of
// the cell ever overlap.
unsafe impl Sync for UserHeap {}

impl UserHeap {
    /// A heap that reserves its range at the first allocation.
    pub const fn new() -> Self {
        Self(UnsafeCell::new(Heap::empty()))
    }

    fn heap(&self) -> *mut Heap {
        self.0.get()
    }
}

impl Default for UserHeap {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: blocks come from `Heap`, which hands out disjoint, suitably aligned parts of a range
// that belongs to this heap alone.
unsafe impl GlobalAlloc for UserHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread, and `Heap` does not call back into the allocator.
        let heap = unsafe { &mut *self.heap() };
        if heap.size() == 0 {
            let Ok(start) = sys::map_anon(RESERVED_PAGES) else {
                return null_mut();
            };
            // SAFETY: the range was just mapped for this heap and is never unmapped.
            unsafe { heap.init(start, RESERVED_PAGES as usize * PAGE_SIZE) };
        }
        heap.allocate_first_fit(layout)
            .map_or(null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: one thread, and `Heap` does not call back into the allocator.
        let heap = unsafe { &mut *self.heap() };
        if let Some(block) = NonNull::new(ptr) {
            // SAFETY: the caller got this block from `alloc` with this layout.
            unsafe { heap.deallocate(block, layout) };
        }
    }
}

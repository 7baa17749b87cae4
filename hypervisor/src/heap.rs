//! The heap behind `alloc`: a fixed piece of the hypervisor's own memory. Allocations that may be
//! a guest's doing use `try_reserve` and survive its end.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use linked_list_allocator::Heap;
use spin::Mutex;

struct LockedHeap(Mutex<Heap>);

#[global_allocator]
static HEAP: LockedHeap = LockedHeap(Mutex::new(Heap::empty()));

// SAFETY: `Heap` gives out disjoint blocks of the memory it was given, or null.
unsafe impl GlobalAlloc for LockedHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = self.0.lock().allocate_first_fit(layout);
        block.map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(ptr) {
            // SAFETY: the caller got the block from `alloc` with this layout.
            unsafe { self.0.lock().deallocate(block, layout) };
        }
    }
}

/// Gives the heap its memory.
///
/// # Safety
/// Called once; the `len` bytes at `start` are mapped, writable and nobody else's for ever.
pub(crate) unsafe fn init(start: u64, len: u64) {
    // SAFETY: the caller's.
    unsafe { HEAP.0.lock().init(start as *mut u8, len as usize) };
}

/// Bytes in use and bytes free.
pub(crate) fn usage() -> (usize, usize) {
    let heap = HEAP.0.lock();
    (heap.used(), heap.free())
}

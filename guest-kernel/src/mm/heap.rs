//! The kernel heap: a reserved address range in which pages are mapped as it grows.

use super::paging::{self, pte};
use super::{HEAP, PAGE_SIZE, frame, p2m};
use crate::global::Global;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};
use guest_user::abi::Errno;
use linked_list_allocator::Heap;

/// The least the heap grows by, in bytes.
const STEP: u64 = 16 * PAGE_SIZE;

struct KernelHeap(Global<Heap>);

#[global_allocator]
static ALLOCATOR: KernelHeap = KernelHeap(Global::new(Heap::empty()));

/// Maps `bytes` more behind the heap; returns what was mapped, which is less if pages ran out.
fn map_more(start: u64, bytes: u64) -> u64 {
    let mut mapped = 0;
    while mapped < bytes && start + mapped < HEAP.end {
        let Some(pfn) = frame::alloc() else { break };
        // SAFETY: heap addresses beyond its top are unmapped, and the page is unused.
        let done = unsafe { paging::map_kernel(start + mapped, p2m::mfn(pfn), pte::RW) };
        if done.is_err() {
            frame::free(pfn);
            break;
        }
        mapped += PAGE_SIZE;
    }
    mapped
}

fn grow(heap: &mut Heap, need: u64) -> Result<(), Errno> {
    let want = paging::page_up(need).max(STEP);
    if heap.size() == 0 {
        let mapped = map_more(HEAP.start, want);
        if mapped == 0 {
            return Err(Errno::ENOMEM);
        }
        // SAFETY: the range was just mapped for the heap, which keeps it for ever.
        unsafe { heap.init(HEAP.start as *mut u8, mapped as usize) };
        return Ok(());
    }
    let mapped = map_more(HEAP.start + heap.size() as u64, want);
    if mapped == 0 {
        return Err(Errno::ENOMEM);
    }
    // SAFETY: the pages right behind the heap's end were just mapped for it.
    unsafe { heap.extend(mapped as usize) };
    Ok(())
}

// SAFETY: blocks come from `Heap`, which hands out disjoint, aligned parts of mapped memory that
// belongs to it alone; `Global` keeps uses apart.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.with(|heap| {
            if let Ok(block) = heap.allocate_first_fit(layout) {
                return block.as_ptr();
            }
            let need = (layout.size() + layout.align() + 64) as u64;
            match grow(heap, need) {
                Ok(()) => heap
                    .allocate_first_fit(layout)
                    .map_or(null_mut(), NonNull::as_ptr),
                Err(_) => null_mut(),
            }
        })
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(ptr) {
            // SAFETY: the caller got this block from `alloc` with this layout.
            self.0
                .with(|heap| unsafe { heap.deallocate(block, layout) });
        }
    }
}

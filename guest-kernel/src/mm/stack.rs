//! Kernel stacks: four mapped pages above an unmapped one, kept for reuse once made.

use super::paging::{self, pte};
use super::{PAGE_SIZE, STACKS, frame, p2m};
use crate::global::Global;
use alloc::vec::Vec;
use guest_user::abi::Errno;

const PAGES: u64 = 4;
const STRIDE: u64 = (PAGES + 1) * PAGE_SIZE;
const MAX: u64 = (STACKS.end - STACKS.start) / STRIDE;

struct Pool {
    /// Stacks made so far: numbers below this exist.
    made: u64,
    unused: Vec<u64>,
}

static POOL: Global<Pool> = Global::new(Pool {
    made: 0,
    unused: Vec::new(),
});

/// Maps the pages of stack `number`, except those an earlier attempt left mapped.
fn map(number: u64) -> Result<(), Errno> {
    for page in 1..=PAGES {
        let va = STACKS.start + number * STRIDE + page * PAGE_SIZE;
        if paging::translate(paging::boot_root(), va).is_some() {
            continue;
        }
        let pfn = frame::alloc().ok_or(Errno::ENOMEM)?;
        // SAFETY: nothing is mapped there, and the page is unused.
        let mapped = unsafe { paging::map_kernel(va, p2m::mfn(pfn), pte::RW) };
        mapped.inspect_err(|_| frame::free(pfn))?;
    }
    Ok(())
}

/// A kernel stack; it returns to the pool when it is dropped.
pub(crate) struct KernelStack(u64);

impl KernelStack {
    /// Takes a stack.
    pub(crate) fn new() -> Result<Self, Errno> {
        if let Some(number) = POOL.with(|p| p.unused.pop()) {
            return Ok(Self(number));
        }
        let number = POOL.with(|p| p.made);
        if number == MAX {
            return Err(Errno::EAGAIN);
        }
        // Room in the pool first, so that dropping never needs memory.
        let room = POOL.with(|p| p.unused.try_reserve(number as usize + 1));
        room.map_err(|_| Errno::ENOMEM)?;
        map(number)?;
        POOL.with(|p| p.made += 1);
        Ok(Self(number))
    }

    /// The lowest address; the page below is unmapped.
    pub(crate) fn bottom(&self) -> u64 {
        STACKS.start + self.0 * STRIDE + PAGE_SIZE
    }

    /// The address above the highest byte, 16-byte aligned.
    pub(crate) fn top(&self) -> u64 {
        STACKS.start + (self.0 + 1) * STRIDE
    }
}

impl Drop for KernelStack {
    fn drop(&mut self) {
        POOL.with(|p| p.unused.push(self.0));
    }
}

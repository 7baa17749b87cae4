//! Memory that devices reach: pages whose frames follow one another, for the drivers among the
//! processes.
//!
//! What a device was told, it may write long after the process that told it has ended. So such a
//! page is never anything else again: it waits here for the next driver, which resets its device
//! before it tells it of memory.

use super::{Mfn, Pfn, balloon, frame, p2m};
use crate::global::Global;
use crate::hypercall;
use alloc::vec::Vec;
use guest_user::abi::Errno;

/// The most pages of a block, as a power of two.
pub(crate) const ORDER_MAX: u32 = 6;

/// `1 << order` pages, and frames, that follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    first: Pfn,
    order: u32,
}

impl Block {
    /// How many pages it has.
    pub(crate) fn pages(self) -> usize {
        1 << self.order
    }

    /// The frame of its page number `i`.
    pub(crate) fn mfn(self, i: usize) -> Mfn {
        Mfn(p2m::mfn(self.first).0 + i as u64)
    }
}

/// Blocks that no process has.
static UNUSED: Global<Vec<Block>> = Global::new(Vec::new());

/// Takes a block of zeroes.
pub(crate) fn take(order: u32) -> Result<Block, Errno> {
    if order > ORDER_MAX {
        return Err(Errno::EINVAL);
    }
    let used_before = UNUSED.with(|unused| {
        let at = unused.iter().position(|block| block.order == order)?;
        Some(unused.swap_remove(at))
    });
    let block = match used_before {
        Some(block) => block,
        None => make(order)?,
    };
    (0..block.pages() as u64).for_each(|i| frame::zero(Pfn(block.first.0 + i)));
    Ok(block)
}

/// Takes a block back.
pub(crate) fn give_back(block: Block) {
    UNUSED.with(|unused| unused.push(block));
}

/// A new block, of free pages.
fn make(order: u32) -> Result<Block, Errno> {
    let first = frame::alloc_run(order).ok_or(Errno::ENOMEM)?;
    let block = Block { first, order };
    let pages = |count: usize| (0..count as u64).map(move |i| Pfn(first.0 + i));
    let follow = |(i, pfn): (u64, Pfn)| p2m::mfn(pfn).0 == p2m::mfn(first).0 + i;
    if (0..).zip(pages(block.pages())).all(follow) {
        return Ok(block);
    }
    let mut frames = Vec::new();
    let mut result = Ok(0);
    for pfn in pages(block.pages()) {
        match balloon::detach(pfn) {
            Ok(mfn) => frames.push(mfn.0),
            Err(e) => {
                result = Err(e);
                break;
            }
        }
    }
    let old = frames.clone();
    if result.is_ok() {
        // SAFETY: the pages are free ones, whose mappings have just gone.
        result = unsafe { hypercall::exchange(&mut frames, first.0, order) };
    }
    let refused = result.err();
    for (i, pfn) in (0..).zip(pages(old.len())) {
        let mfn = result.map_or(old[i as usize], |mfn| mfn + i);
        balloon::put_behind(pfn, Mfn(mfn))?;
    }
    match refused {
        None => Ok(block),
        Some(e) => {
            pages(block.pages()).for_each(frame::free);
            Err(e)
        }
    }
}

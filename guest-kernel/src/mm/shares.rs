//! Pages that several processes have: how many more than one. Who gives such a page up leaves it to
//! the others.

use super::{Pfn, frame, p2m};
use crate::global::Global;
use alloc::vec::Vec;
use guest_user::abi::Errno;

/// By the page's number; empty until pages are first shared. There are at most 256 processes.
static OTHERS: Global<Vec<u8>> = Global::new(Vec::new());

/// Makes room for the counts; before the first [`add`].
pub(crate) fn prepare() -> Result<(), Errno> {
    let pages = p2m::pages() as usize;
    OTHERS.with(|others| {
        let more = pages.saturating_sub(others.len());
        others.try_reserve_exact(more).map_err(|_| Errno::ENOMEM)?;
        others.resize(pages, 0);
        Ok(())
    })
}

/// One more process has a page that a process has.
pub(crate) fn add(pfn: Pfn) {
    OTHERS.with(|others| others[pfn.0 as usize] += 1);
}

/// Whether another process has the page as well.
pub(crate) fn is_shared(pfn: Pfn) -> bool {
    OTHERS.with(|others| others.get(pfn.0 as usize).is_some_and(|&count| count != 0))
}

/// A process does not have a page any more, which is free unless others have it.
pub(crate) fn give_up(pfn: Pfn) {
    match is_shared(pfn) {
        true => OTHERS.with(|others| others[pfn.0 as usize] -= 1),
        false => frame::free(pfn),
    }
}

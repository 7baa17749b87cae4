//! Which machine memory is the hypervisor's own, and where all of it is seen.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::boot::memory::Frames;
use crate::boot::paging::own_address;
use crate::layout::{DIRECT_MAP, PAGE};

static START: AtomicU64 = AtomicU64::new(0);
static END: AtomicU64 = AtomicU64::new(0);
static MEMORY_END: AtomicU64 = AtomicU64::new(0);
static ROOT: AtomicU64 = AtomicU64::new(0);
static SHOWN_ROOT: AtomicU64 = AtomicU64::new(0);

/// Remembers the hypervisor's memory, the number of frames there are, the root table, and that with
/// what guests' tables show of it.
pub(crate) fn init(own: Frames, frames: u64, root: u64, shown_root: u64) {
    START.store(own.start * PAGE, Ordering::Relaxed);
    END.store(own.end * PAGE, Ordering::Relaxed);
    MEMORY_END.store(frames * PAGE, Ordering::Relaxed);
    ROOT.store(root, Ordering::Relaxed);
    SHOWN_ROOT.store(shown_root, Ordering::Relaxed);
}

/// Machine address of the hypervisor's root table.
pub(crate) fn root() -> u64 {
    ROOT.load(Ordering::Relaxed)
}

/// Machine address of the table whose slots of the hypervisor are guests', too: the root but with `xpti`.
pub(crate) fn shown_root() -> u64 {
    SHOWN_ROOT.load(Ordering::Relaxed)
}

/// Where the page at a machine address is seen; `None` where there is no memory.
pub(crate) fn address_of(machine: u64) -> Option<u64> {
    if (START.load(Ordering::Relaxed)..END.load(Ordering::Relaxed)).contains(&machine) {
        Some(own_address(machine))
    } else if machine < MEMORY_END.load(Ordering::Relaxed) {
        Some(DIRECT_MAP + machine)
    } else {
        None
    }
}

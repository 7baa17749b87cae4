//! The phys-to-machine list, kept where the loader put it, and the hypervisor's reverse table.

use super::{Mfn, PAGE_SIZE, Pfn};
use crate::native;
use core::sync::atomic::{AtomicU64, Ordering};
use hypercall_abi::arch_x86_64::MACH2PHYS_VIRT_START;

/// An entry without a frame: ballooned out.
const INVALID: u64 = !0;

static LIST: AtomicU64 = AtomicU64::new(0);
static PAGES: AtomicU64 = AtomicU64::new(0);

/// Tells where the list is and how long; again after the mapping was moved.
///
/// # Safety
/// `list` must be the mapped, writable list of `pages` entries that the loader placed.
pub(crate) unsafe fn init(list: u64, pages: u64) {
    LIST.store(list, Ordering::Relaxed);
    PAGES.store(pages, Ordering::Relaxed);
}

/// How many pages the list covers.
pub(crate) fn pages() -> u64 {
    PAGES.load(Ordering::Relaxed)
}

/// How many page frames the list itself occupies.
pub(crate) fn list_pages() -> u64 {
    (pages() * 8).div_ceil(PAGE_SIZE)
}

fn slot(pfn: Pfn) -> Option<*mut u64> {
    (pfn.0 < pages()).then(|| (LIST.load(Ordering::Relaxed) + pfn.0 * 8) as *mut u64)
}

/// The frame behind a page; `None` if it was given up or never existed.
pub(crate) fn get(pfn: Pfn) -> Option<Mfn> {
    // SAFETY: `slot` stays within the mapped list.
    let value = unsafe { slot(pfn)?.read_volatile() };
    (value != INVALID).then_some(Mfn(value))
}

/// The frame behind a page that the caller knows to have one.
pub(crate) fn mfn(pfn: Pfn) -> Mfn {
    get(pfn).unwrap_or_else(|| panic!("page {:#x} has no machine frame", pfn.0))
}

/// Records the frame behind a page, or that there is none.
pub(crate) fn set(pfn: Pfn, mfn: Option<Mfn>) {
    if let Some(slot) = slot(pfn) {
        // SAFETY: `slot` stays within the mapped, writable list; nothing holds references into it.
        unsafe { slot.write_volatile(mfn.map_or(INVALID, |m| m.0)) };
    }
}

/// The page that has this frame, if the frame is this domain's.
pub(crate) fn pfn_of(mfn: Mfn) -> Option<Pfn> {
    if native::is_native() {
        return get(Pfn(mfn.0)).map(|mfn| Pfn(mfn.0));
    }
    let slot = (MACH2PHYS_VIRT_START + mfn.0 * 8) as *const u64;
    // SAFETY: the hypervisor maps its machine-to-phys table read-only at this fixed address in
    // every address space; it covers every frame that this domain can own, and callers pass only
    // frames out of the domain's own page tables or start_info.
    let pfn = Pfn(unsafe { slot.read_volatile() });
    (get(pfn) == Some(mfn)).then_some(pfn)
}

//! Memory, in paravirtual terms.
//!
//! A pseudo-physical page (PFN) is what the kernel counts in: `0..nr_pages`, contiguous. The
//! machine frame (MFN) behind it is what page tables hold. `p2m` and `m2p` translate.
//!
//! Kernel address space (L4 slot 511, shared by every root):
//! ```text
//! ffffffff80000000  direct map: page N at VIRT_BASE + N * 4096 (the image is part of it)
//! ffffffffe0000000  kernel heap, grown on demand
//! fffffffff0000000  kernel stacks, each with a guard page, and single-page windows
//! ```
//! Slot 510 holds the P2M list where the loader honoured INIT_P2M.

pub(crate) mod balloon;
pub(crate) mod direct;
pub(crate) mod dma;
pub(crate) mod frame;
pub(crate) mod heap;
pub(crate) mod p2m;
pub(crate) mod paging;
pub(crate) mod shares;
pub(crate) mod space;
pub(crate) mod stack;
pub(crate) mod user;

/// Bytes per page.
pub(crate) const PAGE_SIZE: u64 = 4096;
/// Where the loader maps pseudo-physical page 0.
pub(crate) const VIRT_BASE: u64 = 0xffff_ffff_8000_0000;
/// End of the direct map: pages beyond 1.5 GiB are left alone.
pub(crate) const DIRECT_END: u64 = 0xffff_ffff_e000_0000;
/// The kernel heap's range.
pub(crate) const HEAP: core::ops::Range<u64> = DIRECT_END..0xffff_ffff_f000_0000;
/// The range of kernel stacks.
pub(crate) const STACKS: core::ops::Range<u64> = HEAP.end..0xffff_ffff_ff00_0000;
/// A one-page window for the shared_info frame, which is the hypervisor's.
pub(crate) const SHARED_INFO_VA: u64 = STACKS.end;
/// Where this domain's own grant table is mapped, which is the hypervisor's memory.
pub(crate) const GRANT_TABLE_VA: u64 = SHARED_INFO_VA + 0x10_0000;
/// The number of pages the direct map can hold.
pub(crate) const MAX_PAGES: u64 = (DIRECT_END - VIRT_BASE) / PAGE_SIZE;

/// A pseudo-physical page number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pfn(pub(crate) u64);

/// A machine frame number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mfn(pub(crate) u64);

impl Pfn {
    /// Where the direct map has this page.
    pub(crate) fn va(self) -> u64 {
        VIRT_BASE + self.0 * PAGE_SIZE
    }

    /// The page that the direct map has at `va`.
    pub(crate) fn of_va(va: u64) -> Option<Self> {
        (VIRT_BASE..DIRECT_END)
            .contains(&va)
            .then(|| Self((va - VIRT_BASE) / PAGE_SIZE))
    }
}

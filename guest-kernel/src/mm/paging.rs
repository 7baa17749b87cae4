//! Page tables: reading through the direct map, changing through hypercalls.
//!
//! A table page is mapped read-only in the direct map for as long as it is one; the hypervisor
//! insists on that. Entries always have the user bit: 64-bit paravirtual kernels run in ring 3.

use super::{Mfn, PAGE_SIZE, Pfn, frame, p2m};
use crate::{hypercall, native};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use guest_user::abi::Errno;
use hypercall_abi::xen::{
    DOMID_SELF, MMU_NORMAL_PT_UPDATE, UVMF_INVLPG, UVMF_LOCAL, UVMF_NONE, mmu_update,
};

/// Bits of a page-table entry.
pub(crate) mod pte {
    pub(crate) const PRESENT: u64 = 1;
    pub(crate) const WRITE: u64 = 1 << 1;
    pub(crate) const USER: u64 = 1 << 2;
    pub(crate) const ACCESSED: u64 = 1 << 5;
    pub(crate) const DIRTY: u64 = 1 << 6;
    pub(crate) const NX: u64 = 1 << 63;
    /// Readable data.
    pub(crate) const RO: u64 = PRESENT | USER | ACCESSED | NX;
    /// Writable data.
    pub(crate) const RW: u64 = RO | WRITE | DIRTY;
    /// Code.
    pub(crate) const RX: u64 = PRESENT | USER | ACCESSED;
    /// An entry that points to a lower table.
    pub(crate) const TABLE: u64 = PRESENT | WRITE | USER | ACCESSED | DIRTY;
    const FRAME: u64 = 0x000f_ffff_ffff_f000;

    /// An entry for a frame.
    pub(crate) const fn new(mfn: super::Mfn, rights: u64) -> u64 {
        mfn.0 << 12 | rights
    }

    /// The frame of an entry, if it is present.
    pub(crate) const fn frame(entry: u64) -> Option<super::Mfn> {
        if entry & PRESENT != 0 {
            Some(super::Mfn((entry & FRAME) >> 12))
        } else {
            None
        }
    }
}

/// Entries per table.
pub(crate) const ENTRIES: usize = 512;

/// A page-table page of this domain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Table(pub(crate) Pfn);

/// The index into the table of `level` (1 lowest) for an address.
pub(crate) const fn index(va: u64, level: u32) -> usize {
    ((va >> (12 + 9 * (level - 1))) & 511) as usize
}

/// The table that an entry points to.
fn table_of(entry: u64) -> Option<Table> {
    p2m::pfn_of(pte::frame(entry)?).map(Table)
}

impl Table {
    /// Takes an empty page and makes it read-only, ready to be linked.
    pub(crate) fn alloc() -> Result<Self, Errno> {
        let pfn = frame::alloc_zeroed().ok_or(Errno::ENOMEM)?;
        protect(pfn, pte::RO)?;
        Ok(Self(pfn))
    }

    /// Gives the page back. It must no longer be linked anywhere or pinned.
    pub(crate) fn release(self) {
        match protect(self.0, pte::RW) {
            Ok(()) => frame::free(self.0),
            // The page is lost, the kernel is not: the hypervisor still sees it as a table.
            Err(e) => crate::log::klog!("page table {:#x} could not be freed: {e}", self.0.0),
        }
    }

    /// Reads an entry.
    pub(crate) fn read(self, index: usize) -> u64 {
        assert!(index < ENTRIES);
        // SAFETY: a table page is mapped (read-only) in the direct map; the hypervisor may change
        // accessed and dirty bits at any time, hence volatile.
        unsafe {
            (self.0.va() as *const u64)
                .wrapping_add(index)
                .read_volatile()
        }
    }

    /// Calls `f` with each page that is mapped in a range that is not empty, by this table of a level
    /// (1: the lowest) or below it: the table that maps it, its address, its entry.
    pub(crate) fn for_each_page<F: FnMut(Self, u64, u64)>(
        self,
        level: u32,
        range: Range<u64>,
        f: &mut F,
    ) {
        let size = PAGE_SIZE << (9 * (level - 1));
        let base = range.start & !(size * ENTRIES as u64 - 1);
        let first = self.0.va() as *const u64;
        for i in index(range.start, level)..=index(range.end - 1, level) {
            // SAFETY: as for `read`; no index is beyond a table.
            let entry = unsafe { first.wrapping_add(i).read_volatile() };
            if entry & pte::PRESENT == 0 {
                continue;
            }
            let at = base + i as u64 * size;
            if level == 1 {
                f(self, at, entry);
            } else if let Some(lower) = table_of(entry) {
                let range = range.start.max(at)..range.end.min(at + size);
                lower.for_each_page(level - 1, range, f);
            }
        }
    }

    /// The table one level down that an entry points to.
    pub(crate) fn next(self, index: usize) -> Option<Self> {
        table_of(self.read(index))
    }

    /// The machine address of an entry, as `mmu_update` wants it.
    pub(crate) fn entry_address(self, index: usize) -> u64 {
        (p2m::mfn(self.0).0 << 12) + index as u64 * 8
    }

    /// Writes an entry.
    ///
    /// # Safety
    /// As for [`hypercall::mmu_update`].
    pub(crate) unsafe fn write(self, index: usize, entry: u64) -> Result<(), Errno> {
        let request = mmu_update {
            ptr: self.entry_address(index) | MMU_NORMAL_PT_UPDATE,
            val: entry,
        };
        // SAFETY: passed on to the caller.
        unsafe { hypercall::mmu_update(&[request], DOMID_SELF) }.map_err(|(_, errno)| errno)
    }

    /// Links a lower table into an entry.
    pub(crate) fn link(self, index: usize, lower: Self) -> Result<(), Errno> {
        assert_eq!(
            self.read(index) & pte::PRESENT,
            0,
            "a table is linked over another"
        );
        // SAFETY: the entry was empty, so no existing mapping changes.
        unsafe { self.write(index, pte::new(p2m::mfn(lower.0), pte::TABLE)) }
    }
}

/// Changes a page's rights in the direct map.
pub(crate) fn protect(pfn: Pfn, rights: u64) -> Result<(), Errno> {
    if native::is_native() {
        return Ok(()); // only a hypervisor insists that tables are read-only
    }
    let entry = pte::new(p2m::mfn(pfn), rights);
    // SAFETY: callers change pages they own, that hold no Rust data, or take away only rights
    // that are not used (write access to code).
    unsafe { hypercall::update_va_mapping(pfn.va(), entry, UVMF_INVLPG | UVMF_LOCAL) }.map(drop)
}

/// Maps or unmaps one page in the current root without a flush; for entries that were not present.
///
/// # Safety
/// As for [`hypercall::update_va_mapping`].
pub(crate) unsafe fn set_fresh(va: u64, entry: u64) -> Result<(), Errno> {
    // SAFETY: passed on to the caller.
    unsafe { hypercall::update_va_mapping(va, entry, UVMF_NONE) }.map(drop)
}

static BOOT_ROOT: AtomicU64 = AtomicU64::new(0);

/// Remembers the root that the kernel booted on.
pub(crate) fn set_boot_root(pfn: Pfn) {
    BOOT_ROOT.store(pfn.0, Ordering::Relaxed);
}

/// The root without a user half; its kernel half is what every process root copies.
pub(crate) fn boot_root() -> Table {
    Table(Pfn(BOOT_ROOT.load(Ordering::Relaxed)))
}

/// The lowest-level table for `va` under `root`, if all levels exist.
pub(crate) fn find_l1(root: Table, va: u64) -> Option<Table> {
    root.next(index(va, 4))?
        .next(index(va, 3))?
        .next(index(va, 2))
}

/// The table of level `down_to` (1 lowest) for `va`; missing tables below `root`'s existing L4
/// entry are made and reported to `made`.
pub(crate) fn need_table(
    root: Table,
    va: u64,
    down_to: u32,
    mut made: impl FnMut(Table),
) -> Result<Table, Errno> {
    let mut table = root.next(index(va, 4)).ok_or(Errno::EFAULT)?;
    for level in (down_to + 1..=3).rev() {
        let i = index(va, level);
        table = match table.next(i) {
            Some(lower) => lower,
            None => {
                let lower = Table::alloc()?;
                if let Err(e) = table.link(i, lower) {
                    lower.release();
                    return Err(e);
                }
                made(lower);
                lower
            }
        };
    }
    Ok(table)
}

/// The frame and rights behind `va` under `root`.
pub(crate) fn translate(root: Table, va: u64) -> Option<u64> {
    let entry = find_l1(root, va)?.read(index(va, 1));
    (entry & pte::PRESENT != 0).then_some(entry)
}

/// Maps a page into the kernel's shared half.
///
/// # Safety
/// `va` must not be mapped, and the page must not be in use elsewhere under Rust's rules.
pub(crate) unsafe fn map_kernel(va: u64, mfn: Mfn, rights: u64) -> Result<(), Errno> {
    // Tables of the kernel half are never freed: every process root shares them.
    let l1 = need_table(boot_root(), va, 1, |_| {})?;
    // SAFETY: the caller's promise; the entry was not present.
    unsafe { l1.write(index(va, 1), pte::new(mfn, rights)) }
}

/// Rounds up to a page boundary.
pub(crate) const fn page_up(n: u64) -> u64 {
    n.next_multiple_of(PAGE_SIZE)
}

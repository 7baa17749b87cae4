//! Taking over from the loader: the direct map is extended from the initial mapping to all pages,
//! every right that is not needed is taken away, and the free pages are found.

use super::paging::{self, Table, index, pte};
use super::{MAX_PAGES, PAGE_SIZE, Pfn, VIRT_BASE, frame, p2m};
use crate::boot::{BootInfo, image};
use crate::hypercall;
use core::ops::Range;
use guest_user::abi::Errno;
use hypercall_abi::xen::{DOMID_SELF, MMU_NORMAL_PT_UPDATE, mmu_update};

/// Bytes mapped by one L1 table.
const L1_SPAN: u64 = 512 * PAGE_SIZE;
/// Where a P2M list that the loader put into the user half moves to: L4 slot 510.
const P2M_SLOT: usize = 510;
const P2M_SLOT_VA: u64 = 0xffff_ff00_0000_0000;
/// First address of the kernel half.
const KERNEL_HALF: u64 = 0xffff_8000_0000_0000;

/// Page ranges that are in use at boot.
struct Reserved {
    ranges: [Range<u64>; 7],
}

impl Reserved {
    fn new(boot: &BootInfo) -> Self {
        let pages_of = |va: Range<u64>| {
            let page = |va: u64| va.saturating_sub(VIRT_BASE) / PAGE_SIZE;
            page(va.start)..page(paging::page_up(va.end))
        };
        let one = |va: u64| pages_of(va..va + PAGE_SIZE);
        let of_mfn = |mfn: Option<(u64, u32)>| {
            let pfn = mfn.and_then(|(mfn, _)| p2m::pfn_of(super::Mfn(mfn)));
            pfn.map_or(0..0, |p| p.0..p.0 + 1)
        };
        let ramdisk = boot.ramdisk().map_or(0..0, |(pfn, len)| {
            pfn.0..pfn.0.saturating_add(len.div_ceil(PAGE_SIZE))
        });
        let list = boot.mfn_list();
        let p2m = if list >= VIRT_BASE {
            pages_of(list..list + p2m::list_pages() * PAGE_SIZE)
        } else {
            boot.p2m_frames()
        };
        let image = image();
        Self {
            ranges: [
                pages_of(image.start..image.end),
                pages_of(boot.page_tables()),
                one(boot.start_info_va),
                ramdisk,
                p2m,
                of_mfn(boot.store()),
                of_mfn(boot.console()),
            ],
        }
    }

    fn contains(&self, pfn: u64) -> bool {
        self.ranges.iter().any(|r| r.contains(&pfn))
    }
}

/// The rights a page of the initial mapping keeps.
fn initial_rights(boot: &BootInfo, va: u64) -> u64 {
    let image = image();
    if (image.start..image.text_end).contains(&va) {
        pte::RX
    } else if (image.text_end..image.rodata_end).contains(&va) || boot.page_tables().contains(&va) {
        pte::RO
    } else {
        pte::RW
    }
}

/// Reduces the rights of the 2 MiB at `va` under `l1` and frees its unused pages.
fn adopt(boot: &BootInfo, reserved: &Reserved, l1: Table, va: u64) -> Result<(), Errno> {
    for i in 0..paging::ENTRIES {
        let va = va + i as u64 * PAGE_SIZE;
        let pfn = (va - VIRT_BASE) / PAGE_SIZE;
        let entry = l1.read(i);
        let rights = pte::RW | pte::WRITE;
        if pfn >= p2m::pages() {
            break;
        }
        let (Some(mfn), Some(own)) = (pte::frame(entry), p2m::get(Pfn(pfn))) else {
            continue;
        };
        if mfn == own {
            let wanted = pte::new(mfn, initial_rights(boot, va));
            if (entry ^ wanted) & (rights | pte::NX) != 0 {
                // SAFETY: code loses writing, data loses execution: neither is used.
                unsafe { paging::set_fresh(va, wanted) }?;
            }
            if !reserved.contains(pfn) {
                frame::free(Pfn(pfn));
            }
        }
    }
    Ok(())
}

/// Maps what is missing of the 2 MiB at `va` under `l1`, and frees its unused pages.
fn complete(boot: &BootInfo, reserved: &Reserved, l1: Table, va: u64) -> Result<(), Errno> {
    let mut requests = [mmu_update { ptr: 0, val: 0 }; 64];
    let mut n = 0;
    let first = (va - VIRT_BASE) / PAGE_SIZE;
    let in_p2m = |pfn| boot.mfn_list() < VIRT_BASE && boot.p2m_frames().contains(&pfn);
    let missing = |pfn: u64| {
        let i = (pfn - first) as usize;
        l1.read(i) & pte::PRESENT == 0 && !in_p2m(pfn) && p2m::get(Pfn(pfn)).is_some()
    };
    let span = first..(first + 512).min(p2m::pages());
    let flush = |requests: &[mmu_update]| {
        // SAFETY: the entries were not present, and the pages hold nothing of Rust's.
        unsafe { hypercall::mmu_update(requests, DOMID_SELF) }.map_err(|(_, e)| e)
    };
    let mut fresh = [0u64; 8];
    for pfn in span.clone().filter(|&pfn| missing(pfn)) {
        let i = (pfn - first) as usize;
        fresh[i / 64] |= 1 << (i % 64);
        requests[n] = mmu_update {
            ptr: l1.entry_address(i) | MMU_NORMAL_PT_UPDATE,
            val: pte::new(p2m::mfn(Pfn(pfn)), pte::RW),
        };
        n += 1;
        if n == requests.len() {
            flush(&requests)?;
            n = 0;
        }
    }
    flush(&requests[..n])?;
    for pfn in span {
        let i = (pfn - first) as usize;
        if fresh[i / 64] >> (i % 64) & 1 == 1 && !reserved.contains(pfn) {
            frame::free(Pfn(pfn));
        }
    }
    Ok(())
}

/// Moves the P2M list's mapping out of the user half: one L4 entry changes its slot.
fn move_p2m(boot: &BootInfo, root: Table) -> Result<(), Errno> {
    let list = boot.mfn_list();
    if list >= KERNEL_HALF {
        return Ok(());
    }
    let slot = index(list, 4);
    let entry = root.read(slot);
    // SAFETY: slot 510 is empty in the loader's tables; nothing is mapped there.
    unsafe { root.write(P2M_SLOT, entry | pte::NX) }?;
    let moved = P2M_SLOT_VA + (list & 0x7f_ffff_ffff);
    // SAFETY: the same pages are now mapped, writable, at `moved`.
    unsafe { p2m::init(moved, p2m::pages()) };
    // SAFETY: the list is used at its new place only.
    unsafe { root.write(slot, 0) }?;
    hypercall::flush_tlb();
    Ok(())
}

/// Takes the memory over. Afterwards the frame allocator holds every unused page, every page is
/// in the direct map, and nothing is both writable and executable.
pub(crate) fn take_over(boot: &BootInfo) -> Result<(), Errno> {
    let pages = boot.nr_pages().min(MAX_PAGES);
    // SAFETY: start_info says where the list is; it has `nr_pages` entries.
    unsafe { p2m::init(boot.mfn_list(), pages) };
    let root_pfn = Pfn::of_va(boot.pt_base()).ok_or(Errno::EFAULT)?;
    paging::set_boot_root(root_pfn);
    let root = paging::boot_root();
    let reserved = Reserved::new(boot);
    let end = VIRT_BASE + pages * PAGE_SIZE;

    // First what the loader mapped, for its free pages are needed for the tables of the rest.
    for va in (VIRT_BASE..end).step_by(L1_SPAN as usize) {
        if let Some(l1) = paging::find_l1(root, va) {
            adopt(boot, &reserved, l1, va)?;
        }
    }
    hypercall::flush_tlb();
    for va in (VIRT_BASE..end).step_by(L1_SPAN as usize) {
        let l1 = paging::need_l1(root, va, |_| {})?;
        complete(boot, &reserved, l1, va)?;
    }
    move_p2m(boot, root)
}

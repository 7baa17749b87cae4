//! Taking over from the loader: the direct map is extended from the initial mapping to all pages,
//! every right that is not needed is taken away, and the free pages are found.

use super::paging::{self, Table, index, pte};
use super::{MAX_PAGES, Mfn, PAGE_SIZE, Pfn, VIRT_BASE, frame, p2m};
use crate::boot::{BootInfo, image};
use crate::{hypercall, native};
use core::ops::Range;
use guest_user::abi::Errno;

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
            let pfn = mfn.and_then(|(mfn, _)| p2m::pfn_of(Mfn(mfn)));
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
    } else if (image.text_end..image.rodata_end).contains(&va)
        // The kernel itself writes its tables where no hypervisor does.
        || boot.page_tables().contains(&va) && !native::is_native()
    {
        pte::RO
    } else {
        pte::RW
    }
}

/// The pages of the 2 MiB at `va`.
fn span(va: u64) -> Range<u64> {
    let first = (va - VIRT_BASE) / PAGE_SIZE;
    first..(first + paging::ENTRIES as u64).min(p2m::pages())
}

/// The frame of a page that belongs into the direct map. The P2M list and the tables that map it
/// do not, if they have an address of their own: those tables must not be writable here.
fn direct_frame(boot: &BootInfo, pfn: u64) -> Option<Mfn> {
    let elsewhere = boot.mfn_list() < VIRT_BASE && boot.p2m_frames().contains(&pfn);
    if elsewhere { None } else { p2m::get(Pfn(pfn)) }
}

/// Makes what the loader mapped of the 2 MiB at `va` the kernel's: reduces rights, maps what is
/// missing, frees unused pages.
fn adopt(boot: &BootInfo, reserved: &Reserved, l1: Table, va: u64) -> Result<(), Errno> {
    for (i, pfn) in span(va).enumerate() {
        let Some(mfn) = direct_frame(boot, pfn) else {
            continue;
        };
        let va = Pfn(pfn).va();
        let wanted = pte::new(mfn, initial_rights(boot, va));
        let changes = l1.read(i) ^ wanted;
        if changes & (pte::PRESENT | pte::WRITE | pte::NX) != 0 {
            // SAFETY: code loses writing, data loses execution: neither is used.
            unsafe { paging::set_fresh(va, wanted) }?;
        }
        if !reserved.contains(pfn) {
            frame::free(Pfn(pfn));
        }
    }
    Ok(())
}

/// Maps the 2 MiB at `va`, of which nothing is mapped, and frees unused pages. The table is filled
/// before it becomes one, which costs the hypervisor half of what single updates do.
fn extend(boot: &BootInfo, reserved: &Reserved, l2: Table, va: u64) -> Result<(), Errno> {
    let span = span(va);
    let page = frame::alloc().ok_or(Errno::ENOMEM)?;
    frame::map_words(page, |i, _| {
        let pfn = span.start + i as u64;
        let mfn = span
            .contains(&pfn)
            .then(|| direct_frame(boot, pfn))
            .flatten();
        mfn.map_or(0, |mfn| pte::new(mfn, pte::RW))
    });
    paging::protect(page, pte::RO)?;
    l2.link(index(va, 2), Table(page))?;
    for pfn in span.filter(|&pfn| direct_frame(boot, pfn).is_some()) {
        if !reserved.contains(pfn) {
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

/// Finds the P2M list and the page tables that the loader made.
pub(crate) fn find(boot: &BootInfo) -> Result<(), Errno> {
    let pages = boot.nr_pages().min(MAX_PAGES);
    // SAFETY: start_info says where the list is; it has `nr_pages` entries.
    unsafe { p2m::init(boot.mfn_list(), pages) };
    paging::set_boot_root(Pfn::of_va(boot.pt_base()).ok_or(Errno::EFAULT)?);
    Ok(())
}

/// Takes the memory over. Afterwards the frame allocator holds every unused page, every page is
/// in the direct map, and nothing is both writable and executable.
pub(crate) fn take_over(boot: &BootInfo) -> Result<(), Errno> {
    let root = paging::boot_root();
    let reserved = Reserved::new(boot);
    let chunks = (VIRT_BASE..Pfn(p2m::pages()).va()).step_by(L1_SPAN as usize);
    // First what the loader mapped, for its free pages are needed for the tables of the rest.
    for va in chunks.clone() {
        if let Some(l1) = paging::find_l1(root, va) {
            adopt(boot, &reserved, l1, va)?;
        }
    }
    hypercall::flush_tlb();
    for va in chunks {
        let l2 = paging::need_table(root, va, 2, |_| {})?;
        if l2.read(index(va, 2)) & pte::PRESENT == 0 {
            extend(boot, &reserved, l2, va)?;
        }
    }
    move_p2m(boot, root)
}

//! What a loader of paravirtual kernels would have made: page tables, the list of frames, which are the
//! pages themselves, a page that stands for shared_info, and start_info.

use super::multiboot::{self, Found};
use super::{NATIVE, cpu, second, serial};
use crate::boot::image;
use crate::mm::paging::{ENTRIES, index, pte};
use crate::mm::{PAGE_SIZE, VIRT_BASE};
use core::sync::atomic::Ordering;
use hypercall_abi::xen::{SIF_INITDOMAIN, SIF_MOD_START_PFN, SIF_PRIVILEGED, start_info};
use zerocopy::FromZeros;

/// The memory of PCs below 1 MiB has holes, and is left alone.
const FIRST_PAGE: u64 = (1 << 20) / PAGE_SIZE;
/// Bytes that one table of the lowest level maps.
const L1_SPAN: u64 = ENTRIES as u64 * PAGE_SIZE;
/// Free memory that is mapped behind all that is in use, for the kernel to begin with.
const ROOM: u64 = 2 * L1_SPAN;
/// A frame that is not there, in the list of frames.
const NO_FRAME: u64 = !0;

/// Physical memory, handed out from the end of what the loader put there.
struct Memory {
    next: u64,
    end: u64,
}

impl Memory {
    /// Pages one after the other, filled with zeroes; their physical address.
    fn take(&mut self, pages: u64) -> u64 {
        let at = self.next;
        self.next += pages * PAGE_SIZE;
        assert!(self.next <= self.end, "too little memory");
        // SAFETY: the early tables map the pages, and nobody uses them: they lie behind all else.
        unsafe { core::ptr::write_bytes(seen(at) as *mut u8, 0, (pages * PAGE_SIZE) as usize) };
        at
    }
}

/// Where a physical address is seen.
const fn seen(physical: u64) -> u64 {
    VIRT_BASE + physical
}

/// Writes a word of pages that [`Memory`] handed out.
fn write(physical: u64, index: usize, value: u64) {
    let to = (seen(physical) as *mut u64).wrapping_add(index);
    // SAFETY: callers name words of pages that were handed out to them.
    unsafe { to.write(value) };
}

/// Called by `head.S` with what the loader passed on; returns the address of start_info.
#[unsafe(no_mangle)]
extern "C" fn native_main(magic: u32, info: u32) -> u64 {
    serial::init();
    NATIVE.store(true, Ordering::Relaxed);
    let image_end = image().end - VIRT_BASE;
    // SAFETY: the early tables map the first GiB; `info` is the loader's.
    let found = unsafe { multiboot::read(magic, info, image_end) };
    let mut memory = Memory {
        next: found.used_end.next_multiple_of(PAGE_SIZE),
        end: found.memory_end,
    };
    let pages = found.memory_end / PAGE_SIZE;
    let list = list_of_frames(&mut memory, pages);
    // As a hypervisor's, it is none of the kernel's pages.
    let shared_info = memory.take(1);
    write(list, (shared_info / PAGE_SIZE) as usize, NO_FRAME);
    let start = memory.take(size_of::<start_info>().div_ceil(PAGE_SIZE as usize) as u64);
    let (root, tables) = page_tables(&mut memory);
    // While the tables of the beginning still show it.
    second::prepare(seen);
    cpu::load_root(root);
    cpu::init();
    let mut info = start_info::new_zeroed();
    info.magic[..b"bare machine".len()].copy_from_slice(b"bare machine");
    info.nr_pages = pages;
    info.shared_info = shared_info;
    info.flags = SIF_PRIVILEGED | SIF_INITDOMAIN | SIF_MOD_START_PFN;
    (info.pt_base, info.nr_pt_frames) = (seen(root), tables);
    info.mfn_list = seen(list);
    passed_on(&found, &mut info);
    // SAFETY: the pages were taken for it.
    unsafe { (seen(start) as *mut start_info).write(info) };
    seen(start)
}

/// The ramdisk and the command line.
fn passed_on(found: &Found, info: &mut start_info) {
    if let Some(module) = &found.module {
        assert!(
            module.start.is_multiple_of(PAGE_SIZE),
            "the module is not at a page"
        );
        info.mod_start = module.start / PAGE_SIZE;
        info.mod_len = module.end - module.start;
    }
    if let Some(address) = found.command_line {
        let last = info.cmd_line.len() - 1;
        // SAFETY: what the loader left is overwritten by nobody: it lies below the pages handed out.
        unsafe { multiboot::text(address, &mut info.cmd_line[..last]) };
    }
}

/// The list of frames: each page is its own frame.
fn list_of_frames(memory: &mut Memory, pages: u64) -> u64 {
    let list = memory.take((pages * 8).div_ceil(PAGE_SIZE));
    for page in 0..pages {
        let frame = if page < FIRST_PAGE { NO_FRAME } else { page };
        write(list, page as usize, frame);
    }
    list
}

/// Tables that map what is in use and [`ROOM`] behind it, their root first; how many they are.
///
/// Ring 3 is kept out of the kernel's half by the root alone: the kernel has all lower entries open, as
/// 64-bit paravirtual kernels need them.
fn page_tables(memory: &mut Memory) -> (u64, u64) {
    let supervisor = pte::TABLE & !pte::USER;
    let root = memory.take(1);
    let [l3, l2] = [(); 2].map(|()| memory.take(1));
    write(root, index(VIRT_BASE, 4), l3 | supervisor);
    write(l3, index(VIRT_BASE, 3), l2 | pte::TABLE);
    // The tables themselves are mapped as well, and there are fewer of them than ROOM holds.
    let mapped = (memory.next + ROOM)
        .next_multiple_of(L1_SPAN)
        .min(memory.end);
    let count = mapped.div_ceil(L1_SPAN);
    for table in 0..count {
        let l1 = memory.take(1);
        write(l2, index(VIRT_BASE, 2) + table as usize, l1 | pte::TABLE);
        for entry in 0..ENTRIES {
            let page = table * ENTRIES as u64 + entry as u64;
            if page >= FIRST_PAGE && page * PAGE_SIZE < mapped {
                write(l1, entry, (page * PAGE_SIZE) | pte::TABLE);
            }
        }
    }
    (root, count + 3)
}

//! Page tables: entries by both calls, pins, roots.

use super::measure::{Call, Pair, ROUNDS, least};
use super::{Bench, Figures};
use crate::check::page::{Page, address};
use crate::hypercall::mmuext_frame;
use crate::mm::p2m;
use crate::mm::paging::{self, ENTRIES, index, pte};
use core::arch::naked_asm;
use hypercall_abi::xen::*;

pub(super) const BENCHES: &[Bench] = &[updates, va_mappings, stores, pins, roots];

/// Entries per call.
const BATCH: usize = 32;
/// One of the bits that are the guest's.
const AVAILABLE: u64 = 1 << 9;

/// A call of `mmu_update` with a list.
fn update(list: &[mmu_update]) -> Call {
    let args = [
        list.as_ptr() as u64,
        list.len() as u64,
        0,
        u64::from(DOMID_SELF),
        0,
    ];
    Call::new(__HYPERVISOR_mmu_update, args)
}

fn updates(f: &mut Figures) {
    let pages: [Page; BATCH] = core::array::from_fn(|_| Page::new());
    let other = Page::new();
    let list = |entry: &dyn Fn(&Page) -> u64| {
        core::array::from_fn::<_, BATCH, _>(|i| mmu_update {
            ptr: pages[i].own_slot() | MMU_NORMAL_PT_UPDATE,
            val: entry(&pages[i]),
        })
    };
    let usual = list(&|page| page.entry(pte::RW));
    let flipped = list(&|_| other.entry(pte::RW));
    let marked = list(&|page| page.entry(pte::RW | AVAILABLE));
    for (name, list, count) in [
        ("mmu_update_1_frame", &flipped, 1),
        ("mmu_update_32_frame_per_entry", &flipped, BATCH),
        ("mmu_update_1_available", &marked, 1),
        ("mmu_update_32_available_per_entry", &marked, BATCH),
    ] {
        let pair = [update(&list[..count]), update(&usual[..count])];
        // SAFETY: nothing is stored in the spare pages, whose mappings change.
        unsafe { f.pair(name, pair, ROUNDS, count as u64) };
    }
}

fn va_mappings(f: &mut Figures) {
    let (page, other) = (Page::new(), Page::new());
    for (name, flags) in [
        ("update_va_mapping_none", UVMF_NONE),
        ("update_va_mapping_invlpg", UVMF_INVLPG),
    ] {
        let pair = [&other, &page].map(|behind| {
            let args = [page.va(), behind.entry(pte::RW), flags, 0, 0];
            Call::new(__HYPERVISOR_update_va_mapping, args)
        });
        // SAFETY: nothing is stored in the spare page, whose mapping changes.
        unsafe { f.pair(name, pair, ROUNDS, 1) };
    }
}

/// Defines loops of [`ROUNDS`] stores, in turns of two values; returns the ticks that went by.
macro_rules! stores {
    ($($name:ident: $first:literal, $second:literal;)*) => { $(
        #[unsafe(naked)]
        extern "C" fn $name(_address: u64, _first: u64, _second: u64) -> u64 {
            naked_asm!(
                "mov r8, rdx",
                "mov ecx, {turns}",
                "rdtsc",
                "shl rdx, 32",
                "or rax, rdx",
                "mov r9, rax",
                "2:",
                $first,
                $second,
                "dec ecx",
                "jnz 2b",
                "rdtsc",
                "shl rdx, 32",
                "or rax, rdx",
                "sub rax, r9",
                "ret",
                turns = const ROUNDS / 2,
            )
        }
    )* };
}

stores! {
    storing: "mov [rdi], rsi", "mov [rdi], r8";
    not_storing: "nop", "nop";
}

/// A kernel that writes to its tables as if they were memory.
fn stores(f: &mut Figures) {
    let (page, other) = (Page::new(), Page::new());
    let slot = page.own_table().0.va() + index(page.va(), 1) as u64 * 8;
    let [usual, flipped] = [&page, &other].map(|behind| behind.entry(pte::RW));
    // Nothing is stored in the spare page, whose mapping changes and is as before at the end.
    let ticks = least(|| {
        let own = not_storing(slot, flipped, usual);
        Ok(storing(slot, flipped, usual).saturating_sub(own))
    });
    match ticks {
        Ok(ticks) => f.ticks("table_store_frame", ticks, ROUNDS),
        Err(result) => f.refused("table_store_frame", result),
    }
}

/// A call of `mmuext_op` with one operation.
fn extended(op: &mut mmuext_op) -> Call {
    let args = [address(op), 1, 0, u64::from(DOMID_SELF), 0];
    Call::new(__HYPERVISOR_mmuext_op, args)
}

fn pins(f: &mut Figures) {
    let data = Page::new();
    for (name, entries) in [("pin_unpin_l1_empty", 0), ("pin_unpin_l1_512", ENTRIES)] {
        let table = Page::new();
        for i in 0..entries {
            table.write(i, data.entry(pte::RW));
        }
        table.protect();
        let mut pin = mmuext_frame(MMUEXT_PIN_L1_TABLE, table.mfn());
        let mut unpin = mmuext_frame(MMUEXT_UNPIN_TABLE, table.mfn());
        let pair: Pair = [extended(&mut pin), extended(&mut unpin)];
        // A figure is for the two together.
        // SAFETY: the table is a spare page, and linked nowhere.
        unsafe { f.pair_as_one(name, pair, ROUNDS) };
    }
}

/// A pinned root that maps the kernel's half.
pub(super) fn copy_of_root() -> Page {
    let copy = Page::new();
    for i in 272..ENTRIES {
        copy.write(i, paging::boot_root().read(i));
    }
    copy.protect();
    crate::check::page::extended(MMUEXT_PIN_L4_TABLE, copy.mfn(), 0)
        .expect("a copy of a root is one");
    copy
}

fn roots(f: &mut Figures) {
    let root = p2m::mfn(paging::boot_root().0).0;
    let mut boot = mmuext_frame(MMUEXT_NEW_BASEPTR, root);
    let call = extended(&mut boot);
    // SAFETY: the root stays the same.
    unsafe { f.pair("new_baseptr_same", [call; 2], ROUNDS, 1) };
    let copy = copy_of_root();
    let mut other = mmuext_frame(MMUEXT_NEW_BASEPTR, copy.mfn());
    let pair: Pair = [extended(&mut other), call];
    // SAFETY: both roots map the same, and the boot root is the last.
    unsafe { f.pair("new_baseptr_other", pair, ROUNDS, 1) };
    crate::check::page::extended(MMUEXT_UNPIN_TABLE, copy.mfn(), 0)
        .expect("nothing uses the copy any more");
}

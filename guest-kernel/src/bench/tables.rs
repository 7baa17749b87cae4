//! Page tables: entries by both calls, pins, roots.

use super::measure::{Call, Pair, ROUNDS, alone, least};
use super::window::{closing, opening, opening_of_own, window};
use super::{Bench, Figures};
use crate::check::page::{Page, address};
use crate::hypercall::mmuext_frame;
use crate::mm::p2m;
use crate::mm::paging::{self, ENTRIES, index, pte};
use alloc::vec::Vec;
use core::arch::naked_asm;
use hypercall_abi::xen::*;

pub(super) const BENCHES: &[Bench] = &[updates, va_mappings, stores, flushes, pins, roots];

/// The most entries per call.
const BATCH: usize = 128;
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

/// What is changed, in turns with the usual entry of a spare page: [`changes`] says how.
const CHANGES: [&str; 4] = ["frame", "rights", "available", "present"];

/// The entries of a page that are not the usual one, in the order of [`CHANGES`].
pub(super) fn changes(page: &Page, other: &Page) -> [u64; CHANGES.len()] {
    [
        other.entry(pte::RW),
        page.entry(pte::RO),
        page.entry(pte::RW | AVAILABLE),
        0,
    ]
}

/// How many entries one call changes, and what the figures are called.
const UPDATES: [(usize, [&str; CHANGES.len()]); 4] = [
    (
        1,
        [
            "mmu_update_1_frame",
            "mmu_update_1_rights",
            "mmu_update_1_available",
            "mmu_update_1_present",
        ],
    ),
    (
        8,
        [
            "mmu_update_8_frame_per_entry",
            "mmu_update_8_rights_per_entry",
            "mmu_update_8_available_per_entry",
            "mmu_update_8_present_per_entry",
        ],
    ),
    (
        32,
        [
            "mmu_update_32_frame_per_entry",
            "mmu_update_32_rights_per_entry",
            "mmu_update_32_available_per_entry",
            "mmu_update_32_present_per_entry",
        ],
    ),
    (
        BATCH,
        [
            "mmu_update_128_frame_per_entry",
            "mmu_update_128_rights_per_entry",
            "mmu_update_128_available_per_entry",
            "mmu_update_128_present_per_entry",
        ],
    ),
];

fn updates(f: &mut Figures) {
    let pages: Vec<Page> = (0..BATCH).map(|_| Page::new()).collect();
    let other = Page::new();
    let list = |entry: &dyn Fn(&Page) -> u64| {
        let request = |page: &Page| mmu_update {
            ptr: page.own_slot() | MMU_NORMAL_PT_UPDATE,
            val: entry(page),
        };
        pages.iter().map(request).collect::<Vec<_>>()
    };
    let usual = list(&|page| page.entry(pte::RW));
    for kind in 0..CHANGES.len() {
        let changed = list(&|page| changes(page, &other)[kind]);
        for (count, names) in UPDATES {
            let pair = [update(&changed[..count]), update(&usual[..count])];
            // SAFETY: nothing is stored in the spare pages, whose mappings change.
            unsafe { f.pair(names[kind], pair, ROUNDS, count as u64) };
        }
    }
}

fn va_mappings(f: &mut Figures) {
    let (page, other) = (Page::new(), Page::new());
    for (name, flags) in [
        ("update_va_mapping_none", UVMF_NONE),
        ("update_va_mapping_invlpg", UVMF_INVLPG),
        ("update_va_mapping_invlpg_all", UVMF_INVLPG | UVMF_ALL),
        ("update_va_mapping_flush", UVMF_TLB_FLUSH),
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
    ($($name:ident: $opening:ident, $first:literal, $second:literal;)*) => { $(
        #[unsafe(naked)]
        extern "C" fn $name(_address: u64, _first: u64, _second: u64) -> u64 {
            window!(naked_asm!(
                "mov r8, rdx",
                "mov ecx, {turns}",
                $opening!("r9"),
                "2:",
                $first,
                $second,
                "dec ecx",
                "jnz 2b",
                closing!("r9"),
                "ret",
                turns = const ROUNDS / 2,
            ))
        }
    )* };
}

stores! {
    storing: opening, "mov [rdi], rsi", "mov [rdi], r8";
    not_storing: opening_of_own, "nop", "nop";
    loading_roots: opening, "mov cr3, rsi", "mov cr3, r8";
}

/// Measures a loop of [`stores`], of which each second undoes the one before.
fn in_turns(
    f: &mut Figures,
    name: &'static str,
    each: extern "C" fn(u64, u64, u64) -> u64,
    [address, first, second]: [u64; 3],
) {
    f.begin(name, ROUNDS);
    let ticks = least(|| {
        let own = alone(|| not_storing(address, first, second));
        Ok(each(address, first, second).saturating_sub(own))
    });
    match ticks {
        Ok(ticks) => f.ticks(name, ticks, ROUNDS),
        Err(result) => f.refused(name, result),
    }
}

/// A kernel that writes to its tables as if they were memory.
fn stores(f: &mut Figures) {
    let (page, other) = (Page::new(), Page::new());
    let slot = page.own_table().0.va() + index(page.va(), 1) as u64 * 8;
    let usual = page.entry(pte::RW);
    let names = [
        "table_store_frame",
        "table_store_rights",
        "table_store_available",
        "table_store_present",
    ];
    // Nothing is stored in the spare page, whose mapping changes and is as before at the end.
    for (name, changed) in names.into_iter().zip(changes(&page, &other)) {
        in_turns(f, name, storing, [slot, changed, usual]);
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

/// The root of processes, from one to another.
fn user_roots(f: &mut Figures, one: u64, other: u64) {
    let mut loads = [one, other].map(|root| mmuext_frame(MMUEXT_NEW_USER_BASEPTR, root));
    let pair: Pair = loads.each_mut().map(extended);
    // SAFETY: no process runs, so that the root is loaded by nobody.
    unsafe { f.pair("new_user_baseptr_other", pair, ROUNDS, 1) };
    crate::check::page::extended(MMUEXT_NEW_USER_BASEPTR, 0, 0)
        .expect("the user root can be given up");
}

/// What forgets translations.
fn flushes(f: &mut Figures) {
    let page = Page::new();
    for (name, cmd, address) in [
        ("tlb_flush_local", MMUEXT_TLB_FLUSH_LOCAL, 0),
        ("tlb_flush_all", MMUEXT_TLB_FLUSH_ALL, 0),
        ("invlpg_local", MMUEXT_INVLPG_LOCAL, page.va()),
        ("invlpg_all", MMUEXT_INVLPG_ALL, page.va()),
    ] {
        let mut op = mmuext_frame(cmd, address);
        let call = extended(&mut op);
        // SAFETY: no mapping changes.
        unsafe { f.pair(name, [call; 2], ROUNDS, 1) };
    }
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
    in_turns(
        f,
        "mov_to_cr3_other",
        loading_roots,
        [0, copy.mfn() << 12, root << 12],
    );
    user_roots(f, root, copy.mfn());
    crate::check::page::extended(MMUEXT_UNPIN_TABLE, copy.mfn(), 0)
        .expect("nothing uses the copy any more");
}

//! `mmuext_op` beside the pins: lists, domains, roots, flushes, page copies.

use super::page::*;
use super::{Check, Report};
use crate::hypercall::HvResult;
use crate::mm::p2m;
use crate::mm::paging::pte;
use crate::mm::paging::{self, ENTRIES};
use hypercall_abi::xen::*;

pub(super) const CHECKS: &[Check] = &[
    ("mmuext_lists", lists),
    ("mmuext_domains", domains),
    ("mmuext_commands", commands),
    ("mmuext_flushes", flushes),
    ("mmuext_roots", roots),
    ("mmuext_pages", pages),
];

const FLUSH: mmuext_op = operation(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
const REFUSED: mmuext_op = operation(MMUEXT_UNPIN_TABLE, 0x3f_ffff, 0);

const fn operation(cmd: u32, arg1: u64, arg2: u64) -> mmuext_op {
    mmuext_op {
        cmd,
        _pad0: [0; 4],
        arg1,
        arg2,
    }
}

fn with_list(list: u64, count: u64, foreign: u64) -> (HvResult, u32) {
    let mut done = 0xdead_u32;
    let args = [list, count, address(&mut done), foreign, 0];
    // SAFETY: the lists flush, or ask for what is refused.
    let result = unsafe { call(__HYPERVISOR_mmuext_op, args) };
    (result, done)
}

fn lists(r: &mut Report) {
    let list = [FLUSH, FLUSH, REFUSED, FLUSH];
    let at = list.as_ptr() as u64;
    let cases = [
        ("empty", at, 0),
        ("two", at, 2),
        ("third_fails", at, 4),
        ("count_high_bits", at, 1 << 32 | 1),
        ("unmapped", UNMAPPED, 1),
        ("unmapped_empty", UNMAPPED, 0),
        ("hypervisor", HOLE, 1),
        ("hypervisor_empty", HOLE, 0),
        ("non_canonical", NON_CANONICAL, 1),
        ("runs_out", u64::MAX - 23, 2),
    ];
    for (key, list, count) in cases {
        let (result, done) = with_list(list, count, u64::from(DOMID_SELF));
        r.line(format_args!("{key}={} done={done:#x}", Shown(result)));
    }
    for (key, pdone) in [("no_count", 0)].into_iter().chain(BAD_ADDRESSES) {
        let args = [at, 1, pdone, u64::from(DOMID_SELF), 0];
        // SAFETY: the list flushes.
        let result = unsafe { call(__HYPERVISOR_mmuext_op, args) };
        r.line(format_args!("done_{key}={}", Shown(result)));
    }
}

fn domains(r: &mut Report) {
    let cases = [
        ("dom0", 0),
        ("nobody", u64::from(NOBODY)),
        ("io", u64::from(DOMID_IO)),
        ("xen", u64::from(DOMID_XEN)),
        ("cow", u64::from(DOMID_COW)),
        ("invalid", u64::from(DOMID_INVALID)),
        ("idle", u64::from(DOMID_IDLE)),
        ("high_half", 0x7ff1_0000 | u64::from(DOMID_SELF)),
    ];
    for (key, foreign) in cases {
        for (kind, op) in [
            ("flush", FLUSH),
            ("unpin", REFUSED),
            ("clear", operation(MMUEXT_CLEAR_PAGE, 0x3f_ffff, 0)),
            ("baseptr", operation(MMUEXT_NEW_BASEPTR, 0x3f_ffff, 0)),
        ] {
            let (result, done) = with_list(&raw const op as u64, 1, foreign);
            r.line(format_args!(
                "{key}_{kind}={} done={done:#x}",
                Shown(result)
            ));
        }
    }
}

fn commands(r: &mut Report) {
    let cases = [
        ("cmd14", 14),
        ("cmd21", 21),
        ("cmd99", 99),
        ("all_ones", u32::MAX),
        ("flush_cache", MMUEXT_FLUSH_CACHE),
        ("flush_cache_global", MMUEXT_FLUSH_CACHE_GLOBAL),
        ("mark_super", MMUEXT_MARK_SUPER),
        ("unmark_super", MMUEXT_UNMARK_SUPER),
    ];
    for (key, cmd) in cases {
        r.result(key, extended(cmd, 0, 0));
    }
}

fn flushes(r: &mut Report) {
    let page = Page::new();
    let (mut all, mut me, mut none) = (u64::MAX, 1_u64, 0_u64);
    let (all, me, none) = (address(&mut all), address(&mut me), address(&mut none));
    let plain = [
        ("tlb_local", MMUEXT_TLB_FLUSH_LOCAL, 0),
        ("tlb_all", MMUEXT_TLB_FLUSH_ALL, 0),
        ("invlpg_local", MMUEXT_INVLPG_LOCAL, page.va()),
        ("invlpg_all", MMUEXT_INVLPG_ALL, page.va()),
        ("invlpg_local_unmapped", MMUEXT_INVLPG_LOCAL, UNMAPPED),
        ("invlpg_local_hypervisor", MMUEXT_INVLPG_LOCAL, HOLE),
        (
            "invlpg_local_non_canonical",
            MMUEXT_INVLPG_LOCAL,
            NON_CANONICAL,
        ),
        ("invlpg_all_hypervisor", MMUEXT_INVLPG_ALL, HOLE),
        ("invlpg_all_non_canonical", MMUEXT_INVLPG_ALL, NON_CANONICAL),
    ];
    for (key, cmd, arg1) in plain {
        r.result(key, extended(cmd, arg1, 0));
    }
    for (kind, cmd) in [
        ("tlb", MMUEXT_TLB_FLUSH_MULTI),
        ("invlpg", MMUEXT_INVLPG_MULTI),
    ] {
        for (key, mask) in [("all", all), ("me", me), ("none", none), ("null", 0)]
            .into_iter()
            .chain(BAD_ADDRESSES)
        {
            r.line(format_args!(
                "{kind}_multi_{key}={}",
                Shown(extended(cmd, page.va(), mask))
            ));
        }
    }
    // What a flush is for: after it, the page's address shows what the entry says.
    let other = Page::new();
    page.write(0, 0x1111);
    other.write(0, 0x2222);
    r.line(format_args!("before={:#x}", page.read(0)));
    for (key, cmd) in [
        ("tlb_local", MMUEXT_TLB_FLUSH_LOCAL),
        ("invlpg_local", MMUEXT_INVLPG_LOCAL),
        ("tlb_all", MMUEXT_TLB_FLUSH_ALL),
        ("invlpg_all", MMUEXT_INVLPG_ALL),
    ] {
        let swapped = update(page.own_slot(), other.entry(pte::RW), DOMID_SELF);
        let flushed = extended(cmd, page.va(), 0);
        r.line(format_args!(
            "{key}_swapped={} flush={} shows={:#x}",
            Shown(swapped),
            Shown(flushed),
            page.read(0)
        ));
        page.restore();
        r.line(format_args!("{key}_back={:#x}", page.read(0)));
    }
}

fn roots(r: &mut Report) {
    let boot = paging::boot_root();
    let boot_mfn = p2m::mfn(boot.0).0;
    let (data, l1) = (Page::new(), Page::read_only());
    extended(MMUEXT_PIN_L1_TABLE, l1.mfn(), 0).expect("an empty page is a table");
    for (kind, cmd) in [
        ("kernel", MMUEXT_NEW_BASEPTR),
        ("user", MMUEXT_NEW_USER_BASEPTR),
    ] {
        for (key, mfn) in [
            ("data", data.mfn()),
            ("level1", l1.mfn()),
            ("beyond_memory", 0x3f_ffff),
            ("beyond_52_bits", 0xff_ffff_ffff),
            ("local_apic", 0xf_ee00),
            ("boot_root", boot_mfn),
            ("boot_root_again", boot_mfn),
        ] {
            r.line(format_args!(
                "{kind}_{key}={}",
                Shown(extended(cmd, mfn, 0))
            ));
        }
    }
    extended(MMUEXT_UNPIN_TABLE, l1.mfn(), 0).expect("a pinned table can be unpinned");
    r.result("user_none", extended(MMUEXT_NEW_USER_BASEPTR, 0, 0));
    r.result("user_none_again", extended(MMUEXT_NEW_USER_BASEPTR, 0, 0));
    // A second root with the same kernel half, made on the spot by loading it.
    let copy = Page::new();
    for slot in 272..ENTRIES {
        copy.write(slot, boot.read(slot));
    }
    r.result("copy_writable", extended(MMUEXT_NEW_BASEPTR, copy.mfn(), 0));
    copy.protect();
    r.result("copy", extended(MMUEXT_NEW_BASEPTR, copy.mfn(), 0));
    r.line(format_args!(
        "copy_writable_mapping={}",
        Shown(copy.map(copy.entry(pte::RW)))
    ));
    let slot = update(copy.slot(300), copy.entry(pte::TABLE), DOMID_SELF);
    r.line(format_args!("copy_slot_itself={}", Shown(slot)));
    r.result("back", extended(MMUEXT_NEW_BASEPTR, boot_mfn, 0));
    r.line(format_args!(
        "copy_free={}",
        Shown(copy.map(copy.entry(pte::RW)))
    ));
    r.result("pin_in_use", extended(MMUEXT_PIN_L4_TABLE, boot_mfn, 0));
}

fn pages(r: &mut Report) {
    let (data, read_only, table) = (Page::new(), Page::read_only(), Page::read_only());
    extended(MMUEXT_PIN_L1_TABLE, table.mfn(), 0).expect("an empty page is a table");
    for (key, page) in [
        ("data", &data),
        ("read_only", &read_only),
        ("table", &table),
    ] {
        data.write(9, 0x1234);
        r.line(format_args!(
            "clear_{key}={} word={:#x}",
            Shown(extended(MMUEXT_CLEAR_PAGE, page.mfn(), 0)),
            data.read(9)
        ));
        data.write(9, 0x5678);
        r.line(format_args!(
            "copy_to_{key}={} word={:#x}",
            Shown(extended(MMUEXT_COPY_PAGE, page.mfn(), data.mfn())),
            page.read(9)
        ));
        r.line(format_args!(
            "copy_from_{key}={} word={:#x}",
            Shown(extended(MMUEXT_COPY_PAGE, data.mfn(), page.mfn())),
            data.read(9)
        ));
    }
    for (key, mfn) in [
        ("beyond_memory", 0x3f_ffff),
        ("beyond_52_bits", 0xff_ffff_ffff),
        ("vga", 0xb8),
    ] {
        r.line(format_args!(
            "clear_{key}={}",
            Shown(extended(MMUEXT_CLEAR_PAGE, mfn, 0))
        ));
        r.line(format_args!(
            "copy_to_{key}={}",
            Shown(extended(MMUEXT_COPY_PAGE, mfn, data.mfn()))
        ));
        r.line(format_args!(
            "copy_from_{key}={}",
            Shown(extended(MMUEXT_COPY_PAGE, data.mfn(), mfn))
        ));
    }
    extended(MMUEXT_UNPIN_TABLE, table.mfn(), 0).expect("a pinned table can be unpinned");
}

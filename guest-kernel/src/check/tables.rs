//! Tables: the bits of entries at levels 2 to 4, pins, types, and what a pinned table may hold.

use super::mmu::flag_bits;
use super::page::*;
use super::{Check, Report};
use crate::mm::paging::pte::{self, NX, PRESENT, USER, WRITE};
use hypercall_abi::xen::*;

pub(super) const CHECKS: &[Check] = &[
    ("level_bits", level_bits),
    ("level_links", level_links),
    ("pin_each", pin_each),
    ("pin_types", pin_types),
    ("pin_frames", pin_frames),
    ("pin_contents", pin_contents),
    ("pin_self", pin_self),
    ("pin_writable", pin_writable),
    ("pin_adjusts", pin_adjusts),
    ("pin_chain", pin_chain),
];

/// The pin operation for a level.
const PINS: [u32; 5] = [
    u32::MAX,
    MMUEXT_PIN_L1_TABLE,
    MMUEXT_PIN_L2_TABLE,
    MMUEXT_PIN_L3_TABLE,
    MMUEXT_PIN_L4_TABLE,
];

/// Pins a page as a table of `level`.
fn pin(level: usize, page: &Page) -> crate::hypercall::HvResult {
    extended(PINS[level], page.mfn(), 0)
}

fn unpin(page: &Page) -> crate::hypercall::HvResult {
    extended(MMUEXT_UNPIN_TABLE, page.mfn(), 0)
}

fn level_bits(r: &mut Report) {
    let (table, lower) = (Page::read_only(), Page::read_only());
    for level in 2..=4 {
        r.line(format_args!("level{level}={}", Shown(pin(level, &table))));
        for bit in flag_bits() {
            let entry = lower.entry(PRESENT | 1 << bit);
            let result = update(table.slot(0), entry, DOMID_SELF);
            r.line(format_args!(
                "level{level}_bit{bit}={} bits={:#x}",
                Shown(result),
                bits(table.read(0))
            ));
            let _ = update(table.slot(0), 0, DOMID_SELF);
        }
        let absent = lower.entry(0xfff0_0000_0000_0ffe);
        r.line(format_args!(
            "level{level}_absent={} bits={:#x}",
            Shown(update(table.slot(0), absent, DOMID_SELF)),
            bits(table.read(0))
        ));
        let _ = update(table.slot(0), 0, DOMID_SELF);
        r.line(format_args!("level{level}_unpin={}", Shown(unpin(&table))));
    }
}

fn level_links(r: &mut Report) {
    let (table, data) = (Page::read_only(), Page::new());
    for level in 2..=4 {
        pin(level, &table).expect("an empty page is a table");
        let cases = [
            ("writable_page", data.entry(pte::TABLE)),
            ("itself", table.entry(pte::TABLE)),
            ("itself_read_only", table.entry(PRESENT | USER)),
            ("beyond_memory", 0x3f_ffff << 12 | pte::TABLE),
            ("local_apic", 0xf_ee00 << 12 | pte::TABLE),
        ];
        for (key, entry) in cases {
            r.line(format_args!(
                "level{level}_{key}={} bits={:#x}",
                Shown(update(table.slot(5), entry, DOMID_SELF)),
                bits(table.read(5))
            ));
        }
        unpin(&table).expect("a pinned table can be unpinned");
    }
}

fn pin_each(r: &mut Report) {
    for level in 1..=4 {
        let page = Page::read_only();
        r.line(format_args!("level{level}={}", Shown(pin(level, &page))));
        r.line(format_args!(
            "level{level}_again={}",
            Shown(pin(level, &page))
        ));
        r.line(format_args!(
            "level{level}_writable={} bits={:#x}",
            Shown(page.map(page.entry(pte::RW))),
            page.bits()
        ));
        r.line(format_args!("level{level}_unpin={}", Shown(unpin(&page))));
        r.line(format_args!(
            "level{level}_unpin_again={}",
            Shown(unpin(&page))
        ));
        r.line(format_args!(
            "level{level}_writable_after={} bits={:#x}",
            Shown(page.map(page.entry(pte::RW))),
            page.bits()
        ));
    }
}

fn pin_types(r: &mut Report) {
    let page = Page::read_only();
    for first in 1..=4 {
        pin(first, &page).expect("an empty page is a table");
        for second in (1..=4).filter(|&second| second != first) {
            r.line(format_args!(
                "level{first}_as_level{second}={}",
                Shown(pin(second, &page))
            ));
        }
        unpin(&page).expect("a pinned table can be unpinned");
    }
    for level in 1..=4 {
        page.restore();
        r.line(format_args!(
            "mapped_writable_level{level}={}",
            Shown(pin(level, &page))
        ));
    }
    let table = page.own_table();
    let frame = table.entry_address(0) >> 12;
    for (level, cmd) in PINS.into_iter().enumerate().skip(2) {
        r.line(format_args!(
            "linked_l1_as_level{level}={}",
            Shown(extended(cmd, frame, 0))
        ));
    }
    r.result("linked_l1_pin", extended(MMUEXT_PIN_L1_TABLE, frame, 0));
    r.result("linked_l1_unpin", extended(MMUEXT_UNPIN_TABLE, frame, 0));
}

fn pin_frames(r: &mut Report) {
    let cases = [
        ("beyond_memory", 0x3f_ffff),
        ("beyond_52_bits", 0xff_ffff_ffff),
        ("all_ones", u64::MAX),
        ("local_apic", 0xf_ee00),
        ("vga", 0xb8),
    ];
    for (key, mfn) in cases {
        for (level, cmd) in PINS.into_iter().enumerate().skip(1) {
            r.line(format_args!(
                "{key}_level{level}={}",
                Shown(extended(cmd, mfn, 0))
            ));
        }
        r.line(format_args!(
            "{key}_unpin={}",
            Shown(extended(MMUEXT_UNPIN_TABLE, mfn, 0))
        ));
    }
}

fn pin_contents(r: &mut Report) {
    let data = Page::new();
    for level in 1..=4 {
        let cases = [
            ("local_apic", 0xf_ee00 << 12 | PRESENT),
            ("page_size", data.entry(PRESENT | USER | 1 << 7)),
            ("global", data.entry(PRESENT | USER | 1 << 8)),
            ("writable_page", data.entry(pte::TABLE)),
            ("beyond_memory", 0x3f_ffff << 12 | PRESENT | USER),
            ("absent_garbage", 0xdead_beef_0000_0ffe),
        ];
        for (key, entry) in cases {
            let page = Page::new();
            page.write(7, entry);
            page.protect();
            let pinned = pin(level, &page);
            r.line(format_args!(
                "level{level}_{key}={} bits={:#x}",
                Shown(pinned),
                bits(page.read(7))
            ));
            if pinned.is_ok() {
                unpin(&page).expect("a pinned table can be unpinned");
            }
            r.line(format_args!(
                "level{level}_{key}_after={}",
                Shown(page.map(page.entry(pte::RW)))
            ));
        }
    }
}

fn pin_self(r: &mut Report) {
    for level in 1..=4 {
        for (key, rights) in [
            ("read", PRESENT | USER | NX),
            ("write", PRESENT | USER | WRITE),
        ] {
            let page = Page::new();
            page.write(0, page.entry(rights));
            page.protect();
            let pinned = pin(level, &page);
            r.line(format_args!("level{level}_{key}={}", Shown(pinned)));
            if pinned.is_ok() {
                let _ = unpin(&page);
                r.line(format_args!(
                    "level{level}_{key}_after={}",
                    Shown(page.map(page.entry(pte::RW)))
                ));
            }
        }
    }
}

fn pin_writable(r: &mut Report) {
    let (table, page) = (Page::new(), Page::new());
    table.write(0, page.entry(pte::RW));
    table.protect();
    r.result("l1_maps_page", pin(1, &table));
    page.protect();
    r.result("page_as_table", pin(1, &page));
    r.result(
        "entry_to_read_only",
        update(table.slot(0), page.entry(pte::RO), DOMID_SELF),
    );
    r.result("page_as_table_now", pin(1, &page));
    r.result(
        "entry_to_writable",
        update(table.slot(0), page.entry(pte::RW), DOMID_SELF),
    );
    r.result("entry_cleared", update(table.slot(0), 0, DOMID_SELF));
    r.result("page_unpin", unpin(&page));
    r.result("table_unpin", unpin(&table));
}

fn pin_adjusts(r: &mut Report) {
    let data = Page::new();
    let cases = [
        ("kernel_read", PRESENT),
        ("kernel_write", PRESENT | WRITE),
        ("user", PRESENT | USER),
        ("bit52", PRESENT | USER | 1 << 52),
        ("accessed_dirty", PRESENT | pte::ACCESSED | pte::DIRTY),
        ("available", PRESENT | 0xe00),
    ];
    let page = Page::new();
    for (i, (_, flags)) in cases.iter().enumerate() {
        page.write(i, data.entry(*flags));
    }
    page.protect();
    r.result("pin", pin(1, &page));
    for (i, (key, _)) in cases.iter().enumerate() {
        r.line(format_args!("{key}={:#x}", bits(page.read(i))));
    }
    r.result("unpin", unpin(&page));
    for (i, (key, _)) in cases.iter().enumerate() {
        r.line(format_args!("{key}_after={:#x}", bits(page.read(i))));
    }
}

fn pin_chain(r: &mut Report) {
    let pages = [Page::new(), Page::new(), Page::new(), Page::new()];
    for pair in pages.windows(2) {
        pair[1].write(1, pair[0].entry(PRESENT));
    }
    for page in &pages {
        page.protect();
    }
    r.result("pin_l4", pin(4, &pages[3]));
    for (i, page) in pages.iter().enumerate().skip(1) {
        r.line(format_args!("l{}_entry={:#x}", i + 1, bits(page.read(1))));
    }
    for (i, page) in pages.iter().enumerate() {
        let level = i + 1;
        r.line(format_args!(
            "l{level}_writable={}",
            Shown(page.map(page.entry(pte::RW)))
        ));
        let other = if level == 1 { 2 } else { level - 1 };
        r.line(format_args!(
            "l{level}_as_l{other}={}",
            Shown(pin(other, page))
        ));
        r.line(format_args!("l{level}_unpin={}", Shown(unpin(page))));
    }
    for (i, page) in pages.iter().enumerate() {
        r.line(format_args!(
            "l{}_after={} bits={:#x}",
            i + 1,
            Shown(page.map(page.entry(pte::RW))),
            bits(page.read(1))
        ));
    }
}

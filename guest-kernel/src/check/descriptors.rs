//! Descriptor tables: `set_gdt`, `update_descriptor`, `MMUEXT_SET_LDT`.

use super::page::*;
use super::probe::{Code, attempt, code, place, report};
use super::{Check, Report};
use crate::hypercall::HvResult;
use crate::trap::Hit;
use hypercall_abi::arch_x86_64::FIRST_RESERVED_GDT_ENTRY;
use hypercall_abi::xen::*;

pub(super) const CHECKS: &[Check] = &[
    ("update_descriptor", update_descriptor),
    ("set_gdt", set_gdt),
    ("set_ldt", set_ldt),
];

code! {
    load_gdt_entry: "mov eax, 0x0b", "mov fs, ax", "xor eax, eax", "mov fs, ax";
    load_ldt_entry: "mov eax, 0x0f", "mov fs, ax", "xor eax, eax", "mov fs, ax";
    load_ldt_absent: "mov eax, 0x17", "mov fs, ax", "xor eax, eax", "mov fs, ax";
    load_ldt_far: "mov eax, 0x1007", "mov fs, ax", "xor eax, eax", "mov fs, ax";
}

/// A writable data segment of ring 3, 4 GiB.
const DATA: u64 = 0x00cf_f300_0000_ffff;

/// Descriptors, by name.
const DESCRIPTORS: [(&str, u64); 22] = [
    ("zero", 0),
    ("data3", DATA),
    ("data3_not_accessed", 0x00cf_f200_0000_ffff),
    ("data0", 0x00cf_9300_0000_ffff),
    ("data1", 0x00cf_b300_0000_ffff),
    ("data2", 0x00cf_d300_0000_ffff),
    ("data_read_only", 0x00cf_f100_0000_ffff),
    ("data_expand_down", 0x00cf_f700_0000_ffff),
    ("data_based", 0xffcf_f3ff_ffff_ffff),
    ("code3_32", 0x00cf_fb00_0000_ffff),
    ("code3_64", 0x00af_fb00_0000_ffff),
    ("code3_both", 0x00ef_fb00_0000_ffff),
    ("code0_64", 0x00af_9b00_0000_ffff),
    ("code_conforming", 0x00cf_ff00_0000_ffff),
    ("absent", 0x00cf_7300_0000_ffff),
    ("absent_code0", 0x00cf_1b00_0000_ffff),
    ("ldt", 0x0000_8200_0000_ffff),
    ("tss", 0x0000_8900_0000_ffff),
    ("call_gate", 0x0000_ec00_e033_1234),
    ("interrupt_gate", 0x0000_ee00_e033_1234),
    ("absent_gate", 0x0000_6c00_e033_1234),
    ("type0_present", 0x0000_8000_0000_0000),
];

fn set(ma: u64, descriptor: u64) -> HvResult {
    // SAFETY: the checks change spare pages, or name what is refused.
    unsafe { call(__HYPERVISOR_update_descriptor, [ma, descriptor, 0, 0, 0]) }
}

fn gdt(frames: u64, entries: u64) -> HvResult {
    // SAFETY: this kernel uses none of the selectors in a guest's part of the table.
    unsafe { call(__HYPERVISOR_set_gdt, [frames, entries, 0, 0, 0]) }
}

fn ldt(base: u64, entries: u64) -> HvResult {
    extended(MMUEXT_SET_LDT, base, entries)
}

fn update_descriptor(r: &mut Report) {
    let page = Page::read_only();
    for (key, descriptor) in DESCRIPTORS {
        let result = set(page.slot(4), descriptor);
        r.line(format_args!(
            "{key}={} now={:#x}",
            Shown(result),
            page.read(4)
        ));
        page.restore();
        page.write(4, 0);
        page.protect();
    }
    for (key, ma) in [
        ("misaligned", page.slot(0) + 4),
        ("beyond_memory", 0x3f_ffff << 12),
        ("local_apic", 0xf_ee00 << 12),
        ("all_ones", !7),
    ] {
        r.result(key, set(ma, 0));
    }
    page.restore();
    r.result("writable_page", set(page.slot(0), DATA));
    page.write(0, 0);
    page.protect();
    extended(MMUEXT_PIN_L1_TABLE, page.mfn(), 0).expect("an empty page is a table");
    r.result("table", set(page.slot(0), DATA));
    extended(MMUEXT_UNPIN_TABLE, page.mfn(), 0).expect("a pinned table can be unpinned");
}

fn set_gdt(r: &mut Report) {
    let page = Page::new();
    let mut frames = [page.mfn(), 0x3f_ffff, 0xf_ee00];
    let at = address(&mut frames);
    r.result("empty", gdt(at, 0));
    for (key, at) in BAD_ADDRESSES {
        r.line(format_args!("{key}={}", Shown(gdt(at, 1))));
        r.line(format_args!("{key}_empty={}", Shown(gdt(at, 0))));
    }
    let most = u64::from(FIRST_RESERVED_GDT_ENTRY);
    r.result("too_many", gdt(at, most + 1));
    r.result("way_too_many", gdt(at, u64::from(u32::MAX)));
    r.result("mapped_writable", gdt(at, 512));
    page.write(1, DATA);
    page.protect();
    r.result("beyond_memory", gdt(at + 8, 1));
    r.result("local_apic", gdt(at + 16, 1));
    r.result("second_is_bad", gdt(at, 513));
    r.result("good", gdt(at, 512));
    let hit = attempt(load_gdt_entry, 0, false);
    report(r, "load", place(load_gdt_entry), hit);
    r.line(format_args!(
        "writable={}",
        Shown(page.map(page.entry(crate::mm::paging::pte::RW)))
    ));
    r.result("descriptor", set(page.slot(1), 0));
    let hit = attempt(load_gdt_entry, 0, false);
    report(r, "load_cleared", place(load_gdt_entry), hit);
    r.result("descriptor_back", set(page.slot(1), DATA));
    r.result("again", gdt(at, 2));
    r.result("none", gdt(0, 0));
    let hit = attempt(load_gdt_entry, 0, false);
    report(r, "load_none", place(load_gdt_entry), hit);
    page.restore();
    for (key, descriptor) in DESCRIPTORS {
        page.write(2, descriptor);
        page.protect();
        let result = gdt(at, 3);
        r.line(format_args!(
            "with_{key}={} now={:#x}",
            Shown(result),
            page.read(2)
        ));
        gdt(0, 0).expect("a table can be given up");
        page.restore();
    }
}

/// The fault's address as a distance from `base`.
fn relative(mut hit: Hit, base: u64) -> Hit {
    hit.address = hit.address.wrapping_sub(base);
    hit
}

fn set_ldt(r: &mut Report) {
    let page = Page::new();
    page.write(1, DATA);
    let (va, load) = (page.va(), load_ldt_entry as Code);
    r.result("empty", ldt(0, 0));
    r.result("misaligned", ldt(va + 8, 1));
    r.result("hypervisor", ldt(HOLE, 1));
    r.result("non_canonical", ldt(NON_CANONICAL, 1));
    r.result("too_many", ldt(va, 8193));
    r.result("all_ones", ldt(va, u64::MAX));
    // Pages are looked at when a selector is first loaded.
    r.result("unmapped", ldt(UNMAPPED, 512));
    let hit = attempt(load, 0, false).map(|hit| relative(hit, UNMAPPED));
    report(r, "load_unmapped", place(load), hit);
    r.result("writable", ldt(va, 512));
    let hit = attempt(load, 0, false).map(|hit| relative(hit, va));
    report(r, "load_writable", place(load), hit);
    page.protect();
    r.result("good", ldt(va, 512));
    for (key, code) in [
        ("load", load),
        ("load_absent", load_ldt_absent),
        ("load_far", load_ldt_far),
    ] {
        let hit = attempt(code, 0, false);
        report(r, key, place(code), hit);
    }
    r.line(format_args!(
        "writable_mapping={}",
        Shown(page.map(page.entry(crate::mm::paging::pte::RW)))
    ));
    r.result("none", ldt(0, 0));
    let hit = attempt(load, 0, false);
    report(r, "load_none", place(load), hit);
    r.line(format_args!(
        "writable_after={}",
        Shown(page.map(page.entry(crate::mm::paging::pte::RW)))
    ));
}

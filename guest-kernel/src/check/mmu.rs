//! Level-1 entries: `update_va_mapping` and `mmu_update`, bit by bit and refusal by refusal.

use super::page::*;
use super::{Check, Report};
use crate::mm::paging::pte::{self, NX, PRESENT, USER, WRITE};
use crate::mm::paging::{self, index};

use core::fmt;
use hypercall_abi::arch_x86_64::MACH2PHYS_VIRT_START;
use hypercall_abi::xen::*;

pub(super) const CHECKS: &[Check] = &[
    ("l1_bits", l1_bits),
    ("l1_combinations", l1_combinations),
    ("l1_frames", l1_frames),
    ("update_va_addresses", addresses),
    ("update_va_flags", flags),
    ("update_va_otherdomain", other_domain),
    ("mmu_update_commands", commands),
    ("mmu_update_targets", targets),
    ("mmu_update_lists", lists),
    ("mmu_update_domains", domains),
    ("mmu_update_root", root_slots),
];

/// An entry that no domain may have: the local APIC.
const REFUSED: u64 = 0xf_ee00 << 12 | PRESENT | USER;

/// The flag bits of an entry, beside the present bit.
pub(super) fn flag_bits() -> impl Iterator<Item = u32> {
    (1..12).chain(52..64)
}

fn l1_bits(r: &mut Report) {
    let (window, target) = (Page::new(), Page::new());
    for bit in flag_bits() {
        let result = window.map(target.entry(PRESENT | 1 << bit));
        r.line(format_args!(
            "bit{bit}={} bits={:#x} itself={}",
            Shown(result),
            window.bits(),
            window.is_itself()
        ));
        window.restore();
    }
}

fn l1_combinations(r: &mut Report) {
    let (window, target) = (Page::new(), Page::new());
    let cases = [
        ("nothing", 0),
        ("present", PRESENT),
        ("present_user", PRESENT | USER),
        ("present_write", PRESENT | WRITE),
        ("all_allowed", 0x8000_0000_0000_0e67),
        ("read_only_nx", PRESENT | NX),
        ("absent_all_flags", 0xfff0_0000_0000_0ffe),
        ("pat_pcd_pwt", PRESENT | 1 << 3 | 1 << 4 | 1 << 7),
        ("global_write", PRESENT | WRITE | 1 << 8),
    ];
    for (key, flags) in cases {
        let result = window.map(target.entry(flags));
        r.line(format_args!(
            "{key}={} bits={:#x} itself={}",
            Shown(result),
            window.bits(),
            window.is_itself()
        ));
        window.restore();
    }
}

fn l1_frames(r: &mut Report) {
    let window = Page::new();
    let cases = [
        ("beyond_52_bits", 0xff_ffff_ffff, WRITE),
        ("beyond_memory", 0x3f_ffff, 0),
        ("vga", 0xb8, WRITE),
        ("bios", 0xf0, 0),
        ("io_apic", 0xf_ec00, WRITE),
        ("io_apic_read", 0xf_ec00, 0),
        ("local_apic", 0xf_ee00, WRITE),
        ("local_apic_read", 0xf_ee00, 0),
        ("vga_write_through", 0xb8, 1 << 3),
        ("vga_cache_disable", 0xb8, 1 << 4),
        ("vga_pat", 0xb8, 1 << 7),
        ("vga_accessed", 0xb8, pte::ACCESSED | pte::DIRTY),
    ];
    for (key, mfn, rights) in cases {
        let result = window.map(mfn << 12 | PRESENT | USER | NX | rights);
        r.line(format_args!(
            "{key}={} bits={:#x} itself={}",
            Shown(result),
            window.bits(),
            window.is_itself()
        ));
        window.restore();
    }
}

fn addresses(r: &mut Report) {
    let page = Page::new();
    let inside = page.va() + 8;
    let cases = [
        ("inside_page", inside, page.entry(pte::RW)),
        ("no_table", UNMAPPED, 0),
        ("no_table_present", UNMAPPED, page.entry(pte::RO)),
        ("hypervisor", HOLE, 0),
        ("machine_to_phys", MACH2PHYS_VIRT_START, 0),
        (
            "machine_to_phys_read",
            MACH2PHYS_VIRT_START,
            page.entry(pte::RO),
        ),
        ("non_canonical", NON_CANONICAL, 0),
        ("last_byte", u64::MAX, 0),
    ];
    for (key, va, entry) in cases {
        // SAFETY: only the spare page is mapped there; the others have no entry of the kernel's.
        let result = unsafe { call(__HYPERVISOR_update_va_mapping, [va, entry, 0, 0, 0]) };
        r.result(key, result);
    }
}

fn flags(r: &mut Report) {
    let page = Page::new();
    let mut all = u64::MAX;
    let mut none = 0_u64;
    let (all, none) = (address(&mut all), address(&mut none));
    let cases = [
        ("none", UVMF_NONE),
        ("flush_local", UVMF_TLB_FLUSH | UVMF_LOCAL),
        ("invlpg_local", UVMF_INVLPG | UVMF_LOCAL),
        ("flush_all", UVMF_TLB_FLUSH | UVMF_ALL),
        ("invlpg_all", UVMF_INVLPG | UVMF_ALL),
        ("all_without_type", UVMF_ALL),
        ("type3", 3),
        ("type3_all", 3 | UVMF_ALL),
        ("flush_multi", UVMF_TLB_FLUSH | all),
        ("flush_nobody", UVMF_TLB_FLUSH | none),
        ("invlpg_multi", UVMF_INVLPG | all),
        ("multi_without_type", all),
        ("flush_bad_pointer", UVMF_TLB_FLUSH | UNMAPPED),
        ("invlpg_bad_pointer", UVMF_INVLPG | HOLE),
    ];
    for (key, flags) in cases {
        let args = [page.va(), page.entry(pte::RO), flags, 0, 0];
        // SAFETY: the spare page loses and gets its write right.
        let result = unsafe { call(__HYPERVISOR_update_va_mapping, args) };
        r.line(format_args!(
            "{key}={} bits={:#x}",
            Shown(result),
            page.bits()
        ));
        page.restore();
    }
    let refused = [page.va(), REFUSED, UVMF_INVLPG, 0, 0];
    // SAFETY: the entry is refused.
    let result = unsafe { call(__HYPERVISOR_update_va_mapping, refused) };
    r.line(format_args!(
        "refused={} bits={:#x}",
        Shown(result),
        page.bits()
    ));
}

fn other_domain(r: &mut Report) {
    let page = Page::new();
    for (key, domid) in DOMAINS {
        let args = [page.va(), page.entry(pte::RO), 0, u64::from(domid), 0];
        // SAFETY: the spare page is mapped at its own place.
        let result = unsafe { call(__HYPERVISOR_update_va_mapping_otherdomain, args) };
        r.line(format_args!(
            "{key}={} bits={:#x}",
            Shown(result),
            page.bits()
        ));
        page.restore();
    }
}

/// Domains by which a caller can name itself or others.
const DOMAINS: [(&str, u16); 9] = [
    ("self", DOMID_SELF),
    ("dom0", 0),
    ("nobody", NOBODY),
    ("io", DOMID_IO),
    ("xen", DOMID_XEN),
    ("cow", DOMID_COW),
    ("invalid", DOMID_INVALID),
    ("idle", DOMID_IDLE),
    ("above_mask", 0xffff),
];

fn commands(r: &mut Report) {
    let page = Page::new();
    let slot = page.own_slot();
    let plain = page.entry(PRESENT | USER | NX);
    let cases = [
        ("normal", slot | MMU_NORMAL_PT_UPDATE, plain),
        (
            "normal_accessed_dirty",
            slot,
            plain | pte::ACCESSED | pte::DIRTY,
        ),
        ("preserve_ad", slot | MMU_PT_UPDATE_PRESERVE_AD, plain),
        ("normal_again", slot | MMU_NORMAL_PT_UPDATE, plain),
        (
            "no_translate",
            slot | MMU_PT_UPDATE_NO_TRANSLATE,
            plain | WRITE,
        ),
        ("misaligned", slot | 4, plain),
    ];
    for (key, ptr, entry) in cases {
        let result = update(ptr, entry, DOMID_SELF);
        r.line(format_args!(
            "{key}={} bits={:#x}",
            Shown(result),
            page.bits()
        ));
    }
    page.restore();
    let m2p = |page: &Page| {
        let word = (MACH2PHYS_VIRT_START + page.mfn() * 8) as *const u64;
        // SAFETY: the table covers every frame of this domain.
        unsafe { word.read_volatile() }
    };
    let of_frame = (page.mfn() << 12) | MMU_MACHPHYS_UPDATE;
    r.result("machphys", update(of_frame, 0x1234, DOMID_SELF));
    r.line(format_args!("machphys_now={:#x}", m2p(&page)));
    r.result(
        "machphys_offset",
        update(of_frame | 0x100, 0x1235, DOMID_SELF),
    );
    r.line(format_args!("machphys_offset_now={:#x}", m2p(&page)));
    r.result("machphys_back", update(of_frame, page.pfn(), DOMID_SELF));
    r.line(format_args!("machphys_itself={}", m2p(&page) == page.pfn()));
    let outside = 0x3f_ffff << 12 | MMU_MACHPHYS_UPDATE;
    r.result("machphys_outside", update(outside, 1, DOMID_SELF));
    r.result("machphys_nobody", update(of_frame, 1, NOBODY));
}

fn targets(r: &mut Report) {
    let (data, read_only) = (Page::new(), Page::read_only());
    r.result("writable_page", update(data.slot(3), 0x1111, DOMID_SELF));
    r.line(format_args!("writable_page_word={:#x}", data.read(3)));
    r.result(
        "untyped_page",
        update(read_only.slot(3), 0x2222, DOMID_SELF),
    );
    r.line(format_args!("untyped_page_word={:#x}", read_only.read(3)));
    r.result("beyond_memory", update(0x3f_ffff << 12, 0, DOMID_SELF));
    r.result("beyond_52_bits", update(1 << 60, 0, DOMID_SELF));
    r.result("local_apic", update(0xf_ee00 << 12, 0, DOMID_SELF));
    r.result("io_page", update(0xb8 << 12, 0, DOMID_IO));
    // The mapping of a table, made writable.
    let table = data.own_table();
    let window = Page::new();
    let entry = table.entry_address(0) & !0xfff;
    r.line(format_args!(
        "table_writable={} itself={}",
        Shown(window.map(entry | pte::RW)),
        window.is_itself()
    ));
    r.line(format_args!(
        "table_readable={} itself={}",
        Shown(window.map(entry | pte::RO)),
        window.is_itself()
    ));
}

/// Makes `mmu_update` with a list at `list`; the result and the count of requests done.
fn with_list(list: u64, count: u64) -> (crate::hypercall::HvResult, u32) {
    let mut done = 0xdead_u32;
    let args = [list, count, address(&mut done), u64::from(DOMID_SELF), 0];
    // SAFETY: the lists change spare pages only.
    let result = unsafe { call(__HYPERVISOR_mmu_update, args) };
    (result, done)
}

fn lists(r: &mut Report) {
    let page = Page::new();
    let slot = page.own_slot();
    let good = mmu_update {
        ptr: slot,
        val: page.entry(pte::RO),
    };
    let bad = mmu_update {
        ptr: slot,
        val: REFUSED,
    };
    let list = [good, good, bad, good];
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
        ("runs_out", u64::MAX - 15, 2),
        ("misaligned", at + 1, 0),
    ];
    for (key, list, count) in cases {
        let (result, done) = with_list(list, count);
        r.line(format_args!("{key}={} done={done:#x}", Shown(result)));
    }
    for (key, pdone) in [("no_count", 0)].into_iter().chain(BAD_ADDRESSES) {
        let args = [at, 1, pdone, u64::from(DOMID_SELF), 0];
        page.restore();
        // SAFETY: the list changes the spare page only.
        let result = unsafe { call(__HYPERVISOR_mmu_update, args) };
        r.line(format_args!(
            "done_{key}={} bits={:#x}",
            Shown(result),
            page.bits()
        ));
    }
}

fn domains(r: &mut Report) {
    let page = Page::new();
    let request = [mmu_update {
        ptr: page.own_slot(),
        val: page.entry(pte::RO),
    }];
    let mut ask = |key: fmt::Arguments<'_>, foreign: u64| {
        let args = [request.as_ptr() as u64, 1, 0, foreign, 0];
        // SAFETY: the list changes the spare page only.
        let result = unsafe { call(__HYPERVISOR_mmu_update, args) };
        r.line(format_args!(
            "{key}={} bits={:#x}",
            Shown(result),
            page.bits()
        ));
        page.restore();
    };
    for (key, domid) in DOMAINS {
        ask(format_args!("page_{key}"), u64::from(domid));
        let table = u64::from(domid.wrapping_add(1)) << 16;
        ask(format_args!("table_{key}"), table | u64::from(DOMID_SELF));
    }
    ask(format_args!("high_bits"), 1 << 32 | u64::from(DOMID_SELF));
}

fn root_slots(r: &mut Report) {
    let root = paging::boot_root();
    let page = Page::new();
    let entry = page.entry(pte::TABLE);
    // What the hypervisor's own slots hold is its own matter; that they are refused is not.
    for slot in [255, 256, 257, 271, 272] {
        let (at, before) = (root.entry_address(slot), root.read(slot));
        r.line(format_args!(
            "slot{slot}={} unchanged={}",
            Shown(update(at, entry, DOMID_SELF)),
            root.read(slot) == before
        ));
        if (256..272).contains(&slot) {
            r.line(format_args!(
                "slot{slot}_clear={} unchanged={}",
                Shown(update(at, 0, DOMID_SELF)),
                root.read(slot) == before
            ));
            r.line(format_args!(
                "slot{slot}_same={}",
                Shown(update(at, before, DOMID_SELF))
            ));
        }
    }
    let kernel = index(crate::mm::VIRT_BASE, 4);
    r.line(format_args!(
        "kernel_slot_bits={:#x}",
        bits(root.read(kernel)) & !0x60
    ));
}

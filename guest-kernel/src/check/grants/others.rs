//! The other operations, and how lists are taken.

use super::*;
use crate::check::memory_ops::reservation;
use crate::hypercall::with_struct;
use hypercall_abi::memory::XENMEM_increase_reservation;

pub(in super::super) const CHECKS: &[Check] = &[
    ("grant_transfer", transfer),
    ("grant_swap", swap),
    ("grant_dump", dump),
    ("grant_status_frames", status_frames),
    ("grant_cache_flush", cache_flush),
    ("grant_version", version),
    ("grant_lists", lists),
    ("grant_list_faults", faults),
    ("grant_count", counts),
];

fn transfer(r: &mut Report) {
    let Ok(table) = Table::of(DOMID_SELF) else {
        return r.error("no table");
    };
    for (key, domid, gref, mfn) in [
        ("self", DOMID_SELF, REF, None),
        ("own_id", ME, REF, None),
        ("nobody", NOBODY, REF, None),
        ("io", DOMID_IO, REF, None),
        ("bad_frame", ME, REF, Some(0xffff_ffff)),
        ("wide_frame", ME, REF, Some(u64::MAX)),
        ("bios", ME, REF, Some(0xf0)),
        (
            "hypervisor_table",
            ME,
            REF,
            Some(table.0.own_entry() >> 12 & 0xff_ffff),
        ),
        ("no_entry", ME, REF + 1, None),
        ("beyond", ME, u32::MAX, None),
    ] {
        let page = Page::new();
        for mapped in [true, false] {
            table.set(REF, GTF_accept_transfer, ME, 0);
            if !mapped {
                r.outcome("clear", page.map(0));
            }
            let mut list = [gnttab_transfer::new_zeroed()];
            list[0].mfn = mfn.unwrap_or(page.mfn());
            (list[0].domid, list[0].r#ref) = (domid, gref);
            list[0].status = UNTOUCHED;
            let result = op(GNTTABOP_transfer, &mut list);
            r.line(format_args!(
                "{key}_{mapped}={} flags={:#x}",
                Outcome(result, list[0].status),
                table.flags(REF)
            ));
            r.line(format_args!("{key}_{mapped}_lost={}", made_good(&page)));
        }
    }
    table.clear(REF);
}

/// Gives a page another frame where its own is gone; whether it was.
fn made_good(page: &Page) -> bool {
    if page.map(page.entry(pte::RW)).is_ok() {
        return false;
    }
    let mut list = [0_u64];
    let mut arg = reservation(&mut list, DOMID_SELF);
    let got = with_struct(
        __HYPERVISOR_memory_op,
        XENMEM_increase_reservation,
        &mut arg,
    );
    assert!(got == Ok(1), "no frame for one that is lost: {got:?}");
    page.replace(crate::mm::Mfn(list[0]));
    let m2p = list[0] << 12 | MMU_MACHPHYS_UPDATE;
    let _ = update(m2p, page.pfn(), DOMID_SELF);
    page.restore();
    true
}

fn swap(r: &mut Report) {
    let Ok(table) = Table::of(DOMID_SELF) else {
        return r.error("no table");
    };
    let page = Page::new();
    let at = Page::new();
    let mut swap = |key: &str, a: u32, b: u32| {
        let mut list = [gnttab_swap_grant_ref::new_zeroed()];
        (list[0].ref_a, list[0].ref_b, list[0].status) = (a, b, UNTOUCHED);
        let result = op(GNTTABOP_swap_grant_ref, &mut list);
        r.line(format_args!(
            "{key}={} flags={:#x},{:#x}",
            Outcome(result, list[0].status),
            table.flags(REF),
            table.flags(REF + 1)
        ));
    };
    table.grant(REF, &page, GTF_readonly);
    table.set(REF + 1, GTF_accept_transfer, 9, 7);
    swap("usual", REF, REF + 1);
    swap("back", REF + 1, REF);
    swap("same", REF, REF);
    swap("beyond", REF, 512 * 64);
    swap("all_ones", u32::MAX, REF);
    swap("same_beyond", u32::MAX, u32::MAX);
    let mapped = map(at.va(), GNTMAP_host_map | GNTMAP_readonly, REF, ME);
    swap("mapped_first", REF, REF + 1);
    swap("mapped_second", REF + 1, REF);
    swap("mapped_same", REF, REF);
    let undone = unmap(at.va(), 0, mapped.handle);
    swap("unmapped", REF, REF + 1);
    r.line(format_args!("map={mapped} unmap={undone}"));
    at.restore();
    table.clear(REF);
    table.clear(REF + 1);
}

fn dump(r: &mut Report) {
    for (key, dom) in [
        ("nobody", NOBODY),
        ("io", DOMID_IO),
        ("xen", DOMID_XEN),
        ("self", DOMID_SELF),
        ("own_id", ME),
    ] {
        let mut list = [gnttab_dump_table {
            dom,
            status: UNTOUCHED,
        }];
        let result = op(GNTTABOP_dump_table, &mut list);
        r.line(format_args!("{key}={}", Outcome(result, list[0].status)));
    }
}

fn status_frames(r: &mut Report) {
    let mut frames = [0x5555_u64; 4];
    for (key, dom, nr_frames, at) in [
        ("self", DOMID_SELF, 1, address(&mut frames)),
        ("own_id", ME, 1, address(&mut frames)),
        ("none", DOMID_SELF, 0, address(&mut frames)),
        ("nobody", NOBODY, 1, address(&mut frames)),
        ("io", DOMID_IO, 1, address(&mut frames)),
        ("many", DOMID_SELF, u32::MAX, address(&mut frames)),
        ("unmapped", DOMID_SELF, 1, UNMAPPED),
        ("hypervisor", DOMID_SELF, 1, HOLE),
    ] {
        let mut list = [gnttab_get_status_frames::new_zeroed()];
        (list[0].dom, list[0].nr_frames, list[0].frame_list) = (dom, nr_frames, at);
        list[0].status = UNTOUCHED;
        let result = op(GNTTABOP_get_status_frames, &mut list);
        r.line(format_args!(
            "{key}={} first={:#x}",
            Outcome(result, list[0].status),
            frames[0]
        ));
    }
}

fn cache_flush(r: &mut Report) {
    let Ok(table) = Table::of(DOMID_SELF) else {
        return r.error("no table");
    };
    let page = Page::new();
    table.grant(REF, &page, 0);
    let bus = page.mfn() << 12;
    let gref = GNTTAB_CACHE_SOURCE_GREF;
    for (key, a, offset, length, cmd) in [
        ("clean", bus, 0, 64, GNTTAB_CACHE_CLEAN),
        ("inval", bus, 0, 64, GNTTAB_CACHE_INVAL),
        (
            "both",
            bus,
            0,
            4096,
            GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL,
        ),
        ("none", bus, 0, 64, 0),
        ("unknown", bus, 0, 64, 4),
        ("too_long", bus, 1, 4096, GNTTAB_CACHE_CLEAN),
        ("empty", bus, 1, 0, GNTTAB_CACHE_CLEAN),
        ("offset_beyond", bus, 4097, 0, GNTTAB_CACHE_CLEAN),
        ("bus_offset", bus + 8, 0, 64, GNTTAB_CACHE_CLEAN),
        ("no_frame", u64::MAX << 12, 0, 64, GNTTAB_CACHE_CLEAN),
        ("bios", 0xf_0000, 0, 64, GNTTAB_CACHE_CLEAN),
        ("gref", REF.into(), 0, 64, gref | GNTTAB_CACHE_CLEAN),
        ("gref_none", 500, 0, 64, gref | GNTTAB_CACHE_CLEAN),
        (
            "gref_beyond",
            u32::MAX.into(),
            0,
            64,
            gref | GNTTAB_CACHE_CLEAN,
        ),
        ("gref_nothing", REF.into(), 0, 64, gref),
    ] {
        let mut list = [gnttab_cache_flush::new_zeroed()];
        (list[0].a, list[0].offset, list[0].length, list[0].op) = (a, offset, length, cmd);
        r.result(key, op(GNTTABOP_cache_flush, &mut list));
    }
    let mut list: [gnttab_cache_flush; 3] = core::array::from_fn(|_| {
        let mut one = gnttab_cache_flush::new_zeroed();
        (one.a, one.length, one.op) = (bus, 8, GNTTAB_CACHE_CLEAN);
        one
    });
    r.result("three", op(GNTTABOP_cache_flush, &mut list));
    list[1].op = 0;
    r.result("idle_amid", op(GNTTABOP_cache_flush, &mut list));
    list[1].op = 64;
    r.result("bad_amid", op(GNTTABOP_cache_flush, &mut list));
    let at = Page::new();
    let mapped = map(at.va(), GNTMAP_host_map, REF, ME);
    list[1].op = GNTTAB_CACHE_CLEAN;
    r.result("mapped", op(GNTTABOP_cache_flush, &mut list));
    r.line(format_args!("unmap={}", unmap(at.va(), 0, mapped.handle)));
    table.clear(REF);
}

/// The version is asked for while grants are in use.
fn version(r: &mut Report) {
    let Ok(table) = Table::of(DOMID_SELF) else {
        return r.error("no table");
    };
    let page = Page::new();
    let at = Page::new();
    table.grant(REF, &page, 0);
    let mapped = map(at.va(), GNTMAP_host_map, REF, ME);
    for version in [1, 0, 3] {
        let mut list = [gnttab_set_version { version }];
        let result = op(GNTTABOP_set_version, &mut list);
        r.line(format_args!(
            "set{version}={} now={}",
            Shown(result),
            list[0].version
        ));
    }
    r.line(format_args!(
        "map={mapped} unmap={}",
        unmap(at.va(), 0, mapped.handle)
    ));
    table.clear(REF);
}

/// A list goes on behind one that is refused.
fn lists(r: &mut Report) {
    let Ok(table) = Table::of(DOMID_SELF) else {
        return r.error("no table");
    };
    let page = Page::new();
    let l1 = Page::read_only();
    r.result("pin", extended(MMUEXT_PIN_L1_TABLE, l1.mfn(), 0));
    table.grant(REF, &page, 0);
    let flags = GNTMAP_host_map | GNTMAP_contains_pte;
    let mut list: [gnttab_map_grant_ref; 8] =
        core::array::from_fn(|i| wanted(l1.slot(i), flags, REF, ME));
    list[2].r#ref = REF + 1;
    list[5].dom = NOBODY;
    list[6].flags = 0;
    let result = op(GNTTABOP_map_grant_ref, &mut list);
    let statuses: [i16; 8] = core::array::from_fn(|i| list[i].status);
    r.line(format_args!(
        "map={} statuses={statuses:?} flags={:#x}",
        Shown(result),
        table.flags(REF)
    ));
    let mut undone: [gnttab_unmap_grant_ref; 8] =
        core::array::from_fn(|i| undo(l1.slot(i), 0, list[i].handle));
    undone[3].handle = u32::MAX;
    let result = op(GNTTABOP_unmap_grant_ref, &mut undone);
    let statuses: [i16; 8] = core::array::from_fn(|i| undone[i].status);
    r.line(format_args!(
        "unmap={} statuses={statuses:?} flags={:#x}",
        Shown(result),
        table.flags(REF)
    ));
    r.line(format_args!(
        "last={} flags={:#x}",
        unmap(l1.slot(3), 0, list[3].handle),
        table.flags(REF)
    ));
    // As many mappings of one entry as it takes.
    let mut handles = alloc::vec::Vec::new();
    let mut first_refusal = (0, 0);
    for i in 0..512 {
        let mapped = map(l1.slot(i), flags, REF, ME);
        if mapped.status == GNTST_okay {
            handles.push((i, mapped.handle));
        } else if first_refusal == (0, 0) {
            first_refusal = (i, mapped.status);
        }
    }
    r.line(format_args!(
        "most={} refused={first_refusal:?} flags={:#x}",
        handles.len(),
        table.flags(REF)
    ));
    for (key, more) in [
        ("read_only", GNTMAP_readonly),
        ("device", GNTMAP_device_map),
    ] {
        let other = map(l1.slot(511), flags | more, REF, ME);
        r.line(format_args!("beside_{key}={other}"));
        if other.status == GNTST_okay {
            let done = unmap(l1.slot(511), other.bus, other.handle);
            r.line(format_args!("beside_{key}_unmap={done}"));
        }
    }
    let mut device = gnttab_copy::new_zeroed();
    device.source.u = REF.into();
    (device.dest.u, device.dest.domid) = (page.mfn(), DOMID_SELF);
    (device.flags, device.status) = (GNTCOPY_source_gref, UNTOUCHED);
    let result = op(GNTTABOP_copy, core::slice::from_mut(&mut device));
    r.line(format_args!("copy_from={}", Outcome(result, device.status)));
    core::mem::swap(&mut device.source, &mut device.dest);
    device.flags = GNTCOPY_dest_gref;
    let result = op(GNTTABOP_copy, core::slice::from_mut(&mut device));
    r.line(format_args!("copy_to={}", Outcome(result, device.status)));
    let mut list: alloc::vec::Vec<_> = handles
        .iter()
        .map(|&(i, handle)| undo(l1.slot(i), 0, handle))
        .collect();
    let result = op(GNTTABOP_unmap_grant_ref, &mut list);
    let good = list.iter().filter(|u| u.status == GNTST_okay).count();
    r.line(format_args!(
        "unmap_all={} same={} flags={:#x}",
        Shown(result),
        good == handles.len(),
        table.flags(REF)
    ));
    r.result("unpin", extended(MMUEXT_UNPIN_TABLE, l1.mfn(), 0));
    table.clear(REF);
}

/// Lists whose end is not there, or cannot be written.
fn faults(r: &mut Report) {
    let Ok(table) = Table::of(DOMID_SELF) else {
        return r.error("no table");
    };
    let page = Page::new();
    let at = Page::new();
    let buffer = Page::new();
    table.grant(LOST, &page, 0);
    for cmd in 0..13 {
        // Nothing but zeroes, whatever it is, at addresses that are none.
        for (key, va) in BAD_ADDRESSES {
            for count in [0, 1, 2] {
                // SAFETY: there is no list.
                let result = unsafe { call(__HYPERVISOR_grant_table_op, [cmd, va, count, 0, 0]) };
                r.line(format_args!("cmd{cmd}_{key}_{count}={}", Shown(result)));
            }
        }
    }
    // The second of two lies behind the end of what is mapped.
    let end = |size: usize| buffer.va() + 4096 - size as u64;
    let map_at = end(size_of::<gnttab_map_grant_ref>());
    let words = [
        at.va(),
        u64::from(GNTMAP_host_map) | u64::from(LOST) << 32,
        u64::from(ME),
        0,
    ];
    let behind = Pair::new();
    if let Some(pair) = &behind {
        for (i, word) in words.into_iter().enumerate() {
            pair.write_at_end(4 - i, word);
        }
        let _ = map_at;
        let args = [u64::from(GNTTABOP_map_grant_ref), pair.end() - 32, 2, 0, 0];
        // SAFETY: the place to map is this check's own page.
        let result = unsafe { call(__HYPERVISOR_grant_table_op, args) };
        let last = pair.read_at_end(2);
        r.line(format_args!(
            "map_fault={} status={} flags={:#x}",
            Shown(result),
            (last >> 16) as u16 as i16,
            table.flags(LOST)
        ));
        let handle = (last >> 32) as u32;
        // The same to be undone: the first is done.
        for (i, word) in [at.va(), 0, u64::from(handle)].into_iter().enumerate() {
            pair.write_at_end(3 - i, word);
        }
        let args = [
            u64::from(GNTTABOP_unmap_grant_ref),
            pair.end() - 24,
            2,
            0,
            0,
        ];
        // SAFETY: as above.
        let result = unsafe { call(__HYPERVISOR_grant_table_op, args) };
        r.line(format_args!(
            "unmap_fault={} status={} flags={:#x} bits={:#x}",
            Shown(result),
            (pair.read_at_end(1) >> 32) as u16 as i16,
            table.flags(LOST),
            at.bits()
        ));
        at.restore();
    } else {
        r.error("no pair of pages");
    }
    // A result that cannot be written.
    for (i, word) in words.into_iter().enumerate() {
        buffer.write(i, word);
    }
    buffer.protect();
    let args = [u64::from(GNTTABOP_map_grant_ref), buffer.va(), 1, 0, 0];
    // SAFETY: as above.
    let result = unsafe { call(__HYPERVISOR_grant_table_op, args) };
    r.line(format_args!(
        "read_only={} flags={:#x} itself={}",
        Shown(result),
        table.flags(LOST),
        at.is_itself()
    ));
    buffer.restore();
    at.restore();
    table.clear(LOST);
}

/// A page behind which nothing is mapped.
struct Pair(Page, Page);

impl Pair {
    fn new() -> Option<Self> {
        let mut pages: alloc::vec::Vec<Page> = (0..16).map(|_| Page::new()).collect();
        pages.sort_by_key(Page::va);
        let i = pages
            .windows(2)
            .position(|two| two[1].va() == two[0].va() + 4096)?;
        let second = pages.remove(i + 1);
        let first = pages.remove(i);
        second.map(0).ok()?;
        Some(Self(first, second))
    }

    fn end(&self) -> u64 {
        self.1.va()
    }

    /// Writes the `i`th word from the end, counted from 1.
    fn write_at_end(&self, i: usize, value: u64) {
        self.0.write(512 - i, value);
    }

    fn read_at_end(&self, i: usize) -> u64 {
        self.0.read(512 - i)
    }
}

/// How many an operation takes at once.
fn counts(r: &mut Report) {
    let buffer = Page::new();
    for cmd in 0..14_u64 {
        for count in [0, 1 << 31, u64::from(u32::MAX), 1 << 32] {
            // SAFETY: no count that is taken, or none at all.
            let result =
                unsafe { call(__HYPERVISOR_grant_table_op, [cmd, buffer.va(), count, 0, 0]) };
            r.line(format_args!("cmd{cmd}_{count:#x}={}", Shown(result)));
        }
    }
    for cmd in [2, 3, 6, 8, 9, 10] {
        // SAFETY: as above.
        let result = unsafe { call(__HYPERVISOR_grant_table_op, [cmd, buffer.va(), 2, 0, 0]) };
        r.line(format_args!("cmd{cmd}_2={}", Shown(result)));
    }
    for cmd in [0x1000, 0x1001, 0x1005, 0x8000_0000, 1 << 32, 0x1_0000_0006] {
        // SAFETY: as above.
        let result = unsafe { call(__HYPERVISOR_grant_table_op, [cmd, buffer.va(), 0, 0, 0]) };
        r.line(format_args!("cmd{cmd:#x}={}", Shown(result)));
    }
}

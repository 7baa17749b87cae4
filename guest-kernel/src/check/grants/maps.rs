//! `map_grant_ref`, `unmap_grant_ref` and `unmap_and_replace`.

use super::*;

pub(in super::super) const CHECKS: &[Check] = &[
    ("grant_map", forms),
    ("grant_map_refused", refused),
    ("grant_map_frames", frames),
    ("grant_map_entries", entries),
    ("grant_map_places", places),
    ("grant_map_pte", by_entry),
    ("grant_unmap_refused", unmap_refused),
    ("grant_unmap_parts", parts),
    ("grant_map_again", again),
    ("grant_map_overwritten", overwritten),
    ("grant_replace", replace),
];

/// Takes off a mapping whose entry is gone: what counts is what the entry maps.
fn recover(table: &Table, page: &Page, at: &Page, handle: u32) {
    for entry in [page.entry(pte::RW), page.entry(pte::RO)] {
        if table.flags(REF) & GTF_reading != 0 && at.map(entry).is_ok() {
            let _ = unmap(at.va(), 0, handle);
        }
    }
    at.restore();
}

/// A table whose entry grants a page, the page, and a place to map it.
fn scene() -> HvResult<(Table, Page, Page)> {
    let table = Table::of(DOMID_SELF)?;
    let page = Page::new();
    page.write(3, 0x1234_5678);
    table.grant(REF, &page, 0);
    Ok((table, page, Page::new()))
}

/// The mapping works in all its forms; what the entry that maps looks like, and the shared one.
fn forms(r: &mut Report) {
    let Ok((table, page, at)) = scene() else {
        return r.error("no table");
    };
    for (key, flags) in [
        ("host", GNTMAP_host_map),
        ("read_only", GNTMAP_host_map | GNTMAP_readonly),
        ("application", GNTMAP_host_map | GNTMAP_application_map),
        (
            "application_read_only",
            GNTMAP_host_map | GNTMAP_application_map | GNTMAP_readonly,
        ),
        ("avail0", GNTMAP_host_map | 1 << 16),
        ("avail1", GNTMAP_host_map | 1 << 17),
        ("avail2", GNTMAP_host_map | 1 << 18),
        ("avail3", GNTMAP_host_map | 1 << 19),
        ("avail15", GNTMAP_host_map | 1 << 31),
        ("avail_all", GNTMAP_host_map | GNTMAP_guest_avail_mask),
        ("device", GNTMAP_device_map),
        ("device_read_only", GNTMAP_device_map | GNTMAP_readonly),
        ("both", GNTMAP_host_map | GNTMAP_device_map),
        (
            "both_read_only",
            GNTMAP_host_map | GNTMAP_device_map | GNTMAP_readonly,
        ),
        ("neither", 0),
        ("neither_read_only", GNTMAP_readonly),
        ("unknown5", GNTMAP_host_map | 1 << 5),
        ("unknown15", GNTMAP_host_map | 1 << 15),
    ] {
        let mapped = map(at.va(), flags, REF, ME);
        let mine = at.own_entry() & !0xfff == at.entry(0) & !0xfff;
        r.line(format_args!(
            "{key}={mapped} bits={:#x} itself={mine} flags={:#x} bus={} reads={:#x}",
            at.bits(),
            table.flags(REF),
            show_bus(mapped.bus, &page),
            at.read(3),
        ));
        let host = if flags & GNTMAP_host_map != 0 {
            at.va()
        } else {
            0
        };
        let bus = if flags & GNTMAP_device_map != 0 {
            mapped.bus
        } else {
            0
        };
        if mapped.status == GNTST_okay {
            r.line(format_args!(
                "{key}_unmap={} entry={:#x} flags={:#x}",
                unmap(host, bus, mapped.handle),
                at.own_entry() & !(0xff_ffff_f000 * u64::from(at.is_itself())),
                table.flags(REF),
            ));
        }
        at.restore();
    }
    table.clear(REF);
}

fn show_bus(bus: u64, page: &Page) -> &'static str {
    match bus {
        0 => "none",
        0x77 => "untouched",
        _ if bus == page.mfn() << 12 => "page",
        _ => "other",
    }
}

/// Who and what can be named.
fn refused(r: &mut Report) {
    let Ok((table, _page, at)) = scene() else {
        return r.error("no table");
    };
    for (key, dom, gref, flags) in [
        ("self", DOMID_SELF, REF, GNTMAP_host_map),
        ("nobody", NOBODY, REF, GNTMAP_host_map),
        ("io", DOMID_IO, REF, GNTMAP_host_map),
        ("xen", DOMID_XEN, REF, GNTMAP_host_map),
        ("empty_entry", ME, REF + 1, GNTMAP_host_map),
        ("last_of_frame", ME, 511, GNTMAP_host_map),
        ("beyond_frame", ME, 512, GNTMAP_host_map),
        ("beyond_table", ME, 64 * 512, GNTMAP_host_map),
        ("all_ones", ME, u32::MAX, GNTMAP_host_map),
        ("nobody_no_flags", NOBODY, REF, 0),
        ("no_flags_bad_ref", ME, u32::MAX, 0),
        ("nobody_bad_ref", NOBODY, u32::MAX, GNTMAP_host_map),
    ] {
        let mapped = map(at.va(), flags, gref, dom);
        r.line(format_args!(
            "{key}={mapped} itself={} handle={:#x} bus={:#x} flags={:#x}",
            at.is_itself(),
            mapped.handle,
            mapped.bus,
            table.flags(REF)
        ));
        if mapped.status == GNTST_okay {
            r.line(format_args!(
                "{key}_unmap={}",
                unmap(at.va(), 0, mapped.handle)
            ));
        }
        at.restore();
    }
    table.clear(REF);
}

/// What frames an entry may grant.
fn frames(r: &mut Report) {
    let Ok((table, page, at)) = scene() else {
        return r.error("no table");
    };
    let l1 = Page::read_only();
    r.result("pin", extended(MMUEXT_PIN_L1_TABLE, l1.mfn(), 0));
    let ro = Page::read_only();
    for (key, frame) in [
        ("l1_table", l1.mfn()),
        ("mapped_read_only", ro.mfn()),
        ("hypervisor", 0x100),
        ("bios", 0xf0),
        ("vga", 0xb8),
        ("apic", 0xfee00),
        ("beyond_memory", 0x10_0000),
        ("all_ones", 0xffff_ffff),
    ] {
        for (mode, flags, grant) in [
            ("", GNTMAP_host_map, 0),
            ("_read_only", GNTMAP_host_map | GNTMAP_readonly, 0),
            (
                "_granted_read_only",
                GNTMAP_host_map | GNTMAP_readonly,
                GTF_readonly,
            ),
            ("_for_device", GNTMAP_device_map, 0),
        ] {
            if key == "hypervisor" && crate::mm::p2m::pfn_of(crate::mm::Mfn(frame)).is_some() {
                continue;
            }
            table.set(REF, GTF_permit_access | grant, ME, frame);
            let mapped = map(at.va(), flags, REF, ME);
            r.line(format_args!(
                "{key}{mode}={mapped} bits={:#x} itself={} flags={:#x}",
                at.bits(),
                at.is_itself(),
                table.flags(REF)
            ));
            if mapped.status == GNTST_okay {
                let (host, bus) = if flags & GNTMAP_host_map != 0 {
                    (at.va(), 0)
                } else {
                    (0, mapped.bus)
                };
                r.line(format_args!(
                    "{key}{mode}_unmap={} flags={:#x}",
                    unmap(host, bus, mapped.handle),
                    table.flags(REF)
                ));
            }
            at.restore();
        }
    }
    table.clear(REF);
    r.result("unpin", extended(MMUEXT_UNPIN_TABLE, l1.mfn(), 0));
    drop(page);
}

/// What flags and grantees an entry may have.
fn entries(r: &mut Report) {
    let Ok((table, page, at)) = scene() else {
        return r.error("no table");
    };
    for (key, flags, domid) in [
        ("invalid", GTF_invalid, ME),
        ("transfer", GTF_accept_transfer, ME),
        ("transitive", GTF_transitive, ME),
        ("read_only", GTF_permit_access | GTF_readonly, ME),
        ("other_grantee", GTF_permit_access, 1),
        ("grantee_self", GTF_permit_access, DOMID_SELF),
        ("stale_reading", GTF_permit_access | GTF_reading, ME),
        (
            "stale_writing",
            GTF_permit_access | GTF_reading | GTF_writing,
            ME,
        ),
        ("writing_alone", GTF_permit_access | GTF_writing, ME),
        ("pwt", GTF_permit_access | GTF_PWT, ME),
        ("pcd", GTF_permit_access | GTF_PCD, ME),
        ("pat", GTF_permit_access | GTF_PAT, ME),
        ("sub_page", GTF_permit_access | GTF_sub_page, ME),
        ("bit9", GTF_permit_access | 1 << 9, ME),
        ("high", GTF_permit_access | 0xfe00, ME),
    ] {
        for (mode, map_flags) in [
            ("", GNTMAP_host_map),
            ("_to_read", GNTMAP_host_map | GNTMAP_readonly),
        ] {
            table.set(REF, flags, domid, page.mfn());
            let mapped = map_own(&at, map_flags);
            r.line(format_args!(
                "{key}{mode}={mapped} bits={:#x} flags={:#x}",
                at.bits(),
                table.flags(REF)
            ));
            if mapped.status == GNTST_okay {
                let done = unmap(at.va(), 0, mapped.handle);
                r.line(format_args!(
                    "{key}{mode}_unmap={done} flags={:#x}",
                    table.flags(REF)
                ));
            }
            at.restore();
        }
    }
    table.clear(REF);
}

/// Addresses at which nothing can be mapped, and what stays of it.
fn places(r: &mut Report) {
    let Ok((table, _page, at)) = scene() else {
        return r.error("no table");
    };
    for (key, va) in [
        ("null", 0),
        ("unmapped", UNMAPPED),
        ("hypervisor", HOLE),
        ("m2p", 0xffff_8000_0000_0000),
        ("non_canonical", NON_CANONICAL),
        ("all_ones", u64::MAX),
        ("unaligned", at.va() + 8),
        ("unaligned_1", at.va() + 1),
        ("empty", at.va()),
    ] {
        if key == "empty" {
            r.outcome("clear", at.map(0));
        }
        let mapped = map(va, GNTMAP_host_map, REF, ME);
        r.line(format_args!(
            "{key}={mapped} itself={} bits={:#x} flags={:#x}",
            at.is_itself(),
            at.bits(),
            table.flags(REF)
        ));
        if mapped.status == GNTST_okay {
            let done = unmap(va, 0, mapped.handle);
            r.line(format_args!(
                "{key}_unmap={done} flags={:#x}",
                table.flags(REF)
            ));
            if done.1 != GNTST_okay {
                r.line(format_args!(
                    "{key}_unmap_there={} flags={:#x}",
                    unmap(at.va(), 0, mapped.handle),
                    table.flags(REF)
                ));
            }
        }
        at.restore();
    }
    table.clear(REF);
}

/// Mappings by the entry's machine address.
fn by_entry(r: &mut Report) {
    let Ok((table, page, at)) = scene() else {
        return r.error("no table");
    };
    let flags = GNTMAP_host_map | GNTMAP_contains_pte;
    let l1 = Page::read_only();
    let l2 = Page::read_only();
    let elsewhere = Page::new();
    r.result("pin", extended(MMUEXT_PIN_L1_TABLE, l1.mfn(), 0));
    r.result("pin2", extended(MMUEXT_PIN_L2_TABLE, l2.mfn(), 0));
    for (key, slot) in [
        ("first", l1.slot(0)),
        ("last", l1.slot(511)),
        ("unaligned1", l1.slot(5) + 1),
        ("unaligned4", l1.slot(5) + 4),
        ("level2", l2.slot(0)),
        ("plain_page", at.slot(4)),
        ("the_page_itself", page.slot(4)),
        ("nobodys", 0xf_ffff_f000),
        ("hypervisors", 0x10_0000),
        ("beyond", 1 << 52),
        ("all_ones", u64::MAX - 7),
        ("own_slot", at.own_slot()),
    ] {
        for (mode, more) in [("", 0), ("_read_only", GNTMAP_readonly)] {
            let mapped = map(slot, flags | more, REF, ME);
            r.line(format_args!(
                "{key}{mode}={mapped} first={:#x} last={:#x} sixth={:#x} plain={:#x} own={:#x} flags={:#x}",
                bits(l1.read(0)),
                bits(l1.read(511)),
                bits(l1.read(5)),
                bits(at.read(4)),
                at.bits(),
                table.flags(REF)
            ));
            if mapped.status == GNTST_okay {
                // First as if it was mapped by address, and where it is not.
                for (how, wrong) in [("by_va", elsewhere.va()), ("beside", l1.slot(7))] {
                    r.line(format_args!(
                        "{key}{mode}_{how}={}",
                        unmap(wrong, 0, mapped.handle)
                    ));
                }
                r.line(format_args!(
                    "{key}{mode}_unmap={} first={:#x} last={:#x} own={:#x} flags={:#x}",
                    unmap(slot, 0, mapped.handle),
                    l1.read(0),
                    l1.read(511),
                    at.bits(),
                    table.flags(REF)
                ));
            }
            at.restore();
        }
    }
    r.result("unpin2", extended(MMUEXT_UNPIN_TABLE, l2.mfn(), 0));
    r.result("unpin", extended(MMUEXT_UNPIN_TABLE, l1.mfn(), 0));
    table.clear(REF);
}

fn unmap_refused(r: &mut Report) {
    let Ok((table, page, at)) = scene() else {
        return r.error("no table");
    };
    let elsewhere = Page::new();
    let bus = page.mfn() << 12;
    for (kind, more) in [("", 0), ("device_", GNTMAP_device_map)] {
        for (key, host, bus, handle) in [
            ("nothing", 0, 0, None),
            ("nothing_bad_handle", 0, 0, Some(u32::MAX)),
            ("elsewhere", elsewhere.va(), 0, None),
            ("unmapped", UNMAPPED, 0, None),
            ("hypervisor", HOLE, 0, None),
            ("non_canonical", NON_CANONICAL, 0, None),
            ("unaligned", at.va() + 8, 0, None),
            ("bus_wrong", 0, 0x1000, None),
            ("bus_unaligned", 0, bus + 8, None),
            ("bus_alone", 0, bus, None),
            ("both", at.va(), bus, None),
            ("host_wrong", elsewhere.va(), bus, None),
            ("both_bus_wrong", at.va(), 0x1000, None),
            ("handle_beyond", at.va(), 0, Some(0x00ff_ffff)),
            ("handle_all_ones", at.va(), 0, Some(u32::MAX)),
            ("right", at.va(), 0, None),
        ] {
            let mapped = map_own(&at, more);
            let done = unmap(host, bus, handle.unwrap_or(mapped.handle));
            r.line(format_args!(
                "{kind}{key}={done} entry={:#x} flags={:#x}",
                at.bits(),
                table.flags(REF)
            ));
            let end = unmap(at.va(), 0, mapped.handle);
            let end_of_device = unmap(0, page.mfn() << 12, mapped.handle);
            r.line(format_args!(
                "{kind}{key}_end={end} device={end_of_device} entry={:#x} flags={:#x}",
                at.bits(),
                table.flags(REF)
            ));
            at.restore();
        }
    }
    table.clear(REF);
}

/// A mapping for host and device is undone in parts; in which order the flags go.
fn parts(r: &mut Report) {
    let Ok((table, page, at)) = scene() else {
        return r.error("no table");
    };
    for (key, more) in [("", 0), ("read_only_", GNTMAP_readonly)] {
        for host_first in [true, false] {
            let mapped = map_own(&at, GNTMAP_device_map | more);
            r.line(format_args!(
                "{key}map_{host_first}={mapped} flags={:#x}",
                table.flags(REF)
            ));
            let host = (at.va(), 0);
            let bus = (0, page.mfn() << 12);
            let order = if host_first { [host, bus] } else { [bus, host] };
            for (step, (host, bus)) in order.into_iter().enumerate() {
                r.line(format_args!(
                    "{key}step{step}_{host_first}={} entry={} flags={:#x}",
                    unmap(host, bus, mapped.handle),
                    at.bits() != 0,
                    table.flags(REF)
                ));
                r.line(format_args!(
                    "{key}step{step}_{host_first}_again={}",
                    unmap(host, bus, mapped.handle)
                ));
            }
            at.restore();
        }
    }
    table.clear(REF);
}

/// One entry is mapped several times; its owner changes it meanwhile.
fn again(r: &mut Report) {
    let Ok((table, page, at)) = scene() else {
        return r.error("no table");
    };
    let other = Page::new();
    let third = Page::new();
    for (mode, flags) in [("", 0), ("read_only_", GNTMAP_readonly)] {
        for (key, entry_flags, domid, frame) in [
            ("same", GTF_permit_access, ME, page.mfn()),
            ("moved", GTF_permit_access, ME, other.mfn()),
            (
                "read_only",
                GTF_permit_access | GTF_readonly,
                ME,
                page.mfn(),
            ),
            ("invalid", 0, ME, page.mfn()),
            ("zero", 0, 0, 0),
            ("transfer", GTF_accept_transfer, ME, page.mfn()),
            ("other_grantee", GTF_permit_access, 5, page.mfn()),
            ("sub_page", GTF_permit_access | GTF_sub_page, ME, page.mfn()),
            ("bad_frame", GTF_permit_access, ME, 0xffff_ffff),
        ] {
            for (how, more) in [("", 0), ("_to_read", GNTMAP_readonly)] {
                table.grant(REF, &page, 0);
                let first = map_own(&at, flags);
                table.set(REF, entry_flags, domid, frame);
                let second = map_own(&third, more);
                r.line(format_args!(
                    "{mode}{key}{how}={first} then={second} flags={:#x} old={}",
                    table.flags(REF),
                    third.read(3) == 0x1234_5678
                ));
                if second.status == GNTST_okay {
                    r.line(format_args!(
                        "{mode}{key}{how}_unmap={} flags={:#x}",
                        unmap(third.va(), 0, second.handle),
                        table.flags(REF)
                    ));
                }
                r.line(format_args!(
                    "{mode}{key}{how}_end={} flags={:#x}",
                    unmap(at.va(), 0, first.handle),
                    table.flags(REF)
                ));
                third.restore();
                at.restore();
            }
        }
    }
    // A mapped page cannot become a table.
    table.grant(REF, &page, 0);
    for (key, flags) in [("", 0), ("_read_only", GNTMAP_readonly)] {
        let mapped = map_own(&at, flags);
        page.protect();
        r.result("pin", extended(MMUEXT_PIN_L1_TABLE, page.mfn(), 0));
        let second = map_own(&third, 0);
        r.line(format_args!(
            "pinned{key}={second} flags={:#x}",
            table.flags(REF)
        ));
        if second.status == GNTST_okay {
            let _ = unmap(third.va(), 0, second.handle);
        }
        let _ = extended(MMUEXT_UNPIN_TABLE, page.mfn(), 0);
        page.restore();
        r.line(format_args!(
            "pin_end{key}={}",
            unmap(at.va(), 0, mapped.handle)
        ));
        third.restore();
        at.restore();
    }
    page.write(3, 0x1234_5678);
    table.clear(REF);
}

/// The entry that maps a grant is overwritten by the guest's own updates.
fn overwritten(r: &mut Report) {
    let Ok((table, page, at)) = scene() else {
        return r.error("no table");
    };
    let other = Page::new();
    let mapping = page.mfn() << 12;
    for (key, entry) in [
        ("absent", 0),
        ("own", at.entry(pte::RW)),
        ("other", other.entry(pte::RW)),
        ("same_page_rw", mapping | pte::RW),
        ("same_page_ro", mapping | pte::RO),
    ] {
        for (mode, flags) in [("", 0), ("_read_only", GNTMAP_readonly)] {
            let mapped = map_own(&at, flags);
            r.line(format_args!("{key}{mode}_map={mapped}"));
            r.result("update", at.map(entry));
            r.line(format_args!(
                "{key}{mode}_unmap={} bits={:#x} flags={:#x}",
                unmap(at.va(), 0, mapped.handle),
                at.bits(),
                table.flags(REF)
            ));
            r.line(format_args!(
                "{key}{mode}_again={}",
                unmap(at.va(), 0, mapped.handle)
            ));
            at.restore();
            // What is left over is taken off where it can be.
            let put = at.map(mapping | if flags == 0 { pte::RW } else { pte::RO });
            r.line(format_args!(
                "{key}{mode}_put={} unmap={} flags={:#x}",
                Shown(put),
                unmap(at.va(), 0, mapped.handle),
                table.flags(REF)
            ));
            recover(&table, &page, &at, mapped.handle);
        }
    }
    // And one put over another grant's mapping by a grant.
    let first = map_own(&at, 0);
    let second = map_own(&at, 0);
    r.line(format_args!(
        "over={first} and={second} unmap={}",
        unmap(at.va(), 0, first.handle)
    ));
    r.line(format_args!(
        "over_again={} flags={:#x}",
        unmap(at.va(), 0, second.handle),
        table.flags(REF)
    ));
    let put = at.map(mapping | pte::RW);
    r.line(format_args!(
        "over_put={} unmap={} flags={:#x}",
        Shown(put),
        unmap(at.va(), 0, second.handle),
        table.flags(REF)
    ));
    recover(&table, &page, &at, second.handle);
    r.line(format_args!("end={:#x}", table.flags(REF)));
    table.clear(REF);
}

fn replace_one(host_addr: u64, new_addr: u64, handle: u32) -> Outcome {
    let mut list = [gnttab_unmap_and_replace::new_zeroed()];
    (list[0].host_addr, list[0].new_addr, list[0].handle) = (host_addr, new_addr, handle);
    list[0].status = UNTOUCHED;
    let result = op(GNTTABOP_unmap_and_replace, &mut list);
    Outcome(result, list[0].status)
}

/// What `unmap_and_replace` moves, and when it does not.
fn replace(r: &mut Report) {
    let Ok((table, page, at)) = scene() else {
        return r.error("no table");
    };
    let new = Page::new();
    new.write(3, 0x99);
    for (key, host, to) in [
        ("usual", at.va(), new.va()),
        ("no_new", at.va(), 0),
        ("new_unmapped", at.va(), UNMAPPED),
        ("new_hypervisor", at.va(), HOLE),
        ("new_non_canonical", at.va(), NON_CANONICAL),
        ("itself", at.va(), at.va()),
        ("new_unaligned", at.va(), new.va() + 16),
        ("host_unaligned", at.va() + 16, new.va()),
        ("new_empty", at.va(), new.va()),
        ("host_zero", 0, new.va()),
        ("host_wrong", new.va(), at.va()),
        ("host_unmapped", UNMAPPED, new.va()),
        ("host_hypervisor", HOLE, new.va()),
    ] {
        let mapped = map_own(&at, 0);
        r.line(format_args!("{key}_map={mapped}"));
        if key == "new_empty" {
            r.outcome("clear", new.map(0));
        }
        let done = replace_one(host, to, mapped.handle);
        r.line(format_args!(
            "{key}={done} bits={:#x} new_bits={:#x} flags={:#x}",
            at.bits(),
            new.bits(),
            table.flags(REF)
        ));
        if done.1 == GNTST_okay && at.bits() & 1 != 0 {
            r.line(format_args!("{key}_reads={:#x}", at.read(3)));
        }
        r.line(format_args!(
            "{key}_unmap={} flags={:#x}",
            unmap(at.va(), 0, mapped.handle),
            table.flags(REF)
        ));
        recover(&table, &page, &at, mapped.handle);
        new.restore();
        r.line(format_args!("{key}_end={:#x}", table.flags(REF)));
    }
    r.line(format_args!(
        "bad_handle={}",
        replace_one(at.va(), new.va(), u32::MAX)
    ));
    let pte = map(
        at.own_slot(),
        GNTMAP_host_map | GNTMAP_contains_pte,
        REF,
        ME,
    );
    r.line(format_args!("pte={pte}"));
    r.line(format_args!(
        "pte_replace={} flags={:#x}",
        replace_one(at.own_slot(), new.va(), pte.handle),
        table.flags(REF)
    ));
    r.line(format_args!(
        "pte_no_new={} flags={:#x}",
        replace_one(at.own_slot(), 0, pte.handle),
        table.flags(REF)
    ));
    r.line(format_args!(
        "pte_unmap={} flags={:#x}",
        unmap(at.own_slot(), 0, pte.handle),
        table.flags(REF)
    ));
    at.restore();
    new.restore();
    table.clear(REF);
}

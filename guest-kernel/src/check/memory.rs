//! `memory_op`: reservations, exchange, and what a domain may ask about memory.

use super::page::*;
use super::{Check, Report};
use crate::hypercall::{HvResult, with_struct};
use crate::mm::Mfn;
use crate::mm::paging::pte;
use hypercall_abi::memory::*;
use hypercall_abi::xen::*;

pub(super) const CHECKS: &[Check] = &[
    ("memory_commands", commands),
    ("memory_counts", counts),
    ("memory_decrease", decrease),
    ("memory_populate", populate),
    ("memory_orders", orders),
    ("memory_domains", domains),
    ("memory_exchange", exchange),
    ("memory_maps", maps),
];

fn memory_op(cmd: u32, arg: u64) -> HvResult {
    // SAFETY: what the operations made here write is the structure, or is refused.
    unsafe { call(__HYPERVISOR_memory_op, [u64::from(cmd), arg, 0, 0, 0]) }
}

fn with<T: zerocopy::FromBytes + zerocopy::IntoBytes>(cmd: u32, arg: &mut T) -> HvResult {
    with_struct(__HYPERVISOR_memory_op, cmd, arg)
}

fn reservation(list: u64, count: u64, order: u32, domid: u16) -> xen_memory_reservation {
    xen_memory_reservation {
        extent_start: list,
        nr_extents: count,
        extent_order: order,
        mem_flags: 0,
        domid,
        _pad0: [0; 6],
    }
}

/// Pages the domain has now.
fn current() -> u64 {
    let mut arg = xen_memory_domain { domid: DOMID_SELF };
    with(XENMEM_current_reservation, &mut arg).unwrap_or(0)
}

fn commands(r: &mut Report) {
    for cmd in [8, 29, 63, u32::MAX] {
        r.line(format_args!("cmd{cmd}={}", Shown(memory_op(cmd, 0))));
    }
    for cmd in [0, 1, 3, 4, 5, 6, 9, 10, 11, 12, 14] {
        for (key, at) in BAD_ADDRESSES {
            r.line(format_args!("cmd{cmd}_{key}={}", Shown(memory_op(cmd, at))));
        }
    }
    r.outcome("maximum_ram_page", memory_op(XENMEM_maximum_ram_page, 0));
}

fn counts(r: &mut Report) {
    for (key, domid) in [
        ("self", DOMID_SELF),
        ("dom0", 0),
        ("nobody", NOBODY),
        ("io", DOMID_IO),
        ("xen", DOMID_XEN),
        ("invalid", DOMID_INVALID),
    ] {
        let mut arg = xen_memory_domain { domid };
        let now = with(XENMEM_current_reservation, &mut arg);
        let most = with(XENMEM_maximum_reservation, &mut arg);
        let last = with(XENMEM_maximum_gpfn, &mut arg);
        r.line(format_args!("{key}_now={}", Shown(now)));
        r.line(format_args!("{key}_most={}", Shown(most.map(|_| 0))));
        r.line(format_args!("{key}_gpfn={}", Shown(last)));
    }
}

fn decrease(r: &mut Report) {
    let before = current();
    let change = |list: u64, count: u64, order: u32| {
        let mut arg = reservation(list, count, order, DOMID_SELF);
        with(XENMEM_decrease_reservation, &mut arg)
    };
    let page = Page::new();
    let mut frames = [0x3f_ffff_u64, 0xf_ee00, 0xb8, u64::MAX];
    let at = address(&mut frames);
    for (key, list, count, order) in [
        ("empty", at, 0, 0),
        ("beyond_memory", at, 1, 0),
        ("local_apic", at + 8, 1, 0),
        ("vga", at + 16, 1, 0),
        ("all_ones", at + 24, 1, 0),
        ("unmapped_list", UNMAPPED, 1, 0),
        ("hypervisor_list", HOLE, 1, 0),
        ("huge_count", at, u64::MAX, 0),
        ("huge_order", at, 1, 64),
        ("large_order", at, 1, 19),
    ] {
        r.result(key, change(list, count, order));
    }
    // A page that is still mapped can be given up; its frame goes when the mapping does.
    let mut mapped = [page.mfn()];
    r.result("mapped", change(address(&mut mapped), 1, 0));
    r.line(format_args!("count={}", before.wrapping_sub(current())));
    r.line(format_args!(
        "again={}",
        Shown(change(address(&mut mapped), 1, 0))
    ));
    r.line(format_args!("unmap={}", Shown(page.map(0))));
    r.line(format_args!(
        "count_after={}",
        before.wrapping_sub(current())
    ));
    r.line(format_args!(
        "map_again={}",
        Shown(page.map(page.entry(pte::RO)))
    ));
    // And one back.
    let mut pfn = [page.pfn()];
    let mut arg = reservation(address(&mut pfn), 1, 0, DOMID_SELF);
    r.result("populate", with(XENMEM_populate_physmap, &mut arg));
    page.replace(Mfn(pfn[0]));
    r.line(format_args!(
        "count_back={}",
        before.wrapping_sub(current())
    ));
    page.restore();
    r.line(format_args!(
        "clean={}",
        page.read(0) == 0 && page.read(511) == 0
    ));
    // A pinned table cannot go.
    page.protect();
    extended(MMUEXT_PIN_L1_TABLE, page.mfn(), 0).expect("an empty page is a table");
    let mut table = [page.mfn()];
    let gone = change(address(&mut table), 1, 0);
    r.result("pinned", gone);
    r.line(format_args!(
        "pinned_count={}",
        before.wrapping_sub(current())
    ));
    let unpinned = extended(MMUEXT_UNPIN_TABLE, page.mfn(), 0);
    r.result("unpin", unpinned);
    if gone == Ok(1) {
        let _ = page.map(0);
        let mut pfn = [page.pfn()];
        let mut arg = reservation(address(&mut pfn), 1, 0, DOMID_SELF);
        r.result("populate_again", with(XENMEM_populate_physmap, &mut arg));
        page.replace(Mfn(pfn[0]));
    }
    r.line(format_args!("count_end={}", before.wrapping_sub(current())));
}

fn populate(r: &mut Report) {
    let before = current();
    for (name, cmd) in [
        ("increase", XENMEM_increase_reservation),
        ("populate", XENMEM_populate_physmap),
    ] {
        let mut list = [0_u64; 2];
        let at = address(&mut list);
        // Not an increase into a list that cannot be written: real Xen gives the page away and
        // cannot say which.
        for (key, list, count, order) in [
            ("empty", at, 0, 0),
            ("hypervisor_list", HOLE, 1, 0),
            ("huge_count", at, u64::MAX, 0),
            ("huge_order", at, 1, 64),
            ("large_order", at, 1, 19),
        ] {
            let mut arg = reservation(list, count, order, DOMID_SELF);
            r.line(format_args!("{name}_{key}={}", Shown(with(cmd, &mut arg))));
            r.line(format_args!(
                "{name}_{key}_count={}",
                current().wrapping_sub(before)
            ));
        }
    }
}

fn orders(r: &mut Report) {
    // Four pages in one extent, taken and given back.
    let before = current();
    let mut pfn = [0x10_0000_u64];
    let mut arg = reservation(address(&mut pfn), 1, 2, DOMID_SELF);
    let got = with(XENMEM_increase_reservation, &mut arg);
    r.result("increase", got);
    r.line(format_args!("count={}", current().wrapping_sub(before)));
    if got == Ok(1) {
        r.line(format_args!("aligned={}", pfn[0].is_multiple_of(4)));
        let mut arg = reservation(address(&mut pfn), 1, 2, DOMID_SELF);
        r.result("decrease", with(XENMEM_decrease_reservation, &mut arg));
        r.line(format_args!(
            "count_back={}",
            current().wrapping_sub(before)
        ));
    }
}

fn domains(r: &mut Report) {
    let mut list = [0x3f_ffff_u64];
    let at = address(&mut list);
    for (key, domid) in [
        ("own_id", 0),
        ("nobody", NOBODY),
        ("io", DOMID_IO),
        ("xen", DOMID_XEN),
        ("invalid", DOMID_INVALID),
        ("idle", DOMID_IDLE),
    ] {
        for (name, cmd) in [
            ("increase", XENMEM_increase_reservation),
            ("decrease", XENMEM_decrease_reservation),
            ("populate", XENMEM_populate_physmap),
        ] {
            let mut arg = reservation(at, u64::from(domid != 0), 0, domid);
            r.line(format_args!("{name}_{key}={}", Shown(with(cmd, &mut arg))));
        }
    }
}

fn exchange(r: &mut Report) {
    let page = Page::new();
    let before = current();
    page.map(0).expect("a page can be unmapped");
    let mut old = [page.mfn()];
    let mut new = [page.pfn()];
    let (input, output) = (address(&mut old), address(&mut new));
    let form = |in_order: u32, out_order: u32, in_count: u64, out_count: u64, domid: u16| {
        xen_memory_exchange {
            r#in: reservation(input, in_count, in_order, DOMID_SELF),
            out: reservation(output, out_count, out_order, domid),
            nr_exchanged: 0,
        }
    };
    for (key, mut arg) in [
        ("empty", form(0, 0, 0, 0, DOMID_SELF)),
        ("sizes_differ", form(0, 0, 1, 2, DOMID_SELF)),
        ("orders_differ", form(1, 0, 1, 1, DOMID_SELF)),
        ("domains_differ", form(0, 0, 1, 1, NOBODY)),
        ("huge_order", form(64, 64, 1, 1, DOMID_SELF)),
    ] {
        r.line(format_args!(
            "{key}={}",
            Shown(with(XENMEM_exchange, &mut arg))
        ));
    }
    let mut arg = form(0, 0, 1, 1, DOMID_SELF);
    let done = with(XENMEM_exchange, &mut arg);
    r.line(format_args!(
        "one={} exchanged={}",
        Shown(done),
        arg.nr_exchanged
    ));
    if done.is_ok() {
        r.line(format_args!("moved={}", new[0] != page.mfn()));
        page.replace(Mfn(new[0]));
    }
    page.restore();
    r.line(format_args!("count={}", current().wrapping_sub(before)));
    r.line(format_args!("clean={}", page.read(0) == 0));
}

fn maps(r: &mut Report) {
    let mut mapping = xen_machphys_mapping {
        v_start: 0,
        v_end: 0,
        max_mfn: 0,
    };
    r.result("machphys", with(XENMEM_machphys_mapping, &mut mapping));
    r.line(format_args!(
        "machphys_start={:#x} end={:#x} covers_memory={}",
        mapping.v_start,
        mapping.v_end,
        mapping.max_mfn > 0x1_0000
    ));
    let mut buffer = [0_u64; 64];
    let at = address(&mut buffer);
    for (key, nr_entries, buffer) in [
        ("none", 0, at),
        ("unmapped", 10, UNMAPPED),
        ("hypervisor", 10, HOLE),
    ] {
        for (name, cmd) in [
            ("map", XENMEM_memory_map),
            ("machine_map", XENMEM_machine_memory_map),
        ] {
            let mut arg = xen_memory_map {
                nr_entries,
                _pad0: [0; 4],
                buffer,
            };
            r.line(format_args!("{name}_{key}={}", Shown(with(cmd, &mut arg))));
        }
    }
    let mut entries = [0_u32; 5 * 64];
    let mut arg = xen_memory_map {
        nr_entries: 64,
        _pad0: [0; 4],
        buffer: address(&mut entries),
    };
    r.result("machine_map", with(XENMEM_machine_memory_map, &mut arg));
    // Each entry is an address, a size and a type: 20 bytes.
    let ram = entries
        .chunks(5)
        .take(arg.nr_entries as usize)
        .filter(|e| e[4] == 1)
        .count();
    r.line(format_args!("machine_map_has_ram={}", ram > 0));
    let mut list = [0_u64; 4];
    for (key, max_extents) in [("all", 4), ("none", 0)] {
        let mut arg = xen_machphys_mfn_list {
            max_extents,
            _pad0: [0; 4],
            extent_start: address(&mut list),
            nr_extents: 99,
            _pad1: [0; 4],
        };
        let result = with(XENMEM_machphys_mfn_list, &mut arg);
        r.line(format_args!(
            "mfn_list_{key}={} extents={}",
            Shown(result),
            arg.nr_extents
        ));
    }
    // The table's own frames are the hypervisor's: to be read there, not to be mapped.
    let window = Page::new();
    for (key, rights) in [("read", pte::RO), ("write", pte::RW)] {
        let result = window.map(list[0] << 12 | rights);
        r.line(format_args!("mfn_list_map_{key}={}", Shown(result)));
        window.restore();
    }
    let mut arg = xen_foreign_memory_map {
        domid: DOMID_SELF,
        _pad0: [0; 6],
        map: xen_memory_map {
            nr_entries: 0,
            _pad0: [0; 4],
            buffer: 0,
        },
    };
    arg.domid = NOBODY;
    r.result("set_map_nobody", with(XENMEM_set_memory_map, &mut arg));
}

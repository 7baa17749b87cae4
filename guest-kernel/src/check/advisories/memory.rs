//! Advisories about memory operations, page tables and what calls leave in their outputs.

use super::super::page::*;
use super::super::{Check, Report};
use crate::hypercall::{HvResult, with_struct};
use crate::mm::Mfn;
use crate::mm::paging::pte::{self, NX, PRESENT, USER, WRITE};
use hypercall_abi::Union;
use hypercall_abi::domctl::*;
use hypercall_abi::memory::*;
use hypercall_abi::vcpu::*;
use hypercall_abi::version::*;
use hypercall_abi::xen::*;

pub(in super::super) const CHECKS: &[Check] = &[
    ("xsa_20_timer_deadlines", timer_deadlines),
    ("xsa_29_exchange_output", exchange_output),
    ("xsa_31_extent_orders", extent_orders),
    ("xsa_45_pins_undone", pins_undone),
    ("xsa_109_update_commands", update_commands),
    ("xsa_113_machphys_reference", machphys_reference),
    ("xsa_122_version_leftovers", version_leftovers),
    ("xsa_132_tsc_info", tsc_info),
    ("xsa_148_superpage_bit", superpage_bit),
    ("xsa_159_exchange_errors", exchange_errors),
    ("xsa_182_own_root_writable", own_root_writable),
    ("xsa_185_linear_levels", linear_levels),
    ("xsa_212_exchange_range", exchange_range),
    ("xsa_227_misaligned_entries", misaligned_entries),
    ("xsa_231_node_numbers", node_numbers),
    ("xsa_242_type_references", type_references),
    ("xsa_273_absent_entries", absent_entries),
    ("xsa_279_invlpg_addresses", invlpg_addresses),
    ("xsa_287_steal_used_pages", steal_used_pages),
    ("xsa_296_vcpu_context", vcpu_context),
    ("xsa_299_partial_tables", partial_tables),
    ("xsa_402_cacheability", cacheability),
];

fn memory<T: zerocopy::FromBytes + zerocopy::IntoBytes>(cmd: u32, arg: &mut T) -> HvResult {
    with_struct(__HYPERVISOR_memory_op, cmd, arg)
}

fn reservation(list: u64, count: u64, order: u32, mem_flags: u32) -> xen_memory_reservation {
    xen_memory_reservation {
        extent_start: list,
        nr_extents: count,
        extent_order: order,
        mem_flags,
        domid: DOMID_SELF,
        _pad0: [0; 6],
    }
}

/// Pages the domain has now.
fn current() -> u64 {
    let mut arg = xen_memory_domain { domid: DOMID_SELF };
    memory(XENMEM_current_reservation, &mut arg).unwrap_or(0)
}

fn pin(level: u32, page: &Page) -> HvResult {
    extended(MMUEXT_PIN_L1_TABLE + level - 1, page.mfn(), 0)
}

fn unpin(page: &Page) -> HvResult {
    extended(MMUEXT_UNPIN_TABLE, page.mfn(), 0)
}

/// Deadlines and periods whose sums overflow.
fn timer_deadlines(r: &mut Report) {
    let vcpu_op = |cmd: u32, at: u64| {
        // SAFETY: timers only.
        unsafe { call(__HYPERVISOR_vcpu_op, [u64::from(cmd), 0, at, 0, 0]) }
    };
    for period in [1_u64, 999_999, 1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX] {
        let mut arg = period;
        let set = vcpu_op(VCPUOP_set_periodic_timer, address(&mut arg));
        r.line(format_args!("period_{period:#x}={}", Shown(set)));
        let stop = vcpu_op(VCPUOP_stop_periodic_timer, 0);
        r.line(format_args!("stop={}", Shown(stop)));
    }
    for deadline in [1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX] {
        let mut arg = [deadline, 0];
        let set = vcpu_op(VCPUOP_set_singleshot_timer, address(&mut arg));
        r.line(format_args!("single_{deadline:#x}={}", Shown(set)));
        let stop = vcpu_op(VCPUOP_stop_singleshot_timer, 0);
        r.line(format_args!("stop={}", Shown(stop)));
    }
}

fn exchange(input: u64, output: u64, counts: (u64, u64), done: u64) -> xen_memory_exchange {
    xen_memory_exchange {
        r#in: reservation(input, counts.0, 0, 0),
        out: reservation(output, counts.1, 0, 0),
        nr_exchanged: done,
    }
}

/// Results of an exchange that would be written to the hypervisor's memory.
fn exchange_output(r: &mut Report) {
    let page = Page::new();
    let mut old = [page.mfn()];
    let input = address(&mut old);
    for (key, output) in [
        ("hypervisor", HOLE),
        (
            "machine_to_phys",
            hypercall_abi::arch_x86_64::MACH2PHYS_VIRT_START,
        ),
        ("non_canonical", NON_CANONICAL),
    ] {
        let mut arg = exchange(input, output, (1, 1), 0);
        let result = memory(XENMEM_exchange, &mut arg);
        r.line(format_args!(
            "{key}={} done={}",
            Shown(result),
            arg.nr_exchanged
        ));
        r.line(format_args!("{key}_kept={}", page.is_itself()));
    }
}

/// The same with a list that is right but for the part that the count of those done leads to.
fn exchange_range(r: &mut Report) {
    let page = Page::new();
    let mut lists = [[page.mfn()], [page.pfn()]];
    let [input, output] = [0, 1].map(|i| address(&mut lists[i]));
    let to = |target: u64| target.wrapping_sub(output) / 8;
    for (key, counts, done) in [
        ("one_done", (1, 1), 1),
        ("two_done", (1, 1), 2),
        ("to_hypervisor", (to(HOLE) + 1, to(HOLE) + 1), to(HOLE)),
        ("half", (1 << 63, 1 << 63), 1 << 61),
        ("beyond", (1, 1), 1 << 60),
        ("huge", (u64::MAX, u64::MAX), 0),
    ] {
        let mut arg = exchange(input, output, counts, done);
        let result = memory(XENMEM_exchange, &mut arg);
        let moved = arg.nr_exchanged.wrapping_sub(done);
        r.line(format_args!("{key}={} moved={moved}", Shown(result)));
        r.line(format_args!("{key}_kept={}", page.is_itself()));
    }
}

fn extent_orders(r: &mut Report) {
    let mut list = [0x3f_ffff_u64];
    let at = address(&mut list);
    let before = current();
    for order in [19, 20, 30, 31, 32, 52, 63, 64, u32::MAX] {
        for (name, cmd) in [
            ("increase", XENMEM_increase_reservation),
            ("decrease", XENMEM_decrease_reservation),
            ("populate", XENMEM_populate_physmap),
        ] {
            let mut arg = reservation(at, 1, order, 0);
            let result = memory(cmd, &mut arg);
            r.line(format_args!("{name}_{order}={}", Shown(result)));
        }
        let mut arg = exchange(at, at, (1, 1), 0);
        (arg.r#in.extent_order, arg.out.extent_order) = (order, order);
        let result = memory(XENMEM_exchange, &mut arg);
        r.line(format_args!("exchange_{order}={}", Shown(result)));
        r.line(format_args!("count={}", current().wrapping_sub(before)));
    }
}

/// Pins that fail at the last entry, again and again, leave no reference.
fn pins_undone(r: &mut Report) {
    let (table, lower) = (Page::new(), Page::new());
    for i in 0..511 {
        table.write(i, lower.entry(pte::TABLE));
    }
    table.write(511, lower.entry(pte::TABLE) | 1 << 7 | 1 << 52);
    table.protect();
    lower.protect();
    for level in 2..=4 {
        let mut results = [Ok(0); 4];
        for result in &mut results {
            *result = pin(level, &table);
        }
        let equal = results.iter().all(|result| *result == results[0]);
        r.line(format_args!(
            "level{level}={} equal={equal}",
            Shown(results[0])
        ));
    }
    r.result("lower_free", lower.map(lower.entry(pte::RW)));
    r.result("table_free", table.map(table.entry(pte::RW)));
}

/// Commands that a request's two low bits do not mean.
fn update_commands(r: &mut Report) {
    let page = Page::read_only();
    pin(1, &page).expect("an empty page is a table");
    for low in 0..8 {
        for (key, owner) in [("self", DOMID_SELF), ("nobody", NOBODY), ("xen", DOMID_XEN)] {
            let result = update(page.slot(0) | low, 0, owner);
            r.line(format_args!("{key}{low}={}", Shown(result)));
        }
    }
    unpin(&page).expect("a pinned table can be unpinned");
}

/// Telling the machine-to-phys table of a page takes no reference to it for good.
fn machphys_reference(r: &mut Report) {
    let page = Page::new();
    let before = current();
    let at = page.mfn() << 12 | u64::from(MMU_MACHPHYS_UPDATE as u8);
    let refused = (0..100)
        .filter(|_| update(at, page.pfn(), DOMID_SELF).is_err())
        .count();
    r.line(format_args!("refused={refused}"));
    page.map(0).expect("a page can be unmapped");
    let mut list = [page.mfn()];
    let mut arg = reservation(address(&mut list), 1, 0, 0);
    r.result("given_up", memory(XENMEM_decrease_reservation, &mut arg));
    r.line(format_args!("count={}", before.wrapping_sub(current())));
    r.result("again", memory(XENMEM_decrease_reservation, &mut arg));
    r.result("told_again", update(at, page.pfn(), DOMID_SELF));
    let mut list = [page.pfn()];
    let mut arg = reservation(address(&mut list), 1, 0, 0);
    r.result("back", memory(XENMEM_populate_physmap, &mut arg));
    page.replace(Mfn(list[0]));
    page.restore();
    r.line(format_args!(
        "count_back={}",
        before.wrapping_sub(current())
    ));
}

/// The filling of buffers that calls write to.
const FILL: u8 = 0xa5;

/// How many bytes were written to a filled buffer, and whether all behind the first zero are zero.
fn written(buffer: &[u8]) -> (usize, bool) {
    let end = buffer
        .iter()
        .rposition(|&b| b != FILL)
        .map_or(0, |last| last + 1);
    let text = buffer.iter().position(|&b| b == 0).unwrap_or(end);
    let clean = buffer
        .get(text..end)
        .is_none_or(|tail| tail.iter().all(|&b| b == 0));
    (end, clean)
}

/// Texts of the version calls: written to their ends, with nothing but zeroes behind them.
fn version_leftovers(r: &mut Report) {
    for (key, cmd, texts) in [
        ("extraversion", XENVER_extraversion, &[16][..]),
        ("capabilities", XENVER_capabilities, &[1024]),
        ("changeset", XENVER_changeset, &[64]),
        ("command_line", XENVER_commandline, &[1024]),
        ("compile_info", XENVER_compile_info, &[64, 16, 32, 32]),
    ] {
        let mut buffer = [FILL; 2048];
        // SAFETY: the buffer is larger than any of these structures.
        let result = unsafe {
            call(
                __HYPERVISOR_xen_version,
                [u64::from(cmd), address(&mut buffer), 0, 0, 0],
            )
        };
        let (len, _) = written(&buffer);
        let mut rest = &buffer[..];
        let clean = texts.iter().all(|&len| {
            let (text, behind) = rest.split_at(len);
            rest = behind;
            written(text).1
        });
        let result = Shown(result.map(|_| 0));
        r.line(format_args!("{key}={result} bytes={len} clean={clean}"));
    }
}

/// A control call's structure: which of its bytes the call leaves as they were.
fn tsc_info(r: &mut Report) {
    let mut op = xen_domctl {
        cmd: XEN_DOMCTL_gettscinfo,
        interface_version: XEN_DOMCTL_INTERFACE_VERSION,
        domain: 0,
        _pad: [0; 3],
        u: Union::zeroed(),
    };
    // SAFETY: the operation writes the structure alone.
    let result = unsafe { call(__HYPERVISOR_domctl, [address(&mut op), 0, 0, 0, 0]) };
    r.result("own", result);
}

/// The bit that makes an entry a superpage, on entries that were right without it.
fn superpage_bit(r: &mut Report) {
    const LARGE: u64 = 1 << 7;
    let (table, lower) = (Page::read_only(), Page::read_only());
    for level in 2..=4 {
        pin(level, &table).expect("an empty page is a table");
        if level > 2 {
            pin(level - 1, &lower).expect("an empty page is a table");
        }
        for (key, first, second) in [
            ("fresh", 0, LARGE),
            ("added", pte::TABLE, LARGE),
            ("writable", PRESENT | USER, LARGE | WRITE),
        ] {
            if first != 0 {
                let linked = update(table.slot(0), lower.entry(first), DOMID_SELF);
                r.line(format_args!("level{level}_{key}_link={}", Shown(linked)));
            }
            let large = lower.entry(pte::TABLE | first | second);
            let result = update(table.slot(0), large, DOMID_SELF);
            r.line(format_args!("level{level}_{key}={}", Shown(result)));
            let aligned = (lower.mfn() & !0x1ff) << 12 | pte::TABLE | second;
            let result = update(table.slot(1), aligned, DOMID_SELF);
            r.line(format_args!("level{level}_{key}_aligned={}", Shown(result)));
            r.line(format_args!(
                "level{level}_{key}_now={:#x},{:#x}",
                bits(table.read(0)),
                table.read(1)
            ));
            update(table.slot(0), 0, DOMID_SELF).expect("an entry can be cleared");
        }
        if level > 2 {
            unpin(&lower).expect("a pinned table can be unpinned");
        }
        unpin(&table).expect("a pinned table can be unpinned");
    }
}

/// Exchanges that fail half-way: twice the same frame, one that is not there, one that is used.
fn exchange_errors(r: &mut Report) {
    let pages = [Page::new(), Page::new()];
    let before = current();
    for page in &pages {
        page.map(0).expect("a page can be unmapped");
    }
    for (key, second) in [
        ("beyond_memory", 0x3f_ffff),
        ("local_apic", 0xf_ee00),
        ("hypervisors", 0x100),
    ] {
        let mut lists = [[pages[0].mfn(), second], pages.each_ref().map(Page::pfn)];
        let [input, output] = [0, 1].map(|i| address(&mut lists[i]));
        let mut arg = exchange(input, output, (2, 2), 0);
        let result = memory(XENMEM_exchange, &mut arg);
        r.line(format_args!(
            "{key}={} done={}",
            Shown(result),
            arg.nr_exchanged
        ));
        if arg.nr_exchanged == 1 {
            pages[0].replace(Mfn(lists[1][0]));
        }
        r.line(format_args!(
            "{key}_count={}",
            current().wrapping_sub(before)
        ));
    }
}

/// A root that maps itself, first to be read, then to be written.
fn own_root_writable(r: &mut Report) {
    let root = Page::read_only();
    pin(4, &root).expect("an empty page is a table");
    for (key, rights) in [
        ("read", PRESENT | USER),
        ("write", PRESENT | USER | WRITE),
        ("read_again", PRESENT | USER),
        ("write_accessed", pte::TABLE | pte::ACCESSED),
        ("execute_never", PRESENT | USER | NX),
    ] {
        let result = update(root.slot(8), root.entry(rights), DOMID_SELF);
        r.line(format_args!(
            "{key}={} now={:#x}",
            Shown(result),
            bits(root.read(8))
        ));
    }
    unpin(&root).expect("a pinned table can be unpinned");
    r.result("free", root.map(root.entry(pte::RW)));
}

/// Tables of one level that lead to each other.
fn linear_levels(r: &mut Report) {
    let tables = [(); 3].map(|()| Page::read_only());
    for level in 2..=4 {
        for table in &tables {
            pin(level, table).expect("an empty page is a table");
        }
        for (i, table) in tables.iter().enumerate() {
            let next = &tables[(i + 1) % 3];
            for (key, rights) in [("read", PRESENT | USER), ("write", pte::TABLE)] {
                let result = update(table.slot(9), next.entry(rights), DOMID_SELF);
                r.line(format_args!("level{level}_{i}_{key}={}", Shown(result)));
            }
        }
        for table in &tables {
            r.line(format_args!("level{level}_unpin={}", Shown(unpin(table))));
        }
    }
    // Without pins first: the chain is met while the first of them is validated.
    for (i, table) in tables.iter().enumerate() {
        table.restore();
        table.write(3, tables[(i + 1) % 3].entry(PRESENT | USER));
    }
    for table in &tables {
        table.protect();
    }
    for level in 2..=4 {
        r.line(format_args!(
            "chain{level}={}",
            Shown(pin(level, &tables[0]))
        ));
    }
}

fn misaligned_entries(r: &mut Report) {
    let table = Page::read_only();
    pin(1, &table).expect("an empty page is a table");
    let data = Page::new();
    for offset in [1, 2, 3, 4, 5, 6, 7] {
        // The two low bits are the command's.
        let at = table.slot(4) + offset;
        let result = update(
            at & !3 | u64::from(MMU_PT_UPDATE_PRESERVE_AD as u8),
            data.entry(pte::RO),
            DOMID_SELF,
        );
        r.line(format_args!(
            "offset{offset}={} now={:#x},{:#x}",
            Shown(result),
            bits(table.read(4)),
            bits(table.read(5))
        ));
        update(table.slot(4), 0, DOMID_SELF).expect("an entry can be cleared");
    }
    let last = table.slot(511) + 4;
    r.result(
        "over_the_end",
        update(last, data.entry(pte::RO), DOMID_SELF),
    );
    unpin(&table).expect("a pinned table can be unpinned");
}

/// Nodes that the machine has not, in the flags of an allocation.
fn node_numbers(r: &mut Report) {
    let before = current();
    for node in [0_u32, 1, 62, 63, 64, 127, 253, 254] {
        for (key, exact) in [("", 0), ("_exact", XENMEMF_exact_node_request)] {
            let mut list = [0x20_0000_u64];
            let mem_flags = (node + 1) << 8 | exact;
            let mut arg = reservation(address(&mut list), 1, 0, mem_flags);
            let got = memory(XENMEM_increase_reservation, &mut arg);
            r.line(format_args!("node{node}{key}={}", Shown(got)));
            if got == Ok(1) {
                let mut arg = reservation(address(&mut list), 1, 0, 0);
                let back = memory(XENMEM_decrease_reservation, &mut arg);
                r.line(format_args!("node{node}{key}_back={}", Shown(back)));
            }
        }
    }
    r.line(format_args!("count={}", current().wrapping_sub(before)));
}

/// Types taken and given up many times, at every level, and pins that fail in between.
fn type_references(r: &mut Report) {
    let (table, lower) = (Page::read_only(), Page::read_only());
    let mut refused = 0;
    for round in 0..200_u32 {
        let level = 2 + round % 3;
        refused += u32::from(pin(level, &table).is_err());
        if level > 2 {
            refused += u32::from(pin(level - 1, &lower).is_err());
        }
        refused += u32::from(update(table.slot(0), lower.entry(pte::TABLE), DOMID_SELF).is_err());
        refused += u32::from(pin(level % 4 + 1, &table).is_ok());
        if level > 2 {
            refused += u32::from(unpin(&lower).is_err());
        }
        refused += u32::from(unpin(&table).is_err());
        table.restore();
        table.write(0, 0);
        table.protect();
    }
    r.line(format_args!("surprises={refused}"));
    r.result("lower_free", lower.map(lower.entry(pte::RW)));
    r.result("table_free", table.map(table.entry(pte::RW)));
}

/// Entries that are not present but hold a frame of the hypervisor's, or none there is.
fn absent_entries(r: &mut Report) {
    let table = Page::read_only();
    for level in 1..=4 {
        pin(level, &table).expect("an empty page is a table");
        for (key, entry) in [
            ("first_frame", 0x1000),
            ("hypervisors", 0x10_0002),
            ("beyond_memory", 0x3f_ffff << 12 | 0x66),
            ("top", 0x000f_ffff_ffff_f000),
            ("all_but_present", !1),
            ("reserved", 0x7ff0_0000_0000_0000),
        ] {
            let result = update(table.slot(1), entry, DOMID_SELF);
            r.line(format_args!(
                "level{level}_{key}={} now={:#x}",
                Shown(result),
                table.read(1)
            ));
        }
        r.line(format_args!("level{level}_unpin={}", Shown(unpin(&table))));
        table.restore();
        table.write(1, 0);
        table.protect();
    }
}

/// Flushes of addresses that are none, with an update that is refused or not.
fn invlpg_addresses(r: &mut Report) {
    let page = Page::new();
    for (key, va) in [
        ("non_canonical", NON_CANONICAL),
        ("hole", 0x0000_8000_0000_0000),
        ("hypervisor", HOLE),
        ("own_high", page.va() ^ 1 << 63),
    ] {
        for (name, flags) in [
            ("none", UVMF_NONE),
            ("invlpg", UVMF_INVLPG | UVMF_LOCAL),
            ("invlpg_all", UVMF_INVLPG | UVMF_ALL),
            ("flush", UVMF_TLB_FLUSH | UVMF_ALL),
        ] {
            // SAFETY: none of these addresses is mapped by this kernel.
            let result = unsafe {
                call(
                    __HYPERVISOR_update_va_mapping,
                    [va, page.entry(pte::RO), flags, 0, 0],
                )
            };
            r.line(format_args!("{key}_{name}={}", Shown(result)));
        }
        for (name, cmd) in [("local", MMUEXT_INVLPG_LOCAL), ("all", MMUEXT_INVLPG_ALL)] {
            r.line(format_args!(
                "{key}_op_{name}={}",
                Shown(extended(cmd, va, 0))
            ));
        }
    }
}

/// Pages that are still in use are not exchanged away.
fn steal_used_pages(r: &mut Report) {
    let before = current();
    let steal = |key: &str, r: &mut Report, page: &Page| {
        let mut lists = [[page.mfn()], [page.pfn()]];
        let [input, output] = [0, 1].map(|i| address(&mut lists[i]));
        let mut arg = exchange(input, output, (1, 1), 0);
        let result = memory(XENMEM_exchange, &mut arg);
        r.line(format_args!(
            "{key}={} done={} count={}",
            Shown(result),
            arg.nr_exchanged,
            current().wrapping_sub(before)
        ));
    };
    let page = Page::new();
    steal("writable", r, &page);
    page.protect();
    steal("read_only", r, &page);
    pin(1, &page).expect("an empty page is a table");
    steal("pinned", r, &page);
    page.map(0).expect("a table's mapping can go");
    steal("pinned_unmapped", r, &page);
    page.protect();
    unpin(&page).expect("a pinned table can be unpinned");
    let mut list = [page.mfn()];
    // SAFETY: this kernel uses no descriptors of its own.
    let gdt = unsafe { call(__HYPERVISOR_set_gdt, [address(&mut list), 512, 0, 0, 0]) };
    r.result("gdt", gdt);
    page.map(0).expect("a descriptor table's mapping can go");
    steal("descriptors", r, &page);
    // SAFETY: as above.
    let none = unsafe { call(__HYPERVISOR_set_gdt, [0; 5]) };
    r.result("no_gdt", none);
}

/// Contexts for vCPUs that are there, or not, with nothing right in them.
fn vcpu_context(r: &mut Report) {
    for (key, fill) in [("zero", 0_u64), ("all_ones", u64::MAX)] {
        let page = [Page::new(), Page::new()];
        for word in 0..512 {
            page[0].write(word, fill);
        }
        for vcpu in [0, 1, 31, 8191, u64::from(u32::MAX)] {
            // SAFETY: the structure is only read.
            let result = unsafe {
                let op = u64::from(VCPUOP_initialise);
                call(__HYPERVISOR_vcpu_op, [op, vcpu, page[0].va(), 0, 0])
            };
            r.line(format_args!("{key}_{vcpu}={}", Shown(result)));
        }
    }
}

/// A table that fails at its last entry, whose tables below were validated for it.
fn partial_tables(r: &mut Report) {
    let (top, l3, l2, l1) = (Page::new(), Page::new(), Page::new(), Page::new());
    let data = Page::new();
    l1.write(0, data.entry(pte::RW));
    l2.write(0, l1.entry(pte::TABLE));
    l2.write(511, data.entry(pte::TABLE));
    l3.write(0, l2.entry(pte::TABLE));
    top.write(0, l3.entry(pte::TABLE));
    for page in [&l1, &l2, &l3, &top] {
        page.protect();
    }
    for round in 0..3 {
        r.line(format_args!("pin{round}={}", Shown(pin(4, &top))));
        r.line(format_args!("lower{round}={}", Shown(pin(3, &l3))));
        r.line(format_args!("unpin{round}={}", Shown(unpin(&top))));
    }
    for (key, page) in [
        ("l1", &l1),
        ("l2", &l2),
        ("l3", &l3),
        ("top", &top),
        ("data", &data),
    ] {
        r.line(format_args!(
            "{key}_free={}",
            Shown(page.map(page.entry(pte::RW)))
        ));
    }
    // And whole, once the fault is mended.
    l2.write(511, 0);
    for page in [&l1, &l2, &l3, &top] {
        page.protect();
    }
    r.result("whole", pin(4, &top));
    r.result("whole_unpin", unpin(&top));
}

/// Every memory type that an entry can name, on own memory: taken as it stands, or refused.
fn cacheability(r: &mut Report) {
    let (window, page) = (Page::new(), Page::new());
    let own = window.mfn();
    for kind in 0..8_u64 {
        let bits_of = (kind & 3) << 3 | (kind & 4) << 5;
        for (key, rights) in [("read", pte::RO), ("write", pte::RW)] {
            let result = window.map(page.entry(rights | bits_of));
            r.line(format_args!(
                "{key}{kind}={} bits={:#x}",
                Shown(result),
                window.bits()
            ));
        }
    }
    window.restore();
    r.line(format_args!("itself={}", window.mfn() == own));
}

//! `multicall`: several calls in one, their results, and what may not be in it.

use super::page::*;
use super::probe::{code, multicall_iret, place, report};
use super::{Check, Report};
use crate::hypercall::HvResult;
use crate::mm::paging::pte;
use hypercall_abi::arch_x86_64::{FLAT_KERNEL_CS, FLAT_KERNEL_SS, iret_context};
use hypercall_abi::version::{XENVER_pagesize, XENVER_version};
use hypercall_abi::xen::*;

pub(super) const CHECKS: &[Check] = &[
    ("multicall_lists", lists),
    ("multicall_entries", entries),
    ("multicall_iret", iret),
    ("multicall_results", results),
];

code! {
    ud2: "ud2";
}

/// What a result holds before the call.
const UNTOUCHED: u64 = 0x5555_5555;

fn entry(op: u64, args: [u64; 6]) -> multicall_entry {
    multicall_entry {
        op,
        result: UNTOUCHED,
        args,
    }
}

fn version(cmd: u32) -> multicall_entry {
    entry(__HYPERVISOR_xen_version, [u64::from(cmd), 0, 0, 0, 0, 0])
}

fn multicall(list: u64, count: u64) -> HvResult {
    // SAFETY: the lists hold calls that read, or change spare pages; results are written to them.
    unsafe { call(__HYPERVISOR_multicall, [list, count, 0, 0, 0]) }
}

fn lists(r: &mut Report) {
    let mut list = [version(XENVER_version), version(XENVER_pagesize)];
    let at = address(&mut list);
    for (key, list, count) in [
        ("empty", at, 0),
        ("empty_unmapped", UNMAPPED, 0),
        ("empty_hypervisor", HOLE, 0),
        ("two", at, 2),
        ("count_high_bits", at, 1 << 32 | 1),
        ("unmapped", UNMAPPED, 1),
        ("hypervisor", HOLE, 1),
        ("non_canonical", NON_CANONICAL, 1),
        ("runs_out", u64::MAX - 63, 2),
    ] {
        r.result(key, multicall(list, count));
    }
    r.line(format_args!(
        "results={:#x},{:#x}",
        list[0].result, list[1].result
    ));
}

fn entries(r: &mut Report) {
    let page = Page::new();
    let request = mmu_update {
        ptr: page.own_slot(),
        val: page.entry(pte::RO),
    };
    let mut nested = [version(XENVER_version)];
    let mut list = [
        version(99),
        entry(11, [0; 6]),
        entry(63, [0; 6]),
        entry(u64::MAX, [0; 6]),
        entry(1 << 32 | __HYPERVISOR_xen_version, [0; 6]),
        entry(
            __HYPERVISOR_multicall,
            [address(&mut nested), 1, 0, 0, 0, 0],
        ),
        entry(
            __HYPERVISOR_mmu_update,
            [&raw const request as u64, 1, 0, u64::from(DOMID_SELF), 0, 0],
        ),
        entry(
            __HYPERVISOR_update_va_mapping,
            [page.va(), page.entry(pte::RW), UVMF_INVLPG, 0, 0, 0],
        ),
        entry(__HYPERVISOR_sched_op, [0; 6]),
        entry(__HYPERVISOR_console_io, [0, 0, 0, 0, 0, 0]),
        entry(__HYPERVISOR_vm_assist, [7, 7, 0, 0, 0, 0]),
        version(XENVER_pagesize),
    ];
    let count = list.len() as u64;
    r.result("all", multicall(address(&mut list), count));
    for (i, entry) in list.iter().enumerate() {
        r.line(format_args!(
            "entry{i}={:#x} op={}",
            entry.result,
            entry.op & 0xff
        ));
    }
    r.line(format_args!(
        "nested={:#x} bits={:#x}",
        nested[0].result,
        page.bits()
    ));
}

/// An `iret` ends the list: the guest goes on where the frame on its stack says.
fn iret(r: &mut Report) {
    let mut list = [
        version(XENVER_version),
        entry(__HYPERVISOR_iret, [0; 6]),
        version(XENVER_pagesize),
    ];
    let page = Page::new();
    let context = iret_context {
        rax: 0x1234,
        r11: 0x1111,
        rcx: 0x2222,
        flags: 0,
        rip: place(ud2),
        cs: u64::from(FLAT_KERNEL_CS) & !3,
        rflags: 2,
        rsp: page.va() + 2048,
        ss: u64::from(FLAT_KERNEL_SS),
    };
    let hit = multicall_iret(&context, &mut list);
    if let Some(hit) = &hit {
        r.line(format_args!(
            "rax={:#x} rcx={:#x} r11={:#x} stack={}",
            hit.frame.rax,
            hit.frame.rcx,
            hit.frame.r11,
            hit.frame.rsp == context.rsp
        ));
    }
    report(r, "entered", context.rip, hit);
    for (i, entry) in list.iter().enumerate() {
        r.line(format_args!("entry{i}={:#x}", entry.result));
    }
}

fn results(r: &mut Report) {
    // A list that can be read and not written.
    let page = Page::new();
    for (i, word) in [__HYPERVISOR_xen_version, UNTOUCHED]
        .into_iter()
        .enumerate()
    {
        page.write(i, word);
        page.write(i + 8, word);
    }
    page.protect();
    r.result("read_only", multicall(page.va(), 2));
    r.line(format_args!(
        "read_only_words={:#x},{:#x}",
        page.read(1),
        page.read(9)
    ));
    page.restore();
    r.result("writable", multicall(page.va(), 2));
    r.line(format_args!(
        "writable_words={:#x},{:#x}",
        page.read(1),
        page.read(9)
    ));
    r.line(format_args!(
        "arguments={:#x},{:#x}",
        page.read(0),
        page.read(2)
    ));
}

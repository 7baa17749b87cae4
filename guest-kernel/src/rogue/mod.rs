//! Hostile acts: what a guest kernel can try against the hypervisor or its neighbours.
//!
//! `rogue=NAME` on a domU's command line has the kernel do one of them right after its start. It
//! either does not come back from it (the hypervisor ends the domain, or this kernel's own handler
//! does), goes on for ever, or finds that nothing happened: then it says so and powers off. What
//! must never succeed is reported as a `BREACH`.
//!
//! An act is a function; to add one, write it in a module of this folder and list it in that
//! module's `ROGUES`, and what must become of it in the boot test `rogues`.

mod calls;
mod control;
mod descriptors;
mod devices;
mod disks;
mod fpu;
mod load;
mod network;
mod random;
mod rings;
mod tables;
mod ways_out;

use crate::check::probe::{Code, attempt};
use crate::hypercall::{self, raw};
use crate::log::{klog, kprintln};
use crate::mm::paging::{self, Table, index, pte};
use crate::mm::{PAGE_SIZE, Pfn, frame, p2m};
use hypercall_abi::xen::*;

/// A named act.
type Rogue = (&'static str, fn());

const GROUPS: &[&[Rogue]] = &[
    control::ROGUES,
    ways_out::ROGUES,
    descriptors::ROGUES,
    tables::ROGUES,
    calls::ROGUES,
    random::ROGUES,
    load::ROGUES,
    fpu::ROGUES,
    rings::ROGUES,
    network::ROGUES,
    disks::ROGUES,
    devices::ROGUES,
];

/// Does the act of this name; returns if the kernel lives on afterwards.
pub(crate) fn run(name: &str) {
    let found = GROUPS.iter().copied().flatten().find(|(n, _)| *n == name);
    let Some((name, act)) = found else {
        panic!("there is no rogue `{name}`");
    };
    klog!("rogue {name}: begins");
    act();
    klog!("rogue {name}: nothing happened to it");
}

/// Reports that the hypervisor let something pass which it must not.
macro_rules! breach {
    ($($arg:tt)*) => { $crate::rogue::report_breach(format_args!($($arg)*)) };
}
use breach;

fn report_breach(what: core::fmt::Arguments<'_>) {
    kprintln!("BREACH: {what}");
}

/// An address that nothing maps, in the half that processes use.
const UNMAPPED: u64 = 0x1000;
/// An address that is not canonical.
const NON_CANONICAL: u64 = 0x8000_0000_0000_0000;
/// The hypervisor's direct map of all memory that is not its own.
const DIRECT_MAP: u64 = 0xffff_8300_0000_0000;
/// The hypervisor's frame table, heap and page tables.
const OWN_MEMORY: u64 = 0xffff_8280_0010_0000;
/// The hypervisor's stacks and per-CPU data.
const CPU_WINDOW: u64 = 0xffff_8700_0000_0000;
/// The hypervisor's image.
const IMAGE: u64 = 0xffff_8780_0010_0000;
/// Addresses that are the hypervisor's alone.
const HYPERVISORS: [u64; 4] = [DIRECT_MAP, OWN_MEMORY, CPU_WINDOW, IMAGE];

/// Makes a hypercall whatever its arguments; the result as the hypervisor left it.
fn call(nr: u64, args: [u64; 5]) -> i64 {
    // SAFETY: the hypervisor writes at most what the caller of this function offers: spare pages
    // and structures of its own, or addresses that must be refused.
    unsafe { raw(nr, args) }
}

/// Unregisters every trap handler: from now on, any exception must end the domain.
fn forget_traps() {
    assert_eq!(call(__HYPERVISOR_set_trap_table, [0; 5]), 0);
}

/// A spare page of zeroes.
fn spare() -> Pfn {
    frame::alloc_zeroed().expect("a rogue starts with memory to spare")
}

/// The machine frame of a page.
fn mfn(page: Pfn) -> u64 {
    p2m::mfn(page).0
}

/// Takes write access to a page away, without a flush where `flags` asks for none.
fn protect(page: Pfn, flags: u64) {
    // SAFETY: spare pages only.
    let done = unsafe {
        hypercall::update_va_mapping(page.va(), pte::new(p2m::mfn(page), pte::RO), flags)
    };
    done.expect("a page can be mapped read-only");
}

/// One extended operation on own memory; its result.
fn extended(cmd: u32, arg1: u64, arg2: u64) -> i64 {
    let op = mmuext_op {
        cmd,
        _pad0: [0; 4],
        arg1,
        arg2,
    };
    let at = &raw const op as u64;
    call(__HYPERVISOR_mmuext_op, [at, 1, 0, u64::from(DOMID_SELF), 0])
}

/// Asks for one page-table entry to be written; the result.
fn update(ptr: u64, val: u64) -> i64 {
    let request = mmu_update { ptr, val };
    let at = &raw const request as u64;
    call(
        __HYPERVISOR_mmu_update,
        [at, 1, 0, u64::from(DOMID_SELF), 0],
    )
}

/// Writes a word of a spare page.
fn write(page: Pfn, word: usize, value: u64) {
    assert!(word < (PAGE_SIZE / 8) as usize);
    // SAFETY: the page is the rogue's own and mapped writable.
    unsafe {
        (page.va() as *mut u64)
            .wrapping_add(word)
            .write_volatile(value)
    };
}

/// Reads a word of a spare page.
fn read(page: Pfn, word: usize) -> u64 {
    assert!(word < (PAGE_SIZE / 8) as usize);
    // SAFETY: the page is the rogue's own and mapped.
    unsafe { (page.va() as *const u64).wrapping_add(word).read_volatile() }
}

/// Every page-table page under the kernel's root that the kernel can see, the root last.
fn each_table(table: Table, level: u32, f: &mut impl FnMut(Table)) {
    let lower = |i| table.next(i).filter(|lower| is_mapped(*lower));
    let hypervisors = |i| level == 4 && (256..272).contains(&i);
    if level > 1 {
        for i in (0..paging::ENTRIES).filter(|&i| !hypervisors(i)) {
            if let Some(lower) = lower(i) {
                each_table(lower, level - 1, f);
            }
        }
    }
    f(table);
}

/// Whether the direct map has a table's page: not those that map the P2M list.
fn is_mapped(table: Table) -> bool {
    paging::translate(paging::boot_root(), table.0.va()).is_some()
}

/// The machine address of the entry that maps a page in the direct map.
fn slot_of(page: Pfn) -> u64 {
    let l1 = paging::find_l1(paging::boot_root(), page.va());
    l1.expect("the direct map has this page")
        .entry_address(index(page.va(), 1))
}

/// Runs `code(arg)`; the vector of the exception it met, if it met one.
fn vector_of(code: Code, arg: u64) -> Option<u64> {
    attempt(code, arg, true).map(|hit| hit.frame.vector)
}

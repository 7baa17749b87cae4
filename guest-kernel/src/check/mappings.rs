//! This kernel's own page tables, read back entry by entry: what the rights in them are.

use super::{Check, Report};
use crate::mm::p2m;
use crate::mm::paging::{self, ENTRIES, Table, pte};

pub(super) const CHECKS: &[Check] = &[("mappings", mappings)];

/// L4 slots of the hypervisor.
const HYPERVISOR_SLOTS: core::ops::Range<usize> = 256..272;
/// Page-size bit: the loader may use large pages for the P2M list.
const LARGE: u64 = 1 << 7;

/// What a walk over all mappings found.
#[derive(Default)]
struct Found {
    user_half: u64,
    writable_and_executable: u64,
    writable_tables: u64,
    executable: u64,
}

/// Whether the frame of a writable entry is one of the walked tables.
fn is_table(entry: u64) -> bool {
    let pfn = pte::frame(entry).and_then(p2m::pfn_of);
    // The direct map tells: a table is mapped read-only there.
    pfn.and_then(|pfn| paging::translate(paging::boot_root(), pfn.va()))
        .is_some_and(|direct| direct & pte::WRITE == 0 && direct & pte::NX != 0)
}

/// Walks `table`; `rights` are the write and no-execute rights that the levels above leave.
fn walk(table: Table, level: u32, rights: u64, found: &mut Found) {
    for i in 0..ENTRIES {
        if level == 4 && HYPERVISOR_SLOTS.contains(&i) {
            continue;
        }
        let entry = table.read(i);
        if entry & pte::PRESENT == 0 {
            continue;
        }
        if level == 4 && i < HYPERVISOR_SLOTS.start {
            found.user_half += 1;
        }
        let writable = rights & entry & pte::WRITE;
        let no_execute = (rights | entry) & pte::NX;
        if level > 1 && entry & LARGE == 0 {
            // Tables that the direct map does not show are those of the P2M list; the level above
            // denies execution, and that is all that could be wrong with them.
            match table.next(i).filter(|lower| visible(*lower)) {
                Some(lower) => walk(lower, level - 1, writable | no_execute, found),
                None => found.writable_and_executable += u64::from(no_execute == 0),
            }
            continue;
        }
        found.executable += u64::from(no_execute == 0);
        found.writable_and_executable += u64::from(writable != 0 && no_execute == 0);
        found.writable_tables += u64::from(level == 1 && writable != 0 && is_table(entry));
    }
}

fn visible(table: Table) -> bool {
    paging::translate(paging::boot_root(), table.0.va()).is_some()
}

fn mappings(r: &mut Report) {
    let mut found = Found::default();
    walk(paging::boot_root(), 4, pte::WRITE, &mut found);
    r.line(format_args!("user_half_slots={}", found.user_half));
    r.line(format_args!(
        "writable_and_executable={}",
        found.writable_and_executable
    ));
    r.line(format_args!("writable_tables={}", found.writable_tables));
    let image = crate::boot::image();
    let text = (image.text_end - image.start) / crate::mm::PAGE_SIZE;
    r.line(format_args!(
        "executable_is_text={}",
        found.executable == text
    ));
}

//! The first page tables, written as plain data: they become tables only when they are validated.

use zerocopy::IntoBytes;

use super::layout::{Layout, Region};
use super::memory::Memory;
use crate::addr::{ENTRIES, Mfn, PAGE_SHIFT, PAGE_SIZE};
use crate::error::Result;
use crate::platform::Machine;
use crate::pv::entry::{ACCESSED, DIRTY, PRESENT, RW, USER};

/// Flags of an entry that maps a page for the kernel, and of one that refers to a table.
const PAGE: u64 = PRESENT | RW | ACCESSED | DIRTY;
const TABLE: u64 = PRESENT | RW | USER | ACCESSED;

type Table = [u64; ENTRIES];

/// Writes all tables of `layout`; gives the root's frame.
///
/// # Errors
/// `EINVAL` when the layout names pages that the domain does not have.
pub fn write<M: Machine>(memory: &Memory<'_, M>, layout: &Layout) -> Result<Mfn> {
    let first_table = layout.root_pfn;
    let tables = first_table..first_table + layout.boot_tables();
    let mut root: Table = [0; ENTRIES];
    for region in [Some(layout.boot), layout.p2m].into_iter().flatten() {
        write_pages(memory, &region, |pfn| tables.contains(&pfn))?;
        for level in [2, 3] {
            write_level(memory, &region, level)?;
        }
        refer(memory, &region, &mut root)?;
    }
    write_table(memory, layout.root_pfn, &root)?;
    memory.mfn(layout.root_pfn)
}

fn write_table<M: Machine>(memory: &Memory<'_, M>, pfn: u64, table: &Table) -> Result<()> {
    memory.write(pfn << PAGE_SHIFT, table.as_bytes())
}

/// The level-1 tables of `region`; pages for which `read_only` holds are mapped so.
fn write_pages<M: Machine>(
    memory: &Memory<'_, M>,
    region: &Region,
    read_only: impl Fn(u64) -> bool,
) -> Result<()> {
    let (first, last) = region.entries(1);
    let mut entry = first;
    let mut table_pfn = region.first_table(1);
    let (mut mfn, mut left) = (Mfn(0), 0);
    while entry <= last {
        let mut table: Table = [0; ENTRIES];
        let from = entry as usize % ENTRIES;
        let count = (ENTRIES - from).min((last - entry) as usize + 1);
        for slot in &mut table[from..from + count] {
            let pfn = region.pfn + (entry - first);
            if left == 0 {
                let run = memory.run(pfn).ok_or(crate::error::Errno::EINVAL)?;
                (mfn, left) = run;
            }
            let flags = if read_only(pfn) { PAGE & !RW } else { PAGE };
            *slot = mfn.addr() | flags;
            (mfn, left) = (Mfn(mfn.0 + 1), left - 1);
            entry += 1;
        }
        write_table(memory, table_pfn, &table)?;
        table_pfn += 1;
    }
    Ok(())
}

/// The tables of `level` (2 or 3) of `region`: they refer to those of the level below, in order.
fn write_level<M: Machine>(memory: &Memory<'_, M>, region: &Region, level: u32) -> Result<()> {
    let (first, last) = region.entries(level);
    let below = region.first_table(level - 1);
    let mut table: Table = [0; ENTRIES];
    let mut table_pfn = region.first_table(level);
    for entry in first..=last {
        let index = entry as usize % ENTRIES;
        table[index] = memory.mfn(below + (entry - first))?.addr() | TABLE;
        if index == ENTRIES - 1 || entry == last {
            write_table(memory, table_pfn, &table)?;
            table_pfn += 1;
            table = [0; ENTRIES];
        }
    }
    Ok(())
}

/// The root's entries for `region`.
fn refer<M: Machine>(memory: &Memory<'_, M>, region: &Region, root: &mut Table) -> Result<()> {
    let (first, last) = region.entries(4);
    let below = region.first_table(3);
    for entry in first..=last {
        root[entry as usize % ENTRIES] = memory.mfn(below + (entry - first))?.addr() | TABLE;
    }
    Ok(())
}

const _: () = assert!(size_of::<Table>() == PAGE_SIZE);

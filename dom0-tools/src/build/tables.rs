//! The initial page tables, as values: which words go into which frames.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use super::layout::{ENTRIES, Layout};

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
/// Flags of entries that point to a table: what the page may do is said by its L1 entry.
const TABLE: u64 = PRESENT | WRITABLE | USER | ACCESSED | DIRTY;
/// Flags of a read-only page of the guest's kernel. The hypervisor adds what its ring needs.
const PAGE_READ: u64 = PRESENT | ACCESSED;
/// Flags of a writable one.
const PAGE_WRITE: u64 = PAGE_READ | WRITABLE | DIRTY;

/// One table.
#[derive(Debug, Clone)]
pub struct Table {
    /// The PFN it goes to.
    pub pfn: u64,
    /// Its words.
    pub entries: Vec<u64>,
}

/// All initial tables of a domain, the L4 table first. `frames` is the P2M list.
///
/// Table pages are mapped read-only, everything else of the region writable; a P2M list outside
/// the region is mapped at its own address.
pub fn initial_tables(layout: &Layout, frames: &[u64]) -> Vec<Table> {
    let mut builder = Builder {
        frames,
        tables: Vec::new(),
        by_place: BTreeMap::new(),
        free: layout.tables.clone(),
    };
    builder.table_at(4, 0);
    for pfn in 0..layout.region_pages {
        let flags = if layout.tables.contains(&pfn) {
            PAGE_READ
        } else {
            PAGE_WRITE
        };
        builder.map(layout.address(pfn), pfn, flags);
    }
    if !layout.p2m_tables.is_empty() || layout.p2m.start >= layout.region_pages {
        builder.free = layout.p2m_tables.clone();
        for (address, pfn) in (layout.p2m_address..).step_by(4096).zip(layout.p2m.clone()) {
            builder.map(address, pfn, PAGE_WRITE);
        }
    }
    builder.tables
}

struct Builder<'a> {
    frames: &'a [u64],
    tables: Vec<Table>,
    /// (level, first address / size of what a table of that level covers) -> index in `tables`.
    by_place: BTreeMap<(u32, u64), usize>,
    /// PFNs for the tables still to be made; the layout counted exactly as many as are needed.
    free: Range<u64>,
}

impl Builder<'_> {
    fn map(&mut self, address: u64, pfn: u64, flags: u64) {
        let table = self.table_at(1, address);
        self.set(table, 1, address, pfn, flags);
    }

    fn table_at(&mut self, level: u32, address: u64) -> usize {
        // An L4 table covers everything there is: canonical addresses have 48 significant bits.
        let place = if level == 4 {
            0
        } else {
            address >> (12 + 9 * level)
        };
        if let Some(&index) = self.by_place.get(&(level, place)) {
            return index;
        }
        let parent = (level < 4).then(|| self.table_at(level + 1, address));
        let pfn = self
            .free
            .next()
            .expect("the layout counts the tables it needs");
        let index = self.tables.len();
        self.tables.push(Table {
            pfn,
            entries: alloc::vec![0; ENTRIES as usize],
        });
        self.by_place.insert((level, place), index);
        if let Some(parent) = parent {
            self.set(parent, level + 1, address, pfn, TABLE);
        }
        index
    }

    fn set(&mut self, table: usize, level: u32, address: u64, pfn: u64, flags: u64) {
        let entry = (address >> (3 + 9 * level)) % ENTRIES;
        let frame = self.frames[pfn as usize];
        self.tables[table].entries[entry as usize] = (frame << 12) | flags;
    }
}

//! Which addresses a process has, and for what.

use crate::mm::PAGE_SIZE;
use crate::mm::paging::pte;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;
use guest_user::abi::{Errno, USER_BASE, USER_END};

/// Where mappings without a given address begin.
const MAPPINGS: u64 = 0x10_0000_0000;
/// The highest address of the stack, exclusive, and the most it grows to.
pub(super) const STACK_TOP: u64 = USER_END - PAGE_SIZE;
const STACK_MAX: u64 = 256 * PAGE_SIZE;
/// The most pages one mapping call may ask for.
const MAPPING_MAX: u64 = 1 << 20;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Own memory, present or given at first touch.
    Own,
    /// Frames of another domain, or of a device, all present.
    Foreign,
    /// Pages that another domain grants, all present.
    Granted,
    /// Own memory that a device may reach, all present.
    Dma,
    /// A page of its own that it grants to another domain, present.
    Offered,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Region {
    pub(super) end: u64,
    pub(super) rights: u64,
    pub(super) kind: Kind,
    /// Whether `unmap` may take it away.
    pub(super) unmappable: bool,
}

/// The regions of a process.
#[derive(Clone)]
pub(super) struct Layout {
    regions: BTreeMap<u64, Region>,
    /// Where the next mapping begins that finds no vacant range.
    next: u64,
    /// Ranges that mappings had, by their pages.
    vacant: BTreeMap<u64, Vec<u64>>,
}

impl Layout {
    pub(super) const fn new() -> Self {
        Self {
            regions: BTreeMap::new(),
            next: MAPPINGS,
            vacant: BTreeMap::new(),
        }
    }

    /// The region that has an address, and where it begins.
    pub(super) fn at(&self, va: u64) -> Option<(u64, Region)> {
        let (start, region) = self.regions.range(..=va).next_back()?;
        (va < region.end).then_some((*start, *region))
    }

    /// The region that begins at an address.
    pub(super) fn from(&self, start: u64) -> Option<Region> {
        self.regions.get(&start).copied()
    }

    /// The regions of own memory, and where they begin.
    pub(super) fn own(&self) -> impl Iterator<Item = (u64, Region)> {
        let own = self.regions.iter().filter(|(_, of)| of.kind == Kind::Own);
        own.map(|(&start, &region)| (start, region))
    }

    /// The same with the regions of own memory only.
    pub(super) fn of_own(&self) -> Self {
        Self {
            regions: self.own().collect(),
            next: self.next,
            vacant: self.vacant.clone(),
        }
    }

    /// Adds own memory that stays as long as the process, which nothing overlaps.
    pub(super) fn add_own(&mut self, start: u64, end: u64, rights: u64) -> Result<(), Errno> {
        let region = Region {
            end,
            rights,
            kind: Kind::Own,
            unmappable: false,
        };
        self.add(start, region)
    }

    /// Adds the stack.
    pub(super) fn add_stack(&mut self) -> Result<(), Errno> {
        self.add_own(STACK_TOP - STACK_MAX, STACK_TOP, pte::RW)
    }

    fn add(&mut self, start: u64, region: Region) -> Result<(), Errno> {
        let before = self.regions.range(..region.end).next_back();
        if before.is_some_and(|(_, r)| r.end > start) || start < USER_BASE || region.end > USER_END
        {
            return Err(Errno::EEXIST);
        }
        self.regions.insert(start, region);
        Ok(())
    }

    /// A free address range for a mapping.
    pub(super) fn place(&mut self, pages: u64) -> Result<Range<u64>, Errno> {
        if pages == 0 || pages > MAPPING_MAX {
            return Err(Errno::EINVAL);
        }
        if let Some(start) = self.vacant.get_mut(&pages).and_then(Vec::pop) {
            return Ok(start..start + pages * PAGE_SIZE);
        }
        let start = self.next;
        // One page between mappings stays unmapped.
        let end = start + pages * PAGE_SIZE;
        if end + PAGE_SIZE > STACK_TOP - STACK_MAX {
            return Err(Errno::ENOMEM);
        }
        self.next = end + PAGE_SIZE;
        Ok(start..end)
    }

    /// Notes that nothing is mapped any more in a range that [`Self::place`] gave.
    pub(super) fn vacate(&mut self, range: &Range<u64>) {
        let pages = (range.end - range.start) / PAGE_SIZE;
        self.vacant.entry(pages).or_default().push(range.start);
    }

    /// Adds the region of a mapping, in a range that [`Self::place`] gave; where it begins.
    pub(super) fn add_mapping(
        &mut self,
        range: &Range<u64>,
        rights: u64,
        kind: Kind,
    ) -> Result<u64, Errno> {
        let region = Region {
            end: range.end,
            rights,
            kind,
            unmappable: true,
        };
        self.add(range.start, region)?;
        Ok(range.start)
    }

    /// Takes a mapping away.
    pub(super) fn remove_mapping(&mut self, range: &Range<u64>) {
        self.regions.remove(&range.start);
        self.vacate(range);
    }
}

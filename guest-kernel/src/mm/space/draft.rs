//! The memory of a process that is to be. Its lowest tables are filled as memory is, and become tables
//! when all is there: each is validated once, and no entry has to be asked for.

use super::layout::{Layout, STACK_TOP};
use super::{AddressSpace, PER_TABLE, page_for_process, page_of};
use crate::mm::paging::{self, Table, index, pte};
use crate::mm::{PAGE_SIZE, Pfn, frame, p2m, shares};
use alloc::collections::BTreeMap;
use guest_user::abi::Errno;

/// Regions, pages and what maps these, without roots.
pub(crate) struct Draft {
    layout: Layout,
    /// What will be the lowest tables, by what they map. The pages that they name are the draft's.
    tables: BTreeMap<u64, Pfn>,
}

impl Draft {
    pub(crate) const fn new() -> Self {
        Self::with(Layout::new())
    }

    /// One of these regions, without a page.
    pub(super) const fn with(layout: Layout) -> Self {
        Self {
            layout,
            tables: BTreeMap::new(),
        }
    }

    /// Adds a program segment, `data` first and zeroes after it. All of it is present from the
    /// start, so that it can be a buffer of a hypercall before the program has touched it.
    pub(crate) fn add_segment(
        &mut self,
        va: u64,
        len: u64,
        data: &[u8],
        rights: u64,
    ) -> Result<(), Errno> {
        let end = paging::page_up(va + len);
        self.layout.add_own(va, end, rights)?;
        let mut chunks = data.chunks(PAGE_SIZE as usize);
        for page in (va..end).step_by(PAGE_SIZE as usize) {
            self.give_page(page, rights, chunks.next().unwrap_or(&[]))?;
        }
        Ok(())
    }

    /// Adds the stack and puts `block` at its top; returns the block's address, below which the
    /// stack may begin.
    pub(crate) fn add_stack(&mut self, block: &[u8]) -> Result<u64, Errno> {
        self.layout.add_stack()?;
        let at = (STACK_TOP - block.len() as u64) & !15;
        if block.len() as u64 > PAGE_SIZE {
            return Err(Errno::E2BIG);
        }
        let page = at & !(PAGE_SIZE - 1);
        let mut last = alloc::vec![0; (at - page) as usize];
        last.extend_from_slice(block);
        let (first, rest) = last.split_at(last.len().min(PAGE_SIZE as usize));
        self.give_page(page, pte::RW, first)?;
        if !rest.is_empty() {
            self.give_page(page + PAGE_SIZE, pte::RW, rest)?;
        }
        Ok(at)
    }

    /// Gives a fresh page that begins with `data`.
    fn give_page(&mut self, va: u64, rights: u64, data: &[u8]) -> Result<(), Errno> {
        let table = self.table(va)?;
        let pfn = page_for_process()?;
        frame::zero(pfn);
        frame::fill(pfn, 0, data);
        set(table, va, pte::new(p2m::mfn(pfn), rights));
        Ok(())
    }

    /// Gives a page that another process has, by its entry there, for reading.
    pub(super) fn share_page(&mut self, va: u64, entry: u64) -> Result<(), Errno> {
        let table = self.table(va)?;
        page_of(entry).into_iter().for_each(shares::add);
        set(table, va, entry & !pte::WRITE);
        Ok(())
    }

    fn table(&mut self, va: u64) -> Result<Pfn, Errno> {
        let of = va / PER_TABLE;
        if let Some(&table) = self.tables.get(&of) {
            return Ok(table);
        }
        let table = page_for_process()?;
        frame::zero(table);
        self.tables.insert(of, table);
        Ok(table)
    }

    /// Makes it an address space.
    pub(crate) fn finish(mut self) -> Result<AddressSpace, Errno> {
        let layout = core::mem::replace(&mut self.layout, Layout::new());
        let mut space = AddressSpace::new(layout)?;
        match self.link(&mut space) {
            Ok(()) => Ok(space),
            Err(e) => {
                space.destroy();
                Err(e)
            }
        }
    }

    /// Makes the tables a space's; on an error, some are still here.
    fn link(&mut self, space: &mut AddressSpace) -> Result<(), Errno> {
        while let Some((&of, &table)) = self.tables.first_key_value() {
            space.link(of * PER_TABLE, table)?;
            self.tables.remove(&of);
        }
        Ok(())
    }
}

fn set(table: Pfn, va: u64, entry: u64) {
    let entry = entry.to_le_bytes();
    frame::fill(table, index(va, 1) * entry.len(), &entry);
}

impl Drop for Draft {
    fn drop(&mut self) {
        for table in core::mem::take(&mut self.tables).into_values() {
            frame::map_words(table, |_, entry| {
                page_of(entry).into_iter().for_each(shares::give_up);
                0
            });
            frame::free(table);
        }
    }
}

impl AddressSpace {
    /// Makes a page the lowest table for an address that has none; on an error it stays a page.
    fn link(&mut self, va: u64, page: Pfn) -> Result<(), Errno> {
        let above = self.table(va, 2)?;
        paging::protect(page, pte::RO)?;
        match above.link(index(va, 2), Table(page)) {
            Ok(()) => {
                self.tables.push(Table(page));
                Ok(())
            }
            Err(e) => {
                paging::protect(page, pte::RW)?;
                Err(e)
            }
        }
    }
}

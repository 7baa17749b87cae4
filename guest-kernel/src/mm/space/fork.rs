//! A second process with the same memory: both have its pages, without write access, until one of
//! them writes, which then gets a page of its own.

use super::updates::Updates;
use super::{AddressSpace, Kind, Region};
use crate::hypercall;
use crate::mm::paging::{self, Table, index, pte};
use crate::mm::{Pfn, frame, p2m, shares};
use alloc::collections::BTreeMap;
use guest_user::abi::Errno;
use hypercall_abi::xen::{UVMF_INVLPG, UVMF_LOCAL};

/// Bits of an address within what one lowest table maps.
const TABLE_SHIFT: u32 = 21;

/// The page of this domain that an entry maps.
pub(super) fn page_of(entry: u64) -> Option<Pfn> {
    pte::frame(entry).and_then(p2m::pfn_of)
}

/// Lowest tables that are none yet, by what they will map: filled as memory is, without asking for
/// each entry. Each entry has its share of the page.
struct Tables(BTreeMap<u64, Pfn>);

impl Tables {
    fn add(&mut self, va: u64, entry: u64) -> Result<(), Errno> {
        let of = va >> TABLE_SHIFT;
        let table = match self.0.get(&of) {
            Some(&table) => table,
            None => {
                let table = super::page_for_process()?;
                frame::zero(table);
                self.0.insert(of, table);
                table
            }
        };
        page_of(entry).into_iter().for_each(shares::add);
        let entry = (entry & !pte::WRITE).to_le_bytes();
        frame::fill(table, index(va, 1) * entry.len(), &entry);
        Ok(())
    }

    /// Makes them a space's tables; on an error the others stay here.
    fn link(&mut self, space: &mut AddressSpace) -> Result<(), Errno> {
        while let Some((&of, &table)) = self.0.first_key_value() {
            let va = of << TABLE_SHIFT;
            space.tables.try_reserve(2).map_err(|_| Errno::ENOMEM)?;
            let (root, tables) = (space.kernel_root, &mut space.tables);
            let above = paging::need_table(root, va, 2, |table| tables.push(table))?;
            paging::protect(table, pte::RO)?;
            let linked = above.link(index(va, 2), Table(table));
            if let Err(e) = linked {
                paging::protect(table, pte::RW)?;
                return Err(e);
            }
            tables.push(Table(table));
            self.0.remove(&of);
        }
        Ok(())
    }

    fn undo(self) {
        for table in self.0.into_values() {
            frame::map_words(table, |_, entry| {
                page_of(entry).into_iter().for_each(shares::give_up);
                0
            });
            frame::free(table);
        }
    }
}

impl AddressSpace {
    /// A space with the same memory; each page of it is shared until it is written. It has nothing
    /// that others reach as well: pages of other domains or granted to them, or a device's. This
    /// space must be active.
    pub(crate) fn fork(&mut self) -> Result<Self, Errno> {
        shares::prepare()?;
        let mut tables = Tables(BTreeMap::new());
        // If it ends here, what lost write access has it back with its first write.
        let shared = self.share(&mut tables);
        hypercall::flush_tlb();
        let child = shared.and_then(|()| self.child(&mut tables));
        tables.undo();
        child
    }

    /// Own memory, as regions.
    fn own(&self) -> impl Iterator<Item = (u64, Region)> {
        let own = self.regions.iter().filter(|(_, of)| of.kind == Kind::Own);
        own.map(|(&start, &region)| (start, region))
    }

    fn share(&self, tables: &mut Tables) -> Result<(), Errno> {
        let mut updates = Updates::new();
        for (start, region) in self.own() {
            let mut result = Ok(());
            self.for_each_page(start, region.end, |table, va, entry| {
                result = result.and_then(|()| tables.add(va, entry));
                if entry & pte::WRITE != 0 {
                    let entry = entry & !pte::WRITE;
                    // SAFETY: only rights are taken away, in a process's half, where the kernel writes
                    // after `ensure` alone, which gives them back.
                    result = result.and_then(|()| unsafe { updates.add(table, va, entry, None) });
                }
            });
            result?;
        }
        updates.write()
    }

    fn child(&self, tables: &mut Tables) -> Result<Self, Errno> {
        let mut child = Self::new()?;
        child.regions = self.own().collect();
        (child.next, child.vacant) = (self.next, self.vacant.clone());
        match tables.link(&mut child) {
            Ok(()) => Ok(child),
            Err(e) => {
                child.destroy();
                Err(e)
            }
        }
    }

    /// Gives write access to a page that may be shared: to a copy of it, if it is. This space must be
    /// active.
    pub(super) fn unshare(&mut self, va: u64, entry: u64, rights: u64) -> Result<(), Errno> {
        let pfn = page_of(entry).ok_or(Errno::EFAULT)?;
        let own = match shares::is_shared(pfn) {
            true => super::page_for_process()?,
            false => pfn,
        };
        if own != pfn {
            frame::copy(pfn, own);
        }
        let entry = pte::new(p2m::mfn(own), rights);
        // SAFETY: the process has the same contents there before and after.
        let mapped = unsafe { hypercall::update_va_mapping(va, entry, UVMF_INVLPG | UVMF_LOCAL) };
        if own != pfn {
            // Whichever of the two is not mapped.
            match mapped {
                Ok(_) => shares::give_up(pfn),
                Err(_) => frame::free(own),
            }
        }
        mapped.map(drop)
    }
}

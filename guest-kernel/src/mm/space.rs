//! The address space of a process: two page-table roots over one user half.
//!
//! The kernel root has the kernel half and the user half; the hypervisor runs the kernel on it.
//! The user root has the user half only; the hypervisor runs ring 3 on it. Both point to the same
//! table for L4 slot 0, so a mapping made once is seen by both.

mod draft;
mod fork;
mod layout;
mod shared;
mod updates;

pub(crate) use draft::Draft;

use super::paging::{self, ENTRIES, Table, index, pte};
use super::{Mfn, PAGE_SIZE, Pfn, dma, frame, p2m, shares};
use crate::dev::grant;
use crate::hypercall::{self, mmuext_frame};
use crate::native;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use guest_user::abi::{Errno, USER_END};
use hypercall_abi::xen::*;
use layout::{Kind, Layout, Region};
use updates::Updates;

/// L4 slots that every kernel root copies; the slots before, from 256 on, are the hypervisor's.
const KERNEL_SLOTS: core::ops::Range<usize> = 272..512;
/// Free pages that processes leave to the kernel, for its heap, tables and stacks.
const KERNEL_RESERVE: u64 = 128;
/// Bytes that one lowest table maps.
const PER_TABLE: u64 = ENTRIES as u64 * PAGE_SIZE;
/// Entries changed per mmu_update call.
const BATCH: usize = 64;

/// Page faults answered with memory.
pub(crate) static FAULTS_SERVED: AtomicU64 = AtomicU64::new(0);

/// The memory of one process.
pub(crate) struct AddressSpace {
    kernel_root: Table,
    /// None on the bare machine, where ring 3 runs on the kernel's root.
    user_root: Option<Table>,
    /// Tables below the roots.
    tables: Vec<Table>,
    layout: Layout,
    /// What is to be given back of regions that are granted, or a device's, by where they begin.
    grants: BTreeMap<u64, Vec<u32>>,
    blocks: BTreeMap<u64, dma::Block>,
    offers: BTreeMap<u64, (u32, Pfn)>,
}

/// Fills fresh roots and pins them.
fn make_roots(l3: Table) -> Result<(Table, Option<Table>), Errno> {
    let kernel = frame::alloc_zeroed().ok_or(Errno::ENOMEM)?;
    let boot = paging::boot_root();
    let slot0 = pte::new(p2m::mfn(l3.0), pte::TABLE);
    frame::map_words(kernel, |i, _| match i {
        0 => slot0,
        i if KERNEL_SLOTS.contains(&i) => boot.read(i),
        _ => 0,
    });
    if native::is_native() {
        return Ok((Table(kernel), None));
    }
    let Some(user) = frame::alloc_zeroed() else {
        frame::free(kernel);
        return Err(Errno::ENOMEM);
    };
    frame::map_words(user, |i, _| if i == 0 { slot0 } else { 0 });
    let result = [kernel, user].into_iter().try_for_each(|pfn| {
        paging::protect(pfn, pte::RO)?;
        // SAFETY: pinning validates the tables and maps nothing.
        unsafe { hypercall::mmuext(&[mmuext_frame(MMUEXT_PIN_L4_TABLE, p2m::mfn(pfn).0)]) }
            .map(drop)
    });
    match result {
        Ok(()) => Ok((Table(kernel), Some(Table(user)))),
        Err(e) => {
            // Unpinning what was never pinned is refused, and that is all.
            unpin(Table(kernel));
            unpin(Table(user));
            Table(kernel).release();
            Table(user).release();
            Err(e)
        }
    }
}

fn unpin(root: Table) {
    // SAFETY: the caller does not use the root any more.
    let _ = unsafe { hypercall::mmuext(&[mmuext_frame(MMUEXT_UNPIN_TABLE, p2m::mfn(root.0).0)]) };
}

/// The page that an entry maps, which is the domain's own memory.
fn page_of(entry: u64) -> Option<Pfn> {
    pte::frame(entry).and_then(p2m::pfn_of)
}

/// A page for a process's memory, or for its tables.
fn page_for_process() -> Result<Pfn, Errno> {
    match frame::free_count() {
        KERNEL_RESERVE.. => frame::alloc().ok_or(Errno::ENOMEM),
        _ => Err(Errno::ENOMEM),
    }
}

/// Makes the processor use a space (`None`: the boot root, without a user half).
pub(crate) fn activate(space: Option<&AddressSpace>) {
    let (kernel, user) = match space {
        Some(s) => (
            s.kernel_root,
            s.user_root.map_or(0, |root| p2m::mfn(root.0).0),
        ),
        None => (paging::boot_root(), 0),
    };
    let ops = [
        mmuext_frame(MMUEXT_NEW_BASEPTR, p2m::mfn(kernel.0).0),
        mmuext_frame(MMUEXT_NEW_USER_BASEPTR, user),
    ];
    // SAFETY: every root has the same kernel half, so the kernel's own memory stays in place.
    unsafe { hypercall::mmuext(&ops) }.expect("a pinned root can be activated");
}

impl AddressSpace {
    /// A space with these regions, of which no page is there.
    fn new(layout: Layout) -> Result<Self, Errno> {
        let l3 = Table::alloc()?;
        let (kernel_root, user_root) = make_roots(l3).inspect_err(|_| l3.release())?;
        let tables = alloc::vec![l3];
        Ok(Self {
            kernel_root,
            user_root,
            tables,
            layout,
            grants: BTreeMap::new(),
            blocks: BTreeMap::new(),
            offers: BTreeMap::new(),
        })
    }

    /// Ends the space: its pages and tables become free. It must not be active.
    pub(crate) fn destroy(mut self) {
        // While the tables are tables: the entries are named by their place in them.
        self.end_grants();
        for (start, region) in self.layout.own() {
            // Nothing is allocated before the roots are gone, so a page freed here while it
            // is still mapped cannot meet a new use.
            self.for_each_page(start, region.end, |_, _, entry| {
                page_of(entry).into_iter().for_each(shares::give_up);
            });
        }
        for root in self.user_root.into_iter().chain([self.kernel_root]) {
            unpin(root);
            root.release();
        }
        for table in self.tables.drain(..) {
            table.release();
        }
        for block in core::mem::take(&mut self.blocks).into_values() {
            dma::give_back(block);
        }
        for (gref, pfn) in core::mem::take(&mut self.offers).into_values() {
            grant::retire(gref, pfn);
        }
    }

    /// Calls `f` with each present page: the table that maps it, its address, its entry.
    fn for_each_page(&self, start: u64, end: u64, mut f: impl FnMut(Table, u64, u64)) {
        if start < end {
            self.kernel_root.for_each_page(4, start..end, &mut f);
        }
    }

    /// The table of a level for an address (1: the lowest), made if there is none.
    fn table(&mut self, va: u64, level: u32) -> Result<Table, Errno> {
        // One for each level below the highest.
        self.tables.try_reserve(3).map_err(|_| Errno::ENOMEM)?;
        let (root, tables) = (self.kernel_root, &mut self.tables);
        paging::need_table(root, va, level, |table| tables.push(table))
    }

    /// Maps a fresh page of zeroes.
    fn give_page(&mut self, va: u64, rights: u64) -> Result<(), Errno> {
        let l1 = self.table(va, 1)?;
        let pfn = page_for_process()?;
        frame::zero(pfn);
        // SAFETY: the entry is empty (callers give each page once), the page is this space's.
        let mapped = unsafe { l1.write(index(va, 1), pte::new(p2m::mfn(pfn), rights)) };
        mapped.inspect_err(|_| frame::free(pfn))
    }

    /// Answers a fault at `va`, if the region allows the access: gives the page if there is none, and
    /// one to write to if it was shared. The space must be active.
    pub(crate) fn fault(&mut self, va: u64, write: bool, exec: bool) -> Result<(), Errno> {
        let (_, region) = self.layout.at(va).ok_or(Errno::EFAULT)?;
        let allowed =
            (!write || region.rights & pte::WRITE != 0) && (!exec || region.rights & pte::NX == 0);
        let page = va & !(PAGE_SIZE - 1);
        if !allowed {
            return Err(Errno::EFAULT);
        }
        match paging::translate(self.kernel_root, page) {
            None => self.give_page(page, region.rights)?,
            Some(entry) if write && entry & pte::WRITE == 0 && region.kind == Kind::Own => {
                self.unshare(page, entry, region.rights)?;
            }
            Some(_) => return Err(Errno::EFAULT),
        }
        FAULTS_SERVED.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Makes sure that a range can be read (and written), as if each page were touched.
    pub(crate) fn ensure(&mut self, start: u64, len: u64, write: bool) -> Result<(), Errno> {
        let end = start
            .checked_add(len)
            .filter(|&end| end <= USER_END)
            .ok_or(Errno::EFAULT)?;
        if len == 0 {
            return Ok(()); // an empty range may have any address
        }
        let mut page = start & !(PAGE_SIZE - 1);
        while page < end {
            match paging::translate(self.kernel_root, page) {
                Some(entry) if !write || entry & pte::WRITE != 0 => {}
                _ => self.fault(page, write, false)?,
            }
            page += PAGE_SIZE;
        }
        Ok(())
    }

    /// Reserves zeroed memory, given at first touch.
    pub(crate) fn map_anon(&mut self, pages: u64) -> Result<u64, Errno> {
        let range = self.layout.place(pages)?;
        self.layout.add_mapping(&range, pte::RW, Kind::Own)
    }

    /// Maps frames of another domain: all of them, or none.
    pub(crate) fn map_foreign(
        &mut self,
        domid: u16,
        mfns: &[u64],
        writable: bool,
    ) -> Result<u64, Errno> {
        let rights = if writable { pte::RW } else { pte::RO };
        let entry = |i: usize| pte::new(Mfn(mfns[i]), rights);
        self.map_frames(mfns.len(), domid, rights, Kind::Foreign, entry)
    }

    /// Maps `count` frames of a domain by the entries given: all of them, or none.
    fn map_frames(
        &mut self,
        count: usize,
        domid: u16,
        rights: u64,
        kind: Kind,
        entry: impl Fn(usize) -> u64,
    ) -> Result<u64, Errno> {
        let range = self.layout.place(count as u64)?;
        let result = self.write_entries(range.start, count, domid, entry);
        if let Err((done, e)) = result {
            self.clear(range.start, done)?;
            self.layout.vacate(&range);
            return Err(e);
        }
        self.layout.add_mapping(&range, rights, kind)
    }

    /// Writes `count` entries from `start` on; `Err` says how many were written.
    fn write_entries(
        &mut self,
        start: u64,
        count: usize,
        domid: u16,
        entry: impl Fn(usize) -> u64,
    ) -> Result<(), (usize, Errno)> {
        let mut done = 0;
        while done < count {
            let mut batch = [mmu_update { ptr: 0, val: 0 }; BATCH];
            let mut n = 0;
            let va = start + done as u64 * PAGE_SIZE;
            let l1 = self.table(va, 1).map_err(|e| (done, e))?;
            while n < BATCH && done + n < count && index(va, 1) + n < ENTRIES {
                let ptr = l1.entry_address(index(va, 1) + n);
                batch[n] = mmu_update {
                    ptr,
                    val: entry(done + n),
                };
                n += 1;
            }
            // SAFETY: the entries are this space's, in a range that nothing else uses.
            unsafe { hypercall::mmu_update(&batch[..n], domid) }
                .map_err(|(part, e)| (done + part, e))?;
            done += n;
        }
        Ok(())
    }

    fn clear(&mut self, start: u64, count: usize) -> Result<(), Errno> {
        let cleared = self
            .write_entries(start, count, DOMID_SELF, |_| 0)
            .map_err(|(_, e)| e);
        hypercall::flush_tlb();
        cleared
    }

    /// Undoes one mapping, which must be named exactly.
    pub(crate) fn unmap(&mut self, va: u64, pages: u64) -> Result<(), Errno> {
        let region = self.layout.from(va).ok_or(Errno::EINVAL)?;
        let exact = pages
            .checked_mul(PAGE_SIZE)
            .and_then(|len| va.checked_add(len));
        if exact != Some(region.end) || !region.unmappable {
            return Err(Errno::EINVAL);
        }
        match region.kind {
            Kind::Granted => self.end_grants_at(va)?,
            Kind::Own | Kind::Foreign | Kind::Dma | Kind::Offered => {
                self.clear_region(va, &region)?;
            }
        }
        if let Some(block) = self.blocks.remove(&va) {
            dma::give_back(block);
        }
        if let Some((gref, pfn)) = self.offers.remove(&va) {
            grant::retire(gref, pfn);
        }
        self.layout.remove_mapping(&(va..region.end));
        Ok(())
    }

    /// Empties the entries of a region; own memory of processes becomes free.
    fn clear_region(&mut self, va: u64, region: &Region) -> Result<(), Errno> {
        let mut updates = Updates::new();
        let is_own = region.kind == Kind::Own;
        let mut cleared = Ok(());
        self.for_each_page(va, region.end, |table, page, entry| {
            // Of a frame that is not memory nobody can be asked which page it is.
            let own = if is_own { page_of(entry) } else { None };
            // SAFETY: the process gives the region up; nothing is allocated before the flush.
            cleared = cleared.and_then(|()| unsafe { updates.add(table, page, 0, own) });
        });
        let cleared = cleared.and_then(|()| updates.write());
        hypercall::flush_tlb();
        cleared
    }
}

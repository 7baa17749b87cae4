//! Memory of a process that others reach as well: pages that other domains grant, or that are
//! granted to them; registers of devices, pages that devices read and write.

use super::layout::Kind;
use super::{AddressSpace, page_for_process};
use crate::dev::grant::{self, Access};
use crate::hypercall;
use crate::log::klog;
use crate::mm::paging::{self, index, pte};
use crate::mm::{Mfn, PAGE_SIZE, dma, frame, p2m};
use alloc::vec::Vec;
use guest_user::abi::Errno;
use hypercall_abi::grant_table::*;
use hypercall_abi::xen::{DOMID_IO, DOMID_SELF};
use zerocopy::FromZeros;

/// Bit 4 of an entry: what is written goes to the device at once.
const UNCACHED: u64 = 1 << 4;

impl AddressSpace {
    /// Maps pages that a domain grants, in the order of `refs`: all of them, or none. What came of
    /// each, `GNTST_*`, is in `statuses`; they are all 0 if nothing was asked for.
    pub(crate) fn map_grants(
        &mut self,
        domid: u16,
        refs: &[u32],
        writable: bool,
        statuses: &mut Vec<i16>,
    ) -> Result<u64, Errno> {
        let range = self.layout.place(refs.len() as u64)?;
        let readonly = if writable { 0 } else { GNTMAP_readonly };
        let kind = GNTMAP_host_map | GNTMAP_application_map | GNTMAP_contains_pte;
        let mut maps = Vec::new();
        for (&gref, va) in refs.iter().zip(range.clone().step_by(PAGE_SIZE as usize)) {
            let mut map = gnttab_map_grant_ref::new_zeroed();
            // By the entry's own address: so it can be undone while another space is active.
            let table = self
                .table(va, 1)
                .inspect_err(|_| self.layout.vacate(&range))?;
            map.host_addr = table.entry_address(index(va, 1));
            (map.flags, map.r#ref, map.dom) = (kind | readonly, gref, domid);
            map.status = GNTST_general_error;
            maps.push(map);
        }
        // SAFETY: the entries are this space's, empty, in a range that nothing else uses.
        let done = unsafe { hypercall::grant_table_op(GNTTABOP_map_grant_ref, &mut maps) };
        statuses.clear();
        statuses.extend(maps.iter().map(|map| map.status));
        let mapped = |map: &&gnttab_map_grant_ref| map.status == GNTST_okay;
        let mapped: Vec<_> = maps.iter().filter(mapped).collect();
        if mapped.len() < maps.len() {
            let undone = mapped.iter().map(|map| (map.host_addr, map.handle));
            unmap(&mut undone.map(undo).collect::<Vec<_>>())?;
            self.layout.vacate(&range);
            done?;
            return Err(Errno::EACCES);
        }
        let handles = mapped.iter().map(|map| map.handle).collect();
        self.grants.insert(range.start, handles);
        let rights = if writable { pte::RW } else { pte::RO };
        self.layout.add_mapping(&range, rights, Kind::Granted)
    }

    /// Ends the mappings of the granted region that begins at `start`.
    pub(super) fn end_grants_at(&mut self, start: u64) -> Result<(), Errno> {
        let handles = self.grants.get(&start).ok_or(Errno::EINVAL)?;
        let mut unmaps = Vec::new();
        for (&handle, page) in handles.iter().zip(0..) {
            let va = start + page * PAGE_SIZE;
            let table = paging::find_l1(self.kernel_root, va).ok_or(Errno::EFAULT)?;
            unmaps.push(undo((table.entry_address(index(va, 1)), handle)));
        }
        unmap(&mut unmaps)?;
        self.grants.remove(&start);
        Ok(())
    }

    /// Ends all mappings of granted pages.
    pub(super) fn end_grants(&mut self) {
        while let Some((&start, _)) = self.grants.first_key_value() {
            if let Err(e) = self.end_grants_at(start) {
                klog!("granted pages at {start:#x} stay mapped: {e}");
                self.grants.remove(&start);
            }
        }
    }

    /// Gives memory for a device, whose frames follow one another.
    pub(crate) fn map_dma(&mut self, order: u32) -> Result<(u64, Mfn), Errno> {
        let block = dma::take(order)?;
        let entry = |i| pte::new(block.mfn(i), pte::RW);
        let va = self
            .map_frames(block.pages(), DOMID_SELF, pte::RW, Kind::Dma, entry)
            .inspect_err(|_| dma::give_back(block))?;
        self.blocks.insert(va, block);
        Ok((va, block.mfn(0)))
    }

    /// Gives a page of zeroes that another domain may use; its address and the reference.
    pub(crate) fn offer(&mut self, domid: u16, access: Access) -> Result<(u64, u32), Errno> {
        let pfn = page_for_process()?;
        frame::zero(pfn);
        let entry = |_| pte::new(p2m::mfn(pfn), pte::RW);
        let va = self
            .map_frames(1, DOMID_SELF, pte::RW, Kind::Offered, entry)
            .inspect_err(|_| frame::free(pfn))?;
        match grant::offer(pfn, domid, access) {
            Ok(gref) => {
                self.offers.insert(va, (gref, pfn));
                Ok((va, gref))
            }
            Err(e) => {
                self.unmap(va, 1)?;
                frame::free(pfn);
                Err(e)
            }
        }
    }

    /// Maps a device's registers.
    pub(crate) fn map_io(&mut self, first: Mfn, pages: usize) -> Result<u64, Errno> {
        let rights = pte::RW | UNCACHED;
        let entry = |i: usize| pte::new(Mfn(first.0 + i as u64), rights);
        self.map_frames(pages, DOMID_IO, pte::RW, Kind::Foreign, entry)
    }

    /// The frame and the offset behind an address of the process, for a copy of `len` bytes that
    /// stays in its page: memory that is the domain's own.
    pub(crate) fn own_frame(
        &mut self,
        va: u64,
        len: u64,
        write: bool,
    ) -> Result<(Mfn, u64), Errno> {
        let offset = va % PAGE_SIZE;
        if offset + len > PAGE_SIZE {
            return Err(Errno::EINVAL);
        }
        self.ensure(va, len.max(1), write)?;
        let (_, region) = self.layout.at(va).ok_or(Errno::EFAULT)?;
        if !matches!(region.kind, Kind::Own | Kind::Dma | Kind::Offered) {
            return Err(Errno::EFAULT);
        }
        let entry = paging::translate(self.kernel_root, va).and_then(pte::frame);
        Ok((entry.ok_or(Errno::EFAULT)?, offset))
    }
}

/// What undoes the mapping of a handle by the entry at a machine address.
fn undo((host_addr, handle): (u64, u32)) -> gnttab_unmap_grant_ref {
    let mut unmap = gnttab_unmap_grant_ref::new_zeroed();
    (unmap.host_addr, unmap.handle) = (host_addr, handle);
    unmap
}

/// Undoes mappings; an error if one of them stays.
fn unmap(list: &mut [gnttab_unmap_grant_ref]) -> Result<(), Errno> {
    list.iter_mut()
        .for_each(|unmap| unmap.status = GNTST_general_error);
    // SAFETY: the entries are a process's, which gives the mappings up.
    unsafe { hypercall::grant_table_op(GNTTABOP_unmap_grant_ref, list) }?;
    let stays = list.iter().any(|unmap| unmap.status != GNTST_okay);
    if stays { Err(Errno::EIO) } else { Ok(()) }
}

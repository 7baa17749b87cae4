//! A second process with the same memory: both have its pages, without write access, until one of
//! them writes, which then gets a page of its own.

use super::draft::Draft;
use super::updates::Updates;
use super::{AddressSpace, page_for_process, page_of};
use crate::hypercall;
use crate::mm::paging::pte;
use crate::mm::{Pfn, frame, p2m, shares};
use guest_user::abi::Errno;
use hypercall_abi::xen::{UVMF_INVLPG, UVMF_LOCAL};

impl AddressSpace {
    /// A space with the same memory; each page of it is shared until it is written. It has nothing
    /// that others reach as well: pages of other domains or granted to them, or a device's. This
    /// space must be active.
    pub(crate) fn fork(&mut self) -> Result<Self, Errno> {
        shares::prepare()?;
        let mut child = Draft::with(self.layout.of_own());
        // If it ends here, what lost write access has it back with its first write.
        let shared = self.share(&mut child);
        hypercall::flush_tlb();
        shared.and_then(|()| child.finish())
    }

    fn share(&self, child: &mut Draft) -> Result<(), Errno> {
        let mut updates = Updates::new();
        for (start, region) in self.layout.own() {
            let mut result = Ok(());
            self.for_each_page(start, region.end, |table, va, entry| {
                result = result.and_then(|()| child.share_page(va, entry));
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

    /// Gives write access to a page that may be shared: to a copy of it, if it is. This space must be
    /// active.
    pub(super) fn unshare(&mut self, va: u64, entry: u64, rights: u64) -> Result<(), Errno> {
        let pfn = page_of(entry).ok_or(Errno::EFAULT)?;
        if !shares::is_shared(pfn) {
            return replace(va, pfn, rights);
        }
        let own = page_for_process()?;
        frame::copy(pfn, own);
        replace(va, own, rights).inspect_err(|_| frame::free(own))?;
        shares::give_up(pfn);
        Ok(())
    }
}

/// Maps a page instead of one with the same contents, in the active space.
fn replace(va: u64, pfn: Pfn, rights: u64) -> Result<(), Errno> {
    let entry = pte::new(p2m::mfn(pfn), rights);
    // SAFETY: the process has the same contents there before and after.
    unsafe { hypercall::update_va_mapping(va, entry, UVMF_INVLPG | UVMF_LOCAL) }.map(drop)
}

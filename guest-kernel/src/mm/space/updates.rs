//! Changes of lowest-level entries, many in one hypercall, without memory of their own.

use super::BATCH;
use crate::hypercall;
use crate::mm::paging::{Table, index};
use crate::mm::{Pfn, shares};
use guest_user::abi::Errno;
use hypercall_abi::xen::{DOMID_SELF, MMU_NORMAL_PT_UPDATE, mmu_update};

/// Those that are still to be made.
pub(super) struct Updates {
    list: [mmu_update; BATCH],
    /// The pages that nothing maps any more once they are made.
    given_up: [Option<Pfn>; BATCH],
    count: usize,
}

impl Updates {
    pub(super) const fn new() -> Self {
        Self {
            list: [mmu_update { ptr: 0, val: 0 }; BATCH],
            given_up: [None; BATCH],
            count: 0,
        }
    }

    /// Adds one. Once it is made, and the caller has flushed what the processor remembers, the process
    /// does not have the page `given_up` any more.
    ///
    /// # Safety
    /// As for [`hypercall::mmu_update`]; until the flush no page may be allocated.
    pub(super) unsafe fn add(
        &mut self,
        table: Table,
        va: u64,
        entry: u64,
        given_up: Option<Pfn>,
    ) -> Result<(), Errno> {
        self.list[self.count] = mmu_update {
            ptr: table.entry_address(index(va, 1)) | MMU_NORMAL_PT_UPDATE,
            val: entry,
        };
        self.given_up[self.count] = given_up;
        self.count += 1;
        match self.count {
            BATCH => self.write(),
            _ => Ok(()),
        }
    }

    /// Makes those that are left.
    pub(super) fn write(&mut self) -> Result<(), Errno> {
        let count = core::mem::take(&mut self.count);
        // SAFETY: passed on to the callers of `add`.
        unsafe { hypercall::mmu_update(&self.list[..count], DOMID_SELF) }.map_err(|(_, e)| e)?;
        let pages = self.given_up[..count].iter().flatten();
        pages.for_each(|&pfn| shares::give_up(pfn));
        Ok(())
    }
}

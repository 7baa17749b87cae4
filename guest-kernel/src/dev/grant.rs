//! What this domain grants to others: its own table (version 1), which grows as it is needed.
//!
//! A page that another domain has mapped stays as it is after the grant was ended, until the other
//! lets go: so nothing else may be made of it before. [`retire`] sees to that.

use crate::global::Global;
use crate::hypercall;
use crate::mm::paging::{self, pte};
use crate::mm::{GRANT_TABLE_VA, Mfn, PAGE_SIZE, Pfn, frame, p2m};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use guest_user::abi::Errno;
use hypercall_abi::grant_table::*;
use hypercall_abi::xen::DOMID_SELF;
use zerocopy::FromZeros;

/// Entries of a frame of the table.
const PER_FRAME: u32 = (PAGE_SIZE as usize / size_of::<grant_entry_v1>()) as u32;
/// The most frames that are asked for; the hypervisor may allow fewer.
const FRAMES_MAX: u32 = 32;

struct Table {
    /// Frames that are mapped.
    frames: u32,
    free: Vec<u32>,
    /// Entries that were ended while the other domain used the page, and the page.
    limbo: Vec<(u32, Pfn)>,
}

static TABLE: Global<Table> = Global::new(Table {
    frames: 0,
    free: Vec::new(),
    limbo: Vec::new(),
});

/// Whether the other domain may write, or only read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

fn place(gref: u32) -> u64 {
    assert!(gref < FRAMES_MAX * PER_FRAME, "no entry {gref}");
    GRANT_TABLE_VA + u64::from(gref) * size_of::<grant_entry_v1>() as u64
}

/// An entry as a whole. Only of entries in mapped frames.
fn entry(gref: u32) -> &'static AtomicU64 {
    // SAFETY: callers have the number from `Table::free`, which holds entries of frames that are
    // mapped for good; they are accessed atomically only.
    unsafe { &*(place(gref) as *const AtomicU64) }
}

/// The flags of an entry, which the hypervisor changes too.
fn flags(gref: u32) -> &'static AtomicU16 {
    // SAFETY: as in `entry`; the flags are the first two bytes.
    unsafe { &*(place(gref) as *const AtomicU16) }
}

impl Table {
    /// Maps one more frame of the table.
    fn grow(&mut self) -> Result<(), Errno> {
        if self.frames == FRAMES_MAX {
            return Err(Errno::ENOSPC);
        }
        let mut list = [0_u64; FRAMES_MAX as usize];
        let mut setup = gnttab_setup_table::new_zeroed();
        (setup.dom, setup.nr_frames) = (DOMID_SELF, self.frames + 1);
        (setup.frame_list, setup.status) = (list.as_mut_ptr() as u64, GNTST_general_error);
        let setup = core::slice::from_mut(&mut setup);
        // SAFETY: the hypervisor writes the structure, and as many numbers as were asked for.
        unsafe { hypercall::grant_table_op(GNTTABOP_setup_table, setup) }?;
        if setup[0].status != GNTST_okay {
            return Err(Errno::ENOSPC);
        }
        let first = self.frames * PER_FRAME;
        let entries = (first..first + PER_FRAME).filter(|&of| of >= GNTTAB_NR_RESERVED_ENTRIES);
        self.free
            .try_reserve((PER_FRAME * (self.frames + 1)) as usize)
            .map_err(|_| Errno::ENOMEM)?;
        let va = GRANT_TABLE_VA + u64::from(self.frames) * PAGE_SIZE;
        // SAFETY: nothing is mapped there yet; the frame is the hypervisor's, and shared.
        unsafe { paging::map_kernel(va, Mfn(list[self.frames as usize]), pte::RW) }?;
        self.free.extend(entries.rev());
        self.frames += 1;
        Ok(())
    }

    /// Frees what the other domains have let go of.
    fn sweep(&mut self) {
        let Self { limbo, free, .. } = self;
        limbo.retain(|&(gref, pfn)| {
            let over = try_end(gref);
            if over {
                free.push(gref);
                frame::free(pfn);
            }
            !over
        });
    }
}

/// Ends a grant, unless the other domain uses it; whether it is over.
fn try_end(gref: u32) -> bool {
    let flags = flags(gref);
    let mut now = flags.load(Ordering::SeqCst);
    loop {
        if now & (GTF_reading | GTF_writing) != 0 {
            return false;
        }
        match flags.compare_exchange(now, GTF_invalid, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => return true,
            Err(other) => now = other,
        }
    }
}

/// Grants a page to a domain; returns the reference.
///
/// # Errors
/// `ENOSPC`: the table is full.
pub(crate) fn offer(pfn: Pfn, domid: u16, access: Access) -> Result<u32, Errno> {
    let gref = TABLE.with(|table| {
        table.sweep();
        if table.free.is_empty() {
            table.grow()?;
        }
        table.free.pop().ok_or(Errno::ENOSPC)
    })?;
    set(gref, pfn, domid, access);
    Ok(gref)
}

/// Has an entry that is nobody's grant a page.
fn set(gref: u32, pfn: Pfn, domid: u16, access: Access) {
    let readonly = match access {
        Access::Read => GTF_readonly,
        Access::Write => 0,
    };
    let word =
        u64::from(GTF_permit_access | readonly) | u64::from(domid) << 16 | p2m::mfn(pfn).0 << 32;
    entry(gref).store(word, Ordering::SeqCst);
}

/// Ends a grant, and frees its page as soon as the other domain does not use it any more.
pub(crate) fn retire(gref: u32, pfn: Pfn) {
    TABLE.with(|table| {
        // It goes at once if it can.
        table.limbo.push((gref, pfn));
        table.sweep();
    });
}

/// Pages that other domains keep although nothing is granted any more.
pub(crate) fn kept_by_others() -> u64 {
    TABLE.with(|table| {
        table.sweep();
        table.limbo.len() as u64
    })
}

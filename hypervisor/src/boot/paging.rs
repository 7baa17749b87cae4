//! The final page tables of the hypervisor's own range.
//!
//! Frames that the hypervisor keeps are not in the direct map: through it, the core reaches guests'
//! frames and nothing else, whatever it is told. What is executable is not writable, anywhere.

use crate::boot::memory::Frames;
use crate::layout::{self, PAGE};

/// Page-table entry bits.
pub(crate) mod bits {
    pub(crate) const PRESENT: u64 = 1;
    pub(crate) const WRITE: u64 = 1 << 1;
    pub(crate) const USER: u64 = 1 << 2;
    pub(crate) const NO_CACHE: u64 = 1 << 4 | 1 << 3;
    pub(crate) const ACCESSED: u64 = 1 << 5;
    pub(crate) const DIRTY: u64 = 1 << 6;
    pub(crate) const LARGE: u64 = 1 << 7;
    pub(crate) const NO_EXECUTE: u64 = 1 << 63;
    /// The frame's address.
    pub(crate) const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
}

use bits::{ACCESSED, ADDRESS, DIRTY, LARGE, NO_CACHE, NO_EXECUTE, PRESENT, USER, WRITE};

const LARGE_PAGE: u64 = 1 << 21;
const BASE: u64 = PRESENT | ACCESSED | DIRTY;

/// What may be done with a mapped page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// Read and execute.
    Execute,
    /// Read.
    Read,
    /// Read and write.
    Write,
    /// Read and write device registers.
    Device,
    /// Read, by guests too.
    GuestRead,
}

impl Rights {
    /// The bits of a last-level entry.
    pub(crate) const fn bits(self) -> u64 {
        match self {
            Self::Execute => BASE,
            Self::Read => BASE | NO_EXECUTE,
            Self::Write => BASE | NO_EXECUTE | WRITE,
            Self::Device => BASE | NO_EXECUTE | WRITE | NO_CACHE,
            Self::GuestRead => BASE | NO_EXECUTE | USER,
        }
    }
}

/// Frames that the hypervisor takes for itself at boot, in one piece, given out in order. They are
/// zeroed when given out.
pub(crate) struct OwnMemory {
    /// All of them.
    pub(crate) frames: Frames,
    next: u64,
}

impl OwnMemory {
    /// Over `frames`, which lie below 4 GiB and belong to nobody.
    pub(crate) const fn new(frames: Frames) -> Self {
        Self {
            frames,
            next: frames.start,
        }
    }

    /// The machine address of `pages` zeroed pages; `None` when they are not there.
    pub(crate) fn take(&mut self, pages: u64) -> Option<u64> {
        let first = self.next;
        let end = first.checked_add(pages)?;
        if end > self.frames.end {
            return None;
        }
        self.next = end;
        let start = (layout::DIRECT_MAP + first * PAGE) as *mut u8;
        // SAFETY: head.S maps the frames here, and `new` promises that they are nobody's.
        unsafe { core::ptr::write_bytes(start, 0, (pages * PAGE) as usize) };
        Some(first * PAGE)
    }

    /// What was not taken.
    pub(crate) fn rest(&self) -> Frames {
        Frames {
            start: self.next,
            end: self.frames.end,
        }
    }
}

/// Where the hypervisor sees its own memory, once the final tables are in force.
pub(crate) const fn own_address(machine: u64) -> u64 {
    layout::OWN + machine
}

/// Builds page tables in memory that head.S maps.
pub(crate) struct Builder<'a> {
    memory: &'a mut OwnMemory,
    root: u64,
}

/// Memory ran out while tables were built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoMemory;

impl<'a> Builder<'a> {
    /// An empty root.
    ///
    /// # Errors
    /// No memory.
    pub(crate) fn new(memory: &'a mut OwnMemory) -> Result<Self, NoMemory> {
        let root = memory.take(1).ok_or(NoMemory)?;
        Ok(Self { memory, root })
    }

    /// A root that was begun before.
    pub(crate) fn of(memory: &'a mut OwnMemory, root: u64) -> Self {
        Self { memory, root }
    }

    /// Copies slots of the root into `other`, a root too.
    pub(crate) fn copy_slots(&self, slots: core::ops::Range<u64>, other: u64) {
        for slot in slots {
            Self::write(other, slot, Self::read(self.root, slot));
        }
    }

    /// The root's machine address.
    pub(crate) fn root(&self) -> u64 {
        self.root
    }

    /// More memory of the same supply.
    ///
    /// # Errors
    /// No memory.
    pub(crate) fn take(&mut self, pages: u64) -> Result<u64, NoMemory> {
        self.memory.take(pages).ok_or(NoMemory)
    }

    fn entry(table: u64, index: u64) -> *mut u64 {
        (layout::DIRECT_MAP + table + (index & 511) * 8) as *mut u64
    }

    fn read(table: u64, index: u64) -> u64 {
        // SAFETY: `table` came from `OwnMemory`, which head.S maps; the index is below 512.
        unsafe { Self::entry(table, index).read() }
    }

    fn write(table: u64, index: u64, value: u64) {
        // SAFETY: as in `read`; the tables are not in use yet.
        unsafe { Self::entry(table, index).write(value) };
    }

    /// The table of level `level` - 1 that translates `va`, made if need be.
    fn descend(&mut self, table: u64, va: u64, level: u32) -> Result<u64, NoMemory> {
        let index = va >> (12 + 9 * (level - 1)) & 511;
        let found = Self::read(table, index);
        if found & PRESENT != 0 {
            return Ok(found & ADDRESS);
        }
        let new = self.take(1)?;
        // Guests may walk only the way to the machine-to-phys table.
        let user = if va >> 39 == layout::M2P >> 39 {
            USER
        } else {
            0
        };
        Self::write(table, index, new | PRESENT | WRITE | ACCESSED | user);
        Ok(new)
    }

    /// The last-level table for `va`.
    ///
    /// # Errors
    /// No memory.
    pub(crate) fn leaf_table(&mut self, va: u64) -> Result<u64, NoMemory> {
        let l3 = self.descend(self.root, va, 4)?;
        let l2 = self.descend(l3, va, 3)?;
        self.descend(l2, va, 2)
    }

    /// The last-level entry for `va`.
    ///
    /// # Errors
    /// No memory for the tables on the way to it.
    pub(crate) fn leaf(&mut self, va: u64) -> Result<u64, NoMemory> {
        Ok(Self::read(self.leaf_table(va)?, va >> 12))
    }

    /// Sets the last-level entry for `va`.
    ///
    /// # Errors
    /// No memory for the tables on the way to it.
    pub(crate) fn set_leaf(&mut self, va: u64, entry: u64) -> Result<(), NoMemory> {
        let table = self.leaf_table(va)?;
        Self::write(table, va >> 12, entry);
        Ok(())
    }

    /// Maps `len` bytes (whole pages) of machine memory, by 2 MiB pages where they fit.
    ///
    /// # Errors
    /// No memory.
    pub(crate) fn map(
        &mut self,
        va: u64,
        machine: u64,
        len: u64,
        rights: Rights,
    ) -> Result<(), NoMemory> {
        let mut at = 0;
        while at < len {
            let (v, m) = (va + at, machine + at);
            if (v | m) % LARGE_PAGE == 0 && len - at >= LARGE_PAGE {
                let l3 = self.descend(self.root, v, 4)?;
                let l2 = self.descend(l3, v, 3)?;
                Self::write(l2, v >> 21, m | rights.bits() | LARGE);
                at += LARGE_PAGE;
            } else {
                let l1 = self.leaf_table(v)?;
                let stop = len.min((v / LARGE_PAGE + 1) * LARGE_PAGE - va);
                while at < stop {
                    Self::write(l1, (va + at) >> 12, (machine + at) | rights.bits());
                    at += PAGE;
                }
            }
        }
        Ok(())
    }
}

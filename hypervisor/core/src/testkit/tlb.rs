//! What the fake CPUs remember of page tables: translations, and the tables that a walk went
//! through. Nothing is forgotten but by the flush that the hypervisor asks for, so that a test can
//! tell when a flush is missing.

use alloc::vec::Vec;

use super::machine::FakeMachine;
use crate::addr::{Mfn, table_index};
use crate::platform::{CpuId, CpuMask, Machine};

/// Entries that a CPU remembers of each sort; more than that replace the oldest.
const ROOM: usize = 24;

/// Bits of a page-table entry (processor manual, volume 3, 4.5).
const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// What a page fault's error code says: present, write, user.
const FAULT_PRESENT: u32 = 1;
const FAULT_WRITE: u32 = 1 << 1;
const FAULT_USER: u32 = 1 << 2;

/// A translation in a CPU's TLB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The virtual page's number.
    pub page: u64,
    /// The frame.
    pub mfn: Mfn,
    /// Whether stores go through.
    pub writable: bool,
    /// [`FakeMachine::epoch`] when it was filled in.
    pub since: u64,
}

/// A table that a CPU went through and will use again without looking at the tables above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paging {
    /// The table's level, 1 to 3.
    pub level: u32,
    /// The part of the address that leads to it.
    pub prefix: u64,
    /// The table.
    pub table: Mfn,
    /// Whether all entries above allow writing.
    pub writable: bool,
    /// [`FakeMachine::epoch`] when it was filled in.
    pub since: u64,
}

/// One CPU's memory.
#[derive(Clone, Debug, Default)]
pub struct CpuTlb {
    /// Translations.
    pub pages: Vec<Translation>,
    /// Tables.
    pub tables: Vec<Paging>,
}

impl CpuTlb {
    pub(super) fn flush(&mut self) {
        self.pages.clear();
        self.tables.clear();
    }

    /// As `invlpg`: the page, and all tables remembered.
    pub(super) fn invalidate(&mut self, va: u64) {
        self.pages.retain(|t| t.page != va >> 12);
        self.tables.clear();
    }

    fn remember_page(&mut self, new: Translation) {
        self.pages.retain(|t| t.page != new.page);
        if self.pages.len() == ROOM {
            self.pages.remove(0);
        }
        self.pages.push(new);
    }

    fn remember_table(&mut self, new: Paging) {
        if self.tables.len() == ROOM {
            self.tables.remove(0);
        }
        self.tables.push(new);
    }
}

/// The address bits that lead to a table of `level`.
const fn prefix(va: u64, level: u32) -> u64 {
    (va & 0xffff_ffff_ffff) >> (12 + 9 * level)
}

impl FakeMachine {
    /// From now on this machine's CPUs remember translations, and set accessed and dirty bits.
    pub fn simulate_tlbs(&self) {
        self.state.lock().tlbs = Some(alloc::vec![CpuTlb::default(); super::MAX_CPUS]);
    }

    /// What `cpu` remembers.
    #[must_use]
    pub fn tlb(&self, cpu: CpuId) -> CpuTlb {
        let state = self.state.lock();
        state
            .tlbs
            .as_ref()
            .map_or_else(CpuTlb::default, |all| all[cpu as usize].clone())
    }

    /// Shows `look` what each of the first `cpus` CPUs remembers.
    pub fn for_each_tlb(&self, cpus: u32, mut look: impl FnMut(CpuId, &CpuTlb)) {
        let state = self.state.lock();
        for (cpu, tlb) in (0..cpus).zip(state.tlbs.iter().flatten()) {
            look(cpu, tlb);
        }
    }

    pub(super) fn change_tlbs(&self, mask: CpuMask, mut change: impl FnMut(&mut CpuTlb)) {
        let mut state = self.state.lock();
        let Some(all) = state.tlbs.as_mut() else {
            return;
        };
        for (cpu, tlb) in all.iter_mut().enumerate() {
            if mask >> cpu & 1 != 0 {
                change(tlb);
            }
        }
    }

    /// The guest on this CPU reads or writes `va`, as the processor does it: through what it
    /// remembers, else through the tables. Gives the frame, which may be a device's.
    ///
    /// # Errors
    /// The page fault's error code.
    pub fn guest_access(&self, va: u64, write: bool) -> Result<Mfn, u32> {
        let asked = FAULT_USER | if write { FAULT_WRITE } else { 0 };
        let root = self.with_cpu(|c| c.root).ok_or(asked)?;
        let cpu = self.cpu() as usize;
        let mut state = self.state.lock();
        let Some(tlb) = state.tlbs.as_mut().map(|all| &mut all[cpu]) else {
            drop(state);
            let (mfn, _) = self.walk_tables(root, va, write).map_err(|()| asked)?;
            return Ok(mfn);
        };
        let known = tlb.pages.iter().find(|t| t.page == va >> 12).copied();
        if let Some(t) = known {
            if t.writable || !write {
                return Ok(t.mfn);
            }
            // A processor looks again before it faults, and forgets this translation.
            tlb.pages.retain(|t| t.page != va >> 12);
        }
        self.walk_and_remember(tlb, root, va, write)
            .map_err(|present| asked | present)
    }

    fn walk_and_remember(
        &self,
        tlb: &mut CpuTlb,
        root: Mfn,
        va: u64,
        write: bool,
    ) -> Result<Mfn, u32> {
        let since = self.epoch();
        let known = tlb
            .tables
            .iter()
            .filter(|t| t.prefix == prefix(va, t.level));
        let lowest = known.min_by_key(|t| t.level).copied();
        let (mut table, mut level, mut writable) =
            lowest.map_or((root, 4, true), |t| (t.table, t.level, t.writable));
        loop {
            let index = table_index(va, level);
            let entry = self.entry(table, index);
            if entry & PRESENT == 0 {
                return Err(0);
            }
            let next = Mfn::containing(entry & ADDRESS);
            writable &= entry & WRITABLE != 0;
            let nowhere = level > 1 && next.0 >= self.frames();
            if entry & USER == 0 || nowhere || (level == 1 && write && !writable) {
                return Err(FAULT_PRESENT);
            }
            let dirty = if level == 1 && write { DIRTY } else { 0 };
            if entry & (ACCESSED | dirty) != ACCESSED | dirty {
                self.set_entry_bits(table, index, ACCESSED | dirty);
            }
            if level == 1 {
                // Until it is dirty, the first store goes through the tables again.
                let writable = writable && (entry | dirty) & DIRTY != 0;
                tlb.remember_page(Translation {
                    page: va >> 12,
                    mfn: next,
                    writable,
                    since,
                });
                return Ok(next);
            }
            level -= 1;
            table = next;
            tlb.remember_table(Paging {
                level,
                prefix: prefix(va, level),
                table,
                writable,
                since,
            });
        }
    }
}

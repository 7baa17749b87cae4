//! Software walks of live page tables.

use super::entry::{PRESENT, frame};
use crate::addr::{Mfn, guest_range, table_index};
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::vcpu::{Mode, Vcpu};

impl Vcpu {
    /// The root of the address space it runs in.
    #[inline]
    #[must_use]
    pub fn current_root(&self) -> Option<Mfn> {
        match self.mode {
            Mode::Kernel => self.arch.kernel_root.get(),
            Mode::User => self.arch.user_root.get(),
        }
    }
}

impl<M: Machine> Hypervisor<M> {
    /// The level-1 table and index that translate `va` under `root`, if the upper levels are
    /// present. The tables on the way are live, for the root is.
    #[inline]
    #[must_use]
    pub fn l1_slot(&self, root: Mfn, va: u64) -> Option<(Mfn, usize)> {
        self.l1_slot_here(root, va)
    }

    /// The same, in line.
    #[inline(always)]
    pub(crate) fn l1_slot_here(&self, root: Mfn, va: u64) -> Option<(Mfn, usize)> {
        if !guest_range(va, 1) {
            return None;
        }
        let mut table = root;
        for level in [4, 3, 2] {
            let entry = self.machine.read_entry(table, table_index(va, level));
            if entry & PRESENT == 0 {
                return None;
            }
            table = frame(entry);
        }
        Some((table, table_index(va, 1)))
    }

    /// The frame and raw level-1 entry that `va` translates to in the vCPU's current address
    /// space.
    #[must_use]
    pub fn translate(&self, vcpu: &Vcpu, va: u64) -> Option<(Mfn, u64)> {
        let (table, index) = self.l1_slot(vcpu.current_root()?, va)?;
        let raw = self.machine.read_entry(table, index);
        (raw & PRESENT != 0).then(|| (frame(raw), raw))
    }
}

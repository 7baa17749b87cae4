//! How much one entry into the hypervisor may do.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Errno, Result};
use crate::platform::CpuId;

/// Work that one entry into the hypervisor may still do, in table entries or pages: at zero the
/// operation stops and is continued after pending interrupts were seen to.
#[derive(Clone, Copy, Debug)]
pub struct Budget(u32);

impl Budget {
    /// Units of one entry: no unit is more than 90 instructions, so that no entry exceeds 50,000
    /// (`cargo xtask test longest_path`).
    pub const FULL: u32 = 512;

    /// A budget of `units`.
    #[must_use]
    pub const fn new(units: u32) -> Self {
        Self(units)
    }

    /// Uses `units`; false when nothing is left. What is left need not suffice, or a small budget
    /// would never get past a large item: an item exceeds a budget by less than its own size.
    #[inline]
    pub fn take(&mut self, units: u32) -> bool {
        let left = !self.is_spent();
        self.0 = self.0.saturating_sub(units);
        left
    }

    /// How many operations of `units` each it is good for; the last may exceed it, as in
    /// [`Self::take`].
    #[inline]
    #[must_use]
    pub const fn good_for(&self, units: u32) -> u32 {
        self.0.div_ceil(units)
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.0 == 0
    }

    /// What is left.
    #[inline]
    #[must_use]
    pub const fn left(&self) -> u32 {
        self.0
    }
}

/// Work done where no budget was at hand, in units, for each CPU: whoever has a budget there takes
/// it off.
#[derive(Debug)]
pub(crate) struct Aside(Vec<AtomicU32>);

impl Aside {
    pub(crate) fn new(cpus: u32) -> Result<Self> {
        let mut all = Vec::new();
        all.try_reserve_exact(cpus as usize)
            .map_err(|_| Errno::ENOMEM)?;
        all.resize_with(cpus as usize, AtomicU32::default);
        Ok(Self(all))
    }

    /// Notes work of this CPU, `cpu`.
    pub(crate) fn note(&self, cpu: CpuId, units: u32) {
        if let Some(noted) = self.0.get(cpu as usize) {
            // Nobody else changes it.
            let all = noted.load(Ordering::Relaxed).saturating_add(units);
            noted.store(all, Ordering::Relaxed);
        }
    }

    /// Takes what this CPU, `cpu`, noted.
    #[inline]
    pub(crate) fn take(&self, cpu: CpuId) -> u32 {
        let Some(noted) = self.0.get(cpu as usize) else {
            return 0;
        };
        let units = noted.load(Ordering::Relaxed);
        if units != 0 {
            noted.store(0, Ordering::Relaxed);
        }
        units
    }
}

//! What a policy keeps of one vCPU.

use super::cpuset::CpuSet;
use super::heap::Unit;
use super::queue::DEFAULT_WEIGHT;
use crate::platform::CpuId;

/// What a policy keeps of one vCPU, and goes by.
#[derive(Clone, Copy, Debug)]
pub struct Account<const W: usize = 1> {
    /// The scheduler's number for it; `None` while it cannot be scheduled.
    pub unit: Option<Unit>,
    /// The CPU that it runs on, or ran on last.
    pub cpu: CpuId,
    /// The queue it waits in: a CPU's, or that of those without a CPU.
    pub queued: Option<CpuId>,
    /// CPU time used, divided by weight; brought up to date when it is charged.
    pub vtime: u64,
    /// Share of CPU time in relation to others' (`xl sched-credit2 -w`).
    pub weight: u16,
    /// Whether it could not have run since it last did.
    pub slept: bool,
    /// Whether `cpu` is its own alone ([`super::policy::Null`]).
    pub owns: bool,
    /// CPUs it may run on (hard affinity).
    pub affinity: CpuSet<W>,
    /// CPUs it had better run on, of those it may (soft affinity).
    pub preference: CpuSet<W>,
}

impl<const W: usize> Default for Account<W> {
    fn default() -> Self {
        Self {
            unit: None,
            cpu: 0,
            queued: None,
            vtime: 0,
            weight: DEFAULT_WEIGHT,
            slept: true,
            owns: false,
            affinity: CpuSet::EVERY,
            preference: CpuSet::EVERY,
        }
    }
}

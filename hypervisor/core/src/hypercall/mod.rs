//! Hypercall dispatch: the table of calls, and the context that every handler gets.

mod budget;
pub mod dispatch;
pub mod multicall;
pub mod page;
mod quick;
pub mod version;

#[cfg(test)]
mod tests;

use crate::domain::Domain;
use crate::error::{HypercallResult, Stop};
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::trap::tables::put_pages;
use crate::vcpu::Vcpu;

pub(crate) use budget::Aside;
pub use budget::Budget;
pub use dispatch::TABLE;

/// What a handler works on: the calling vCPU, its domain, the hypervisor.
pub struct Cx<'a, M: Machine> {
    /// Everything.
    pub hv: &'a Hypervisor<M>,
    /// The caller, running on this CPU.
    pub vcpu: &'a mut Vcpu,
    /// The caller's domain.
    pub dom: &'a Domain,
    /// What may still be done before interrupts must be seen to.
    pub budget: Budget,
    /// Number of the call in progress (of the inner one, in a multicall).
    pub number: u64,
    /// 0 for a direct call, 1 inside a multicall.
    pub depth: u8,
}

impl<'a, M: Machine> Cx<'a, M> {
    /// Of call `number`, made directly by `vcpu`.
    #[inline(always)]
    #[must_use]
    pub fn new(hv: &'a Hypervisor<M>, vcpu: &'a mut Vcpu, dom: &'a Domain, number: u64) -> Self {
        Self {
            hv,
            vcpu,
            dom,
            budget: Budget::new(hv.machine.budget()),
            number,
            depth: 0,
        }
    }

    /// The machine.
    #[inline]
    #[must_use]
    pub fn m(&self) -> &'static M {
        self.hv.machine
    }

    /// The arguments of the call in progress.
    #[inline(always)]
    #[must_use]
    pub fn args(&self) -> [u64; 6] {
        if self.depth == 0 {
            self.vcpu.regs.hypercall_args()
        } else {
            self.vcpu.entry.args
        }
    }

    /// Items that an earlier, interrupted run of this very call finished; the record is taken.
    #[inline]
    pub fn resume_at(&mut self) -> u64 {
        self.resume().unwrap_or(0)
    }

    /// The same; `None` when this call is no other's continuation.
    #[inline]
    pub(crate) fn resume(&mut self) -> Option<u64> {
        let interrupted = &self.vcpu.continuation[usize::from(self.depth & 1)];
        match interrupted {
            None => None,
            Some(_) => self.resume_after(),
        }
    }

    #[cold]
    fn resume_after(&mut self) -> Option<u64> {
        let call = (self.number, self.args());
        match self.vcpu.continuation[usize::from(self.depth & 1)].take() {
            Some(c) if c.call == call => Some(c.done),
            _ => {
                // Nobody goes on with what was interrupted: its pages are not for a GDT then.
                put_pages(self.hv, &mut self.vcpu.arch.gdt_coming);
                None
            }
        }
    }

    /// The call has ended, or is refused before it looks for progress of an earlier run: none is left to
    /// the next call with the same arguments.
    #[inline]
    pub fn end_progress(&mut self) {
        self.resume_at();
    }

    /// What a call ends with: unless it is to be made again, it has [ended](Self::end_progress).
    #[inline]
    pub(crate) fn ended(&mut self, result: HypercallResult) -> HypercallResult {
        if result != Err(Stop::Retry) {
            self.end_progress();
        }
        result
    }

    /// Whether the call in progress is one that was interrupted, made again.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        let interrupted = &self.vcpu.continuation[usize::from(self.depth & 1)];
        interrupted.is_some_and(|c| c.call == (self.number, self.args()))
    }

    /// Uses `units` for something that is done in one piece: only if all of them are left, or else in
    /// an entry of its own, where nothing was done before.
    ///
    /// # Errors
    /// `Retry` when it is to be done in the next entry.
    pub fn afford(&mut self, units: u32) -> Result<(), Stop> {
        if self.budget.left() < units && self.budget.left() != self.hv.machine.budget() {
            return Err(Stop::Retry);
        }
        self.budget.take(units);
        Ok(())
    }

    /// Has the CPU look for something else to run once the hypercall is done.
    pub fn reschedule(&mut self) {
        self.vcpu.reschedule = true;
        self.hv.machine.attend();
    }

    /// Records that `done` items are finished; the handler then returns `Stop::Retry`.
    pub fn suspend_at(&mut self, done: u64) {
        let call = (self.number, self.args());
        self.vcpu
            .suspend_at(usize::from(self.depth & 1), call, done);
    }
}

//! A CPU for each vCPU: no queue, no time slice, nothing that one vCPU could do to another.
//!
//! A vCPU that is online gets a CPU that nobody has, and keeps it until it goes offline. Those that
//! there is no CPU for wait, first come first served, until one is free.

use super::Policy;
use crate::platform::{CpuId, Nanos};
use crate::sched::account::Account;
use crate::sched::cpuset::{CpuSet, SharedSet};
use crate::sched::queue::{Queue, Taken};
use crate::sched::queues::Queues;

/// The policy.
#[derive(Debug)]
pub struct Null<const W: usize> {
    /// CPUs that nobody has.
    free: SharedSet<W>,
}

impl<const W: usize> Null<W> {
    /// For `cpus` CPUs, all free.
    #[must_use]
    pub fn new(cpus: u32) -> Self {
        Self {
            free: SharedSet::new(CpuSet::first_of(cpus)),
        }
    }

    /// A free CPU for a vCPU: the one it had, one that it prefers, or any.
    fn claim(&self, account: &Account<W>) -> Option<CpuId> {
        let free = account.affinity.and(self.free.look());
        let liked = free.and(account.preference);
        let wishes = CpuSet::only(account.cpu).and(liked).first();
        wishes
            .into_iter()
            .chain(liked.around(0))
            .chain(free.around(0))
            .find(|&cpu| self.free.remove(cpu))
    }
}

impl<const W: usize> Policy<W> for Null<W> {
    fn place(&self, cpus: &Queues<W>, account: &mut Account<W>) -> CpuId {
        if account.owns {
            return account.cpu;
        }
        let claimed = self.claim(account);
        account.owns = claimed.is_some();
        claimed.unwrap_or_else(|| cpus.homeless())
    }

    /// Those that wait for a CPU are numbered as they come.
    fn arrive(&self, _: &Queues<W>, queue: &mut Queue<W>, account: &mut Account<W>, _: Nanos) {
        account.vtime = 0;
        if !account.owns {
            queue.catch_up(queue.clock() + 1);
            account.vtime = queue.clock();
        }
    }

    fn server(&self, _: &Queues<W>, account: &Account<W>) -> Option<CpuId> {
        if account.owns {
            return None;
        }
        account.affinity.and(self.free.look()).first()
    }

    fn overtaken(&self, _: &Queue<W>, _: Nanos) -> bool {
        false
    }

    fn looks_around(&self, _: &Queue<W>, _: Nanos) -> bool {
        false
    }

    fn until(&self, _: &Queues<W>, queue: &Queue<W>, now: Nanos) -> Nanos {
        // One that was called off is still on the CPU of the one that comes.
        if queue.is_empty() { Nanos::MAX } else { now }
    }

    /// A CPU that nobody has serves those that wait for one.
    fn elsewhere(&self, cpus: &Queues<W>, cpu: CpuId, _: Option<u64>, _: Nanos) -> Option<Taken> {
        let list = cpus.homeless();
        loop {
            let arrivals = cpus.queue(list).clock();
            if cpus.first(list).is_none() || !self.free.remove(cpu) {
                return None;
            }
            if let Some(taken) = cpus.take(list, cpu, usize::MAX, u64::MAX) {
                return Some(taken);
            }
            self.free.insert(cpu);
            // Whoever came to the list meanwhile did not see that the CPU is free.
            if cpus.queue(list).clock() == arrivals {
                return None;
            }
        }
    }

    fn returned(&self, cpus: &Queues<W>, cpu: CpuId, taken: &Taken) {
        if taken.from == cpus.homeless() {
            self.free.insert(cpu);
        }
    }

    fn released(&self, account: &mut Account<W>) -> Option<CpuId> {
        if !core::mem::take(&mut account.owns) {
            return None;
        }
        self.free.insert(account.cpu);
        Some(account.cpu)
    }

    fn window(&self) -> u64 {
        u64::MAX
    }
}

//! Proportional share with low latency: the contract of Xen's credit2.
//!
//! A vCPU's virtual time advances by the time it ran, divided by its weight; the one with the least
//! runs. A vCPU that slept is put at most [`SLEEPER_BONUS`] behind its queue's clock, which lets it
//! run at once without letting it save up time. An idle CPU takes what waits anywhere; one that runs
//! compares its queue with a few others now and then, and takes what is behind there, so that shares
//! hold over all CPUs.

use core::sync::atomic::{AtomicU32, Ordering};

use hypercall_abi::sysctl::{XEN_SYSCTL_SCHED_RATELIMIT_MAX, XEN_SYSCTL_SCHED_RATELIMIT_MIN};

use super::Policy;
use crate::error::{Errno, Result};
use crate::platform::{CpuId, Nanos};
use crate::sched::account::Account;
use crate::sched::cost::step;
use crate::sched::cpuset::CpuSet;
use crate::sched::queue::{Queue, Taken, real_time};
use crate::sched::queues::Queues;

/// How far ahead of the next one a vCPU may get before it has to let it run.
const GRAIN: u64 = 1_000_000;
/// How far behind the queue's clock a woken vCPU starts.
pub(crate) const SLEEPER_BONUS: u64 = 2_000_000;
/// How far the clocks of two queues may be apart: so long may who wakes in the one wait for what is
/// behind in the other.
const WINDOW: u64 = 5_000_000;
/// How often a CPU that runs looks at other queues.
const LOOK: Nanos = 5_000_000;
/// How many of them it looks at.
const LOOKS: usize = 4;
/// Among how many of the first of another queue one is looked for that may run here.
const REACH: usize = 8;
/// Shortest time a vCPU runs before another takes its CPU, microseconds, as on real Xen.
const RATELIMIT_US: u32 = 1000;

/// The policy.
#[derive(Debug)]
pub struct Credit2 {
    ratelimit_us: AtomicU32,
}

impl Default for Credit2 {
    fn default() -> Self {
        Self {
            ratelimit_us: AtomicU32::new(RATELIMIT_US),
        }
    }
}

impl Credit2 {
    /// Shortest time a vCPU runs before another takes its CPU, microseconds; 0 for no limit.
    #[must_use]
    pub fn ratelimit_us(&self) -> u32 {
        self.ratelimit_us.load(Ordering::Relaxed)
    }

    /// Changes it.
    ///
    /// # Errors
    /// `EINVAL` when it is out of bounds.
    pub fn set_ratelimit_us(&self, limit: u32) -> Result<()> {
        let allowed = XEN_SYSCTL_SCHED_RATELIMIT_MIN..=XEN_SYSCTL_SCHED_RATELIMIT_MAX;
        if limit != 0 && !allowed.contains(&limit) {
            return Err(Errno::EINVAL);
        }
        self.ratelimit_us.store(limit, Ordering::Relaxed);
        Ok(())
    }

    /// When what began to run at `began` may be interrupted for others.
    fn matures(&self, began: Nanos) -> Nanos {
        began.saturating_add(Nanos::from(self.ratelimit_us()) * 1000)
    }
}

/// Where a few CPUs are looked at from on: somewhere else each time, and for each CPU.
fn sample(seed: u64, cpu: CpuId, cpus: u32) -> CpuId {
    let mixed = (seed ^ u64::from(cpu) << 48).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // The upper bits are the mixed ones; as a fraction, they choose one of the CPUs.
    ((u128::from(mixed) * u128::from(cpus)) >> 64) as CpuId
}

impl<const W: usize> Policy<W> for Credit2 {
    /// Where it ran if that CPU is idle, or another that is; else where it will soon run: where
    /// nobody waits, and what runs is farther ahead than elsewhere. Rather one that it prefers.
    fn place(&self, cpus: &Queues<W>, account: &mut Account<W>) -> CpuId {
        let all = cpus.all();
        let mut allowed = account.affinity.and(all);
        if allowed.is_empty() {
            allowed = all;
        }
        let idle = allowed.and(cpus.idle());
        let free = allowed.without(cpus.waiting());
        let liked = account.preference;
        let home = account.cpu;
        let idle = [idle.and(liked), idle].into_iter().find(|s| !s.is_empty());
        if let Some(idle) = idle {
            return idle.around(home).next().unwrap_or(home);
        }
        let best = [free.and(liked), free, allowed.and(liked)]
            .into_iter()
            .find(|set| !set.is_empty())
            .unwrap_or(allowed);
        let start = sample(account.vtime, home, cpus.cpus());
        let others = best.around(start).filter(|&cpu| cpu != home);
        let farthest = others
            .take(LOOKS)
            .inspect(|_| step())
            .max_by_key(|&cpu| cpus.runs(cpu));
        match farthest {
            Some(other) if !best.contains(home) => other,
            Some(other) if cpus.runs(home).saturating_add(GRAIN) < cpus.runs(other) => other,
            _ => home,
        }
    }

    fn arrive(&self, cpus: &Queues<W>, queue: &mut Queue<W>, account: &mut Account<W>, now: Nanos) {
        if queue.is_idle() && queue.is_empty() {
            queue.catch_up(cpus.latest());
        }
        let behind = if account.slept { SLEEPER_BONUS } else { WINDOW };
        let floor = queue.advance_clock(now).saturating_sub(behind);
        account.vtime = account.vtime.max(floor);
    }

    fn server(&self, cpus: &Queues<W>, account: &Account<W>) -> Option<CpuId> {
        account.affinity.and(cpus.idle()).first()
    }

    fn overtaken(&self, queue: &Queue<W>, now: Nanos) -> bool {
        let (Some(first), Some(vtime)) = (queue.first(), queue.running_vtime(now)) else {
            return false;
        };
        let (began, _) = queue.running_since().unwrap_or_default();
        first.saturating_add(GRAIN) <= vtime && now >= self.matures(began)
    }

    fn looks_around(&self, queue: &Queue<W>, now: Nanos) -> bool {
        now >= queue.looked.saturating_add(LOOK)
    }

    /// When the next one overtakes what runs, or it is time to look around.
    fn until(&self, cpus: &Queues<W>, queue: &Queue<W>, now: Nanos) -> Nanos {
        let look = match cpus.cpus() {
            1 => Nanos::MAX,
            _ => queue.looked.saturating_add(LOOK).max(now),
        };
        let (Some(first), Some(vtime)) = (queue.first(), queue.running_vtime(now)) else {
            return look;
        };
        let (began, weight) = queue.running_since().unwrap_or_default();
        let ahead = first.saturating_add(GRAIN).saturating_sub(vtime);
        // Rounded up, so that it is overtaken then.
        let overtaken = now
            .saturating_add(real_time(ahead, weight))
            .saturating_add(1);
        overtaken.max(self.matures(began)).min(look)
    }

    fn elsewhere(
        &self,
        cpus: &Queues<W>,
        cpu: CpuId,
        than: Option<u64>,
        now: Nanos,
    ) -> Option<Taken> {
        let others = cpus.waiting().without(CpuSet::only(cpu));
        if others.is_empty() {
            return None;
        }
        let Some(than) = than else {
            let mut others = others.around(cpu).inspect(|_| step());
            return others.find_map(|from| cpus.take(from, cpu, REACH, u64::MAX));
        };
        // Who has just woken here waits no longer for what is behind elsewhere.
        if than.saturating_add(SLEEPER_BONUS) <= cpus.runs(cpu) {
            return None;
        }
        let start = sample(now, cpu, cpus.cpus());
        let first = |from| Some((cpus.first(from)?, from));
        let looked_at = others.around(start).take(LOOKS).inspect(|_| step());
        let (vtime, from) = looked_at.filter_map(first).min()?;
        let below = than.saturating_sub(GRAIN);
        if vtime >= below {
            return None;
        }
        cpus.take(from, cpu, REACH, below)
    }

    fn returned(&self, _: &Queues<W>, _: CpuId, _: &Taken) {}

    fn released(&self, _: &mut Account<W>) -> Option<CpuId> {
        None
    }

    fn window(&self) -> u64 {
        WINDOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_slept_is_a_little_behind_the_clock_and_no_more() {
        let cpus = Queues::<1>::new(2).unwrap();
        let enters = |own: u64, slept| {
            let mut queue = cpus.queue(1);
            *queue = Queue::default();
            let mut account = Account {
                vtime: 40_000_000,
                ..Account::default()
            };
            queue.begin(&mut account, WINDOW, 0);
            (account.vtime, account.slept) = (own, slept);
            Credit2::default().arrive(&cpus, &mut queue, &mut account, 0);
            account.vtime
        };
        assert_eq!(enters(9_000_000, true), 40_000_000 - SLEEPER_BONUS);
        assert_eq!(enters(39_000_000, true), 39_000_000);
        assert_eq!(enters(45_000_000, true), 45_000_000);
        assert_eq!(enters(9_000_000, false), 40_000_000 - WINDOW);
    }
}

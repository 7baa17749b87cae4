//! The queues of all CPUs, and what is done with them: waiting, being taken, deciding who runs.
//!
//! Pure bookkeeping, with the policy as a parameter and for any number of CPUs: the scheduler drives
//! it with domains and hardware around it, the simulation (`tests/schedule`) with neither.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use spin::{Mutex, MutexGuard};

use super::account::Account;
use super::cost::step;
use super::cpuset::{CpuSet, SharedSet};
use super::heap::{Unit, Who};
use super::idle::IdleClock;
use super::policy::Policy;
use super::queue::{Queue, Taken};
use crate::error::{Errno, Result};
use crate::platform::{CpuId, Nanos};

/// How much earlier than planned a CPU has to decide for it to be interrupted.
const SLACK: Nanos = 100_000;
/// What [`PerCpu::first`] is while nobody waits.
const NOBODY: u64 = u64::MAX;
/// Of a CPU's timer that is not armed, by what is known: whatever it is armed for next is news.
pub(super) const UNARMED: Nanos = Nanos::MAX - 1;

/// What others may do to a CPU.
#[derive(Debug)]
pub struct PerCpu<const W: usize> {
    /// Whether it must think again before it runs its vCPU on.
    pub(super) resched: AtomicBool,
    /// What its timer is armed for, or [`UNARMED`]; changed by the CPU itself only.
    pub(super) armed: AtomicU64,
    /// The least virtual time of those that wait for it, for those who look without the lock.
    first: AtomicU64,
    /// The virtual time of what runs, when it was last charged; likewise.
    runs: AtomicU64,
    /// How long it ran nothing; changed by the CPU itself only.
    pub(super) idle: IdleClock,
    pub(super) queue: Mutex<Queue<W>>,
}

impl<const W: usize> Default for PerCpu<W> {
    fn default() -> Self {
        Self {
            resched: AtomicBool::new(true),
            armed: AtomicU64::new(UNARMED),
            first: AtomicU64::new(NOBODY),
            runs: AtomicU64::new(0),
            idle: IdleClock::default(),
            queue: Mutex::new(Queue::default()),
        }
    }
}

/// A CPU that somebody began to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concern {
    /// Which one.
    pub cpu: CpuId,
    /// When it has to decide again because of that; `None` for at once.
    pub later: Option<Nanos>,
}

impl Concern {
    fn now(cpu: CpuId) -> Self {
        Self { cpu, later: None }
    }
}

/// What a CPU does after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Runs on what it runs.
    Same,
    /// Runs what was taken from a queue.
    Switch(Taken),
    /// Runs what [`Queues::next`] finds.
    Next,
}

/// All queues.
#[derive(Debug)]
pub struct Queues<const W: usize = 1> {
    /// The CPUs', and behind them the one of vCPUs that have no CPU.
    of: Vec<PerCpu<W>>,
    /// CPUs that run nothing.
    idle: SharedSet<W>,
    /// CPUs that somebody waits for.
    waiting: SharedSet<W>,
    /// The farthest clock of a queue that was seen.
    latest: AtomicU64,
}

impl<const W: usize> Queues<W> {
    /// For `cpus` CPUs.
    ///
    /// # Errors
    /// `ENOMEM`; `EINVAL` for none, or more than there can be.
    pub fn new(cpus: u32) -> Result<Self> {
        if cpus == 0 || cpus as usize > W * 64 {
            return Err(Errno::EINVAL);
        }
        let mut of = Vec::new();
        let count = cpus as usize + 1;
        of.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        of.resize_with(count, PerCpu::default);
        Ok(Self {
            of,
            idle: SharedSet::new(CpuSet::NONE),
            waiting: SharedSet::new(CpuSet::NONE),
            latest: AtomicU64::new(0),
        })
    }

    /// Number of CPUs.
    #[must_use]
    pub fn cpus(&self) -> u32 {
        self.of.len() as u32 - 1
    }

    /// All CPUs.
    #[must_use]
    pub fn all(&self) -> CpuSet<W> {
        CpuSet::first_of(self.cpus())
    }

    /// The queue of those without a CPU.
    #[must_use]
    pub fn homeless(&self) -> CpuId {
        self.cpus()
    }

    /// CPUs that run nothing; a hint.
    #[must_use]
    pub fn idle(&self) -> CpuSet<W> {
        self.idle.look()
    }

    /// CPUs that somebody waits for; a hint.
    #[must_use]
    pub fn waiting(&self) -> CpuSet<W> {
        self.waiting.look()
    }

    #[inline]
    pub(super) fn of(&self, cpu: CpuId) -> &PerCpu<W> {
        &self.of[cpu as usize]
    }

    /// A CPU's queue.
    pub fn queue(&self, cpu: CpuId) -> MutexGuard<'_, Queue<W>> {
        self.of(cpu).queue.lock()
    }

    /// The least virtual time of those that wait in a queue; a hint.
    #[inline]
    #[must_use]
    pub fn first(&self, queue: CpuId) -> Option<u64> {
        let first = self.of(queue).first.load(Ordering::SeqCst);
        (first != NOBODY).then_some(first)
    }

    /// The virtual time of what a CPU runs, when it was last charged; a hint.
    #[must_use]
    pub fn runs(&self, cpu: CpuId) -> u64 {
        self.of(cpu).runs.load(Ordering::Relaxed)
    }

    /// Makes room in every queue for the units `0..units`.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn reserve(&self, units: usize) -> Result<()> {
        self.of
            .iter()
            .try_for_each(|cpu| cpu.queue.lock().reserve(units))
    }

    /// Takes what is left of a unit that does not wait out of every queue.
    pub(super) fn forget(&self, unit: Unit) {
        self.of.iter().for_each(|cpu| cpu.queue.lock().forget(unit));
    }

    /// Says what changed in a queue to those who look without the lock.
    fn publish(&self, at: CpuId, queue: &Queue<W>) {
        let first = queue.first();
        self.of(at)
            .first
            .store(first.unwrap_or(NOBODY), Ordering::SeqCst);
        if at == self.homeless() {
            return;
        }
        match first {
            None => {
                self.waiting.remove(at);
            }
            Some(_) if self.waiting.look().contains(at) => {}
            Some(_) => self.waiting.insert(at),
        }
    }

    /// A vCPU that is not queued waits from now on. A CPU that it concerns is to be told.
    pub fn enqueue<P: Policy<W>>(
        &self,
        policy: &P,
        account: &mut Account<W>,
        who: Who,
        now: Nanos,
    ) -> Option<Concern> {
        let unit = account.unit?;
        let to = policy.place(self, account);
        let mut queue = self.queue(to);
        policy.arrive(self, &mut queue, account, now);
        account.slept = false;
        account.queued = Some(to);
        queue.insert(unit, who, account);
        self.publish(to, &queue);
        if to == self.homeless() {
            drop(queue);
            return policy.server(self, account).map(Concern::now);
        }
        account.cpu = to;
        let concern = if queue.is_idle() {
            Some(Concern::now(to))
        } else {
            let until = policy.until(self, &queue, now);
            (until.saturating_add(SLACK) < queue.until).then(|| {
                queue.until = until;
                let later = (until > now.saturating_add(SLACK)).then_some(until);
                Concern { cpu: to, later }
            })
        };
        drop(queue);
        // The next one to look for an idle CPU finds another. One that stays idle says so again.
        self.idle.remove(to);
        concern.or_else(|| policy.server(self, account).map(Concern::now))
    }

    /// A vCPU that is queued no longer waits.
    pub fn dequeue(&self, account: &mut Account<W>) {
        let (Some(at), Some(unit)) = (account.queued.take(), account.unit) else {
            return;
        };
        let mut queue = self.queue(at);
        if let Some(vtime) = queue.remove(unit) {
            account.vtime = vtime;
        }
        self.publish(at, &queue);
    }

    /// Takes the first vCPU of a queue that may run on `cpu`, if it is among the first `among` and
    /// its virtual time is below `below`.
    pub(super) fn take(&self, from: CpuId, cpu: CpuId, among: usize, below: u64) -> Option<Taken> {
        self.first(from)?;
        let mut queue = self.queue(from);
        let taken = queue.take_for(cpu, from, among, below)?;
        self.publish(from, &queue);
        Some(taken)
    }

    /// What ran on `cpu` is charged; gives the time since it last was.
    pub fn charge(&self, cpu: CpuId, account: &mut Account<W>, now: Nanos) -> Nanos {
        let ran = self.queue(cpu).charge(account, now);
        self.of(cpu).runs.store(account.vtime, Ordering::Relaxed);
        ran
    }

    /// What runs on `cpu` lets others run.
    pub fn note_yield(&self, cpu: CpuId) {
        self.queue(cpu).note_yield();
    }

    /// Decides whether `cpu` runs on what it runs, whose account was charged at `now`. It does not
    /// when it is not `able`.
    pub fn turn<P: Policy<W>>(
        &self,
        policy: &P,
        cpu: CpuId,
        account: &mut Account<W>,
        able: bool,
        now: Nanos,
    ) -> Turn {
        let mut queue = self.queue(cpu);
        queue.advance_clock(now);
        let yielded = queue.take_yield();
        if !able {
            return Turn::Next;
        }
        if let (true, Some(first)) = (yielded, queue.first()) {
            // Who yields lets the other go first even if it was behind.
            account.vtime = account.vtime.max(first);
            return Turn::Next;
        }
        if policy.overtaken(&queue, now) {
            return Turn::Next;
        }
        if !policy.looks_around(&queue, now) {
            return Turn::Same;
        }
        self.look_around(policy, &mut queue, now);
        drop(queue);
        match policy.elsewhere(self, cpu, Some(account.vtime), now) {
            Some(taken) => Turn::Switch(taken),
            None => Turn::Same,
        }
    }

    /// Compares a queue's clock with the others'.
    fn look_around<P: Policy<W>>(&self, policy: &P, queue: &mut Queue<W>, now: Nanos) {
        queue.looked = now;
        let mut latest = self.latest();
        // The clock of one that nobody waits in says nothing about shares.
        if !queue.is_empty() && queue.clock() > latest {
            latest = queue.clock();
            self.latest.fetch_max(latest, Ordering::Relaxed);
        }
        queue.catch_up(latest.saturating_sub(policy.window()));
    }

    /// The farthest clock of a queue that was seen.
    pub(super) fn latest(&self) -> u64 {
        self.latest.load(Ordering::Relaxed)
    }

    /// Takes the vCPU that `cpu` is to run now; marks the CPU idle if there is none.
    pub fn next<P: Policy<W>>(&self, policy: &P, cpu: CpuId, now: Nanos) -> Option<Taken> {
        loop {
            step();
            let here = self.first(cpu);
            if let Some(taken) = policy.elsewhere(self, cpu, here, now) {
                return Some(taken);
            }
            if let Some(taken) = self.take(cpu, cpu, 1, u64::MAX) {
                return Some(taken);
            }
            let mut queue = self.queue(cpu);
            if !queue.is_empty() {
                continue;
            }
            queue.rest();
            self.idle.insert(cpu);
            drop(queue);
            // Whoever began to wait before it could see that the CPU is idle is seen now.
            let late = policy.elsewhere(self, cpu, None, now)?;
            self.idle.remove(cpu);
            return Some(late);
        }
    }

    /// A vCPU that was taken for `cpu` runs there from now on.
    pub fn begin<P: Policy<W>>(
        &self,
        policy: &P,
        cpu: CpuId,
        account: &mut Account<W>,
        taken: &Taken,
        now: Nanos,
    ) {
        account.queued = None;
        account.vtime = taken.vtime;
        account.cpu = cpu;
        account.owns |= taken.from == self.homeless();
        self.queue(cpu).begin(account, policy.window(), now);
        self.of(cpu).runs.store(account.vtime, Ordering::Relaxed);
        self.idle.remove(cpu);
    }

    /// When `cpu` will decide again; `Nanos::MAX` if only others can make it.
    pub fn plan<P: Policy<W>>(&self, policy: &P, cpu: CpuId, now: Nanos) -> Nanos {
        let mut queue = self.queue(cpu);
        queue.until = if queue.is_idle() {
            Nanos::MAX
        } else {
            policy.until(self, &queue, now)
        };
        queue.until
    }
}

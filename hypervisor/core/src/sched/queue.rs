//! One CPU's queue: who could run there, what runs, and how far the queue's virtual time is.
//!
//! Virtual times are comparable between queues. A queue keeps those of its vCPUs in relation to a
//! base, so that it can be advanced with all that are in it ([`Queue::catch_up`]).

use super::account::Account;
use super::cpuset::CpuSet;
use super::heap::{Entry, Heap, Unit, Who};
use crate::platform::{CpuId, Nanos};

/// Weight at which virtual time is real time (the default of `xl sched-credit2`).
pub const DEFAULT_WEIGHT: u16 = 256;

/// The virtual time that corresponds to `ran` of real time at `weight`.
#[inline]
#[must_use]
pub fn virtual_time(ran: Nanos, weight: u16) -> u64 {
    // A run never lasts 2^56 ns, two years; saturation only keeps the arithmetic total.
    ran.saturating_mul(u64::from(DEFAULT_WEIGHT)) / u64::from(weight.max(1))
}

/// The real time in which `vtime` of virtual time goes by at `weight`.
#[inline]
#[must_use]
pub fn real_time(vtime: u64, weight: u16) -> Nanos {
    vtime.saturating_mul(u64::from(weight)) / u64::from(DEFAULT_WEIGHT)
}

/// A vCPU in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting<const W: usize> {
    /// Which.
    pub who: Who,
    /// CPUs it may run on.
    pub affinity: CpuSet<W>,
}

/// A vCPU that was taken out of a queue, to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The scheduler's number for it.
    pub unit: Unit,
    /// Which.
    pub who: Who,
    /// Its virtual time.
    pub vtime: u64,
    /// The queue that it waited in.
    pub from: CpuId,
}

/// What the CPU runs at the moment, as others may know it.
#[derive(Clone, Copy, Debug)]
struct Running {
    /// Its virtual time at `since`, from the queue's base on.
    vtime: u64,
    /// When it was last charged.
    since: Nanos,
    /// When it began to run.
    began: Nanos,
    weight: u16,
    /// Whether it asked to let others run.
    yielded: bool,
}

/// One CPU's queue.
#[derive(Debug)]
pub struct Queue<const W: usize> {
    /// vCPUs that could run, by virtual time from the base on.
    ready: Heap<Waiting<W>>,
    /// Deadlines of vCPUs that do not run, in nanoseconds.
    pub timers: Heap<Who>,
    running: Option<Running>,
    /// When the CPU will decide again; `Nanos::MAX` if it need not.
    pub until: Nanos,
    /// When the CPU last looked at other queues.
    pub looked: Nanos,
    base: u64,
    /// The least virtual time in the queue, from the base on; never goes back.
    clock: u64,
}

impl<const W: usize> Default for Queue<W> {
    fn default() -> Self {
        Self {
            ready: Heap::default(),
            timers: Heap::default(),
            running: None,
            until: Nanos::MAX,
            looked: 0,
            base: 0,
            clock: 0,
        }
    }
}

impl<const W: usize> Queue<W> {
    /// Makes room for the units `0..units`.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(super) fn reserve(&mut self, units: usize) -> crate::error::Result<()> {
        self.ready.reserve(units)?;
        self.timers.reserve(units)
    }

    /// Takes every element of `unit` out.
    pub(super) fn forget(&mut self, unit: Unit) {
        self.ready.remove(unit);
        self.timers.remove(unit);
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ready.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Whether nothing runs on the CPU.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.running.is_none()
    }

    /// The least virtual time of those that wait.
    #[inline]
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.ready.first().map(|e| self.base + e.key)
    }

    fn relative(&self, vtime: u64) -> u64 {
        vtime.saturating_sub(self.base)
    }

    /// Adds a vCPU that waits, with its account's virtual time.
    pub(super) fn insert(&mut self, unit: Unit, who: Who, account: &Account<W>) {
        self.ready.insert(Entry {
            key: self.relative(account.vtime),
            unit,
            what: Waiting {
                who,
                affinity: account.affinity,
            },
        });
    }

    /// Takes a vCPU that waits out; gives its virtual time.
    pub(super) fn remove(&mut self, unit: Unit) -> Option<u64> {
        self.ready.remove(unit).map(|e| self.base + e.key)
    }

    /// Takes out the first that may run on `cpu`, if it is found among the first `among` and its
    /// virtual time is below `below`.
    pub(super) fn take_for(
        &mut self,
        cpu: CpuId,
        from: CpuId,
        among: usize,
        below: u64,
    ) -> Option<Taken> {
        let suits = |waiting: &Waiting<W>| cpu == from || waiting.affinity.contains(cpu);
        let entry = *self.ready.front(among, suits)?;
        if self.base + entry.key >= below {
            return None;
        }
        let unit = self.ready.remove(entry.unit)?.unit;
        Some(Taken {
            unit,
            who: entry.what.who,
            vtime: self.base + entry.key,
            from,
        })
    }

    /// A vCPU begins to run; one that comes from a queue farther back than `window` starts there.
    pub(super) fn begin(&mut self, account: &mut Account<W>, window: u64, now: Nanos) {
        if self.running.is_none() {
            self.looked = now;
        }
        let floor = self.clock().saturating_sub(window);
        account.vtime = account.vtime.max(floor).max(self.base);
        self.running = Some(Running {
            vtime: account.vtime - self.base,
            since: now,
            began: now,
            weight: account.weight,
            yielded: false,
        });
    }

    /// The CPU runs nothing.
    pub(super) fn rest(&mut self) {
        self.running = None;
        self.until = Nanos::MAX;
    }

    /// Adds the time since the last charge to the virtual time of the vCPU that runs; returns it.
    pub(super) fn charge(&mut self, account: &mut Account<W>, now: Nanos) -> Nanos {
        let Some(running) = self.running.as_mut() else {
            return 0;
        };
        let ran = now.saturating_sub(running.since);
        running.vtime += virtual_time(ran, account.weight);
        running.since = now;
        running.weight = account.weight;
        account.vtime = self.base + running.vtime;
        ran
    }

    /// What runs asks to let others run.
    pub(super) fn note_yield(&mut self) {
        if let Some(running) = self.running.as_mut() {
            running.yielded = true;
        }
    }

    /// Whether what runs asked to let others run; it is forgotten.
    pub(super) fn take_yield(&mut self) -> bool {
        let running = self.running.as_mut();
        running.is_some_and(|r| core::mem::take(&mut r.yielded))
    }

    /// The virtual time at `now` of what runs.
    #[must_use]
    pub fn running_vtime(&self, now: Nanos) -> Option<u64> {
        let running = self.running.as_ref()?;
        let ran = now.saturating_sub(running.since);
        Some(self.base + running.vtime + virtual_time(ran, running.weight))
    }

    /// When and with which weight what runs began to run.
    #[must_use]
    pub fn running_since(&self) -> Option<(Nanos, u16)> {
        self.running.as_ref().map(|r| (r.began, r.weight))
    }

    /// The least virtual time in the queue when its clock was last advanced.
    #[must_use]
    pub fn clock(&self) -> u64 {
        self.base + self.clock
    }

    /// Advances the clock to the least virtual time in the queue, and returns it.
    pub(super) fn advance_clock(&mut self, now: Nanos) -> u64 {
        let least = match (self.running_vtime(now), self.first()) {
            (Some(a), Some(b)) => a.min(b),
            (Some(a), None) | (None, Some(a)) => a,
            (None, None) => return self.clock(),
        };
        self.clock = self.clock.max(self.relative(least));
        self.clock()
    }

    /// Advances the queue, with all that are in it, so that its clock is not before `least`.
    pub(super) fn catch_up(&mut self, least: u64) {
        self.base += least.saturating_sub(self.clock());
    }
}

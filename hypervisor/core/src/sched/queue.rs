//! One CPU's queue, and the policy: proportional share by virtual time.
//!
//! A vCPU's virtual time advances by the time it ran, divided by its weight; the ready vCPU with
//! the least runs. The queue's clock follows the least virtual time in it and never goes back; a
//! vCPU that slept is put at most [`SLEEPER_BONUS`] behind that clock, which lets it run at once
//! without letting it save up time.

use super::heap::{Heap, Unit};
use crate::platform::Nanos;

/// How long a vCPU runs before others of the same virtual time get their turn.
pub const SLICE: Nanos = 10_000_000;
/// How far behind the queue's clock a woken vCPU starts.
pub const SLEEPER_BONUS: u64 = 2_000_000;
/// How much less virtual time a vCPU must have to interrupt another in its slice.
pub const PREEMPTION: u64 = 500_000;
/// Weight at which virtual time is real time (the default of `xl sched-credit2`).
pub const DEFAULT_WEIGHT: u16 = 256;

/// The virtual time that corresponds to `ran` of real time at `weight`.
#[inline]
#[must_use]
pub fn virtual_time(ran: Nanos, weight: u16) -> u64 {
    // A run never lasts 2^56 ns, two years; saturation only keeps the arithmetic total.
    ran.saturating_mul(u64::from(DEFAULT_WEIGHT)) / u64::from(weight.max(1))
}

/// What the CPU runs at the moment, as others may know it.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// Its virtual time at `since`.
    pub vtime: u64,
    /// When it was last charged.
    pub since: Nanos,
    /// Its weight.
    pub weight: u16,
    /// Whether it asked to let others run.
    pub yielded: bool,
}

impl Running {
    /// Its virtual time at `now`.
    #[inline]
    #[must_use]
    pub fn vtime_at(&self, now: Nanos) -> u64 {
        let ran = now.saturating_sub(self.since);
        self.vtime.saturating_add(virtual_time(ran, self.weight))
    }
}

/// One CPU's queue.
#[derive(Debug, Default)]
pub struct Queue {
    /// vCPUs that could run, by virtual time.
    pub ready: Heap,
    /// Deadlines of vCPUs that do not run, in nanoseconds.
    pub timers: Heap,
    /// What runs; `None` while idle.
    pub running: Option<Running>,
    /// Whether the CPU's timer ends the slice of what runs.
    pub slice_armed: bool,
    clock: u64,
}

impl Queue {
    /// The queue's virtual clock.
    #[must_use]
    pub fn clock(&self) -> u64 {
        self.clock
    }

    /// Advances the clock to the least virtual time in the queue, and returns it.
    pub fn advance_clock(&mut self, now: Nanos) -> u64 {
        let running = self.running.map(|r| r.vtime_at(now));
        let first = self.ready.first().map(|e| e.key);
        let least = match (running, first) {
            (Some(a), Some(b)) => a.min(b),
            (Some(a), None) | (None, Some(a)) => a,
            (None, None) => return self.clock,
        };
        self.clock = self.clock.max(least);
        self.clock
    }

    /// Whether what waits shall run instead of a vCPU with virtual time `vtime`.
    #[must_use]
    pub fn overtakes(&self, vtime: u64, slice_over: bool) -> bool {
        let Some(first) = self.ready.first() else {
            return false;
        };
        let yielded = self.running.is_some_and(|r| r.yielded);
        yielded
            || first.key.saturating_add(PREEMPTION) < vtime
            || (slice_over && first.key <= vtime)
    }

    /// Whether a vCPU just inserted with `key` changes what the CPU has to do: it idles, it shall
    /// be preempted, or it runs without a limit.
    #[must_use]
    pub fn concerns_cpu(&self, key: u64, now: Nanos) -> bool {
        let Some(running) = &self.running else {
            return true;
        };
        !self.slice_armed || key.saturating_add(PREEMPTION) < running.vtime_at(now)
    }

    /// Takes every element of `unit` out.
    pub fn forget(&mut self, unit: Unit) {
        self.ready.remove(unit);
        self.timers.remove(unit);
    }
}

//! A domain's cap: the CPU time that it gets at most, on all CPUs together.
//!
//! A bucket that fills with time, and that every run empties. When it is empty, none of the domain's
//! vCPUs runs until it holds enough for a while again. What is taken too much is owed, so that over
//! time the cap is exact.

use crate::platform::Nanos;

/// The time in whose course the bucket fills. What was not used for longer is lost.
const PERIOD: Nanos = 20_000_000;
/// What part of the bucket is waited for when it is empty.
const PART: i64 = 4;
/// Least time that a vCPU is given to run at once.
const LEAST: Nanos = 50_000;

/// A bucket of CPU time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cap {
    /// Percent of one CPU; 0 for no cap.
    percent: u16,
    /// What it held at `at`, in hundredths of nanoseconds, of which every nanosecond brings
    /// `percent`; owed if negative.
    left: i64,
    at: Nanos,
    /// Whether it is being waited for.
    empty: bool,
}

impl Cap {
    /// A cap of `percent` of one CPU from `now` on; 0 for none.
    #[must_use]
    pub fn new(percent: u16, now: Nanos) -> Self {
        let mut new = Self {
            percent,
            left: 0,
            at: now,
            empty: false,
        };
        new.left = new.size();
        new
    }

    /// Percent of one CPU; 0 for no cap.
    #[must_use]
    pub fn percent(&self) -> u16 {
        self.percent
    }

    /// Whether there is one.
    #[inline]
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.percent != 0
    }

    /// Whether the bucket is being waited for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.empty
    }

    fn size(&self) -> i64 {
        PERIOD as i64 * i64::from(self.percent)
    }

    /// Fills the bucket up to `now`; it overflows only by what it is not used for meanwhile.
    fn fill(&mut self, now: Nanos, used: Nanos) {
        let more = now
            .saturating_sub(self.at)
            .saturating_mul(u64::from(self.percent));
        self.left = self
            .left
            .saturating_add_unsigned(more)
            .saturating_sub_unsigned(used.saturating_mul(100))
            .min(self.size());
        self.at = self.at.max(now);
    }

    /// Takes what a vCPU `ran` until `now`; true if the bucket is empty now and was not before.
    pub fn spend(&mut self, ran: Nanos, now: Nanos) -> bool {
        self.fill(now.saturating_sub(ran), 0);
        self.fill(now, ran);
        let emptied = self.left <= 0 && !self.empty;
        self.empty |= emptied;
        emptied
    }

    /// How long each of `running` vCPUs may run on.
    #[must_use]
    pub fn allows(&self, running: usize) -> Nanos {
        let each = self.left.max(0).unsigned_abs() / (100 * running.max(1) as u64);
        each.max(LEAST)
    }

    /// When the bucket holds enough for a while.
    #[must_use]
    pub fn ready_at(&self) -> Nanos {
        let want = (self.size() / PART).saturating_sub(self.left).max(0);
        let wait = want.unsigned_abs().div_ceil(u64::from(self.percent.max(1)));
        self.at.saturating_add(wait)
    }

    /// Whether the bucket holds enough at `now`; then it is no longer waited for.
    pub fn is_ready(&mut self, now: Nanos) -> bool {
        self.fill(now, 0);
        if self.left < self.size() / PART {
            return false;
        }
        self.empty = false;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However long the runs and their overruns: the share over time is the cap's.
        #[test]
        fn over_time_the_share_is_exact(
            percent in 1..400u16,
            overruns in prop::collection::vec(0..3_000_000u64, 50..200),
        ) {
            let mut now = 1_000_000_000;
            let mut cap = Cap::new(percent, now);
            let cpus = u64::from(percent).div_ceil(100) + 1;
            let (start, mut used) = (now, 0);
            for overrun in overruns.iter().cycle().take(2000) {
                let ran = cap.allows(cpus as usize) + overrun;
                now += ran;
                used += ran * cpus;
                let spent = (0..cpus).map(|_| cap.spend(ran, now));
                if spent.fold(false, |any, emptied| any | emptied) {
                    now = now.max(cap.ready_at());
                    prop_assert!(cap.is_ready(now), "{cap:?} at {now}");
                }
            }
            let fair = (now - start) / 100 * u64::from(percent);
            prop_assert!(used.abs_diff(fair) * 100 <= fair + 100 * PERIOD * cpus, "{used} {fair}");
        }
    }

    #[test]
    fn what_is_not_used_is_not_saved() {
        let mut cap = Cap::new(50, 0);
        assert!(!cap.spend(1_000_000, 60_000_000_000));
        // While it ran, half of it came back.
        assert_eq!(cap.allows(1), PERIOD / 2 - 500_000);
        assert!(cap.spend(PERIOD / 2, 60_000_000_000));
        assert_eq!(cap.ready_at(), 60_000_000_000 + 6_000_000);
        assert!(!cap.is_ready(60_005_999_999) && cap.is_ready(60_006_000_000));
    }

    #[test]
    fn odd_moments_lose_nothing() {
        let mut cap = Cap::new(3, 0);
        assert!(cap.spend(PERIOD, 0));
        for now in (0..PERIOD).step_by(7) {
            cap.fill(now, 0);
        }
        cap.fill(PERIOD, 0);
        assert_eq!(
            cap.left,
            3 * PERIOD as i64 + 3 * PERIOD as i64 - 100 * PERIOD as i64
        );
        assert!(!Cap::default().is_set());
    }
}

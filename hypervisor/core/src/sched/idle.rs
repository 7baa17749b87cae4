//! How long a CPU has run nothing, readable from any other CPU at any moment.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::platform::Nanos;

/// Set while the CPU is idle.
const IDLE: u64 = 1 << 63;

/// Idle time of one CPU, in one word, so that whoever reads it sees the sum and the state of the
/// same moment. While the CPU is busy the word is the time it was idle; while it is idle it is
/// [`IDLE`] and the time at which it would have begun, had it been idle without a break.
#[derive(Debug)]
pub struct IdleClock(AtomicU64);

impl Default for IdleClock {
    /// Idle since time 0.
    fn default() -> Self {
        Self(AtomicU64::new(IDLE))
    }
}

impl IdleClock {
    /// The CPU itself has nothing to run from `now` on.
    pub(super) fn begins(&self, now: Nanos) {
        let word = self.0.load(Ordering::Relaxed);
        if word & IDLE == 0 {
            self.0
                .store(IDLE | now.saturating_sub(word), Ordering::Relaxed);
        }
    }

    /// The CPU itself runs something from `now` on.
    pub(super) fn ends(&self, now: Nanos) {
        let word = self.0.load(Ordering::Relaxed);
        if word & IDLE != 0 {
            self.0
                .store(now.saturating_sub(word & !IDLE), Ordering::Relaxed);
        }
    }

    /// Time spent idle up to `now`, nanoseconds.
    #[must_use]
    pub fn time(&self, now: Nanos) -> Nanos {
        match self.0.load(Ordering::Relaxed) {
            word if word & IDLE != 0 => now.saturating_sub(word & !IDLE),
            time => time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_idle_time_counts() {
        let clock = IdleClock::default();
        assert_eq!(clock.time(100), 100);
        clock.ends(150);
        assert_eq!((clock.time(150), clock.time(900)), (150, 150));
        clock.ends(200);
        assert_eq!(clock.time(900), 150);
        clock.begins(1000);
        clock.begins(1100);
        assert_eq!((clock.time(1000), clock.time(1200)), (150, 350));
        clock.ends(1300);
        clock.begins(1300);
        assert_eq!(clock.time(1310), 460);
    }

    #[test]
    fn a_reader_that_looked_at_the_clock_before_sees_no_wrapped_time() {
        let clock = IdleClock::default();
        clock.ends(10);
        clock.begins(1000);
        assert_eq!(clock.time(5), 0);
    }
}

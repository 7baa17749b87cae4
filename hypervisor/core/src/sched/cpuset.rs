//! Sets of CPUs: as values, and shared ones that are changed without a lock.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::platform::{CpuId, CpuMask};

/// A set of CPUs, of up to 64 for each of its `W` words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuSet<const W: usize = 1>([u64; W]);

impl From<CpuMask> for CpuSet {
    fn from(mask: CpuMask) -> Self {
        Self([mask])
    }
}

impl CpuSet {
    /// As one word.
    #[must_use]
    pub fn mask(self) -> CpuMask {
        self.0[0]
    }
}

impl<const W: usize> CpuSet<W> {
    /// All CPUs that there can be.
    pub const EVERY: Self = Self([u64::MAX; W]);
    /// None.
    pub const NONE: Self = Self([0; W]);

    /// The first `count` CPUs.
    #[must_use]
    pub fn first_of(count: u32) -> Self {
        let mut set = Self::NONE;
        for (word, first) in set.0.iter_mut().zip((0..).step_by(64)) {
            *word = match count.saturating_sub(first) {
                0 => 0,
                left => u64::MAX >> (64 - left.min(64)),
            };
        }
        set
    }

    /// Only this one.
    #[must_use]
    pub fn only(cpu: CpuId) -> Self {
        let mut set = Self::NONE;
        set.0[cpu as usize / 64] = 1 << (cpu % 64);
        set
    }

    /// Whether a CPU is in it.
    #[inline]
    #[must_use]
    pub fn contains(&self, cpu: CpuId) -> bool {
        self.0[cpu as usize / 64] >> (cpu % 64) & 1 != 0
    }

    /// What is in both.
    #[inline]
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word &= other;
        }
        self
    }

    /// What is in it and not in `other`.
    #[inline]
    #[must_use]
    pub fn without(mut self, other: Self) -> Self {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word &= !other;
        }
        self
    }

    /// Whether nothing is in it.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// The lowest CPU in it.
    #[inline]
    #[must_use]
    pub fn first(&self) -> Option<CpuId> {
        self.from_on(0)
    }

    /// The lowest CPU in it that is not below `start`.
    #[must_use]
    pub fn from_on(&self, start: CpuId) -> Option<CpuId> {
        let mut keep = u64::MAX << (start % 64);
        for at in start as usize / 64..W {
            let word = self.0[at] & keep;
            if word != 0 {
                return Some(at as u32 * 64 + word.trailing_zeros());
            }
            keep = u64::MAX;
        }
        None
    }

    /// All CPUs in it, from `start` on and then from the beginning.
    pub fn around(self, start: CpuId) -> impl Iterator<Item = CpuId> {
        let mut next = self.from_on(start);
        let mut wrapped = false;
        core::iter::from_fn(move || {
            if next.is_none() && !wrapped {
                wrapped = true;
                next = self.first();
            }
            let cpu = next.filter(|&cpu| !wrapped || cpu < start)?;
            next = if cpu as usize + 1 < W * 64 {
                self.from_on(cpu + 1)
            } else {
                None
            };
            Some(cpu)
        })
    }
}

/// A set that all CPUs change and look at.
#[derive(Debug)]
pub struct SharedSet<const W: usize>([AtomicU64; W]);

impl<const W: usize> SharedSet<W> {
    /// With `start` in it.
    #[must_use]
    pub fn new(start: CpuSet<W>) -> Self {
        Self(start.0.map(AtomicU64::new))
    }

    /// Puts a CPU in.
    pub fn insert(&self, cpu: CpuId) {
        self.0[cpu as usize / 64].fetch_or(1 << (cpu % 64), Ordering::SeqCst);
    }

    /// Takes a CPU out; whether it was in.
    pub fn remove(&self, cpu: CpuId) -> bool {
        let (word, bit) = (&self.0[cpu as usize / 64], 1 << (cpu % 64));
        // Mostly it is not, and then nobody's cache line is taken away.
        word.load(Ordering::SeqCst) & bit != 0 && word.fetch_and(!bit, Ordering::SeqCst) & bit != 0
    }

    /// What is in it at the moment.
    #[inline]
    #[must_use]
    pub fn look(&self) -> CpuSet<W> {
        CpuSet(core::array::from_fn(|at| self.0[at].load(Ordering::SeqCst)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn sets_of_more_than_one_word() {
        let set = CpuSet::<3>::first_of(130);
        assert!(set.contains(0) && set.contains(129) && !set.contains(130));
        assert_eq!(set.around(0).count(), 130);
        assert_eq!(set.around(128).take(3).collect::<Vec<_>>(), [128, 129, 0]);
        assert_eq!(set.without(CpuSet::first_of(70)).first(), Some(70));
        assert_eq!(set.and(CpuSet::only(150)), CpuSet::NONE);
        assert!(CpuSet::<3>::NONE.is_empty() && CpuSet::<2>::NONE.first().is_none());
        assert_eq!(CpuSet::<1>::first_of(64), CpuSet::EVERY);
        let ends = CpuSet::<2>([1, 1 << 63]);
        assert_eq!(ends.around(1).collect::<Vec<_>>(), [127, 0]);
        assert_eq!(ends.around(127).collect::<Vec<_>>(), [127, 0]);
    }

    #[test]
    fn a_shared_set_tells_who_took_it_out() {
        let set = SharedSet::<2>::new(CpuSet::only(100));
        assert!(!set.remove(99) && set.remove(100) && !set.remove(100));
        set.insert(7);
        assert_eq!(set.look(), CpuSet::only(7));
    }
}

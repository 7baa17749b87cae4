//! Which frames are free: a bitmap with summaries, so that finding one is a few steps whatever the
//! size of memory.

use alloc::vec::Vec;

use crate::addr::Mfn;
use crate::error::{Errno, Result};

/// Largest order that can be allocated: 2^18 frames, 1 GiB.
pub const MAX_ORDER: u32 = 18;

/// Free frames: level 0 has a bit per frame; each further level a bit per non-zero word below.
#[derive(Debug, Default)]
pub struct FreeMap {
    levels: Vec<Vec<u64>>,
    free: u64,
}

impl FreeMap {
    /// For `frames` frames, none of them free.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(frames: usize) -> Result<Self> {
        let mut levels = Vec::new();
        levels.try_reserve_exact(8).map_err(|_| Errno::ENOMEM)?;
        let mut bits = frames.max(1);
        loop {
            let words = bits.div_ceil(64);
            let mut level = Vec::new();
            level.try_reserve_exact(words).map_err(|_| Errno::ENOMEM)?;
            level.resize(words, 0);
            levels.push(level);
            if words == 1 {
                return Ok(Self { levels, free: 0 });
            }
            bits = words;
        }
    }

    /// Free frames.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.free
    }

    fn word_changed(&mut self, mut word: usize, now: u64) {
        let mut set = now != 0;
        for level in &mut self.levels[1..] {
            let Some(w) = level.get_mut(word / 64) else {
                return;
            };
            let before = *w;
            if set {
                *w |= 1 << (word % 64);
            } else {
                *w &= !(1 << (word % 64));
            }
            if (before != 0) == (*w != 0) {
                return;
            }
            set = *w != 0;
            word /= 64;
        }
    }

    fn apply(&mut self, start: u64, count: u64, free: bool) {
        let mut at = start;
        let end = start + count;
        while at < end {
            let word = (at / 64) as usize;
            let low = at % 64;
            let n = (64 - low).min(end - at);
            let mask = if n == 64 {
                u64::MAX
            } else {
                ((1 << n) - 1) << low
            };
            let Some(w) = self.levels[0].get_mut(word) else {
                return;
            };
            let before = *w;
            *w = if free { before | mask } else { before & !mask };
            let now = *w;
            self.free = self.free + u64::from(now.count_ones()) - u64::from(before.count_ones());
            if (before != 0) != (now != 0) {
                self.word_changed(word, now);
            }
            at += n;
        }
    }

    /// Marks frames free.
    pub fn release(&mut self, start: Mfn, count: u64) {
        self.apply(start.0, count, true);
    }

    /// Takes these very frames; false, and nothing taken, unless all are free.
    pub fn take_exact(&mut self, start: Mfn, count: u64) -> bool {
        let all_free = (start.0..start.0 + count).all(|f| {
            self.levels[0]
                .get((f / 64) as usize)
                .is_some_and(|w| w >> (f % 64) & 1 == 1)
        });
        if all_free {
            self.apply(start.0, count, false);
        }
        all_free
    }

    /// Takes `2^order` frames, aligned to their size. Highest first for single frames, so that low
    /// memory stays whole for devices that need it.
    pub fn take(&mut self, order: u32) -> Option<Mfn> {
        let start = match order {
            0 => self.last()?,
            1..=5 => self.within_words(order)?,
            6..=MAX_ORDER => self.whole_words(order)?,
            _ => return None,
        };
        self.apply(start, 1 << order, false);
        Some(Mfn(start))
    }

    fn last(&self) -> Option<u64> {
        let mut index = 0;
        for level in self.levels.iter().rev() {
            let w = *level.get(index)?;
            if w == 0 {
                return None;
            }
            index = index * 64 + (63 - w.leading_zeros() as usize);
        }
        Some(index as u64)
    }

    fn within_words(&self, order: u32) -> Option<u64> {
        let size = 1 << order;
        let pattern = (1_u64 << size) - 1;
        for (i, &w) in self.levels[0].iter().enumerate().rev() {
            if w == 0 {
                continue;
            }
            for at in (0..64).step_by(size) {
                if w >> at & pattern == pattern {
                    return Some(i as u64 * 64 + at as u64);
                }
            }
        }
        None
    }

    fn whole_words(&self, order: u32) -> Option<u64> {
        let words = 1_usize << (order - 6);
        let mut chunks = self.levels[0].chunks_exact(words).enumerate().rev();
        chunks
            .find(|(_, c)| c.iter().all(|&w| w == u64::MAX))
            .map(|(i, _)| (i * words * 64) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn takes_what_was_released_and_no_more() {
        let mut m = FreeMap::new(10_000).unwrap();
        assert_eq!(m.take(0), None);
        m.release(Mfn(100), 5000);
        assert_eq!(m.free(), 5000);
        let mut seen = BTreeSet::new();
        while let Some(f) = m.take(0) {
            assert!((100..5100).contains(&f.0));
            assert!(seen.insert(f.0));
        }
        assert_eq!(seen.len(), 5000);
        assert_eq!(m.free(), 0);
    }

    #[test]
    fn orders_are_aligned_and_disjoint() {
        let mut m = FreeMap::new(70_000).unwrap();
        m.release(Mfn(3), 69_997);
        let mut taken = BTreeSet::new();
        for order in [0, 3, 9, 5, 6, 12, 1, 16] {
            let Some(f) = m.take(order) else {
                assert_eq!(order, 16);
                continue;
            };
            assert_eq!(f.0 % (1 << order), 0);
            for x in f.0..f.0 + (1 << order) {
                assert!(taken.insert(x));
            }
        }
        assert_eq!(m.free() as usize, 69_997 - taken.len());
        assert_eq!(m.take(MAX_ORDER + 1), None);
    }

    #[test]
    fn exact_ranges() {
        let mut m = FreeMap::new(256).unwrap();
        m.release(Mfn(10), 100);
        assert!(!m.take_exact(Mfn(5), 10));
        assert!(m.take_exact(Mfn(60), 20));
        assert!(!m.take_exact(Mfn(79), 1));
        assert!(!m.take_exact(Mfn(250), 10));
        assert_eq!(m.free(), 80);
    }
}

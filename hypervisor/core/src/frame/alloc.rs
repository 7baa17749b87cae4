//! Which frames are free: a bitmap under a tree that knows, for each order, where a free block of it
//! is. So finding one is a few steps whatever the size of memory and however cut up it is.

use alloc::vec::Vec;

use crate::addr::Mfn;
use crate::error::{Errno, Result};

/// Largest order that can be allocated: 2^18 frames, 1 GiB.
pub const MAX_ORDER: u32 = 18;

/// Children of a node, and frames of a word, as a power of two.
const FAN: u32 = 6;

/// The largest free block of a part of memory, as its order plus one; 0 when nothing is free.
type Rank = u8;

/// What is known of 64 neighbouring parts of memory of equal size, `2^(6 * height)` frames each.
#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// For each order, which of the parts have a free block of it or of a larger one.
    has: [u64; MAX_ORDER as usize + 1],
    /// The largest free block in all of them.
    rank: Rank,
}

impl Node {
    /// The order of one whole part.
    fn part(height: u32) -> u32 {
        (FAN * height).min(MAX_ORDER)
    }

    /// The largest free block here, which may be made of neighbouring parts that are wholly free.
    fn find_rank(&self, height: u32) -> Rank {
        let part = Self::part(height);
        let whole = self.has[part as usize];
        if whole != 0 {
            return (part as Rank + rank_of(whole)).min(MAX_ORDER as Rank + 1);
        }
        let below = (0..part).rev().find(|&order| self.has[order as usize] != 0);
        below.map_or(0, |order| order as Rank + 1)
    }

    /// The parts in `mask` change from rank `was` to rank `now`.
    #[inline]
    fn change(&mut self, height: u32, mask: u64, was: Rank, now: Rank) {
        for has in self.has.iter_mut().take(now.into()).skip(was.into()) {
            *has |= mask;
        }
        for has in self.has.iter_mut().take(was.into()).skip(now.into()) {
            *has &= !mask;
        }
        let whole = Self::part(height) as Rank + 1;
        if was.max(now) < whole && was < now {
            self.rank = self.rank.max(now);
        } else if was >= whole.min(self.rank) || now >= whole {
            self.rank = self.find_rank(height);
        }
    }
}

/// Bits that may be the first of an aligned block of `2^order` bits, order 1 to 6.
const FIRST: [u64; FAN as usize] = [
    0x5555_5555_5555_5555,
    0x1111_1111_1111_1111,
    0x0101_0101_0101_0101,
    0x0001_0001_0001_0001,
    0x0000_0001_0000_0001,
    1,
];

/// The first bits of all aligned blocks of `2^order` ones in `word`, order 0 to 6.
#[inline]
fn blocks(mut word: u64, order: u32) -> u64 {
    for (step, first) in FIRST.iter().enumerate().take(order as usize) {
        word &= word >> (1 << step) & first;
    }
    word
}

/// Rank of the largest aligned block of ones in `word`.
#[inline]
fn rank_of(mut word: u64) -> Rank {
    let mut rank = 0;
    for (step, first) in FIRST.iter().enumerate() {
        if word == 0 {
            return rank;
        }
        rank += 1;
        word &= word >> (1 << step) & first;
    }
    rank + Rank::from(word != 0)
}

/// Free frames: a bit for each frame, and the tree over the words of bits.
#[derive(Debug, Default)]
pub struct FreeMap {
    words: Vec<u64>,
    /// Nodes by height, from 1 on; the last is one node.
    tree: Vec<Vec<Node>>,
    free: u64,
}

fn filled<T: Clone>(count: usize, value: T) -> Result<Vec<T>> {
    let mut all = Vec::new();
    all.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    all.resize(count, value);
    Ok(all)
}

impl FreeMap {
    /// For `frames` frames, none of them free.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(frames: usize) -> Result<Self> {
        let words = filled(frames.max(1).div_ceil(64), 0)?;
        let mut tree = Vec::new();
        tree.try_reserve_exact(8).map_err(|_| Errno::ENOMEM)?;
        let mut parts = words.len();
        loop {
            parts = parts.div_ceil(64);
            tree.push(filled(parts, Node::default())?);
            if parts == 1 {
                return Ok(Self {
                    words,
                    tree,
                    free: 0,
                });
            }
        }
    }

    /// Free frames.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.free
    }

    /// The parts of height 1 in `mask` of node `node` change their rank: tells all above.
    #[inline]
    fn tell(&mut self, node: usize, mask: u64, was: Rank, now: Rank) {
        let (mut index, mut mask, mut was, mut now) = (node, mask, was, now);
        for (level, height) in self.tree.iter_mut().zip(1..) {
            let Some(node) = level.get_mut(index) else {
                return;
            };
            let before = node.rank;
            node.change(height, mask, was, now);
            (was, now) = (before, node.rank);
            if was == now {
                return;
            }
            mask = 1 << (index % 64);
            index /= 64;
        }
    }

    /// Changes bits of one word.
    #[inline]
    fn apply_bits(&mut self, word: usize, mask: u64, free: bool) {
        let Some(w) = self.words.get_mut(word) else {
            return;
        };
        debug_assert_eq!(*w & mask, if free { 0 } else { mask }, "changed twice");
        let before = *w;
        *w = if free { before | mask } else { before & !mask };
        let now = *w;
        let (was, now) = (rank_of(before), rank_of(now));
        if was != now {
            self.tell(word / 64, 1 << (word % 64), was, now);
        }
    }

    /// Changes whole words, all under one node of height 1.
    fn apply_words(&mut self, first: usize, count: usize, free: bool) {
        const WHOLE: Rank = FAN as Rank + 1;
        let Some(words) = self.words.get_mut(first..first + count) else {
            return;
        };
        let (before, after) = if free { (0, u64::MAX) } else { (u64::MAX, 0) };
        debug_assert!(words.iter().all(|&w| w == before), "changed twice");
        words.fill(after);
        let mask = mask(first % 64, count);
        let (was, now) = if free { (0, WHOLE) } else { (WHOLE, 0) };
        self.tell(first / 64, mask, was, now);
    }

    /// Frames that are all not free become free, or the other way round.
    fn apply(&mut self, start: u64, count: u64, free: bool) {
        let end = (start + count).min(self.words.len() as u64 * 64);
        let mut at = start.min(end);
        self.free = if free {
            self.free + (end - at)
        } else {
            self.free - (end - at)
        };
        while at < end {
            let (word, bit) = ((at / 64) as usize, (at % 64) as usize);
            let words = ((end - at) / 64) as usize;
            if bit == 0 && words != 0 {
                let n = words.min(64 - word % 64);
                self.apply_words(word, n, free);
                at += n as u64 * 64;
            } else {
                let n = (64 - bit).min((end - at) as usize);
                self.apply_bits(word, mask(bit, n), free);
                at += n as u64;
            }
        }
    }

    /// Frees frames that are not free.
    pub fn release(&mut self, start: Mfn, count: u64) {
        self.apply(start.0, count, true);
    }

    /// Takes `2^order` frames, aligned to their size; the highest there are, so that low memory
    /// stays whole for devices that need it.
    #[inline]
    pub fn take(&mut self, order: u32) -> Option<Mfn> {
        if order > MAX_ORDER {
            return None;
        }
        let start = self.find(order)?;
        self.apply(start, 1 << order, false);
        Some(Mfn(start))
    }

    /// Takes up to `count` single frames, at most 64, as [`Self::take`] would one by one, and shows
    /// them to `each`; how many there were not.
    pub fn take_some(&mut self, count: usize, mut each: impl FnMut(Mfn)) -> usize {
        let mut left = count;
        while left != 0
            && let Some(frame) = self.find(0)
        {
            // The highest bits of one word.
            let word = (frame / 64) as usize;
            let Some(&bits) = self.words.get(word) else {
                return left;
            };
            let (mut rest, mut taken) = (bits, 0);
            while let Some(bit) = highest(rest)
                && left != 0
            {
                rest &= !(1 << bit);
                taken += 1;
                left -= 1;
                each(Mfn(word as u64 * 64 + bit));
            }
            self.apply_bits(word, bits & !rest, false);
            self.free -= taken;
        }
        left
    }

    /// Frees single frames that are not free; quickest when neighbours come together.
    pub fn release_some(&mut self, frames: &[Mfn]) {
        let (mut word, mut bits) = (0, 0);
        for frame in frames {
            let at = (frame.0 / 64) as usize;
            if at != word && bits != 0 {
                self.apply_bits(word, bits, true);
                bits = 0;
            }
            word = at;
            bits |= 1 << (frame.0 % 64);
        }
        if bits != 0 {
            self.apply_bits(word, bits, true);
        }
        self.free += frames.len() as u64;
    }

    #[inline]
    fn find(&self, order: u32) -> Option<u64> {
        let mut index = 0;
        for height in (1..=self.tree.len()).rev() {
            let node = self.tree.get(height - 1)?.get(index)?;
            let height = height as u32;
            let part = Node::part(height);
            if order > part {
                // Several whole parts of this very node.
                let first = highest(blocks(*node.has.get(part as usize)?, order - part))?;
                return Some((index as u64 * 64 + first) << part);
            }
            let child = highest(*node.has.get(order as usize)?)?;
            index = index * 64 + child as usize;
        }
        let first = highest(blocks(*self.words.get(index)?, order))?;
        Some(index as u64 * 64 + first)
    }
}

/// `count` ones from bit `first` on.
#[inline]
fn mask(first: usize, count: usize) -> u64 {
    (u64::MAX >> (64 - count)) << first
}

/// Number of the highest bit set.
#[inline]
fn highest(word: u64) -> Option<u64> {
    (word != 0).then(|| 63 - u64::from(word.leading_zeros()))
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

    /// The same by looking at every frame.
    fn search(free: &BTreeSet<u64>, order: u32) -> Option<u64> {
        let size = 1_u64 << order;
        let mut starts = free.iter().rev().filter(|&&f| f.is_multiple_of(size));
        starts
            .find(|&&f| (f..f + size).all(|x| free.contains(&x)))
            .copied()
    }

    proptest::proptest! {
        #[test]
        fn every_block_is_found_that_a_search_finds(
            steps in proptest::collection::vec((0..12_u32, 0..3_u8, 0..20_000_u64), 1..60),
        ) {
            const FRAMES: u64 = 20_000;
            let mut map = FreeMap::new(FRAMES as usize).unwrap();
            map.release(Mfn(0), FRAMES);
            let mut free: BTreeSet<u64> = (0..FRAMES).collect();
            for (order, what, at) in steps {
                let size = 1 << order;
                if what == 2 {
                    let mut some = Vec::new();
                    map.take_some(order as usize, |f| some.push(f));
                    let expected: Vec<_> =
                        free.iter().rev().take(order as usize).map(|&f| Mfn(f)).collect();
                    proptest::prop_assert_eq!(&some, &expected);
                    if at % 2 == 0 {
                        map.release_some(&some);
                    } else {
                        some.iter().for_each(|f| assert!(free.remove(&f.0)));
                    }
                } else if what == 0 {
                    // Frees what is not free of a block anywhere.
                    for f in (at..(at + size).min(FRAMES)).filter(|f| free.insert(*f)) {
                        map.release(Mfn(f), 1);
                    }
                } else {
                    let found = map.take(order);
                    proptest::prop_assert_eq!(found, search(&free, order).map(Mfn));
                    if let Some(Mfn(f)) = found {
                        (f..f + size).for_each(|f| assert!(free.remove(&f)));
                    }
                }
                proptest::prop_assert_eq!(map.free(), free.len() as u64);
            }
        }
    }

    #[test]
    fn the_largest_blocks_come_whole_and_go_back_whole() {
        let frames = 5 << 18;
        let mut m = FreeMap::new(frames).unwrap();
        m.release(Mfn(1), frames as u64 - 1);
        let taken: Vec<_> = core::iter::from_fn(|| m.take(MAX_ORDER)).collect();
        assert_eq!(taken.len(), 4, "the lowest lacks frame 0");
        assert_eq!(taken[0], Mfn(4 << 18));
        assert_eq!(m.take(17), Some(Mfn(1 << 17)));
        for first in taken {
            m.release(first, 1 << MAX_ORDER);
        }
        assert_eq!(m.take(MAX_ORDER), Some(Mfn(4 << 18)));
    }
}

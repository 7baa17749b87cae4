//! A binary heap whose elements can be found: insertion, removal and replacement of any element in
//! logarithmic time, and no allocation after [`Heap::reserve`].

use alloc::vec::Vec;

use super::cost::step;
use crate::error::{Errno, Result};

/// The scheduler's own number for a vCPU or a domain's watchdog; dense, so that it can index.
pub type Unit = u16;

/// Position of a unit that is not in the heap.
const ABSENT: u16 = u16::MAX;

/// Whose an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    /// The domain's slot.
    pub slot: u16,
    /// The vCPU's index in its domain.
    pub index: u16,
}

/// An element: the smallest key is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<T> {
    /// What it is ordered by.
    pub key: u64,
    /// What it is found by.
    pub unit: Unit,
    /// What it stands for.
    pub what: T,
}

/// The heap.
#[derive(Debug)]
pub struct Heap<T> {
    entries: Vec<Entry<T>>,
    positions: Vec<u16>,
}

impl<T> Default for Heap<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            positions: Vec::new(),
        }
    }
}

impl<T: Copy> Heap<T> {
    /// Makes room for the units `0..units`.
    ///
    /// # Errors
    /// `ENOMEM`; what was there stays usable.
    pub fn reserve(&mut self, units: usize) -> Result<()> {
        let more = units.saturating_sub(self.entries.len());
        self.entries.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
        let more = units.saturating_sub(self.positions.len());
        self.positions
            .try_reserve(more)
            .map_err(|_| Errno::ENOMEM)?;
        self.positions
            .resize(units.max(self.positions.len()), ABSENT);
        Ok(())
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The element with the smallest key.
    #[inline]
    #[must_use]
    pub fn first(&self) -> Option<&Entry<T>> {
        self.entries.first()
    }

    /// The first element if `suits` holds for it, else the one with the smallest key among those
    /// that it holds for of the first `among` places, where small keys are.
    pub fn front(&self, among: usize, suits: impl Fn(&T) -> bool) -> Option<&Entry<T>> {
        let front = self.entries.iter().take(among).inspect(|_| step());
        match self.entries.first() {
            Some(first) if suits(&first.what) => Some(first),
            _ => front.filter(|e| suits(&e.what)).min_by_key(|e| e.key),
        }
    }

    /// Adds an element; takes the place of the unit's earlier one. A unit that no room was reserved
    /// for is left out.
    pub fn insert(&mut self, entry: Entry<T>) {
        let Some(&at) = self.positions.get(usize::from(entry.unit)) else {
            debug_assert!(false, "unit {} without room", entry.unit);
            return;
        };
        let at = if at == ABSENT {
            self.entries.push(entry);
            self.entries.len() - 1
        } else {
            self.entries[usize::from(at)] = entry;
            usize::from(at)
        };
        let at = self.up(at);
        self.down(at);
    }

    /// Takes a unit's element out.
    pub fn remove(&mut self, unit: Unit) -> Option<Entry<T>> {
        let at = *self.positions.get(usize::from(unit))?;
        if at == ABSENT {
            return None;
        }
        let at = usize::from(at);
        let removed = self.entries.swap_remove(at);
        self.positions[usize::from(unit)] = ABSENT;
        if at < self.entries.len() {
            let at = self.up(at);
            self.down(at);
        }
        Some(removed)
    }

    /// Takes the first element out.
    pub fn pop(&mut self) -> Option<Entry<T>> {
        let unit = self.first()?.unit;
        self.remove(unit)
    }

    fn settle(&mut self, at: usize) {
        let unit = self.entries[at].unit;
        self.positions[usize::from(unit)] = at as u16;
    }

    fn up(&mut self, mut at: usize) -> usize {
        while at > 0 {
            step();
            let parent = (at - 1) / 2;
            if self.entries[parent].key <= self.entries[at].key {
                break;
            }
            self.entries.swap(parent, at);
            self.settle(at);
            at = parent;
        }
        self.settle(at);
        at
    }

    fn down(&mut self, mut at: usize) {
        loop {
            let left = 2 * at + 1;
            let Some(first) = self.entries.get(left) else {
                break;
            };
            step();
            let smaller = match self.entries.get(left + 1) {
                Some(right) if right.key < first.key => left + 1,
                _ => left,
            };
            if self.entries[at].key <= self.entries[smaller].key {
                break;
            }
            self.entries.swap(at, smaller);
            self.settle(at);
            at = smaller;
        }
        self.settle(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const UNITS: u16 = 40;

    fn entry(unit: Unit, key: u64) -> Entry<Who> {
        let what = Who {
            slot: unit / 3,
            index: unit % 3,
        };
        Entry { key, unit, what }
    }

    proptest! {
        /// Against a map: the same contents after every operation, and the smallest key first.
        #[test]
        fn behaves_as_a_map_with_a_first_element(
            ops in prop::collection::vec((0..4u8, 0..UNITS, 0..1000u64), 0..300)
        ) {
            let mut heap = Heap::default();
            heap.reserve(usize::from(UNITS)).unwrap();
            let mut model = BTreeMap::new();
            for (op, unit, key) in ops {
                match op {
                    0 | 1 => {
                        heap.insert(entry(unit, key));
                        model.insert(unit, key);
                    }
                    2 => prop_assert_eq!(heap.remove(unit).map(|e| e.key), model.remove(&unit)),
                    _ => {
                        let popped = heap.pop();
                        prop_assert_eq!(popped.map(|e| e.key), model.values().min().copied());
                        if let Some(e) = popped {
                            prop_assert_eq!(model.remove(&e.unit), Some(e.key));
                        }
                    }
                }
                prop_assert_eq!(heap.len(), model.len());
                prop_assert_eq!(heap.first().map(|e| e.key), model.values().min().copied());
                for (at, e) in heap.entries.iter().enumerate() {
                    prop_assert_eq!(usize::from(heap.positions[usize::from(e.unit)]), at);
                }
            }
        }
    }

    #[test]
    fn what_suits_is_found_in_front() {
        let mut heap = Heap::default();
        heap.reserve(100).unwrap();
        (0..100).for_each(|unit| heap.insert(entry(unit, 1000 - u64::from(unit))));
        let index = |wanted: u16| heap.front(8, |who: &Who| who.index == wanted).unwrap().unit;
        assert_eq!(heap.front(1, |_| true).unwrap().unit, 99);
        assert_eq!(index(99 % 3), 99);
        assert!(index(98 % 3) > 90 && index(97 % 3) > 80);
        assert!(heap.front(100, |_| false).is_none());
    }

    #[test]
    fn room_grows_and_keeps_what_is_there() {
        let mut heap = Heap::default();
        heap.reserve(1).unwrap();
        heap.insert(entry(0, 5));
        heap.reserve(9).unwrap();
        heap.reserve(2).unwrap();
        heap.insert(entry(8, 4));
        assert_eq!(heap.pop().unwrap().unit, 8);
        assert_eq!(heap.pop().unwrap().unit, 0);
        assert!(heap.pop().is_none() && heap.remove(3).is_none() && heap.remove(99).is_none());
    }
}

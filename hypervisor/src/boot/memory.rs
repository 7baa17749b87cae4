//! Which memory is whose at boot: sets of page ranges.

use arrayvec::ArrayVec;

use super::multiboot::{BootInfo, RAM};
use crate::layout::{DIRECT_MAP_SIZE, PAGE};

/// A range of machine frames: first, and first behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frames {
    /// First frame.
    pub(crate) start: u64,
    /// First frame behind.
    pub(crate) end: u64,
}

impl Frames {
    /// Number of frames.
    pub(crate) const fn len(self) -> u64 {
        self.end - self.start
    }

    /// The frames that the bytes `start..end` touch.
    pub(crate) const fn touching(start: u64, end: u64) -> Self {
        Self {
            start: start / PAGE,
            end: end.div_ceil(PAGE),
        }
    }
}

/// Disjoint ranges of frames in ascending order.
#[derive(Clone, Debug, Default)]
pub(crate) struct FrameSet {
    ranges: ArrayVec<Frames, 128>,
    /// Ranges that did not fit.
    pub(crate) lost: usize,
}

impl FrameSet {
    /// The ranges.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = Frames> + '_ {
        self.ranges.iter().copied()
    }

    /// Number of frames in all ranges.
    pub(crate) fn frames(&self) -> u64 {
        self.iter().map(Frames::len).sum()
    }

    /// First frame behind the last range.
    pub(crate) fn end(&self) -> u64 {
        self.ranges.last().map_or(0, |r| r.end)
    }

    /// Whether all of `range` is in the set.
    pub(crate) fn contains(&self, range: Frames) -> bool {
        self.iter()
            .any(|r| r.start <= range.start && range.end <= r.end)
    }

    /// Adds `range`, which may overlap what is there.
    pub(crate) fn insert(&mut self, range: Frames) {
        let mut new = range;
        if new.start >= new.end {
            return;
        }
        let mut merged = ArrayVec::new();
        for r in self.ranges.drain(..) {
            if r.end < new.start || r.start > new.end {
                merged.push(r);
            } else {
                new = Frames {
                    start: new.start.min(r.start),
                    end: new.end.max(r.end),
                };
            }
        }
        let at = merged
            .iter()
            .position(|r: &Frames| r.start > new.start)
            .unwrap_or(merged.len());
        if merged.try_insert(at, new).is_err() {
            self.lost += 1;
        }
        self.ranges = merged;
    }

    /// Takes `range` out.
    pub(crate) fn remove(&mut self, range: Frames) {
        let mut left = ArrayVec::new();
        for r in self.ranges.drain(..) {
            let low = Frames {
                start: r.start,
                end: r.end.min(range.start),
            };
            let high = Frames {
                start: r.start.max(range.end),
                end: r.end,
            };
            for piece in [low, high] {
                if piece.start < piece.end && left.try_push(piece).is_err() {
                    self.lost += 1;
                }
            }
        }
        self.ranges = left;
    }

    /// Takes the highest `count` frames below frame `limit` that lie in one piece.
    pub(crate) fn take_high(&mut self, count: u64, limit: u64) -> Option<Frames> {
        let found = self.iter().rev().find_map(|r| {
            let end = r.end.min(limit);
            let start = end.checked_sub(count)?;
            (start >= r.start).then_some(Frames { start, end })
        })?;
        self.remove(found);
        Some(found)
    }

    /// The lowest `count` frames below frame `limit` that lie in one piece; they stay in the set.
    pub(crate) fn lowest(&self, count: u64, limit: u64) -> Option<Frames> {
        self.iter().find_map(|r| {
            let end = r.start.checked_add(count)?;
            (end <= r.end.min(limit)).then_some(Frames {
                start: r.start,
                end,
            })
        })
    }
}

/// The firmware's memory: whole frames of RAM that no other entry of the map claims. Frame 0 is left
/// out: firmware keeps its interrupt vectors and data area there.
pub(crate) fn usable(boot: &BootInfo) -> FrameSet {
    let mut set = FrameSet::default();
    for r in boot.map.iter().filter(|r| r.kind == RAM) {
        let end = r.start.saturating_add(r.len).min(DIRECT_MAP_SIZE);
        set.insert(Frames {
            start: r.start.div_ceil(PAGE),
            end: end / PAGE,
        });
    }
    for r in boot.map.iter().filter(|r| r.kind != RAM) {
        set.remove(Frames::touching(r.start, r.start.saturating_add(r.len)));
    }
    set.remove(Frames { start: 0, end: 1 });
    set
}

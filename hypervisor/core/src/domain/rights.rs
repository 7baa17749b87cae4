//! What a domain may use of the machine's devices: I/O ports, frames that are no memory, and interrupt
//! lines. dom0 has nearly all of it and lets others use parts of that.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use super::Domain;
use crate::addr::Mfn;
use crate::error::{Errno, Result};
use crate::hypervisor::Config;

/// Most ranges of one sort that a domain may have.
const MOST_RANGES: usize = 64;
/// Lines there may be.
const MOST_LINES: usize = 256;
/// The interval timer's line, which no domain gets.
pub(crate) const TIMER_LINE: u32 = 0;
/// Ports that dom0 has not got: of the interrupt controllers, the interval timer, its gate, the serial
/// console, and PCI configuration data, which it reaches all the same ([`crate::trap::port`]).
const KEPT_PORTS: [(u16, u16); 6] = [
    (0x20, 0x21),
    (0x40, 0x43),
    (0x61, 0x61),
    (0xa0, 0xa1),
    (0x3f8, 0x3ff),
    (0xcfc, 0xcff),
];

/// Numbers, as ranges from a first to a last: ascending, and apart from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Whether all of `first` to `last` is there.
    pub(crate) fn has(&self, first: u64, last: u64) -> bool {
        let behind = self.0.partition_point(|&(from, _)| from <= first);
        behind > 0 && self.0.get(behind - 1).is_some_and(|&(_, to)| last <= to)
    }

    /// Makes room for one more.
    fn room(&mut self) -> Result<()> {
        if self.0.len() >= MOST_RANGES {
            return Err(Errno::ENOMEM);
        }
        self.0.try_reserve_exact(1).map_err(|_| Errno::ENOMEM)
    }

    /// Adds `first` to `last`.
    ///
    /// # Errors
    /// `ENOMEM`; then nothing is changed.
    fn add(&mut self, mut first: u64, mut last: u64) -> Result<()> {
        // Those that it overlaps or touches become part of it.
        let begin = (self.0).partition_point(|&(_, to)| to.saturating_add(1) < first);
        let end = (self.0).partition_point(|&(from, _)| from <= last.saturating_add(1));
        if begin >= end {
            self.room()?;
            self.0.insert(begin, (first, last));
            return Ok(());
        }
        if let (Some(lowest), Some(highest)) = (self.0.get(begin), self.0.get(end - 1)) {
            (first, last) = (first.min(lowest.0), last.max(highest.1));
        }
        self.0.drain(begin + 1..end);
        if let Some(range) = self.0.get_mut(begin) {
            *range = (first, last);
        }
        Ok(())
    }

    /// Takes `first` to `last` out.
    ///
    /// # Errors
    /// `ENOMEM`, where one range becomes two; then nothing is changed.
    fn take(&mut self, first: u64, last: u64) -> Result<()> {
        let begin = self.0.partition_point(|&(_, to)| to < first);
        let end = self.0.partition_point(|&(from, _)| from <= last);
        if begin >= end {
            return Ok(());
        }
        let (Some(&(lowest, _)), Some(&(_, highest))) = (self.0.get(begin), self.0.get(end - 1))
        else {
            return Ok(());
        };
        let below = first.checked_sub(1).filter(|&to| lowest <= to);
        let above = last.checked_add(1).filter(|&from| from <= highest);
        if end - begin == 1 && below.is_some() && above.is_some() {
            self.room()?;
        }
        self.0.drain(begin..end);
        if let Some(from) = above {
            self.0.insert(begin, (from, highest));
        }
        if let Some(to) = below {
            self.0.insert(begin, (lowest, to));
        }
        Ok(())
    }

    /// Adds a range, or takes it out.
    ///
    /// # Errors
    /// `ENOMEM`; then nothing is changed.
    pub(crate) fn set(&mut self, (first, last): (u64, u64), allowed: bool) -> Result<()> {
        if allowed {
            self.add(first, last)
        } else {
            self.take(first, last)
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a domain may use. A lock of its own covers it, under which no other is taken.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    /// I/O ports.
    pub(crate) ports: Ranges,
    /// Frames.
    pub(crate) frames: Ranges,
    /// Lines, a bit each.
    lines: [u64; MOST_LINES / 64],
}

impl Rights {
    /// Those of dom0.
    ///
    /// # Errors
    /// `ENOMEM`.
    #[cold]
    fn of_dom0(config: &Config) -> Result<Self> {
        let mut rights = Self::default();
        rights.ports.add(0, u16::MAX.into())?;
        let timer = config.timer_port.map(|port| (port, port.saturating_add(3)));
        for (first, last) in KEPT_PORTS.into_iter().chain(timer) {
            rights.ports.take(first.into(), last.into())?;
        }
        rights.frames.add(0, config.max_mfn.saturating_sub(1))?;
        for &(first, count) in &config.device_denied {
            if let Some(more) = count.checked_sub(1) {
                let last = first.0.saturating_add(more);
                rights.frames.take(first.0, last)?;
            }
        }
        for line in 0..config.lines.len() as u32 {
            rights.set_line(line, line != TIMER_LINE);
        }
        Ok(rights)
    }

    /// Whether it may have line `gsi`.
    pub(crate) fn has_line(&self, gsi: u32) -> bool {
        let word = self.lines.get(gsi as usize / 64).copied().unwrap_or(0);
        word >> (gsi % 64) & 1 != 0
    }

    /// Says whether it may.
    pub(crate) fn set_line(&mut self, gsi: u32, allowed: bool) {
        let bit = 1 << (gsi % 64);
        if let Some(word) = self.lines.get_mut(gsi as usize / 64) {
            *word = if allowed { *word | bit } else { *word & !bit };
        }
    }
}

impl Domain {
    /// Gives a domain that is being made what it has from the beginning: dom0 the machine's devices.
    ///
    /// # Errors
    /// `ENOMEM`.
    #[cold]
    pub(super) fn init_rights(&self, config: &Config) -> Result<()> {
        let rights = if self.is_privileged() {
            Rights::of_dom0(config)?
        } else {
            Rights::default()
        };
        self.has_dom0s_ports
            .store(self.is_privileged(), Ordering::Relaxed);
        self.change_rights(|now| {
            *now = rights;
            Ok(())
        })
    }

    /// Keeps nothing of what a domain had that is no more.
    pub(super) fn end_rights(&self) {
        *self.rights.lock() = Rights::default();
    }

    /// Changes what the domain may use.
    ///
    /// # Errors
    /// Those of `change`.
    #[cold]
    pub(crate) fn change_rights(
        &self,
        change: impl FnOnce(&mut Rights) -> Result<()>,
    ) -> Result<()> {
        let mut rights = self.rights.lock();
        let result = change(&mut rights);
        let any = !rights.frames.is_empty() || !rights.ports.is_empty();
        self.devices.store(any, Ordering::Relaxed);
        result
    }

    /// Shows all of it: the sort, and a first and a last, or which words of bits.
    #[cold]
    pub(crate) fn show_rights(&self, show: &mut dyn FnMut(&str, u64, u64)) {
        let rights = self.rights.lock();
        for (what, ranges) in [("ports", &rights.ports), ("frames", &rights.frames)] {
            ranges
                .0
                .iter()
                .for_each(|&(first, last)| show(what, first, last));
        }
        for (number, &bits) in (0..).zip(&rights.lines) {
            show("lines, 64 each", number, bits);
        }
    }

    /// All of it, in words.
    #[cfg(any(test, feature = "testkit"))]
    #[must_use]
    pub fn rights_text(&self) -> alloc::string::String {
        alloc::format!("{:?}", self.rights.lock())
    }

    /// Whether it has what it is to let another use, or not let it use any more.
    #[cold]
    pub(crate) fn may_give(&self, has: impl FnOnce(&Rights) -> bool) -> bool {
        has(&self.rights.lock())
    }

    /// Lets it use the ports `first` to `last`, or not any more.
    ///
    /// # Errors
    /// `ENOMEM`; then nothing is changed.
    #[cold]
    pub(crate) fn change_ports(&self, ports: (u64, u64), allowed: bool) -> Result<()> {
        self.change_rights(|rights| {
            rights.ports.set(ports, allowed)?;
            self.has_dom0s_ports.store(false, Ordering::Relaxed);
            Ok(())
        })
    }

    /// Whether it has a port or a device's frame, and may choose how memory is cached.
    #[inline]
    #[must_use]
    pub fn has_devices(&self) -> bool {
        self.devices.load(Ordering::Relaxed)
    }

    /// Whether it may map a device's frame.
    #[cold]
    pub(crate) fn may_map(&self, mfn: Mfn) -> bool {
        self.rights.lock().frames.has(mfn.0, mfn.0)
    }

    /// Whether it may have a line.
    pub(crate) fn may_have_line(&self, gsi: u32) -> bool {
        self.rights.lock().has_line(gsi)
    }

    /// Whether its ports are what dom0 has from the beginning.
    #[inline]
    pub(crate) fn has_dom0s_ports(&self) -> bool {
        self.has_dom0s_ports.load(Ordering::Relaxed)
    }

    /// Whether it may use a port.
    #[cold]
    pub(crate) fn may_use_port(&self, port: u16) -> bool {
        self.rights.lock().ports.has(port.into(), port.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn ranges_are_what_a_set_of_numbers_is() {
        let mut seed = 1_u32;
        let mut next = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            u64::from((seed >> 16) % below)
        };
        for _ in 0..50 {
            let (mut ranges, mut set) = (Ranges::default(), [false; 40]);
            for _ in 0..60 {
                let first = next(40);
                let last = (first + next(8)).min(39);
                let allowed = next(2) == 0;
                ranges.set((first, last), allowed).unwrap();
                set[first as usize..=last as usize].fill(allowed);
                for (i, &there) in set.iter().enumerate() {
                    assert_eq!(ranges.has(i as u64, i as u64), there);
                }
                let whole = set[5..=9].iter().all(|&there| there);
                assert_eq!(ranges.has(5, 9), whole);
                let apart = ranges.0.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0);
                assert!(apart, "{ranges:?}");
                assert_eq!(ranges.is_empty(), set == [false; 40]);
            }
        }
    }

    #[test]
    fn ranges_reach_to_the_ends() {
        let mut ranges = Ranges::default();
        ranges.add(0, u64::MAX).unwrap();
        ranges.take(0, 0).unwrap();
        ranges.take(u64::MAX, u64::MAX).unwrap();
        assert_eq!(ranges.0, vec![(1, u64::MAX - 1)]);
        ranges.add(u64::MAX, u64::MAX).unwrap();
        ranges.add(0, 0).unwrap();
        assert_eq!(ranges.0, vec![(0, u64::MAX)]);
    }

    #[test]
    fn there_are_so_many_ranges() {
        let mut ranges = Ranges::default();
        for i in 0..MOST_RANGES as u64 {
            ranges.add(4 * i, 4 * i + 2).unwrap();
        }
        let before = ranges.clone();
        assert_eq!(ranges.add(1000, 1000), Err(Errno::ENOMEM));
        assert_eq!(ranges.take(1, 1), Err(Errno::ENOMEM));
        assert_eq!(ranges, before);
        // What makes none more is done.
        ranges.add(3, 3).unwrap();
        ranges.take(1, 1).unwrap();
    }
}

//! The TLB flush clock: which CPUs may still remember a mapping that is gone.
//!
//! The clock ticks with every flush. A frame whose last use of a kind ends is stamped with the
//! clock; a CPU whose latest flush began at or after the stamp remembers nothing of that use.
//! Differences are taken modulo 2^32, signed: an ancient stamp may cost a needless flush, never
//! spares a needed one while each online CPU flushes at least once in 2^31 ticks.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use super::order::{Touch, touched};
use crate::hypervisor::Hypervisor;
use crate::platform::{CpuId, CpuMask, Machine};

/// Most physical CPUs.
pub const MAX_CPUS: usize = 64;

/// The clock, and when each CPU last flushed.
pub struct Tlb {
    clock: AtomicU32,
    flushed: [AtomicU32; MAX_CPUS],
    /// CPUs that run guests, all from the start: a CPU that was forgotten here would never be
    /// flushed, and nothing else would notice.
    cpus: CpuMask,
    /// CPUs that are in nobody's address space: they remember nothing that is gone, and flush before
    /// they enter a guest's.
    away: AtomicU64,
}

impl Tlb {
    /// A clock that has not ticked, for CPUs 0 to `cpus` - 1.
    #[must_use]
    pub fn new(cpus: u32) -> Self {
        Self {
            clock: AtomicU32::new(1),
            flushed: [const { AtomicU32::new(0) }; MAX_CPUS],
            cpus: CpuMask::MAX >> (64 - cpus.clamp(1, 64)),
            away: AtomicU64::new(0),
        }
    }

    /// The stamp for a use that ends now.
    #[inline]
    #[must_use]
    pub fn stamp(&self) -> u32 {
        touched(Touch::ReadClock);
        self.clock.load(Ordering::SeqCst)
    }

    /// CPUs that may remember what was stamped with `stamp`.
    #[must_use]
    pub fn stale_cpus(&self, stamp: u32) -> CpuMask {
        touched(Touch::WhoIsStale);
        let mut mask = 0;
        let mut left = self.present();
        while left != 0 {
            let cpu = left.trailing_zeros();
            left &= left - 1;
            let last = self.flushed[cpu as usize].load(Ordering::SeqCst);
            if (last.wrapping_sub(stamp) as i32) < 0 {
                mask |= 1 << cpu;
            }
        }
        mask
    }

    /// CPUs that are in a guest's address space or on their way to one. What the caller removed from
    /// page tables before is gone for those that enter one later.
    fn present(&self) -> CpuMask {
        // The removal is visible before `away` is read; `enter_guests` has it the other way round.
        fence(Ordering::SeqCst);
        self.cpus & !self.away.load(Ordering::SeqCst)
    }

    /// `cpu` has left all guests' address spaces: the root it uses maps nothing of theirs, and it
    /// has flushed since it had loaded another.
    #[inline]
    pub fn leave_guests(&self, cpu: CpuId) {
        let bit = 1 << (cpu % 64);
        if self.away.fetch_or(bit, Ordering::SeqCst) & bit == 0 {
            touched(Touch::SayAway);
        }
    }

    /// `cpu` is about to load a guest's root, and flushes by it.
    #[inline]
    pub fn enter_guests(&self, cpu: CpuId) {
        let bit = 1 << (cpu % 64);
        if self.away.load(Ordering::Relaxed) & bit != 0 {
            self.away.fetch_and(!bit, Ordering::SeqCst);
            touched(Touch::SayBack);
        }
    }

    /// Notes that `cpu` runs `flush`, a flush of all its guest entries, now.
    #[inline]
    pub fn note(&self, cpu: CpuId, flush: impl FnOnce()) {
        let begun = self.begin_flush();
        flush();
        self.end_flush(cpu, begun);
    }

    /// The tick at which a flush begins: what is stamped from now on is not covered by it.
    #[inline]
    pub fn begin_flush(&self) -> u32 {
        touched(Touch::BeginFlush);
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// The flush of `cpu` that began at `begun` is over.
    #[inline]
    pub fn end_flush(&self, cpu: CpuId, begun: u32) {
        if let Some(last) = self.flushed.get(cpu as usize) {
            last.store(begun, Ordering::SeqCst);
            touched(Touch::EndFlush(cpu));
        }
    }
}

impl<M: Machine> Hypervisor<M> {
    /// Flushes this CPU's TLB and notes it.
    #[inline]
    pub fn flush_local(&self) {
        self.tlb
            .note(self.machine.cpu(), || self.machine.flush_tlb_local());
    }

    /// Flushes every CPU in `mask`, this one included if named.
    pub fn flush_mask(&self, mask: CpuMask) {
        let me = self.machine.cpu();
        let others = mask & !(1 << (me % 64)) & self.tlb.present();
        if others != 0 {
            let begun = self.tlb.begin_flush();
            self.machine.flush_tlb_remote(others);
            let mut left = others;
            while left != 0 {
                self.tlb.end_flush(left.trailing_zeros(), begun);
                left &= left - 1;
            }
        }
        if mask & (1 << (me % 64)) != 0 {
            self.flush_local();
        }
    }
}

/// A clock's whole state, for models that go through all states.
#[cfg(any(test, feature = "testkit"))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Reading<const CPUS: usize> {
    /// The tick.
    pub clock: u32,
    /// When each CPU last flushed.
    pub flushed: [u32; CPUS],
    /// CPUs that are in nobody's address space.
    pub away: CpuMask,
}

#[cfg(any(test, feature = "testkit"))]
impl<const CPUS: usize> Reading<CPUS> {
    /// What a clock says.
    #[must_use]
    pub fn of(tlb: &Tlb) -> Self {
        Self {
            clock: tlb.clock.load(Ordering::SeqCst),
            flushed: core::array::from_fn(|cpu| tlb.flushed[cpu].load(Ordering::SeqCst)),
            away: tlb.away.load(Ordering::SeqCst),
        }
    }

    /// A clock that says this.
    #[must_use]
    pub fn restore(&self) -> Tlb {
        let tlb = Tlb::new(CPUS as u32);
        tlb.clock.store(self.clock, Ordering::SeqCst);
        for (to, &from) in tlb.flushed.iter().zip(&self.flushed) {
            to.store(from, Ordering::SeqCst);
        }
        tlb.away.store(self.away, Ordering::SeqCst);
        tlb
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_begun_after_the_stamp_counts() {
        let t = Tlb::new(2);
        let s = t.stamp();
        assert_eq!(t.stale_cpus(s), 0b11);
        t.note(0, || ());
        assert_eq!(t.stale_cpus(s), 0b10);
        t.note(1, || ());
        assert_eq!(t.stale_cpus(s), 0);
        let later = t.stamp();
        assert_eq!(t.stale_cpus(later), 0b11);
    }

    #[test]
    fn a_cpu_without_a_guest_is_left_alone() {
        let t = Tlb::new(2);
        let s = t.stamp();
        t.leave_guests(1);
        assert_eq!(t.stale_cpus(s), 0b01);
        t.enter_guests(1);
        assert_eq!(t.stale_cpus(s), 0b11, "it may have looked since");
    }

    #[test]
    fn a_stamp_taken_while_a_flush_runs_is_not_covered_by_it() {
        let t = Tlb::new(1);
        let mut inside = 0;
        t.note(0, || inside = t.stamp());
        assert_eq!(t.stale_cpus(inside), 1);
    }
}

//! The paravirtual clock: system time from the vCPU's time info and the TSC, wallclock, and the
//! one-shot timer.

use super::shared::{VCPU0, half, word};
use crate::global::Global;
use crate::hypercall;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering, fence};
use hypercall_abi::xen::{shared_info, vcpu_info, vcpu_time_info};

static BOOT: AtomicU64 = AtomicU64::new(0);
/// The deadline that the timer is armed for; `NEVER` if it is not.
static ARMED: Global<u64> = Global::new(NEVER);

/// A deadline that does not come.
pub(crate) const NEVER: u64 = u64::MAX;

const TIME: usize = VCPU0 + offset_of!(vcpu_info, time);

/// The time-stamp counter.
pub(crate) fn rdtsc() -> u64 {
    // SAFETY: reading the time-stamp counter has no effect.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// `(ticks << shift) * mul / 2^32`, as the header of vcpu_time_info defines it.
fn scale(ticks: u64, mul: u32, shift: i8) -> u64 {
    let ticks = if shift >= 0 {
        ticks << shift
    } else {
        ticks >> -shift
    };
    ((u128::from(ticks) * u128::from(mul)) >> 32) as u64
}

/// System time in nanoseconds: what the hypervisor's timers count in.
pub(crate) fn system_time() -> u64 {
    system_time_on(0)
}

/// The same by the clock of vCPU `vcpu`, which runs this.
pub(crate) fn system_time_on(vcpu: usize) -> u64 {
    let at = TIME + vcpu * size_of::<vcpu_info>();
    let version = half(at + offset_of!(vcpu_time_info, version));
    loop {
        let before = version.load(Ordering::Acquire);
        if before & 1 != 0 {
            core::hint::spin_loop();
            continue;
        }
        let stamp = word(at + offset_of!(vcpu_time_info, tsc_timestamp)).load(Ordering::Relaxed);
        let base = word(at + offset_of!(vcpu_time_info, system_time)).load(Ordering::Relaxed);
        let mul = half(at + offset_of!(vcpu_time_info, tsc_to_system_mul)).load(Ordering::Relaxed);
        let shift = super::shared::byte(at + offset_of!(vcpu_time_info, tsc_shift));
        let shift = shift.load(Ordering::Relaxed).cast_signed();
        let ticks = rdtsc().wrapping_sub(stamp);
        fence(Ordering::Acquire);
        if version.load(Ordering::Relaxed) == before {
            return base.wrapping_add(scale(ticks, mul, shift));
        }
    }
}

/// Stops the timer the vCPU started with, and sets the zero of [`uptime`].
pub(crate) fn init() {
    BOOT.store(system_time(), Ordering::Relaxed);
    hypercall::stop_periodic_timer().expect("the periodic timer can always be stopped");
}

/// Nanoseconds since [`init`].
pub(crate) fn uptime() -> u64 {
    system_time().saturating_sub(BOOT.load(Ordering::Relaxed))
}

/// Seconds since 1970.
pub(crate) fn wallclock() -> u64 {
    let version = half(offset_of!(shared_info, wc_version));
    loop {
        let before = version.load(Ordering::Acquire);
        let low = half(offset_of!(shared_info, wc_sec)).load(Ordering::Relaxed);
        let high = half(offset_of!(shared_info, wc_sec_hi)).load(Ordering::Relaxed);
        let ns = half(offset_of!(shared_info, wc_nsec)).load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        if before & 1 == 0 && version.load(Ordering::Relaxed) == before {
            let boot = u64::from(high) << 32 | u64::from(low);
            return boot + (u64::from(ns) + system_time()) / 1_000_000_000;
        }
        core::hint::spin_loop();
    }
}

/// Makes VIRQ_TIMER come at a system time, replacing any earlier wish.
pub(crate) fn arm(deadline: u64) {
    let changed = ARMED.with(|armed| core::mem::replace(armed, deadline) != deadline);
    if changed && deadline != NEVER {
        hypercall::set_singleshot_timer(deadline).expect("a deadline is never refused");
    }
}

/// Notes that the timer fired: the next [`arm`] sets it in any case.
pub(crate) fn fired() {
    ARMED.with(|armed| *armed = NEVER);
}

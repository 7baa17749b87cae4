//! Time since the hypervisor's first instruction, from the time-stamp counter.

use core::sync::atomic::{AtomicI8, AtomicU32, AtomicU64, Ordering};

use hypervisor_core::acpi::{Facts, MAX_IO_APICS};
use hypervisor_core::cmdline::ClockSource;
use hypervisor_core::platform::{Nanos, TscScale};

use crate::arch::{apic, cpu};
use crate::layout::{DEVICES, PAGE};
use crate::{console, watchdog};

const NS_PER_S: u64 = 1_000_000_000;
/// Frequency of ACPI's power-management timer, Hz.
const PM_TIMER_HZ: u64 = 3_579_545;
/// Frequency of the PC's interval timer, Hz.
const PIT_HZ: u64 = 1_193_182;
/// Where the HPET's registers are mapped, behind those of the I/O APICs.
pub(crate) const HPET_PAGE: u64 = DEVICES + (1 + MAX_IO_APICS as u64) * PAGE;
/// Registers of the HPET: the period in femtoseconds, whether it counts, the count.
const HPET_PERIOD: u64 = 4;
const HPET_CONFIGURATION: u64 = 0x10;
const HPET_COUNT: u64 = 0xf0;
/// Femtoseconds in a second; and the longest period that the specification allows.
const FS_PER_S: u64 = 1_000_000_000_000_000;
const HPET_LONGEST: u32 = 100_000_000;
/// How long the TSC is watched, in nanoseconds.
const WINDOW: u64 = 10_000_000;
/// Samples at each end of the window; the one with the quickest read of the clock counts.
const SAMPLES: usize = 8;
/// Reads of a clock that does not move until it is given up.
const PATIENCE: u32 = 10_000_000;

static START: AtomicU64 = AtomicU64::new(0);
static KHZ: AtomicU32 = AtomicU32::new(1_000_000);
static MUL: AtomicU32 = AtomicU32::new(1 << 31);
static SHIFT: AtomicI8 = AtomicI8::new(1);
/// `MUL` and `SHIFT` as one factor, with so many bits behind the point.
const FACTOR_BITS: u32 = 40;
static FACTOR: AtomicU64 = AtomicU64::new(1 << FACTOR_BITS);
/// Bits of the TSC that `SHIFT` leaves.
static COUNTED: AtomicU64 = AtomicU64::new(u64::MAX);
/// TSC ticks per nanosecond, times 2^32.
static TICKS: AtomicU64 = AtomicU64::new(1 << 32);
static WALLCLOCK: AtomicU64 = AtomicU64::new(0);

/// A clock of known frequency that counts up.
struct Reference {
    name: &'static str,
    hz: u64,
    mask: u64,
    read: fn(u16) -> u64,
    port: u16,
}

/// What was found out about the clocks.
pub(crate) struct Clocks {
    /// Where the TSC's frequency comes from.
    pub(crate) source: &'static str,
    /// Frequency of the local APIC's timer, kHz.
    pub(crate) apic_khz: u64,
}

/// Finds the frequencies of the TSC and of the APIC's timer (which must be counting); time 0 was at
/// TSC value `start`. The clock to compare with is `wanted`, or else the first there is.
///
/// # Errors
/// No clock to compare with.
pub(crate) fn init(
    start: u64,
    acpi: &Facts,
    wanted: Option<ClockSource>,
) -> Result<Clocks, &'static str> {
    START.store(start, Ordering::Relaxed);
    let reference = wanted.and_then(|wanted| {
        let found = reference(wanted, acpi);
        if found.is_none() && wanted != ClockSource::Tsc {
            warn!("clocksource={}: there is none", wanted.name());
        }
        found
    });
    let found = reference.or_else(|| {
        let order = [ClockSource::Acpi, ClockSource::Hpet, ClockSource::Pit];
        order
            .iter()
            .find_map(|&source| self::reference(source, acpi))
    });
    let reference = found.ok_or("no clock to calibrate the TSC with")?;
    let (tsc_hz, apic_hz) = measure(&reference).ok_or("no clock to calibrate the TSC with")?;
    // What the processor itself says is better, unless something else is asked for.
    let told = match wanted {
        None | Some(ClockSource::Tsc) => told_frequency(),
        Some(_) => None,
    };
    let (source, tsc_hz) = told.unwrap_or((reference.name, tsc_hz));
    set_frequency(tsc_hz);
    Ok(Clocks {
        source,
        apic_khz: apic_hz / 1000,
    })
}

/// A clock, made to count, if there is one.
#[inline(never)]
fn reference(source: ClockSource, acpi: &Facts) -> Option<Reference> {
    match source {
        ClockSource::Acpi => acpi.pm_timer.map(|(port, wide)| Reference {
            name: "ACPI timer",
            hz: PM_TIMER_HZ,
            mask: if wide { 0xffff_ffff } else { 0xff_ffff },
            read: |port| u64::from(cpu::inl(port)),
            port,
        }),
        ClockSource::Hpet => acpi.hpet.and_then(|_| start_hpet()).map(|hz| Reference {
            name: "HPET",
            hz,
            mask: 0xffff_ffff,
            read: |_| u64::from(read_hpet(HPET_COUNT)),
            port: 0,
        }),
        ClockSource::Pit => {
            start_pit();
            Some(Reference {
                name: "PIT",
                hz: PIT_HZ,
                mask: 0xffff,
                read: read_pit,
                port: 0x42,
            })
        }
        ClockSource::Tsc => None,
    }
}

/// A register of the HPET, which there is.
fn read_hpet(register: u64) -> u32 {
    // SAFETY: the registers are mapped there, uncached.
    unsafe { ((HPET_PAGE + register) as *const u32).read_volatile() }
}

/// Lets the HPET count; its frequency, if it is one that the specification allows.
fn start_hpet() -> Option<u64> {
    let period = read_hpet(HPET_PERIOD);
    if !(1..=HPET_LONGEST).contains(&period) {
        return None;
    }
    let on = read_hpet(HPET_CONFIGURATION) | 1;
    // SAFETY: as in `read_hpet`; bit 0 lets it count, and no timer of it interrupts because of that.
    unsafe { ((HPET_PAGE + HPET_CONFIGURATION) as *mut u32).write_volatile(on) };
    Some(FS_PER_S / u64::from(period))
}

/// The TSC's frequency as CPUID tells it: as a ratio to a known crystal, or by a hypervisor below.
fn told_frequency() -> Option<(&'static str, u64)> {
    let (highest, ..) = cpu::cpuid(0, 0);
    if highest >= 0x15 {
        let (denominator, numerator, crystal, _) = cpu::cpuid(0x15, 0);
        if denominator != 0 && numerator != 0 && crystal != 0 {
            let hz = u64::from(crystal) * u64::from(numerator) / u64::from(denominator);
            return Some(("CPUID 0x15", hz));
        }
    }
    let (_, _, features, _) = cpu::cpuid(1, 0);
    if features & 1 << 31 != 0 && (0x4000_0010..0x4000_1000).contains(&cpu::cpuid(0x4000_0000, 0).0)
    {
        let (khz, ..) = cpu::cpuid(0x4000_0010, 0);
        if khz != 0 {
            return Some(("CPUID 0x40000010", u64::from(khz) * 1000));
        }
    }
    None
}

/// One reading: the reference clock just after it moved, the TSC and the APIC's timer then.
#[derive(Clone, Copy)]
struct Sample {
    clock: u64,
    tsc: u64,
    apic: u32,
    /// TSC ticks that reading took: how uncertain it is.
    width: u64,
}

#[inline(never)]
fn sample(reference: &Reference) -> Option<Sample> {
    let samples = (0..SAMPLES).filter_map(|_| next_tick(reference));
    samples.min_by_key(|sample| sample.width)
}

/// The reference's next tick. Not inlined, for it would be once for each sample.
#[inline(never)]
fn next_tick(reference: &Reference) -> Option<Sample> {
    let before = (reference.read)(reference.port);
    let mut last = cpu::rdtsc();
    for _ in 0..PATIENCE {
        let clock = (reference.read)(reference.port);
        let tsc = cpu::rdtsc();
        if clock != before {
            return Some(Sample {
                clock,
                tsc,
                apic: apic::timer_count(),
                width: tsc - last,
            });
        }
        last = tsc;
    }
    None
}

fn measure(reference: &Reference) -> Option<(u64, u64)> {
    let first = sample(reference)?;
    let wanted = WINDOW * reference.hz / NS_PER_S;
    for _ in 0..PATIENCE {
        if (reference.read)(reference.port).wrapping_sub(first.clock) & reference.mask >= wanted {
            break;
        }
        core::hint::spin_loop();
    }
    let last = sample(reference)?;
    let passed = last.clock.wrapping_sub(first.clock) & reference.mask;
    if passed < wanted {
        return None;
    }
    let rate =
        |ticks: u64| (u128::from(ticks) * u128::from(reference.hz) / u128::from(passed)) as u64;
    Some((
        rate(last.tsc - first.tsc),
        rate(u64::from(first.apic.wrapping_sub(last.apic))),
    ))
}

/// Lets the PIT's channel 2 (the speaker's, silenced) count down from 65536, over and over.
fn start_pit() {
    let gate = cpu::inb(0x61) & !2 | 1;
    for (port, value) in [(0x61, gate), (0x43, 0b1011_0100), (0x42, 0), (0x42, 0)] {
        // SAFETY: the timer and the speaker do not access memory.
        unsafe { cpu::outb(port, value) };
    }
}

fn read_pit(port: u16) -> u64 {
    // Latches channel 2, then reads it low byte first.
    // SAFETY: the timer does not access memory.
    unsafe { cpu::outb(0x43, 0b1000_0000) };
    let low = cpu::inb(port);
    let high = cpu::inb(port);
    // It counts down.
    0xffff - (u64::from(high) << 8 | u64::from(low))
}

fn set_frequency(hz: u64) {
    let mut scaled = hz.max(1_000_000);
    KHZ.store((scaled / 1000) as u32, Ordering::Relaxed);
    TICKS.store(
        ((u128::from(scaled) << 32) / u128::from(NS_PER_S)) as u64,
        Ordering::Relaxed,
    );
    let mut shift = 0_i8;
    while scaled > 2 * NS_PER_S {
        scaled >>= 1;
        shift -= 1;
    }
    while scaled <= NS_PER_S {
        scaled <<= 1;
        shift += 1;
    }
    let mul = (NS_PER_S << 32) / scaled;
    MUL.store(mul as u32, Ordering::Relaxed);
    SHIFT.store(shift, Ordering::Relaxed);
    let left = FACTOR_BITS as i8 - 32 + shift;
    assert!(left >= 0, "a TSC faster than hundreds of GHz");
    FACTOR.store(mul << left, Ordering::Relaxed);
    // Bits that the shift to the right drops before the multiplication.
    COUNTED.store(u64::MAX << (-shift).max(0), Ordering::Relaxed);
}

/// Nanoseconds since the first instruction, exactly as guests compute them by [`scale`].
#[inline]
pub(crate) fn now() -> Nanos {
    let delta = cpu::rdtsc().wrapping_sub(START.load(Ordering::Relaxed));
    let counted = delta & COUNTED.load(Ordering::Relaxed);
    ((u128::from(counted) * u128::from(FACTOR.load(Ordering::Relaxed))) >> FACTOR_BITS) as u64
}

/// The same conversion for guests.
pub(crate) fn scale() -> TscScale {
    TscScale {
        tsc_timestamp: START.load(Ordering::Relaxed),
        system_time: 0,
        tsc_to_system_mul: MUL.load(Ordering::Relaxed),
        tsc_shift: SHIFT.load(Ordering::Relaxed),
    }
}

/// The TSC's frequency, kHz.
pub(crate) fn khz() -> u32 {
    KHZ.load(Ordering::Relaxed)
}

/// How often a console without an interrupt is looked at, nanoseconds.
const POLL_PERIOD: Nanos = 10_000_000;

/// Arms this CPU's timer interrupt at `deadline`, or earlier; `Nanos::MAX` stops it.
#[inline]
pub(crate) fn arm(mut deadline: Nanos) {
    if console::is_polled() {
        deadline = deadline.min(now() + POLL_PERIOD);
    }
    if watchdog::is_on() {
        deadline = deadline.min(watchdog::due());
    }
    if deadline == Nanos::MAX {
        return apic::arm(None);
    }
    let ticks = ((u128::from(deadline) * u128::from(TICKS.load(Ordering::Relaxed))) >> 32) as u64;
    let tsc = START
        .load(Ordering::Relaxed)
        .saturating_add(ticks)
        .saturating_add(1);
    apic::arm(Some((tsc, deadline.saturating_sub(now()))));
}

/// Wall-clock time at time 0, nanoseconds since 1970.
pub(crate) fn wallclock_at_boot() -> Nanos {
    WALLCLOCK.load(Ordering::Relaxed)
}

/// Reads the real-time clock, without waiting for it.
pub(crate) fn read_wallclock() {
    let seconds = seconds_since_1970(read_rtc());
    WALLCLOCK.store(
        (seconds * NS_PER_S).saturating_sub(now()),
        Ordering::Relaxed,
    );
}

/// The clock's registers: seconds, minutes, hours, day, month, year, century, status B.
fn read_rtc() -> [u8; 8] {
    let read = || {
        [0, 2, 4, 7, 8, 9, 0x32, 0x0b].map(|register: u8| {
            // SAFETY: selects a register of the clock; bit 7 keeps NMIs on.
            unsafe { cpu::outb(0x70, register) };
            cpu::inb(0x71)
        })
    };
    // An update in between shows as a difference; it takes well under two more reads.
    let mut last = read();
    for _ in 0..4 {
        let again = read();
        if again == last {
            break;
        }
        last = again;
    }
    last
}

fn seconds_since_1970(raw: [u8; 8]) -> u64 {
    let [.., status] = raw;
    let number = |b: u8| {
        u64::from(if status & 4 == 0 {
            (b >> 4) * 10 + (b & 15)
        } else {
            b
        })
    };
    let pm = raw[2] & 0x80 != 0 && status & 2 == 0;
    let mut hour = number(raw[2] & 0x7f);
    if status & 2 == 0 {
        hour = hour % 12 + if pm { 12 } else { 0 };
    }
    let century = match number(raw[6]) {
        c @ 19..=21 => c,
        _ => 20,
    };
    let year = century * 100 + number(raw[5]);
    let (month, day) = (number(raw[4]).clamp(1, 12), number(raw[3]).clamp(1, 31));
    // Days since 1970 of a Gregorian date; the year begins in March here.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    let days = days.saturating_sub(719_468);
    ((days * 24 + hour) * 60 + number(raw[1])) * 60 + number(raw[0])
}

//! The processor's own interrupt controller, for its timer; and the clock, by the PIT.

use super::cpu::{input, out, rdmsr};
use crate::dev::shared::{VCPU0, byte, half, word};
use crate::dev::time;
use crate::mm::paging::{self, pte};
use crate::mm::{Mfn, SHARED_INFO_VA};
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};
use hypercall_abi::xen::{VIRQ_TIMER, vcpu_info, vcpu_time_info};

/// The MSR that says where the registers are, and that they are used.
const APIC_BASE: u32 = 0x1b;
const ENABLED: u64 = 1 << 11;
/// Where the registers are seen: behind the window of shared_info.
const WINDOW: u64 = SHARED_INFO_VA + 0x1000;
const END: u64 = 0xb0;
const SPURIOUS: u64 = 0xf0;
const COMMAND: u64 = 0x300;
const DESTINATION: u64 = 0x310;
const TIMER_VECTOR: u64 = 0x320;
const INITIAL: u64 = 0x380;
const CURRENT: u64 = 0x390;
const DIVIDE: u64 = 0x3e0;
/// Divide by 1.
const BY_ONE: u32 = 0xb;
const MASKED: u32 = 1 << 16;

/// The vector of the timer.
pub(crate) const TIMER: u64 = 0x40;
const SPURIOUS_VECTOR: u32 = 0xff;

/// The PIT counts at this rate, in Hz; channel 2 hangs at the speaker's gate.
const PIT_RATE: u64 = 1_193_182;
const PIT_CHANNEL_2: u16 = 0x42;
const PIT_COMMAND: u16 = 0x43;
const SPEAKER: u16 = 0x61;
/// How long is measured: 10 ms.
const PIT_TICKS: u16 = (PIT_RATE / 100) as u16;

/// Ticks of the timer in 2^32 nanoseconds.
static RATE: AtomicU64 = AtomicU64::new(0);

fn register(at: u64) -> *mut u32 {
    (WINDOW + at) as *mut u32
}

fn read(at: u64) -> u32 {
    // SAFETY: the window maps the registers, which reading does not change.
    unsafe { register(at).read_volatile() }
}

fn write(at: u64, value: u32) {
    // SAFETY: the window maps the registers; those written here are of the timer and of interrupts.
    unsafe { register(at).write_volatile(value) };
}

/// The address of the register that sends interrupts.
pub(crate) fn command_register() -> u64 {
    WINDOW + COMMAND
}

/// What sends one to oneself, written there.
pub(crate) const fn to_self(vector: u8) -> u32 {
    const TO_SELF: u32 = 1 << 18;
    TO_SELF | vector as u32
}

/// The identifiers of the processors.
pub(crate) const FIRST: u8 = 0;
pub(crate) const SECOND: u8 = 1;

/// The register that sends interrupts, which from now on go to one processor, and what sends one.
pub(crate) fn interrupt_to(processor: u8, vector: u8) -> (u64, u32) {
    write(DESTINATION, u32::from(processor) << 24);
    (command_register(), u32::from(vector))
}

/// Has a processor forget what it did, and wait.
pub(super) fn send_init(processor: u8) {
    const INIT: u32 = 0x4500;
    write(DESTINATION, u32::from(processor) << 24);
    write(COMMAND, INIT);
}

/// Has a processor that waits begin at a page below 1 MiB.
pub(super) fn send_start(processor: u8, page: u8) {
    const START: u32 = 0x4600;
    write(DESTINATION, u32::from(processor) << 24);
    write(COMMAND, START | u32::from(page));
}

/// Has the second processor take interrupts; the registers are mapped, and each processor has its own.
pub(super) fn init_second() {
    write(SPURIOUS, 1 << 8 | SPURIOUS_VECTOR);
}

/// The address that ends an interrupt when 0 is written to it.
pub(crate) fn end_register() -> u64 {
    WINDOW + END
}

/// The address of the timer's initial count.
pub(crate) fn count_register() -> u64 {
    WINDOW + INITIAL
}

/// Waits for what the PIT takes for [`PIT_TICKS`].
fn wait_for_pit() {
    // The gate off, the speaker silent; count once.
    out(SPEAKER, input(SPEAKER) & !3);
    out(PIT_COMMAND, 0xb0);
    out(PIT_CHANNEL_2, PIT_TICKS as u8);
    out(PIT_CHANNEL_2, (PIT_TICKS >> 8) as u8);
    out(SPEAKER, input(SPEAKER) | 1);
    while input(SPEAKER) & 0x20 == 0 {
        core::hint::spin_loop();
    }
}

/// Maps the registers, measures timer and time-stamp counter, and begins the clock.
pub(super) fn init() {
    let base = rdmsr(APIC_BASE);
    assert!(base & ENABLED != 0, "the local APIC is off");
    /// Neither cached nor combined: page write-through and cache disabled.
    const UNCACHED: u64 = 1 << 3 | 1 << 4;
    // SAFETY: the window is unmapped, and is used for the registers only.
    let mapped =
        unsafe { paging::map_kernel(WINDOW, Mfn(base >> 12 & 0xff_ffff), pte::RW | UNCACHED) };
    mapped.expect("the registers can be mapped");
    write(SPURIOUS, 1 << 8 | SPURIOUS_VECTOR);
    write(DIVIDE, BY_ONE);
    write(TIMER_VECTOR, MASKED);
    write(INITIAL, u32::MAX);
    let begin = time::rdtsc();
    wait_for_pit();
    let (ticks, counted) = (time::rdtsc() - begin, u32::MAX - read(CURRENT));
    let nanoseconds = u64::from(PIT_TICKS) * 1_000_000_000 / PIT_RATE;
    let rate = (u128::from(counted) << 32) / u128::from(nanoseconds);
    RATE.store(rate as u64, Ordering::Relaxed);
    write(TIMER_VECTOR, TIMER as u32);
    write(INITIAL, 0);
    clock(ticks, nanoseconds);
}

/// Fills in the clock that [`time`] reads: zero is now.
fn clock(ticks: u64, nanoseconds: u64) {
    let at = VCPU0 + offset_of!(vcpu_info, time);
    // Nanoseconds are (ticks << shift) * multiplier / 2^32, and the multiplier has 32 bits.
    let (mut shift, mut ticks) = (0_i8, u128::from(ticks));
    while (u128::from(nanoseconds) << 32) / ticks > u128::from(u32::MAX) {
        ticks *= 2;
        shift += 1;
    }
    let multiplier = (u128::from(nanoseconds) << 32) / ticks;
    half(at + offset_of!(vcpu_time_info, tsc_to_system_mul))
        .store(multiplier as u32, Ordering::Relaxed);
    byte(at + offset_of!(vcpu_time_info, tsc_shift))
        .store(shift.cast_unsigned(), Ordering::Relaxed);
    word(at + offset_of!(vcpu_time_info, tsc_timestamp)).store(time::rdtsc(), Ordering::Relaxed);
    half(at + offset_of!(vcpu_time_info, version)).store(2, Ordering::Release);
}

/// Arms the timer for so many nanoseconds from now; at once if it is none.
pub(super) fn arm(nanoseconds: u64) {
    let ticks = (u128::from(nanoseconds) * u128::from(RATE.load(Ordering::Relaxed))) >> 32;
    // One that is too far comes too early, and finds that nothing is due.
    write(INITIAL, u32::try_from(ticks).unwrap_or(u32::MAX).max(1));
}

/// Ends the interrupt; which virtual one it stands for.
pub(super) fn end_of_interrupt() -> u32 {
    write(END, 0);
    VIRQ_TIMER
}

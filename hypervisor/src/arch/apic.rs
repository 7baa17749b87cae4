//! Interrupt controllers: the local APIC with its timer, and the old 8259s, which are masked.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::cpu::{self, msr};
use crate::layout::DEVICES;

/// This CPU's timer.
pub(crate) const TIMER_VECTOR: u8 = 0xf0;
/// Another CPU wants this one to look for work.
pub(crate) const KICK_VECTOR: u8 = 0xf1;
/// The console has input.
pub(crate) const CONSOLE_VECTOR: u8 = 0xf2;
const SPURIOUS_VECTOR: u8 = 0xff;

/// Where the local APIC's registers are mapped.
pub(crate) const LOCAL_PAGE: u64 = DEVICES;

/// Local APIC registers, as offsets into its page.
mod register {
    pub(super) const ID: u32 = 0x20;
    pub(super) const TASK_PRIORITY: u32 = 0x80;
    pub(super) const END_OF_INTERRUPT: u32 = 0xb0;
    pub(super) const SPURIOUS: u32 = 0xf0;
    pub(super) const COMMAND: u32 = 0x300;
    pub(super) const COMMAND_TARGET: u32 = 0x310;
    pub(super) const LVT_TIMER: u32 = 0x320;
    pub(super) const LVT_THERMAL: u32 = 0x330;
    pub(super) const LVT_COUNTERS: u32 = 0x340;
    pub(super) const LVT_LINT0: u32 = 0x350;
    pub(super) const LVT_LINT1: u32 = 0x360;
    pub(super) const LVT_ERROR: u32 = 0x370;
    pub(super) const INITIAL_COUNT: u32 = 0x380;
    pub(super) const CURRENT_COUNT: u32 = 0x390;
    pub(super) const DIVIDE: u32 = 0x3e0;
}

const MASKED: u32 = 1 << 16;
const DEADLINE_MODE: u32 = 2 << 17;
const NMI_DELIVERY: u32 = 4 << 8;
const INIT_DELIVERY: u32 = 5 << 8;
const STARTUP_DELIVERY: u32 = 6 << 8;
const ASSERT: u32 = 1 << 14;
const DELIVERY_PENDING: u32 = 1 << 12;
/// Reads of the command register until an interrupt must have been sent.
const PATIENCE: u32 = 1_000_000;
/// First APIC id that an xAPIC cannot address.
const FIRST_X2APIC_ID: u32 = 0xff;
const ENABLE: u32 = 1 << 8;
const DIVIDE_BY_1: u32 = 0b1011;
const BASE_ENABLE: u64 = 1 << 11;
const BASE_X2APIC: u64 = 1 << 10;
const CPUID_X2APIC: u32 = 1 << 21;
const CPUID_TSC_DEADLINE: u32 = 1 << 24;
const CPUID_APIC: u32 = 1 << 9;

/// Whether the APICs are in x2APIC mode: where the processor has it, or the firmware chose it.
static X2APIC: AtomicBool = AtomicBool::new(false);
/// Whether the timer takes deadlines in TSC ticks.
static DEADLINE: AtomicBool = AtomicBool::new(false);
/// Timer ticks per nanosecond, times 2^32.
static TICKS: AtomicU64 = AtomicU64::new(0);

/// Chooses the APICs' mode and enables this CPU's. Gives the machine address of its registers, to be
/// mapped at [`LOCAL_PAGE`]; `None` in x2APIC mode, where there are none.
///
/// # Errors
/// There is no APIC.
pub(crate) fn find() -> Result<Option<u64>, &'static str> {
    let (_, _, more, features) = cpu::cpuid(1, 0);
    if features & CPUID_APIC == 0 {
        return Err("the processor has no local APIC");
    }
    let base = cpu::rdmsr(msr::APIC_BASE);
    // A mode that the firmware chose cannot be left again.
    let x2 = more & CPUID_X2APIC != 0 || base & BASE_X2APIC != 0;
    X2APIC.store(x2, Ordering::Relaxed);
    follow();
    Ok((!x2).then_some(base & 0x000f_ffff_ffff_f000))
}

/// Switches this CPU's APIC on in the mode that [`find`] chose.
pub(crate) fn follow() {
    let base = cpu::rdmsr(msr::APIC_BASE) | BASE_ENABLE;
    // SAFETY: enables the APIC, at the address it has in all CPUs.
    unsafe { cpu::wrmsr(msr::APIC_BASE, base) };
    if X2APIC.load(Ordering::Relaxed) {
        // From off to x2APIC there is no direct way.
        // SAFETY: from here on the registers are used as MSRs.
        unsafe { cpu::wrmsr(msr::APIC_BASE, base | BASE_X2APIC) };
    }
}

/// The name of the APICs' mode.
pub(crate) fn mode() -> &'static str {
    if X2APIC.load(Ordering::Relaxed) {
        "x2APIC"
    } else {
        "xAPIC"
    }
}

fn write(register: u32, value: u32) {
    if X2APIC.load(Ordering::Relaxed) {
        // SAFETY: an APIC register; vectors lead to entry.S.
        unsafe { cpu::wrmsr(0x800 + (register >> 4), u64::from(value)) };
    } else {
        let at = (LOCAL_PAGE + u64::from(register)) as *mut u32;
        // SAFETY: the APIC's registers are mapped there, uncached; vectors lead to entry.S.
        unsafe { at.write_volatile(value) };
    }
}

fn read(register: u32) -> u32 {
    if X2APIC.load(Ordering::Relaxed) {
        return cpu::rdmsr(0x800 + (register >> 4)) as u32;
    }
    let at = (LOCAL_PAGE + u64::from(register)) as *const u32;
    // SAFETY: the APIC's registers are mapped there, uncached.
    unsafe { at.read_volatile() }
}

/// Masks the 8259s, out of the way of exceptions' vectors: a spurious interrupt of theirs comes as
/// 0x27 or 0x2f.
pub(crate) fn mask_8259() {
    let sequence = [
        (0x20, 0x11),
        (0xa0, 0x11),
        (0x21, 0x20),
        (0xa1, 0x28),
        (0x21, 4),
        (0xa1, 2),
        (0x21, 1),
        (0xa1, 1),
        (0x21, 0xff),
        (0xa1, 0xff),
    ];
    for (port, value) in sequence {
        // SAFETY: the interrupt controllers do not access memory.
        unsafe { cpu::outb(port, value) };
    }
}

/// Switches this CPU's APIC on, with all its own sources masked but NMI, and the timer stopped.
pub(crate) fn init() {
    write(register::TASK_PRIORITY, 0);
    write(register::SPURIOUS, ENABLE | u32::from(SPURIOUS_VECTOR));
    for lvt in [
        register::LVT_THERMAL,
        register::LVT_COUNTERS,
        register::LVT_LINT0,
        register::LVT_ERROR,
    ] {
        write(lvt, MASKED);
    }
    write(register::LVT_LINT1, NMI_DELIVERY);
    write(register::DIVIDE, DIVIDE_BY_1);
    write(register::LVT_TIMER, MASKED);
    write(register::INITIAL_COUNT, u32::MAX);
}

/// The timer's count, falling at its own rate; for calibration.
pub(crate) fn timer_count() -> u32 {
    read(register::CURRENT_COUNT)
}

/// Makes the timer interrupt: by TSC deadlines where the processor can, else by a counter of
/// `timer_khz`. Says which.
pub(crate) fn start_timer(timer_khz: u64) -> &'static str {
    let (_, _, features, _) = cpu::cpuid(1, 0);
    if features & CPUID_TSC_DEADLINE != 0 {
        DEADLINE.store(true, Ordering::Relaxed);
        start_timer_alike();
        return "TSC deadline";
    }
    TICKS.store((timer_khz << 32) / 1_000_000, Ordering::Relaxed);
    start_timer_alike();
    "one-shot"
}

/// Makes this CPU's timer interrupt in the mode that [`start_timer`] chose on the boot CPU.
pub(crate) fn start_timer_alike() {
    write(register::INITIAL_COUNT, 0);
    let mode = if DEADLINE.load(Ordering::Relaxed) {
        DEADLINE_MODE
    } else {
        0
    };
    write(register::LVT_TIMER, mode | u32::from(TIMER_VECTOR));
}

/// Arms the timer to fire at TSC value `tsc`, which is `ns` from now; it may fire earlier if that
/// is further away than it counts. `None` stops it.
#[inline]
pub(crate) fn arm(at: Option<(u64, u64)>) {
    if DEADLINE.load(Ordering::Relaxed) {
        // SAFETY: the register exists; its interrupt leads to entry.S.
        unsafe { cpu::wrmsr(msr::TSC_DEADLINE, at.map_or(0, |(tsc, _)| tsc.max(1))) };
        return;
    }
    let count = at.map_or(0, |(_, ns)| {
        let ticks = (u128::from(ns) * u128::from(TICKS.load(Ordering::Relaxed))) >> 32;
        // One more, so that it does not fire just before the deadline.
        ticks.saturating_add(1).min(u128::from(u32::MAX)) as u32
    });
    write(register::INITIAL_COUNT, count);
}

/// Ends the interrupt in service.
#[inline]
pub(crate) fn end_of_interrupt() {
    write(register::END_OF_INTERRUPT, 0);
}

/// This CPU's APIC id.
pub(crate) fn id() -> u32 {
    if X2APIC.load(Ordering::Relaxed) {
        read(register::ID)
    } else {
        read(register::ID) >> 24
    }
}

/// Whether interrupts can be sent to the CPU with APIC id `id`.
pub(crate) fn reaches(id: u32) -> bool {
    id < FIRST_X2APIC_ID || X2APIC.load(Ordering::Relaxed)
}

/// Sends an interrupt to the CPU with APIC id `target`, and waits until it has left.
fn send(target: u32, command: u32) {
    if X2APIC.load(Ordering::Relaxed) {
        let value = u64::from(target) << 32 | u64::from(command);
        // What was stored before is to be seen by whom the interrupt reaches; this write, unlike
        // one to memory, does not wait for earlier stores.
        // SAFETY: a barrier has no other effect.
        unsafe { core::arch::asm!("mfence", "lfence", options(nostack, preserves_flags)) };
        // SAFETY: the callers' commands lead to entry.S, or start a CPU as smp.rs prepared it.
        unsafe { cpu::wrmsr(0x800 + (register::COMMAND >> 4), value) };
        return;
    }
    write(register::COMMAND_TARGET, target << 24);
    write(register::COMMAND, command);
    for _ in 0..PATIENCE {
        if read(register::COMMAND) & DELIVERY_PENDING == 0 {
            break;
        }
        core::hint::spin_loop();
    }
}

/// Makes the CPU `target` look for work.
pub(crate) fn send_kick(target: u32) {
    send(target, ASSERT | u32::from(KICK_VECTOR));
}

/// Interrupts the CPU `target` whatever it does.
pub(crate) fn send_nmi(target: u32) {
    send(target, ASSERT | NMI_DELIVERY);
}

/// Resets the CPU `target`, which then waits for [`send_startup`].
pub(crate) fn send_init(target: u32) {
    send(target, ASSERT | INIT_DELIVERY);
}

/// Starts the CPU `target`, which [`send_init`] reset, in real mode at frame `frame` below 1 MiB.
pub(crate) fn send_startup(target: u32, frame: u8) {
    send(target, ASSERT | STARTUP_DELIVERY | u32::from(frame));
}

//! The end of the hypervisor itself: says why, and stops.

use core::arch::asm;
use core::fmt;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use hypervisor_core::vcpu::Regs;

use crate::arch::{cpu, ipi, percpu};
use crate::logging::Panic;
use crate::{dump, layout, logging};

/// Whether a panic leaves the machine halted, with its message on the screen (`noreboot`).
pub(crate) static NO_REBOOT: AtomicBool = AtomicBool::new(false);

/// Frames of a backtrace at most.
const MAX_FRAMES: usize = 24;

#[panic_handler]
fn on_panic(info: &PanicInfo<'_>) -> ! {
    let rbp: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rbp", out(reg) rbp, options(nomem, nostack, preserves_flags)) };
    match info.location() {
        Some(at) => die(
            format_args!("{} at {}:{}", info.message(), at.file(), at.line()),
            rbp,
        ),
        None => die(format_args!("{}", info.message()), rbp),
    }
}

/// An exception of the hypervisor itself that nothing expected.
pub(crate) fn exception(regs: &Regs, cr2: u64) -> ! {
    let vector = regs.error_vector >> 32;
    if begin() {
        logging::line(format_args!(
            "PANIC: exception {vector} ({}) in {}, on CPU {}",
            name(vector),
            if regs.cs & 3 == 0 {
                "the hypervisor"
            } else {
                "a guest"
            },
            percpu::number()
        ));
        dump::registers(regs);
        if vector == 14 {
            dump::walk(cr2);
        }
        stack(regs.rsp);
        backtrace(regs.rbp);
    }
    stop()
}

fn name(vector: u64) -> &'static str {
    match vector {
        0 => "divide error",
        2 => "watchdog: no interrupt for too long",
        3 => "breakpoint",
        6 => "invalid opcode",
        7 => "no FPU",
        8 => "double fault",
        10 => "invalid TSS",
        11 => "segment not present",
        12 => "stack fault",
        13 => "general protection",
        14 => "page fault",
        16 => "x87 error",
        17 => "alignment check",
        18 => "machine check",
        19 => "SIMD error",
        _ => "other",
    }
}

/// Logs `message` and a backtrace from frame pointer `rbp`, then halts or restarts the machine.
pub(crate) fn die(message: fmt::Arguments<'_>, rbp: u64) -> ! {
    if begin() {
        logging::line(format_args!("PANIC: {message} (CPU {})", percpu::number()));
        backtrace(rbp);
    }
    stop()
}

/// Stops the other CPUs; false if this one is here for the second time.
fn begin() -> bool {
    match logging::begin_panic() {
        Panic::First => {
            ipi::stop_others();
            true
        }
        Panic::Again => false,
        Panic::Elsewhere => ipi::stop_here(),
    }
}

fn stop() -> ! {
    if NO_REBOOT.load(Ordering::Relaxed) {
        logging::line(format_args!("Halted (noreboot)."));
        cpu::halt_forever();
    }
    logging::line(format_args!("Restarting."));
    crate::power::restart()
}

/// Logs the return addresses that a chain of frame pointers leads to.
pub(crate) fn backtrace(mut rbp: u64) {
    logging::line(format_args!("Backtrace:"));
    for _ in 0..MAX_FRAMES {
        let Some((next, address)) = frame(rbp) else {
            break;
        };
        logging::line(format_args!("   [<{address:016x}>]"));
        if next <= rbp {
            break;
        }
        rbp = next;
    }
}

/// Logs the words on top of the stack: a function without a frame shows only there.
fn stack(rsp: u64) {
    logging::line(format_args!("Stack from {rsp:016x}:"));
    for pair in (rsp..).step_by(16).take(6) {
        let Some((low, high)) = frame(pair) else {
            break;
        };
        logging::line(format_args!("   {low:016x} {high:016x}"));
    }
}

/// Saved frame pointer and return address at `rbp`, if that is on a stack of the hypervisor.
fn frame(rbp: u64) -> Option<(u64, u64)> {
    let on_boot_stack =
        (layout::DIRECT_MAP..layout::DIRECT_MAP + crate::boot::FIRST_MAP).contains(&rbp);
    let on_cpu_stack = (layout::CPU_WINDOWS..layout::DEVICES).contains(&rbp);
    // The two words lie in one page: behind that of a stack's top is nothing.
    let fits = rbp.is_multiple_of(8) && rbp % layout::PAGE <= layout::PAGE - 16;
    if !fits || !(on_boot_stack || on_cpu_stack) {
        return None;
    }
    let at = rbp as *const [u64; 2];
    // SAFETY: the frame pointers of this code lead from frame to frame of mapped stacks; where a
    // broken chain leads elsewhere the fault ends in `die`, which logs no second backtrace.
    let [next, address] = unsafe { at.read() };
    Some((next, address))
}

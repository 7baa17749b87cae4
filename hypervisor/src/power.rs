//! Ending and restarting the machine.

use core::arch::asm;

use hypervisor_core::acpi::{Facts, ResetPort, SoftOff};
use hypervisor_core::platform::Nanos;
use spin::Once;

use crate::arch::cpu;
use crate::time;

const SLEEP_ENABLE: u16 = 1 << 13;
const SCI_ENABLE: u16 = 1;
/// Reads of the control register until ACPI must be on.
const PATIENCE: u32 = 100_000;

/// How long the machine may take to go off.
const DELAY: Nanos = 1_000_000_000;

static HOW: Once<(Option<SoftOff>, Option<ResetPort>)> = Once::new();

/// Remembers what ACPI says.
pub(crate) fn init(facts: &Facts) {
    HOW.call_once(|| (facts.soft_off, facts.reset));
}

/// Whether the machine can be switched off by software.
pub(crate) fn can_switch_off() -> bool {
    HOW.get().is_some_and(|how| how.0.is_some())
}

/// Switches the machine off; returns where that is not possible.
pub(crate) fn switch_off() {
    let Some(off) = HOW.get().and_then(|how| how.0) else {
        return;
    };
    let (port, value) = off.enable;
    if cpu::inw(off.control[0]) & SCI_ENABLE == 0 && port != 0 {
        // SAFETY: the firmware's port for this purpose.
        unsafe { cpu::outb(port, value) };
        for _ in 0..PATIENCE {
            if cpu::inw(off.control[0]) & SCI_ENABLE != 0 {
                break;
            }
        }
    }
    for (port, sleep_type) in off.control.into_iter().zip(off.sleep_type) {
        if port != 0 {
            let value = cpu::inw(port) & !(7 << 10) | u16::from(sleep_type) << 10 | SLEEP_ENABLE;
            // SAFETY: ends the machine; nothing runs after it.
            unsafe { cpu::outw(port, value) };
        }
    }
    let deadline = time::now().saturating_add(DELAY);
    while time::now() < deadline {
        core::hint::spin_loop();
    }
}

/// Restarts the machine: ACPI's reset register, PCI's, the keyboard controller, a triple fault.
pub(crate) fn restart() -> ! {
    if let Some(reset) = HOW.get().and_then(|how| how.1) {
        // SAFETY: ends the machine.
        unsafe { cpu::outb(reset.port, reset.value) };
    }
    // SAFETY: ends the machine.
    unsafe { cpu::outb(0xcf9, 0x06) };
    // SAFETY: ends the machine.
    unsafe { cpu::outb(0x64, 0xfe) };
    let none = [0_u16; 5];
    // SAFETY: an empty IDT makes the next exception a triple fault, which resets the CPU.
    unsafe { asm!("lidt [{}]", "ud2", in(reg) &none, options(noreturn)) }
}

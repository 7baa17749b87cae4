//! The kernel on the bare machine, in ring 0, with page tables, interrupts and system calls of the
//! processor's own: the difference to what a hypervisor gives *is* paravirtualization.
//!
//! [`boot`] makes what a loader of paravirtual kernels makes, so that the kernel starts the same way;
//! [`calls`] does what hypercalls do; [`cpu`] and [`apic`] are the processor and its timer, [`serial`]
//! the console, [`second`] another processor. Where a hypercall is one instruction here, the kernel's wrapper of it
//! ([`crate::hypercall`]) asks [`is_native`] and executes that.

pub(crate) mod apic;
mod boot;
mod calls;
pub(crate) mod cpu;
mod multiboot;
mod paging;
pub(crate) mod second;
mod serial;

pub(crate) use paging::{mmuext, update_va_mapping};

use crate::trap::TrapFrame;
use core::sync::atomic::{AtomicBool, Ordering};

core::arch::global_asm!(include_str!("head.S"), options(att_syntax));

static NATIVE: AtomicBool = AtomicBool::new(false);

/// Whether there is no hypervisor.
pub(crate) fn is_native() -> bool {
    NATIVE.load(Ordering::Relaxed)
}

/// Turns a device's interrupt into the event that a hypervisor would send for it: the frame's vector
/// becomes that of events.
pub(crate) fn interrupt(frame: &mut TrapFrame) {
    let virq = match frame.vector {
        apic::TIMER => apic::end_of_interrupt(),
        serial::INTERRUPT => serial::end_of_interrupt(),
        _ => return,
    };
    calls::raise(virq);
    frame.vector = crate::trap::EVENT;
}

//! Exceptions, system calls and event callbacks on their way into guest handlers.

pub mod bounce;
pub mod calls;
mod clock;
pub(crate) mod code;
mod cpuid;
pub(crate) mod decode;
pub mod descriptor;
pub mod emulate;
pub mod frame;
pub mod hypercall_page;
pub mod iret;
mod mode;
mod msr;
mod port;
pub mod registers;
pub(crate) mod tables;

use crate::addr::guest_range;
use crate::error::Crash;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::pv::fault;
use crate::vcpu::{Mode, Vcpu};
use bounce::{Handler, Interrupted};

/// Vectors of the processor's exceptions (processor manual, volume 3, chapter 6).
pub(crate) const DB: u8 = 1;
const BP: u8 = 3;
const OF: u8 = 4;
/// Invalid opcode.
pub const UD: u8 = 6;
const NM: u8 = 7;
pub(crate) const GP: u8 = 13;
/// Page fault.
pub const PF: u8 = 14;
/// First vector that is no exception.
const FIRST_INTERRUPT: u8 = 32;

/// Vector of the system call of old.
const OLD_SYSCALL: u8 = 0x80;

/// Error code of #GP: the selector index is a vector.
const ERROR_IDT: u32 = 1 << 1;
/// Error code of #GP: the event came from outside the program.
const ERROR_EXTERNAL: u32 = 1 << 0;
/// Error code of #PF: there was a translation.
pub const PF_PRESENT: u32 = 1 << 0;
/// Error code of #PF: the access was made at privilege level 3.
pub const PF_USER: u32 = 1 << 2;
/// Length of `int n`.
const INT_LENGTH: u64 = 2;

/// Bits 0-1 of a gate's flags: the level from which `int n` reaches it.
const GATE_DPL: u8 = 3;
/// Bit 2 of a gate's flags: events are masked in the handler.
pub const GATE_MASK: u8 = 1 << 2;

/// Handles exception `vector` of the running guest: resolves it, emulates, or bounces it to the
/// guest's handler, or ends the domain. A return to the guest that faults comes here too, with the
/// registers that were to be loaded: the fault is then the guest's own.
pub fn exception<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    vector: u8,
    error: u32,
    cr2: u64,
) {
    match vector {
        PF => {
            page_fault(hv, vcpu, error, cr2);
        }
        GP => {
            general_protection(hv, vcpu, error);
        }
        UD => {
            invalid_opcode(hv, vcpu);
        }
        NM => device_not_available(hv, vcpu),
        DB => debug(hv, vcpu),
        BP | OF => inject(hv, vcpu, vector, None),
        _ if vector >= FIRST_INTERRUPT => {
            // `int n` through a gate of the hypervisor's own table; its rip is behind the
            // instruction.
            vcpu.regs.rip = vcpu.regs.rip.wrapping_sub(INT_LENGTH);
            software_interrupt(hv, vcpu, vector);
        }
        _ => inject(hv, vcpu, vector, has_error_code(vector).then_some(error)),
    }
}

/// Whether the processor pushes an error code for `vector`.
const fn has_error_code(vector: u8) -> bool {
    matches!(vector, 8 | 10..=14 | 17 | 21)
}

/// #UD: true if it was the forced `cpuid`.
#[inline]
pub(crate) fn invalid_opcode<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu) -> bool {
    let emulated = emulate::forced_cpuid(hv, vcpu);
    if !emulated {
        inject_in_line(hv, vcpu, UD, None);
    }
    emulated
}

/// #PF: true if it is settled, which may have been the emulation of a store.
#[inline]
pub(crate) fn page_fault<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    error: u32,
    cr2: u64,
) -> bool {
    let mut cr2 = cr2;
    if guest_range(cr2, 1) {
        // Where there is no translation, the guest has none.
        if error & PF_PRESENT != 0 && fault::page_fault(hv, vcpu, error, cr2) {
            return true;
        }
    } else if let Some(offset) = hv.machine.ldt_offset(cr2) {
        if calls::ldt_fault(hv, vcpu, offset) {
            return true;
        }
        // The table's page is not there, or no descriptor page: a fault where the guest has it.
        cr2 = vcpu.arch.ldt_base.wrapping_add(u64::from(offset));
    }
    bounce::set_cr2(hv, vcpu, cr2);
    // The kernel runs at level 3 as well, and shall not notice.
    let shown = match vcpu.mode {
        Mode::Kernel => error & !PF_USER,
        Mode::User => error,
    };
    inject_in_line(hv, vcpu, PF, Some(shown));
    false
}

/// #GP: true if it was an instruction that is emulated.
#[inline]
pub(crate) fn general_protection<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    error: u32,
) -> bool {
    if error == 0 && emulate::privileged(hv, vcpu) {
        return true;
    }
    if error & (ERROR_IDT | ERROR_EXTERNAL) == ERROR_IDT {
        software_interrupt(hv, vcpu, (error >> 3) as u8);
    } else {
        inject(hv, vcpu, GP, Some(error));
    }
    false
}

/// `int n` at rip: to the guest's gate, if there is one that this mode may use. Vector 0x80, the
/// system call of old, may always be used, and never looks like a fault.
fn software_interrupt<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, vector: u8) {
    let gate = vcpu.arch.traps[usize::from(vector)];
    let needed = match vcpu.mode {
        Mode::Kernel => 1,
        Mode::User => 3,
    };
    let open = vector == OLD_SYSCALL || gate.flags & GATE_DPL >= needed;
    if vector == OLD_SYSCALL {
        vcpu.regs.rflags &= !frame::RF;
    }
    if gate.address == 0 || !open {
        inject(hv, vcpu, GP, Some(u32::from(vector) << 3 | ERROR_IDT));
        return;
    }
    vcpu.regs.rip = vcpu.regs.rip.wrapping_add(INT_LENGTH);
    inject(hv, vcpu, vector, None);
}

/// #NM: the guest set TS, and sees it cleared as it enters its handler. A TS that it did not set
/// is merely cleared.
fn device_not_available<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu) {
    hv.machine.set_task_switched(false);
    if core::mem::take(&mut vcpu.arch.task_switched) {
        inject(hv, vcpu, NM, None);
    }
}

/// #DB: what happened is added to the guest's DR6.
fn debug<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu) {
    let hardware = hv.machine.debugreg(6);
    vcpu.arch.debugreg[6] |= hardware & registers::DR6_EVENTS;
    hv.machine.load_debugreg(6, registers::DR6_RESET);
    inject(hv, vcpu, DB, None);
}

/// Enters the guest's handler of `vector`, with `error` pushed.
#[inline(never)]
pub(crate) fn inject<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    vector: u8,
    error: Option<u32>,
) {
    inject_in_line(hv, vcpu, vector, error);
}

/// The same, for the vectors that guests take all the time.
#[inline(always)]
fn inject_in_line<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, vector: u8, error: Option<u32>) {
    let from = Interrupted::from_regs(vcpu);
    through_gate(hv, vcpu, vector, error, from);
}

/// Enters the guest's handler of `vector` as if it had interrupted `from`.
#[inline(never)]
pub(crate) fn inject_at<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    vector: u8,
    error: Option<u32>,
    from: Interrupted,
) {
    through_gate(hv, vcpu, vector, error, from);
}

#[inline(always)]
fn through_gate<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    vector: u8,
    error: Option<u32>,
    from: Interrupted,
) {
    let gate = vcpu.arch.traps[usize::from(vector)];
    if gate.address == 0 {
        no_handler(hv, vcpu, vector, error);
        return;
    }
    let handler = Handler {
        address: gate.address,
        mask_events: gate.flags & GATE_MASK != 0,
        error,
    };
    if let Err(crash) = bounce::enter(hv, vcpu, handler, from) {
        bounce::no_frame(hv, vcpu, crash);
    }
}

/// Ends the domain, which has no handler of `vector`.
#[cold]
#[inline(never)]
fn no_handler<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, vector: u8, error: Option<u32>) {
    log::warn!(
        "d{}v{} Unhandled: vec {vector}, {}[{:04x}]",
        vcpu.id.domain,
        vcpu.id.index,
        name(vector),
        error.unwrap_or(0),
    );
    let at = (vector == PF).then(|| bounce::cr2(hv, vcpu));
    kill(hv, vcpu, Crash("exception without a handler"), at);
}

/// Ends the domain on the way out: registers, the walk of `va`, then the crash itself.
#[cold]
pub(crate) fn kill<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, crash: Crash, va: Option<u64>) {
    vcpu.crash.get_or_insert((crash, va));
    vcpu.reschedule = true;
    hv.machine.attend();
}

/// The usual name of a vector.
const fn name(vector: u8) -> &'static str {
    const NAMES: [&str; 32] = [
        "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "FPU", "#TS", "#NP", "#SS",
        "#GP", "#PF", "SPV", "#MF", "#AC", "#MC", "#XM", "#VE", "#CP", "??", "??", "??", "??",
        "??", "??", "#HV", "#VC", "#SX", "??",
    ];
    if vector < FIRST_INTERRUPT {
        NAMES[vector as usize]
    } else {
        "int"
    }
}

#[cfg(test)]
mod tests;

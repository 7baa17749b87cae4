//! The Rust side of entry.S and quick.S: a few lines to the safe entry points of the core.

use core::arch::{asm, global_asm};
use core::mem::offset_of;

use hypervisor_core::addr::HYPERVISOR_END;
use hypervisor_core::entry::{Irq, Resume};
use hypervisor_core::every_hypercall;
use hypervisor_core::hypercall::dispatch::{EVENTS, IRET, NUMBERS};
use hypervisor_core::hypervisor::Hypervisor;
use hypervisor_core::pirq;
use hypervisor_core::trap::{self, bounce, frame};
use hypervisor_core::vcpu::{Mode, Regs, TrapGate, Vcpu};

use super::isolated::{self, Roots};
use super::percpu::{EntryArea, Pending, PerCpu, Requests};
use super::{apic, guest_copy, ioapic};
use crate::hw::HW;
use crate::stretches::{self, Entry};
use crate::{console, layout, panic, watchdog};

/// entry.S finds a vCPU's registers from the first one that it saves.
const FIRST_REGISTER: usize = offset_of!(Regs, r15);

/// Where the guest's gate of an exception is.
const fn gate(vector: u8) -> usize {
    offset_of!(Vcpu, arch.traps) - FIRST_REGISTER + vector as usize * size_of::<TrapGate>()
}

const REQUESTS: usize = offset_of!(EntryArea, requests);
const ROOTS: usize = offset_of!(EntryArea, roots);

global_asm!(
    include_str!("entry.S"),
    include_str!("quick.S"),
    include_str!("isolated.S"),
    SCRATCH = const offset_of!(EntryArea, scratch),
    REGS_END = const offset_of!(EntryArea, regs_end),
    REGS = const offset_of!(EntryArea, regs),
    STACK = const offset_of!(EntryArea, stack),
    SELF = const offset_of!(EntryArea, own),
    SYSCALL = const Regs::SYSCALL,
    R15 = const offset_of!(Regs, r15) - FIRST_REGISTER,
    R14 = const offset_of!(Regs, r14) - FIRST_REGISTER,
    R13 = const offset_of!(Regs, r13) - FIRST_REGISTER,
    R12 = const offset_of!(Regs, r12) - FIRST_REGISTER,
    RBP = const offset_of!(Regs, rbp) - FIRST_REGISTER,
    RBX = const offset_of!(Regs, rbx) - FIRST_REGISTER,
    R10 = const offset_of!(Regs, r10) - FIRST_REGISTER,
    R9 = const offset_of!(Regs, r9) - FIRST_REGISTER,
    R8 = const offset_of!(Regs, r8) - FIRST_REGISTER,
    RAX = const offset_of!(Regs, rax) - FIRST_REGISTER,
    RDX = const offset_of!(Regs, rdx) - FIRST_REGISTER,
    RSI = const offset_of!(Regs, rsi) - FIRST_REGISTER,
    RDI = const offset_of!(Regs, rdi) - FIRST_REGISTER,
    RIP = const offset_of!(Regs, rip) - FIRST_REGISTER,
    RFLAGS = const offset_of!(Regs, rflags) - FIRST_REGISTER,
    RSP = const offset_of!(Regs, rsp) - FIRST_REGISTER,
    ERROR_VECTOR = const offset_of!(Regs, error_vector) - FIRST_REGISTER,
    RCX = const offset_of!(Regs, rcx) - FIRST_REGISTER,
    R11 = const offset_of!(Regs, r11) - FIRST_REGISTER,
    CS = const offset_of!(Regs, cs) - FIRST_REGISTER,
    SS = const offset_of!(Regs, ss) - FIRST_REGISTER,
    MODE = const offset_of!(Vcpu, mode) - FIRST_REGISTER,
    KERNEL = const Mode::Kernel as u8,
    USER = const Mode::User as u8,
    KERNEL_ROOT = const offset_of!(Vcpu, arch.kernel_root) - FIRST_REGISTER,
    USER_ROOT = const offset_of!(Vcpu, arch.user_root) - FIRST_REGISTER,
    GS_BASE_KERNEL = const offset_of!(Vcpu, arch.gs_base_kernel) - FIRST_REGISTER,
    GS_BASE_USER = const offset_of!(Vcpu, arch.gs_base_user) - FIRST_REGISTER,
    KERNEL_SP = const offset_of!(Vcpu, arch.kernel_sp) - FIRST_REGISTER,
    IOPL = const offset_of!(Vcpu, arch.iopl) - FIRST_REGISTER,
    EVENT_HANDLER = const offset_of!(Vcpu, arch.event.address) - FIRST_REGISTER,
    INVALID_OPCODE_GATE = const gate(trap::UD) + offset_of!(TrapGate, address),
    INVALID_OPCODE_FLAGS = const gate(trap::UD) + offset_of!(TrapGate, flags),
    PAGE_FAULT_GATE = const gate(trap::PF) + offset_of!(TrapGate, address),
    PAGE_FAULT_FLAGS = const gate(trap::PF) + offset_of!(TrapGate, flags),
    GATE_MASK = const trap::GATE_MASK,
    PF_PRESENT = const trap::PF_PRESENT,
    PF_USER = const trap::PF_USER,
    INFO_CR2 = const bounce::CR2,
    SYSCALL_HANDLER = const offset_of!(Vcpu, arch.syscall.address) - FIRST_REGISTER,
    SYSCALL_MASKS = const offset_of!(Vcpu, arch.syscall.mask_events) - FIRST_REGISTER,
    HYPERVISOR_END = const HYPERVISOR_END,
    GUEST_FLAGS = const frame::GUEST_FLAGS,
    SET_FLAGS = const frame::SET_FLAGS,
    HANDLER_FLAGS = const frame::HANDLER_FLAGS,
    IF = const frame::IF,
    IOPL_FLAGS = const frame::IOPL,
    NUMBERS = const NUMBERS,
    IRET = const IRET,
    ATTENTION = const offset_of!(EntryArea, attention),
    INFO = const offset_of!(EntryArea, info),
    NMIS = const offset_of!(EntryArea, nmis),
    FLUSHES = const REQUESTS + offset_of!(Requests, flushes),
    FLUSHED = const REQUESTS + offset_of!(Requests, flushed),
    STOP = const REQUESTS + offset_of!(Requests, stop),
    STOPPED = const REQUESTS + offset_of!(Requests, stopped),
    SHOW = const REQUESTS + offset_of!(Requests, show),
    FULL_ROOT = const ROOTS + offset_of!(Roots, full),
    GUEST_ROOT = const ROOTS + offset_of!(Roots, guest),
    FULL_TABLE = const ROOTS + offset_of!(Roots, full_table),
    GUEST_TABLE = const ROOTS + offset_of!(Roots, guest_table),
    ENTRY_STACK = const ROOTS + offset_of!(Roots, entry_stack),
    SLOTS = const ROOTS + offset_of!(Roots, slots),
    FILLS = const ROOTS + offset_of!(Roots, fetches),
    switch_root = sym isolated::switch_root,
    invalidate = sym isolated::invalidate,
    WINDOW_SIZE = const layout::CPU_WINDOW_SIZE,
    hypercalls = sym HYPERCALLS,
    from_iret = sym from_iret,
    from_user_syscall = sym from_user_syscall,
    on_attention = sym on_attention,
    from_guest = sym from_guest,
    from_forced_cpuid = sym from_forced_cpuid,
    from_invalid_opcode = sym from_invalid_opcode,
    from_general_protection = sym from_general_protection,
    from_page_fault = sym from_page_fault,
    from_hypervisor = sym from_hypervisor,
    fatal_exception = sym fatal_exception,
    options(att_syntax)
);

unsafe extern "C" {
    safe fn syscall_entry();
    fn iret_hypercall(_: u64, _: u64, _: u64, _: u64, _: u64, _: u64) -> u64;
    safe fn syscall32_entry();
    safe fn vector_stubs();
    safe fn debug_entry();
    safe fn nmi_entry();
    safe fn invalid_opcode_entry();
    safe fn general_protection_entry();
    safe fn page_fault_entry();
    safe fn double_fault_entry();
    safe fn machine_check_entry();
    /// Waits, with interrupts on, until one was noted by [`from_hypervisor`].
    safe fn wait_for_interrupt();
    static halt_instruction: u8;
    fn resume_guest() -> !;
    safe fn isolated_stubs();
    safe fn isolated_error_stubs();
    safe fn isolated_syscall();
    safe fn isolated_syscall32();
    safe fn isolated_debug();
    safe fn isolated_nmi();
    safe fn isolated_double_fault();
    safe fn isolated_machine_check();
    fn isolated_resume() -> !;
    fn switch_stack(top: u64, function: *const (), argument: *mut ()) -> !;
}

/// Entry points of `syscall` from 64-bit and from 32-bit code.
pub(crate) fn syscall_entries() -> (u64, u64) {
    if isolated::on() {
        return (
            isolated_syscall as *const () as u64,
            isolated_syscall32 as *const () as u64,
        );
    }
    (
        syscall_entry as *const () as u64,
        syscall32_entry as *const () as u64,
    )
}

/// The entry point of interrupt vector `vector`.
pub(crate) fn vector_entry(vector: u8) -> u64 {
    if isolated::on() {
        return isolated_vector_entry(vector);
    }
    let entry = match vector {
        1 => debug_entry as *const (),
        2 => nmi_entry as *const (),
        6 => invalid_opcode_entry as *const (),
        8 => double_fault_entry as *const (),
        13 => general_protection_entry as *const (),
        14 => page_fault_entry as *const (),
        18 => machine_check_entry as *const (),
        _ => return vector_stubs as *const () as u64 + 16 * u64::from(vector),
    };
    entry as u64
}

/// The same with `xpti`.
fn isolated_vector_entry(vector: u8) -> u64 {
    const WITH_ERROR: [u8; 9] = [10, 11, 12, 13, 14, 17, 21, 29, 30];
    if let Some(place) = WITH_ERROR.iter().position(|&with| with == vector) {
        return isolated_error_stubs as *const () as u64 + 16 * place as u64;
    }
    let entry = match vector {
        1 => isolated_debug as *const (),
        2 => isolated_nmi as *const (),
        8 => isolated_double_fault as *const (),
        18 => isolated_machine_check as *const (),
        _ => return isolated_stubs as *const () as u64 + 8 * u64::from(vector),
    };
    entry as u64
}

/// Goes on with `function` on the stack that ends at `top`.
///
/// # Safety
/// The stack is mapped, large enough and nobody else's; `argument` outlives the old stack's use.
pub(crate) unsafe fn on_stack<T>(
    top: u64,
    function: extern "C" fn(&'static mut T) -> !,
    argument: &'static mut T,
) -> ! {
    // SAFETY: the caller's; the function takes one pointer, as it is given one.
    unsafe {
        switch_stack(
            top,
            function as *const (),
            core::ptr::from_mut(argument).cast(),
        )
    }
}

/// Enters the scheduler for the first time on this CPU.
pub(crate) fn run() -> ! {
    let own = PerCpu::current();
    // SAFETY: as in `hypercall`; boot code holds no reference to the CPU's state.
    let cpu = unsafe { &mut *own.cpu.get() };
    if own.hypervisor().on_interrupt(cpu, Irq::Spurious) == Resume::Idle {
        idle(own);
    }
    if isolated::on() {
        // SAFETY: as below.
        unsafe { isolated_resume() }
    }
    // SAFETY: the core said that the current vCPU's registers and hardware state are in place.
    unsafe { resume_guest() }
}

/// A hypercall's handler: its arguments, and what the guest finds in rax.
type Handler = unsafe extern "C" fn(u64, u64, u64, u64, u64, u64) -> u64;

macro_rules! handlers {
    ($($number:literal)*) => { [$(handler::<$number>()),*] };
}

/// The handlers by number; the last one serves all numbers that are none.
static HYPERCALLS: [Handler; NUMBERS as usize + 1] = every_hypercall!(handlers);

const fn handler<const NUMBER: u64>() -> Handler {
    match NUMBER {
        IRET => iret_hypercall,
        EVENTS => event_channel_op,
        _ => hypercall::<NUMBER>,
    }
}

/// The quick way of an event channel operation, without what others need.
extern "C" fn event_channel_op(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64) -> u64 {
    stretches::begin(Entry::Hypercall(EVENTS, a));
    let hypervisor = || PerCpu::current().hypervisor();
    if Hypervisor::on_event_channel_op(&HW, hypervisor, [a, b, c, d, e, f]) {
        stretches::end();
        return 0;
    }
    hypercall::<EVENTS>(a, b, c, d, e, f)
}

#[inline(never)]
extern "C" fn hypercall<const NUMBER: u64>(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64) -> u64 {
    stretches::begin(Entry::Hypercall(NUMBER, a));
    let own = PerCpu::current();
    // SAFETY: entry points do not nest: the hypervisor runs with interrupts off, and its own
    // exceptions never come here. So this is the only reference to the CPU's state.
    let cpu = unsafe { &mut *own.cpu.get() };
    let result = (own.hypervisor()).on_hypercall::<NUMBER>(cpu, [a, b, c, d, e, f]);
    stretches::end();
    result
}

/// True if all registers that are saved are to be loaded; false if the rest is to be saved.
extern "C" fn from_iret(own: &'static PerCpu, rsp: u64) -> bool {
    stretches::begin(Entry::Hypercall(IRET, 0));
    // SAFETY: as in `hypercall`.
    let cpu = unsafe { &mut *own.cpu.get() };
    let done = own.hypervisor().on_iret(cpu, rsp);
    stretches::end();
    done
}

extern "C" fn from_user_syscall(own: &'static PerCpu) {
    stretches::begin(Entry::UserSyscall);
    // SAFETY: as in `hypercall`.
    let cpu = unsafe { &mut *own.cpu.get() };
    own.hypervisor().on_user_syscall(cpu);
    stretches::end();
}

extern "C" fn on_attention(own: &'static PerCpu) {
    // SAFETY: as in `hypercall`.
    let cpu = unsafe { &mut *own.cpu.get() };
    if own.hypervisor().on_attention(cpu) == Resume::Idle {
        idle(own);
    }
    stretches::end();
}

extern "C" fn from_forced_cpuid(own: &'static PerCpu) -> bool {
    stretches::begin(Entry::Vector(6));
    // SAFETY: as in `hypercall`.
    let cpu = unsafe { &mut *own.cpu.get() };
    let done = own.hypervisor().on_forced_cpuid(cpu);
    stretches::end();
    done
}

extern "C" fn from_invalid_opcode(own: &'static PerCpu) -> bool {
    stretches::begin(Entry::Vector(6));
    // SAFETY: as in `hypercall`.
    let cpu = unsafe { &mut *own.cpu.get() };
    let done = own.hypervisor().on_invalid_opcode(cpu);
    stretches::end();
    done
}

extern "C" fn from_general_protection(own: &'static PerCpu, error: u32) -> bool {
    stretches::begin(Entry::Vector(13));
    // SAFETY: as in `hypercall`.
    let cpu = unsafe { &mut *own.cpu.get() };
    let done = own.hypervisor().on_general_protection(cpu, error);
    stretches::end();
    done
}

extern "C" fn from_page_fault(own: &'static PerCpu, error: u32) -> bool {
    stretches::begin(Entry::Vector(14));
    // SAFETY: as in `hypercall`.
    let cpu = unsafe { &mut *own.cpu.get() };
    let done = own.hypervisor().on_page_fault(cpu, error, read_cr2());
    stretches::end();
    done
}

/// Interrupts and all other exceptions; and a return to the guest that faulted, whatever the vector.
extern "C" fn from_guest(own: &'static PerCpu) {
    let (vector, error) = own.exception();
    stretches::begin(Entry::Vector(vector));
    // SAFETY: as in `hypercall`.
    let cpu = unsafe { &mut *own.cpu.get() };
    let hypervisor = own.hypervisor();
    let resume = if vector < 32 {
        hypervisor.on_exception(cpu, vector as u8, error, read_cr2())
    } else {
        let irq = acknowledge(vector as u8);
        if brings_input(irq) {
            // What it answers is out of date once the timer was seen to.
            let _ = hypervisor.on_interrupt(cpu, Irq::Console);
        }
        hypervisor.on_interrupt(cpu, irq)
    };
    if resume == Resume::Idle {
        idle(own);
    }
    stretches::end();
}

fn read_cr2() -> u64 {
    let value: u64;
    // SAFETY: reading has no effect.
    unsafe { asm!("mov {}, cr2", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// Waits for interrupts until there is a guest to run.
#[cold]
fn idle(own: &'static PerCpu) {
    own.leave_guest_space();
    loop {
        stretches::end();
        let mut pending = wait(own);
        stretches::begin(Entry::Wait);
        let mut resume = Resume::Idle;
        let mut see_to = |irq| {
            // SAFETY: as in `hypercall`.
            let cpu = unsafe { &mut *own.cpu.get() };
            resume = own.hypervisor().on_interrupt(cpu, irq);
        };
        for irq in [Irq::Timer, Irq::Kick, Irq::Console, Irq::Spurious] {
            if pending.kinds & kind(irq) != 0 {
                see_to(irq);
            }
        }
        while let Some(vector) = pending.take_device() {
            see_to(Irq::Device(vector));
        }
        if resume == Resume::Guest {
            return;
        }
    }
}

/// The bit in [`Pending::kinds`] of what is not a device's.
const fn kind(irq: Irq) -> u8 {
    match irq {
        Irq::Timer => 1,
        Irq::Kick => 2,
        Irq::Console => 4,
        Irq::Spurious => 8,
        Irq::Device(_) => 0,
    }
}

/// Waits for an interrupt; gives those that came. An NMI may end the wait as well.
pub(crate) fn wait(own: &PerCpu) -> Pending {
    wait_for_interrupt();
    own.pending.take()
}

/// Ends the interrupt at its controller and says what it meant.
fn acknowledge(vector: u8) -> Irq {
    let irq = match vector {
        apic::TIMER_VECTOR => {
            watchdog::tick();
            Irq::Timer
        }
        apic::KICK_VECTOR => Irq::Kick,
        apic::CONSOLE_VECTOR => {
            console::receive();
            Irq::Console
        }
        pirq::FIRST_VECTOR..=pirq::LAST_VECTOR => {
            ioapic::taken(vector);
            Irq::Device(vector)
        }
        // Spurious interrupts have no place in the controller's records to be ended.
        _ => return Irq::Spurious,
    };
    apic::end_of_interrupt();
    irq
}

/// Whether there is console input that no interrupt announced.
fn brings_input(irq: Irq) -> bool {
    irq == Irq::Timer && console::is_polled() && console::receive()
}

/// An exception or interrupt that hit the hypervisor itself.
extern "C" fn from_hypervisor(regs: &mut Regs) {
    let vector = regs.error_vector >> 32;
    if vector >= 32 {
        let irq = acknowledge(vector as u8);
        let own = PerCpu::current();
        let mut pending = own.pending.get();
        pending.kinds |= kind(irq);
        if brings_input(irq) {
            pending.kinds |= kind(Irq::Console);
        }
        if let Irq::Device(vector) = irq {
            pending.add_device(vector);
        }
        own.pending.set(pending);
        if regs.rip == (&raw const halt_instruction) as u64 {
            // It came after an NMI between `sti` and `hlt`, which would sleep over it.
            regs.rip += 1;
        }
        return;
    }
    if vector == u64::from(trap::PF) && isolated::fetch(read_cr2()) {
        return;
    }
    match guest_copy::fixup(regs.rip) {
        Some(resume) => regs.rip = resume,
        None => fatal_exception(regs),
    }
}

extern "C" fn fatal_exception(regs: &mut Regs) -> ! {
    panic::exception(regs, read_cr2())
}

//! Exceptions and system calls: into the guest's handler, and back by the `iret` hypercall.

use super::measure::{ROUNDS, alone, least};
use super::window::loops;
use super::{Bench, Figures};
use crate::check::page::{Page, UNMAPPED, extended};
use crate::check::probe;
use crate::hypercall::{register_callback, set_trap_table, stack_switch};
use crate::mm::{p2m, paging};
use crate::trap;
use core::arch::naked_asm;
use hypercall_abi::arch_x86_64::*;
use hypercall_abi::callback::{CALLBACKF_mask_events, CALLBACKTYPE_syscall};
use hypercall_abi::xen::*;

pub(super) const BENCHES: &[Bench] = &[exceptions, returns, user_mode];

/// Bit of `trap_info::flags`: enter with events masked.
const MASK_EVENTS: u8 = 1 << 2;
const INVALID_OPCODE: u64 = 6;
const PAGE_FAULT: u8 = 14;
/// Instructions that each handler below executes, its `syscall` included.
const EXCEPTION_HANDLER: u64 = 9;
const SYSCALL_HANDLER: u64 = 8;
/// Instructions that make a frame for `iret`, besides the one that enters.
const FRAME: u64 = 12;

const _: () = assert!(ROUNDS == 128 && UNMAPPED == 0x1000);
const _: () = assert!(FLAT_KERNEL_CS == 0xe033 && FLAT_KERNEL_SS == 0xe02b);
const _: () = assert!(__HYPERVISOR_iret == 23);

loops! {
    nothing: opening_of_own, "mov esi, 128", "nop", "ret";
    invalid_opcode: opening, "mov esi, 128", "ud2", "ret";
    page_fault: opening, "mov esi, 128", "mov rax, [rdi]", "ret";
    // From the kernel to the kernel, with upcalls masked before and after; the selectors are those of
    // kernel mode.
    iret: opening, "mov esi, 128", "mov rax, rsp\npush 0xe02b\npush rax\npush 2\npush 0xe030\n\
        lea rax, [rip + 3f]\npush rax\npush 0\npush rcx\npush r11\npush rax\nmov eax, 23\nsyscall\n3:",
        "ret";
    // Those run in user mode; the exception at the end is the way back.
    user_syscall: opening, "mov esi, 128", "syscall", "ud2";
    user_page_fault: opening, "mov esi, 128\nmov edi, 0x1000", "mov rax, [rdi]", "ud2";
}

/// Reports what is left of a loop's ticks without the loop and without the handler.
pub(super) fn report(f: &mut Figures, name: &str, ticks: Result<u64, i64>, handler: u64) {
    match ticks {
        Ok(ticks) => {
            let own = f.scale.ticks(handler * ROUNDS) + alone(|| nothing(0, 0, 0));
            f.ticks(name, ticks.saturating_sub(own), ROUNDS);
        }
        Err(result) => f.refused(name, result),
    }
}

/// Defines handlers: what each does between taking rcx and r11 from its frame and the `iret` hypercall,
/// whose flags it leaves in front of the rest of the frame.
macro_rules! handlers {
    ($($(#[$doc:meta])* $name:ident($($operand:tt)*): $($what:literal),+;)*) => { $(
        $(#[$doc])*
        #[unsafe(naked)]
        extern "C" fn $name() {
            core::arch::naked_asm!(
                "pop rcx",
                "pop r11",
                $($what,)+
                "push rcx",
                "push r11",
                "push rax",
                "mov eax, {iret}",
                "syscall",
                $($operand)*
                iret = const hypercall_abi::xen::__HYPERVISOR_iret,
            )
        }
    )* };
}

pub(super) use handlers;

handlers! {
    /// Skips the `ud2` that brought it here.
    skip_invalid_opcode(): "add qword ptr [rsp], 2", "push 0";
    /// Skips the `mov` that brought it here; its error code becomes the flags of `iret`.
    skip_page_fault(): "add qword ptr [rsp + 8], 3", "mov qword ptr [rsp], 0";
    /// Returns from a system call at once.
    return_from_syscall(flags = const VGCF_in_syscall,): "push {flags}";
}

/// A row of the trap table.
pub(super) const fn gate(vector: u8, handler: u64) -> trap_info {
    trap_info {
        vector,
        flags: MASK_EVENTS,
        cs: FLAT_KERNEL_CS,
        _pad0: [0; 4],
        address: handler,
    }
}

fn exceptions(f: &mut Figures) {
    let table = [
        gate(
            INVALID_OPCODE as u8,
            skip_invalid_opcode as *const () as u64,
        ),
        gate(PAGE_FAULT, skip_page_fault as *const () as u64),
        gate(0, 0),
    ];
    set_trap_table(&table).expect("vectors can be given handlers");
    let loops: [(&str, extern "C" fn(u64, u64, u64) -> u64); 2] = [
        ("invalid_opcode_and_iret", invalid_opcode),
        ("page_fault_and_iret", page_fault),
    ];
    for (name, each) in loops {
        f.begin(name, ROUNDS);
        let ticks = least(|| Ok(each(UNMAPPED, 0, 0)));
        report(f, name, ticks, EXCEPTION_HANDLER);
    }
    trap::init().expect("the kernel's own handlers can be registered again");
}

fn returns(f: &mut Figures) {
    let name = "iret";
    f.begin(name, ROUNDS);
    let ticks = least(|| Ok(iret(0, 0, 0)));
    report(f, name, ticks, FRAME);
}

/// The flag that lets interrupts in.
const INTERRUPTS: u64 = 1 << 9;

/// What leads to a loop in ring 3, with the selectors of its code and its stack.
pub(super) fn context(
    each: extern "C" fn(u64, u64, u64) -> u64,
    rsp: u64,
    (cs, ss): (u16, u16),
    flags: u64,
) -> iret_context {
    iret_context {
        rax: 0,
        r11: 0,
        rcx: 0,
        flags: 0,
        rip: each as *const () as u64,
        cs: u64::from(cs),
        // Bit 1 is always set.
        rflags: 1 << 1 | flags,
        rsp,
        ss: u64::from(ss),
    }
}

fn user_mode(f: &mut Figures) {
    let (kernel_stack, stack) = (Page::new(), Page::new());
    let root = p2m::mfn(paging::boot_root().0).0;
    extended(MMUEXT_NEW_USER_BASEPTR, root, 0).expect("the boot root is a root");
    stack_switch(FLAT_KERNEL_SS, kernel_stack.va() + 4096).expect("a stack can be named");
    register_callback(
        CALLBACKTYPE_syscall,
        return_from_syscall as *const () as u64,
        CALLBACKF_mask_events,
    )
    .expect("a handler can be registered");
    let fault = gate(PAGE_FAULT, skip_page_fault as *const () as u64);
    set_trap_table(&[fault, gate(0, 0)]).expect("vectors can be given handlers");
    let loops: [(&str, extern "C" fn(u64, u64, u64) -> u64, u64); 2] = [
        ("user_syscall_and_iret", user_syscall, SYSCALL_HANDLER),
        (
            "user_page_fault_and_iret",
            user_page_fault,
            EXCEPTION_HANDLER,
        ),
    ];
    for (name, each, handler) in loops {
        f.begin(name, ROUNDS);
        let selectors = (FLAT_USER_CS, FLAT_USER_SS);
        let context = context(each, stack.va() + 2048, selectors, INTERRUPTS);
        let ticks = least(|| match probe::iret(&context) {
            Some(hit) if hit.frame.vector == INVALID_OPCODE => Ok(hit.frame.rax),
            _ => Err(0),
        });
        report(f, name, ticks, handler);
    }
    trap::init().expect("the kernel's own handlers can be registered again");
    extended(MMUEXT_NEW_USER_BASEPTR, 0, 0).expect("the user root can be given up");
    stack_switch(FLAT_KERNEL_SS, 0).expect("a stack can be named");
}

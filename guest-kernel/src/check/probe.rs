//! Running code that may fault, in kernel mode and in user mode.

use super::Report;
use crate::dev::shared;
use crate::trap::{self, Hit, PROBE_RESUME, PROBE_STACK};
use core::arch::naked_asm;
use hypercall_abi::arch_x86_64::iret_context;
use hypercall_abi::xen::multicall_entry;

unsafe extern "C" {
    static hypercall_page: u8;
}

/// Status flags, which depend on what the compiler computed before.
const ARITHMETIC: u64 = 0x8d5;

/// A short piece of assembly that a probe runs; its argument is in rdi.
pub(crate) type Code = extern "C" fn(u64);

/// Where a piece of code lies.
pub(super) fn place(code: Code) -> u64 {
    code as usize as u64
}

/// Defines a [`Code`] that consists of the given instructions.
macro_rules! code {
    ($($name:ident: $($line:literal),+;)*) => { $(
        #[unsafe(naked)]
        extern "C" fn $name(_: u64) {
            core::arch::naked_asm!($($line,)+ "ret")
        }
    )* };
}
pub(crate) use code;

/// Calls `f(arg)`; if that meets an exception, returns from here instead.
#[unsafe(naked)]
extern "C" fn run_kernel(f: Code, arg: u64) {
    naked_asm!(
        "push rbx", "push rbp", "push r12", "push r13", "push r14", "push r15",
        "sub rsp, 8",
        "mov [rip + {stack}], rsp",
        "lea rax, [rip + 2f]",
        "mov [rip + {resume}], rax",
        "mov rax, rdi",
        "mov rdi, rsi",
        "call rax",
        "2:",
        "add rsp, 8",
        "pop r15", "pop r14", "pop r13", "pop r12", "pop rbp", "pop rbx",
        "ret",
        stack = sym PROBE_STACK,
        resume = sym PROBE_RESUME,
    )
}

/// Leaves by the `iret` hypercall with `context`; returns when the kernel is entered again.
#[unsafe(naked)]
extern "C" fn run_iret(context: &iret_context) {
    naked_asm!(
        "push rbx", "push rbp", "push r12", "push r13", "push r14", "push r15",
        "sub rsp, 8",
        "mov [rip + {stack}], rsp",
        "lea rax, [rip + 2f]",
        "mov [rip + {resume}], rax",
        "push qword ptr [rdi + 64]", "push qword ptr [rdi + 56]", "push qword ptr [rdi + 48]",
        "push qword ptr [rdi + 40]", "push qword ptr [rdi + 32]", "push qword ptr [rdi + 24]",
        "mov rax, [rdi]", "mov r11, [rdi + 8]", "mov rcx, [rdi + 16]",
        "jmp {page} + 23 * 32",
        "2:",
        "add rsp, 8",
        "pop r15", "pop r14", "pop r13", "pop r12", "pop rbp", "pop rbx",
        "ret",
        stack = sym PROBE_STACK,
        resume = sym PROBE_RESUME,
        page = sym hypercall_page,
    )
}

/// Makes a multicall with `context` on top of the stack; returns when the kernel is entered again.
#[unsafe(naked)]
extern "C" fn run_multicall(context: &iret_context, list: u64, count: u64) {
    naked_asm!(
        "push rbx", "push rbp", "push r12", "push r13", "push r14", "push r15",
        "sub rsp, 8",
        "mov [rip + {stack}], rsp",
        "lea rax, [rip + 2f]",
        "mov [rip + {resume}], rax",
        "push qword ptr [rdi + 64]", "push qword ptr [rdi + 56]", "push qword ptr [rdi + 48]",
        "push qword ptr [rdi + 40]", "push qword ptr [rdi + 32]", "push qword ptr [rdi + 24]",
        "push qword ptr [rdi + 16]", "push qword ptr [rdi + 8]", "push qword ptr [rdi]",
        "mov rdi, rsi", "mov rsi, rdx",
        "mov eax, 13",
        "syscall",
        "ud2",
        "2:",
        "add rsp, 8",
        "pop r15", "pop r14", "pop r13", "pop r12", "pop rbp", "pop rbx",
        "ret",
        stack = sym PROBE_STACK,
        resume = sym PROBE_RESUME,
    )
}

/// Makes a multicall whose list leaves by `iret` with `context`; what came back into the kernel.
pub(super) fn multicall_iret(context: &iret_context, list: &mut [multicall_entry]) -> Option<Hit> {
    run_multicall(context, list.as_mut_ptr() as u64, list.len() as u64);
    shared::set_upcall_mask(true);
    trap::take_hit()
}

/// Runs `code(arg)` in kernel mode with events masked or not; what it met, if it met something.
pub(crate) fn attempt(code: Code, arg: u64, masked: bool) -> Option<Hit> {
    shared::set_upcall_mask(masked);
    run_kernel(code, arg);
    shared::set_upcall_mask(true);
    trap::take_hit()
}

/// Leaves by `iret` with `context`; what came back into the kernel.
pub(crate) fn iret(context: &iret_context) -> Option<Hit> {
    run_iret(context);
    shared::set_upcall_mask(true);
    trap::take_hit()
}

/// `address` as a distance from `code` if it is just behind it.
fn relative(address: u64, code: u64) -> (&'static str, u64) {
    match address.wrapping_sub(code) {
        offset @ 0..64 => ("code+", offset),
        _ => ("", address),
    }
}

/// Prints what a probe met: the frame as the handler found it, rip relative to `code`.
pub(super) fn report(r: &mut Report, key: &str, code: u64, hit: Option<Hit>) {
    let Some(hit) = hit else {
        r.line(format_args!("{key}=nothing"));
        return;
    };
    let f = &hit.frame;
    let (base, rip) = relative(f.rip, code);
    // Compatibility mode has the low half of an address.
    let (low, address) = relative(hit.address, code & 0xffff_ffff);
    r.line(format_args!(
        "{key}={} error={:#x} rip={base}{rip:#x} cs={:#x} ss={:#x} rflags={:#x} address={low}{address:#x} masked={}",
        f.vector,
        f.error,
        f.cs,
        f.ss,
        f.rflags & !ARITHMETIC,
        hit.masked
    ));
}

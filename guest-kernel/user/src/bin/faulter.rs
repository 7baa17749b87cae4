//! Faults on purpose, and must not survive it. Argument: `how=null|exec|kernel|stack|int|undefined|fpu`.
#![no_std]
#![no_main]

use core::arch::asm;
use guest_user::{println, start, sys};

guest_user::entry!(main);

/// Executes bytes of the stack, which is data.
fn execute_data() {
    let code = [0xc3u8; 16]; // ret
    // SAFETY: the bytes are a return instruction, should they be executed after all.
    unsafe { asm!("call {}", in(reg) code.as_ptr(), clobber_abi("C")) };
}

fn main() -> i32 {
    let how = start::option("how").unwrap_or("null");
    println!("faulter {}: about to fault: {how}", sys::getpid());
    match how {
        "exec" => execute_data(),
        // SAFETY: reads a word of the kernel's image, which has no effect.
        "kernel" => unsafe {
            asm!("mov {0}, [{0}]", inout(reg) 0xffff_ffff_8010_0000u64 => _);
        },
        // SAFETY: the address is beyond the end of the stack, where nothing of this program is.
        "stack" => unsafe {
            asm!("mov qword ptr [rsp - 0x200000], 1");
        },
        // SAFETY: no kernel serves this interrupt; it has no effect on memory.
        "int" => unsafe {
            asm!("int 0x81");
        },
        // SAFETY: the instruction has no effect but its fault.
        "undefined" => unsafe {
            asm!("ud2");
        },
        // SAFETY: reads the FPU's control word into a register of its own.
        "fpu" => unsafe {
            asm!("fnstsw ax", out("ax") _);
        },
        // SAFETY: nothing of this program is at address 0.
        _ => unsafe {
            asm!("mov qword ptr [{}], 1", in(reg) 0u64);
        },
    }
    println!("faulter {}: survived", sys::getpid());
    1
}

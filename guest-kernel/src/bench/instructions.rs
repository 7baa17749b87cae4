//! Privileged instructions that the hypervisor emulates.

use super::measure::{ROUNDS, least};
use super::{Bench, Figures};
use crate::check::instructions::set_iopl;
use crate::mm::{p2m, paging};
use core::arch::naked_asm;

pub(super) const BENCHES: &[Bench] = &[emulated];

/// Defines loops: 128 times the instruction, with the argument in rax; they return the ticks that
/// went by.
macro_rules! loops {
    ($($name:ident: $($instruction:literal),+;)*) => { $(
        #[unsafe(naked)]
        extern "C" fn $name(_argument: u64) -> u64 {
            naked_asm!(
                "push rbx",
                "mov esi, 128",
                "rdtsc",
                "shl rdx, 32",
                "or rax, rdx",
                "mov r9, rax",
                "2:",
                "mov rax, rdi",
                "mov ecx, eax",
                $($instruction,)+
                "dec rsi",
                "jnz 2b",
                "rdtsc",
                "shl rdx, 32",
                "or rax, rdx",
                "sub rax, r9",
                "pop rbx",
                "ret",
            )
        }
    )* };
}

const _: () = assert!(ROUNDS == 128);

loops! {
    nothing: "nop";
    read_cr0: "mov rax, cr0";
    read_cr3: "mov rax, cr3";
    write_cr3: "mov cr3, rax";
    write_cr4: "mov cr4, rax";
    clts: "clts";
    rdmsr: "rdmsr";
    out_post: "out 0x80, al";
    in_post: "in al, 0x80";
    cli: "cli";
    // What follows `ud2` never runs.
    cpuid: ".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2";
}

const EFER: u64 = 0xc000_0080;

fn emulated(f: &mut Figures) {
    set_iopl(1);
    let root = p2m::mfn(paging::boot_root().0).0 << 12;
    let loops: [(&str, extern "C" fn(u64) -> u64, u64); 11] = [
        ("mov_from_cr0", read_cr0, 0),
        ("mov_from_cr3", read_cr3, 0),
        ("mov_to_cr3_same", write_cr3, root),
        ("mov_to_cr4_same", write_cr4, 0x660),
        ("clts", clts, 0),
        ("rdmsr_efer", rdmsr, EFER),
        ("out_0x80", out_post, 0),
        ("in_0x80", in_post, 0),
        ("cli", cli, 0),
        ("forced_cpuid_0", cpuid, 0),
        ("forced_cpuid_1", cpuid, 1),
    ];
    for (name, each, argument) in loops {
        let ticks = least(|| Ok(each(argument).saturating_sub(nothing(argument))));
        match ticks {
            Ok(ticks) => f.ticks(name, ticks, ROUNDS),
            Err(result) => f.refused(name, result),
        }
    }
    crate::hypercall::deny_fpu().expect("the FPU can always be denied");
    set_iopl(0);
}

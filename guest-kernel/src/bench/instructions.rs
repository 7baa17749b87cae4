//! Privileged instructions that the hypervisor emulates.

use super::measure::{ROUNDS, alone, least};
use super::window::loops;
use super::{Bench, Figures};
use crate::check::instructions::set_iopl;
use crate::mm::{p2m, paging};
use core::arch::naked_asm;

pub(super) const BENCHES: &[Bench] = &[emulated];

/// Defines loops: 128 times the instruction, with the argument in rax and ecx.
macro_rules! each {
    ($($name:ident: $opening:ident, $instruction:literal;)*) => {
        loops! { $(
            $name: $opening,
                "push rbx\nmov esi, 128",
                concat!("mov rax, rdi\nmov ecx, eax\n", $instruction),
                "pop rbx\nret";
        )* }
    };
}

const _: () = assert!(ROUNDS == 128);

each! {
    nothing: opening_of_own, "nop";
    read_cr0: opening, "mov rax, cr0";
    read_cr3: opening, "mov rax, cr3";
    write_cr3: opening, "mov cr3, rax";
    write_cr4: opening, "mov cr4, rax";
    clts: opening, "clts";
    rdmsr: opening, "rdmsr";
    out_post: opening, "out 0x80, al";
    in_post: opening, "in al, 0x80";
    cli: opening, "cli";
    sti: opening, "sti";
    wrmsr: opening, "wrmsr";
    read_dr7: opening, "mov rax, dr7";
    // What follows `ud2` never runs.
    cpuid: opening, ".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2";
}

const EFER: u64 = 0xc000_0080;
/// The kernel uses no FS: its number may be its value.
const FS_BASE: u64 = 0xc000_0100;

fn emulated(f: &mut Figures) {
    set_iopl(1);
    let root = p2m::mfn(paging::boot_root().0).0 << 12;
    let loops: [(&str, extern "C" fn(u64, u64, u64) -> u64, u64); 14] = [
        ("mov_from_cr0", read_cr0, 0),
        ("mov_from_cr3", read_cr3, 0),
        ("mov_to_cr3_same", write_cr3, root),
        ("mov_to_cr4_same", write_cr4, 0x660),
        ("clts", clts, 0),
        ("rdmsr_efer", rdmsr, EFER),
        ("out_0x80", out_post, 0),
        ("in_0x80", in_post, 0),
        ("cli", cli, 0),
        ("sti", sti, 0),
        ("wrmsr_fs_base", wrmsr, FS_BASE),
        ("mov_from_dr7", read_dr7, 0),
        ("forced_cpuid_0", cpuid, 0),
        ("forced_cpuid_1", cpuid, 1),
    ];
    for (name, each, argument) in loops {
        f.begin(name, ROUNDS);
        let ticks =
            least(|| Ok(each(argument, 0, 0).saturating_sub(alone(|| nothing(argument, 0, 0)))));
        match ticks {
            Ok(ticks) => f.ticks(name, ticks, ROUNDS),
            Err(result) => f.refused(name, result),
        }
    }
    crate::hypercall::deny_fpu().expect("the FPU can always be denied");
    set_iopl(0);
}

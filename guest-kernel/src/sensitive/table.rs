//! The instructions, each with what tells whether it did what it does on the bare machine.

use super::{GDT_ENTRIES, IF, Row, Seen};
use crate::check::probe::Code;
use hypercall_abi::arch_x86_64::{MACH2PHYS_VIRT_START, trap_info};

/// Room that pieces of code write to and read from.
static mut SCRATCH: [u64; 8] = [0; 8];

/// The kernel's GDT: data of level 3 and 0, code of level 3, a call gate, code of level 0.
pub(super) const DESCRIPTORS: [(usize, u64); 5] = [
    (1, 0x00cf_f300_0000_ffff),
    (2, 0x00cf_9300_0000_ffff),
    (3, 0x00af_fb00_0000_ffff),
    (4, 0x0000_ec00_001b_1234),
    (5, 0x00af_9b00_0000_ffff),
];

/// Defines pieces of code, with the address of [`SCRATCH`] in rdi. They leave what they see in r8
/// and r9, and the ticks they took in r14.
macro_rules! pieces {
    ($($name:ident: $($line:literal),+;)*) => { $(
        #[unsafe(naked)]
        extern "C" fn $name(_: u64) {
            core::arch::naked_asm!(
                "xor r15d, r15d",
                "lea rdi, [rip + {scratch}]",
                "rdtsc",
                "mov r14d, eax",
                $($line,)+
                "mov r15d, 0x0e4d",
                "rdtsc",
                "sub eax, r14d",
                "mov r14d, eax",
                "ud2",
                scratch = sym SCRATCH,
            )
        }
    )* };
}

pieces! {
    prepare: "mov rax, cr4", "or rax, 0x40000", "mov cr4, rax", "xor ecx, ecx", "xor edx, edx", "mov eax, 3", "xsetbv";
    sgdt: "sgdt [rdi]", "movzx r8d, word ptr [rdi]", "mov r9, [rdi + 2]";
    sidt: "sidt [rdi]", "movzx r8d, word ptr [rdi]", "mov r9, [rdi + 2]";
    sldt: "sldt r8d";
    str: "str r8d";
    smsw: "smsw r8";
    pushf: "cli", "pushfq", "pop r8";
    pushf_user: "pushfq", "pop r8";
    popf_if_off: "push 2", "popfq";
    popf_iopl: "push 0x3202", "popfq", "pushfq", "pop r8";
    lar: "mov ecx, 0x10", "lar r8d, ecx", "setz r9b", "movzx r9d, r9b";
    lar_hypervisor: "mov ecx, 0xe02b", "lar r8d, ecx", "setz r9b", "movzx r9d, r9b";
    lsl: "mov ecx, 0x0b", "lsl r8d, ecx", "setz r9b", "movzx r9d, r9b";
    lsl_hypervisor: "mov ecx, 0xe02b", "lsl r8d, ecx", "setz r9b", "movzx r9d, r9b";
    verr: "mov ecx, 0x0b", "verr cx", "setz r9b", "movzx r9d, r9b";
    verr_hypervisor: "mov ecx, 0xe02b", "verr cx", "setz r9b", "movzx r9d, r9b";
    verw: "mov ecx, 0x0b", "verw cx", "setz r9b", "movzx r9d, r9b";
    verw_hypervisor: "mov ecx, 0xe02b", "verw cx", "setz r9b", "movzx r9d, r9b";
    mov_from_cs: "mov r8d, cs";
    mov_from_ss: "mov r8d, ss";
    mov_from_ds: "mov r8d, ds";
    mov_to_ds: "mov ecx, 0x0b", "mov ds, ecx", "mov r8d, ds", "xor ecx, ecx", "mov ds, ecx";
    mov_to_ds_level0: "mov ecx, 0x10", "mov ds, ecx", "mov r8d, ds", "xor ecx, ecx", "mov ds, ecx";
    mov_to_ss_level0: "mov r8d, ss", "mov ecx, 0x10", "mov ss, ecx", "mov ss, r8d";
    push_fs: "mov ecx, 0x0b", "mov fs, ecx", "push fs", "pop r8", "xor ecx, ecx", "mov fs, ecx";
    pop_fs: "push 0x0b", "pop fs", "mov r8d, fs", "xor ecx, ecx", "mov fs, ecx";
    pop_gs: "push 0x0b", "pop gs", "mov r8d, gs", "xor ecx, ecx", "mov gs, ecx";
    lfs: "mov dword ptr [rdi], 0", "mov word ptr [rdi + 4], 0x0b", "lfs ecx, [rdi]", "mov r8d, fs", "xor ecx, ecx", "mov fs, ecx";
    lss_level0: "mov dword ptr [rdi], 0", "mov word ptr [rdi + 4], 0x10", "lss ecx, [rdi]";
    // Through a pointer to a 64-bit offset.
    call_far: "lea rax, [rip + 2f]", "mov [rdi], rax", "mov word ptr [rdi + 8], 0x1b", ".byte 0x48, 0xff, 0x1f", "2: pop r9", "pop r8";
    call_far_level0: "lea rax, [rip + 2f]", "mov [rdi], rax", "mov word ptr [rdi + 8], 0x28", ".byte 0x48, 0xff, 0x1f", "2: pop r9", "pop r8";
    call_gate: "mov word ptr [rdi + 8], 0x20", ".byte 0x48, 0xff, 0x1f";
    jmp_far_level0: "lea rax, [rip + 2f]", "mov [rdi], rax", "mov word ptr [rdi + 8], 0x28", ".byte 0x48, 0xff, 0x2f", "2: mov r8d, cs";
    ret_far: "push 0x1b", "lea rax, [rip + 2f]", "push rax", "retfq", "2: mov r8d, cs";
    ret_far_level0: "push 0x28", "lea rax, [rip + 2f]", "push rax", "retfq", "2: mov r8d, cs";
    iret: "mov rax, rsp", "push 0xe02b", "push rax", "push 2", "push 0xe033", "lea rax, [rip + 2f]", "push rax", "iretq", "2: nop";
    iret_level0: "mov rax, rsp", "push 0xe028", "push rax", "push 2", "push 0xe030", "lea rax, [rip + 2f]", "push rax", "iretq", "2: nop";
    int3: "int3";
    int21: "int 0x21";
    int80: "int 0x80";
    cli: "cli";
    sti: "sti";
    hlt: "hlt";
    read_cr0: "mov r8, cr0";
    read_cr2: "mov r8, cr2";
    read_cr3: "mov r8, cr3";
    read_cr4: "mov r8, cr4";
    read_cr8: "mov r8, cr8";
    write_cr0: "mov r8, cr0", "mov cr0, r8";
    write_cr2: "mov r8d, 0x1230", "mov cr2, r8", "mov r8, cr2";
    write_cr3: "mov r8, cr3", "mov cr3, r8";
    write_cr4: "mov r8, cr4", "mov cr4, r8";
    write_cr8: "xor r8d, r8d", "mov cr8, r8";
    read_dr7: "mov r8, dr7";
    write_dr7: "mov r8d, 0x400", "mov dr7, r8";
    clts: "clts";
    lmsw: "mov r8, cr0", "lmsw r8w";
    invlpg: "invlpg [rdi]";
    invd: "invd";
    wbinvd: "wbinvd";
    lgdt: "lgdt [rdi]";
    lidt: "lidt [rdi]";
    lldt: "xor ecx, ecx", "lldt cx";
    ltr: "xor ecx, ecx", "ltr cx";
    rdmsr: "mov ecx, 0xc0000080", "rdmsr", "mov r8d, eax";
    wrmsr: "mov ecx, 0xc0000100", "mov eax, 0x5000", "xor edx, edx", "wrmsr", "rdfsbase r8", "xor eax, eax", "wrfsbase rax";
    rdfsbase: "mov ecx, 0x6000", "wrfsbase rcx", "rdfsbase r8", "xor eax, eax", "wrfsbase rax";
    rdgsbase: "rdgsbase rcx", "mov eax, 0x7000", "wrgsbase rax", "rdgsbase r8", "wrgsbase rcx";
    swapgs: "swapgs";
    in_al: "in al, 0x80";
    out_al: "mov eax, 0x55", "out 0x80, al";
    insb: "mov edx, 0x80", "insb";
    outsb: "mov edx, 0x80", "mov rsi, rdi", "outsb";
    cpuid: "mov eax, 1", "xor ecx, ecx", "push rbx", "cpuid", "mov r8d, eax", "add r8, rbx", "add r8, rcx", "add r8, rdx", "pop rbx";
    forced_cpuid: "mov eax, 1", "xor ecx, ecx", "push rbx", ".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e", "cpuid", "mov r8d, eax", "add r8, rbx", "add r8, rcx", "add r8, rdx", "pop rbx";
    rdtsc: "rdtsc";
    rdtscp: "rdtscp", "mov r8d, ecx";
    rdpmc: "xor ecx, ecx", "rdpmc";
    xgetbv: "xor ecx, ecx", "xgetbv", "mov r8d, eax";
    xsetbv: "xor ecx, ecx", "xor edx, edx", "mov eax, 3", "xsetbv";
    stac: "stac";
    monitor: "xor ecx, ecx", "xor edx, edx", "mov rax, rdi", "monitor";
    mwait: "xor ecx, ecx", "xor eax, eax", "mwait";
    sysexit: "sysexit";
    sysret: "sysretq";
    rsm: ".byte 0x0f, 0xaa";
    vmcall: "vmcall";
}

/// Switches XSAVE on and chooses x87 and SSE.
pub(super) const PREPARE: Code = prepare;
pub(super) const CLTS: Code = clts;
pub(super) const READ_CR0: Code = read_cr0;
pub(super) const FORCED_CPUID: Code = forced_cpuid;

/// The kernel's trap table has as many vectors, of 16 bytes each.
const IDT_LIMIT: u64 = 256 * size_of::<trap_info>() as u64 - 1;
/// End of the hypervisor's range.
const HYPERVISOR_END: u64 = 0xffff_8800_0000_0000;

fn is_guests(address: u64) -> bool {
    !(MACH2PHYS_VIRT_START..HYPERVISOR_END).contains(&address)
}

/// The privilege level that the code has on the bare machine.
fn level(s: &Seen) -> u64 {
    if s.user { 3 } else { 0 }
}

/// An instruction that shows and changes nothing by which it could differ.
fn always(_: &Seen) -> bool {
    true
}

/// The interrupt flag after an instruction that clears it in the kernel, and cannot in user mode.
fn is_cleared(s: &Seen) -> bool {
    (s.rflags & IF != 0) == s.user
}

const fn row(name: &'static str, code: Code, same: fn(&Seen) -> bool) -> Row {
    Row {
        name,
        code,
        same,
        calls: None,
    }
}

const fn calls(name: &'static str, code: Code, vector: u64) -> Row {
    Row {
        name,
        code,
        same: always,
        calls: Some(vector),
    }
}

pub(super) const ROWS: &[Row] = &[
    // What shows the processor's tables and registers.
    row("sgdt", sgdt, |s| {
        s.first == GDT_ENTRIES * 8 - 1 && is_guests(s.second)
    }),
    row("sidt", sidt, |s| {
        s.first == IDT_LIMIT && is_guests(s.second)
    }),
    // The kernel has an LDT, so a selector of its own GDT.
    row("sldt", sldt, |s| s.first != 0 && s.first < GDT_ENTRIES * 8),
    // It has no task-state segment.
    row("str", str, |s| s.first == 0),
    row("smsw", smsw, |s| s.first == s.cr0),
    // Of the flags.
    row("cli;pushf", pushf, |s| s.first & (IF | 0x3000) == 0),
    row("pushf", pushf_user, |s| s.first & (IF | 0x3000) == IF),
    row("popf-if", popf_if_off, is_cleared),
    row("popf-iopl", popf_iopl, |s| {
        s.first & 0x3000 == if s.user { 0 } else { 0x3000 }
    }),
    // Of descriptors: the kernel's own of level 0, and ones beyond the end of its table.
    row("lar", lar, |s| {
        (s.second == 0) == s.user && (s.user || s.first >> 13 & 3 == 0)
    }),
    row("lar-beyond", lar_hypervisor, |s| s.second == 0),
    row("lsl", lsl, |s| {
        s.second == 1 && s.first == u64::from(u32::MAX)
    }),
    row("lsl-beyond", lsl_hypervisor, |s| s.second == 0),
    row("verr", verr, |s| s.second == 1),
    row("verr-beyond", verr_hypervisor, |s| s.second == 0),
    row("verw", verw, |s| s.second == 1),
    row("verw-beyond", verw_hypervisor, |s| s.second == 0),
    // Segment registers.
    row("mov-from-cs", mov_from_cs, |s| s.first & 3 == level(s)),
    row("mov-from-ss", mov_from_ss, |s| s.first & 3 == level(s)),
    row("mov-from-ds", mov_from_ds, |s| s.first == 0),
    row("mov-to-ds", mov_to_ds, |s| s.first == 0x0b),
    row("mov-to-ds-level0", mov_to_ds_level0, |s| {
        !s.user && s.first == 0x10
    }),
    row("mov-to-ss-level0", mov_to_ss_level0, |s| !s.user),
    row("push-fs", push_fs, |s| s.first & 0xffff == 0x0b),
    row("pop-fs", pop_fs, |s| s.first == 0x0b),
    row("pop-gs", pop_gs, |s| s.first == 0x0b),
    row("lfs", lfs, |s| s.first == 0x0b),
    row("lss-level0", lss_level0, |s| !s.user),
    // Far transfers: the kernel may go to code of level 0, and to level 3 only by a return.
    row("call-far", call_far, |s| s.user && s.first & 3 == 3),
    row("call-far-level0", call_far_level0, |s| {
        !s.user && s.first & 3 == 0
    }),
    row("call-gate", call_gate, always),
    row("jmp-far-level0", jmp_far_level0, |s| {
        !s.user && s.first == 0x28
    }),
    row("ret-far", ret_far, |s| s.user && s.first == 0x1b),
    row("ret-far-level0", ret_far_level0, |s| {
        !s.user && s.first == 0x28
    }),
    row("iret", iret, |s| s.user && s.rflags & IF != 0),
    row("iret-level0", iret_level0, |s| {
        !s.user && s.rflags & IF == 0
    }),
    calls("int3", int3, 3),
    calls("int-0x21", int21, 0x21),
    calls("int-0x80", int80, 0x80),
    // Privileged ones.
    row("cli", cli, |s| s.rflags & IF == 0),
    row("sti", sti, |s| s.rflags & IF != 0),
    row("hlt", hlt, always),
    row("mov-from-cr0", read_cr0, |s| s.first == s.cr0),
    row("mov-from-cr2", read_cr2, always),
    row("mov-from-cr3", read_cr3, always),
    row("mov-from-cr4", read_cr4, always),
    row("mov-from-cr8", read_cr8, always),
    row("mov-to-cr0", write_cr0, always),
    row("mov-to-cr2", write_cr2, |s| s.first == 0x1230),
    row("mov-to-cr3", write_cr3, always),
    row("mov-to-cr4", write_cr4, always),
    row("mov-to-cr8", write_cr8, always),
    row("mov-from-dr7", read_dr7, |s| s.first == 0x400),
    row("mov-to-dr7", write_dr7, always),
    row("clts", clts, always),
    row("lmsw", lmsw, always),
    row("invlpg", invlpg, always),
    row("invd", invd, always),
    row("wbinvd", wbinvd, always),
    row("lgdt", lgdt, always),
    row("lidt", lidt, always),
    row("lldt", lldt, always),
    row("ltr", ltr, always),
    row("rdmsr", rdmsr, |s| s.first & 0xd01 == 0xd01),
    row("wrmsr", wrmsr, |s| s.first == 0x5000),
    row("rdfsbase", rdfsbase, |s| s.first == 0x6000),
    row("rdgsbase", rdgsbase, |s| s.first == 0x7000),
    row("swapgs", swapgs, always),
    row("in", in_al, always),
    row("out", out_al, always),
    row("ins", insb, always),
    row("outs", outsb, always),
    row("cpuid", cpuid, |s| s.first == s.cpuid),
    row("forced-cpuid", forced_cpuid, |s| s.first == s.cpuid),
    row("rdtsc", rdtsc, always),
    row("rdtscp", rdtscp, |s| s.first == 0),
    row("rdpmc", rdpmc, always),
    row("xgetbv", xgetbv, |s| s.first == 3),
    row("xsetbv", xsetbv, always),
    row("stac", stac, always),
    row("monitor", monitor, always),
    row("mwait", mwait, always),
    row("sysexit", sysexit, always),
    row("sysret", sysret, always),
    row("rsm", rsm, always),
    row("vmcall", vmcall, always),
];

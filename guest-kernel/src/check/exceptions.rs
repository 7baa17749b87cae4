//! Exceptions in kernel mode, as the kernel's handlers see them, and what privileged
//! instructions do.

use super::page::{HOLE, NON_CANONICAL, UNMAPPED};
use super::probe::{Code, attempt, code, place, report};
use super::{Check, Report};
use hypercall_abi::arch_x86_64::{FLAT_KERNEL_CS, MACH2PHYS_VIRT_START, trap_info};

pub(super) const CHECKS: &[Check] = &[
    ("exceptions", exceptions),
    ("page_faults", page_faults),
    ("software_interrupts", software_interrupts),
    ("privileged", privileged),
    ("trap_table", trap_table),
];

/// An address in the hypervisor's range where no hypervisor has anything: error codes would tell.
const NOTHING: u64 = 0xffff_8100_0000_0000;

code! {
    nop: "nop";
    ud2: "ud2";
    int3: "int3";
    divide: "xor ecx, ecx", "div ecx";
    single_step: "pushfq", "or qword ptr [rsp], 0x100", "popfq", "nop", "nop";
    icebp: ".byte 0xf1";
    alignment_flags: "pushfq", "or qword ptr [rsp], 0x44400", "popfq", "ud2";
    odd_stack: "mov rax, rsp", "sub rsp, 13", "ud2";
    bad_segment: "mov eax, 0x1234", "mov ds, eax";
    bad_stack_segment: "mov eax, 0x1234", "mov ss, eax";
    read: "mov rax, [rdi]";
    write: "mov dword ptr [rdi], 1";
    execute: "jmp rdi";
    read_by_stack: "push rbp", "mov rbp, rdi", "mov rax, [rbp]", "pop rbp";
    int20: "int 0x20";
    int21: "int 0x21";
    int80: "int 0x80";
    into_range: "int 0xff";
    cli: "cli";
    sti: "sti";
    hlt_with_prefix: ".byte 0xf0, 0xf4";
    clts: "clts";
    invd: "invd";
    wbinvd: "wbinvd";
    invlpg: "invlpg [rdi]";
    swapgs: "swapgs";
    rdpmc: "xor ecx, ecx", "rdpmc";
    vmcall: "vmcall";
    vmmcall: "vmmcall";
    sysexit: "sysexit";
    sysret: "sysretq";
    ltr: "xor eax, eax", "ltr ax";
    lldt: "xor eax, eax", "lldt ax";
    lgdt: "lgdt [rdi]";
    lidt: "lidt [rdi]";
    write_cr8: "xor eax, eax", "mov cr8, rax";
    read_cr8: "mov rax, cr8";
    read_cr0: "mov rax, cr0";
    read_cr1: ".byte 0x0f, 0x20, 0xc8";
    write_cr2: "mov rax, 0x4321", "mov cr2, rax";
    write_cr3_zero: "xor eax, eax", "mov cr3, rax";
    read_dr7: "mov rax, dr7";
    rdmsr_unknown: "mov ecx, 0x12345", "rdmsr";
    wrmsr_unknown: "mov ecx, 0x12345", "xor eax, eax", "xor edx, edx", "wrmsr";
    in_post: "in al, 0x80";
    out_post: "out 0x80, al";
    monitor: "xor ecx, ecx", "xor edx, edx", "lea rax, [rsp - 64]", "monitor";
    cpuid: "push rbx", "xor eax, eax", "cpuid", "pop rbx";
    rdtsc: "rdtsc";
    rdtscp: "rdtscp";
    getsec: ".byte 0x0f, 0x37";
    rsm: ".byte 0x0f, 0xaa";
}

/// Runs each piece with its argument, with events let through.
fn run(r: &mut Report, cases: &[(&str, Code, u64)]) {
    for &(key, code, arg) in cases {
        let hit = attempt(code, arg, false);
        report(r, key, place(code), hit);
    }
}

fn exceptions(r: &mut Report) {
    let cases: [(&str, Code, u64); 11] = [
        ("nothing", nop, 0),
        ("ud2", ud2, 0),
        ("int3", int3, 0),
        ("divide", divide, 0),
        ("single_step", single_step, 0),
        ("icebp", icebp, 0),
        ("flags", alignment_flags, 0),
        ("odd_stack", odd_stack, 0),
        ("data_segment", bad_segment, 0),
        ("stack_segment", bad_stack_segment, 0),
        ("ud2_again", ud2, 0),
    ];
    run(r, &cases);
    for (key, code) in [("masked_ud2", ud2 as Code), ("masked_int3", int3)] {
        let hit = attempt(code, 0, true);
        report(r, key, place(code), hit);
    }
}

fn page_faults(r: &mut Report) {
    let text = place(nop);
    let m2p = MACH2PHYS_VIRT_START;
    let stack = super::page::Page::new();
    let cases: [(&str, Code, u64); 15] = [
        ("read", read, UNMAPPED),
        ("write", write, UNMAPPED),
        ("execute", execute, UNMAPPED),
        ("write_text", write, text),
        ("execute_data", execute, stack.va()),
        ("read_hypervisor", read, NOTHING),
        ("write_hypervisor", write, NOTHING),
        ("execute_hypervisor", execute, NOTHING),
        ("read_m2p", read, m2p),
        ("write_m2p", write, m2p),
        ("read_non_canonical", read, NON_CANONICAL),
        ("write_non_canonical", write, NON_CANONICAL),
        ("execute_non_canonical", execute, NON_CANONICAL),
        ("stack_non_canonical", read_by_stack, NON_CANONICAL),
        ("read_top", read, u64::MAX - 7),
    ];
    for (key, code, arg) in cases {
        let hit = attempt(code, arg, false);
        // Addresses that depend on where things lie are told by name.
        let hit = hit.map(|mut hit| {
            if hit.address == arg {
                hit.address = 1;
            }
            if hit.frame.rip == arg {
                hit.frame.rip = 1;
            }
            hit
        });
        report(r, key, place(code), hit);
    }
}

fn software_interrupts(r: &mut Report) {
    let cases: [(&str, Code, u64); 4] = [
        ("int20", int20, 0),
        ("int21", int21, 0),
        ("int80", int80, 0),
        ("int255", into_range, 0),
    ];
    run(r, &cases);
}

fn privileged(r: &mut Report) {
    let mut descriptor = [0_u8; 16];
    let table = descriptor.as_mut_ptr() as u64;
    let cases: [(&str, Code, u64); 35] = [
        ("cli", cli, 0),
        ("sti", sti, 0),
        ("lock_hlt", hlt_with_prefix, 0),
        ("clts", clts, 0),
        ("invd", invd, 0),
        ("wbinvd", wbinvd, 0),
        ("invlpg", invlpg, UNMAPPED),
        ("swapgs", swapgs, 0),
        ("rdpmc", rdpmc, 0),
        ("vmcall", vmcall, 0),
        ("vmmcall", vmmcall, 0),
        ("sysexit", sysexit, 0),
        ("sysret", sysret, 0),
        ("ltr", ltr, 0),
        ("lldt", lldt, 0),
        ("lgdt", lgdt, table),
        ("lidt", lidt, table),
        ("read_cr0", read_cr0, 0),
        ("read_cr1", read_cr1, 0),
        ("write_cr2", write_cr2, 0),
        ("write_cr3_zero", write_cr3_zero, 0),
        ("read_cr8", read_cr8, 0),
        ("write_cr8", write_cr8, 0),
        ("read_dr7", read_dr7, 0),
        ("rdmsr", rdmsr_unknown, 0),
        ("wrmsr", wrmsr_unknown, 0),
        ("in", in_post, 0),
        ("out", out_post, 0),
        ("monitor", monitor, 0),
        ("cpuid", cpuid, 0),
        ("rdtsc", rdtsc, 0),
        ("rdtscp", rdtscp, 0),
        ("getsec", getsec, 0),
        ("rsm", rsm, 0),
        ("nothing", nop, 0),
    ];
    run(r, &cases);
}

/// A gate to the kernel's own stub for `vector`.
fn gate(vector: u8, flags: u8, address: u64) -> trap_info {
    trap_info {
        vector,
        flags,
        cs: FLAT_KERNEL_CS,
        _pad0: [0; 4],
        address,
    }
}

fn trap_table(r: &mut Report) {
    use super::page::{BAD_ADDRESSES, call};
    use hypercall_abi::xen::__HYPERVISOR_set_trap_table;
    let last = gate(0, 0, 0);
    let stub = |vector: u8| crate::trap::stub(vector);
    let set = |table: &[trap_info]| {
        let args = [table.as_ptr() as u64, 0, 0, 0, 0];
        // SAFETY: the tables name this kernel's own handlers, and the usual table follows.
        unsafe { call(__HYPERVISOR_set_trap_table, args) }
    };
    for (key, at) in BAD_ADDRESSES {
        // SAFETY: nothing can be read there.
        r.result(key, unsafe {
            call(__HYPERVISOR_set_trap_table, [at, 0, 0, 0, 0])
        });
    }
    r.result("empty", set(&[last]));
    r.result("non_canonical", set(&[gate(0x30, 0, NON_CANONICAL), last]));
    r.result("hypervisor", set(&[gate(0x30, 0, HOLE), last]));
    let null_selector = trap_info {
        cs: 0,
        ..gate(0x30, 0, stub(0x30))
    };
    r.result("null_selector", set(&[null_selector, last]));
    for (key, flags) in [
        ("dpl0", 0),
        ("dpl1", 1),
        ("dpl2", 2),
        ("dpl3", 3),
        ("dpl3_mask", 7),
    ] {
        r.result(key, set(&[gate(0x80, flags, stub(0x80)), last]));
        let hit = attempt(int80, 0, false);
        report(r, key, place(int80), hit);
    }
    for (key, flags) in [("ud_plain", 0), ("ud_mask", 4)] {
        r.result(key, set(&[gate(6, flags, stub(6)), last]));
        let hit = attempt(ud2, 0, false);
        report(r, key, place(ud2), hit);
    }
    // SAFETY: no table at all: all handlers are forgotten until the usual table is set again.
    r.result("none", unsafe { call(__HYPERVISOR_set_trap_table, [0; 5]) });
    r.outcome("usual", crate::trap::init().map(|()| 0));
    let hit = attempt(ud2, 0, false);
    report(r, "usual_ud2", place(ud2), hit);
}

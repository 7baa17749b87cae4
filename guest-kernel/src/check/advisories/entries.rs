//! Advisories about entries, exceptions, emulated instructions and the vCPU's own state.

use super::super::page::*;
use super::super::probe::{Code, attempt, code, iret, multicall_iret, place, report};
use super::super::{Check, Report};
use super::leaving::User;
use crate::hypercall::{self, HvResult};
use crate::mm::paging::{self, pte};
use hypercall_abi::arch_x86_64::*;
use hypercall_abi::callback::*;
use hypercall_abi::version::XENVER_version;
use hypercall_abi::xen::*;

pub(in super::super) const CHECKS: &[Check] = &[
    ("xsa_7_end_of_addresses", end_of_addresses),
    ("xsa_8_sysenter_without_callback", sysenter_without_callback),
    ("xsa_12_dr7_high_half", dr7_high_half),
    ("xsa_44_nested_task", nested_task),
    ("xsa_53_xrstor_header", xrstor_header),
    ("xsa_54_xsetbv", xsetbv_values),
    ("xsa_123_overrides", overrides),
    ("xsa_183_stepped_sysenter", stepped_sysenter),
    ("xsa_193_base_msrs", base_msrs),
    ("xsa_200_cmpxchg8b", cmpxchg8b_to_table),
    ("xsa_213_list_behind_iret", list_behind_iret),
    ("xsa_259_int80_without_gate", int80_without_gate),
    ("xsa_260_mov_ss", mov_ss),
    ("xsa_265_icebp", icebp_everywhere),
    ("xsa_339_one_fault", one_fault),
    ("xsa_351_energy", energy),
    ("xsa_444_address_masks", address_masks),
];

code! {
    ud2: "ud2";
    nop: "nop", "nop", "ud2";
    syscall: "syscall", "ud2";
    sysenter: "sysenter", "ud2";
    int80: "int 0x80", "ud2";
    icebp: ".byte 0xf1", "ud2";
    rdmsr: "mov ecx, edi", "rdmsr";
    // Writes back what it read, so that nothing changes where it is let.
    wrmsr_same: "mov ecx, edi", "rdmsr", "wrmsr";
    wrmsr_all_ones: "mov ecx, edi", "mov eax, -1", "mov edx, -1", "wrmsr";
    xsetbv: "mov eax, edi", "mov rdx, rdi", "shr rdx, 32", "xor ecx, ecx", "xsetbv";
    xsetbv1: "mov eax, 7", "xor edx, edx", "mov ecx, 1", "xsetbv";
    xrstor: "mov eax, -1", "mov edx, -1", "xrstor [rdi]";
    cli_gs: ".byte 0x65, 0xfa";
    read_cr2_lock: ".byte 0xf0, 0x0f, 0x20, 0xd0";
    read_cr2_memory_form: ".byte 0x0f, 0x20, 0x10";
    invlpg_register: ".byte 0x0f, 0x01, 0xf8 | 0x7, 0x0f, 0x0b";
    rdmsr_fs: "mov ecx, 0x12345", ".byte 0x64, 0x0f, 0x32";
    in_fs: ".byte 0x64, 0xe4, 0x80";
    wbinvd_66: ".byte 0x66, 0x0f, 0x09";
    cmpxchg8b_66: "xor eax, eax", "xor edx, edx", "push rbx", "xor ebx, ebx", "xor ecx, ecx",
        ".byte 0x66, 0x0f, 0xc7, 0x0f", "pop rbx";
    cmpxchg16b: "xor eax, eax", "xor edx, edx", "push rbx", "xor ebx, ebx", "xor ecx, ecx",
        "lock cmpxchg16b [rdi]", "pop rbx";
    store_unaligned: "mov qword ptr [rdi + 4], 0";
    mov_ss_int80: "mov ss, [rdi]", "int 0x80", "ud2";
    mov_ss_int3: "mov ss, [rdi]", "int3", "ud2";
    mov_ss_icebp: "mov ss, [rdi]", ".byte 0xf1", "ud2";
    mov_ss_syscall: "mov eax, 17", "mov r8, rdi", "xor edi, edi", "xor esi, esi",
        "mov ss, [r8]", "syscall", "ud2";
    mov_ss_ud2: "mov ss, [rdi]", "ud2";
    pop_ss_step: "mov ecx, [rdi]", "pushfq", "or qword ptr [rsp], 0x100", "popfq",
        "mov ss, ecx", "nop", "nop", "ud2";
}

fn numbers(nr: u64, args: [u64; 3]) -> HvResult {
    // SAFETY: the calls made here change registers that this kernel does not use, or that the
    // check restores.
    unsafe { call(nr, [args[0], args[1], args[2], 0, 0]) }
}

/// Runs each piece in kernel mode.
fn run(r: &mut Report, cases: &[(&str, Code, u64)]) {
    for &(key, code, arg) in cases {
        let hit = attempt(code, arg, true);
        report(r, key, place(code), hit);
    }
}

/// Runs one piece in user mode.
fn run_user(r: &mut Report, key: &str, user: &User, code: Code, rflags: u64) {
    let mut frame = user.frame(code);
    frame.rflags = rflags;
    report(r, key, place(code), iret(&frame));
}

/// A `syscall` whose next instruction would lie where no address is.
fn end_of_addresses(r: &mut Report) {
    const LAST: u64 = 0x7fff_ffff_f000;
    // mov eax, 17; xor edi, edi; xor esi, esi; syscall
    const CODE: [u8; 11] = [0xb8, 17, 0, 0, 0, 0x31, 0xff, 0x31, 0xf6, 0x0f, 0x05];
    let pages = [(); 4].map(|()| Page::new());
    let [text, l1, l2, l3] = &pages;
    let mut end = [0_u8; 16];
    end[5..].copy_from_slice(&CODE);
    for (i, word) in end.chunks(8).enumerate() {
        text.write(
            510 + i,
            word.iter().rev().fold(0, |sum, &b| sum << 8 | u64::from(b)),
        );
    }
    l1.write(511, text.entry(pte::RX));
    l2.write(511, l1.entry(pte::TABLE));
    l3.write(511, l2.entry(pte::TABLE));
    for page in &pages {
        page.protect();
    }
    let slot = paging::boot_root().entry_address(255);
    r.result("link", update(slot, l3.entry(pte::TABLE), DOMID_SELF));
    let at = (LAST + 0xff5) as *const ();
    // SAFETY: the page just mapped there has the code of such a function, but for its end.
    let code = unsafe { core::mem::transmute::<*const (), Code>(at) };
    {
        let user = User::new();
        report(r, "user", LAST, iret(&user.frame(code)));
    }
    report(r, "kernel", LAST, attempt(code, 0, true));
    r.result("unlink", update(slot, 0, DOMID_SELF));
    extended(MMUEXT_TLB_FLUSH_LOCAL, 0, 0).expect("a flush is always right");
}

/// Unregisters a callback.
fn without(kind: u16) {
    let mut arg = callback_unregister {
        r#type: kind,
        _unused: 0,
    };
    let _ = hypercall::with_struct(__HYPERVISOR_callback_op, CALLBACKOP_unregister, &mut arg);
}

fn sysenter_without_callback(r: &mut Report) {
    let user = User::new();
    without(CALLBACKTYPE_sysenter);
    for key in ["first", "second"] {
        run_user(r, key, &user, sysenter, 2);
    }
    report(r, "kernel", place(sysenter), attempt(sysenter, 0, true));
}

/// Debug exceptions must not be armed by bits that 64-bit registers have and 32-bit ones have not.
fn dr7_high_half(r: &mut Report) {
    for bit in [32, 33, 47, 48, 63] {
        let result = numbers(__HYPERVISOR_set_debugreg, [7, 1 << bit, 0]);
        r.line(format_args!("dr7_bit{bit}={}", Shown(result)));
        let result = numbers(__HYPERVISOR_set_debugreg, [6, 1 << bit, 0]);
        r.line(format_args!("dr6_bit{bit}={}", Shown(result)));
    }
    numbers(__HYPERVISOR_set_debugreg, [7, 0, 0]).expect("breakpoints can be switched off");
    numbers(__HYPERVISOR_set_debugreg, [6, 0, 0]).expect("the status can be cleared");
}

/// With NT set, an `iret` in ring 0 would be a task switch.
fn nested_task(r: &mut Report) {
    const NT: u64 = 1 << 14;
    let user = User::new();
    for (key, code) in [
        ("sysenter", sysenter as Code),
        ("syscall", syscall),
        ("int80", int80),
        ("ud2", ud2),
        ("icebp", icebp),
    ] {
        run_user(r, key, &user, code, 2 | NT);
    }
}

/// Images that the processor refuses to load: the fault is the guest's.
fn xrstor_header(r: &mut Report) {
    let page = Page::new();
    numbers(__HYPERVISOR_fpu_taskswitch, [0, 0, 0]).expect("the FPU can be had");
    for (key, word, value) in [
        ("reserved_state", 64, 1 << 62),
        ("compacted", 65, 1 << 63),
        ("reserved_header", 67, 1),
        ("mxcsr", 3, 0xffff_ffff),
        ("empty", 64, 0),
    ] {
        page.write(word, value);
        report(r, key, place(xrstor), attempt(xrstor, page.va(), true));
        page.write(word, 0);
    }
    report(
        r,
        "misaligned",
        place(xrstor),
        attempt(xrstor, page.va() + 8, true),
    );
    report(
        r,
        "unmapped",
        place(xrstor),
        attempt(xrstor, UNMAPPED, true),
    );
    hypercall::deny_fpu().expect("the FPU can always be denied");
}

fn xsetbv_values(r: &mut Report) {
    for (key, value) in [
        ("zero", 0),
        ("no_x87", 6),
        ("avx_without_sse", 5),
        ("bit62", 1 << 62 | 7),
        ("all_ones", u64::MAX),
    ] {
        report(r, key, place(xsetbv), attempt(xsetbv, value, true));
    }
    report(r, "xcr1", place(xsetbv1), attempt(xsetbv1, 0, true));
}

/// Prefixes that mean memory on instructions that have none.
fn overrides(r: &mut Report) {
    run(
        r,
        &[
            ("cli_gs", cli_gs, 0),
            ("read_cr2_lock", read_cr2_lock, 0),
            ("read_cr2_memory_form", read_cr2_memory_form, 0),
            ("invlpg_register", invlpg_register, 0),
            ("rdmsr_fs", rdmsr_fs, 0),
            ("in_fs", in_fs, 0),
            ("wbinvd_66", wbinvd_66, 0),
        ],
    );
}

fn stepped_sysenter(r: &mut Report) {
    const TF: u64 = 1 << 8;
    let user = User::new();
    for (key, code) in [
        ("sysenter", sysenter as Code),
        ("syscall", syscall),
        ("int80", int80),
    ] {
        run_user(r, key, &user, code, 2 | TF);
        run_user(r, "then_ud2", &user, ud2, 2);
    }
}

/// The MSRs of segment bases with addresses that are none.
fn base_msrs(r: &mut Report) {
    for (key, msr) in [
        ("fs", 0xc000_0100),
        ("gs", 0xc000_0101),
        ("shadow_gs", 0xc000_0102),
    ] {
        report(
            r,
            key,
            place(wrmsr_all_ones),
            attempt(wrmsr_all_ones, msr, true),
        );
        let which = match key {
            "fs" => SEGBASE_FS,
            "gs" => SEGBASE_GS_KERNEL,
            _ => SEGBASE_GS_USER,
        };
        for bit in [47, 48, 63] {
            let set = numbers(
                __HYPERVISOR_set_segment_base,
                [u64::from(which), 1 << bit, 0],
            );
            r.line(format_args!("{key}_bit{bit}={}", Shown(set)));
        }
        numbers(__HYPERVISOR_set_segment_base, [u64::from(which), 0, 0]).expect("0 is canonical");
    }
}

/// Writes to a page table of other forms than one aligned word. Not a `cmpxchg8b` without that
/// prefix, nor half a word, which Xen emulates and Paravane refuses by design.
fn cmpxchg8b_to_table(r: &mut Report) {
    let assist = |cmd: u32| {
        let kind = u64::from(VMASST_TYPE_writable_pagetables);
        numbers(__HYPERVISOR_vm_assist, [u64::from(cmd), kind, 0])
    };
    let table = Page::read_only();
    extended(MMUEXT_PIN_L1_TABLE, table.mfn(), 0).expect("an empty page is a table");
    for (name, cmd) in [
        ("assisted", VMASST_CMD_enable),
        ("plain", VMASST_CMD_disable),
    ] {
        r.line(format_args!("{name}={}", Shown(assist(cmd))));
        for (key, code) in [
            ("cmpxchg8b_66", cmpxchg8b_66 as Code),
            ("cmpxchg16b", cmpxchg16b),
            ("store_unaligned", store_unaligned),
        ] {
            let hit = attempt(code, table.va(), true).map(|mut hit| {
                hit.address = hit.address.wrapping_sub(table.va());
                hit
            });
            report(r, key, place(code), hit);
        }
    }
    extended(MMUEXT_UNPIN_TABLE, table.mfn(), 0).expect("a pinned table can be unpinned");
}

/// Nothing that stands behind an `iret` in a list is done.
fn list_behind_iret(r: &mut Report) {
    let entry = |op: u64, args: [u64; 6]| multicall_entry {
        op,
        result: 0x5555,
        args,
    };
    let page = Page::new();
    let unmap = [page.va(), 0, 0, 0, 0, 0];
    let version = [u64::from(XENVER_version), 0, 0, 0, 0, 0];
    let user = User::new();
    let mut frame = user.frame(ud2);
    frame.rsp = page.va() + 2048;
    for (key, cs) in [("user", FLAT_USER_CS), ("kernel", FLAT_KERNEL_CS & !3)] {
        frame.cs = u64::from(cs);
        let mut list = [
            entry(__HYPERVISOR_iret, [0; 6]),
            entry(__HYPERVISOR_update_va_mapping, unmap),
            entry(__HYPERVISOR_iret, [0; 6]),
            entry(__HYPERVISOR_xen_version, version),
        ];
        let hit = multicall_iret(&frame, &mut list);
        report(r, key, place(ud2), hit);
        r.line(format_args!(
            "{key}_behind={:#x},{:#x},{:#x} mapped={}",
            list[1].result,
            list[2].result,
            list[3].result,
            page.is_itself()
        ));
    }
}

/// All handlers but that of `int 0x80`.
fn int80_without_gate(r: &mut Report) {
    let user = User::new();
    numbers(__HYPERVISOR_set_trap_table, [0; 3]).expect("handlers can be forgotten");
    let gate = |vector: u8| trap_info {
        vector,
        flags: 4,
        cs: FLAT_KERNEL_CS,
        _pad0: [0; 4],
        address: crate::trap::stub(vector),
    };
    let mut table = [gate(0); 33];
    for (vector, entry) in (0..32).zip(table.iter_mut()) {
        *entry = gate(vector);
    }
    table[32].address = 0;
    let set = numbers(__HYPERVISOR_set_trap_table, [table.as_ptr() as u64, 0, 0]);
    r.result("table", set);
    for key in ["first", "second"] {
        report(r, key, place(int80), attempt(int80, 0, true));
        run_user(r, "user", &user, int80, 2);
    }
    r.outcome("usual", crate::trap::init().map(|()| 0));
    report(r, "with_gate", place(int80), attempt(int80, 0, true));
}

/// A breakpoint on the word that `mov ss` loads is held back until after the next instruction,
/// which enters the hypervisor.
fn mov_ss(r: &mut Report) {
    let page = Page::new();
    page.write(0, u64::from(FLAT_KERNEL_SS));
    let set = |register: u64, value: u64| numbers(__HYPERVISOR_set_debugreg, [register, value, 0]);
    for (key, code) in [
        ("int80", mov_ss_int80 as Code),
        ("int3", mov_ss_int3),
        ("icebp", mov_ss_icebp),
        ("syscall", mov_ss_syscall),
        ("ud2", mov_ss_ud2),
        ("step", pop_ss_step),
    ] {
        set(6, 0).expect("the status can be cleared");
        set(0, page.va()).expect("own memory can be watched");
        // Reads and writes of four bytes.
        set(7, 0xf_0402).expect("a breakpoint can be armed");
        let hit = attempt(code, page.va(), true);
        set(7, 0).expect("breakpoints can be switched off");
        report(r, key, place(code), hit);
        let status = numbers(__HYPERVISOR_get_debugreg, [6, 0, 0]);
        r.line(format_args!(
            "{key}_status={}",
            Shown(status.map(|bits| bits & 0xffff_ffff))
        ));
        // And nothing is left of it.
        report(r, "then_ud2", place(ud2), attempt(ud2, 0, true));
    }
    for register in [6, 0] {
        set(register, 0).expect("debug registers can be cleared");
    }
}

fn icebp_everywhere(r: &mut Report) {
    let user = User::new();
    for (key, rflags) in [("plain", 2), ("stepped", 0x102), ("resumed", 0x1_0002)] {
        run_user(r, key, &user, icebp, rflags);
        report(r, "kernel", place(icebp), attempt(icebp, 0, true));
    }
}

fn msrs(r: &mut Report, list: &[(&str, u64)]) {
    for &(key, msr) in list {
        report(r, key, place(rdmsr), attempt(rdmsr, msr, true));
        report(
            r,
            "write",
            place(wrmsr_same),
            attempt(wrmsr_same, msr, true),
        );
    }
}

/// A refused `sysenter` is told once: the next exception is its own.
fn one_fault(r: &mut Report) {
    let user = User::new();
    without(CALLBACKTYPE_sysenter);
    for code in [ud2 as Code, syscall, int80, nop] {
        run_user(r, "sysenter", &user, sysenter, 2);
        run_user(r, "then", &user, code, 2);
        report(r, "kernel", place(nop), attempt(nop, 0, true));
    }
}

fn energy(r: &mut Report) {
    msrs(
        r,
        &[
            ("unit", 0x606),
            ("package", 0x611),
            ("dram", 0x619),
            ("core", 0x639),
            ("graphics", 0x641),
            ("platform", 0x64d),
            ("amd_unit", 0xc001_0299),
            ("amd_core", 0xc001_029a),
            ("amd_package", 0xc001_029b),
        ],
    );
}

/// Masks that widen a breakpoint into the hypervisor's range, and breakpoints there.
fn address_masks(r: &mut Report) {
    msrs(
        r,
        &[
            ("mask0", 0xc001_1027),
            ("mask1", 0xc001_1019),
            ("mask2", 0xc001_101a),
            ("mask3", 0xc001_101b),
        ],
    );
    for (key, at) in [
        ("start", HYPERVISOR_VIRT_START),
        ("end", HYPERVISOR_VIRT_END - 1),
    ] {
        for register in 0..4 {
            let set = numbers(__HYPERVISOR_set_debugreg, [register, at, 0]);
            r.line(format_args!("{key}{register}={}", Shown(set)));
        }
    }
}

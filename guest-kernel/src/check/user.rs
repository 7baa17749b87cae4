//! Leaving by `iret`, to user mode and back to kernel mode, and what comes back: exceptions,
//! system calls and software interrupts of ring 3.

use super::page::*;
use super::probe::{Code, code, iret, place, report};
use super::{Check, Report};
use crate::hypercall;
use crate::mm::{p2m, paging};
use hypercall_abi::arch_x86_64::*;
use hypercall_abi::callback::*;
use hypercall_abi::xen::*;

pub(super) const CHECKS: &[Check] = &[
    ("user_entries", entries),
    ("user_flags", flags),
    ("user_selectors", selectors),
    ("user_addresses", addresses),
    ("user_registers", registers),
    ("user_callbacks", callbacks),
];

code! {
    syscall: "syscall";
    syscall_ud2: "syscall", "ud2";
    ud2: "ud2";
    int3: "int3";
    int80: "int 0x80";
    int20: "int 0x20";
    read: "mov rax, [rax]";
    write: "mov [rax], rax";
    execute: "jmp rax";
    cli: "cli";
    hlt: "hlt";
    read_cr0: "mov rax, cr0";
    rdmsr: "mov ecx, 0x1b", "rdmsr";
    in_post: "in al, 0x80";
    sysenter: "sysenter";
    divide: "xor ecx, ecx", "div ecx";
    step: "nop", "nop", "ud2";
    read_gs: "mov rax, gs:[0]", "ud2";
}

/// A place in user mode: the boot tables serve as user tables too, and a spare page as stack.
pub(crate) struct User {
    kernel_stack: Page,
    stack: Page,
}

impl User {
    pub(crate) fn new() -> Self {
        let root = p2m::mfn(paging::boot_root().0).0;
        extended(MMUEXT_NEW_USER_BASEPTR, root, 0).expect("the boot root is a root");
        let user = Self {
            kernel_stack: Page::new(),
            stack: Page::new(),
        };
        hypercall::stack_switch(FLAT_KERNEL_SS, user.kernel_stack.va() + 4096)
            .expect("a stack can be named");
        user
    }

    pub(crate) fn context(&self, code: Code) -> iret_context {
        iret_context {
            rax: UNMAPPED,
            r11: 0x1111,
            rcx: 0x2222,
            flags: 0,
            rip: place(code),
            cs: u64::from(FLAT_USER_CS),
            rflags: 0x202,
            rsp: self.stack.va() + 2048,
            ss: u64::from(FLAT_USER_SS),
        }
    }

    fn run(&self, r: &mut Report, key: &str, context: &iret_context) {
        let mut hit = iret(context);
        if let Some(hit) = &mut hit {
            // The user stack pointer and where the frame lies are told by relation.
            let kept = hit.frame.rsp == context.rsp;
            r.line(format_args!(
                "{key}_stack={kept} rcx={:#x} r11={:#x} rax={:#x}",
                near(hit.frame.rcx, context.rip),
                hit.frame.r11 & !0x8d5,
                hit.frame.rax
            ));
        }
        report(r, key, context.rip, hit);
    }
}

/// A value relative to `base` if it is near it.
fn near(value: u64, base: u64) -> u64 {
    let offset = value.wrapping_sub(base);
    if offset < 64 { offset } else { value }
}

impl Drop for User {
    fn drop(&mut self) {
        extended(MMUEXT_NEW_USER_BASEPTR, 0, 0).expect("the user root can be given up");
        hypercall::stack_switch(FLAT_KERNEL_SS, 0).expect("a stack can be named");
    }
}

fn entries(r: &mut Report) {
    let user = User::new();
    let cases: [(&str, Code); 16] = [
        ("syscall", syscall),
        ("ud2", ud2),
        ("int3", int3),
        ("int80", int80),
        ("int20", int20),
        ("read", read),
        ("write", write),
        ("execute", execute),
        ("cli", cli),
        ("hlt", hlt),
        ("read_cr0", read_cr0),
        ("rdmsr", rdmsr),
        ("in", in_post),
        ("sysenter", sysenter),
        ("divide", divide),
        ("step", step),
    ];
    for (key, code) in cases {
        user.run(r, key, &user.context(code));
    }
    for (key, address) in [
        ("read_hypervisor", 0xffff_8100_0000_0000),
        ("read_m2p", MACH2PHYS_VIRT_START),
        ("read_non_canonical", NON_CANONICAL),
    ] {
        let mut context = user.context(read);
        context.rax = address;
        user.run(r, key, &context);
    }
}

fn flags(r: &mut Report) {
    let user = User::new();
    for (key, rflags) in [
        ("zero", 0),
        ("interrupts_off", 2),
        ("all", 0x3f_7fd5 & !0x100),
        ("nested_task", 0x4202),
        ("iopl", 0x3202),
        ("virtual_8086", 0x2_0202),
        ("alignment", 0x4_0202),
        ("resume", 0x1_0202),
        ("virtual_interrupt", 0x18_0202),
        ("identification", 0x20_0202),
        ("direction", 0x602),
        ("reserved", 0x802a),
        ("high", 0xffff_ffff_0000_0202),
    ] {
        let mut context = user.context(ud2);
        context.rflags = rflags;
        user.run(r, key, &context);
    }
    let mut context = user.context(step);
    context.rflags = 0x302;
    user.run(r, "single_step", &context);
    let mut context = user.context(syscall);
    context.rflags = 0x202 | 0x20_0000;
    user.run(r, "syscall_identification", &context);
}

fn selectors(r: &mut Report) {
    let user = User::new();
    let flat = u64::from(FLAT_USER_SS);
    for (key, cs, ss) in [
        ("kernel_cs_rpl0", u64::from(FLAT_KERNEL_CS) & !3, flat),
        ("kernel_cs_rpl1", u64::from(FLAT_KERNEL_CS) & !3 | 1, flat),
        ("compatibility", u64::from(FLAT_RING3_CS32), flat),
        ("ss_null", u64::from(FLAT_USER_CS), 0),
        ("ss_guest_null", u64::from(FLAT_USER_CS), 3),
        ("cs_bad", 0x123, flat),
        ("cs_null", 3, flat),
        ("cs_data", flat, flat),
        ("ss_code", u64::from(FLAT_USER_CS), u64::from(FLAT_USER_CS)),
        ("ss_bad", u64::from(FLAT_USER_CS), 0x123),
        (
            "cs_high_bits",
            0x1_0000_0000 | u64::from(FLAT_USER_CS),
            flat,
        ),
    ] {
        let mut context = user.context(ud2);
        context.cs = cs;
        context.ss = ss;
        user.run(r, key, &context);
    }
}

fn addresses(r: &mut Report) {
    let user = User::new();
    for (key, rip) in [
        ("unmapped", UNMAPPED),
        ("non_canonical", NON_CANONICAL),
        ("hypervisor", 0xffff_8100_0000_0000),
        ("last_canonical", 0x7fff_ffff_ffff),
    ] {
        for (name, flags) in [("", 0), ("_syscall", VGCF_in_syscall)] {
            let mut context = user.context(ud2);
            context.rip = rip;
            context.flags = flags;
            let mut hit = iret(&context);
            if let Some(hit) = &mut hit
                && hit.frame.vector == 14
                && hit.address == rip
            {
                hit.address = 1;
            }
            r.line(format_args!("{key}{name}=entered"));
            report(r, "where", rip, hit);
        }
    }
    let mut context = user.context(ud2);
    context.rsp = NON_CANONICAL;
    user.run(r, "stack_non_canonical", &context);
    context.rsp = HOLE;
    user.run(r, "stack_hypervisor", &context);
}

fn registers(r: &mut Report) {
    let user = User::new();
    for (key, flags) in [("iret", 0), ("sysret", VGCF_in_syscall), ("all_flags", !0)] {
        for (name, code) in [("syscall", syscall as Code), ("ud2", ud2)] {
            let mut context = user.context(code);
            context.flags = flags;
            r.line(format_args!("{key}_{name}=entered"));
            user.run(r, name, &context);
        }
    }
    user.stack.write(0, 0x77);
    // SAFETY: the base serves user mode only.
    let base = unsafe {
        call(
            __HYPERVISOR_set_segment_base,
            [u64::from(SEGBASE_GS_USER), user.stack.va(), 0, 0, 0],
        )
    };
    r.result("gs_base", base);
    user.run(r, "gs", &user.context(read_gs));
    // SAFETY: as above.
    let base = unsafe {
        call(
            __HYPERVISOR_set_segment_base,
            [u64::from(SEGBASE_GS_USER), 0, 0, 0, 0],
        )
    };
    r.result("gs_base_zero", base);
}

fn callbacks(r: &mut Report) {
    let user = User::new();
    let handler = crate::trap::stub(0x55);
    for (key, kind, code) in [
        ("syscall", CALLBACKTYPE_syscall, syscall as Code),
        ("sysenter", CALLBACKTYPE_sysenter, sysenter),
        ("failsafe", CALLBACKTYPE_failsafe, ud2),
        ("syscall32", CALLBACKTYPE_syscall32, syscall_ud2),
    ] {
        for flags in [0, CALLBACKF_mask_events] {
            let registered = hypercall::register_callback(kind, handler, flags);
            r.line(format_args!("{key}{flags}={}", Shown(registered)));
            user.run(r, key, &user.context(code));
        }
        let mut arg = callback_unregister {
            r#type: kind,
            _unused: 0,
        };
        let gone =
            hypercall::with_struct(__HYPERVISOR_callback_op, CALLBACKOP_unregister, &mut arg);
        r.line(format_args!("{key}_gone={}", Shown(gone)));
    }
    r.outcome("usual", crate::trap::init().map(|()| 0));
    user.run(r, "usual", &user.context(syscall));
}

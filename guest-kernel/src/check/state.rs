//! The vCPU's own state: debug registers, segment bases, FPU, stack, callbacks, VM assists.

use super::page::*;
use super::probe::{Code, attempt, code, place, report};
use super::{Check, Report};
use crate::hypercall::{HvResult, with_struct};
use hypercall_abi::arch_x86_64::*;
use hypercall_abi::callback::*;
use hypercall_abi::xen::*;

pub(super) const CHECKS: &[Check] = &[
    ("debugreg", debugreg),
    ("segment_base", segment_base),
    ("fpu_taskswitch", fpu_taskswitch),
    ("stack_switch", stack_switch),
    ("callback_op", callback_op),
    ("set_callbacks", set_callbacks),
    ("vm_assist", vm_assist),
];

code! {
    fpu: "fnop";
    read_gs: "mov rax, gs:[0]";
    read_fs: "mov rax, fs:[0]";
    gs_to_argument: "mov rax, gs:[0]", "mov [rdi], rax";
    fs_to_argument: "mov rax, fs:[0]", "mov [rdi], rax";
    null_gs: "xor eax, eax", "mov gs, ax";
    watched_write: "mov dword ptr [rdi], 5", "nop";
    iopl_probe: "ud2";
}

/// A call whose arguments are numbers; it changes only what the check puts back.
fn numbers(nr: u64, args: [u64; 3]) -> HvResult {
    // SAFETY: the calls made here change registers that this kernel does not use, or that the
    // check restores.
    unsafe { call(nr, [args[0], args[1], args[2], 0, 0]) }
}

fn debugreg(r: &mut Report) {
    let set = |reg: u64, value: u64| numbers(__HYPERVISOR_set_debugreg, [reg, value, 0]);
    let get = |reg: u64| numbers(__HYPERVISOR_get_debugreg, [reg, 0, 0]);
    let show = |result: HvResult| result.map(|value| value & 0xffff_ffff);
    for reg in [0, 1, 2, 3, 4, 5, 6, 7, 8, u64::MAX, 1 << 32] {
        r.line(format_args!("get_{reg:#x}={}", Shown(show(get(reg)))));
    }
    let page = Page::new();
    let values = [
        ("dr0_user", 0, 0x1000),
        ("dr1_kernel", 1, page.va()),
        ("dr0_hypervisor", 0, HOLE),
        ("dr2_non_canonical", 2, NON_CANONICAL),
        ("dr3_all_ones", 3, u64::MAX),
        ("dr4", 4, 0),
        ("dr5", 5, 0),
        ("dr6_zero", 6, 0),
        ("dr6_all", 6, 0xffff_ffff),
        ("dr6_high", 6, 1 << 32),
        ("dr7_zero", 7, 0),
        ("dr7_reserved", 7, 0xffff),
        ("dr7_general_detect", 7, 0x2400),
        ("dr7_io", 7, 0x2_0402),
        ("dr7_high", 7, 1 << 32),
        ("dr7_local", 7, 0x401),
        ("dr7_exact", 7, 0x700),
        ("dr7_kinds_only", 7, 0xd_0400),
        ("dr7_io_only", 7, 0x2_0400),
        ("dr7_io_other", 7, 0x20_0402),
        ("dr7_off", 7, 0x400),
        ("dr8", 8, 0),
        ("dr_all_ones", u64::MAX, 0),
    ];
    for (key, reg, value) in values {
        let result = set(reg, value);
        let now = show(get(reg));
        if value == page.va() {
            r.line(format_args!(
                "{key}={} same={}",
                Shown(result),
                get(reg) == Ok(value)
            ));
        } else {
            r.line(format_args!("{key}={} now={}", Shown(result), Shown(now)));
        }
    }
    // What a breakpoint does: a write to the page is told, after it is made.
    let word = page.va();
    r.result("watch_address", set(0, word));
    r.result("watch_on", set(7, 0xd_0402));
    let hit = attempt(watched_write, word, false);
    report(r, "watched", place(watched_write), hit);
    r.line(format_args!(
        "status={} word={:#x}",
        Shown(show(get(6))),
        page.read(0)
    ));
    for (reg, value) in [(7, 0), (6, 0), (0, 0), (1, 0), (2, 0), (3, 0)] {
        r.line(format_args!("clear_{reg}={}", Shown(set(reg, value))));
    }
}

fn segment_base(r: &mut Report) {
    let set =
        |which: u32, base: u64| numbers(__HYPERVISOR_set_segment_base, [u64::from(which), base, 0]);
    let (page, out) = (Page::new(), Page::new());
    page.write(0, 0xabcd);
    let cases = [
        ("fs", SEGBASE_FS, fs_to_argument as Code),
        ("gs", SEGBASE_GS_KERNEL, gs_to_argument),
    ];
    for (key, which, code) in cases {
        r.line(format_args!("{key}={}", Shown(set(which, page.va()))));
        let hit = attempt(code, out.va(), false);
        report(r, key, place(code), hit);
        r.line(format_args!("{key}_word={:#x}", out.read(0)));
        out.write(0, 0);
        r.line(format_args!("{key}_zero={}", Shown(set(which, 0))));
    }
    for (key, base) in [
        ("hypervisor", HOLE),
        ("non_canonical", NON_CANONICAL),
        ("all_ones", u64::MAX),
    ] {
        for (name, which) in [
            ("fs", SEGBASE_FS),
            ("gs_user", SEGBASE_GS_USER),
            ("gs_kernel", SEGBASE_GS_KERNEL),
        ] {
            r.line(format_args!("{name}_{key}={}", Shown(set(which, base))));
        }
    }
    for (key, selector) in [
        ("null", 0),
        ("flat", u64::from(FLAT_USER_DS32)),
        ("bad", 0x123),
        ("wide", 0x1_0000),
    ] {
        r.line(format_args!(
            "selector_{key}={}",
            Shown(set(SEGBASE_GS_USER_SEL, selector))
        ));
    }
    r.result("unknown", set(4, 0));
    r.result("all_ones", set(u32::MAX, 0));
    for which in [
        SEGBASE_FS,
        SEGBASE_GS_USER,
        SEGBASE_GS_KERNEL,
        SEGBASE_GS_USER_SEL,
    ] {
        r.line(format_args!("reset_{which}={}", Shown(set(which, 0))));
    }
    let hit = attempt(null_gs, 0, false);
    report(r, "null_gs", place(null_gs), hit);
    for (key, code) in [("fs_now", read_fs as Code), ("gs_now", read_gs)] {
        let hit = attempt(code, 0, false);
        report(r, key, place(code), hit);
    }
}

fn fpu_taskswitch(r: &mut Report) {
    let set = |value: u64| numbers(__HYPERVISOR_fpu_taskswitch, [value, 0, 0]);
    for (key, value) in [("one", 1), ("zero", 0), ("five", 5), ("high", 1 << 32)] {
        r.line(format_args!("{key}={}", Shown(set(value))));
        for time in ["first", "second"] {
            let hit = attempt(fpu, 0, false);
            let vector = hit.map_or(0, |hit| hit.frame.vector);
            r.line(format_args!("{key}_{time}={vector}"));
        }
    }
    r.result("usual", set(1));
}

fn stack_switch(r: &mut Report) {
    let cases = [
        ("flat", u64::from(FLAT_KERNEL_SS), 0x1000),
        ("null", 0, 0x1000),
        ("rpl0", u64::from(FLAT_KERNEL_SS) & !3, 0x1000),
        ("code", u64::from(FLAT_KERNEL_CS), 0x1000),
        ("bad_selector", 0x123, 0x1000),
        ("wide_selector", 0x1_0000_e02b, 0x1000),
        ("hypervisor", u64::from(FLAT_KERNEL_SS), HOLE),
        ("non_canonical", u64::from(FLAT_KERNEL_SS), NON_CANONICAL),
        ("misaligned", u64::from(FLAT_KERNEL_SS), 0x1001),
        ("usual", u64::from(FLAT_KERNEL_SS), 0),
    ];
    for (key, ss, rsp) in cases {
        r.result(key, numbers(__HYPERVISOR_stack_switch, [ss, rsp, 0]));
    }
}

fn callback_op(r: &mut Report) {
    let handler = crate::trap::stub(6);
    for kind in 0..=8_u16 {
        for (key, address, flags) in [
            ("", handler, 0),
            ("_mask", handler, CALLBACKF_mask_events),
            ("_flag2", handler, 2),
            ("_non_canonical", NON_CANONICAL, 0),
            ("_hypervisor", HOLE, 0),
            ("_zero", 0, 0),
        ] {
            let mut arg = callback_register {
                r#type: kind,
                flags,
                _pad0: [0; 4],
                address,
            };
            let result = with_struct(__HYPERVISOR_callback_op, CALLBACKOP_register, &mut arg);
            r.line(format_args!("register{kind}{key}={}", Shown(result)));
        }
        let mut arg = callback_unregister {
            r#type: kind,
            _unused: 0,
        };
        let result = with_struct(__HYPERVISOR_callback_op, CALLBACKOP_unregister, &mut arg);
        r.line(format_args!("unregister{kind}={}", Shown(result)));
    }
    for (key, at) in BAD_ADDRESSES {
        for (name, op) in [
            ("register", CALLBACKOP_register),
            ("unregister", CALLBACKOP_unregister),
            ("unknown", 2),
        ] {
            let result = numbers(__HYPERVISOR_callback_op, [u64::from(op), at, 0]);
            r.line(format_args!("{name}_{key}={}", Shown(result)));
        }
    }
    r.outcome("usual", crate::trap::init().map(|()| 0));
}

fn set_callbacks(r: &mut Report) {
    let handler = crate::trap::stub(6);
    let cases = [
        ("good", [handler; 3]),
        ("zero", [0; 3]),
        ("event_non_canonical", [NON_CANONICAL, handler, handler]),
        ("failsafe_non_canonical", [handler, NON_CANONICAL, handler]),
        ("syscall_non_canonical", [handler, handler, NON_CANONICAL]),
        ("hypervisor", [HOLE; 3]),
    ];
    for (key, addresses) in cases {
        r.result(key, numbers(__HYPERVISOR_set_callbacks, addresses));
    }
    r.outcome("usual", crate::trap::init().map(|()| 0));
}

fn vm_assist(r: &mut Report) {
    let assist =
        |cmd: u32, kind: u32| numbers(__HYPERVISOR_vm_assist, [u64::from(cmd), u64::from(kind), 0]);
    let kinds = (0..8).chain([31, 32, 33, 63, 64, u32::MAX]);
    for kind in kinds {
        r.line(format_args!(
            "type{kind}_enable={}",
            Shown(assist(VMASST_CMD_enable, kind))
        ));
        if kind == VMASST_TYPE_architectural_iopl {
            let hit = attempt(iopl_probe, 0, false);
            report(r, "iopl_shown", place(iopl_probe), hit);
        }
        r.line(format_args!(
            "type{kind}_disable={}",
            Shown(assist(VMASST_CMD_disable, kind))
        ));
        r.line(format_args!(
            "type{kind}_unknown={}",
            Shown(assist(2, kind))
        ));
    }
    let hit = attempt(iopl_probe, 0, false);
    report(r, "iopl_hidden", place(iopl_probe), hit);
}

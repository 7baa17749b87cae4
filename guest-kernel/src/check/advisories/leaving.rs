//! Thousands of generated ways out and back in (advisories 7, 12, 44, 183, 193, 213, 215, 260,
//! 265, 339, 444): frames for `iret`, selectors, descriptors, handlers, callbacks, segment bases
//! and debug registers, none of which may do to one hypervisor what it does not do to the other.
//!
//! A generator draws its cases from a fixed seed and tells each outcome in a few numbers. A line
//! holds the digest of [`CHUNK`] outcomes; with the word `generated` on the command line, each
//! outcome has a line, which shows the case behind two digests that differ.

use super::super::page::*;
use super::super::probe::{Code, attempt, code, iret, place};
use super::super::{Check, Report};
use crate::hypercall::{self, HvResult};
use crate::mm::{p2m, paging};
use crate::random::Random;
use crate::trap::Hit;
use hypercall_abi::arch_x86_64::*;
use hypercall_abi::callback::*;
use hypercall_abi::xen::*;

pub(in super::super) const CHECKS: &[Check] = &[
    ("frames_kernel", frames_kernel),
    ("frames_user", frames_user),
    ("frames_all_selectors", all_selectors),
    ("frames_handlers", handlers),
    ("frames_callbacks", callbacks),
    ("frames_segment_bases", segment_bases),
    ("frames_user_gs", user_gs),
    ("frames_debug_registers", debug_registers),
    ("frames_descriptors", descriptors),
    ("frames_call_gates", call_gates),
];

/// Outcomes in a line.
const CHUNK: u64 = 256;

code! {
    ud2: "ud2";
    nop: "nop", "ud2";
    int3: "int3";
    int80: "int 0x80", "ud2";
    int21: "int 0x21", "ud2";
    divide: "xor ecx, ecx", "div ecx";
    hlt: "hlt", "ud2";
    cli: "cli", "ud2";
    sysenter: "sysenter", "ud2";
    pushf: "pushfq", "pop rax", "ud2";
    system_call: "syscall", "ud2";
    read_fs: "mov rax, fs:[0]", "ud2";
    read_gs: "mov rax, gs:[0]", "ud2";
    show_gs: "mov eax, gs", "ud2";
    load_fs: "mov fs, edi", "xor eax, eax", "mov fs, eax";
    load_ss: "mov ss, edi", "mov edi, 0xe02b", "mov ss, edi";
}

/// Code that ends in an exception wherever it runs, without the stack.
const CODES: [Code; 7] = [ud2, nop, int3, int80, divide, cli, system_call];

#[repr(C, align(4096))]
struct Area([u8; 16384]);

/// Stacks: at the same address on every hypervisor, unlike pages of the direct map.
static STACK: crate::global::Global<Area> = crate::global::Global::new(Area([0; 16384]));

/// A page of no code and no data: what a jump into it meets is equal everywhere.
static EMPTY: crate::global::Global<Area> = crate::global::Global::new(Area([0; 16384]));

fn empty() -> u64 {
    EMPTY.with(|area| area.0.as_ptr() as u64)
}

fn stack() -> u64 {
    STACK.with(|area| area.0.as_ptr() as u64)
}

/// In the hypervisor's range, where none has anything that faults could tell of.
const NOTHING: u64 = 0xffff_8100_0000_0000;

/// Places around every border of the address space, none of them code.
fn wild(r: &mut Random) -> u64 {
    const BORDERS: [u64; 14] = [
        0,
        UNMAPPED,
        0xffff_ffff,
        0x1_0000_0000,
        0x7fff_ffff_ffff,
        0x7fff_ffff_f000,
        0x8000_0000_0000,
        0xffff_7fff_ffff_ffff,
        0xffff_7fff_ffff_f000,
        NOTHING,
        NOTHING | 0xff_ffff_ffff,
        NON_CANONICAL,
        u64::MAX - 7,
        u64::MAX - 0xfff,
    ];
    match r.below(8) {
        0 => empty() + r.below(16384),
        1 => r.next() & 0x7f_ffff_ffff,
        2 => NOTHING | r.next() & 0xff_ffff_ffff,
        3 => 1 << r.below(39) | r.below(16),
        // Not canonical: the bits from 47 up are not all equal.
        4 => r.next() & 0x7fff_7fff_ffff_ffff | 1 << 47,
        _ => r.pick(&BORDERS),
    }
}

fn rip(r: &mut Random) -> u64 {
    if r.below(2) == 0 {
        place(r.pick(&CODES))
    } else {
        wild(r)
    }
}

/// A selector: a right one, one of the hypervisor's part of the table, or any.
fn selector(r: &mut Random, right: u16) -> u64 {
    let low = match r.below(6) {
        0..=2 => right,
        3 => 0xe000 | r.below(0x100) as u16,
        4 => r.below(8) as u16,
        _ => r.next() as u16,
    };
    let high = if r.below(4) == 0 { r.next() << 16 } else { 0 };
    u64::from(low) | high
}

fn rflags(r: &mut Random) -> u64 {
    match r.below(4) {
        0 => 2,
        1 => 2 | 1 << r.below(64),
        2 => r.next() & 0x3f_ffff,
        _ => r.next(),
    }
}

/// What came of a case, in numbers that are equal on every hypervisor.
type Outcome = [u64; 8];

/// The frame of the last case, for lines that show it.
static GIVEN: crate::global::Global<[u64; 6]> = crate::global::Global::new([0; 6]);

/// The flags that user mode can have. A frame whose `iret` failed shows on Xen whatever else its
/// maker put there.
const FLAGS: u64 = 0x0025_7fd5;

/// The trap and resume flags.
const TF: u64 = 1 << 8;
const RF: u64 = 1 << 16;

fn outcome(hit: Option<Hit>) -> Outcome {
    let Some(Hit {
        frame: f,
        address,
        masked,
    }) = hit
    else {
        return [0x999; 8];
    };
    let high = f.cs & !0xffff | u64::from(masked) << 63;
    // Only faults set the resume flag; beside others it tells of interrupts that came between.
    let shown = match f.vector {
        1 | 3 | 4 | 32.. => FLAGS & !RF,
        _ => FLAGS,
    };
    [
        f.vector,
        f.error,
        f.rip,
        f.cs & 0xffff,
        f.ss,
        f.rflags & shown,
        f.rsp ^ high,
        address,
    ]
}

/// Runs `count` cases and tells of them.
fn generate(r: &mut Report, count: u64, mut case: impl FnMut(&mut Random) -> Outcome) {
    let every = crate::boot_info().has_word("generated");
    let mut random = Random(0x5eed_0000_0000_0417);
    let (mut sum, mut by_page_fault, mut by_protection) = (0_u64, 0, 0);
    for i in 0..count {
        let outcome = case(&mut random);
        if every {
            let given = GIVEN.with(core::mem::take);
            r.line(format_args!("case{i}={outcome:x?} given={given:x?}"));
        }
        for word in outcome {
            sum = fold(sum, word);
        }
        by_page_fault += u64::from(outcome[0] == 14);
        by_protection += u64::from(outcome[0] == 13);
        if (i + 1) % CHUNK == 0 || i + 1 == count {
            r.line(format_args!("until_{}={sum:016x}", i + 1));
        }
    }
    r.line(format_args!(
        "cases={count} page_faults={by_page_fault} protection={by_protection}"
    ));
}

/// Where neither the selector nor the address is right, processors differ in which they tell of.
fn rip_for(r: &mut Random, selectors_are_right: bool) -> u64 {
    loop {
        let rip = rip(r);
        let canonical = (rip << 16).cast_signed() >> 16 == rip.cast_signed();
        if selectors_are_right || canonical {
            return rip;
        }
    }
}

fn context(r: &mut Random, cs: u64, ss: u64) -> iret_context {
    let right = |selector: u64, choices: &[u16]| choices.contains(&(selector as u16 & !3));
    let codes = [FLAT_USER_CS, FLAT_KERNEL_CS, FLAT_RING3_CS32].map(|selector| selector & !3);
    let stacks = [FLAT_USER_SS & !3];
    let mut rip = rip_for(r, right(cs, &codes) && right(ss, &stacks));
    if halves_the_stack(cs) {
        // Processors have half of it there, emulation all.
        rip &= 0xffff_ffff;
    }
    iret_context {
        rax: 0x1000,
        r11: r.next(),
        rcx: r.next(),
        flags: 0,
        rip,
        cs,
        rflags: rflags(r),
        rsp: stack() + 8192 + r.below(8192),
        ss,
    }
}

/// Whether rcx, r11 and rax came back as given: bits 0, 1 and 2.
fn kept(context: &iret_context, hit: Option<Hit>) -> u64 {
    hit.map_or(0, |hit| {
        let f = hit.frame;
        u64::from(f.rcx == context.rcx)
            | u64::from(f.r11 == context.r11) << 1
            | u64::from(f.rax == context.rax) << 2
    })
}

/// `int` ends what the resume flag is for, but not in emulation.
fn without_resume(context: &mut iret_context) {
    if context.rip == place(int80) {
        context.rflags &= !RF;
    }
}

fn leave(context: &iret_context) -> Outcome {
    let c = context;
    GIVEN.with(|given| *given = [c.rip, c.cs, c.ss, c.rflags, c.rsp, c.flags]);
    let hit = iret(context);
    let mut outcome = outcome(hit);
    outcome[7] ^= kept(context, hit) << 56;
    outcome
}

/// As [`leave`], where a handler's first instruction may fault: Xen enters handlers by `sysret`,
/// which leaves rip in rcx and the flags in r11. A handler takes both from its frame.
fn leave_to_handler(context: &iret_context) -> Outcome {
    let mut outcome = leave(context);
    outcome[7] &= !(3 << 56);
    outcome
}

/// Whether a selector is that of 32-bit code, which would halve the kernel's stack pointer: the
/// domain dies of that.
fn halves_the_stack(selector: u64) -> bool {
    selector as u16 & !3 == FLAT_RING3_CS32 & !3
}

/// Frames that stay in kernel mode: their stack is right, or the domain would die.
fn frames_kernel(report: &mut Report) {
    generate(report, 4096, |r| {
        let mut cs = selector(r, FLAT_KERNEL_CS);
        if halves_the_stack(cs) {
            cs = 0;
        }
        let rpl = r.below(3);
        let ss = selector(r, FLAT_KERNEL_SS);
        let mut context = context(r, cs & !3 | rpl, ss);
        context.flags = if r.below(8) == 0 { r.next() } else { 0 };
        by_sysret(&mut context);
        without_resume(&mut context);
        leave(&context)
    });
}

/// Where the frame asks for `sysret`: the resume flag, which processors drop there and emulation
/// does not, is not given; nor what Xen's other `sysret`, for 32-bit code, does unlike `iret`.
fn by_sysret(context: &mut iret_context) {
    if context.flags & VGCF_in_syscall != 0 {
        context.rflags &= !RF;
        if halves_the_stack(context.cs) {
            context.rflags &= !TF;
            context.rsp &= 0xffff_ffff;
        }
    }
}

/// User mode on the boot tables.
pub(super) struct User;

impl User {
    /// A frame that leads to `code` there.
    pub(super) fn frame(&self, code: Code) -> iret_context {
        iret_context {
            rax: UNMAPPED,
            r11: 0x1111,
            rcx: 0x2222,
            flags: 0,
            rip: place(code),
            cs: u64::from(FLAT_USER_CS),
            rflags: 2,
            rsp: stack() + 16384,
            ss: u64::from(FLAT_USER_SS),
        }
    }

    pub(super) fn new() -> Self {
        let root = p2m::mfn(paging::boot_root().0).0;
        extended(MMUEXT_NEW_USER_BASEPTR, root, 0).expect("the boot root is a root");
        hypercall::stack_switch(FLAT_KERNEL_SS, stack() + 8192).expect("a stack can be named");
        Self
    }
}

impl Drop for User {
    fn drop(&mut self) {
        extended(MMUEXT_NEW_USER_BASEPTR, 0, 0).expect("the user root can be given up");
        hypercall::stack_switch(FLAT_KERNEL_SS, 0).expect("a stack can be named");
    }
}

/// Frames to user mode: everything in them may be wrong.
fn frames_user(report: &mut Report) {
    let _user = User::new();
    generate(report, 4096, |r| {
        let right = r.pick(&[FLAT_USER_CS, FLAT_USER_CS, FLAT_USER_CS, FLAT_RING3_CS32]);
        let cs = selector(r, right);
        let ss = selector(r, FLAT_USER_SS);
        let mut context = context(r, cs | 3, ss);
        if r.below(4) == 0 {
            context.rsp = wild(r);
        }
        context.flags = match r.below(8) {
            0..=1 => VGCF_in_syscall,
            2 => r.next(),
            _ => 0,
        };
        by_sysret(&mut context);
        without_resume(&mut context);
        leave(&context)
    });
}

/// Every selector there is, as code and as stack of user mode, and as code of kernel mode.
fn all_selectors(report: &mut Report) {
    let _user = User::new();
    let mut next = 0;
    generate(report, 3 * 8192, |r| {
        let selector = (next / 3) << 3;
        let mut context = context(r, u64::from(FLAT_USER_CS), u64::from(FLAT_USER_SS));
        (context.rip, context.rflags) = (place(ud2), 2);
        match next % 3 {
            0 => context.cs = selector | 3,
            1 => context.ss = selector | r.below(4),
            _ if halves_the_stack(selector) => {}
            _ => context.cs = selector | r.below(3),
        }
        next += 1;
        leave(&context)
    });
}

fn set_gates(table: &[trap_info]) -> HvResult {
    let args = [table.as_ptr() as u64, 0, 0, 0, 0];
    // SAFETY: the handlers named run only while a probe does, whose end they meet.
    unsafe { call(__HYPERVISOR_set_trap_table, args) }
}

/// Handlers anywhere. The one of page faults stays, for it meets most that the others do.
fn handlers(report: &mut Report) {
    const WAYS: [(u8, Code); 7] = [
        (0, divide),
        (3, int3),
        (6, ud2),
        (13, hlt),
        (13, int21),
        (0x80, int80),
        (6, sysenter),
    ];
    let _user = User::new();
    generate(report, 2048, |r| {
        let (vector, code) = r.pick(&WAYS);
        let gate = trap_info {
            vector,
            flags: r.next() as u8,
            cs: selector(r, FLAT_KERNEL_CS) as u16,
            _pad0: [0; 4],
            address: rip(r),
        };
        let last = trap_info {
            vector: 0,
            flags: 0,
            cs: 0,
            _pad0: [0; 4],
            address: 0,
        };
        let result = set_gates(&[gate, last]);
        let mut context = context(r, u64::from(FLAT_USER_CS), u64::from(FLAT_USER_SS));
        context.rip = place(code);
        without_resume(&mut context);
        if r.below(2) == 0 {
            (context.cs, context.ss) = (u64::from(FLAT_KERNEL_CS & !3), u64::from(FLAT_KERNEL_SS));
        }
        if r.below(4) == 0 && context.cs & 3 == 3 {
            context.rsp = wild(r);
        }
        // Where the handler is the code that faulted, it would fault for ever.
        let safe = result.is_err() || !CODES.iter().any(|&code| place(code) == gate.address);
        let mut outcome = if safe && gate.address != 0 {
            leave_to_handler(&context)
        } else {
            [0; 8]
        };
        outcome[1] ^= told(result);
        crate::trap::init().expect("the usual table can be set");
        outcome
    });
}

/// A result as a number.
fn told(result: HvResult) -> u64 {
    match result {
        Ok(value) => value << 32,
        Err(errno) => (errno.0 as u64) << 48,
    }
}

/// The callbacks of system calls anywhere, and system calls.
fn callbacks(report: &mut Report) {
    let _user = User::new();
    generate(report, 1024, |r| {
        let (kind, code) = r.pick(&[
            (CALLBACKTYPE_syscall, system_call as Code),
            (CALLBACKTYPE_sysenter, sysenter),
            (CALLBACKTYPE_syscall32, system_call),
        ]);
        let address = rip(r);
        let mut arg = callback_register {
            r#type: kind,
            flags: if r.below(2) == 0 {
                r.below(2) as u16
            } else {
                r.next() as u16
            },
            _pad0: [0; 4],
            address,
        };
        let result =
            hypercall::with_struct(__HYPERVISOR_callback_op, CALLBACKOP_register, &mut arg);
        let mut context = context(r, u64::from(FLAT_USER_CS), u64::from(FLAT_USER_SS));
        context.rip = place(code);
        if r.below(4) == 0 {
            context.rsp = wild(r);
        }
        let mut outcome = leave_to_handler(&context);
        // A handler of system calls finds arithmetic of Xen's there, and no identification flag.
        outcome[5] &= !0x20_00d5;
        outcome[1] ^= told(result);
        crate::trap::init().expect("the usual callbacks can be set");
        let mut gone = callback_unregister {
            r#type: CALLBACKTYPE_sysenter,
            _unused: 0,
        };
        let gone =
            hypercall::with_struct(__HYPERVISOR_callback_op, CALLBACKOP_unregister, &mut gone);
        outcome[2] ^= told(gone);
        outcome
    });
}

fn base(which: u32, base: u64) -> HvResult {
    // SAFETY: this kernel uses neither FS nor GS.
    unsafe {
        call(
            __HYPERVISOR_set_segment_base,
            [u64::from(which), base, 0, 0, 0],
        )
    }
}

/// Segment bases anywhere, used in kernel mode and in user mode.
fn segment_bases(report: &mut Report) {
    let _user = User::new();
    generate(report, 1024, |r| {
        let (which, code) = r.pick(&[
            (SEGBASE_FS, read_fs as Code),
            (SEGBASE_GS_KERNEL, read_gs),
            (SEGBASE_GS_USER, read_gs),
        ]);
        let result = base(which, wild(r));
        let mut context = context(r, u64::from(FLAT_USER_CS), u64::from(FLAT_USER_SS));
        (context.rip, context.rflags) = (place(code), 2);
        if which != SEGBASE_GS_USER {
            (context.cs, context.ss) = (u64::from(FLAT_KERNEL_CS & !3), u64::from(FLAT_KERNEL_SS));
        }
        let mut outcome = leave(&context);
        outcome[1] ^= told(result);
        base(which, 0).expect("any address of the guest's can be a base");
        outcome
    });
}

/// Selectors for the user's GS, and what user mode has of them.
fn user_gs(report: &mut Report) {
    let _user = User::new();
    generate(report, 1024, |r| {
        let selector = selector(r, FLAT_USER_DS32);
        let result = base(SEGBASE_GS_USER_SEL, selector);
        let mut context = context(r, u64::from(FLAT_USER_CS), u64::from(FLAT_USER_SS));
        (context.rip, context.rflags) = (place(show_gs), 2);
        let hit = iret(&context);
        let mut outcome = outcome(hit);
        outcome[1] ^= told(result);
        outcome[7] ^= hit.map_or(0, |hit| hit.frame.rax) << 32;
        outcome
    });
    base(SEGBASE_GS_USER_SEL, 0).expect("no segment is a segment");
}

/// Debug registers with any value; none of the addresses is ever used.
fn debug_registers(report: &mut Report) {
    let set = |register: u64, value: u64| {
        // SAFETY: breakpoints are at addresses that this kernel does not use.
        unsafe { call(__HYPERVISOR_set_debugreg, [register, value, 0, 0, 0]) }
    };
    let get = |register: u64| {
        // SAFETY: reads a register.
        unsafe { call(__HYPERVISOR_get_debugreg, [register, 0, 0, 0, 0]) }
    };
    let unused = |r: &mut Random| loop {
        let address = wild(r);
        if !(stack()..stack() + 16384).contains(&address) {
            return address;
        }
    };
    generate(report, 2048, |r| {
        let register = r.below(10);
        let value = match register {
            0..=3 => unused(r),
            _ if r.below(2) == 0 => r.next() & 0xffff_ffff,
            _ => r.next() >> r.below(64),
        };
        let result = set(register, value);
        let now = get(register).map_or(0, |value| value & !0xffff_ffff_0000_0000);
        let all = [
            told(result),
            now,
            told(get(7)),
            told(get(6)),
            0,
            0,
            0,
            register,
        ];
        // On a failure all stays as it is.
        if register == 7 {
            set(7, 0).expect("breakpoints can be switched off");
        }
        all
    });
    for register in [7, 6, 0, 1, 2, 3] {
        set(register, 0).expect("debug registers can be cleared");
    }
}

/// A descriptor of any type, with a base and a limit of any size.
fn descriptor(r: &mut Random) -> u64 {
    let kind = match r.below(4) {
        // A segment of ring 3 that is there.
        0..=1 => 0xf0 | r.below(16),
        2 => 0x80 | r.below(128),
        _ => r.below(256),
    };
    let limit = match r.below(3) {
        0 => 0xfffff,
        1 => r.below(0x10_0000),
        _ => r.below(16),
    };
    let base = if r.below(2) == 0 {
        0
    } else {
        r.next() & 0xffff_ffff
    };
    let flags = r.below(16);
    limit & 0xffff
        | (base & 0xff_ffff) << 16
        | kind << 40
        | (limit >> 16) << 48
        | flags << 52
        | (base >> 24) << 56
}

/// Local descriptors of any kind, as code, stack and data of both modes.
fn descriptors(report: &mut Report) {
    /// The third local descriptor, for ring 3.
    const SELECTOR: u64 = 2 << 3 | 1 << 2 | 3;
    let _user = User::new();
    let page = Page::read_only();
    extended(MMUEXT_SET_LDT, page.va(), 512).expect("a read-only page can hold descriptors");
    let describe = |value: u64| {
        // SAFETY: only the check uses local descriptors.
        unsafe {
            call(
                __HYPERVISOR_update_descriptor,
                [page.slot(2), value, 0, 0, 0],
            )
        }
    };
    generate(report, 4096, |r| {
        let result = describe(descriptor(r));
        let now = page.read(2);
        let mut outcome = match r.below(4) {
            0 => outcome(attempt(load_fs, SELECTOR, true)),
            1 => outcome(attempt(load_ss, SELECTOR, true)),
            way => {
                let mut context = context(r, u64::from(FLAT_USER_CS), u64::from(FLAT_USER_SS));
                context.rip = place(r.pick(&[ud2, pushf, cli]));
                context.rsp = stack() + 8192;
                if way == 2 {
                    context.cs = SELECTOR;
                } else {
                    context.ss = SELECTOR;
                }
                leave(&context)
            }
        };
        outcome[1] ^= told(result);
        outcome[4] ^= now << 1;
        // A descriptor that was used has its accessed bit; the next begins without.
        describe(0).expect("an empty descriptor can be set");
        outcome
    });
    extended(MMUEXT_SET_LDT, 0, 0).expect("local descriptors can be given up");
}

/// Call gates to every selector, and with every count of parameters and the bits beside it: which
/// may be described, and in what form they then are.
fn call_gates(report: &mut Report) {
    let page = Page::read_only();
    let (mut sum, mut refused) = (0_u64, 0);
    let selectors = (0..0x1_0000).map(|selector| selector << 16);
    for varied in selectors.chain((0..0x100).map(|parameters| parameters << 32)) {
        let gate = 0x1234 | varied | 0xec << 40;
        // SAFETY: nothing is made of the page.
        let result = unsafe {
            call(
                __HYPERVISOR_update_descriptor,
                [page.slot(2), gate, 0, 0, 0],
            )
        };
        refused += u64::from(result.is_err());
        sum = fold(sum, told(result) ^ page.read(2));
    }
    report.line(format_args!("forms={sum:016x} refused={refused}"));
    page.restore();
    page.write(2, 0);
}

fn fold(sum: u64, word: u64) -> u64 {
    (sum ^ word)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(23)
}

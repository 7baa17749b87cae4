//! Privileged instructions that run: what they answer, what they change, and which values are
//! refused.

use super::page::{HOLE, NON_CANONICAL, Page, UNMAPPED};
use super::probe::{Code, attempt, code, iret};
use super::user::User;
use super::{Check, Report};
use crate::hypercall::with_struct;
use crate::trap::Hit;
use hypercall_abi::physdev::{PHYSDEVOP_set_iopl, physdev_set_iopl};
use hypercall_abi::xen::__HYPERVISOR_physdev_op;

pub(super) const CHECKS: &[Check] = &[
    ("cr_reads", cr_reads),
    ("cr0_writes", cr0_writes),
    ("cr4_writes", cr4_writes),
    ("debug_moves", debug_moves),
    ("time_stamp", time_stamp),
    ("xsetbv", xsetbv),
    ("odd_forms", odd_forms),
    ("ports", ports),
    ("strings", strings),
    ("msrs", msrs),
    ("forced_cpuid", forced_cpuid),
];

/// What r15 holds once the code came to its end.
const THE_END: u64 = 0x0e4d;

/// The registers that a piece of code starts with, and is looked at for.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Start {
    rax: u64,
    rcx: u64,
    rdx: u64,
    rdi: u64,
    rsi: u64,
}

/// Defines pieces of code that load a [`Start`], run the lines, and end in `ud2`.
macro_rules! pieces {
    ($($name:ident: $($line:literal),+;)*) => { $(
        #[unsafe(naked)]
        extern "C" fn $name(_: u64) {
            core::arch::naked_asm!(
                "xor r15d, r15d",
                "mov rax, [rdi]",
                "mov rcx, [rdi + 8]",
                "mov rdx, [rdi + 16]",
                "mov rsi, [rdi + 32]",
                "mov rdi, [rdi + 24]",
                $($line,)+
                "mov r15d, 0x0e4d",
                "cld",
                "ud2",
            )
        }
    )* };
}

pieces! {
    read_cr0: "mov rax, cr0";
    read_cr2: "mov rax, cr2";
    read_cr3: "mov rax, cr3";
    read_cr4: "mov rax, cr4";
    write_cr0: "mov cr0, rax";
    write_cr2: "mov cr2, rax";
    write_cr4: "mov cr4, rax";
    read_cr4_high: "mov r8, cr4", "mov rax, r8";
    write_cr4_odd_mode: ".byte 0x0f, 0x22, 0x20";
    write_dr0: "mov dr0, rax";
    write_dr4: "mov dr4, rax";
    write_dr5: "mov dr5, rax";
    write_dr6: "mov dr6, rax";
    write_dr7: "mov dr7, rax";
    read_dr0: "mov rax, dr0";
    read_dr4: "mov rax, dr4";
    read_dr5: "mov rax, dr5";
    read_dr6: "mov rax, dr6";
    read_dr7: "mov rax, dr7";
    read_dr8: ".byte 0x44, 0x0f, 0x21, 0xc0";
    rdtsc: "rdtsc", "mov rax, 1";
    rdtscp: "rdtscp", "mov rax, rcx";
    rdpid: "rdpid rax";
    rdmsr: "rdmsr", "shl rdx, 32", "or rax, rdx";
    wrmsr: "wrmsr";
    set_xcr0: "xsetbv";
    rdfsbase: "rdfsbase rax";
    get_xcr0: "xgetbv";
    lmsw: "lmsw ax";
    lmsw_memory: "lmsw [rdi]";
    invlpg: "invlpg [rdi]";
    invlpg_fs: "invlpg fs:[rdi]";
    clts_rex: ".byte 0x48, 0x0f, 0x06";
    clts_lock: ".byte 0xf0, 0x0f, 0x06";
    clts_66: ".byte 0x66, 0x0f, 0x06";
    clts_segment: ".byte 0x2e, 0x0f, 0x06";
    rdmsr_rep: ".byte 0xf3, 0x0f, 0x32";
    wbnoinvd: ".byte 0xf3, 0x0f, 0x09";
    cli: "cli";
    sti: "sti";
    hlt: "hlt";
    in_al: "in al, dx";
    in_ax: "in ax, dx";
    in_eax: "in eax, dx";
    in_rex: ".byte 0x48, 0xed";
    in_rep: ".byte 0xf3, 0xec";
    in_lock: ".byte 0xf0, 0xec";
    in_segment: ".byte 0x64, 0xec";
    in_post: "in al, 0x80";
    in_late_rex: ".byte 0x48, 0x66, 0xed";
    out_al: "out dx, al";
    out_post: "out 0x80, al";
    insb: "insb";
    insw: "insw";
    insd: "insd";
    rep_insb: "rep insb";
    rep_insw: "rep insw";
    rep_insd: "rep insd";
    repne_insb: ".byte 0xf2, 0x6c";
    rep_insb_back: "std", "rep insb";
    rep_insd_back: "std", "rep insd";
    rep_insb_32: ".byte 0x67, 0xf3, 0x6c";
    insb_32: ".byte 0x67, 0x6c";
    insb_fs: ".byte 0x64, 0x6c";
    insd_rex: ".byte 0x48, 0x6d";
    insd_66_rex: ".byte 0x66, 0x48, 0x6d";
    outsb: "outsb";
    outsd: "outsd";
    rep_outsb: "rep outsb";
    rep_outsw: "rep outsw";
    rep_outsd: "rep outsd";
    rep_outsb_back: "std", "rep outsb";
    outsb_fs: ".byte 0x64, 0x6e";
    outsb_gs: ".byte 0x65, 0x6e";
    outsb_cs: ".byte 0x2e, 0x6e";
    outsb_32: ".byte 0x67, 0x6e";
    cpuid_forced: ".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e", "cpuid";
}

code! {
    user_rdtsc: "rdtsc", "ud2";
    user_rdtscp: "rdtscp", "ud2";
    user_cpuid: ".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e", "cpuid", "ud2";
    user_rdfsbase: "rdfsbase rax", "ud2";
}

/// Runs a piece in kernel mode: what it met, and whether that was its end.
fn go(code: Code, start: Start) -> (Hit, bool) {
    let hit = attempt(code, &raw const start as u64, false).expect("each piece ends in `ud2`");
    (hit, hit.frame.vector == 6 && hit.frame.r15 == THE_END)
}

/// Prints the fault that a piece met; false if it came to its end.
fn fault(r: &mut Report, key: &str, (hit, ended): &(Hit, bool)) -> bool {
    if !ended {
        let f = &hit.frame;
        r.line(format_args!(
            "{key}=fault {} error={:#x}",
            f.vector, f.error
        ));
    }
    !ended
}

/// Runs a piece and prints what it left in rax.
fn show(r: &mut Report, key: &str, code: Code, start: Start) {
    let ran = go(code, start);
    if !fault(r, key, &ran) {
        r.line(format_args!("{key}={:#x}", ran.0.frame.rax));
    }
}

/// Runs a piece and prints whether it ran.
fn ran(r: &mut Report, key: &str, code: Code, start: Start) {
    let ran = go(code, start);
    if !fault(r, key, &ran) {
        r.line(format_args!("{key}=done"));
    }
}

fn value(code: Code) -> u64 {
    go(code, Start::default()).0.frame.rax
}

fn with(rax: u64) -> Start {
    Start {
        rax,
        ..Start::default()
    }
}

fn cr_reads(r: &mut Report) {
    show(r, "cr0", read_cr0, Start::default());
    ran(r, "write_cr2", write_cr2, with(0x1234_5678_9abc_def0));
    show(r, "cr2", read_cr2, Start::default());
    ran(r, "write_cr2_non_canonical", write_cr2, with(NON_CANONICAL));
    show(r, "cr2_again", read_cr2, Start::default());
    let root = crate::mm::p2m::mfn(crate::mm::paging::boot_root().0).0 << 12;
    r.line(format_args!("cr3_is_root={}", value(read_cr3) == root));
    show(r, "cr4", read_cr4, Start::default());
    show(r, "cr4_high_register", read_cr4_high, Start::default());
}

fn cr0_writes(r: &mut Report) {
    let usual = value(read_cr0);
    for bit in 0..64 {
        let ran = go(write_cr0, with(usual ^ 1 << bit));
        let key = format_args!("bit{bit}");
        if ran.1 {
            r.line(format_args!("{key}=changed {:#x}", value(read_cr0) ^ usual));
        } else {
            r.line(format_args!("{key}=fault {}", ran.0.frame.vector));
        }
        assert!(go(write_cr0, with(usual)).1, "CR0 can be written back");
    }
}

fn cr4_writes(r: &mut Report) {
    let usual = value(read_cr4);
    for bit in 0..64 {
        let ran = go(write_cr4, with(usual ^ 1 << bit));
        let key = format_args!("bit{bit}");
        if ran.1 {
            r.line(format_args!("{key}=changed {:#x}", value(read_cr4) ^ usual));
        } else {
            r.line(format_args!("{key}=fault {}", ran.0.frame.vector));
        }
        assert!(go(write_cr4, with(usual)).1, "CR4 can be written back");
    }
    for (key, cr4) in [("no_bases", usual & !(1 << 16)), ("bases", usual | 1 << 16)] {
        let _ = go(write_cr4, with(cr4));
        ran(r, key, rdfsbase, Start::default());
        let hit = iret(&User::new().context(user_rdfsbase)).expect("user code comes back");
        r.line(format_args!("{key}_user={:#x}", hit.frame.rax));
    }
    assert!(go(write_cr4, with(usual)).1, "CR4 can be written back");
    // The processor takes the operand for a register whatever the mode bits say.
    ran(r, "odd_mode", write_cr4_odd_mode, with(usual));
}

fn debug_moves(r: &mut Report) {
    let usual = value(read_cr4);
    for (key, cr4) in [("", usual & !8), ("de_", usual | 8)] {
        let set = go(write_cr4, with(cr4));
        r.line(format_args!("{key}cr4={}", set.1));
        let cases: [(&str, Code, u64); 16] = [
            ("write_dr0", write_dr0, 0x4000),
            ("dr0", read_dr0, 0),
            ("write_dr0_hypervisor", write_dr0, HOLE),
            ("write_dr4", write_dr4, 0),
            ("dr4", read_dr4, 0),
            ("write_dr5", write_dr5, 0),
            ("dr5", read_dr5, 0),
            ("write_dr6", write_dr6, 0),
            ("dr6", read_dr6, 0),
            ("write_dr6_high", write_dr6, 1 << 32),
            ("write_dr7_io", write_dr7, 0x2_0402),
            ("dr7_io", read_dr7, 0),
            ("write_dr7_detect", write_dr7, 0x2400),
            ("write_dr7_zero", write_dr7, 0),
            ("dr7", read_dr7, 0),
            ("dr8", read_dr8, 0),
        ];
        for (name, code, value) in cases {
            let ran = go(code, with(value));
            let f = &ran.0.frame;
            if ran.1 {
                r.line(format_args!("{key}{name}={:#x}", f.rax));
            } else {
                r.line(format_args!("{key}{name}=fault {}", f.vector));
            }
        }
    }
    let _ = go(write_dr0, with(0));
    assert!(go(write_cr4, with(usual)).1, "CR4 can be written back");
}

fn time_stamp(r: &mut Report) {
    let usual = value(read_cr4);
    for (key, cr4) in [("", usual & !4), ("tsd_", usual | 4)] {
        let set = go(write_cr4, with(cr4));
        r.line(format_args!("{key}cr4={}", set.1));
        let cases: [(&str, Code); 3] = [("rdtsc", rdtsc), ("rdtscp", rdtscp), ("rdpid", rdpid)];
        for (name, code) in cases {
            let ran = go(code, Start::default());
            let f = &ran.0.frame;
            if ran.1 {
                r.line(format_args!("{key}{name}={:#x}", f.rax));
            } else {
                r.line(format_args!(
                    "{key}{name}=fault {} {:#x}",
                    f.vector, f.error
                ));
            }
        }
        let user = User::new();
        for (name, code) in [("rdtsc", user_rdtsc as Code), ("rdtscp", user_rdtscp)] {
            let hit = iret(&user.context(code)).expect("user code comes back");
            let f = &hit.frame;
            r.line(format_args!("{key}user_{name}={} {:#x}", f.vector, f.error));
        }
    }
    assert!(go(write_cr4, with(usual)).1, "CR4 can be written back");
    let aux = Start {
        rax: 0x77,
        rcx: 0xc000_0103,
        ..Start::default()
    };
    ran(r, "write_aux", wrmsr, aux);
    show(r, "read_aux", rdmsr, Start { rax: 0, ..aux });
    show(r, "rdtscp_aux", rdtscp, Start::default());
    show(r, "rdpid_aux", rdpid, Start::default());
    ran(r, "write_aux_high", wrmsr, Start { rdx: 1, ..aux });
    ran(r, "write_aux_zero", wrmsr, Start { rax: 0, ..aux });
}

fn xsetbv(r: &mut Report) {
    let usual = value(read_cr4);
    ran(r, "osxsave_off", write_cr4, with(usual & !(1 << 18)));
    ran(r, "off", set_xcr0, with(7));
    ran(r, "get_off", get_xcr0, Start::default());
    ran(r, "osxsave_on", write_cr4, with(usual | 1 << 18));
    show(r, "get", get_xcr0, Start::default());
    for (key, rcx, rdx, rax) in [
        ("three", 0, 0, 3),
        ("one", 0, 0, 1),
        ("zero", 0, 0, 0),
        ("two", 0, 0, 2),
        ("five", 0, 0, 5),
        ("seven", 0, 0, 7),
        ("high", 0, 1 << 30, 7),
        ("bit3", 0, 0, 0xf),
        ("avx512", 0, 0, 0xe7),
        ("pkru", 0, 0, 0x207),
        ("index1", 1, 0, 7),
        ("wide_index", 1 << 32, 0, 7),
        ("wide_value", 0, 0, 0xffff_ffff_0000_0007),
    ] {
        let start = Start {
            rax,
            rcx,
            rdx,
            ..Start::default()
        };
        ran(r, key, set_xcr0, start);
        show(r, "get", get_xcr0, Start::default());
    }
    let one = Start {
        rcx: 1,
        ..Start::default()
    };
    ran(r, "get_index1", get_xcr0, one);
    let two = Start { rcx: 2, ..one };
    ran(r, "get_index2", get_xcr0, two);
    let _ = go(set_xcr0, with(3));
    assert!(go(write_cr4, with(usual)).1, "CR4 can be written back");
}

fn odd_forms(r: &mut Report) {
    let page = Page::new();
    page.write(0, 0x13);
    let at = |rdi| Start {
        rdi,
        ..Start::default()
    };
    let cases: [(&str, Code, Start); 22] = [
        ("lmsw_same", lmsw, with(value(read_cr0))),
        ("lmsw_ts", lmsw, with(value(read_cr0) | 8)),
        ("lmsw_memory", lmsw_memory, at(page.va())),
        ("lmsw_unmapped", lmsw_memory, at(UNMAPPED)),
        ("invlpg", invlpg, at(page.va())),
        ("invlpg_unmapped", invlpg, at(UNMAPPED)),
        ("invlpg_hypervisor", invlpg, at(HOLE)),
        ("invlpg_non_canonical", invlpg, at(NON_CANONICAL)),
        ("invlpg_fs", invlpg_fs, at(page.va())),
        ("clts_rex", clts_rex, at(0)),
        ("clts_lock", clts_lock, at(0)),
        ("clts_66", clts_66, at(0)),
        ("clts_segment", clts_segment, at(0)),
        (
            "rdmsr_rep",
            rdmsr_rep,
            Start {
                rcx: 0x277,
                ..at(0)
            },
        ),
        ("wbnoinvd", wbnoinvd, at(0)),
        ("cr4_high", write_cr4, with(value(read_cr4) | 1 << 63)),
        ("rdtsc", rdtsc, at(0)),
        ("cli", cli, at(0)),
        ("sti", sti, at(0)),
        ("hlt", hlt, at(0)),
        ("in", in_al, Start { rdx: 0x80, ..at(0) }),
        (
            "insb",
            insb,
            Start {
                rdx: 0x80,
                rdi: page.va(),
                ..at(0)
            },
        ),
    ];
    for (key, code, start) in cases {
        ran(r, key, code, start);
    }
    // As the kernel has it.
    crate::hypercall::deny_fpu().expect("the FPU can always be denied");
}

/// Sets the I/O privilege level.
pub(crate) fn set_iopl(level: u32) {
    let mut arg = physdev_set_iopl { iopl: level };
    with_struct(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &mut arg)
        .expect("a kernel may set its level");
}

/// A port behind which nothing is.
const DEAD: u64 = 0x1230;

fn ports(r: &mut Report) {
    let start = |rdx| Start {
        rax: 0x1111_2222_3333_4444,
        rdx,
        ..Start::default()
    };
    let cases: [(&str, Code, u64); 16] = [
        ("in_al", in_al, DEAD),
        ("in_ax", in_ax, DEAD),
        ("in_eax", in_eax, DEAD),
        ("in_rex", in_rex, DEAD),
        ("in_rep", in_rep, DEAD),
        ("in_lock", in_lock, DEAD),
        ("in_segment", in_segment, DEAD),
        ("in_late_rex", in_late_rex, DEAD),
        ("in_post", in_post, 0),
        ("in_wide_dx", in_al, 0x1_0000 | DEAD),
        ("in_last", in_al, 0xffff),
        ("in_beyond", in_eax, 0xffff),
        ("in_own_timer", in_al, 0x40),
        ("in_own_pic", in_al, 0x21),
        ("in_own_serial", in_al, 0x3fd),
        ("in_part_own", in_ax, 0x3f7),
    ];
    for level in 0..2 {
        set_iopl(level);
        r.line(format_args!("level={level}"));
        for (key, code, port) in cases {
            show(r, key, code, start(port));
        }
        ran(r, "out_al", out_al, start(DEAD));
        ran(r, "out_post", out_post, start(0));
        ran(r, "cli", cli, start(0));
        ran(r, "sti", sti, start(0));
        ran(r, "hlt", hlt, start(0));
    }
    set_iopl(0);
}

/// Runs a string instruction on a page whose last word is near the end of what is mapped, and
/// tells registers as distances and what the page holds.
fn string(r: &mut Report, key: &str, code: Code, page: &Page, (rcx, address): (u64, u64)) {
    for i in 0..512 {
        page.write(i, 0x5a5a_5a5a_5a5a_5a5a);
    }
    let start = Start {
        rax: 0,
        rcx,
        rdx: DEAD,
        rdi: address,
        rsi: address,
    };
    let (hit, ended) = go(code, start);
    let f = &hit.frame;
    let changed = (0..512).filter(|&i| page.read(i) != 0x5a5a_5a5a_5a5a_5a5a);
    let how = if ended { 0 } else { f.vector };
    let near = |value: u64| value.wrapping_sub(page.va());
    let cr2 = if how == 14 { near(hit.address) } else { 0 };
    // Of an element that does not fit real Xen stores what fits; a processor stores nothing.
    let (words, last) = if key.ends_with("straddle") {
        (0, 0)
    } else {
        (changed.count(), page.read(511))
    };
    r.line(format_args!(
        "{key}={how} error={:#x} cr2={cr2:#x} rcx={:#x} rdi={:#x} rsi={:#x} words={} first={:#x} last={:#x}",
        f.error,
        f.rcx,
        near(f.rdi),
        near(f.rsi),
        words,
        page.read(0),
        last
    ));
}

fn strings(r: &mut Report) {
    set_iopl(1);
    // The second page's address is behind the first's, and is not mapped.
    let (one, two) = (Page::new(), Page::new());
    let (page, hole) = if one.va() + 4096 == two.va() {
        (&one, Some(&two))
    } else if two.va() + 4096 == one.va() {
        (&two, Some(&one))
    } else {
        (&one, None)
    };
    r.line(format_args!("pages_adjoin={}", hole.is_some()));
    if let Some(hole) = hole {
        hole.map(0).expect("a page can be unmapped");
    }
    let va = page.va();
    let cases: [(&str, Code, (u64, u64)); 35] = [
        ("insb", insb, (5, va)),
        ("insw", insw, (5, va)),
        ("insd", insd, (5, va)),
        ("insd_rex", insd_rex, (5, va)),
        ("insd_66_rex", insd_66_rex, (5, va)),
        ("insb_32", insb_32, (5, va)),
        ("insb_fs", insb_fs, (5, va)),
        ("rep_insb", rep_insb, (100, va)),
        ("rep_insw", rep_insw, (100, va)),
        ("rep_insd", rep_insd, (100, va)),
        ("rep_insb_zero", rep_insb, (0, va)),
        ("rep_insb_zero_unmapped", rep_insb, (0, va + 4096)),
        ("repne_insb", repne_insb, (3, va)),
        ("rep_insb_back", rep_insb_back, (16, va + 15)),
        ("rep_insd_back", rep_insd_back, (16, va + 60)),
        ("rep_insb_32", rep_insb_32, (1 << 32 | 2, va)),
        ("rep_insb_long", rep_insb, (4096, va)),
        ("rep_insb_over", rep_insb, (5000, va)),
        ("rep_insd_over", rep_insd, (5000, va)),
        ("rep_insd_straddle", rep_insd, (3, va + 4096 - 6)),
        ("insd_straddle", insd, (3, va + 4096 - 2)),
        ("insb_unmapped", insb, (3, va + 4096)),
        ("outsb_unmapped", outsb, (3, va + 4096)),
        ("outsd_straddle", outsd, (3, va + 4096 - 2)),
        ("outsd", outsd, (3, va)),
        ("rep_outsb", rep_outsb, (100, va)),
        ("rep_outsw", rep_outsw, (100, va)),
        ("rep_outsd", rep_outsd, (5000, va)),
        ("rep_outsb_back", rep_outsb_back, (16, va + 15)),
        ("outsb_fs", outsb_fs, (3, va)),
        ("outsb_gs", outsb_gs, (3, va)),
        ("outsb_cs", outsb_cs, (3, va)),
        ("outsb_32", outsb_32, (3, va)),
        ("insb_non_canonical", insb, (3, NON_CANONICAL)),
        ("outsb_hypervisor", outsb, (3, HOLE)),
    ];
    for (key, code, start) in cases {
        string(r, key, code, page, start);
    }
    page.protect();
    let start = Start {
        rdx: DEAD,
        rdi: va,
        ..Start::default()
    };
    ran(r, "insb_read_only", insb, start);
    page.restore();
    if let Some(hole) = hole {
        hole.restore();
    }
    set_iopl(0);
}

/// Registers whose value is the machine's or the moment's, not the hypervisor's.
const VOLATILE: [u32; 2] = [0x10, 0xc000_0101];

/// All registers in the ranges that processors use: which answer, with what, and which of those
/// can be written with what they hold.
fn msrs(r: &mut Report) {
    let ranges = [
        0..0x2000,
        0x4000_0000..0x4000_0400,
        0x8000_0000..0x8000_0400,
        0xc000_0000..0xc000_0400,
        0xc001_0000..0xc001_2000,
        0xffff_ff00..0xffff_ffff,
    ];
    let (mut asked, mut answered) = (0_u64, 0_u64);
    for index in ranges.into_iter().flatten() {
        asked += 1;
        let start = Start {
            rcx: u64::from(index),
            ..Start::default()
        };
        let (hit, ended) = go(rdmsr, start);
        if !ended {
            continue;
        }
        answered += 1;
        let value = hit.frame.rax;
        let back = Start {
            rax: value & 0xffff_ffff,
            rdx: value >> 32,
            ..start
        };
        let written = index != 0x10 && go(wrmsr, back).1;
        let other = Start {
            rax: back.rax ^ 1,
            ..back
        };
        let changed = index != 0x10 && go(wrmsr, other).1;
        let now = go(rdmsr, start).0.frame.rax ^ value;
        let _ = go(wrmsr, back);
        let shown = if VOLATILE.contains(&index) { 0 } else { value };
        let now = if index == 0x10 { 0 } else { now };
        r.line(format_args!(
            "{index:#x}={shown:#x} same={written} other={changed} then={now:#x}"
        ));
    }
    r.line(format_args!("asked={asked} answered={answered}"));
    // Registers that can be written and not read.
    for index in [
        0x30_u32,
        0x49,
        0x79,
        0x10b,
        0x2ff,
        0x830,
        0xc000_0081,
        0xc000_0082,
        0xc000_0084,
    ] {
        let start = Start {
            rcx: u64::from(index),
            ..Start::default()
        };
        let (_, done) = go(wrmsr, start);
        r.line(format_args!("write_{index:#x}={done}"));
    }
}

fn forced_cpuid(r: &mut Report) {
    let usual = value(read_cr4);
    for (key, cr4) in [("off", usual & !(1 << 18)), ("on", usual | 1 << 18)] {
        ran(r, key, write_cr4, with(cr4));
        let user = User::new();
        for (leaf, subleaf) in [(1, 0), (7, 0), (0xd, 0), (0x8000_0001, 0)] {
            let start = Start {
                rax: leaf,
                rcx: subleaf,
                ..Start::default()
            };
            let kernel = go(cpuid_forced, start).0.frame;
            let mut context = user.context(user_cpuid);
            (context.rax, context.rcx) = (leaf, subleaf);
            let user = iret(&context).expect("user code comes back").frame;
            for (mode, f) in [("kernel", kernel), ("user", user)] {
                r.line(format_args!(
                    "{key}_{mode}_{leaf:#x}={:#x} {:#x} {:#x} {:#x}",
                    f.rax, f.rbx, f.rcx, f.rdx
                ));
            }
        }
    }
    assert!(go(write_cr4, with(usual)).1, "CR4 can be written back");
    for (leaf, subleaf) in [
        (0_u64, 0_u64),
        (1, 0),
        (4, 0),
        (5, 0),
        (6, 0),
        (7, 0),
        (7, 1),
        (0xa, 0),
        (0xb, 0),
        (0xd, 0),
        (0xd, 1),
        (0xd, 2),
        (0x8000_0000, 0),
        (0x8000_0001, 0),
        (0x8000_0007, 0),
        (0x8000_0008, 0),
        (0x8000_001f, 0),
        (0x4000_0000, 0),
        (0x4000_0001, 0),
        (0x4000_0002, 0),
    ] {
        let start = Start {
            rax: leaf,
            rcx: subleaf,
            ..Start::default()
        };
        let (hit, ended) = go(cpuid_forced, start);
        let f = &hit.frame;
        r.line(format_args!(
            "{leaf:#x}.{subleaf}={ended} {:#x} {:#x} {:#x} {:#x}",
            f.rax, f.rbx, f.rcx, f.rdx
        ));
    }
}

//! Emulated instructions.

use super::*;
use crate::testkit::Happened::PortOut;
use proptest::prelude::*;

/// Runs `code` as the processor refused it; true if it was emulated.
fn run(g: &mut Guest, code: &[u8]) -> bool {
    g.at(code).fault(GP, 0);
    g.check();
    !g.is_dead() && g.vcpu.regs.rip == CODE + 0x100 + code.len() as u64
}

fn dom0() -> Guest {
    let mut g = guest(0);
    g.vcpu.arch.iopl = 1;
    g
}

const IN_AL_DX: &[u8] = &[0xec];
const IN_AX_DX: &[u8] = &[0x66, 0xed];
const IN_EAX_DX: &[u8] = &[0xed];
const OUT_DX_AL: &[u8] = &[0xee];
const OUT_DX_EAX: &[u8] = &[0xef];

#[test]
fn interrupt_flag_and_ports_need_privilege() {
    for code in [&[0xfa_u8][..], &[0xfb], IN_AL_DX, OUT_DX_AL, &[0x6c]] {
        let mut g = guest(1);
        assert!(!run(&mut g, code), "{code:x?}");
        assert_eq!(g.vcpu.regs.rip, HANDLERS + 13);
        let mut g = guest(1);
        g.vcpu.arch.iopl = 1;
        g.vcpu.regs.rdi = CODE + 0x40;
        assert!(run(&mut g, code), "{code:x?}");
        assert!(!g.masked());
        let mut g = guest(1).user();
        g.vcpu.arch.iopl = 1;
        assert!(!run(&mut g, code), "{code:x?}");
        let mut g = guest(1).user();
        g.vcpu.arch.iopl = 3;
        g.vcpu.regs.rdi = CODE + 0x40;
        assert!(run(&mut g, code), "{code:x?}");
    }
}

#[test]
fn the_bitmap_is_read_as_it_is() {
    let mut g = guest(1);
    g.vcpu.arch.io_bitmap = KERNEL_STACK;
    g.vcpu.arch.io_bitmap_ports = 0x82;
    for (port, bits, ok) in [
        (0x80, 0, true),
        (0x80, 1, false),
        (0x81, 1, true),
        (0x82, 0, false),
    ] {
        g.hv.machine
            .copy_to_guest(KERNEL_STACK + 0x10, &[bits])
            .unwrap();
        g.vcpu.regs.rdx = port;
        assert_eq!(run(&mut g, IN_AL_DX), ok, "{port:x}");
    }
    g.vcpu.regs.rdx = 0x7f;
    g.hv.machine
        .copy_to_guest(KERNEL_STACK + 0x10, &[1])
        .unwrap();
    assert!(
        !run(&mut g, IN_AX_DX),
        "the second port's bit is in the next byte"
    );
    g.vcpu.arch.io_bitmap = 0xffff_8100_0000_0000;
    assert!(!run(&mut g, IN_AL_DX));
}

#[test]
fn a_domain_without_hardware_finds_no_device() {
    let mut g = guest(1);
    g.vcpu.arch.iopl = 1;
    g.hv.machine
        .configure(|s| s.ports.insert(0x42, 7).map_or((), drop));
    g.vcpu.regs.rdx = 0x42;
    g.vcpu.regs.rax = 0x1234_5678_55aa_55aa;
    assert!(run(&mut g, IN_AL_DX));
    assert_eq!(g.vcpu.regs.rax, 0x1234_5678_55aa_55ff);
    assert!(run(&mut g, IN_AX_DX));
    assert_eq!(g.vcpu.regs.rax, 0x1234_5678_55aa_ffff);
    assert!(run(&mut g, IN_EAX_DX));
    assert_eq!(g.vcpu.regs.rax, 0xffff_ffff);
    assert!(run(&mut g, OUT_DX_EAX));
    // The configuration address is a register of the guest's own.
    g.vcpu.regs.rdx = 0xcf8;
    g.vcpu.regs.rax = 0x8000_0000;
    assert!(run(&mut g, OUT_DX_EAX));
    g.vcpu.regs.rax = 0;
    assert!(run(&mut g, IN_EAX_DX));
    assert_eq!(g.vcpu.regs.rax, 0x8000_0000);
    assert!(
        g.hv.machine
            .take_happened()
            .iter()
            .all(|h| !matches!(h, PortOut(..)))
    );
}

#[test]
fn dom0_reaches_all_but_the_hypervisors_devices() {
    let mut g = dom0();
    for port in 0..=u16::MAX {
        g.hv.machine
            .configure(|s| s.ports.insert(port, 0x11).map_or((), drop));
    }
    for port in [
        0x20, 0x21, 0x22, 0x23, 0x40, 0x41, 0x43, 0xa0, 0xa1, 0x3f8, 0x3ff,
    ] {
        g.vcpu.regs.rdx = port;
        g.vcpu.regs.rax = 0x30;
        assert!(run(&mut g, IN_AL_DX));
        assert_eq!(g.vcpu.regs.rax, 0xff, "{port:x}");
        g.vcpu.regs.rax = 0x30;
        assert!(run(&mut g, OUT_DX_AL));
        assert_eq!(g.hv.machine.take_happened(), [], "{port:x}");
    }
    for port in [0x42, 0x60, 0x70, 0x80, 0x3f7, 0x400, 0x2f8, 0xcf9, 0xffff] {
        g.vcpu.regs.rdx = port;
        g.vcpu.regs.rax = 0;
        assert!(run(&mut g, IN_AL_DX));
        assert_eq!(g.vcpu.regs.rax, 0x11, "{port:x}");
        assert!(run(&mut g, OUT_DX_AL));
        assert_eq!(
            g.hv.machine.take_happened(),
            [PortOut(port as u16, 1, 0x11)]
        );
    }
    // A wide access that touches one of them is taken apart.
    g.vcpu.regs.rdx = 0x3f6;
    assert!(run(&mut g, IN_EAX_DX));
    assert_eq!(g.vcpu.regs.rax, 0xffff_1111);
    assert!(run(&mut g, OUT_DX_EAX));
    let two = [PortOut(0x3f6, 1, 0x11), PortOut(0x3f7, 1, 0x11)];
    assert_eq!(g.hv.machine.take_happened(), two);
    g.vcpu.regs.rdx = 0xffff;
    assert!(
        run(&mut g, IN_EAX_DX),
        "wraps into ports that are somebody's"
    );
}

#[test]
fn the_timer_chip_is_shared_by_counters() {
    let mut g = dom0();
    g.hv.machine
        .configure(|s| s.ports.insert(0x61, 0x30).map_or((), drop));
    g.vcpu.regs.rdx = 0x43;
    for (command, passes) in [(0x30, false), (0x74, false), (0xb0, true), (0xc2, false)] {
        g.vcpu.regs.rax = command;
        assert!(run(&mut g, OUT_DX_AL));
        assert_eq!(g.hv.machine.take_happened().len(), usize::from(passes));
    }
    g.vcpu.regs.rdx = 0x61;
    g.vcpu.regs.rax = 0xff;
    assert!(run(&mut g, OUT_DX_AL));
    assert_eq!(g.hv.machine.take_happened(), [PortOut(0x61, 1, 0x33)]);
}

#[test]
fn pci_configuration_is_one_access() {
    let mut g = dom0();
    g.hv.machine
        .configure(|s| s.ports.insert(0xcfe, 0x1237).map_or((), drop));
    g.vcpu.regs.rdx = 0xcf8;
    g.vcpu.regs.rax = 0x8000_0010;
    assert!(run(&mut g, OUT_DX_EAX));
    assert_eq!(g.hv.machine.take_happened(), []);
    g.vcpu.regs.rdx = 0xcfe;
    assert!(run(&mut g, IN_AX_DX));
    assert_eq!(g.vcpu.regs.rax & 0xffff, 0x1237);
    assert_eq!(
        g.hv.machine.take_happened(),
        [PortOut(0xcf8, 4, 0x8000_0010)]
    );
    // With the enable bit clear nothing is there.
    g.vcpu.regs.rdx = 0xcf8;
    g.vcpu.regs.rax = 0x10;
    assert!(run(&mut g, OUT_DX_EAX));
    g.vcpu.regs.rdx = 0xcfe;
    assert!(run(&mut g, IN_AX_DX));
    assert_eq!(g.vcpu.regs.rax & 0xffff, 0xffff);
}

#[test]
fn strings_move_stop_and_fault() {
    let mut g = dom0();
    g.hv.machine
        .configure(|s| s.ports.insert(0x80, 0x5a).map_or((), drop));
    g.vcpu.regs.rdx = 0x80;
    g.vcpu.regs.rdi = KERNEL_STACK;
    g.vcpu.regs.rcx = 100;
    assert!(!run(&mut g, &[0xf3, 0x6c]), "64 at a time");
    assert_eq!((g.vcpu.regs.rcx, g.vcpu.regs.rip), (36, CODE + 0x100));
    assert!(run(&mut g, &[0xf3, 0x6c]));
    assert_eq!((g.vcpu.regs.rcx, g.vcpu.regs.rdi), (0, KERNEL_STACK + 100));
    let mut bytes = [0; 101];
    g.hv.machine
        .copy_from_guest(KERNEL_STACK, &mut bytes)
        .unwrap();
    assert!(bytes[..100].iter().all(|&b| b == 0x5a) && bytes[100] == 0);
    g.vcpu.regs.rsi = KERNEL_STACK + 1;
    g.vcpu.regs.rcx = 2;
    g.vcpu.regs.rflags |= 1 << 10;
    assert!(run(&mut g, &[0xf3, 0x6e]));
    assert_eq!(g.vcpu.regs.rsi, KERNEL_STACK.wrapping_sub(1));
    for rdi in [0x1000, 0xffff_8100_0000_0000] {
        let mut g = dom0();
        g.vcpu.regs.rdi = rdi;
        assert!(!run(&mut g, &[0x6d]));
        assert_eq!(g.vcpu.regs.rip, HANDLERS + 14);
        assert_eq!(bounce::cr2(g.hv, &g.vcpu), rdi);
        assert_eq!(g.frame::<3>()[2], 2);
    }
}

#[test]
fn control_registers() {
    let mut g = dom0();
    let root = g.vcpu.arch.kernel_root.unwrap();
    for (modrm, value) in [(0xc0, 0x8005_0033), (0xd8, root.addr()), (0xe0, 0x660)] {
        assert!(run(&mut g, &[0x0f, 0x20, modrm]));
        assert_eq!(g.vcpu.regs.rax, value);
    }
    for (value, ok) in [
        (0x8005_003b, true),
        (0x8005_0033, true),
        (0, false),
        (0xffff_ffff, false),
        (0xe005_003b, false),
    ] {
        g.vcpu.regs.rax = value;
        assert_eq!(run(&mut g, &[0x0f, 0x22, 0xc0]), ok, "{value:x}");
    }
    g.vcpu.regs.rax = 0x8005_003b;
    assert!(run(&mut g, &[0x0f, 0x22, 0xc0]));
    assert!(g.hv.machine.cpu_state().task_switched);
    assert!(run(&mut g, &[0x0f, 0x06]));
    assert!(!g.hv.machine.cpu_state().task_switched);
    g.vcpu.regs.rax = 0x4321;
    assert!(run(&mut g, &[0x0f, 0x22, 0xd0]));
    assert_eq!(bounce::cr2(g.hv, &g.vcpu), 0x4321);
    // CR8, lmsw, invlpg, swapgs, hlt, a root that is none.
    for code in [
        &[0x44_u8, 0x0f, 0x20, 0xc0][..],
        &[0x0f, 0x01, 0xf0],
        &[0x0f, 0x01, 0x38],
        &[0x0f, 0x01, 0xf8],
        &[0xf4],
        &[0x0f, 0x22, 0xd8],
    ] {
        g.vcpu.regs.rax = 0;
        assert!(!run(&mut g, code), "{code:x?}");
        g.vcpu.regs.rsp = USER_STACK - 0xa0;
    }
    let mut g = guest(1).user();
    assert!(!run(&mut g, &[0x0f, 0x20, 0xc0]), "not for user code");
}

/// CPUID leaves of a processor that has everything.
fn all_features(g: &Guest) {
    g.hv.machine.configure(|s| {
        for leaf in (0..0x20).chain(0x8000_0000..0x8000_0022) {
            for subleaf in 0..4 {
                s.cpuid.insert((leaf, subleaf), (!0, !0, !0, !0));
            }
        }
        s.cpuid.insert((0, 0), (0x1f, 0x6874_7541, 0, 0));
        s.cpuid.insert((0xd, 2), (0x100, 0x240, 0, 0));
    });
}

#[test]
fn extended_control_register_needs_its_enable() {
    let mut g = dom0();
    all_features(&g);
    let xsetbv = [0x0f, 0x01, 0xd1];
    assert!(!run(&mut g, &xsetbv));
    assert_eq!(g.vcpu.regs.rip, HANDLERS + 6);
    g.vcpu.regs.rax = 0x4_0660;
    assert!(run(&mut g, &[0x0f, 0x22, 0xe0]));
    assert!(run(&mut g, &[0x0f, 0x20, 0xe0]));
    assert_eq!(g.vcpu.regs.rax, 0x4_0660);
    for (value, ok) in [
        (1, true),
        (3, true),
        (7, true),
        (0, false),
        (5, false),
        (0x207, false),
    ] {
        g.vcpu.regs.rax = value;
        g.vcpu.regs.rcx = 0;
        g.vcpu.regs.rsp = USER_STACK - 0xa0;
        assert_eq!(run(&mut g, &xsetbv), ok, "{value:x}");
    }
}

fn cpuid(g: &mut Guest, leaf: u64, subleaf: u64) -> [u32; 4] {
    g.vcpu.regs.rax = leaf;
    g.vcpu.regs.rcx = subleaf;
    g.at(&[0x0f, 0x0b, b'x', b'e', b'n', 0x0f, 0xa2])
        .fault(UD, 0);
    assert_eq!(g.vcpu.regs.rip, CODE + 0x107);
    let r = &g.vcpu.regs;
    [r.rax, r.rbx, r.rcx, r.rdx].map(|v| u32::try_from(v).unwrap())
}

#[test]
fn nothing_shows_that_guests_cannot_have() {
    for domain in [0, 1] {
        let mut g = guest(domain);
        all_features(&g);
        let [_, _, c, d] = cpuid(&mut g, 1, 0);
        // MONITOR VMX SMX PCID x2APIC TSC-deadline; PSE SEP PGE PSE36.
        assert_eq!(c & 0x0122_0068, 0);
        assert_eq!(d & 0x0002_2808, 0);
        assert_eq!(d >> 12 & 1, u32::from(domain == 0), "MTRR");
        assert_ne!(c & 1 << 31, 0);
        assert_eq!(c & 1 << 27, 0, "OSXSAVE is the guest's CR4");
        let [_, b, c, _] = cpuid(&mut g, 7, 0);
        // SMEP INVPCID RTM MPX AVX512F SMAP; UMIP PKU LA57.
        assert_eq!((b & 0x0031_4c80, c & 0x0001_000c), (0, 0));
        let [_, _, c, d] = cpuid(&mut g, 0x8000_0001, 0);
        // SVM, CR8; PSE PGE PSE36 1-GiB pages RDTSCP.
        assert_eq!((c & 0x14, d & 0x0c02_2008), (0, 0));
        assert_ne!(d & 1 << 11, 0);
        for leaf in [
            3,
            5,
            6,
            0xa,
            0xb,
            0xe,
            0x14,
            0x8000_000a,
            0x8000_001f,
            0xc000_0000,
        ] {
            assert_eq!(cpuid(&mut g, leaf, 0), [0; 4], "{leaf:x}");
        }
        let [a, b, c, _] = cpuid(&mut g, 0xd, 0);
        assert_eq!((a, b, c), (7, 0x240, 0x340));
    }
}

#[test]
fn the_hypervisor_says_who_it_is() {
    let mut g = guest(1).user();
    let [a, b, c, d] = cpuid(&mut g, 0x4000_0000, 9);
    let name: Vec<u8> = [b, c, d].iter().flat_map(|w| w.to_le_bytes()).collect();
    assert_eq!((a, &name[..]), (0x4000_0005, &b"XenVMMXenVMM"[..]));
    assert_eq!(cpuid(&mut g, 0x4000_0001, 0), [0x4_0011, 0, 0, 0]);
    assert_eq!(cpuid(&mut g, 0x4000_0002, 0), [1, 0x4000_0000, 1, 0]);
    assert_eq!(cpuid(&mut g, 0x4000_0003, 2)[0], 2_000_000);
    assert_eq!(cpuid(&mut g, 0x4000_0005, 0), [0, 19, 0, 0]);
    g.at(&[0x0f, 0x0b, b'x', b'e', b'n', 0x0f, 0xa1])
        .fault(UD, 0);
    assert_eq!(g.vcpu.regs.rip, HANDLERS + 6);
}

const RDMSR: [u8; 2] = [0x0f, 0x32];
const WRMSR: [u8; 2] = [0x0f, 0x30];

/// Every register of the ranges that processors use: only those of the list answer.
#[test]
fn model_specific_registers_are_a_list() {
    let mut g = dom0();
    g.hv.machine.configure(|s| {
        for index in (0..0x2000)
            .chain(0xc000_0000..0xc000_2000)
            .chain(0xc001_0000..0xc001_2000)
        {
            s.msrs.insert(index, 0xdead_beef_dead_beef);
        }
    });
    let ranges = [
        0..0x2000_u64,
        0x4000_0000..0x4000_0200,
        0xc000_0000..0xc000_2000,
    ];
    let mut answered = Vec::new();
    for index in ranges.into_iter().flatten().chain(0xc001_0000..0xc001_2000) {
        g.vcpu.regs.rcx = index;
        g.vcpu.regs.rsp = USER_STACK - 0xa0;
        if run(&mut g, &RDMSR) {
            answered.push(index);
        }
    }
    let expected = [
        0,
        0x10,
        0x1b,
        0x8b,
        0xce,
        0x140,
        0x179,
        0x17a,
        0x277,
        0x400,
        0x401,
        0x402,
        0x403,
        0x404,
        0x405,
        0x406,
        0x407,
        0x4000_0000,
        0xc000_0080,
        0xc000_0100,
        0xc000_0101,
        0xc000_0102,
    ];
    assert_eq!(answered, expected);
}

#[test]
fn writes_of_registers() {
    let mut g = dom0();
    all_features(&g);
    for (index, value, ok) in [
        (0xc000_0100_u64, 0x1000_u64, true),
        (0xc000_0101, 0x8000_0000_0000_0000, false),
        (0xc000_0102, 0x4000, true),
        (0xc000_0080, 0xd01, true),
        (0xc000_0080, 0xd00, false),
        (0x277, 0x0501_0007_0406, false),
        (0x400, 5, true),
        (0x401, 0, true),
        (0x401, 1, false),
        (0x1b, 0xfee0_0900, false),
        (0xc001_0015, 1, true),
        (0xc001_0010, 1, false),
        (0x4000_0000, 0, false),
        (0x4000_0000, g.code.addr() | 1, false),
        (0xc000_0082, 0, false),
    ] {
        g.vcpu.regs.rcx = index;
        (g.vcpu.regs.rax, g.vcpu.regs.rdx) = (value & 0xffff_ffff, value >> 32);
        g.vcpu.regs.rsp = USER_STACK - 0xa0;
        assert_eq!(run(&mut g, &WRMSR), ok, "{index:x} {value:x}");
    }
    assert_eq!(
        (g.hv.machine.fs_base(), g.vcpu.arch.gs_base_user),
        (0x1000, 0x4000)
    );
    let page = g.hv.alloc_domain_page(g.dom).unwrap();
    g.vcpu.regs.rcx = 0x4000_0000;
    (g.vcpu.regs.rax, g.vcpu.regs.rdx) = (page.addr(), 0);
    assert!(run(&mut g, &WRMSR));
    assert_eq!(g.hv.machine.load_u32(page, 32), 0xb853_4151);
}

#[test]
fn an_unknown_register_reads_as_zero_before_there_is_a_handler() {
    let mut g = guest(1);
    g.vcpu.arch.traps[13].address = 0;
    g.vcpu.regs.rcx = 0x1234;
    g.vcpu.regs.rax = 5;
    assert!(run(&mut g, &RDMSR));
    assert_eq!(g.vcpu.regs.rax, 0);
    assert!(!run(&mut g, &WRMSR));
    assert!(g.is_dead());
}

#[test]
fn code_at_the_end_of_what_is_mapped() {
    let mut g = dom0();
    g.hv.machine.copy_to_guest(END - 1, &[0xfa]).unwrap();
    g.vcpu.regs.rip = END - 1;
    g.fault(GP, 0);
    assert_eq!(g.vcpu.regs.rip, END);
    // An instruction that goes on where nothing is.
    g.hv.machine.copy_to_guest(END - 1, &[0x0f]).unwrap();
    g.vcpu.regs.rip = END - 1;
    g.fault(GP, 0);
    assert_eq!(g.vcpu.regs.rip, HANDLERS + 13);
    // Code that is not 64-bit is not emulated.
    let mut g = dom0();
    g.vcpu.regs.cs = 0xe023;
    assert!(!run(&mut g, &[0xfa]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Random code, registers and privilege: no panic, nothing dangerous, no port of ours.
    #[test]
    fn random_instructions(
        code in prop::collection::vec(any::<u8>(), 1..16),
        escape: bool,
        regs: [u64; 6],
        near: bool,
        iopl in 0_u8..4,
        user: bool,
        domain in 0_u16..2,
    ) {
        let mut g = if user { guest(domain).user() } else { guest(domain) };
        g.vcpu.arch.iopl = iopl;
        let mut code = code;
        if escape {
            code.insert(0, 0x0f);
        }
        let r = &mut g.vcpu.regs;
        [r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi] = regs;
        if near {
            r.rsi = CODE + regs[4] % 0x3000;
            r.rdi = CODE + regs[5] % 0x3000;
        }
        for vector in [GP, UD] {
            g.at(&code).fault(vector, 0);
            g.check();
        }
        for happened in g.hv.machine.take_happened() {
            if let PortOut(port, size, _) = happened {
                prop_assert!(domain == 0);
                let last = port.wrapping_add(u16::from(size) - 1);
                prop_assert!(!(0x3f8..=0x3ff).contains(&port) && !(0x3f8..=0x3ff).contains(&last));
                prop_assert!(!(0x20..=0x23).contains(&port) && !(0x20..=0x23).contains(&last));
            }
        }
    }
}

//! What the processor says of itself: CPUID, model-specific registers, XCR0.

use super::*;

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
        let before = g.hv.machine.cpu_state().xcr0;
        assert_eq!(run(&mut g, &xsetbv), ok, "{value:x}");
        let now = g.hv.machine.cpu_state().xcr0;
        assert_eq!(now, if ok { value } else { before });
        assert_eq!(g.vcpu.arch.xcr0, now);
    }
}

#[test]
fn reading_the_time_can_be_kept_from_user_mode() {
    let (rdtsc, rdtscp) = (&[0x0f_u8, 0x31][..], &[0x0f_u8, 0x01, 0xf9][..]);
    let mut g = guest(1);
    g.vcpu.regs.rax = 0x664;
    assert!(run(&mut g, &[0x0f, 0x22, 0xe0]));
    assert_eq!(g.hv.machine.cpu_state().guest_cr4, 4);
    g.vcpu.arch.tsc_aux = 0x77;
    for code in [rdtsc, rdtscp] {
        g.vcpu.regs.rcx = u64::MAX;
        assert!(run(&mut g, code), "the kernel may");
        let r = &g.vcpu.regs;
        assert_eq!((r.rax | r.rdx << 32, r.rax >> 32), (g.hv.machine.tsc(), 0));
        let rcx = if code == rdtsc { u64::MAX } else { 0x77 };
        assert_eq!(r.rcx, rcx);
        let mut u = guest(1).user();
        u.vcpu.arch.cr4 = 4;
        assert!(!run(&mut u, code), "user code may not");
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
        // OSXSAVE is the guest's CR4, but for the domain that has the hardware.
        assert_eq!(c >> 27 & 1, u32::from(domain == 0));
        let [_, b, c, _] = cpuid(&mut g, 7, 0);
        // SMEP INVPCID RTM MPX AVX512F SMAP; UMIP PKU LA57.
        assert_eq!((b & 0x0031_4c80, c & 0x0001_000c), (0, 0));
        let [_, _, c, d] = cpuid(&mut g, 0x8000_0001, 0);
        // SVM, CR8; PSE PGE PSE36 1-GiB pages.
        assert_eq!((c & 0x14, d & 0x0402_2008), (0, 0));
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
        for (xcr0, size) in [(3, 0x240), (7, 0x340)] {
            g.vcpu.arch.xcr0 = xcr0;
            let [a, b, c, _] = cpuid(&mut g, 0xd, 0);
            assert_eq!((a, b, c), (7, size, 0x340));
        }
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
    let singles = [
        0, 1, 0x10, 0x1b, 0x8b, 0xce, 0x140, 0x179, 0x17a, 0x17b, 0x1a0, 0x277,
    ];
    let expected = singles
        .into_iter()
        .chain(0x280..0x2a0)
        .chain([0x345])
        .chain(0x400..0x480)
        .chain([0x4000_0000])
        .chain([0xc000_0080, 0xc000_0100, 0xc000_0101, 0xc000_0102]);
    let expected: Vec<u64> = expected.collect();
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
        (0x409, 1, true),
        (0x480, 1, false),
        (0xc000_0103, 0x77, true),
        (0xc000_0103, 1 << 32, false),
        (0x17a, 5, true),
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
    assert_eq!(g.hv.machine.cpu_state().tsc_aux, 0x77);
    g.vcpu.regs.rcx = 0x17a;
    assert!(run(&mut g, &RDMSR));
    assert_eq!(g.vcpu.regs.rax, 5, "holds what was written");
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

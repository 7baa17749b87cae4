//! Emulated instructions.

use super::*;
use crate::testkit::Happened::PortOut;
use proptest::prelude::*;

pub(super) const IN_AL_DX: &[u8] = &[0xec];
pub(super) const IN_AX_DX: &[u8] = &[0x66, 0xed];
pub(super) const IN_EAX_DX: &[u8] = &[0xed];
pub(super) const OUT_DX_AL: &[u8] = &[0xee];
pub(super) const OUT_DX_EAX: &[u8] = &[0xef];

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
    let mut g = dom0();
    g.vcpu.regs.rdi = 0x1000;
    assert!(!run(&mut g, &[0x6d]));
    assert_eq!(g.vcpu.regs.rip, HANDLERS + 14);
    assert_eq!(bounce::cr2(g.hv, &g.vcpu), 0x1000);
    assert_eq!(g.frame::<3>()[2], 2);
    for rdi in [0xffff_8100_0000_0000, 1 << 63] {
        let mut g = dom0();
        g.vcpu.regs.rdi = rdi;
        assert!(!run(&mut g, &[0x6d]));
        assert_eq!(g.vcpu.regs.rip, HANDLERS + 13);
    }
}

#[test]
fn strings_and_their_prefixes() {
    let mut g = dom0();
    g.hv.machine.set_fs_base(KERNEL_STACK);
    g.hv.machine
        .copy_to_guest(KERNEL_STACK + 8, &[0x77, 0x78])
        .unwrap();
    g.vcpu.regs.rdx = 0x80;
    g.vcpu.regs.rsi = 8;
    let _ = g.hv.machine.take_happened();
    assert!(run(&mut g, &[0x64, 0x6e]), "from FS");
    assert_eq!(g.hv.machine.take_happened(), [PortOut(0x80, 1, 0x77)]);
    g.vcpu.regs.rdi = KERNEL_STACK;
    assert!(run(&mut g, &[0x64, 0x6c]), "the target has no prefix");
    assert_eq!(g.vcpu.regs.rdi, KERNEL_STACK + 1);
    // What does not fit is not stored in part, and the port is not read.
    g.vcpu.regs.rdi = END - 2;
    g.hv.machine.copy_to_guest(END - 2, &[1, 2]).unwrap();
    assert!(!run(&mut g, &[0x6d]));
    assert_eq!(bounce::cr2(g.hv, &g.vcpu), END);
    let mut bytes = [0; 2];
    g.hv.machine.copy_from_guest(END - 2, &mut bytes).unwrap();
    assert_eq!(bytes, [1, 2]);
    // Of a repeated one with 32-bit addresses, registers are 32 bits wide even if it faults.
    let mut g = dom0();
    (g.vcpu.regs.rcx, g.vcpu.regs.rdi) = (5 << 32 | 3, 6 << 32 | 0x1000);
    assert!(!run(&mut g, &[0x67, 0xf3, 0x6c]));
    assert_eq!((g.vcpu.regs.rcx, g.vcpu.regs.rdi), (3, 0x1000));
}

#[test]
fn control_registers() {
    let mut g = dom0();
    let root = g.vcpu.arch.kernel_root.get().unwrap();
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
    // With CR4.DE there are no debug registers 4 and 5, and breakpoints on I/O.
    g.vcpu.regs.rax = 0x2_0402;
    assert!(!run(&mut g, &[0x0f, 0x23, 0xf8]));
    assert!(run(&mut g, &[0x0f, 0x21, 0xe1]));
    g.vcpu.regs.rsp = USER_STACK - 0xa0;
    g.vcpu.regs.rax = 0x668;
    assert!(run(&mut g, &[0x0f, 0x22, 0xe0]));
    assert_eq!(g.hv.machine.cpu_state().guest_cr4, 8);
    g.vcpu.regs.rax = 0x2_0402;
    assert!(run(&mut g, &[0x0f, 0x23, 0xf8]));
    assert!(!run(&mut g, &[0x0f, 0x21, 0xe1]));
    assert_eq!(g.vcpu.regs.rip, HANDLERS + 6);
    g.vcpu.regs.rsp = USER_STACK - 0xa0;
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

#[test]
fn code_at_the_end_of_the_lower_half() {
    let mut g = dom0();
    let last = (1 << 47) - PAGE_SIZE as u64;
    let root = testkit::map(g.hv, g.dom, last, &[g.code]);
    g.hv.machine.load_root(root);
    g.hv.machine.write_frame(g.code, 0xfff, &[0xfa]);
    g.vcpu.regs.rip = (1 << 47) - 1;
    g.vcpu.regs.rsp = last + 0x800;
    g.fault(GP, 0);
    assert_eq!(g.vcpu.regs.rip, HANDLERS + 13);
    assert_eq!(g.frame::<4>()[2..], [0, 1 << 47]);
    g.check();
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
        let stack = r.rsp;
        for vector in [GP, UD] {
            // The first may have loaded rsp; a kernel without a stack rightly dies at the second.
            if !user {
                g.vcpu.regs.rsp = stack;
            }
            g.at(&code).fault(vector, 0);
            g.check();
        }
        for happened in g.hv.machine.take_happened() {
            if let PortOut(port, size, value) = happened {
                prop_assert!(domain == 0);
                prop_assert!(port != 0x70 || value < 0x80, "NMIs are held back");
                let last = port.wrapping_add(u16::from(size) - 1);
                prop_assert!(!(0x3f8..=0x3ff).contains(&port) && !(0x3f8..=0x3ff).contains(&last));
                prop_assert!(!(0x20..=0x23).contains(&port) && !(0x20..=0x23).contains(&last));
            }
        }
    }
}

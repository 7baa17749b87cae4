//! Ways into the guest kernel, and back.

use super::*;
use crate::error::{Crash, Stop};
use hypercall_abi::arch_x86_64::{VGCF_in_syscall, iret_context};
use hypercall_abi::xen::VMASST_TYPE_architectural_iopl;
use proptest::prelude::*;
use zerocopy::IntoBytes;

const KERNEL_CS: u64 = 0xe030;
const USER_CS: u64 = 0xe033;
const SS: u64 = 0xe02b;

#[test]
fn kernel_exceptions_show_what_real_xen_shows() {
    let mut g = guest(1);
    g.fault(BP, 0);
    let rip = CODE + 0x100;
    let sp = USER_STACK - 0xa0;
    assert_eq!(g.frame(), [0x3333, 0x2222, rip, KERNEL_CS, FLAGS, sp, SS]);
    assert_eq!(g.vcpu.regs.rsp, sp - 0x38);
    assert_eq!(g.vcpu.regs.rip, HANDLERS + 3);
    assert_eq!((g.vcpu.regs.cs, g.vcpu.regs.ss), (USER_CS, SS));
    assert!(!g.masked() && !g.is_dead());
}

#[test]
fn masked_events_show_in_the_frame() {
    let mut g = guest(1);
    g.mask(true);
    g.fault(BP, 0);
    let [.., cs, flags, _, _] = g.frame::<7>();
    assert_eq!((cs, flags), (0x1_0000_e030, FLAGS & !0x200));
    assert_eq!(g.vcpu.regs.rflags, FLAGS);
}

#[test]
fn error_codes_and_stray_stack_pointers() {
    let mut g = guest(1);
    g.vcpu.regs.rflags = FAULT_FLAGS;
    g.vcpu.regs.rsp = USER_STACK - 0xb5;
    g.fault(14, 6);
    let [rcx, _, error, rip, _, flags, sp, _] = g.frame();
    // The user bit is not shown to a kernel.
    assert_eq!((rcx, error, rip), (0x3333, 2, CODE + 0x100));
    assert_eq!((flags, sp), (FAULT_FLAGS, USER_STACK - 0xb5));
    assert_eq!(g.vcpu.regs.rsp, USER_STACK - 0xc0 - 0x40);
    assert_eq!(g.vcpu.regs.rflags, FLAGS);
}

#[test]
fn user_exceptions_use_the_kernel_stack_root_and_gs() {
    let mut g = guest(1).user();
    g.hv.machine.set_gs_base(0x1234);
    g.vcpu.arch.gs_base_kernel = 0xaaaa_0000;
    g.vcpu.regs.rflags = 0x25_4fd7;
    exception(g.hv, &mut g.vcpu, 14, 6, 0x5678);
    let [.., error, rip, cs, flags, sp, ss] = g.frame::<8>();
    assert_eq!((error, rip, cs, ss), (6, CODE + 0x100, USER_CS, SS));
    assert_eq!((flags, sp), (0x25_4fd7, END - 0x40));
    assert_eq!(g.vcpu.regs.rflags, 0x20_0ed7);
    // 8 words below the stack's top, aligned down.
    assert_eq!(g.vcpu.regs.rsp, USER_STACK - 0x10 - 0x40);
    assert_eq!(g.vcpu.mode, Mode::Kernel);
    assert_eq!(g.hv.machine.gs_base(), 0xaaaa_0000);
    assert_eq!(g.vcpu.arch.gs_base_user, 0x1234);
    assert_eq!(bounce::cr2(g.hv, &g.vcpu), 0x5678);
    let root = g.vcpu.arch.kernel_root.get().unwrap();
    assert!(
        g.hv.machine
            .take_happened()
            .contains(&Happened::LoadRoot(root))
    );
}

#[test]
fn software_interrupts_obey_the_gates_level() {
    // From the kernel: level 1 is enough; the saved rip is behind the instruction.
    for (flags, user, allowed) in [
        (0, false, false),
        (1, false, true),
        (3, false, true),
        (0, true, false),
        (2, true, false),
        (3, true, true),
        (7, true, true),
    ] {
        let mut g = if user { guest(1).user() } else { guest(1) };
        g.vcpu.arch.traps[0x21].flags = flags;
        g.fault(GP, 0x21 << 3 | 2);
        if allowed {
            assert_eq!(g.frame::<3>()[2], CODE + 0x102);
            assert_eq!(g.vcpu.regs.rip, HANDLERS + 0x21);
            assert_eq!(g.masked(), flags & 4 != 0);
        } else {
            assert_eq!(g.frame::<4>()[2..], [0x10a, CODE + 0x100]);
            assert_eq!(g.vcpu.regs.rip, HANDLERS + 13);
        }
    }
    let mut g = guest(1).user();
    g.vcpu.arch.traps[0x80] = TrapGate {
        flags: 3,
        address: HANDLERS,
        cs: 0,
    };
    g.vcpu.regs.rip = CODE + 0x102;
    g.fault(0x80, 0);
    assert_eq!(g.frame::<3>()[2], CODE + 0x102);
}

#[test]
fn task_switched_is_the_guests_or_nobodys() {
    let mut g = guest(1);
    g.fault(NM, 0);
    assert_eq!(g.vcpu.regs.rip, CODE + 0x100, "nothing to see");
    calls::fpu_taskswitch(&mut g.cx(), 1).unwrap();
    assert!(g.hv.machine.cpu_state().task_switched);
    g.fault(NM, 0);
    assert_eq!(g.vcpu.regs.rip, HANDLERS + 7);
    assert!(!g.vcpu.arch.task_switched && !g.hv.machine.cpu_state().task_switched);
}

#[test]
fn single_step_is_reported_once() {
    let mut g = guest(1);
    g.hv.machine.load_debugreg(6, 0xffff_4ff0);
    g.fault(DB, 0);
    assert_eq!(registers::dr(&g.vcpu, 6), Ok(0xffff_4ff0));
    assert_eq!(g.hv.machine.debugreg(6), 0xffff_0ff0);
}

#[test]
fn without_a_handler_or_a_stack_the_domain_dies() {
    let mut g = guest(1);
    g.vcpu.arch.traps[6].address = 0;
    g.fault(UD, 0);
    assert!(g.is_dead());
    for rsp in [
        0,
        0x1000,
        CODE,
        0xffff_8100_0000_0000,
        1 << 63,
        u64::MAX,
        END + 64,
    ] {
        let mut g = guest(1);
        g.vcpu.regs.rsp = rsp;
        g.fault(UD, 0);
        assert!(g.is_dead(), "{rsp:x}");
        assert!(
            g.hv.machine
                .take_happened()
                .iter()
                .any(|h| matches!(h, Happened::Dump(_)))
        );
        let mut g = guest(1).user();
        g.vcpu.arch.kernel_sp = rsp;
        g.fault(UD, 0);
        assert!(g.is_dead(), "{rsp:x}");
    }
    let mut g = guest(1);
    g.vcpu.arch.traps[6].address = 0x8000_0000_0000;
    g.fault(UD, 0);
    assert!(g.is_dead());
    let mut g = guest(1).user();
    g.vcpu.arch.kernel_root = crate::vcpu::Root::NONE;
    g.fault(UD, 0);
    assert!(g.is_dead());
}

#[test]
fn user_syscalls_reach_the_callback() {
    let mut g = guest(1).user();
    g.vcpu.arch.syscall = crate::vcpu::Callback {
        address: HANDLERS,
        mask_events: true,
    };
    g.vcpu.regs.rcx = g.vcpu.regs.rip;
    g.vcpu.regs.r11 = 0x202;
    g.vcpu.regs.rflags = 0x202;
    bounce::syscall(g.hv, &mut g.vcpu);
    let rip = CODE + 0x100;
    assert_eq!(g.frame(), [rip, 0x202, rip, USER_CS, 0x202, END - 0x40, SS]);
    assert!(g.masked());
    assert_eq!(g.vcpu.regs.rip, HANDLERS);

    let mut g = guest(1).user();
    bounce::syscall(g.hv, &mut g.vcpu);
    assert_eq!(g.vcpu.regs.rip, HANDLERS + 6);
    assert_eq!(g.frame::<3>()[2], CODE + 0xfe);
}

#[test]
fn events_mask_themselves() {
    let mut g = guest(1);
    bounce::event(g.hv, &mut g.vcpu);
    assert_eq!(g.vcpu.regs.rip, CODE + 0x100, "none registered");
    g.vcpu.arch.event.address = HANDLERS;
    bounce::event(g.hv, &mut g.vcpu);
    let [.., cs, flags, _, _] = g.frame::<7>();
    assert_eq!((cs, flags), (KERNEL_CS, FLAGS));
    assert!(g.masked());
}

fn iret_to(g: &mut Guest, frame: iret_context) -> Result<i64, Stop> {
    g.vcpu.regs.rsp = KERNEL_STACK + 0x200;
    let sp = g.vcpu.regs.rsp;
    g.hv.machine.copy_to_guest(sp, frame.as_bytes()).unwrap();
    iret::iret(&mut g.cx())
}

const TO_USER: iret_context = iret_context {
    rax: 0x1111,
    r11: 0x2222,
    rcx: 0x3333,
    flags: 0,
    rip: CODE + 0x300,
    cs: USER_CS,
    rflags: 0x202,
    rsp: END - 0x40,
    ss: SS,
};

#[test]
fn iret_restores_registers_and_mode() {
    let mut g = guest(1);
    g.mask(true);
    assert_eq!(iret_to(&mut g, TO_USER), Ok(0));
    let r = &g.vcpu.regs;
    assert_eq!((r.rax, r.r11, r.rcx), (0x1111, 0x2222, 0x3333));
    assert_eq!((r.rip, r.cs, r.rflags), (CODE + 0x300, USER_CS, 0x202));
    assert_eq!((r.rsp, r.ss, g.vcpu.mode), (END - 0x40, SS, Mode::User));
    assert!(!g.masked());

    let mut g = guest(1);
    let frame = iret_context {
        flags: VGCF_in_syscall,
        cs: USER_CS,
        ss: 0,
        ..TO_USER
    };
    iret_to(&mut g, frame).unwrap();
    let r = &g.vcpu.regs;
    assert_eq!((r.rax, r.r11, r.rcx), (0x1111, 0x202, CODE + 0x300));
    assert_eq!((r.cs, r.ss), (USER_CS, SS));

    for rpl in 0..3 {
        let mut g = guest(1);
        let frame = iret_context {
            cs: KERNEL_CS | rpl,
            rflags: 2,
            ..TO_USER
        };
        iret_to(&mut g, frame).unwrap();
        assert_eq!((g.vcpu.mode, g.vcpu.regs.cs), (Mode::Kernel, USER_CS));
        assert!(g.masked(), "IF was clear");
    }
}

#[test]
fn bad_iret_frames_fault_where_they_lead() {
    let bad_rip = iret_context {
        rip: 0x8000_0000_0000_1000,
        ..TO_USER
    };
    let null_ss = iret_context { ss: 0, ..TO_USER };
    let null_cs = iret_context { cs: 0, ..TO_USER };
    for (frame, cs, rflags, ss) in [
        (bad_rip, USER_CS, 0x1_0202, SS),
        (null_ss, USER_CS, 0x202, 3),
        (null_cs, 0, 0x202, SS),
    ] {
        let mut g = guest(1);
        iret_to(&mut g, frame).unwrap();
        if frame.rip == TO_USER.rip {
            // Null selectors are left to the processor, which refuses them.
            g.fault(GP, 0);
        }
        assert_eq!(g.vcpu.regs.rip, HANDLERS + 13);
        let shown = g.frame::<8>();
        assert_eq!(
            shown,
            [0x3333, 0x2222, 0, frame.rip, cs, rflags, END - 0x40, ss]
        );
    }
    let mut g = guest(1);
    g.vcpu.regs.rsp = 0x1000;
    let unread = iret::iret(&mut g.cx());
    assert!(matches!(unread, Err(Stop::Crash(Crash(_)))));
    let mut g = guest(1);
    g.vcpu.arch.user_root = crate::vcpu::Root::NONE;
    assert!(matches!(iret_to(&mut g, TO_USER), Err(Stop::Crash(_))));
}

#[test]
fn io_privilege_shows_only_to_those_who_asked() {
    let mut g = guest(1);
    g.vcpu.arch.iopl = 1;
    g.fault(UD, 0);
    assert_eq!(g.frame::<6>()[4] & frame::IOPL, 0);
    g.dom
        .vm_assist
        .store(1 << VMASST_TYPE_architectural_iopl, Ordering::Relaxed);
    g.fault(UD, 0);
    assert_eq!(g.frame::<6>()[4] & frame::IOPL, 1 << 12);
    iret_to(
        &mut g,
        iret_context {
            rflags: 0x3202,
            ..TO_USER
        },
    )
    .unwrap();
    assert_eq!(g.vcpu.arch.iopl, 3);
    assert_eq!(g.vcpu.regs.rflags & frame::IOPL, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any frame, any fault after it: the vCPU goes on somewhere harmless or the domain is dead.
    #[test]
    fn no_frame_leads_anywhere_dangerous(
        words: [u64; 9],
        near: bool,
        vector in 0_u8..=255,
        error: u32,
        cr2: u64,
    ) {
        let mut g = guest(1);
        let [rax, r11, rcx, flags, rip, cs, rflags, rsp, ss] = words;
        let mut frame = iret_context { rax, r11, rcx, flags, rip, cs, rflags, rsp, ss };
        if near {
            frame.rip = CODE + rip % 0x3000;
            frame.rsp = CODE + rsp % 0x3000;
        }
        if iret_to(&mut g, frame).is_ok() {
            g.check();
            if !g.is_dead() && vector != 2 {
                exception(g.hv, &mut g.vcpu, vector, error, cr2);
                g.check();
            }
        }
    }
}

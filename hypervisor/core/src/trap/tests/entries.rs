//! The entries that the binary's fast paths use against those with all registers saved: whatever a
//! guest does there comes to the same.

use super::*;
use crate::entry::{Irq, Resume};
use crate::hypercall::dispatch;
use crate::sched::{self, Cpu};
use hypercall_abi::arch_x86_64::iret_context;
use hypercall_abi::xen::*;
use zerocopy::{FromZeros, IntoBytes};

/// A CPU that runs the guest's vCPU.
struct Running {
    g: Guest,
    cpu: Cpu,
}

impl Running {
    fn new(mut g: Guest) -> Self {
        if let Some(home) = g.dom.homes.lock()[0].as_mut() {
            core::mem::swap(&mut **home, &mut g.vcpu);
        }
        let mut cpu = Cpu::new(0);
        assert_eq!(sched::leave(g.hv, &mut cpu), Resume::Guest);
        Self { g, cpu }
    }

    fn vcpu(&mut self) -> &mut Vcpu {
        self.cpu.current.as_mut().expect("it runs")
    }

    /// What the guest sees of itself, and its stack.
    fn seen(mut self) -> (Regs, Mode, u8, Vec<u8>) {
        let mut stack = std::vec![0; 2 * PAGE_SIZE];
        self.g
            .hv
            .machine
            .copy_from_guest(KERNEL_STACK, &mut stack)
            .unwrap();
        let vcpu = self.vcpu();
        (vcpu.regs, vcpu.mode, vcpu.arch.iopl, stack)
    }
}

/// The guest executes `code` after `set`, and enters by `fast` or by exception `vector`.
fn both_ways(
    make: impl Fn() -> Guest,
    (vector, error, cr2): (u8, u32, u64),
    fast: impl Fn(&Hypervisor<FakeMachine>, &mut Cpu) -> bool,
) -> bool {
    let (mut quick, mut whole) = (Running::new(make()), Running::new(make()));
    let emulated = fast(quick.g.hv, &mut quick.cpu);
    let resume = whole.g.hv.on_exception(&mut whole.cpu, vector, error, cr2);
    assert_eq!(resume, Resume::Guest);
    assert_eq!(quick.seen(), whole.seen());
    emulated
}

fn at(code: &'static [u8]) -> impl Fn() -> Guest {
    move || {
        let mut g = guest(1);
        g.at(code);
        g
    }
}

#[test]
fn exceptions() {
    let ud = |code| both_ways(at(code), (UD, 0, 0), |hv, cpu| hv.on_invalid_opcode(cpu));
    assert!(ud(&[0x0f, 0x0b, b'x', b'e', b'n', 0x0f, 0xa2]));
    assert!(!ud(&[0x0f, 0x0b]));
    let gp = |code, error| {
        both_ways(at(code), (GP, error, 0), |hv, cpu| {
            hv.on_general_protection(cpu, error)
        })
    };
    assert!(gp(&[0x0f, 0x20, 0xd8], 0), "mov from CR3");
    assert!(!gp(&[0xf4], 0), "hlt");
    assert!(!gp(&[0xcd, 0x80], 0x80 << 3 | 2));
    let pf = |error, cr2| {
        both_ways(at(&[0x90]), (PF, error, cr2), |hv, cpu| {
            hv.on_page_fault(cpu, error, cr2)
        })
    };
    assert!(pf(7, CODE), "a stale translation");
    assert!(!pf(6, 0x1000));
}

#[test]
fn a_system_call_of_a_process() {
    let make = || {
        let mut g = guest(1).user();
        g.vcpu.arch.syscall.address = HANDLERS + 0x300;
        g
    };
    let (mut quick, mut whole) = (Running::new(make()), Running::new(make()));
    quick.g.hv.on_user_syscall(&mut quick.cpu);
    assert_eq!(whole.g.hv.on_syscall(&mut whole.cpu), Resume::Guest);
    let (quick, whole) = (quick.seen(), whole.seen());
    assert_eq!((quick.0.rip, quick.1), (HANDLERS + 0x300, Mode::Kernel));
    assert_eq!(quick, whole);
}

/// The guest kernel with an iret frame on its stack.
fn returning(change: impl Fn(&mut iret_context)) -> Guest {
    let mut g = guest(1);
    let mut frame = iret_context::new_zeroed();
    (frame.rip, frame.rsp) = (HANDLERS, END - 0x80);
    (frame.cs, frame.ss) = (u64::from(FLAT_KERNEL_CS) & !3, u64::from(FLAT_KERNEL_SS));
    (frame.rax, frame.rcx, frame.r11, frame.rflags) = (1, 2, 3, 0x3286);
    change(&mut frame);
    g.vcpu.regs.rsp -= 0x100;
    let at = g.vcpu.regs.rsp;
    g.hv.machine.copy_to_guest(at, frame.as_bytes()).unwrap();
    g.vcpu.regs.rax = dispatch::IRET;
    g
}

#[test]
fn returns() {
    type Change = fn(&mut iret_context);
    let changes: [(bool, Change); 6] = [
        (true, |_| ()),
        (true, |f| f.cs |= 3),
        (true, |f| (f.flags, f.cs) = (0x100, f.cs | 3)),
        (true, |f| f.rflags &= !0x200),
        // A selector of the guest's own, which faults when it is loaded, and no address.
        (true, |f| f.cs = 0x13),
        (false, |f| f.rip = 1 << 60),
    ];
    for (index, (quickly, change)) in changes.into_iter().enumerate() {
        let mut quick = Running::new(returning(change));
        let mut whole = Running::new(returning(change));
        let rsp = quick.vcpu().regs.rsp;
        let done = quick.g.hv.on_iret(&mut quick.cpu, rsp);
        assert_eq!(done, quickly, "{index}");
        if !done {
            // Nothing has happened: the same call is made with all registers saved.
            assert!(quick.vcpu().call_whole);
            assert_eq!(quick.g.hv.on_attention(&mut quick.cpu), Resume::Guest);
        }
        assert_eq!(whole.g.hv.on_syscall(&mut whole.cpu), Resume::Guest);
        assert_eq!(quick.seen(), whole.seen(), "{index}");
    }
}

/// Hypercalls with their arguments and result.
#[test]
fn hypercalls() {
    const UNKNOWN: u64 = 63;
    let results = [
        call::<__HYPERVISOR_xen_version>([0, 0]),
        call::<__HYPERVISOR_stack_switch>([0xe02b, 0x9000]),
        call::<__HYPERVISOR_set_trap_table>([0x1000, 0]),
        call::<__HYPERVISOR_vm_assist>([0, 77]),
        call::<UNKNOWN>([0, 0]),
    ];
    assert_eq!(results, [4 << 16 | 17, 0, -14, -22, -38]);
}

fn call<const NUMBER: u64>([first, second]: [u64; 2]) -> i64 {
    let (mut quick, mut whole) = (Running::new(guest(1)), Running::new(guest(1)));
    let args = [first, second, 0, 0, 0, 0];
    let r = &mut quick.vcpu().regs;
    (r.rdi, r.rsi) = (first, second);
    let result = quick.g.hv.on_hypercall::<NUMBER>(&mut quick.cpu, args);
    quick.vcpu().regs.rax = result;
    let r = &mut whole.vcpu().regs;
    (r.rax, r.rdi, r.rsi) = (NUMBER, first, second);
    assert_eq!(whole.g.hv.on_syscall(&mut whole.cpu), Resume::Guest);
    let same = |mut running: Running| {
        let r = &mut running.vcpu().regs;
        (r.rdi, r.rsi) = (0, 0);
        let sp = running.vcpu().arch.kernel_sp;
        (sp, running.seen())
    };
    assert_eq!(same(quick), same(whole));
    result as i64
}

#[test]
fn a_cpu_that_runs_nothing_has_nothing_done() {
    let hv = guest(1).hv;
    let mut cpu = Cpu::new(0);
    assert_eq!(hv.on_hypercall::<17>(&mut cpu, [0; 6]), 0);
    assert!(!hv.on_iret(&mut cpu, 0));
    hv.on_user_syscall(&mut cpu);
    assert!(!hv.on_invalid_opcode(&mut cpu));
    assert!(!hv.on_general_protection(&mut cpu, 0));
    assert!(!hv.on_page_fault(&mut cpu, 0, 0));
    assert!(cpu.current.is_none());
}

/// dom0 with a port for `virq`, and whether that is pending.
fn listens(virq: u32) -> (Guest, impl Fn(&Guest) -> bool) {
    use crate::evtchn::{self, pending};
    let mut g = dom0();
    let page = g.hv.alloc_domain_page(g.dom).unwrap();
    let mut bind = hypercall_abi::event_channel::evtchn_bind_virq::new_zeroed();
    bind.virq = virq;
    g.hv.machine.write_frame(page, 0, bind.as_bytes());
    g.hv.machine
        .load_root(testkit::map(g.hv, g.dom, 0x40_0000, &[page]));
    evtchn::ops::event_channel_op(&mut g.cx(), 1, 0x40_0000).unwrap();
    let port = g.hv.machine.load_u32(page, 8);
    (g, move |g| pending::is_set(g.hv, &g.dom.lock(), port))
}

#[test]
fn news_of_the_log_are_told_to_the_control_domain() {
    let (g, pending) = listens(VIRQ_CON_RING);
    let mut cpu = Cpu::new(0);
    let _ = g.hv.on_interrupt(&mut cpu, Irq::Kick);
    assert!(!pending(&g));
    g.hv.machine.configure(|s| s.log_news = true);
    let _ = g.hv.on_interrupt(&mut cpu, Irq::Kick);
    assert!(pending(&g) && !g.hv.machine.take_log_news());
}

#[test]
fn input_is_told_to_the_control_domain() {
    let (g, pending) = listens(VIRQ_CONSOLE);
    assert!(!pending(&g));
    let mut cpu = Cpu::new(0);
    let _ = g.hv.on_interrupt(&mut cpu, Irq::Kick);
    assert!(!pending(&g));
    let _ = g.hv.on_interrupt(&mut cpu, Irq::Console);
    assert!(pending(&g));
}

//! Tests of traps as a whole, against what the same steps did on Debian's Xen 4.17.

mod decoding;
mod entries;
mod identity;
mod ports;
mod privileged;
mod state_calls;
mod ways_in;

use core::sync::atomic::Ordering;
use std::vec::Vec;

use super::*;
use crate::addr::{Mfn, PAGE_SIZE, canonical};
use crate::domain::{Domain, lifecycle};
use crate::hypercall::Cx;
use crate::testkit::{self, FakeMachine, Happened};
use crate::vcpu::{InfoArea, Regs, TrapGate, VcpuId};
use hypercall_abi::arch_x86_64::{FLAT_KERNEL_CS, FLAT_KERNEL_SS};

/// Pages of the guest: code, kernel stack, user stack.
const CODE: u64 = 0xffff_ffff_8000_0000;
const KERNEL_STACK: u64 = CODE + PAGE_SIZE as u64;
const USER_STACK: u64 = CODE + 2 * PAGE_SIZE as u64;
const END: u64 = CODE + 3 * PAGE_SIZE as u64;
/// Where gate `n` leads.
const HANDLERS: u64 = CODE + 0x800;
/// Flags as a compiler leaves them, and with what a fault adds.
const FLAGS: u64 = 0x286;
const FAULT_FLAGS: u64 = 0x1_0286;

/// A domain with one vCPU that runs.
struct Guest {
    hv: &'static Hypervisor<FakeMachine>,
    dom: &'static Domain,
    vcpu: Vcpu,
    code: Mfn,
}

fn guest(domain: u16) -> Guest {
    let hv = testkit::hypervisor(128, 1);
    let dom = testkit::domain(hv, domain, 1, 64);
    let pages: Vec<Mfn> = (0..3).map(|_| hv.alloc_domain_page(dom).unwrap()).collect();
    let mut vcpu = Vcpu::new(VcpuId { domain, index: 0 }, dom.slot);
    vcpu.arch.kernel_root = Some(testkit::map(hv, dom, CODE, &pages)).into();
    vcpu.arch.user_root = Some(testkit::map(hv, dom, CODE, &pages)).into();
    hv.machine.load_root(vcpu.arch.kernel_root.get().unwrap());
    vcpu.info = dom
        .lock()
        .shared_info
        .map(|mfn| InfoArea { mfn, offset: 0 });
    vcpu.arch.kernel_sp = USER_STACK - 8;
    for (vector, gate) in vcpu.arch.traps.iter_mut().enumerate() {
        *gate = TrapGate {
            cs: FLAT_KERNEL_CS,
            flags: 0,
            address: HANDLERS + vector as u64,
        };
    }
    vcpu.regs = Regs {
        rcx: 0x3333,
        r11: 0x2222,
        rip: CODE + 0x100,
        cs: u64::from(FLAT_KERNEL_CS),
        rflags: FLAGS,
        rsp: USER_STACK - 0xa0,
        ss: u64::from(FLAT_KERNEL_SS),
        ..Regs::default()
    };
    let _ = hv.machine.take_happened();
    Guest {
        hv,
        dom,
        vcpu,
        code: pages[0],
    }
}

impl Guest {
    /// In user mode, on the user's stack.
    fn user(mut self) -> Self {
        mode::toggle(self.hv, &mut self.vcpu).unwrap();
        self.vcpu.regs.rsp = END - 0x40;
        let _ = self.hv.machine.take_happened();
        self
    }

    fn at(&mut self, code: &[u8]) -> &mut Self {
        self.hv.machine.write_frame(self.code, 0x100, code);
        self.vcpu.regs.rip = CODE + 0x100;
        self
    }

    fn fault(&mut self, vector: u8, error: u32) {
        exception(self.hv, &mut self.vcpu, vector, error, 0);
        // On the way out.
        lifecycle::see_to_crash(self.hv, &mut self.vcpu);
    }

    fn cx(&mut self) -> Cx<'_, FakeMachine> {
        testkit::context(self.hv, self.dom, &mut self.vcpu)
    }

    /// Words from the stack pointer up.
    fn frame<const N: usize>(&self) -> [u64; N] {
        let mut at = self.vcpu.regs.rsp;
        [(); N].map(|()| {
            let word = self.hv.machine.read_guest_u64(at).unwrap();
            at += 8;
            word
        })
    }

    fn is_dead(&self) -> bool {
        self.dom.shutdown.load(Ordering::Relaxed) != 0
    }

    fn masked(&self) -> bool {
        bounce::upcall_mask(self.hv, &self.vcpu)
    }

    fn mask(&self, masked: bool) {
        bounce::set_upcall_mask(self.hv, &self.vcpu, masked);
    }

    /// Where the vCPU goes on must be harmless, whatever happened.
    fn check(&self) {
        let r = &self.vcpu.regs;
        if !self.is_dead() {
            assert!(canonical(r.rip), "{:x}", r.rip);
            assert_eq!((r.cs & 3, r.ss & 3), (3, 3));
            assert_eq!(r.rflags & (frame::IF | frame::IOPL | frame::VM), frame::IF);
        }
    }
}

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

//! The scheduler on the fake machine: its CPUs are driven by their own timers and interrupts.

mod null;
mod ops;
mod share;
mod time;
mod vcpu_op;

use std::vec::Vec;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::policy::Kind;
use super::{Cpu, leave, timer_interrupt};
use crate::domain::Domain;
use crate::entry::Resume;
use crate::error::{HypercallResult, Stop};
use crate::hypercall::Cx;
use crate::hypervisor::Hypervisor;
use crate::platform::{Machine, Nanos};
use crate::testkit::{self, FakeMachine, Happened};
use crate::vcpu::Vcpu;

/// Where guests of these tests have their page of arguments, and a second page behind it.
const ARG: u64 = 0x1000_0000;
const MS: Nanos = 1_000_000;
const SECOND: Nanos = 1_000_000_000;

/// A machine whose CPUs run what the scheduler gives them.
struct Bench {
    hv: &'static Hypervisor<FakeMachine>,
    cpus: Vec<Cpu>,
}

impl Bench {
    fn new(cpus: u32) -> Self {
        Self::with(cpus, Kind::Credit2)
    }

    fn with(cpus: u32, scheduler: Kind) -> Self {
        let hv = testkit::hypervisor_with(1024, cpus, |config| config.scheduler = scheduler);
        let cpus = (0..cpus).map(Cpu::new).collect();
        Self { hv, cpus }
    }

    /// A domain whose vCPUs all have an address space with two pages at [`ARG`].
    fn domain(&self, id: u16, vcpus: u16) -> &'static Domain {
        let dom = testkit::domain(self.hv, id, vcpus, 16);
        let pages = [(); 2].map(|()| self.hv.alloc_domain_page(dom).unwrap());
        let root = testkit::map(self.hv, dom, ARG, &pages);
        for vcpu in dom.homes.lock().iter_mut().flatten() {
            vcpu.arch.kernel_root = Some(root).into();
        }
        dom
    }

    /// Lets a CPU leave the hypervisor, and those that were interrupted on the way.
    fn leave(&mut self, cpu: usize) -> Resume {
        self.hv.machine.run_on(cpu as u32);
        let resume = leave(self.hv, &mut self.cpus[cpu]);
        self.answer_kicks();
        resume
    }

    fn answer_kicks(&mut self) {
        loop {
            let kicked: Vec<u32> = (self.hv.machine.take_happened().into_iter())
                .filter_map(|what| match what {
                    Happened::Kick(cpu) => Some(cpu),
                    _ => None,
                })
                .collect();
            if kicked.is_empty() {
                return;
            }
            for cpu in kicked {
                self.hv.machine.run_on(cpu);
                let _ = leave(self.hv, &mut self.cpus[cpu as usize]);
            }
        }
    }

    /// Lets every CPU leave once.
    fn start(&mut self) {
        for cpu in 0..self.cpus.len() {
            let _ = self.leave(cpu);
        }
    }

    /// Serves timer interrupts as they come until `end`.
    fn run_until(&mut self, end: Nanos) {
        let m = self.hv.machine;
        loop {
            let next = (0..self.cpus.len()).min_by_key(|&cpu| m.armed(cpu as u32));
            let cpu = next.expect("there is a CPU");
            let at = m.armed(cpu as u32);
            if at > end {
                break;
            }
            m.set_now(at.max(m.now()));
            m.run_on(cpu as u32);
            m.arm_timer(Nanos::MAX);
            timer_interrupt(self.hv, &mut self.cpus[cpu]);
            let _ = self.leave(cpu);
        }
        m.set_now(end);
    }

    /// Which domain and vCPU a CPU runs.
    fn runs(&self, cpu: usize) -> Option<(u16, u16)> {
        let current = self.cpus[cpu].current.as_ref()?;
        Some((current.id.domain, current.id.index))
    }

    /// Makes a hypercall on a CPU, as its vCPU, and leaves.
    fn call(
        &mut self,
        cpu: usize,
        f: impl FnOnce(&mut Cx<'_, FakeMachine>) -> HypercallResult,
    ) -> HypercallResult {
        self.hv.machine.run_on(cpu as u32);
        let vcpu: &mut Vcpu = self.cpus[cpu].current.as_mut().expect("a vCPU runs");
        let dom = self.hv.domains.slot(vcpu.slot);
        let result = f(&mut testkit::context(self.hv, dom, vcpu));
        self.answer_kicks();
        let _ = self.leave(cpu);
        result
    }

    /// As [`Self::call`], with an argument in guest memory.
    fn call_with<T: IntoBytes + Immutable>(
        &mut self,
        cpu: usize,
        arg: &T,
        f: impl FnOnce(&mut Cx<'_, FakeMachine>, u64) -> HypercallResult,
    ) -> HypercallResult {
        self.hv.machine.run_on(cpu as u32);
        self.hv.machine.copy_to_guest(ARG, arg.as_bytes()).unwrap();
        self.call(cpu, |cx| f(cx, ARG))
    }

    /// What the guest that runs on `cpu` reads at `va`.
    fn read<T: FromBytes + IntoBytes>(&self, cpu: usize, va: u64) -> T {
        let mut value = T::new_zeroed();
        self.hv.machine.run_on(cpu as u32);
        self.hv
            .machine
            .copy_from_guest(va, value.as_mut_bytes())
            .unwrap();
        value
    }

    fn sched_op<T: IntoBytes + Immutable>(
        &mut self,
        cpu: usize,
        cmd: u32,
        arg: &T,
    ) -> HypercallResult {
        self.call_with(cpu, arg, |cx, va| {
            super::ops::sched_op(cx, u64::from(cmd), va)
        })
    }

    fn vcpu_op<T: IntoBytes + Immutable>(
        &mut self,
        cpu: usize,
        cmd: u32,
        vcpu: u64,
        arg: &T,
    ) -> HypercallResult {
        self.call_with(cpu, arg, |cx, va| {
            super::ops::vcpu_op(cx, u64::from(cmd), vcpu, va)
        })
    }
}

/// Binds a virtual interrupt, as the guest would, without a hypercall.
fn bind_virq(hv: &Hypervisor<FakeMachine>, dom: &Domain, vcpu: u16, virq: u32) -> u32 {
    let mut state = dom.lock();
    let port = state.events.next_free(hv.machine, 1);
    let binding = crate::evtchn::Binding::Virq(virq);
    state.events.bind(hv.machine, port, binding, vcpu);
    state.vcpus[usize::from(vcpu)].virqs[virq as usize] = port;
    port
}

/// Whether a port is pending; it no longer is afterwards, nor is anything else of its vCPU.
fn take_pending(hv: &Hypervisor<FakeMachine>, dom: &Domain, port: u32) -> bool {
    let state = dom.lock();
    let page = state.shared_info.unwrap();
    let pending = crate::evtchn::pending::is_set(hv, &state, port);
    let words = core::mem::offset_of!(hypercall_abi::xen::shared_info, evtchn_pending);
    for word in 0..64 {
        hv.machine.store_u64(page, words + word * 8, 0);
    }
    for info in state.vcpus.iter().filter_map(|v| v.info) {
        hv.machine.store_u8(info.mfn, usize::from(info.offset), 0);
        hv.machine
            .store_u64(info.mfn, usize::from(info.offset) + 8, 0);
    }
    pending
}

fn errno(e: crate::error::Errno) -> HypercallResult {
    Err(Stop::Err(e))
}

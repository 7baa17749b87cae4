//! A guest of the event tests: it makes calls, and sees its events in either form.

use core::mem::offset_of;
use std::vec::Vec;

use hypercall_abi::event_channel::*;
use hypercall_abi::xen::*;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::fifo;
use crate::domain::Domain;
use crate::error::Stop;
use crate::evtchn::{Port, event_channel_op, pending};
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::testkit::{self, FakeMachine};
use crate::vcpu::{Vcpu, VcpuId};

/// Where guests of these tests have their one page of arguments.
pub(super) const ARG: u64 = 0x1000_0000;

/// How a guest and the hypervisor tell each other of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    TwoLevel,
    Fifo,
}

/// A domain with an address space for arguments, and a vCPU that calls.
pub(super) struct Guest {
    pub(super) hv: &'static Hypervisor<FakeMachine>,
    pub(super) dom: &'static Domain,
    pub(super) vcpu: Vcpu,
    /// What it shares in the FIFO form, if it has that.
    pub(super) words: Option<fifo::Words>,
}

/// What is asked of a port's state, with an answer that no call gives.
pub(super) fn status_of(dom: u16, port: Port) -> evtchn_status {
    evtchn_status {
        dom,
        _pad0: [0; 2],
        port,
        status: 99,
        vcpu: 99,
        u: Default::default(),
    }
}

impl Guest {
    pub(super) fn new(hv: &'static Hypervisor<FakeMachine>, id: u16, vcpus: u16) -> Self {
        let dom = testkit::domain(hv, id, vcpus, 16);
        let page = hv.alloc_domain_page(dom).unwrap();
        let mut vcpu = Vcpu::new(
            VcpuId {
                domain: id,
                index: 0,
            },
            dom.slot,
        );
        vcpu.arch.kernel_root = Some(testkit::map(hv, dom, ARG, &[page])).into();
        vcpu.info = dom.lock().vcpus[0].info;
        Self {
            hv,
            dom,
            vcpu,
            words: None,
        }
    }

    pub(super) fn vcpus(&self) -> usize {
        self.dom.lock().vcpus.len()
    }

    pub(super) fn in_form(mut self, form: Form) -> Self {
        self.words = (form == Form::Fifo).then(|| fifo::Words::new(&mut self));
        self
    }

    pub(super) fn load(&self) {
        self.hv
            .machine
            .load_root(self.vcpu.arch.kernel_root.get().unwrap());
    }

    /// Calls with `arg` in guest memory, and gives what the call left there.
    pub(super) fn call<T: IntoBytes + FromBytes + Immutable>(
        &mut self,
        cmd: u32,
        arg: T,
    ) -> Result<T, Stop> {
        self.load();
        self.hv.machine.copy_to_guest(ARG, arg.as_bytes()).unwrap();
        self.call_at::<T>(cmd, ARG)
    }

    pub(super) fn call_at<T: IntoBytes + FromBytes>(
        &mut self,
        cmd: u32,
        va: u64,
    ) -> Result<T, Stop> {
        let mut cx = testkit::context(self.hv, self.dom, &mut self.vcpu);
        event_channel_op(&mut cx, u64::from(cmd), va)?;
        let mut out = T::new_zeroed();
        self.hv
            .machine
            .copy_from_guest(va, out.as_mut_bytes())
            .unwrap();
        Ok(out)
    }

    pub(super) fn alloc_unbound(&mut self, dom: u16, remote_dom: u16) -> Result<Port, Stop> {
        let op = evtchn_alloc_unbound {
            dom,
            remote_dom,
            port: 0,
        };
        Ok(self.call(EVTCHNOP_alloc_unbound, op)?.port)
    }

    pub(super) fn bind(&mut self, remote_dom: u16, remote_port: Port) -> Result<Port, Stop> {
        let op = evtchn_bind_interdomain {
            remote_dom,
            _pad0: [0; 2],
            remote_port,
            local_port: 0,
        };
        Ok(self.call(EVTCHNOP_bind_interdomain, op)?.local_port)
    }

    pub(super) fn virq(&mut self, virq: u32, vcpu: u32) -> Result<Port, Stop> {
        let op = evtchn_bind_virq {
            virq,
            vcpu,
            port: 0,
        };
        Ok(self.call(EVTCHNOP_bind_virq, op)?.port)
    }

    pub(super) fn ipi(&mut self, vcpu: u32) -> Result<Port, Stop> {
        Ok(self
            .call(EVTCHNOP_bind_ipi, evtchn_bind_ipi { vcpu, port: 0 })?
            .port)
    }

    pub(super) fn close(&mut self, port: Port) -> Result<(), Stop> {
        self.call(EVTCHNOP_close, evtchn_close { port }).map(|_| ())
    }

    pub(super) fn send(&mut self, port: Port) -> Result<(), Stop> {
        self.call(EVTCHNOP_send, evtchn_send { port }).map(|_| ())
    }

    pub(super) fn unmask(&mut self, port: Port) -> Result<(), Stop> {
        self.call(EVTCHNOP_unmask, evtchn_unmask { port })
            .map(|_| ())
    }

    pub(super) fn bind_vcpu(&mut self, port: Port, vcpu: u32) -> Result<(), Stop> {
        self.call(EVTCHNOP_bind_vcpu, evtchn_bind_vcpu { port, vcpu })
            .map(|_| ())
    }

    pub(super) fn reset(&mut self, dom: u16) -> Result<(), Stop> {
        self.call(EVTCHNOP_reset, evtchn_reset { dom }).map(|_| ())
    }

    pub(super) fn status(&mut self, dom: u16, port: Port) -> Result<evtchn_status, Stop> {
        self.call(EVTCHNOP_status, status_of(dom, port))
    }

    pub(super) fn page(&self) -> crate::addr::Mfn {
        self.dom.lock().shared_info.unwrap()
    }

    pub(super) fn pending(&self, port: Port) -> bool {
        pending::is_set(self.hv, &self.dom.lock(), port)
    }

    /// Upcall flag of a vCPU, and its selector; or whether one of its queues is ready.
    pub(super) fn upcall(&self, vcpu: usize) -> (u8, u64) {
        let at = vcpu * size_of::<vcpu_info>();
        let sel = at + offset_of!(vcpu_info, evtchn_pending_sel);
        let m = self.hv.machine;
        let named = match self.words {
            None => m.load_u64(self.page(), sel),
            Some(words) => u64::from(words.ready(vcpu) != 0),
        };
        (m.load_u8(self.page(), at), named)
    }

    /// Takes everything that waits and is not masked, as a guest does.
    pub(super) fn take(&self) -> Vec<Port> {
        let Some(words) = self.words else {
            return self.take_of_two_levels();
        };
        (0..self.vcpus())
            .flat_map(|vcpu| words.take(vcpu))
            .collect()
    }

    pub(super) fn take_of_two_levels(&self) -> Vec<Port> {
        let (m, page) = (self.hv.machine, self.page());
        let mut taken = Vec::new();
        for vcpu in 0..self.vcpus() {
            let at = vcpu * size_of::<vcpu_info>();
            m.store_u8(page, at, 0);
            m.store_u64(page, at + offset_of!(vcpu_info, evtchn_pending_sel), 0);
        }
        for word in 0..64 {
            let at = |array: usize| array + word * 8;
            let pending = at(offset_of!(shared_info, evtchn_pending));
            let masked = m.load_u64(page, at(offset_of!(shared_info, evtchn_mask)));
            let all = m.load_u64(page, pending);
            m.store_u64(page, pending, all & masked);
            let of_word = (0..64).filter(|bit| all & !masked & 1 << bit != 0);
            taken.extend(of_word.map(|bit| word as Port * 64 + bit));
        }
        taken
    }

    /// Clears everything pending, as a guest that handles its events does.
    pub(super) fn acknowledge(&self) {
        if let Some(words) = self.words {
            return words.acknowledge(self.vcpus());
        }
        let (m, page) = (self.hv.machine, self.page());
        for vcpu in 0..32 {
            let at = vcpu * size_of::<vcpu_info>();
            m.store_u8(page, at, 0);
            m.store_u64(page, at + offset_of!(vcpu_info, evtchn_pending_sel), 0);
        }
        for word in 0..64 {
            m.store_u64(page, offset_of!(shared_info, evtchn_pending) + word * 8, 0);
        }
    }

    pub(super) fn mask(&self, port: Port) {
        if let Some(words) = self.words {
            return words.mask(port);
        }
        let at = offset_of!(shared_info, evtchn_mask) + port as usize / 64 * 8;
        self.hv
            .machine
            .fetch_or_u64(self.page(), at, 1 << (port % 64));
    }
}

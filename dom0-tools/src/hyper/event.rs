//! event_channel.h: ports between this domain and its guests.

use hypercall_abi::event_channel::*;
use hypercall_abi::xen::{__HYPERVISOR_event_channel_op, DOMID_SELF, domid_t};
use zerocopy::{FromZeros, IntoBytes};

use super::{Arg, Call, Hyper};
use crate::error::Error;

/// Typed event-channel operations.
pub trait EventExt: super::HyperExt {
    /// EVTCHNOP_alloc_unbound: a port of `domain` that this domain may bind.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn alloc_unbound(&mut self, domain: domid_t) -> Result<u32, Error> {
        let mut op = evtchn_alloc_unbound {
            dom: domain,
            remote_dom: DOMID_SELF,
            port: 0,
        };
        self.event_op(
            "EVTCHNOP_alloc_unbound",
            EVTCHNOP_alloc_unbound,
            op.as_mut_bytes(),
        )?;
        Ok(op.port)
    }

    /// EVTCHNOP_alloc_unbound: a port of this domain that `domain` may bind.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn alloc_for(&mut self, domain: domid_t) -> Result<u32, Error> {
        let mut op = evtchn_alloc_unbound {
            dom: DOMID_SELF,
            remote_dom: domain,
            port: 0,
        };
        let (name, cmd) = ("EVTCHNOP_alloc_unbound", EVTCHNOP_alloc_unbound);
        self.event_op(name, cmd, op.as_mut_bytes())?;
        Ok(op.port)
    }

    /// EVTCHNOP_bind_interdomain: this domain's port of a channel to `remote_port` of `remote`.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn bind_interdomain(&mut self, remote: domid_t, remote_port: u32) -> Result<u32, Error> {
        let mut op = evtchn_bind_interdomain::new_zeroed();
        op.remote_dom = remote;
        op.remote_port = remote_port;
        self.event_op(
            "EVTCHNOP_bind_interdomain",
            EVTCHNOP_bind_interdomain,
            op.as_mut_bytes(),
        )?;
        Ok(op.local_port)
    }

    /// EVTCHNOP_bind_virq: the port of a virtual interrupt of this domain.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn bind_virq(&mut self, virq: u32) -> Result<u32, Error> {
        let mut op = evtchn_bind_virq::new_zeroed();
        op.virq = virq;
        self.event_op("EVTCHNOP_bind_virq", EVTCHNOP_bind_virq, op.as_mut_bytes())?;
        Ok(op.port)
    }

    /// EVTCHNOP_send: notifies the other end.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn notify(&mut self, port: u32) -> Result<(), Error> {
        self.event_op(
            "EVTCHNOP_send",
            EVTCHNOP_send,
            evtchn_send { port }.as_mut_bytes(),
        )
    }

    /// EVTCHNOP_close: gives a port of this domain back.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn close_port(&mut self, port: u32) -> Result<(), Error> {
        self.event_op(
            "EVTCHNOP_close",
            EVTCHNOP_close,
            evtchn_close { port }.as_mut_bytes(),
        )
    }

    #[doc(hidden)]
    fn event_op(&mut self, name: &'static str, cmd: u32, op: &mut [u8]) -> Result<(), Error> {
        let args = [Arg::Value(cmd.into()), Arg::Buffer(op)];
        self.execute(name, Call::new(__HYPERVISOR_event_channel_op, args))
            .map(drop)
    }
}

impl<H: Hyper> EventExt for H {}

//! Event channels of the fake machine.

use hypercall_abi::errno::*;
use hypercall_abi::event_channel::*;
use hypercall_abi::xen::*;
use zerocopy::{FromBytes, IntoBytes};

use super::machine::{Machine, Port, Result};

impl Machine {
    /// The lowest port of dom0 that is free.
    fn lowest_port(&self) -> u32 {
        let mut ports = 1..;
        ports.find(|port| !self.ports.contains_key(port)).unwrap()
    }

    pub(super) fn event_op(&mut self, cmd: u32, bytes: &mut [u8]) -> Result<u64> {
        match cmd {
            EVTCHNOP_alloc_unbound => {
                let mut op =
                    evtchn_alloc_unbound::read_from_bytes(bytes).map_err(|_| XEN_EFAULT)?;
                if op.remote_dom == DOMID_SELF && op.dom != DOMID_SELF {
                    let domain = self.domain(op.dom)?;
                    op.port = domain.ports.len() as u32 + 1;
                    domain.ports.insert(op.port, Port::Unbound(0));
                } else if op.dom == DOMID_SELF {
                    op.port = self.lowest_port();
                    self.ports.insert(op.port, Port::Unbound(op.remote_dom));
                } else {
                    return Err(XEN_EINVAL);
                }
                bytes.copy_from_slice(op.as_bytes());
            }
            EVTCHNOP_bind_interdomain => {
                let mut op =
                    evtchn_bind_interdomain::read_from_bytes(bytes).map_err(|_| XEN_EFAULT)?;
                op.local_port = self.lowest_port();
                let remote = self.domain(op.remote_dom)?;
                if remote.ports.get(&op.remote_port) != Some(&Port::Unbound(0)) {
                    return Err(XEN_EINVAL);
                }
                remote
                    .ports
                    .insert(op.remote_port, Port::Bound(0, op.local_port));
                self.ports
                    .insert(op.local_port, Port::Bound(op.remote_dom, op.remote_port));
                bytes.copy_from_slice(op.as_bytes());
            }
            EVTCHNOP_send | EVTCHNOP_close => {
                let port = u32::from_le_bytes(bytes.try_into().map_err(|_| XEN_EFAULT)?);
                let state = *self.ports.get(&port).ok_or(XEN_EINVAL)?;
                let Port::Bound(remote, remote_port) = state else {
                    if cmd == EVTCHNOP_close {
                        self.ports.remove(&port);
                    }
                    return Ok(0);
                };
                if cmd == EVTCHNOP_close {
                    self.ports.remove(&port);
                    self.domain(remote)?
                        .ports
                        .insert(remote_port, Port::Unbound(0));
                }
            }
            _ => return Err(XEN_ENOSYS),
        }
        Ok(0)
    }
}

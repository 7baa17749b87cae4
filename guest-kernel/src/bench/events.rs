//! Event channels.

use super::{Bench, Figures};
use crate::check::page::address;
use crate::dev::{event, shared};
use crate::hypercall::event_channel_op;
use core::mem::offset_of;
use core::sync::atomic::Ordering;
use hypercall_abi::Union;
use hypercall_abi::event_channel::*;
use hypercall_abi::xen::{__HYPERVISOR_event_channel_op, DOMID_SELF, shared_info};

pub(super) const BENCHES: &[Bench] = &[events];

fn events(f: &mut Figures) {
    let mut bind = evtchn_bind_ipi { vcpu: 0, port: 0 };
    if let Err(errno) = event_channel_op(EVTCHNOP_bind_ipi, &mut bind) {
        return f.refused("evtchn", -errno.0);
    }
    let port = bind.port;
    let bit = 1 << (port % 64);
    let of_port = |words: usize| shared::word(words + port as usize / 64 * 8);
    let mask = of_port(offset_of!(shared_info, evtchn_mask));
    let pending = of_port(offset_of!(shared_info, evtchn_pending));
    // The port stays masked, so that its event waits without an upcall waiting.
    mask.fetch_or(bit, Ordering::SeqCst);
    pending.fetch_or(bit, Ordering::SeqCst);
    let mut send = evtchn_send { port };
    let args = |op: u32, arg: u64| [u64::from(op), arg, 0, 0, 0];
    let send = args(EVTCHNOP_send, address(&mut send));
    // SAFETY: the event is pending already: nothing changes.
    unsafe { f.call("evtchn_send_pending", __HYPERVISOR_event_channel_op, send) };
    pending.fetch_and(!bit, Ordering::SeqCst);
    let mut unmask = evtchn_unmask { port };
    let unmask = args(EVTCHNOP_unmask, address(&mut unmask));
    // SAFETY: nothing is pending at the port.
    unsafe { f.call("evtchn_unmask", __HYPERVISOR_event_channel_op, unmask) };
    let mut status = evtchn_status {
        dom: DOMID_SELF,
        _pad0: [0; 2],
        port,
        status: 0,
        vcpu: 0,
        u: Union::zeroed(),
    };
    let status = args(EVTCHNOP_status, address(&mut status));
    // SAFETY: the call writes the structure, which any bytes describe.
    unsafe { f.call("evtchn_status", __HYPERVISOR_event_channel_op, status) };
    if let Err(errno) = event_channel_op(EVTCHNOP_close, &mut evtchn_close { port }) {
        f.refused("evtchn_close", -errno.0);
    }
    event::forget(port);
}

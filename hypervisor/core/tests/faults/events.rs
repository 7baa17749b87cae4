//! Operations on event channels.

use std::sync::atomic::Ordering;

use hypercall_abi::event_channel::*;
use hypercall_abi::sched::*;
use hypercall_abi::xen::*;
use hypervisor_core::platform::Machine;
use zerocopy::{FromZeros, Immutable, IntoBytes};

use super::operations::{OnError, Operation, made, op, operations, spare};
use super::world::{Call, Caller, MAPPED, World};
use Caller::{Dom0, Guest};
use OnError::{Prefix, Undone};

fn event<T: IntoBytes + Immutable>(w: &mut World, cmd: u32, arg: &T) -> Call {
    op(w, __HYPERVISOR_event_channel_op, cmd, arg)
}

/// A port of dom0's for the guest to bind to.
fn offered(w: &mut World) -> u32 {
    let offer = evtchn_alloc_unbound {
        dom: DOMID_SELF,
        remote_dom: 1,
        port: 0,
    };
    made(w, Dom0, |w| event(w, EVTCHNOP_alloc_unbound, &offer));
    1
}

fn bind(w: &mut World) -> Call {
    let remote_port = offered(w);
    let mut bind = evtchn_bind_interdomain::new_zeroed();
    bind.remote_port = remote_port;
    event(w, EVTCHNOP_bind_interdomain, &bind)
}

fn bound(w: &mut World) {
    made(w, Guest, bind);
}

/// Where the guest's first spare frame is a control block, and its second the words of its ports.
fn control_block(w: &mut World, vcpu: u32) -> Call {
    let mut request = evtchn_init_control::new_zeroed();
    (request.control_gfn, request.vcpu) = (spare(w, 0), vcpu);
    (request.offset, request.link_bits) = (vcpu * 256, 0);
    event(w, EVTCHNOP_init_control, &request)
}

fn words(w: &mut World) -> Call {
    let request = evtchn_expand_array {
        array_gfn: spare(w, 1),
    };
    event(w, EVTCHNOP_expand_array, &request)
}

/// The guest uses the FIFO form; its port 1 leads to itself.
fn fifo(w: &mut World) {
    made(w, Guest, ipi);
    made(w, Guest, |w| control_block(w, 0));
    made(w, Guest, words);
}

fn ipi(w: &mut World) -> Call {
    event(w, EVTCHNOP_bind_ipi, &evtchn_bind_ipi { vcpu: 0, port: 0 })
}

fn send(w: &mut World) -> Call {
    event(w, EVTCHNOP_send, &evtchn_send { port: 1 })
}

pub const EVENTS: &[Operation] = operations! {
    evtchn_alloc_unbound Guest Prefix |w| {
        let offer = evtchn_alloc_unbound { dom: DOMID_SELF, remote_dom: 0, port: 0 };
        event(w, EVTCHNOP_alloc_unbound, &offer)
    };
    evtchn_bind_interdomain Guest Prefix |w| bind(w);
    evtchn_bind_virq Guest Prefix |w| {
        event(w, EVTCHNOP_bind_virq, &evtchn_bind_virq { virq: VIRQ_TIMER, vcpu: 0, port: 0 })
    };
    evtchn_bind_ipi Guest Prefix |w| {
        event(w, EVTCHNOP_bind_ipi, &evtchn_bind_ipi { vcpu: 1, port: 0 })
    };
    evtchn_many_ports Guest Prefix |w| {
        // So many that the table grows with the next.
        for _ in 0..63 {
            made(w, Guest, ipi);
        }
        event(w, EVTCHNOP_bind_ipi, &evtchn_bind_ipi { vcpu: 1, port: 0 })
    };
    evtchn_send Guest Undone |w| {
        bound(w);
        send(w)
    };
    evtchn_status Guest Undone |w| {
        bound(w);
        let mut request = evtchn_status::new_zeroed();
        (request.dom, request.port) = (DOMID_SELF, 1);
        event(w, EVTCHNOP_status, &request)
    };
    evtchn_unmask Guest Undone |w| {
        bound(w);
        event(w, EVTCHNOP_unmask, &evtchn_unmask { port: 1 })
    };
    evtchn_bind_vcpu Guest Undone |w| {
        bound(w);
        event(w, EVTCHNOP_bind_vcpu, &evtchn_bind_vcpu { port: 1, vcpu: 1 })
    };
    evtchn_close Guest Undone |w| {
        bound(w);
        event(w, EVTCHNOP_close, &evtchn_close { port: 1 })
    };
    evtchn_reset Guest Undone |w| {
        bound(w);
        event(w, EVTCHNOP_reset, &evtchn_reset { dom: DOMID_SELF })
    };
    sched_poll Guest Undone |w| {
        bound(w);
        let ports = w.put(&[1_u32, 1]);
        let mut poll = sched_poll::new_zeroed();
        (poll.ports, poll.nr_ports, poll.timeout) = (ports, 2, 1);
        let at = w.put(&poll);
        (__HYPERVISOR_sched_op, [SCHEDOP_poll.into(), at, 0, 0, 0, 0])
    };
    evtchn_bind_pirq Guest Undone |w| {
        let request = evtchn_bind_pirq { pirq: 8, flags: 0, port: 0 };
        event(w, EVTCHNOP_bind_pirq, &request)
    };
    evtchn_reset_under_way Guest Undone |w| event(w, 14, &evtchn_reset { dom: DOMID_SELF });
    evtchn_reset_other Dom0 Undone |w| {
        bound(w);
        w.guest.dom.pauses.store(1, Ordering::SeqCst);
        event(w, EVTCHNOP_reset, &evtchn_reset { dom: 1 })
    };
    fifo_init_control Guest Prefix |w| {
        made(w, Guest, ipi);
        made(w, Guest, send);
        control_block(w, 0)
    };
    fifo_init_control_of_another Guest Prefix |w| {
        fifo(w);
        control_block(w, 1)
    };
    fifo_init_control_twice Guest Undone |w| {
        fifo(w);
        control_block(w, 0)
    };
    fifo_expand_array Guest Undone |w| {
        // What is pending gets its place in a queue by it.
        made(w, Guest, ipi);
        made(w, Guest, send);
        made(w, Guest, |w| control_block(w, 0));
        words(w)
    };
    fifo_expand_by_a_table Guest Undone |w| {
        fifo(w);
        let request = evtchn_expand_array { array_gfn: w.guest.tables[0].0 };
        event(w, EVTCHNOP_expand_array, &request)
    };
    fifo_set_priority Guest Undone |w| {
        fifo(w);
        event(w, EVTCHNOP_set_priority, &evtchn_set_priority { port: 1, priority: 3 })
    };
    fifo_send Guest Undone |w| {
        fifo(w);
        send(w)
    };
    fifo_unmask Guest Undone |w| {
        fifo(w);
        w.hv.machine.store_u32(w.guest.pages[MAPPED + 1], 4, 1 << EVTCHN_FIFO_MASKED);
        made(w, Guest, send);
        event(w, EVTCHNOP_unmask, &evtchn_unmask { port: 1 })
    };
    fifo_close Guest Undone |w| {
        fifo(w);
        made(w, Guest, send);
        event(w, EVTCHNOP_close, &evtchn_close { port: 1 })
    };
    fifo_reset Guest Undone |w| {
        fifo(w);
        made(w, Guest, send);
        event(w, EVTCHNOP_reset, &evtchn_reset { dom: DOMID_SELF })
    };
};

//! Event channels.

use super::measure::{Call, ROUNDS, least, once};
use super::upcall::{HANDLER, OTHERS, upcalls};
use super::{Bench, Figures};
use crate::check::page::address;
use crate::dev::{event, shared};
use crate::hypercall::{event_channel_op, register_callback};
use crate::trap;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};
use hypercall_abi::Union;
use hypercall_abi::callback::CALLBACKTYPE_event;
use hypercall_abi::event_channel::*;
use hypercall_abi::xen::{__HYPERVISOR_event_channel_op, DOMID_SELF, shared_info};

pub(super) const BENCHES: &[Bench] = &[own_port, loopback];

/// One of the words of shared_info that has the port's bit.
fn word_of(words: usize, port: u32) -> &'static AtomicU64 {
    shared::word(words + port as usize / 64 * 8)
}

fn args(op: u32, arg: u64) -> [u64; 5] {
    [u64::from(op), arg, 0, 0, 0]
}

/// The port's bit, in the words of pending and of masked ports.
struct Bits {
    bit: u64,
    pending: &'static AtomicU64,
    mask: &'static AtomicU64,
}

impl Bits {
    fn new(port: u32) -> Self {
        Self {
            bit: 1 << (port % 64),
            pending: word_of(offset_of!(shared_info, evtchn_pending), port),
            mask: word_of(offset_of!(shared_info, evtchn_mask), port),
        }
    }

    fn set(&self, word: &AtomicU64) {
        word.fetch_or(self.bit, Ordering::SeqCst);
    }

    fn clear(&self, word: &AtomicU64) {
        word.fetch_and(!self.bit, Ordering::SeqCst);
    }
}

fn own_port(f: &mut Figures) {
    let mut bind = evtchn_bind_ipi { vcpu: 0, port: 0 };
    if let Err(errno) = event_channel_op(EVTCHNOP_bind_ipi, &mut bind) {
        return f.refused("evtchn", -errno.0);
    }
    let port = bind.port;
    let bits = Bits::new(port);
    // The port stays masked, so that its event waits without an upcall waiting.
    bits.set(bits.mask);
    let mut send = evtchn_send { port };
    let send = args(EVTCHNOP_send, address(&mut send));
    bits.set(bits.pending);
    // SAFETY: the event is pending already: nothing changes.
    unsafe { f.call("evtchn_send_pending", __HYPERVISOR_event_channel_op, send) };
    // SAFETY: a pending bit is set, behind a mask.
    unsafe { f.each("evtchn_send_masked", send, || bits.clear(bits.pending)) };
    bits.clear(bits.pending);
    bits.clear(bits.mask);
    // SAFETY: upcalls are masked here, so that the flag is all that is set.
    unsafe {
        f.each("evtchn_send_upcall_masked", send, || {
            bits.clear(bits.pending);
            event::deliver();
        })
    };
    bits.clear(bits.pending);
    bits.set(bits.mask);
    event::deliver();
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
    if port < 64 {
        bits.clear(bits.mask);
        upcall(f, bits.bit, send);
        bits.set(bits.mask);
    } else {
        f.refused("evtchn_send_upcall_and_iret", 0);
    }
    if let Err(errno) = event_channel_op(EVTCHNOP_close, &mut evtchn_close { port }) {
        f.refused("evtchn_close", -errno.0);
    }
    event::forget(port);
}

/// A pair of ports of this domain's: what sending to another costs.
fn loopback(f: &mut Figures) {
    let mut near = evtchn_alloc_unbound {
        dom: DOMID_SELF,
        remote_dom: DOMID_SELF,
        port: 0,
    };
    let mut far = evtchn_bind_interdomain {
        remote_dom: DOMID_SELF,
        _pad0: [0; 2],
        remote_port: 0,
        local_port: 0,
    };
    let bound = event_channel_op(EVTCHNOP_alloc_unbound, &mut near).and_then(|_| {
        far.remote_port = near.port;
        event_channel_op(EVTCHNOP_bind_interdomain, &mut far)
    });
    if let Err(errno) = bound {
        return f.refused("evtchn_pair", -errno.0);
    }
    // Ports are masked until they have a handler, and the new pair's event is pending at this end.
    let bits = Bits::new(far.local_port);
    bits.set(bits.mask);
    bits.set(bits.pending);
    let mut send = evtchn_send { port: near.port };
    let send = args(EVTCHNOP_send, address(&mut send));
    // SAFETY: the event is pending already: nothing changes.
    unsafe {
        f.call(
            "evtchn_send_pair_pending",
            __HYPERVISOR_event_channel_op,
            send,
        )
    };
    // SAFETY: a pending bit is set, behind a mask.
    unsafe { f.each("evtchn_send_pair_masked", send, || bits.clear(bits.pending)) };
    for port in [near.port, far.local_port] {
        if let Err(errno) = event_channel_op(EVTCHNOP_close, &mut evtchn_close { port }) {
            f.refused("evtchn_close", -errno.0);
        }
        event::forget(port);
    }
}

impl Figures {
    /// Measures an event-channel operation that finds things as `prepare` makes them each time.
    ///
    /// # Safety
    /// As for [`once`].
    unsafe fn each(&mut self, name: &'static str, args: [u64; 5], prepare: impl Fn()) {
        self.begin(name, 1);
        let call = Call::new(__HYPERVISOR_event_channel_op, args);
        let ticks = least(|| {
            let mut ticks = 0;
            for _ in 0..ROUNDS {
                prepare();
                // SAFETY: passed on to the caller.
                ticks += unsafe { once(&mut [call; 2], 1)? };
            }
            Ok(ticks)
        });
        self.result(name, ticks, ROUNDS);
    }
}

upcalls! {
    take_event: 0, "";
}

/// An event to oneself, whose callback comes before the hypercall returns.
fn upcall(f: &mut Figures, bit: u64, send: [u64; 5]) {
    OTHERS[0].store(!bit, Ordering::Relaxed);
    register_callback(CALLBACKTYPE_event, take_event as *const () as u64, 0)
        .expect("a callback can be registered");
    let mut pair = [Call::new(__HYPERVISOR_event_channel_op, send); 2];
    let handler = f.scale.ticks(HANDLER * ROUNDS);
    f.begin("evtchn_send_upcall_and_iret", ROUNDS);
    let ticks = least(|| {
        shared::set_upcall_mask(false);
        // SAFETY: the handler preserves all registers, and the call changes no memory.
        let ticks = unsafe { once(&mut pair, ROUNDS) };
        shared::set_upcall_mask(true);
        ticks
    });
    let ticks = ticks.map(|ticks| ticks.saturating_sub(handler));
    f.result("evtchn_send_upcall_and_iret", ticks, ROUNDS);
    trap::init().expect("the kernel's own handlers can be registered again");
    event::look_everywhere();
}

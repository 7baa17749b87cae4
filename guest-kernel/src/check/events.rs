//! Event channels: every operation but FIFO's own, delivery and masks. The same checks run in the
//! two-level form and, once more, in the FIFO form ([`super::fifo`]).

use super::page::*;
use super::{Check, Report};
use crate::dev::{event, fifo, shared};
use crate::hypercall::{self, HvResult};
use core::mem::offset_of;
use core::sync::atomic::Ordering;
use hypercall_abi::Union;
use hypercall_abi::event_channel::*;
use hypercall_abi::xen::*;

pub(super) const CHECKS: &[Check] = &[
    ("evtchn_commands", commands),
    ("evtchn_unbound", unbound),
    ("evtchn_interdomain", interdomain),
    ("evtchn_virq", virq),
    ("evtchn_ipi", ipi),
    ("evtchn_pirq", pirq),
    ("evtchn_ports", ports),
    ("evtchn_vcpu", vcpu),
    ("evtchn_delivery", delivery),
];

/// An event-channel operation with its structure.
pub(super) fn op<T: zerocopy::FromBytes + zerocopy::IntoBytes>(cmd: u32, arg: &mut T) -> HvResult {
    hypercall::event_channel_op(cmd, arg)
}

pub(super) fn alloc(dom: u16, remote_dom: u16) -> HvResult<u32> {
    let mut arg = evtchn_alloc_unbound {
        dom,
        remote_dom,
        port: 0,
    };
    op(EVTCHNOP_alloc_unbound, &mut arg).map(|_| arg.port)
}

pub(super) fn bind(remote_dom: u16, remote_port: u32) -> HvResult<u32> {
    let mut arg = evtchn_bind_interdomain {
        remote_dom,
        _pad0: [0; 2],
        remote_port,
        local_port: 0,
    };
    op(EVTCHNOP_bind_interdomain, &mut arg).map(|_| arg.local_port)
}

pub(super) fn bind_ipi(vcpu: u32) -> HvResult<u32> {
    let mut arg = evtchn_bind_ipi { vcpu, port: 0 };
    op(EVTCHNOP_bind_ipi, &mut arg).map(|_| arg.port)
}

pub(super) fn bind_virq(virq: u32, vcpu: u32) -> HvResult<u32> {
    let mut arg = evtchn_bind_virq {
        virq,
        vcpu,
        port: 0,
    };
    op(EVTCHNOP_bind_virq, &mut arg).map(|_| arg.port)
}

pub(super) fn close(port: u32) -> HvResult {
    let result = op(EVTCHNOP_close, &mut evtchn_close { port });
    event::forget(port);
    result
}

pub(super) fn send(port: u32) -> HvResult {
    op(EVTCHNOP_send, &mut evtchn_send { port })
}

pub(super) fn unmask(port: u32) -> HvResult {
    op(EVTCHNOP_unmask, &mut evtchn_unmask { port })
}

pub(super) fn bind_vcpu(port: u32, vcpu: u32) -> HvResult {
    op(EVTCHNOP_bind_vcpu, &mut evtchn_bind_vcpu { port, vcpu })
}

/// A result without the port it names.
pub(super) fn outcome<T>(result: HvResult<T>) -> Shown {
    Shown(result.map(|_| 0))
}

// The constants of the header are not written as Rust's are.
#[allow(non_upper_case_globals)]
pub(super) fn status(r: &mut Report, key: &str, dom: u16, port: u32) {
    let mut arg = evtchn_status {
        dom,
        _pad0: [0; 2],
        port,
        status: 0xff,
        vcpu: 0xff,
        u: Union::zeroed(),
    };
    let result = op(EVTCHNOP_status, &mut arg);
    let about = match arg.status {
        EVTCHNSTAT_unbound => u32::from(arg.u.get::<evtchn_status_unbound>().dom),
        EVTCHNSTAT_interdomain => u32::from(arg.u.get::<evtchn_status_interdomain>().dom),
        EVTCHNSTAT_virq | EVTCHNSTAT_pirq => arg.u.get(),
        _ => 0,
    };
    r.line(format_args!(
        "{key}_status={} status={} vcpu={} about={about:#x}",
        Shown(result),
        arg.status,
        arg.vcpu
    ));
}

/// Whether the bit of `port` is set in the array at `offset` of shared_info.
fn bit(offset: usize, port: u32) -> bool {
    let word = shared::word(offset + (port as usize / 64) * 8);
    word.load(Ordering::SeqCst) & 1 << (port % 64) != 0
}

pub(super) fn pending(port: u32) -> bool {
    fifo::pending(port).unwrap_or_else(|| bit(offset_of!(shared_info, evtchn_pending), port))
}

fn masked(port: u32) -> bool {
    fifo::masked(port).unwrap_or_else(|| bit(offset_of!(shared_info, evtchn_mask), port))
}

pub(super) fn clear_pending(port: u32) {
    if fifo::clear_pending(port) {
        return;
    }
    let offset = offset_of!(shared_info, evtchn_pending) + (port as usize / 64) * 8;
    shared::word(offset).fetch_and(!(1 << (port % 64)), Ordering::SeqCst);
}

/// Forgets the events of all ports.
pub(super) fn clear_all_pending() {
    for port in (0..EVTCHN_2L_NR_CHANNELS as u32).step_by(64) {
        let offset = offset_of!(shared_info, evtchn_pending) + port as usize / 8;
        shared::word(offset).store(0, Ordering::SeqCst);
    }
}

/// The upcall flag.
pub(super) fn upcall_flag() -> u8 {
    let flag = shared::byte(shared::VCPU0 + offset_of!(vcpu_info, evtchn_upcall_pending));
    flag.load(Ordering::SeqCst)
}

/// The upcall flag and whether the selector names the word of `port`, or its queue is ready.
fn upcall(port: u32) -> (u8, bool) {
    if let Some(ready) = fifo::usual_is_ready() {
        return (upcall_flag(), ready);
    }
    let flag = shared::byte(shared::VCPU0 + offset_of!(vcpu_info, evtchn_upcall_pending));
    let selector = shared::word(shared::VCPU0 + offset_of!(vcpu_info, evtchn_pending_sel));
    let named = selector.load(Ordering::SeqCst) & 1 << (port / 64) != 0;
    (flag.load(Ordering::SeqCst), named)
}

pub(super) fn clear_upcall() {
    event::deliver();
}

/// Ports that are none, or nobody's.
const BAD_PORTS: [(&str, u32); 5] = [
    ("port0", 0),
    ("closed", 1000),
    ("last", 4095),
    ("beyond", 4096),
    ("all_ones", u32::MAX),
];

fn commands(r: &mut Report) {
    let mut words = [0_u64; 4];
    for cmd in [14, 99, u32::MAX] {
        r.line(format_args!("cmd{cmd}={}", Shown(op(cmd, &mut words))));
    }
    for cmd in 0..=EVTCHNOP_reset {
        for (key, at) in BAD_ADDRESSES {
            // SAFETY: there is no structure to be read.
            let result =
                unsafe { call(__HYPERVISOR_event_channel_op, [u64::from(cmd), at, 0, 0, 0]) };
            r.line(format_args!("cmd{cmd}_{key}={}", Shown(result)));
        }
    }
    let mut reset = evtchn_reset { dom: NOBODY };
    r.result("reset_nobody", op(EVTCHNOP_reset, &mut reset));
    reset.dom = DOMID_INVALID;
    r.result("reset_invalid", op(EVTCHNOP_reset, &mut reset));
    let mut priority = evtchn_set_priority {
        port: 1,
        priority: 7,
    };
    r.result("set_priority", op(EVTCHNOP_set_priority, &mut priority));
    let port = alloc(DOMID_SELF, DOMID_SELF).unwrap_or(0);
    for (key, priority) in [("open", 7), ("open_beyond", 16)] {
        let mut arg = evtchn_set_priority { port, priority };
        r.line(format_args!(
            "set_priority_{key}={}",
            Shown(op(EVTCHNOP_set_priority, &mut arg))
        ));
    }
    r.result("close", close(port));
    for (key, port, priority) in [
        ("closed", port, 7),
        ("closed_beyond", port, 16),
        ("port0", 0, 7),
        ("last", 4095, 7),
    ] {
        let mut arg = evtchn_set_priority { port, priority };
        r.line(format_args!(
            "set_priority_{key}={}",
            Shown(op(EVTCHNOP_set_priority, &mut arg))
        ));
    }
}

fn unbound(r: &mut Report) {
    for (key, dom, remote) in [
        ("self_self", DOMID_SELF, DOMID_SELF),
        ("own_id", 0, 0),
        ("remote_nobody", DOMID_SELF, NOBODY),
        ("remote_idle", DOMID_SELF, DOMID_IDLE),
        ("nobody", NOBODY, 0),
        ("io", DOMID_IO, 0),
        ("xen", DOMID_XEN, 0),
        ("invalid", DOMID_INVALID, 0),
    ] {
        let result = alloc(dom, remote);
        r.line(format_args!("{key}={}", outcome(result)));
        if let Ok(port) = result {
            status(r, key, DOMID_SELF, port);
            r.line(format_args!("{key}_send={}", Shown(send(port))));
            r.line(format_args!("{key}_vcpu={}", Shown(bind_vcpu(port, 0))));
            r.line(format_args!("{key}_close={}", Shown(close(port))));
            status(r, key, DOMID_SELF, port);
        }
    }
    let (Ok(first), Ok(second)) = (alloc(DOMID_SELF, 0), alloc(DOMID_SELF, 0)) else {
        return r.error("no ports");
    };
    r.line(format_args!("next_port={}", second.wrapping_sub(first)));
    r.result("close_first", close(first));
    let again = alloc(DOMID_SELF, 0);
    r.line(format_args!("lowest_again={}", again == Ok(first)));
    r.result("close_again", close(first));
    r.result("close_second", close(second));
}

fn interdomain(r: &mut Report) {
    for (key, port) in BAD_PORTS {
        r.line(format_args!(
            "bind_{key}={}",
            outcome(bind(DOMID_SELF, port))
        ));
    }
    for (key, dom) in [("nobody", NOBODY), ("idle", DOMID_IDLE), ("io", DOMID_IO)] {
        r.line(format_args!("bind_{key}={}", outcome(bind(dom, 1))));
    }
    let Ok(near) = alloc(DOMID_SELF, 0) else {
        return r.error("no port");
    };
    let far = bind(0, near);
    r.line(format_args!("bind={}", outcome(far)));
    let Ok(far) = far else { return };
    r.line(format_args!("again={}", outcome(bind(0, near))));
    r.line(format_args!("to_itself={}", outcome(bind(0, far))));
    status(r, "near", DOMID_SELF, near);
    status(r, "far", 0, far);
    // A new connection is told once, so that nothing sent before it is lost.
    r.line(format_args!(
        "pending_after_bind={},{}",
        pending(near),
        pending(far)
    ));
    clear_pending(near);
    clear_pending(far);
    r.result("send_near", send(near));
    r.line(format_args!("pending={},{}", pending(near), pending(far)));
    r.result("send_far", send(far));
    r.line(format_args!(
        "pending_both={},{}",
        pending(near),
        pending(far)
    ));
    r.result("send_again", send(far));
    r.result("close_near", close(near));
    r.line(format_args!(
        "pending_after_close={},{}",
        pending(near),
        pending(far)
    ));
    status(r, "near_closed", DOMID_SELF, near);
    status(r, "far_left", DOMID_SELF, far);
    r.result("send_left", send(far));
    r.result("close_far", close(far));
    r.result("close_again", close(far));
    clear_pending(near);
    clear_pending(far);
    clear_upcall();
}

fn virq(r: &mut Report) {
    // Those that this kernel has bound, and those that do not fire by themselves here.
    for virq in [0, 1, 2, 4, 8, 9, 12, 16, 23, 24, 25, u32::MAX] {
        let result = bind_virq(virq, 0);
        r.line(format_args!("virq{virq}={}", outcome(result)));
        let Ok(port) = result else { continue };
        status(r, "bound", DOMID_SELF, port);
        r.line(format_args!(
            "virq{virq}_again={}",
            outcome(bind_virq(virq, 0))
        ));
        r.line(format_args!(
            "virq{virq}_vcpu={}",
            Shown(bind_vcpu(port, 0))
        ));
        r.line(format_args!("virq{virq}_send={}", Shown(send(port))));
        r.line(format_args!("virq{virq}_close={}", Shown(close(port))));
        r.line(format_args!(
            "virq{virq}_after={}",
            outcome(bind_virq(virq, 0).and_then(close))
        ));
    }
    for (key, virq, vcpu) in [
        ("debug_vcpu1", VIRQ_DEBUG, 1),
        ("global_vcpu1", VIRQ_CON_RING, 1),
        ("vcpu_all_ones", VIRQ_DEBUG, u32::MAX),
    ] {
        r.line(format_args!("{key}={}", outcome(bind_virq(virq, vcpu))));
    }
}

fn ipi(r: &mut Report) {
    for vcpu in [1, 31, 32, 8192, u32::MAX] {
        r.line(format_args!("vcpu{vcpu}={}", outcome(bind_ipi(vcpu))));
    }
    let result = bind_ipi(0);
    r.line(format_args!("vcpu0={}", outcome(result)));
    let Ok(port) = result else { return };
    status(r, "bound", DOMID_SELF, port);
    r.result("bind_vcpu", bind_vcpu(port, 0));
    r.result("send", send(port));
    r.line(format_args!(
        "pending={} masked={}",
        pending(port),
        masked(port)
    ));
    clear_pending(port);
    r.result("close", close(port));
    r.result("send_closed", send(port));
}

fn pirq(r: &mut Report) {
    for (key, pirq, flags) in [
        ("out_of_range", 0xffff, 0),
        ("all_ones", u32::MAX, 0),
        ("bad_flags", 5, 2),
        ("line0", 0, 0),
        ("line5", 5, 0),
        ("line5_shared", 5, BIND_PIRQ__WILL_SHARE),
        ("line9", 9, 0),
        ("line20", 20, 0),
        ("line100", 100, 0),
    ] {
        let mut arg = evtchn_bind_pirq {
            pirq,
            flags,
            port: 0,
        };
        let result = op(EVTCHNOP_bind_pirq, &mut arg);
        r.result(key, result);
        if result.is_ok() {
            r.result("close", close(arg.port));
        }
    }
}

fn ports(r: &mut Report) {
    for (key, port) in BAD_PORTS {
        r.line(format_args!("send_{key}={}", Shown(send(port))));
        r.line(format_args!("close_{key}={}", Shown(close(port))));
        r.line(format_args!("unmask_{key}={}", Shown(unmask(port))));
        r.line(format_args!("vcpu_{key}={}", Shown(bind_vcpu(port, 0))));
        status(r, key, DOMID_SELF, port);
    }
    for (key, dom) in [
        ("nobody", NOBODY),
        ("xen", DOMID_XEN),
        ("io", DOMID_IO),
        ("invalid", DOMID_INVALID),
    ] {
        status(r, key, dom, 1);
    }
}

fn vcpu(r: &mut Report) {
    let Ok(port) = alloc(DOMID_SELF, 0) else {
        return r.error("no port");
    };
    for vcpu in [0, 1, 32, u32::MAX] {
        r.line(format_args!("vcpu{vcpu}={}", Shown(bind_vcpu(port, vcpu))));
    }
    status(r, "after", DOMID_SELF, port);
    r.result("close", close(port));
}

fn delivery(r: &mut Report) {
    let Ok(port) = bind_ipi(0) else {
        return r.error("no port");
    };
    clear_upcall();
    let show = |r: &mut Report, key: &str| {
        let (flag, named) = upcall(port);
        r.line(format_args!(
            "{key}=pending:{} masked:{} upcall:{flag} selected:{named}",
            pending(port),
            masked(port)
        ));
    };
    show(r, "bound");
    r.result("send_masked", send(port));
    show(r, "sent_masked");
    r.result("unmask", unmask(port));
    show(r, "unmasked");
    // The kernel's own scan takes it.
    let before = event::taken();
    clear_upcall();
    r.line(format_args!("scanned={}", event::taken() - before));
    show(r, "scanned_state");
    r.result("send", send(port));
    show(r, "sent");
    r.result("send_pending", send(port));
    // With events let through, the next entry into the hypervisor brings the upcall.
    let before = event::taken();
    shared::set_upcall_mask(false);
    hypercall::sched_yield();
    let masked_now = shared::upcall_mask();
    shared::set_upcall_mask(true);
    r.line(format_args!(
        "upcalls={} masked_after={masked_now}",
        event::taken() - before
    ));
    show(r, "delivered");
    r.result("unmask_nothing", unmask(port));
    show(r, "nothing");
    r.result("close", close(port));
    show(r, "closed");
}

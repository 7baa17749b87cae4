//! Greed: loops and floods without an end, beside which the neighbours must get their share.

use super::*;
use hypercall_abi::event_channel::{
    EVTCHNOP_alloc_unbound, EVTCHNOP_bind_interdomain, evtchn_alloc_unbound,
    evtchn_bind_interdomain,
};

pub(super) const ROGUES: &[Rogue] = &[
    ("spin", || {
        loop {
            // No `pause`, for which an emulator may leave off.
            core::hint::black_box(());
        }
    }),
    ("yield-loop", || {
        loop {
            hypercall::sched_yield();
        }
    }),
    ("event-flood", event_flood),
    ("dom0-event-flood", dom0_event_flood),
    ("timer-flood", timer_flood),
    ("timer-storm", timer_storm),
    ("console-flood", console_flood),
    ("log-flood", log_flood),
    ("fault-flood", fault_flood),
    ("pin-flood", pin_flood),
];

/// Events to itself, as fast as it can.
fn event_flood() {
    let mut unbound = evtchn_alloc_unbound {
        dom: DOMID_SELF,
        remote_dom: DOMID_SELF,
        port: 0,
    };
    hypercall::event_channel_op(EVTCHNOP_alloc_unbound, &mut unbound).expect("a port");
    let mut bound = evtchn_bind_interdomain {
        remote_dom: DOMID_SELF,
        _pad0: [0; 2],
        remote_port: unbound.port,
        local_port: 0,
    };
    hypercall::event_channel_op(EVTCHNOP_bind_interdomain, &mut bound).expect("its other end");
    loop {
        let _ = hypercall::evtchn_send(bound.local_port);
    }
}

/// Events to dom0, which listens to the console's and the store's port.
fn dom0_event_flood() {
    loop {
        for port in 0..8 {
            let _ = hypercall::evtchn_send(port);
        }
    }
}

/// A timer that has always expired.
fn timer_flood() {
    loop {
        let _ = call(__HYPERVISOR_set_timer_op, [1, 0, 0, 0, 0]);
        hypercall::sched_block();
    }
}

/// A timer that expires as soon as it sleeps, which it does at once.
fn timer_storm() {
    loop {
        let _ = hypercall::set_singleshot_timer(crate::dev::time::system_time() + 3000);
        hypercall::sched_block();
    }
}

/// Text without an end.
fn console_flood() {
    loop {
        kprintln!("flood flood flood flood flood flood flood flood flood flood flood flood");
    }
}

/// Calls of which the hypervisor may have something to say in its log, and its console.
fn log_flood() {
    let text = b"(PVN) forged line of the hypervisor's log\n";
    for round in 0_u64.. {
        let write = [
            u64::from(CONSOLEIO_write),
            text.len() as u64,
            text.as_ptr() as u64,
            0,
            0,
        ];
        let _ = call(__HYPERVISOR_console_io, write);
        let _ = update(round << 12 | 8, 7);
        let _ = extended(MMUEXT_PIN_L4_TABLE, round, 0);
        let _ = call(__HYPERVISOR_set_debugreg, [round, DIRECT_MAP, 0, 0, 0]);
    }
}

/// Exceptions without an end.
fn fault_flood() {
    loop {
        let _ = vector_of(undefined, 0);
    }
}

crate::check::probe::code! {
    undefined: "ud2";
}

/// A full table that is validated and let go again, without an end.
fn pin_flood() {
    let (table, data) = (spare(), spare());
    for word in 0..512 {
        write(table, word, pte::new(p2m::mfn(data), pte::RO));
    }
    protect(table, UVMF_INVLPG | UVMF_LOCAL);
    loop {
        assert_eq!(extended(MMUEXT_PIN_L1_TABLE, mfn(table), 0), 0);
        assert_eq!(extended(MMUEXT_UNPIN_TABLE, mfn(table), 0), 0);
    }
}

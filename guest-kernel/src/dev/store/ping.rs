//! Pings: events to the domain that asks for them, each after its answer to the last.

use super::{notify, wait_until};
use crate::dev::{event, time};
use crate::hypercall;
use core::sync::atomic::{AtomicU64, Ordering};
use guest_user::abi::Errno;
use hypercall_abi::event_channel::*;

/// Who asks.
const ASKER: u16 = 0;
/// How long an answer is waited for, in nanoseconds.
const PATIENCE: u64 = 1_000_000_000;
/// The most pings of one request.
const PINGS_MAX: u64 = 1_000_000;

static ANSWERS: AtomicU64 = AtomicU64::new(0);

/// An answer's event.
pub(crate) fn answered() {
    ANSWERS.fetch_add(1, Ordering::Relaxed);
    super::event();
}

/// Sends `count` events to a port of the asking domain; returns how many were answered.
pub(super) fn ping(port: u32, count: u64) -> Result<u64, Errno> {
    let mut bind = evtchn_bind_interdomain {
        remote_dom: ASKER,
        _pad0: [0; 2],
        remote_port: port,
        local_port: 0,
    };
    hypercall::event_channel_op(EVTCHNOP_bind_interdomain, &mut bind)?;
    let own = bind.local_port;
    let answered = event::handle(own, event::Handler::Ping).and_then(|_| {
        // A port that was just bound has an event that nobody sent.
        event::deliver();
        volley(own, count.min(PINGS_MAX))
    });
    event::unhandle(own);
    hypercall::event_channel_op(EVTCHNOP_close, &mut evtchn_close { port: own })?;
    answered
}

fn volley(port: u32, count: u64) -> Result<u64, Errno> {
    for answered in 0..count {
        let before = ANSWERS.load(Ordering::Relaxed);
        notify(port)?;
        let deadline = time::system_time() + PATIENCE;
        while ANSWERS.load(Ordering::Relaxed) == before {
            if !wait_until(deadline) {
                return Ok(answered);
            }
        }
    }
    Ok(count)
}

//! Pending and masked ports, in whichever form of the event channel ABI the domain uses.

use core::mem::offset_of;

use hypercall_abi::xen::vcpu_info;

use super::{Port, fifo, two_level};
use crate::domain::{Domain, DomainState};
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::sched::{self, Poll};
use crate::vcpu::InfoArea;

// The upcall flag is the first byte of a word that is changed as a whole.
const _: () = assert!(offset_of!(vcpu_info, evtchn_upcall_pending) == 0);

/// Makes a port pending, and notifies its vCPU unless it was pending before or is masked.
#[inline]
pub fn set<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    port: Port,
    vcpu: u16,
) {
    let news = if state.events.fifo.is_none() {
        two_level::set_pending(hv, dom, state, port, vcpu)
    } else {
        fifo::set_pending(hv, dom, state, port)
    };
    if news && state.events.pollers != 0 {
        wake_pollers(hv, dom, state, port);
    }
}

/// Sets a vCPU's upcall flag, and makes the vCPU look if that is news.
pub(super) fn mark<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    info: InfoArea,
    vcpu: u16,
) {
    let flag = usize::from(info.offset);
    if hv.machine.fetch_or_u64(info.mfn, flag, 1) & 0xff == 0 {
        sched::run::notify(hv, dom, state, vcpu);
    }
}

/// Ends the polls that wait for `port`, masked or not.
#[cold]
fn wake_pollers<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, state: &mut DomainState, port: Port) {
    let mut left = state.events.pollers;
    while left != 0 {
        let index = left.trailing_zeros() as u16;
        left &= left - 1;
        let poll = state
            .vcpus
            .get(usize::from(index))
            .and_then(|v| v.sched.poll);
        if poll == Some(Poll::Any) || poll == Some(Poll::Port(port)) {
            sched::run::wake_locked(hv, dom, state, index);
        }
    }
}

/// Unmasks a port; if it is pending, its vCPU is notified as if it became so now.
pub fn unmask<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    port: Port,
    vcpu: u16,
) {
    if state.events.fifo.is_none() {
        two_level::unmask(hv, dom, state, port, vcpu);
    } else {
        fifo::unmask(hv, dom, state, port);
    }
}

/// Whether a port is pending.
#[must_use]
pub fn is_set<M: Machine>(hv: &Hypervisor<M>, state: &DomainState, port: Port) -> bool {
    match &state.events.fifo {
        None => two_level::is_pending(hv, state, port),
        Some(fifo) => fifo.is_pending(hv, port),
    }
}

/// Whether a port is masked.
#[must_use]
pub fn is_masked<M: Machine>(hv: &Hypervisor<M>, state: &DomainState, port: Port) -> bool {
    match &state.events.fifo {
        None => two_level::is_masked(hv, state, port),
        Some(fifo) => fifo.is_masked(hv, port),
    }
}

/// Forgets that a port was pending, so that its next user does not see the last one's event.
pub(super) fn clear<M: Machine>(hv: &Hypervisor<M>, state: &DomainState, port: Port) {
    match &state.events.fifo {
        None => two_level::clear_pending(hv, state, port),
        Some(fifo) => fifo.clear_pending(hv, port),
    }
}

//! Pending and masked ports, in whichever form of the event channel ABI the domain uses.

use core::mem::offset_of;

use hypercall_abi::xen::vcpu_info;

use super::table::Root;
use super::{Port, fifo, two_level};
use crate::domain::{Domain, DomainState};
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::sched::{self, Poll};
use crate::vcpu::InfoArea;

// The upcall flag is the first byte of its word.
const _: () = assert!(offset_of!(vcpu_info, evtchn_upcall_pending) == 0);

/// What is left to do for an event, under the domain's lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// A vCPU that waits has an upcall pending.
    pub(super) wake: Option<u16>,
    /// Somebody polls, maybe for this port.
    pub(super) polled: bool,
}

impl News {
    /// Whether that is nothing.
    pub(super) fn is_none(self) -> bool {
        self == Self::default()
    }

    /// Does it.
    #[inline]
    pub(super) fn spread<M: Machine>(
        self,
        hv: &Hypervisor<M>,
        dom: &Domain,
        state: &mut DomainState,
        port: Port,
    ) {
        if let Some(vcpu) = self.wake {
            sched::run::wake_waiting(hv, dom, state, vcpu);
        }
        if self.polled {
            wake_pollers(hv, dom, state, port);
        }
    }
}

/// Makes a port pending, and notifies its vCPU unless it was pending before or is masked.
#[inline]
pub fn set<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, state: &mut DomainState, port: Port) {
    let news = match dom.senders.root().page(hv.machine) {
        Some(page) => two_level::raise(hv, dom, page, port),
        None => fifo::set_pending(hv, dom, state, port),
    };
    if let Some(news) = news {
        news.spread(hv, dom, state, port);
    }
}

/// Unmasks a port; if it is pending, its vCPU is notified as if it became so now.
pub fn unmask<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, state: &mut DomainState, port: Port) {
    let news = match dom.senders.root().page(hv.machine) {
        Some(page) if two_level::unmask(hv.machine, page, port) => two_level::select(hv, dom, port),
        Some(_) => return,
        None => fifo::unmask(hv, state, port),
    };
    news.spread(hv, dom, state, port);
}

/// Sets a vCPU's upcall flag, and makes the vCPU look if that is news: one that runs elsewhere by an
/// interrupt, one that waits is to be woken.
pub(super) fn mark<M: Machine>(hv: &Hypervisor<M>, root: Root, info: InfoArea, vcpu: u16) -> News {
    let mut news = News::default();
    if hv.machine.set_bit(info.mfn, usize::from(info.offset) * 8) {
        return news;
    }
    let doing = root.doing(hv.machine, vcpu);
    if doing.waits {
        news.wake = Some(vcpu);
    } else if let Some(cpu) = doing.running
        && cpu != hv.machine.cpu()
    {
        // On its way out of the interrupt it sees the pending upcall.
        hv.machine.kick(cpu);
    }
    news
}

/// Ends the polls that wait for `port`, masked or not.
#[cold]
fn wake_pollers<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, state: &mut DomainState, port: Port) {
    let mut left = dom.senders.root().pollers(hv.machine);
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

/// Whether a port is pending.
#[must_use]
pub fn is_set<M: Machine>(hv: &Hypervisor<M>, state: &DomainState, port: Port) -> bool {
    match &state.events.fifo {
        None => two_level::is_pending(hv, state.shared_info, port),
        Some(fifo) => fifo.is_pending(hv, port),
    }
}

/// Forgets that a port was pending, so that its next user does not see the last one's event.
pub(super) fn clear<M: Machine>(hv: &Hypervisor<M>, state: &DomainState, port: Port) {
    match &state.events.fifo {
        None => two_level::clear_pending(hv, state.shared_info, port),
        Some(fifo) => fifo.clear_pending(hv, port),
    }
}

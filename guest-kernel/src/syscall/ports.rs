//! Whose the event channels are that processes have bound: those of a process end with it.

use crate::dev::event;
use crate::global::Global;
use crate::hypercall;
use crate::task;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use guest_user::abi::Errno;
use hypercall_abi::event_channel::{EVTCHNOP_close, evtchn_close};

/// The process that has bound a port.
static OWNERS: Global<BTreeMap<u32, u64>> = Global::new(BTreeMap::new());

/// Refuses a port that is the kernel's, or another process's.
pub(super) fn check(port: u32) -> Result<(), Errno> {
    let owner = OWNERS.with(|owners| owners.get(&port).copied());
    if event::is_kernels(port) || owner.is_some_and(|owner| owner != task::current()) {
        return Err(Errno::EPERM);
    }
    Ok(())
}

/// Notes a port that the running process has bound, and lets its events come through.
pub(super) fn bound(port: u32) {
    let pid = task::current();
    OWNERS.with(|owners| owners.insert(port, pid));
    // One that cannot be opened is refused where it is waited for.
    let _ = event::open(port);
}

/// The process that has bound a port.
pub(crate) fn owner_of(port: u32) -> Option<u64> {
    OWNERS.with(|owners| owners.get(&port).copied())
}

/// Takes the events that wait on ports of the running process, at most `most`; the ports.
pub(super) fn take_news(most: usize) -> Vec<u32> {
    let pid = task::current();
    let is_its = |port| OWNERS.with(|owners| owners.get(&port) == Some(&pid));
    event::take_all_latched(is_its, most)
}

/// Forgets a port that was closed.
pub(super) fn closed(port: u32) {
    OWNERS.with(|owners| owners.remove(&port));
    event::forget(port);
}

/// Closes what a process that ends has bound.
pub(super) fn close_all(pid: u64) {
    let next = || OWNERS.with(|owners| owners.iter().find(|of| *of.1 == pid).map(|of| *of.0));
    while let Some(port) = next() {
        // Refused only if it is closed already.
        let _ = hypercall::event_channel_op(EVTCHNOP_close, &mut evtchn_close { port });
        closed(port);
    }
}

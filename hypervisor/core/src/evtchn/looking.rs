//! Looking at other domains' ports without a lock.
//!
//! A CPU says by a mark of its own that it looks, and takes it away when it has done what it found.
//! Whoever takes away what could be found does it in this order: no new look finds it; then
//! [`wait_for_all`] that may have found it before; then it becomes something else. So a port is
//! given to its next user, and a frame to its next owner, only when no event for the one before is
//! under way.
//!
//! Nobody who looks waits for anything: no lock is taken before the mark is away. So those who wait
//! may hold any lock.

use core::sync::atomic::Ordering;

use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

/// This CPU looks, until this is dropped.
pub(crate) struct Looking<'a, M: Machine>(&'a M);

impl<'a, M: Machine> Looking<'a, M> {
    /// Begins to look; `what` for is not 0.
    #[inline(always)]
    pub(crate) fn begin(m: &'a M, what: u64) -> Self {
        m.look(what);
        Self(m)
    }
}

impl<M: Machine> Drop for Looking<'_, M> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.look_away();
    }
}

/// Waits until every other CPU that looks now has done what it found.
pub(crate) fn wait_for_all<M: Machine>(hv: &Hypervisor<M>) {
    let me = hv.machine.cpu();
    hv.machine.barrier();
    for cpu in (0..hv.sched.cpus()).filter(|&cpu| cpu != me) {
        let Some(mark) = hv.machine.looking_of(cpu) else {
            continue;
        };
        hv.machine.others_may_run();
        while mark.load(Ordering::SeqCst) != 0 {
            hv.machine.others_must_run();
        }
    }
}

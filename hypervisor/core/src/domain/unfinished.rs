//! What a memory operation that was interrupted has in hand. It is kept in the vCPU until the same
//! call is made again; whatever comes instead, the frames in it are not lost.

use super::exchange::Chunk;
use super::lock::DomainGuard;
use super::{Domain, Phase};
use crate::error::{Errno, Result};
use crate::frame::extent::Extent;
use crate::hypercall::Cx;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

/// A memory operation in progress.
pub(crate) enum Job {
    /// Of a reservation: the extent that was begun.
    Extent(Extent),
    /// Of an exchange: the chunk that was begun.
    Chunk(Chunk),
}

/// A job, and the call it belongs to.
pub(crate) struct Unfinished {
    call: (u64, [u64; 6]),
    job: Job,
}

#[cfg(any(test, feature = "testkit"))]
impl crate::vcpu::Vcpu {
    /// Frames that an unfinished memory operation has taken out of the free map for a domain and
    /// not given to it yet: the domain's slot and generation, how many.
    pub fn frames_in_hand(&self) -> Option<(u16, u32, u64)> {
        let extent = match &self.unfinished.as_ref()?.job {
            Job::Extent(extent) => extent,
            Job::Chunk(chunk) => chunk.extent()?,
        };
        Some(extent.in_hand())
    }
}

/// Takes what an earlier run of this very call left, if this goes on with it: one that is made anew
/// with the same arguments may ask for something else.
#[inline]
pub(super) fn take<M: Machine>(cx: &mut Cx<'_, M>, goes_on: bool) -> Option<Job> {
    match cx.vcpu.unfinished {
        None => None,
        Some(_) => take_left(cx, goes_on),
    }
}

#[cold]
fn take_left<M: Machine>(cx: &mut Cx<'_, M>, goes_on: bool) -> Option<Job> {
    let unfinished = cx.vcpu.unfinished.take()?;
    if goes_on && unfinished.call == (cx.number, cx.args()) {
        return Some(unfinished.job);
    }
    abandon(cx.hv, Some(unfinished));
    None
}

/// Keeps what the next run of this call goes on with.
pub(super) fn keep<M: Machine>(cx: &mut Cx<'_, M>, job: Option<Job>) {
    let call = (cx.number, cx.args());
    cx.vcpu.unfinished = job.map(|job| Unfinished { call, job });
}

/// Gives up what nobody goes on with: frames that are nobody's yet are free again, those that a
/// domain has already are its own.
pub(crate) fn abandon<M: Machine>(hv: &Hypervisor<M>, unfinished: Option<Unfinished>) {
    let extent = match unfinished.map(|u| u.job) {
        Some(Job::Extent(extent)) => Some(extent),
        Some(Job::Chunk(chunk)) => chunk.into_extent(),
        None => None,
    };
    if let Some(extent) = extent {
        hv.abandon_extent(extent);
    }
}

/// Sees to it that frames are not given to a domain behind the back of its destruction: the lock of
/// another domain, which is alive. The caller's own cannot be destroyed before it is done.
///
/// # Errors
/// `ESRCH` when the other domain is being destroyed.
pub(super) fn subject_alive<'a>(
    caller: &Domain,
    dom: &'a Domain,
) -> Result<Option<DomainGuard<'a>>> {
    if dom.slot == caller.slot {
        return Ok(None);
    }
    let guard = dom.lock();
    if dom.phase() != Phase::Alive {
        return Err(Errno::ESRCH);
    }
    Ok(Some(guard))
}

//! `increase_reservation`, `decrease_reservation`, `populate_physmap` (memory.h): frames come to a
//! domain and go.
//!
//! Progress is counted in frames, and an extent that was begun is kept in the vCPU, so that an
//! extent of any size is done a few frames at a time. The guest is told an extent's number before
//! it owns the frames: then nothing has to be taken back when it cannot be told.

use hypercall_abi::memory as abi;

use super::Domain;
use super::lifecycle::Progress;
use super::unfinished::{Job, keep, subject_alive, take};
use crate::error::{Errno, HypercallResult, Result, Stop};
use crate::frame::claim::Using;
use crate::frame::extent::{BATCH, Extent};
use crate::guest::{GuestSlice, copy_in};
use crate::hypercall::Cx;
use crate::platform::Machine;

/// Largest extent a domain may ask for: 2 MiB, or 1 GiB for the control domain.
const MAX_ORDER: u32 = 9;
/// As above, privileged.
const MAX_ORDER_PRIVILEGED: u32 = crate::frame::alloc::MAX_ORDER;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Increase,
    Decrease,
    Populate,
}

/// What was asked for.
#[derive(Clone, Copy)]
struct Request {
    change: Change,
    extents: GuestSlice<u64>,
    order: u32,
    /// Whether the guest wants to know which frames it gets.
    tell: bool,
}

impl Request {
    fn frames(&self) -> u64 {
        self.extents.len() << self.order
    }

    /// The next numbers in the guest's list from frame `done` on; all that can be read of a few.
    #[inline(always)]
    fn read<'a, M: Machine>(&self, m: &M, done: u64, room: &'a mut Room) -> &'a mut [u64] {
        let index = done >> self.order;
        let left = (self.extents.len() - index).min(BATCH as u64) as usize;
        let wanted = if self.order == 0 { left } else { 1 };
        let read = self.extents.read_many(m, index, &mut room[..wanted]);
        &mut room[..read]
    }
}

/// Room for the numbers of a few frames.
type Room = [u64; BATCH];

/// The three operations on a `xen_memory_reservation`: each answers with the number of extents it
/// did, stopping at the first that it could not.
pub(super) fn reservation<M: Machine>(
    cx: &mut Cx<'_, M>,
    arg: u64,
    change: Change,
) -> HypercallResult {
    // Whatever is wrong with the request, real Xen says that nothing of it was done.
    let Ok((request, dom)) = accept(cx, arg, change) else {
        return Ok(0);
    };
    let resumed = cx.resume();
    let mut done = resumed.unwrap_or(0);
    let mut begun = match take(cx, resumed.is_some()) {
        Some(Job::Extent(extent)) => Some(extent),
        _ => None,
    };
    while done < request.frames() {
        if cx.budget.is_spent() {
            keep(cx, begun.map(Job::Extent));
            cx.suspend_at(done);
            return Err(Stop::Retry);
        }
        let step = match (request.change, request.order) {
            (Change::Decrease, _) => decrease(cx, dom, &request, done),
            (_, 0) => single_frames(cx, dom, &request, done),
            _ => extent(cx, dom, &request, done, &mut begun),
        };
        match step {
            Ok(frames) => done += frames,
            Err(_) => break,
        }
    }
    if let Some(extent) = begun {
        cx.hv.abandon_extent(extent);
    }
    Ok((done >> request.order) as i64)
}

fn accept<'a, M: Machine>(
    cx: &Cx<'a, M>,
    arg: u64,
    change: Change,
) -> Result<(Request, &'a Domain)> {
    let request: abi::xen_memory_reservation = copy_in(cx.m(), arg)?;
    let extents = GuestSlice::new(request.extent_start, request.nr_extents)?;
    let dom = cx.subject(request.domid)?;
    let max = if cx.dom.is_privileged() {
        MAX_ORDER_PRIVILEGED
    } else {
        MAX_ORDER
    };
    if request.extent_order > max {
        return Err(Errno::EPERM);
    }
    if change != Change::Decrease && !has_memory(request.mem_flags) {
        return Err(Errno::ENOMEM);
    }
    let request = Request {
        change,
        extents,
        order: request.extent_order,
        tell: change == Change::Populate || request.extent_start != 0,
    };
    Ok((request, dom))
}

/// Whether there is memory of the node that `mem_flags` name (memory.h, `XENMEMF_node`): all is of
/// the first, and another's number is a wish, unless nothing else will do or there cannot be such.
const fn has_memory(mem_flags: u32) -> bool {
    /// Nodes that Debian's Xen can have.
    const NODES: u32 = 64;
    match (mem_flags >> 8) & 0xff {
        0 | 1 => true,
        number => number <= NODES && mem_flags & abi::XENMEMF_exact_node_request == 0,
    }
}

/// Gives back a few frames from frame `done` of the request on; how many.
fn decrease<M: Machine>(
    cx: &mut Cx<'_, M>,
    dom: &Domain,
    request: &Request,
    done: u64,
) -> Result<u64> {
    let mut room = [0; BATCH];
    let mut list = request.read(cx.m(), done, &mut room);
    if request.order != 0 {
        // Consecutive frames of one extent.
        let first = *list.first().ok_or(Errno::EFAULT)?;
        let size = 1 << request.order;
        first.checked_add(size).ok_or(Errno::EINVAL)?;
        let at = done & (size - 1);
        let count = (size - at).min(BATCH as u64) as usize;
        list = &mut room[..count];
        for (place, number) in list.iter_mut().zip(first + at..) {
            *place = number;
        }
    }
    let gone = cx.hv.give_up_frames(dom, list, &mut cx.budget);
    at_least_one(gone)
}

/// Gives the domain a few single frames; how many.
fn single_frames<M: Machine>(
    cx: &mut Cx<'_, M>,
    dom: &Domain,
    request: &Request,
    done: u64,
) -> Result<u64> {
    let mut room = [0; BATCH];
    let list = if request.tell {
        request.read(cx.m(), done, &mut room)
    } else {
        // Only how many.
        let left = (request.frames() - done).min(BATCH as u64);
        &mut room[..left as usize]
    };
    let numbered = request.change == Change::Populate;
    let given = {
        let _alive = subject_alive(cx.dom, dom)?;
        cx.hv.give_frames(dom, list, numbered, &mut cx.budget)
    };
    let list = &list[..given];
    let told = if request.tell {
        request.extents.write_some(cx.m(), done, list)
    } else {
        given
    };
    if told < given {
        // Nobody would know of the rest.
        cx.hv.give_up_frames(dom, &list[told..], &mut cx.budget);
    }
    at_least_one(told)
}

fn at_least_one(count: usize) -> Result<u64> {
    match count {
        0 => Err(Errno::ENOMEM),
        n => Ok(n as u64),
    }
}

/// Begins the extent of frame `done` or goes on with it; its frames when it is the domain's, 0
/// when the budget ends first.
fn extent<M: Machine>(
    cx: &mut Cx<'_, M>,
    dom: &Domain,
    request: &Request,
    done: u64,
    begun: &mut Option<Extent>,
) -> Result<u64> {
    if begun.is_none() {
        let gpfn = match request.change {
            Change::Populate => {
                let mut room = [0; BATCH];
                let list = request.read(cx.m(), done, &mut room);
                Some(*list.first().ok_or(Errno::EFAULT)?)
            }
            _ => None,
        };
        let extent =
            (cx.hv).begin_extent(dom, request.order, gpfn, Using::Claim, &mut cx.budget)?;
        let first = extent.first().0;
        *begun = Some(extent);
        let index = done >> request.order;
        if request.tell && request.extents.write(cx.m(), index, &first).is_err() {
            return Err(Errno::EFAULT);
        }
    }
    let Some(extent) = begun.as_mut() else {
        return Ok(0);
    };
    let _alive = subject_alive(cx.dom, dom)?;
    if !extent.is_for(dom) {
        return Err(Errno::ESRCH);
    }
    match cx.hv.give_extent(dom, extent, &mut cx.budget) {
        Progress::More => Ok(0),
        Progress::Done => {
            *begun = None;
            Ok(1 << request.order)
        }
    }
}

//! `XENMEM_exchange` (memory.h): frames of one size for frames of another, contiguity gained or
//! lost, the amount of memory the same.

use alloc::vec::Vec;

use arrayvec::ArrayVec;
use hypercall_abi::memory as abi;

use super::lifecycle::Progress;
use super::unfinished::{Job, keep, take};
use crate::addr::Mfn;
use crate::error::{Errno, HypercallResult, Result, Stop};
use crate::frame::claim::Using;
use crate::frame::extent::{BATCH, Extent};
use crate::frame::word::Owner;
use crate::guest::{GuestSlice, copy_in, copy_out};
use crate::hypercall::Cx;
use crate::platform::Machine;

/// Largest extent in an exchange: what a domain may turn into a contiguous piece for a device.
const MAX_ORDER: u32 = 9;

/// Byte offset of `nr_exchanged` in the request.
const NR_EXCHANGED: u64 = core::mem::offset_of!(abi::xen_memory_exchange, nr_exchanged) as u64;

/// `XENMEM_exchange`: gives up the input extents and gets output extents for them. A chunk, the
/// larger of the two extent sizes, is exchanged whole or not at all.
///
/// # Errors
/// `EINVAL` for sizes that do not agree or frames that are in use, `ENOMEM` when no extent of the
/// output size is free; `nr_exchanged` says how far it came.
pub(super) fn exchange<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> HypercallResult {
    let mut request: abi::xen_memory_exchange = copy_in(cx.m(), arg)?;
    let (input, output) = (request.r#in, request.out);
    let in_frames = frames(&input)?;
    if in_frames != frames(&output)? || request.nr_exchanged > input.nr_extents {
        return Err(Errno::EINVAL.into());
    }
    if input.domid != output.domid {
        return Err(Errno::EINVAL.into());
    }
    if cx.subject(input.domid)?.slot != cx.dom.slot {
        return Err(Errno::EPERM.into());
    }
    let lists = Lists {
        ins: GuestSlice::new(input.extent_start, input.nr_extents)?,
        outs: GuestSlice::new(output.extent_start, output.nr_extents)?,
        in_order: input.extent_order,
        out_order: output.extent_order,
    };
    let per_chunk = 1_u64 << (lists.order() - input.extent_order);
    let chunks = input.nr_extents / per_chunk;
    let resumed = cx.resume();
    let mut index = resumed.unwrap_or(0).max(request.nr_exchanged / per_chunk);
    let mut begun = match take(cx, resumed.is_some()) {
        Some(Job::Chunk(chunk)) => Some(chunk),
        _ => None,
    };
    while index < chunks {
        let mut chunk = match begun.take() {
            Some(chunk) => chunk,
            None => Chunk::new(&lists)?,
        };
        let result = match chunk.go_on(cx, &lists, index) {
            Ok(Progress::More) => {
                keep(cx, Some(Job::Chunk(chunk)));
                cx.suspend_at(index);
                return Err(Stop::Retry);
            }
            Ok(Progress::Done) => {
                index += 1;
                Ok(())
            }
            Err(e) => Err(e),
        };
        request.nr_exchanged = index * per_chunk;
        let at = arg.wrapping_add(NR_EXCHANGED);
        copy_out(cx.m(), at, &request.nr_exchanged)?;
        result?;
    }
    Ok(0)
}

fn frames(r: &abi::xen_memory_reservation) -> Result<u64> {
    if r.extent_order > MAX_ORDER {
        return Err(Errno::EPERM);
    }
    r.nr_extents
        .checked_shl(r.extent_order)
        .filter(|f| f >> r.extent_order == r.nr_extents)
        .ok_or(Errno::EINVAL)
}

/// The guest's lists.
struct Lists {
    ins: GuestSlice<u64>,
    outs: GuestSlice<u64>,
    in_order: u32,
    out_order: u32,
}

impl Lists {
    /// Size of a chunk.
    fn order(&self) -> u32 {
        self.in_order.max(self.out_order)
    }

    /// Input extents of a chunk.
    fn ins(&self) -> u64 {
        1 << (self.order() - self.in_order)
    }

    /// Output extents of a chunk.
    fn outs(&self) -> u64 {
        1 << (self.order() - self.out_order)
    }
}

/// What is being done with a chunk. Both lists are kept as they were read or written: the guest may
/// change its own any time.
pub(crate) struct Chunk {
    stage: Stage,
    /// First frames of the extents that go.
    given: Vec<u64>,
    /// First frames of the extents that come: before the others go, so that a domain never has less
    /// than it had.
    made: Vec<u64>,
    /// The one that is coming.
    coming: Option<Extent>,
    /// Frames of `given`, or of `made` if it failed, that are given up.
    gone: u64,
}

#[derive(Clone, Copy)]
enum Stage {
    /// The frames that go are looked at.
    Look,
    /// The frames that come are taken.
    Make,
    /// The frames that go are given up.
    GiveUp,
    /// It failed: the frames that came are given up.
    Undo(Errno),
}

/// Frames whose words are looked at for one unit of budget.
const LOOKS_PER_UNIT: u32 = 2;

impl Chunk {
    fn new(lists: &Lists) -> Result<Self> {
        let room = |count: u64| -> Result<Vec<u64>> {
            let mut list = Vec::new();
            list.try_reserve_exact(count as usize)
                .map_err(|_| Errno::ENOMEM)?;
            Ok(list)
        };
        Ok(Self {
            stage: Stage::Look,
            given: room(lists.ins())?,
            made: room(lists.outs())?,
            coming: None,
            gone: 0,
        })
    }

    /// The extent in hand.
    pub(super) fn into_extent(self) -> Option<Extent> {
        self.coming
    }

    /// As [`Self::into_extent`], to look at.
    #[cfg(any(test, feature = "testkit"))]
    pub(super) fn extent(&self) -> Option<&Extent> {
        self.coming.as_ref()
    }

    /// Goes on with chunk number `index` as far as the budget allows: call until `Done`.
    fn go_on<M: Machine>(
        &mut self,
        cx: &mut Cx<'_, M>,
        lists: &Lists,
        index: u64,
    ) -> Result<Progress> {
        while !cx.budget.is_spent() {
            match self.stage {
                Stage::Look if (self.given.len() as u64) < lists.ins() => {
                    let frames = 1 << lists.in_order;
                    if cx.afford(frames / LOOKS_PER_UNIT + 2).is_err() {
                        return Ok(Progress::More);
                    }
                    self.look(cx, lists, index)?;
                }
                Stage::Look => self.stage = Stage::Make,
                Stage::Make if self.coming.is_some() => self.receive(cx),
                Stage::Make if (self.made.len() as u64) < lists.outs() => {
                    if let Err(e) = self.begin(cx, lists, index) {
                        self.stage = Stage::Undo(e);
                    }
                }
                Stage::Make => self.stage = Stage::GiveUp,
                Stage::GiveUp => {
                    if give_up(cx, &self.given, lists.in_order, &mut self.gone) {
                        return Ok(Progress::Done);
                    }
                }
                Stage::Undo(e) => {
                    if give_up(cx, &self.made, lists.out_order, &mut self.gone) {
                        return Err(e);
                    }
                }
            }
        }
        Ok(Progress::More)
    }

    /// Reads the next input extent: the domain owns all its frames, and nothing uses any.
    fn look<M: Machine>(&mut self, cx: &mut Cx<'_, M>, lists: &Lists, index: u64) -> Result<()> {
        let size = 1_u64 << lists.in_order;
        let at = index * lists.ins() + self.given.len() as u64;
        let first = lists.ins.read(cx.m(), at)?;
        let end = first.checked_add(size).ok_or(Errno::EINVAL)?;
        for mfn in (first..end).map(Mfn) {
            let w = cx.hv.frames.word(mfn);
            if w.owner() != Owner::domain(cx.dom.slot) || !w.is_allocated() || w.refs() != 1 {
                return Err(Errno::EINVAL);
            }
        }
        self.given.push(first);
        Ok(())
    }

    /// Takes the next output extent; the guest put its pseudo-physical number where the frame
    /// number goes.
    fn begin<M: Machine>(&mut self, cx: &mut Cx<'_, M>, lists: &Lists, index: u64) -> Result<()> {
        let at = index * lists.outs() + self.made.len() as u64;
        let gpfn = lists.outs.read(cx.m(), at)?;
        let using = Using::Exchange(1 << lists.order());
        let (dom, order) = (cx.dom, lists.out_order);
        let extent = (cx.hv).begin_extent(dom, order, Some(gpfn), using, &mut cx.budget)?;
        if let Err(e) = lists.outs.write(cx.m(), at, &extent.first().0) {
            cx.hv.abandon_extent(extent);
            return Err(e);
        }
        self.coming = Some(extent);
        Ok(())
    }

    /// Makes frames of the extent in hand the domain's.
    fn receive<M: Machine>(&mut self, cx: &mut Cx<'_, M>) {
        if let Some(mut extent) = self.coming.take() {
            match cx.hv.give_extent(cx.dom, &mut extent, &mut cx.budget) {
                Progress::More => self.coming = Some(extent),
                Progress::Done => self.made.push(extent.first().0),
            }
        }
    }
}

/// Gives up a few frames of the extents in `list`, `gone` of which are; whether that was all.
fn give_up<M: Machine>(cx: &mut Cx<'_, M>, list: &[u64], order: u32, gone: &mut u64) -> bool {
    let size = 1 << order;
    let Some(&first) = list.get((*gone >> order) as usize) else {
        return true;
    };
    let at = *gone & (size - 1);
    let frames: ArrayVec<u64, BATCH> = (at..size).map(|i| first + i).take(BATCH).collect();
    let done = cx.hv.give_up_frames(cx.dom, &frames, &mut cx.budget);
    // Refused only for a frame that the guest meanwhile gave away itself.
    *gone += done.max(1) as u64;
    false
}

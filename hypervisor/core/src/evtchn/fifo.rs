//! The FIFO form of the event channel ABI: a word of guest memory for each port, linked into queues
//! by priority, whose heads are in a control block of each vCPU (event_channel.h).
//!
//! The hypervisor appends, the guest takes from the head and clears `LINKED` as it does. All of it is
//! under the domain's lock, so that there is one appender at a time. A queue is empty when its tail's
//! word is no longer linked: then the next port becomes the head, and the guest is told.
//!
//! Whatever a guest writes into the words is its own loss: links are followed by the guest alone, and
//! every loop here is bounded.

use alloc::vec::Vec;
use core::mem::offset_of;

use hypercall_abi::event_channel::{
    EVTCHN_FIFO_BUSY, EVTCHN_FIFO_LINK_MASK, EVTCHN_FIFO_LINKED, EVTCHN_FIFO_MASKED,
    EVTCHN_FIFO_MAX_QUEUES, EVTCHN_FIFO_NR_CHANNELS, EVTCHN_FIFO_PENDING,
    evtchn_fifo_control_block,
};

use super::Port;
use super::pending::{self, News};
use crate::addr::Mfn;
use crate::domain::{Domain, DomainState, MAX_VCPUS};
use crate::error::{Errno, Result};
use crate::hypercall::Budget;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

const PENDING: u32 = 1 << EVTCHN_FIFO_PENDING;
const MASKED: u32 = 1 << EVTCHN_FIFO_MASKED;
const LINKED: u32 = 1 << EVTCHN_FIFO_LINKED;
const BUSY: u32 = 1 << EVTCHN_FIFO_BUSY;

/// Ports whose words fit into one frame.
pub(super) const PORTS_PER_FRAME: Port = 4096 / size_of::<u32>() as Port;
/// Frames of a full array.
const MOST_FRAMES: usize = (EVTCHN_FIFO_NR_CHANNELS / PORTS_PER_FRAME) as usize;

/// Attempts at a word that the guest keeps changing: so many before the guest is asked to wait, and
/// so many after.
const ATTEMPTS: u32 = 8;

/// A word or a control block: its frame and the byte offset there.
type Place = (Mfn, usize);

/// One vCPU's queues.
#[derive(Clone, Copy, Debug)]
struct Queues {
    block: Place,
    /// The last port put into each; 0 if there was none, or it went to another queue.
    tails: [Port; EVTCHN_FIFO_MAX_QUEUES],
}

/// A domain's event array and queues. Each frame is held by a writable use.
#[derive(Debug)]
pub struct Fifo {
    array: Vec<Mfn>,
    queues: Vec<Option<Queues>>,
    /// Ports below have been seen to since the array was made longer.
    pub(super) seen: Port,
}

impl Fifo {
    /// An empty array and no queues.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(super) fn new() -> Result<Self> {
        let (mut array, mut queues) = (Vec::new(), Vec::new());
        let room = array.try_reserve_exact(MOST_FRAMES).is_ok()
            && queues.try_reserve_exact(MAX_VCPUS).is_ok();
        if !room {
            return Err(Errno::ENOMEM);
        }
        queues.resize(MAX_VCPUS, None);
        Ok(Self {
            array,
            queues,
            seen: 0,
        })
    }

    /// Whether the vCPU has its control block.
    pub(super) fn has_block(&self, vcpu: u16) -> bool {
        matches!(self.queues.get(usize::from(vcpu)), Some(Some(_)))
    }

    /// Gives a vCPU its control block, in a frame held for it.
    pub(super) fn set_block(&mut self, vcpu: u16, mfn: Mfn, offset: u16) {
        if let Some(queues) = self.queues.get_mut(usize::from(vcpu)) {
            *queues = Some(Queues {
                block: (mfn, usize::from(offset)),
                tails: [0; EVTCHN_FIFO_MAX_QUEUES],
            });
        }
    }

    /// Whether the array cannot be made longer.
    pub(super) fn is_full(&self) -> bool {
        self.array.len() == MOST_FRAMES
    }

    /// Makes the array longer by a frame held for it; room is there.
    pub(super) fn push(&mut self, mfn: Mfn) {
        debug_assert!(!self.is_full());
        self.array.push(mfn);
    }

    /// The frame that was added last, while its ports have not all been seen to.
    pub(super) fn unseen_frame(&self) -> Option<Mfn> {
        if self.seen < self.ports() {
            self.array.last().copied()
        } else {
            None
        }
    }

    /// Ports that have a word.
    pub(super) fn ports(&self) -> Port {
        self.array.len() as Port * PORTS_PER_FRAME
    }

    /// Gives up a frame of a control block or of the array; `None` when all are.
    fn pop(&mut self) -> Option<Mfn> {
        self.array.pop().or_else(|| {
            let block = self.queues.iter_mut().find_map(Option::take)?;
            Some(block.block.0)
        })
    }

    fn word(&self, port: Port) -> Option<Place> {
        let frame = (port / PORTS_PER_FRAME) as usize;
        let index = crate::addr::clamp_index(frame, self.array.len());
        let mfn = self.array.get(index).filter(|_| frame == index)?;
        Some((*mfn, (port % PORTS_PER_FRAME) as usize * size_of::<u32>()))
    }

    fn has<M: Machine>(&self, hv: &Hypervisor<M>, port: Port, bit: u32) -> bool {
        self.word(port)
            .is_some_and(|(mfn, offset)| hv.machine.load_u32(mfn, offset) & bit != 0)
    }

    pub(super) fn is_pending<M: Machine>(&self, hv: &Hypervisor<M>, port: Port) -> bool {
        self.has(hv, port, PENDING)
    }

    /// Whether the port's last user left it in a queue, where the guest will still come across it.
    pub(super) fn is_linked<M: Machine>(&self, hv: &Hypervisor<M>, port: Port) -> bool {
        self.has(hv, port, LINKED)
    }

    pub(super) fn clear_pending<M: Machine>(&self, hv: &Hypervisor<M>, port: Port) {
        if let Some(place) = self.word(port) {
            clear(hv, place, PENDING);
        }
    }
}

/// Sets bits of a word atomically; gives the word before.
fn set<M: Machine>(hv: &Hypervisor<M>, (mfn, offset): Place, bits: u32) -> u32 {
    let shift = offset % 8 * 8;
    let old = hv
        .machine
        .fetch_or_u64(mfn, offset & !7, u64::from(bits) << shift);
    (old >> shift) as u32
}

/// Clears bits of a word atomically; gives the word before.
fn clear<M: Machine>(hv: &Hypervisor<M>, (mfn, offset): Place, bits: u32) -> u32 {
    let shift = offset % 8 * 8;
    let old = hv
        .machine
        .fetch_and_u64(mfn, offset & !7, !(u64::from(bits) << shift));
    (old >> shift) as u32
}

/// Replaces a word by what `change` makes of it; `None` from it, or a guest that never stops
/// changing the word, is false.
fn replace<M: Machine>(
    hv: &Hypervisor<M>,
    (mfn, offset): Place,
    attempts: u32,
    change: impl Fn(u32) -> Option<u32>,
) -> core::result::Result<bool, Restless> {
    let mut old = hv.machine.load_u32(mfn, offset);
    for _ in 0..attempts {
        let Some(new) = change(old) else {
            return Ok(false);
        };
        match hv.machine.exchange_u32(mfn, offset, old, new) {
            Ok(()) => return Ok(true),
            Err(found) => old = found,
        }
    }
    Err(Restless)
}

/// A word changed under every attempt to replace it.
struct Restless;

/// Makes a port pending, and queues it unless it is masked or in a queue already; `None` if it was
/// pending.
#[cold]
pub(super) fn set_pending<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    port: Port,
) -> Option<News> {
    let place = state.events.fifo.as_ref().and_then(|fifo| fifo.word(port));
    let (was_pending, mut news) = match place {
        Some(place) => {
            let old = set(hv, place, PENDING);
            let news = if old & (MASKED | LINKED) == 0 {
                enqueue(hv, state, port, place)
            } else {
                News::default()
            };
            (old & PENDING != 0, news)
        }
        None => {
            let mut held = true;
            state.events.change(hv.machine, port, |channel| {
                held = core::mem::replace(&mut channel.held, true);
            });
            (held, News::default())
        }
    };
    news.polled = !was_pending && dom.senders.root().pollers(hv.machine) != 0;
    (!news.is_none()).then_some(news)
}

/// Unmasks a port, and queues it if it is pending.
#[cold]
pub(super) fn unmask<M: Machine>(hv: &Hypervisor<M>, state: &mut DomainState, port: Port) -> News {
    let place = state.events.fifo.as_ref().and_then(|fifo| fifo.word(port));
    let Some(place) = place else {
        return News::default();
    };
    let old = clear(hv, place, MASKED);
    if old & PENDING != 0 && old & LINKED == 0 {
        return enqueue(hv, state, port, place);
    }
    News::default()
}

/// Puts a port that is not in any queue into its own.
fn enqueue<M: Machine>(
    hv: &Hypervisor<M>,
    state: &mut DomainState,
    port: Port,
    place: Place,
) -> News {
    let Ok(mut channel) = state.events.get(hv.machine, port) else {
        return News::default();
    };
    let root = state.events.root;
    let Some(fifo) = state.events.fifo.as_mut() else {
        return News::default();
    };
    if !fifo.has_block(channel.vcpu) {
        return News::default();
    }
    let link = |w: u32| {
        let wanted = w & (PENDING | MASKED | LINKED) == PENDING;
        wanted.then_some((w | LINKED) & !EVTCHN_FIFO_LINK_MASK)
    };
    if !matches!(replace(hv, place, ATTEMPTS, link), Ok(true)) {
        return News::default();
    }
    let queue = (channel.vcpu, channel.priority);
    fifo.leave(channel.queued, port);
    let first = fifo.append(hv, queue, port);
    channel.queued = queue;
    root.set_channel(hv.machine, port, channel);
    match root.info(hv.machine, queue.0) {
        Some(info) if first => pending::mark(hv, root, info, queue.0),
        _ => News::default(),
    }
}

impl Fifo {
    /// Where a queue's tail is kept.
    fn tail(&mut self, (vcpu, priority): (u16, u8)) -> Option<(Place, &mut Port)> {
        let queues = self.queues.get_mut(usize::from(vcpu))?.as_mut()?;
        let tail = queues.tails.get_mut(usize::from(priority))?;
        Some((queues.block, tail))
    }

    /// A port that was taken out of the queue it was in last: if it was the tail, nothing is left
    /// there, and nothing may be appended to it.
    fn leave(&mut self, queue: (u16, u8), port: Port) {
        if let Some((_, tail)) = self.tail(queue)
            && *tail == port
        {
            *tail = 0;
        }
    }

    /// Appends a port whose word says `LINKED`; true if the guest is to be told.
    fn append<M: Machine>(&mut self, hv: &Hypervisor<M>, queue: (u16, u8), port: Port) -> bool {
        let Some((block, tail)) = self.tail(queue) else {
            return false;
        };
        let before = core::mem::replace(tail, port);
        if before != 0
            && let Some(place) = self.word(before)
            && link_behind(hv, place, port)
        {
            return false;
        }
        let head = offset_of!(evtchn_fifo_control_block, head) + usize::from(queue.1) * 4;
        hv.machine.store_u32(block.0, block.1 + head, port);
        let ready = 1 << queue.1;
        set(hv, block, ready) & ready == 0
    }
}

const _: () = assert!(offset_of!(evtchn_fifo_control_block, ready) == 0);

/// Writes `port` as the link of the word at `place`, if that is still in the queue. A guest that
/// keeps changing the word is told to wait by `BUSY`.
fn link_behind<M: Machine>(hv: &Hypervisor<M>, place: Place, port: Port) -> bool {
    let link = |keep: u32| {
        move |w: u32| (w & LINKED != 0).then_some(w & !EVTCHN_FIFO_LINK_MASK & keep | port)
    };
    if let Ok(linked) = replace(hv, place, ATTEMPTS, link(!0)) {
        return linked;
    }
    set(hv, place, BUSY);
    match replace(hv, place, ATTEMPTS, link(!BUSY)) {
        Ok(true) => true,
        Ok(false) | Err(Restless) => {
            clear(hv, place, BUSY);
            false
        }
    }
}

/// Ends the FIFO form: gives up its frames, as many as the budget allows; true when all are. The
/// domain is back to the two-level form then.
pub(super) fn release<M: Machine>(
    hv: &Hypervisor<M>,
    state: &mut DomainState,
    budget: &mut Budget,
) -> bool {
    if state.events.changing.take().is_some() {
        state.events.root.set_page(hv.machine, state.shared_info);
    }
    while let Some(fifo) = state.events.fifo.as_mut() {
        if !budget.take(1) {
            return false;
        }
        match fifo.pop() {
            Some(mfn) => hv.page_put_writable(mfn),
            None => {
                state.events.fifo = None;
                state.events.root.set_page(hv.machine, state.shared_info);
            }
        }
    }
    true
}

/// For checks of all frames' counts.
#[cfg(any(test, feature = "testkit"))]
impl super::EventChannels {
    /// Each frame that is held by a writable use for the FIFO form, once for every such use.
    #[must_use]
    pub fn fifo_frames(&self) -> Vec<Mfn> {
        let blocks = |fifo: &Fifo| fifo.queues.iter().flatten().map(|q| q.block.0).collect();
        let mut frames: Vec<Mfn> = self.fifo.as_ref().map_or_else(Vec::new, blocks);
        frames.extend(self.fifo.iter().flat_map(|fifo| &fifo.array));
        frames
    }
}

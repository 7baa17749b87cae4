//! A guest's interface: the frames that it sends and those that it gets.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;

use hypercall_abi::grant_table::GNTST_general_error;
use hypercall_abi::io::netif::*;
use hypercall_abi::xen::domid_t;
use zerocopy::{FromZeros, IntoBytes};

use super::frame::{Checksum, ETHERNET_HEADER, Frame, IPV6};
use super::sending::{Slot, Taking, copy, is_done};
use crate::grants::{Copy, Grants, Local};
use crate::hyper::{Mapping, PAGE_SIZE};
use crate::service::Line;
use crate::xenbus::{BackRing, Broken};

/// Why an interface cannot be served any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The indices of a ring make no sense.
    #[error("the indices of its {0} ring make no sense")]
    Indices(&'static str),
    /// A frame goes on where no request is.
    #[error("a frame that it sends has no end")]
    Unfinished,
    /// Extra information of no known type.
    #[error("a frame that it sends has extra information of type {0}, which there is not")]
    Extra(u8),
}

/// The ring of frames that the guest sends: what is wrong with it.
pub(super) fn of_tx(_: Broken) -> Fault {
    Fault::Indices("transmit")
}

/// The same of frames that come to it.
fn of_rx(_: Broken) -> Fault {
    Fault::Indices("receive")
}

/// Frames taken from a guest, or given to it, at once.
const BURST: usize = 64;
/// Frames that wait for a guest.
const QUEUE_MAX: usize = 256;
/// Bytes of them.
const QUEUE_BYTES: usize = 512 << 10;

/// How much a guest may send: what xl's `rate` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Bytes in each interval.
    pub bytes: u64,
    /// The interval, ns.
    pub interval: u64,
}

/// What a guest's interface is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Bytes of the largest frame, without a VLAN tag.
    pub frame_max: usize,
    /// It takes frames over IPv4 whose transport checksum is blank.
    pub takes_blank_v4: bool,
    /// The same over IPv6.
    pub takes_blank_v6: bool,
    /// How much it may send, if that is limited.
    pub rate: Option<Rate>,
}

/// Bytes of an Ethernet frame with the usual 1500 of payload.
const FRAME_MAX: usize = ETHERNET_HEADER + 1500;
/// Bytes of a VLAN tag.
const TAG: usize = 4;

impl Default for Options {
    fn default() -> Self {
        Options {
            frame_max: FRAME_MAX,
            takes_blank_v4: true,
            takes_blank_v6: false,
            rate: None,
        }
    }
}

impl Options {
    /// Whether a frame can go to such an interface as it is.
    #[must_use]
    pub fn takes(&self, frame: &Frame) -> bool {
        let is_v6 = frame.kind() == IPV6;
        match frame.checksum {
            Checksum::Blank if is_v6 => self.takes_blank_v6,
            Checksum::Blank => self.takes_blank_v4,
            Checksum::Unknown | Checksum::Validated => true,
        }
    }
}

/// What has gone through an interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames that the guest has sent.
    pub sent: u64,
    /// Frames of it that were refused.
    pub refused: u64,
    /// Frames that the guest has got.
    pub received: u64,
    /// Frames for it that were lost.
    pub lost: u64,
}

struct Queued {
    frame: Rc<Frame>,
    /// The port that it has come from.
    from: u32,
}

/// The interface of a guest.
pub struct Interface<M, L> {
    domain: domid_t,
    tx: BackRing<M>,
    rx: BackRing<M>,
    line: L,
    options: Options,
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    allowance: Allowance,
    counters: Counters,
    /// There is a response that the guest wants to know of.
    notify: bool,
    /// Places of the ring to send that are refused, whatever they say.
    doubtful: u32,
    taking: Taking,
    giving: Giving,
}

/// How much may be sent now.
struct Allowance {
    left: u64,
    renewed: u64,
}

/// Frames that are given together, each with the number of its requests.
#[derive(Default)]
struct Giving {
    frames: Vec<(Rc<Frame>, usize)>,
    requests: Vec<netif_rx_request>,
}

impl<M: Mapping, L: Line> Interface<M, L> {
    /// An interface over the pages that the guest shares.
    pub fn new(domain: domid_t, tx: M, rx: M, line: L, options: Options) -> Self {
        Interface {
            domain,
            tx: BackRing::new(tx, size_of::<netif_tx_request>()),
            rx: BackRing::new(rx, size_of::<netif_rx_request>()),
            line,
            options,
            queue: VecDeque::new(),
            queued_bytes: 0,
            allowance: Allowance {
                left: 0,
                renewed: 0,
            },
            counters: Counters::default(),
            notify: false,
            doubtful: 0,
            taking: Taking::default(),
            giving: Giving::default(),
        }
    }

    /// Goes on where an earlier service has ended: it may not have told of its last answers, and may
    /// have written others over their requests. So what is in the ring to send is refused, by its
    /// name, which no answer overwrites. One that lies over a page to receive names no page there
    /// is: it has the size of a frame, or an error, in the upper half of that number.
    pub fn doubt(&mut self) {
        self.notify = true;
        // Where that makes no sense, it is found when the ring is looked at.
        self.doubtful = self.tx.waiting().unwrap_or(0);
    }

    /// Whose it is.
    pub fn domain(&self) -> domid_t {
        self.domain
    }

    /// What it is like.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// What has gone through it.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether it may send at `now`, ns; else until when it must wait.
    fn may_send(&mut self, now: u64) -> Result<(), u64> {
        let Some(rate) = self.options.rate else {
            return Ok(());
        };
        let due = self.allowance.renewed.saturating_add(rate.interval);
        if now >= due || self.allowance.renewed == 0 {
            // What was sent beyond the last interval's is missing in this one.
            self.allowance.renewed = now.max(1);
            self.allowance.left = rate.bytes;
        }
        if self.allowance.left == 0 {
            Err(due)
        } else {
            Ok(())
        }
    }

    /// Takes frames that the guest sends at `now`, ns, into `frames`. Returns from when on there are
    /// others: at once, or from the moment that is told.
    ///
    /// # Errors
    /// The ring makes no sense.
    pub fn take(
        &mut self,
        grants: &mut impl Grants,
        now: u64,
        frames: &mut Vec<Frame>,
    ) -> Result<Option<u64>, Fault> {
        let mut left = self.tx.waiting().map_err(of_tx)?;
        let mut taking = core::mem::take(&mut self.taking);
        taking.clear();
        let mut wait = None;
        while left > 0 && taking.frames.len() < BURST {
            if let Err(due) = self.may_send(now) {
                wait = Some(due);
                break;
            }
            let most = self.options.frame_max + TAG;
            let frame = taking.take_frame(&mut self.tx, &mut left, most)?;
            frame.valid &= self.doubtful == 0;
            self.doubtful = self.doubtful.saturating_sub(frame.slots as u32);
            if self.options.rate.is_some() {
                let length = frame.length as u64;
                self.allowance.left = self.allowance.left.saturating_sub(length.max(1));
            }
        }
        taking.fetch(self.domain, grants);
        let mut slots = taking.slots.iter();
        for frame in taking.frames.drain(..) {
            let bytes = frame.valid.then_some(frame.bytes);
            let taken = bytes.and_then(|bytes| Frame::new(bytes, frame.checksum));
            self.answer(slots.by_ref().take(frame.slots), taken.is_some());
            frames.extend(taken);
        }
        self.taking = taking;
        self.notify |= self.tx.publish();
        match wait {
            None if self.tx.rest().map_err(of_tx)? => Ok(Some(now)),
            wait => Ok(wait),
        }
    }

    fn answer<'a>(&mut self, slots: impl Iterator<Item = &'a Slot>, taken: bool) {
        let count = if taken {
            &mut self.counters.sent
        } else {
            &mut self.counters.refused
        };
        *count += 1;
        for slot in slots {
            let (id, status) = match slot {
                Slot::Request(id) if taken => (*id, NETIF_RSP_OKAY),
                Slot::Request(id) => (*id, NETIF_RSP_ERROR),
                Slot::Extra => (0, NETIF_RSP_NULL),
            };
            let response = netif_tx_response { id, status };
            self.tx.put(response.as_bytes());
        }
    }

    /// Has a frame wait for the guest, which has come from that port. It is lost where too much
    /// waits already: of one port at most as much as there is room left for others.
    pub fn queue(&mut self, frame: Rc<Frame>, from: u32) {
        let of_port = self
            .queue
            .iter()
            .filter(|queued| queued.from == from)
            .count();
        let free = QUEUE_MAX - self.queue.len();
        let bytes = self.queued_bytes + frame.bytes.len();
        if of_port >= free
            || bytes > QUEUE_BYTES
            || frame.bytes.len() > self.options.frame_max + TAG
        {
            self.counters.lost += 1;
            return;
        }
        self.queued_bytes = bytes;
        self.queue.push_back(Queued { frame, from });
    }

    /// Frames that wait for the guest.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Gives the guest what waits for it and what it has room for. Whether there is more to give at
    /// once.
    ///
    /// # Errors
    /// The ring makes no sense.
    pub fn give(&mut self, grants: &mut impl Grants) -> Result<bool, Fault> {
        let mut free = self.rx.waiting().map_err(of_rx)?;
        let mut giving = core::mem::take(&mut self.giving);
        while giving.frames.len() < BURST
            && let Some(needed) = self.needed().filter(|needed| *needed <= free)
            && let Some(Queued { frame, .. }) = self.queue.pop_front()
        {
            free -= needed;
            self.queued_bytes -= frame.bytes.len();
            for _ in 0..needed {
                let mut request = netif_rx_request::new_zeroed();
                if !self.rx.take(request.as_mut_bytes()).map_err(of_rx)? {
                    return Err(of_rx(Broken));
                }
                giving.requests.push(request);
            }
            giving.frames.push((frame, needed as usize));
        }
        self.put(&giving, grants);
        giving.frames.clear();
        giving.requests.clear();
        self.giving = giving;
        self.notify |= self.rx.publish();
        match self.needed() {
            None => Ok(false),
            Some(needed) => self.rx.want(needed).map_err(of_rx),
        }
    }

    /// Pages that the next frame takes.
    fn needed(&self) -> Option<u32> {
        let next = self.queue.front()?;
        Some(next.frame.bytes.len().div_ceil(PAGE_SIZE) as u32)
    }

    /// Copies frames into the pages and answers.
    fn put(&mut self, giving: &Giving, grants: &mut impl Grants) {
        let mut copies = Vec::with_capacity(giving.requests.len());
        let parts = (giving.frames.iter()).flat_map(|(frame, _)| frame.bytes.chunks(PAGE_SIZE));
        copies.extend(
            (giving.requests.iter().zip(parts)).map(|(request, bytes)| Copy {
                gref: request.gref,
                offset: 0,
                local: Local::From(bytes),
                status: GNTST_general_error,
            }),
        );
        copy(self.domain, &mut copies, grants);
        let (mut requests, mut copies) = (&giving.requests[..], &copies[..]);
        for (frame, pages) in &giving.frames {
            let (requests, copies) = (
                requests.split_off(..*pages).unwrap_or_default(),
                copies.split_off(..*pages).unwrap_or_default(),
            );
            let whole = copies.iter().all(is_done);
            let count = if whole {
                &mut self.counters.received
            } else {
                &mut self.counters.lost
            };
            *count += 1;
            let known = match frame.checksum {
                Checksum::Unknown => 0,
                Checksum::Validated => NETRXF_data_validated,
                Checksum::Blank => NETRXF_csum_blank | NETRXF_data_validated,
            };
            let last = requests.len() - 1;
            let sizes = frame.bytes.chunks(PAGE_SIZE).map(<[u8]>::len);
            for (index, (request, size)) in requests.iter().zip(sizes).enumerate() {
                let more = if index < last { NETRXF_more_data } else { 0 };
                let first = if index == 0 { known } else { 0 };
                let response = netif_rx_response {
                    id: request.id,
                    offset: 0,
                    flags: first | more,
                    status: if whole { size as i16 } else { NETIF_RSP_ERROR },
                };
                self.rx.put(response.as_bytes());
            }
        }
    }

    /// Notifies the guest where it wants that.
    pub fn notify(&mut self) {
        if core::mem::take(&mut self.notify) {
            self.line.notify();
        }
    }
}

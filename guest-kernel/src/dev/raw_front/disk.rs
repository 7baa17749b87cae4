//! The front end of a disk: xvda.

use super::{Node, Ring, Shared, notify, open_port};
use crate::hypercall;
use hypercall_abi::io::blkif::*;
use hypercall_abi::io::xenbus::*;
use zerocopy::{FromZeros, IntoBytes};

const NODE: &str = "device/vbd/51712";
/// Entries of the ring.
pub(crate) const SIZE: u32 = 32;
/// The last sector of a page.
const LAST: u8 = 7;

pub(crate) struct Front {
    pub(crate) node: Node,
    ring: Option<Ring>,
    port: u32,
}

impl Front {
    /// With nothing but the toolstack's nodes.
    pub(crate) fn new() -> Self {
        Self {
            node: Node::new(NODE),
            ring: None,
            port: 0,
        }
    }

    pub(crate) fn ring(&self) -> &Ring {
        self.ring.as_ref().expect("it has a ring")
    }

    pub(crate) fn grant_ring(&mut self) {
        self.ring = Some(Ring::new(size_of::<blkif_request>(), SIZE));
    }

    pub(crate) fn open_port(&mut self) {
        self.port = open_port();
    }

    pub(crate) fn say_ring(&self) {
        self.node.say("ring-ref", self.ring().page.gref());
    }

    pub(crate) fn say_port(&self) {
        self.node.say("event-channel", self.port);
    }

    /// Begins anew, and connects to the back end.
    pub(crate) fn connect() -> Self {
        let mut front = Self::new();
        front.node.say("state", XenbusStateInitialising);
        front.node.wait_for(XenbusStateInitWait);
        front.connect_on();
        front
    }

    /// Connects to a back end that waits for it.
    pub(crate) fn connect_on(&mut self) {
        self.grant_ring();
        self.open_port();
        self.say_ring();
        self.say_port();
        self.node.say("state", XenbusStateConnected);
        self.node.wait_for(XenbusStateConnected);
    }

    /// Tells the back end of requests, and nothing else.
    pub(crate) fn notify(&self) {
        notify(self.port);
    }

    /// The same, and lets others run.
    pub(crate) fn kick(&self) {
        self.notify();
        hypercall::sched_yield();
    }

    /// Waits until all but so many of the requests are answered, doing something meanwhile.
    pub(crate) fn wait(&self, but: u32, mut meanwhile: impl FnMut()) {
        self.ring().wait(but, || {
            meanwhile();
            self.notify();
        });
    }

    /// The status of an answer.
    pub(crate) fn status(&self, index: u32) -> i16 {
        (self.ring().word(index, 2) >> 16) as u16 as i16
    }
}

/// A request for a page's sectors, from a sector on.
pub(crate) fn request(operation: u8, sector: u64, pages: &[&Shared]) -> blkif_request {
    let mut entry = blkif_request::new_zeroed();
    (entry.operation, entry.nr_segments) = (operation, pages.len() as u8);
    entry.sector_number = sector;
    for (segment, page) in entry.seg.iter_mut().zip(pages) {
        (segment.gref, segment.last_sect) = (page.gref(), LAST);
    }
    entry
}

/// An indirect request to read one page, whose segment is in another.
pub(crate) fn indirect(list: &Shared, page: &Shared) -> blkif_request {
    list.set(0, page.gref());
    list.set(4, u32::from(LAST) << 8);
    let mut request = blkif_request_indirect::new_zeroed();
    (request.operation, request.indirect_op) = (BLKIF_OP_INDIRECT, BLKIF_OP_READ);
    request.nr_segments = 1;
    request.indirect_grefs[0] = list.gref();
    let mut entry = blkif_request::new_zeroed();
    let bytes = request.as_bytes();
    entry.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
    entry
}

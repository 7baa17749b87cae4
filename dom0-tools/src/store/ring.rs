//! A guest's ring page as a stream: `struct xenstore_domain_interface`.
//!
//! The guest writes everything in the page at any time. Indices are read once for each piece, and
//! a ring whose indices are further apart than it is long is given up.

use core::mem::offset_of;
use core::sync::atomic::{Ordering, fence};

use hypercall_abi::io::xs_wire::{
    MASK_XENSTORE_IDX, XENSTORE_ERROR_COMM, XENSTORE_ERROR_PROTO, XENSTORE_ERROR_RINGIDX,
    XENSTORE_RING_SIZE, xenstore_domain_interface,
};

use super::{Closed, Transport};
use crate::hyper::Mapping;
use crate::service::Line;

const REQ: usize = offset_of!(xenstore_domain_interface, req);
const RSP: usize = offset_of!(xenstore_domain_interface, rsp);
const REQ_CONS: usize = offset_of!(xenstore_domain_interface, req_cons);
const REQ_PROD: usize = offset_of!(xenstore_domain_interface, req_prod);
const RSP_CONS: usize = offset_of!(xenstore_domain_interface, rsp_cons);
const RSP_PROD: usize = offset_of!(xenstore_domain_interface, rsp_prod);
const FEATURES: usize = offset_of!(xenstore_domain_interface, server_features);
const CONNECTION: usize = offset_of!(xenstore_domain_interface, connection);
const ERROR: usize = offset_of!(xenstore_domain_interface, error);

/// A guest's ring.
#[derive(Debug)]
pub struct RingTransport<M, L> {
    page: M,
    line: L,
    /// The guest was not told yet of what was taken or given.
    untold: bool,
    /// Bytes of requests that were taken, and whose room the guest does not have yet.
    taken: u32,
}

impl<M: Mapping, L: Line> RingTransport<M, L> {
    /// Of a page that was mapped writable, in a connection that begins.
    pub fn new(page: M, line: L) -> Self {
        let mut ring = Self::resumed(page, line);
        ring.page.store_u32(FEATURES, 0);
        ring.page.store_u32(CONNECTION, 0);
        ring.page.store_u32(ERROR, 0);
        ring
    }

    /// Of a page that was mapped writable, in a connection that goes on.
    pub(super) fn resumed(page: M, line: L) -> Self {
        RingTransport {
            page,
            line,
            untold: false,
            taken: 0,
        }
    }

    /// Indices behind what was taken, and behind what was given.
    pub(super) fn indices(&self) -> (u32, u32) {
        let taken = self.page.load_u32(REQ_CONS).wrapping_add(self.taken);
        (taken, self.page.load_u32(RSP_PROD))
    }

    /// Goes on behind what was taken; how much was given since the producer's index was `given`.
    pub(super) fn resume(&mut self, taken: u32, given: u32) -> u32 {
        self.page.store_u32(REQ_CONS, taken);
        self.page.load_u32(RSP_PROD).wrapping_sub(given)
    }

    /// Whether something was taken whose room the guest does not have yet.
    pub(super) fn has_taken(&self) -> bool {
        self.taken > 0
    }

    /// The event channel.
    pub fn line(&self) -> &L {
        &self.line
    }

    /// Tells the guest why its ring is used no more.
    pub(super) fn give_up(&mut self, why: Closed) {
        self.page.store_u32(ERROR, number_of(why));
        self.line.notify();
    }

    /// Both sides begin anew.
    pub(super) fn reset(&mut self) {
        for index in [REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD] {
            self.page.store_u32(index, 0);
        }
    }

    /// How many bytes there are in a ring, and its consumer's and producer's index.
    fn used(&self, consumer: usize, producer: usize) -> Result<(usize, u32, u32), Closed> {
        let (consumer, producer) = (self.page.load_u32(consumer), self.page.load_u32(producer));
        let used = producer.wrapping_sub(consumer) as usize;
        if used > XENSTORE_RING_SIZE {
            return Err(Closed::Ring);
        }
        Ok((used, consumer, producer))
    }
}

/// What the header says of it: `XENSTORE_ERROR_*`.
fn number_of(why: Closed) -> u32 {
    match why {
        Closed::Gone => XENSTORE_ERROR_COMM,
        Closed::Ring => XENSTORE_ERROR_RINGIDX,
        Closed::Protocol => XENSTORE_ERROR_PROTO,
    }
}

impl<M: Mapping, L: Line> Transport for RingTransport<M, L> {
    fn read(&mut self, to: &mut [u8]) -> Result<usize, Closed> {
        let (used, consumer, _) = self.used(REQ_CONS, REQ_PROD)?;
        let used = used.checked_sub(self.taken as usize).ok_or(Closed::Ring)?;
        let consumer = consumer.wrapping_add(self.taken);
        let start = MASK_XENSTORE_IDX(consumer);
        let count = to.len().min(used);
        let (head, tail) = to[..count].split_at_mut(count.min(XENSTORE_RING_SIZE - start));
        self.page.read(REQ + start, head);
        self.page.read(REQ, tail);
        self.taken += count as u32;
        Ok(count)
    }

    fn write(&mut self, from: &[u8]) -> Result<usize, Closed> {
        let (mut used, _, producer) = self.used(RSP_CONS, RSP_PROD)?;
        if used == XENSTORE_RING_SIZE {
            // A guest may tell only of room in a ring that it saw full: either it sees what was given
            // last, or its room is seen here.
            fence(Ordering::SeqCst);
            (used, ..) = self.used(RSP_CONS, RSP_PROD)?;
        }
        let start = MASK_XENSTORE_IDX(producer);
        let count = from.len().min(XENSTORE_RING_SIZE - used);
        let (head, tail) = from[..count].split_at(count.min(XENSTORE_RING_SIZE - start));
        self.page.write(RSP + start, head);
        self.page.write(RSP, tail);
        if count > 0 {
            self.page
                .store_u32(RSP_PROD, producer.wrapping_add(count as u32));
            self.untold = true;
        }
        Ok(count)
    }

    fn flush(&mut self) -> bool {
        let taken = core::mem::take(&mut self.taken);
        let mut more = false;
        if taken > 0 {
            let consumer = self.page.load_u32(REQ_CONS).wrapping_add(taken);
            self.page.store_u32(REQ_CONS, consumer);
            self.untold = true;
            // A guest may tell only of what it writes into a ring that it sees empty, as Linux does:
            // either it sees what was taken, or its bytes are seen here.
            fence(Ordering::SeqCst);
            more = self.page.load_u32(REQ_PROD) != consumer;
        }
        if core::mem::take(&mut self.untold) {
            self.line.notify();
        }
        more
    }
}

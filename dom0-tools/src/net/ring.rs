//! A ring of io/ring.h from the side that serves it.

use core::mem::offset_of;
use core::sync::atomic::{Ordering, fence};

use hypercall_abi::io::ring::{RING_IDX, ring_notify_needed, ring_size, sring_header};
use zerocopy::{FromBytes, IntoBytes};

use crate::hyper::{Mapping, PAGE_SIZE};

const REQ_PROD: usize = offset_of!(sring_header, req_prod);
const REQ_EVENT: usize = offset_of!(sring_header, req_event);
const RSP_PROD: usize = offset_of!(sring_header, rsp_prod);
const RSP_EVENT: usize = offset_of!(sring_header, rsp_event);
const ENTRIES: usize = size_of::<sring_header>();

/// Why an interface cannot be served any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// More requests are said to be there than the ring has room for.
    #[error("its {ring} ring is corrupt: request {produced} of {size} after response {consumed}")]
    Indices {
        /// Which ring.
        ring: &'static str,
        /// Requests that it says it has put.
        produced: RING_IDX,
        /// Those that were taken.
        consumed: RING_IDX,
        /// Entries of the ring.
        size: u32,
    },
    /// A frame goes on where no request is.
    #[error("a frame that it sends has no end")]
    Unfinished,
    /// Extra information of no known type.
    #[error("a frame that it sends has extra information of type {0}, which there is not")]
    Extra(u8),
}

/// One ring: a page that the guest shares.
pub(super) struct BackRing<M> {
    page: M,
    name: &'static str,
    entry: usize,
    size: u32,
    /// Requests taken.
    consumed: RING_IDX,
    /// Responses put.
    produced: RING_IDX,
    /// Responses that the guest was told of.
    published: RING_IDX,
}

impl<M: Mapping> BackRing<M> {
    /// A ring of entries of so many bytes. It goes on after the last response: requests that
    /// nobody has answered, also of one who served it before, are served.
    pub(super) fn new(page: M, name: &'static str, entry: usize) -> Self {
        let answered = page.load_u32(RSP_PROD);
        BackRing {
            page,
            name,
            entry,
            size: ring_size(entry, PAGE_SIZE) as u32,
            consumed: answered,
            produced: answered,
            published: answered,
        }
    }

    /// Requests that wait.
    pub(super) fn pending(&self) -> Result<u32, Fault> {
        let produced = self.page.load_u32(REQ_PROD);
        // A request whose response has not been put has its place still: both count.
        let unanswered = produced.wrapping_sub(self.produced);
        let waiting = produced.wrapping_sub(self.consumed);
        if unanswered > self.size || waiting > unanswered {
            return Err(Fault::Indices {
                ring: self.name,
                produced,
                consumed: self.consumed,
                size: self.size,
            });
        }
        Ok(waiting)
    }

    fn place(&self, index: RING_IDX) -> usize {
        ENTRIES + (index % self.size) as usize * self.entry
    }

    /// Takes a request that [`BackRing::pending`] has counted.
    pub(super) fn take<T: FromBytes + IntoBytes>(&mut self) -> T {
        let mut request = T::new_zeroed();
        self.page
            .read(self.place(self.consumed), request.as_mut_bytes());
        self.consumed = self.consumed.wrapping_add(1);
        request
    }

    /// Puts the response to the oldest request that has none.
    pub(super) fn respond(&mut self, response: &[u8]) {
        self.page.write(self.place(self.produced), response);
        self.produced = self.produced.wrapping_add(1);
    }

    /// Shows the responses to the guest; whether it wants to be notified.
    pub(super) fn publish(&mut self) -> bool {
        let (old, new) = (self.published, self.produced);
        if old == new {
            return false;
        }
        self.page.store_u32(RSP_PROD, new);
        self.published = new;
        // Its wish is read after the responses can be seen, or both sides might sleep.
        fence(Ordering::SeqCst);
        ring_notify_needed(old, new, self.page.load_u32(RSP_EVENT))
    }

    /// Asks to be notified when `wanted` requests wait; whether they do already.
    pub(super) fn want(&mut self, wanted: u32) -> Result<bool, Fault> {
        let event = self.consumed.wrapping_add(wanted);
        self.page.store_u32(REQ_EVENT, event);
        fence(Ordering::SeqCst);
        Ok(self.pending()? >= wanted)
    }
}

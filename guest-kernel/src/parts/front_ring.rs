//! A ring of io/ring.h from the side that asks.

use core::mem::offset_of;
use hypercall_abi::io::ring::{RING_IDX, ring_notify_needed, ring_size, sring_header};

/// A page that two domains write: each access is one, of memory that may have changed since.
pub trait Words {
    /// Reads the 32-bit word at an offset in bytes, before everything that follows.
    fn load(&self, offset: usize) -> u32;
    /// Writes the 32-bit word at an offset in bytes, after everything before.
    fn store(&mut self, offset: usize, value: u32);
    /// Has everything before seen by the other side before anything after is read.
    fn fence(&self);
}

/// The other side has written what no ring can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

const ENTRIES: usize = size_of::<sring_header>();

/// A ring whose entries have `WORDS` words.
pub(crate) struct FrontRing<W, const WORDS: usize> {
    page: W,
    /// Requests put.
    asked: RING_IDX,
    /// Requests that the other side was shown.
    published: RING_IDX,
    /// Responses taken.
    taken: RING_IDX,
}

impl<W: Words, const WORDS: usize> FrontRing<W, WORDS> {
    /// Entries.
    const SIZE: u32 = ring_size(4 * WORDS, 4096) as u32;

    /// An empty ring in a page that is nobody's yet.
    pub(crate) fn new(mut page: W) -> Self {
        for offset in (0..4096).step_by(4) {
            page.store(offset, 0);
        }
        page.store(offset_of!(sring_header, req_event), 1);
        page.store(offset_of!(sring_header, rsp_event), 1);
        Self {
            page,
            asked: 0,
            published: 0,
            taken: 0,
        }
    }

    fn place(index: RING_IDX, word: usize) -> usize {
        ENTRIES + ((index % Self::SIZE) as usize * WORDS + word) * 4
    }

    /// Requests that there is room for.
    pub(crate) fn room(&self) -> u32 {
        Self::SIZE - self.asked.wrapping_sub(self.taken)
    }

    /// Puts a request; there must be room.
    pub(crate) fn ask(&mut self, request: [u32; WORDS]) {
        debug_assert!(self.room() > 0);
        for (word, value) in request.into_iter().enumerate() {
            self.page.store(Self::place(self.asked, word), value);
        }
        self.asked = self.asked.wrapping_add(1);
    }

    /// Shows the requests to the other side; whether it wants to be notified.
    pub(crate) fn publish(&mut self) -> bool {
        let (old, new) = (self.published, self.asked);
        if old == new {
            return false;
        }
        self.page.store(offset_of!(sring_header, req_prod), new);
        self.published = new;
        self.page.fence();
        let event = self.page.load(offset_of!(sring_header, req_event));
        ring_notify_needed(old, new, event)
    }

    /// Responses that wait.
    ///
    /// # Errors
    /// More than there are requests.
    pub(crate) fn waiting(&self) -> Result<u32, Broken> {
        let answered = self.page.load(offset_of!(sring_header, rsp_prod));
        let waiting = answered.wrapping_sub(self.taken);
        if waiting > self.published.wrapping_sub(self.taken) {
            return Err(Broken);
        }
        Ok(waiting)
    }

    /// The place of the next response, counted from the first of the ring.
    pub(crate) fn next_place(&self) -> usize {
        (self.taken % Self::SIZE) as usize
    }

    /// The place of the next request.
    pub(crate) fn next_request(&self) -> usize {
        (self.asked % Self::SIZE) as usize
    }

    /// Takes a response that waits.
    pub(crate) fn take(&mut self) -> [u32; WORDS] {
        let taken = self.taken;
        self.taken = taken.wrapping_add(1);
        core::array::from_fn(|word| self.page.load(Self::place(taken, word)))
    }

    /// Asks for an event with the next response; whether there is one already.
    ///
    /// # Errors
    /// As [`FrontRing::waiting`].
    pub(crate) fn want_event(&mut self) -> Result<bool, Broken> {
        let next = self.taken.wrapping_add(1);
        self.page.store(offset_of!(sring_header, rsp_event), next);
        self.page.fence();
        Ok(self.waiting()? > 0)
    }
}

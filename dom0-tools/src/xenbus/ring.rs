//! The backend's side of a shared ring (`xen/io/ring.h`) of one page.
//!
//! The front end writes the page whenever it likes: each request is copied once, and indices that
//! cannot be are the end of the connection.
//!
//! An answer lies over the request of its place. So that a service that is killed leaves no place that is
//! neither, an answer is first noted in bytes of the header that the ABI leaves unused, with the index by
//! which it is shown; the next service does what is noted ([`BackRing::resume`]). What a front end writes
//! there, it answers itself.

use core::mem::offset_of;
use core::sync::atomic::{Ordering, compiler_fence, fence};

use hypercall_abi::io::ring::{ring_notify_needed, ring_size, sring_header};

use crate::hyper::{Mapping, PAGE_SIZE};

const REQ_PROD: usize = offset_of!(sring_header, req_prod);
const REQ_EVENT: usize = offset_of!(sring_header, req_event);
const RSP_PROD: usize = offset_of!(sring_header, rsp_prod);
const RSP_EVENT: usize = offset_of!(sring_header, rsp_event);
/// The index that shows the answer which is noted behind it.
const NOTED: usize = offset_of!(sring_header, __pad);
const NOTE: usize = NOTED + size_of::<u32>();
const ENTRIES: usize = size_of::<sring_header>();
/// Bytes of the largest answer that can be noted.
const NOTE_MAX: usize = ENTRIES - NOTE;

/// The front end's index makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the index of its ring makes no sense")]
pub struct Broken;

/// A ring whose entries have the size of the larger of request and response.
pub struct BackRing<M> {
    page: M,
    entry: usize,
    size: u32,
    /// Requests taken.
    taken: u32,
    /// Responses put; those published are in the page.
    put: u32,
    /// Those that were there when it was last asked whether the front end wants to be told.
    told: u32,
}

impl<M: Mapping> BackRing<M> {
    /// A ring with entries of `entry` bytes that goes on where the page says that responses are.
    pub fn new(page: M, entry: usize) -> Self {
        let mut ring = Self::over(page, entry);
        // Nothing is noted, whatever the front end has left there.
        ring.page.store_u32(NOTED, ring.put);
        ring
    }

    fn over(page: M, entry: usize) -> Self {
        let put = page.load_u32(RSP_PROD);
        BackRing {
            page,
            entry,
            size: ring_size(entry, PAGE_SIZE) as u32,
            taken: put,
            put,
            told: put,
        }
    }

    /// A ring of which an earlier service has answered each request by [`BackRing::answer`], with
    /// `response` bytes; what that one has noted and not shown is shown.
    ///
    /// # Errors
    /// See [`BackRing::waiting`]; or an answer is noted to no request.
    pub fn resume(page: M, entry: usize, response: usize) -> Result<Self, Broken> {
        let mut ring = Self::over(page, entry);
        if ring.page.load_u32(NOTED) == ring.put.wrapping_add(1) {
            let mut noted = [0; NOTE_MAX];
            let noted = &mut noted[..response];
            ring.page.read(NOTE, noted);
            if !ring.take(&mut [])? {
                return Err(Broken);
            }
            ring.put(noted);
            ring.show();
        }
        Ok(ring)
    }

    /// How many requests are there that were not taken.
    ///
    /// # Errors
    /// More than fit beside what is not answered.
    pub fn waiting(&self) -> Result<u32, Broken> {
        let produced = self.page.load_u32(REQ_PROD);
        let unanswered = produced.wrapping_sub(self.put);
        let waiting = produced.wrapping_sub(self.taken);
        if unanswered > self.size || waiting > unanswered {
            return Err(Broken);
        }
        Ok(waiting)
    }

    fn place(&self, index: u32) -> usize {
        ENTRIES + (index % self.size) as usize * self.entry
    }

    /// Copies the next request; false if there is none.
    ///
    /// # Errors
    /// See [`BackRing::waiting`].
    pub fn take(&mut self, to: &mut [u8]) -> Result<bool, Broken> {
        if self.waiting()? == 0 {
            return Ok(false);
        }
        let len = to.len().min(self.entry);
        self.page.read(self.place(self.taken), &mut to[..len]);
        self.taken = self.taken.wrapping_add(1);
        Ok(true)
    }

    /// Puts a response to a request that was taken; [`BackRing::publish`] shows it.
    ///
    /// # Panics
    /// If all requests that were taken are answered.
    pub fn put(&mut self, response: &[u8]) {
        assert_ne!(self.put, self.taken, "a response to no request");
        let len = response.len().min(self.entry);
        self.page.write(self.place(self.put), &response[..len]);
        self.put = self.put.wrapping_add(1);
    }

    /// Answers the oldest request that is not answered, and shows that: wherever this is cut short, the
    /// next service finds the request as it was, or the answer. [`BackRing::publish`] says whether the
    /// front end wants to be told.
    ///
    /// # Panics
    /// If all requests that were taken are answered, or the response is longer than what can be noted.
    pub fn answer(&mut self, response: &[u8]) {
        assert!(response.len() <= NOTE_MAX, "an answer that is too long");
        self.page.write(NOTE, response);
        self.page.store_u32(NOTED, self.put.wrapping_add(1));
        // Who is killed has done what comes before: the processor does these in order as well.
        compiler_fence(Ordering::SeqCst);
        self.put(response);
        self.show();
    }

    fn show(&mut self) {
        self.page.store_u32(RSP_PROD, self.put);
    }

    /// Shows the responses; whether the front end wants to be told.
    pub fn publish(&mut self) -> bool {
        let old = core::mem::replace(&mut self.told, self.put);
        if old == self.put {
            return false;
        }
        self.show();
        fence(Ordering::SeqCst);
        ring_notify_needed(old, self.put, self.page.load_u32(RSP_EVENT))
    }

    /// Asks to be told of the next request; whether there is one already.
    ///
    /// # Errors
    /// See [`BackRing::waiting`].
    pub fn rest(&mut self) -> Result<bool, Broken> {
        self.want(1)
    }

    /// Asks to be told when so many requests are there; whether they are already.
    ///
    /// # Errors
    /// See [`BackRing::waiting`].
    pub fn want(&mut self, wanted: u32) -> Result<bool, Broken> {
        let event = self.taken.wrapping_add(wanted);
        self.page.store_u32(REQ_EVENT, event);
        fence(Ordering::SeqCst);
        Ok(self.waiting()? >= wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::RefCell;

    extern crate std;
    use std::rc::Rc;
    use std::vec;
    use std::vec::Vec;

    #[derive(Clone)]
    struct Page(Rc<RefCell<Vec<u8>>>);

    impl Mapping for Page {
        fn read(&self, offset: usize, to: &mut [u8]) {
            to.copy_from_slice(&self.0.borrow()[offset..offset + to.len()]);
        }
        fn write(&mut self, offset: usize, from: &[u8]) {
            self.0.borrow_mut()[offset..offset + from.len()].copy_from_slice(from);
        }
        fn load_u32(&self, offset: usize) -> u32 {
            let bytes = &self.0.borrow()[offset..offset + 4];
            u32::from_le_bytes(bytes.try_into().unwrap())
        }
        fn store_u32(&mut self, offset: usize, value: u32) {
            self.write(offset, &value.to_le_bytes());
        }
        fn load_u64(&self, _: usize) -> u64 {
            unreachable!()
        }
        fn store_u64(&mut self, _: usize, _: u64) {
            unreachable!()
        }
    }

    fn ring(start: u32) -> (Page, BackRing<Page>) {
        let mut page = Page(Rc::new(RefCell::new(vec![0; PAGE_SIZE])));
        for at in [REQ_PROD, RSP_PROD] {
            page.store_u32(at, start);
        }
        for at in [REQ_EVENT, RSP_EVENT] {
            page.store_u32(at, start.wrapping_add(1));
        }
        (page.clone(), BackRing::new(page, 112))
    }

    #[test]
    fn requests_are_answered_in_order_around_the_end_of_the_indices() {
        let start = u32::MAX - 5;
        let (mut page, mut back) = ring(start);
        for i in 0..100_u32 {
            let index = start.wrapping_add(i);
            page.write(64 + (index % 32) as usize * 112, &i.to_le_bytes());
            page.store_u32(REQ_PROD, index.wrapping_add(1));
            let mut request = [0; 112];
            // It came before anybody wanted to be told.
            assert_eq!(back.rest(), Ok(true));
            assert_eq!(back.take(&mut request), Ok(true));
            assert_eq!(request[..4], i.to_le_bytes());
            assert_eq!(back.take(&mut request), Ok(false));
            assert_eq!(back.rest(), Ok(false));
            assert_eq!(page.load_u32(REQ_EVENT), index.wrapping_add(2));
            back.put(&[i as u8; 16]);
            assert_eq!(page.load_u32(RSP_PROD), index);
            assert!(back.publish());
            assert_eq!(page.load_u32(RSP_PROD), index.wrapping_add(1));
            page.store_u32(RSP_EVENT, index.wrapping_add(2));
        }
        // Nobody is told who does not want it.
        page.store_u32(RSP_EVENT, start.wrapping_add(200));
        page.store_u32(REQ_PROD, start.wrapping_add(101));
        assert_eq!(back.take(&mut [0; 112]), Ok(true));
        back.put(&[0; 16]);
        assert!(!back.publish());
    }

    #[test]
    fn a_full_ring_is_served_and_more_is_refused() {
        let (mut page, mut back) = ring(7);
        page.store_u32(REQ_PROD, 7 + 32);
        assert_eq!(back.waiting(), Ok(32));
        assert_eq!(back.rest(), Ok(true));
        for _ in 0..32 {
            assert_eq!(back.take(&mut [0; 112]), Ok(true));
        }
        assert_eq!(back.take(&mut [0; 112]), Ok(false));
        // Nothing is answered: there is no room for another.
        page.store_u32(REQ_PROD, 7 + 33);
        assert_eq!(back.take(&mut [0; 112]), Err(Broken));
        back.put(&[]);
        assert_eq!(back.take(&mut [0; 112]), Ok(true));
        // Backwards.
        page.store_u32(REQ_PROD, 7 + 20);
        assert_eq!(back.take(&mut [0; 112]), Err(Broken));
        assert_eq!(back.rest(), Err(Broken));
    }
}

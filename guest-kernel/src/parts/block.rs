//! The front end's side of a disk (io/blkif.h): a ring of requests, each with a slot of buffers that
//! are granted once.
//!
//! The back end is another domain: it may answer wrongly, but not what was not asked.

use crate::front_ring::{Broken, FrontRing, Words};
use hypercall_abi::io::blkif::*;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

/// Bytes of a sector.
pub const SECTOR: usize = 512;
/// Bytes of a buffer.
pub const BUFFER: usize = 4096;
/// Requests that are on their way at once.
pub const SLOTS: usize = 4;
/// Buffers of a request.
pub const BUFFERS: usize = 8;
/// The most bytes of a request.
pub const REQUEST_MAX: usize = BUFFERS * BUFFER;
/// Words of an entry of the ring.
const WORDS: usize = size_of::<blkif_request>() / 4;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// From the disk.
    Read,
    /// To the disk.
    Write,
    /// That what was written stays written.
    Flush,
    /// That sectors may be forgotten.
    Discard,
}

/// A request: which sectors are to be forgotten, or moved to or from the first bytes of the slot's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is to be done.
    pub operation: Operation,
    /// The first sector.
    pub sector: u64,
    /// How many; none for a flush.
    pub count: u64,
}

impl Request {
    fn entry(&self, id: u64, grants: &[u32; BUFFERS]) -> blkif_request {
        let mut entry = blkif_request::new_zeroed();
        entry.operation = match self.operation {
            Operation::Read => BLKIF_OP_READ,
            Operation::Write => BLKIF_OP_WRITE,
            Operation::Flush => BLKIF_OP_FLUSH_DISKCACHE,
            Operation::Discard => return self.discard(id),
        };
        (entry.id, entry.sector_number) = (id, self.sector);
        const PER_BUFFER: u64 = (BUFFER / SECTOR) as u64;
        let mut left = self.count.min(BUFFERS as u64 * PER_BUFFER);
        for (segment, gref) in entry.seg.iter_mut().zip(grants) {
            if left == 0 {
                break;
            }
            let now = left.min(PER_BUFFER);
            (segment.gref, segment.last_sect) = (*gref, now as u8 - 1);
            entry.nr_segments += 1;
            left -= now;
        }
        entry
    }

    fn discard(&self, id: u64) -> blkif_request {
        let mut discard = blkif_request_discard::new_zeroed();
        (discard.operation, discard.id) = (BLKIF_OP_DISCARD, id);
        (discard.sector_number, discard.nr_sectors) = (self.sector, self.count);
        let mut entry = [0; size_of::<blkif_request>()];
        entry[..size_of::<blkif_request_discard>()].copy_from_slice(discard.as_bytes());
        zerocopy::transmute!(entry)
    }
}

/// A ring with the requests that are on their way.
pub struct Ring<W> {
    ring: FrontRing<W, WORDS>,
    /// The id of what each slot waits for.
    asked: [Option<u64>; SLOTS],
    /// Counts the requests: no id comes twice.
    next: u64,
}

impl<W: Words> Ring<W> {
    /// An empty ring in a page that is nobody's yet.
    pub fn new(page: W) -> Self {
        Self {
            ring: FrontRing::new(page),
            asked: [None; SLOTS],
            next: 0,
        }
    }

    /// Asks for something by a slot that waits for nothing; whether the back end wants to be notified.
    pub fn ask(&mut self, slot: usize, request: &Request, grants: &[u32; BUFFERS]) -> bool {
        debug_assert!(self.asked[slot].is_none(), "one request for each slot");
        let id = self.next << 8 | slot as u64;
        self.next += 1;
        self.asked[slot] = Some(id);
        let entry = request.entry(id, grants);
        self.ring.ask(zerocopy::transmute!(entry));
        self.ring.publish()
    }

    /// The next answer: whose, and whether it is done.
    ///
    /// # Errors
    /// It answers what was not asked, or the ring is not what it can be.
    pub fn take(&mut self) -> Result<Option<(usize, bool)>, Broken> {
        if self.ring.waiting()? == 0 && !self.ring.want_event()? {
            return Ok(None);
        }
        let words: [u32; WORDS] = self.ring.take();
        let (response, _) =
            blkif_response::read_from_prefix(words.as_bytes()).map_err(|_| Broken)?;
        let slot = (response.id & 0xff) as usize;
        let asked = self.asked.get_mut(slot).ok_or(Broken)?;
        if asked.take_if(|id| *id == response.id).is_none() {
            return Err(Broken);
        }
        Ok(Some((slot, response.status == BLKIF_RSP_OKAY)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::vec;
    use std::vec::Vec;

    #[derive(Clone)]
    struct Page(Rc<RefCell<Vec<u32>>>);

    impl Words for Page {
        fn load(&self, offset: usize) -> u32 {
            self.0.borrow()[offset / 4]
        }
        fn store(&mut self, offset: usize, value: u32) {
            self.0.borrow_mut()[offset / 4] = value;
        }
        fn fence(&self) {}
    }

    const GRANTS: [u32; BUFFERS] = [11, 12, 13, 14, 15, 16, 17, 18];

    fn ring() -> (Page, Ring<Page>) {
        let page = Page(Rc::new(RefCell::new(vec![7; 1024])));
        (page.clone(), Ring::new(page))
    }

    fn request(page: &Page, index: usize) -> blkif_request {
        let at = 16 + index % 32 * WORDS;
        let words = &page.0.borrow()[at..at + WORDS];
        blkif_request::read_from_bytes(words.as_bytes()).unwrap()
    }

    fn answer(page: &mut Page, index: u32, id: u64, status: i16) {
        let at = (16 + index as usize % 32 * WORDS) * 4;
        page.store(at, id as u32);
        page.store(at + 4, (id >> 32) as u32);
        page.store(at + 8, u32::from(status.cast_unsigned()) << 16);
        page.store(8, index.wrapping_add(1));
    }

    #[test]
    fn requests_name_their_buffers_and_sectors() {
        let (page, mut ring) = ring();
        let read = Request {
            operation: Operation::Read,
            sector: 1000,
            count: 17,
        };
        assert!(ring.ask(2, &read, &GRANTS));
        let entry = request(&page, 0);
        assert_eq!((entry.operation, entry.nr_segments), (BLKIF_OP_READ, 3));
        assert_eq!(entry.sector_number, 1000);
        let last = entry
            .seg
            .map(|segment| (segment.gref, segment.first_sect, segment.last_sect));
        assert_eq!(last[..4], [(11, 0, 7), (12, 0, 7), (13, 0, 0), (0, 0, 0)]);
        let flush = Request {
            operation: Operation::Flush,
            sector: 0,
            count: 0,
        };
        ring.ask(0, &flush, &GRANTS);
        let entry = request(&page, 1);
        assert_eq!(
            (entry.operation, entry.nr_segments),
            (BLKIF_OP_FLUSH_DISKCACHE, 0)
        );
        let discard = Request {
            operation: Operation::Discard,
            sector: 7,
            count: 1 << 40,
        };
        ring.ask(3, &discard, &GRANTS);
        let entry = request(&page, 2);
        let (discard, rest) = blkif_request_discard::read_from_prefix(entry.as_bytes()).unwrap();
        assert_eq!((discard.operation, discard.flag), (BLKIF_OP_DISCARD, 0));
        assert_eq!((discard.id, discard.nr_sectors), (2 << 8 | 3, 1 << 40));
        assert_eq!(discard.sector_number, 7);
        assert!(rest.iter().all(|byte| *byte == 0), "no page is named");
    }

    #[test]
    fn answers_come_in_any_order_and_around_the_ring() {
        let (mut page, mut ring) = ring();
        let write = Request {
            operation: Operation::Write,
            sector: 3,
            count: 64,
        };
        for i in (0..200_u32).step_by(2) {
            ring.ask(1, &write, &GRANTS);
            ring.ask(3, &write, &GRANTS);
            let (first, second) = (request(&page, i as usize), request(&page, i as usize + 1));
            assert_eq!(ring.take(), Ok(None));
            answer(&mut page, i, second.id, BLKIF_RSP_OKAY);
            answer(&mut page, i + 1, first.id, BLKIF_RSP_ERROR);
            assert_eq!(ring.take(), Ok(Some((3, true))));
            assert_eq!(ring.take(), Ok(Some((1, false))));
        }
    }

    #[test]
    fn answers_to_nothing_break_the_ring() {
        let flush = Request {
            operation: Operation::Flush,
            sector: 0,
            count: 0,
        };
        for lie in [1, 2, 4, 0xff, 1 << 8, u64::MAX] {
            let (mut page, mut ring) = ring();
            ring.ask(0, &flush, &GRANTS);
            answer(&mut page, 0, lie, BLKIF_RSP_OKAY);
            assert_eq!(ring.take(), Err(Broken), "{lie:#x}");
        }
        let (mut page, mut ring) = ring();
        ring.ask(0, &flush, &GRANTS);
        let id = request(&page, 0).id;
        answer(&mut page, 0, id, BLKIF_RSP_OKAY);
        answer(&mut page, 1, id, BLKIF_RSP_OKAY);
        assert_eq!(ring.take(), Err(Broken), "more answers than requests");
        let (mut page, mut other) = super::tests::ring();
        other.ask(0, &flush, &GRANTS);
        let id = request(&page, 0).id;
        answer(&mut page, 0, id, BLKIF_RSP_OKAY);
        assert_eq!(other.take(), Ok(Some((0, true))));
        other.ask(0, &flush, &GRANTS);
        answer(&mut page, 1, id, BLKIF_RSP_OKAY);
        assert_eq!(other.take(), Err(Broken), "an old answer again");
    }
}

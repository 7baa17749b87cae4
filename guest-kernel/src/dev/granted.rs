//! Pages that a back end in another domain may use: buffers, and the rings over them.

use super::grant::{self, Access};
use crate::mm::{PAGE_SIZE, Pfn, frame};
use core::sync::atomic::{AtomicU32, Ordering, fence};
use guest_kernel::front_ring::Words;
use guest_user::abi::Errno;

/// A granted page, given back when it is dropped, as soon as the back end has let go of it.
pub(crate) struct Granted {
    pfn: Pfn,
    gref: u32,
}

impl Granted {
    /// A page of zeroes for a domain.
    pub(crate) fn new(domid: u16, access: Access) -> Result<Self, Errno> {
        let pfn = frame::alloc_zeroed().ok_or(Errno::ENOMEM)?;
        let gref = grant::offer(pfn, domid, access).inspect_err(|_| frame::free(pfn))?;
        Ok(Self { pfn, gref })
    }

    pub(crate) fn gref(&self) -> u32 {
        self.gref
    }

    /// Copies out of the page, which the back end may write meanwhile.
    pub(crate) fn read(&self, offset: usize, to: &mut [u8]) {
        assert!(offset + to.len() <= PAGE_SIZE as usize, "more than a page");
        let from = (self.pfn.va() as *const u8).wrapping_add(offset);
        // Whole words where they are aligned: of an array a volatile read takes byte by byte.
        let (words, rest) = match offset.is_multiple_of(8) {
            true => to.as_chunks_mut::<8>(),
            false => (&mut [][..], to),
        };
        let tail = from.wrapping_add(words.len() * 8);
        for (index, word) in words.iter_mut().enumerate() {
            // SAFETY: inside the page, as checked, which stays this object's; aligned; volatile, because
            // the other domain may write it.
            *word = unsafe { from.cast::<u64>().wrapping_add(index).read_volatile() }.to_ne_bytes();
        }
        for (index, byte) in rest.iter_mut().enumerate() {
            // SAFETY: as above.
            *byte = unsafe { tail.wrapping_add(index).read_volatile() };
        }
    }

    /// Copies into the beginning of the page.
    pub(crate) fn write(&self, from: &[u8]) {
        frame::fill(self.pfn, 0, from);
    }

    /// The page as a ring, which may be used as long as this object is there.
    pub(crate) fn ring(&self) -> RingPage {
        RingPage(self.pfn.va())
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        grant::retire(self.gref, self.pfn);
    }
}

/// A page of a ring, by its address in the direct map.
pub(crate) struct RingPage(u64);

impl RingPage {
    fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset < PAGE_SIZE as usize);
        // SAFETY: the page is that of the link which has the ring; its words are accessed atomically
        // only.
        unsafe { &*((self.0 + offset as u64) as *const AtomicU32) }
    }
}

impl Words for RingPage {
    fn load(&self, offset: usize) -> u32 {
        self.word(offset).load(Ordering::Acquire)
    }

    fn store(&mut self, offset: usize, value: u32) {
        self.word(offset).store(value, Ordering::Release);
    }

    fn fence(&self) {
        fence(Ordering::SeqCst);
    }
}

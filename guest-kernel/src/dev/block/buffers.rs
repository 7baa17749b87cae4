//! Pages that a back end may use.

use crate::dev::grant::{self, Access};
use crate::mm::{Pfn, frame};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering, fence};
use guest_kernel::block::{BUFFER, BUFFERS, Words};
use guest_user::abi::Errno;

/// A granted page, given back when it is dropped, as soon as the back end has let go of it.
pub(super) struct Granted {
    pfn: Pfn,
    gref: u32,
}

impl Granted {
    /// A page of zeroes for a domain, which may write it.
    pub(super) fn new(domid: u16) -> Result<Self, Errno> {
        let pfn = frame::alloc_zeroed().ok_or(Errno::ENOMEM)?;
        let gref = grant::offer(pfn, domid, Access::Write).inspect_err(|_| frame::free(pfn))?;
        Ok(Self { pfn, gref })
    }

    /// The buffers of a slot.
    pub(super) fn array(domid: u16) -> Result<[Self; BUFFERS], Errno> {
        let mut all = Vec::new();
        for _ in 0..BUFFERS {
            all.push(Self::new(domid)?);
        }
        all.try_into().map_err(|_| Errno::ENOMEM)
    }

    pub(super) fn gref(&self) -> u32 {
        self.gref
    }

    /// Copies out of its beginning.
    pub(super) fn read(&self, to: &mut [u8]) {
        assert!(to.len() <= BUFFER, "more than a page");
        let from = self.pfn.va() as *const u8;
        for (i, chunk) in to.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            // SAFETY: inside of the page, which stays this object's; volatile, because the other
            // domain may write it; byte arrays need no alignment.
            *chunk = unsafe { from.cast::<[u8; 8]>().wrapping_add(i).read_volatile() };
        }
    }

    /// Copies into its beginning.
    pub(super) fn write(&self, from: &[u8]) {
        assert!(from.len() <= BUFFER, "more than a page");
        let to = self.pfn.va() as *mut u8;
        for (i, chunk) in from.as_chunks::<8>().0.iter().enumerate() {
            // SAFETY: as in `read`.
            unsafe { to.cast::<[u8; 8]>().wrapping_add(i).write_volatile(*chunk) };
        }
    }

    /// The page as a ring, which may be used as long as this object is there.
    pub(super) fn shared(&self) -> Page {
        Page(self.pfn.va())
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        grant::retire(self.gref, self.pfn);
    }
}

/// A page of a ring, by its address in the direct map.
pub(super) struct Page(u64);

impl Page {
    fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset < BUFFER);
        // SAFETY: the page is that of the link which has the ring; its words are accessed atomically
        // only.
        unsafe { &*((self.0 + offset as u64) as *const AtomicU32) }
    }
}

impl Words for Page {
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

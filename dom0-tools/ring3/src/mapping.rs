//! Frames of other domains, mapped by the kernel's privileged door or because they are granted.
//!
//! Another domain may write them at any time, so they are only touched by volatile or atomic
//! accesses through a raw pointer; no reference to them is ever made.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use dom0_tools::grants::MapError;
use dom0_tools::hyper::{Access, Errno, Mapping, PAGE_SIZE};
use guest_user::{abi, sys};

/// A foreign mapping, undone when dropped.
pub struct ForeignFrames {
    start: *mut u8,
    pages: usize,
    access: Access,
}

impl ForeignFrames {
    /// Maps frames in order, all or none.
    pub fn new(domain: u16, frames: &[u64], access: Access) -> Result<Self, Errno> {
        let start = sys::map_foreign(domain, frames, access == Access::Write)
            .map_err(|errno| Errno(errno.0))?;
        Ok(ForeignFrames {
            start,
            pages: frames.len(),
            access,
        })
    }

    /// Maps pages that a domain grants, in order, all or none.
    pub fn granted(domain: u16, refs: &[u32], access: Access) -> Result<Self, MapError> {
        let mut statuses = alloc::vec![0; refs.len()];
        match sys::grant_map(domain, refs, access == Access::Write, &mut statuses) {
            Ok(start) => Ok(ForeignFrames {
                start,
                pages: refs.len(),
                access,
            }),
            Err(abi::Errno::EACCES) => Err(MapError::Refused(statuses)),
            Err(errno) => Err(MapError::Errno(Errno(errno.0))),
        }
    }

    /// The address of `size` bytes at `offset`. Panics if they are not all in the mapping.
    fn at(&self, offset: usize, size: usize) -> *mut u8 {
        let inside = offset
            .checked_add(size)
            .is_some_and(|end| end <= self.pages * PAGE_SIZE);
        assert!(
            inside,
            "{size} bytes at {offset:#x} are outside {} pages",
            self.pages
        );
        self.start.wrapping_add(offset)
    }

    /// The address of an aligned word.
    fn word(&self, offset: usize, size: usize) -> *mut u8 {
        assert!(
            offset.is_multiple_of(size),
            "a word at {offset:#x} is not aligned"
        );
        self.at(offset, size)
    }

    fn check_writable(&self) {
        assert!(self.access == Access::Write, "the mapping is read-only");
    }
}

impl Mapping for ForeignFrames {
    fn read(&self, offset: usize, to: &mut [u8]) {
        let from = self.at(offset, to.len()).cast_const();
        let (chunks, rest) = to.as_chunks_mut::<8>();
        for (index, chunk) in chunks.iter_mut().enumerate() {
            let word = from.wrapping_add(8 * index).cast::<[u8; 8]>();
            // SAFETY: `at` has checked that all of `to.len()` bytes are mapped; byte arrays need
            // no alignment.
            *chunk = unsafe { word.read_volatile() };
        }
        for (index, byte) in rest.iter_mut().enumerate() {
            let from = from.wrapping_add(8 * chunks.len() + index);
            // SAFETY: as above.
            *byte = unsafe { from.read_volatile() };
        }
    }

    fn write(&mut self, offset: usize, from: &[u8]) {
        self.check_writable();
        let to = self.at(offset, from.len());
        let (chunks, rest) = from.as_chunks::<8>();
        for (index, chunk) in chunks.iter().enumerate() {
            let word = to.wrapping_add(8 * index).cast::<[u8; 8]>();
            // SAFETY: `at` has checked that all of `from.len()` bytes are mapped, writable as
            // checked; byte arrays need no alignment.
            unsafe { word.write_volatile(*chunk) };
        }
        for (index, byte) in rest.iter().enumerate() {
            let to = to.wrapping_add(8 * chunks.len() + index);
            // SAFETY: as above.
            unsafe { to.write_volatile(*byte) };
        }
    }

    fn load_u32(&self, offset: usize) -> u32 {
        let word = self.word(offset, 4).cast::<u32>();
        // SAFETY: the word is aligned and inside a mapping that lives as long as `self`; a load
        // is allowed on read-only pages.
        let atomic = unsafe { AtomicU32::from_ptr(word) };
        atomic.load(Ordering::Acquire)
    }

    fn store_u32(&mut self, offset: usize, value: u32) {
        self.check_writable();
        let word = self.word(offset, 4).cast::<u32>();
        // SAFETY: the word is aligned and inside a writable mapping that lives as long as `self`.
        let atomic = unsafe { AtomicU32::from_ptr(word) };
        atomic.store(value, Ordering::Release);
    }

    fn load_u64(&self, offset: usize) -> u64 {
        let word = self.word(offset, 8).cast::<u64>();
        // SAFETY: the word is aligned and inside a mapping that lives as long as `self`; a load
        // is allowed on read-only pages.
        let atomic = unsafe { AtomicU64::from_ptr(word) };
        atomic.load(Ordering::Acquire)
    }

    fn store_u64(&mut self, offset: usize, value: u64) {
        self.check_writable();
        let word = self.word(offset, 8).cast::<u64>();
        // SAFETY: the word is aligned and inside a writable mapping that lives as long as `self`;
        // all accesses to it from here are atomic or volatile.
        let atomic = unsafe { AtomicU64::from_ptr(word) };
        atomic.store(value, Ordering::Release);
    }
}

impl Drop for ForeignFrames {
    fn drop(&mut self) {
        // SAFETY: the mapping is this object's alone, and nothing uses it after this.
        let result = unsafe { sys::unmap(self.start, self.pages as u64) };
        // The kernel only refuses what is not a mapping.
        debug_assert!(result.is_ok());
    }
}

//! What processes have the kernel keep for whoever comes after them: bytes by name, in pages of their
//! own. Each call is done whole or not at all, so that one who is killed leaves no half of it.

use crate::global::Global;
use crate::mm::{PAGE_SIZE, Pfn, frame};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use guest_user::abi::{Errno, KEPT_MAX};

/// The most that is kept of all names, in pages: 16 MiB.
const PAGES_MAX: usize = 4096;
/// Free pages that are left to the rest of the kernel.
const RESERVE: u64 = 256;
/// The most names.
const NAMES_MAX: usize = 64;

/// Bytes in pages.
#[derive(Default)]
struct Kept {
    pages: Vec<Pfn>,
    length: u64,
}

static KEPT: Global<BTreeMap<String, Kept>> = Global::new(BTreeMap::new());

impl Kept {
    /// Takes the pages that so many bytes more need: all, or none.
    fn grow(&mut self, length: u64, room: usize) -> Result<(), Errno> {
        let need = (self.length + length).div_ceil(PAGE_SIZE) as usize - self.pages.len();
        if need > room {
            return Err(Errno::ENOSPC);
        }
        if frame::free_count() < need as u64 + RESERVE {
            return Err(Errno::ENOMEM);
        }
        self.pages.try_reserve(need).map_err(|_| Errno::ENOMEM)?;
        for _ in 0..need {
            self.pages.push(frame::alloc().ok_or(Errno::ENOMEM)?);
        }
        Ok(())
    }

    /// Puts bytes behind those that there are, for which there is room.
    fn append(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let at = (self.length % PAGE_SIZE) as usize;
            let count = data.len().min(PAGE_SIZE as usize - at);
            frame::fill(
                self.pages[(self.length / PAGE_SIZE) as usize],
                at,
                &data[..count],
            );
            self.length += count as u64;
            data = &data[count..];
        }
    }

    fn read(&self, offset: u64, to: &mut [u8]) -> usize {
        let mut done = 0;
        while done < to.len() && offset + (done as u64) < self.length {
            let from = offset + done as u64;
            let at = (from % PAGE_SIZE) as usize;
            let left = (self.length - from) as usize;
            let count = left.min(PAGE_SIZE as usize - at).min(to.len() - done);
            let page = self.pages[(from / PAGE_SIZE) as usize];
            frame::copy_out(page, at, &mut to[done..done + count]);
            done += count;
        }
        done
    }

    fn free(self) {
        self.pages.into_iter().for_each(frame::free);
    }
}

fn check_name(name: &str) -> Result<(), Errno> {
    if name.is_empty() {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// Serves `SYS_KEEP`: appends to what is kept by that name; how much that is then.
pub(super) fn append(name: &str, data: &[u8]) -> Result<u64, Errno> {
    check_name(name)?;
    if data.len() as u64 > KEPT_MAX {
        return Err(Errno::E2BIG);
    }
    KEPT.with(|all| {
        let used: usize = all.values().map(|kept| kept.pages.len()).sum();
        if !all.contains_key(name) && all.len() >= NAMES_MAX {
            return Err(Errno::ENOSPC);
        }
        let kept = all.entry(name.into()).or_default();
        kept.grow(data.len() as u64, PAGES_MAX - used)?;
        kept.append(data);
        Ok(kept.length)
    })
}

/// Serves `SYS_KEPT`: fills a buffer from an offset on; how much there was.
pub(super) fn read(name: &str, offset: u64, to: &mut [u8]) -> Result<usize, Errno> {
    KEPT.with(|all| {
        let kept = all.get(name).ok_or(Errno::ENOENT)?;
        Ok(kept.read(offset, to))
    })
}

/// Serves `SYS_KEEP_AS`: what is kept by one name is kept by the other instead of what was; an empty
/// name is nobody's.
pub(super) fn rename(from: &str, to: &str) -> Result<(), Errno> {
    KEPT.with(|all| {
        let kept = all.remove(from).ok_or(Errno::ENOENT)?;
        let gone = if to.is_empty() {
            Some(kept)
        } else {
            all.insert(to.into(), kept)
        };
        if let Some(gone) = gone {
            gone.free();
        }
        Ok(())
    })
}

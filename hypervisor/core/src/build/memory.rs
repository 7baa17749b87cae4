//! dom0's memory while it is built: which machine frames its page numbers stand for, and bytes in
//! and out by page number.

use alloc::vec::Vec;

use zerocopy::IntoBytes;

use super::layout::P2M_PER_PAGE;
use crate::addr::{Mfn, PAGE_SIZE};
use crate::cmdline::Dom0Memory;
use crate::domain::Domain;
use crate::error::{Errno, Result};
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

/// Pages left to the hypervisor and other domains when `dom0_mem` is not given: a sixteenth of
/// what there is, but no more than this.
const MOST_RESERVED: u64 = (128 << 20) / PAGE_SIZE as u64;
/// Pages that dom0 never gets at its start: the hypervisor needs some for its own work.
const LEAST_RESERVED: u64 = 256;
/// Largest run asked for, as an order.
const LARGEST_RUN: u32 = 14;

/// How many pages dom0 starts with, and its limit, when `available` are there.
#[must_use]
pub fn sizes(wanted: &Dom0Memory, available: u64) -> (u64, u64) {
    let reserve = (available / 16).min(MOST_RESERVED);
    let most = available.saturating_sub(LEAST_RESERVED);
    let mut pages = wanted
        .size
        .map_or(available - reserve, |size| size.pages(available));
    let mut limit = u64::from(u32::MAX);
    if let Some(max) = wanted.max {
        limit = max.pages(available);
        pages = pages.min(limit);
    }
    if let Some(min) = wanted.min {
        pages = pages.max(min.pages(available));
    }
    let pages = pages.min(most);
    (pages, limit.max(pages))
}

/// Consecutive pages in consecutive frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    pfn: u64,
    mfn: Mfn,
    count: u64,
}

/// The domain's memory so far: pages 0 to `pages`, in runs.
pub struct Memory<'a, M: Machine> {
    hv: &'a Hypervisor<M>,
    dom: &'a Domain,
    runs: Vec<Run>,
    pages: u64,
}

impl<'a, M: Machine> Memory<'a, M> {
    /// None yet.
    #[must_use]
    pub fn new(hv: &'a Hypervisor<M>, dom: &'a Domain) -> Self {
        Self {
            hv,
            dom,
            runs: Vec::new(),
            pages: 0,
        }
    }

    /// Pages there are.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// Frames that are still free.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.hv.frames.free_frames()
    }

    fn append(&mut self, mfn: Mfn, count: u64) -> Result<()> {
        match self.runs.last_mut() {
            Some(last) if last.mfn.0 + last.count == mfn.0 => last.count += count,
            _ => {
                self.runs.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                self.runs.push(Run {
                    pfn: self.pages,
                    mfn,
                    count,
                });
            }
        }
        self.pages += count;
        Ok(())
    }

    /// Grows to `pages` pages of free memory, in runs as large as there are.
    ///
    /// # Errors
    /// `ENOMEM`; what was taken stays the domain's.
    pub fn grow_to(&mut self, pages: u64) -> Result<()> {
        let mut order = LARGEST_RUN;
        while self.pages < pages {
            let missing = pages - self.pages;
            order = order.min(missing.ilog2());
            match self.hv.alloc_boot_pages(self.dom, order) {
                Ok(first) => self.append(first, 1 << order)?,
                Err(e) if order == 0 => return Err(e),
                Err(_) => order -= 1,
            }
        }
        Ok(())
    }

    /// Takes over `count` frames of the hypervisor's from `first` on, contents and all, as the next
    /// pages.
    ///
    /// # Errors
    /// `EINVAL` unless they are the hypervisor's.
    pub fn adopt(&mut self, first: Mfn, count: u64) -> Result<()> {
        for mfn in first.0..first.0 + count {
            self.hv.adopt_boot_page(self.dom, Mfn(mfn))?;
        }
        self.append(first, count)
    }

    /// The frame of page `pfn`, and how many pages from there on are in consecutive frames.
    #[must_use]
    pub fn run(&self, pfn: u64) -> Option<(Mfn, u64)> {
        let at = self.runs.partition_point(|run| run.pfn <= pfn);
        let run = self.runs.get(at.checked_sub(1)?)?;
        let offset = pfn - run.pfn;
        (offset < run.count).then(|| (Mfn(run.mfn.0 + offset), run.count - offset))
    }

    /// The frame of page `pfn`.
    ///
    /// # Errors
    /// `EINVAL` when the domain has no such page.
    pub fn mfn(&self, pfn: u64) -> Result<Mfn> {
        self.run(pfn).map(|(mfn, _)| mfn).ok_or(Errno::EINVAL)
    }

    /// Writes `bytes` at pseudo-physical address `address`.
    ///
    /// # Errors
    /// `EINVAL` when the domain has no memory there.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        let mut at = address;
        while !rest.is_empty() {
            let offset = at as usize % PAGE_SIZE;
            let (now, later) = rest.split_at(rest.len().min(PAGE_SIZE - offset));
            let mfn = self.mfn(at / PAGE_SIZE as u64)?;
            self.hv.machine.write_frame(mfn, offset, now);
            at += now.len() as u64;
            rest = later;
        }
        Ok(())
    }

    /// Zeroes `len` bytes at pseudo-physical address `address`.
    ///
    /// # Errors
    /// `EINVAL` when the domain has no memory there.
    pub fn zero(&self, address: u64, len: u64) -> Result<()> {
        const ZEROS: [u8; PAGE_SIZE] = [0; PAGE_SIZE];
        let (mut at, end) = (address, address + len);
        while at < end {
            let offset = at as usize % PAGE_SIZE;
            let now = (PAGE_SIZE - offset).min((end - at) as usize);
            let mfn = self.mfn(at / PAGE_SIZE as u64)?;
            if now == PAGE_SIZE {
                self.hv.machine.zero_frame(mfn);
            } else {
                self.hv.machine.write_frame(mfn, offset, &ZEROS[..now]);
            }
            at += now as u64;
        }
        Ok(())
    }

    /// Writes the P2M list from page `p2m_pfn` on, and says of every frame which page it is.
    ///
    /// # Errors
    /// `EINVAL` when the list does not fit.
    pub fn write_p2m(&self, p2m_pfn: u64) -> Result<()> {
        let mut buffer = [0_u64; P2M_PER_PAGE as usize];
        let mut filled = 0;
        let mut page = p2m_pfn;
        for run in &self.runs {
            for offset in 0..run.count {
                let mfn = run.mfn.0 + offset;
                self.hv.set_m2p(Mfn(mfn), run.pfn + offset);
                if let Some(slot) = buffer.get_mut(filled) {
                    *slot = mfn;
                }
                filled += 1;
                if filled == buffer.len() {
                    self.write(page * PAGE_SIZE as u64, buffer.as_bytes())?;
                    page += 1;
                    filled = 0;
                }
            }
        }
        if filled != 0 {
            // No frames behind the last page: the rest of the list says "invalid".
            buffer[filled..].fill(u64::MAX);
            self.write(page * PAGE_SIZE as u64, buffer.as_bytes())?;
        }
        Ok(())
    }
}

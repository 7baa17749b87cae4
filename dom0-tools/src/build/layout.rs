//! Where everything goes: the start-of-day memory layout of xen.h, computed before a domain
//! exists.
//!
//! ```text
//! VIRT_BASE = PFN 0                                                     region end (4 MiB aligned)
//! | kernel | ramdisk | P2M | start_info | store | console | page tables | stack | >= 512 KiB |
//! ```
//! A ramdisk that may be named by PFN, and a P2M list with a virtual address of its own, move
//! behind the region and leave it small; the page tables of such a P2M list follow it.

use core::ops::Range;

use crate::image::{ImageError, PvKernel, guest_range};

/// Bytes of a page.
const PAGE: u64 = 4096;
/// The region ends on a boundary of this many bytes.
const REGION_ALIGN: u64 = 4 << 20;
/// Free bytes at its end, at least.
const PADDING: u64 = 512 << 10;
/// Entries of a page table.
pub(super) const ENTRIES: u64 = 512;
/// Pages a domain may have (16 TiB): PFN arithmetic stays far from overflow.
const MAX_PAGES: u64 = 1 << 32;

/// Why the pieces of a domain do not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Not enough memory for what is needed at start.
    #[error("it needs {need} KiB to start with, its memory is {have} KiB")]
    Memory {
        /// KiB of everything placed at start.
        need: u64,
        /// KiB of the domain.
        have: u64,
    },
    /// More memory than this toolstack places.
    #[error("{0} pages are more than the 2^32 that can be placed")]
    TooLarge(u64),
    /// The bootstrap region or the P2M list lies where a guest may not map.
    #[error(transparent)]
    Address(#[from] ImageError),
    /// INIT_P2M inside the bootstrap region.
    #[error("INIT_P2M {p2m:#x} lies inside the bootstrap region {start:#x}-{end:#x}")]
    P2mOverlap {
        /// The note.
        p2m: u64,
        /// Start of the region.
        start: u64,
        /// End of the region.
        end: u64,
    },
    /// The command line does not fit into start_info.
    #[error("the kernel command line has {0} bytes, at most 1023 fit")]
    CommandLine(usize),
}

/// The PFNs of everything placed at start. Virtual addresses are `virt_base` + PFN * 4096 inside
/// the region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Virtual address of PFN 0.
    pub virt_base: u64,
    /// Pages of the bootstrap region.
    pub region_pages: u64,
    /// Pages of the domain.
    pub total_pages: u64,
    /// The ramdisk, empty if there is none.
    pub ramdisk: Range<u64>,
    /// Whether the ramdisk is outside the region and named by PFN.
    pub ramdisk_by_pfn: bool,
    /// The P2M list.
    pub p2m: Range<u64>,
    /// Virtual address of the P2M list.
    pub p2m_address: u64,
    /// Page tables for the P2M list alone, empty if it is in the region.
    pub p2m_tables: Range<u64>,
    /// The start_info page.
    pub start_info: u64,
    /// The store page.
    pub store: u64,
    /// The console ring.
    pub console: u64,
    /// The page tables of the region, the L4 table first.
    pub tables: Range<u64>,
    /// The stack's page.
    pub stack: u64,
}

impl Layout {
    /// Lays out a domain of `total_pages` with a ramdisk of `ramdisk_len` bytes.
    ///
    /// # Errors
    /// [`LayoutError`]: whatever does not fit, in memory or in the address space.
    pub fn plan(
        kernel: &PvKernel<'_>,
        ramdisk_len: u64,
        total_pages: u64,
    ) -> Result<Self, LayoutError> {
        if total_pages > MAX_PAGES {
            return Err(LayoutError::TooLarge(total_pages));
        }
        let ramdisk_pages = ramdisk_len.div_ceil(PAGE);
        let p2m_pages = total_pages.div_ceil(ENTRIES);
        let ramdisk_by_pfn = kernel.mod_start_pfn && ramdisk_len != 0;
        let mut next = Bump(kernel.end.div_ceil(PAGE));
        let mut ramdisk = next.take(if ramdisk_by_pfn { 0 } else { ramdisk_pages });
        let mut p2m = next.take(if kernel.init_p2m.is_some() {
            0
        } else {
            p2m_pages
        });
        let (start_info, store, console) = (next.one(), next.one(), next.one());
        let region = Region::around(kernel.virt_base, next.0)?;
        let tables = next.take(region.tables());
        let stack = next.one();
        let mut p2m_address = kernel.virt_base + p2m.start * PAGE;
        let mut behind = Bump(region.pages);
        if ramdisk_by_pfn {
            ramdisk = behind.take(ramdisk_pages);
        }
        let mut p2m_tables = 0..0;
        if let Some(address) = kernel.init_p2m {
            p2m = behind.take(p2m_pages);
            p2m_address = address;
            p2m_tables = behind.take(region.extra_tables(address, p2m_pages)?);
        }
        if behind.0 > total_pages {
            let (need, have) = (behind.0 * 4, total_pages * 4);
            return Err(LayoutError::Memory { need, have });
        }
        Ok(Layout {
            virt_base: kernel.virt_base,
            region_pages: region.pages,
            total_pages,
            ramdisk,
            ramdisk_by_pfn,
            p2m,
            p2m_address,
            p2m_tables,
            start_info,
            store,
            console,
            tables,
            stack,
        })
    }

    /// Virtual address of a PFN of the region.
    pub fn address(&self, pfn: u64) -> u64 {
        self.virt_base + pfn * PAGE
    }

    /// The PFNs that start_info calls P2M frames: the list and tables made for it alone.
    pub fn p2m_frames(&self) -> Range<u64> {
        if self.p2m_tables.is_empty() {
            self.p2m.clone()
        } else {
            self.p2m.start..self.p2m_tables.end
        }
    }
}

/// Hands out rising PFNs.
struct Bump(u64);

impl Bump {
    fn take(&mut self, pages: u64) -> Range<u64> {
        let start = self.0;
        self.0 += pages;
        start..self.0
    }

    fn one(&mut self) -> u64 {
        self.take(1).start
    }
}

/// The bootstrap region: its size depends on its page tables, whose number depends on its size.
struct Region {
    start: u64,
    pages: u64,
}

impl Region {
    /// The smallest region that holds `used` pages, its tables, the stack and the padding.
    fn around(start: u64, used: u64) -> Result<Self, LayoutError> {
        let mut region = Region { start, pages: 0 };
        loop {
            let bytes = (used + region.tables() + 1) * PAGE + PADDING;
            guest_range("VIRT_BASE", start, bytes + REGION_ALIGN)?;
            let pages = ((start + bytes).next_multiple_of(REGION_ALIGN) - start) / PAGE;
            if pages == region.pages {
                return Ok(region);
            }
            // More pages never need fewer tables: this rises to a fixed point.
            region.pages = pages;
        }
    }

    fn tables(&self) -> u64 {
        1 + (1..4)
            .map(|level| len(&table_span(self.start, self.pages, level)))
            .sum::<u64>()
    }

    /// Tables that `pages` at `address` need beyond those of the region.
    fn extra_tables(&self, address: u64, pages: u64) -> Result<u64, LayoutError> {
        guest_range("INIT_P2M", address, pages * PAGE)?;
        let end = self.start + self.pages * PAGE;
        if address < end && self.start < address + pages * PAGE {
            return Err(LayoutError::P2mOverlap {
                p2m: address,
                start: self.start,
                end,
            });
        }
        let extra = |level| {
            let mine = table_span(self.start, self.pages, level);
            let theirs = table_span(address, pages, level);
            let shared = theirs
                .end
                .min(mine.end)
                .saturating_sub(theirs.start.max(mine.start));
            len(&theirs) - shared
        };
        Ok((1..4).map(extra).sum())
    }
}

fn len(range: &Range<u64>) -> u64 {
    range.end - range.start
}

/// The numbers of the tables of `level` (1 to 3) that map `pages` at `address`: consecutive
/// tables of a level cover consecutive stretches of the address space.
fn table_span(address: u64, pages: u64, level: u32) -> Range<u64> {
    if pages == 0 {
        return 0..0;
    }
    let shift = 12 + 9 * level;
    let last = address + (pages - 1) * PAGE;
    (address >> shift)..(last >> shift) + 1
}

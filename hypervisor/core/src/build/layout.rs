//! Where everything goes: the start-of-day memory layout of xen.h, as arithmetic on page numbers.

use thiserror::Error;

use crate::addr::{HYPERVISOR_START, PAGE_SHIFT, PAGE_SIZE, guest_range};

/// Bytes left free behind the last bootstrap element, at least.
const SLACK: u64 = 512 << 10;
/// The bootstrap region ends at a multiple of this.
const REGION_ALIGN: u64 = 4 << 20;
/// Entries of a P2M list in a page.
pub const P2M_PER_PAGE: u64 = PAGE_SIZE as u64 / 8;

/// Why a kernel cannot be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum LayoutError {
    #[error("{what} {address:#x} is not page-aligned")]
    Unaligned { what: &'static str, address: u64 },
    #[error("segment at {paddr:#x} lies below the image's physical offset {offset:#x}")]
    BelowOffset { paddr: u64, offset: u64 },
    #[error("{what} {address:#x} lies outside the kernel ({start:#x} to {end:#x})")]
    OutsideKernel {
        what: &'static str,
        address: u64,
        start: u64,
        end: u64,
    },
    #[error("{what} at {start:#x}, {pages} pages, does not fit into a guest's address space")]
    AddressSpace {
        what: &'static str,
        start: u64,
        pages: u64,
    },
    #[error("the P2M list at {p2m:#x} shares a 512 GiB slot with the kernel at {kernel:#x}")]
    P2mSlot { p2m: u64, kernel: u64 },
    #[error("{need} pages needed to start the kernel, dom0 has {have}")]
    TooSmall { need: u64, have: u64 },
}

/// The shift that turns an address into a level-`level` entry number.
pub(super) const fn shift(level: u32) -> u32 {
    PAGE_SHIFT + 9 * (level - 1)
}

/// Pages that are mapped at consecutive addresses, and the tables below the root that do it: first
/// those of level 3, then 2, then 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Address of the first page.
    pub va: u64,
    /// Number of pages.
    pub pages: u64,
    /// The first page's number; consecutive.
    pub pfn: u64,
    /// The number of the first table.
    pub tables_pfn: u64,
}

impl Region {
    /// First and last entry number at `level` (1 to 4).
    #[must_use]
    pub fn entries(&self, level: u32) -> (u64, u64) {
        let last = self.va + ((self.pages - 1) << PAGE_SHIFT);
        (self.va >> shift(level), last >> shift(level))
    }

    /// Number of tables of `level` (1 to 3): each is one entry of the level above.
    #[must_use]
    pub fn tables(&self, level: u32) -> u64 {
        let (first, last) = self.entries(level + 1);
        last - first + 1
    }

    /// Number of all its tables.
    #[must_use]
    pub fn all_tables(&self) -> u64 {
        self.tables(1) + self.tables(2) + self.tables(3)
    }

    /// The number of the first table of `level`.
    #[must_use]
    pub fn first_table(&self, level: u32) -> u64 {
        self.tables_pfn + (level + 1..=3).map(|above| self.tables(above)).sum::<u64>()
    }

    fn check(&self, what: &'static str) -> Result<(), LayoutError> {
        let bytes = self.pages.checked_mul(PAGE_SIZE as u64);
        if self.pages == 0 || !bytes.is_some_and(|bytes| guest_range(self.va, bytes)) {
            return Err(LayoutError::AddressSpace {
                what,
                start: self.va,
                pages: self.pages,
            });
        }
        Ok(())
    }
}

/// What is to be placed.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Address of page 0 (`VIRT_BASE`).
    pub v_start: u64,
    /// Pages from 0 to the end of the kernel's image.
    pub kernel_pages: u64,
    /// Pages of the ramdisk, 0 for none.
    pub ramdisk_pages: u64,
    /// Whether the ramdisk may stay unmapped (`MOD_START_PFN`).
    pub ramdisk_unmapped: bool,
    /// Where the kernel wants the P2M list (`INIT_P2M`), if not among the rest.
    pub init_p2m: Option<u64>,
    /// All pages of the domain.
    pub nr_pages: u64,
}

/// Page numbers of all bootstrap elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The bootstrap region, from page 0; its tables follow the root.
    pub boot: Region,
    /// The root table.
    pub root_pfn: u64,
    /// The ramdisk; without meaning when there is none.
    pub ramdisk_pfn: u64,
    /// The start_info page.
    pub start_info_pfn: u64,
    /// The boot stack, one page.
    pub stack_pfn: u64,
    /// The P2M list.
    pub p2m_pfn: u64,
    /// Its length in pages.
    pub p2m_pages: u64,
    /// Its own region, when `INIT_P2M` asked for one.
    pub p2m: Option<Region>,
    /// First page that nothing is placed in.
    pub end_pfn: u64,
}

impl Layout {
    /// Places everything.
    ///
    /// # Errors
    /// When it does not fit the address space or the domain's memory.
    pub fn plan(request: &Request) -> Result<Self, LayoutError> {
        let p2m_pages = request.nr_pages.div_ceil(P2M_PER_PAGE);
        let mut next = request.kernel_pages;
        let mut place = |pages: u64| {
            let at = next;
            next = next.saturating_add(pages);
            at
        };
        let mapped = !request.ramdisk_unmapped;
        let mut ramdisk_pfn = place(if mapped { request.ramdisk_pages } else { 0 });
        let mut p2m_pfn = place(if request.init_p2m.is_none() {
            p2m_pages
        } else {
            0
        });
        let start_info_pfn = place(1);
        let root_pfn = place(1);
        let (boot, stack_pfn) = boot_region(request.v_start, root_pfn)?;
        next = boot.pages;
        if !mapped {
            ramdisk_pfn = next;
            next = next.saturating_add(request.ramdisk_pages);
        }
        let mut p2m = None;
        if let Some(va) = request.init_p2m {
            let region = p2m_region(va, p2m_pages, next, &boot)?;
            // The list's frames come first, then the tables.
            p2m_pfn = region.pfn;
            next = region.tables_pfn + region.all_tables();
            p2m = Some(region);
        }
        if next > request.nr_pages {
            return Err(LayoutError::TooSmall {
                need: next,
                have: request.nr_pages,
            });
        }
        Ok(Self {
            boot,
            root_pfn,
            ramdisk_pfn,
            start_info_pfn,
            stack_pfn,
            p2m_pfn,
            p2m_pages,
            p2m,
            end_pfn: next,
        })
    }

    /// The address of a page of the bootstrap region.
    #[must_use]
    pub fn va(&self, pfn: u64) -> u64 {
        self.boot.va + (pfn << PAGE_SHIFT)
    }

    /// Number of tables of the bootstrap region, with the root.
    #[must_use]
    pub fn boot_tables(&self) -> u64 {
        1 + self.boot.all_tables()
    }
}

/// The bootstrap region whose root table is page `root_pfn`, and its stack's page: tables map the
/// region, and lie in it, so their number is found by trying.
fn boot_region(v_start: u64, root_pfn: u64) -> Result<(Region, u64), LayoutError> {
    let too_big = LayoutError::AddressSpace {
        what: "the bootstrap region",
        start: v_start,
        pages: root_pfn,
    };
    let mut tables = 3;
    loop {
        let stack_pfn = root_pfn.checked_add(1 + tables).ok_or(too_big)?;
        let end = stack_pfn
            .checked_add(1)
            .filter(|&pages| pages < 1 << 40)
            .and_then(|pages| v_start.checked_add((pages << PAGE_SHIFT) + SLACK))
            .and_then(|end| end.checked_next_multiple_of(REGION_ALIGN));
        let region = Region {
            va: v_start,
            pages: (end.ok_or(too_big)? - v_start) >> PAGE_SHIFT,
            pfn: 0,
            tables_pfn: root_pfn + 1,
        };
        region.check("the bootstrap region")?;
        let needed = region.all_tables();
        if needed <= tables {
            return Ok((region, root_pfn + 1 + needed));
        }
        tables = needed;
    }
}

fn p2m_region(va: u64, pages: u64, pfn: u64, boot: &Region) -> Result<Region, LayoutError> {
    if !va.is_multiple_of(PAGE_SIZE as u64) {
        return Err(LayoutError::Unaligned {
            what: "the P2M list",
            address: va,
        });
    }
    let region = Region {
        va,
        pages,
        pfn,
        tables_pfn: pfn.saturating_add(pages),
    };
    region.check("the P2M list")?;
    let ((first, last), (boot_first, boot_last)) = (region.entries(4), boot.entries(4));
    if first <= boot_last && boot_first <= last {
        return Err(LayoutError::P2mSlot {
            p2m: va,
            kernel: boot.va,
        });
    }
    Ok(region)
}

/// Where the kernel's image lies in the domain, from its addresses and notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelPlace {
    /// Address of page 0.
    pub v_start: u64,
    /// Address of the image's first byte.
    pub start: u64,
    /// Address behind its last byte.
    pub end: u64,
    /// Entry point.
    pub entry: u64,
    /// The hypercall page.
    pub hypercall_page: Option<u64>,
}

impl KernelPlace {
    /// Checks a kernel's addresses: `span` are its physical addresses as in the image.
    ///
    /// # Errors
    /// When something is unaligned or outside.
    pub fn new(
        span: (u64, u64),
        (virt_base, paddr_offset): (u64, u64),
        entry: u64,
        hypercall_page: Option<u64>,
    ) -> Result<Self, LayoutError> {
        let aligned = |what, address: u64| {
            if address.is_multiple_of(PAGE_SIZE as u64) {
                Ok(address)
            } else {
                Err(LayoutError::Unaligned { what, address })
            }
        };
        aligned("VIRT_BASE", virt_base)?;
        let first = span
            .0
            .checked_sub(paddr_offset)
            .ok_or(LayoutError::BelowOffset {
                paddr: span.0,
                offset: paddr_offset,
            })?;
        let last = span.1 - paddr_offset;
        let (start, end) = (virt_base.wrapping_add(first), virt_base.wrapping_add(last));
        let too_far = !guest_range(virt_base, last) || last >= HYPERVISOR_START;
        if too_far {
            return Err(LayoutError::AddressSpace {
                what: "the kernel",
                start: virt_base,
                pages: last >> PAGE_SHIFT,
            });
        }
        let inside = |what, address: u64, len: u64| {
            let fits = address >= start && end.checked_sub(len).is_some_and(|top| address <= top);
            if fits {
                Ok(())
            } else {
                Err(LayoutError::OutsideKernel {
                    what,
                    address,
                    start,
                    end,
                })
            }
        };
        inside("the entry point", entry, 1)?;
        if let Some(page) = hypercall_page {
            inside(
                "the hypercall page",
                aligned("HYPERCALL_PAGE", page)?,
                PAGE_SIZE as u64,
            )?;
        }
        Ok(Self {
            v_start: virt_base,
            start,
            end,
            entry,
            hypercall_page,
        })
    }

    /// Pages from 0 to the end of the image.
    #[must_use]
    pub fn pages(&self) -> u64 {
        (self.end - self.v_start).div_ceil(PAGE_SIZE as u64)
    }
}

//! An ELF kernel with its notes, checked and brought to the form the builder places.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hypercall_abi::arch_x86_64::{HYPERVISOR_VIRT_END, HYPERVISOR_VIRT_START};

use super::{Elf, ImageError, Notes};

/// Bytes of a page.
const PAGE_SIZE: u64 = 4096;
/// Size of the 64-bit virtual address space's lower half; canonical addresses have bits 63-47
/// all equal.
const LOWER_HALF_END: u64 = 1 << 47;

/// A segment where it belongs: `offset` bytes above the image's base.
#[derive(Debug, Clone, Copy)]
pub struct PvSegment<'a> {
    /// Pseudo-physical address, which is also the distance from VIRT_BASE; bytes.
    pub offset: u64,
    /// What the file holds of it.
    pub data: &'a [u8],
    /// Bytes in memory; those beyond `data` are zero.
    pub size: u64,
}

/// A PV64 kernel that has passed every check that needs no machine.
#[derive(Debug, Clone)]
pub struct PvKernel<'a> {
    /// Virtual address of the entry point.
    pub entry: u64,
    /// Virtual address of pseudo-physical address 0.
    pub virt_base: u64,
    /// Segments by rising offset, not overlapping, at least one.
    pub segments: Vec<PvSegment<'a>>,
    /// Bytes from the base to the end of the highest segment.
    pub end: u64,
    /// Offset from the base of the page for hypercall stubs, if the kernel has one.
    pub hypercall_page: Option<u64>,
    /// Where the kernel wants the P2M list, if not in the bootstrap region.
    pub init_p2m: Option<u64>,
    /// Whether the ramdisk may be left unmapped and named by PFN.
    pub mod_start_pfn: bool,
    /// What the kernel calls itself.
    pub guest_os: String,
}

impl<'a> PvKernel<'a> {
    /// Reads and checks a kernel file.
    ///
    /// # Errors
    /// Every [`ImageError`]: the file, its notes, or a requirement that is not met.
    pub fn parse(file: &'a [u8]) -> Result<Self, ImageError> {
        let elf = Elf::parse(file)?;
        let notes = Notes::parse(&elf.notes)?;
        if notes.count == 0 {
            return Err(ImageError::NoXenNotes);
        }
        check_requirements(&notes)?;
        let virt_base = notes.virt_base.unwrap_or(0);
        page_aligned("VIRT_BASE", virt_base)?;
        let segments = place(&elf, notes.paddr_offset.unwrap_or(0))?;
        let end = segments.last().map_or(0, |last| last.offset + last.size);
        guest_range("VIRT_BASE", virt_base, end)?;
        let kernel = PvKernel {
            entry: notes.entry.ok_or(ImageError::NoEntry)?,
            virt_base,
            end,
            hypercall_page: match notes.hypercall_page {
                Some(address) => Some(stub_page(address, virt_base, end)?),
                None => None,
            },
            init_p2m: notes.init_p2m,
            mod_start_pfn: notes.mod_start_pfn.unwrap_or(0) != 0,
            guest_os: notes.guest_os.unwrap_or_else(|| "unnamed".to_string()),
            segments,
        };
        kernel.check_entry()?;
        if let Some(address) = kernel.init_p2m {
            page_aligned("INIT_P2M", address)?;
            guest_range("INIT_P2M", address, PAGE_SIZE)?;
        }
        Ok(kernel)
    }

    /// The entry point must lie in a segment: anything else would fault at once.
    fn check_entry(&self) -> Result<(), ImageError> {
        let offset = self.entry.wrapping_sub(self.virt_base);
        let inside = self
            .segments
            .iter()
            .any(|s| offset >= s.offset && offset < s.offset + s.size);
        if inside {
            return Ok(());
        }
        let why = "it lies in no segment of the image";
        Err(ImageError::NoteValue {
            note: "ENTRY",
            value: self.entry,
            why,
        })
    }
}

/// Checks that `size` bytes at `address` are canonical and not the hypervisor's.
pub(crate) fn guest_range(note: &'static str, address: u64, size: u64) -> Result<(), ImageError> {
    let refuse = |why| {
        Err(ImageError::NoteValue {
            note,
            value: address,
            why,
        })
    };
    let Some(end) = address.checked_add(size) else {
        return refuse("what belongs there runs past the end of the address space");
    };
    let lower = end <= LOWER_HALF_END;
    let upper = address >= LOWER_HALF_END.wrapping_neg();
    if !lower && !upper {
        return refuse("what belongs there is not at canonical addresses");
    }
    if end > HYPERVISOR_VIRT_START && address < HYPERVISOR_VIRT_END {
        return refuse("what belongs there reaches into the hypervisor's own range");
    }
    Ok(())
}

fn page_aligned(note: &'static str, value: u64) -> Result<(), ImageError> {
    if value.is_multiple_of(PAGE_SIZE) {
        return Ok(());
    }
    Err(ImageError::NoteValue {
        note,
        value,
        why: "it is not page-aligned",
    })
}

fn stub_page(address: u64, virt_base: u64, end: u64) -> Result<u64, ImageError> {
    page_aligned("HYPERCALL_PAGE", address)?;
    let offset = address.wrapping_sub(virt_base);
    if offset
        .checked_add(PAGE_SIZE)
        .is_some_and(|stub_end| stub_end <= end.next_multiple_of(PAGE_SIZE))
    {
        return Ok(offset);
    }
    let why = "it lies outside the kernel image";
    Err(ImageError::NoteValue {
        note: "HYPERCALL_PAGE",
        value: address,
        why,
    })
}

/// Turns p_paddr into offsets from the base; refuses overlap.
fn place<'a>(elf: &Elf<'a>, paddr_offset: u64) -> Result<Vec<PvSegment<'a>>, ImageError> {
    let mut placed = Vec::with_capacity(elf.segments.len());
    for (index, segment) in elf.segments.iter().enumerate() {
        let (paddr, memory_size) = (segment.paddr, segment.memory_size);
        let range = ImageError::SegmentRange {
            index,
            paddr,
            memory_size,
            paddr_offset,
        };
        let offset = paddr.checked_sub(paddr_offset).ok_or(range.clone())?;
        let end = offset.checked_add(memory_size).ok_or(range.clone())?;
        // No image is larger than an address-space half; later sums stay far from overflow.
        if end > LOWER_HALF_END {
            return Err(range);
        }
        placed.push(PvSegment {
            offset,
            data: segment.data,
            size: memory_size,
        });
    }
    placed.sort_by_key(|segment| segment.offset);
    for pair in placed.windows(2) {
        let end = pair[0].offset + pair[0].size;
        if end > pair[1].offset {
            return Err(ImageError::SegmentsOverlap {
                end,
                start: pair[1].offset,
            });
        }
    }
    Ok(placed)
}

/// Features of features.h that a PV64 guest may insist on: real kernels require the first, which
/// is served by emulating their page-table writes although XENVER_get_features does not list it.
const SERVED_FEATURES: [&str; 2] = ["writable_page_tables", "pae_pgdir_above_4gb"];

fn check_requirements(notes: &Notes) -> Result<(), ImageError> {
    let refuse = |note, value: &str, why| {
        Err(ImageError::NoteText {
            note,
            value: value.to_string(),
            why,
        })
    };
    if let Some(version) = notes.xen_version.as_deref().filter(|v| *v != "xen-3.0") {
        return refuse("XEN_VERSION", version, "the PV interface is called xen-3.0");
    }
    if let Some(loader) = notes.loader.as_deref().filter(|l| *l != "generic") {
        return refuse("LOADER", loader, "only `generic` is known");
    }
    for word in notes.features.as_deref().unwrap_or("").split('|') {
        let Some(required) = word.strip_prefix('!') else {
            continue;
        };
        if !SERVED_FEATURES.contains(&required) {
            return Err(ImageError::FeatureRequired(required.to_string()));
        }
    }
    if let Some(low) = notes
        .hv_start_low
        .filter(|low| *low > HYPERVISOR_VIRT_START)
    {
        let why = "the hypervisor begins below it";
        return Err(ImageError::NoteValue {
            note: "HV_START_LOW",
            value: low,
            why,
        });
    }
    Ok(())
}

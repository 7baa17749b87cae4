//! Xen's ELF notes (elfnote.h): how a PV kernel says what it expects.

use alloc::string::String;

use hypercall_abi::elfnote::*;

use super::ImageError;

/// The notes this builder acts on, as the file gives them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// ENTRY: virtual address of the entry point.
    pub entry: Option<u64>,
    /// VIRT_BASE: virtual address of pseudo-physical address 0.
    pub virt_base: Option<u64>,
    /// PADDR_OFFSET: what to take off p_paddr to get the pseudo-physical address.
    pub paddr_offset: Option<u64>,
    /// HYPERCALL_PAGE: virtual address of the page to fill with hypercall stubs.
    pub hypercall_page: Option<u64>,
    /// INIT_P2M: virtual address at which the kernel wants its P2M list.
    pub init_p2m: Option<u64>,
    /// MOD_START_PFN: the ramdisk may be named by PFN and left unmapped.
    pub mod_start_pfn: Option<u64>,
    /// HV_START_LOW: the lowest address at which the hypervisor may begin.
    pub hv_start_low: Option<u64>,
    /// FEATURES: wanted and (`!`) required features, by name.
    pub features: Option<String>,
    /// SUPPORTED_FEATURES: bit mask of features the kernel can deal with.
    pub supported_features: Option<u64>,
    /// XEN_VERSION: the interface the kernel was written for.
    pub xen_version: Option<String>,
    /// LOADER: the loader the kernel needs.
    pub loader: Option<String>,
    /// GUEST_OS: what the kernel calls itself.
    pub guest_os: Option<String>,
    /// How many records were named `Xen`.
    pub count: usize,
}

impl Notes {
    /// Reads every `Xen` record of the given note segments; other vendors' are skipped.
    ///
    /// # Errors
    /// Records that do not add up, numbers that are not 4 or 8 bytes, text that is not ASCII, and
    /// any note given twice.
    pub fn parse(segments: &[&[u8]]) -> Result<Self, ImageError> {
        let mut notes = Notes::default();
        for segment in segments {
            let mut offset = 0;
            // Fewer bytes than a header at the end are padding.
            while segment.len() - offset >= 12 {
                let record = Record::at(segment, offset)?;
                if record.name == b"Xen\0" || record.name == b"Xen" {
                    notes.take(offset, &record)?;
                }
                offset = record.end.min(segment.len());
            }
        }
        Ok(notes)
    }

    fn take(&mut self, offset: usize, record: &Record<'_>) -> Result<(), ImageError> {
        self.count += 1;
        let mut number = |slot: fn(&mut Self) -> &mut Option<u64>, name| {
            let value = numeric(record.description).ok_or(ImageError::BadNote {
                offset,
                why: "a number must have 4 or 8 bytes",
            })?;
            store(slot(self), value, name)
        };
        match i64::from(record.kind) {
            XEN_ELFNOTE_ENTRY => number(|n| &mut n.entry, "ENTRY"),
            XEN_ELFNOTE_VIRT_BASE => number(|n| &mut n.virt_base, "VIRT_BASE"),
            XEN_ELFNOTE_PADDR_OFFSET => number(|n| &mut n.paddr_offset, "PADDR_OFFSET"),
            XEN_ELFNOTE_HYPERCALL_PAGE => number(|n| &mut n.hypercall_page, "HYPERCALL_PAGE"),
            XEN_ELFNOTE_INIT_P2M => number(|n| &mut n.init_p2m, "INIT_P2M"),
            XEN_ELFNOTE_MOD_START_PFN => number(|n| &mut n.mod_start_pfn, "MOD_START_PFN"),
            XEN_ELFNOTE_HV_START_LOW => number(|n| &mut n.hv_start_low, "HV_START_LOW"),
            XEN_ELFNOTE_SUPPORTED_FEATURES => {
                number(|n| &mut n.supported_features, "SUPPORTED_FEATURES")
            }
            _ => self.take_text(offset, record),
        }
    }

    fn take_text(&mut self, offset: usize, record: &Record<'_>) -> Result<(), ImageError> {
        let (slot, name) = match i64::from(record.kind) {
            XEN_ELFNOTE_FEATURES => (&mut self.features, "FEATURES"),
            XEN_ELFNOTE_XEN_VERSION => (&mut self.xen_version, "XEN_VERSION"),
            XEN_ELFNOTE_LOADER => (&mut self.loader, "LOADER"),
            XEN_ELFNOTE_GUEST_OS => (&mut self.guest_os, "GUEST_OS"),
            // The rest says nothing to a 64-bit domain builder (PAE_MODE, L1_MFN_VALID, ...).
            _ => return Ok(()),
        };
        let text = text(record.description).ok_or(ImageError::BadNote {
            offset,
            why: "text must be ASCII",
        })?;
        store(slot, text.into(), name)
    }
}

fn store<T>(slot: &mut Option<T>, value: T, name: &'static str) -> Result<(), ImageError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(ImageError::DuplicateNote(name)),
    }
}

fn numeric(description: &[u8]) -> Option<u64> {
    match *description {
        [a, b, c, d] => Some(u32::from_le_bytes([a, b, c, d]).into()),
        _ => Some(u64::from_le_bytes(description.try_into().ok()?)),
    }
}

/// Text ends with a NUL, or with the description: Linux writes some of its without.
fn text(description: &[u8]) -> Option<&str> {
    let text = description.split(|&byte| byte == 0).next()?;
    let text = core::str::from_utf8(text).ok()?;
    text.is_ascii().then_some(text)
}

/// One record of a note segment.
struct Record<'a> {
    name: &'a [u8],
    description: &'a [u8],
    kind: u32,
    /// Where the next record starts: name and description are padded to 4 bytes.
    end: usize,
}

impl<'a> Record<'a> {
    fn at(segment: &'a [u8], offset: usize) -> Result<Self, ImageError> {
        let word = |index: usize| -> u32 {
            let at = offset + 4 * index;
            segment
                .get(at..at + 4)
                .map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        };
        let field = |start: usize, size: u32, why| {
            let end = start.checked_add(size as usize);
            let bytes = end.and_then(|end| segment.get(start..end));
            bytes.ok_or(ImageError::BadNote { offset, why })
        };
        let name = field(offset + 12, word(0), "its name runs past the segment")?;
        let description_at = (offset + 12 + name.len()).next_multiple_of(4);
        let description = field(
            description_at,
            word(1),
            "its description runs past the segment",
        )?;
        let end = (description_at + description.len()).next_multiple_of(4);
        Ok(Record {
            name,
            description,
            kind: word(2),
            end,
        })
    }
}

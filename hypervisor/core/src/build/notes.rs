//! Xen's ELF notes (elfnote.h): what a kernel says of itself and asks for.

use hypercall_abi::elfnote::{
    XEN_ELFNOTE_BSD_SYMTAB, XEN_ELFNOTE_ENTRY, XEN_ELFNOTE_FEATURES, XEN_ELFNOTE_GUEST_OS,
    XEN_ELFNOTE_GUEST_VERSION, XEN_ELFNOTE_HV_START_LOW, XEN_ELFNOTE_HYPERCALL_PAGE,
    XEN_ELFNOTE_INIT_P2M, XEN_ELFNOTE_L1_MFN_VALID, XEN_ELFNOTE_LOADER, XEN_ELFNOTE_MAX,
    XEN_ELFNOTE_MOD_START_PFN, XEN_ELFNOTE_PADDR_OFFSET, XEN_ELFNOTE_PAE_MODE,
    XEN_ELFNOTE_SUPPORTED_FEATURES, XEN_ELFNOTE_VIRT_BASE, XEN_ELFNOTE_XEN_VERSION,
};
use hypercall_abi::features::{
    XENFEAT_auto_translated_physmap, XENFEAT_direct_mapped, XENFEAT_dom0,
    XENFEAT_gnttab_map_avail_bits, XENFEAT_highmem_assist, XENFEAT_hvm_callback_vector,
    XENFEAT_hvm_pirqs, XENFEAT_hvm_safe_pvclock, XENFEAT_linux_rsdp_unrestricted,
    XENFEAT_memory_op_vnode_supported, XENFEAT_mmu_pt_update_preserve_ad,
    XENFEAT_not_direct_mapped, XENFEAT_pae_pgdir_above_4gb, XENFEAT_supervisor_mode_kernel,
    XENFEAT_writable_descriptor_tables, XENFEAT_writable_page_tables,
};
use thiserror::Error;

use super::elf::{Elf, ElfError};
use crate::addr::HYPERVISOR_START;

/// Why a kernel's notes cannot be honoured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum NoteError {
    #[error("{0}")]
    Elf(#[from] ElfError),
    #[error("no Xen ELF notes: not a PV kernel")]
    None,
    #[error("a note at {offset:#x} of its area claims {len:#x} bytes, {left:#x} are left")]
    Truncated {
        offset: usize,
        len: u64,
        left: usize,
    },
    #[error("note {name} has {len} bytes, not a number of 1, 2, 4 or 8 bytes")]
    NotNumeric { name: &'static str, len: usize },
    #[error("note L1_MFN_VALID has {0} bytes, not pairs of 8-byte words")]
    OddPairs(usize),
    #[error("note XEN_VERSION is not \"xen-3.0\"")]
    XenVersion,
    #[error("note FEATURES requires \"{0}\", which PV guests do not get here")]
    FeatureRequired(&'static str),
    #[error("note FEATURES requires a feature that is not known")]
    FeatureUnknown,
    #[error("note SUPPORTED_FEATURES does not have dom0: the kernel cannot be the control domain")]
    NotForDom0,
    #[error("note HV_START_LOW {0:#x} is above the hypervisor's start")]
    HvStartLow(u64),
}

/// The notes that matter, numbers checked for form only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes<'a> {
    /// `ENTRY`: virtual address of the entry point.
    pub entry: Option<u64>,
    /// `HYPERCALL_PAGE`: virtual address of the page to fill with hypercall stubs.
    pub hypercall_page: Option<u64>,
    /// `VIRT_BASE`: virtual address of pseudo-physical address 0.
    pub virt_base: u64,
    /// `PADDR_OFFSET`: what the image's physical addresses are too high by.
    pub paddr_offset: u64,
    /// `INIT_P2M`: virtual address for the P2M list.
    pub init_p2m: Option<u64>,
    /// `MOD_START_PFN`: the ramdisk need not be mapped.
    pub mod_start_pfn: bool,
    /// `BSD_SYMTAB`: the kernel would like its symbol table loaded.
    pub wants_symbols: bool,
    /// `L1_MFN_VALID`: the first (mask, value) pair.
    pub l1_mfn_valid: Option<(u64, u64)>,
    /// `SUPPORTED_FEATURES`.
    pub supported_features: Option<u64>,
    /// `GUEST_OS`, without the closing zero.
    pub guest_os: &'a [u8],
    /// `GUEST_VERSION`.
    pub guest_version: &'a [u8],
    /// `LOADER`.
    pub loader: &'a [u8],
    /// `PAE_MODE`; without meaning for a 64-bit kernel.
    pub pae_mode: &'a [u8],
}

/// Feature names of the FEATURES string with their numbers (features.h).
const FEATURES: &[(&str, u32)] = &[
    ("writable_page_tables", XENFEAT_writable_page_tables),
    (
        "writable_descriptor_tables",
        XENFEAT_writable_descriptor_tables,
    ),
    ("auto_translated_physmap", XENFEAT_auto_translated_physmap),
    ("supervisor_mode_kernel", XENFEAT_supervisor_mode_kernel),
    ("pae_pgdir_above_4gb", XENFEAT_pae_pgdir_above_4gb),
    (
        "mmu_pt_update_preserve_ad",
        XENFEAT_mmu_pt_update_preserve_ad,
    ),
    ("highmem_assist", XENFEAT_highmem_assist),
    ("gnttab_map_avail_bits", XENFEAT_gnttab_map_avail_bits),
    ("hvm_callback_vector", XENFEAT_hvm_callback_vector),
    ("hvm_safe_pvclock", XENFEAT_hvm_safe_pvclock),
    ("hvm_pirqs", XENFEAT_hvm_pirqs),
    ("dom0", XENFEAT_dom0),
    (
        "memory_op_vnode_supported",
        XENFEAT_memory_op_vnode_supported,
    ),
    ("linux_rsdp_unrestricted", XENFEAT_linux_rsdp_unrestricted),
    ("not_direct_mapped", XENFEAT_not_direct_mapped),
    ("direct_mapped", XENFEAT_direct_mapped),
];

/// Features that a kernel may require of a PV dom0. The first is not reported, but had by vm_assist
/// (`VMASST_TYPE_writable_pagetables`); Linux requires it.
const GIVEN: u32 = 1 << XENFEAT_writable_page_tables
    | 1 << XENFEAT_pae_pgdir_above_4gb
    | 1 << XENFEAT_mmu_pt_update_preserve_ad
    | 1 << XENFEAT_highmem_assist
    | 1 << XENFEAT_gnttab_map_avail_bits
    | 1 << XENFEAT_dom0
    | 1 << XENFEAT_memory_op_vnode_supported;

impl<'a> Notes<'a> {
    /// Reads the notes of `elf`: of its note segments, or else of its note sections.
    ///
    /// # Errors
    /// When there are none, one is malformed, or one asks for what a PV dom0 does not get.
    pub fn read(elf: &Elf<'a>) -> Result<Self, NoteError> {
        let mut notes = Self::default();
        let mut found = 0;
        for area in &elf.notes {
            found += notes.read_area(area)?;
        }
        if found == 0 {
            for area in &elf.note_sections()? {
                found += notes.read_area(area)?;
            }
        }
        if found == 0 {
            return Err(NoteError::None);
        }
        if notes
            .supported_features
            .is_some_and(|f| f >> XENFEAT_dom0 & 1 == 0)
        {
            return Err(NoteError::NotForDom0);
        }
        Ok(notes)
    }

    /// Reads one area of notes; gives the number of Xen's in it.
    fn read_area(&mut self, area: &'a [u8]) -> Result<usize, NoteError> {
        let mut offset = 0;
        let mut found = 0;
        while let Some(&header) = area.get(offset..).and_then(<[u8]>::first_chunk::<12>) {
            let [a, b, c, d, e, f, g, h, kind @ ..] = header;
            let name_len = u64::from(u32::from_le_bytes([a, b, c, d]));
            let desc_len = u64::from(u32::from_le_bytes([e, f, g, h]));
            let body = &area[offset + 12..];
            let padded = name_len.next_multiple_of(4);
            let total = padded + desc_len;
            let truncated = NoteError::Truncated {
                offset,
                len: total,
                left: body.len(),
            };
            let name = body.get(..name_len as usize).ok_or(truncated)?;
            let desc = body.get(padded as usize..total as usize).ok_or(truncated)?;
            if name == b"Xen\0" {
                self.take(i64::from(u32::from_le_bytes(kind)), desc)?;
                found += 1;
            }
            // The padding of the last description may be missing.
            offset += 12 + total.next_multiple_of(4) as usize;
        }
        Ok(found)
    }

    fn take(&mut self, kind: i64, desc: &'a [u8]) -> Result<(), NoteError> {
        match kind {
            XEN_ELFNOTE_ENTRY => self.entry = Some(number("ENTRY", desc)?),
            XEN_ELFNOTE_HYPERCALL_PAGE => {
                self.hypercall_page = Some(number("HYPERCALL_PAGE", desc)?)
            }
            XEN_ELFNOTE_VIRT_BASE => self.virt_base = number("VIRT_BASE", desc)?,
            XEN_ELFNOTE_PADDR_OFFSET => self.paddr_offset = number("PADDR_OFFSET", desc)?,
            XEN_ELFNOTE_INIT_P2M => self.init_p2m = Some(number("INIT_P2M", desc)?),
            XEN_ELFNOTE_MOD_START_PFN => self.mod_start_pfn = number("MOD_START_PFN", desc)? != 0,
            XEN_ELFNOTE_HV_START_LOW => match number("HV_START_LOW", desc)? {
                low if low > HYPERVISOR_START => return Err(NoteError::HvStartLow(low)),
                _ => {}
            },
            XEN_ELFNOTE_SUPPORTED_FEATURES => {
                self.supported_features = Some(number("SUPPORTED_FEATURES", desc)?);
            }
            XEN_ELFNOTE_L1_MFN_VALID => self.l1_mfn_valid = first_pair(desc)?,
            XEN_ELFNOTE_FEATURES => check_features(string(desc))?,
            XEN_ELFNOTE_XEN_VERSION if string(desc) != b"xen-3.0" => {
                return Err(NoteError::XenVersion);
            }
            XEN_ELFNOTE_BSD_SYMTAB => self.wants_symbols = string(desc).starts_with(b"yes"),
            XEN_ELFNOTE_GUEST_OS => self.guest_os = string(desc),
            XEN_ELFNOTE_GUEST_VERSION => self.guest_version = string(desc),
            XEN_ELFNOTE_LOADER => self.loader = string(desc),
            XEN_ELFNOTE_PAE_MODE => self.pae_mode = string(desc),
            kind if kind > XEN_ELFNOTE_MAX => log::debug!("ELF note {kind:#x} is not known"),
            _ => {}
        }
        Ok(())
    }
}

fn number(name: &'static str, desc: &[u8]) -> Result<u64, NoteError> {
    match *desc {
        [a] => Ok(a.into()),
        [a, b] => Ok(u16::from_le_bytes([a, b]).into()),
        [a, b, c, d] => Ok(u32::from_le_bytes([a, b, c, d]).into()),
        [a, b, c, d, e, f, g, h] => Ok(u64::from_le_bytes([a, b, c, d, e, f, g, h])),
        _ => Err(NoteError::NotNumeric {
            name,
            len: desc.len(),
        }),
    }
}

fn first_pair(desc: &[u8]) -> Result<Option<(u64, u64)>, NoteError> {
    let (pairs, rest) = desc.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(NoteError::OddPairs(desc.len()));
    }
    Ok(pairs.first().map(|pair| {
        let (mask, value) = (
            u128::from_le_bytes(*pair) as u64,
            u128::from_le_bytes(*pair) >> 64,
        );
        (mask, value as u64)
    }))
}

/// A string up to its closing zero, if it has one.
fn string(desc: &[u8]) -> &[u8] {
    let end = desc.iter().position(|&b| b == 0).unwrap_or(desc.len());
    &desc[..end]
}

/// Refuses a FEATURES string that requires (`!name`) what there is not.
fn check_features(list: &[u8]) -> Result<(), NoteError> {
    for item in list.split(|&b| b == b'|') {
        let Some(name) = item.strip_prefix(b"!") else {
            continue;
        };
        match FEATURES.iter().find(|(known, _)| known.as_bytes() == name) {
            None => return Err(NoteError::FeatureUnknown),
            Some((known, bit)) if GIVEN >> bit & 1 == 0 => {
                return Err(NoteError::FeatureRequired(known));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

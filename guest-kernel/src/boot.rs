//! What the kernel was started with: start_info, the command line, the image's own layout.

use crate::mm::{PAGE_SIZE, Pfn, VIRT_BASE};
use hypercall_abi::xen::{SIF_INITDOMAIN, SIF_MOD_START_PFN, start_info, start_info_console_domU};

/// start_info, copied once, with what follows from it.
#[derive(Clone, Copy)]
pub(crate) struct BootInfo {
    info: start_info,
    /// The page start_info came in.
    pub(crate) start_info_va: u64,
}

unsafe extern "C" {
    static __image_start: u8;
    static __text_end: u8;
    static __rodata_end: u8;
    static __image_end: u8;
}

/// The kernel image's boundaries (virtual, page-aligned).
#[derive(Clone, Copy)]
pub(crate) struct Image {
    pub(crate) start: u64,
    pub(crate) text_end: u64,
    pub(crate) rodata_end: u64,
    pub(crate) end: u64,
}

/// Where the linker put the kernel.
pub(crate) fn image() -> Image {
    Image {
        start: &raw const __image_start as u64,
        text_end: &raw const __text_end as u64,
        rodata_end: &raw const __rodata_end as u64,
        end: &raw const __image_end as u64,
    }
}

impl BootInfo {
    /// Copies start_info out of the page that the loader placed.
    ///
    /// # Safety
    /// `va` must be the address that the hypervisor passed at entry.
    pub(crate) unsafe fn read(va: u64) -> Self {
        // SAFETY: the loader maps a filled start_info page there; it is read once, here.
        let info = unsafe { core::ptr::read(va as *const start_info) };
        Self {
            info,
            start_info_va: va,
        }
    }

    /// The magic string, "xen-3.0-x86_64" on everything that speaks this ABI.
    pub(crate) fn magic(&self) -> &str {
        let end = self.info.magic.iter().position(|&b| b == 0).unwrap_or(0);
        core::str::from_utf8(&self.info.magic[..end]).unwrap_or("?")
    }

    pub(crate) fn is_dom0(&self) -> bool {
        self.info.flags & SIF_INITDOMAIN != 0
    }

    /// Machine address of the shared_info page.
    pub(crate) fn shared_info_ma(&self) -> u64 {
        self.info.shared_info
    }

    pub(crate) fn nr_pages(&self) -> u64 {
        self.info.nr_pages
    }

    pub(crate) fn pt_base(&self) -> u64 {
        self.info.pt_base
    }

    /// The virtual range of the initial page tables.
    pub(crate) fn page_tables(&self) -> core::ops::Range<u64> {
        self.info.pt_base..self.info.pt_base + self.info.nr_pt_frames * PAGE_SIZE
    }

    pub(crate) fn mfn_list(&self) -> u64 {
        self.info.mfn_list
    }

    /// The frames that hold the initial P2M and the page tables that map it, if it is not part of
    /// the initial mapping.
    pub(crate) fn p2m_frames(&self) -> core::ops::Range<u64> {
        self.info.first_p2m_pfn..self.info.first_p2m_pfn + self.info.nr_p2m_frames
    }

    /// The ramdisk: its first pseudo-physical page and its length in bytes.
    pub(crate) fn ramdisk(&self) -> Option<(Pfn, u64)> {
        if self.info.mod_start == 0 || self.info.mod_len == 0 {
            return None;
        }
        let pfn = if self.info.flags & SIF_MOD_START_PFN != 0 {
            self.info.mod_start
        } else {
            self.info.mod_start.checked_sub(VIRT_BASE)? / PAGE_SIZE
        };
        Some((Pfn(pfn), self.info.mod_len))
    }

    /// domU: machine frame and port of the console ring.
    pub(crate) fn console(&self) -> Option<(u64, u32)> {
        let console: start_info_console_domU = self.info.console.get();
        (!self.is_dom0() && console.mfn != 0).then_some((console.mfn, console.evtchn))
    }

    /// domU: machine frame and port of the xenstore page.
    pub(crate) fn store(&self) -> Option<(u64, u32)> {
        (!self.is_dom0() && self.info.store_mfn != 0)
            .then_some((self.info.store_mfn, self.info.store_evtchn))
    }

    /// The command line; bytes that are not UTF-8 end it.
    pub(crate) fn command_line(&self) -> &str {
        let bytes = zerocopy::IntoBytes::as_bytes(&self.info.cmd_line);
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        match core::str::from_utf8(&bytes[..end]) {
            Ok(text) => text,
            Err(e) => core::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or(""),
        }
    }

    /// The value of the word `name=value`.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.command_line()
            .split_ascii_whitespace()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether `word` stands alone on the command line.
    pub(crate) fn has_word(&self, word: &str) -> bool {
        self.command_line()
            .split_ascii_whitespace()
            .any(|w| w == word)
    }
}

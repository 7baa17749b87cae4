//! `xen/xen.h`, part 4: what a domain finds in memory when it starts.

use crate::Union;
use crate::arch_x86_64::xen_pfn_t;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The page whose address a PV kernel receives in RSI. Fields up to `console` are also written
/// when a suspended domain resumes.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct start_info {
    /// `xen-MAJOR.MINOR-ARCH` and NUL.
    pub magic: [u8; 32],
    /// Pages of the domain.
    pub nr_pages: u64,
    /// Machine address of the [`shared_info`](crate::xen::shared_info) page.
    pub shared_info: u64,
    /// `SIF_*`.
    pub flags: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Frame of the xenstore ring page.
    pub store_mfn: xen_pfn_t,
    /// Port of the xenstore ring.
    pub store_evtchn: u32,
    /// Padding.
    pub _pad1: [u8; 4],
    /// Where the console is: one form for dom0, one for the others.
    ///
    /// One of: `domU` ([`start_info_console_domU`]), `dom0` ([`start_info_console_dom0`]).
    pub console: Union<[u64; 2]>,
    /// Virtual address of the root of the initial page tables.
    pub pt_base: u64,
    /// Frames of the initial page tables.
    pub nr_pt_frames: u64,
    /// Virtual address of the list of the domain's frames (P2M).
    pub mfn_list: u64,
    /// Virtual address of the ramdisk; its first page's PFN with [`SIF_MOD_START_PFN`].
    pub mod_start: u64,
    /// Length of the ramdisk in bytes; 0 if there is none.
    pub mod_len: u64,
    /// Command line, ending in NUL.
    pub cmd_line: [i8; 1024],
    /// First PFN of the frames that hold the initial P2M and its page tables.
    pub first_p2m_pfn: u64,
    /// Their number.
    pub nr_p2m_frames: u64,
}
const _: () = assert!(size_of::<start_info>() == 1168);

/// [`start_info::console`] of any domain but dom0.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct start_info_console_domU {
    /// Frame of the console ring page.
    pub mfn: xen_pfn_t,
    /// Port of the console ring.
    pub evtchn: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<start_info_console_domU>() == 16);

/// [`start_info::console`] of dom0.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct start_info_console_dom0 {
    /// Offset of a [`dom0_vga_console_info`] from `start_info`, in bytes.
    pub info_off: u32,
    /// Its size as the hypervisor knows it, in bytes; 0 if there is none.
    pub info_size: u32,
}
const _: () = assert!(size_of::<start_info_console_dom0>() == 8);

/// Length of the command line with its NUL.
pub const MAX_GUEST_CMDLINE: usize = 1024;
/// The domain is privileged.
pub const SIF_PRIVILEGED: u32 = 1;
/// The domain is the initial one, dom0.
pub const SIF_INITDOMAIN: u32 = 1 << 1;
/// `mod_start` is a list of modules, [`xen_multiboot_mod_list`].
pub const SIF_MULTIBOOT_MOD: u32 = 1 << 2;
/// `mod_start` is a PFN, and the ramdisk is not mapped.
pub const SIF_MOD_START_PFN: u32 = 1 << 3;
/// The toolstack can read a P2M that is linear in virtual memory.
pub const SIF_VIRT_P2M_4TOOLS: u32 = 1 << 4;
/// Power-management options of the hypervisor's command line.
pub const SIF_PM_MASK: u32 = 0xFF << 8;

/// One module in a package of modules; an entry with `mod_start` 0 ends the list. Addresses
/// count from the package's start.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_multiboot_mod_list {
    /// First byte.
    pub mod_start: u32,
    /// Last byte, inclusive.
    pub mod_end: u32,
    /// Its command line, ending in NUL.
    pub cmdline: u32,
    /// Unused; zero.
    pub pad: u32,
}
const _: () = assert!(size_of::<xen_multiboot_mod_list>() == 16);

/// The screen as the boot loader left it, for dom0.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct dom0_vga_console_info {
    /// `XEN_VGATYPE_*`: tells which member of `u` is valid.
    pub video_type: u8,
    /// Padding.
    pub _pad0: [u8; 3],
    /// Its geometry, by `video_type`.
    ///
    /// One of: `text_mode_3` ([`dom0_vga_console_info_text_mode_3`]), `vesa_lfb`
    /// ([`dom0_vga_console_info_vesa_lfb`]).
    pub u: Union<[u32; 9]>,
}
const _: () = assert!(size_of::<dom0_vga_console_info>() == 40);

/// VGA text mode 3: [`dom0_vga_console_info_text_mode_3`].
pub const XEN_VGATYPE_TEXT_MODE_3: u8 = 0x03;
/// A VESA frame buffer: [`dom0_vga_console_info_vesa_lfb`].
pub const XEN_VGATYPE_VESA_LFB: u8 = 0x23;
/// An EFI frame buffer: [`dom0_vga_console_info_vesa_lfb`].
pub const XEN_VGATYPE_EFI_LFB: u8 = 0x70;

/// Geometry of the text screen.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct dom0_vga_console_info_text_mode_3 {
    /// Height of a character, pixels.
    pub font_height: u16,
    /// Column of the cursor, from 0.
    pub cursor_x: u16,
    /// Row of the cursor, from 0.
    pub cursor_y: u16,
    /// Height of the screen, characters.
    pub rows: u16,
    /// Width of the screen, characters.
    pub columns: u16,
}
const _: () = assert!(size_of::<dom0_vga_console_info_text_mode_3>() == 10);

/// Geometry of the frame buffer.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct dom0_vga_console_info_vesa_lfb {
    /// Width, pixels.
    pub width: u16,
    /// Height, pixels.
    pub height: u16,
    /// Bytes from one line to the next.
    pub bytes_per_line: u16,
    /// Bits per pixel.
    pub bits_per_pixel: u16,
    /// Physical address, bits 31:0.
    pub lfb_base: u32,
    /// Size, in units of 64 KiB.
    pub lfb_size: u32,
    /// Lowest bit of the red part of a pixel.
    pub red_pos: u8,
    /// Bits of the red part.
    pub red_size: u8,
    /// Lowest bit of the green part.
    pub green_pos: u8,
    /// Bits of the green part.
    pub green_size: u8,
    /// Lowest bit of the blue part.
    pub blue_pos: u8,
    /// Bits of the blue part.
    pub blue_size: u8,
    /// Lowest bit of the unused part.
    pub rsvd_pos: u8,
    /// Bits of the unused part.
    pub rsvd_size: u8,
    /// Capabilities of the VBE controller (function 4F00h, offset 0Ah).
    pub gbl_caps: u32,
    /// Attributes of the mode (function 4F01h, offset 0).
    pub mode_attrs: u16,
    /// Unused; zero.
    pub pad: u16,
    /// Physical address, bits 63:32.
    pub ext_lfb_base: u32,
}
const _: () = assert!(size_of::<dom0_vga_console_info_vesa_lfb>() == 36);

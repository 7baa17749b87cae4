//! `xen/xen/start.h`.

use crate::Union;
use crate::arch_x86_64::xen_pfn_t;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Start info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct start_info {
    /// "xen-&lt;version>-&lt;platform>".
    pub magic: [u8; 32],
    /// Total pages allocated to this domain.
    pub nr_pages: u64,
    /// MACHINE address of shared info struct.
    pub shared_info: u64,
    /// SIF_xxx flags.
    pub flags: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// MACHINE page number of shared page.
    pub store_mfn: xen_pfn_t,
    /// Event channel for store communication.
    pub store_evtchn: u32,
    /// Padding.
    pub _pad1: [u8; 4],
    /// Console.
    ///
    /// One of: `domU` ([`start_info_console_domU`]), `dom0` ([`start_info_console_dom0`]).
    pub console: Union<[u64; 2]>,
    /// VIRTUAL address of page directory.
    pub pt_base: u64,
    /// Number of bootstrap p.t. frames.
    pub nr_pt_frames: u64,
    /// VIRTUAL address of page-frame list.
    pub mfn_list: u64,
    /// VIRTUAL address of pre-loaded module.
    pub mod_start: u64,
    /// Size (bytes) of pre-loaded module.
    pub mod_len: u64,
    /// Cmd line.
    pub cmd_line: [i8; 1024],
    /// 1st pfn forming initial P->M table.
    pub first_p2m_pfn: u64,
    /// # of pfns forming initial P->M table.
    pub nr_p2m_frames: u64,
}
const _: () = assert!(size_of::<start_info>() == 1168);

/// Start info console domu.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct start_info_console_domU {
    /// MACHINE page number of console page.
    pub mfn: xen_pfn_t,
    /// Event channel for console page.
    pub evtchn: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<start_info_console_domU>() == 16);

/// Start info console dom0.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct start_info_console_dom0 {
    /// Offset of console_info struct.
    pub info_off: u32,
    /// Size of console_info struct from start.
    pub info_size: u32,
}
const _: () = assert!(size_of::<start_info_console_dom0>() == 8);

/// Max guest cmdline.
pub const MAX_GUEST_CMDLINE: usize = 1024;
/// Is the domain privileged?.
pub const SIF_PRIVILEGED: u32 = 1;
/// Is this the initial control domain?.
pub const SIF_INITDOMAIN: u32 = 1 << 1;
/// Is mod_start a multiboot module?.
pub const SIF_MULTIBOOT_MOD: u32 = 1 << 2;
/// Is mod_start a PFN?.
pub const SIF_MOD_START_PFN: u32 = 1 << 3;
/// Do Xen tools understand a virt. mapped.
pub const SIF_VIRT_P2M_4TOOLS: u32 = 1 << 4;
/// reserve 1 byte for xen-pm options.
pub const SIF_PM_MASK: u32 = 0xFF << 8;

/// A multiboot module is a package containing modules very similar to a multiboot module array.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_multiboot_mod_list {
    /// Address of first byte of the module.
    pub mod_start: u32,
    /// Address of last byte of the module (inclusive).
    pub mod_end: u32,
    /// Address of zero-terminated command line.
    pub cmdline: u32,
    /// Unused, must be zero.
    pub pad: u32,
}
const _: () = assert!(size_of::<xen_multiboot_mod_list>() == 16);

/// `incontents 200 startofday_dom0_console Dom0_console The console structure in
/// start_info.console.dom0 This structure includes a variety of information required to have a
/// working VGA/VESA console.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct dom0_vga_console_info {
    /// DOM0_VGA_CONSOLE_???.
    pub video_type: u8,
    /// Padding.
    pub _pad0: [u8; 3],
    /// U.
    ///
    /// One of: `text_mode_3` ([`dom0_vga_console_info_text_mode_3`]), `vesa_lfb`
    /// ([`dom0_vga_console_info_vesa_lfb`]).
    pub u: Union<[u32; 9]>,
}
const _: () = assert!(size_of::<dom0_vga_console_info>() == 40);

/// Xen vgatype text mode 3.
pub const XEN_VGATYPE_TEXT_MODE_3: u8 = 0x03;
/// Xen vgatype vesa lfb.
pub const XEN_VGATYPE_VESA_LFB: u8 = 0x23;
/// Xen vgatype efi lfb.
pub const XEN_VGATYPE_EFI_LFB: u8 = 0x70;

/// Dom0 vga console info text mode 3.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct dom0_vga_console_info_text_mode_3 {
    /// Font height, in pixels.
    pub font_height: u16,
    /// Cursor location (column, row).
    pub cursor_x: u16,
    /// Cursor location (column, row).
    pub cursor_y: u16,
    /// Number of rows and columns (dimensions in characters).
    pub rows: u16,
    /// Number of rows and columns (dimensions in characters).
    pub columns: u16,
}
const _: () = assert!(size_of::<dom0_vga_console_info_text_mode_3>() == 10);

/// Dom0 vga console info vesa lfb.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct dom0_vga_console_info_vesa_lfb {
    /// Width and height, in pixels.
    pub width: u16,
    /// Width and height, in pixels.
    pub height: u16,
    /// Bytes per scan line.
    pub bytes_per_line: u16,
    /// Bits per pixel.
    pub bits_per_pixel: u16,
    /// LFB physical address, and size (in units of 64kB).
    pub lfb_base: u32,
    /// Lfb size.
    pub lfb_size: u32,
    /// RGB mask offsets and sizes, as defined by VBE 1.2+.
    pub red_pos: u8,
    /// RGB mask offsets and sizes, as defined by VBE 1.2+.
    pub red_size: u8,
    /// Green pos.
    pub green_pos: u8,
    /// Green size.
    pub green_size: u8,
    /// Blue pos.
    pub blue_pos: u8,
    /// Blue size.
    pub blue_size: u8,
    /// Rsvd pos.
    pub rsvd_pos: u8,
    /// Rsvd size.
    pub rsvd_size: u8,
    /// VESA capabilities (offset 0xa, VESA command 0x4f00).
    pub gbl_caps: u32,
    /// Mode attributes (offset 0x0, VESA command 0x4f01).
    pub mode_attrs: u16,
    /// Pad.
    pub pad: u16,
    /// high 32 bits of lfb_base.
    pub ext_lfb_base: u32,
}
const _: () = assert!(size_of::<dom0_vga_console_info_vesa_lfb>() == 36);

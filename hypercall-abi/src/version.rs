//! `xen/version.h`.

use crate::arch_x86_64::xen_ulong_t;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// arg == NULL; returns major:minor (16:16).
pub const XENVER_version: u32 = 0;
/// arg == xen_extraversion_t.
pub const XENVER_extraversion: u32 = 1;

/// Xen extraversion t.
pub type xen_extraversion_t = [u8; 16];

/// Xen extraversion len.
pub const XEN_EXTRAVERSION_LEN: i64 = 16;
/// arg == xen_compile_info_t.
pub const XENVER_compile_info: u32 = 2;

/// Xen compile info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_compile_info {
    /// Compiler.
    pub compiler: [u8; 64],
    /// Compile by.
    pub compile_by: [u8; 16],
    /// Compile domain.
    pub compile_domain: [u8; 32],
    /// Compile date.
    pub compile_date: [u8; 32],
}
const _: () = assert!(size_of::<xen_compile_info>() == 144);

/// Xenver capabilities.
pub const XENVER_capabilities: u32 = 3;

/// Xen capabilities info t.
pub type xen_capabilities_info_t = [u8; 1024];

/// Xen capabilities info len.
pub const XEN_CAPABILITIES_INFO_LEN: usize = 1024;
/// Xenver changeset.
pub const XENVER_changeset: u32 = 4;

/// Xen changeset info t.
pub type xen_changeset_info_t = [u8; 64];

/// Xen changeset info len.
pub const XEN_CHANGESET_INFO_LEN: usize = 64;
/// Xenver platform parameters.
pub const XENVER_platform_parameters: u32 = 5;

/// Xen platform parameters.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_platform_parameters {
    /// Virt start.
    pub virt_start: xen_ulong_t,
}
const _: () = assert!(size_of::<xen_platform_parameters>() == 8);

/// Xenver get features.
pub const XENVER_get_features: u32 = 6;

/// Xen feature info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_feature_info {
    /// IN: which 32-bit submap to return.
    pub submap_idx: u32,
    /// OUT: 32-bit submap.
    pub submap: u32,
}
const _: () = assert!(size_of::<xen_feature_info>() == 8);

/// arg == NULL; returns host memory page size.
pub const XENVER_pagesize: u32 = 7;
/// arg == xen_domain_handle_t.
pub const XENVER_guest_handle: u32 = 8;
/// Xenver commandline.
pub const XENVER_commandline: u32 = 9;

/// Xen commandline t.
pub type xen_commandline_t = [u8; 1024];

/// Return value is the number of bytes written, or XEN_Exx on error.
pub const XENVER_build_id: u32 = 10;

/// Xen build id.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_build_id {
    /// IN: size of buf\[\].
    pub len: u32,
    /// Buf.
    pub buf: [u8; 0],
}
const _: () = assert!(size_of::<xen_build_id>() == 4);

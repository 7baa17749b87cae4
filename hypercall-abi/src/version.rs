//! `xen/version.h`: arguments and results of `xen_version`.

use crate::arch_x86_64::xen_ulong_t;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Returns the version, major in bits 31:16, minor in bits 15:0.
pub const XENVER_version: u32 = 0;
/// What follows the minor number: [`xen_extraversion_t`].
pub const XENVER_extraversion: u32 = 1;

/// Text, ending in NUL.
pub type xen_extraversion_t = [u8; 16];

/// Bytes of [`xen_extraversion_t`].
pub const XEN_EXTRAVERSION_LEN: i64 = 16;
/// How the hypervisor was built: [`xen_compile_info`].
pub const XENVER_compile_info: u32 = 2;

/// Four texts, each ending in NUL.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_compile_info {
    /// Compiler and its version.
    pub compiler: [u8; 64],
    /// Name of the user who built it.
    pub compile_by: [u8; 16],
    /// Host on which it was built.
    pub compile_domain: [u8; 32],
    /// When it was built.
    pub compile_date: [u8; 32],
}
const _: () = assert!(size_of::<xen_compile_info>() == 144);

/// Kinds of guest that can run: [`xen_capabilities_info_t`].
pub const XENVER_capabilities: u32 = 3;

/// Words such as `xen-3.0-x86_64`, separated by spaces, ending in NUL.
pub type xen_capabilities_info_t = [u8; 1024];

/// Bytes of [`xen_capabilities_info_t`].
pub const XEN_CAPABILITIES_INFO_LEN: usize = 1024;
/// The source's revision: [`xen_changeset_info_t`].
pub const XENVER_changeset: u32 = 4;

/// Text, ending in NUL.
pub type xen_changeset_info_t = [u8; 64];

/// Bytes of [`xen_changeset_info_t`].
pub const XEN_CHANGESET_INFO_LEN: usize = 64;
/// Where the hypervisor's range starts: [`xen_platform_parameters`].
pub const XENVER_platform_parameters: u32 = 5;

/// Result of [`XENVER_platform_parameters`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_platform_parameters {
    /// OUT: virtual address at which the hypervisor's range begins.
    pub virt_start: xen_ulong_t,
}
const _: () = assert!(size_of::<xen_platform_parameters>() == 8);

/// Features by submap: [`xen_feature_info`].
pub const XENVER_get_features: u32 = 6;

/// Argument of [`XENVER_get_features`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_feature_info {
    /// IN: which 32 features.
    pub submap_idx: u32,
    /// OUT: their bits (`XENFEAT_*` modulo 32).
    pub submap: u32,
}
const _: () = assert!(size_of::<xen_feature_info>() == 8);

/// Returns the page size, bytes.
pub const XENVER_pagesize: u32 = 7;
/// The caller's UUID: [`xen_domain_handle_t`](crate::xen::xen_domain_handle_t).
pub const XENVER_guest_handle: u32 = 8;
/// The hypervisor's command line: [`xen_commandline_t`].
pub const XENVER_commandline: u32 = 9;

/// Text, ending in NUL.
pub type xen_commandline_t = [u8; 1024];

/// The linker's build ID; returns its length. Argument [`xen_build_id`].
pub const XENVER_build_id: u32 = 10;

/// Argument of [`XENVER_build_id`]; null only asks for the length.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_build_id {
    /// IN: bytes that follow, for the ID.
    pub len: u32,
    /// OUT: the ID begins here.
    pub buf: [u8; 0],
}
const _: () = assert!(size_of::<xen_build_id>() == 4);

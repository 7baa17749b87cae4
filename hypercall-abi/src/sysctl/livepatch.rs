//! Sysctls on patches of the running hypervisor.

use crate::Union;
use crate::xen::guest_handle;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// LIVEPATCH_PAYLOAD_VERSION.
pub const LIVEPATCH_PAYLOAD_VERSION: u32 = 2;
/// Structure describing an ELF payload.
pub const XEN_LIVEPATCH_NAME_SIZE: usize = 128;

/// Structure `xen_livepatch_name` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_livepatch_name {
    /// IN: pointer to name.
    pub name: guest_handle,
    /// IN: size of name.
    pub size: u16,
    /// IN: MUST be zero.
    pub pad: [u16; 3],
}
const _: () = assert!(size_of::<xen_livepatch_name>() == 16);

/// [`xen_sysctl_livepatch_op::cmd`]: `UPLOAD`.
pub const XEN_SYSCTL_LIVEPATCH_UPLOAD: u32 = 0;

/// Structure `xen_sysctl_livepatch_upload` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_livepatch_upload {
    /// IN, name of the patch.
    pub name: xen_livepatch_name,
    /// IN, size of the ELF file.
    pub size: u64,
    /// IN, the ELF file.
    pub payload: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_livepatch_upload>() == 32);

/// [`xen_sysctl_livepatch_op::cmd`]: `GET`.
pub const XEN_SYSCTL_LIVEPATCH_GET: u32 = 1;

/// Structure `xen_livepatch_status` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_livepatch_status {
    /// OUT: LIVEPATCH_STATE_*.
    pub state: u32,
    /// OUT: 0 if no error, otherwise -XEN_EXX.
    pub rc: i32,
}
const _: () = assert!(size_of::<xen_livepatch_status>() == 8);

/// [`xen_livepatch_status::state`]: `CHECKED`.
pub const LIVEPATCH_STATE_CHECKED: u32 = 1;
/// [`xen_livepatch_status::state`]: `APPLIED`.
pub const LIVEPATCH_STATE_APPLIED: u32 = 2;

/// Structure `xen_sysctl_livepatch_get` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_livepatch_get {
    /// IN, name of the payload.
    pub name: xen_livepatch_name,
    /// IN/OUT, state of it.
    pub status: xen_livepatch_status,
}
const _: () = assert!(size_of::<xen_sysctl_livepatch_get>() == 24);

/// [`xen_sysctl_livepatch_op::cmd`]: `LIST`.
pub const XEN_SYSCTL_LIVEPATCH_LIST: u32 = 2;

/// Structure `xen_sysctl_livepatch_list` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_livepatch_list {
    /// OUT: Hypervisor stamps value.
    pub version: u32,
    /// IN: Index into hypervisor list.
    pub idx: u32,
    /// IN: How many status, name, and len should fill out.
    pub nr: u32,
    /// IN: Must be zero.
    pub pad: u32,
    /// OUT: Total size of all transfer names.
    pub name_total_size: u32,
    /// OUT: Total size of all transfer metadata.
    pub metadata_total_size: u32,
    /// OUT. Must have enough space allocate for nr of them.
    pub status: guest_handle,
    /// OUT: Array of names.
    pub name: guest_handle,
    /// OUT: Array of lengths of name's.
    pub len: guest_handle,
    /// OUT: Array of metadata strings.
    pub metadata: guest_handle,
    /// OUT: Array of lengths of metadata's.
    pub metadata_len: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_livepatch_list>() == 64);

/// [`xen_sysctl_livepatch_op::cmd`]: `ACTION`.
pub const XEN_SYSCTL_LIVEPATCH_ACTION: u32 = 3;

/// Structure `xen_sysctl_livepatch_action` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_livepatch_action {
    /// IN, name of the patch.
    pub name: xen_livepatch_name,
    /// IN: LIVEPATCH_ACTION_*.
    pub cmd: u32,
    /// IN: If zero then uses.
    pub timeout: u32,
    /// IN: action flags.
    pub flags: u32,
    /// IN: Always zero.
    pub pad: u32,
}
const _: () = assert!(size_of::<xen_sysctl_livepatch_action>() == 32);

/// [`xen_sysctl_livepatch_action::cmd`]: `UNLOAD`.
pub const LIVEPATCH_ACTION_UNLOAD: u32 = 1;
/// [`xen_sysctl_livepatch_action::cmd`]: `REVERT`.
pub const LIVEPATCH_ACTION_REVERT: u32 = 2;
/// [`xen_sysctl_livepatch_action::cmd`]: `APPLY`.
pub const LIVEPATCH_ACTION_APPLY: u32 = 3;
/// [`xen_sysctl_livepatch_action::cmd`]: `REPLACE`.
pub const LIVEPATCH_ACTION_REPLACE: u32 = 4;
/// Override default inter-module buildid dependency chain enforcement.
pub const LIVEPATCH_ACTION_APPLY_NODEPS: u32 = 1;

/// Structure `xen_sysctl_livepatch_op` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_livepatch_op {
    /// IN: XEN_SYSCTL_LIVEPATCH_*.
    pub cmd: u32,
    /// IN: Always zero.
    pub pad: u32,
    /// Depends on the command.
    ///
    /// One of: `upload` ([`xen_sysctl_livepatch_upload`]), `list`
    /// ([`xen_sysctl_livepatch_list`]), `get` ([`xen_sysctl_livepatch_get`]), `action`
    /// ([`xen_sysctl_livepatch_action`]).
    pub u: Union<[u64; 8]>,
}
const _: () = assert!(size_of::<xen_sysctl_livepatch_op>() == 72);

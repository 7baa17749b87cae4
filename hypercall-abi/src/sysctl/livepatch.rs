//! Sysctls on patches of the running hypervisor.

use crate::Union;
use crate::xen::guest_handle;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Version of the payload's format.
pub const LIVEPATCH_PAYLOAD_VERSION: u32 = 2;
/// Longest name of a payload, with its NUL.
pub const XEN_LIVEPATCH_NAME_SIZE: usize = 128;

/// Names a payload.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_livepatch_name {
    /// IN: the name, ending in NUL.
    pub name: guest_handle,
    /// IN: its length with the NUL, at most [`XEN_LIVEPATCH_NAME_SIZE`].
    pub size: u16,
    /// IN: must be zero.
    pub pad: [u16; 3],
}
const _: () = assert!(size_of::<xen_livepatch_name>() == 16);

/// [`xen_sysctl_livepatch_op::cmd`]: load and check a payload; it is not yet applied.
pub const XEN_SYSCTL_LIVEPATCH_UPLOAD: u32 = 0;

/// Argument of [`XEN_SYSCTL_LIVEPATCH_UPLOAD`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_livepatch_upload {
    /// IN: a name for the payload that no other has.
    pub name: xen_livepatch_name,
    /// IN: bytes of the payload.
    pub size: u64,
    /// IN: the payload, an ELF object.
    pub payload: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_livepatch_upload>() == 32);

/// [`xen_sysctl_livepatch_op::cmd`]: ask for the state of a payload.
pub const XEN_SYSCTL_LIVEPATCH_GET: u32 = 1;

/// State of a payload.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_livepatch_status {
    /// OUT: `LIVEPATCH_STATE_*`.
    pub state: u32,
    /// OUT: result of the last action: 0, a negated error, -EAGAIN while it is under way.
    pub rc: i32,
}
const _: () = assert!(size_of::<xen_livepatch_status>() == 8);

/// [`xen_livepatch_status::state`]: loaded, not applied.
pub const LIVEPATCH_STATE_CHECKED: u32 = 1;
/// [`xen_livepatch_status::state`]: applied.
pub const LIVEPATCH_STATE_APPLIED: u32 = 2;

/// Argument of [`XEN_SYSCTL_LIVEPATCH_GET`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_livepatch_get {
    /// IN: the payload.
    pub name: xen_livepatch_name,
    /// OUT: its state.
    pub status: xen_livepatch_status,
}
const _: () = assert!(size_of::<xen_sysctl_livepatch_get>() == 24);

/// [`xen_sysctl_livepatch_op::cmd`]: list the payloads; returns the number of entries written.
pub const XEN_SYSCTL_LIVEPATCH_LIST: u32 = 2;

/// Argument of [`XEN_SYSCTL_LIVEPATCH_LIST`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_livepatch_list {
    /// OUT: changes whenever the list does: if it does between two calls, start again.
    pub version: u32,
    /// IN: first payload of interest, from 0.
    pub idx: u32,
    /// IN: entries of the arrays, 0 to only ask for numbers; OUT: payloads that remain.
    pub nr: u32,
    /// IN: must be zero.
    pub pad: u32,
    /// OUT: bytes of all names.
    pub name_total_size: u32,
    /// OUT: bytes of all metadata.
    pub metadata_total_size: u32,
    /// IN: where to write, an array of [`xen_livepatch_status`].
    pub status: guest_handle,
    /// IN: where to write the names, one after the other, each with its NUL.
    pub name: guest_handle,
    /// IN: where to write the names' lengths, a `u32` each.
    pub len: guest_handle,
    /// IN: where to write the metadata, one after the other: strings `KEY=VALUE`, each with its
    /// NUL.
    pub metadata: guest_handle,
    /// IN: where to write the metadata's lengths, a `u32` each.
    pub metadata_len: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_livepatch_list>() == 64);

/// [`xen_sysctl_livepatch_op::cmd`]: start an action on a payload; its state tells the outcome.
pub const XEN_SYSCTL_LIVEPATCH_ACTION: u32 = 3;

/// Argument of [`XEN_SYSCTL_LIVEPATCH_ACTION`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_livepatch_action {
    /// IN: the payload.
    pub name: xen_livepatch_name,
    /// IN: `LIVEPATCH_ACTION_*`.
    pub cmd: u32,
    /// IN: longest time to wait for all CPUs, ns; 0 for the hypervisor's default.
    pub timeout: u32,
    /// IN: [`LIVEPATCH_ACTION_APPLY_NODEPS`] or 0.
    pub flags: u32,
    /// IN: must be zero.
    pub pad: u32,
}
const _: () = assert!(size_of::<xen_sysctl_livepatch_action>() == 32);

/// [`xen_sysctl_livepatch_action::cmd`]: forget a payload that is not applied.
pub const LIVEPATCH_ACTION_UNLOAD: u32 = 1;
/// [`xen_sysctl_livepatch_action::cmd`]: undo the payload.
pub const LIVEPATCH_ACTION_REVERT: u32 = 2;
/// [`xen_sysctl_livepatch_action::cmd`]: apply the payload.
pub const LIVEPATCH_ACTION_APPLY: u32 = 3;
/// [`xen_sysctl_livepatch_action::cmd`]: undo all payloads applied and apply this one.
pub const LIVEPATCH_ACTION_REPLACE: u32 = 4;
/// Apply even if the payload was not built on top of those applied before; it must still be
/// built for this hypervisor.
pub const LIVEPATCH_ACTION_APPLY_NODEPS: u32 = 1;

/// Patches the running hypervisor.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_livepatch_op {
    /// IN: `XEN_SYSCTL_LIVEPATCH_*`.
    pub cmd: u32,
    /// IN: must be zero.
    pub pad: u32,
    /// The sub-command's argument.
    ///
    /// One of: `upload` ([`xen_sysctl_livepatch_upload`]), `list`
    /// ([`xen_sysctl_livepatch_list`]), `get` ([`xen_sysctl_livepatch_get`]), `action`
    /// ([`xen_sysctl_livepatch_action`]).
    pub u: Union<[u64; 8]>,
}
const _: () = assert!(size_of::<xen_sysctl_livepatch_op>() == 72);

//! `xen/io/xs_wire.h`: the xenstore protocol and its ring page.

use crate::errno::{
    XEN_E2BIG, XEN_EACCES, XEN_EAGAIN, XEN_EBUSY, XEN_EEXIST, XEN_EINVAL, XEN_EIO, XEN_EISCONN,
    XEN_EISDIR, XEN_ENOENT, XEN_ENOMEM, XEN_ENOSPC, XEN_ENOSYS, XEN_ENOTEMPTY, XEN_EPERM,
    XEN_EROFS,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Message type `CONTROL`.
pub const XS_CONTROL: u32 = 0;
/// Message type `DEBUG`.
pub const XS_DEBUG: u32 = XS_CONTROL;
/// Message type `DIRECTORY`.
pub const XS_DIRECTORY: u32 = 1;
/// Message type `READ`.
pub const XS_READ: u32 = 2;
/// Message type `GET_PERMS`.
pub const XS_GET_PERMS: u32 = 3;
/// Message type `WATCH`.
pub const XS_WATCH: u32 = 4;
/// Message type `UNWATCH`.
pub const XS_UNWATCH: u32 = 5;
/// Message type `TRANSACTION_START`.
pub const XS_TRANSACTION_START: u32 = 6;
/// Message type `TRANSACTION_END`.
pub const XS_TRANSACTION_END: u32 = 7;
/// Message type `INTRODUCE`.
pub const XS_INTRODUCE: u32 = 8;
/// Message type `RELEASE`.
pub const XS_RELEASE: u32 = 9;
/// Message type `GET_DOMAIN_PATH`.
pub const XS_GET_DOMAIN_PATH: u32 = 10;
/// Message type `WRITE`.
pub const XS_WRITE: u32 = 11;
/// Message type `MKDIR`.
pub const XS_MKDIR: u32 = 12;
/// Message type `RM`.
pub const XS_RM: u32 = 13;
/// Message type `SET_PERMS`.
pub const XS_SET_PERMS: u32 = 14;
/// Message type `WATCH_EVENT`.
pub const XS_WATCH_EVENT: u32 = 15;
/// Message type `ERROR`.
pub const XS_ERROR: u32 = 16;
/// Message type `IS_DOMAIN_INTRODUCED`.
pub const XS_IS_DOMAIN_INTRODUCED: u32 = 17;
/// Message type `RESUME`.
pub const XS_RESUME: u32 = 18;
/// Message type `SET_TARGET`.
pub const XS_SET_TARGET: u32 = 19;
/// Message type `RESET_WATCHES`.
pub const XS_RESET_WATCHES: u32 = 21;
/// Message type `DIRECTORY_PART`.
pub const XS_DIRECTORY_PART: u32 = 22;
/// Message type `TYPE_COUNT`.
pub const XS_TYPE_COUNT: u32 = 23;
/// Message type `INVALID`.
pub const XS_INVALID: u32 = 0xffff;

/// Head of every xenstore message.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xsd_sockmsg {
    /// XS_???
    pub r#type: u32,
    /// Request identifier, echoed in daemon's response.
    pub req_id: u32,
    /// Transaction id (0 if not related to a transaction).
    pub tx_id: u32,
    /// Length of data following this.
    pub len: u32,
}
const _: () = assert!(size_of::<xsd_sockmsg>() == 16);

/// Message type `WATCH_PATH`.
pub const XS_WATCH_PATH: u32 = 0;
/// Message type `WATCH_TOKEN`.
pub const XS_WATCH_TOKEN: u32 = 1;
/// Bytes of each of the two rings.
pub const XENSTORE_RING_SIZE: usize = 1024;

/// A free-running index.
pub type XENSTORE_RING_IDX = u32;

/// The xenstore ring page.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenstore_domain_interface {
    /// Requests, from the guest.
    pub req: [u8; 1024],
    /// Replies and watch events, to the guest.
    pub rsp: [u8; 1024],
    /// Bytes of `req` consumed.
    pub req_cons: XENSTORE_RING_IDX,
    /// Bytes of `req` produced.
    pub req_prod: XENSTORE_RING_IDX,
    /// Bytes of `rsp` consumed.
    pub rsp_cons: XENSTORE_RING_IDX,
    /// Bytes of `rsp` produced.
    pub rsp_prod: XENSTORE_RING_IDX,
    /// `XENSTORE_SERVER_FEATURE_*`.
    pub server_features: u32,
    /// [`XENSTORE_CONNECTED`] or [`XENSTORE_RECONNECT`].
    pub connection: u32,
    /// `XENSTORE_ERROR_*`.
    pub error: u32,
}
const _: () = assert!(size_of::<xenstore_domain_interface>() == 2076);

/// Longest payload; a longer one breaks the connection.
pub const XENSTORE_PAYLOAD_MAX: usize = 4096;
/// Longest absolute path, with its NUL.
pub const XENSTORE_ABS_PATH_MAX: usize = 3072;
/// Longest relative path, with its NUL.
pub const XENSTORE_REL_PATH_MAX: usize = 2048;
/// The ability to reconnect a ring.
pub const XENSTORE_SERVER_FEATURE_RECONNECTION: u32 = 1;
/// The presence of the "error" field in the ring page.
pub const XENSTORE_SERVER_FEATURE_ERROR: u32 = 2;
/// The steady-state.
pub const XENSTORE_CONNECTED: u32 = 0;
/// Reconnect in progress.
pub const XENSTORE_RECONNECT: u32 = 1;
/// No error.
pub const XENSTORE_ERROR_NONE: u32 = 0;
/// Communication problem.
pub const XENSTORE_ERROR_COMM: u32 = 1;
/// Invalid ring index.
pub const XENSTORE_ERROR_RINGIDX: u32 = 2;
/// Protocol violation (payload too long).
pub const XENSTORE_ERROR_PROTO: u32 = 3;

/// Payload of [`XS_WRITE`] in an obsolete form of the protocol: the node must exist.
pub const XS_WRITE_NONE: &str = "NONE";
/// As [`XS_WRITE_NONE`]; the node is created where it is missing.
pub const XS_WRITE_CREATE: &str = "CREATE";
/// As [`XS_WRITE_NONE`]; the node must not exist yet.
pub const XS_WRITE_CREATE_EXCL: &str = "CREATE|EXCL";

/// The errors that an [`XS_ERROR`] reply may carry: number (as in Linux) and the name that
/// stands in the payload, in the header's order.
pub const xsd_errors: [(i64, &str); 16] = [
    (XEN_EINVAL, "EINVAL"),
    (XEN_EACCES, "EACCES"),
    (XEN_EEXIST, "EEXIST"),
    (XEN_EISDIR, "EISDIR"),
    (XEN_ENOENT, "ENOENT"),
    (XEN_ENOMEM, "ENOMEM"),
    (XEN_ENOSPC, "ENOSPC"),
    (XEN_EIO, "EIO"),
    (XEN_ENOTEMPTY, "ENOTEMPTY"),
    (XEN_ENOSYS, "ENOSYS"),
    (XEN_EROFS, "EROFS"),
    (XEN_EBUSY, "EBUSY"),
    (XEN_EAGAIN, "EAGAIN"),
    (XEN_EISCONN, "EISCONN"),
    (XEN_E2BIG, "E2BIG"),
    (XEN_EPERM, "EPERM"),
];

/// The byte of a xenstore ring that a free-running index names.
pub const fn MASK_XENSTORE_IDX(idx: XENSTORE_RING_IDX) -> usize {
    idx as usize & (XENSTORE_RING_SIZE - 1)
}

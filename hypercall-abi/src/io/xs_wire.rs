//! `xen/io/xs_wire.h`.

use crate::errno::{
    XEN_E2BIG, XEN_EACCES, XEN_EAGAIN, XEN_EBUSY, XEN_EEXIST, XEN_EINVAL, XEN_EIO, XEN_EISCONN,
    XEN_EISDIR, XEN_ENOENT, XEN_ENOMEM, XEN_ENOSPC, XEN_ENOSYS, XEN_ENOTEMPTY, XEN_EPERM,
    XEN_EROFS,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Xs control.
pub const XS_CONTROL: u32 = 0;
/// Xs debug.
pub const XS_DEBUG: u32 = XS_CONTROL;
/// Xs directory.
pub const XS_DIRECTORY: u32 = 1;
/// Xs read.
pub const XS_READ: u32 = 2;
/// Xs get perms.
pub const XS_GET_PERMS: u32 = 3;
/// Xs watch.
pub const XS_WATCH: u32 = 4;
/// Xs unwatch.
pub const XS_UNWATCH: u32 = 5;
/// Xs transaction start.
pub const XS_TRANSACTION_START: u32 = 6;
/// Xs transaction end.
pub const XS_TRANSACTION_END: u32 = 7;
/// Xs introduce.
pub const XS_INTRODUCE: u32 = 8;
/// Xs release.
pub const XS_RELEASE: u32 = 9;
/// Xs get domain path.
pub const XS_GET_DOMAIN_PATH: u32 = 10;
/// Xs write.
pub const XS_WRITE: u32 = 11;
/// Xs mkdir.
pub const XS_MKDIR: u32 = 12;
/// Xs rm.
pub const XS_RM: u32 = 13;
/// Xs set perms.
pub const XS_SET_PERMS: u32 = 14;
/// Xs watch event.
pub const XS_WATCH_EVENT: u32 = 15;
/// Xs error.
pub const XS_ERROR: u32 = 16;
/// Xs is domain introduced.
pub const XS_IS_DOMAIN_INTRODUCED: u32 = 17;
/// Xs resume.
pub const XS_RESUME: u32 = 18;
/// Xs set target.
pub const XS_SET_TARGET: u32 = 19;
/// XS_RESTRICT has been removed.
pub const XS_RESET_WATCHES: u32 = 21;
/// Xs directory part.
pub const XS_DIRECTORY_PART: u32 = 22;
/// Number of valid types.
pub const XS_TYPE_COUNT: u32 = 23;
/// Guaranteed to remain an invalid type.
pub const XS_INVALID: u32 = 0xffff;

/// Xsd sockmsg.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xsd_sockmsg {
    /// XS_???.
    pub r#type: u32,
    /// Request identifier, echoed in daemon's response.
    pub req_id: u32,
    /// Transaction id (0 if not related to a transaction).
    pub tx_id: u32,
    /// Length of data following this.
    pub len: u32,
}
const _: () = assert!(size_of::<xsd_sockmsg>() == 16);

/// Xs watch path.
pub const XS_WATCH_PATH: u32 = 0;
/// Xs watch token.
pub const XS_WATCH_TOKEN: u32 = 1;
/// `incontents 150 xenstore_struct XenStore wire protocol.
pub const XENSTORE_RING_SIZE: usize = 1024;

/// Xenstore ring idx.
pub type XENSTORE_RING_IDX = u32;

/// Xenstore domain interface.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenstore_domain_interface {
    /// Requests to xenstore daemon.
    pub req: [u8; 1024],
    /// Replies and async watch events.
    pub rsp: [u8; 1024],
    /// Req cons.
    pub req_cons: XENSTORE_RING_IDX,
    /// Req prod.
    pub req_prod: XENSTORE_RING_IDX,
    /// Rsp cons.
    pub rsp_cons: XENSTORE_RING_IDX,
    /// Rsp prod.
    pub rsp_prod: XENSTORE_RING_IDX,
    /// Bitmap of features supported by the server.
    pub server_features: u32,
    /// Connection.
    pub connection: u32,
    /// Error.
    pub error: u32,
}
const _: () = assert!(size_of::<xenstore_domain_interface>() == 2076);

/// Violating this is very bad.
pub const XENSTORE_PAYLOAD_MAX: usize = 4096;
/// Violating these just gets you an error back.
pub const XENSTORE_ABS_PATH_MAX: usize = 3072;
/// Xenstore rel path max.
pub const XENSTORE_REL_PATH_MAX: usize = 2048;
/// The ability to reconnect a ring.
pub const XENSTORE_SERVER_FEATURE_RECONNECTION: u32 = 1;
/// The presence of the "error" field in the ring page.
pub const XENSTORE_SERVER_FEATURE_ERROR: u32 = 2;
/// the steady-state.
pub const XENSTORE_CONNECTED: u32 = 0;
/// reconnect in progress.
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

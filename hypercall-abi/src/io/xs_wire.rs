//! `xen/io/xs_wire.h`: the xenstore protocol and its ring page.

use crate::errno::{
    XEN_E2BIG, XEN_EACCES, XEN_EAGAIN, XEN_EBUSY, XEN_EEXIST, XEN_EINVAL, XEN_EIO, XEN_EISCONN,
    XEN_EISDIR, XEN_ENOENT, XEN_ENOMEM, XEN_ENOSPC, XEN_ENOSYS, XEN_ENOTEMPTY, XEN_EPERM,
    XEN_EROFS,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Request to the server itself, dom0 only: a command and its arguments.
pub const XS_CONTROL: u32 = 0;
/// The older name of [`XS_CONTROL`].
pub const XS_DEBUG: u32 = XS_CONTROL;
/// List a node's children. Payload: path. Reply: names, each with its NUL. More than a payload
/// holds is E2BIG: see [`XS_DIRECTORY_PART`].
pub const XS_DIRECTORY: u32 = 1;
/// Read a node. Payload: path. Reply: the value, without NUL.
pub const XS_READ: u32 = 2;
/// Read who may access a node. Payload: path. Reply: a letter (`n`, `r`, `w`, `b`) and a domain
/// number each; the first is the owner and, by its letter, everybody else.
pub const XS_GET_PERMS: u32 = 3;
/// Report changes at and below a node from now on. Payload: path, token. One [`XS_WATCH_EVENT`]
/// comes at once.
pub const XS_WATCH: u32 = 4;
/// End a watch. Payload: path, token.
pub const XS_UNWATCH: u32 = 5;
/// Begin a transaction. Reply: its number, in decimal digits.
pub const XS_TRANSACTION_START: u32 = 6;
/// End a transaction. Payload: `T` to commit, `F` to drop it. EAGAIN: others changed what it
/// read; do it over.
pub const XS_TRANSACTION_END: u32 = 7;
/// Connect a domain, dom0 only. Payload: domain, frame of its ring page, its port.
pub const XS_INTRODUCE: u32 = 8;
/// Disconnect a domain, dom0 only. Payload: domain.
pub const XS_RELEASE: u32 = 9;
/// Ask where a domain's nodes are. Payload: domain. Reply: path.
pub const XS_GET_DOMAIN_PATH: u32 = 10;
/// Write a node, made with its parents where missing. Payload: path with its NUL, then the value
/// without.
pub const XS_WRITE: u32 = 11;
/// Make a node, with its parents. Payload: path.
pub const XS_MKDIR: u32 = 12;
/// Remove a node and all below. Payload: path.
pub const XS_RM: u32 = 13;
/// Choose who may access a node. Payload: path, then as the reply to [`XS_GET_PERMS`].
pub const XS_SET_PERMS: u32 = 14;
/// From the server, unasked: something changed. Payload: path, token.
pub const XS_WATCH_EVENT: u32 = 15;
/// Reply to a request that failed. Payload: name of the error, one of [`xsd_errors`].
pub const XS_ERROR: u32 = 16;
/// Ask whether a domain is connected. Payload: domain. Reply: `T` or `F`.
pub const XS_IS_DOMAIN_INTRODUCED: u32 = 17;
/// A domain runs again after it shut down: report its next end too. Dom0 only. Payload: domain.
pub const XS_RESUME: u32 = 18;
/// Give a domain the rights of another, dom0 only. Payload: domain, the domain it serves.
pub const XS_SET_TARGET: u32 = 19;
/// End all watches and transactions of the sender.
pub const XS_RESET_WATCHES: u32 = 21;
/// List a part of a node's children. Payload: path, offset. Reply: the node's generation, then
/// names from that offset on; an empty name after the last.
pub const XS_DIRECTORY_PART: u32 = 22;
/// The number after the last message type.
pub const XS_TYPE_COUNT: u32 = 23;
/// Never a message type.
pub const XS_INVALID: u32 = 0xffff;

/// Head of every xenstore message. Strings in the payload end in NUL, numbers are decimal
/// digits.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xsd_sockmsg {
    /// `XS_*`; the same in a reply, or [`XS_ERROR`].
    pub r#type: u32,
    /// Chosen by the sender, the same in the reply; 0 in watch events.
    pub req_id: u32,
    /// Transaction; 0 for none.
    pub tx_id: u32,
    /// Bytes of payload that follow, at most [`XENSTORE_PAYLOAD_MAX`].
    pub len: u32,
}
const _: () = assert!(size_of::<xsd_sockmsg>() == 16);

/// Which of a watch event's strings is the path.
pub const XS_WATCH_PATH: u32 = 0;
/// Which of a watch event's strings is the token.
pub const XS_WATCH_TOKEN: u32 = 1;
/// Bytes of each of the two rings.
pub const XENSTORE_RING_SIZE: usize = 1024;

/// A count of bytes, wrapping at 2^32; [`MASK_XENSTORE_IDX`] gives the place in the ring.
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
    /// `XENSTORE_SERVER_FEATURE_*`, set before the guest starts.
    pub server_features: u32,
    /// [`XENSTORE_CONNECTED`] or [`XENSTORE_RECONNECT`].
    pub connection: u32,
    /// `XENSTORE_ERROR_*`.
    pub error: u32,
}
const _: () = assert!(size_of::<xenstore_domain_interface>() == 2076);

/// Longest payload; a longer one breaks the connection.
pub const XENSTORE_PAYLOAD_MAX: usize = 4096;
/// Longest absolute path, with its NUL; a longer one is refused.
pub const XENSTORE_ABS_PATH_MAX: usize = 3072;
/// Longest relative path, with its NUL; a longer one is refused.
pub const XENSTORE_REL_PATH_MAX: usize = 2048;
/// The guest may ask for a new connection by [`XENSTORE_RECONNECT`].
pub const XENSTORE_SERVER_FEATURE_RECONNECTION: u32 = 1;
/// [`xenstore_domain_interface::error`] is valid.
pub const XENSTORE_SERVER_FEATURE_ERROR: u32 = 2;
/// The rings are in use.
pub const XENSTORE_CONNECTED: u32 = 0;
/// The guest asks to begin anew: the server empties the rings, drops watches and transactions,
/// and sets [`XENSTORE_CONNECTED`].
pub const XENSTORE_RECONNECT: u32 = 1;
/// The connection is sound.
pub const XENSTORE_ERROR_NONE: u32 = 0;
/// The server met an error in using the rings.
pub const XENSTORE_ERROR_COMM: u32 = 1;
/// The guest's ring index names more bytes than the ring has.
pub const XENSTORE_ERROR_RINGIDX: u32 = 2;
/// A message breaks the protocol: its payload is too long.
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

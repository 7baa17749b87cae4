//! `xen/errno.h`: error numbers. Hypercalls return them negated.

/// The caller lacks the privilege.
pub const XEN_EPERM: i64 = 1;
/// What was named does not exist.
pub const XEN_ENOENT: i64 = 2;
/// No such domain.
pub const XEN_ESRCH: i64 = 3;
/// A device, or a part of the work, failed.
pub const XEN_EIO: i64 = 5;
/// No such device, port or address.
pub const XEN_ENXIO: i64 = 6;
/// Too much for one call, or for its buffer.
pub const XEN_E2BIG: i64 = 7;
/// Not an image that can be run.
pub const XEN_ENOEXEC: i64 = 8;
/// Not a valid handle.
pub const XEN_EBADF: i64 = 9;
/// Nothing to wait for.
pub const XEN_ECHILD: i64 = 10;
/// Not now: the same call may succeed later.
pub const XEN_EAGAIN: i64 = 11;
/// The same number as [`XEN_EAGAIN`].
pub const XEN_EWOULDBLOCK: i64 = 11;
/// Out of memory, or past a domain's limit.
pub const XEN_ENOMEM: i64 = 12;
/// Not permitted; for domctl, sysctl and platform_op a wrong interface version.
pub const XEN_EACCES: i64 = 13;
/// Guest memory named by the call cannot be read or written.
pub const XEN_EFAULT: i64 = 14;
/// In use by another.
pub const XEN_EBUSY: i64 = 16;
/// It exists, or is bound, already.
pub const XEN_EEXIST: i64 = 17;
/// The two do not belong together.
pub const XEN_EXDEV: i64 = 18;
/// The device or the processor's feature is not there.
pub const XEN_ENODEV: i64 = 19;
/// Not a directory.
pub const XEN_ENOTDIR: i64 = 20;
/// A directory where none may be.
pub const XEN_EISDIR: i64 = 21;
/// An argument makes no sense.
pub const XEN_EINVAL: i64 = 22;
/// The table of handles is full.
pub const XEN_ENFILE: i64 = 23;
/// The caller has too many handles.
pub const XEN_EMFILE: i64 = 24;
/// No room left in a table.
pub const XEN_ENOSPC: i64 = 28;
/// It cannot be written.
pub const XEN_EROFS: i64 = 30;
/// Too many references, or one that forbids the call.
pub const XEN_EMLINK: i64 = 31;
/// The argument is outside the function's domain.
pub const XEN_EDOM: i64 = 33;
/// A number is out of range, or a buffer too small for the answer.
pub const XEN_ERANGE: i64 = 34;
/// Waiting would never end.
pub const XEN_EDEADLK: i64 = 35;
/// The same number as [`XEN_EDEADLK`].
pub const XEN_EDEADLOCK: i64 = 35;
/// A name is too long.
pub const XEN_ENAMETOOLONG: i64 = 36;
/// No lock is to be had.
pub const XEN_ENOLCK: i64 = 37;
/// No such hypercall or command.
pub const XEN_ENOSYS: i64 = 38;
/// A directory that must be empty is not.
pub const XEN_ENOTEMPTY: i64 = 39;
/// There is nothing to return.
pub const XEN_ENODATA: i64 = 61;
/// The time asked for has passed.
pub const XEN_ETIME: i64 = 62;
/// The message is malformed.
pub const XEN_EBADMSG: i64 = 74;
/// A number does not fit, or a counter is full.
pub const XEN_EOVERFLOW: i64 = 75;
/// The bytes form no valid text or key.
pub const XEN_EILSEQ: i64 = 84;
/// Not a connection (Argo).
pub const XEN_ENOTSOCK: i64 = 88;
/// The message is larger than the ring (Argo).
pub const XEN_EMSGSIZE: i64 = 90;
/// The command exists and is not supported here.
pub const XEN_EOPNOTSUPP: i64 = 95;
/// The address or number is taken.
pub const XEN_EADDRINUSE: i64 = 98;
/// The address cannot be had.
pub const XEN_EADDRNOTAVAIL: i64 = 99;
/// A buffer is too small; the size needed is written back.
pub const XEN_ENOBUFS: i64 = 105;
/// Already connected.
pub const XEN_EISCONN: i64 = 106;
/// Not connected.
pub const XEN_ENOTCONN: i64 = 107;
/// It took too long.
pub const XEN_ETIMEDOUT: i64 = 110;
/// Nobody listens there.
pub const XEN_ECONNREFUSED: i64 = 111;

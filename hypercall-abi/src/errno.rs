//! `xen/errno.h`: error numbers. Hypercalls return them negated.

/// Operation not permitted.
pub const XEN_EPERM: i64 = 1;
/// No such file or directory.
pub const XEN_ENOENT: i64 = 2;
/// No such process.
pub const XEN_ESRCH: i64 = 3;
/// I/O error.
pub const XEN_EIO: i64 = 5;
/// No such device or address.
pub const XEN_ENXIO: i64 = 6;
/// Arg list too long.
pub const XEN_E2BIG: i64 = 7;
/// Exec format error.
pub const XEN_ENOEXEC: i64 = 8;
/// Bad file number.
pub const XEN_EBADF: i64 = 9;
/// No child processes.
pub const XEN_ECHILD: i64 = 10;
/// Try again.
pub const XEN_EAGAIN: i64 = 11;
/// Operation would block.
pub const XEN_EWOULDBLOCK: i64 = 11;
/// Out of memory.
pub const XEN_ENOMEM: i64 = 12;
/// Permission denied.
pub const XEN_EACCES: i64 = 13;
/// Bad address.
pub const XEN_EFAULT: i64 = 14;
/// Device or resource busy.
pub const XEN_EBUSY: i64 = 16;
/// File exists.
pub const XEN_EEXIST: i64 = 17;
/// Cross-device link.
pub const XEN_EXDEV: i64 = 18;
/// No such device.
pub const XEN_ENODEV: i64 = 19;
/// Not a directory.
pub const XEN_ENOTDIR: i64 = 20;
/// Is a directory.
pub const XEN_EISDIR: i64 = 21;
/// Invalid argument.
pub const XEN_EINVAL: i64 = 22;
/// File table overflow.
pub const XEN_ENFILE: i64 = 23;
/// Too many open files.
pub const XEN_EMFILE: i64 = 24;
/// No space left on device.
pub const XEN_ENOSPC: i64 = 28;
/// Read-only file system.
pub const XEN_EROFS: i64 = 30;
/// Too many links.
pub const XEN_EMLINK: i64 = 31;
/// Math argument out of domain of func.
pub const XEN_EDOM: i64 = 33;
/// Math result not representable.
pub const XEN_ERANGE: i64 = 34;
/// Resource deadlock would occur.
pub const XEN_EDEADLK: i64 = 35;
/// Resource deadlock would occur.
pub const XEN_EDEADLOCK: i64 = 35;
/// File name too long.
pub const XEN_ENAMETOOLONG: i64 = 36;
/// No record locks available.
pub const XEN_ENOLCK: i64 = 37;
/// Function not implemented.
pub const XEN_ENOSYS: i64 = 38;
/// Directory not empty.
pub const XEN_ENOTEMPTY: i64 = 39;
/// No data available.
pub const XEN_ENODATA: i64 = 61;
/// Timer expired.
pub const XEN_ETIME: i64 = 62;
/// Not a data message.
pub const XEN_EBADMSG: i64 = 74;
/// Value too large for defined data type.
pub const XEN_EOVERFLOW: i64 = 75;
/// Illegal byte sequence.
pub const XEN_EILSEQ: i64 = 84;
/// Socket operation on non-socket.
pub const XEN_ENOTSOCK: i64 = 88;
/// Message too large.
pub const XEN_EMSGSIZE: i64 = 90;
/// Operation not supported on transport endpoint.
pub const XEN_EOPNOTSUPP: i64 = 95;
/// Address already in use.
pub const XEN_EADDRINUSE: i64 = 98;
/// Cannot assign requested address.
pub const XEN_EADDRNOTAVAIL: i64 = 99;
/// No buffer space available.
pub const XEN_ENOBUFS: i64 = 105;
/// Transport endpoint is already connected.
pub const XEN_EISCONN: i64 = 106;
/// Transport endpoint is not connected.
pub const XEN_ENOTCONN: i64 = 107;
/// Connection timed out.
pub const XEN_ETIMEDOUT: i64 = 110;
/// Connection refused.
pub const XEN_ECONNREFUSED: i64 = 111;

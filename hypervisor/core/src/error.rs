//! What can go wrong: errors that the guest sees, and faults that end the guest, as two types.

use core::fmt;

/// An error number of the public ABI (errno.h), as the guest sees it (negated).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(i16);

macro_rules! errnos {
    ($($name:ident = $value:literal,)*) => {
        #[allow(missing_docs, reason = "the names are errno.h's")]
        impl Errno {
            $(pub const $name: Self = Self($value);)*
        }
        impl fmt::Debug for Errno {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {
                    $($value => f.write_str(stringify!($name)),)*
                    other => write!(f, "errno {other}"),
                }
            }
        }
    };
}

errnos! {
    EPERM = 1,
    ENOENT = 2,
    ESRCH = 3,
    EIO = 5,
    ENXIO = 6,
    E2BIG = 7,
    ENOEXEC = 8,
    EBADF = 9,
    EAGAIN = 11,
    ENOMEM = 12,
    EACCES = 13,
    EFAULT = 14,
    EBUSY = 16,
    EEXIST = 17,
    EXDEV = 18,
    ENODEV = 19,
    EINVAL = 22,
    ENOSPC = 28,
    EDOM = 33,
    ERANGE = 34,
    ENOSYS = 38,
    ENODATA = 61,
    ETIME = 62,
    EOPNOTSUPP = 95,
    EADDRINUSE = 98,
    ENOBUFS = 105,
}

impl Errno {
    /// The value a hypercall returns for this error.
    #[must_use]
    pub const fn negated(self) -> i64 {
        -(self.0 as i64)
    }
}

/// Why a domain is killed by the hypervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash(pub &'static str);

/// Anything but a finished hypercall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The guest gets `-errno`.
    Err(Errno),
    /// The hypercall is run again from its instruction; its progress is kept in the vCPU.
    Retry,
    /// The domain dies, with a register dump.
    Crash(Crash),
}

impl From<Errno> for Stop {
    fn from(e: Errno) -> Self {
        Self::Err(e)
    }
}

impl From<Crash> for Stop {
    fn from(c: Crash) -> Self {
        Self::Crash(c)
    }
}

/// The result of an operation that a guest asked for.
pub type Result<T, E = Errno> = core::result::Result<T, E>;
/// The result of a whole hypercall: the value for rax.
pub type HypercallResult = core::result::Result<i64, Stop>;

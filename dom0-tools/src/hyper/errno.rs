//! Refusals of the hypervisor, in words.

use core::fmt;

use hypercall_abi::errno::*;

/// A positive error number of errno.h.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i64);

impl Errno {
    /// Its name in errno.h without the prefix, and what it says.
    pub fn explain(self) -> (&'static str, &'static str) {
        match self.0 {
            XEN_EPERM => ("EPERM", "not permitted"),
            XEN_ENOENT => ("ENOENT", "no such entry"),
            XEN_ESRCH => ("ESRCH", "no such domain"),
            XEN_EIO => ("EIO", "input/output error"),
            XEN_E2BIG => ("E2BIG", "too large"),
            XEN_EAGAIN => ("EAGAIN", "try again"),
            XEN_ENOMEM => ("ENOMEM", "out of memory"),
            XEN_EACCES => ("EACCES", "access denied"),
            XEN_EFAULT => ("EFAULT", "bad address"),
            XEN_EBUSY => ("EBUSY", "busy"),
            XEN_EEXIST => ("EEXIST", "exists already"),
            XEN_EINVAL => ("EINVAL", "invalid argument"),
            XEN_ENOSPC => ("ENOSPC", "no space left"),
            XEN_ERANGE => ("ERANGE", "out of range"),
            XEN_ENOSYS => ("ENOSYS", "not implemented"),
            XEN_EOPNOTSUPP => ("EOPNOTSUPP", "not supported"),
            XEN_ETIMEDOUT => ("ETIMEDOUT", "timed out"),
            _ => ("an unnamed error", "unknown reason"),
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, text) = self.explain();
        write!(f, "{text} ({name}, {})", self.0)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.explain().0, self.0)
    }
}

//! What went wrong: who refused what, and why.

use alloc::boxed::Box;
use alloc::string::String;

use hypercall_abi::xen::domid_t;

use crate::build::LayoutError;
use crate::config::ConfigError;
use crate::hyper::Errno;
use crate::image::ImageError;
use crate::store::StoreError;

/// Any failure of the toolstack. Each message names the one who refused and the reason.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The hypervisor refused an operation.
    #[error("the hypervisor refused {operation}: {errno}")]
    Hypercall {
        /// The operation's name in the public headers.
        operation: &'static str,
        /// Its answer.
        errno: Errno,
    },
    /// Frames of a guest could not be mapped.
    #[error("mapping {frames} frames of domain {domain} was refused: {errno}")]
    Mapping {
        /// The guest.
        domain: domid_t,
        /// How many frames.
        frames: usize,
        /// The answer.
        errno: Errno,
    },
    /// The machine has not enough free memory.
    #[error("the hypervisor gave {given} of {wanted} pages: the machine is out of memory")]
    OutOfMemory {
        /// Pages given.
        given: u64,
        /// Pages wanted.
        wanted: u64,
    },
    /// A kernel image is not one.
    #[error("the kernel cannot be started: {0}")]
    Image(#[from] ImageError),
    /// The pieces of a domain do not fit together.
    #[error("the domain cannot be laid out: {0}")]
    Layout(#[from] LayoutError),
    /// A configuration is wrong.
    #[error("{file}: {error}")]
    Config {
        /// The file, or "command line".
        file: String,
        /// What is wrong.
        error: ConfigError,
    },
    /// A file cannot be read.
    #[error("cannot read {path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The store refused something, or is not there.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something about the command itself or the state of a domain.
    #[error("{0}")]
    Refused(String),
    /// A guest did not do as asked.
    #[error("guest {name}: {reason}")]
    Guest {
        /// The guest's name.
        name: String,
        /// What it did instead.
        reason: String,
    },
    /// A guest has neither done as asked nor ended.
    #[error("guest {name}: no answer for {seconds} s (state {state})")]
    NoAnswer {
        /// The guest's name.
        name: String,
        /// How long it was waited for.
        seconds: u64,
        /// What the hypervisor says of it, as `xl list` shows it.
        state: String,
    },
    /// A step of something larger failed.
    #[error("{doing}: {cause}")]
    While {
        /// The step.
        doing: String,
        /// Why it failed.
        cause: Box<Error>,
    },
}

impl Error {
    /// Whether the connection to the store cannot be used any more.
    pub fn ends_the_store(&self) -> bool {
        match self {
            Error::Store(error) => error.errno().is_none(),
            Error::While { cause, .. } => cause.ends_the_store(),
            _ => false,
        }
    }

    /// Adds what was being done.
    pub fn during(self, doing: impl Into<String>) -> Self {
        Error::While {
            doing: doing.into(),
            cause: Box::new(self),
        }
    }
}

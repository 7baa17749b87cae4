//! Building dom0: from a kernel image and a ramdisk to a domain that is ready to run.
//!
//! The boot code calls, in this order:
//!
//! 1. [`unpack::inspect`] on the kernel module: says what it is (`ELF`, or a bzImage with a packed
//!    payload) and, for the latter, how much scratch memory unpacking takes;
//! 2. [`unpack::unpack`] for packed kernels, into scratch memory that the boot code lends;
//! 3. [`build_dom0`] with the ELF image. `Dom0Image::kernel` is dropped as soon as the kernel's
//!    segments are copied, before dom0's memory is counted: an owner whose `Drop` gives the
//!    module's (and the scratch memory's) frames to the free pool gives them to dom0.
//!
//! Nothing here is trusted by what follows: the page tables are written as plain data into frames
//! that dom0 owns, and then validated and pinned as if dom0 itself had asked for it.

pub mod dom0;
pub mod elf;
pub mod layout;
pub mod memory;
pub mod notes;
pub mod tables;
pub mod unpack;

#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::addr::Mfn;
use crate::cmdline::{Dom0Memory, VcpuRange};
use crate::error::Errno;

pub use dom0::build_dom0;

/// A ramdisk module as the boot loader left it: whole frames, still the hypervisor's, that are
/// handed over to dom0 where they lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ramdisk {
    /// Its first frame; it starts at the frame's first byte and fills frames in order.
    pub start: Mfn,
    /// Its length, bytes. The rest of the last frame is zeroed.
    pub len: u64,
}

/// What dom0 is made of.
#[derive(Clone, Copy, Debug)]
pub struct Dom0Image<'a, K: AsRef<[u8]>> {
    /// The kernel: an ELF64 image. Dropped once its segments are copied.
    pub kernel: K,
    /// The ramdisk.
    pub ramdisk: Option<Ramdisk>,
    /// dom0's command line; cut with a warning when longer than `MAX_GUEST_CMDLINE - 1`.
    pub cmdline: &'a [u8],
}

/// What the hypervisor's command line says of dom0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dom0Options {
    /// `dom0_mem=`.
    pub memory: Dom0Memory,
    /// `dom0_max_vcpus=`.
    pub vcpus: VcpuRange,
}

/// dom0 as it was built, for the boot log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dom0 {
    /// Its id: 0.
    pub domain: u16,
    /// vCPUs it has; the first one is runnable.
    pub vcpus: u32,
    /// Pages it owns.
    pub pages: u64,
    /// Addresses of the kernel's image: first byte, and behind the last.
    pub kernel: (u64, u64),
    /// Its entry point.
    pub entry: u64,
    /// What its first page tables map: first address, and behind the last.
    pub mapped: (u64, u64),
    /// Address of start_info.
    pub start_info: u64,
}

/// Why there is no dom0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum BuildError {
    #[error("dom0's kernel: {0}")]
    Elf(#[from] elf::ElfError),
    #[error("dom0's kernel: {0}")]
    Notes(#[from] notes::NoteError),
    #[error("dom0: {0}")]
    Layout(#[from] layout::LayoutError),
    #[error("dom0's kernel takes {need} pages, {have} are free")]
    KernelTooLarge { need: u64, have: u64 },
    #[error("dom0: {step} failed with {errno:?}")]
    Step { step: &'static str, errno: Errno },
}

impl BuildError {
    /// For `map_err`: the step that failed.
    pub(crate) fn at(step: &'static str) -> impl Fn(Errno) -> Self + Copy {
        move |errno| Self::Step { step, errno }
    }
}

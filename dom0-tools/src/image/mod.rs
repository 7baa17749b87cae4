//! Guest kernel images: what the builder needs to know of an ELF file and its Xen notes.
//!
//! Images come from users and are parsed with dom0's power over the machine, so this module is
//! pure: bytes in, a checked description or an [`ImageError`] out, nothing allocated beyond lists
//! bounded by the file's own size, and what it unpacks to within fixed limits.

mod elf;
mod error;
mod notes;
mod pv;
mod unpack;

pub use elf::{Elf, Segment};
pub use error::{ImageError, UnpackError};
pub use notes::Notes;
pub(crate) use pv::guest_range;
pub use pv::{PvKernel, PvSegment};
pub use unpack::unpack;

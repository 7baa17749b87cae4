//! The parts of the guest kernel that are pure computation over claims of others: file formats,
//! the line discipline, local channels, the store. They are apart from the kernel so that they
//! cannot contain `unsafe` and are tested on the host: `cargo test -p guest-kernel --lib`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod block;
pub mod channel;
pub mod cpio;
pub mod elf;
pub mod front_ring;
pub mod line;
pub mod net;
pub mod store;
pub mod xenbus;

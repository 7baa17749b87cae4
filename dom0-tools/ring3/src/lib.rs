//! System calls of the guest kernel as what the toolstack's library needs: hypercalls and foreign
//! frames through its privileged door, local channels, and waiting for several things at once.
#![no_std]

extern crate alloc;

pub mod check;
mod disks;
mod door;
mod grants;
mod interrupt;
mod mapping;
mod news;
mod nic;
mod pci;
mod service;
mod stream;
pub mod virtio;
mod virtio_disk;

pub use door::Door;
pub use mapping::ForeignFrames;
pub use news::{FOREVER, News, wait_for_news};
pub use nic::Nic;
pub use service::{STORE, attend, over_store};
pub use stream::{Listener, Stream};

/// Prints a line of a service's log.
pub fn log(message: &str) {
    // Processes are named by their path.
    let path = guest_user::start::args().next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    guest_user::println!("{name}: {message}");
}

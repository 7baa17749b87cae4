//! What a ring-3 program of the guest kernel is written against.
//!
//! A program is a `no_std`, `no_main` crate that names its main function:
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//! use guest_user::println;
//!
//! guest_user::entry!(main);
//!
//! fn main() -> i32 {
//!     println!("hello from process {}", guest_user::sys::getpid());
//!     0
//! }
//! ```
//!
//! and links with `user.ld` of this package (see `build.rs`). [`entry!`] supplies `_start`, the
//! panic handler and the global allocator, so that the library itself stays linkable into the
//! kernel and into host tests (`cargo test -p guest-user --lib`), which use [`abi`] and [`work`] only.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod abi;
pub mod check;
pub mod dom0;
pub mod heap;
pub mod io;
pub mod start;
pub mod sys;
pub mod window;
pub mod work;

//! The lab: builds the images, boots them in QEMU, checks and measures them, next
//! to Debian's own Xen and Linux where that tells more than Paravane alone could.
//!
//! `cargo xtask` is its front end; the tests that need a machine are in [`boot`].

#![forbid(unsafe_code)]

pub mod abi_table;
pub mod bench;
pub mod boot;
pub mod cli;
pub mod coverage;
pub mod cpio;
pub mod host;
pub mod images;
pub mod lab;
pub mod mutants;
pub mod oracle;
pub mod qemu;
pub mod setup;
pub mod suite;
pub mod verdict;
pub mod workspace;

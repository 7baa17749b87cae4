//! QEMU as the machine under the images: its command line, its console, its monitor.

pub mod config;
pub mod console;
pub mod machine;
pub mod paging;
pub mod qmp;

pub use config::{Boot, Config, Module};
pub use machine::Machine;

/// The emulator.
pub const PROGRAM: &str = "qemu-system-x86_64";

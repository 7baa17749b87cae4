//! A fake hypervisor, strict where a builder could go wrong: frames come in scrambled order and
//! full of garbage, page tables are validated when pinned, table frames cannot be mapped writable,
//! a domain with mapped frames does not die.
// Each test binary uses its part of it; names are those of the C headers.
#![allow(dead_code, unreachable_pub, non_upper_case_globals)]

mod control;
mod events;
pub mod grants;
pub mod guest;
pub mod image;
pub mod machine;
mod memory;
pub mod net;
pub mod pci;
pub mod session;
pub mod store;
pub mod terminal;
pub mod world;

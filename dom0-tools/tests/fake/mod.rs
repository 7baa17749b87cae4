//! A fake hypervisor, strict where a builder could go wrong: frames come in scrambled order and
//! full of garbage, page tables are validated when pinned, table frames cannot be mapped writable,
//! a domain with mapped frames does not die.
#![allow(dead_code)] // each test binary uses its part

pub mod guest;
pub mod image;
pub mod machine;
pub mod terminal;

pub use machine::{Fake, Machine};

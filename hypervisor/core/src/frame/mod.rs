//! Machine frames: owner, type and counts of each, and which are free.

pub mod alloc;
pub(crate) mod claim;
pub(crate) mod extent;
pub mod order;
pub mod page;
pub mod proof;
pub mod table;
pub mod tlb;
pub mod word;

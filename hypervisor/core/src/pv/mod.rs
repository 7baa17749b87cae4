//! PV page tables: validation, updates, pins.

#[cfg(any(test, feature = "testkit"))]
pub mod census;
pub mod entry;
pub mod fault;
pub mod lookup;
pub mod mmu_update;
pub mod mmuext;
pub mod root;
pub(crate) mod scope;
pub mod store;
#[cfg(test)]
mod tests;
pub mod update;
pub mod walk;

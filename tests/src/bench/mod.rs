//! The cost lab: what each operation costs, in instructions, on Paravane and on Debian's Xen, counted
//! from inside by the guest kernel and from outside by a plugin of QEMU's.
//!
//! [`measure`] boots and counts, [`results`] is what it finds and how that is kept in a file,
//! [`operations`] says what belongs together, and [`table`], [`html`] and [`compare`] show it.
//! [`cycles`] is the same on the host's own processor, where KVM runs. [`ceilings`] is what a change
//! may not exceed, and [`chapter`] explains. Emulation counts instructions, not nanoseconds.
#![doc = include_str!("../../costs.md")]

pub mod ceilings;
pub mod chapter;
pub mod compare;
pub mod counts;
pub mod cycles;
pub mod html;
pub mod lines;
pub mod measure;
pub mod operations;
pub mod parties;
mod plot;
pub mod plugin;
pub mod profile;
mod reasons;
pub mod results;
pub mod scenes;
mod symbols;
pub mod table;

//! The guest-facing logic of the Paravane hypervisor.
//!
//! Everything a guest can reach is decided here, without `unsafe` and without hardware: the crate
//! is generic over the [`platform::Machine`] trait, which the bare-metal binary implements for the
//! real machine and [`testkit`] for a fake one that records every write.
//!
//! Lock order, outermost first: domain-table creation lock → domain locks in domid order →
//! scheduler lock → a vCPU's home slot → frame allocator → log. On the host, every domain lock that
//! is taken is checked against those that are held. Before all of them comes a domain's teardown,
//! which is never waited for, except in creation for that of a free slot: who has that takes no other.
#![no_std]
#![forbid(unsafe_code)]
#![allow(
    non_upper_case_globals,
    reason = "constants of the public headers keep their names, in patterns as well"
)]

extern crate alloc;
#[cfg(any(test, feature = "testkit"))]
extern crate std;

pub mod acpi;
pub mod addr;
pub mod build;
pub mod bytes;
pub mod cmdline;
pub mod control;
pub mod domain;
pub mod entry;
pub mod error;
pub mod evtchn;
pub mod frame;
pub mod grant;
pub mod guest;
pub mod hypercall;
pub mod hypervisor;
pub(crate) mod pci;
pub mod pirq;
pub mod platform;
pub mod pv;
pub mod sched;
pub mod trap;
pub mod vcpu;

#[cfg(any(test, feature = "testkit"))]
pub mod testkit;

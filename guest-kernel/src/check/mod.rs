//! Self-checks: what this kernel observes of the hypervisor under it, one line per observation.
//!
//! The same image runs the same checks on Xen and on Paravane, and the lines must be equal. So a
//! line holds results, error numbers and effects, never addresses, frame numbers or times; of the
//! product's texts it holds only that they are texts. Three rules keep it so:
//! - A check leaves the state it found: spare pages are whole again when [`page::Page`] is
//!   dropped, callbacks are set again, ports are closed.
//! - What ends the domain on either side is not tried.
//! - Each topic is a file with a table `CHECKS` of functions `fn(&mut Report)`, in [`GROUPS`];
//!   within a check, cases are rows of a table where they can be.
//!
//! Code that may fault runs through [`probe`].

mod advisories;
mod areas;
mod assigned;
mod basics;
mod claims;
mod clock_ports;
mod control;
mod descriptors;
mod devices;
mod events;
mod exceptions;
mod fifo;
mod foreign;
mod grants;
pub(crate) mod instructions;
mod log_ring;
mod mappings;
mod memory;
mod memory_ops;
mod mmu;
mod mmuext;
mod multicall;
pub(crate) mod page;
mod pirq;
pub(crate) mod probe;
pub(crate) mod puppet;
mod sched;
mod sched_edges;
mod shares;
mod smp;
pub(crate) mod smp_affinity;
mod smp_fifo;
mod smp_roots;
mod smp_writes;
mod state;
mod tables;
pub(crate) mod user;
mod wrap;

use crate::hypercall::HvResult;
use crate::log::kprintln;
use core::fmt;

/// A named check.
pub(crate) type Check = (&'static str, fn(&mut Report));

/// The groups of checks, in the order in which they run.
const GROUPS: &[&[Check]] = &[
    basics::CHECKS,
    mappings::CHECKS,
    mmu::CHECKS,
    tables::CHECKS,
    mmuext::CHECKS,
    exceptions::CHECKS,
    instructions::CHECKS,
    clock_ports::CHECKS,
    state::CHECKS,
    user::CHECKS,
    multicall::CHECKS,
    events::CHECKS,
    sched::CHECKS,
    sched_edges::CHECKS,
    areas::CHECKS,
    shares::CHECKS,
    memory::CHECKS,
    memory_ops::CHECKS,
    claims::CHECKS,
    foreign::CHECKS,
    descriptors::CHECKS,
    control::CHECKS,
    log_ring::CHECKS,
    advisories::entries::CHECKS,
    advisories::leaving::CHECKS,
    advisories::memory::CHECKS,
    fifo::CHECKS,
    grants::MAPS,
    grants::COPIES,
    grants::OTHERS,
    grants::WIDE,
    wrap::CHECKS,
];

/// Where a check reports what it saw.
pub(crate) struct Report {
    name: &'static str,
    lines: u64,
}

impl Report {
    /// Prints `CHECK <name> <values>`, for example `report.line(format_args!("bits={bits:#x}"))`.
    pub(crate) fn line(&mut self, values: fmt::Arguments<'_>) {
        kprintln!("CHECK {} {values}", self.name);
        self.lines += 1;
    }

    /// Prints the result of a call under a key: `<key>=<value>`, or `<key>=-<ERRNO>`.
    pub(crate) fn result(&mut self, key: &str, result: HvResult) {
        self.line(format_args!("{key}={}", page::Shown(result)));
    }

    /// Prints whether a call succeeded, without its value: `<key>=ok`, or `<key>=-<ERRNO>`.
    pub(crate) fn outcome(&mut self, key: &str, result: HvResult) {
        match result {
            Ok(_) => self.line(format_args!("{key}=ok")),
            Err(_) => self.result(key, result),
        }
    }

    /// Prints that the check could not be made: `CHECK <name> error=<why>`.
    pub(crate) fn error(&mut self, why: &str) {
        self.line(format_args!("error={why}"));
    }
}

/// Runs the checks whose names begin with `only`.
pub(crate) fn run(only: &str) {
    run_groups(GROUPS, only);
}

/// Runs the checks of devices' interrupts, which need the device `edu`.
pub(crate) fn run_devices() {
    run_groups(&[devices::CHECKS, pirq::CHECKS], "");
}

/// Runs the checks of a device that another domain was given, which need the device `edu`.
pub(crate) fn run_assigned() {
    run_groups(&[assigned::CHECKS], "");
}

/// Runs the checks of several vCPUs.
pub(crate) fn run_smp() {
    run_groups(
        &[
            shares::CHECKS_OF_SEVERAL,
            smp::CHECKS,
            clock_ports::CHECKS_OF_SEVERAL,
            smp_fifo::CHECKS,
        ],
        "",
    );
}

fn run_groups(groups: &[&[Check]], only: &str) {
    let mut lines = 0;
    let all = groups.iter().copied().flatten();
    for &(name, check) in all.filter(|check| check.0.starts_with(only)) {
        let mut report = Report { name, lines: 0 };
        check(&mut report);
        lines += report.lines;
    }
    kprintln!("CHECKS DONE n={lines}");
}

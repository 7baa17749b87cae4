//! What operations cost: instructions that the hypervisor executes for each, one line per
//! operation, on Paravane and on Xen alike.
//!
//! Counted with the time-stamp counter, so it needs a machine whose clock counts instructions:
//! QEMU with `-icount shift=0,sleep=off -rtc clock=vm`. [`measure`] takes off what the guest itself
//! executes. With `wallclock` on the command line it is the time instead, by the hypervisor's clock,
//! good for a ratio of two such runs and for nothing else, and with `cycles` the counter as it is, for
//! machines that do not emulate. With `pair` or `across` it is what two vCPUs do with each other, of which
//! the machine knows whether it has one processor for them or two. A bench is a function `fn(&mut Figures)`, listed in its module's `BENCHES`.

mod calls;
mod entries;
mod events;
mod fpu;
mod grants;
mod instructions;
pub(crate) mod measure;
mod memory;
mod multicall;
mod native;
mod native_pair;
mod pair;
mod tables;
mod timer;
mod upcall;
mod window;

use crate::boot::BootInfo;
use crate::log::kprintln;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use measure::{Scale, Unit};

/// A group of operations that are measured together.
pub(crate) type Bench = fn(&mut Figures);

/// The groups, in the order in which they run.
const GROUPS: &[&[Bench]] = &[
    calls::BENCHES,
    multicall::BENCHES,
    tables::BENCHES,
    events::BENCHES,
    timer::BENCHES,
    entries::BENCHES,
    fpu::BENCHES,
    instructions::BENCHES,
    memory::BENCHES,
    grants::BENCHES,
];

/// Where figures are reported.
pub(crate) struct Figures {
    scale: Scale,
    count: u64,
    refused: u64,
    /// Operations by their numbers, and how many of it each window has.
    operations: Vec<(&'static str, u64)>,
}

impl Figures {
    /// The windows that follow are of an operation, which each of them has `times`.
    fn begin(&mut self, name: &'static str, times: u64) {
        let known = self.operations.iter().position(|&(known, _)| known == name);
        let number = known.unwrap_or_else(|| {
            self.operations.push((name, times));
            self.operations.len() - 1
        });
        assert!(number < window::OPERATIONS, "too many operations");
        window::OPERATION.store(number as u64, Ordering::Relaxed);
    }

    /// Prints `BENCH <name> insns=<n>` (or `ns`) ` number=<n> times=<n>`: `ticks` went by for `times` operations.
    /// One decimal where the operations are not all alike. The windows' number and how many
    /// operations each has are for who watches them.
    fn ticks(&mut self, name: &str, ticks: u64, times: u64) {
        let tenths = self.scale.tenths(ticks, times);
        let windows = self.operations.iter().position(|&(known, _)| known == name);
        let number = windows.expect("what is measured was begun");
        let each = self.operations[number].1;
        let unit = match self.scale.unit {
            Unit::Instructions => "insns",
            Unit::Nanoseconds => "ns",
            Unit::Cycles => "cycles",
        };
        let whole = tenths / 10;
        match tenths % 10 {
            0 => kprintln!("BENCH {name} {unit}={whole} number={number} times={each}"),
            rest => kprintln!("BENCH {name} {unit}={whole}.{rest} number={number} times={each}"),
        }
        self.count += 1;
    }

    /// Whether figures are instructions, and what is executed while waiting can be taken off.
    fn counts_instructions(&self) -> bool {
        self.scale.unit == Unit::Instructions
    }

    /// Prints what was measured, or that it could not be.
    fn result(&mut self, name: &str, ticks: Result<u64, i64>, times: u64) {
        match ticks {
            Ok(ticks) => self.ticks(name, ticks, times),
            Err(result) => self.refused(name, result),
        }
    }

    /// Prints that the operation did not do what is to be measured: `BENCH <name> error=<result>`.
    fn refused(&mut self, name: &str, result: i64) {
        kprintln!("BENCH {name} error={result}");
        self.refused += 1;
    }
}

/// Measures everything: in instructions, or as the command line says.
pub(crate) fn run(boot: &BootInfo) {
    let unit = if boot.has_word("wallclock") {
        Unit::Nanoseconds
    } else if boot.has_word("cycles") {
        Unit::Cycles
    } else {
        Unit::Instructions
    };
    let Some(scale) = Scale::of(unit) else {
        kprintln!("BENCH calibration error=the time-stamp counter does not count instructions");
        return;
    };
    let mut figures = Figures {
        scale,
        count: 0,
        refused: 0,
        operations: Vec::new(),
    };
    let groups: &[&[Bench]] = match (crate::native::is_native(), boot.has_word("across")) {
        (true, false) => &[native::BENCHES],
        (true, true) => &[native_pair::BENCHES],
        (false, true) => &[pair::ON_TWO],
        (false, false) if boot.has_word("pair") => &[pair::ON_ONE],
        (false, false) => GROUPS,
    };
    for bench in groups.iter().copied().flatten() {
        bench(&mut figures);
    }
    kprintln!("BENCH DONE n={} refused={}", figures.count, figures.refused);
}

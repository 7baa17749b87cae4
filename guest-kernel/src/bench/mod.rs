//! What operations cost: instructions that the hypervisor executes for each, one line per
//! operation, on Paravane and on Xen alike.
//!
//! Counted with the time-stamp counter, so it needs a machine whose clock counts instructions:
//! QEMU with `-icount shift=0,sleep=off -rtc clock=vm`. [`measure`] takes off what the guest itself
//! executes. A bench is a function `fn(&mut Figures)`, listed in its module's `BENCHES`.

mod calls;
mod entries;
mod events;
mod grants;
mod instructions;
pub(crate) mod measure;
mod memory;
mod multicall;
mod tables;

use crate::log::kprintln;
use measure::Scale;

/// A group of operations that are measured together.
pub(crate) type Bench = fn(&mut Figures);

/// The groups, in the order in which they run.
const GROUPS: &[&[Bench]] = &[
    calls::BENCHES,
    multicall::BENCHES,
    tables::BENCHES,
    events::BENCHES,
    entries::BENCHES,
    instructions::BENCHES,
    memory::BENCHES,
    grants::BENCHES,
];

/// Where figures are reported.
pub(crate) struct Figures {
    scale: Scale,
    count: u64,
    refused: u64,
}

impl Figures {
    /// Prints `BENCH <name> insns=<n>`: `ticks` went by for `times` operations. One decimal where
    /// the operations are not all alike.
    fn ticks(&mut self, name: &str, ticks: u64, times: u64) {
        let tenths = self.scale.tenths(ticks, times);
        match tenths % 10 {
            0 => kprintln!("BENCH {name} insns={}", tenths / 10),
            rest => kprintln!("BENCH {name} insns={}.{rest}", tenths / 10),
        }
        self.count += 1;
    }

    /// Prints that the operation did not do what is to be measured: `BENCH <name> error=<result>`.
    fn refused(&mut self, name: &str, result: i64) {
        kprintln!("BENCH {name} error={result}");
        self.refused += 1;
    }
}

/// Measures everything.
pub(crate) fn run() {
    let Some(scale) = measure::calibrate() else {
        kprintln!("BENCH calibration error=the time-stamp counter does not count instructions");
        return;
    };
    let mut figures = Figures {
        scale,
        count: 0,
        refused: 0,
    };
    for bench in GROUPS.iter().copied().flatten() {
        bench(&mut figures);
    }
    kprintln!("BENCH DONE n={} refused={}", figures.count, figures.refused);
}

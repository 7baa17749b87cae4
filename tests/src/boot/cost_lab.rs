//! Contract: what `cargo xtask bench` tells is so. Instructions counted by the kernel and by the
//! emulator agree, two runs agree to the instruction, every operation is measured on Paravane, on
//! Debian's Xen and natively, as the chapter in `tests/costs.md` has it and under its ceiling, and over all of them Paravane takes at most 30 % of what Xen does.

use std::fs;

use super::BootTest;
use crate::bench::measure::{self, Wanted};
use crate::bench::operations::{self, Way};
use crate::bench::results::{Results, Side};
use crate::bench::{ceilings, chapter, html, table};
use crate::lab::Lab;
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "cost_lab",
    contract: "operations are counted twice and from two sides alike, here and on Xen",
    run,
};

/// The most that a load of programs may take, by what it takes on the bare machine.
const OVERHEAD: f64 = 1.10;
/// The most that the geometric mean of the ratios may be.
const MEAN: f64 = 0.30;

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let wanted = Wanted {
        again: true,
        wall: false,
    };
    let results = measure::run(lab, wanted, |_| ())?;
    for side in Side::ALL {
        for name in operations::names(side) {
            require!(
                results.cost(side, name).is_some(),
                "{name} was not measured on {}",
                side.title()
            );
        }
    }
    let ceilings = ceilings::read(&lab.workspace)?;
    let of = |name: &str| operations::for_ceiling(&results, name);
    for text in ceilings::exceeded(&ceilings, of) {
        report.failure(text);
    }
    for (what, ways) in [
        ("paravirtual", &[Way::Paravirtual, Way::Batched][..]),
        ("trapped", &[Way::Trapped][..]),
    ] {
        let mean = operations::ratio(&results, ways).map_or(f64::MAX, |(mean, ..)| mean);
        let most = mean <= MEAN;
        require!(most, "{what}: the mean ratio is {mean:.3}, not {MEAN}");
    }
    let overhead = operations::overhead(&results, operations::LOAD);
    let load = overhead.is_some_and(|overhead| overhead <= OVERHEAD);
    require!(
        load,
        "the load takes {overhead:?} times what it takes on the bare machine, not {OVERHEAD}"
    );
    report.note(
        table::means(&results)
            .trim_end()
            .replace('\n', "\n        "),
    );
    let chapter = fs::read_to_string(chapter::path(&lab.workspace))?;
    let differences = chapter::differences(&chapter, &results);
    require!(
        differences.is_empty(),
        "tests/costs.md is out of date (`cargo xtask bench --quick --chapter`):\n{}",
        differences.join("\n")
    );
    let file = lab.dir.join("results.json");
    results.write(&file)?;
    require!(
        Results::read(&file)? == results,
        "the file holds other results than were measured"
    );
    fs::write(
        lab.dir.join("report.html"),
        html::report(&results, &[], &[])?,
    )?;
    Ok(())
}

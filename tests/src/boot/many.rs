//! Contract: a hundred guests in one session of dom0. Each is made, answers, gives memory back and
//! takes it again, and is destroyed; then everything is there that was there before. What each keeps
//! besides its own memory is at most 64 KiB, and the last costs at most 1.2 times what the first
//! costs to make. Time is a count of instructions.

use super::BootTest;
use super::fairness::finish;
use super::numbers::number_after;
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "many",
    contract: "a hundred guests at once, the last made for at most 1.2 times what the first costs",
    run,
};

/// What the last may cost to make, in percent of what the first costs.
const COST_MAX: u64 = 120;

const SCRIPT: &str = "\
xl quiet
xl many-test many 100
xl list
";

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let modules = lab.dom0_for(Some(SCRIPT))?;
    let mut config = lab.paravane_with(HYPERVISOR_OPTIONS, modules);
    (config.memory_mib, config.icount) = (1024, true);
    let text = finish(lab.start(&config, "paravane")?)?;
    for part in ["100 guests run", "making one took"] {
        let line = text.lines().find(|line| line.starts_with(part));
        let line = line.unwrap_or_default().trim_end();
        require!(!line.is_empty(), "no line `{part} ...`");
        report.note(line.to_owned());
    }
    let keeps = |what| number_after(&text, what);
    let kept = [keeps("memory each keeps "), keeps("hypervisor's and ")];
    let total = kept.into_iter().try_fold(0, |sum, kib| Some(sum + kib?));
    require!(total.is_some_and(|kib| kib <= 64), "{kept:?}");
    let cost = number_after(&text, "us in the end, ");
    require!(cost.is_some_and(|percent| percent <= COST_MAX), "{cost:?}");
    Ok(())
}

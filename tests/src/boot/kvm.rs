//! Contract: the lab counts cycles on the host's own processor, where there is a KVM to run on; what
//! it measures there has a name in the lab, and what it does not is told with the reason: that there is no
//! KVM, or the instruction that this one cannot emulate. All else is a failure.

use super::BootTest;
use crate::bench::cycles::{self, Outcome};
use crate::bench::operations;
use crate::lab::Lab;
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "kvm",
    contract: "the lab runs on the host's processor as far as its KVM does",
    run,
};

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    if let Some(reason) = cycles::unavailable() {
        report.note(format!("not tried: {reason}"));
        return Ok(());
    }
    for (side, outcome) in cycles::measure(lab, |_| ())? {
        match outcome {
            Outcome::Stopped(reason) => report.note(format!("{}: {reason}", side.title())),
            Outcome::Measured { lines, refused } => {
                let known: Vec<&str> = operations::names(side).collect();
                let stray = lines
                    .iter()
                    .find(|line| !known.contains(&line.name.as_str()));
                require!(
                    stray.is_none(),
                    "{}: the lab does not know {stray:?}",
                    side.title()
                );
                require!(
                    lines.iter().any(|line| line.tenths > 0),
                    "{}: nothing took a cycle",
                    side.title()
                );
                report.note(format!(
                    "{}: {} operations measured",
                    side.title(),
                    lines.len()
                ));
                for line in refused {
                    report.note(format!("not measured: {line}"));
                }
            }
        }
    }
    Ok(())
}

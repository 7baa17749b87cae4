//! Contract: the lab counts cycles on the host's own processor, where there is a KVM to run on: those of
//! most operations of each side. For a side that it cannot measure there is a reason: that there is no
//! KVM, or the instruction that this one cannot emulate. All else is a failure. A side that no KVM runs
//! here goes the same way on an emulated processor.

use super::BootTest;
use crate::bench::cycles::{self, Measured, Outcome};
use crate::bench::operations;
use crate::bench::results::Side;
use crate::lab::Lab;
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "kvm",
    contract: "the lab runs on the host's processor as far as its KVM does",
    run,
};

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let sides = match cycles::unavailable() {
        Some(reason) => Side::ALL
            .map(|side| (side, Outcome::Stopped(reason.clone())))
            .to_vec(),
        None => cycles::measure(lab, |_| ())?,
    };
    for (side, outcome) in sides {
        let (how, measured) = match outcome {
            Outcome::Measured(measured) => ("by KVM", measured),
            Outcome::Stopped(reason) => {
                report.note(format!("{}: {reason}", side.title()));
                ("emulated", cycles::emulated(lab, side)?)
            }
        };
        check(side, how, &measured, report)?;
    }
    Ok(())
}

/// What was measured is something, and what the lab shows.
fn check(
    side: Side,
    how: &str,
    Measured { lines, refused }: &Measured,
    report: &mut Report,
) -> Checked<()> {
    let title = side.title();
    let some = lines.iter().any(|line| line.tenths > 0);
    require!(some, "{title}: nothing took a cycle");
    let of_lab = |name: &&str| lines.iter().any(|line| line.name == *name);
    let (shown, others) = operations::names(side).partition::<Vec<_>, _>(of_lab);
    require!(
        shown.len() > others.len(),
        "{title}: the lab misses {}",
        others.join(", ")
    );
    report.note(format!(
        "{title}, {how}: {} of {} operations measured",
        shown.len(),
        shown.len() + others.len()
    ));
    for line in refused {
        report.note(format!("not measured: {line}"));
    }
    Ok(())
}

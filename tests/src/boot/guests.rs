//! Contract: the story of the guests. dom0 starts two; in each, three processes run
//! side by side, pre-empted by the timer, and one that faults is killed alone. A
//! guest's event is answered by dom0; dom0 balloons a guest down and up again while
//! a checksum over its memory holds; one guest crashes, and everything else goes on.

use super::BootTest;
use crate::lab::Lab;
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "guests",
    contract: "two guests run, fault, balloon, talk to dom0; one crashes and the rest goes on",
    run,
};

const SCRIPT: &str = include_str!("../../dom0/etc/story");

fn run(lab: &Lab, _report: &mut Report) -> Checked<()> {
    let mut machine = lab.start(&lab.paravane(Some(SCRIPT))?, "paravane")?;
    let line = machine.expect_line("script exited with status ")?;
    require!(
        line.trim_end().ends_with("status 0"),
        "{line}{}",
        machine.tail()
    );
    let status = machine.expect_end()?;
    require!(status.success(), "QEMU ended with {status}");
    Ok(())
}

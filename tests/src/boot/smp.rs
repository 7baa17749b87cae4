//! Contract: on a machine with several processors all of them are brought up, and
//! dom0 with as many virtual ones tells the guests' story as on one.

use super::{BootTest, PROMPT};
use crate::lab::Lab;
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "smp",
    contract: "all processors of the machine are brought up, and guests run on them",
    run,
};

fn run(lab: &Lab, _report: &mut Report) -> Checked<()> {
    let mut config = lab.paravane(None)?;
    config.smp = 4;
    let mut machine = lab.start(&config, "paravane")?;
    let line = machine.expect_line("(PVN) Brought up ")?;
    require!(line.contains("Brought up 4 CPUs"), "{line}");
    machine.expect(PROMPT)?;
    machine.type_line("xl create guest1")?;
    machine.expect("[guest1] init: all is well")?;
    Ok(())
}

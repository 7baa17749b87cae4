//! Contract: from QEMU's `-kernel` to dom0's shell without help; the shell answers
//! what is typed, and `poweroff` ends the machine with status 0.

use super::{BootTest, PROMPT};
use crate::lab::Lab;
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "prompt",
    contract: "dom0's shell comes up, answers what is typed, and powers the machine off",
    run,
};

fn run(lab: &Lab, _report: &mut Report) -> Checked<()> {
    let mut machine = lab.start(&lab.paravane(None)?, "paravane")?;
    machine.expect("(PVN)")?;
    machine.expect("Brought up 1 CPUs")?;
    machine.expect(PROMPT)?;
    machine.type_line("help")?;
    machine.expect_all(&["xl list", "poweroff"])?;
    machine.expect(PROMPT)?;
    machine.type_line("xl list")?;
    machine.expect("Domain-0")?;
    machine.expect(PROMPT)?;
    machine.type_line("xl info")?;
    machine.expect("4.17")?;
    machine.expect(PROMPT)?;
    machine.type_line("no-such-command")?;
    machine.expect("no-such-command")?;
    machine.expect(PROMPT)?;
    machine.type_line("poweroff")?;
    let status = machine.expect_end()?;
    require!(status.success(), "`poweroff` ended QEMU with {status}");
    Ok(())
}

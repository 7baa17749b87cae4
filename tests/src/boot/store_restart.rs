//! Contract: xenstored is killed while guests run and transactions are open, and started again: it
//! goes on with what it knew, guests notice nothing but that a transaction has to be tried again, and
//! the toolstack goes on. The same on Debian's Xen.

use super::balloon::{command, end_with, free_pages};
use super::processes::start;
use super::{BootTest, PROMPT};
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::qemu::Machine;
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "store_restart",
    contract: "xenstored is killed and goes on where it ended; guests and toolstack hardly notice",
    run,
};

/// How often it is killed.
const TIMES: usize = 5;

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let mut machine = start(lab, &lab.paravane(None)?, "paravane")?;
    let free_at_first = free_pages(&mut machine)?;
    report.note(story(&mut machine)?);
    end_with(machine, free_at_first)?;
    let xen = lab.xen_with(HYPERVISOR_OPTIONS, lab.dom0_for(None)?)?;
    story(&mut start(lab, &xen, "xen")?).map(drop)
}

fn story(machine: &mut Machine) -> Checked<String> {
    command(machine, "xl create guest1", "")?;
    command(machine, "xl ping guest1 3", "")?;
    // It has transactions open all the time, and requests under way.
    let talker = "xl create rogue name=talker cmdline=load=talk";
    command(machine, "xl quiet", "")?;
    command(machine, talker, "")?;
    let mut said = String::new();
    for _ in 0..TIMES {
        machine.type_line("run /bin/killer the=store")?;
        machine.expect_line("is killed")?;
        said = machine.expect_line("goes on where the one before ended")?;
        machine.expect(PROMPT)?;
        command(machine, "xl ping guest1 3", "guest1")?;
    }
    for name in ["guest1", "talker"] {
        let line = format!("xl domid {name}");
        command(machine, &line, "")?;
    }
    command(machine, "xl create guest2", "")?;
    command(machine, "xl ping guest2 3", "guest2")?;
    command(machine, "xl shutdown -w guest1", "")?;
    command(machine, "xl destroy talker", "")?;
    command(machine, "xl destroy guest2", "")?;
    let text = machine.console.text();
    for line in ["talk: ended", "makes no sense", "cannot be"] {
        require!(!text.contains(line), "it was said: `{line}`");
    }
    Ok(said.trim().to_owned())
}

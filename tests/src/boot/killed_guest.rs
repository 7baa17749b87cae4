//! Contract: a guest that is destroyed at 50 moments of its life, from its first page on, while it is
//! built, connected, amid transactions and console output, and behind the backs of all who serve
//! it: dom0 goes on, and its frames, dom0's ports and the nodes of the store are exactly those of
//! before. The same on Debian's Xen.

use super::BootTest;
use super::balloon::{command, end_with, free_pages};
use super::processes::start;
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::qemu::Machine;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "killed_guest",
    contract: "a guest is destroyed at 50 moments of its life, and nothing of it is left",
    run,
};

const KILLS: &str = "run /bin/killer the=domain then=/bin/xl+destroy+talker \
                     /bin/xl create rogue name=talker cmdline=load=talk";

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let mut machine = start(lab, &lab.paravane(None)?, "paravane")?;
    let free_at_first = free_pages(&mut machine)?;
    report.note(kill(&mut machine)?);
    end_with(machine, free_at_first)?;
    let xen = lab.xen_with(HYPERVISOR_OPTIONS, lab.dom0_for(None)?)?;
    report.note(kill(&mut start(lab, &xen, "xen")?)?);
    Ok(())
}

fn kill(machine: &mut Machine) -> Checked<String> {
    command(machine, "xl quiet", "")?;
    let told = command(machine, KILLS, "in use as before")?;
    // Who had it destroyed has no domain of that name in the way.
    command(machine, "xl create guest1", "")?;
    command(machine, "xl ping guest1 3", "")?;
    command(machine, "xl destroy guest1", "")?;
    Ok(told)
}

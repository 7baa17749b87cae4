//! Contract: processes of our kernel talk over local channels, and one that ends, faults or is
//! killed leaves nothing: no channel, no page, and in dom0 no event-channel port and no frame of
//! another domain; so a domain whose frames it had mapped can go, to the last page. They map what is
//! granted to them, copy it, grant pages themselves, and have memory for devices; what is malformed is
//! refused, and all of it comes back. Two that were one have the same memory until they write. The same on Debian's Xen. So it is with `xl create`, killed at 50 moments of its work.

use super::balloon::{command, end_with, free_pages};
use super::{BootTest, PROMPT};
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::qemu::{Config, Machine};
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "processes",
    contract: "processes talk over channels; what ends leaves no port, frame, page or channel",
    run,
};

/// What checks grants, and what it says when they are right.
const SHARER: (&str, &str) = ("run /bin/sharer", "and comes back");

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let mut machine = start(lab, &lab.paravane(None)?, "paravane")?;
    // The hypervisor keeps what dom0's grants need when there are some for the first time.
    command(&mut machine, SHARER.0, SHARER.1)?;
    let free_at_first = free_pages(&mut machine)?;
    command(&mut machine, "xl create -p guest1", "")?;
    report.note(check(&mut machine)?);
    command(&mut machine, "xl destroy guest1", "")?;
    let line = "run /bin/killer then=/bin/xl+destroy+guest1 /bin/xl create -p guest1";
    report.note(command(&mut machine, line, "in use as before")?);
    let line = "run /bin/killer times=90 first=/bin/xl+create+-p+guest1 then=/bin/xl+destroy+guest1 \
                /bin/xl destroy guest1";
    report.note(command(&mut machine, line, "in use as before")?);
    for verb in ["making", "destroying"] {
        let said = format!("ended while it was {verb} guest1: ");
        let times = machine.console.text().matches(&said).count();
        require!(times >= 5, "only {times} times: `{said}`");
        report.note(format!(
            "{times} times what was left had to be cleaned up: {verb}"
        ));
    }
    end_with(machine, free_at_first)?;
    let xen = lab.xen_with(HYPERVISOR_OPTIONS, lab.dom0_for(None)?)?;
    let mut machine = start(lab, &xen, "xen")?;
    command(&mut machine, "xl create -p guest1", "")?;
    check(&mut machine).map(drop)
}

pub(super) fn start(lab: &Lab, config: &Config, name: &str) -> Checked<Machine> {
    let mut machine = lab.start(config, name)?;
    machine.expect(PROMPT)?;
    Ok(machine)
}

fn check(machine: &mut Machine) -> Checked<String> {
    command(machine, "run /bin/channels", "all as it should be")?;
    command(machine, "run /bin/stray", "the kernel goes on")?;
    command(machine, "run /bin/forker", "nothing is left of them")?;
    command(machine, SHARER.0, SHARER.1)?;
    command(machine, "run /bin/holder domain=1", "in use as before")
}

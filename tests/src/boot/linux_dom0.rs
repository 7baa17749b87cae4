//! Contract: Debian's stock Linux, bzImage and all, runs as dom0: it prints its banner,
//! sees a Xen PV machine of version 4.17, reaches user space, where a shell forks and
//! runs programs, and powers the machine off. Once on one processor, once on two.

use super::BootTest;
use crate::lab::{LINUX_USERSPACE, Lab};
use crate::setup::Peer;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "linux_dom0",
    contract: "Debian's Linux runs as dom0 to user space and powers off",
    run,
};

const OPTIONS: &str =
    "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all dom0_mem=256M noreboot";

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    for processors in [1, 2] {
        report.note(format!("{processors} processors:"));
        on(lab, processors, report)?;
    }
    Ok(())
}

fn on(lab: &Lab, processors: u32, report: &mut Report) -> Checked<()> {
    let mut config = lab.paravane_with(OPTIONS, lab.linux_dom0()?);
    config.smp = processors;
    let mut machine = lab.start(&config, &format!("paravane-{processors}"))?;
    machine.expect("Linux version")?;
    machine.expect("Hypervisor detected: Xen PV")?;
    machine.expect("Booting kernel on Xen")?;
    machine.expect("Xen version: 4.17")?;
    let version = Peer::Linux.version(&lab.workspace)?;
    let line = machine.expect(LINUX_USERSPACE)?;
    report.note(format!("{version} reaches user space: {line}"));
    machine.expect("(PVN) Powering off")?;
    // What it asks for first that is not there: interrupts of devices.
    if let Some(missed) = machine
        .console
        .text()
        .lines()
        .find(|l| l.contains("failed -"))
    {
        report.note(format!("the first thing it missed: {}", missed.trim()));
    }
    Ok(())
}

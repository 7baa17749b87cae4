//! Contract: Debian's stock Linux, bzImage and all, runs as dom0: it prints its banner,
//! sees a Xen PV machine of version 4.17, reaches user space, where a shell forks and
//! runs programs, and powers the machine off. It has a vCPU for each processor, and each of them
//! gets its timer's interrupts and those of its siblings.

use super::BootTest;
use crate::lab::{LINUX_USERSPACE, Lab};
use crate::require;
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
    for processors in [1, 2, 4] {
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
    let line = machine.expect_line(LINUX_USERSPACE)?;
    report.note(format!("{version} reaches user space: {line}"));
    machine.expect("(PVN) Powering off")?;
    on_all_vcpus(&machine.console.text(), processors)?;
    // What it asks for first that is not there.
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

/// Whether all vCPUs are online, and interrupts of each were counted.
fn on_all_vcpus(text: &str, processors: u32) -> Checked<()> {
    let wanted = format!("LINUX-CPUS {processors}");
    let online = text.lines().any(|line| line.trim() == wanted);
    require!(online, "Linux does not see {processors} processors");
    let sent_by_siblings: &[&str] = &["resched", "callfunc", "callfuncsingle"];
    for vcpu in 0..processors {
        let total = |kinds: &[&str]| -> u64 {
            let names = kinds.iter().map(|kind| format!("{kind}{vcpu}"));
            names.filter_map(|name| interrupts(text, &name)).sum()
        };
        let (ticks, messages) = (total(&["timer"]), total(sent_by_siblings));
        require!(ticks > 0, "vCPU {vcpu} had no timer interrupt");
        let alone = processors == 1;
        require!(alone || messages > 0, "vCPU {vcpu} heard nothing of others");
    }
    Ok(())
}

/// How often Linux got the interrupt `name`.
fn interrupts(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().map(str::split_whitespace);
    lines.find_map(|mut words| {
        let found = words.next() == Some("LINUX-INTERRUPTS") && words.next() == Some(name);
        found.then(|| words.next()?.parse().ok()).flatten()
    })
}

//! Contract: on a machine with several processors all of them are brought up, domains
//! run on several of them at once, and the guests' story is the same as on one; with the APIC in
//! either mode, and with a processor for each vCPU (`sched=null`).

use std::collections::BTreeSet;

use super::BootTest;
use super::guests::{SCRIPT, tell};
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "smp",
    contract: "all of 2, 4 and 8 processors are brought up, and domains run on several at once",
    run,
};

/// What stands before the story: two guests that only spin, so that each keeps a processor
/// busy, while dom0, which runs as well, asks the hypervisor which processors run whom.
const SPINNERS: &str = "\
xl create rogue name=spin1 cmdline=rogue=spin
xl create rogue name=spin2 cmdline=rogue=spin
sleep 0.5
xl debug-keys q
sleep 0.2
xl debug-keys q
sleep 0.2
xl debug-keys q
xl destroy spin1
xl destroy spin2
";

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    for processors in [2, 4, 8] {
        on(lab, processors, false, "credit2", report)?;
    }
    on(lab, 4, true, "credit2", report)?;
    on(lab, 4, false, "null", report)
}

fn on(lab: &Lab, processors: u32, x2apic: bool, sched: &str, report: &mut Report) -> Checked<()> {
    let script = format!("{SPINNERS}{SCRIPT}");
    let modules = lab.dom0_for(Some(&script))?;
    let options = format!("{HYPERVISOR_OPTIONS} sched={sched}");
    let mut config = lab.paravane_with(&options, modules);
    config.smp = processors;
    if x2apic {
        config.cpu = "max".into();
    }
    let apic = if x2apic { "x2APIC" } else { "xAPIC" };
    let name = format!("paravane-{processors}-{apic}-{sched}");
    let mut machine = lab.start(&config, &name)?;
    machine.expect(&format!("; {apic} timer "))?;
    let line = machine.expect_line("(PVN) Brought up ")?;
    let wanted = format!("Brought up {processors} CPUs (of {processors} present)");
    require!(line.contains(&wanted), "{line}");
    tell(&mut machine, report)?;
    let status = machine.expect_end()?;
    require!(status.success(), "QEMU ended with {status}");
    let text = machine.console.text();
    let most = looks_of(&text).map(|look| look.len()).max().unwrap_or(0);
    let wanted = DOMAINS.len().min(processors as usize);
    require!(
        most >= wanted,
        "with {processors} processors no more than {most} domains ever ran at once"
    );
    report.note(format!(
        "{processors} processors, {apic}, {sched}: up to {most} of {} domains ran at once",
        DOMAINS.len()
    ));
    Ok(())
}

/// dom0 and the two spinning guests, by their first vCPUs.
const DOMAINS: [&str; 3] = ["d0v0: ", "d1v0: ", "d2v0: "];

/// The processors that ran a domain, in each listing.
fn looks_of(text: &str) -> impl Iterator<Item = BTreeSet<u32>> {
    text.split("(PVN) d0: ").skip(1).map(|listing| {
        let cpus = DOMAINS.iter().map(|vcpu| running(listing, vcpu));
        cpus.flatten().collect()
    })
}

/// The processor in `… d1v0: up true, blocked false, CPU 2, running true`.
fn running(listing: &str, vcpu: &str) -> Option<u32> {
    let line = listing.lines().find(|line| line.contains(vcpu))?;
    let (_, rest) = line.split_once("CPU ")?;
    let (number, state) = rest.split_once(", ")?;
    (state.trim() == "running true").then(|| number.parse().ok())?
}

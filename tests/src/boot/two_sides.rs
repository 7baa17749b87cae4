//! Contract: the same guest image, booted as dom0 on Debian's Xen and on Paravane,
//! gets the same result, errno and effect from every hypercall that it checks; and
//! devices interrupt it alike: 1,000 times by a level-triggered line and 3,000 times by a message,
//! each once; also where Paravane takes no more than a few of them in a while, and holds back the
//! others (`irq_ratelimit`).

use super::BootTest;
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::oracle::{self, Subject};
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "oracle",
    contract: "every self-check of our guest answers the same on Debian's Xen and on Paravane",
    run: |lab, report| oracle::run(lab, Subject::ONE, report).map(drop),
};

pub(super) const TEST_OF_SEVERAL: BootTest = BootTest {
    name: "oracle_smp",
    contract: "our guest on eight vCPUs of four processors sees the same on both sides",
    run: |lab, report| oracle::run(lab, Subject::SEVERAL, report).map(drop),
};

pub(super) const TEST_OF_DEVICES: BootTest = BootTest {
    name: "oracle_devices",
    contract: "lines and messages of devices reach our guest as events, the same on both sides",
    run: |lab, report| oracle::run(lab, Subject::DEVICES, report).map(drop),
};

pub(super) const TEST_OF_ASSIGNED: BootTest = BootTest {
    name: "oracle_assigned",
    contract: "a domain is given a device, uses it and loses it, the same on both sides",
    run: |lab, report| oracle::run(lab, Subject::ASSIGNED, report).map(drop),
};

pub(super) const TEST_OF_LIMITS: BootTest = BootTest {
    name: "interrupt_limit",
    contract: "with few interrupts allowed messages are held back, and none is lost or doubled",
    run: limited,
};

/// What our guest says of a thousand messages of which each came once.
const EACH_ONCE: &str = "events=1000 causes=1000 early=0 refused=0 more=false";

fn limited(lab: &Lab, report: &mut Report) -> Checked<()> {
    let modules = lab.our_dom0(Subject::DEVICES.args, None)?;
    let options = format!("{HYPERVISOR_OPTIONS} irq_ratelimit=50");
    let mut config = lab.paravane_with(&options, modules);
    config.icount = true;
    config.devices = Subject::DEVICES
        .devices
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut machine = lab.start(&config, "paravane")?;
    machine.expect_line("CHECKS DONE")?;
    let text = machine.console.text();
    let with = |what: &str| text.lines().filter(|line| line.contains(what)).count();
    let (held, once) = (with("is held back"), with(EACH_ONCE));
    report.note(format!("{once} times 1000 messages came each once"));
    require!(held == 1, "said to be held back: {held} times");
    require!(once >= 3, "`{EACH_ONCE}` {once} times");
    Ok(())
}

//! Contract: PCI devices come to a running domain and go. One that had none is given a disk, then another,
//! and serves both to a guest, by dom0's own blkback. What is not assignable, is given already, or is no
//! device is refused, as is what a domain would have to answer that does not run: after a while, and
//! nothing has changed. A device that is used stays, and so does its user; when it is not any more, it
//! goes, and everything has come back that came with it: lines, I/O ports, frames, nodes, heap; it reaches
//! memory no more. The same on Debian's Xen.

use super::balloon::command;
use super::census::Census;
use super::driver_domain::{DEVICES, DRIVER, USER, WELL, with_disks};
use super::processes::start;
use super::{BootTest, PROMPT};
use crate::images::Store;
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::qemu::Machine;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "hot_plug",
    contract: "PCI devices come to a running domain, are used, and go, and leave nothing behind",
    run,
};

/// What a domain says that does not answer.
const LATE: &str = "no answer for 20 s";

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let store: Store = [
        ("drv.cfg".to_owned(), DRIVER.into()),
        ("user.cfg".to_owned(), USER.into()),
        ("driver.cpio".to_owned(), lab.images.driver_ramdisk()?),
    ]
    .into();
    let modules = lab.our_dom0_with(DOM0_ARGS, None, &store)?;
    let paravane = lab.paravane_with(HYPERVISOR_OPTIONS, modules.clone());
    let mut machine = start(lab, &with_disks(lab, paravane)?.0, "paravane")?;
    let rights = ["has ports c", "has frames f", "has lines, 64 each 0, "];
    report.note(story(&mut machine, &rights)?);
    machine.type_line("poweroff")?;
    machine.expect_end()?;
    let xen = lab.xen_with(HYPERVISOR_OPTIONS, modules)?;
    let mut machine = start(lab, &with_disks(lab, xen)?.0, "xen")?;
    let rights = [
        "has I/O Ports  { c",
        "has I/O Memory { f",
        "has Interrupts { 1",
    ];
    report.note(format!("on Xen: {}", story(&mut machine, &rights)?));
    Ok(())
}

fn story(machine: &mut Machine, rights: &[&str]) -> Checked<String> {
    command(machine, "xl quiet", "")?;
    for device in DEVICES {
        command(machine, &format!("xl pci-assignable-add {device}"), "")?;
    }
    let line = "xl create drv cmdline=\"init=/bin/driver pci serve=blkback\"";
    command(machine, line, "")?;
    // What is kept of a first time is not counted.
    come(machine)?;
    use_both(machine)?;
    go(machine)?;
    let before = Census::take(machine)?;
    refused(machine)?;
    before.holds_again(machine)?;
    come(machine)?;
    before.shows_more(machine, rights)?;
    let said = used(machine)?;
    go(machine)?;
    before.holds_again(machine)?;
    command(machine, "xl destroy drv", "")?;
    Ok(said)
}

/// Both devices come.
fn come(machine: &mut Machine) -> Checked<()> {
    for (slot, device) in DEVICES.iter().enumerate() {
        command(machine, &format!("xl pci-attach drv {device}"), "")?;
        let listed = format!("{slot:02x}.0 {device}");
        command(machine, "xl pci-list drv", &listed)?;
    }
    Ok(())
}

/// Both go.
fn go(machine: &mut Machine) -> Checked<()> {
    for device in DEVICES {
        command(machine, &format!("xl pci-detach drv {device}"), "")?;
        let line = format!("xl pci-detach drv {device}");
        command(machine, &line, "drv has no PCI device")?;
        command(machine, "xl pci-assignable-list", device)?;
    }
    Ok(())
}

fn refused(machine: &mut Machine) -> Checked<()> {
    let [one, two] = DEVICES;
    command(machine, &format!("xl pci-attach drv {two}"), "")?;
    for (line, why) in [
        ("xl pci-attach drv 00:06.0", "is not assignable"),
        ("xl pci-attach drv 00:05.0", "already assigned to a domain"),
        ("xl pci-attach drv 00:05", "is no PCI device"),
        (
            "xl pci-attach nobody 00:04.0",
            "there is no domain `nobody`",
        ),
        (
            "xl pci-attach 0 00:04.0",
            "domain 0 is given no PCI devices",
        ),
        ("xl pci-detach drv 00:04.0", "drv has no PCI device"),
        ("xl pci-detach drv 00:04.8", "is no PCI device"),
        ("xl pci-assignable-remove 00:05.0", "has PCI device"),
    ] {
        command(machine, line, why)?;
    }
    command(machine, "xl pause drv", "")?;
    command(machine, &format!("xl pci-attach drv {one}"), LATE)?;
    command(machine, &format!("xl pci-detach drv {two}"), LATE)?;
    command(machine, "xl unpause drv", "")?;
    command(machine, &format!("xl pci-detach drv {two}"), "").map(drop)
}

/// A guest uses what has come, which does not go meanwhile; the last words of another that uses it then.
fn used(machine: &mut Machine) -> Checked<String> {
    let line = "xl create user cmdline=\"init=/bin/disker rounds=1000\"";
    command(machine, line, "")?;
    command(machine, "expect user 100 round 2", "")?;
    let line = format!("xl pci-detach drv {}", DEVICES[1]);
    command(machine, &line, "as if it were in use")?;
    command(machine, "xl pci-list drv", DEVICES[1])?;
    command(machine, "xl destroy user", "")?;
    use_both(machine)
}

/// A guest reads and writes what the domain serves; its last words.
fn use_both(machine: &mut Machine) -> Checked<String> {
    let line = "xl create user cmdline=\"init=/bin/disker rounds=3\"";
    command(machine, line, "")?;
    command(machine, &format!("expect user 100 {WELL}"), "")?;
    machine.type_line("xl console -l user")?;
    let line = machine.expect_line("round 2: all that was written is there")?;
    machine.expect(PROMPT)?;
    command(machine, "xl destroy user", "")?;
    Ok(line.trim().to_owned())
}

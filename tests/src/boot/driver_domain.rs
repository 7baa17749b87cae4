//! Contract: back ends run in a domain that was given their devices, as they do in dom0: the same
//! programs. A driver domain has a disk of the machine's, which dom0 may not use meanwhile; a guest
//! writes and verifies that disk through it. Its processes use the store by their kernel's one
//! connection, each as if it had its own, and of one that is killed nothing is left. The driver domain
//! is destroyed while the guest writes: another guest with a disk of dom0's notices nothing; a new one with
//! the same device serves the same guest again. In the end everything has come back: pages, event-channel
//! ports, lines, rights to ports and frames of the devices, which reach memory no more, and nodes. The
//! same on Debian's Xen.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::balloon::{command, end_with, free_pages};
use super::census::Census;
use super::grub_disk::disk;
use super::processes::start;
use super::{BootTest, PROMPT};
use crate::images::Store;
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::qemu::{Config, Machine};
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "driver_domain",
    contract: "a guest that was given a disk serves it to others, by dom0's own programs",
    run,
};

/// The driver domain; what it is given is said where it is made.
pub(super) const DRIVER: &str = "\
name = 'drv'
kernel = '/boot/guest-kernel'
ramdisk = 'driver.cpio'
memory = 24
on_poweroff = 'preserve'
";
/// Where the machine has the disks that are given away: one with a file system, one to be written.
pub(super) const DEVICES: [&str; 2] = ["0000:00:04.0", "0000:00:05.0"];
/// It uses the disks that the driver domain serves.
pub(super) const USER: &str = "\
name = 'user'
kernel = '/boot/guest-kernel'
ramdisk = '/boot/guest.cpio'
memory = 24
disk = [ 'phy:/dev/vda,xvda,r,backend=drv', 'phy:/dev/vdb,xvdb,w,backend=drv' ]
on_poweroff = 'preserve'
";
/// It does the same with disks that dom0 serves.
const BESIDE: &str = "\
name = 'beside'
kernel = '/boot/guest-kernel'
ramdisk = '/boot/guest.cpio'
memory = 24
disk = [ 'phy:/dev/vdc,xvda,r', 'phy:/dev/vdd,xvdb,w' ]
on_poweroff = 'preserve'
";
/// Bytes of a disk that is written, of which a guest uses most.
const SIZE: usize = 1 << 20;
/// What a guest says at its end.
pub(super) const WELL: &str = "all as it should be";

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let store: Store = [
        ("drv.cfg".to_owned(), DRIVER.into()),
        ("user.cfg".to_owned(), USER.into()),
        ("beside.cfg".to_owned(), BESIDE.into()),
        ("driver.cpio".to_owned(), lab.images.driver_ramdisk()?),
    ]
    .into();
    let modules = lab.our_dom0_with(DOM0_ARGS, None, &store)?;
    let (config, file) = with_disks(lab, lab.paravane_with(HYPERVISOR_OPTIONS, modules.clone()))?;
    let mut machine = start(lab, &config, "paravane")?;
    let rights = ["has ports c", "has frames f", "has lines, 64 each 0, c00"];
    report.note(nothing_is_left(&mut machine, &rights)?);
    let free_at_first = free_pages(&mut machine)?;
    processes(&mut machine)?;
    end_with(machine, free_at_first)?;
    let written = fs::read(&file).context("the disk's file")?;
    require!(
        written.iter().any(|byte| *byte != 0),
        "nothing is on the disk"
    );
    let (config, _) = with_disks(lab, lab.xen_with(HYPERVISOR_OPTIONS, modules)?)?;
    let mut machine = start(lab, &config, "xen")?;
    let rights = [
        "has I/O Ports  { c",
        "has I/O Memory { f",
        "has Interrupts { 1",
    ];
    report.note(nothing_is_left(&mut machine, &rights)?);
    processes(&mut machine)
}

/// Has a driver domain serve, and end, and compares what is in use before and after; `rights` are some that
/// it has meanwhile, in the hypervisor's words.
fn nothing_is_left(machine: &mut Machine, rights: &[&str]) -> Checked<String> {
    command(machine, "xl quiet", "")?;
    give_away(machine)?;
    // What is kept of the first grants, of dom0's and of the hypervisor's, is not counted.
    live(machine, |_| Ok(()))?;
    let before = Census::take(machine)?;
    let said = live(machine, |machine| {
        let reaches = format!("{} reaches memory", DEVICES[1]);
        before.shows_more(machine, &[rights, &[&reaches, "/backend/pci/"]].concat())
    })?;
    before.holds_again(machine)?;
    Ok(format!(
        "{said}; {} things are in use as before",
        before.len()
    ))
}

/// A machine with two disks to give away, of which the file of the one to be written is named, and two
/// like them for dom0.
pub(super) fn with_disks(lab: &Lab, mut config: Config) -> Result<(Config, PathBuf)> {
    let image = disk(lab)?;
    let [given, kept] = ["given.img", "kept.img"].map(|name| lab.write(name, &vec![0; SIZE]));
    let (given, kept) = (given?, kept?);
    let disks = [
        (&image, ",readonly=on"),
        (&given, ""),
        (&image, ",readonly=on"),
        (&kept, ""),
    ];
    for ((file, how), slot) in disks.into_iter().zip(4..) {
        config.devices.extend([
            "-drive".to_owned(),
            format!(
                "if=none,id=disk{slot},format=raw,file={}{how}",
                file.display()
            ),
            "-device".to_owned(),
            format!("virtio-blk-pci,drive=disk{slot},addr={slot:#x}"),
        ]);
    }
    Ok((config, given))
}

/// Has dom0 leave two disks to others; not one that it uses.
fn give_away(machine: &mut Machine) -> Checked<()> {
    let line = format!("xl create drv pci=[\"{}\"]", DEVICES[0]);
    command(machine, &line, "is not assignable")?;
    for device in DEVICES {
        command(machine, &format!("xl pci-assignable-add {device}"), "")?;
        command(machine, "xl pci-assignable-list", device)?;
    }
    command(machine, "xl create -p beside", "")?;
    let line = "xl pci-assignable-add 00:06.0";
    command(machine, line, "a driver of this domain uses it")?;
    let line = "xl pci-assignable-add 00:1e.0";
    command(machine, line, "there is no such device")?;
    command(machine, "xl destroy beside", "").map(drop)
}

/// Makes a driver domain that serves the disks.
fn create_driver(machine: &mut Machine) -> Checked<()> {
    let [one, two] = DEVICES;
    let line = format!(
        "xl create drv pci=[\"{one}\",\"{two}\"] cmdline=\"init=/bin/driver pci serve=blkback\""
    );
    command(machine, &line, "")?;
    command(machine, "xl pci-list drv", two).map(drop)
}

/// A guest uses the disks of a driver domain, which is destroyed meanwhile and made anew; the last words of
/// the guest. `look` while both have what they are given.
fn live(machine: &mut Machine, look: impl FnOnce(&mut Machine) -> Checked<()>) -> Checked<String> {
    create_driver(machine)?;
    let taken = format!("xl create beside pci=[\"{}\"]", DEVICES[1]);
    command(machine, &taken, "already assigned to a domain")?;
    for (name, rounds) in [("beside", 40), ("user", 25)] {
        let line = format!("xl create {name} cmdline=\"init=/bin/disker rounds={rounds}\"");
        command(machine, &line, "")?;
    }
    machine.type_line("expect user 100 round 5")?;
    machine.expect(PROMPT)?;
    command(machine, "xl pause user", "")?;
    look(machine)?;
    command(machine, "xl unpause user", "")?;
    command(machine, "xl destroy drv", "")?;
    let none = "there is no domain `drv`";
    let attach = "xl block-attach user /dev/vda,raw,xvda,ro,backend=drv";
    command(machine, attach, none)?;
    create_driver(machine)?;
    command(machine, attach, "")?;
    command(
        machine,
        "xl block-attach user /dev/vdb,raw,xvdb,rw,backend=drv",
        "",
    )?;
    command(machine, attach, "it has a disk xvda already")?;
    for name in ["user", "beside"] {
        machine.type_line(&format!("expect {name} 100 {WELL}"))?;
        machine.expect(PROMPT)?;
        machine.type_line(&format!("xl console -l {name}"))?;
        machine.expect(WELL)?;
        machine.expect(PROMPT)?;
    }
    machine.type_line("xl console -l user")?;
    let line = machine.expect_line("round 24: all that was written is there")?;
    machine.expect(PROMPT)?;
    for name in ["user", "beside", "drv"] {
        command(machine, &format!("xl destroy {name}"), "")?;
    }
    Ok(line.trim().to_owned())
}

/// Its processes use the store.
fn processes(machine: &mut Machine) -> Checked<()> {
    command(
        machine,
        "xl create drv cmdline=\"init=/bin/driver check\"",
        "",
    )?;
    machine.type_line("expect drv 100 processes have the store as they should")?;
    machine.expect(PROMPT)?;
    machine.type_line("xl console -l drv")?;
    machine.expect("processes have the store as they should")?;
    machine.expect(PROMPT)?;
    command(machine, "xl destroy drv", "").map(drop)
}

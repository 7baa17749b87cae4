//! Contract: a guest of ours has disks that blkback serves from the machine's own: it reads a file of
//! an ext2 file system on one, writes and verifies the other, and finds a third when it is plugged in,
//! and that it is gone when it is taken out. While it writes, blkback is ended again and again and
//! started anew: no write that was acknowledged is lost, and what was verified last is in the disk's
//! file. Front ends that lie are refused or closed, and the guest beside them notices nothing. Destroyed, the guest leaves no page. What a guest lets a disk forget is gone from the disk's file, and
//! nothing else; where that is not offered, it is refused. The same on Debian's Xen.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use super::balloon::{command, end_with, free_pages};
use super::grub_disk::{GREETING, disk};
use super::processes::start;
use super::{BootTest, PROMPT};
use crate::images::Store;
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::qemu::{Config, Machine};
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "disks",
    contract: "a guest reads, writes and is given disks, and loses no write when blkback is restarted",
    run,
};

pub(super) const CONFIG: &str = "\
name = 'disker'
kernel = '/boot/guest-kernel'
ramdisk = '/boot/guest.cpio'
memory = 24
disk = [ '/dev/vda,raw,xvda,ro', '/dev/vdb,raw,xvdb,rw' ]
on_poweroff = 'preserve'
";

/// Bytes of the disk that is written, of which the guest uses most.
pub(super) const SIZE: usize = 1 << 20;
/// Bytes that the guest does not let the disk forget at its end (`guest-kernel/user/src/bin/disker.rs`).
const USED: usize = 19 * (40 << 10);
/// How often blkback is ended while the guest writes.
const ENDS: usize = 5;
/// At which of these the disk is larger than before, and its name. The first: the one before is done.
const GROWS: usize = 0;
const ZEROS: &str = "zeros";
/// Ends the process that serves disks.
pub(super) const END: &str = "run /bin/end name=blkback";

/// What lying front ends are called (`guest-kernel/src/rogue/disks.rs`).
const ROGUES: [&str; 4] = [
    "disk-indices",
    "disk-requests",
    "disk-rewrites",
    "disk-revoked",
];

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let store: Store = [("disker.cfg".to_owned(), CONFIG.into())].into();
    let modules = lab.our_dom0_with(DOM0_ARGS, None, &store)?;
    let image = disk(lab)?;
    let config = with_disks(
        lab,
        lab.paravane_with(HYPERVISOR_OPTIONS, modules.clone()),
        &image,
    )?;
    let mut machine = start(lab, &config.0, "paravane")?;
    // What is kept of the first grants, of dom0's and of the hypervisor's, is not counted.
    live(&mut machine)?;
    let free_at_first = free_pages(&mut machine)?;
    live(&mut machine)?;
    let rounds = restarts(&mut machine)?;
    rogues(&mut machine)?;
    end_with(machine, free_at_first)?;
    let written = fs::read(&config.1).context("the disk's file")?;
    let (kept, forgotten) = written.split_at(USED);
    require!(kept.iter().any(|byte| *byte != 0), "nothing is on the disk");
    require!(
        forgotten.iter().all(|byte| *byte == 0),
        "what was to be forgotten is on the disk"
    );
    report.note(format!("{ENDS} restarts of blkback in {rounds}"));
    let config = with_disks(lab, lab.xen_with(HYPERVISOR_OPTIONS, modules)?, &image)?;
    let mut machine = start(lab, &config.0, "xen")?;
    live(&mut machine)?;
    restarts(&mut machine)?;
    rogues(&mut machine)
}

/// Front ends that lie, each a guest of its own, while another one reads and writes.
fn rogues(machine: &mut Machine) -> Checked<()> {
    let create = "xl create disker cmdline=\"init=/bin/disker rounds=60\"";
    command(machine, create, "")?;
    for name in ROGUES {
        machine.type_line(&format!(
            "xl create rogue cmdline=\"rogue={name}\" disk=[\"/boot/guest-kernel,raw,xvda,ro\"]"
        ))?;
        machine.expect(&format!("rogue {name}: nothing happened to it"))?;
        machine.expect("powered off: destroyed")?;
    }
    machine.type_line("expect disker 100 all as it should be")?;
    machine.expect(PROMPT)?;
    machine.type_line("xl console -l disker")?;
    machine.expect("round 59: all that was written is there")?;
    machine.expect(PROMPT)?;
    command(machine, "xl destroy disker", "")?;
    beside_a_full_ring(machine)
}

/// It reads and writes while another has its ring full of the largest requests, for ever.
fn beside_a_full_ring(machine: &mut Machine) -> Checked<()> {
    let full =
        "xl create rogue cmdline=\"rogue=disk-full\" disk=[\"/boot/guest-kernel,raw,xvda,ro\"]";
    command(machine, full, "")?;
    machine.type_line("expect rogue 100 its ring is full")?;
    machine.expect(PROMPT)?;
    let create = "xl create disker cmdline=\"init=/bin/disker rounds=5 discard=yes\"";
    command(machine, create, "")?;
    machine.type_line("expect disker 100 all as it should be")?;
    machine.expect(PROMPT)?;
    machine.type_line("xl console -l disker")?;
    machine.expect("round 4: all that was written is there")?;
    machine.expect(PROMPT)?;
    for guest in ["disker", "rogue"] {
        command(machine, &format!("xl destroy {guest}"), "")?;
    }
    Ok(())
}

/// A machine with the disk to be read, and one of zeros, whose file is named.
fn with_disks(lab: &Lab, mut config: Config, image: &Path) -> Result<(Config, PathBuf)> {
    let zeros = lab.write("zeros.img", &vec![0; SIZE])?;
    add_drives(&mut config, &[("image", image), (ZEROS, &zeros)]);
    Ok((config, zeros))
}

/// Gives a machine virtio disks, each with a name of QEMU's and its file.
pub(super) fn add_drives(config: &mut Config, drives: &[(&str, &Path)]) {
    for (name, file) in drives {
        config.devices.extend([
            "-drive".to_owned(),
            format!(
                "if=none,id={name},format=raw,discard=unmap,file={}",
                file.display()
            ),
            "-device".to_owned(),
            format!("virtio-blk-pci,drive={name}"),
        ]);
    }
}

/// Its life with two disks, and a third for a while.
fn live(machine: &mut Machine) -> Checked<()> {
    let create = "xl create disker cmdline=\"init=/bin/disker rounds=2 plug discard=no\" disk=[\"/dev/vda,raw,xvda,ro\",\"/dev/vdb,raw,xvdb,rw,no-discard\"]";
    command(machine, create, "")?;
    machine.type_line("expect disker 100 waits for another disk")?;
    machine.expect(PROMPT)?;
    command(machine, "xl block-list disker", "51728")?;
    let attach = "xl block-attach disker /boot/guest.cpio,raw,xvdc,ro";
    command(machine, attach, "")?;
    machine.type_line("expect disker 100 another disk is there")?;
    machine.expect(PROMPT)?;
    command(machine, "xl block-detach disker xvdc", "")?;
    machine.type_line("expect disker 100 all as it should be")?;
    machine.expect(PROMPT)?;
    machine.type_line("xl console -l disker")?;
    machine.expect_all(&[
        GREETING,
        "round 1: all that was written is there",
        "and gone",
    ])?;
    machine.expect(PROMPT)?;
    command(machine, "xl destroy disker", "").map(drop)
}

/// It writes while blkback is restarted; its last words.
fn restarts(machine: &mut Machine) -> Checked<String> {
    let create = "xl create disker cmdline=\"init=/bin/disker rounds=40\"";
    command(machine, create, "")?;
    for i in 0..ENDS {
        machine.type_line(&format!("expect disker 100 round {}", 1 + 3 * i))?;
        machine.expect(PROMPT)?;
        if i == GROWS {
            let larger = json!({ "device": ZEROS, "size": 2 * SIZE });
            machine.monitor()?.execute("block_resize", &larger)?;
        }
        machine.type_line(END)?;
        machine.expect_all(&["is ended", "it is started again"])?;
        if i == GROWS {
            machine.expect("begins anew: the disk has another size now")?;
        }
    }
    machine.type_line("expect disker 100 all as it should be")?;
    machine.expect(PROMPT)?;
    machine.type_line("xl console -l disker")?;
    let line = machine.expect_line("round 39: all that was written is there")?;
    machine.expect(PROMPT)?;
    command(machine, "xl destroy disker", "")?;
    Ok(line.trim().to_owned())
}

//! Contract: a guest that nobody here wrote boots ours from a disk. Debian's GRUB, as a guest of our
//! dom0, has an ext2 disk that blkback serves, a file or a virtio disk of the machine's: at its prompt, typed through `xl console`, it lists the
//! disk, shows a file, loads our guest kernel with its ramdisk from it and boots it, up to user space.
//! Destroyed, the guest leaves no page. The same on Debian's Xen.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::balloon::{command, end_with, free_pages};
use super::processes::start;
use super::{BootTest, PROMPT};
use crate::images::Store;
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::qemu::{Config, Machine, Module};
use crate::setup::Peer;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "grub_disk",
    contract: "Debian's GRUB boots our kernel from a disk that blkback serves",
    run,
};

const CONFIG: &str = "\
name = 'grub'
kernel = 'grub-x86_64-xen.bin'
memory = 64
disk = [ 'disk.img,raw,xvda,ro' ]
";
/// In place of what the configuration says: the machine's own disk, to be written.
const OF_MACHINE: &str = "disk=[\"/dev/vda,raw,xvda,rw\"]";

/// What a file on the disk says.
pub(super) const GREETING: &str = "read by blkback, copied to GRUB's own pages";
/// Bytes of the disk.
const SIZE: u64 = 8 << 20;
/// What GRUB's shell shows when it waits for a command.
const GRUB_PROMPT: &str = "grub> ";
/// The key that leaves a console.
const LEAVE: &str = "\x1d";
/// dom0 has all of the disk in its ramdisk.
const OPTIONS_OF_MEMORY: (&str, &str) = ("dom0_mem=128M", "dom0_mem=192M");

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let (image, modules) = modules(lab)?;
    let options = HYPERVISOR_OPTIONS.replace(OPTIONS_OF_MEMORY.0, OPTIONS_OF_MEMORY.1);
    let with_disk = |mut config: Config| {
        let drive = format!("if=none,id=disk,format=raw,file={}", image.display());
        let devices = ["-drive", &drive, "-device", "virtio-blk-pci,drive=disk"];
        config.devices = devices.map(str::to_owned).to_vec();
        config
    };
    let paravane = with_disk(lab.paravane_with(&options, modules.clone()));
    let mut machine = start(lab, &paravane, "paravane")?;
    // What is kept of the first grants, of dom0's and of the hypervisor's, is not counted.
    live(&mut machine, OF_MACHINE)?;
    let free_at_first = free_pages(&mut machine)?;
    report.note(live(&mut machine, "")?);
    live(&mut machine, OF_MACHINE)?;
    end_with(machine, free_at_first)?;
    let xen = with_disk(lab.xen_with(&options, modules)?);
    let mut machine = start(lab, &xen, "xen")?;
    live(&mut machine, "")?;
    live(&mut machine, OF_MACHINE).map(drop)
}

/// A disk in a file: ext2, with a text, our guest kernel, and its ramdisk.
pub(super) fn disk(lab: &Lab) -> Result<PathBuf> {
    let image = lab.write("disk.img", &[])?;
    let folder = image.with_file_name("disk");
    fs::create_dir_all(&folder)?;
    let ramdisk = lab.images.guest_ramdisk()?;
    for (name, content) in [
        ("hello.txt", format!("{GREETING}\n").into_bytes()),
        ("guest-kernel", fs::read(&lab.images.guest_kernel)?),
        ("guest.cpio", ramdisk),
    ] {
        fs::write(folder.join(name), content)?;
    }
    make_ext2(&image, &folder)?;
    Ok(image)
}

/// The disk's file, and dom0 with GRUB, its configuration, and a copy of the disk.
fn modules(lab: &Lab) -> Result<(PathBuf, Vec<Module>)> {
    let kernel = fs::read(Peer::Grub.find(&lab.workspace)?)?;
    let image = disk(lab)?;
    let files = [
        ("grub.cfg", CONFIG.into()),
        ("grub-x86_64-xen.bin", kernel),
        ("disk.img", fs::read(&image)?),
    ];
    let store: Store = files.map(|(name, content)| (name.into(), content)).into();
    Ok((image, lab.our_dom0_with(DOM0_ARGS, None, &store)?))
}

/// An ext2 file system in a file, with what is in a folder.
fn make_ext2(image: &Path, folder: &Path) -> Result<()> {
    fs::File::create(image)?.set_len(SIZE)?;
    // Not in every user's path.
    let mut command = Command::new("/sbin/mke2fs");
    command
        .args(["-q", "-t", "ext2", "-d"])
        .arg(folder)
        .arg(image);
    let status = command.status().context("mke2fs (package e2fsprogs)")?;
    ensure!(status.success(), "mke2fs ended with {status}");
    Ok(())
}

/// Types a line at GRUB's prompt, and waits for what it answers.
fn ask(machine: &mut Machine, line: &str, answers: &[&str]) -> Checked<()> {
    machine.expect(GRUB_PROMPT)?;
    machine.type_line(line)?;
    machine.expect_all(answers)
}

/// Its life, with these changes to its configuration; the line in which the kernel that it boots says
/// where it is.
fn live(machine: &mut Machine, changes: &str) -> Checked<String> {
    command(machine, &format!("xl create grub {changes}"), "")?;
    machine.type_line("xl console grub")?;
    machine.expect("GNU GRUB  version")?;
    ask(machine, "ls", &["(xen/xvda)"])?;
    ask(
        machine,
        "ls (xen/xvda)/",
        &["hello.txt", "guest-kernel", "guest.cpio"],
    )?;
    ask(machine, "cat (xen/xvda)/hello.txt", &[GREETING])?;
    ask(machine, "cat (xen/xvda)/no-such-file", &["error: file"])?;
    ask(machine, "linux (xen/xvda)/guest-kernel from=grub", &[])?;
    ask(machine, "initrd (xen/xvda)/guest.cpio", &[])?;
    ask(machine, "boot", &[])?;
    let line = machine.expect_line("kernel: domU on")?;
    machine.expect("from=grub")?;
    machine.expect("init: ")?;
    machine.type_line(LEAVE)?;
    machine.expect(PROMPT)?;
    command(machine, "xl list grub", "grub")?;
    command(machine, "xl destroy grub", "")?;
    Ok(line.trim().to_owned())
}

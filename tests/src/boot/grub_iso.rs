//! Contract: the same image boots by multiboot 2, from a CD that GRUB's own tool
//! makes, and reaches the same prompt.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::{BootTest, PROMPT};
use crate::images::Store;
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::qemu::{Boot, Config};
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "grub_iso",
    contract: "GRUB boots it by multiboot 2 from a CD to dom0's shell",
    run,
};

fn run(lab: &Lab, _report: &mut Report) -> Checked<()> {
    let config = Config::new(Boot::Cdrom(make_iso(lab)?));
    let mut machine = lab.start(&config, "paravane")?;
    machine.expect("(PVN)")?;
    machine.expect(PROMPT)?;
    machine.type_line("poweroff")?;
    let status = machine.expect_end()?;
    require!(status.success(), "`poweroff` ended QEMU with {status}");
    Ok(())
}

fn make_iso(lab: &Lab) -> Result<std::path::PathBuf> {
    let tree = lab.dir.join("iso");
    let boot = tree.join("boot");
    fs::create_dir_all(boot.join("grub"))?;
    fs::copy(&lab.images.hypervisor, boot.join("paravane"))?;
    fs::copy(&lab.images.guest_kernel, boot.join("guest-kernel"))?;
    fs::write(
        boot.join("dom0.cpio"),
        lab.images.dom0_ramdisk(None, &Store::new())?,
    )?;
    fs::write(
        boot.join("grub/grub.cfg"),
        format!(
            "serial --unit=0 --speed=115200\n\
             terminal_input serial\nterminal_output serial\nset timeout=0\n\
             menuentry paravane {{\n\
             \tmultiboot2 /boot/paravane {HYPERVISOR_OPTIONS}\n\
             \tmodule2 /boot/guest-kernel {DOM0_ARGS}\n\
             \tmodule2 /boot/dom0.cpio\n}}\n"
        ),
    )?;
    let iso = lab.dir.join("paravane.iso");
    let output = Command::new("grub-mkrescue")
        .arg("--output")
        .arg(&iso)
        .arg(&tree)
        .stdin(Stdio::null())
        .output()
        .context("cannot run grub-mkrescue (package grub-common)")?;
    ensure!(
        output.status.success(),
        "grub-mkrescue: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(iso)
}

//! Contract: Debian's Linux as dom0 drives a real disk, a virtio one on the PCI bus, by its
//! interrupts: it reads all of it, and writes what is found in the disk's file afterwards. Its
//! interrupts come by a line that is triggered by the level, because a function's table of messages
//! (MSI-X) is refused.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::BootTest;
use crate::lab::Lab;
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "linux_disk",
    contract: "Debian's Linux as dom0 reads and writes a disk that interrupts it",
    run,
};

const OPTIONS: &str =
    "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all dom0_mem=256M noreboot";

/// Bytes that Linux reads, and copies behind themselves.
const HALF: usize = 4 << 20;

const INIT: &str = "#!/bin/busybox sh\n\
    /bin/busybox mount -t proc proc /proc\n\
    /bin/busybox mount -t sysfs sysfs /sys\n\
    /bin/busybox mount -t devtmpfs dev /dev\n\
    for n in 0 1 2 3 4 5; do /bin/busybox insmod /lib/drivers/$n.ko; done\n\
    echo \"DISK-SUM $(/bin/busybox dd if=/dev/vda bs=64k count=64 | /bin/busybox sha256sum)\"\n\
    /bin/busybox dd if=/dev/vda of=/dev/vda bs=64k count=64 seek=64 conv=fsync\n\
    /bin/busybox grep virtio /proc/interrupts\n\
    echo \"DISK-INTERRUPTS $(/bin/busybox awk '/virtio/ { n = 0; \\\n\
    for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i; print n }' /proc/interrupts)\"\n\
    echo \"DISK-DONE\"\n\
    /bin/busybox poweroff -f\n";

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    for processors in [1, 2] {
        on(lab, processors, report)?;
    }
    Ok(())
}

fn on(lab: &Lab, processors: u32, report: &mut Report) -> Checked<()> {
    let (content, disk) = disk(lab)?;
    let mut config = lab.paravane_with(OPTIONS, lab.linux_with_drivers(INIT)?);
    config.smp = processors;
    let drive = format!("if=none,id=disk,format=raw,file={}", disk.display());
    let devices = ["-drive", &drive, "-device", "virtio-blk-pci,drive=disk"];
    config.devices = devices.map(str::to_owned).to_vec();
    let mut machine = lab.start(&config, &format!("paravane-{processors}"))?;
    let sum = machine.expect_line("DISK-SUM")?;
    let count = machine.expect_line("DISK-INTERRUPTS")?;
    machine.expect("(PVN) Powering off")?;
    let wanted = sum_of(&disk_half(lab, &content)?)?;
    require!(sum.contains(&wanted), "Linux read {sum}, not {wanted}");
    let interrupts: u64 = count
        .split_whitespace()
        .last()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0);
    require!(interrupts > 0, "the disk interrupted nobody: {count}");
    let after = fs::read(&disk).context("the disk's file")?;
    require!(
        after[..HALF] == content[..] && after[HALF..] == content[..],
        "what Linux wrote is not on the disk"
    );
    report.note(format!(
        "{processors} processors: {} KiB read, as much written, {interrupts} interrupts",
        HALF / 1024
    ));
    Ok(())
}

/// A disk whose first half is the content given, and the rest zeros.
fn disk(lab: &Lab) -> Result<(Vec<u8>, std::path::PathBuf)> {
    let mut word = 0x9e37_79b9_7f4a_7c15_u64;
    let content: Vec<u8> = (0..HALF / 8)
        .flat_map(|_| {
            // Marsaglia's xorshift.
            word ^= word << 13;
            word ^= word >> 7;
            word ^= word << 17;
            word.to_le_bytes()
        })
        .collect();
    let mut whole = content.clone();
    whole.resize(2 * HALF, 0);
    let path = lab.write("disk.img", &whole)?;
    Ok((content, path))
}

fn disk_half(lab: &Lab, content: &[u8]) -> Result<std::path::PathBuf> {
    lab.write("content", content)
}

/// The SHA-256 of a file, as `sha256sum` writes it.
pub(super) fn sum_of(file: &Path) -> Result<String> {
    let output = Command::new("sha256sum").arg(file).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let sum = text.split_whitespace().next();
    Ok(sum.context("sha256sum says nothing")?.to_owned())
}

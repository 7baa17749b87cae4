//! Contract: Debian's stock Linux, as it comes in its package, is made a guest from a folder of
//! files that a user gives: a configuration, a bzImage and a ramdisk beside it. It is unpacked and
//! built, finds xenstore and its console, and comes up to user space with both of its vCPUs; reads
//! what is typed through `xl console`, takes a vCPU down and gives memory back as xl asks, powers off
//! as `xl shutdown` asks, and leaves no page. Meanwhile it writes and reads a disk with the
//! `xen-blkfront` of its package, which knows of no back end that begins anew: blkback is killed and
//! started again amid that, what was written is read, and what was read last is in the disk's file, but for what was discarded.

use std::fs;

use super::balloon::{command, end_with, free_pages};
use super::disks::{self, add_drives};
use super::linux_disk::sum_of;
use super::processes::start;
use super::{BootTest, PROMPT};
use crate::images::Store;
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::require;
use crate::setup::Peer;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "linux_domu",
    contract: "Debian's Linux is a guest: user space, console, a disk whose blkback is killed, shutdown",
    run,
};

const CONFIG: &str = "\
name = 'linux'
kernel = 'vmlinuz'
ramdisk = 'linux.cpio'
memory = 192
vcpus = 2
cmdline = 'console=hvc0 panic=5'
disk = [ '/dev/vda,raw,xvda,rw' ]
on_crash = 'preserve'
";

/// Linux powers off by a program. Its disk is used until it reads `stop`, beside the page cache.
const INIT: &str = "#!/bin/busybox sh\n\
    /bin/busybox mount -t proc proc /proc\n\
    /bin/busybox mount -t sysfs sysfs /sys\n\
    /bin/busybox mount -t devtmpfs dev /dev\n\
    /bin/busybox mkdir /sbin\n\
    echo '#!/bin/busybox sh' > /sbin/poweroff\n\
    echo '/bin/busybox poweroff -f' >> /sbin/poweroff\n\
    /bin/busybox chmod 755 /sbin/poweroff\n\
    echo \"LINUX-USERSPACE hypervisor=$(/bin/busybox cat /sys/hypervisor/type)\"\n\
    echo \"LINUX-CPUS $(/bin/busybox grep -c ^processor /proc/cpuinfo)\"\n\
    /bin/busybox insmod /lib/drivers/0.ko\n\
    until [ -b /dev/xvda ]; do /bin/busybox sleep 0.1; done\n\
    disk() {\n\
    n=0\n\
    while [ ! -e /stop ]; do\n\
    at=$((n % 8))\n\
    /bin/busybox dd if=/dev/urandom of=/piece bs=64k count=2 2>/dev/null\n\
    /bin/busybox dd if=/piece of=/dev/xvda bs=128k seek=$at oflag=direct conv=fsync 2>/dev/null\n\
    /bin/busybox dd if=/dev/xvda bs=128k count=1 skip=$at iflag=direct 2>/dev/null |\n\
    /bin/busybox cmp - /piece || { echo LINUX-DISK-WRONG; return; }\n\
    echo LINUX-DISK-ROUND $n\n\
    n=$((n + 1))\n\
    done\n\
    /bin/busybox blkdiscard -o 917504 -l 131072 /dev/xvda || echo LINUX-DISK-KEPT\n\
    echo \"LINUX-DISK-SUM $(/bin/busybox dd if=/dev/xvda bs=128k iflag=direct 2>/dev/null |\n\
    /bin/busybox sha256sum)\"\n\
    }\n\
    disk &\n\
    while read line; do [ \"$line\" = stop ] && echo > /stop; echo \"LINUX-READ $line\"; done\n";

/// Where Linux discards the rest of the disk at the end.
const FORGOTTEN: usize = 917_504;
/// How often blkback is killed.
const ENDS: usize = 5;

/// The key that leaves a console.
const LEAVE: &str = "\x1d";

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let kernel = fs::read(Peer::Linux.find(&lab.workspace)?)?;
    let ramdisk = lab.linux_ramdisk(INIT, &Peer::linux_blkfront(&lab.workspace)?)?;
    let files = [
        ("linux.cfg", CONFIG.into()),
        ("vmlinuz", kernel),
        ("linux.cpio", ramdisk),
    ];
    let store: Store = files.map(|(name, content)| (name.into(), content)).into();
    let options = HYPERVISOR_OPTIONS.replace("dom0_mem=128M", "dom0_mem=256M");
    let mut config = lab.paravane_with(&options, lab.our_dom0_with(DOM0_ARGS, None, &store)?);
    config.memory_mib = 1024;
    let disk = lab.write("disk.img", &vec![0; disks::SIZE])?;
    add_drives(&mut config, &[("disk", &disk)]);
    let mut machine = start(lab, &config, "paravane")?;
    // What is kept of the first grants, of dom0's and of the hypervisor's, is not counted.
    command(&mut machine, "run /bin/sharer", "and comes back")?;
    let free_at_first = free_pages(&mut machine)?;
    machine.type_line("xl create linux")?;
    report.note(machine.expect_line("kernel unpacked")?);
    report.note(machine.expect_line("Linux version 6.1")?);
    machine.expect("LINUX-USERSPACE hypervisor=xen")?;
    machine.expect("LINUX-CPUS 2")?;
    for _ in 0..ENDS {
        machine.expect("LINUX-DISK-ROUND")?;
        machine.type_line(disks::END)?;
        machine.expect_all(&["is ended", "it is started again"])?;
        // The second was begun after that.
        machine.expect("LINUX-DISK-ROUND")?;
    }
    let line = machine.expect_line("LINUX-DISK-ROUND")?;
    let rounds = line.split_whitespace().last().unwrap_or_default();
    report.note(format!(
        "{ENDS} ends of blkback in {rounds} rounds of Linux"
    ));
    machine.type_line("xl console linux")?;
    machine.expect("LINUX-CPUS 2")?;
    for line in ["what is typed", "stop"] {
        machine.type_line(line)?;
        machine.expect(&format!("LINUX-READ {line}"))?;
    }
    let sum = machine.expect_line("LINUX-DISK-SUM")?;
    machine.type_line(LEAVE)?;
    machine.expect(PROMPT)?;
    let wanted = sum_of(&disk)?;
    require!(sum.contains(&wanted), "Linux read {sum}, not {wanted}");
    let forgotten = &fs::read(&disk)?[FORGOTTEN..];
    require!(
        forgotten.iter().all(|byte| *byte == 0),
        "what Linux has discarded is on the disk"
    );
    for (line, answer) in [
        ("xl vcpu-set linux 1", "linux has 1 vCPUs now"),
        // It has no udev.
        (
            "xl vcpu-set -i linux 2",
            "availability = online) and has 1 up",
        ),
        ("xl mem-set linux 176", "linux has 176 MiB now"),
    ] {
        command(&mut machine, line, answer)?;
    }
    command(&mut machine, "xl shutdown -w linux", "")?;
    let text = machine.console.text();
    for line in ["Hypervisor detected: Xen PV", "Booting kernel on Xen"] {
        require!(text.contains(line), "it did not say `{line}`");
    }
    end_with(machine, free_at_first)
}

//! Contract: Debian's stock Linux, as it comes in its package, is made a guest from a folder of
//! files that a user gives: a configuration, a bzImage and a ramdisk beside it. It is unpacked and
//! built, finds xenstore and its console, and comes up to user space with both of its vCPUs; reads
//! what is typed through `xl console`, takes a vCPU down and gives memory back as xl asks, powers off
//! as `xl shutdown` asks, and leaves no page.

use std::fs;

use super::balloon::{command, end_with, free_pages};
use super::processes::start;
use super::{BootTest, PROMPT};
use crate::images::Store;
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::require;
use crate::setup::Peer;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "linux_domu",
    contract: "Debian's Linux is a guest: user space, its console, and shutdown as xl asks",
    run,
};

const CONFIG: &str = "\
name = 'linux'
kernel = 'vmlinuz'
ramdisk = 'linux.cpio'
memory = 192
vcpus = 2
cmdline = 'console=hvc0 panic=5'
on_crash = 'preserve'
";

/// Linux powers off by a program.
const INIT: &str = "#!/bin/busybox sh\n\
    /bin/busybox mount -t proc proc /proc\n\
    /bin/busybox mount -t sysfs sysfs /sys\n\
    /bin/busybox mkdir /sbin\n\
    echo '#!/bin/busybox sh' > /sbin/poweroff\n\
    echo '/bin/busybox poweroff -f' >> /sbin/poweroff\n\
    /bin/busybox chmod 755 /sbin/poweroff\n\
    echo \"LINUX-USERSPACE hypervisor=$(/bin/busybox cat /sys/hypervisor/type)\"\n\
    echo \"LINUX-CPUS $(/bin/busybox grep -c ^processor /proc/cpuinfo)\"\n\
    while read line; do echo \"LINUX-READ $line\"; done\n";

/// The key that leaves a console.
const LEAVE: &str = "\x1d";

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let kernel = fs::read(Peer::Linux.find(&lab.workspace)?)?;
    let ramdisk = lab.linux_ramdisk(INIT, &[])?;
    let files = [
        ("linux.cfg", CONFIG.into()),
        ("vmlinuz", kernel),
        ("linux.cpio", ramdisk),
    ];
    let store: Store = files.map(|(name, content)| (name.into(), content)).into();
    let options = HYPERVISOR_OPTIONS.replace("dom0_mem=128M", "dom0_mem=256M");
    let mut config = lab.paravane_with(&options, lab.our_dom0_with(DOM0_ARGS, None, &store)?);
    config.memory_mib = 1024;
    let mut machine = start(lab, &config, "paravane")?;
    let free_at_first = free_pages(&mut machine)?;
    machine.type_line("xl create linux")?;
    report.note(machine.expect_line("kernel unpacked")?);
    report.note(machine.expect_line("Linux version 6.1")?);
    machine.expect("LINUX-USERSPACE hypervisor=xen")?;
    machine.expect("LINUX-CPUS 2")?;
    machine.type_line("xl console linux")?;
    machine.expect("LINUX-CPUS 2")?;
    machine.type_line("what is typed")?;
    machine.expect("LINUX-READ what is typed")?;
    machine.type_line(LEAVE)?;
    machine.expect(PROMPT)?;
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

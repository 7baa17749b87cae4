//! Contract: a front end that nobody here wrote: Debian's stock Linux as a guest, with the
//! `xen-netfront` of its package, pings a guest of ours over our netback and is pinged by it, and what
//! it fetches over TCP is right. It leaves the checksums of what it sends to others. When netback is
//! killed and started again, that front end, which knows nothing of such things, goes on.

use std::fs;

use anyhow::Result;

use super::BootTest;
use super::balloon::command;
use super::linux_disk::sum_of;
use super::network::config;
use super::processes::start;
use crate::images::Store;
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::require;
use crate::setup::Peer;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "network_linux",
    contract: "Debian's Linux with its own netfront and a guest of ours talk over our netback",
    run,
};

const CONFIG: &str = "\
name = 'linux'
kernel = 'vmlinuz'
ramdisk = 'linux.cpio'
memory = 192
cmdline = 'console=hvc0 panic=5'
vif = [ 'mac=00:16:3e:00:00:07' ]
on_crash = 'preserve'
";

/// Asks our server for 1 MiB: eight bytes, the lowest first.
const INIT: &str = "#!/bin/busybox sh\n\
    /bin/busybox mount -t proc proc /proc\n\
    /bin/busybox mount -t sysfs sysfs /sys\n\
    /bin/busybox insmod /lib/drivers/0.ko\n\
    /bin/busybox ip addr add 10.0.0.7/24 dev eth0\n\
    /bin/busybox ip link set eth0 up\n\
    /bin/busybox sleep 2\n\
    echo \"LINUX-MAC $(/bin/busybox cat /sys/class/net/eth0/address)\"\n\
    echo \"LINUX-PING $(/bin/busybox ping -c 5 -s 1400 10.0.0.1 | /bin/busybox grep received)\"\n\
    echo \"LINUX-SUM $(/bin/busybox printf '\\000\\000\\020\\000\\000\\000\\000\\000' | \
    /bin/busybox nc 10.0.0.1 80 | /bin/busybox head -c 1048576 | /bin/busybox sha256sum)\"\n\
    echo LINUX-DONE\n\
    while true; do /bin/busybox sleep 1000; done\n";
const BYTES: usize = 1 << 20;

/// The SHA-256 of what our server sends, as `sha256sum` writes it.
fn expected(lab: &Lab) -> Result<String> {
    let file = lab.write("content", &super::network_outside::content(BYTES))?;
    sum_of(&file)
}

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let kernel = fs::read(Peer::Linux.find(&lab.workspace)?)?;
    let ramdisk = lab.linux_ramdisk(INIT, &Peer::linux_netfront(&lab.workspace)?)?;
    let files = [
        ("linux.cfg", CONFIG.into()),
        ("vmlinuz", kernel),
        ("linux.cpio", ramdisk),
        ("net.cpio", lab.images.network_ramdisk()?),
        ("server.cfg", config("server", "ip=10.0.0.1/24 serve=80")),
        (
            "client.cfg",
            config("client", "ip=10.0.0.2/24 ping=10.0.0.7"),
        ),
    ];
    let store: Store = files.map(|(name, content)| (name.into(), content)).into();
    let options = HYPERVISOR_OPTIONS.replace("dom0_mem=128M", "dom0_mem=256M");
    let mut machine_config =
        lab.paravane_with(&options, lab.our_dom0_with(DOM0_ARGS, None, &store)?);
    machine_config.memory_mib = 1024;
    let mut machine = start(lab, &machine_config, "paravane")?;
    command(&mut machine, "xl create server", "serving at port 80")?;
    machine.type_line("xl create linux")?;
    machine.expect("LINUX-MAC 00:16:3e:00:00:07")?;
    let pings = machine.expect_line("LINUX-PING")?;
    let sum = machine.expect_line("LINUX-SUM")?;
    machine.expect("LINUX-DONE")?;
    for _ in 0..2 {
        machine.type_line("run /bin/stop netback")?;
        machine.expect("has ended: it is started again")?;
    }
    machine.type_line("xl create client")?;
    report.note(machine.expect_line("10.0.0.7 has answered 5 pings")?);
    let lost = "5 packets received, 0% packet loss";
    require!(pings.contains(lost), "Linux lost pings: `{pings}`");
    let expected = expected(lab)?;
    require!(
        sum.contains(&expected),
        "Linux fetched {sum}, not {expected}"
    );
    Ok(())
}

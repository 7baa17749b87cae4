//! Contract: processes of a guest use the store by their kernel's one connection, each as if it had its
//! own, and of one that is killed nothing is left. The same on Debian's Xen.

use super::balloon::{command, end_with, free_pages};
use super::processes::start;
use super::{BootTest, PROMPT};
use crate::images::Store;
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::qemu::Machine;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "driver_domain",
    contract: "processes of a guest have the store, as those of dom0 have it",
    run,
};

const CONFIG: &str = "\
name = 'drv'
kernel = '/boot/guest-kernel'
ramdisk = 'driver.cpio'
memory = 24
on_poweroff = 'preserve'
";

fn run(lab: &Lab, _: &mut Report) -> Checked<()> {
    let store: Store = [
        ("drv.cfg".to_owned(), CONFIG.into()),
        ("driver.cpio".to_owned(), lab.images.driver_ramdisk()?),
    ]
    .into();
    let modules = lab.our_dom0_with(DOM0_ARGS, None, &store)?;
    let config = lab.paravane_with(HYPERVISOR_OPTIONS, modules.clone());
    let mut machine = start(lab, &config, "paravane")?;
    let free_at_first = free_pages(&mut machine)?;
    processes(&mut machine)?;
    end_with(machine, free_at_first)?;
    let config = lab.xen_with(HYPERVISOR_OPTIONS, modules)?;
    processes(&mut start(lab, &config, "xen")?)
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

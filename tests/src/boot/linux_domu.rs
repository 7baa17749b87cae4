//! Contract: Debian's stock Linux, as it comes in its package, is made a guest from a folder of
//! files that a user gives: a configuration and a bzImage beside it. It is unpacked, built, and
//! speaks on its console.
//!
//! How far it gets: until it wants to know from the store what it is to be; nobody serves that yet.

use std::fs;

use super::BootTest;
use crate::images::Store;
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::require;
use crate::setup::Peer;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "linux_domu",
    contract: "Debian's Linux is a guest, made from a folder's bzImage and configuration",
    run,
};

const CONFIG: &str = "\
name = 'linux'
kernel = 'vmlinuz'
memory = 192
vcpus = 2
cmdline = 'console=hvc0 panic=5'
on_crash = 'preserve'
";

const SCRIPT: &str = "\
ls /store
xl create linux
expect linux 300 Initialising balloon driver
xl list linux
xl destroy linux
";

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let kernel = fs::read(Peer::Linux.find(&lab.workspace)?)?;
    let files = [("linux.cfg", CONFIG.into()), ("vmlinuz", kernel)];
    let store: Store = files.map(|(name, content)| (name.into(), content)).into();
    let args = format!("{DOM0_ARGS} script=/etc/script");
    let options = HYPERVISOR_OPTIONS.replace("dom0_mem=128M", "dom0_mem=256M");
    let modules = lab.our_dom0_with(&args, Some(SCRIPT), &store)?;
    let mut config = lab.paravane_with(&options, modules);
    config.memory_mib = 1024;
    let mut machine = lab.start(&config, "paravane")?;
    machine.expect("/store/vmlinuz")?;
    report.note(machine.expect_line("kernel unpacked")?);
    report.note(machine.expect_line("Linux version 6.1")?);
    machine.expect_script_done()?;
    let text = machine.console.text();
    for line in ["Hypervisor detected: Xen PV", "Booting kernel on Xen"] {
        require!(text.contains(line), "it did not say `{line}`");
    }
    machine.expect_end()?;
    Ok(())
}

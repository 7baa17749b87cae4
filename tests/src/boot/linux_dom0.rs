//! Contract: Debian's stock Linux, bzImage and all, starts as dom0: it prints its
//! banner, sees a Xen PV machine of version 4.17, and gets through its early boot.
//! How far it gets beyond that is reported, not required.

use super::BootTest;
use crate::lab::{LINUX_USERSPACE, Lab};
use crate::qemu::machine::{PANIC, last_lines};
use crate::setup::Peer;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "linux_dom0",
    contract: "Debian's Linux gets through its early boot as dom0",
    run,
};

const OPTIONS: &str =
    "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all dom0_mem=256M noreboot";

/// Lines of the console shown for how far it got.
const LINES: usize = 5;

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let config = lab.paravane_with(OPTIONS, lab.linux_dom0()?);
    let mut machine = lab.start(&config, "paravane")?;
    machine.expect("Linux version")?;
    machine.expect("Hypervisor detected: Xen PV")?;
    machine.expect("Booting kernel on Xen")?;
    machine.expect("Xen version: 4.17")?;
    let version = Peer::Linux.version(&lab.workspace)?;
    machine.deny_only(&[PANIC]);
    match machine.expect_any(&[LINUX_USERSPACE, "Kernel panic", "(PVN) dom0 crashed"]) {
        Ok((0, line)) => report.note(format!("{version} reaches user space: {line}")),
        Ok((_, line)) => {
            // Let it print what it has to say.
            let _ = machine.expect_any(&["---[ end Kernel panic", "(PVN) Halted"]);
            report.note(format!("{version} stops at: {line}"));
        }
        Err(_) => report.note(format!("{version} goes silent")),
    }
    for line in last_lines(&machine.console.text(), LINES).lines() {
        report.note(format!("| {line}"));
    }
    Ok(())
}

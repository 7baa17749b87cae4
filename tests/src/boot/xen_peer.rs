//! Contract: the lab's own ground is sound. Debian's Xen with Debian's Linux as
//! dom0 reaches user space in this QEMU, with the very modules that the Linux test
//! gives Paravane; and the search for pages that are writable and executable finds
//! some in that Xen, so a clean result on Paravane is not a blind eye.
//!
//! Whatever breaks here is an error of the lab, never a failure of Paravane.

use anyhow::anyhow;

use super::BootTest;
use super::write_xor_execute::hypervisor_leaves;
use crate::lab::{LINUX_USERSPACE, Lab};
use crate::setup::Peer;
use crate::verdict::{Checked, Report, Trouble};

pub(super) const TEST: BootTest = BootTest {
    name: "xen_peer",
    contract: "the lab boots Debian's Xen with Debian's Linux as dom0, and its paging check can fail",
    run: |lab, report| run(lab, report).map_err(as_error),
};

const OPTIONS: &str = "console=com1 com1=115200,8n1 loglvl=all dom0_mem=256M noreboot";

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let config = lab.xen_with(OPTIONS, lab.linux_dom0()?)?;
    let mut machine = lab.start(&config, "xen")?;
    machine.expect("Xen version 4.17")?;
    machine.expect("Hypervisor detected: Xen PV")?;
    let mut monitor = machine.monitor()?;
    let leaves = hypervisor_leaves(&mut monitor)?;
    let both = leaves.iter().filter(|leaf| leaf.breaks_w_xor_x()).count();
    if both == 0 {
        return Err(Trouble::Error(anyhow!(
            "no writable and executable page in Debian's Xen: has the check gone blind?"
        )));
    }
    machine.expect_line(LINUX_USERSPACE)?;
    machine.expect("LINUX-DONE")?;
    report.note(format!(
        "{} and {} reach user space; {both} of {} mappings of that Xen are writable and executable",
        Peer::Xen.version(&lab.workspace)?,
        Peer::Linux.version(&lab.workspace)?,
        leaves.len()
    ));
    Ok(())
}

fn as_error(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Failure(text) => Trouble::Error(anyhow!(text)),
        error @ Trouble::Error(_) => error,
    }
}

//! Contract: what ends a rogue on Debian's Xen ends it on Paravane, and what it survives there it
//! survives here. There is no toolstack on that Xen, so the rogue is dom0 on either side; rogues
//! are left out whose acts a dom0 has a right to, or that name addresses of Paravane's own.

use super::BootTest;
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::oracle::XEN_OPTIONS;
use crate::qemu::{Config, Machine};
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "rogues_on_xen",
    contract: "rogues as dom0 end, or live on, as they do on Debian's Xen",
    run,
};

const ROGUES: &[&str] = &[
    "jump-null",
    "jump-non-canonical",
    "stack-null",
    "stack-non-canonical",
    "handlers-nowhere",
    "callback-nowhere",
    "iret-selectors",
    "iret-rip",
    "iret-rsp",
    "iret-flags",
    "iret-no-user-root",
    "iret-no-frame",
    "iret-hypervisor-frame",
    "int-all",
    "int-untrapped",
    "compat-entries",
    "gdt-hostile",
    "ldt-hypervisor",
    "baseptr-empty",
    "unmap-kernel",
    "tables-self",
    "multicall-nested",
];

/// What the consoles say at the end, and what it means; only these are waited for.
const ENDS: [(&str, &str); 3] = [
    ("nothing happened to it", "lives on"),
    ("Hardware Dom0 crashed", "ended"),
    ("dom0 crashed", "ended"),
];

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let on_xen = format!("{HYPERVISOR_OPTIONS} {XEN_OPTIONS}");
    let modules = lab.our_dom0("", None)?;
    let with = |rogue: &str| {
        let mut modules = modules.clone();
        modules[0].args = format!("rogue={rogue}");
        modules
    };
    let mut table = String::new();
    let mut ended = 0;
    for rogue in ROGUES {
        let xen = lab.xen_with(&on_xen, with(rogue))?;
        let ours = lab.paravane_with(HYPERVISOR_OPTIONS, with(rogue));
        // Both at once: each mostly waits for itself.
        let xen = start(lab, &xen, &format!("{rogue}-on-xen"))?;
        let ours = start(lab, &ours, &format!("{rogue}-on-paravane"))?;
        let (xen, ours) = (end(xen)?, end(ours)?);
        table += &format!("{rogue:24} {xen:10} {ours}\n");
        ended += u32::from(ours == "ended");
        if xen != ours {
            report.failure(format!("{rogue}: {xen} on Xen, {ours} on Paravane"));
        }
    }
    lab.write("rogues.txt", table.as_bytes())?;
    report.note(format!(
        "{} rogues as dom0 on both sides, {ended} of them ended; table in rogues.txt",
        ROGUES.len()
    ));
    Ok(())
}

fn start(lab: &Lab, config: &Config, name: &str) -> Checked<Machine> {
    let mut machine = lab.start(config, name)?;
    machine.deny_only(&["BREACH", "there is no rogue"]);
    Ok(machine)
}

fn end(mut machine: Machine) -> Checked<&'static str> {
    let (which, _) = machine.expect_any(&ENDS.map(|(said, _)| said))?;
    Ok(ENDS[which].1)
}

//! Contract: a guest that lies in the rings of its network interface loses that interface, or gets
//! its lies back as errors: indices out of range, frames without an end, sizes that cannot be, pages
//! that are not granted or not any more, requests that change while they are read, anything at
//! random, a ring that is full for ever. Others' frames go through meanwhile, and nothing is left of it.
//! The same on Debian's Xen.

use super::BootTest;
use super::balloon::{command, end_with, free_pages};
use super::network::networked;
use super::processes::start;
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::qemu::Machine;
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "network_rogues",
    contract: "netback ends the interfaces of guests that lie, and serves the others",
    run,
};

const ROGUES: [&str; 6] = [
    "net-lies",
    "net-revoked",
    "net-requests",
    "net-rewrites",
    "net-random",
    "net-full",
];

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let rogues = ROGUES.map(|name| (name, format!("ip=none rogue={name}")));
    let mut guests = vec![
        ("server", "ip=10.0.0.1/24 serve=80"),
        ("client", "ip=10.0.0.2/24 ping=10.0.0.1 count=20"),
    ];
    guests.extend(
        rogues
            .iter()
            .map(|(name, arguments)| (*name, arguments.as_str())),
    );
    let modules = networked(lab, &guests)?;
    let mut paravane = lab.paravane_with(HYPERVISOR_OPTIONS, modules.clone());
    // A rogue writes while netback reads.
    paravane.smp = 2;
    let mut machine = start(lab, &paravane, "paravane")?;
    // The hypervisor keeps what dom0's grants need when there are some for the first time.
    command(&mut machine, "run /bin/sharer", "and comes back")?;
    let free_at_first = free_pages(&mut machine)?;
    for said in all(&mut machine)? {
        report.note(said);
    }
    end_with(machine, free_at_first)?;
    let xen = lab.xen_with(HYPERVISOR_OPTIONS, modules)?;
    all(&mut start(lab, &xen, "xen")?).map(drop)
}

/// One rogue after the other, and what they say.
fn all(machine: &mut Machine) -> Checked<Vec<String>> {
    command(machine, "xl create server", "serving at port 80")?;
    let mut said = Vec::new();
    for rogue in ROGUES {
        machine.type_line(&format!("xl create {rogue}"))?;
        said.push(machine.expect_line(&format!("[{rogue}] kernel: rogue net: "))?);
        machine.type_line("xl create client")?;
        machine.expect("10.0.0.1 has answered 20 pings")?;
        for guest in ["client", rogue] {
            command(machine, &format!("xl destroy {guest}"), "")?;
        }
    }
    command(machine, "xl destroy server", "")?;
    let text = machine.console.text();
    require!(!text.contains("BREACH"), "a rogue was not refused:\n{text}");
    Ok(said)
}

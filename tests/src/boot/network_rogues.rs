//! Contract: a guest that lies in the rings of its network interface loses that interface, or gets
//! its lies back as errors: indices out of range, frames without an end, pages that are not granted,
//! anything at random. Others' frames go through meanwhile, and nothing is left of it.

use super::BootTest;
use super::balloon::{command, end_with, free_pages};
use super::network::networked;
use super::processes::start;
use crate::lab::Lab;
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "network_rogues",
    contract: "netback ends the interfaces of guests that lie, and serves the others",
    run,
};

const ROGUES: [&str; 3] = ["net-lies", "net-revoked", "net-random"];

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
    let mut machine = start(lab, &networked(lab, &guests)?, "paravane")?;
    // The hypervisor keeps what dom0's grants need when there are some for the first time.
    command(&mut machine, "run /bin/sharer", "and comes back")?;
    let free_at_first = free_pages(&mut machine)?;
    command(&mut machine, "xl create server", "serving at port 80")?;
    for rogue in ROGUES {
        machine.type_line(&format!("xl create {rogue}"))?;
        report.note(machine.expect_line(&format!("[{rogue}] kernel: rogue net: "))?);
        machine.type_line("xl create client")?;
        machine.expect("10.0.0.1 has answered 20 pings")?;
        for guest in ["client", rogue] {
            command(&mut machine, &format!("xl destroy {guest}"), "")?;
        }
    }
    command(&mut machine, "xl destroy server", "")?;
    let text = machine.console.text();
    require!(!text.contains("BREACH"), "a rogue was not refused:\n{text}");
    end_with(machine, free_at_first)
}

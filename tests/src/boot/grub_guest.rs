//! Contract: a guest that nobody here wrote. GRUB's PV image, as it comes in Debian's package, is
//! given to dom0 as a file with a configuration beside it; `xl create` makes it a domain, it finds
//! no disk by xenstore, and shows its prompt on its console, where it takes what is typed through
//! `xl console`. Destroyed, it leaves no page. The same on Debian's Xen.

use std::fs;

use super::balloon::{command, end_with, free_pages};
use super::processes::start;
use super::{BootTest, PROMPT};
use crate::images::Store;
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::qemu::Machine;
use crate::setup::Peer;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "grub_guest",
    contract: "Debian's GRUB is a guest: its prompt takes commands typed through `xl console`",
    run,
};

const CONFIG: &str = "\
name = 'grub'
kernel = 'grub-x86_64-xen.bin'
memory = 64
";

/// What GRUB's shell shows when it waits for a command.
const GRUB_PROMPT: &str = "grub> ";
/// The key that leaves a console.
const LEAVE: &str = "\x1d";

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let kernel = fs::read(Peer::Grub.find(&lab.workspace)?)?;
    let files = [("grub.cfg", CONFIG.into()), ("grub-x86_64-xen.bin", kernel)];
    let store: Store = files.map(|(name, content)| (name.into(), content)).into();
    let modules = lab.our_dom0_with(DOM0_ARGS, None, &store)?;
    let paravane = lab.paravane_with(HYPERVISOR_OPTIONS, modules.clone());
    let mut machine = start(lab, &paravane, "paravane")?;
    let free_at_first = free_pages(&mut machine)?;
    report.note(live(&mut machine)?);
    end_with(machine, free_at_first)?;
    let xen = lab.xen_with(HYPERVISOR_OPTIONS, modules)?;
    live(&mut start(lab, &xen, "xen")?).map(drop)
}

/// Its life; the line in which it says who it is.
fn live(machine: &mut Machine) -> Checked<String> {
    command(machine, "xl create grub", "")?;
    machine.type_line("xl console grub")?;
    let name = machine.expect_line("GNU GRUB  version")?;
    for (typed, answers) in [
        (
            "echo from-$grub_platform-on-$grub_cpu",
            &["from-xen-on-x86_64"] as &[&str],
        ),
        ("ls", &["(memdisk) (proc)"]),
        ("help ls", &["List devices and files.", "--human-readable"]),
        ("ls (xen/xvda)/", &["error: "]),
        ("no-such-command", &["can't find command"]),
    ] {
        machine.expect(GRUB_PROMPT)?;
        machine.type_line(typed)?;
        machine.expect_all(answers)?;
    }
    machine.expect(GRUB_PROMPT)?;
    machine.type_line(LEAVE)?;
    machine.expect(PROMPT)?;
    command(machine, "xl list grub", "grub")?;
    command(machine, "xl destroy grub", "")?;
    let line = name.trim().chars().filter(|c| !c.is_control());
    Ok(line.skip_while(|c| *c != 'G').collect())
}

//! Contract: a guest dies amid a transfer of a disk and of a network interface, at each of 30 points of
//! both, 20 times each: by its own word, so that its back ends still have to do with it, or
//! destroyed by the toolstack. After each death, pages, dom0's ports and the store's nodes are exactly
//! those of before, and in the end also the hypervisor's heap. Guests beside it go on: one
//! writes and verifies a disk, another pings a third. The same on Debian's Xen, once each.

use super::BootTest;
use super::balloon::{command, end_with, free_pages};
use super::disks::{self, add_drives};
use super::grub_disk::disk;
use super::network::config as net_config;
use super::processes::start;
use crate::images::Store;
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::qemu::{Config, Machine};
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "deaths",
    contract: "guests die at each point of a transfer; everything comes back, and others are served",
    run,
};

/// The guest that dies. It boots without a ramdisk.
const DYING: &str = "\
name = 'dying'
kernel = '/boot/guest-kernel'
memory = 5
disk = [ '/dev/vdc,raw,xvda,rw' ]
vif = [ '', '' ]
";
/// Points of either life: each is met once in so many deaths.
const POINTS: u64 = 30;
/// How often each point is met, and in how many steps.
const TIMES: u64 = 20;
const STEPS: u64 = 10;
/// The guests beside it: their names, their configurations' arguments, and what they say again and
/// again, before and after a number.
const SERVER: (&str, &str) = ("server", "ip=10.0.0.1/24 serve=80");
const PINGER: (&str, &str) = (
    "pinger",
    "ip=10.0.0.2/24 ping=10.0.0.1 count=60000 pause=300",
);
const BESIDE: [(&str, &str, &str); 2] = [
    (
        "disker",
        "disker: round ",
        ": all that was written is there",
    ),
    ("pinger", "has answered ", " pings so far"),
];

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let (server, pinger) = (
        net_config(SERVER.0, SERVER.1),
        net_config(PINGER.0, PINGER.1),
    );
    let store: Store = [
        ("dying.cfg", DYING.into()),
        ("disker.cfg", disks::CONFIG.into()),
        ("server.cfg", server),
        ("pinger.cfg", pinger),
        ("net.cpio", lab.images.network_ramdisk()?),
    ]
    .map(|(name, content)| (name.to_owned(), content))
    .into();
    let modules = lab.our_dom0_with(DOM0_ARGS, None, &store)?;
    let mut config = with_disks(lab, lab.paravane_with(HYPERVISOR_OPTIONS, modules.clone()))?;
    let mut machine = start(lab, &config, "paravane")?;
    // What is kept of the first grants, of dom0's and of the hypervisor's, is not counted.
    command(&mut machine, "run /bin/sharer", "and comes back")?;
    let free_at_first = free_pages(&mut machine)?;
    begin(&mut machine)?;
    // With as many domains as there will be.
    command(&mut machine, "xl death-test dying 4", "as before")?;
    let heap_at_first = heap(&mut machine)?;
    report.note(deaths(&mut machine, POINTS * TIMES / STEPS, STEPS)?);
    let heap = heap(&mut machine)?;
    require!(
        heap == heap_at_first,
        "`{heap_at_first}` became `{heap}`{}",
        machine.tail()
    );
    end(&mut machine)?;
    end_with(machine, free_at_first)?;
    config = with_disks(lab, lab.xen_with(HYPERVISOR_OPTIONS, modules)?)?;
    let mut machine = start(lab, &config, "xen")?;
    begin(&mut machine)?;
    report.note(deaths(&mut machine, POINTS, 1)?);
    end(&mut machine)
}

/// What Paravane says of its memory.
fn heap(machine: &mut Machine) -> Checked<String> {
    command(machine, "xl debug-keys m", "of the heap used")
}

fn with_disks(lab: &Lab, mut config: Config) -> anyhow::Result<Config> {
    let image = disk(lab)?;
    let (for_disker, for_dying) = ("zeros.img", "others.img");
    let zeros = vec![0; disks::SIZE];
    let drives = [
        lab.write(for_disker, &zeros)?,
        lab.write(for_dying, &zeros)?,
    ];
    let [second, third] = &drives;
    add_drives(
        &mut config,
        &[("image", &image), ("zeros", second), ("others", third)],
    );
    Ok(config)
}

/// The number that a guest has said last.
fn said_last(machine: &mut Machine, guest: &str, before: &str, after: &str) -> Checked<u64> {
    command(machine, &format!("xl console -l {guest}"), "")?;
    let text = machine.console.text();
    let parts = text.rsplit(before).filter_map(|part| {
        let (number, _) = part.split_once(after)?;
        number.parse::<u64>().ok()
    });
    let number = parts.max();
    require!(number.is_some(), "{guest} has said nothing of `{before}`");
    Ok(number.unwrap_or(0))
}

/// Starts the guests beside it.
fn begin(machine: &mut Machine) -> Checked<()> {
    command(machine, "xl quiet", "")?;
    let create = "xl create disker cmdline=\"init=/bin/disker nap=500\"";
    command(machine, create, "")?;
    command(machine, "xl create server", "")?;
    command(machine, "xl create pinger", "")?;
    for (guest, before, _) in BESIDE {
        machine.type_line(&format!("expect {guest} 100 {before}"))?;
        machine.expect(super::PROMPT)?;
    }
    Ok(())
}

/// Ends them.
fn end(machine: &mut Machine) -> Checked<()> {
    for guest in ["disker", "pinger", "server"] {
        command(machine, &format!("xl destroy {guest}"), "")?;
    }
    Ok(())
}

/// Has guests die while others go on; the last words on it.
fn deaths(machine: &mut Machine, count: u64, steps: u64) -> Checked<String> {
    let mut told = String::new();
    for step in 0..steps {
        let mut said = Vec::new();
        for (guest, before, after) in BESIDE {
            said.push(said_last(machine, guest, before, after)?);
        }
        let first = step * count;
        let line = format!("xl death-test dying {count} {first}");
        told = command(machine, &line, "deaths in")?;
        require!(told.contains("as before"), "{told}{}", machine.tail());
        for ((guest, before, after), said) in BESIDE.into_iter().zip(said) {
            let now = said_last(machine, guest, before, after)?;
            require!(now > said, "{guest} said {said}, and then {now}");
        }
    }
    let points: Vec<u64> = told
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let [_, _, of_disk, of_net, ..] = points[..] else {
        return Err(anyhow::anyhow!("no numbers in `{told}`").into());
    };
    require!([of_disk, of_net] == [POINTS; 2], "points: {told}");
    Ok(format!("{steps} times {told}"))
}

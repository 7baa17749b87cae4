//! What an operation costs from end to end: a guest's process asks, a process of dom0 serves, and all
//! that any party executes meanwhile is counted from outside, by party.
//!
//! dom0 follows a script, so that nothing depends on when somebody types.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context;

use super::counts::Counts;
use super::measure;
use super::operations::GROUPS;
use super::parties::{self, Known, Part, Parties};
use super::plugin;
use super::results::{Cost, Side};
use crate::images::Store;
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::qemu::Config;
use crate::require;
use crate::verdict::Checked;

/// A machine, and what is counted on it.
#[derive(Debug)]
struct Scene {
    name: &'static str,
    /// Configurations of guests.
    guests: &'static [(&'static str, &'static str)],
    script: &'static str,
    /// By the numbers of their windows: names, and how often each is done there.
    operations: &'static [(&'static str, u64)],
}

/// Domains by the pages that they begin with: each has another size.
const DOMAINS: [(u64, &str); 3] = [(128 << 8, "dom0"), (26 << 8, "front"), (24 << 8, "other")];

/// Bytes that are fetched, and of those in a full frame.
const FETCHED: u64 = 1 << 20;
const PAYLOAD: u64 = 1460;

const SCENES: [Scene; 2] = [
    Scene {
        name: "network",
        guests: &[
            (
                "server",
                "ramdisk = 'net.cpio'\nmemory = 24\nvif = [ 'bridge=xenbr0' ]\n\
                 cmdline = 'init=/bin/net ip=10.0.0.1/24 serve=80'\n",
            ),
            (
                "client",
                "ramdisk = 'net.cpio'\nmemory = 26\nvif = [ 'bridge=xenbr0' ]\n\
                 cmdline = 'init=/bin/net ip=10.0.0.2/24 ping=10.0.0.1 count=50 fetch=10.0.0.1:80 \
                 bytes=1048576 window=0'\n",
            ),
        ],
        script: "xl create server\nexpect server 100 serving at port 80\n\
                 xl create client\nexpect client 100 window 1 took\npoweroff\n",
        operations: &[("ping", 50), ("tcp_frame", FETCHED.div_ceil(PAYLOAD))],
    },
    Scene {
        name: "disks",
        guests: &[(
            "disker",
            "ramdisk = '/boot/guest.cpio'\nmemory = 26\n\
             disk = [ '/boot/guest-kernel,raw,xvda,ro', '/dev/vda,raw,xvdb,ro' ]\n\
             cmdline = 'init=/bin/disker blocks=64'\n",
        )],
        script: "xl create disker\nexpect disker 100 blocks of /dev/xvdb are read\npoweroff\n",
        operations: &[("block_of_file", 64), ("block_of_disk", 64)],
    },
];

/// A disk of zeroes, which answers as soon as it can: what the host's would take is not counted.
const DISK: [&str; 4] = [
    "-drive",
    "if=none,id=disk,driver=null-co,size=1M,read-zeroes=on",
    "-device",
    "virtio-blk-pci,drive=disk",
];

/// What dom0's shell shows at its end.
const OVER: &str = "+ poweroff";

/// What is not the same twice, and its title: blkback sleeps until the machine's disk interrupts, which is
/// when the emulator gets to it, and time passes at once where nobody has anything to do: so others' waiting
/// ends more or less often meanwhile. It is shown by party, and nowhere else.
const UNSTEADY: (&str, &str) = ("block_of_disk", "4 KiB read of a served disk");

/// Whether an operation costs the same twice.
pub(super) fn is_steady(name: &str) -> bool {
    name != UNSTEADY.0
}

/// An operation as people think of it.
pub(super) fn title(name: &str) -> &str {
    let all = GROUPS.iter().flat_map(|group| group.operations);
    let known = all.filter(|operation| operation.ways.iter().any(|way| way.1 == name));
    let mut titles = known.map(|operation| operation.title);
    titles.next().unwrap_or(UNSTEADY.1)
}

/// Each operation's cost and its parties.
pub(super) type Ends = BTreeMap<String, (Cost, Vec<Part>)>;

/// The names of all.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let all = SCENES.iter().flat_map(|scene| scene.operations);
    all.map(|(name, _)| *name)
}

/// Counts all operations of a hypervisor's side.
pub(super) fn run(lab: &Lab, side: Side, mut tell: impl FnMut(&str)) -> Checked<Ends> {
    let mut ends = Ends::new();
    let known = Known::new(&lab.images, side, &DOMAINS)?;
    for scene in &SCENES {
        tell(&format!(
            "{}, {}: from end to end",
            side.title(),
            scene.name
        ));
        let text = played(lab, side, scene)?;
        let (counts, parties) = (Counts::read(&text)?, Parties::read(&text)?);
        for (number, &(name, times)) in scene.operations.iter().enumerate() {
            let windows = counts.operations.get(&number);
            let windows = windows.with_context(|| format!("no window of {name}"))?;
            let parts = parties.of(number, times, &known)?;
            ends.insert(name.to_owned(), (measure::cost_of(windows, times), parts));
        }
    }
    Ok(ends)
}

/// Two runs must find the same.
pub(super) fn compare(side: Side, one: &Ends, other: &Ends) -> Checked<()> {
    for (name, (cost, parts)) in one.iter().filter(|(name, _)| is_steady(name)) {
        let again = other.get(name);
        let same = again.is_some_and(|(other, of)| other == cost && of == parts);
        let told = |of: &Cost| of.instructions();
        require!(
            same,
            "{name} on {}: {:?} instructions, and {:?} when it is counted again",
            side.title(),
            told(cost),
            again.map(|(other, _)| told(other))
        );
    }
    Ok(())
}

/// The time that each operation takes by the host's clock, in ticks of its counter.
pub(super) fn time(lab: &Lab, side: Side) -> Checked<Vec<(&'static str, f64)>> {
    let mut times = Vec::new();
    for scene in &SCENES {
        let config = config_of(lab, side, scene)?;
        let mut machine = lab.start(&config, &format!("{side:?}-{}-timed", scene.name))?;
        let console = measure::console_until(&mut machine, OVER)?;
        for (number, &(name, count)) in scene.operations.iter().enumerate() {
            let ticks = took(&console, number);
            let ticks = ticks.with_context(|| format!("nobody told how long {name} took"))?;
            times.push((name, ticks as f64 / count as f64));
        }
    }
    Ok(times)
}

/// The ticks that a guest's process told of a window.
fn took(console: &str, number: usize) -> Option<u64> {
    let (_, rest) = console.split_once(&format!(": window {number} took "))?;
    rest.split_once(" ticks")?.0.parse().ok()
}

/// The machine of a scene.
fn config_of(lab: &Lab, side: Side, scene: &Scene) -> Checked<Config> {
    let file = |(name, of): &(&str, &str)| {
        let text = format!(
            "name = '{name}'\nkernel = '/boot/guest-kernel'\n{of}on_poweroff = 'preserve'\n"
        );
        (format!("{name}.cfg"), text.into_bytes())
    };
    let mut store: Store = scene.guests.iter().map(file).collect();
    store.insert("net.cpio".to_owned(), lab.images.network_ramdisk()?);
    let args = format!("{DOM0_ARGS} script=/etc/script");
    let modules = lab.our_dom0_with(&args, Some(scene.script), &store)?;
    let mut config = match side {
        Side::Xen => lab.xen_with(HYPERVISOR_OPTIONS, modules)?,
        _ => lab.paravane_with(HYPERVISOR_OPTIONS, modules),
    };
    config.devices.extend(DISK.map(String::from));
    Ok(config)
}

/// What the plugin told of a scene.
fn played(lab: &Lab, side: Side, scene: &Scene) -> Checked<String> {
    let mut config = config_of(lab, side, scene)?;
    config.icount = true;
    let name = format!("{side:?}-{}-ends", scene.name);
    let out = lab.dir.join(format!("{name}.txt"));
    let library = plugin::build(&lab.workspace)?;
    let word = parties::domain_word(&lab.images.guest_kernel_symbols)?;
    let arguments = plugin::arguments(&library, &out, plugin::Besides::Parties(word));
    config.devices.extend(arguments);
    let mut machine = lab.start(&config, &name)?;
    measure::console_until(&mut machine, OVER)?;
    let text = fs::read_to_string(&out).with_context(|| format!("no {}", out.display()))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_how_long_is_read_from_the_console() {
        let console =
            "[client] net: window 0 took 61234 ticks\n[client] net: window 1 took 7 ticks\n";
        assert_eq!(took(console, 0), Some(61234));
        assert_eq!(took(console, 1), Some(7));
        assert_eq!(took(console, 2), None);
        assert_eq!(took("net: window 2 took long", 2), None);
    }

    #[test]
    fn each_has_a_title_of_its_own() {
        let mut all: Vec<_> = names().map(title).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}

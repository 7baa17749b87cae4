//! Contract: guests of our kernel talk over network interfaces that dom0's netback bridges. They
//! ping each other, and 64 MiB go from one to the other over TCP with a checksum. While one floods
//! everybody, and another takes nothing, and netback is killed and started again, a fetch is still
//! right. Interfaces are plugged and unplugged while a guest runs; nothing is left of any when the
//! guests are destroyed. The same on Debian's Xen. What a frame costs is counted in instructions, of all domains and the
//! hypervisor together.

use super::BootTest;
use super::balloon::{command, end_with, free_pages};
use super::processes::start;
use crate::images::Store;
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::qemu::{Machine, Module};
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "network",
    contract: "guests ping each other and move 64 MiB over TCP, amid floods and restarts",
    run,
};

/// The guest that serves, and the others: names and what they do.
const SERVER: (&str, &str) = ("server", "ip=10.0.0.1/24 serve=80");
const GUESTS: [(&str, &str); 4] = [
    (
        "client",
        "ip=10.0.0.2/24 ping=10.0.0.1 fetch=10.0.0.1:80 bytes=67108864",
    ),
    ("sleeper", "ip=10.0.0.4/24"),
    ("flood", "ip=10.0.0.5/24 flood=1000000000"),
    ("again", "ip=10.0.0.3/24 fetch=10.0.0.1:80 bytes=8388608"),
];
/// The guest whose interface comes later.
const LATE: &str = "late";
/// What is counted: pings, and bytes of payload in frames of so many.
const COUNTED: (&str, &str) = (
    "client",
    "ip=10.0.0.2/24 ping=10.0.0.1 count=50 fetch=10.0.0.1:80 bytes=2097152",
);
const COUNTED_PINGS: u64 = 50;
const COUNTED_BYTES: u64 = 2_097_152;
/// Bytes of TCP's payload in a full frame.
const PAYLOAD: u64 = 1460;

/// The configuration of a guest that runs `net` with those arguments.
pub(super) fn config(name: &str, arguments: &str) -> Vec<u8> {
    let vif = if name == LATE { "" } else { "'bridge=xenbr0'" };
    config_with(name, arguments, vif)
}

/// The same with other interfaces.
pub(super) fn config_with(name: &str, arguments: &str, vif: &str) -> Vec<u8> {
    format!(
        "name = '{name}'\n\
         kernel = '/boot/guest-kernel'\n\
         ramdisk = 'net.cpio'\n\
         memory = 24\n\
         cmdline = 'init=/bin/net {arguments}'\n\
         vif = [ {vif} ]\n\
         on_poweroff = 'preserve'\n\
         on_crash = 'preserve'\n"
    )
    .into()
}

/// Our dom0 with those guests' configurations in its store, and what they name.
pub(super) fn networked(lab: &Lab, guests: &[(&str, &str)]) -> anyhow::Result<Vec<Module>> {
    let file = |(name, arguments): &(&str, &str)| (format!("{name}.cfg"), config(name, arguments));
    let mut store: Store = guests.iter().map(file).collect();
    store.insert("net.cpio".to_owned(), lab.images.network_ramdisk()?);
    lab.our_dom0_with(DOM0_ARGS, None, &store)
}

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let mut guests = GUESTS.to_vec();
    guests.extend([SERVER, (LATE, "ip=10.0.0.6/24")]);
    let modules = networked(lab, &guests)?;
    let paravane = lab.paravane_with(HYPERVISOR_OPTIONS, modules.clone());
    let mut machine = start(lab, &paravane, "paravane")?;
    // The hypervisor keeps what dom0's grants need when there are some for the first time.
    command(&mut machine, "run /bin/sharer", "and comes back")?;
    let free_at_first = free_pages(&mut machine)?;
    for said in story(&mut machine, &guests)? {
        report.note(said);
    }
    end_with(machine, free_at_first)?;
    let mut machine = start(lab, &lab.xen_with(HYPERVISOR_OPTIONS, modules)?, "xen")?;
    let [pings, fetched] = story(&mut machine, &guests)?;
    report.note(format!("on Xen: {pings}; {fetched}"));
    counted(lab, report)
}

/// All that the guests do, from their making to their end; what is said of pings and bytes.
fn story(machine: &mut Machine, guests: &[(&str, &str)]) -> Checked<[String; 2]> {
    command(machine, "xl create server", "serving at port 80")?;
    machine.type_line("xl create client")?;
    let pings = machine.expect_line("10.0.0.1 has answered 5 pings")?;
    let fetched = machine.expect_line(" are right, CRC-32")?;
    plugged(machine)?;
    amid_trouble(machine)?;
    for (guest, _) in guests {
        command(machine, &format!("xl destroy {guest}"), "")?;
    }
    Ok([pings, fetched].map(|line| line.trim().to_owned()))
}

/// An interface comes while its guest runs, and goes.
fn plugged(machine: &mut Machine) -> Checked<()> {
    machine.type_line("xl create late")?;
    machine.expect("[late] kernel: ramdisk")?;
    machine.type_line("xl network-attach late mac=00:16:3e:00:00:06")?;
    machine.expect("[late] net: 00-16-3e-00-00-06 is 10.0.0.6")?;
    let listed = "0   0  00:16:3e:00:00:06      0 ";
    command(machine, "xl network-list late", listed)?;
    machine.type_line("xl network-detach late 0")?;
    machine.expect("[late] net: the network interface is gone")?;
    Ok(())
}

/// One takes nothing, another floods, the service is killed: what is fetched is right.
fn amid_trouble(machine: &mut Machine) -> Checked<()> {
    command(machine, "xl create sleeper", "net: 00-16-3e")?;
    command(machine, "xl pause sleeper", "")?;
    command(machine, "xl create flood", "net: 00-16-3e")?;
    machine.type_line("xl create again")?;
    machine.expect("[again] net: 00-16-3e")?;
    for _ in 0..2 {
        machine.type_line("run /bin/stop netback")?;
        machine.expect("has ended: it is started again")?;
    }
    machine.expect("[again] net: 8388608 bytes from 10.0.0.1:80 are right")?;
    Ok(())
}

/// The number before `unit`, in a line of the guest's program.
fn number_before(line: &str, unit: &str) -> Option<u64> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_unit = |word: &&str| word.trim_end_matches(',') == unit;
    let at = words.iter().position(is_unit)?;
    words.get(at.checked_sub(1)?)?.parse().ok()
}

/// What pings and frames cost, where one instruction takes one nanosecond.
fn counted(lab: &Lab, report: &mut Report) -> Checked<()> {
    let modules = networked(lab, &[SERVER, COUNTED])?;
    let mut config = lab.paravane_with(HYPERVISOR_OPTIONS, modules);
    config.icount = true;
    let mut machine = start(lab, &config, "counted")?;
    command(&mut machine, "xl create server", "serving at port 80")?;
    machine.type_line("xl create client")?;
    let pings = machine.expect_line("10.0.0.1 has answered")?;
    let fetched = machine.expect_line(" are right, CRC-32")?;
    let (us, ms) = (number_before(&pings, "us"), number_before(&fetched, "ms"));
    require!(
        us.is_some() && ms.is_some(),
        "no time in `{pings}`, `{fetched}`"
    );
    let ping = us.unwrap_or(0) * 1000 / COUNTED_PINGS;
    let frame = ms.unwrap_or(0) * 1_000_000 / COUNTED_BYTES.div_ceil(PAYLOAD);
    report.note(format!(
        "{ping} instructions from a ping to its answer, and {frame} for a full frame of TCP, of \
         both guests, dom0 and the hypervisor"
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::number_before;

    #[test]
    fn times_are_read_from_what_the_program_says() {
        let line = "[client] net: 10.0.0.1 has answered 50 pings in 1234 us, 0 asked again";
        assert_eq!(number_before(line, "us"), Some(1234));
        let line = "net: 5 bytes from 10.0.0.1:80 are right, CRC-32 c990764c, in 77 ms";
        assert_eq!(number_before(line, "ms"), Some(77));
        assert_eq!(number_before("ms", "ms"), None);
    }
}

//! Contract: a driver domain is given a network card of the machine's, which dom0 may not use meanwhile,
//! and runs dom0's own netback, unchanged, with the card as the way to the outside. A guest whose
//! interface it serves pings the host's side and fetches from a server there over TCP. The driver domain
//! is destroyed amid that transfer; a new one with the same card serves the same interface again, and
//! the transfer goes on to its end, every byte right. In the end everything has come back: pages,
//! event-channel ports, the line with its vector, rights, nodes. The same on Debian's Xen.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::BootTest;
use super::balloon::command;
use super::census::Census;
use super::network;
use super::network_outside::server;
use super::processes::start;
use crate::images::Store;
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::qemu::{Config, Machine};
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "driver_network",
    contract: "a guest that was given a network card serves interfaces to others, by dom0's netback",
    run,
};

/// The driver domain; what it is given is said where it is made.
const DRIVER: &str = "\
name = 'drv'
kernel = '/boot/guest-kernel'
ramdisk = 'driver.cpio'
memory = 24
on_poweroff = 'preserve'
";
/// Where the machine has dom0's card, and the one that is given away. Their lines differ.
const KEPT: &str = "0000:00:04.0";
const GIVEN: &str = "0000:00:05.0";
/// The host's side, as QEMU shows it.
const HOST: &str = "10.0.2.2";
/// Bytes of the transfer, and of what has been sent when the driver domain is destroyed.
const BYTES: u64 = 24 << 20;
const AMID: u64 = 6 << 20;

/// The guest whose interface the driver domain serves.
fn user(port: u16) -> Vec<u8> {
    let arguments = format!("ip=10.0.2.20/24 ping={HOST} fetch={HOST}:{port} bytes={BYTES}");
    network::config_with("user", &arguments, "'backend=drv'")
}

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let (port, sent) = server()?;
    let store: Store = [
        ("drv.cfg".to_owned(), DRIVER.into()),
        ("user.cfg".to_owned(), user(port)),
        ("driver.cpio".to_owned(), lab.images.driver_ramdisk()?),
        ("net.cpio".to_owned(), lab.images.network_ramdisk()?),
    ]
    .into();
    let modules = lab.our_dom0_with(DOM0_ARGS, None, &store)?;
    let paravane = lab.paravane_with(HYPERVISOR_OPTIONS, modules.clone());
    let mut machine = start(lab, &with_cards(paravane), "paravane")?;
    let rights = ["has frames f", "has line, PIRQ ", "has vector, PIRQ "];
    report.note(nothing_is_left(&mut machine, &sent, &rights)?);
    machine.type_line("poweroff")?;
    machine.expect_end()?;
    let xen = with_cards(lab.xen_with(HYPERVISOR_OPTIONS, modules)?);
    let mut machine = start(lab, &xen, "xen")?;
    let rights = ["has I/O Memory { f", "has Interrupts { 1", "IRQ "];
    report.note(format!(
        "on Xen: {}",
        nothing_is_left(&mut machine, &sent, &rights)?
    ));
    Ok(())
}

/// A machine with two cards, each with a network of its own to the host.
fn with_cards(mut config: Config) -> Config {
    for slot in 4..6 {
        config.devices.extend([
            "-netdev".to_owned(),
            format!("user,id=net{slot}"),
            "-device".to_owned(),
            format!("virtio-net-pci,netdev=net{slot},romfile=,addr={slot:#x}"),
        ]);
    }
    config
}

/// Compares what is in use before and after; `rights` are some that the driver domain has meanwhile, in
/// the hypervisor's words.
fn nothing_is_left(machine: &mut Machine, sent: &AtomicU64, rights: &[&str]) -> Checked<String> {
    command(machine, "xl quiet", "")?;
    let line = format!("xl pci-assignable-add {KEPT}");
    command(machine, &line, "a driver of this domain uses it")?;
    command(machine, &format!("xl pci-assignable-add {GIVEN}"), "")?;
    // What is kept of the first grants, of dom0's and of the hypervisor's, is not counted.
    live(machine, sent, |_| Ok(()))?;
    let before = Census::take(machine)?;
    let said = live(machine, sent, |machine| {
        let reaches = format!("{GIVEN} reaches memory");
        before.shows_more(machine, &[rights, &[&reaches, " port: PIRQ "]].concat())
    })?;
    before.holds_again(machine)?;
    Ok(said)
}

fn create_driver(machine: &mut Machine) -> Checked<()> {
    let line =
        format!("xl create drv pci=[\"{GIVEN}\"] cmdline=\"init=/bin/driver pci serve=netback\"");
    command(machine, &line, "")?;
    command(machine, "xl pci-list drv", GIVEN).map(drop)
}

/// A guest fetches through a driver domain, which is destroyed meanwhile and made anew; `look` while both
/// have what they are given. What the guest says of what has come.
fn live(
    machine: &mut Machine,
    sent: &AtomicU64,
    look: impl FnOnce(&mut Machine) -> Checked<()>,
) -> Checked<String> {
    create_driver(machine)?;
    let attach = "xl network-attach user devid=0 backend=drv";
    let sent_before = sent.load(Ordering::Relaxed);
    command(machine, "xl create user", "")?;
    let end = Instant::now() + Duration::from_secs(150);
    while sent.load(Ordering::Relaxed) < sent_before + AMID {
        require!(Instant::now() < end, "too little is sent{}", machine.tail());
        thread::sleep(Duration::from_millis(20));
    }
    command(machine, "xl pause user", "")?;
    look(machine)?;
    command(machine, attach, "it has an interface 0 already")?;
    command(machine, "xl destroy drv", "")?;
    command(machine, "xl unpause user", "")?;
    command(machine, attach, "there is no domain `drv`")?;
    let amid = sent.load(Ordering::Relaxed) - sent_before;
    require!(
        amid < BYTES,
        "all was sent before the driver domain was gone"
    );
    create_driver(machine)?;
    command(machine, attach, "")?;
    command(machine, "expect user 150 are right, CRC-32", "")?;
    machine.type_line("xl console -l user")?;
    machine.expect(&format!("{HOST} has answered 5 pings"))?;
    let line = machine.expect_line("are right, CRC-32")?;
    machine.expect(super::PROMPT)?;
    for name in ["user", "drv"] {
        command(machine, &format!("xl destroy {name}"), "")?;
    }
    Ok(format!(
        "{}, the driver domain died after {} MiB",
        line.trim(),
        amid >> 20
    ))
}

//! What holds for PCI devices, whatever a domain that was given one writes into its page and its nodes.

use core::mem::offset_of;

use dom0_tools::hyper::Mapping;
use dom0_tools::pci::{Pciback, node, quiesce};
use dom0_tools::store::{Client, Store};
use dom0_tools::xenbus::Bus;
use hypercall_abi::io::pciif::*;
use hypercall_abi::io::xenbus::*;

#[path = "../fake/store.rs"]
// Each user of the stand-ins has its part of them; a fuzz target is a crate of its own.
#[allow(dead_code, unreachable_pub, clippy::duplicate_mod)]
mod store;

#[path = "../fake/grants.rs"]
#[allow(dead_code, unreachable_pub, clippy::duplicate_mod)]
mod grants;

#[path = "../fake/pci.rs"]
#[allow(dead_code, unreachable_pub)]
mod bus;

use bus::{at, bus, chip};
use grants::Fake;
use store::{End, Page, Shared, Waiting};

const GREF: u32 = 8;
const PORT: u32 = 5;
/// Where the request is in the page.
const OP: usize = offset_of!(xen_pci_sharedinfo, op);
/// Bits of the command register that a domain may change; the one for reaching memory.
const SWITCHES: u32 = 0x547;
const MASTER: u32 = 4;
/// The slot of a device that comes to the first domain, and goes.
const COMES: u8 = 6;

struct World {
    store: Shared,
    control: Client<Waiting<End>>,
    machine: Fake,
    bus: Bus<Waiting<End>, Pciback<Fake>>,
    /// The first domain has a second device.
    has_second: bool,
}

fn back(domain: u16) -> String {
    format!("/local/domain/0/backend/pci/{domain}/0")
}

fn front(domain: u16) -> String {
    format!("/local/domain/{domain}/device/pci/0")
}

impl World {
    fn new() -> Self {
        bus(|bus| {
            *bus = bus::Bus::default();
            for slot in [4, 5, 6] {
                bus.chips.insert(at(slot), chip());
            }
        });
        let store = Shared::new(&[1, 2]);
        let mut control = store.client();
        let machine = Fake::default();
        for slot in [4, 5, 6] {
            let made = control.make(&node(at(slot)));
            made.expect("the control domain makes nodes");
        }
        let mut pciback = Pciback::new(machine.clone());
        let looked = pciback.look(&mut store.client());
        looked.expect("the store is there");
        let bus = Bus::new(store.client(), pciback).expect("the store is there");
        let mut world = World {
            store,
            control,
            machine,
            bus,
            has_second: false,
        };
        for domain in [1, 2] {
            let back = back(domain);
            let device = at(3 + domain as u8);
            for (path, value) in [
                (format!("{back}/num_devs"), "1".to_string()),
                (format!("{back}/dev-0"), device.to_string()),
                (format!("{back}/frontend-id"), domain.to_string()),
                (format!("{back}/online"), "1".into()),
                (format!("{back}/state"), "1".into()),
                (format!("{}/state", front(domain)), "1".into()),
                (format!("{back}/frontend"), front(domain)),
            ] {
                world.write(&path, &value);
            }
        }
        world
    }

    fn write(&mut self, path: &str, value: &str) {
        let written = self.control.write(path, value.as_bytes());
        written.expect("the control domain writes nodes");
    }

    fn connect(&mut self, domain: u16) -> Page {
        let page = self.machine.grant(domain, GREF, true);
        let ports = &mut self.machine.0.borrow_mut().ports;
        ports.entry((domain, PORT)).or_default();
        page
    }

    fn offer(&mut self, domain: u16) {
        let nodes = [
            ("pci-op-ref", GREF),
            ("event-channel", PORT),
            ("magic", 7),
            ("state", 3),
        ];
        for (name, value) in nodes {
            self.write(&format!("{}/{name}", front(domain)), &value.to_string());
        }
    }

    fn says(&mut self, name: &str, value: impl ToString) {
        self.write(&format!("{}/{name}", back(1)), &value.to_string());
    }

    /// The toolstack gives the first domain another device, or asks for it, or takes it.
    fn change(&mut self, force: bool) {
        match (self.has_second, force) {
            (false, _) => {
                self.says("dev-1", at(COMES));
                self.says("state-1", XenbusStateInitialising);
                self.says("num_devs", 2);
                self.says("state", XenbusStateReconfiguring);
                self.has_second = true;
            }
            (true, false) => {
                self.says("state-1", XenbusStateClosing);
                self.says("state", XenbusStateReconfiguring);
            }
            (true, true) => {
                self.says("state-1", XenbusStateClosing);
                quiesce(&mut self.machine, at(COMES));
                for name in ["dev-1", "vdev-1", "state-1"] {
                    let removed = self.control.remove(&format!("{}/{name}", back(1)));
                    removed.expect("the control domain removes nodes");
                }
                self.says("num_devs", 1);
                self.says("state", XenbusStateConnected);
                self.has_second = false;
            }
        }
    }

    fn settle(&mut self) {
        for _ in 0..3 {
            self.store.run();
            self.bus.turn().expect("the store is there");
        }
        self.bus.serve().expect("the store is there");
    }
}

/// Takes `data` as what the first of two domains does. The other is served after each step.
pub(crate) fn check(data: &[u8]) {
    let mut world = World::new();
    let (mut hostile, mut honest) = (world.connect(1), world.connect(2));
    world.settle();
    world.offer(1);
    world.offer(2);
    world.settle();
    bus(|bus| bus.written.clear());
    let before = bus(|bus| bus.chips.clone());
    let mut bytes = data.iter().copied();
    while let Some(step) = bytes.next() {
        act(&mut bytes, step, &mut world, &mut hostile);
        honest.store_u32(OP + offset_of!(xen_pci_op, size), 4);
        honest.store_u32(0, XEN_PCIF_active);
        world.settle();
        assert_eq!(honest.load_u32(0), 0);
        assert_eq!(honest.load_u32(OP + offset_of!(xen_pci_op, err)), 0);
        let id = honest.load_u32(OP + offset_of!(xen_pci_op, value));
        assert_eq!(id, chip().words[0]);
        let reaches = bus(|bus| bus.chips[&at(COMES)].words[1] & MASTER != 0);
        assert!(world.has_second || !reaches, "it was taken");
    }
    bus(|bus| {
        for (slot, register, value) in &bus.written {
            assert!([at(4), at(COMES)].contains(slot), "another's device");
            match register {
                // Nothing of the status is cleared.
                4 => assert_eq!(value & !SWITCHES, 0),
                0xc => assert_eq!(value & !0xffff, chip().words[3] & 0x00ff_0000),
                _ => panic!("{register:#x} is written"),
            }
        }
        assert_eq!(bus.chips[&at(5)].words, before[&at(5)].words);
        for slot in [4, COMES] {
            let (chip, before) = (&bus.chips[&at(slot)], &before[&at(slot)]);
            assert_eq!(chip.words[4..], before.words[4..]);
        }
    });
}

fn act(bytes: &mut impl Iterator<Item = u8>, step: u8, world: &mut World, page: &mut Page) {
    let mut next = || bytes.next().unwrap_or_default();
    let mut word = |wide: bool| match wide {
        true => u32::from_le_bytes([next(), next(), next(), next()]),
        false => next().into(),
    };
    match step & 7 {
        // A request that may make sense.
        0..=3 => {
            let command = if step & 3 == 3 {
                word(false) % 12
            } else {
                u32::from(step & 1)
            };
            let words = [
                command,
                0,
                0,
                0,
                0,
                word(false),
                1 << (step >> 4 & 3),
                word(true),
            ];
            for (i, word) in words.into_iter().enumerate() {
                page.store_u32(OP + 4 * i, word);
            }
            page.store_u32(0, XEN_PCIF_active);
        }
        // A word of it, of any value.
        4 | 5 => {
            let at = 4 * (word(false) as usize % 10);
            page.store_u32(at, word(step & 8 != 0));
            page.store_u32(0, page.load_u32(0) | u32::from(step >> 4 & 1));
        }
        // Its page comes anew.
        6 => {
            *page = world.connect(1);
            world.offer(1);
        }
        // What the toolstack has in mind.
        _ if step & 0x80 != 0 => world.change(step & 8 != 0),
        // What it says in the store.
        _ => {
            let names = ["state", "pci-op-ref", "event-channel", "magic"];
            let name = names[usize::from(step >> 3 & 3)];
            let value = word(false) % 9;
            world.write(&format!("{}/{name}", front(1)), &value.to_string());
        }
    }
}

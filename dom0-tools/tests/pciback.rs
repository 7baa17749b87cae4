//! pciback between the store, domains and devices: which can be given away, what domains see of them, and
//! domains that ask for what is not theirs.

mod fake;

use core::mem::offset_of;

use dom0_tools::hyper::Mapping;
use dom0_tools::pci::{Address, Config, Pciback, Region, node, parse_regions, quiesce};
use dom0_tools::store::{Client, Permissions, Store};
use dom0_tools::xenbus::Bus;
use hypercall_abi::io::pciif::*;
use hypercall_abi::io::xenbus::*;

use fake::grants::Fake;
use fake::pci::{at, bus, chip};
use fake::store::{End, Page, Shared, Waiting};

const PAGE: u32 = 8;
const PORT: u32 = 5;
/// Registers, and bits of the command register.
const COMMAND: i32 = 4;
const MEMORY: u32 = 2;
const MASTER: u32 = 4;

struct Lab {
    store: Shared,
    control: Client<Waiting<End>>,
    claims: Client<Waiting<End>>,
    machine: Fake,
    bus: Bus<Waiting<End>, Pciback<Fake>>,
}

fn back(domain: u16) -> String {
    format!("/local/domain/0/backend/pci/{domain}/0")
}

fn front(domain: u16) -> String {
    format!("/local/domain/{domain}/device/pci/0")
}

impl Lab {
    /// A machine with two devices and a bridge.
    fn new() -> Self {
        bus(|bus| {
            *bus = fake::pci::Bus::default();
            bus.chips.insert(at(4), chip());
            bus.chips.insert(at(5), chip());
            let mut bridge = chip();
            bridge.words[3] = 1 << 16;
            bus.chips.insert(at(1), bridge);
        });
        let store = Shared::new(&[1, 2]);
        let mut control = store.client();
        control.write_text("/local/domain/0/domid", 0).unwrap();
        let machine = Fake::default();
        let bus = Bus::new(store.client(), Pciback::new(machine.clone())).unwrap();
        Lab {
            claims: store.client(),
            control,
            machine,
            bus,
            store,
        }
    }

    /// Another service comes in place of this one, which has ended.
    fn successor(&mut self) {
        let none = Pciback::new(Fake::default());
        self.bus = Bus::new(self.store.client(), none).unwrap();
        let mut new = Pciback::new(self.machine.clone());
        new.look(&mut self.claims).unwrap();
        self.bus = Bus::new(self.store.client(), new).unwrap();
    }

    /// Has a device be assignable; what is said of it.
    fn add(&mut self, address: Address) -> String {
        self.control.make(&node(address)).unwrap();
        self.look();
        let state = format!("{}/state", node(address));
        self.control.read_text(&state).unwrap()
    }

    fn look(&mut self) {
        self.store.run();
        self.bus.connected().0.look(&mut self.claims).unwrap();
    }

    fn turn(&mut self) {
        for _ in 0..4 {
            self.store.run();
            self.bus.turn().unwrap();
        }
    }

    fn state(&mut self, domain: u16) -> XenbusState {
        let path = format!("{}/state", back(domain));
        self.control.read_number(&path).unwrap().unwrap_or(0) as XenbusState
    }

    /// Gives devices to a domain, which connects.
    fn give(&mut self, domain: u16, devices: &[Address]) -> Page {
        let (back, front) = (back(domain), front(domain));
        let page = self.machine.grant(domain, PAGE, true);
        let line = (0, false);
        self.machine
            .0
            .borrow_mut()
            .ports
            .insert((domain, PORT), line);
        let mut nodes = vec![
            (format!("{back}/num_devs"), devices.len().to_string()),
            (format!("{back}/frontend-id"), domain.to_string()),
            (format!("{back}/online"), "1".into()),
            (format!("{back}/state"), "1".into()),
            (format!("{front}/pci-op-ref"), PAGE.to_string()),
            (format!("{front}/event-channel"), PORT.to_string()),
            (format!("{front}/magic"), XEN_PCI_MAGIC.into()),
            (format!("{front}/state"), "1".into()),
        ];
        for (i, device) in devices.iter().enumerate() {
            nodes.push((format!("{back}/dev-{i}"), device.to_string()));
        }
        nodes.push((format!("{back}/frontend"), front.clone()));
        for (path, value) in nodes {
            self.control.write_text(&path, value).unwrap();
        }
        let guests = Permissions::owned_by(domain.into());
        self.control.set_permissions(&front, &guests).unwrap();
        self.says(domain, XenbusStateInitialised);
        page
    }

    fn says(&mut self, domain: u16, state: XenbusState) {
        self.turn();
        let path = format!("{}/state", front(domain));
        self.control.write_text(&path, state).unwrap();
        self.turn();
    }

    /// Asks, and gets an answer.
    fn ask(&mut self, page: &mut Page, op: Op) -> (i32, u32) {
        put(page, &op);
        self.store.run();
        self.bus.serve().unwrap();
        assert_eq!(page.load_u32(0) & XEN_PCIF_active, 0, "it is answered");
        let word = |field| page.load_u32(offset_of!(xen_pci_sharedinfo, op) + field);
        let error = word(offset_of!(xen_pci_op, err)).cast_signed();
        (error, word(offset_of!(xen_pci_op, value)))
    }

    fn read(&mut self, page: &mut Page, offset: i32, size: i32) -> (i32, u32) {
        self.ask(
            page,
            Op {
                offset,
                size,
                ..Op::READ
            },
        )
    }

    fn write(&mut self, page: &mut Page, offset: i32, size: i32, value: u32) -> i32 {
        let command = XEN_PCI_OP_conf_write;
        let op = Op {
            command,
            offset,
            size,
            value,
            ..Op::READ
        };
        self.ask(page, op).0
    }
}

#[derive(Clone, Copy)]
struct Op {
    command: u32,
    segment: u32,
    bus: u32,
    devfn: u32,
    offset: i32,
    size: i32,
    value: u32,
}

impl Op {
    const READ: Op = Op {
        command: XEN_PCI_OP_conf_read,
        segment: 0,
        bus: 0,
        devfn: 0,
        offset: 0,
        size: 4,
        value: 0,
    };
}

fn put(page: &mut Page, op: &Op) {
    let words = [
        (offset_of!(xen_pci_op, cmd), op.command),
        (offset_of!(xen_pci_op, domain), op.segment),
        (offset_of!(xen_pci_op, bus), op.bus),
        (offset_of!(xen_pci_op, devfn), op.devfn),
        (offset_of!(xen_pci_op, offset), op.offset.cast_unsigned()),
        (offset_of!(xen_pci_op, size), op.size.cast_unsigned()),
        (offset_of!(xen_pci_op, value), op.value),
    ];
    for (offset, word) in words {
        page.store_u32(offset_of!(xen_pci_sharedinfo, op) + offset, word);
    }
    page.store_u32(0, XEN_PCIF_active);
}

fn word(slot: u8, register: usize) -> u32 {
    bus(|bus| bus.chips[&at(slot)].words[register / 4])
}

#[test]
fn addresses_are_read_as_xl_writes_them() {
    for (text, address) in [
        ("00:04.0", at(4)),
        ("0000:00:04.0", at(4)),
        ("0:4.0", at(4)),
    ] {
        assert_eq!(Address::parse(text), Some(address), "{text}");
    }
    let last = Address::parse("ffff:ff:1f.7").unwrap();
    assert_eq!(last.to_string(), "ffff:ff:1f.7");
    assert_eq!(last.place(0), None, "other segments are out of reach");
    assert_eq!(at(4).place(0x3d), Some(0x203c));
    for text in [
        "",
        "4.0",
        "00:04",
        "00:20.0",
        "00:04.8",
        "0:0:0:4.0",
        "+0:04.0",
        "00:4.00",
        "x:04.0",
    ] {
        assert_eq!(Address::parse(text), None, "{text}");
    }
}

#[test]
fn a_device_that_can_be_given_away_is_claimed_and_found_out() {
    let mut lab = Lab::new();
    let before = bus(|bus| bus.chips[&at(4)].words);
    assert_eq!(lab.add(at(4)), "ready");
    assert!(bus(|bus| bus.claimed.contains(&at(4))));
    let text = lab
        .control
        .read_text(&format!("{}/regions", node(at(4))))
        .unwrap();
    let regions = [
        Region::Ports(0xc000, 0x80),
        Region::Memory(0xfebd_1000, 0x1000),
        Region::Memory(0x1_fe00_0000, 0x4000),
    ];
    assert_eq!(parse_regions(&text).unwrap(), regions);
    let after = bus(|bus| bus.chips[&at(4)].words);
    assert_eq!(after[1] & 7, 0, "it does nothing yet");
    assert_eq!((after[1] & !7, &after[2..]), (before[1] & !7, &before[2..]));
    // Not to be given away any more, it is as it was.
    lab.control.remove(&node(at(4))).unwrap();
    lab.look();
    assert_eq!(bus(|bus| bus.chips[&at(4)].words), before);
    assert!(bus(|bus| bus.claimed.is_empty()));
}

#[test]
fn what_cannot_be_given_away_says_why_and_is_left_alone() {
    let mut lab = Lab::new();
    bus(|bus| {
        bus.claimed.insert(at(4));
        let mut small = chip();
        small.sizes[1] = 0xffff_ff00;
        bus.chips.insert(at(6), small);
    });
    assert_eq!(lab.add(at(4)), "a driver of this domain uses it");
    assert_eq!(lab.add(at(9)), "there is no such device");
    assert_eq!(lab.add(at(1)), "it is a bridge");
    assert!(bus(|bus| bus.written.is_empty()));
    assert!(lab.add(at(6)).contains("are not whole pages"));
    assert_eq!(word(6, 4), chip().words[1]);
    // Again when it is free.
    bus(|bus| bus.claimed.remove(&at(4)));
    assert_eq!(lab.add(at(4)), "ready");
    assert_eq!(bus(|bus| bus.claimed.len()), 1);
}

#[test]
fn a_domain_sees_its_devices_alone() {
    let mut lab = Lab::new();
    lab.add(at(4));
    lab.add(at(5));
    bus(|bus| bus.chips.get_mut(&at(5)).unwrap().words[0] = 0x1000_1af4);
    let mut page = lab.give(1, &[at(5), at(4)]);
    assert_eq!(lab.state(1), XenbusStateConnected);
    let vdev = lab
        .control
        .read_text(&format!("{}/vdev-1", back(1)))
        .unwrap();
    assert_eq!(vdev, "0000:00:01.0");
    assert_eq!(lab.read(&mut page, 0, 4), (0, 0x1000_1af4));
    let second = Op {
        devfn: 8,
        ..Op::READ
    };
    assert_eq!(lab.ask(&mut page, second), (0, 0x1001_1af4));
    assert_eq!(lab.read(&mut page, 2, 2), (0, 0x1000));
    assert_eq!(lab.read(&mut page, 0x3d, 1), (0, 1));
    assert_eq!(lab.machine.notified(1, PORT), 4);
    let nowhere = (XEN_PCI_ERR_dev_not_found, u32::MAX);
    for op in [
        Op {
            devfn: 16,
            ..Op::READ
        },
        Op {
            devfn: 1,
            ..Op::READ
        },
        Op {
            devfn: u32::MAX,
            ..Op::READ
        },
        Op {
            devfn: 0x2000_0000,
            ..Op::READ
        },
        Op { bus: 1, ..Op::READ },
        Op {
            segment: 1,
            ..Op::READ
        },
        Op {
            devfn: 40,
            command: XEN_PCI_OP_conf_write,
            ..Op::READ
        },
        Op {
            devfn: 40,
            command: XEN_PCI_OP_enable_msi,
            ..Op::READ
        },
    ] {
        assert_eq!(lab.ask(&mut page, op), nowhere);
    }
}

#[test]
fn what_is_malformed_or_not_served_is_refused() {
    let mut lab = Lab::new();
    lab.add(at(4));
    let mut page = lab.give(1, &[at(4)]);
    bus(|bus| bus.written.clear());
    for (offset, size) in [
        (0, 0),
        (0, 3),
        (0, 8),
        (0, -4),
        (1, 2),
        (2, 4),
        (-4, 4),
        (256, 4),
        (i32::MIN, 4),
        (i32::MAX, 1),
        (4, i32::MIN),
    ] {
        let refused = XEN_PCI_ERR_invalid_offset;
        assert_eq!(
            lab.read(&mut page, offset, size).0,
            refused,
            "{offset} {size}"
        );
        assert_eq!(lab.write(&mut page, offset, size, !0), refused);
    }
    for command in [2, 3, 4, 5, 6, 10, 11, u32::MAX] {
        let op = Op {
            command,
            ..Op::READ
        };
        assert_eq!(lab.ask(&mut page, op).0, XEN_PCI_ERR_not_implemented);
    }
    assert!(bus(|bus| bus.written.is_empty()));
}

#[test]
fn sizes_are_told_and_nothing_is_moved() {
    let mut lab = Lab::new();
    lab.add(at(4));
    let mut page = lab.give(1, &[at(4)]);
    let before = bus(|bus| bus.chips[&at(4)].words);
    for (register, mask) in [
        (0x10, 0xffff_ff81),
        (0x14, 0xffff_f000),
        (0x18, 0),
        (0x20, 0xffff_c00c),
        (0x24, 0xffff_ffff),
    ] {
        let value = before[register as usize / 4];
        assert_eq!(lab.read(&mut page, register, 4), (0, value));
        assert_eq!(lab.write(&mut page, register, 4, u32::MAX), 0);
        assert_eq!(lab.read(&mut page, register, 4), (0, mask), "{register:#x}");
        assert_eq!(lab.read(&mut page, register + 2, 2), (0, mask >> 16));
        assert_eq!(lab.write(&mut page, register, 4, 0x1000), 0);
        assert_eq!(lab.read(&mut page, register, 4), (0, value));
    }
    assert_eq!(lab.write(&mut page, 0x30, 4, u32::MAX), 0);
    assert_eq!(lab.read(&mut page, 0x30, 4), (0, 0), "no program is shown");
    assert_eq!(bus(|bus| bus.chips[&at(4)].words), before);
}

#[test]
fn only_what_is_harmless_is_written() {
    let mut lab = Lab::new();
    lab.add(at(4));
    let mut page = lab.give(1, &[at(4)]);
    let before = bus(|bus| bus.chips[&at(4)].words);
    for offset in (0..256).step_by(4) {
        for value in [0, !0, 0x5555_5555] {
            assert_eq!(lab.write(&mut page, offset, 4, value), 0);
        }
        for (byte, size) in [(0, 1), (1, 1), (2, 2), (3, 1)] {
            assert_eq!(lab.write(&mut page, offset + byte, size, !0), 0);
        }
    }
    let after = bus(|bus| bus.chips[&at(4)].words);
    assert_eq!(after[1] & 0xffff, 0x0547, "switches");
    assert_eq!(after[1] >> 16, before[1] >> 16, "status");
    assert_eq!(after[3], before[3] | 0xffff, "lines of the cache");
    assert_eq!(
        (after[0], after[2], &after[4..]),
        (before[0], before[2], &before[4..])
    );
    let registers: Vec<u8> = bus(|bus| bus.written.iter().map(|of| of.1).collect());
    assert!(
        registers
            .iter()
            .all(|register| [4, 0xc].contains(register) || *register >= 0x10 && *register < 0x28)
    );
}

#[test]
fn one_that_is_taken_away_does_not_reach_memory_again() {
    let mut lab = Lab::new();
    lab.add(at(4));
    let mut page = lab.give(1, &[at(4)]);
    assert_eq!(lab.write(&mut page, COMMAND, 2, MEMORY | MASTER), 0);
    assert_eq!(word(4, 4) & 7, MEMORY | MASTER);
    // The toolstack says so, and looks; what the domain asked for before is served after that.
    lab.control
        .write_text(&format!("{}/online", back(1)), 0)
        .unwrap();
    quiesce(&mut lab.machine, at(4));
    assert_eq!(lab.write(&mut page, COMMAND, 2, MEMORY | MASTER), 0);
    assert_eq!(word(4, 4) & 7, 0);
}

#[test]
fn a_device_is_one_domains_and_no_ones_when_that_is_gone() {
    let mut lab = Lab::new();
    lab.add(at(4));
    lab.give(1, &[at(4)]);
    lab.give(2, &[at(4)]);
    assert_eq!(lab.state(2), XenbusStateClosed);
    let why = lab
        .control
        .read_text(&format!("{}/error", back(2)))
        .unwrap();
    assert!(why.contains("is given to a domain already"), "{why}");
    for gone in [1, 2] {
        lab.control.remove(&back(gone)).unwrap();
        lab.control.remove(&front(gone)).unwrap();
        lab.turn();
    }
    lab.give(2, &[at(5)]);
    assert_eq!(lab.state(2), XenbusStateClosed, "it is not assignable");
    lab.control.remove(&back(2)).unwrap();
    lab.turn();
    lab.give(2, &[at(4), at(4)]);
    assert_eq!(lab.state(2), XenbusStateClosed, "twice");
    lab.control.remove(&back(2)).unwrap();
    lab.turn();
    lab.give(2, &[at(4)]);
    assert_eq!(lab.state(2), XenbusStateConnected);
    assert_eq!(lab.machine.0.borrow().mapped[&(1, PAGE)], 0);
}

#[test]
fn one_that_is_given_is_given_up_when_the_domain_is_gone() {
    let mut lab = Lab::new();
    let before = bus(|bus| bus.chips[&at(4)].words);
    lab.add(at(4));
    lab.give(1, &[at(4)]);
    lab.control.remove(&node(at(4))).unwrap();
    lab.store.run();
    assert!(lab.bus.connected().0.look(&mut lab.claims).unwrap());
    assert!(bus(|bus| bus.claimed.contains(&at(4))));
    lab.control.remove(&back(1)).unwrap();
    lab.turn();
    assert!(!lab.bus.connected().0.look(&mut lab.claims).unwrap());
    assert!(bus(|bus| bus.claimed.is_empty()));
    assert_eq!(bus(|bus| bus.chips[&at(4)].words), before);
}

#[test]
fn a_successor_does_not_touch_what_a_domain_uses() {
    let mut lab = Lab::new();
    lab.add(at(4));
    let mut page = lab.give(1, &[at(4)]);
    lab.write(&mut page, COMMAND, 2, MEMORY | MASTER);
    bus(|bus| bus.written.clear());
    lab.successor();
    lab.turn();
    assert!(bus(|bus| bus.written.is_empty()));
    // Its front end closes and begins anew, as it does when its back end has.
    lab.says(1, XenbusStateClosed);
    lab.says(1, XenbusStateInitialising);
    lab.says(1, XenbusStateInitialised);
    assert_eq!(lab.state(1), XenbusStateConnected);
    assert_eq!(lab.read(&mut page, COMMAND, 2).1 & 7, MEMORY | MASTER);
    lab.write(&mut page, 0x14, 4, !0);
    assert_eq!(lab.read(&mut page, 0x14, 4), (0, 0xffff_f000));
    assert!(bus(|bus| bus.written.is_empty()));
}

#[test]
fn one_that_was_ended_amid_its_search_leaves_addresses_to_its_successor() {
    let mut lab = Lab::new();
    lab.add(at(4));
    let before = bus(|bus| bus.chips[&at(4)].words);
    // It had written ones, and was about to write the address.
    lab.control
        .remove(&format!("{}/masks", node(at(4))))
        .unwrap();
    lab.machine.write_config(at(4), 0x14, !0);
    assert_ne!(bus(|bus| bus.chips[&at(4)].words), before);
    lab.successor();
    assert_eq!(bus(|bus| bus.chips[&at(4)].words), before);
}

#[test]
fn front_ends_that_lie_in_their_nodes_are_closed() {
    for (name, value) in [
        ("pci-op-ref", "none"),
        ("pci-op-ref", "99"),
        ("event-channel", "-1"),
        ("event-channel", "77"),
        ("magic", "6"),
    ] {
        let mut lab = Lab::new();
        lab.add(at(4));
        lab.give(1, &[at(4)]);
        lab.says(1, XenbusStateClosed);
        lab.says(1, XenbusStateInitialising);
        lab.control
            .write_text(&format!("{}/{name}", front(1)), value)
            .unwrap();
        lab.says(1, XenbusStateInitialised);
        assert_eq!(lab.state(1), XenbusStateClosed, "{name}={value}");
    }
}

/// Says in the back end's place what is to become of a device, and has the front end agree.
fn change(lab: &mut Lab, nodes: &[(&str, &str)]) {
    for (name, value) in nodes {
        let path = format!("{}/{name}", back(1));
        lab.control.write_text(&path, value).unwrap();
    }
    let state = format!("{}/state", back(1));
    lab.control
        .write_text(&state, XenbusStateReconfiguring)
        .unwrap();
    lab.turn();
    lab.says(1, XenbusStateReconfiguring);
}

fn said(lab: &mut Lab, name: &str) -> Option<String> {
    let path = format!("{}/{name}", back(1));
    lab.control.read_if_there(&path).unwrap()
}

#[test]
fn devices_come_and_go_while_the_front_end_is_connected() {
    let mut lab = Lab::new();
    lab.add(at(4));
    lab.add(at(5));
    bus(|bus| bus.chips.get_mut(&at(5)).unwrap().words[0] = 0x1000_1af4);
    let mut page = lab.give(1, &[at(4)]);
    let (first, second) = (
        Op::READ,
        Op {
            devfn: 8,
            ..Op::READ
        },
    );
    let nowhere = (XEN_PCI_ERR_dev_not_found, u32::MAX);
    assert_eq!(lab.ask(&mut page, second), nowhere);
    change(
        &mut lab,
        &[
            ("dev-1", "0000:00:05.0"),
            ("state-1", "1"),
            ("num_devs", "2"),
        ],
    );
    assert_eq!(lab.state(1), XenbusStateReconfigured);
    assert_eq!(said(&mut lab, "state-1").as_deref(), Some("3"));
    assert_eq!(said(&mut lab, "vdev-1").as_deref(), Some("0000:00:01.0"));
    // The front end looks at what has come before it says that it has.
    assert_eq!(lab.ask(&mut page, second), (0, 0x1000_1af4));
    lab.says(1, XenbusStateConnected);
    assert_eq!(lab.state(1), XenbusStateConnected);
    lab.write(&mut page, COMMAND, 2, MEMORY | MASTER);
    // The first one goes, and what is behind it is numbered anew by the toolstack.
    change(&mut lab, &[("state-0", "5")]);
    assert_eq!(said(&mut lab, "state-0").as_deref(), Some("6"));
    assert_eq!(word(4, 4) & 7, 0, "it reaches memory no more");
    assert_eq!(lab.ask(&mut page, first), nowhere);
    assert_eq!(lab.ask(&mut page, second), (0, 0x1000_1af4));
    for (name, value) in [
        ("dev-0", "0000:00:05.0"),
        ("vdev-0", "0000:00:01.0"),
        ("state-0", "3"),
        ("num_devs", "1"),
    ] {
        let path = format!("{}/{name}", back(1));
        lab.control.write_text(&path, value).unwrap();
    }
    lab.says(1, XenbusStateConnected);
    assert_eq!(lab.ask(&mut page, second), (0, 0x1000_1af4));
    // Another domain has it then.
    lab.give(2, &[at(4)]);
    assert_eq!(lab.state(2), XenbusStateConnected);
    // A back end that comes after this one has the device where it was.
    lab.successor();
    lab.says(1, XenbusStateClosed);
    lab.says(1, XenbusStateInitialising);
    lab.says(1, XenbusStateInitialised);
    assert_eq!(lab.ask(&mut page, second), (0, 0x1000_1af4));
    assert_eq!(lab.ask(&mut page, first), nowhere);
}

#[test]
fn one_that_cannot_come_is_said_to_be_closed_and_others_stay() {
    let mut lab = Lab::new();
    lab.add(at(4));
    lab.add(at(5));
    lab.give(2, &[at(5)]);
    let mut page = lab.give(1, &[at(4)]);
    for (address, what) in [(at(5), "another's"), (at(6), "nobody's to give")] {
        let address = address.to_string();
        change(
            &mut lab,
            &[("dev-1", &address), ("state-1", "1"), ("num_devs", "2")],
        );
        assert_eq!(said(&mut lab, "state-1").as_deref(), Some("6"), "{what}");
        lab.says(1, XenbusStateConnected);
        assert_eq!(lab.state(1), XenbusStateConnected);
        assert_eq!(lab.read(&mut page, 0, 4), (0, 0x1001_1af4));
    }
}

#[test]
fn one_that_is_taken_by_force_is_let_go_of() {
    let mut lab = Lab::new();
    lab.add(at(4));
    lab.add(at(5));
    let mut page = lab.give(1, &[at(4), at(5)]);
    // It is to go; the front end does not agree, and has it reach memory again.
    let path = format!("{}/state-0", back(1));
    lab.control.write_text(&path, XenbusStateClosing).unwrap();
    lab.turn();
    assert_eq!(lab.write(&mut page, COMMAND, 2, MEMORY | MASTER), 0);
    assert_eq!(word(4, 4) & 7, 0);
    for (name, value) in [
        ("dev-0", "0000:00:05.0"),
        ("vdev-0", "0000:00:01.0"),
        ("state-0", "3"),
        ("num_devs", "1"),
        ("state", "4"),
    ] {
        let path = format!("{}/{name}", back(1));
        lab.control.write_text(&path, value).unwrap();
    }
    lab.turn();
    let nowhere = (XEN_PCI_ERR_dev_not_found, u32::MAX);
    assert_eq!(lab.read(&mut page, 0, 4), nowhere);
    let other = Op {
        devfn: 8,
        ..Op::READ
    };
    assert_eq!(lab.ask(&mut page, other).0, 0);
    lab.give(2, &[at(4)]);
    assert_eq!(lab.state(2), XenbusStateConnected);
}

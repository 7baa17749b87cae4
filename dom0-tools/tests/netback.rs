//! netback between the store and front ends: what it says of itself, whom it refuses, and that
//! everything of a front end is given back.

mod fake;

use dom0_tools::hyper::Mapping;
use dom0_tools::net::Netback;
use dom0_tools::store::{Client, Permissions, Store};
use dom0_tools::xenbus::Bus;
use hypercall_abi::io::netif::NETIF_RSP_ERROR;

use fake::grants::Fake;
use fake::net::{Cable, frame, mac};
use fake::store::{End, Page, Shared, Waiting};

/// Grants and port of a front end.
const TX: u32 = 8;
const RX: u32 = 9;
const FRAME: u32 = 10;
const PORT: u32 = 5;

struct Lab {
    store: Shared,
    control: Client<Waiting<End>>,
    machine: Fake,
    cable: Cable,
    bus: Bus<Waiting<End>, Netback<Fake, Cable>>,
}

fn back(domain: u16) -> String {
    format!("/local/domain/0/backend/vif/{domain}/0")
}

fn front(domain: u16) -> String {
    format!("/local/domain/{domain}/device/vif/0")
}

/// What a front end says.
const SAID: [(&str, &str); 4] = [
    ("tx-ring-ref", "8"),
    ("rx-ring-ref", "9"),
    ("event-channel", "5"),
    ("request-rx-copy", "1"),
];

impl Lab {
    fn new() -> Self {
        let store = Shared::new(&[1, 2]);
        let mut control = store.client();
        control.write_text("/local/domain/0/domid", 0).unwrap();
        let (machine, cable) = (Fake::default(), Cable::default());
        let driver = Netback::new(machine.clone(), Some(cable.clone()));
        let bus = Bus::new(store.client(), driver).unwrap();
        Lab {
            store,
            control,
            machine,
            cable,
            bus,
        }
    }

    fn write(&mut self, at: &str, nodes: &[(&str, &str)]) {
        for (name, value) in nodes {
            self.control
                .write_text(&format!("{at}/{name}"), value)
                .unwrap();
        }
    }

    /// The toolstack makes an interface.
    fn plug(&mut self, domain: u16, more: &[(&str, &str)]) {
        let (back, front) = (back(domain), front(domain));
        let (id, mac) = (domain.to_string(), format!("00:16:3e:00:00:{domain:02x}"));
        self.write(&front, &[("state", "1")]);
        self.write(
            &back,
            &[
                ("mac", &mac),
                ("frontend-id", &id),
                ("online", "1"),
                ("state", "1"),
            ],
        );
        self.write(&back, more);
        self.write(&back, &[("frontend", &front)]);
        let guests = Permissions::owned_by(domain.into());
        self.control.set_permissions(&front, &guests).unwrap();
        self.turn();
    }

    fn turn(&mut self) {
        for _ in 0..4 {
            self.store.run();
            self.bus.turn().unwrap();
            let (_, broken) = self.bus.connected().0.turn(1);
            self.bus.close_all(broken).unwrap();
        }
    }

    fn state(&mut self, domain: u16) -> Option<u64> {
        self.control
            .read_number(&format!("{}/state", back(domain)))
            .unwrap()
    }

    /// A front end grants its rings and says so, but for what is said otherwise.
    fn connect(&mut self, domain: u16, otherwise: &[(&str, &str)]) -> (Page, Page) {
        let rings = [TX, RX].map(|gref| {
            let mut page = self.machine.grant(domain, gref, true);
            page.store_u32(4, 1);
            page.store_u32(12, 1);
            page
        });
        let free = (0, false);
        self.machine
            .0
            .borrow_mut()
            .ports
            .insert((domain, PORT), free);
        let at = front(domain);
        self.write(&at, &SAID);
        self.write(&at, otherwise);
        self.write(&at, &[("state", "4")]);
        self.turn();
        let [tx, rx] = rings;
        (tx, rx)
    }

    /// Mappings and ports that are in use.
    fn in_use(&self) -> (usize, usize) {
        let books = self.machine.0.borrow();
        let mapped = books.mapped.values().sum();
        let bound = books.ports.values().filter(|(_, bound)| *bound).count();
        (mapped, bound)
    }

    /// The guest sends a frame.
    fn send(&mut self, domain: u16, tx: &mut Page, bytes: &[u8]) {
        self.machine.grant(domain, FRAME, false).write(0, bytes);
        let at = tx.load_u32(0);
        let place = 64 + at as usize % 256 * 12;
        tx.store_u32(place, FRAME);
        tx.store_u32(place + 4, 0);
        tx.store_u32(place + 8, 7 | (bytes.len() as u32) << 16);
        tx.store_u32(0, at.wrapping_add(1));
        self.turn();
    }
}

#[test]
fn an_interface_connects_serves_and_closes() {
    let mut lab = Lab::new();
    lab.plug(1, &[]);
    assert_eq!(lab.state(1), Some(2));
    for (name, value) in [
        ("feature-sg", "1"),
        ("feature-rx-copy", "1"),
        ("feature-rx-flip", "0"),
    ] {
        let said = lab
            .control
            .read_text(&format!("{}/{name}", back(1)))
            .unwrap();
        assert_eq!(said, value, "{name}");
    }
    let (mut tx, _) = lab.connect(1, &[]);
    assert_eq!(lab.state(1), Some(4));
    assert_eq!(lab.in_use(), (2, 1));
    let bytes = frame([0xff; 6], mac(1), 1, 60);
    lab.send(1, &mut tx, &bytes);
    assert_eq!(*lab.cable.sent.borrow(), [bytes]);
    assert_eq!((tx.load_u32(8), tx.load_u32(64)), (1, 7));
    assert_eq!(lab.machine.notified(1, PORT), 1);

    lab.write(&front(1), &[("state", "5")]);
    lab.turn();
    assert_eq!(lab.in_use(), (0, 0));
    lab.write(&front(1), &[("state", "6")]);
    lab.turn();
    assert_eq!(lab.state(1), Some(6));
    // It begins anew.
    lab.write(&front(1), &[("state", "1")]);
    lab.turn();
    assert_eq!(lab.state(1), Some(2));
    lab.connect(1, &[]);
    assert_eq!((lab.state(1), lab.in_use()), (Some(4), (2, 1)));
    // The domain is gone, and with it all nodes.
    lab.control.remove(&front(1)).unwrap();
    lab.control.remove(&back(1)).unwrap();
    lab.turn();
    assert_eq!((lab.state(1), lab.in_use()), (None, (0, 0)));
}

#[test]
fn a_front_end_that_makes_no_sense_is_refused() {
    let wrong: [&[(&str, &str)]; 8] = [
        &[("tx-ring-ref", "no number")],
        &[("rx-ring-ref", "-1")],
        &[("rx-ring-ref", "99999999999")],
        // No grant of that number; no port.
        &[("tx-ring-ref", "77")],
        &[("rx-ring-ref", "77")],
        &[("event-channel", "6")],
        &[("event-channel", "")],
        &[("request-rx-copy", "0")],
    ];
    for wrong in wrong {
        let mut lab = Lab::new();
        lab.plug(1, &[]);
        lab.plug(2, &[]);
        lab.connect(1, wrong);
        assert_eq!(lab.state(1), Some(6), "{wrong:?}");
        assert_eq!(lab.in_use(), (0, 0), "{wrong:?}");
        let said = lab
            .control
            .read_text(&format!("{}/error", back(1)))
            .unwrap();
        assert!(said.contains("its ") || said.contains("it wants"), "{said}");
        // The other one is served.
        let (mut tx, _) = lab.connect(2, &[]);
        lab.send(2, &mut tx, &frame([0xff; 6], mac(2), 1, 60));
        assert_eq!(lab.cable.sent.borrow().len(), 1);
    }
}

#[test]
fn a_ring_that_breaks_closes_its_interface_alone() {
    let mut lab = Lab::new();
    for domain in [1, 2] {
        lab.plug(domain, &[]);
    }
    let (mut tx, _) = lab.connect(1, &[]);
    let (mut other, _) = lab.connect(2, &[]);
    tx.store_u32(0, 5000);
    lab.turn();
    assert_eq!((lab.state(1), lab.state(2)), (Some(6), Some(4)));
    assert_eq!(lab.in_use(), (2, 1));
    lab.send(2, &mut other, &frame([0xff; 6], mac(2), 1, 60));
    assert_eq!(lab.cable.sent.borrow().len(), 1);
}

#[test]
fn what_the_toolstack_wants_is_checked_too() {
    for wrong in [
        ("mac", "nonsense"),
        ("mac", "01:00:00:00:00:00"),
        ("rate", "5"),
        ("rate", "5,0"),
    ] {
        let mut lab = Lab::new();
        lab.plug(1, &[wrong]);
        assert_eq!(lab.state(1), Some(6), "{wrong:?}");
    }
}

impl Lab {
    /// The service ends, and another is started; what the one before had is given back.
    fn start_again(&mut self) {
        let driver = Netback::new(self.machine.clone(), Some(self.cable.clone()));
        self.bus = Bus::new(self.store.client(), driver).unwrap();
        self.turn();
    }
}

#[test]
fn a_service_that_was_started_again_goes_on_with_its_connections() {
    let mut lab = Lab::new();
    lab.plug(1, &[]);
    let (mut tx, _) = lab.connect(1, &[]);
    lab.send(1, &mut tx, &frame([0xff; 6], mac(1), 1, 60));
    for sent in 2..5_u32 {
        let told = lab.machine.notified(1, PORT);
        lab.start_again();
        // The front end is not asked to do anything, and hears of answers of which it was not told.
        assert_eq!((lab.state(1), lab.in_use()), (Some(4), (2, 1)));
        assert_eq!(lab.machine.notified(1, PORT), told + 1);
        lab.send(1, &mut tx, &frame([0xff; 6], mac(1), sent, 60));
        assert_eq!(lab.cable.sent.borrow().len(), sent as usize);
        assert_eq!(tx.load_u32(8), sent, "each is answered once");
    }
    // An answer, not shown, over a request: it must not be taken for a page to send. Nor is what is
    // behind it sent, which is no more than a frame lost.
    let at = tx.load_u32(0);
    let places = [at, at + 1].map(|at| 64 + at as usize % 256 * 12);
    for place in places {
        tx.store_u32(place, FRAME);
        tx.store_u32(place + 4, 0);
        tx.store_u32(place + 8, 7 | 60 << 16);
    }
    tx.store_u32(0, at + 2);
    lab.start_again();
    assert_eq!((lab.state(1), tx.load_u32(8)), (Some(4), at + 2));
    for place in places {
        let refused = 7 | u32::from(NETIF_RSP_ERROR as u16) << 16;
        assert_eq!(tx.load_u32(place), refused);
    }
    assert_eq!(lab.cable.sent.borrow().len(), 4);
    // From then on it is believed again.
    lab.send(1, &mut tx, &frame([0xff; 6], mac(1), 9, 60));
    assert_eq!(lab.cable.sent.borrow().len(), 5);
}

#[test]
fn where_a_connection_cannot_be_gone_on_with_it_is_made_anew() {
    let mut lab = Lab::new();
    lab.plug(1, &[]);
    lab.connect(1, &[]);
    lab.write(&front(1), &[("tx-ring-ref", "4000")]);
    lab.start_again();
    assert_eq!((lab.state(1), lab.in_use()), (Some(2), (0, 0)));
    for state in ["6", "1"] {
        lab.write(&front(1), &[("state", state)]);
        lab.turn();
    }
    assert_eq!(lab.state(1), Some(2));
    let (mut tx, _) = lab.connect(1, &[]);
    lab.send(1, &mut tx, &frame([0xff; 6], mac(1), 1, 60));
    assert_eq!(lab.cable.sent.borrow().len(), 1);
    assert_eq!(lab.in_use(), (2, 1));
}

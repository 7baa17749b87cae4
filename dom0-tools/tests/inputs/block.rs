//! What holds for disks, whatever a front end writes into its ring, its pages and its nodes.

use dom0_tools::block::Blkback;
use dom0_tools::hyper::Mapping;
use dom0_tools::store::{Client, Store};
use dom0_tools::xenbus::Bus;
use hypercall_abi::io::blkif::*;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

#[path = "../fake/store.rs"]
// Each user of the stand-ins has its part of them; a fuzz target is a crate of its own.
#[allow(dead_code, unreachable_pub, clippy::duplicate_mod)]
mod store;

#[path = "../fake/grants.rs"]
#[allow(dead_code, unreachable_pub)]
mod grants;

use grants::Fake;
use store::{End, Page, Shared, Waiting};

/// Sectors of a disk.
const SECTORS: usize = 16;
const RING: u32 = 8;
const PORT: u32 = 5;
/// The first of the grants for data, and how many.
const DATA: u32 = 16;
const GRANTS: u32 = 6;
/// Bytes of an entry.
const ENTRY: usize = size_of::<blkif_request>();

struct World {
    store: Shared,
    control: Client<Waiting<End>>,
    machine: Fake,
    bus: Bus<Waiting<End>, Blkback<Fake>>,
}

fn front(domain: u16) -> String {
    format!("/local/domain/{domain}/device/vbd/51712")
}

impl World {
    fn new() -> Self {
        let store = Shared::new(&[1, 2]);
        let mut control = store.client();
        let machine = Fake::default();
        let bus = Bus::new(store.client(), Blkback::new(machine.clone()));
        let bus = bus.expect("the store is there");
        let _ = control.write_text("/local/domain/0/domid", 0);
        let mut world = World {
            store,
            control,
            machine,
            bus,
        };
        for domain in [1, 2] {
            let content: Vec<u8> = (0..SECTORS * 512).map(|i| (i / 7) as u8).collect();
            let disk = std::rc::Rc::new(std::cell::RefCell::new(content));
            let name = format!("disk{domain}");
            world
                .machine
                .0
                .borrow_mut()
                .disks
                .insert(name.clone(), disk);
            let back = format!("/local/domain/0/backend/vbd/{domain}/51712");
            for (path, value) in [
                (format!("{back}/params"), name),
                (format!("{back}/mode"), "w".into()),
                (format!("{back}/frontend-id"), domain.to_string()),
                (format!("{back}/online"), "1".into()),
                (format!("{back}/state"), "1".into()),
                (format!("{}/state", front(domain)), "1".into()),
                (format!("{back}/frontend"), front(domain)),
            ] {
                world.write(&path, &value);
            }
            world.machine.grant(domain, DATA, true);
        }
        world
    }

    fn write(&mut self, path: &str, value: &str) {
        let written = self.control.write(path, value.as_bytes());
        written.expect("the control domain writes nodes");
    }

    fn connect(&mut self, domain: u16) -> Page {
        let mut ring = self.machine.grant(domain, RING, true);
        ring.store_u32(12, 1);
        let ports = &mut self.machine.0.borrow_mut().ports;
        ports.entry((domain, PORT)).or_default();
        ring
    }

    fn offer(&mut self, domain: u16) {
        for (name, value) in [("ring-ref", RING), ("event-channel", PORT), ("state", 4)] {
            self.write(&format!("{}/{name}", front(domain)), &value.to_string());
        }
    }

    /// Has everybody served until nobody has anything, or is closed.
    fn settle(&mut self) {
        for _ in 0..3 {
            self.store.run();
            self.bus.turn().expect("the store is there");
        }
        while self.bus.serve(4).expect("the store is there") {}
    }
}

/// Takes `data` as what the first of two front ends does. The other is served after each step.
pub(crate) fn check(data: &[u8]) {
    let mut world = World::new();
    let (mut hostile, mut honest) = (world.connect(1), world.connect(2));
    world.settle();
    world.offer(1);
    world.offer(2);
    world.settle();
    let mut bytes = data.iter().copied();
    let mut asked = 0_u32;
    while let Some(step) = bytes.next() {
        act(&mut bytes, step, &mut world, &mut hostile);
        let mut read = blkif_request::new_zeroed();
        (read.nr_segments, read.sector_number, read.id) = (1, 3, asked.into());
        read.seg[0].gref = DATA;
        let place = 64 + (asked % 32) as usize * ENTRY;
        honest.write(place, read.as_bytes());
        asked += 1;
        honest.store_u32(0, asked);
        world.settle();
        assert_eq!(honest.load_u32(8), asked);
        let mut answer = [0; size_of::<blkif_response>()];
        honest.read(place, &mut answer);
        let answer = blkif_response::read_from_bytes(&answer);
        assert!(answer.is_ok_and(|answer| answer.status == BLKIF_RSP_OKAY));
    }
    let books = world.machine.0.borrow();
    let disk = books.disks["disk2"].borrow();
    assert!(
        (0..)
            .zip(disk.iter())
            .all(|(i, byte)| *byte == (i / 7) as u8)
    );
    assert_eq!(books.disks["disk1"].borrow().len(), SECTORS * 512);
}

fn act(bytes: &mut impl Iterator<Item = u8>, step: u8, world: &mut World, ring: &mut Page) {
    let mut next = || bytes.next().unwrap_or_default();
    match step & 7 {
        // An index, by a small step or to any.
        0 => {
            let at = 4 * usize::from(step >> 3 & 3);
            let by = i32::from(next().cast_signed());
            ring.store_u32(at, ring.load_u32(at).wrapping_add_signed(by));
        }
        1 => {
            let value = u32::from_le_bytes([next(), next(), next(), next()]);
            ring.store_u32(4 * usize::from(step >> 3 & 3), value);
        }
        // The next request, of any bytes or of those that may make sense.
        2..=4 => {
            let at = ring.load_u32(0);
            let mut entry = [0; ENTRY];
            let len = usize::from(next()) % (ENTRY + 1);
            entry[..len].fill_with(&mut next);
            if step & 7 != 2 {
                entry[0] %= 7;
                entry[17..24].fill(0);
                for segment in entry[24..].as_chunks_mut::<8>().0 {
                    segment[0] = DATA as u8 + segment[0] % GRANTS as u8;
                    segment[1..4].fill(0);
                }
            }
            ring.write(64 + (at % 32) as usize * ENTRY, &entry);
            ring.store_u32(0, at.wrapping_add(1));
        }
        // A page of segments or of data.
        5 => {
            let gref = DATA + u32::from(next()) % GRANTS;
            let mut page = world.machine.grant(1, gref, step & 8 == 0);
            let mut part = [0; 64];
            part.fill_with(&mut next);
            page.write(0, &part);
        }
        // The back end is started again, and may find an answer noted.
        6 if step & 8 != 0 => {
            if step & 16 != 0 {
                ring.store_u32(20, ring.load_u32(8).wrapping_add(1));
            }
            let driver = Blkback::new(world.machine.clone());
            let bus = Bus::new(world.store.client(), driver);
            world.bus = bus.expect("the store is there");
        }
        // A grant that is taken back.
        6 => {
            let gref = DATA + u32::from(next()) % GRANTS;
            world.machine.0.borrow_mut().granted.remove(&(1, gref));
        }
        // What it says in the store.
        _ => {
            let names = ["state", "ring-ref", "event-channel", "protocol"];
            let name = names[usize::from(step >> 3 & 3)];
            let value = next() % 9;
            world.write(&format!("{}/{name}", front(1)), &value.to_string());
            if name == "protocol" {
                *ring = world.connect(1);
                world.write(&format!("{}/protocol", front(1)), "x86_64-abi");
                world.offer(1);
            }
        }
    }
}

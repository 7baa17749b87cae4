//! A store, a backend over a fake machine, and front ends to write requests for it.
#![allow(unreachable_pub, reason = "the test's own")]

use std::cell::RefCell;
use std::rc::Rc;

use dom0_tools::block::Blkback;
use dom0_tools::hyper::Mapping;
use dom0_tools::store::{Client, Permissions, Store};
use dom0_tools::xenbus::Bus;
use hypercall_abi::io::blkif::*;
use hypercall_abi::io::xenbus::*;
use zerocopy::{FromBytes, FromZeros};

use crate::fake::grants::Fake;
use crate::fake::store::{End, Page, Shared, Waiting};

pub const SECTORS: usize = 64;
pub const RING: u32 = 8;
pub const PORT: u32 = 5;

/// A store, a backend, and what both see of the machine.
pub struct Lab {
    pub store: Shared,
    pub control: Client<Waiting<End>>,
    pub machine: Fake,
    pub bus: Bus<Waiting<End>, Blkback<Fake>>,
}

pub fn content() -> Vec<u8> {
    (0..SECTORS * 512)
        .map(|i| (i / 512 * 7 + i) as u8)
        .collect()
}

pub fn back(domain: u16) -> String {
    format!("/local/domain/0/backend/vbd/{domain}/51712")
}

pub fn front(domain: u16) -> String {
    format!("/local/domain/{domain}/device/vbd/51712")
}

impl Lab {
    pub fn new() -> Self {
        let store = Shared::new(&[1, 2]);
        let mut control = store.client();
        control.write_text("/local/domain/0/domid", 0).unwrap();
        let machine = Fake::default();
        let disks = &mut machine.0.borrow_mut().disks;
        disks.insert("disk".into(), Rc::new(RefCell::new(content())));
        let bus = Bus::new(store.client(), Blkback::new(machine.clone())).unwrap();
        let machine = machine.clone();
        Lab {
            store,
            control,
            machine,
            bus,
        }
    }

    pub fn plug(&mut self, domain: u16, mode: &str) {
        let (back, front) = (back(domain), front(domain));
        for (path, value) in [
            (format!("{back}/params"), "disk"),
            (format!("{back}/mode"), mode),
            (format!("{back}/frontend-id"), &domain.to_string()),
            (format!("{back}/online"), "1"),
            (format!("{back}/state"), "1"),
            (format!("{front}/state"), "1"),
            (format!("{back}/frontend"), &front),
        ] {
            self.control.write_text(&path, value).unwrap();
        }
        let guests = Permissions::owned_by(domain.into());
        self.control.set_permissions(&front, &guests).unwrap();
        self.turn();
    }

    pub fn turn(&mut self) {
        // Until what the backend itself writes has come back to it.
        for _ in 0..4 {
            self.store.run();
            self.bus.turn().unwrap();
        }
    }

    pub fn state(&mut self, of: &str) -> u64 {
        self.control
            .read_number(&format!("{of}/state"))
            .unwrap()
            .unwrap_or(0)
    }

    pub fn says(&mut self, domain: u16, state: XenbusState) {
        self.control
            .write_text(&format!("{}/state", front(domain)), state)
            .unwrap();
        self.turn();
    }

    pub fn write(&mut self, at: &str, name: &str, value: &str) {
        let path = format!("{at}/{name}");
        self.control.write(&path, value.as_bytes()).unwrap();
    }

    /// A front end as it should be, until it is connected.
    pub fn connect(&mut self, domain: u16) -> Front {
        let mut ring = self.machine.grant(domain, RING, true);
        // It wants to be told of the first response.
        ring.store_u32(12, 1);
        self.offer(domain);
        Front { ring, produced: 0 }
    }

    /// A front end says where its ring is.
    pub fn offer(&mut self, domain: u16) {
        let port = ((domain, PORT), (0, false));
        self.machine.0.borrow_mut().ports.extend([port]);
        let at = front(domain);
        self.write(&at, "ring-ref", &RING.to_string());
        self.write(&at, "event-channel", &PORT.to_string());
        self.write(&at, "protocol", "x86_64-abi");
        self.says(domain, XenbusStateInitialised);
    }

    /// Serves everybody in turn until nobody has anything; who was at fault is closed.
    pub fn serve(&mut self) {
        while self.bus.serve(4).unwrap() {}
        self.turn();
    }

    pub fn mapped(&self) -> usize {
        self.machine.0.borrow().mapped.values().sum()
    }
}

pub struct Front {
    pub ring: Page,
    pub produced: u32,
}

pub fn segment(gref: u32, first_sect: u8, last_sect: u8) -> blkif_request_segment {
    blkif_request_segment {
        gref,
        first_sect,
        last_sect,
        _pad0: [0; 2],
    }
}

pub fn request(operation: u8, sector: u64, segments: &[blkif_request_segment]) -> blkif_request {
    let mut request = blkif_request::new_zeroed();
    (request.operation, request.sector_number) = (operation, sector);
    request.nr_segments = segments.len() as u8;
    request.id = 0x1234_5678_9abc_def0;
    request.seg[..segments.len()].copy_from_slice(segments);
    request
}

impl Front {
    pub fn send(&mut self, entry: &[u8]) {
        let place = 64 + self.produced as usize % 32 * 112;
        self.ring.write(place, entry);
        self.produced += 1;
        self.ring.store_u32(0, self.produced);
    }

    /// Sends a request and has it served; the answer's status.
    pub fn ask(&mut self, lab: &mut Lab, entry: &[u8]) -> i16 {
        let place = 64 + self.produced as usize % 32 * 112;
        self.send(entry);
        lab.serve();
        assert_eq!(self.ring.load_u32(8), self.produced, "it is answered");
        let mut bytes = [0; 16];
        self.ring.read(place, &mut bytes);
        let response = blkif_response::read_from_bytes(&bytes).unwrap();
        assert_eq!(response.id.to_le_bytes(), entry[8..16]);
        let meant = match entry[0] {
            BLKIF_OP_INDIRECT => entry[1],
            operation => operation,
        };
        assert_eq!(response.operation, meant);
        response.status
    }
}

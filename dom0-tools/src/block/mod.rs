//! blkback: disks for other domains, by the requests of `xen/io/blkif.h`.
//!
//! A request is copied once from the ring and its segments are checked as a whole before anything is
//! done. Bytes travel through a buffer of the backend, by grant copies: what a front end does to its
//! pages meanwhile changes nothing but these bytes.
//!
//! Requests are done and answered one after another, each before the next of its ring: so what a backend
//! that is killed leaves unanswered is what it has not done, but for one at most, which is done again by
//! the next.

mod disk;
mod request;
mod serve;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use hypercall_abi::io::blkif::*;

use crate::service::Line;
use crate::store::{Channel, Client, Store};
use crate::xenbus::{BackRing, Driver, Failure, Machine, Place};

pub use disk::{Disk, DiskError, SECTOR};
pub use request::{Action, Geometry, INDIRECT_MAX, Request, Segment};

/// Bytes of the largest request.
pub const BUFFER: usize = INDIRECT_MAX * crate::hyper::PAGE_SIZE;
/// Bytes of an entry of the ring.
const REQUEST: usize = size_of::<blkif_request>();
/// The node that says how large a disk is.
const SECTORS: &str = "sectors";
/// The protocol that both sides speak: what structures look like on x86-64.
const PROTOCOL: &str = "x86_64-abi";

/// What is to be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What the toolstack calls it: a path of this domain.
    pub target: String,
    /// Whether it is to be written.
    pub writable: bool,
}

/// A machine with disks.
pub trait DiskMachine: Machine {
    /// A disk that is open.
    type Disk: Disk;
    /// Opens one.
    ///
    /// # Errors
    /// In words.
    fn open(&mut self, wanted: &Wanted) -> Result<Self::Disk, String>;
}

/// A device: a disk, and the connection to who uses it.
pub struct Device<M: DiskMachine> {
    disk: M::Disk,
    geometry: Geometry,
    connection: Option<Connection<M>>,
}

struct Connection<M: DiskMachine> {
    domain: u16,
    ring: BackRing<M::Mapping>,
    line: M::Line,
}

impl<M: DiskMachine> Connection<M> {
    fn new(place: &Place, ring: BackRing<M::Mapping>, line: M::Line) -> Self {
        let domain = place.key.domain;
        Connection { domain, ring, line }
    }
}

/// All disks that this domain serves.
pub struct Blkback<M> {
    machine: M,
    /// Where bytes are between disk and front end.
    buffer: Vec<u8>,
}

impl<M: DiskMachine> Blkback<M> {
    /// On a machine.
    pub fn new(machine: M) -> Self {
        Blkback {
            machine,
            buffer: vec![0; BUFFER],
        }
    }

    /// Maps the ring of a front end that speaks as this back end does.
    fn map<C: Channel>(
        &mut self,
        store: &mut Client<C>,
        place: &Place,
    ) -> Result<M::Mapping, Failure> {
        let protocol = store.read_if_there(&format!("{}/protocol", place.frontend))?;
        if let Some(other) = protocol.filter(|protocol| protocol != PROTOCOL) {
            return Err(Failure::Device(format!("it speaks `{other}`")));
        }
        place.map(store, &mut self.machine, "ring-ref")
    }
}

impl<C: Channel, M: DiskMachine> Driver<C> for Blkback<M> {
    const KIND: &'static str = "vbd";
    type Device = Device<M>;

    fn open(&mut self, store: &mut Client<C>, place: &Place) -> Result<Device<M>, Failure> {
        let at = |name: &str| format!("{}/{name}", place.backend);
        let wanted = Wanted {
            target: store.read_text(&at("params"))?,
            writable: store.read_text(&at("mode"))? == "w",
        };
        let disk = self.machine.open(&wanted).map_err(Failure::Device)?;
        let may = wanted.writable && store.read_number(&at("discard-enable"))? != Some(0);
        let granularity = disk.discard_granularity().filter(|_| may);
        let geometry = Geometry {
            sectors: disk.sectors(),
            writable: wanted.writable,
            discards: granularity.is_some(),
        };
        // What one before has said, may not hold any more.
        store.write_text(&at("feature-discard"), u8::from(granularity.is_some()))?;
        if let Some(granularity) = granularity {
            store.write_text(&at("discard-granularity"), granularity)?;
            store.write_text(&at("discard-alignment"), 0)?;
        }
        store.write_text(&at("feature-flush-cache"), 1)?;
        store.write_text(&at("feature-max-indirect-segments"), INDIRECT_MAX)?;
        Ok(Device {
            disk,
            geometry,
            connection: None,
        })
    }

    fn connect(
        &mut self,
        store: &mut Client<C>,
        place: &Place,
        device: &mut Device<M>,
    ) -> Result<(), Failure> {
        let ring = BackRing::new(self.map(store, place)?, REQUEST);
        let line = place.bind(store, &mut self.machine)?;
        let info = if device.geometry.writable {
            0
        } else {
            VDISK_READONLY
        };
        let nodes = [
            (SECTORS, device.geometry.sectors.to_string()),
            ("info", info.to_string()),
            ("sector-size", SECTOR.to_string()),
            ("physical-sector-size", SECTOR.to_string()),
        ];
        for (name, value) in nodes {
            store.write_text(&format!("{}/{name}", place.backend), value)?;
        }
        device.connection = Some(Connection::new(place, ring, line));
        Ok(())
    }

    fn resume(
        &mut self,
        store: &mut Client<C>,
        place: &Place,
        device: &mut Device<M>,
    ) -> Result<(), Failure> {
        let known = store.read_number(&format!("{}/{SECTORS}", place.backend))?;
        if known != Some(device.geometry.sectors) {
            return Err(Failure::Device("the disk has another size now".into()));
        }
        let page = self.map(store, place)?;
        let ring = BackRing::resume(page, REQUEST, size_of::<blkif_response>());
        let ring = ring.map_err(|broken| Failure::Device(broken.to_string()))?;
        let mut line = place.bind(store, &mut self.machine)?;
        // It may not have been told of the last answers.
        line.notify();
        device.connection = Some(Connection::new(place, ring, line));
        Ok(())
    }

    fn disconnect(&mut self, device: &mut Device<M>) {
        device.connection = None;
    }

    fn log(&mut self, message: &str) {
        self.machine.log(message);
    }
}

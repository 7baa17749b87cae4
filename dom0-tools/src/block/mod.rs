//! blkback: disks for other domains, by the requests of `xen/io/blkif.h`.
//!
//! A request is copied once from the ring and its segments are checked as a whole before anything is
//! done. Bytes travel through a buffer of the backend, by grant copies: what a front end does to its
//! pages meanwhile changes nothing but these bytes.

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

impl<M: DiskMachine> Device<M> {
    /// The port by which the front end tells of requests, while it is connected.
    pub fn port(&self) -> Option<u32> {
        Some(self.connection.as_ref()?.line.port())
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
        let geometry = Geometry {
            sectors: disk.sectors(),
            writable: wanted.writable,
        };
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
        let protocol = store.read_if_there(&format!("{}/protocol", place.frontend))?;
        if let Some(other) = protocol.filter(|protocol| protocol != PROTOCOL) {
            return Err(Failure::Device(format!("it speaks `{other}`")));
        }
        let page = place.map(store, &mut self.machine, "ring-ref")?;
        let line = place.bind(store, &mut self.machine)?;
        let info = if device.geometry.writable {
            0
        } else {
            VDISK_READONLY
        };
        let nodes = [
            ("sectors", device.geometry.sectors.to_string()),
            ("info", info.to_string()),
            ("sector-size", SECTOR.to_string()),
            ("physical-sector-size", SECTOR.to_string()),
        ];
        for (name, value) in nodes {
            store.write_text(&format!("{}/{name}", place.backend), value)?;
        }
        device.connection = Some(Connection {
            domain: place.key.domain,
            ring: BackRing::new(page, size_of::<blkif_request>()),
            line,
        });
        Ok(())
    }

    fn disconnect(&mut self, device: &mut Device<M>) {
        device.connection = None;
    }

    fn log(&mut self, message: &str) {
        self.machine.log(message);
    }
}

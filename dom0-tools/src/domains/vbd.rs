//! Disks as devices.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hypercall_abi::xen::domid_t;

use super::Domains;
use super::devices::{Device, Nodes};
use crate::config::Disk;
use crate::error::Error;
use crate::hyper::Hyper;
use crate::store::{Channel, Store, StoreError};

/// The kind of these devices.
const KIND: &str = "vbd";

/// A disk whose back end is known to be there.
#[derive(Debug, Clone)]
pub(super) struct PlacedDisk {
    disk: Disk,
    target: String,
    number: u32,
    backend: domid_t,
}

impl PlacedDisk {
    /// What both ends are told besides what all devices are.
    fn nodes(&self) -> (Nodes, Nodes) {
        let disk = &self.disk;
        let yes_no = |is: bool| u8::from(is).to_string();
        let device_type = if disk.cdrom { "cdrom" } else { "disk" };
        let front = alloc::vec![
            ("virtual-device", self.number.to_string()),
            ("device-type", device_type.to_string()),
        ];
        let back = alloc::vec![
            ("params", self.target.clone()),
            ("script", disk.script.clone().unwrap_or_default()),
            ("removable", yes_no(disk.cdrom)),
            ("bootable", yes_no(true)),
            ("dev", disk.vdev.to_string()),
            ("type", "phy".to_string()),
            ("mode", if disk.writable { "w" } else { "r" }.to_string()),
            ("device-type", device_type.to_string()),
            (
                "discard-enable",
                yes_no(disk.discard.unwrap_or(disk.writable))
            ),
        ];
        (front, back)
    }

    /// Makes its nodes as those of a disk of a domain.
    pub(super) fn write<T: Store>(
        &self,
        store: &mut T,
        domain: domid_t,
    ) -> Result<Device, StoreError> {
        let device = Device {
            kind: KIND.to_string(),
            domain,
            number: self.number,
            backend: self.backend,
        };
        let (front, back) = self.nodes();
        device.write(store, &front, &back)?;
        Ok(device)
    }
}

/// A disk as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vbd {
    /// The device.
    pub device: Device,
    /// How the guest sees it: `xvda`.
    pub name: String,
    /// The back end's state, 0 if it is unknown.
    pub state: u64,
    /// The front end's event channel and the grant of its ring, if it has said so.
    pub connection: [Option<u64>; 2],
}

impl<C: Channel> Domains<C> {
    /// Finds the back ends of disks.
    ///
    /// # Errors
    /// There is no such domain; the disk has no number, or nothing to serve.
    pub(super) fn place_disks<H: Hyper>(
        &mut self,
        hyper: &mut H,
        disks: &[Disk],
    ) -> Result<Vec<PlacedDisk>, Error> {
        let mut placed = Vec::new();
        for disk in disks {
            let refused = |why| Error::Refused(format!("disk {}: {why}", disk.vdev));
            let number = disk.vdev.number();
            let backend = match &disk.backend {
                Some(name) => self.find(hyper, name)?,
                None => 0,
            };
            placed.push(PlacedDisk {
                target: disk.target.clone().ok_or(refused("it has no target"))?,
                number: number.ok_or(refused("it has no number"))?,
                backend,
                disk: disk.clone(),
            });
        }
        Ok(placed)
    }

    /// The disks of a domain.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn vbds(&mut self, domain: domid_t) -> Result<Vec<Vbd>, Error> {
        let mut all = Vec::new();
        for device in Device::of_kind(&mut self.store, domain, KIND)? {
            let (front, back) = (device.front(), device.back());
            let name = self.store.read_if_there(&format!("{back}/dev"))?;
            let state = self.store.read_number(&format!("{back}/state"))?;
            let mut number = |node: &str| self.store.read_number(&format!("{front}/{node}"));
            let connection = [number("event-channel")?, number("ring-ref")?];
            all.push(Vbd {
                name: name.unwrap_or_default(),
                state: state.unwrap_or(0),
                connection,
                device,
            });
        }
        Ok(all)
    }

    /// Gives a domain another disk, or one that it has, but whose back end's domain is gone: then it
    /// goes on with that disk.
    ///
    /// # Errors
    /// It has such a disk; there is no such back end.
    pub fn attach_disk<H: Hyper>(
        &mut self,
        hyper: &mut H,
        domain: domid_t,
        disk: &Disk,
    ) -> Result<Device, Error> {
        let placed = self.place_disks(hyper, core::slice::from_ref(disk))?;
        if self.has_device(hyper, domain, (KIND, placed[0].number))? {
            return Err(Error::Refused(format!(
                "it has a disk {} already",
                disk.vdev
            )));
        }
        let made = self
            .store
            .transaction(|store| placed[0].write(store, domain));
        Ok(made?)
    }
}

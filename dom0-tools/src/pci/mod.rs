//! pciback: PCI devices for other domains, by the requests of `xen/io/pciif.h`.
//!
//! A device that may be given away is claimed, so that no driver of this domain has it meanwhile. A
//! domain that is given one sees it alone on a bus of its own, its registers in configuration space as
//! [`Function`] shows them: it can move nothing and have nothing sent where it likes. That a device
//! reaches memory no more before the domain's is others', the toolstack sees to: it is there whatever
//! has become of this service.

#![expect(
    non_upper_case_globals,
    reason = "states have the names of the public header"
)]

mod address;
mod assignable;
mod function;
mod regions;
mod serve;
mod slots;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::{Rc, Weak};
use alloc::string::String;

use hypercall_abi::io::pciif::XEN_PCI_MAGIC;
use hypercall_abi::io::xenbus::*;

use crate::hyper::Hyper;
use crate::store::{Channel, Client, Store};
use crate::xenbus::{Driver, Failure, Machine, Place};

pub use address::Address;
pub(crate) use assignable::listed;
pub use assignable::{ASSIGNABLE, READY, node};
pub use function::{Function, quiesce};
pub use regions::{Region, parse_regions};
pub(crate) use slots::{Entry, listed as given};
use slots::{Given, Slots};

/// Devices of one domain: as many as a bus has.
pub const DEVICES_MAX: usize = 32;

/// Configuration space of the machine.
pub trait Config {
    /// Reads the four bytes at a register, which is a multiple of 4; all bits are set where nothing is.
    fn read_config(&mut self, at: Address, register: u8) -> u32;
    /// Writes them.
    fn write_config(&mut self, at: Address, register: u8, value: u32);
}

impl<H: Hyper> Config for H {
    fn read_config(&mut self, at: Address, register: u8) -> u32 {
        let place = at.place(register);
        place.map_or(u32::MAX, |place| self.pci_read(place))
    }

    fn write_config(&mut self, at: Address, register: u8, value: u32) {
        if let Some(place) = at.place(register) {
            self.pci_write(place, value);
        }
    }
}

/// A machine with PCI devices.
pub trait PciMachine: Machine + Config {
    /// A device that no other process of this domain has while it is held.
    type Claim;
    /// Claims one.
    ///
    /// # Errors
    /// In words: who has it.
    fn claim(&mut self, at: Address) -> Result<Self::Claim, String>;
}

/// A claimed device.
struct Claimed<C> {
    _claim: C,
    function: Function,
    /// The registers as they were when it was claimed.
    saved: regions::Saved,
    /// Of the domain's that it is given to, while it is.
    given: Weak<()>,
}

impl<C> Claimed<C> {
    fn is_given(&self) -> bool {
        self.given.strong_count() > 0
    }
}

/// The devices that a domain was given, and the connection to it.
pub struct Device<M: PciMachine> {
    slots: Slots,
    backend: String,
    connection: Option<Connection<M>>,
}

struct Connection<M: PciMachine> {
    page: M::Mapping,
    line: M::Line,
}

impl<M: PciMachine> Device<M> {
    /// Lets go of what is not listed: the toolstack has taken it from the domain without its consent.
    fn keep(&mut self, listed: &[Entry]) {
        let is_listed = |at| listed.iter().any(|entry| entry.at == at);
        self.slots.retain(|_, given| is_listed(given.at));
    }
}

/// All devices that may be given away.
pub struct Pciback<M: PciMachine> {
    machine: M,
    claimed: BTreeMap<Address, Claimed<M::Claim>>,
}

impl<M: PciMachine> Pciback<M> {
    /// On a machine.
    pub fn new(machine: M) -> Self {
        Pciback {
            machine,
            claimed: BTreeMap::new(),
        }
    }

    /// Takes a device for a domain.
    fn give(&mut self, at: Address) -> Result<Given, Failure> {
        match self.claimed.get_mut(&at) {
            None => {
                let why = format!("PCI device {at} is not assignable");
                Err(Failure::Device(why))
            }
            Some(claimed) if claimed.is_given() => {
                let why = format!("PCI device {at} is given to a domain already");
                Err(Failure::Device(why))
            }
            Some(claimed) => {
                let given = Rc::new(());
                claimed.given = Rc::downgrade(&given);
                claimed.function.forget();
                Ok(Given { at, _given: given })
            }
        }
    }
}

impl<C: Channel, M: PciMachine> Driver<C> for Pciback<M> {
    const KIND: &'static str = "pci";
    type Device = Device<M>;

    fn open(&mut self, store: &mut Client<C>, place: &Place) -> Result<Device<M>, Failure> {
        let at = |name: &str| format!("{}/{name}", place.backend);
        let mut device = Device {
            slots: Slots::new(),
            backend: place.backend.clone(),
            connection: None,
        };
        let listed = slots::listed(store, &place.backend)?;
        if store.read_number(&at("num_devs"))?.unwrap_or(0) != listed.len() as u64 {
            let why = "of its devices one is none, or is there twice";
            return Err(Failure::Device(why.into()));
        }
        for entry in listed {
            match entry.state {
                // It was to go, and has: there was nobody who saw to it.
                XenbusStateClosing => entry.says(store, &place.backend, XenbusStateClosed)?,
                XenbusStateClosed => {}
                _ => self.add(store, &mut device, &entry)?,
            }
        }
        // One bus for all.
        store.write_text(&at("root_num"), 1)?;
        store.write(&at("root-0"), b"0000:00")?;
        Ok(device)
    }

    fn connect(
        &mut self,
        store: &mut Client<C>,
        place: &Place,
        device: &mut Device<M>,
    ) -> Result<(), Failure> {
        let magic = store.read_if_there(&format!("{}/magic", place.frontend))?;
        if magic.as_deref() != Some(XEN_PCI_MAGIC) {
            return Err(Failure::Device("it speaks another protocol".into()));
        }
        let page = place.map(store, &mut self.machine, "pci-op-ref")?;
        let line = place.bind(store, &mut self.machine)?;
        device.connection = Some(Connection { page, line });
        Ok(())
    }

    fn change(
        &mut self,
        store: &mut Client<C>,
        place: &Place,
        device: &mut Device<M>,
    ) -> Result<(), Failure> {
        let listed = slots::listed(store, &place.backend)?;
        device.keep(&listed);
        for entry in listed {
            match entry.state {
                XenbusStateInitialising => match self.add(store, device, &entry) {
                    // The toolstack takes it for what it is.
                    Err(Failure::Device(why)) => {
                        self.machine.log(&why);
                        entry.says(store, &place.backend, XenbusStateClosed)?;
                    }
                    done => done?,
                },
                XenbusStateClosing => {
                    device.slots.retain(|_, given| given.at != entry.at);
                    quiesce(&mut self.machine, entry.at);
                    entry.says(store, &place.backend, XenbusStateClosed)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn look_after(
        &mut self,
        store: &mut Client<C>,
        place: &Place,
        device: &mut Device<M>,
    ) -> Result<(), Failure> {
        device.keep(&slots::listed(store, &place.backend)?);
        Ok(())
    }

    fn disconnect(&mut self, device: &mut Device<M>) {
        device.connection = None;
        for Given { at, .. } in device.slots.values() {
            if let Some(claimed) = self.claimed.get_mut(at) {
                claimed.function.forget();
            }
        }
    }

    fn log(&mut self, message: &str) {
        self.machine.log(message);
    }
}

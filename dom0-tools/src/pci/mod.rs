//! pciback: PCI devices for other domains, by the requests of `xen/io/pciif.h`.
//!
//! A device that may be given away is claimed, so that no driver of this domain has it meanwhile. A
//! domain that is given one sees it alone on a bus of its own, its registers in configuration space as
//! [`Function`] shows them: it can move nothing and have nothing sent where it likes. That a device
//! reaches memory no more before the domain's is others', the toolstack sees to: it is there whatever
//! has become of this service.

mod address;
mod assignable;
mod function;
mod regions;
mod serve;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::{Rc, Weak};
use alloc::string::String;
use alloc::vec::Vec;

use hypercall_abi::io::pciif::XEN_PCI_MAGIC;

use crate::hyper::Hyper;
use crate::service::Line;
use crate::store::{Channel, Client, Store};
use crate::xenbus::{Driver, Failure, Machine, Place};

pub use address::Address;
pub(crate) use assignable::listed;
pub use assignable::{ASSIGNABLE, READY, node};
pub use function::{Function, quiesce};
pub use regions::{Region, parse_regions};

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
    /// Where they are on the bus that it sees, by slot.
    functions: Vec<Address>,
    /// They are given as long as this is there.
    _given: Rc<()>,
    backend: String,
    connection: Option<Connection<M>>,
}

struct Connection<M: PciMachine> {
    page: M::Mapping,
    line: M::Line,
}

impl<M: PciMachine> Device<M> {
    /// The port by which the front end tells of requests, while it is connected.
    pub fn port(&self) -> Option<u32> {
        Some(self.connection.as_ref()?.line.port())
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

    /// Ends what devices do to memory.
    fn quiesce(&mut self, functions: &[Address]) {
        for at in functions {
            quiesce(&mut self.machine, *at);
        }
    }

    /// Takes devices for a domain: all, or none.
    fn give(&mut self, wanted: &[Address]) -> Result<Rc<()>, Failure> {
        for at in wanted {
            match self.claimed.get(at) {
                None => {
                    let why = format!("PCI device {at} is not assignable");
                    return Err(Failure::Device(why));
                }
                Some(claimed) if claimed.is_given() => {
                    let why = format!("PCI device {at} is given to a domain already");
                    return Err(Failure::Device(why));
                }
                Some(_) => {}
            }
        }
        let given = Rc::new(());
        for at in wanted {
            if let Some(claimed) = self.claimed.get_mut(at) {
                claimed.given = Rc::downgrade(&given);
            }
        }
        Ok(given)
    }
}

impl<C: Channel, M: PciMachine> Driver<C> for Pciback<M> {
    const KIND: &'static str = "pci";
    type Device = Device<M>;

    fn open(&mut self, store: &mut Client<C>, place: &Place) -> Result<Device<M>, Failure> {
        let at = |name: &str| format!("{}/{name}", place.backend);
        let count = store.read_number(&at("num_devs"))?.unwrap_or(0);
        let mut functions = Vec::new();
        for number in 0..count.min(DEVICES_MAX as u64) {
            let text = store.read_text(&at(&format!("dev-{number}")))?;
            let address = Address::parse(&text);
            let address = address.ok_or_else(|| {
                Failure::Device(format!("`dev-{number}` is no PCI device: `{text}`"))
            })?;
            if functions.contains(&address) {
                return Err(Failure::Device(format!("{address} is there twice")));
            }
            functions.push(address);
        }
        let device = Device {
            _given: self.give(&functions)?,
            functions,
            backend: place.backend.clone(),
            connection: None,
        };
        for number in 0..device.functions.len() {
            let slot = Address::of_slot(number as u8);
            store.write_text(&at(&format!("vdev-{number}")), slot)?;
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

    fn disconnect(&mut self, device: &mut Device<M>) {
        device.connection = None;
        for at in &device.functions {
            if let Some(claimed) = self.claimed.get_mut(at) {
                claimed.function.forget();
            }
        }
    }

    fn log(&mut self, message: &str) {
        self.machine.log(message);
    }
}

//! PCI devices that are given to domains: one device of the store for all of a domain's, as libxl makes
//! it, and what the hypervisor lets the domain reach.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hypercall_abi::io::xenbus::XenbusStateInitialising;
use hypercall_abi::xen::{DOMID_SELF, domid_t};

use super::Domains;
use super::devices::Device;
use crate::config::Pci;
use crate::error::Error;
use crate::hyper::{DomctlExt, Hyper, PAGE_SIZE, Permission, PhysdevExt};
use crate::pci::{self, Address, Config, Region};
use crate::store::{Channel, Store, StoreError};

/// The kind of the device.
pub(super) const KIND: &str = "pci";
/// The register with a function's line (bits 7:0) and its pin (15:8), 0 for none.
const LINE: u8 = 0x3c;
/// A line that nothing is connected to.
const NO_LINE: u32 = 0xff;
/// What is said to the back end of each.
const OPTIONS: &str = "msitranslate=0,power_mgmt=0,permissive=0";

/// A device that can be given, and what it has.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) address: Address,
    pub(super) regions: Vec<Region>,
    pub(super) line: Option<u32>,
}

/// The line by which a device interrupts, if it does.
pub(super) fn line_of<H: Hyper>(hyper: &mut H, address: Address) -> Option<u32> {
    let register = hyper.read_config(address, LINE);
    let (line, pin) = (register & 0xff, register >> 8 & 0xff);
    (pin != 0 && line != 0 && line != NO_LINE).then_some(line)
}

pub(super) fn refused<T>(why: impl Into<String>) -> Result<T, Error> {
    Err(Error::Refused(why.into()))
}

/// Lets a domain reach what devices have.
pub(super) fn permit<H: Hyper>(
    hyper: &mut H,
    domain: domid_t,
    devices: &[Placed],
) -> Result<(), Error> {
    for device in devices {
        // Whoever had it before is not there any more, so it may do nothing yet.
        pci::quiesce(hyper, device.address);
        set_rights(hyper, domain, device, Permission::Allowed)?;
    }
    Ok(())
}

/// Lets a domain reach what a device has, or not any more.
pub(super) fn set_rights<H: Hyper>(
    hyper: &mut H,
    domain: domid_t,
    device: &Placed,
    permission: Permission,
) -> Result<(), Error> {
    for region in &device.regions {
        match *region {
            Region::Memory(start, len) => {
                let page = PAGE_SIZE as u64;
                hyper.set_iomem(domain, (start / page, len / page), permission)?;
            }
            Region::Ports(first, count) => hyper.set_ioports(domain, (first, count), permission)?,
        }
    }
    let Some(line) = device.line else {
        return Ok(());
    };
    hyper.setup_line(line)?;
    // Only an interrupt of this domain can be another's as well.
    let own = hyper.map_line(DOMID_SELF, line)?;
    let theirs = hyper.map_line(domain, line)?;
    hyper.set_irq(domain, own, permission)?;
    match permission {
        Permission::Allowed => Ok(()),
        Permission::Denied => hyper.unmap_pirq(domain, theirs),
    }
}

/// Makes the nodes of a domain's devices.
pub(super) fn write<T: Store>(
    store: &mut T,
    domain: domid_t,
    name: &str,
    devices: &[Placed],
) -> Result<(), StoreError> {
    let device = Device {
        kind: KIND.to_string(),
        domain,
        number: 0,
        backend: 0,
    };
    device.write(store, &Vec::new(), &Vec::new())?;
    let back = device.back();
    store.write_text(&format!("{back}/domain"), name)?;
    for (number, device) in (0..).zip(devices) {
        write_one(store, &back, number, device.address)?;
    }
    store.write_text(&format!("{back}/num_devs"), devices.len())
}

/// Makes the nodes of one of them.
pub(super) fn write_one<T: Store>(
    store: &mut T,
    back: &str,
    number: u64,
    address: Address,
) -> Result<(), StoreError> {
    for (name, value) in [
        ("key", address.to_string()),
        ("dev", address.to_string()),
        ("opts", OPTIONS.to_string()),
        ("state", XenbusStateInitialising.to_string()),
    ] {
        store.write_text(&format!("{back}/{name}-{number}"), value)?;
    }
    Ok(())
}

/// The PCI devices of a domain.
fn of_domain<T: Store>(store: &mut T, domain: domid_t) -> Result<Vec<Address>, StoreError> {
    let mut all = Vec::new();
    for device in Device::of_kind(store, domain, KIND)? {
        let given = pci::given(store, &device.back())?;
        all.extend(given.iter().map(|entry| entry.at));
    }
    Ok(all)
}

impl<C: Channel> Domains<C> {
    /// Finds what devices have that are to be given to a domain.
    ///
    /// # Errors
    /// One is not assignable, or has been given to another.
    pub(super) fn place_pcis<H: Hyper>(
        &mut self,
        hyper: &mut H,
        pcis: &[Pci],
    ) -> Result<Vec<Placed>, Error> {
        let mut placed: Vec<Placed> = Vec::new();
        for &Pci { address } in pcis {
            if placed.iter().any(|other| other.address == address) {
                return refused(format!("PCI device {address} is given twice"));
            }
            if self.pci_owner(address)?.is_some() {
                let why = format!("PCI device {address} already assigned to a domain");
                return refused(why);
            }
            let node = pci::node(address);
            let state = self.store.read_if_there(&format!("{node}/state"))?;
            if state.as_deref() != Some(pci::READY) {
                return refused(format!(
                    "PCI device {address} is not assignable (try `xl pci-assignable-add {address}`)"
                ));
            }
            placed.push(self.find_out(hyper, address)?);
        }
        Ok(placed)
    }

    /// What a device has that was claimed.
    pub(super) fn find_out<H: Hyper>(
        &mut self,
        hyper: &mut H,
        address: Address,
    ) -> Result<Placed, Error> {
        let path = format!("{}/regions", pci::node(address));
        let regions = self.store.read_if_there(&path)?;
        let regions = regions.and_then(|text| pci::parse_regions(&text));
        let regions = regions
            .ok_or_else(|| Error::Refused(format!("what PCI device {address} has is not known")))?;
        Ok(Placed {
            address,
            regions,
            line: line_of(hyper, address),
        })
    }

    /// The PCI devices of a domain.
    ///
    /// # Errors
    /// The store's refusal.
    pub(super) fn pcis(&mut self, domain: domid_t) -> Result<Vec<Address>, Error> {
        Ok(of_domain(&mut self.store, domain)?)
    }

    /// The same with the slots in which it sees them: the back end's word, or, before that, their order.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn pci_slots(&mut self, domain: domid_t) -> Result<Vec<(Address, Address)>, Error> {
        let mut all = Vec::new();
        for device in Device::of_kind(&mut self.store, domain, KIND)? {
            let back = device.back();
            for entry in pci::given(&mut self.store, &back)? {
                let slot = self.store.read_if_there(&entry.node(&back, "vdev"))?;
                let slot = slot.and_then(|text| Address::parse(&text));
                let in_order = || Address::of_slot(entry.number as u8);
                all.push((slot.unwrap_or_else(in_order), entry.at));
            }
        }
        Ok(all)
    }

    /// The domain that a PCI device is given to.
    fn pci_owner(&mut self, address: Address) -> Result<Option<domid_t>, Error> {
        for domain in self.all()? {
            if of_domain(&mut self.store, domain)?.contains(&address) {
                return Ok(Some(domain));
            }
        }
        Ok(None)
    }

    /// The devices of the store by which domains have PCI devices.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn pci_devices(&mut self, domain: domid_t) -> Result<Vec<Device>, Error> {
        Ok(Device::of_kind(&mut self.store, domain, KIND)?)
    }

    /// Ends what the devices of a domain do to memory, which will be others'. In this order: a back
    /// end that is just about to let one begin finds that it must not.
    pub(super) fn quiesce_pcis<H: Hyper>(
        &mut self,
        hyper: &mut H,
        domain: domid_t,
    ) -> Result<(), Error> {
        let addresses = self.pcis(domain)?;
        if addresses.is_empty() {
            return Ok(());
        }
        for device in self.pci_devices(domain)? {
            let online = format!("{}/online", device.back());
            self.store.write_text(&online, 0)?;
        }
        // One that is not there any more does nothing.
        let _ = hyper.pause_domain(domain);
        for address in addresses {
            pci::quiesce(hyper, address);
        }
        Ok(())
    }

    /// Has a PCI device be given to domains from now on; where it is said whether it can be.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn add_assignable(&mut self, address: Address) -> Result<String, Error> {
        let node = pci::node(address);
        self.store.make(&node)?;
        Ok(format!("{node}/state"))
    }

    /// Has it be given to none.
    ///
    /// # Errors
    /// A domain has it; it was not assignable.
    pub fn remove_assignable(&mut self, address: Address) -> Result<(), Error> {
        if let Some(domain) = self.pci_owner(address)? {
            return refused(format!("domain {domain} has PCI device {address}"));
        }
        if !pci::listed(&mut self.store)?.contains(&address) {
            return refused(format!("PCI device {address} is not assignable"));
        }
        Ok(self.store.remove(&pci::node(address))?)
    }

    /// The devices that can be given to domains.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn assignables(&mut self) -> Result<Vec<Address>, Error> {
        let mut ready = Vec::new();
        for address in pci::listed(&mut self.store)? {
            let state = format!("{}/state", pci::node(address));
            let state = self.store.read_if_there(&state)?;
            if state.as_deref() == Some(pci::READY) && self.pci_owner(address)?.is_none() {
                ready.push(address);
            }
        }
        ready.sort_unstable();
        Ok(ready)
    }
}

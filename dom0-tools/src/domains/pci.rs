//! PCI devices that are given to domains: one device of the store for all of a domain's, as libxl makes
//! it, and what the hypervisor lets the domain reach.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hypercall_abi::xen::{DOMID_SELF, domid_t};

use super::Domains;
use super::devices::Device;
use crate::config::Pci;
use crate::error::Error;
use crate::hyper::{DomctlExt, Hyper, PAGE_SIZE, PhysdevExt};
use crate::pci::{self, Address, Config, Region};
use crate::store::{Channel, Store, StoreError};

/// The kind of the device.
const KIND: &str = "pci";
/// The register with a function's line (bits 7:0) and its pin (15:8), 0 for none.
const LINE: u8 = 0x3c;
/// A line that nothing is connected to.
const NO_LINE: u32 = 0xff;
/// What is said to the back end of each.
const OPTIONS: &str = "msitranslate=0,power_mgmt=0,permissive=0";

/// A device that can be given, and what it has.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    address: Address,
    regions: Vec<Region>,
    line: Option<u32>,
}

fn refused<T>(why: impl Into<String>) -> Result<T, Error> {
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
        for region in &device.regions {
            match *region {
                Region::Memory(start, len) => {
                    let page = PAGE_SIZE as u64;
                    hyper.allow_iomem(domain, start / page, len / page)?;
                }
                Region::Ports(first, count) => hyper.allow_ioports(domain, first, count)?,
            }
        }
        if let Some(line) = device.line {
            hyper.setup_line(line)?;
            // Only an interrupt of this domain can be another's as well.
            let own = hyper.map_line(DOMID_SELF, line)?;
            hyper.map_line(domain, line)?;
            hyper.allow_irq(domain, own)?;
        }
    }
    Ok(())
}

/// Makes the nodes of a domain's devices.
pub(super) fn write<T: Store>(
    store: &mut T,
    domain: domid_t,
    name: &str,
    devices: &[Placed],
) -> Result<(), StoreError> {
    if devices.is_empty() {
        return Ok(());
    }
    let device = Device {
        kind: KIND.to_string(),
        domain,
        number: 0,
        backend: 0,
    };
    device.write(store, &Vec::new(), &Vec::new())?;
    let nodes = [
        ("domain".to_string(), name.to_string()),
        ("num_devs".to_string(), devices.len().to_string()),
    ];
    let of_each = devices.iter().enumerate().flat_map(|(i, device)| {
        [
            (format!("key-{i}"), device.address.to_string()),
            (format!("dev-{i}"), device.address.to_string()),
            (format!("opts-{i}"), OPTIONS.to_string()),
            (format!("state-{i}"), "1".to_string()),
        ]
    });
    for (node, value) in nodes.into_iter().chain(of_each) {
        store.write_text(&format!("{}/{node}", device.back()), value)?;
    }
    Ok(())
}

/// The PCI devices of a domain, by the slots in which it sees them.
fn of_domain<T: Store>(store: &mut T, domain: domid_t) -> Result<Vec<Address>, StoreError> {
    let mut all = Vec::new();
    for device in Device::of_kind(store, domain, KIND)? {
        let back = device.back();
        let count = store.read_number(&format!("{back}/num_devs"))?;
        for i in 0..count.unwrap_or(0).min(pci::DEVICES_MAX as u64) {
            let text = store.read_if_there(&format!("{back}/dev-{i}"))?;
            all.extend(text.and_then(|text| Address::parse(&text)));
        }
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
            let regions = self.store.read_text(&format!("{node}/regions"))?;
            let regions = pci::parse_regions(&regions).ok_or_else(|| {
                Error::Refused(format!("what PCI device {address} has is not known"))
            })?;
            let register = hyper.read_config(address, LINE);
            let (line, pin) = (register & 0xff, register >> 8 & 0xff);
            placed.push(Placed {
                address,
                regions,
                line: (pin != 0 && line != 0 && line != NO_LINE).then_some(line),
            });
        }
        Ok(placed)
    }

    /// The PCI devices of a domain, by the slots in which it sees them.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn pcis(&mut self, domain: domid_t) -> Result<Vec<Address>, Error> {
        Ok(of_domain(&mut self.store, domain)?)
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

//! PCI devices that come and go while their domain runs, as libxl has it: what is to change is written
//! below the back end's nodes, whose state then says that there is something ([`XenbusStateReconfiguring`]).
//! The front end agrees by saying the same, the back end does it, and both are connected again. Whatever is
//! not agreed upon in time is undone.
//!
//! A device is the domain's in the store before the hypervisor lets the domain reach what it has, and until
//! after: so whoever ends in between leaves nothing that is given to two. What a domain has mapped of a
//! device's frames stays mapped when it may map no more of them, on Xen as here: a device that was taken
//! by force is another's to trust only when that domain is gone.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hypercall_abi::io::xenbus::*;
use hypercall_abi::xen::domid_t;

use super::devices::Device;
use super::pci::{line_of, permit, refused, set_rights, write, write_one};
use super::{Domains, local};
use crate::config::Pci;
use crate::error::Error;
use crate::hyper::{Hyper, Permission};
use crate::pci::{self, Address, DEVICES_MAX, Entry};
use crate::store::{Channel, Store, StoreError};

/// Nodes of a device below its back end's, each with its number.
const NODES: [&str; 5] = ["key", "dev", "opts", "vdev", "state"];

/// A device that comes or goes.
#[derive(Debug, Clone)]
pub struct Change {
    /// Both ends of the domain's PCI devices.
    pub device: Device,
    address: Address,
}

/// What the store says of the device of a change: its nodes are numbered anew when others go.
fn entry<T: Store>(store: &mut T, change: &Change) -> Result<Option<Entry>, StoreError> {
    let all = pci::given(store, &change.device.back())?;
    Ok(all.into_iter().find(|entry| entry.at == change.address))
}

/// Says that there is something to change.
fn announce<T: Store>(store: &mut T, back: &str) -> Result<(), StoreError> {
    store.write_text(&format!("{back}/state"), XenbusStateReconfiguring)
}

/// Says that there is nothing any more, if nobody has begun.
fn withdraw<T: Store>(store: &mut T, back: &str) -> Result<(), StoreError> {
    let path = format!("{back}/state");
    if store.read_number(&path)? == Some(XenbusStateReconfiguring.into()) {
        store.write_text(&path, XenbusStateConnected)?;
    }
    Ok(())
}

/// Removes the nodes of a device; those behind it are numbered anew.
fn remove_one<T: Store>(store: &mut T, back: &str, number: u64) -> Result<(), StoreError> {
    let path = format!("{back}/num_devs");
    let count = store.read_number(&path)?.unwrap_or(0);
    for to in number..count {
        for name in NODES {
            let at = |number: u64| format!("{back}/{name}-{number}");
            match store.read_if_there(&at(to + 1))? {
                Some(value) if to + 1 < count => store.write_text(&at(to), value)?,
                _ => store.remove(&at(to))?,
            }
        }
    }
    store.write_text(&path, count.saturating_sub(1))
}

impl<C: Channel> Domains<C> {
    /// The device of the store by which a domain had PCI devices, if whoever was to remove it has ended
    /// before that.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn closed_pci_bus(&mut self, domain: domid_t) -> Result<Option<Device>, Error> {
        for device in self.pci_devices(domain)? {
            let path = format!("{}/online", device.back());
            if self.store.read_number(&path)? == Some(0) {
                return Ok(Some(device));
            }
        }
        Ok(None)
    }

    /// The device of the store by which a domain has PCI devices; `true` with one that is made here, for
    /// a domain that has none. It is to be waited for until it is connected.
    ///
    /// # Errors
    /// The device cannot be given.
    pub fn pci_bus<H: Hyper>(
        &mut self,
        hyper: &mut H,
        domain: domid_t,
        wanted: &Pci,
    ) -> Result<(Device, bool), Error> {
        self.place_pcis(hyper, core::slice::from_ref(wanted))?;
        if let Some(device) = self.pci_devices(domain)?.into_iter().next() {
            return Ok((device, false));
        }
        let name = self.name(domain)?;
        let made = self.store.transaction(|store| {
            write(store, domain, &name, &[])?;
            Device::of_kind(store, domain, super::pci::KIND)
        })?;
        match made.into_iter().next() {
            Some(device) => Ok((device, true)),
            None => refused(format!("{} has no PCI devices", local(domain))),
        }
    }

    /// Gives a domain another device, and asks both ends to see to it.
    ///
    /// # Errors
    /// It cannot be given; the domain has too many. Then nothing has changed.
    pub fn give_pci<H: Hyper>(
        &mut self,
        hyper: &mut H,
        device: Device,
        wanted: &Pci,
    ) -> Result<Change, Error> {
        let placed = self.place_pcis(hyper, core::slice::from_ref(wanted))?;
        let change = Change {
            device,
            address: wanted.address,
        };
        let back = change.device.back();
        let path = format!("{back}/num_devs");
        let made = self.store.transaction(|store| {
            let count = store.read_number(&path)?.unwrap_or(0);
            if count >= DEVICES_MAX as u64 {
                return Ok(false);
            }
            write_one(store, &back, count, change.address)?;
            store.write_text(&path, count + 1)?;
            Ok::<_, StoreError>(true)
        })?;
        if !made {
            return refused(format!("it has {DEVICES_MAX} PCI devices already"));
        }
        match permit(hyper, change.device.domain, &placed) {
            Ok(()) => {
                announce(&mut self.store, &back)?;
                Ok(change)
            }
            Err(error) => {
                self.take_pci(hyper, &change)?;
                Err(error)
            }
        }
    }

    /// Asks both ends to let go of a device.
    ///
    /// # Errors
    /// The domain has no such device.
    pub fn ask_for_pci(&mut self, domain: domid_t, address: Address) -> Result<Change, Error> {
        for device in self.pci_devices(domain)? {
            let change = Change { device, address };
            let back = change.device.back();
            let asked = self.store.transaction(|store| {
                let Some(entry) = entry(store, &change)? else {
                    return Ok(false);
                };
                entry.says(store, &back, XenbusStateClosing)?;
                announce(store, &back)?;
                Ok::<_, StoreError>(true)
            })?;
            if asked {
                return Ok(change);
            }
        }
        let name = self.name(domain)?;
        refused(format!(
            "{name} has no PCI device {address} (try `xl pci-list {name}`)"
        ))
    }

    /// What has become of the device of a change.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn pci_state(&mut self, change: &Change) -> Result<Option<XenbusState>, Error> {
        Ok(entry(&mut self.store, change)?.map(|entry| entry.state))
    }

    /// Leaves a device with its domain that was asked for; false if both have let go of it by now.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn leave_pci(&mut self, change: &Change) -> Result<bool, Error> {
        let back = change.device.back();
        let left = self.store.transaction(|store| {
            let Some(entry) = entry(store, change)? else {
                return Ok(false);
            };
            if entry.state != XenbusStateClosing {
                return Ok(false);
            }
            entry.says(store, &back, XenbusStateInitialised)?;
            withdraw(store, &back)?;
            Ok::<_, StoreError>(true)
        })?;
        Ok(left)
    }

    /// Takes a device from its domain, whatever that says; whether the domain has others.
    ///
    /// # Errors
    /// The hypervisor's or the store's refusal.
    pub fn take_pci<H: Hyper>(&mut self, hyper: &mut H, change: &Change) -> Result<bool, Error> {
        let (domain, back) = (change.device.domain, change.device.back());
        let mut device = self.find_out(hyper, change.address)?;
        let others = self.pcis(domain)?.into_iter();
        let others: Vec<Address> = others.filter(|at| *at != change.address).collect();
        if let Some(entry) = entry(&mut self.store, change)? {
            // From now on the back end lets it reach memory no more.
            entry.says(&mut self.store, &back, XenbusStateClosing)?;
        }
        pci::quiesce(hyper, change.address);
        let is_shared = others.iter().any(|at| line_of(hyper, *at) == device.line);
        device.line = device.line.filter(|_| !is_shared);
        set_rights(hyper, domain, &device, Permission::Denied)?;
        self.store.transaction(|store| {
            if let Some(entry) = entry(store, change)? {
                remove_one(store, &back, entry.number)?;
            }
            withdraw(store, &back)
        })?;
        Ok(!others.is_empty())
    }
}

impl Change {
    /// The node of the back end's state.
    #[must_use]
    pub fn state_node(&self) -> String {
        format!("{}/state", self.device.back())
    }
}

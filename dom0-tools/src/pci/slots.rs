//! Which devices a domain has, as the store says of them in the back end's place, and in which slots of
//! its bus.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;

use hypercall_abi::io::xenbus::{XenbusState, XenbusStateInitialised, XenbusStateInitialising};

use super::{Address, DEVICES_MAX, Device, PciMachine, Pciback};
use crate::store::{Channel, Client, Store, StoreError};
use crate::xenbus::Failure;

/// A device that a domain has: nobody else, as long as this is there.
pub(super) struct Given {
    pub(super) at: Address,
    pub(super) _given: Rc<()>,
}

/// Devices by their slots.
pub(super) type Slots = BTreeMap<u8, Given>;

/// A device that the store names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// Its number in the names of the nodes, which is another when one before it has gone.
    pub(crate) number: u64,
    /// Where it is.
    pub(crate) at: Address,
    /// What is to become of it, or has.
    pub(crate) state: XenbusState,
}

impl Entry {
    /// One of its nodes.
    pub(crate) fn node(&self, backend: &str, name: &str) -> alloc::string::String {
        format!("{backend}/{name}-{}", self.number)
    }

    /// Says what has become of it.
    pub(crate) fn says<S: Store>(
        &self,
        store: &mut S,
        backend: &str,
        state: XenbusState,
    ) -> Result<(), StoreError> {
        store.write_text(&self.node(backend, "state"), state)
    }
}

/// All that the store names in a back end's place; what is no device is left out.
pub(crate) fn listed<S: Store>(store: &mut S, backend: &str) -> Result<Vec<Entry>, StoreError> {
    let count = store.read_number(&format!("{backend}/num_devs"))?;
    let mut all: Vec<Entry> = Vec::new();
    for number in 0..count.unwrap_or(0).min(DEVICES_MAX as u64) {
        let text = store.read_if_there(&format!("{backend}/dev-{number}"))?;
        let at = text.and_then(|text| Address::parse(&text));
        let Some(at) = at.filter(|at| all.iter().all(|other| other.at != *at)) else {
            continue;
        };
        let state = store.read_number(&format!("{backend}/state-{number}"))?;
        let state = state.and_then(|state| state.try_into().ok());
        all.push(Entry {
            number,
            at,
            state: state.unwrap_or(XenbusStateInitialising),
        });
    }
    Ok(all)
}

impl<M: PciMachine> Pciback<M> {
    /// Gives a device to a domain: in the slot where it was, or in the first that is free.
    pub(super) fn add<C: Channel>(
        &mut self,
        store: &mut Client<C>,
        device: &mut Device<M>,
        entry: &Entry,
    ) -> Result<(), Failure> {
        let given = self.give(entry.at)?;
        let (slots, backend) = (&mut device.slots, &device.backend);
        let path = entry.node(backend, "vdev");
        let known = store.read_if_there(&path)?;
        let known = known.and_then(|text| Address::parse(&text));
        let known = known.map(|at| at.device);
        let is_free = |slot: &u8| !slots.contains_key(slot);
        let free = || (0..DEVICES_MAX as u8).find(is_free);
        let slot = known.filter(is_free).or_else(free);
        let slot = slot.ok_or_else(|| Failure::Device("its bus is full".into()))?;
        slots.insert(slot, given);
        store.write_text(&path, Address::of_slot(slot))?;
        Ok(entry.says(store, backend, XenbusStateInitialised)?)
    }
}

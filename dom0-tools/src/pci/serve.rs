//! Serving a domain's requests about its devices.

#![expect(
    non_upper_case_globals,
    reason = "operations have the names of the public header"
)]

use alloc::format;
use alloc::vec::Vec;
use core::mem::offset_of;

use hypercall_abi::io::pciif::*;
use hypercall_abi::io::xenbus::XenbusStateInitialised;

use super::slots::{self, Slots};
use super::{Address, Device, PciMachine, Pciback, quiesce};
use crate::hyper::Mapping;
use crate::service::Line;
use crate::store::{Channel, Store, StoreError};
use crate::xenbus::Bus;

/// Bytes of configuration space that are shown.
const SPACE: i32 = 256;

/// A request, copied out once.
struct Request {
    command: u32,
    segment: u32,
    bus: u32,
    devfn: u32,
    offset: i32,
    size: i32,
    value: u32,
}

/// Where a word of the request is in the page.
const fn at(offset: usize) -> usize {
    offset_of!(xen_pci_sharedinfo, op) + offset
}

impl Request {
    fn read(page: &impl Mapping) -> Self {
        let word = |offset: usize| page.load_u32(at(offset));
        Request {
            command: word(offset_of!(xen_pci_op, cmd)),
            segment: word(offset_of!(xen_pci_op, domain)),
            bus: word(offset_of!(xen_pci_op, bus)),
            devfn: word(offset_of!(xen_pci_op, devfn)),
            offset: word(offset_of!(xen_pci_op, offset)).cast_signed(),
            size: word(offset_of!(xen_pci_op, size)).cast_signed(),
            value: word(offset_of!(xen_pci_op, value)),
        }
    }

    /// Which of the domain's devices is meant.
    fn device(&self, slots: &Slots) -> Result<Address, i32> {
        let given = match (self.segment, self.bus, self.devfn) {
            (0, 0, devfn @ 0..=0xff) if devfn % 8 == 0 => slots.get(&(devfn as u8 / 8)),
            _ => None,
        };
        given.map(|given| given.at).ok_or(XEN_PCI_ERR_dev_not_found)
    }

    /// The bytes that are meant: the first, and how many.
    fn bytes(&self) -> Result<(u8, u8), i32> {
        let valid = matches!(self.size, 1 | 2 | 4)
            && (0..SPACE).contains(&self.offset)
            && self.offset % self.size == 0;
        // Both fit.
        let bytes = (self.offset as u8, self.size as u8);
        if valid {
            Ok(bytes)
        } else {
            Err(XEN_PCI_ERR_invalid_offset)
        }
    }
}

impl<M: PciMachine> Pciback<M> {
    /// Does a request; the answer's value, and the device that may reach memory by it.
    fn perform(&mut self, slots: &Slots, request: &Request) -> Result<(u32, Option<Address>), i32> {
        let at = request.device(slots)?;
        let Self { machine, claimed } = self;
        let claimed = claimed.get_mut(&at).ok_or(XEN_PCI_ERR_dev_not_found)?;
        match request.command {
            XEN_PCI_OP_conf_read => {
                let (offset, size) = request.bytes()?;
                Ok((claimed.function.read(machine, offset, size), None))
            }
            XEN_PCI_OP_conf_write => {
                let (offset, size) = request.bytes()?;
                let function = &mut claimed.function;
                let reaches = function.write(machine, offset, size, request.value);
                Ok((request.value, reaches.then_some(at)))
            }
            _ => Err(XEN_PCI_ERR_not_implemented),
        }
    }

    /// Serves a domain's request, if there is one; the device that may reach memory by it.
    pub fn serve(&mut self, device: &mut Device<M>) -> Option<Address> {
        let connection = device.connection.as_mut()?;
        let flags = offset_of!(xen_pci_sharedinfo, flags);
        if connection.page.load_u32(flags) & XEN_PCIF_active == 0 {
            return None;
        }
        let request = Request::read(&connection.page);
        let done = self.perform(&device.slots, &request);
        let (error, value, reaches) = match done {
            Ok((value, reaches)) => (XEN_PCI_ERR_success, value, reaches),
            // As a bus answers where nothing is.
            Err(error) => (error, u32::MAX, None),
        };
        let page = &mut connection.page;
        page.store_u32(at(offset_of!(xen_pci_op, value)), value);
        page.store_u32(at(offset_of!(xen_pci_op, err)), error.cast_unsigned());
        let now = page.load_u32(flags);
        page.store_u32(flags, now & !XEN_PCIF_active);
        connection.line.notify();
        reaches
    }
}

/// Whether a device stays with the domain that has it.
fn stays<S: Store>(store: &mut S, at: Address, backend: &str) -> Result<bool, StoreError> {
    if store.read_number(&format!("{backend}/online"))? != Some(1) {
        return Ok(false);
    }
    let listed = slots::listed(store, backend)?;
    let is_it = |entry: &slots::Entry| entry.at == at && entry.state == XenbusStateInitialised;
    Ok(listed.iter().any(is_it))
}

impl<C: Channel, M: PciMachine> Bus<C, Pciback<M>> {
    /// Serves a request of each domain that has one. A device that the toolstack takes away meanwhile
    /// does not reach memory again: it has said so before it looked itself.
    ///
    /// # Errors
    /// There is no store any more.
    pub fn serve(&mut self) -> Result<(), StoreError> {
        let (driver, devices) = self.connected();
        let mut reaching = Vec::new();
        for (_, device) in devices {
            if let Some(at) = driver.serve(device) {
                reaching.push((at, device.backend.clone()));
            }
        }
        if reaching.is_empty() {
            return Ok(());
        }
        for (at, backend) in reaching {
            let stays = match stays(self.store_mut(), at, &backend) {
                Ok(stays) => stays,
                Err(error) if error.errno().is_some() => false,
                Err(error) => return Err(error),
            };
            if !stays {
                quiesce(&mut self.connected().0.machine, at);
            }
        }
        // What came meanwhile is heard by nobody else.
        self.turn()
    }
}

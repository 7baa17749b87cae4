//! Devices of domains, of whatever kind: attached, waited for, detached.

use alloc::format;

use hypercall_abi::xen::domid_t;

use super::command::{Failure, Outcome};
use super::guests::Wait;
use super::{Host, Shell};
use crate::domains::{Device, Domains};
use crate::error::Error;

/// States of a back end (io/xenbus.h): it waits for the front end, it is in use, it is closed.
const READY: [&str; 2] = ["2", "4"];
const CLOSED: &str = "6";

impl<S: Host> Shell<S> {
    /// Gives a domain a device, which stays only if its back end serves it; domain 0 is given no
    /// `things`.
    pub(super) fn attach_device(
        &mut self,
        name: &str,
        things: &str,
        attach: impl FnOnce(&mut Domains<S::Stream>, &mut S, domid_t) -> Result<Device, Error>,
    ) -> Outcome {
        let domain = self.find(name)?;
        if domain == 0 {
            return Err(Failure::refused(format!("domain 0 is given no {things}")));
        }
        let device = self.with(|domains, system| attach(domains, system, domain))?;
        if let Err(error) = self.wait_for_backend(&device) {
            self.with(|domains, _| domains.remove_device(&device))?;
            return Err(error.into());
        }
        Ok(())
    }

    /// Waits until the back end of a device is there for the front end.
    pub(super) fn wait_for_backend(&mut self, device: &Device) -> Result<(), Error> {
        let wait = Wait::at(device.domain, &format!("{}/state", device.back()));
        self.wait_for_node(&wait, |_, state| {
            state
                .is_some_and(|state| READY.contains(&state))
                .then_some(())
        })
        .map_err(|error| {
            let (kind, number, backend) = (&device.kind, device.number, device.backend);
            error.during(format!(
                "waiting for domain {backend} to serve {kind} {number}"
            ))
        })
    }

    /// Waits for the back ends of all devices of a domain.
    pub(super) fn wait_for_backends(&mut self, domain: domid_t) -> Result<(), Error> {
        let vifs = self.with(|domains, _| domains.vifs(domain))?;
        let vbds = self.with(|domains, _| domains.vbds(domain))?;
        let pcis = self.with(|domains, _| domains.pci_devices(domain))?;
        let vifs = vifs.into_iter().map(|nic| nic.device);
        let vbds = vbds.into_iter().map(|vbd| vbd.device);
        for device in vifs.chain(vbds).chain(pcis) {
            self.wait_for_backend(&device)?;
        }
        Ok(())
    }

    /// Takes a device from a domain: asked for, and if its back end does not answer, all the same.
    pub(super) fn detach_device(&mut self, device: &Device) -> Result<(), Error> {
        self.with(|domains, _| domains.close_device(device))?;
        let wait = Wait::at(device.domain, &format!("{}/state", device.back()));
        let closed = self.wait_for_node(&wait, |_, state| {
            state.is_none_or(|state| state == CLOSED).then_some(())
        });
        self.with(|domains, _| domains.remove_device(device))?;
        closed.map_err(|error| error.during("its nodes are removed, but it has not closed"))
    }
}

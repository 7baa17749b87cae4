//! Network interfaces of domains.

use alloc::format;
use alloc::string::{String, ToString};

use hypercall_abi::xen::domid_t;

use super::command::{Failure, Outcome};
use super::guests::Wait;
use super::{Host, Shell};
use crate::config::Vif;
use crate::domains::{Device, Nic};
use crate::error::Error;

/// States of a back end (io/xenbus.h): it waits for the front end, it is in use, it is closed.
const READY: [&str; 2] = ["2", "4"];
const CLOSED: &str = "6";

pub(super) fn attach<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let (name, parameters) = args.split_first().ok_or(Failure::Usage)?;
    let vif = Vif::parse(&parameters.join(",")).map_err(Failure::refused)?;
    let domain = shell.find(name)?;
    if domain == 0 {
        return Err(Failure::refused("domain 0 is given no interfaces"));
    }
    let device = shell.with(|domains, system| domains.attach_vif(system, domain, &vif))?;
    if let Err(error) = shell.wait_for_backend(&device) {
        shell.with(|domains, _| domains.remove_device(&device))?;
        return Err(error.into());
    }
    Ok(())
}

pub(super) fn detach<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [name, which] = args else {
        return Err(Failure::Usage);
    };
    let domain = shell.find(name)?;
    let all = shell.with(|domains, _| domains.vifs(domain))?;
    let which = which.to_lowercase();
    let is_it = |nic: &&Nic| nic.mac == which || nic.device.number.to_string() == which;
    let Some(nic) = all.iter().find(is_it) else {
        return Err(Failure::refused(format!(
            "{name} has no interface `{which}` (try `xl network-list {name}`)"
        )));
    };
    Ok(shell.detach_device(&nic.device)?)
}

pub(super) fn list<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    if args.is_empty() {
        return Err(Failure::Usage);
    }
    let mut text = format!(
        "{:<3} {:<2} {:<17} {:<6} {:<5} {:<6} {:>5}/{:<5} {:<30}\n",
        "Idx", "BE", "Mac Addr.", "handle", "state", "evt-ch", "tx-", "rx-ring-ref", "BE-path"
    );
    for name in args {
        let domain = shell.find(name)?;
        for nic in shell.with(|domains, _| domains.vifs(domain))? {
            text += &line(&nic);
        }
    }
    shell.print(&text);
    Ok(())
}

fn line(nic: &Nic) -> String {
    let number = |of: usize| nic.connection[of].map_or(-1, u64::cast_signed);
    let (number_of, backend, back) = (nic.device.number, nic.device.backend, nic.device.back());
    format!(
        "{number_of:<3} {backend:<2} {:<17} {number_of:>6} {:>5} {:>6} {:>5}/{:<11} {back:<30}\n",
        nic.mac,
        nic.state,
        number(0),
        number(1),
        number(2)
    )
}

impl<S: Host> Shell<S> {
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
        let vifs = vifs.into_iter().map(|nic| nic.device);
        for device in vifs.chain(vbds.into_iter().map(|vbd| vbd.device)) {
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

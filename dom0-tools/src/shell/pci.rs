//! PCI devices of domains, and those that can be given to them.

use alloc::format;
use alloc::string::{String, ToString};

use hypercall_abi::io::xenbus::*;

use super::command::{Failure, Outcome};
use super::guests::Wait;
use super::{Host, Shell};
use crate::config::Pci;
use crate::domains::Change;
use crate::error::Error;
use crate::pci::{Address, READY};

/// The state of a back end whose front end uses it (io/xenbus.h).
const CONNECTED: &str = "4";

fn address(text: &str) -> Result<Address, Failure> {
    Address::parse(text)
        .ok_or_else(|| Failure::refused(format!("`{text}` is no PCI device (like 0000:00:04.0)")))
}

pub(super) fn assignable_add<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [text] = args else {
        return Err(Failure::Usage);
    };
    let address = address(text)?;
    let path = shell.with(|domains, _| domains.add_assignable(address))?;
    let wait = Wait::at(0, &path);
    let said = shell.wait_for_node(&wait, |_, state| state.map(ToString::to_string));
    let why = match said {
        Ok(state) if state == READY => return Ok(()),
        Ok(why) => why,
        Err(error) => error.to_string(),
    };
    shell.with(|domains, _| domains.remove_assignable(address))?;
    Err(Failure::refused(format!(
        "PCI device {address} cannot be given away: {why}"
    )))
}

pub(super) fn assignable_remove<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [text] = args else {
        return Err(Failure::Usage);
    };
    let address = address(text)?;
    Ok(shell.with(|domains, _| domains.remove_assignable(address))?)
}

pub(super) fn assignable_list<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    if !args.is_empty() {
        return Err(Failure::Usage);
    }
    let all = shell.with(|domains, _| domains.assignables())?;
    let text: String = all.iter().map(|address| format!("{address}\n")).collect();
    shell.print(&text);
    Ok(())
}

pub(super) fn attach<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [name, device] = args else {
        return Err(Failure::Usage);
    };
    let wanted = Pci::parse(device).map_err(Failure::refused)?;
    let domain = shell.find(name)?;
    if domain == 0 {
        return Err(Failure::refused("domain 0 is given no PCI devices"));
    }
    if let Some(closed) = shell.with(|domains, _| domains.closed_pci_bus(domain))? {
        shell.detach_device(&closed)?;
    }
    let (bus, is_new) = shell.with(|domains, system| domains.pci_bus(system, domain, &wanted))?;
    let wait = Wait::at(domain, &format!("{}/state", bus.back()));
    let connected = shell.wait_for_node(&wait, |_, state| (state? == CONNECTED).then_some(()));
    if let Err(error) = connected {
        if is_new {
            shell.with(|domains, _| domains.remove_device(&bus))?;
        }
        let doing = format!("waiting for {name} to look for PCI devices");
        return Err(error.during(doing).into());
    }
    let change = shell.with(|domains, system| domains.give_pci(system, bus, &wanted))?;
    if let Err(error) = shell.wait_for_change(&change, XenbusStateInitialised) {
        shell.take(&change)?;
        let doing = format!("waiting for {name} to take {}", wanted.address);
        return Err(error.during(doing).into());
    }
    Ok(())
}

pub(super) fn detach<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let (force, name, device) = match args {
        ["-f" | "--force", name, device] => (true, name, device),
        [name, device] if !name.starts_with('-') => (false, name, device),
        _ => return Err(Failure::Usage),
    };
    let address = address(device)?;
    let domain = shell.find(name)?;
    let change = shell.with(|domains, _| domains.ask_for_pci(domain, address))?;
    if let Err(error) = shell.wait_for_change(&change, XenbusStateClosed)
        && !force
        && shell.with(|domains, _| domains.leave_pci(&change))?
    {
        let doing = format!("{name} keeps {address}, as if it were in use (-f takes it)");
        return Err(error.during(doing).into());
    }
    Ok(shell.take(&change)?)
}

impl<S: Host> Shell<S> {
    /// Waits until both ends have seen to a device that comes or goes, which then has that state.
    fn wait_for_change(&mut self, change: &Change, state: XenbusState) -> Result<(), Error> {
        let wait = Wait::at(change.device.domain, &change.state_node());
        let found = self.wait_for_node(&wait, |shell, said| {
            if said? != CONNECTED {
                return None;
            }
            Some(shell.with(|domains, _| domains.pci_state(change)))
        })??;
        if found == Some(state) {
            Ok(())
        } else {
            Err(Error::Refused("its back end cannot serve it".to_string()))
        }
    }

    /// Takes a device from its domain; with the last one goes what all of them had.
    fn take(&mut self, change: &Change) -> Result<(), Error> {
        let has_others = self.with(|domains, system| domains.take_pci(system, change))?;
        if has_others {
            return Ok(());
        }
        self.detach_device(&change.device)
    }
}

pub(super) fn list<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [name] = args else {
        return Err(Failure::Usage);
    };
    let domain = shell.find(name)?;
    let all = shell.with(|domains, _| domains.pci_slots(domain))?;
    let mut text = String::from("Vdev Device\n");
    for (slot, address) in all {
        text += &format!("{:02x}.0 {address}\n", slot.device);
    }
    shell.print(&text);
    Ok(())
}

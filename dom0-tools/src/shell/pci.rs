//! PCI devices of domains, and those that can be given to them.

use alloc::format;
use alloc::string::{String, ToString};

use super::command::{Failure, Outcome};
use super::guests::Wait;
use super::{Host, Shell};
use crate::pci::{Address, READY};

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

pub(super) fn list<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [name] = args else {
        return Err(Failure::Usage);
    };
    let domain = shell.find(name)?;
    let all = shell.with(|domains, _| domains.pcis(domain))?;
    let mut text = String::from("Vdev Device\n");
    for (slot, address) in all.iter().enumerate() {
        text += &format!("{slot:02x}.0 {address}\n");
    }
    shell.print(&text);
    Ok(())
}

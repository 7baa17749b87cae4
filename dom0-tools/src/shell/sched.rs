//! Commands about scheduling.

use alloc::format;
use alloc::string::ToString;

use hypercall_abi::xen::domid_t;

use super::command::{Failure, Outcome};
use super::{Host, Shell};
use crate::hyper::{DomctlExt, read_all_domains};

const HEADING: &str = "Name                                        ID Weight  Cap\n";

pub(super) fn credit2<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let (mut name, mut weight, mut cap) = (None, None, None);
    let mut words = args.iter();
    while let Some(option) = words.next() {
        let value = *words.next().ok_or(Failure::Usage)?;
        let number = || value.parse::<u16>().map_err(|_| Failure::Usage);
        match *option {
            "-d" => name = Some(value),
            "-w" => weight = Some(number()?),
            "-c" => cap = Some(number()?),
            _ => return Err(Failure::Usage),
        }
    }
    let mut text = HEADING.to_string();
    match (name, weight, cap) {
        (None, None, None) => {
            for info in read_all_domains(&mut shell.system)? {
                text += &line(shell, info.domain)?;
            }
        }
        (None, ..) => return Err(Failure::Usage),
        (Some(name), None, None) => {
            let domain = shell.find(name)?;
            text += &line(shell, domain)?;
        }
        (Some(name), ..) => {
            let domain = shell.find(name)?;
            let mut share = shell.system.share(domain)?;
            share.weight = weight.unwrap_or(share.weight);
            share.cap = cap.unwrap_or(share.cap);
            return Ok(shell.system.set_share(domain, share)?);
        }
    }
    shell.print(&text);
    Ok(())
}

/// One line of the table.
fn line<S: Host>(shell: &mut Shell<S>, domain: domid_t) -> Result<alloc::string::String, Failure> {
    let share = shell.system.share(domain)?;
    let (name, weight, cap) = (shell.domains.name(domain), share.weight, share.cap);
    Ok(format!("{name:<40} {domain:>5} {weight:>6} {cap:>4}\n"))
}

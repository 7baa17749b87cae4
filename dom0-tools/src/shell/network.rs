//! Network interfaces of domains.

use alloc::format;
use alloc::string::{String, ToString};

use super::command::{Failure, Outcome};
use super::{Host, Shell};
use crate::config::Vif;
use crate::domains::Nic;

pub(super) fn attach<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let (name, parameters) = args.split_first().ok_or(Failure::Usage)?;
    let vif = Vif::parse(&parameters.join(",")).map_err(Failure::refused)?;
    shell.attach_device(name, "interfaces", |domains, system, domain| {
        domains.attach_vif(system, domain, &vif)
    })
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

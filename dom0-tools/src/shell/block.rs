//! Disks of domains.

use alloc::format;
use alloc::string::ToString;

use super::command::{Failure, Outcome};
use super::{Host, Shell};
use crate::config::Disk;
use crate::domains::Vbd;

pub(super) fn attach<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let (name, parameters) = args.split_first().ok_or(Failure::Usage)?;
    if parameters.is_empty() {
        return Err(Failure::Usage);
    }
    let disk = Disk::parse(&parameters.join(",")).map_err(Failure::refused)?;
    shell.attach_device(name, "disks", |domains, system, domain| {
        domains.attach_disk(system, domain, &disk)
    })
}

pub(super) fn detach<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [name, which] = args else {
        return Err(Failure::Usage);
    };
    let domain = shell.find(name)?;
    let all = shell.with(|domains, _| domains.vbds(domain))?;
    let is_it = |vbd: &&Vbd| vbd.name == *which || vbd.device.number.to_string() == *which;
    let Some(vbd) = all.iter().find(is_it) else {
        return Err(Failure::refused(format!(
            "{name} has no disk `{which}` (try `xl block-list {name}`)"
        )));
    };
    Ok(shell.detach_device(&vbd.device)?)
}

pub(super) fn list<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    if args.is_empty() {
        return Err(Failure::Usage);
    }
    let mut text = format!(
        "{:<5} {:<3} {:<6} {:<5} {:<6} {:<8} {:<30}\n",
        "Vdev", "BE", "handle", "state", "evt-ch", "ring-ref", "BE-path"
    );
    for name in args {
        let domain = shell.find(name)?;
        for vbd in shell.with(|domains, _| domains.vbds(domain))? {
            let [port, ring] = vbd.connection.map(|of| of.map_or(-1, u64::cast_signed));
            let device = &vbd.device;
            text += &format!(
                "{:<5} {:<3} {:<6} {:<5} {port:<6} {ring:<8} {:<30}\n",
                device.number,
                device.backend,
                device.domain,
                vbd.state,
                device.back()
            );
        }
    }
    shell.print(&text);
    Ok(())
}

//! Commands about vCPUs: what they do, where they may run, how many there are.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

use hypercall_abi::domctl::{
    XEN_INVALID_MAX_VCPU_ID, xen_domctl_getdomaininfo, xen_domctl_getvcpuinfo,
};
use hypercall_abi::xen::domid_t;

use super::command::{Failure, Outcome};
use super::{Host, SECOND, Shell};
use crate::control::Ask;
use crate::cpuset::CpuSet;
use crate::domains::{availability, online};
use crate::error::Error;
use crate::hyper::{Affinity, SysctlExt, VcpuExt, read_all_domains};
use crate::store::Store;

/// The vCPUs that a domain was made with.
fn vcpus_of(info: &xen_domctl_getdomaininfo) -> Range<u32> {
    match info.max_vcpu_id {
        XEN_INVALID_MAX_VCPU_ID => 0..0,
        last => 0..last.saturating_add(1),
    }
}

pub(super) fn list<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let mut infos = Vec::new();
    for name in args {
        let domain = shell.find(name)?;
        infos.push(shell.info_of(domain)?);
    }
    if args.is_empty() {
        infos = read_all_domains(&mut shell.system)?;
    }
    let cpus = shell.cpu_count()?;
    let mut text = format!(
        "{:<32} {:>5} {:>5} {:>5} {:>5} {:>9} Affinity (Hard / Soft)\n",
        "Name", "ID", "VCPU", "CPU", "State", "Time(s)"
    );
    for info in infos {
        let name = shell.name(info.domain);
        for vcpu in vcpus_of(&info) {
            text += &line(shell, &name, info.domain, vcpu, cpus)?;
        }
    }
    shell.print(&text);
    Ok(())
}

/// One vCPU, as xl shows it: `r--` runs, `-b-` waits for an event, `--p` is not up.
fn line<S: Host>(
    shell: &mut Shell<S>,
    name: &str,
    domain: domid_t,
    vcpu: u32,
    cpus: u32,
) -> Result<String, Error> {
    let info = shell.system.vcpu_info(domain, vcpu)?;
    let hard = shell.system.affinity(domain, vcpu, Affinity::Hard, cpus)?;
    let soft = shell.system.affinity(domain, vcpu, Affinity::Soft, cpus)?;
    let cpu = match info.online {
        0 => "-".to_string(),
        _ => info.cpu.to_string(),
    };
    let tenths = info.cpu_time / (SECOND / 10);
    let time = format!("{}.{}", tenths / 10, tenths % 10);
    Ok(format!(
        "{name:<32} {domain:>5} {vcpu:>5} {cpu:>5}   {} {time:>9}  {hard} / {soft}\n",
        state(&info)
    ))
}

fn state(info: &xen_domctl_getvcpuinfo) -> &'static str {
    match (info.online != 0, info.running != 0, info.blocked != 0) {
        (false, ..) => "--p",
        (true, true, true) => "rb-",
        (true, true, false) => "r--",
        (true, false, true) => "-b-",
        (true, false, false) => "---",
    }
}

/// A list of CPUs; `-` for "as it is".
fn parse_cpus(text: &str, cpus: u32) -> Result<Option<CpuSet>, Failure> {
    match text {
        "-" => Ok(None),
        list => CpuSet::parse(list, cpus)
            .map(Some)
            .map_err(Failure::refused),
    }
}

pub(super) fn pin<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let (force, rest) = match args {
        ["-f" | "--force", rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let (name, which, hard, soft) = match rest {
        [name, which, hard] => (name, which, hard, &"-"),
        [name, which, hard, soft] => (name, which, hard, soft),
        _ => return Err(Failure::Usage),
    };
    let domain = shell.find(name)?;
    let (info, cpus) = (shell.info_of(domain)?, shell.cpu_count()?);
    let there = vcpus_of(&info);
    let chosen = match (*which, which.parse::<u32>()) {
        ("all", _) => there,
        (_, Ok(vcpu)) if there.contains(&vcpu) => vcpu..vcpu + 1,
        (_, Ok(vcpu)) => {
            let count = there.end;
            return Err(Failure::refused(format!(
                "{name} has no vCPU {vcpu}: it was made with {count}"
            )));
        }
        _ => return Err(Failure::Usage),
    };
    let (hard, soft) = (parse_cpus(hard, cpus)?, parse_cpus(soft, cpus)?);
    if (&hard, &soft) == (&None, &None) {
        return Err(Failure::Usage);
    }
    for vcpu in chosen {
        pin_one(shell, domain, vcpu, &hard, &soft, force)?;
    }
    Ok(())
}

fn pin_one<S: Host>(
    shell: &mut Shell<S>,
    domain: domid_t,
    vcpu: u32,
    hard: &Option<CpuSet>,
    soft: &Option<CpuSet>,
    force: bool,
) -> Outcome {
    for (which, asked) in [(Affinity::Hard, hard), (Affinity::Soft, soft)] {
        if let Some(set) = asked {
            let force = force && which == Affinity::Hard;
            shell.system.set_affinity(domain, vcpu, which, set, force)?;
        }
    }
    let cpus = shell.cpu_count()?;
    let hard = shell.system.affinity(domain, vcpu, Affinity::Hard, cpus)?;
    let soft = shell.system.affinity(domain, vcpu, Affinity::Soft, cpus)?;
    if hard.is_apart_from(&soft) {
        shell.print(&format!(
            "vCPU {vcpu}: its hard affinity ({hard}) and its soft affinity ({soft}) have no CPU in \
             common: only the hard one counts\n"
        ));
    }
    Ok(())
}

pub(super) fn set<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let (ignore_host, rest) = match args {
        ["-i" | "--ignore-host", rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let [name, count] = rest else {
        return Err(Failure::Usage);
    };
    let count: u32 = count.parse().map_err(|_| Failure::Usage)?;
    let domain = shell.find(name)?;
    let (before, cpus) = (shell.info_of(domain)?, shell.cpu_count()?);
    let most = vcpus_of(&before).end;
    if count == 0 || count > most {
        return Err(Failure::refused(format!(
            "{name} can have from 1 to {most} vCPUs: that many it was made with"
        )));
    }
    if count > before.nr_online_vcpus && count > cpus && !ignore_host {
        return Err(Failure::refused(format!(
            "{count} vCPUs are more than the machine has CPUs ({cpus}): use -i if that is meant"
        )));
    }
    let claimed = match domain {
        0 => {
            let up = shell.system.set_own_vcpus(count).map_err(|errno| {
                Failure::refused(format!("dom0's kernel refused {count} vCPUs: {errno}"))
            });
            Some(up?)
        }
        _ => {
            shell.with(|domains, _| {
                domains.known(domain)?;
                for vcpu in 0..most {
                    let node = availability(domain, vcpu);
                    domains.store().write_text(&node, online(vcpu < count))?;
                }
                Ok(())
            })?;
            let up = |info: &xen_domctl_getdomaininfo| info.nr_online_vcpus.into();
            match shell.follows(domain, Ask::Vcpus, count.into(), up) {
                Err(Error::NoAnswer { .. }) => None,
                claimed => Some(claimed?),
            }
        }
    };
    let now = shell.info_of(domain)?.nr_online_vcpus;
    let Some(claimed) = claimed.or((now == count).then_some(count.into())) else {
        // As with xl, its kernel was told, and what it does is its own affair.
        let text = not_followed(name, count, most, now);
        shell.print(&text);
        return Ok(());
    };
    if now != count {
        return Err(Failure::Error(Error::Guest {
            name: (*name).to_string(),
            reason: format!("asked for {count} vCPUs, it says {claimed}, it has {now}"),
        }));
    }
    shell.print(&format!("{name} has {now} vCPUs now\n"));
    Ok(())
}

/// What is said of a guest that was told how many vCPUs to use and does not.
fn not_followed(name: &str, count: u32, most: u32, now: u32) -> String {
    let told = |from: u32, until: u32, what: &str| match until - from {
        0 => String::new(),
        1 => format!(" cpu/{from}/availability = {what}"),
        _ => format!(" cpu/{from}..{}/availability = {what}", until - 1),
    };
    let written = [
        told(0, count, online(true)),
        told(count, most, online(false)),
    ];
    let mut text = format!(
        "{name} was told to use {count} vCPUs (in the store:{}) and has {now} up\n",
        written.concat()
    );
    if now < count {
        text += &format!(
            "A Linux without udev makes them present and starts none: in it, \
             `echo 1 > /sys/devices/system/cpu/cpu{now}/online` does\n"
        );
    }
    text
}

impl<S: Host> Shell<S> {
    /// How many CPUs the machine has, numbered from 0.
    pub(super) fn cpu_count(&mut self) -> Result<u32, Error> {
        Ok(self.system.physinfo()?.max_cpu_id.saturating_add(1))
    }
}

//! Commands that show: domains, the machine, logs.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hypercall_abi::domctl::*;
use hypercall_abi::sysctl::{XEN_SYSCTL_PHYSCAP_hvm, XEN_SYSCTL_PHYSCAP_pv};
use hypercall_abi::xen::domid_t;

use super::command::{Failure, Outcome};
use super::{Host, SECOND, Shell, json};
use crate::domains::{End, PAGES_PER_MIB};
use crate::hyper::{DomctlExt, SysctlExt, read_all_domains};

/// xl's six state letters: running, blocked, paused, shut down, crashed, dying.
pub(super) fn state(flags: u32) -> String {
    let letters = [
        (flags & XEN_DOMINF_running != 0, 'r'),
        (flags & XEN_DOMINF_blocked != 0, 'b'),
        (flags & XEN_DOMINF_paused != 0, 'p'),
        (flags & XEN_DOMINF_shutdown != 0, 's'),
        (End::of(flags & !XEN_DOMINF_dying) == Some(End::Crash), 'c'),
        (flags & XEN_DOMINF_dying != 0, 'd'),
    ];
    letters
        .iter()
        .map(|(set, letter)| if *set { *letter } else { '-' })
        .collect()
}

/// One line of `xl list`.
pub(super) fn list_line(name: &str, info: &xen_domctl_getdomaininfo) -> String {
    let (mib, tenths) = (
        info.tot_pages / PAGES_PER_MIB,
        info.cpu_time / (SECOND / 10),
    );
    let seconds = format!("{}.{}", tenths / 10, tenths % 10);
    format!(
        "{name:<40} {:>5} {mib:>5} {:>5}     {}  {seconds:>8}\n",
        info.domain,
        info.nr_online_vcpus,
        state(info.flags),
    )
}

/// How `xl list` shows domains.
#[derive(PartialEq, Eq)]
enum Form {
    Table,
    /// The table's rows as JSON.
    Rows,
    /// What the domains were made from, as JSON.
    Configurations,
}

pub(super) fn list<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let (form, names) = match args {
        ["-l" | "--long", names @ ..] => (Form::Configurations, names),
        ["--json", names @ ..] => (Form::Rows, names),
        names => (Form::Table, names),
    };
    let mut chosen: Vec<domid_t> = Vec::new();
    for name in names {
        if name.starts_with('-') {
            return Err(Failure::Usage);
        }
        chosen.push(shell.find(name)?);
    }
    let mut infos = read_all_domains(&mut shell.system)?;
    infos.retain(|info| chosen.is_empty() || chosen.contains(&info.domain));
    if form != Form::Table {
        let text = json::list(shell, &infos, form == Form::Configurations);
        shell.print(&text);
        return Ok(());
    }
    let mut text =
        "Name                                        ID   Mem VCPUs\tState\tTime(s)\n".to_string();
    for info in &infos {
        text += &list_line(&shell.name(info.domain), info);
    }
    shell.print(&text);
    Ok(())
}

pub(super) fn info<S: Host>(shell: &mut Shell<S>, _: &[&str]) -> Outcome {
    let machine = shell.system.physinfo()?;
    let hypervisor = shell.system.hypervisor_info()?;
    let scheduler = match shell.system.scheduler_id()? {
        XEN_SCHEDULER_CREDIT => "credit".to_string(),
        XEN_SCHEDULER_CREDIT2 => "credit2".to_string(),
        XEN_SCHEDULER_ARINC653 => "arinc653".to_string(),
        XEN_SCHEDULER_RTDS => "rtds".to_string(),
        XEN_SCHEDULER_NULL => "null".to_string(),
        other => format!("unknown ({other})"),
    };
    let words = machine.hw_cap.iter();
    let hw_caps: Vec<String> = words.map(|word| format!("{word:08x}")).collect();
    let mut kinds = Vec::new();
    for (bit, kind) in [
        (XEN_SYSCTL_PHYSCAP_pv, "pv"),
        (XEN_SYSCTL_PHYSCAP_hvm, "hvm"),
    ] {
        if machine.capabilities & bit != 0 {
            kinds.push(kind);
        }
    }
    let rows = [
        ("machine", "x86_64".to_string()),
        ("nr_cpus", machine.nr_cpus.to_string()),
        ("max_cpu_id", machine.max_cpu_id.to_string()),
        ("nr_nodes", machine.nr_nodes.to_string()),
        ("cores_per_socket", machine.cores_per_socket.to_string()),
        ("threads_per_core", machine.threads_per_core.to_string()),
        (
            "cpu_mhz",
            format!("{}.{:03}", machine.cpu_khz / 1000, machine.cpu_khz % 1000),
        ),
        ("hw_caps", hw_caps.join(":")),
        ("virt_caps", kinds.join(" ")),
        (
            "total_memory",
            (machine.total_pages / PAGES_PER_MIB).to_string(),
        ),
        (
            "free_memory",
            (machine.free_pages / PAGES_PER_MIB).to_string(),
        ),
        ("free_pages", machine.free_pages.to_string()),
        (
            "outstanding_claims",
            (machine.outstanding_pages / PAGES_PER_MIB).to_string(),
        ),
        ("xen_major", hypervisor.major.to_string()),
        ("xen_minor", hypervisor.minor.to_string()),
        ("xen_extra", hypervisor.extra.clone()),
        (
            "xen_version",
            format!(
                "{}.{}{}",
                hypervisor.major, hypervisor.minor, hypervisor.extra
            ),
        ),
        ("xen_caps", hypervisor.capabilities),
        ("xen_scheduler", scheduler),
        ("xen_pagesize", hypervisor.page_size.to_string()),
        (
            "platform_params",
            format!("virt_start={:#x}", hypervisor.virt_start),
        ),
        ("xen_changeset", hypervisor.changeset),
        ("xen_commandline", hypervisor.command_line),
        ("cc_compiler", hypervisor.compiler),
        ("cc_compile_by", hypervisor.compiled_by),
        ("cc_compile_domain", hypervisor.compile_domain),
        ("cc_compile_date", hypervisor.compile_date),
        ("xend_config_format", "4".to_string()),
    ];
    let text: String = rows
        .iter()
        .map(|(key, value)| format!("{key:<23}: {value}\n"))
        .collect();
    shell.print(&text);
    Ok(())
}

pub(super) fn domid<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [name] = args else {
        return Err(Failure::Usage);
    };
    let id = shell.find(name)?;
    shell.print(&format!("{id}\n"));
    Ok(())
}

pub(super) fn domname<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [id] = args else {
        return Err(Failure::Usage);
    };
    let id: domid_t = id.parse().map_err(|_| Failure::Usage)?;
    if shell.system.domain_info(id)?.is_none() {
        return Err(Failure::refused(format!(
            "there is no domain {id} (try `xl list`)"
        )));
    }
    let name = shell.name(id);
    shell.print(&format!("{name}\n"));
    Ok(())
}

pub(super) fn rename<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [who, name] = args else {
        return Err(Failure::Usage);
    };
    let domain = shell.guest(who)?;
    shell.with(|domains, system| domains.rename(system, domain, name))?;
    if let Some(view) = shell.views.get_mut(domain) {
        view.name = (*name).to_string();
    }
    Ok(())
}

pub(super) fn uptime<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let (short, names) = match args {
        ["-s" | "--short", names @ ..] => (true, names),
        names => (false, names),
    };
    if names.iter().any(|name| name.starts_with('-')) {
        return Err(Failure::Usage);
    }
    let mut chosen = Vec::new();
    for name in names {
        // Who built another domain knows when; the hypervisor does not.
        let domain = shell.find(name)?;
        if domain != 0 {
            shell.with(|domains, _| domains.known(domain))?;
        }
        chosen.push(domain);
    }
    let now = shell.system.now();
    let mut rows = alloc::vec![(shell.name(0), 0, now / SECOND)];
    for domain in shell.with(|domains, _| domains.all())? {
        let known = shell.with(|domains, _| domains.known(domain))?;
        let age = now.saturating_sub(known.created_at) / SECOND;
        rows.push((known.config.name, domain, age));
    }
    rows.retain(|(_, domain, _)| chosen.is_empty() || chosen.contains(domain));
    let mut text = String::new();
    if !short {
        text += "Name                                        ID Uptime\n";
    }
    let clock = shell.system.wallclock() % (24 * 3600);
    for (name, id, age) in rows {
        text += &match short {
            true => format!(
                " {} up {},  {name} ({id})\n",
                in_hours(clock),
                in_days(age, true)
            ),
            false => format!("{name:<40} {id:>5} {}\n", in_days(age, false)),
        };
    }
    shell.print(&text);
    Ok(())
}

fn in_hours(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

/// As xl shows a time; the short form has no seconds.
fn in_days(seconds: u64, short: bool) -> String {
    let days = match seconds / (24 * 3600) {
        0 => String::new(),
        1 => "1 day, ".to_string(),
        days => format!("{days} days, "),
    };
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    match short {
        true => format!("{days}{hours:>2}:{minutes:02}"),
        false => format!("{days}{hours:>2}:{minutes:02}:{:02}", seconds % 60),
    }
}

pub(super) fn dmesg<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let clear = match args {
        [] => false,
        ["-c"] => true,
        _ => return Err(Failure::Usage),
    };
    let log = shell.system.read_log(clear)?;
    shell.print(&String::from_utf8_lossy(&log));
    Ok(())
}

pub(super) fn debug_keys<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [keys] = args else {
        return Err(Failure::Usage);
    };
    Ok(shell.system.debug_keys(keys)?)
}

impl<S: Host> Shell<S> {
    /// The id of a domain, by name or id.
    pub(super) fn find(&mut self, who: &str) -> Result<domid_t, Failure> {
        Ok(self.with(|domains, system| domains.find(system, who))?)
    }

    /// The same of one that xl made.
    pub(super) fn guest(&mut self, who: &str) -> Result<domid_t, Failure> {
        let domain = self.find(who)?;
        self.with(|domains, _| domains.known(domain))?;
        Ok(domain)
    }

    /// The name of a domain, as far as it is known.
    pub(super) fn name(&mut self, domain: domid_t) -> String {
        let name = self.with(|domains, _| domains.name(domain));
        name.unwrap_or_else(|_| format!("(domain {domain})"))
    }
}

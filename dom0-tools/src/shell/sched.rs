//! Commands about scheduling.

use alloc::format;
use alloc::string::{String, ToString};

use hypercall_abi::sysctl::xen_sysctl_credit2_schedule;
use hypercall_abi::xen::domid_t;

use super::command::{Failure, Outcome};
use super::{Host, Shell};
use crate::error::Error;
use crate::hyper::{DomctlExt, SysctlExt, read_all_domains};

const HEADING: &str = "Name                                        ID Weight  Cap\n";
/// The CPU pool that all CPUs and domains are in: name and number.
const POOL: (&str, &str) = ("Pool-0", "0");

/// What stands on the command line.
#[derive(Default)]
struct Options<'a> {
    name: Option<&'a str>,
    weight: Option<u16>,
    cap: Option<u16>,
    pool: Option<&'a str>,
    /// About the scheduler rather than domains.
    settings: bool,
    ratelimit: Option<u32>,
}

impl<'a> Options<'a> {
    fn read(args: &[&'a str]) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut words = args.iter();
        while let Some(option) = words.next() {
            if matches!(*option, "-s" | "--schedparam") {
                options.settings = true;
                continue;
            }
            let value = *words.next().ok_or(Failure::Usage)?;
            match *option {
                "-d" | "--domain" => options.name = Some(value),
                "-w" | "--weight" => options.weight = Some(number(value)?),
                "-c" | "--cap" => options.cap = Some(number(value)?),
                "-p" | "--cpupool" => options.pool = Some(value),
                "-r" | "--ratelimit_us" => options.ratelimit = Some(number(value)?),
                _ => return Err(Failure::Usage),
            }
        }
        // Domains or the scheduler, a pool or a domain; a share is somebody's, and not none.
        let shares = options.weight.is_some() || options.cap.is_some();
        let mixed = options.settings && (options.name.is_some() || shares)
            || options.ratelimit.is_some() && !options.settings
            || shares && options.name.is_none()
            || options.pool.is_some() && options.name.is_some();
        if mixed {
            return Err(Failure::Usage);
        }
        match options.pool {
            Some(pool) if pool != POOL.0 && pool != POOL.1 => Err(Failure::refused(format!(
                "there is no CPU pool `{pool}`: all CPUs are in {}",
                POOL.0
            ))),
            _ => Ok(options),
        }
    }
}

fn number<T: core::str::FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| Failure::Usage)
}

pub(super) fn credit2<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let options = Options::read(args)?;
    match options.name {
        _ if options.settings => settings(shell, options.ratelimit),
        None => list(shell),
        Some(name) => of_domain(shell, name, options.weight, options.cap),
    }
}

/// What the scheduler does alike for all domains.
fn settings<S: Host>(shell: &mut Shell<S>, ratelimit: Option<u32>) -> Outcome {
    if let Some(ratelimit_us) = ratelimit {
        let settings = xen_sysctl_credit2_schedule { ratelimit_us };
        return Ok(shell.system.set_scheduler_settings(settings)?);
    }
    let text = pool(shell)?;
    shell.print(&text);
    Ok(())
}

fn pool<S: Host>(shell: &mut Shell<S>) -> Result<String, Error> {
    let limit = shell.system.scheduler_settings()?.ratelimit_us;
    Ok(format!("Cpupool {}: ratelimit={limit}us\n", POOL.0))
}

fn list<S: Host>(shell: &mut Shell<S>) -> Outcome {
    let mut text = pool(shell)? + HEADING;
    for info in read_all_domains(&mut shell.system)? {
        text += &line(shell, info.domain)?;
    }
    shell.print(&text);
    Ok(())
}

fn of_domain<S: Host>(
    shell: &mut Shell<S>,
    name: &str,
    weight: Option<u16>,
    cap: Option<u16>,
) -> Outcome {
    let domain = shell.find(name)?;
    let mut share = shell.system.share(domain)?;
    if weight.is_none() && cap.is_none() {
        let text = HEADING.to_string() + &line(shell, domain)?;
        shell.print(&text);
        return Ok(());
    }
    if weight == Some(0) {
        return Err(Failure::refused("a weight is from 1 to 65535"));
    }
    let most = 100 * u64::from(shell.info_of(domain)?.max_vcpu_id.wrapping_add(1));
    if let Some(cap) = cap.filter(|cap| u64::from(*cap) > most) {
        return Err(Failure::refused(format!(
            "a cap of {cap} % is more than {name} could use: its vCPUs get {most} % at most"
        )));
    }
    share.weight = weight.unwrap_or(share.weight);
    share.cap = cap.unwrap_or(share.cap);
    Ok(shell.system.set_share(domain, share)?)
}

/// One line of the table.
fn line<S: Host>(shell: &mut Shell<S>, domain: domid_t) -> Result<String, Error> {
    let share = shell.system.share(domain)?;
    let (name, weight, cap) = (shell.name(domain), share.weight, share.cap);
    Ok(format!("{name:<40} {domain:>5} {weight:>6} {cap:>4}\n"))
}

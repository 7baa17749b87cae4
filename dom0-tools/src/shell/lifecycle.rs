//! Commands that begin and end domains, and what happens when a domain ends by itself.

use alloc::format;
use alloc::string::{String, ToString};

use hypercall_abi::xen::domid_t;

use super::command::{Failure, Outcome};
use super::{Host, SECOND, Shell, attach};
use crate::config::{DomainConfig, EndAction};
use crate::domains::{End, end_action};
use crate::error::Error;
use crate::hyper::DomctlExt;

/// A guest that ends sooner than this after it was made is not restarted, ns.
const RESTART_MIN_AGE: u64 = 5 * SECOND;
/// Where `xl create NAME` looks.
const CONFIG_FOLDER: &str = "/etc/xen/";

pub(super) fn create<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let (mut paused, mut dry_run, mut console) = (false, false, false);
    let mut file = None;
    let mut overrides = String::new();
    for arg in args {
        match (*arg, arg.split_once('=')) {
            ("-p", _) => paused = true,
            ("-n", _) => dry_run = true,
            ("-c", _) => console = true,
            (option, None) if option.starts_with('-') => return Err(Failure::Usage),
            (_, Some((key, value))) => overrides += &format!("{key}={}\n", quote(value)),
            (name, None) if file.is_none() => file = Some(name),
            _ => return Err(Failure::Usage),
        }
    }
    let config = shell.read_config(file.ok_or(Failure::Usage)?, &overrides)?;
    if dry_run {
        shell.print(&config.to_text());
        return Ok(());
    }
    let domain = shell.create_domain(config)?;
    if !paused {
        shell.system.unpause_domain(domain)?;
    }
    if console {
        attach::attach(shell, domain)
    } else {
        Ok(())
    }
}

/// A value as xl.cfg wants it: what is not a number, a list or quoted already is a string.
fn quote(value: &str) -> String {
    let as_is = value.starts_with(['"', '\'', '[']) || value.bytes().all(|b| b.is_ascii_digit());
    if as_is && !value.is_empty() {
        return value.to_string();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

pub(super) fn pause<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [name] = args else {
        return Err(Failure::Usage);
    };
    match shell.find(name)? {
        // The command would never return.
        0 => Err(Failure::refused("domain 0 cannot pause itself")),
        domain => Ok(shell.system.pause_domain(domain)?),
    }
}

pub(super) fn unpause<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [name] = args else {
        return Err(Failure::Usage);
    };
    let domain = shell.find(name)?;
    Ok(shell.system.unpause_domain(domain)?)
}

pub(super) fn destroy<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [name] = args else {
        return Err(Failure::Usage);
    };
    let domain = shell.find(name)?;
    shell.attend_guests();
    Ok(shell.domains.destroy(&mut shell.system, domain)?)
}

impl<S: Host> Shell<S> {
    /// Reads a configuration by path, or by name from /etc/xen.
    pub(super) fn read_config(
        &mut self,
        file: &str,
        overrides: &str,
    ) -> Result<DomainConfig, Error> {
        let path = if file.contains('/') || file.ends_with(".cfg") {
            file.to_string()
        } else {
            format!("{CONFIG_FOLDER}{file}.cfg")
        };
        let bytes = self.read_file(&path)?;
        let text = core::str::from_utf8(&bytes).map_err(|_| Error::File {
            path: path.clone(),
            reason: "it is not UTF-8 text".into(),
        })?;
        let (config, warnings) =
            DomainConfig::read(text, overrides).map_err(|error| Error::Config {
                file: path.clone(),
                error,
            })?;
        for warning in warnings {
            self.print(&format!("{path}: warning: {warning}\n"));
        }
        Ok(config)
    }

    /// Builds a domain from files and leaves it paused.
    fn create_domain(&mut self, config: DomainConfig) -> Result<domid_t, Error> {
        let doing = format!("creating {}", config.name);
        let kernel = self.read_file(&config.kernel)?;
        let ramdisk = match &config.ramdisk {
            Some(path) => self.read_file(path)?,
            None => alloc::vec::Vec::new(),
        };
        let now = self.system.now();
        let created = self
            .domains
            .create(&mut self.system, config, &kernel, &ramdisk, now);
        created.map_err(|error| error.during(doing))
    }

    /// Drains consoles, answers guests, and deals with those that ended.
    pub(crate) fn attend_guests(&mut self) {
        self.show_guest_output();
        self.answer_pings();
        match self.domains.collect_ends(&mut self.system) {
            Ok(ends) => {
                for (domain, end) in ends {
                    self.bury(domain, end);
                }
            }
            Err(error) => self.print(&format!("watching the guests: {error}\n")),
        }
    }

    /// Acts upon the end of a guest as its configuration says.
    fn bury(&mut self, domain: domid_t, end: End) {
        // What it said last may have come after the last look at its console.
        self.show_guest_output();
        let Ok(guest) = self.domains.guest(domain) else {
            return;
        };
        let name = guest.name().to_string();
        let (config, created_at) = (guest.config.clone(), guest.created_at);
        let action = end_action(&config, end);
        let age = self.system.now().saturating_sub(created_at);
        let storm = action == EndAction::Restart && age < RESTART_MIN_AGE;
        let then = match action {
            EndAction::Preserve => "kept for examination",
            EndAction::Destroy => "destroyed",
            EndAction::Restart if storm => "not restarted: it ended too soon after its start",
            EndAction::Restart => "restarting it",
        };
        self.print(&format!(
            "{name} (domain {domain}) {}: {then}\n",
            end.describe()
        ));
        if action == EndAction::Preserve {
            return;
        }
        let mut result = self.domains.destroy(&mut self.system, domain);
        if action == EndAction::Restart && !storm && result.is_ok() {
            result = self
                .create_domain(config)
                .and_then(|domain| self.system.unpause_domain(domain));
        }
        if let Err(error) = result {
            self.print(&format!("{name}: {error}\n"));
        }
    }
}

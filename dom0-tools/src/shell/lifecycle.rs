//! Commands that begin and end domains, and what happens when a domain ends by itself.

use alloc::format;
use alloc::string::{String, ToString};

use hypercall_abi::xen::domid_t;

use super::command::{Failure, Outcome};
use super::{Host, SECOND, Shell, attach};
use crate::build::Progress;
use crate::config::{DomainConfig, EndAction};
use crate::domains::{End, PAGES_PER_MIB, end_action};
use crate::error::Error;
use crate::hyper::DomctlExt;

/// A life shorter than this is a short one, ns.
const SHORT_LIFE: u64 = 60 * SECOND;
/// So many short lives in a row are followed by a restart; the next is not.
const SHORT_LIVES: u32 = 3;
/// From one word on the progress of a build to the next, ns.
const TELL_AGAIN: u64 = SECOND;
/// Where `xl create NAME` looks.
const FOLDERS: [&str; 2] = ["/store/", "/etc/xen/"];

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

/// Says how far a build has come, of long steps not too often.
fn tell<S: Host>(system: &mut S, name: &str, progress: Progress, told_at: &mut u64) {
    let (what, part) = match progress {
        Progress::Unpacked(method, bytes) => {
            let kib = bytes >> 10;
            system.write(format!("{name}: kernel unpacked by {method} to {kib} KiB\n").as_bytes());
            return;
        }
        Progress::Memory(part) => ("memory", part),
        Progress::Ramdisk(part) => ("its ramdisk", part),
    };
    let now = system.now();
    if now.saturating_sub(*told_at) < TELL_AGAIN {
        return;
    }
    *told_at = now;
    let (done, of) = (part.done / PAGES_PER_MIB, part.of / PAGES_PER_MIB);
    system.write(format!("{name}: has {done} of {of} MiB of {what}\n").as_bytes());
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
    /// Reads a configuration by path, or by name from the store or /etc/xen. The files that it names
    /// without a path are those beside it.
    pub(super) fn read_config(
        &mut self,
        file: &str,
        overrides: &str,
    ) -> Result<DomainConfig, Error> {
        let path = self.path_of_config(file);
        let bytes = self.read_file(&path)?;
        let text = core::str::from_utf8(&bytes).map_err(|_| Error::File {
            path: path.clone(),
            reason: "it is not UTF-8 text".into(),
        })?;
        let (mut config, warnings) =
            DomainConfig::read(text, overrides).map_err(|error| Error::Config {
                file: path.clone(),
                error,
            })?;
        for warning in warnings {
            self.print(&format!("{path}: warning: {warning}\n"));
        }
        let folder = path.rfind('/').map_or("", |end| &path[..=end]);
        for file in [Some(&mut config.kernel), config.ramdisk.as_mut()] {
            if let Some(file) = file.filter(|file| !file.starts_with('/')) {
                *file = format!("{folder}{file}");
            }
        }
        Ok(config)
    }

    /// Where a configuration is. One that is nowhere is looked for where it usually would be.
    fn path_of_config(&mut self, file: &str) -> String {
        if file.contains('/') {
            return file.to_string();
        }
        let suffix = if file.ends_with(".cfg") { "" } else { ".cfg" };
        let mut paths = FOLDERS.map(|folder| format!("{folder}{file}{suffix}"));
        let names = self.system.file_names();
        let is_there = |path: &String| {
            let path = path.trim_start_matches('/');
            names
                .iter()
                .any(|name| name.trim_start_matches('/') == path)
        };
        let last = paths.len() - 1;
        let found = paths.iter().position(is_there).unwrap_or(last);
        core::mem::take(&mut paths[found])
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
        let name = config.name.clone();
        let mut told_at = now;
        let created = self.domains.create(
            &mut self.system,
            config,
            &kernel,
            &ramdisk,
            now,
            &mut |system, progress| tell(system, &name, progress, &mut told_at),
        );
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
        let age = self.system.now().saturating_sub(guest.created_at);
        let short_lives = if age < SHORT_LIFE {
            guest.short_lives + 1
        } else {
            0
        };
        let then = Then::of(end_action(&guest.config, end), short_lives);
        let what = then.describe();
        self.print(&format!(
            "{name} (domain {domain}) {}: {what}\n",
            end.describe()
        ));
        if let Err(error) = self.follow(domain, then, short_lives) {
            self.print(&format!("{name}: {error}\n"));
        }
    }

    fn follow(&mut self, domain: domid_t, then: Then, short_lives: u32) -> Result<(), Error> {
        let config = self.domains.guest(domain)?.config.clone();
        match then {
            Then::Keep | Then::KeepForGood => return Ok(()),
            Then::RenameAndRestart => {
                let kept = self.domains.free_name(&config.name);
                self.domains.rename(domain, &kept)?;
                self.print(&format!(
                    "{} (domain {domain}) is {kept} now\n",
                    config.name
                ));
            }
            Then::Destroy | Then::DestroyForGood | Then::Restart => {
                self.domains.destroy(&mut self.system, domain)?;
            }
        }
        if matches!(then, Then::Restart | Then::RenameAndRestart) {
            let domain = self.create_domain(config)?;
            self.domains.guest(domain)?.short_lives = short_lives;
            self.system.unpause_domain(domain)?;
        }
        Ok(())
    }
}

/// What follows the end of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Destroy,
    Keep,
    Restart,
    RenameAndRestart,
    /// Instead of a restart, after too many short lives.
    DestroyForGood,
    /// The same for one that was to be kept as well.
    KeepForGood,
}

impl Then {
    fn of(action: EndAction, short_lives: u32) -> Self {
        let storm = short_lives > SHORT_LIVES;
        match action {
            EndAction::Destroy => Then::Destroy,
            EndAction::Preserve => Then::Keep,
            EndAction::Restart if storm => Then::DestroyForGood,
            EndAction::RenameRestart if storm => Then::KeepForGood,
            EndAction::Restart => Then::Restart,
            EndAction::RenameRestart => Then::RenameAndRestart,
        }
    }

    fn describe(self) -> String {
        let storm = || {
            let seconds = SHORT_LIFE / SECOND;
            format!("for it ended within {seconds} s of its start too often in a row")
        };
        match self {
            Then::Destroy => "destroyed".into(),
            Then::Keep => "kept for examination".into(),
            Then::Restart => "restarting it".into(),
            Then::RenameAndRestart => "kept for examination, and restarting it".into(),
            Then::DestroyForGood => format!("destroyed and not restarted, {}", storm()),
            Then::KeepForGood => format!("kept and not restarted, {}", storm()),
        }
    }
}

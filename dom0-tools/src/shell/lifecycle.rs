//! Commands that begin and end domains, and what happens when a domain ends by itself.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hypercall_abi::xen::domid_t;

use super::command::{Failure, Outcome};
use super::guests::Wait;
use super::{Host, SECOND, Shell, attach};
use crate::build::Progress;
use crate::config::{DomainConfig, EndAction};
use crate::domains::{Creation, End, Known, Made, PAGES_PER_MIB};
use crate::error::Error;
use crate::hyper::DomctlExt;

/// A life shorter than this is a short one, ns.
const SHORT_LIFE: u64 = 60 * SECOND;
/// So many short lives in a row are followed by a restart; the next is not.
const SHORT_LIVES: u32 = 3;
/// From one word on the progress of a build to the next, ns.
const TELL_AGAIN: u64 = SECOND;
/// How long services may hold pages of a domain that was destroyed, ns.
const PATIENCE: u64 = 5 * SECOND;
/// How often it is looked whether it is gone, ns.
const LOOK: u64 = 50_000;
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
    let domain = shell.create_domain(&config, paused, 0)?;
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
    Ok(shell.destroy_domain(domain)?)
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
        let files = [Some(&mut config.kernel), config.ramdisk.as_mut()];
        let targets = config.disks.iter_mut().map(|disk| disk.target.as_mut());
        for file in files.into_iter().chain(targets).flatten() {
            if !file.starts_with('/') {
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

    /// Builds a domain from files and starts it, unless it is to be paused.
    fn create_domain(
        &mut self,
        config: &DomainConfig,
        paused: bool,
        short_lives: u32,
    ) -> Result<domid_t, Error> {
        let doing = format!("creating {}", config.name);
        let made = self.files_of(config).and_then(|files| {
            let made = self.make(config, &files, short_lives)?;
            if !paused {
                self.system.unpause_domain(made.domain)?;
            }
            self.with(|domains, _| domains.done(made))?;
            Ok(made.domain)
        });
        made.map_err(|error| error.during(doing))
    }

    /// Kernel and ramdisk of a configuration.
    pub(super) fn files_of(&mut self, config: &DomainConfig) -> Result<Files, Error> {
        Ok(Files {
            kernel: self.read_file(&config.kernel)?,
            ramdisk: match &config.ramdisk {
                Some(path) => self.read_file(path)?,
                None => Vec::new(),
            },
        })
    }

    /// Makes a domain whose console is connected. It is paused, and its making is not done.
    pub(super) fn make(
        &mut self,
        config: &DomainConfig,
        files: &Files,
        short_lives: u32,
    ) -> Result<Made, Error> {
        let forgotten = self.with(|domains, system| domains.forget_gone(system, &config.name))?;
        if let Some(said) = forgotten {
            self.print(&format!("{said}\n"));
        }
        let creation = Creation {
            config,
            kernel: &files.kernel,
            ramdisk: &files.ramdisk,
            now: self.system.now(),
            wallclock: self.system.wallclock(),
            short_lives,
        };
        let mut told_at = creation.now;
        let mut watcher =
            |system: &mut S, progress| tell(system, &config.name, progress, &mut told_at);
        let made = self.with(|domains, system| domains.create(system, &creation, &mut watcher))?;
        let wait = Wait::of(made.domain, "console/state");
        let connected =
            self.wait_for_node(&wait, |_, value| (value == Some("connected")).then_some(()));
        if let Err(error) = connected {
            self.destroy_domain(made.domain)?;
            return Err(error.during("waiting for xenconsoled to connect to its console"));
        }
        if let Err(error) = self.wait_for_backends(made.domain) {
            self.destroy_domain(made.domain)?;
            return Err(error);
        }
        // What it says first is to be heard as well.
        self.take_events();
        self.meet_guests();
        Ok(made)
    }

    /// Destroys a domain, and waits until nothing of it is left.
    pub(super) fn destroy_domain(&mut self, domain: domid_t) -> Result<(), Error> {
        self.with(|domains, system| domains.destroy(system, domain))?;
        let deadline = self.system.now() + PATIENCE;
        while let Some(info) = self.system.domain_info(domain)? {
            if self.system.now() > deadline {
                let pages = info.tot_pages;
                return Err(Error::Refused(format!(
                    "domain {domain} is destroyed, and somebody still holds pages of it: {pages}"
                )));
            }
            self.system.sleep(LOOK);
        }
        self.hear_out();
        Ok(())
    }

    /// Hears guests, and deals with those that ended.
    pub(crate) fn attend_guests(&mut self) {
        self.attend_but_ends();
        if !self.watching || !core::mem::take(&mut self.ends_due) {
            return;
        }
        if let Err(error) = self.clean_up().and_then(|()| self.bury_the_dead()) {
            self.print(&format!("watching the guests: {error}\n"));
        }
    }

    /// The same, but those that ended stay as they are.
    pub(super) fn attend_but_ends(&mut self) {
        self.mind_services();
        self.take_events();
        self.meet_guests();
        self.show_guest_output();
    }

    /// Finishes what processes began that were killed, and says so.
    pub(super) fn clean_up(&mut self) -> Result<(), Error> {
        let said = self.with(|domains, system| {
            domains.clean_up(system, |system, process| system.is_alive(process))
        })?;
        for line in said {
            self.print(&format!("{line}\n"));
        }
        Ok(())
    }

    fn bury_the_dead(&mut self) -> Result<(), Error> {
        let all = self.with(|domains, _| domains.all())?;
        self.forget_views(&all);
        for domain in all {
            let info = self.system.domain_info(domain)?;
            let Some(end) = info.map_or(Some(End::Gone), |info| End::of(info.flags)) else {
                continue;
            };
            let known = self.with(|domains, _| domains.known(domain))?;
            if !known.is_kept || end == End::Gone {
                self.bury(known, end);
            }
        }
        Ok(())
    }

    /// Acts upon the end of a guest as its configuration says.
    fn bury(&mut self, known: Known, end: End) {
        // What it said last may not have been heard yet, and will not be a line any more.
        self.hear_out();
        self.show_what_is_left_of(known.domain);
        let (domain, name) = (known.domain, known.config.name.clone());
        let age = self.system.now().saturating_sub(known.created_at);
        let short_lives = if age < SHORT_LIFE {
            known.short_lives + 1
        } else {
            0
        };
        let then = Then::of(end.action(&known.config), short_lives);
        self.print(&format!(
            "{name} (domain {domain}) {}: {}\n",
            end.describe(),
            then.describe()
        ));
        if let Err(error) = self.follow(known, then, short_lives) {
            self.print(&format!("{name}: {error}\n"));
        }
    }

    fn follow(&mut self, known: Known, then: Then, short_lives: u32) -> Result<(), Error> {
        let (domain, mut config) = (known.domain, known.config);
        match then {
            Then::Keep | Then::KeepForGood => {
                return self.with(|domains, _| domains.keep(domain));
            }
            Then::RenameAndRestart => {
                let kept = self.with(|domains, system| {
                    let kept = domains.free_name(&config.name)?;
                    domains.rename(system, domain, &kept)?;
                    domains.keep(domain)?;
                    Ok(kept)
                })?;
                self.print(&format!(
                    "{} (domain {domain}) is {kept} now\n",
                    config.name
                ));
                // The one that is kept has it.
                config.uuid = None;
            }
            Then::Destroy | Then::DestroyForGood | Then::Restart => {
                self.destroy_domain(domain)?;
            }
        }
        if matches!(then, Then::Restart | Then::RenameAndRestart) {
            self.create_domain(&config, false, short_lives)?;
        }
        Ok(())
    }
}

/// What a domain is made from besides its configuration.
pub(super) struct Files {
    kernel: Vec<u8>,
    ramdisk: Vec<u8>,
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

//! What a configuration means: a checked description of a domain to create.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::keys::{Keys, Placed, missing};
use super::{ConfigError, Cpus, Disk, Pci, Vif, Warning};
use crate::pci::DEVICES_MAX;

/// Memory of a domain whose configuration does not say: xl needs the key, and so do we.
const MAX_MEMORY_MIB: i64 = 1 << 30;
/// The PV ABI has vcpu_info for this many vCPUs in shared_info.
const MAX_VCPUS: i64 = 32;
/// The largest weight of credit2.
const MAX_WEIGHT: i64 = 65_535;
/// Characters of a name.
const MAX_NAME: usize = 128;
/// Disks and interfaces of one domain.
const MAX_DEVICES: usize = 64;

/// What to do with a domain that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndAction {
    /// Free everything.
    Destroy,
    /// Destroy it and create it anew.
    Restart,
    /// Keep it for examination.
    Preserve,
    /// Keep it under another name, and create it anew.
    RenameRestart,
}

/// Actions by kind of end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnEnd {
    /// on_poweroff
    pub poweroff: EndAction,
    /// on_reboot
    pub reboot: EndAction,
    /// on_crash
    pub crash: EndAction,
}

/// A domain to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainConfig {
    /// Unique name.
    pub name: String,
    /// Path of the kernel.
    pub kernel: String,
    /// Path of the ramdisk.
    pub ramdisk: Option<String>,
    /// The kernel's command line, from `cmdline` or `root` and `extra`.
    pub command_line: String,
    /// Memory at start, MiB.
    pub memory_mib: u64,
    /// Limit of its memory, MiB; at least `memory_mib`.
    pub max_memory_mib: u64,
    /// vCPUs at start.
    pub vcpus: u32,
    /// vCPUs it may have; at least `vcpus`.
    pub max_vcpus: u32,
    /// Where they may run.
    pub cpus: Cpus,
    /// Its share of CPU time, if the file says; the scheduler has a usual one.
    pub cpu_weight: Option<u16>,
    /// The most CPU time it may get, in percent of a CPU, if the file says; 0 for no limit.
    pub cap: Option<u16>,
    /// Its disks.
    pub disks: Vec<Disk>,
    /// Its network interfaces.
    pub vifs: Vec<Vif>,
    /// PCI devices that it is given.
    pub pcis: Vec<Pci>,
    /// The domain's handle, if the file gives one.
    pub uuid: Option<[u8; 16]>,
    /// What to do when it ends.
    pub on_end: OnEnd,
}

/// Keys that xl knows and this toolstack has no use for: named as such in the warning.
const UNSERVED: [&str; 13] = [
    "bootloader",
    "bootloader_args",
    "channel",
    "cpus_soft",
    "device_model_version",
    "driver_domain",
    "max_grant_frames",
    "nomigrate",
    "on_watchdog",
    "pool",
    "seclabel",
    "serial",
    "vfb",
];

/// What a domain's end may be followed by in xl, and not here.
const UNSERVED_ACTIONS: [(&str, &str); 3] = [
    ("coredump-destroy", "cores of domains are not written here"),
    ("coredump-restart", "cores of domains are not written here"),
    ("soft-reset", "only HVM guests are reset softly"),
];

impl DomainConfig {
    /// Reads a configuration file and `overrides` (further `key=value` text from the command
    /// line, which wins). Warnings name what is ignored.
    ///
    /// # Errors
    /// Syntax, wrong kinds or ranges of values, missing keys: with the position.
    pub fn read(file: &str, overrides: &str) -> Result<(Self, Vec<Warning>), ConfigError> {
        let mut keys = Keys::read(file, overrides)?;
        let config = keys.domain()?;
        keys.warn_of_the_rest();
        keys.warnings.sort_by_key(|warning| warning.position);
        Ok((config, keys.warnings))
    }
}

impl EndAction {
    /// All there are.
    pub const ALL: [EndAction; 4] = [
        EndAction::Destroy,
        EndAction::Restart,
        EndAction::Preserve,
        EndAction::RenameRestart,
    ];

    /// Its name in configuration files.
    pub fn name(self) -> &'static str {
        match self {
            EndAction::Destroy => "destroy",
            EndAction::Restart => "restart",
            EndAction::Preserve => "preserve",
            EndAction::RenameRestart => "rename-restart",
        }
    }
}

impl Keys {
    fn domain(&mut self) -> Result<DomainConfig, ConfigError> {
        let name = self.required("name", "name = \"guest1\"")?;
        check_name(&name.1).map_err(|why| ConfigError::new(name.0, why))?;
        self.check_type()?;
        let kernel = self
            .required("kernel", "kernel = \"/boot/guest-kernel\"")?
            .1;
        let memory = self.integer("memory", 1, MAX_MEMORY_MIB)?;
        let maximum = self.integer("maxmem", 1, MAX_MEMORY_MIB)?;
        let Some((_, memory_mib)) = memory.or(maximum) else {
            return Err(missing("memory", "memory = 32"));
        };
        let max_memory_mib = match maximum {
            Some((position, maximum)) if maximum < memory_mib => {
                let message = format!("maxmem ({maximum}) is less than memory ({memory_mib})");
                return Err(ConfigError::new(position, message));
            }
            Some((_, maximum)) => maximum,
            None => memory_mib,
        };
        let (vcpus, max_vcpus) = self.vcpus()?;
        Ok(DomainConfig {
            name: name.1,
            kernel,
            ramdisk: self.text("ramdisk")?.map(|(_, path)| path),
            command_line: self.command_line()?,
            memory_mib,
            max_memory_mib,
            vcpus,
            max_vcpus,
            cpus: Cpus::read(self)?,
            cpu_weight: self.share("cpu_weight", 1, MAX_WEIGHT)?,
            cap: self.share("cap", 0, 100 * i64::from(max_vcpus))?,
            disks: self.disks()?,
            vifs: self.vifs()?,
            pcis: self.pcis()?,
            uuid: self.uuid()?,
            on_end: OnEnd {
                poweroff: self.end_action("on_poweroff", EndAction::Destroy)?,
                reboot: self.end_action("on_reboot", EndAction::Restart)?,
                crash: self.end_action("on_crash", EndAction::Destroy)?,
            },
        })
    }

    /// vCPUs at start and at most: each is as many as the other if only one is given.
    fn vcpus(&mut self) -> Result<(u32, u32), ConfigError> {
        let start = self.integer("vcpus", 1, MAX_VCPUS)?;
        let most = self.integer("maxvcpus", 1, MAX_VCPUS)?;
        let (vcpus, max_vcpus) = match (start, most) {
            (Some((_, vcpus)), Some((position, most))) if most < vcpus => {
                let message = format!("maxvcpus ({most}) is less than vcpus ({vcpus})");
                return Err(ConfigError::new(position, message));
            }
            (Some((_, vcpus)), Some((_, most))) => (vcpus, most),
            (Some((_, both)), None) | (None, Some((_, both))) => (both, both),
            (None, None) => (1, 1),
        };
        // In 1..=MAX_VCPUS.
        Ok((vcpus as u32, max_vcpus as u32))
    }

    fn share(&mut self, key: &str, least: i64, most: i64) -> Result<Option<u16>, ConfigError> {
        // `most` fits, so what is not above it does.
        let value = self.integer(key, least, most)?;
        Ok(value.map(|(_, value)| value as u16))
    }

    fn disks(&mut self) -> Result<Vec<Disk>, ConfigError> {
        let mut disks: Vec<Disk> = Vec::new();
        for (position, disk) in self.devices("disk", Disk::parse)? {
            if disks.iter().any(|known| known.vdev == disk.vdev) {
                let message = format!("disk: there is another {} already", disk.vdev);
                return Err(ConfigError::new(position, message));
            }
            disks.push(disk);
        }
        Ok(disks)
    }

    fn vifs(&mut self) -> Result<Vec<Vif>, ConfigError> {
        let mut vifs: Vec<Vif> = Vec::new();
        for (position, vif) in self.devices("vif", Vif::parse)? {
            if vif.mac.is_some() && vifs.iter().any(|known| known.mac == vif.mac) {
                let message = "vif: another one has the same MAC address";
                return Err(ConfigError::new(position, message));
            }
            vifs.push(vif);
        }
        Ok(vifs)
    }

    fn pcis(&mut self) -> Result<Vec<Pci>, ConfigError> {
        let mut pcis: Vec<Pci> = Vec::new();
        for (position, pci) in self.devices("pci", Pci::parse)? {
            if pcis.contains(&pci) {
                let message = format!("pci: {} is there already", pci.address);
                return Err(ConfigError::new(position, message));
            }
            if pcis.len() == DEVICES_MAX {
                let message = format!("pci: a bus has {DEVICES_MAX} slots");
                return Err(ConfigError::new(position, message));
            }
            pcis.push(pci);
        }
        Ok(pcis)
    }

    /// Descriptions of devices.
    fn devices<T>(
        &mut self,
        key: &str,
        parse: fn(&str) -> Result<T, String>,
    ) -> Result<Vec<Placed<T>>, ConfigError> {
        let Some((key_position, specs)) = self.texts(key)? else {
            return Ok(Vec::new());
        };
        if specs.len() > MAX_DEVICES {
            let message = format!("{key}: there are more than {MAX_DEVICES}");
            return Err(ConfigError::new(key_position, message));
        }
        let device = |(position, spec): Placed<String>| match parse(&spec) {
            Ok(device) => Ok((position, device)),
            Err(why) => Err(ConfigError::new(position, format!("{key}: {why}"))),
        };
        specs.into_iter().map(device).collect()
    }

    fn check_type(&mut self) -> Result<(), ConfigError> {
        for key in ["type", "builder"] {
            let Some((position, kind)) = self.text(key)? else {
                continue;
            };
            if kind != "pv" && kind != "generic" {
                let message =
                    format!("{key} \"{kind}\" is not served: only paravirtual guests (\"pv\")");
                return Err(ConfigError::new(position, message));
            }
        }
        Ok(())
    }

    /// `cmdline`, or `root=... extra` when it is absent, as xl has it.
    fn command_line(&mut self) -> Result<String, ConfigError> {
        let (whole, root, extra) = (
            self.text("cmdline")?,
            self.text("root")?,
            self.text("extra")?,
        );
        let Some((_, line)) = whole else {
            let root = root.map(|(_, root)| format!("root={root}"));
            let parts = [root, extra.map(|(_, extra)| extra)];
            return Ok(parts.into_iter().flatten().collect::<Vec<_>>().join(" "));
        };
        for (position, _) in [root, extra].into_iter().flatten() {
            self.warn(position, "ignored: `cmdline` is given");
        }
        Ok(line)
    }

    fn uuid(&mut self) -> Result<Option<[u8; 16]>, ConfigError> {
        let Some((position, text)) = self.text("uuid")? else {
            return Ok(None);
        };
        match crate::uuid::parse(&text) {
            Some(uuid) => Ok(Some(uuid)),
            None => Err(ConfigError::new(
                position,
                format!("`{text}` is not a UUID"),
            )),
        }
    }

    fn end_action(&mut self, key: &str, default: EndAction) -> Result<EndAction, ConfigError> {
        let Some((position, name)) = self.text(key)? else {
            return Ok(default);
        };
        if let Some((_, why)) = UNSERVED_ACTIONS.iter().find(|(known, _)| *known == name) {
            return Err(ConfigError::new(
                position,
                format!("{key} \"{name}\": {why}"),
            ));
        }
        let known = EndAction::ALL.iter().find(|action| action.name() == name);
        known.copied().ok_or_else(|| {
            let names = EndAction::ALL.map(EndAction::name).join(", ");
            ConfigError::new(position, format!("{key} \"{name}\": known are {names}"))
        })
    }

    fn warn_of_the_rest(&mut self) {
        for assignment in self.rest() {
            let key = &assignment.key;
            let message = if UNSERVED.contains(&key.as_str()) {
                format!("`{key}` is not served by this toolstack and is ignored")
            } else {
                format!("unknown key `{key}` is ignored")
            };
            self.warn(assignment.position, message);
        }
    }
}

/// Checks that a domain may have a name.
///
/// # Errors
/// In words: what is wrong with it.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let may = |char: char| char.is_ascii_alphanumeric() || "-_.:+".contains(char);
    if let Some(bad) = name.chars().find(|char| !may(*char)) {
        return Err(format!(
            "the name `{name}` contains {bad:?}; letters, digits and -_.:+ may be used"
        ));
    }
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("the name `{name}` would be taken for a domain id"));
    }
    if name.len() > MAX_NAME {
        return Err(format!("a name has at most {MAX_NAME} characters"));
    }
    Ok(())
}

//! What a configuration means: a checked description of a domain to create.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::parser::{Assignment, Value, parse};
use super::{ConfigError, Position, Warning};

/// Memory of a domain whose configuration does not say: xl needs the key, and so do we.
const MAX_MEMORY_MIB: i64 = 1 << 30;
/// The PV ABI has vcpu_info for this many vCPUs in shared_info.
const MAX_VCPUS: i64 = 32;

/// What to do with a domain that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndAction {
    /// Free everything.
    Destroy,
    /// Destroy it and create it anew.
    Restart,
    /// Keep it for examination.
    Preserve,
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
    /// Number of vCPUs.
    pub vcpus: u32,
    /// The domain's handle, if the file gives one.
    pub uuid: Option<[u8; 16]>,
    /// What to do when it ends.
    pub on_end: OnEnd,
}

/// Keys that xl knows and this toolstack has no use for yet: named as such in the warning.
const UNSERVED: [&str; 12] = [
    "disk",
    "vif",
    "cpus",
    "cpu_weight",
    "cap",
    "maxvcpus",
    "pool",
    "vfb",
    "pci",
    "bootloader",
    "device_model_version",
    "builder",
];

impl DomainConfig {
    /// Reads a configuration file and `overrides` (further `key=value` text from the command
    /// line, which wins). Warnings name what is ignored.
    ///
    /// # Errors
    /// Syntax, wrong kinds or ranges of values, missing keys: with the position.
    pub fn read(file: &str, overrides: &str) -> Result<(Self, Vec<Warning>), ConfigError> {
        let mut keys = Keys {
            assignments: parse(file)?,
            warnings: Vec::new(),
        };
        let overrides = parse(overrides).map_err(|error| ConfigError {
            position: Position::COMMAND_LINE,
            ..error
        })?;
        for mut assignment in overrides {
            assignment.position = Position::COMMAND_LINE;
            assignment.value_position = Position::COMMAND_LINE;
            keys.assignments.retain(|known| known.key != assignment.key);
            keys.assignments.push(assignment);
        }
        let config = keys.domain()?;
        keys.warn_of_the_rest();
        Ok((config, keys.warnings))
    }

    /// The configuration as xl.cfg text, which reads back as the same configuration.
    pub fn to_text(&self) -> String {
        let quote = |text: &str| {
            let mut quoted = String::from("\"");
            for char in text.chars() {
                match char {
                    '"' => quoted.push_str("\\\""),
                    '\\' => quoted.push_str("\\\\"),
                    '\n' => quoted.push_str("\\n"),
                    '\r' => quoted.push_str("\\r"),
                    '\t' => quoted.push_str("\\t"),
                    other => quoted.push(other),
                }
            }
            quoted.push('"');
            quoted
        };
        let mut text = format!(
            "name = {}\ntype = \"pv\"\nkernel = {}\n",
            quote(&self.name),
            quote(&self.kernel)
        );
        if let Some(ramdisk) = &self.ramdisk {
            text += &format!("ramdisk = {}\n", quote(ramdisk));
        }
        if !self.command_line.is_empty() {
            text += &format!("cmdline = {}\n", quote(&self.command_line));
        }
        text += &format!(
            "memory = {}\nmaxmem = {}\nvcpus = {}\n",
            self.memory_mib, self.max_memory_mib, self.vcpus
        );
        if let Some(uuid) = &self.uuid {
            text += &format!("uuid = \"{}\"\n", crate::uuid::to_text(uuid));
        }
        for (key, action) in [
            ("on_poweroff", self.on_end.poweroff),
            ("on_reboot", self.on_end.reboot),
            ("on_crash", self.on_end.crash),
        ] {
            text += &format!("{key} = \"{}\"\n", action.name());
        }
        text
    }
}

impl EndAction {
    /// Its name in configuration files.
    pub fn name(self) -> &'static str {
        match self {
            EndAction::Destroy => "destroy",
            EndAction::Restart => "restart",
            EndAction::Preserve => "preserve",
        }
    }
}

/// The assignments not yet used.
struct Keys {
    assignments: Vec<Assignment>,
    warnings: Vec<Warning>,
}

impl Keys {
    fn domain(&mut self) -> Result<DomainConfig, ConfigError> {
        let name = self.required("name", "name = \"guest1\"")?;
        check_name(&name)?;
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
        let vcpus = self
            .integer("vcpus", 1, MAX_VCPUS)?
            .map_or(1, |(_, count)| count);
        Ok(DomainConfig {
            name: name.1,
            kernel,
            ramdisk: self.text("ramdisk")?.map(|(_, path)| path),
            command_line: self.command_line()?,
            memory_mib,
            max_memory_mib,
            // In 1..=MAX_VCPUS.
            vcpus: vcpus as u32,
            uuid: self.uuid()?,
            on_end: OnEnd {
                poweroff: self.end_action("on_poweroff", EndAction::Destroy)?,
                reboot: self.end_action("on_reboot", EndAction::Restart)?,
                crash: self.end_action("on_crash", EndAction::Destroy)?,
            },
        })
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
            let message = "ignored: `cmdline` is given".to_string();
            self.warnings.push(Warning { position, message });
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
        let all = [EndAction::Destroy, EndAction::Restart, EndAction::Preserve];
        all.into_iter()
            .find(|action| action.name() == name)
            .ok_or_else(|| {
                let message = format!("{key} \"{name}\": known are destroy, restart, preserve");
                ConfigError::new(position, message)
            })
    }

    fn take(&mut self, key: &str) -> Option<Assignment> {
        let index = self
            .assignments
            .iter()
            .position(|assignment| assignment.key == key)?;
        Some(self.assignments.remove(index))
    }

    fn text(&mut self, key: &str) -> Result<Option<(Position, String)>, ConfigError> {
        match self.take(key) {
            None => Ok(None),
            Some(Assignment {
                value: Value::Text(text),
                value_position,
                ..
            }) => Ok(Some((value_position, text))),
            Some(other) => Err(wrong_kind(&other, "a string")),
        }
    }

    fn required(&mut self, key: &str, example: &str) -> Result<(Position, String), ConfigError> {
        let (position, text) = self.text(key)?.ok_or_else(|| missing(key, example))?;
        if text.is_empty() {
            return Err(ConfigError::new(position, format!("`{key}` is empty")));
        }
        Ok((position, text))
    }

    fn integer(
        &mut self,
        key: &str,
        least: i64,
        most: i64,
    ) -> Result<Option<(Position, u64)>, ConfigError> {
        let Some(assignment) = self.take(key) else {
            return Ok(None);
        };
        let Value::Integer(value) = assignment.value else {
            return Err(wrong_kind(&assignment, "a number"));
        };
        if !(least..=most).contains(&value) {
            let message = format!("{key} is {value}, it must be from {least} to {most}");
            return Err(ConfigError::new(assignment.value_position, message));
        }
        // `least` is never negative.
        Ok(Some((assignment.value_position, value as u64)))
    }

    fn warn_of_the_rest(&mut self) {
        for Assignment { position, key, .. } in core::mem::take(&mut self.assignments) {
            let message = if UNSERVED.contains(&key.as_str()) {
                format!("`{key}` is not served by this toolstack and is ignored")
            } else {
                format!("unknown key `{key}` is ignored")
            };
            self.warnings.push(Warning { position, message });
        }
        self.warnings.sort_by_key(|warning| warning.position);
    }
}

fn check_name((position, name): &(Position, String)) -> Result<(), ConfigError> {
    let bad = name
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || "-_.:+".contains(*c)));
    if let Some(bad) = bad {
        let message =
            format!("the name `{name}` contains {bad:?}; letters, digits and -_.:+ may be used");
        return Err(ConfigError::new(*position, message));
    }
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        let message = format!("the name `{name}` would be taken for a domain id");
        return Err(ConfigError::new(*position, message));
    }
    Ok(())
}

fn wrong_kind(assignment: &Assignment, need: &str) -> ConfigError {
    let message = format!(
        "`{}` must be {need}, this is {}",
        assignment.key,
        assignment.value.kind()
    );
    ConfigError::new(assignment.value_position, message)
}

fn missing(key: &str, example: &str) -> ConfigError {
    let position = Position { line: 1, column: 1 };
    ConfigError::new(
        position,
        format!("`{key}` is missing (for example: {example})"),
    )
}

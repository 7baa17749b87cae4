//! Disks, as xl-disk-configuration(5) describes them.

use alloc::format;
use alloc::string::{String, ToString};

use super::VirtualDisk;
use super::keys::{parameter, put, valued};

/// How an image holds a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the names say it")]
pub enum DiskFormat {
    #[default]
    Raw,
    Qcow,
    Qcow2,
    Vhd,
    Qed,
}

const FORMATS: [(&str, DiskFormat); 5] = [
    ("raw", DiskFormat::Raw),
    ("qcow", DiskFormat::Qcow),
    ("qcow2", DiskFormat::Qcow2),
    ("vhd", DiskFormat::Vhd),
    ("qed", DiskFormat::Qed),
];

impl DiskFormat {
    /// Its name in configuration files.
    pub fn name(self) -> &'static str {
        FORMATS[self as usize].0
    }
}

/// One entry of `disk`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// What backs it: a device or file of the backend's domain. None for an empty CD drive.
    pub target: Option<String>,
    /// How that holds it.
    pub format: DiskFormat,
    /// How the guest sees it.
    pub vdev: VirtualDisk,
    /// Whether the guest may write to it.
    pub writable: bool,
    /// Whether it is a CD drive.
    pub cdrom: bool,
    /// The domain that serves it, unless it is domain 0.
    pub backend: Option<String>,
    /// What serves it there: `phy`, `qdisk` or `standalone`.
    pub backend_type: Option<String>,
    /// The script that makes the target a block device.
    pub script: Option<String>,
    /// Whether the guest may say which blocks it no longer needs, if anything is said.
    pub discard: Option<bool>,
    /// Whether the backend may bypass the host's cache.
    pub direct_io_safe: bool,
}

/// A disk of which parameters have been read.
#[derive(Default)]
struct Draft {
    target: Option<String>,
    format: Option<DiskFormat>,
    vdev: Option<VirtualDisk>,
    writable: Option<bool>,
    cdrom: Option<bool>,
    backend: Option<String>,
    backend_type: Option<String>,
    script: Option<String>,
    discard: Option<bool>,
    direct_io_safe: Option<bool>,
    /// The target says by a prefix of old how it is held: then no format need come behind it.
    prefixed: bool,
}

impl Disk {
    /// Reads one entry: `target,format,vdev,access` in this order, then or instead `key=value`
    /// parameters, of which `target=` is the last and takes the rest whatever is in it.
    ///
    /// # Errors
    /// In words: what is not understood, missing or given twice.
    pub fn parse(spec: &str) -> Result<Self, String> {
        let mut draft = Draft::default();
        let mut rest = spec;
        let mut place = 0;
        loop {
            let (part, behind) = match rest.split_once(',') {
                Some((part, behind)) => (part, Some(behind)),
                None => (rest, None),
            };
            match parameter(part) {
                ("target", Some(_)) => {
                    let (_, target) = rest.split_once('=').unwrap_or_default();
                    put(&mut draft.target, "target", valued("target", Some(target))?)?;
                    break;
                }
                (word, None) if !draft.flag(word)? => {
                    place = draft.by_place(place, word)?;
                }
                (_, None) => {}
                (key, Some(_)) if !is_key(key) && rest.len() == spec.len() => {
                    // It begins with a target, which may have `=` in it.
                    place = draft.by_place(0, part.trim())?;
                }
                (key, value) => draft.named(key, value)?,
            }
            match behind {
                Some(behind) => rest = behind,
                None => break,
            }
        }
        draft.finish()
    }

    /// The entry that [`Disk::parse`] reads as this.
    pub fn to_spec(&self) -> String {
        let name = self.format.name();
        let access = if self.writable { "rw" } else { "ro" };
        let mut spec = format!("format={name},vdev={},access={access}", self.vdev);
        if self.cdrom {
            spec += ",devtype=cdrom";
        }
        for (key, value) in [
            ("backend", &self.backend),
            ("backendtype", &self.backend_type),
            ("script", &self.script),
        ] {
            if let Some(value) = value {
                spec += &format!(",{key}={value}");
            }
        }
        match self.discard {
            Some(true) => spec += ",discard",
            Some(false) => spec += ",no-discard",
            None => {}
        }
        if self.direct_io_safe {
            spec += ",direct-io-safe";
        }
        if let Some(target) = &self.target {
            spec += &format!(",target={target}");
        }
        spec
    }
}

fn is_key(word: &str) -> bool {
    let known = [
        "format",
        "vdev",
        "access",
        "devtype",
        "backend",
        "backendtype",
        "script",
    ];
    known.contains(&word)
}

impl Draft {
    /// A word that needs no value; false if it is none of those.
    fn flag(&mut self, word: &str) -> Result<bool, String> {
        match word {
            "cdrom" => put(&mut self.cdrom, word, true)?,
            "discard" => put(&mut self.discard, word, true)?,
            "no-discard" => put(&mut self.discard, "discard", false)?,
            "direct-io-safe" => put(&mut self.direct_io_safe, word, true)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A parameter by its place; the next one's.
    fn by_place(&mut self, place: usize, word: &str) -> Result<usize, String> {
        let is_format = |word| FORMATS.iter().any(|(name, _)| *name == word);
        let left_out = place == 1 && self.prefixed && !word.is_empty() && !is_format(word);
        let place = place + usize::from(left_out);
        self.at_place(place, word)?;
        Ok(place + 1)
    }

    fn at_place(&mut self, place: usize, word: &str) -> Result<(), String> {
        match place {
            0 => self.old_target(word),
            // Left out.
            1..=3 if word.is_empty() => Ok(()),
            1 => self.named("format", Some(word)),
            2 => match word.strip_suffix(":cdrom") {
                Some(vdev) => {
                    put(&mut self.cdrom, "cdrom", true)?;
                    self.named("vdev", Some(vdev))
                }
                None => self.named("vdev", Some(word)),
            },
            3 => self.named("access", Some(word)),
            _ => Err(format!("`{word}` is not understood")),
        }
    }

    /// The target by its place, which may say by what it is served and how it is held.
    fn old_target(&mut self, word: &str) -> Result<(), String> {
        let mut rest = word;
        for (prefix, backend) in [("phy:", Some("phy")), ("file:", None), ("tap:", None)] {
            if let Some(target) = word.strip_prefix(prefix) {
                rest = target;
                self.prefixed = true;
                self.backend_type = backend.map(ToString::to_string);
            }
        }
        for (name, format) in FORMATS {
            let target = rest.strip_prefix(name);
            if let Some(target) = target.and_then(|target| target.strip_prefix(':')) {
                (rest, self.format) = (target, Some(format));
                break;
            }
        }
        if !rest.is_empty() {
            self.target = Some(rest.to_string());
        }
        Ok(())
    }

    fn named(&mut self, key: &str, value: Option<&str>) -> Result<(), String> {
        let value = valued(key, value)?;
        match key {
            "format" => {
                let known = FORMATS.iter().find(|(name, _)| *name == value);
                let (_, format) = known.ok_or_else(|| {
                    format!(
                        "`{value}` is no format of a disk: known are raw, qcow, qcow2, vhd, qed"
                    )
                })?;
                put(&mut self.format, key, *format)
            }
            "vdev" => {
                let vdev = VirtualDisk::parse(&value);
                let vdev = vdev.ok_or_else(|| {
                    format!("`{value}` is no name of a virtual disk (for example: xvda)")
                })?;
                put(&mut self.vdev, key, vdev)
            }
            "access" => match value.as_str() {
                "r" | "ro" => put(&mut self.writable, key, false),
                "w" | "rw" => put(&mut self.writable, key, true),
                _ => Err(format!("access `{value}`: known are r, ro, w, rw")),
            },
            "devtype" => match value.as_str() {
                "cdrom" => put(&mut self.cdrom, "cdrom", true),
                "disk" => put(&mut self.cdrom, "cdrom", false),
                _ => Err(format!("devtype `{value}`: known are disk, cdrom")),
            },
            "backend" => put(&mut self.backend, key, value),
            "backendtype" => match value.as_str() {
                "phy" | "qdisk" | "standalone" => put(&mut self.backend_type, key, value),
                _ => Err(format!(
                    "backendtype `{value}`: known are phy, qdisk, standalone"
                )),
            },
            "script" => put(&mut self.script, key, value),
            _ => Err(format!("`{key}` is no parameter of a disk")),
        }
    }

    fn finish(self) -> Result<Disk, String> {
        let cdrom = self.cdrom.unwrap_or(false);
        let vdev = "there is no vdev: by what name is the guest to know it? (vdev=xvda)";
        if self.target.is_none() && !cdrom {
            return Err("there is no target: only a CD drive may be empty".into());
        }
        if cdrom && self.writable == Some(true) {
            return Err("a CD cannot be written to".into());
        }
        Ok(Disk {
            target: self.target,
            format: self.format.unwrap_or_default(),
            vdev: self.vdev.ok_or(vdev)?,
            writable: self.writable.unwrap_or(!cdrom),
            cdrom,
            backend: self.backend,
            backend_type: self.backend_type,
            script: self.script,
            discard: self.discard,
            direct_io_safe: self.direct_io_safe.unwrap_or(false),
        })
    }
}

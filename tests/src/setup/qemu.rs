//! QEMU of the version the tests are written for.

use std::fmt;
use std::process::Command;

use anyhow::{Result, bail};

use super::apt::Apt;
use super::sources::Release;
use crate::qemu::PROGRAM;

/// Earlier versions emulate some of what PV needs wrongly.
pub(super) const REQUIRED: u32 = 10;

/// Debian's package of the emulator, and the firmware of the machines it emulates.
const PACKAGES: [&str; 2] = ["qemu-system-x86", "seabios"];

/// The QEMU on this system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Major(u32),
}

impl Found {
    pub(super) fn suffices(self) -> bool {
        matches!(self, Self::Major(major) if major >= REQUIRED)
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("none here"),
            Self::Major(major) => write!(f, "here is {major}"),
        }
    }
}

pub(super) fn find() -> Found {
    let text = version();
    text.and_then(|text| major(&text))
        .map_or(Found::Nothing, Found::Major)
}

/// What QEMU says of its version; `None` where there is none.
#[must_use]
pub fn version() -> Option<String> {
    let output = Command::new(PROGRAM).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(str::to_owned)
}

/// The major version in what `--version` prints.
fn major(text: &str) -> Option<u32> {
    let (_, version) = text.lines().next()?.split_once("version ")?;
    version.split('.').next()?.trim().parse().ok()
}

pub(super) fn install(apt: &mut Apt) -> Result<()> {
    let release = Release::of_this_system()?;
    match release.codename.as_str() {
        "bookworm" => {
            apt.add_backports(&release)?;
            apt.install(&PACKAGES, Some("bookworm-backports"))?;
        }
        _ => apt.install(&PACKAGES, None)?,
    }
    match find() {
        found if found.suffices() => Ok(()),
        found => bail!(
            "{} still has no QEMU {REQUIRED} ({found}); install one by hand",
            release.name
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(
            major("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2+deb13u1~bpo12+1)\nCopyright"),
            Some(10)
        );
        assert_eq!(major("QEMU emulator version 7.2.17"), Some(7));
        assert_eq!(major("something else"), None);
        assert!(
            Found::Major(10).suffices()
                && !Found::Major(7).suffices()
                && !Found::Nothing.suffices()
        );
    }
}

//! Where Debian's packages come from: this system's sources, and sources made like
//! them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The release whose packages the lab boots, whatever release this system has: all
/// of Paravane's facts are measured on them.
pub(super) const PEER_RELEASE: &str = "bookworm";

/// The Debian release of this system.
#[derive(Debug)]
pub(super) struct Release {
    pub(super) codename: String,
    pub(super) name: String,
}

impl Release {
    pub(super) fn of_this_system() -> Result<Self> {
        let text =
            fs::read_to_string("/etc/os-release").context("cannot tell which system this is")?;
        let value = |key: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
            Some(line.trim_matches('"').to_owned())
        };
        Ok(Self {
            codename: value("VERSION_CODENAME").unwrap_or_default(),
            name: value("PRETTY_NAME").unwrap_or_else(|| "this system".into()),
        })
    }
}

/// The texts of this system's sources.
pub(super) struct Sources {
    texts: Vec<String>,
}

impl Sources {
    /// The directory that further sources go to.
    pub(super) const DIR: &str = "/etc/apt/sources.list.d";

    pub(super) fn of_this_system() -> Result<Self> {
        let dir = Path::new(Self::DIR);
        let entries =
            fs::read_dir(dir).with_context(|| format!("no {}: is this Debian?", dir.display()))?;
        let is_source = |path: &PathBuf| {
            path.extension()
                .is_some_and(|extension| extension == "sources" || extension == "list")
        };
        let paths = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(is_source);
        let texts = paths.map(fs::read_to_string).collect::<Result<_, _>>()?;
        Ok(Self { texts })
    }

    /// Is the suite named in any of them?
    pub(super) fn mention(&self, suite: &str) -> bool {
        self.texts.iter().any(|text| text.contains(suite))
    }

    /// A source for the backports of `codename`, from the server that `codename`
    /// itself comes from.
    pub(super) fn backports(&self, codename: &str) -> String {
        self.stanza_like(codename, MAIN_SERVER, &format!("{codename}-backports"))
    }

    /// Sources for the packages that the lab boots, from the servers that this
    /// system's own packages, of release `codename`, come from.
    pub(super) fn peers(&self, codename: &str) -> String {
        let main = self.stanza_like(
            codename,
            MAIN_SERVER,
            &format!("{PEER_RELEASE} {PEER_RELEASE}-updates"),
        );
        let security = format!("{codename}-security");
        let security = self.stanza_like(
            &security,
            SECURITY_SERVER,
            &format!("{PEER_RELEASE}-security"),
        );
        format!("{main}\n{security}")
    }

    /// A deb822 source of `suites`, with server and keys of the stanza that has the
    /// suite `like`, else with Debian's defaults.
    fn stanza_like(&self, like: &str, server: &str, suites: &str) -> String {
        let has_suite = |stanza: &&str| {
            field(stanza, "Suites")
                .is_some_and(|suites| suites.split_whitespace().any(|suite| suite == like))
        };
        let stanza = self
            .texts
            .iter()
            .flat_map(|text| text.split("\n\n"))
            .find(has_suite);
        let field_or = |key, default: &str| {
            stanza
                .and_then(|text| field(text, key))
                .unwrap_or(default)
                .to_owned()
        };
        format!(
            "Types: deb\nURIs: {}\nSuites: {suites}\nComponents: main\nSigned-By: {}\n",
            field_or("URIs", server),
            field_or("Signed-By", KEYS),
        )
    }
}

const MAIN_SERVER: &str = "http://deb.debian.org/debian";
const SECURITY_SERVER: &str = "http://deb.debian.org/debian-security";
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

fn field<'a>(stanza: &'a str, key: &str) -> Option<&'a str> {
    stanza
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "Types: deb\n\
        # http://snapshot.debian.org/archive/debian/20250520T000000Z\n\
        URIs: http://mirror.example/debian\n\
        Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /keys/debian.gpg\n\n\
        Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\n\
        Components: main\nSigned-By: /keys/security.gpg\n";
    const OTHER: &str =
        "Types: deb\nURIs: https://deb.nodesource.com/node_20.x\nSuites: nodistro\n";

    fn sources(texts: &[&str]) -> Sources {
        Sources {
            texts: texts.iter().map(|&text| text.to_owned()).collect(),
        }
    }

    #[test]
    fn backports_come_from_the_systems_own_mirror_and_keys() {
        let sources = sources(&[OTHER, DEBIAN]);
        assert!(sources.mention("bookworm-updates") && !sources.mention("bookworm-backports"));
        assert_eq!(
            sources.backports("bookworm"),
            "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm-backports\n\
             Components: main\nSigned-By: /keys/debian.gpg\n"
        );
    }

    #[test]
    fn without_a_deb822_source_debians_default_is_used() {
        let text =
            sources(&["deb http://deb.debian.org/debian bookworm main\n"]).backports("bookworm");
        assert!(
            text.contains("URIs: http://deb.debian.org/debian\n"),
            "{text}"
        );
        assert!(
            text.contains("Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"),
            "{text}"
        );
    }

    #[test]
    fn peers_are_of_debian_12_on_a_later_system_too() {
        let later = DEBIAN.replace("bookworm", "trixie");
        let text = sources(&[&later]).peers("trixie");
        let (main, security) = text.split_once("\n\n").unwrap();
        assert!(
            main.contains("URIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates"),
            "{text}"
        );
        assert!(
            security
                .contains("URIs: http://mirror.example/debian-security\nSuites: bookworm-security"),
            "{text}"
        );
        assert!(security.contains("Signed-By: /keys/security.gpg"), "{text}");
    }
}

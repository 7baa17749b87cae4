//! Debian's package manager, used as root or through sudo.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};

use super::run;

const SOURCES: &str = "/etc/apt/sources.list.d";

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

/// Is the package installed?
pub(super) fn installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .output()
        .is_ok_and(|output| output.stdout == b"installed")
}

/// A session with apt: package lists are fetched at most once in it.
pub(super) struct Apt {
    lists_fetched: bool,
}

impl Apt {
    pub(super) fn new() -> Self {
        Self {
            lists_fetched: false,
        }
    }

    /// Installs packages, from the given suite when one is named.
    pub(super) fn install(&mut self, packages: &[&str], suite: Option<&str>) -> Result<()> {
        self.fetch_lists()?;
        let mut command = as_root("apt-get")?;
        command.args(["install", "--yes", "--quiet", "--no-install-recommends"]);
        if let Some(suite) = suite {
            command.args(["--target-release", suite]);
        }
        run(command.args(packages))
    }

    /// Downloads a package into `dir`, a directory that holds nothing else, and
    /// returns the file.
    pub(super) fn download(&mut self, package: &str, dir: &Path) -> Result<PathBuf> {
        let fetch = || {
            // Run as root, apt warns that its unprivileged user cannot write to `dir`.
            run(Command::new("apt-get")
                .args([
                    "download",
                    "--quiet",
                    "--option",
                    "APT::Sandbox::User=root",
                    package,
                ])
                .current_dir(dir))
        };
        // Lists may be absent or name a version that is gone from the server.
        if self.candidate(package).is_none() || fetch().is_err() {
            self.fetch_lists()?;
            ensure!(
                self.candidate(package).is_some(),
                "no package {package} in this system's sources"
            );
            fetch()?;
        }
        let mut files = fs::read_dir(dir)?
            .filter_map(Result::ok)
            .map(|entry| entry.path());
        files
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .with_context(|| format!("apt-get downloaded no {package}"))
    }

    /// The package that a metapackage stands for: its first dependency that begins
    /// with `prefix`.
    pub(super) fn first_dependency(&mut self, package: &str, prefix: &str) -> Result<String> {
        if self.candidate(package).is_none() {
            self.fetch_lists()?;
        }
        let output = Command::new("apt-cache")
            .args(["depends", package])
            .output()?;
        dependency(&String::from_utf8_lossy(&output.stdout), prefix)
            .with_context(|| format!("{package} depends on no {prefix}* in this system's sources"))
    }

    /// Adds Debian's backports suite, from the same server and with the same keys
    /// as the suites that the system already uses.
    pub(super) fn add_backports(&mut self, release: &Release) -> Result<()> {
        let suite = format!("{}-backports", release.codename);
        let dir = Path::new(SOURCES);
        let known: Vec<String> = sources(dir)?;
        if known.iter().any(|text| text.contains(&suite)) {
            return Ok(());
        }
        let text = backports_source(&known, &release.codename);
        let target = dir.join(format!("{suite}.sources"));
        eprintln!("Adding {}:\n{text}", target.display());
        let draft = env::temp_dir().join(format!("paravane-{}.sources", std::process::id()));
        fs::write(&draft, &text)?;
        let installed = as_root("install").and_then(|mut command| {
            run(command
                .args(["--mode=644", "--owner=root", "--group=root"])
                .arg(&draft)
                .arg(&target))
        });
        fs::remove_file(&draft)?;
        self.lists_fetched = false;
        installed
    }

    fn fetch_lists(&mut self) -> Result<()> {
        if !self.lists_fetched {
            run(as_root("apt-get")?.args(["update", "--quiet"]))?;
            self.lists_fetched = true;
        }
        Ok(())
    }

    /// The version that would be installed or downloaded.
    fn candidate(&self, package: &str) -> Option<String> {
        let output = Command::new("apt-cache")
            .args(["policy", package])
            .env("LC_ALL", "C")
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("Candidate: "))?;
        (version != "(none)").then(|| version.to_owned())
    }
}

/// A command that runs with root's rights.
fn as_root(program: &str) -> Result<Command> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    let mut command = if is_root {
        Command::new(program)
    } else if Command::new("sudo")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        let mut sudo = Command::new("sudo");
        sudo.arg("--").arg(program);
        sudo
    } else {
        bail!("`{program}` needs root: run this as root once, or install sudo")
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    Ok(command)
}

fn sources(dir: &Path) -> Result<Vec<String>> {
    let entries =
        fs::read_dir(dir).with_context(|| format!("no {}: is this Debian?", dir.display()))?;
    let mut texts = Vec::new();
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path
            .extension()
            .is_some_and(|extension| extension == "sources" || extension == "list")
        {
            texts.push(fs::read_to_string(&path)?);
        }
    }
    Ok(texts)
}

/// A deb822 source for the backports of `codename`, like the stanza among the
/// system's sources that has the suite itself, else like Debian's default.
fn backports_source(known: &[String], codename: &str) -> String {
    let stanza = known
        .iter()
        .flat_map(|text| text.split("\n\n"))
        .find(|stanza| {
            field(stanza, "Suites")
                .is_some_and(|suites| suites.split_whitespace().any(|suite| suite == codename))
        });
    let field_or = |key, default: &str| {
        stanza
            .and_then(|text| field(text, key))
            .unwrap_or(default)
            .to_owned()
    };
    format!(
        "Types: deb\nURIs: {}\nSuites: {codename}-backports\nComponents: main\nSigned-By: {}\n",
        field_or("URIs", "http://deb.debian.org/debian"),
        field_or(
            "Signed-By",
            "/usr/share/keyrings/debian-archive-keyring.gpg"
        ),
    )
}

fn field<'a>(stanza: &'a str, key: &str) -> Option<&'a str> {
    stanza
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .map(str::trim)
}

fn dependency(text: &str, prefix: &str) -> Option<String> {
    let names = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "));
    names
        .map(str::trim)
        .find(|name| name.starts_with(prefix))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN_SOURCES: &str = "Types: deb\n\
        # http://snapshot.debian.org/archive/debian/20250520T000000Z\n\
        URIs: http://mirror.example/debian\n\
        Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /keys/debian.gpg\n\n\
        Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\n\
        Components: main\nSigned-By: /keys/security.gpg\n";

    #[test]
    fn backports_come_from_the_systems_own_mirror_and_keys() {
        let other =
            "Types: deb\nURIs: https://deb.nodesource.com/node_20.x\nSuites: nodistro\n".to_owned();
        assert_eq!(
            backports_source(&[other, DEBIAN_SOURCES.to_owned()], "bookworm"),
            "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm-backports\n\
             Components: main\nSigned-By: /keys/debian.gpg\n"
        );
    }

    #[test]
    fn without_a_deb822_source_debians_default_is_used() {
        let list = "deb http://deb.debian.org/debian bookworm main\n".to_owned();
        let text = backports_source(&[list], "bookworm");
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
    fn the_kernel_behind_the_metapackage_is_found() {
        let text = "linux-image-amd64\n  Depends: linux-image-6.1.0-56-amd64\n  Conflicts: x\n";
        assert_eq!(
            dependency(text, "linux-image-").as_deref(),
            Some("linux-image-6.1.0-56-amd64")
        );
        assert_eq!(dependency("linux-image-amd64\n", "linux-image-"), None);
    }
}

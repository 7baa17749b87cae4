//! Debian's package manager: the system's, used as root or through sudo, and one of
//! our own below `build/`, which only downloads and needs no rights.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};

use super::run;
use super::sources::{Release, Sources};
use crate::workspace::Workspace;

/// Is the package installed?
pub(super) fn installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .output()
        .is_ok_and(|output| output.stdout == b"installed")
}

/// The system's apt. Its package lists are fetched at most once.
#[derive(Default)]
pub(super) struct Apt {
    lists_fetched: bool,
}

impl Apt {
    /// Installs packages, from the given suite when one is named.
    pub(super) fn install(&mut self, packages: &[&str], suite: Option<&str>) -> Result<()> {
        if !self.lists_fetched {
            run(as_root("apt-get")?.args(["update", "--quiet"]))?;
            self.lists_fetched = true;
        }
        let mut command = as_root("apt-get")?;
        command.args(["install", "--yes", "--quiet", "--no-install-recommends"]);
        if let Some(suite) = suite {
            command.args(["--target-release", suite]);
        }
        run(command.args(packages))
    }

    /// Adds Debian's backports suite, from the same server and with the same keys
    /// as the suites that the system already uses.
    pub(super) fn add_backports(&mut self, release: &Release) -> Result<()> {
        let suite = format!("{}-backports", release.codename);
        let known = Sources::of_this_system()?;
        if known.mention(&suite) {
            return Ok(());
        }
        let text = known.backports(&release.codename);
        let target = Path::new(Sources::DIR).join(format!("{suite}.sources"));
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
}

/// A command that runs with root's rights.
fn as_root(program: &str) -> Result<Command> {
    let runs = |program: &str| {
        Command::new(program)
            .arg("--version")
            .output()
            .is_ok_and(|output| output.status.success())
    };
    let mut command = if is_root() {
        Command::new(program)
    } else if runs("sudo") {
        let mut sudo = Command::new("sudo");
        sudo.arg("--").arg(program);
        sudo
    } else {
        bail!("`{program}` needs root: run this as root once, or install sudo")
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    Ok(command)
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// An apt that knows only the release of the peers, keeps all its state below
/// `build/apt/`, and downloads without installing.
pub(super) struct PeerArchive {
    options: Vec<String>,
}

impl PeerArchive {
    /// Fetches the package lists.
    pub(super) fn open(workspace: &Workspace) -> Result<Self> {
        let dir = workspace.build().join("apt");
        for part in ["sources", "state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(dir.join(part))?;
        }
        let release = Release::of_this_system()?;
        let text = Sources::of_this_system()?.peers(&release.codename);
        fs::write(dir.join("sources/peers.sources"), text)?;
        fs::write(dir.join("state/status"), "")?;
        let path = |part: &str| dir.join(part).display().to_string();
        let settings = [
            "Dir::Etc::SourceList=/dev/null".to_owned(),
            format!("Dir::Etc::SourceParts={}", path("sources")),
            format!("Dir::State={}", path("state")),
            // No package is installed as far as this apt knows: a newer one would win.
            format!("Dir::State::Status={}", path("state/status")),
            format!("Dir::Cache={}", path("cache")),
            "Acquire::Languages=none".to_owned(),
            // As root, apt warns that its unprivileged user cannot write here.
            "APT::Sandbox::User=root".to_owned(),
        ];
        let archive = Self {
            options: settings
                .into_iter()
                .flat_map(|one| ["--option".into(), one])
                .collect(),
        };
        run(archive.command("apt-get").args(["update", "--quiet"]))?;
        Ok(archive)
    }

    /// Downloads a package into `dir`, a directory that holds nothing else, and
    /// returns the file.
    pub(super) fn download(&self, package: &str, dir: &Path) -> Result<PathBuf> {
        run(self
            .command("apt-get")
            .args(["download", "--quiet", package])
            .current_dir(dir))?;
        let mut files = fs::read_dir(dir)?
            .filter_map(Result::ok)
            .map(|entry| entry.path());
        files
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .with_context(|| format!("apt-get downloaded no {package}"))
    }

    /// The package that a metapackage stands for: its first dependency that begins
    /// with `prefix`.
    pub(super) fn first_dependency(&self, package: &str, prefix: &str) -> Result<String> {
        let output = self
            .command("apt-cache")
            .args(["depends", package])
            .output()?;
        ensure!(
            output.status.success(),
            "no package {package} in {:?}",
            self.options
        );
        dependency(&String::from_utf8_lossy(&output.stdout), prefix)
            .with_context(|| format!("{package} depends on no {prefix}*"))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(&self.options).env("LC_ALL", "C");
        command
    }
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

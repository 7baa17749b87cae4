//! Builds the bare-metal images, and packs the ramdisks they boot with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cpio::Archive;
use crate::setup::TARGET;
use crate::workspace::Workspace;

/// The packages that hold images.
const PACKAGES: [&str; 5] = [
    HYPERVISOR_PACKAGE,
    "guest-kernel",
    "guest-user",
    "dom0-services",
    "xl",
];
const HYPERVISOR_PACKAGE: &str = "hypervisor";
const HYPERVISOR: &str = "paravane";
const GUEST_KERNEL: &str = "guest-kernel";
const TOOLSTACK: &str = "xl";
/// Programs that only dom0 has.
const SERVICES: [&str; 8] = [
    "xenstored",
    "xenconsoled",
    "blkback",
    "netback",
    "pciback",
    "storecheck",
    "killer",
    "census",
];
/// The first program of a driver domain, and what it starts: the same back ends as dom0's.
const DRIVER: &str = "driver";
const BACK_ENDS: [&str; 2] = ["blkback", "netback"];
/// Programs that only guests with a ramdisk of their own have, for they are large.
const NETWORK: &str = "net";

/// The images, stripped of symbols; their unstripped originals are cargo's.
#[derive(Clone, Debug, Default)]
pub struct Images {
    /// The hypervisor.
    pub hypervisor: PathBuf,
    /// The guest kernel: dom0 and every other guest of ours.
    pub guest_kernel: PathBuf,
    /// dom0's toolstack, which is also its shell.
    pub toolstack: PathBuf,
    /// dom0's services and what checks them, by name.
    pub services: BTreeMap<String, PathBuf>,
    /// The first program of a driver domain.
    pub driver: PathBuf,
    /// The program with TCP/IP.
    pub network: PathBuf,
    /// Small programs, by name.
    pub programs: BTreeMap<String, PathBuf>,
    /// The hypervisor with its symbols, for a debugger.
    pub hypervisor_symbols: PathBuf,
    /// The guest kernel with its symbols.
    pub guest_kernel_symbols: PathBuf,
    root: PathBuf,
}

/// A user's files for dom0, by their paths in its `/store`.
pub type Store = BTreeMap<String, Vec<u8>>;

/// Reads a folder with all that is below it.
///
/// # Errors
/// Something in it cannot be read, or has a name that is not UTF-8.
pub fn read_store(dir: &Path) -> Result<Store> {
    let mut store = Store::new();
    let mut below = vec![dir.to_owned()];
    while let Some(folder) = below.pop() {
        let entries = fs::read_dir(&folder);
        for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                below.push(path);
                continue;
            }
            let name = path.strip_prefix(dir)?.to_str();
            let name = name.with_context(|| format!("{} is not UTF-8", path.display()))?;
            let content = fs::read(&path);
            let content = content.with_context(|| format!("cannot read {}", path.display()))?;
            store.insert(name.to_owned(), content);
        }
    }
    Ok(store)
}

/// Builds everything that boots; cargo's progress goes to the terminal.
///
/// # Errors
/// Something does not compile.
pub fn build(workspace: &Workspace) -> Result<Images> {
    let mut built = compile(workspace)?;
    let dir = workspace.target().join("images");
    fs::create_dir_all(&dir)?;
    let mut take = |name: &str| -> Result<PathBuf> {
        let path = built
            .remove(name)
            .with_context(|| format!("cargo built no image `{name}`"))?;
        strip(&path, &dir.join(name))
    };
    let (hypervisor, guest_kernel, toolstack) =
        (take(HYPERVISOR)?, take(GUEST_KERNEL)?, take(TOOLSTACK)?);
    let services = SERVICES
        .iter()
        .map(|name| Ok((String::from(*name), take(name)?)))
        .collect::<Result<_>>()?;
    let (driver, network) = (take(DRIVER)?, take(NETWORK)?);
    let programs = built
        .into_iter()
        .map(|(name, path)| Ok((name.clone(), strip(&path, &dir.join(&name))?)))
        .collect::<Result<_>>()?;
    Ok(Images {
        hypervisor,
        guest_kernel,
        toolstack,
        services,
        driver,
        network,
        programs,
        hypervisor_symbols: unstripped(workspace, HYPERVISOR),
        guest_kernel_symbols: unstripped(workspace, GUEST_KERNEL),
        root: workspace.root().to_owned(),
    })
}

/// An image as cargo makes it.
fn unstripped(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.target().join(TARGET).join("release").join(name)
}

/// The hypervisor that notes how long it keeps interrupts off, in an output directory of its own.
///
/// # Errors
/// It does not compile.
pub fn build_noting_stretches(workspace: &Workspace, to: &Path) -> Result<PathBuf> {
    let mut command = cargo_build(workspace, &[HYPERVISOR_PACKAGE]);
    command
        .args(["--features", "stretches", "--target-dir"])
        .arg(workspace.target().join("stretches"));
    let built = executables_of(command)?;
    let image = built.get(HYPERVISOR);
    strip(image.context("cargo built no hypervisor")?, to)
}

impl Images {
    /// No images yet, of the source tree at `root`.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            ..Self::default()
        }
    }

    /// dom0's ramdisk: the toolstack as `/bin/xl` and `/bin/sh`, the services, the small programs,
    /// the guests' configuration files, kernel and ramdisk, a script when given, and the
    /// user's own files in `/store`.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn dom0_ramdisk(&self, script: Option<&str>, store: &Store) -> Result<Vec<u8>> {
        let mut archive = Archive::new();
        archive.directory("bin")?;
        let toolstack = fs::read(&self.toolstack)?;
        archive
            .file("bin/xl", 0o755, &toolstack)?
            .file("bin/sh", 0o755, &toolstack)?;
        add_programs(&mut archive, &self.services)?;
        add_programs(&mut archive, &self.programs)?;
        archive.directory("boot")?;
        archive.file("boot/guest-kernel", 0o644, &fs::read(&self.guest_kernel)?)?;
        archive.file("boot/guest.cpio", 0o644, &self.guest_ramdisk()?)?;
        archive.directory("etc")?.directory("etc/xen")?;
        for (name, content) in self.configurations()? {
            archive.file(&format!("etc/xen/{name}"), 0o644, &content)?;
        }
        if let Some(script) = script {
            archive.file("etc/script", 0o644, script.as_bytes())?;
        }
        archive.directory("store")?;
        for (name, content) in store {
            archive.file(&format!("store/{name}"), 0o644, content)?;
        }
        archive.finish()
    }

    /// The ramdisk of the other guests: the small programs.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn guest_ramdisk(&self) -> Result<Vec<u8>> {
        let mut archive = Archive::new();
        archive.directory("bin")?;
        add_programs(&mut archive, &self.programs)?;
        archive.finish()
    }

    /// The ramdisk of a driver domain: dom0's own back ends, and what starts them.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn driver_ramdisk(&self) -> Result<Vec<u8>> {
        let mut archive = Archive::new();
        archive.directory("bin")?;
        archive.file("bin/driver", 0o755, &fs::read(&self.driver)?)?;
        let mut back_ends = self.services.clone();
        back_ends.retain(|name, _| BACK_ENDS.contains(&&**name));
        add_programs(&mut archive, &back_ends)?;
        archive.finish()
    }

    /// A ramdisk with nothing but the program that has TCP/IP.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn network_ramdisk(&self) -> Result<Vec<u8>> {
        let mut archive = Archive::new();
        archive.directory("bin")?;
        archive.file("bin/net", 0o755, &fs::read(&self.network)?)?;
        archive.finish()
    }

    /// What processes run, by name, with symbols.
    #[must_use]
    pub fn programs_with_symbols(&self) -> Vec<(String, PathBuf)> {
        let services = self.services.keys().map(String::as_str);
        let programs = self.programs.keys().map(String::as_str);
        let names = services.chain(programs).chain([NETWORK, TOOLSTACK]);
        let original = |stripped: &Path| {
            let target = stripped.parent().and_then(Path::parent);
            target.map(|target| target.join(TARGET).join("release"))
        };
        let dir = original(&self.network).unwrap_or_default();
        names
            .map(|name| (name.to_owned(), dir.join(name)))
            .collect()
    }

    /// The guests' configuration files, sorted by name.
    fn configurations(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let dir = self.root.join("dom0-tools/etc");
        let entries =
            fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))?;
        entries
            .map(|entry| {
                let entry = entry?;
                Ok((
                    entry.file_name().to_string_lossy().into_owned(),
                    fs::read(entry.path())?,
                ))
            })
            .collect()
    }
}

fn add_programs(archive: &mut Archive, programs: &BTreeMap<String, PathBuf>) -> Result<()> {
    for (name, path) in programs {
        archive.file(&format!("bin/{name}"), 0o755, &fs::read(path)?)?;
    }
    Ok(())
}

/// Compiles the packages; returns the executables by name.
fn compile(workspace: &Workspace) -> Result<BTreeMap<String, PathBuf>> {
    executables_of(cargo_build(workspace, &PACKAGES))
}

/// The build of some packages for the bare machine.
fn cargo_build(workspace: &Workspace, packages: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(workspace.root())
        .args([
            "build",
            "--release",
            "--target",
            TARGET,
            "--message-format=json-render-diagnostics",
        ])
        .args(packages.iter().flat_map(|package| ["--package", package]))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    command
}

/// Runs a build; the executables by name.
fn executables_of(mut command: Command) -> Result<BTreeMap<String, PathBuf>> {
    let output = command.output().context("cannot run cargo")?;
    ensure!(output.status.success(), "the images do not compile");
    Ok(executables(&String::from_utf8_lossy(&output.stdout)))
}

/// The executables that cargo's messages name.
fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    let artifacts = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    artifacts
        .filter_map(|message| {
            let path = message.get("executable")?.as_str()?;
            let name = message.get("target")?.get("name")?.as_str()?;
            Some((name.to_owned(), PathBuf::from(path)))
        })
        .collect()
}

/// Strips symbols and debug information, which would travel into every ramdisk.
fn strip(from: &Path, to: &Path) -> Result<PathBuf> {
    let status = Command::new("strip")
        .arg("--strip-all")
        .arg("-o")
        .arg(to)
        .arg(from)
        .status();
    let status =
        status.context("cannot run strip (package binutils, which every C linker comes with)")?;
    ensure!(status.success(), "strip {}: {status}", from.display());
    Ok(to.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_picked_from_cargos_messages() {
        let messages = "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"log\"},\"executable\":null}\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"paravane\"},\"executable\":\"/t/paravane\"}\n\
            not json\n{\"reason\":\"build-finished\",\"success\":true}\n";
        let found = executables(messages);
        assert_eq!(found.len(), 1);
        assert_eq!(found["paravane"], Path::new("/t/paravane"));
    }
}

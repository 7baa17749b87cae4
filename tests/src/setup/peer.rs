//! Packages of Debian 12 that the lab uses but never installs: downloaded, unpacked
//! below `build/peers/`, and used from there, whatever release this system has.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use anyhow::{Context, Result, ensure};

use super::apt::PeerArchive;
use super::run;
use crate::workspace::Workspace;

/// A package to unpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The hypervisor whose interface Paravane implements.
    Xen,
    /// Debian's stock kernel.
    Linux,
    /// The user space of the Linux tests.
    Busybox,
    /// GRUB as a paravirtual guest.
    Grub,
    /// The public headers.
    Headers,
}

/// The release of Xen that Paravane reports and is compared with.
pub const XEN_RELEASE: &str = "4.17";

impl Peer {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Xen,
        Self::Linux,
        Self::Busybox,
        Self::Grub,
        Self::Headers,
    ];

    /// The package's name; for Linux the metapackage that depends on the current one.
    #[must_use]
    pub fn package(self) -> &'static str {
        match self {
            Self::Xen => "xen-hypervisor-4.17-amd64",
            Self::Linux => "linux-image-amd64",
            Self::Busybox => "busybox-static",
            Self::Grub => "grub-xen-host",
            Self::Headers => "libxen-dev",
        }
    }

    /// What it is for, after its name.
    #[must_use]
    pub fn describe(self) -> String {
        let why = match self {
            Self::Xen => "the oracle: the same guest runs on it and on Paravane",
            Self::Linux => "booted as dom0",
            Self::Busybox => "the user space of the Linux dom0",
            Self::Grub => "booted as a guest",
            Self::Headers => "what hypercall-abi is compared with",
        };
        format!("{} ({why})", self.package())
    }

    /// The directory and the beginning of the name of the one file that is used.
    fn wanted(self) -> (&'static str, &'static str) {
        match self {
            Self::Xen => ("boot", "xen-4.17-amd64.gz"),
            Self::Linux => ("boot", "vmlinuz-"),
            Self::Busybox => ("bin", "busybox"),
            Self::Grub => ("usr/lib/grub-xen", "grub-x86_64-xen.bin"),
            Self::Headers => ("usr/include", "xen"),
        }
    }

    fn dir(self, workspace: &Workspace) -> PathBuf {
        workspace.build().join("peers").join(self.package())
    }

    /// Is it downloaded and unpacked?
    #[must_use]
    pub fn present(self, workspace: &Workspace) -> bool {
        self.find(workspace).is_ok()
            && (self != Self::Linux
                || Self::linux_modules(workspace).is_ok()
                    && Self::linux_netfront(workspace).is_ok()
                    && Self::linux_blkfront(workspace).is_ok())
    }

    /// Linux's drivers of a virtio disk, in the order in which they are loaded.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn linux_modules(workspace: &Workspace) -> Result<Vec<PathBuf>> {
        let files = [
            "virtio/virtio_ring.ko",
            "virtio/virtio.ko",
            "virtio/virtio_pci_modern_dev.ko",
            "virtio/virtio_pci_legacy_dev.ko",
            "virtio/virtio_pci.ko",
            "block/virtio_blk.ko",
        ];
        Self::linux_drivers(workspace, &files)
    }

    /// Linux's front end of a network interface.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn linux_netfront(workspace: &Workspace) -> Result<Vec<PathBuf>> {
        Self::linux_drivers(workspace, &["net/xen-netfront.ko"])
    }

    /// Linux's front end of a disk.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn linux_blkfront(workspace: &Workspace) -> Result<Vec<PathBuf>> {
        Self::linux_drivers(workspace, &["block/xen-blkfront.ko"])
    }

    fn linux_drivers(workspace: &Workspace, files: &[&str]) -> Result<Vec<PathBuf>> {
        let tree = Self::Linux.dir(workspace).join("tree");
        let lib = [tree.join("lib/modules"), tree.join("usr/lib/modules")];
        let version = lib.iter().find_map(|dir| find_prefixed(dir, ""));
        let drivers = version
            .with_context(|| format!("the modules of Debian's {} are not here; `cargo xtask setup` tries to download it", Self::Linux.describe()))?
            .join("kernel/drivers");
        let files: Vec<PathBuf> = files.iter().map(|name| drivers.join(name)).collect();
        if let Some(missing) = files.iter().find(|file| !file.exists()) {
            anyhow::bail!("no {}", missing.display());
        }
        Ok(files)
    }

    /// The file that is used: a bootable image or a program; of the headers, their
    /// directory.
    ///
    /// # Errors
    /// It is not there; the message says how to get it.
    pub fn find(self, workspace: &Workspace) -> Result<PathBuf> {
        let (dir, prefix) = self.wanted();
        let tree = self.dir(workspace).join("tree");
        // Debian 13 has what was in /bin in /usr/bin.
        let found = [tree.join(dir), tree.join("usr").join(dir)]
            .iter()
            .find_map(|dir| find_prefixed(dir, prefix));
        found.with_context(|| {
            format!(
                "Debian's {} is not here; `cargo xtask setup` tries to download it",
                self.describe()
            )
        })
    }

    /// The version of the unpacked package, as recorded when it was downloaded.
    ///
    /// # Errors
    /// It is not there.
    pub fn version(self, workspace: &Workspace) -> Result<String> {
        let stamp = self.dir(workspace).join("version");
        Ok(fs::read_to_string(&stamp)
            .with_context(|| format!("no {}", stamp.display()))?
            .trim()
            .to_owned())
    }

    /// Downloads and unpacks it.
    pub(super) fn fetch(self, workspace: &Workspace, archive: &PeerArchive) -> Result<()> {
        let dir = self.dir(workspace);
        remove(&dir)?;
        let draft = workspace
            .build()
            .join("peers")
            .join(format!("{}.part", self.package()));
        remove(&draft)?;
        fs::create_dir_all(&draft)?;
        let package = match self {
            Self::Linux => archive.first_dependency(self.package(), "linux-image-")?,
            _ => self.package().to_owned(),
        };
        let deb = archive.download(&package, &draft)?;
        let version = version_of(&deb)?;
        if matches!(self, Self::Xen | Self::Headers) {
            ensure!(
                version.starts_with(XEN_RELEASE),
                "{package} is {version}, not {XEN_RELEASE}"
            );
        }
        unpack(&deb, &draft.join("tree"), self)?;
        fs::write(draft.join("version"), format!("{package} {version}\n"))?;
        fs::remove_file(&deb)?;
        // Complete or absent: an interrupted download is never taken for a whole one.
        fs::rename(&draft, &dir)?;
        self.find(workspace).map(drop)
    }
}

fn version_of(deb: &Path) -> Result<String> {
    let output = Command::new("dpkg-deb")
        .arg("--field")
        .arg(deb)
        .arg("Version")
        .output()?;
    ensure!(
        output.status.success(),
        "{} is not a Debian package",
        deb.display()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Unpacks only what is used: of the kernel package that is a tenth.
fn unpack(deb: &Path, tree: &Path, peer: Peer) -> Result<()> {
    if peer == Peer::Linux {
        let script = "set -o pipefail; mkdir -p \"$2\"; dpkg-deb --fsys-tarfile \"$1\" | \
            tar -x -C \"$2\" --wildcards ./boot '*/virtio*.ko' '*/xen-netfront.ko' '*/xen-blkfront.ko'";
        return run(Command::new("bash")
            .args(["-c", script, "unpack"])
            .arg(deb)
            .arg(tree));
    }
    run(Command::new("dpkg-deb").arg("--extract").arg(deb).arg(tree))
}

fn find_prefixed(dir: &Path, prefix: &str) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .ok()?
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found.pop()
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

//! What the lab needs from the system, and getting what is missing: nothing is
//! touched that is already there.

pub mod apt;
pub mod peer;
mod qemu;
mod sources;

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

pub use peer::Peer;
pub use qemu::version as qemu_version;

use crate::workspace::Workspace;

/// The bare-metal target of the images.
pub const TARGET: &str = "x86_64-unknown-none";

/// Debian packages that `cargo xtask test` uses, and what for.
const PACKAGES: [(&str, &str); 7] = [
    ("e2fsprogs", "makes the disk that GRUB boots from"),
    ("gcc", "compiles the C probes of hypercall-abi"),
    ("libc6-dev", "compiles the C probes of hypercall-abi"),
    ("grub-common", "makes the boot CD of the multiboot 2 test"),
    ("grub-pc-bin", "makes the boot CD of the multiboot 2 test"),
    ("xorriso", "makes the boot CD of the multiboot 2 test"),
    ("mtools", "makes the boot CD of the multiboot 2 test"),
];

/// How much of the lab is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// QEMU and the Rust target: enough to build and run.
    Run,
    /// Also Debian's Xen, without installing it: enough for the oracle.
    Oracle,
    /// Everything.
    Test,
}

/// Something that is missing.
enum Missing {
    RustTarget,
    Qemu(qemu::Found),
    Packages(Vec<&'static str>),
    Peer(Peer),
}

impl Missing {
    fn describe(&self) -> String {
        match self {
            Self::RustTarget => format!("Rust target {TARGET} (rustup)"),
            Self::Qemu(found) => format!("QEMU {} or newer (apt; {found})", qemu::REQUIRED),
            Self::Packages(names) => {
                let why = |name: &str| {
                    PACKAGES
                        .iter()
                        .find(|known| known.0 == name)
                        .map_or("", |known| known.1)
                };
                let each: Vec<_> = names
                    .iter()
                    .map(|name| format!("{name} ({})", why(name)))
                    .collect();
                format!("Debian packages, installed: {}", each.join(", "))
            }
            Self::Peer(peer) => format!(
                "Debian 12 package, downloaded and unpacked only: {}",
                peer.describe()
            ),
        }
    }

    fn provide(&self, workspace: &Workspace, session: &mut Session) -> Result<()> {
        match self {
            Self::RustTarget => add_rust_target(),
            Self::Qemu(_) => qemu::install(&mut session.apt),
            Self::Packages(names) => session.apt.install(names, None),
            Self::Peer(peer) => peer.fetch(workspace, session.peers(workspace)?),
        }
    }
}

/// What setting things up shares between its steps.
#[derive(Default)]
struct Session {
    apt: apt::Apt,
    peers: Option<apt::PeerArchive>,
}

impl Session {
    fn peers(&mut self, workspace: &Workspace) -> Result<&apt::PeerArchive> {
        match &mut self.peers {
            Some(archive) => Ok(archive),
            none => Ok(none.insert(apt::PeerArchive::open(workspace)?)),
        }
    }
}

/// Says what is missing and sets it up.
///
/// # Errors
/// Something cannot be had: the message says what and why.
pub fn ensure_ready(workspace: &Workspace, scope: Scope) -> Result<()> {
    let missing = survey(workspace, scope)?;
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("Setting up what is missing:");
    for one in &missing {
        eprintln!("  - {}", one.describe());
    }
    let mut session = Session::default();
    for one in &missing {
        let provided = one.provide(workspace, &mut session);
        provided.with_context(|| format!("cannot set up: {}", one.describe()))?;
    }
    Ok(())
}

fn survey(workspace: &Workspace, scope: Scope) -> Result<Vec<Missing>> {
    let mut missing = Vec::new();
    if !rust_target_present()? {
        missing.push(Missing::RustTarget);
    }
    let found = qemu::find();
    if !found.suffices() {
        missing.push(Missing::Qemu(found));
    }
    if scope == Scope::Test {
        let packages: Vec<_> = PACKAGES
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| !apt::installed(name))
            .collect();
        if !packages.is_empty() {
            missing.push(Missing::Packages(packages));
        }
    }
    let peers: &[Peer] = match scope {
        Scope::Run => &[],
        Scope::Oracle => &[Peer::Xen],
        Scope::Test => &Peer::ALL,
    };
    missing.extend(
        peers
            .iter()
            .filter(|peer| !peer.present(workspace))
            .map(|peer| Missing::Peer(*peer)),
    );
    Ok(missing)
}

fn rust_target_present() -> Result<bool> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .context("cannot run rustc")?;
    let directory = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output.status.success() && Path::new(&directory).is_dir())
}

fn add_rust_target() -> Result<()> {
    run(Command::new("rustup").args(["target", "add", TARGET]))
}

/// Runs a command with its output on the terminal and its input closed.
fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}

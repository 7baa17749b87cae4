//! The plugin, built from its source in C with the compiler that is there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};

use crate::workspace::Workspace;

/// Builds the plugin into cargo's output directory.
///
/// # Errors
/// There is no C compiler, or it refuses.
pub fn build(workspace: &Workspace) -> Result<PathBuf> {
    let dir = workspace.target().join("plugin");
    fs::create_dir_all(&dir)?;
    let library = dir.join("counts.so");
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let status = Command::new(&compiler)
        .args([
            "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o",
        ])
        .arg(&library)
        .arg(workspace.root().join("tests/plugin/counts.c"))
        .status();
    let status = status.with_context(|| format!("cannot run {}", compiler.display()))?;
    ensure!(status.success(), "the plugin does not compile");
    Ok(library)
}

/// What the plugin counts besides the sums of operations.
#[derive(Clone, Copy, Debug)]
pub enum Besides {
    /// Nothing.
    Nothing,
    /// The instructions of the operation with this number.
    Profile(usize),
    /// All instructions in windows by party; the kernels of domains are told apart by the word at this
    /// virtual address.
    Parties(u64),
}

/// QEMU's arguments for the plugin, which writes to `out`.
#[must_use]
pub fn arguments(library: &Path, out: &Path, besides: Besides) -> Vec<String> {
    let escape = |path: &Path| path.display().to_string().replace(',', ",,");
    let mut value = format!("{},out={}", escape(library), escape(out));
    match besides {
        Besides::Nothing => {}
        Besides::Profile(number) => value += &format!(",profile={number}"),
        Besides::Parties(word) => value += &format!(",parties={word:x}"),
    }
    vec!["-plugin".into(), value]
}

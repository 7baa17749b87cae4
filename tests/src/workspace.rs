//! Where things are: the source tree, cargo's output, downloaded peers and logs.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs, io, process};

/// Log directories of earlier runs that are kept.
const RUNS_KEPT: usize = 10;

/// The directories that the lab reads and writes.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// The workspace this crate was compiled in; cargo's output directory is
    /// `CARGO_TARGET_DIR` when set, else `target/`.
    #[must_use]
    pub fn locate() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .map_or_else(PathBuf::new, Path::to_owned);
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root.join("target"), |dir| root.join(dir));
        Self { root, target }
    }

    /// The top of the source tree.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's output directory.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Downloads, packed ramdisks and logs (not under version control).
    #[must_use]
    pub fn build(&self) -> PathBuf {
        self.root.join("build")
    }

    /// Makes a fresh directory for the logs of one run, points `build/logs/latest`
    /// at it, and removes the oldest runs.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn new_log_dir(&self, command: &str) -> io::Result<PathBuf> {
        let logs = self.build().join("logs");
        fs::create_dir_all(&logs)?;
        prune(&logs)?;
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let name = format!("{seconds}-{command}-{}", process::id());
        let dir = logs.join(&name);
        fs::create_dir_all(&dir)?;
        let latest = logs.join("latest");
        // A missing link is the first run; a link that two runs race for may be either's.
        let _ = fs::remove_file(&latest);
        let _ = std::os::unix::fs::symlink(&name, &latest);
        Ok(dir)
    }
}

/// Removes all but the newest log directories; their names start with the time.
fn prune(logs: &Path) -> io::Result<()> {
    let mut runs: Vec<PathBuf> = fs::read_dir(logs)?
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    runs.sort();
    let excess = runs.len().saturating_sub(RUNS_KEPT - 1);
    for old in runs.drain(..excess) {
        fs::remove_dir_all(old)?;
    }
    Ok(())
}

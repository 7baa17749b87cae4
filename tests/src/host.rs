//! The tests that run on the host: `cargo test` of everything but the images without a library.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fmt, io};

use anyhow::{Context, Result};

use crate::coverage::{self, Counter};
use crate::setup::Peer;
use crate::workspace::Workspace;

/// How the host tests ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed, or 1 when they do not compile or the count is not known.
    pub failed: usize,
    /// Where the whole output is.
    pub log: PathBuf,
}

/// Runs the host tests of all crates but the core; shows cargo's progress and the summary of each.
///
/// # Errors
/// Cargo cannot be started, the log not written, or Xen's headers are missing.
pub fn run(workspace: &Workspace, dir: &Path) -> Result<Outcome> {
    let arguments = "test --no-fail-fast --workspace --exclude hypervisor --exclude xl --exclude dom0-services \
        --exclude hypervisor-core";
    cargo(workspace, &dir.join("host-tests.log"), arguments, |_| ())
}

/// Runs the core's host tests, and counts which of its lines they run; too few count as a test that
/// failed.
///
/// # Errors
/// As [`run`]; a tool that counts is missing.
pub fn core(workspace: &Workspace, dir: &Path) -> Result<Outcome> {
    let counter = Counter::new(workspace)?;
    let arguments = "test --no-fail-fast --package hypervisor-core";
    let count = |cargo: &mut Command| counter.count(cargo);
    let mut outcome = cargo(workspace, &dir.join("core-tests.log"), arguments, count)?;
    if outcome.failed == 0 && !coverage::print_shares(&counter.files_of_tests(workspace)?) {
        outcome.failed = 1;
    }
    Ok(outcome)
}

/// Runs ten million random memory operations against the core's reference model, in an optimised
/// build with all checks; shows what was done and how fast.
///
/// # Errors
/// As [`run`].
pub fn traces(workspace: &Workspace, dir: &Path) -> Result<Outcome> {
    let arguments = "test --profile checked -p hypervisor-core --test traces \
        -- --ignored --exact long --nocapture";
    cargo(workspace, &dir.join("traces.log"), arguments, |_| ())
}

fn cargo(
    workspace: &Workspace,
    log: &Path,
    arguments: &str,
    prepare: impl FnOnce(&mut Command),
) -> Result<Outcome> {
    let mut file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let headers = Peer::Headers.find(workspace)?;
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    prepare(&mut command);
    let mut child = command
        .env("XEN_HEADERS", headers.parent().unwrap_or(&headers))
        .current_dir(workspace.root())
        .args(arguments.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo test")?;
    let mut outcome = Outcome {
        log: log.to_owned(),
        ..Outcome::default()
    };
    if let Some(output) = child.stdout.take() {
        outcome.read(BufReader::new(output), &mut file)?;
    }
    if !child.wait()?.success() && outcome.failed == 0 {
        outcome.failed = 1;
    }
    Ok(outcome)
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (passed, failed, log) = (self.passed, self.failed, self.log.display());
        write!(f, "{passed} passed, {failed} failed; log: {log}")
    }
}

impl Outcome {
    fn read(&mut self, output: impl BufRead, log: &mut impl Write) -> io::Result<()> {
        for line in output.split(b'\n') {
            let line = line?;
            log.write_all(&line)?;
            log.write_all(b"\n")?;
            let text = String::from_utf8_lossy(&line);
            if let Some((passed, failed)) = summary(&text) {
                self.passed += passed;
                self.failed += failed;
            }
            if text.ends_with("... FAILED") || text.starts_with("test result: FAILED") {
                eprintln!("{text}");
            }
            if let Some(told) = text.strip_prefix("TRACE ") {
                println!("  {told}");
            }
        }
        Ok(())
    }
}

/// The counts in libtest's `test result: ok. 5 passed; 0 failed; …`.
fn summary(line: &str) -> Option<(usize, usize)> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |name: &str| -> Option<usize> {
        counts
            .split("; ")
            .find_map(|part| part.strip_suffix(name)?.trim().parse().ok())
    };
    Some((count("passed")?, count("failed")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_all_crates_are_added() {
        let text = "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\
            test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\n";
        let mut outcome = Outcome::default();
        let mut log = Vec::new();
        outcome.read(text.as_bytes(), &mut log).unwrap();
        assert_eq!((outcome.passed, outcome.failed), (6, 1));
        assert_eq!(log, text.as_bytes());
    }
}

//! `cargo xtask mutants`: puts one mistake after the other into a copy of the hypervisor's core, or of
//! the toolstack's library, and requires that the tests notice each.
//!
//! A seed is a text of the source that occurs exactly once, and what stands there instead. A seed
//! that no longer applies fails too; a test of this crate says so before that.

mod back_ends;
mod hypervisor;
mod tools;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// The promises that a seed breaks; the first eight are the invariants that hold after every
/// operation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Invariant {
    /// Every frame has exactly one owner or is free.
    OneOwner,
    /// The type count is the number of entries and pins that use it.
    TypeCount,
    /// No frame is at once writable and a table or descriptor page, in any TLB either.
    WritableOrTable,
    /// The reference count is the number of mappings, pins and roots.
    References,
    /// Nothing refers to a free frame.
    FreeIsUnused,
    /// Ports pair symmetrically.
    PortsPair,
    /// Owned frames, free frames and the hypervisor's are all frames.
    Sum,
    /// No guest reaches a frame of the hypervisor's.
    HypervisorUnreachable,
    /// Who may do what; whose data is whose.
    Guard,
    /// Nobody has more than his share.
    Bounded,
}

/// The narrowest tests that must notice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tests {
    /// Those inside the crate whose names contain this.
    Unit(&'static str),
    /// The fault injection's whose names contain this.
    Faults(&'static str),
    /// The scheduler's on many CPUs whose names contain this.
    Schedule(&'static str),
    /// The random traces' whose names contain this.
    Traces(&'static str),
    /// That of the orders in which the model check believes.
    Order,
    /// A target of the toolstack's library.
    Tools(&'static str),
}

impl Tests {
    /// The crate that they test, and where its sources are.
    fn of(self) -> (&'static str, &'static str) {
        match self {
            Self::Tools(_) => ("dom0-tools", "dom0-tools/src"),
            _ => ("hypervisor-core", "hypervisor/core/src"),
        }
    }

    fn arguments(self) -> [&'static str; 3] {
        match self {
            Self::Unit(filter) => ["--lib", "--", filter],
            Self::Faults(filter) => ["--test=faults", "--", filter],
            Self::Schedule(filter) => ["--test=schedule", "--", filter],
            Self::Traces(filter) => ["--test=traces", "--", filter],
            Self::Order => ["--test=frame_model", "--", "order::"],
            Self::Tools(target) => [target, "--", ""],
        }
    }
}

/// One mistake.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// What is wrong then.
    pub name: &'static str,
    /// The file, below the sources of the crate that is tested.
    pub file: &'static str,
    /// The promise that it breaks.
    pub breaks: Invariant,
    /// Who must notice.
    pub killed_by: Tests,
    /// The text replaced, which occurs once.
    pub from: &'static str,
    /// What stands there instead.
    pub to: &'static str,
}

const fn seed(
    name: &'static str,
    file: &'static str,
    breaks: Invariant,
    killed_by: Tests,
    (from, to): (&'static str, &'static str),
) -> Mutant {
    Mutant {
        name,
        file,
        breaks,
        killed_by,
        from,
        to,
    }
}

/// A mistake may make a test run for ever; that is noticed as well.
const PATIENCE: Duration = Duration::from_secs(300);

/// All seeds.
fn all() -> impl Iterator<Item = &'static Mutant> {
    let tools = [tools::ALL, back_ends::ALL];
    hypervisor::ALL.into_iter().chain(tools).flatten()
}

impl Mutant {
    fn path(&self, root: &Path) -> PathBuf {
        root.join(self.killed_by.of().1).join(self.file)
    }

    /// The file with the mistake in it.
    ///
    /// # Errors
    /// The file cannot be read, or the text does not occur exactly once.
    fn applied(&self, root: &Path) -> Result<String> {
        let path = self.path(root);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        match text.matches(self.from).count() {
            1 => Ok(text.replacen(self.from, self.to, 1)),
            n => bail!("`{}` occurs {n} times in {}", self.from, self.file),
        }
    }
}

/// How a mutant ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// By this test, or by running for ever.
    Killed(String),
    Survived,
    /// It is no mutant: it does not apply, or does not compile.
    Broken(String),
}

/// Tries the seeds whose names contain one of `only` (all, when empty); whether every one was
/// noticed.
///
/// # Errors
/// The copy cannot be made, or cargo not started.
pub fn run(workspace: &Workspace, only: &[String]) -> Result<bool> {
    let wanted = |m: &&Mutant| only.is_empty() || only.iter().any(|o| m.name.contains(o.as_str()));
    let mutants: Vec<&Mutant> = all().filter(wanted).collect();
    if mutants.is_empty() {
        bail!("no seed is named like that");
    }
    let tree = workspace.target().join("mutants/tree");
    copy(workspace.root(), &tree)?;
    let mut failed = 0;
    for mutant in &mutants {
        let begun = Instant::now();
        let end = try_one(&tree, mutant)?;
        failed += usize::from(!matches!(end, End::Killed(_)));
        let (verdict, what) = match end {
            End::Killed(test) => ("killed", test),
            End::Survived => ("SURVIVED", format!("{:?}", mutant.killed_by)),
            End::Broken(why) => ("BROKEN", why),
        };
        let seconds = begun.elapsed().as_secs();
        println!(
            "{verdict:8} {seconds:4} s  {:50} {:21} {what}",
            mutant.name,
            format!("{:?}", mutant.breaks)
        );
        io::stdout().flush()?;
    }
    println!("{} of {} killed", mutants.len() - failed, mutants.len());
    Ok(failed == 0)
}

fn try_one(tree: &Path, mutant: &Mutant) -> Result<End> {
    let mistaken = match mutant.applied(tree) {
        Ok(text) => text,
        Err(e) => return Ok(End::Broken(format!("{e:#}"))),
    };
    let path = mutant.path(tree);
    let right = fs::read(&path)?;
    fs::write(&path, mistaken)?;
    let end = judge(tree, mutant.killed_by);
    fs::write(&path, right)?;
    end
}

fn judge(tree: &Path, tests: Tests) -> Result<End> {
    let [target, rest @ ..] = tests.arguments();
    let (package, _) = tests.of();
    let built = cargo(tree, package)
        .args([target, "--no-run", "--quiet"])
        .output()?;
    if !built.status.success() {
        let text = String::from_utf8_lossy(&built.stderr);
        let error = text.lines().find(|line| line.starts_with("error"));
        return Ok(End::Broken(error.unwrap_or("does not compile").to_owned()));
    }
    let child = cargo(tree, package)
        .arg(target)
        .args(rest)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (success, output) = watch(child)?;
    Ok(match success {
        Some(true) => End::Survived,
        Some(false) => {
            End::Killed(failed_test(&output).unwrap_or_else(|| "the process ended".into()))
        }
        None => End::Killed("it never ends".into()),
    })
}

fn failed_test(output: &str) -> Option<String> {
    output.lines().find_map(|line| {
        let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
        Some(name.to_owned())
    })
}

/// Waits for a test to end; `None` when it had to be ended.
fn watch(mut child: Child) -> Result<(Option<bool>, String)> {
    let mut pipe = child.stdout.take().context("its output is piped")?;
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = pipe.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait()? {
            let output = reader.join().unwrap_or_default();
            return Ok((Some(status.success()), output));
        }
        if Instant::now() > end {
            // Of cargo's group, which the test program is in.
            let _ = Command::new("kill")
                .args(["--", &format!("-{}", child.id())])
                .status();
            child.wait()?;
            return Ok((None, String::new()));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn cargo(tree: &Path, package: &str) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", tree.with_file_name("target"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_INCREMENTAL", "1")
        .env("PROPTEST_RNG_SEED", "417")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .process_group(0)
        .args(["test", "--package", package]);
    command
}

/// Makes `to` the same tree of sources as `from`; what is the same already keeps its time, so that
/// cargo does not build it again.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let kind = entry.file_type()?;
        if name == ".git"
            || name == "target"
            || name == "build" && kind.is_dir() && from.join(".git").exists()
        {
            continue;
        }
        let (source, copy_to): (PathBuf, PathBuf) = (entry.path(), to.join(&name));
        if kind.is_dir() {
            copy(&source, &copy_to)?;
        } else if kind.is_file() {
            let bytes = fs::read(&source)?;
            if fs::read(&copy_to).ok().as_deref() != Some(&bytes[..]) {
                fs::write(&copy_to, bytes)?;
                fs::set_permissions(&copy_to, fs::metadata(&source)?.permissions())?;
            }
        }
        seen.insert(name);
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if !seen.contains(&entry.file_name()) {
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So that the list cannot rot.
    #[test]
    fn every_seed_applies_exactly_once() {
        let workspace = Workspace::locate();
        let mut names = BTreeSet::new();
        let mut stale = Vec::new();
        for mutant in all() {
            assert!(names.insert(mutant.name), "{} twice", mutant.name);
            assert_ne!(mutant.from, mutant.to, "{}", mutant.name);
            if let Err(e) = mutant.applied(workspace.root()) {
                stale.push(format!("{}: {e:#}", mutant.name));
            }
        }
        assert!(stale.is_empty(), "{}", stale.join("\n"));
        assert!(names.len() >= 40);
    }

    #[test]
    fn every_invariant_is_broken_by_some_seed() {
        let broken: BTreeSet<_> = all().map(|m| m.breaks).collect();
        for invariant in [
            Invariant::OneOwner,
            Invariant::TypeCount,
            Invariant::WritableOrTable,
            Invariant::References,
            Invariant::FreeIsUnused,
            Invariant::PortsPair,
            Invariant::Sum,
            Invariant::HypervisorUnreachable,
        ] {
            assert!(broken.contains(&invariant), "{invariant:?}");
        }
    }

    #[test]
    fn the_failed_test_is_named() {
        let output = "test a ... ok\ntest b::c ... FAILED\n";
        assert_eq!(failed_test(output).as_deref(), Some("b::c"));
        assert_eq!(failed_test("test a ... ok"), None);
    }
}

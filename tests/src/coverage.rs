//! `cargo xtask coverage`: which lines of the hypervisor's core the host tests run, and which not.
//!
//! The compiler counts (`-C instrument-coverage`), the tools of rustup's `llvm-tools` merge and
//! read the counts. Test code is not counted: files and modules of tests, and the fake machine.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::Workspace;

/// The least part of the lines that must run, in percent.
const LEAST: f64 = 95.0;
/// Where the counted sources are.
const CORE: &str = "hypervisor/core/src/";
const PACKAGE: &str = "hypervisor-core";
/// What of it is counted while it is tested.
const TESTS: [&str; 4] = ["--package", PACKAGE, "--lib", "--tests"];
/// What cargo names it by, behind the path of the workspace.
const CORE_PACKAGE: &str = "hypervisor/core#";

/// Lines of one file: its number, and how often each was run.
pub type Lines = BTreeMap<usize, u64>;

/// All files, by their names in the core.
pub type Files = BTreeMap<String, Lines>;

/// Lines run and lines there are.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
struct Share {
    run: usize,
    all: usize,
}

impl Share {
    fn of(lines: &Lines) -> Self {
        Self {
            run: lines.values().filter(|&&count| count > 0).count(),
            all: lines.len(),
        }
    }

    fn add(&mut self, other: Self) {
        self.run += other.run;
        self.all += other.all;
    }

    fn percent(self) -> f64 {
        100.0 * self.run as f64 / self.all.max(1) as f64
    }
}

/// Runs the host tests of the core, counting; prints the share of each file, each module and all,
/// and with `list` the lines that did not run. Whether all of it is enough.
///
/// # Errors
/// A test fails, or a tool is missing.
pub fn run(workspace: &Workspace, list: bool) -> Result<bool> {
    let counter = Counter::new(workspace)?;
    let programs = counter.programs(workspace, &TESTS)?;
    for program in &programs {
        counter.test(workspace, program)?;
    }
    let files = counter.files(workspace, &programs)?;
    print_files(&files, list);
    Ok(print_shares(&files))
}

/// What counts lines while tests run.
pub struct Counter {
    tools: PathBuf,
    /// The compiler, told to count.
    compiler: PathBuf,
    profiles: PathBuf,
    merged: PathBuf,
}

impl Counter {
    /// Finds the tools and forgets what was counted before.
    ///
    /// # Errors
    /// A tool is missing, or a file cannot be written.
    pub fn new(workspace: &Workspace) -> Result<Self> {
        let tools = tools()?;
        let dir = workspace.target().join("coverage");
        let profiles = dir.join("profiles");
        if profiles.exists() {
            fs::remove_dir_all(&profiles)?;
        }
        fs::create_dir_all(&profiles)?;
        let compiler = dir.join("counting-rustc");
        let script = "#!/bin/sh\nexec \"$@\" -Cinstrument-coverage\n";
        // Rewritten it would look new, and all would be compiled again.
        if fs::read_to_string(&compiler).ok().as_deref() != Some(script) {
            fs::write(&compiler, script)?;
            fs::set_permissions(&compiler, fs::Permissions::from_mode(0o755))?;
        }
        Ok(Self {
            tools,
            compiler,
            profiles,
            merged: dir.join("all.profdata"),
        })
    }

    /// Has a cargo command compile this workspace's crates so that they count, and count.
    pub fn count(&self, cargo: &mut Command) {
        cargo
            .env("RUSTC_WORKSPACE_WRAPPER", &self.compiler)
            .env("LLVM_PROFILE_FILE", self.profiles.join("%p-%m.profraw"));
    }

    /// Builds what `cargo test` with these arguments runs; gives the core's test programs.
    ///
    /// # Errors
    /// The tests do not compile.
    pub fn programs(&self, workspace: &Workspace, tests: &[&str]) -> Result<Vec<PathBuf>> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        self.count(&mut cargo);
        let output = cargo
            .current_dir(workspace.root())
            .args(["test", "--no-run", "--message-format=json"])
            .args(tests)
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            bail!("the tests do not compile");
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let messages = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let programs = messages.filter_map(|message| {
            let of_core = message["package_id"].as_str()?.contains(CORE_PACKAGE);
            let path = message["executable"].as_str()?;
            of_core.then(|| PathBuf::from(path))
        });
        Ok(programs.collect())
    }

    fn test(&self, workspace: &Workspace, program: &Path) -> Result<()> {
        let mut test = Command::new(program);
        self.count(&mut test);
        let output = test
            .current_dir(workspace.root().join("hypervisor/core"))
            .env("PROPTEST_RNG_SEED", "417")
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            print!("{}", String::from_utf8_lossy(&output.stdout));
            bail!("{} failed", program.display());
        }
        Ok(())
    }

    /// What the core's own tests counted, run by cargo.
    ///
    /// # Errors
    /// They do not compile; a tool fails.
    pub fn files_of_tests(&self, workspace: &Workspace) -> Result<Files> {
        self.files(workspace, &self.programs(workspace, &TESTS)?)
    }

    /// What was counted of the core's files by these programs.
    ///
    /// # Errors
    /// A tool fails.
    pub fn files(&self, workspace: &Workspace, programs: &[PathBuf]) -> Result<Files> {
        let mut merge = Command::new(self.tools.join("llvm-profdata"));
        merge.args(["merge", "-sparse", "-o"]).arg(&self.merged);
        for entry in fs::read_dir(&self.profiles)? {
            merge.arg(entry?.path());
        }
        if !merge.status()?.success() {
            bail!("llvm-profdata failed");
        }
        let mut export = Command::new(self.tools.join("llvm-cov"));
        export.args(["export", "--format=lcov", "--instr-profile"]);
        export.arg(&self.merged);
        for program in programs {
            export.arg("--object").arg(program);
        }
        let output = export.stderr(Stdio::null()).output()?;
        if !output.status.success() {
            bail!("llvm-cov failed");
        }
        counted(workspace.root(), &String::from_utf8_lossy(&output.stdout))
    }
}

/// The directory of the compiler's own LLVM tools.
fn tools() -> Result<PathBuf> {
    let rustc = |arguments: &[&str]| -> Result<String> {
        let output = Command::new("rustc").args(arguments).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let root = PathBuf::from(rustc(&["--print", "sysroot"])?);
    let version = rustc(&["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let dir = root
        .join("lib/rustlib")
        .join(host.context("rustc names no host")?)
        .join("bin");
    if !dir.join("llvm-cov").exists() {
        println!("Adding rustup's component llvm-tools.");
        let added = Command::new("rustup")
            .args(["component", "add", "llvm-tools"])
            .status()
            .context("rustup, for its component llvm-tools")?;
        if !added.success() {
            bail!("rustup could not add llvm-tools");
        }
    }
    Ok(dir)
}

/// The lines of the core's files in an lcov report, those of tests left out.
fn counted(root: &Path, lcov: &str) -> Result<Files> {
    let mut files = Files::new();
    let mut current = None;
    for line in lcov.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            let name = path.split_once(CORE).map(|(_, name)| name.to_owned());
            current = name.filter(|name| !is_test_file(name));
        } else if let Some(name) = &current
            && let Some((number, count)) = line.strip_prefix("DA:").and_then(|d| d.split_once(','))
        {
            let count: u64 = count.split(',').next().unwrap_or(count).parse()?;
            let lines = files.entry(name.clone()).or_default();
            *lines.entry(number.parse()?).or_default() += count;
        }
    }
    for (name, lines) in &mut files {
        let text = fs::read_to_string(root.join(CORE).join(name))?;
        let end = first_test_line(&text);
        lines.retain(|&number, _| number < end);
    }
    Ok(files)
}

fn is_test_file(name: &str) -> bool {
    name.ends_with("tests.rs")
        || name.contains("tests/")
        || name.starts_with("testkit")
        || name == "pv/census.rs"
}

/// The line at which a file's module of tests begins, its last item; behind the last if it has none.
fn first_test_line(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let begins = |pair: &[&str]| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    };
    lines
        .windows(2)
        .position(begins)
        .map_or(usize::MAX, |index| index + 1)
}

fn print_files(files: &Files, list: bool) {
    for (name, lines) in files {
        let share = Share::of(lines);
        if share.run < share.all {
            println!(
                "{:6.2} %  {:4} of {:4} lines  {name}",
                share.percent(),
                share.run,
                share.all
            );
            if list {
                println!("          not run: {}", ranges(lines));
            }
        }
    }
}

/// Prints the share of each module and of all; whether all of it is enough.
pub fn print_shares(files: &Files) -> bool {
    let mut modules: BTreeMap<&str, Share> = BTreeMap::new();
    let mut total = Share::default();
    for (name, lines) in files {
        let share = Share::of(lines);
        total.add(share);
        modules
            .entry(name.split_once('/').map_or(name, |(module, _)| module))
            .or_default()
            .add(share);
    }
    let modules = modules
        .iter()
        .map(|(name, share)| format!("{name} {:.1}", share.percent()));
    println!(
        "Lines of the core that ran, in percent: {}",
        modules.collect::<Vec<_>>().join(", ")
    );
    println!(
        "{:.2} % of all {}; at least {LEAST} % are asked for",
        total.percent(),
        total.all
    );
    total.percent() >= LEAST
}

/// Lines that were not run, as `3, 7-9`; lines without code do not part a range.
fn ranges(lines: &Lines) -> String {
    let mut all: Vec<(usize, usize)> = Vec::new();
    let mut open = false;
    for (&number, &count) in lines {
        match all.last_mut() {
            _ if count > 0 => open = false,
            Some(last) if open => last.1 = number,
            _ => {
                all.push((number, number));
                open = true;
            }
        }
    }
    let text = |&(first, last): &(usize, usize)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    all.iter().map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_did_not_run_are_given_as_ranges() {
        let lines = Lines::from([(1, 0), (2, 5), (4, 0), (5, 0), (9, 0), (10, 1), (12, 0)]);
        assert_eq!(ranges(&lines), "1, 4-9, 12");
        assert_eq!(Share::of(&lines), Share { run: 2, all: 7 });
        assert_eq!(Share { run: 1, all: 4 }.percent(), 25.0);
    }

    #[test]
    fn tests_are_not_counted() {
        assert_eq!(first_test_line("a\n#[cfg(test)]\nmod tests {\n}\n"), 2);
        assert_eq!(first_test_line("#[cfg(test)]\nmod tests;\nb\n"), usize::MAX);
        assert!(is_test_file("sched/tests/mod.rs") && is_test_file("testkit/tlb.rs"));
        assert!(!is_test_file("frame/word.rs"));
    }

    #[test]
    fn counts_of_several_programs_are_added() {
        let root = Workspace::locate();
        let lcov = "SF:/x/hypervisor/core/src/lib.rs\nDA:1,0\nDA:2,3\nend_of_record\n\
            SF:/x/hypervisor/core/src/lib.rs\nDA:1,2\nend_of_record\n\
            SF:/x/hypervisor/core/src/testkit.rs\nDA:1,0\nSF:/elsewhere.rs\nDA:1,0\n";
        let files = counted(root.root(), lcov).unwrap();
        assert_eq!(files["lib.rs"], Lines::from([(1, 2), (2, 3)]));
        assert_eq!(files.len(), 1);
    }
}

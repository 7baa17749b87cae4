//! `cargo xtask coverage`: which lines of the hypervisor's core the host tests run, and which not.
//!
//! The compiler counts (`-C instrument-coverage`), the tools of rustup's `llvm-tools` merge and
//! read the counts. Test code is not counted: files and modules of tests, and the fake machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::Workspace;

/// The least part of the lines that must run, in percent.
const LEAST: f64 = 95.0;
/// Where the counted sources are.
const CORE: &str = "hypervisor/core/src/";
/// Test programs that would take minutes and run nothing that others do not.
const LEFT_OUT: [&str; 1] = ["frame_model"];

/// Lines of one file: its number, and how often each was run.
type Lines = BTreeMap<usize, u64>;

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
    let tools = tools()?;
    let dir = workspace.target().join("coverage");
    let profiles = dir.join("profiles");
    if profiles.exists() {
        fs::remove_dir_all(&profiles)?;
    }
    fs::create_dir_all(&profiles)?;
    let programs = build(workspace, &dir)?;
    for program in &programs {
        test(workspace, program, &profiles)?;
    }
    let merged = dir.join("all.profdata");
    let mut merge = Command::new(tools.join("llvm-profdata"));
    merge.args(["merge", "-sparse", "-o"]).arg(&merged);
    for entry in fs::read_dir(&profiles)? {
        merge.arg(entry?.path());
    }
    if !merge.status()?.success() {
        bail!("llvm-profdata failed");
    }
    let mut export = Command::new(tools.join("llvm-cov"));
    export.args(["export", "--format=lcov", "--instr-profile"]);
    export.arg(&merged);
    for program in &programs {
        export.arg("--object").arg(program);
    }
    let output = export.stderr(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("llvm-cov failed");
    }
    let files = counted(workspace.root(), &String::from_utf8_lossy(&output.stdout))?;
    Ok(report(&files, list))
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

/// Builds the core's test programs with counters; gives where they are.
fn build(workspace: &Workspace, dir: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace.root())
        .env("RUSTFLAGS", "-Cinstrument-coverage")
        .env("CARGO_TARGET_DIR", dir)
        .env("LLVM_PROFILE_FILE", dir.join("build-%p.profraw"))
        .args(["test", "--package", "hypervisor-core", "--no-run"])
        .args(["--lib", "--tests", "--message-format=json"])
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
        let name = message["target"]["name"].as_str()?;
        let path = message["executable"].as_str()?;
        (!LEFT_OUT.contains(&name)).then(|| PathBuf::from(path))
    });
    Ok(programs.collect())
}

fn test(workspace: &Workspace, program: &Path, profiles: &Path) -> Result<()> {
    let output = Command::new(program)
        .current_dir(workspace.root().join("hypervisor/core"))
        .env("LLVM_PROFILE_FILE", profiles.join("%p-%m.profraw"))
        .env("PROPTEST_RNG_SEED", "417")
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        print!("{}", String::from_utf8_lossy(&output.stdout));
        bail!("{} failed", program.display());
    }
    Ok(())
}

/// The lines of the core's files in an lcov report, those of tests left out.
fn counted(root: &Path, lcov: &str) -> Result<BTreeMap<String, Lines>> {
    let mut files: BTreeMap<String, Lines> = BTreeMap::new();
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

fn report(files: &BTreeMap<String, Lines>, list: bool) -> bool {
    let mut modules: BTreeMap<&str, Share> = BTreeMap::new();
    let mut total = Share::default();
    for (name, lines) in files {
        let share = Share::of(lines);
        total.add(share);
        modules
            .entry(name.split_once('/').map_or(name, |(module, _)| module))
            .or_default()
            .add(share);
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
    println!();
    for (module, share) in modules {
        println!("{:6.2} %  {module}", share.percent());
    }
    println!(
        "{:6.2} %  of {} lines; at least {LEAST} % are asked for",
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

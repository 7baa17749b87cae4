//! The commands of `cargo xtask`.

mod bench;
mod run;
mod test;

use std::process::{Command as Process, ExitCode};
use std::time::Duration;
use std::{env, fs};

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::lab::Lab;
use crate::setup::{self, Scope};
use crate::verdict::{Report, Trouble, Verdict};
use crate::workspace::Workspace;
use crate::{abi_table, coverage, images, mutants, oracle};

/// Builds Paravane, boots it, tests it.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Boot Paravane in QEMU; the terminal is dom0's console
    Run(run::Options),
    /// Run the host tests and the boot tests
    Test(test::Options),
    /// Compare our guest's self-checks on Debian's Xen and on Paravane
    Oracle(OracleOptions),
    /// Measure what operations cost, on Paravane and on Debian's Xen, in instructions
    Bench(bench::Options),
    /// Show where the instructions of one operation go: by function on Paravane, by address on Xen
    Profile(bench::ProfileOptions),
    /// Build the images and print where they are
    #[command(after_help = "Examples:\n  cargo xtask build")]
    Build,
    /// Print the state of the ABI, generated from the dispatcher, as the README has it
    #[command(after_help = "Examples:\n  cargo xtask abi-table\n  cargo xtask abi-table --write")]
    AbiTable {
        /// Put it into README.md instead
        #[arg(long)]
        write: bool,
    },
    /// Print which part of the core's lines the host tests run; less than 95 % is a failure
    #[command(after_help = "Examples:\n  cargo xtask coverage\n  cargo xtask coverage --list")]
    Coverage {
        /// Name the lines that are not run
        #[arg(long)]
        list: bool,
    },
    /// Count the instructions that the core's decoders execute, and those of iced-x86, which knows
    /// every instruction
    Decoders,
    /// Put mistakes into a copy of the core and the toolstack, one by one; the tests must notice each
    #[command(
        after_help = "Exit status: 0 every mistake was noticed; 1 one was not, or is none.\n\n\
        Examples:\n  cargo xtask mutants\n  cargo xtask mutants \"flush\""
    )]
    Mutants {
        /// Only those whose names contain one of these
        names: Vec<String>,
    },
    /// Set up what is missing on this system: QEMU, the Rust target, Debian packages
    #[command(after_help = "Examples:\n  cargo xtask setup")]
    Setup,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask oracle")]
struct OracleOptions {
    /// Give up waiting for a line of a console after this time
    #[arg(long, value_name = "SECONDS", default_value_t = DEADLINE_SECONDS)]
    deadline: u64,
}

/// How long an expectation may take before the machine counts as hung: no
/// measurement, and generous, since test machines are shared.
const DEADLINE_SECONDS: u64 = 180;

/// Parses the command line and obeys it.
#[must_use]
pub fn main() -> ExitCode {
    match obey(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn obey(command: Command) -> Result<ExitCode> {
    let workspace = Workspace::locate();
    match command {
        Command::Run(options) => run::run(&workspace, &options),
        Command::Test(options) => test::run(&workspace, &options),
        Command::Oracle(options) => run_oracle(&workspace, &options),
        Command::Bench(options) => bench::run(&workspace, &options),
        Command::Profile(options) => bench::run_profile(&workspace, &options),
        Command::Build => {
            setup::ensure_ready(&workspace, Scope::Run)?;
            let images = images::build(&workspace)?;
            for path in [&images.hypervisor, &images.guest_kernel, &images.toolstack] {
                println!("{:>8} bytes  {}", fs::metadata(path)?.len(), path.display());
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::AbiTable { write } => {
            match write {
                true => abi_table::write(&workspace.root().join("README.md"))?,
                false => print!("{}", abi_table::markdown()),
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Coverage { list } => Ok(match coverage::run(&workspace, list)? {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        }),
        Command::Decoders => Ok(match decoders(&workspace)? {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        }),
        Command::Mutants { names } => Ok(match mutants::run(&workspace, &names)? {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        }),
        Command::Setup => {
            setup::ensure_ready(&workspace, Scope::Test)?;
            println!("Everything is set up.");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Runs the program that counts; whether it found what it expects.
fn decoders(workspace: &Workspace) -> Result<bool> {
    let status = Process::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace.root())
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "hypervisor-core",
        ])
        .args(["--example", "decoders"])
        .status()?;
    Ok(status.success())
}

fn run_oracle(workspace: &Workspace, options: &OracleOptions) -> Result<ExitCode> {
    setup::ensure_ready(workspace, Scope::Oracle)?;
    let lab = lab(workspace, "oracle", options.deadline)?;
    let mut report = Report::default();
    match oracle::run(&lab, oracle::Subject::ONE, &mut report) {
        Ok(rows) => print!("{}", oracle::table(&rows)),
        Err(Trouble::Failure(text)) => report.failure(text),
        Err(Trouble::Error(error)) => return Err(error),
    }
    for note in &report.notes {
        println!("{note}");
    }
    println!(
        "{} differences or missing checks; logs: {}",
        report.findings.len(),
        lab.dir.display()
    );
    Ok(if report.verdict() == Verdict::Success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Builds the images and makes a log directory.
fn lab(workspace: &Workspace, command: &str, deadline: u64) -> Result<Lab> {
    Ok(Lab {
        workspace: workspace.clone(),
        images: images::build(workspace)?,
        dir: workspace.new_log_dir(command)?,
        deadline: Duration::from_secs(deadline),
    })
}

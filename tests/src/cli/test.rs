//! `cargo xtask test`.

use std::process::ExitCode;
use std::thread;

use anyhow::Result;

use super::{DEADLINE_SECONDS, lab};
use crate::setup::{self, Scope};
use crate::workspace::Workspace;
use crate::{boot, host, suite};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 all passed; 1 Paravane failed; 2 only the lab itself failed.\n\n\
    Examples:\n  \
    cargo xtask test                     everything\n  \
    cargo xtask test prompt              the boot tests whose name contains `prompt`\n  \
    cargo xtask test --skip linux_dom0   everything but that boot test\n  \
    cargo xtask test --list              names and contracts of the boot tests"
)]
pub(super) struct Options {
    /// Run only the boot tests whose names contain one of these, and no host tests
    names: Vec<String>,
    /// Skip the boot tests whose names contain this (may be given several times)
    #[arg(long, value_name = "NAME")]
    skip: Vec<String>,
    /// Boot tests at once
    #[arg(long, value_name = "N", default_value_t = default_jobs())]
    jobs: usize,
    /// Give up waiting for a line of a console after this time
    #[arg(long, value_name = "SECONDS", default_value_t = DEADLINE_SECONDS)]
    deadline: u64,
    /// List the boot tests with their contracts, and run none
    #[arg(long)]
    list: bool,
}

fn default_jobs() -> usize {
    thread::available_parallelism().map_or(1, |count| count.get().min(4))
}

pub(super) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let tests = suite::select(boot::ALL, &options.names, &options.skip)?;
    if options.list {
        for test in tests {
            println!("{:20} {}", test.name, test.contract);
        }
        return Ok(ExitCode::SUCCESS);
    }
    setup::ensure_ready(workspace, Scope::Test)?;
    let lab = lab(workspace, "test", options.deadline)?;
    let mut host = Vec::new();
    if options.names.is_empty() {
        println!("Host tests:");
        host.push(host::run(workspace, &lab.dir)?);
        println!("{}", host[0]);
        println!("Host tests of the core:");
        host.push(host::core(workspace, &lab.dir)?);
        println!("{}", host[1]);
        println!("Random traces of memory operations:");
        host.push(host::traces(workspace, &lab.dir)?);
        println!("{}", host[2]);
    }
    println!("Boot tests, {} at once:", options.jobs);
    let mut tally = suite::run(&tests, &options.skip, options.jobs, &lab);
    tally.passed += host.iter().map(|outcome| outcome.passed).sum::<usize>();
    tally.failed += host.iter().map(|outcome| outcome.failed).sum::<usize>();
    if tally.skipped > 0 {
        println!("{} skipped as asked", tally.skipped);
    }
    let failed = host.iter().filter(|outcome| outcome.failed > 0);
    for outcome in failed {
        println!("{outcome}");
    }
    for failure in &tally.failures {
        println!("{failure}");
    }
    println!("Logs: {}", lab.dir.display());
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(ExitCode::from(tally.exit_status()))
}

//! `cargo xtask run`.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::lab;
use crate::images::{self, Store};
use crate::lab::{DOM0_ARGS, DOM0_WITH_GUESTS, HYPERVISOR_OPTIONS, Lab};
use crate::qemu::{Config, Machine, PROGRAM};
use crate::setup::{self, Scope};
use crate::verdict::Trouble;
use crate::workspace::Workspace;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Leave with `poweroff`, or with Ctrl-A X when nothing answers.\n\n\
    Exit status: 0 after `poweroff`; with --script, the script's own status; 124 after --timeout.\n\n\
    Examples:\n  \
    cargo xtask run\n  \
    cargo xtask run --smp 4 --mem 1024\n  \
    cargo xtask run --demo               two guests at work, in half a minute\n  \
    cargo xtask run --script tests/scripts/story --timeout 120\n  \
    cargo xtask run --store ~/guests     dom0 has the folder's kernels and .cfg files in /store\n  \
    cargo xtask run --append \"loglvl=error dom0_mem=64M\"\n  \
    cargo xtask run --icount             time is a count of instructions\n  \
    cargo xtask run --gdb                wait for a debugger on port 1234"
)]
pub(super) struct Options {
    /// Let dom0's shell run this file's lines, then power off
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Show the story of two guests, then power off
    #[arg(long, conflicts_with = "script")]
    demo: bool,
    /// Give dom0 the files of this folder in /store; build/store if there is one
    #[arg(long, value_name = "FOLDER")]
    store: Option<PathBuf>,
    /// Processors
    #[arg(long, value_name = "N", default_value_t = 1)]
    smp: u32,
    /// Memory in MiB
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    mem: u32,
    /// Let virtual time count instructions: the same on every run
    #[arg(long)]
    icount: bool,
    /// Stop before the first instruction until a debugger connects to port 1234
    #[arg(long)]
    gdb: bool,
    /// Options for the hypervisor, after the usual ones
    #[arg(
        long,
        value_name = "OPTIONS",
        default_value = "",
        allow_hyphen_values = true
    )]
    append: String,
    /// End the machine after this time
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

/// What `--demo` shows.
const STORY: &str = include_str!("../../scripts/story");

/// The folder whose files dom0 gets when none is named.
const USUAL_STORE: &str = "build/store";

/// What `timeout(1)` exits with.
const TIMED_OUT: u8 = 124;

/// Without `--timeout`, a script is given up after this silence of its status.
const SCRIPT_SECONDS: u64 = 3600;

pub(super) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    setup::ensure_ready(workspace, Scope::Run)?;
    let lab = lab(workspace, "run", options.timeout.unwrap_or(SCRIPT_SECONDS))?;
    let script = match &options.script {
        _ if options.demo => Some(STORY.to_owned()),
        Some(path) => {
            let script = fs::read_to_string(path);
            Some(script.with_context(|| format!("cannot read the script {}", path.display()))?)
        }
        None => None,
    };
    let args = if script.is_some() {
        format!("{DOM0_ARGS} script=/etc/script")
    } else {
        DOM0_WITH_GUESTS.to_owned()
    };
    let hypervisor = format!("{HYPERVISOR_OPTIONS} {}", options.append);
    let mut config = lab.paravane_with(
        hypervisor.trim_end(),
        lab.our_dom0_with(&args, script.as_deref(), &store(workspace, options)?)?,
    );
    config.smp = options.smp;
    config.memory_mib = options.mem;
    config.icount = options.icount;
    config.gdb = options.gdb;
    if options.gdb {
        eprintln!(
            "gdb {} -ex 'target remote :1234'",
            lab.images.hypervisor_symbols.display()
        );
    }
    if script.is_some() {
        run_script(&lab, &config)
    } else {
        run_terminal(&lab, &config, options.timeout)
    }
}

/// The user's files for dom0.
fn store(workspace: &Workspace, options: &Options) -> Result<Store> {
    let usual = workspace.root().join(USUAL_STORE);
    match &options.store {
        Some(dir) => images::read_store(dir),
        None if usual.is_dir() => images::read_store(&usual),
        None => Ok(Store::new()),
    }
}

/// QEMU takes over the terminal; a copy of the output goes to the log.
fn run_terminal(lab: &Lab, config: &Config, timeout: Option<u64>) -> Result<ExitCode> {
    let dir = lab.dir.join("paravane");
    fs::create_dir_all(&dir)?;
    config.link_modules(&dir)?;
    let log = dir.join("console.log");
    eprintln!(
        "Leave with `poweroff`, or with Ctrl-A X. Log: {}",
        log.display()
    );
    let mut child = Command::new(PROGRAM)
        .args(config.args())
        .args([
            "-chardev",
            "stdio,id=console,mux=on,signal=off,logfile=console.log",
        ])
        .args(["-serial", "chardev:console", "-mon", "chardev=console"])
        .current_dir(&dir)
        .spawn()
        .with_context(|| format!("cannot start {PROGRAM}"))?;
    let Some(seconds) = timeout else {
        return Ok(exit_code(child.wait()?.code()));
    };
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(exit_code(status.code()));
        }
        if Instant::now() > end {
            child.kill()?;
            child.wait()?;
            eprintln!("ended after {seconds} s");
            return Ok(ExitCode::from(TIMED_OUT));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Shows the console while the script runs, and exits with its status.
fn run_script(lab: &Lab, config: &Config) -> Result<ExitCode> {
    let mut machine = Machine::start_shown(config, &lab.dir, "paravane", lab.deadline)?;
    let outcome = machine
        .expect_line("script exited with status ")
        .and_then(|line| {
            machine.expect_end()?;
            Ok(line)
        });
    eprintln!("Log: {}", machine.log().display());
    match outcome {
        Ok(line) => {
            let status = line
                .rsplit(' ')
                .next()
                .and_then(|status| status.trim().parse().ok());
            Ok(exit_code(status))
        }
        Err(Trouble::Failure(text)) => {
            eprintln!("error: {}", text.lines().next().unwrap_or_default());
            Ok(ExitCode::from(if text.contains("nothing came in") {
                TIMED_OUT
            } else {
                1
            }))
        }
        Err(Trouble::Error(error)) => Err(error),
    }
}

/// A process's status as ours; one that has none (a signal) is a failure.
fn exit_code(status: Option<i32>) -> ExitCode {
    ExitCode::from(
        status
            .and_then(|status| u8::try_from(status).ok())
            .unwrap_or(1),
    )
}

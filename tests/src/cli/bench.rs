//! `cargo xtask bench` and `cargo xtask profile`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow};

use super::{DEADLINE_SECONDS, lab};
use crate::bench::compare::compare;
use crate::bench::cycles::{self, Outcome};
use crate::bench::measure::{self, Wanted};
use crate::bench::results::{Results, Side};
use crate::bench::{ceilings, chapter, html, operations, profile, table};
use crate::lab::Lab;
use crate::setup::{self, Scope};
use crate::verdict::{Checked, Trouble};
use crate::workspace::Workspace;

/// Operations whose instructions the report shows function by function.
const PROFILED: [&str; 5] = [
    "null_hypercall",
    "mmu_update_1_frame",
    "table_store_frame",
    "evtchn_send_upcall_and_iret",
    "grant_map",
];

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 all is under its ceiling (with --compare: nothing costs more); 1 \
    something is not, or two runs did not agree; 2 the lab itself failed.\n\n\
    Examples:\n  \
    cargo xtask bench                              everything, and a report in HTML\n  \
    cargo xtask bench --quick --only mmu_update    one run, some operations\n  \
    cargo xtask bench --json before.json           keep the figures\n  \
    cargo xtask bench --compare before.json after.json"
)]
pub(super) struct Options {
    /// Show only operations whose names contain this (may be given several times)
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Count once: no second run that must agree, no times, no profiles
    #[arg(long)]
    quick: bool,
    /// Keep the figures in a file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where the report goes [default: among the logs of the run]
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Count cycles instead, on the host's own processor, which takes KVM
    #[arg(long, conflicts_with_all = ["quick", "json", "html", "chapter"])]
    kvm: bool,
    /// Write what was measured into the chapter of the documentation, tests/costs.md
    #[arg(long)]
    chapter: bool,
    /// Measure nothing: tell what changed between two files
    #[arg(long, value_names = ["BEFORE", "AFTER"], num_args = 2, conflicts_with_all = ["quick", "json", "html", "only", "chapter", "kvm"])]
    compare: Option<Vec<PathBuf>>,
    /// Give up waiting for a line of a console after this time
    #[arg(long, value_name = "SECONDS", default_value_t = DEADLINE_SECONDS)]
    deadline: u64,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask profile mmu_update_1_frame\n  \
    cargo xtask profile grant_map")]
pub(super) struct ProfileOptions {
    /// The operation, as `cargo xtask bench` names it
    operation: String,
    /// Give up waiting for a line of a console after this time
    #[arg(long, value_name = "SECONDS", default_value_t = DEADLINE_SECONDS)]
    deadline: u64,
}

pub(super) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    if let Some([before, after]) = options.compare.as_deref() {
        let changes = compare(&Results::read(before)?, &Results::read(after)?);
        print!("{}", changes.text);
        return Ok(code(changes.dearer == 0));
    }
    let ceilings = ceilings::read(workspace)?;
    setup::ensure_ready(workspace, Scope::Test)?;
    let lab = lab(workspace, "bench", options.deadline)?;
    if options.kvm {
        return cycles_of(&lab, &options.only);
    }
    let wanted = Wanted {
        again: !options.quick,
        wall: !options.quick,
    };
    let results = match measure::run(&lab, wanted, |text| println!("{text} ...")) {
        Ok(results) => results,
        Err(trouble) => return failed(trouble),
    };
    println!("\n{}", table::text(&results, &options.only));
    if options.chapter {
        std::fs::write(chapter::path(workspace), chapter::text(&results))?;
    }
    if let Some(path) = &options.json {
        results.write(path)?;
    }
    let profiles = match options.quick {
        true => Ok(Vec::new()),
        false => profiles(&lab),
    };
    let profiles = match profiles {
        Ok(profiles) => profiles,
        Err(trouble) => return failed(trouble),
    };
    let report = options.html.clone();
    let report = report.unwrap_or_else(|| lab.dir.join("report.html"));
    std::fs::write(&report, html::report(&results, &options.only, &profiles)?)?;
    println!("report: {}", report.display());
    let exceeded = ceilings::exceeded(&ceilings, |name| operations::for_ceiling(&results, name));
    for text in &exceeded {
        println!("ceiling: {text}");
    }
    Ok(code(exceeded.is_empty()))
}

/// Cycles on the host's processor; a side that KVM stops is the lab's failure.
fn cycles_of(lab: &Lab, only: &[String]) -> Result<ExitCode> {
    let sides = match cycles::measure(lab, |text| println!("{text} ...")) {
        Ok(sides) => sides,
        Err(trouble) => return failed(trouble),
    };
    print!("\n{}", table::cycles(&sides, only));
    let stopped = |(_, outcome): &_| matches!(outcome, Outcome::Stopped(_));
    match sides.iter().any(stopped) {
        true => failed(Trouble::Error(anyhow!(
            "this host's KVM cannot run every side"
        ))),
        false => Ok(ExitCode::SUCCESS),
    }
}

/// Where the instructions of some operations go on our side.
fn profiles(lab: &Lab) -> Checked<Vec<html::Profiled>> {
    println!("function by function: {} ...", PROFILED.join(", "));
    let profiles = measure::profiles(lab, Side::Paravane, &PROFILED)?;
    let mut all = Vec::new();
    for (name, profile) in PROFILED.iter().zip(&profiles) {
        let mut shares = profile::shares(&lab.images, Side::Paravane, profile)?;
        shares.retain(|(function, _)| !function.starts_with("guest: "));
        all.push((String::from(*name), shares));
    }
    Ok(all)
}

pub(super) fn run_profile(workspace: &Workspace, options: &ProfileOptions) -> Result<ExitCode> {
    setup::ensure_ready(workspace, Scope::Test)?;
    let lab = lab(workspace, "profile", options.deadline)?;
    // What is native is measured there only, and programs everywhere.
    let sides = match options.operation.starts_with("native_") {
        true => &[Side::Native][..],
        false => &[Side::Paravane, Side::Xen],
    };
    for &side in sides {
        let found = match measure::profiles(&lab, side, &[&options.operation]) {
            Ok(found) => found,
            Err(trouble) => return failed(trouble),
        };
        println!(
            "\n{}, instructions for one {}:",
            side.title(),
            options.operation
        );
        for profile in &found {
            let shares = profile::shares(&lab.images, side, profile)?;
            print!("{}", profile::text(&shares));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn failed(trouble: Trouble) -> Result<ExitCode> {
    match trouble {
        Trouble::Failure(text) => {
            println!("FAILURE: {text}");
            Ok(ExitCode::FAILURE)
        }
        Trouble::Error(error) => Err(anyhow!(error)),
    }
}

fn code(good: bool) -> ExitCode {
    match good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

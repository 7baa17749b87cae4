//! Boots our guest kernel with its benches, and counts.
//!
//! Each side is booted twice under a clock that counts instructions, with the plugin and without: what
//! the kernel finds must be the same to the instruction, and the plugin must find what the kernel
//! does; and as often with programs on it, and with two vCPUs on one processor and on two. Once more the host's clock runs, for the ratio of times.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use super::counts::{Counts, LOOPS, Windows};
use super::lines::{self, Line, Unit};
use super::plugin::{self, Besides};
use super::results::{Cost, Costs, Exits, Results, Side};
use super::scenes;
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::qemu::{Config, Machine};
use crate::require;
use crate::setup;
use crate::verdict::{Checked, Trouble};

/// How far apart both ways of counting may be, per operation, in instructions: the emulator's clock
/// does not count an instruction that faults or goes to a port, the plugin does.
const TOLERANCE: f64 = 1.05;
/// The same for what takes many instructions, where that adds up.
const OF_MANY: f64 = 0.002;
/// How long a machine is given to turn itself off.
const TO_END: Duration = Duration::from_secs(2);
/// The processor: the clock counts instructions right only without x2APIC.
const CPU: &str = "max,-x2apic";

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// A second run, which must agree.
    pub again: bool,
    /// Wall time as well.
    pub wall: bool,
}

/// One boot of a side, and what the guest kernel is told to do there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    what: &'static str,
    args: &'static str,
    /// Processors of the machine.
    processors: u32,
    /// Options of the hypervisor besides the usual.
    options: &'static str,
    /// Whether there is something to do on the bare machine.
    natively: bool,
    /// What it is told to do by the host's clock, if that says anything: where processors are emulated
    /// by threads of the host's, it would say more of those.
    timed: Option<&'static str>,
}

/// The kernel's own benches, the programs of `/bin/mix`, and two vCPUs on one processor and on two.
const RUNS: [Run; 4] = [
    Run {
        what: "kernel",
        args: "bench",
        processors: 1,
        options: "",
        natively: true,
        timed: Some("bench wallclock"),
    },
    Run {
        what: "programs",
        args: "init=/bin/mix",
        processors: 1,
        options: "",
        natively: true,
        timed: Some("init=/bin/mix repeat=15"),
    },
    Run {
        what: "two vCPUs",
        args: "bench pair",
        processors: 1,
        options: " dom0_max_vcpus=2",
        natively: false,
        timed: Some("bench pair wallclock"),
    },
    Run {
        what: "two processors",
        args: "bench across",
        processors: 2,
        options: " dom0_max_vcpus=2",
        natively: true,
        timed: None,
    },
];

impl Run {
    /// The same run of the kernel's own benches with other arguments.
    pub(super) const fn with(args: &'static str) -> Self {
        Self { args, ..RUNS[0] }
    }

    /// Those that there are on a side.
    fn on(side: Side) -> impl Iterator<Item = Self> {
        let is_there = move |run: &Self| run.natively || side != Side::Native;
        RUNS.into_iter().filter(is_there)
    }

    /// The name of a machine's directory.
    fn named(&self, side: Side, end: &str) -> String {
        format!("{side:?}-{}-{end}", self.what.replace(' ', "-"))
    }
}

/// Measures all sides.
///
/// # Errors
/// A machine does not come to the end, or two ways of counting do not agree.
pub fn run(lab: &Lab, wanted: Wanted, mut tell: impl FnMut(&str)) -> Checked<Results> {
    let mut results = Results::new(setup::qemu_version().unwrap_or_default(), CPU.into());
    for side in Side::ALL {
        let mut all = Costs::new();
        for run in Run::on(side) {
            let what = run.what;
            tell(&format!(
                "{}, {what}: from inside and outside",
                side.title()
            ));
            let (lines, counts) = counted(lab, side, run, Besides::Nothing)?;
            if wanted.again {
                tell(&format!(
                    "{}, {what}: once more, which must agree",
                    side.title()
                ));
                let config = config_of(lab, side, run)?;
                let again = boot(lab, &config, &run.named(side, "again"))?;
                compare(side, &lines, &again)?;
            }
            all.extend(costs(side, &lines, &counts)?);
        }
        if side != Side::Native {
            let ends = scenes::run(lab, side, &mut tell)?;
            if wanted.again {
                tell(&format!("{}: once more, which must agree", side.title()));
                let again = scenes::run(lab, side, |_| ())?;
                scenes::compare(side, &ends, &again)?;
            }
            let parts = results.parts.entry(side).or_default();
            for (name, (cost, of)) in ends {
                parts.insert(name.clone(), of);
                if scenes::is_steady(&name) {
                    all.insert(name, cost);
                }
            }
        }
        if wanted.wall {
            tell(&format!("{}: by the host's clock", side.title()));
            time(lab, side, &mut all)?;
        }
        results.sides.insert(side, all);
    }
    Ok(results)
}

/// Adds the time that operations take by the host's clock.
fn time(lab: &Lab, side: Side, costs: &mut Costs) -> Checked<()> {
    for run in Run::on(side) {
        let Some(args) = run.timed else { continue };
        let mut config = config_of(lab, side, Run { args, ..run })?;
        config.icount = false;
        for line in boot(lab, &config, &run.named(side, "timed"))? {
            if let Some(cost) = costs.get_mut(&line.name) {
                cost.wall = Some(line.tenths as f64 / 10.0);
            }
        }
    }
    if side == Side::Native {
        return Ok(());
    }
    for (name, ticks) in scenes::time(lab, side)? {
        if let Some(cost) = costs.get_mut(name) {
            cost.wall = Some(ticks);
        }
    }
    Ok(())
}

/// The machine of a side, whose clock counts instructions.
pub(super) fn config_of(lab: &Lab, side: Side, run: Run) -> Result<Config> {
    let modules = lab.our_dom0(run.args, None)?;
    let options = format!("{HYPERVISOR_OPTIONS}{}", run.options);
    let mut config = match side {
        Side::Paravane => lab.paravane_with(&options, modules),
        Side::Xen => lab.xen_with(&options, modules)?,
        Side::Native => lab.bare_machine(run.args, modules),
    };
    (config.icount, config.smp) = (true, run.processors);
    config.cpu = CPU.into();
    Ok(config)
}

/// One run with the plugin; with the instructions of an operation, if asked for by its number.
fn counted(lab: &Lab, side: Side, run: Run, besides: Besides) -> Checked<(Vec<Line>, Counts)> {
    let library = plugin::build(&lab.workspace)?;
    let name = run.named(side, "counted");
    let out = lab.dir.join(format!("{name}.txt"));
    let mut config = config_of(lab, side, run)?;
    config
        .devices
        .extend(plugin::arguments(&library, &out, besides));
    let lines = boot(lab, &config, &name)?;
    let text = fs::read_to_string(&out).with_context(|| format!("no {}", out.display()))?;
    Ok((lines, Counts::read(&text)?))
}

/// An operation's instructions, by address, and how often it was executed.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Executions.
    pub operations: u64,
    /// What the plugin counted.
    pub counts: Counts,
}

/// The instructions of some operations on a side, in the order of their names.
///
/// # Errors
/// There is no such operation, or a machine does not come to the end.
pub fn profiles(lab: &Lab, side: Side, names: &[&str]) -> Checked<Vec<Profile>> {
    let mut known = Vec::new();
    for run in Run::on(side) {
        let config = config_of(lab, side, run)?;
        let lines = boot(lab, &config, &run.named(side, "names"))?;
        known.extend(lines.into_iter().map(|line| (run, line)));
    }
    let mut profiles = Vec::new();
    for name in names {
        let found = known.iter().find(|(_, line)| line.name == *name);
        let (run, line) = found.ok_or_else(|| {
            let all: Vec<_> = known.iter().map(|of| of.1.name.as_str()).collect();
            anyhow!(
                "no operation is named `{name}` on {}; there are: {}",
                side.title(),
                all.join(", ")
            )
        })?;
        let (_, counts) = counted(lab, side, *run, Besides::Profile(line.number))?;
        let clean = counts.operations.get(&line.number).map_or(0, |w| w.clean);
        profiles.push(Profile {
            operations: clean * line.times,
            counts,
        });
    }
    Ok(profiles)
}

/// Boots and waits for all lines, and for the machine's end.
fn boot(lab: &Lab, config: &Config, name: &str) -> Checked<Vec<Line>> {
    let mut machine = lab.start(config, name)?;
    let text = console_until(&mut machine, lines::DONE)?;
    lines::read(&text).map_err(|error| Trouble::Failure(format!("{name}: {error:#}")))
}

/// Waits for the last line that is of interest, and for the machine's end; what the console showed.
pub(super) fn console_until(machine: &mut Machine, last: &str) -> Checked<String> {
    machine.expect_line(last)?;
    let text = machine.console.text();
    end(machine)?;
    Ok(text)
}

/// Waits for the end of a machine whose dom0 has ended.
fn end(machine: &mut Machine) -> Checked<()> {
    // Xen halts, and does not end: QEMU is asked to.
    if !machine.ends_within(TO_END)
        && let Ok(mut monitor) = machine.monitor()
    {
        // Fails only where it has ended meanwhile.
        let _ = monitor.execute("quit", &serde_json::json!({}));
    }
    machine.expect_end().map(drop)
}

/// Two runs must find the same.
fn compare(side: Side, one: &[Line], other: &[Line]) -> Checked<()> {
    require!(
        one.len() == other.len(),
        "{}: two runs measured {} and {} operations",
        side.title(),
        one.len(),
        other.len()
    );
    let different = one.iter().zip(other).find(|(one, other)| one != other);
    match different {
        None => Ok(()),
        Some((one, other)) => Err(Trouble::Failure(format!(
            "{}: two runs do not agree: {one:?} and {other:?}",
            side.title()
        ))),
    }
}

/// The costs, where both ways of counting agree.
fn costs(side: Side, lines: &[Line], counts: &Counts) -> Checked<Costs> {
    let mut costs = Costs::new();
    for line in lines {
        let windows = counts.operations.get(&line.number);
        let windows = windows.ok_or_else(|| {
            anyhow!(
                "the plugin saw no window of `{}` on {}",
                line.name,
                side.title()
            )
        })?;
        let own = counts.operations.get(&(line.number + LOOPS));
        let cost = cost(side, line, windows, own);
        let inside = line.tenths as f64 / 10.0;
        let outside = match (line.unit, side) {
            (Unit::All, _) => cost.instructions(),
            (_, Side::Native) => cost.guest,
            _ => cost.hypervisor,
        };
        let apart = (inside - outside).abs() > TOLERANCE.max(inside * OF_MANY);
        require!(
            !apart,
            "{} on {}: {inside} instructions counted from inside, {outside:.2} from outside",
            line.name,
            side.title()
        );
        costs.insert(line.name.clone(), cost);
    }
    Ok(costs)
}

/// What one operation of the windows costs; the loop around it is not the operation's, but for the
/// no-op that stands where the instruction is that enters, or natively the first of the operation's.
fn cost(side: Side, line: &Line, windows: &Windows, own: Option<&Windows>) -> Cost {
    let mut cost = cost_of(windows, line.times);
    let exits = &cost.exits;
    let first = match (own, side) {
        (None, _) => 0.0,
        (_, Side::Native) => 1.0,
        _ => (exits.syscall + exits.trap + exits.instruction + exits.other).min(1.0),
    };
    let own = own.map_or(0.0, |own| hundredths(own.guest, own.clean * line.times));
    cost.guest = (cost.guest - own).max(0.0) + first;
    cost
}

/// What all that is in windows costs, of which each has it `times`.
pub(super) fn cost_of(windows: &Windows, times: u64) -> Cost {
    let each = |sum: u64| hundredths(sum, windows.clean * times);
    Cost {
        hypervisor: each(windows.hypervisor),
        guest: each(windows.guest),
        cr3: each(windows.cr3),
        flushes: each(windows.cr4 + windows.invlpg + windows.invpcid),
        exits: Exits {
            syscall: each(windows.syscall),
            trap: each(windows.trap),
            instruction: each(windows.instruction),
            other: each(windows.other),
        },
        wall: None,
    }
}

/// A quotient with two decimals, the same on every run.
fn hundredths(sum: u64, of: u64) -> f64 {
    (sum as f64 / of as f64 * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(tenths: u64) -> Line {
        Line {
            name: "null_hypercall".into(),
            unit: Unit::Others,
            tenths,
            number: 0,
            times: 128,
        }
    }

    fn counts(hypervisor: u64) -> Counts {
        let windows = Windows {
            windows: 3,
            clean: 2,
            guest: 2 * 128 * 11,
            hypervisor: 2 * 128 * hypervisor,
            syscall: 2 * 128,
            ..Windows::default()
        };
        let own = Windows {
            windows: 3,
            clean: 3,
            guest: 3 * 128 * 11,
            ..Windows::default()
        };
        let mut counts = Counts::default();
        counts.operations.insert(0, windows);
        counts.operations.insert(LOOPS, own);
        counts
    }

    #[test]
    fn the_loop_is_not_the_operations_but_what_enters_is() {
        let costs = costs(Side::Xen, &[line(2680)], &counts(268)).unwrap();
        let cost = &costs["null_hypercall"];
        assert_eq!((cost.hypervisor, cost.guest), (268.0, 1.0));
        assert_eq!((cost.exits.syscall, cost.exits.other), (1.0, 0.0));
    }

    #[test]
    fn both_ways_of_counting_must_agree() {
        assert!(costs(Side::Xen, &[line(2690)], &counts(268)).is_ok());
        assert!(costs(Side::Xen, &[line(2700)], &counts(268)).is_err());
        assert!(costs(Side::Xen, &[line(2680)], &Counts::default()).is_err());
    }

    #[test]
    fn two_runs_must_agree_to_the_instruction() {
        assert!(compare(Side::Xen, &[line(2680)], &[line(2680)]).is_ok());
        assert!(compare(Side::Xen, &[line(2680)], &[line(2681)]).is_err());
        assert!(compare(Side::Xen, &[line(2680)], &[]).is_err());
    }
}

//! Contract: the toolstack's commands about vCPUs show what is, and what they set is obeyed: where
//! vCPUs run, what they and their domains use, how the scheduler is set.
//!
//! It runs with a clock that counts instructions, so the figures are the same on every run.

use super::BootTest;
use super::fairness::{finish, start};
use crate::lab::Lab;
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "vcpus",
    contract: "vCPUs run where they are pinned, and lists and rates tell the truth",
    run,
};

const SCRIPT: &str = "\
xl create rogue name=spins vcpus=2 cmdline=load=spin
xl create -p guest1 name=waits vcpus=3
xl vcpu-pin spins 0 3
xl vcpu-pin spins 1 1-2 2
sleep 0.3
xl vcpu-list
xl vcpu-pin spins all 1
sleep 0.3
xl vcpu-list spins
xl top -b -d 0.5 -i 2
xl sched-credit2 -s -r 2000
xl sched-credit2 -s
xl sched-credit2 -d spins -w 300 -c 150
xl sched-credit2
xl uptime -s spins
";

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let text = finish(start(lab, "lists", 4, true, SCRIPT)?)?;
    listed(&text)?;
    rates(&text, report)?;
    for line in [
        "Cpupool Pool-0: ratelimit=2000us",
        "spins                                        1    300  150",
        "up  0:00,  spins (1)",
    ] {
        require!(text.contains(line), "no `{line}`");
    }
    Ok(())
}

/// The words of the lines about a domain in what a command printed, the `nth` time it ran.
fn lines_of<'a>(text: &'a str, command: &str, nth: usize, name: &str) -> Vec<Vec<&'a str>> {
    let printed = text.split("\n+ ").filter(|part| part.starts_with(command));
    let lines = printed.skip(nth).take(1).flat_map(str::lines);
    lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.first() == Some(&name))
        .collect()
}

/// Name, ID, VCPU, CPU, State, Time, Hard / Soft.
fn listed(text: &str) -> Checked<()> {
    let spins = lines_of(text, "xl vcpu-list", 0, "spins");
    require!(spins.len() == 2, "{spins:?}");
    require!(
        spins[0][3..5] == ["3", "r--"] && spins[0][6..] == ["3", "/", "all"],
        "{spins:?}"
    );
    // Both of its CPUs are free: it runs on the one it prefers.
    require!(
        spins[1][3..5] == ["2", "r--"] && spins[1][6..] == ["1-2", "/", "2"],
        "{spins:?}"
    );
    let states = |name| -> Vec<&str> {
        let lines = lines_of(text, "xl vcpu-list", 0, name);
        lines.iter().map(|words| words[4]).collect()
    };
    let dom0 = states("Domain-0");
    require!(dom0 == ["r--", "--p", "--p", "--p"], "{dom0:?}");
    // Paused as a domain, its first vCPU is up all the same.
    let waits = states("waits");
    require!(waits == ["---", "--p", "--p"], "{waits:?}");
    // Now they share one.
    let spins = lines_of(text, "xl vcpu-list", 1, "spins");
    let states: Vec<&str> = spins.iter().map(|words| words[4]).collect();
    require!(
        spins.iter().all(|words| words[3] == "1" && words[6] == "1")
            && states.iter().filter(|state| **state == "r--").count() == 1,
        "{spins:?}"
    );
    Ok(())
}

/// What two vCPUs on one CPU use is that CPU.
fn rates(text: &str, report: &mut Report) -> Checked<()> {
    let looks = lines_of(text, "xl top", 0, "spins");
    require!(looks.len() == 2, "{looks:?}");
    let busy: Option<f64> = looks[1].get(3).and_then(|word| word.parse().ok());
    require!(
        busy.is_some_and(|percent| (99.0..=101.0).contains(&percent)),
        "{looks:?}"
    );
    report.note(format!("two vCPUs that share a CPU use {busy:?} % of it"));
    // It takes no events; dom0 does, of its timer at least.
    require!(looks[1].last() == Some(&"0"), "{looks:?}");
    let dom0 = lines_of(text, "xl top", 0, "Domain-0");
    let rate = dom0[1].last().and_then(|rate| rate.parse::<u64>().ok());
    require!(rate.is_some_and(|rate| rate > 0), "{dom0:?}");
    Ok(())
}

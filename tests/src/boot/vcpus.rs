//! Contract: the toolstack's commands about vCPUs show what is, and what they set is obeyed: how many
//! vCPUs a guest uses, where they run, what they and their domains use, how the scheduler is set. vCPUs
//! come and go on Debian's Xen in the same way.
//!
//! On Paravane it runs with a clock that counts instructions, so the figures are the same on every run.

use super::BootTest;
use super::fairness::{finish, start};
use super::numbers::number_after;
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "vcpus",
    contract: "vCPUs come and go and run where they are pinned; lists and rates tell the truth",
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

/// A guest that computes on all vCPUs it has, and one whose vCPUs wait, are told how many to use.
const PLUG: &str = "\
xl create guest1 name=busy vcpus=1 maxvcpus=4 cmdline=\"init=/bin/init busy\"
xl create guest1 name=calm vcpus=1 maxvcpus=4
expect busy 120 all is well
expect calm 120 all is well
xl vcpu-set busy 1
xl checksum busy
xl vcpu-list busy
xl vcpu-set busy 4
xl vcpu-set calm 4
xl vcpu-pin calm 2 1 0-1
xl checksum busy
xl vcpu-list
xl vcpu-set busy 2
xl checksum busy
xl vcpu-list busy
xl vcpu-set busy 4
xl vcpu-set calm 2
xl vcpu-set calm 4
xl checksum busy
xl vcpu-list
xl checksum calm
xl vcpu-set 0 3
xl vcpu-set 0 2
xl vcpu-list 0
xl list
xl shutdown -w busy
xl destroy calm
";

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let text = finish(start(lab, "plug", 4, true, PLUG)?)?;
    plugged(&text, report)?;
    let modules = lab.dom0_for(Some(PLUG))?;
    let mut config = lab.xen_with(HYPERVISOR_OPTIONS, modules)?;
    (config.smp, config.icount) = (4, true);
    // It goes on after dom0's end: the script's is enough.
    let mut xen = lab.start(&config, "plug-on-xen")?;
    xen.expect_script_done()?;
    plugged(&xen.console.text(), report)?;
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

/// What is said of a vCPU that waits and has not come off its CPU yet, on Xen as well, and of one that has.
const WAITS: (&str, &str) = ("rb-", "-b-");

/// The words of the lines about a domain in what a command printed, the `nth` time it ran.
fn lines_of<'a>(text: &'a str, command: &str, nth: usize, name: &str) -> Vec<Vec<&'a str>> {
    let printed = text.split("\n+ ").filter(|part| part.starts_with(command));
    let lines = printed.skip(nth).take(1).flat_map(str::lines);
    lines
        .map(|line| {
            let words = line.split_whitespace();
            let settled = |word| if word == WAITS.0 { WAITS.1 } else { word };
            words.map(settled).collect::<Vec<_>>()
        })
        .filter(|words| words.first() == Some(&name))
        .collect()
}

/// 1, 4, 2 and 4 vCPUs again: listed as they are, all at work, and nothing forgotten meanwhile.
fn plugged(text: &str, report: &mut Report) -> Checked<()> {
    let states = |name: &str, nth: usize| -> Vec<&str> {
        let lines = lines_of(text, "xl vcpu-list", nth, name);
        lines.iter().map(|words| words[4]).collect()
    };
    // vCPU 0 waits for the toolstack; what runs may just have been taken its CPU by dom0.
    for (nth, up) in [1, 4, 2, 4].into_iter().enumerate() {
        let states = states("busy", nth);
        require!(
            states.len() == 4
                && (0..4).all(|vcpu| match states[vcpu] {
                    "--p" => vcpu >= up,
                    "-b-" => vcpu == 0,
                    "r--" | "---" => vcpu < up,
                    _ => false,
                }),
            "{up} vCPUs: {states:?}"
        );
    }
    for nth in [1, 3] {
        let calm = lines_of(text, "xl vcpu-list", nth, "calm");
        require!(
            calm.len() == 4
                && calm.iter().all(|words| words[4] == "-b-")
                && calm[2][6..] == ["1", "/", "0-1"],
            "{calm:?}"
        );
    }
    let sums: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once(": the checksum over its memory pattern is "))
        .map(|(_, sum)| sum.trim_end())
        .collect();
    require!(
        sums.len() == 5 && sums[..4].iter().all(|sum| *sum == sums[0]),
        "{sums:?}"
    );
    let rounds: Vec<u64> = text
        .lines()
        .filter(|line| line.contains("[busy] ") && line.contains(" is down after "))
        .filter_map(|line| number_after(line, " is down after "))
        .collect();
    report.note(format!(
        "1, 4, 2, 4 vCPUs; those that went had gone round {rounds:?} times"
    ));
    require!(
        rounds.len() == 2 && rounds.iter().all(|rounds| *rounds > 0),
        "{rounds:?}"
    );
    let dom0 = states("Domain-0", 4);
    require!(dom0 == ["r--", "-b-", "--p", "--p"], "{dom0:?}");
    let online = lines_of(text, "xl list", 0, "busy");
    require!(online.len() == 1 && online[0][3] == "4", "{online:?}");
    Ok(())
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
    // Its kernel does not say how many events it takes; dom0 takes those of its timer at least.
    require!(looks[1].last() == Some(&"-"), "{looks:?}");
    let dom0 = lines_of(text, "xl top", 0, "Domain-0");
    let rate = dom0[1].last().and_then(|rate| rate.parse::<u64>().ok());
    require!(rate.is_some_and(|rate| rate > 0), "{dom0:?}");
    Ok(())
}

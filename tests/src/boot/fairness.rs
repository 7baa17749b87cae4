//! Contract: CPU time goes where it belongs. With weights 1:2:4 domains get it within 4 % of that, on
//! two processors and on four; caps hold within 2 %; a domain that computes beside one that spins,
//! yields, floods events or arms timers without an end does at least 96 % of its fair share of work;
//! and no vCPU's clock is ever behind what another has read. How long a wake-up takes is shown.
//!
//! All but the last runs with a clock that counts instructions, so the figures are the same on every
//! run, however busy the host is: processors take turns, and each has its share of the clock.

use std::collections::BTreeMap;

use super::BootTest;
use super::numbers::number_after;
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::qemu::Machine;
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "fairness",
    contract: "weights hold within 4 %, caps within 2 %, and no neighbour costs more than 4 %",
    run,
};

const WEIGHTS: [u64; 3] = [256, 512, 1024];
/// Percent of a processor that the first two domains get at most in the second part.
const CAPS: [u64; 2] = [20, 50];
/// What goes on beside a domain that computes.
const NEIGHBOURS: [&str; 5] = [
    "spin",
    "yield-loop",
    "event-flood",
    "timer-flood",
    "timer-storm",
];
/// Virtual milliseconds from one measurement of work to the next, and how long each is.
const EVERY: u64 = 450;
const LONG: u64 = 200;

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    shares(lab, 2, report)?;
    shares(lab, 4, report)?;
    neighbours(lab, report)?;
    latency(lab, report)?;
    clocks(lab, report)
}

/// Boots a machine whose dom0 runs `script`.
pub(super) fn start(
    lab: &Lab,
    name: &str,
    smp: u32,
    icount: bool,
    script: &str,
) -> Checked<Machine> {
    let modules = lab.dom0_for(Some(script))?;
    let mut config = lab.paravane_with(HYPERVISOR_OPTIONS, modules);
    (config.smp, config.icount) = (smp, icount);
    Ok(lab.start(&config, name)?)
}

/// Waits for the end of the script; what the console showed.
pub(super) fn finish(mut machine: Machine) -> Checked<String> {
    machine.expect_script_done()?;
    let status = machine.expect_end()?;
    require!(status.success(), "QEMU ended with {status}");
    Ok(machine.console.text())
}

/// Three domains that spin on all processors: first by weight, then two of them with a cap.
fn shares(lab: &Lab, smp: u32, report: &mut Report) -> Checked<()> {
    let mut script = String::new();
    for (i, weight) in (1..).zip(WEIGHTS) {
        script += &format!(
            "xl create -p rogue name=g{i} vcpus={smp} cmdline=load=spin\n\
             xl sched-credit2 -d g{i} -w {weight}\nxl unpause g{i}\n"
        );
    }
    const MEASURE: &str = "sleep 0.1\nxl debug-keys r\nsleep 0.8\nxl debug-keys r\n";
    script += MEASURE;
    for (i, cap) in (1..).zip(CAPS) {
        script += &format!("xl sched-credit2 -d g{i} -c {cap}\n");
    }
    script += &format!("{MEASURE}xl sched-credit2\n");
    let text = finish(start(lab, &format!("shares-{smp}"), smp, true, &script)?)?;
    let looks: Vec<Look> = text
        .split("(PVN) scheduler ")
        .skip(1)
        .map(Look::read)
        .collect();
    require!(looks.len() == 4, "{} looks", looks.len());
    let (span, got) = looks[1].since(&looks[0]);
    let all: u64 = got.iter().sum();
    report.note(format!(
        "{smp} processors, weights 1:2:4: 1:{:.3}:{:.3} of {} % of the time",
        got[1] as f64 / got[0] as f64,
        got[2] as f64 / got[0] as f64,
        all * 100 / (span * u64::from(smp))
    ));
    let sum: u64 = WEIGHTS.iter().sum();
    for (got, weight) in got.iter().zip(WEIGHTS) {
        let fair = all * weight / sum;
        if got.abs_diff(fair) * 100 > fair * 4 {
            report.failure(format!("weight {weight}: {got} ns, not {fair}"));
        }
    }
    let (span, got) = looks[3].since(&looks[2]);
    for (got, cap) in got.iter().zip(CAPS) {
        let fair = span * cap / 100;
        report.note(format!(
            "{smp} processors, cap {cap} %: {:.2} %",
            *got as f64 * 100.0 / span as f64
        ));
        if got.abs_diff(fair) * 100 > fair * 2 {
            report.failure(format!("cap {cap}: {got} ns, not {fair}"));
        }
    }
    Ok(())
}

/// What the debug key `r` shows.
#[derive(Debug, Default)]
struct Look {
    /// Nanoseconds since boot.
    at: u64,
    /// CPU time of each domain, nanoseconds.
    ran: BTreeMap<u64, u64>,
}

impl Look {
    fn read(listing: &str) -> Self {
        let mut look = Self {
            at: number_after(listing, ", at ").unwrap_or(0),
            ..Self::default()
        };
        for line in listing.lines() {
            let Some((_, vcpu)) = line.split_once("(PVN)   d") else {
                continue;
            };
            let domain = number_after(line, "(PVN)   d");
            if let (Some(domain), Some(ran)) = (domain, number_after(vcpu, ": ran ")) {
                *look.ran.entry(domain).or_default() += ran;
            }
        }
        look
    }

    /// The time since another look, and what domains 1 to 3 got of it.
    fn since(&self, before: &Self) -> (u64, [u64; 3]) {
        let of = |look: &Self, domain| look.ran.get(&domain).copied().unwrap_or(0);
        let got = [1, 2, 3].map(|domain| of(self, domain).saturating_sub(of(before, domain)));
        (
            self.at.saturating_sub(before.at).max(1),
            got.map(|ran| ran.max(1)),
        )
    }
}

/// A domain computes alone, and then beside each neighbour on the same processor.
fn neighbours(lab: &Lab, report: &mut Report) -> Checked<()> {
    let mut script = String::new();
    for (i, neighbour) in std::iter::once("").chain(NEIGHBOURS).enumerate() {
        let from = EVERY * (i as u64 + 1);
        if !neighbour.is_empty() {
            script += &format!("xl create rogue name=n{i} cmdline=rogue={neighbour}\n");
        }
        script += &format!(
            "xl create rogue name=w{i} on_poweroff=preserve cmdline=\"load=work from={from} to={}\"\n\
             expect w{i} 60 LOAD rounds=\nxl destroy w{i}\n",
            from + LONG
        );
        if !neighbour.is_empty() {
            script += &format!("xl destroy n{i}\n");
        }
    }
    let text = finish(start(lab, "neighbours", 1, true, &script)?)?;
    let alone = work(&text, 0);
    require!(alone > 0, "no work was done alone");
    for (i, neighbour) in (1..).zip(NEIGHBOURS) {
        let permille = work(&text, i) * 2000 / alone;
        report.note(format!(
            "beside {neighbour}: {}.{} % of half of what it does alone",
            permille / 10,
            permille % 10
        ));
        if permille < 960 {
            report.failure(format!(
                "{neighbour} costs more than 4 %: {permille} permille left"
            ));
        }
    }
    Ok(())
}

/// Rounds for each second that a domain did while it was measured.
fn work(text: &str, number: usize) -> u64 {
    let line = said(text, &format!("w{number}"), "LOAD ");
    let figure = |key| number_after(line, key).unwrap_or(0);
    figure("rounds=") * 1_000_000_000 / figure("span=").max(1)
}

/// From the send on one vCPU to the handler on another, with nothing else to do and beside a domain
/// that computes on both processors. It pauses now and then: the emulator's processors take turns,
/// and time goes by for both while one does not let go.
fn latency(lab: &Lab, report: &mut Report) -> Checked<()> {
    let script = "\
xl create rogue name=idle vcpus=2 on_poweroff=preserve cmdline=load=latency
expect idle 60 LATENCY n=
xl create rogue name=spins vcpus=2 cmdline=load=waver
xl create rogue name=loaded vcpus=2 on_poweroff=preserve cmdline=load=latency
expect loaded 60 LATENCY n=
";
    let text = finish(start(lab, "latency", 2, true, script)?)?;
    for name in ["idle", "loaded"] {
        let line = said(&text, name, "LATENCY ");
        report.note(format!(
            "from send to handler, instructions, {name}: {line}"
        ));
        let most = number_after(line, "most=");
        // Whoever runs is left alone for a millisecond, and one of the three others that share the
        // two processors may be ahead of the one that slept, by as much again; the emulator's turns
        // are the third.
        let limit = if name == "idle" { 50_000 } else { 3_000_000 };
        require!(most.is_some_and(|most| most <= limit), "{name}: {line}");
        require!(line.contains(" backwards=0"), "{name}: {line}");
    }
    Ok(())
}

/// Eight vCPUs of two domains on four processors that really run at once, and so move from one to
/// another, compare their clocks all the time.
fn clocks(lab: &Lab, report: &mut Report) -> Checked<()> {
    let script = "\
xl create rogue name=a vcpus=4 on_poweroff=preserve cmdline=\"load=work for=1500\"
xl create rogue name=b vcpus=4 on_poweroff=preserve cmdline=\"load=work for=1500\"
expect a 100 LOAD rounds=
expect b 100 LOAD rounds=
";
    let text = finish(start(lab, "clocks", 4, false, script)?)?;
    for name in ["a", "b"] {
        let line = said(&text, name, "LOAD ");
        report.note(format!("clocks of 4 vCPUs of {name}: {line}"));
        require!(line.ends_with(" backwards=0"), "{name}: {line}");
        // They shared the processors, and could see it.
        let stolen = number_after(line, "stolen=");
        require!(stolen.is_some_and(|ns| ns > 0), "{name}: {line}");
    }
    Ok(())
}

/// What a domain said on its console after `key`.
fn said<'a>(text: &'a str, name: &str, key: &str) -> &'a str {
    let before = format!("[{name}] {key}");
    text.lines()
        .find_map(|line| line.split_once(&before))
        .map_or("", |(_, rest)| rest.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_read_by_domain() {
        let before = Look::read("credit2, at 100 ns\n(PVN) d1: weight 256, cap 0 %\n");
        let after = Look::read(
            "credit2, at 1100 ns\r\n(PVN) d1: weight 256, cap 0 %\r\n\
             (PVN)   d1v0: ran 20 ns, waited 3 ns\r\n(PVN)   d1v1: ran 10 ns, waited 3 ns\r\n\
             (PVN)   d3v0: ran 7 ns, waited 3 ns\r\n",
        );
        assert_eq!(after.since(&before), (1000, [30, 1, 7]));
    }

    #[test]
    fn what_a_guest_says_is_found() {
        let text = "x\n[w1] LOAD rounds=6 span=2000000000 ran=5\r\n[w2] LOAD rounds=1";
        assert_eq!(work(text, 1), 3);
        assert_eq!((work(text, 3), said(text, "w9", "LOAD ")), (0, ""));
    }
}

//! Contract: what goes wrong in the machine itself does no harm or is told. NMIs that come at any time
//! change nothing of the guests' story; a machine check ends with a report; and with `watchdog` a CPU
//! that takes no interrupts any more shows where it is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::guests::{SCRIPT, tell};
use super::numbers::number_after;
use super::{BootTest, PROMPT};
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::qemu::Machine;
use crate::qemu::qmp::Qmp;
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "unwell",
    contract: "NMIs do no harm; machine checks and stuck processors are told",
    run,
};

/// Between two NMIs.
const PAUSE: Duration = Duration::from_millis(3);

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    in_mode(lab, "default", "", report)?;
    alone(lab)
}

/// All of it that takes two processors, with more options for the hypervisor.
pub(super) fn in_mode(lab: &Lab, mode: &str, options: &str, report: &mut Report) -> Checked<()> {
    nmis(lab, mode, options, report)?;
    machine_check(lab, mode, options)?;
    stuck(lab, mode, options, report)
}

fn start(lab: &Lab, name: &str, smp: u32, options: &str, script: Option<&str>) -> Checked<Machine> {
    let modules = lab.dom0_for(script)?;
    let mut config = lab.paravane_with(&format!("{HYPERVISOR_OPTIONS} {options}"), modules);
    config.smp = smp;
    Ok(lab.start(&config, name)?)
}

/// The story of two guests, all the time interrupted by NMIs, and watched.
fn nmis(lab: &Lab, mode: &str, options: &str, report: &mut Report) -> Checked<()> {
    let script = format!("{SCRIPT}xl debug-keys n\n");
    let options = format!("watchdog watchdog_timeout=60 {options}");
    let mut machine = start(lab, &format!("nmis-{mode}"), 2, &options, Some(&script))?;
    machine.expect("watchdog: each CPU has 60 s")?;
    let monitor = machine.monitor()?;
    let over = AtomicBool::new(false);
    let (told, sent) = thread::scope(|scope| {
        let sender = scope.spawn(|| send_nmis(monitor, &over));
        let told = tell(&mut machine, report);
        over.store(true, Ordering::Relaxed);
        (told, sender.join().unwrap_or(0))
    });
    told?;
    let text = machine.console.text();
    let line = text.lines().find(|line| line.contains("NMIs on this CPU"));
    let taken =
        line.and_then(|line| number_after(line, "0: ").or_else(|| number_after(line, "1: ")));
    report.note(format!(
        "{sent} NMIs were sent, {taken:?} taken by one of two processors"
    ));
    require!(
        sent >= 100 && taken.is_some_and(|taken| taken >= sent / 2),
        "{sent} NMIs sent, {line:?}"
    );
    Ok(())
}

/// Sends NMIs to all processors; how many.
fn send_nmis(mut monitor: Qmp, over: &AtomicBool) -> u64 {
    let mut sent = 0;
    while !over.load(Ordering::Relaxed) && monitor.execute("inject-nmi", &json!({})).is_ok() {
        sent += 1;
        thread::sleep(PAUSE);
    }
    sent
}

fn machine_check(lab: &Lab, mode: &str, options: &str) -> Checked<()> {
    let name = format!("machine-check-{mode}");
    let mut machine = start(lab, &name, 2, options, None)?;
    machine.deny_only(&[]);
    machine.expect(PROMPT)?;
    // An uncorrected error of bank 1 that the processor cannot go on from.
    let said = machine
        .monitor()?
        .human("mce 1 1 0xbd00000000000000 0x5 0x1000 0x0")?;
    require!(said.is_empty(), "QEMU: {said}");
    let line = machine.expect_line("PANIC: exception 18 (machine check) in ")?;
    require!(line.contains("on CPU 1"), "{line}");
    machine.expect_all(&["RIP:", "Backtrace:", "Halted (noreboot)."])?;
    Ok(())
}

/// A processor stops, interrupts off; its neighbour notices.
fn stuck(lab: &Lab, mode: &str, options: &str, report: &mut Report) -> Checked<()> {
    let options = format!("watchdog watchdog_timeout=1 {options}");
    let script = Some("xl debug-keys W\n");
    let mut machine = start(lab, &format!("stuck-{mode}"), 2, &options, script)?;
    machine.deny_only(&[]);
    let line = machine.expect_line("(PVN) this CPU, ")?;
    let cpu = number_after(&line, "this CPU, ");
    const STUCK: &str =
        "PANIC: exception 2 (watchdog: no interrupt for too long) in the hypervisor";
    let line = machine.expect_line(STUCK)?;
    report.note(line.trim_end().to_owned());
    require!(number_after(&line, "on CPU ") == cpu, "{line}, not {cpu:?}");
    machine.expect_all(&["RIP:", "Backtrace:", "Halted (noreboot)."])?;
    Ok(())
}

/// One processor has nobody to watch it.
fn alone(lab: &Lab) -> Checked<()> {
    let mut machine = start(
        lab,
        "alone",
        1,
        "watchdog",
        Some("xl debug-keys W\nxl debug-keys n\n"),
    )?;
    machine.expect("watchdog: there is no other CPU to watch this one")?;
    machine.expect("it is not watched")?;
    machine.expect_script_done()?;
    Ok(())
}

//! Contract: a thousand times a guest is made, started on four vCPUs, ended and destroyed, each time
//! at another bad moment: by an exception without a handler, by its own word, while it computes, amid
//! long hypercalls, while vCPUs are brought up, before it ran. Pages, dom0's ports and the
//! hypervisor's heap are exactly what they were, and another guest that all the while watched its
//! clocks and counted its events and timers saw none go back, get lost or come twice.
//!
//! The thousand are on two processors that take turns, counted by instructions: so each run has the
//! same interleavings. Sixty more follow while both really run at once.

use super::BootTest;
use super::fairness::{finish, start};
use super::numbers::number_after;
use crate::lab::Lab;
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "crash_cycles",
    contract: "1,000 guests crash or are destroyed; nothing is lost, nor does a neighbour notice",
    run,
};

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    cycles(lab, 2, true, [10, 100], report)?;
    cycles(lab, 2, false, [1, 60], report)
}

/// A few cycles first, after which whatever grows with use has grown; then `steps` commands of
/// `each`, with a sign of life after each.
fn script([steps, each]: [usize; 2]) -> String {
    let step = format!("xl crash-test cycle {each}\n");
    format!(
        "xl create rogue name=witness vcpus=2 on_poweroff=preserve cmdline=cycle=witness\n\
         expect witness 60 WITNESS begins\n\
         xl crash-test cycle 24\n\
         xl debug-keys m\n\
         {}xl debug-keys m\n\
         xl shutdown -w witness\n\
         expect witness 60 WITNESS sent=\n",
        step.repeat(steps)
    )
}

fn cycles(
    lab: &Lab,
    smp: u32,
    icount: bool,
    [steps, each]: [usize; 2],
    report: &mut Report,
) -> Checked<()> {
    let name = if icount { "by-turns" } else { "at-once" };
    let mut machine = start(lab, name, smp, icount, &script([steps, each]))?;
    let mut took = 0;
    for _ in 0..steps {
        let line = machine.expect_line(&format!("{each} cycles in "))?;
        took += number_after(&line, "cycles in ").unwrap_or(0);
    }
    let text = finish(machine)?;
    let memory: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once("(PVN) memory: "))
        .map(|(_, figures)| figures.trim_end())
        .collect();
    require!(
        memory.len() == 2 && memory[0] == memory[1] && memory[0].contains("of the heap used"),
        "before and after: {memory:?}"
    );
    let clock = if icount { "virtual ms" } else { "ms" };
    report.note(format!(
        "{smp} processors: {} cycles in {took} {clock}; {}",
        each * steps,
        memory[1]
    ));
    saw_nothing(&text, report)
}

/// What the guest beside them counted.
fn saw_nothing(text: &str, report: &mut Report) -> Checked<()> {
    let witness = text.lines().find(|line| line.contains("WITNESS sent="));
    let witness = witness.unwrap_or_default().trim_end();
    report.note(witness);
    let figure = |key| number_after(witness, key);
    for (key, answer) in [("sent=", "heard="), ("armed=", "fired=")] {
        require!(
            figure(key).is_some_and(|count| count > 100) && figure(key) == figure(answer),
            "{witness}"
        );
    }
    require!(
        figure("lost=") == Some(0) && figure("backwards=") == Some(0),
        "{witness}"
    );
    Ok(())
}

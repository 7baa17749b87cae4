//! Contract: interrupts are off for at most 50,000 instructions at a stretch, whatever guests ask
//! for: from an entry into the hypervisor to the way back to a guest, or to where it waits.
//!
//! Measured by the hypervisor itself, in an image built for it (`hypervisor/src/stretches.rs`), with
//! a clock that counts instructions: while our kernel makes the largest calls there are
//! (`guest-kernel/src/stretch.rs`), its self-check and its benches; and while dom0's toolstack
//! builds and destroys guests.

use super::{BootTest, PROMPT};
use crate::images;
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::qemu::{Config, Machine, Module};
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "longest_path",
    contract: "interrupts are never off for more than 50,000 instructions",
    run,
};

/// The most instructions.
const CEILING: u64 = 50_000;
/// What is executed before the first look at the clock and behind the last: the assembly code of an
/// entry and a way out.
const UNSEEN: u64 = 150;
/// MiB of a machine in which there is a free, aligned GiB.
const MEMORY_FOR_HUGE_EXTENTS: u32 = 2560;
/// How many are shown.
const SHOWN: usize = 20;

const LINE: &str = "(PVN) STRETCH ";
const END: &str = "(PVN) STRETCHES END";
const WORK: &str = "STRETCH-WORK ";

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let kernel = lab.dir.join("paravane-stretches");
    let mut lab = lab.clone();
    lab.images.hypervisor = images::build_noting_stretches(&lab.workspace, &kernel)?;

    let largest = lab.our_dom0("bench selfcheck stretches", None)?;
    let mut machine = start(&lab, largest, MEMORY_FOR_HUGE_EXTENTS, "largest-calls")?;
    machine.expect_line(END)?;
    let text = machine.console.text();
    let done = work(&text);
    require!(done == Ok(()), "{done:?}{}", machine.tail());
    judge("largest calls", &text, report)?;

    let toolstack = lab.our_dom0(DOM0_ARGS, None)?;
    let mut machine = start(&lab, toolstack, 512, "toolstack")?;
    machine.expect(PROMPT)?;
    for command in ["xl create guest1", "xl create guest2"] {
        machine.type_line(command)?;
        machine.expect("init: all is well")?;
    }
    for command in [
        "xl list",
        "xl debug-keys qir",
        "xl destroy guest1",
        "xl destroy guest2",
        "xl list",
    ] {
        machine.type_line(command)?;
        machine.expect(PROMPT)?;
    }
    machine.type_line("poweroff")?;
    machine.expect_line(END)?;
    judge("toolstack", &machine.console.text(), report)
}

fn start(lab: &Lab, modules: Vec<Module>, memory_mib: u32, name: &str) -> Checked<Machine> {
    let options = format!("{HYPERVISOR_OPTIONS} dom0_max_vcpus=2");
    let mut config: Config = lab.paravane_with(&options, modules);
    (config.icount, config.memory_mib) = (true, memory_mib);
    Ok(lab.start(&config, name)?)
}

/// Whether the kernel did all its work, none of it refused.
fn work(console: &str) -> Result<(), String> {
    let mut count = 0;
    for line in console.lines().map(str::trim) {
        let Some(rest) = line.strip_prefix(WORK) else {
            continue;
        };
        if let Some(number) = rest.strip_prefix("END n=") {
            return if count > 0 && number == count.to_string() {
                Ok(())
            } else {
                Err(format!("{count} pieces of work before `{line}`"))
            };
        }
        if !rest.ends_with(": done") {
            return Err(format!("refused: {line}"));
        }
        count += 1;
    }
    Err("the work did not end".into())
}

/// Reads the lines `STRETCH instructions what` of a console, longest first, as it shows them.
fn stretches(console: &str) -> Vec<(u64, String)> {
    let lines = console.lines().filter_map(|line| {
        let (number, what) = line.trim().strip_prefix(LINE)?.split_once(' ')?;
        Some((number.parse::<u64>().ok()? + UNSEEN, what.to_owned()))
    });
    lines.collect()
}

fn judge(when: &str, console: &str, report: &mut Report) -> Checked<()> {
    let stretches = stretches(console);
    require!(stretches.len() >= SHOWN, "{when}: only {stretches:?}");
    let mut table = format!("{when}: the longest stretches with interrupts off, instructions:");
    for (length, what) in &stretches[..SHOWN] {
        table += &format!("\n{length:>10}  {what}");
    }
    report.note(table);
    for failure in too_long(&stretches) {
        report.failure(format!("{when}: {failure}"));
    }
    Ok(())
}

fn too_long(stretches: &[(u64, String)]) -> Vec<String> {
    let over = stretches.iter().filter(|(length, _)| *length > CEILING);
    over.map(|(length, what)| format!("{what}: {length} instructions"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_above_the_ceiling_is_a_failure() {
        let text = "x\n(PVN) STRETCH 49851 vector 14\r\n(PVN) STRETCH 49850 hypercall 1 0\r\n";
        let read = stretches(text);
        assert_eq!(read[1], (50_000, "hypercall 1 0".into()));
        assert_eq!(too_long(&read), ["vector 14: 50001 instructions"]);
    }

    #[test]
    fn work_that_is_refused_or_cut_short_is_noticed() {
        let good = "STRETCH-WORK a: done\r\nSTRETCH-WORK b: done\r\nSTRETCH-WORK END n=2\r\n";
        assert_eq!(work(good), Ok(()));
        for bad in [
            "STRETCH-WORK END n=0\n",
            "STRETCH-WORK a: done\n",
            "STRETCH-WORK a: -22\nSTRETCH-WORK END n=1\n",
            "STRETCH-WORK a: done\nSTRETCH-WORK END n=2\n",
        ] {
            assert!(work(bad).is_err(), "{bad}");
        }
    }
}

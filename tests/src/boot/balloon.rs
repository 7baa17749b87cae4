//! Contract: the balloon, end to end. A guest gives pages back and takes them again a thousand
//! times; a checksum over its memory, taken at both ends of every cycle, never changes, it owns
//! exactly what it was told to own each time, and in the end as many pages of the machine are
//! free as before. Its limit can be raised, not lowered below what it has, and it cannot grow
//! beyond. Where the machine has not enough memory, it gets what there is and runs on; once there
//! is enough again, it grows.

use super::{BootTest, PROMPT};
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::qemu::Machine;
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "balloon",
    contract: "1,000 cycles down and up change no byte and lose no page; limits hold",
    run,
};

const PAGES_PER_MIB: u64 = 256;

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let config = lab.paravane_with(HYPERVISOR_OPTIONS, lab.our_dom0(DOM0_ARGS, None)?);
    let mut machine = lab.start(&config, "paravane")?;
    machine.expect(PROMPT)?;
    let free_at_first = free_pages(&mut machine)?;
    command(
        &mut machine,
        "xl create guest1 memory=24 maxmem=28",
        "guest1",
    )?;
    // The story so far on the terminal would come between command and answer.
    command(&mut machine, "xl quiet on", "")?;
    report.note(command(
        &mut machine,
        "xl balloon-test guest1 1000",
        "1000 cycles moved ",
    )?);
    limits(&mut machine)?;
    report.note(too_little(&mut machine)?);
    command(&mut machine, "xl destroy guest1", "")?;
    end_with(machine, free_at_first)
}

/// Powers a machine off of which as many pages are free as at first.
pub(super) fn end_with(mut machine: Machine, free_at_first: u64) -> Checked<()> {
    let free = free_pages(&mut machine)?;
    require!(
        free == free_at_first,
        "{free} pages are free, {free_at_first} were at first{}",
        machine.tail()
    );
    machine.type_line("poweroff")?;
    let status = machine.expect_end()?;
    require!(status.success(), "QEMU ended with {status}");
    Ok(())
}

fn limits(machine: &mut Machine) -> Checked<()> {
    for (line, answer) in [
        ("xl mem-set guest1 29", "its maxmem is 28 MiB"),
        ("xl mem-max guest1 12", "it has 24 MiB: shrink it"),
        ("xl mem-set guest1 12", "guest1 has 12 MiB now"),
        ("xl mem-max guest1 12", "guest1 may have 12 MiB now"),
        ("xl mem-set guest1 13", "its maxmem is 12 MiB"),
        ("xl mem-max guest1 24", "guest1 may have 24 MiB now"),
    ] {
        command(machine, line, answer)?;
    }
    Ok(())
}

/// Has the guest grow by 12 MiB where there are 4.
fn too_little(machine: &mut Machine) -> Checked<String> {
    let sum = command(machine, "xl checksum guest1", "pattern is ")?;
    let memory = free_pages(machine)? / PAGES_PER_MIB - 4;
    command(machine, &format!("xl create -p guest2 memory={memory}"), "")?;
    let refused = command(machine, "xl mem-set guest1 24", "asked for 6144 pages")?;
    let same = command(machine, "xl checksum guest1", "pattern is ")?;
    require!(same == sum, "`{sum}` became `{same}`{}", machine.tail());
    command(machine, "xl destroy guest2", "")?;
    command(machine, "xl mem-set guest1 24", "guest1 has 24 MiB now")?;
    let same = command(machine, "xl checksum guest1", "pattern is ")?;
    require!(same == sum, "`{sum}` became `{same}`{}", machine.tail());
    Ok(refused)
}

/// Types a command at the prompt; the line of its answer that has `text`.
pub(super) fn command(machine: &mut Machine, line: &str, text: &str) -> Checked<String> {
    machine.type_line(line)?;
    let answer = if text.is_empty() {
        String::new()
    } else {
        // Not the command itself, as the terminal echoes it.
        machine.expect_line(line)?;
        machine.expect_line(text)?
    };
    machine.expect(PROMPT)?;
    Ok(answer.trim().to_owned())
}

pub(super) fn free_pages(machine: &mut Machine) -> Checked<u64> {
    let line = command(machine, "xl info", "free_pages")?;
    let pages = line.rsplit(' ').next().and_then(|n| n.parse().ok());
    require!(pages.is_some(), "no number in `{line}`");
    Ok(pages.unwrap_or(0))
}

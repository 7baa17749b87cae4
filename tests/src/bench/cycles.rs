//! Cycles, on the host's own processor: the kernel's benches where KVM runs, since nobody counts them
//! from outside there.
//!
//! Not every KVM runs a hypervisor. One that has no virtualization extension to build on (it is itself a
//! guest's) emulates what the machine does in ring 0, instruction by instruction, and stops at one that it
//! has not learnt: that is said of the side which it stops, with the instruction.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use super::lines::{self, Line};
use super::measure::{Run, config_of, console_until};
use super::results::Side;
use crate::lab::Lab;
use crate::qemu::Machine;
use crate::verdict::{Checked, Trouble};

/// What the kernel is told.
const ARGS: &str = "bench cycles";
/// The device that gives the processor.
const KVM: &str = "/dev/kvm";
/// A KVM inside another machine may have no word of what the processor is immune to.
const CPU: &str = "host,-arch-capabilities";
/// What QEMU says when KVM has stopped the machine for an instruction.
const STOPPED: &str = "emulation failure";
/// What stands in front of the instruction's place, and of the bytes around it.
const PLACE: &str = "RIP=";
const BYTES: &str = "Code=";
/// Bytes of an instruction that are shown.
const SHOWN: usize = 4;
/// How long the console is listened to before QEMU's complaints are read again.
const TURN: Duration = Duration::from_secs(1);

/// Cycles of each operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Those that could be measured.
    pub lines: Vec<Line>,
    /// What the kernel said of the others.
    pub refused: Vec<String>,
}

/// What came of a side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It came to its end.
    Measured(Measured),
    /// KVM has stopped it; why.
    Stopped(String),
}

/// Why nothing can be measured on this host, if so.
#[must_use]
pub fn unavailable() -> Option<String> {
    let opened = fs::File::options().read(true).write(true).open(KVM);
    opened
        .err()
        .map(|error| format!("{KVM} cannot be used here: {error}"))
}

/// Cycles of each operation, by side.
///
/// # Errors
/// There is no KVM here, or a machine neither comes to the end nor is stopped by KVM.
pub fn measure(lab: &Lab, mut tell: impl FnMut(&str)) -> Checked<Vec<(Side, Outcome)>> {
    if let Some(reason) = unavailable() {
        return Err(Trouble::Error(anyhow!(
            "cycles are counted where KVM runs, and nowhere else: {reason}"
        )));
    }
    let mut all = Vec::new();
    for side in Side::ALL {
        tell(&format!("{}: on the host's processor", side.title()));
        all.push((side, of_side(lab, side)?));
    }
    Ok(all)
}

fn of_side(lab: &Lab, side: Side) -> Checked<Outcome> {
    let mut config = config_of(lab, side, Run::with(ARGS))?;
    (config.icount, config.kvm, config.cpu) = (false, true, CPU.into());
    let mut machine = lab.start(&config, &format!("{side:?}-cycles"))?;
    match stopped(&mut machine, lab.deadline)? {
        Some(reason) => Ok(Outcome::Stopped(reason)),
        // It is there, or what is wrong is said.
        None => measured(&mut machine).map(Outcome::Measured),
    }
}

/// The same on an emulated processor, of which the figures mean nothing: what there is to try of this
/// where no KVM runs a side.
///
/// # Errors
/// The machine does not come to the end.
pub fn emulated(lab: &Lab, side: Side) -> Checked<Measured> {
    let mut config = config_of(lab, side, Run::with(ARGS))?;
    config.icount = false;
    measured(&mut lab.start(&config, &format!("{side:?}-emulated"))?)
}

fn measured(machine: &mut Machine) -> Checked<Measured> {
    let text = console_until(machine, lines::DONE)?;
    let (lines, refused) = lines::read_some(&text)
        .map_err(|error| Trouble::Failure(format!("{}: {error:#}", machine.log().display())))?;
    Ok(Measured { lines, refused })
}

/// Waits for the last line, for the machine's end, or until KVM has stopped it; why it has.
fn stopped(machine: &mut Machine, deadline: Duration) -> Checked<Option<String>> {
    let complaints = machine.log().with_file_name("qemu.log");
    let last = Instant::now() + deadline;
    loop {
        let why = reason(&complaints)?;
        // What was printed before it stopped has a turn to arrive.
        let over = machine.ends_within(TURN) || Instant::now() > last;
        // This kernel turns a machine off by a triple fault, which may stop it as well.
        if machine.console.text().contains(lines::DONE) {
            return Ok(None);
        }
        if over || why.is_some() {
            return Ok(why);
        }
    }
}

/// Why KVM has stopped a machine, by what QEMU has written.
fn reason(complaints: &Path) -> Checked<Option<String>> {
    let text =
        fs::read_to_string(complaints).with_context(|| format!("no {}", complaints.display()))?;
    Ok(instruction(&text).map(|instruction| {
        format!("KVM emulates ring 0 here, and does not know the instruction {instruction}")
    }))
}

/// The instruction that KVM could not emulate: `0f 01 d0 89 at ffff878000145040`, as far as it is told.
fn instruction(complaints: &str) -> Option<String> {
    let (_, state) = complaints.split_once(STOPPED)?;
    let after = |key| state.split_once(key).map(|(_, rest)| rest);
    let place = after(PLACE).and_then(|rest| rest.split_whitespace().next());
    let bytes = after(BYTES).and_then(|rest| rest.split_once('<'));
    let bytes = bytes.map_or("", |(_, rest)| rest).replace('>', "");
    let bytes: Vec<&str> = bytes.split_whitespace().take(SHOWN).collect();
    Some(format!("{} at {}", bytes.join(" "), place.unwrap_or("?")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instruction_that_stopped_a_machine_is_named() {
        let text = "KVM internal error. Suberror: 1\nextra data[0]: 0x1\nemulation failure\n\
            RAX=0000000000000007 RBX=ffff870000001008\nRIP=ffff878000145040 RFL=00000046\n\
            Code=15 31 c9 <0f> 01 d0 89 c0 48\n";
        let named = "0f 01 d0 89 at ffff878000145040";
        assert_eq!(instruction(text).as_deref(), Some(named));
        assert_eq!(instruction("emulation failure\n").as_deref(), Some(" at ?"));
        assert_eq!(instruction("qemu: terminating on signal 15"), None);
        assert_eq!(instruction(""), None);
    }
}

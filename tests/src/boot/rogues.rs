//! Contract: a guest kernel may do what it likes: jump anywhere, pass any pointer, any
//! selector, any count, ask for anything, for ever. It is refused, or it dies alone, with a
//! message that names the cause and its registers; a guest beside it still answers, and when
//! the rogue is gone every page it had is free again.
//!
//! The acts themselves are in the guest kernel (`guest-kernel/src/rogue`), which reports what
//! must never succeed as a `BREACH`.

use super::{BootTest, PROMPT};
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::qemu::Machine;
use crate::require;
use crate::verdict::{Checked, Report, Trouble};

pub(super) const TEST: BootTest = BootTest {
    name: "rogues",
    contract: "hostile guests are refused or die alone, and their memory comes back",
    run,
};

pub(super) const TEST_ISOLATED: BootTest = BootTest {
    name: "rogues_isolated",
    contract: "the same hostile guests fare the same with xpti",
    run: |lab, report| on_cpus(2, " xpti=true", lab, report),
};

/// What becomes of a rogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The hypervisor ends it, with a message that has these words.
    Killed(&'static str),
    /// Whatever it asked was refused or harmless: it goes on.
    GoesOn,
    /// It never stops, until it is destroyed.
    Endless,
}

use End::{Endless, GoesOn, Killed};

const NO_HANDLER: End = Killed("exception without a handler");
const NO_STACK: End = Killed("bounce frame cannot be written");

/// Every rogue and its end.
const ROGUES: &[(&str, End)] = &[
    ("jump-null", NO_HANDLER),
    ("jump-unmapped", NO_HANDLER),
    ("jump-non-canonical", NO_HANDLER),
    ("jump-m2p", NO_HANDLER),
    ("jump-direct-map", NO_HANDLER),
    ("jump-image", NO_HANDLER),
    ("stack-null", NO_STACK),
    ("stack-m2p", NO_STACK),
    ("stack-direct-map", NO_STACK),
    ("stack-cpu-window", NO_STACK),
    ("stack-non-canonical", NO_STACK),
    ("handlers-nowhere", NO_STACK),
    ("handlers-hypervisor", NO_STACK),
    ("callback-nowhere", NO_HANDLER),
    ("iret-selectors", GoesOn),
    ("iret-rip", NO_HANDLER),
    ("iret-rip-hypervisor", NO_HANDLER),
    ("iret-rsp", NO_HANDLER),
    ("iret-flags", GoesOn),
    ("iret-no-user-root", Killed("no page table for the mode")),
    ("iret-no-frame", Killed("iret frame cannot be read")),
    ("iret-hypervisor-frame", Killed("iret frame cannot be read")),
    ("int-all", GoesOn),
    ("int-untrapped", NO_HANDLER),
    ("sysenter", GoesOn),
    ("tf-syscall", GoesOn),
    ("compat-entries", GoesOn),
    ("privileged", GoesOn),
    ("read-hypervisor", GoesOn),
    ("write-m2p", GoesOn),
    ("gdt-garbage", GoesOn),
    ("gdt-hostile", GoesOn),
    ("ldt-hypervisor", GoesOn),
    ("segment-bases", GoesOn),
    ("debug-registers", GoesOn),
    ("map-others", GoesOn),
    ("map-other-domains", GoesOn),
    ("devices", GoesOn),
    ("tables-writable", GoesOn),
    ("tables-self", GoesOn),
    ("stale-tlb", GoesOn),
    ("baseptr-garbage", GoesOn),
    ("baseptr-empty", NO_STACK),
    ("unmap-kernel", NO_STACK),
    ("hoard", NO_HANDLER),
    ("multicall-nested", GoesOn),
    ("counts", GoesOn),
    ("pointers", GoesOn),
    ("random-calls", GoesOn),
    ("random-calls-2", GoesOn),
    ("random-multicalls", GoesOn),
    ("spin", Endless),
    ("yield-loop", Endless),
    ("event-flood", Endless),
    ("dom0-event-flood", Endless),
    ("timer-flood", Endless),
    ("timer-storm", Endless),
    ("console-flood", Endless),
    ("log-flood", Endless),
    ("fault-flood", Endless),
    ("pin-flood", Endless),
    ("store-indices", GoesOn),
    ("store-lengths", GoesOn),
    ("store-half", Endless),
    ("store-flood", Endless),
    ("store-deaf", Endless),
    ("store-random", Endless),
    ("console-indices", Endless),
    ("console-random", Endless),
];

/// Once where rogue and bystander share a CPU, and once where each can have its own.
fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    on_cpus(1, "", lab, report)?;
    on_cpus(2, "", lab, report)
}

fn on_cpus(cpus: u32, options: &str, lab: &Lab, report: &mut Report) -> Checked<()> {
    let options = format!("{HYPERVISOR_OPTIONS}{options}");
    let mut config = lab.paravane_with(&options, lab.dom0_for(None)?);
    config.smp = cpus;
    let mut machine = lab.start(&config, &format!("paravane-{cpus}"))?;
    machine.expect(PROMPT)?;
    machine.type_line("xl create guest1")?;
    machine.expect("[guest1] init: all is well")?;
    let free = free_pages(&mut machine)?;
    let mut ends = [0; 3];
    for &(name, end) in ROGUES {
        let result = one(&mut machine, name, end, free);
        let stuck = matches!(result, Err(Trouble::Failure(_))) && !alive(&mut machine);
        ends[match end {
            Killed(_) => 0,
            GoesOn => 1,
            Endless => 2,
        }] += u32::from(result.is_ok());
        report.case(&format!("{name} ({cpus} CPUs)"), result);
        require!(
            !stuck,
            "after {name} the machine does not answer{}",
            machine.tail()
        );
    }
    let result = vector_registers(&mut machine, free);
    report.case(&format!("fpu-read ({cpus} CPUs)"), result);
    report.note(format!(
        "of {} rogues, {} were ended by the hypervisor, {} were refused, {} ran until destroyed",
        ROGUES.len(),
        ends[0],
        ends[1],
        ends[2]
    ));
    report.note(format!(
        "{free} pages were free before the first ({cpus} CPUs)"
    ));
    machine.type_line("poweroff")?;
    let status = machine.expect_end()?;
    require!(status.success(), "`poweroff` ended QEMU with {status}");
    Ok(())
}

/// One rogue from its start to the count of free pages after its end.
fn one(machine: &mut Machine, name: &str, end: End, free: u64) -> Checked<()> {
    let before = machine.console.text().len();
    machine.type_line(&format!("xl create rogue cmdline=rogue={name}"))?;
    machine.expect(&format!("rogue {name}: begins"))?;
    if end == Endless {
        // It runs beside the other while both are asked something.
        machine.type_line("sleep 0.2")?;
        answers(machine)?;
        machine.type_line("xl destroy rogue")?;
    } else {
        machine.expect("rogue (domain ")?;
    }
    answers(machine)?;
    let left = free_pages(machine)?;
    let text = machine.console.text();
    let said = text.get(before..).unwrap_or_default();
    if let Some(breach) = said.lines().find(|line| line.contains("BREACH")) {
        return Err(Trouble::Failure(breach.to_owned()));
    }
    came_to(said, name, end)?;
    require!(
        left == free,
        "{left} pages are free after it, {free} were before"
    );
    Ok(())
}

/// Checks how a rogue ended by what was said meanwhile.
fn came_to(said: &str, name: &str, end: End) -> Checked<()> {
    let killed = said.lines().find(|line| line.contains(" killed: "));
    let panic = said.lines().find(|line| line.contains("kernel panic"));
    let went_on = said.contains(&format!("rogue {name}: nothing happened to it"));
    let dumped = ["(PVN) RIP:", "(PVN) rax:", "(PVN) r15:"]
        .iter()
        .all(|what| said.contains(what));
    let fits = match (end, killed, panic) {
        (Killed(cause), Some(line), None) => {
            line.contains("(PVN) ") && line.contains(cause) && dumped && !went_on
        }
        (GoesOn, None, None) => went_on,
        (Endless, None, None) => !went_on,
        _ => false,
    };
    require!(
        fits,
        "not {end:?}, but killed: {killed:?}, panic: {panic:?}, registers: {dumped}, went on: {went_on}"
    );
    Ok(())
}

/// A domain fills the vector registers without end; another finds none of that in its own.
fn vector_registers(machine: &mut Machine, free: u64) -> Checked<()> {
    machine.type_line("xl create rogue name=filler cmdline=rogue=fpu-fill")?;
    machine.expect("registers are filled")?;
    let before = machine.console.text().len();
    machine.type_line("xl create rogue cmdline=rogue=fpu-read")?;
    machine.expect("rogue (domain ")?;
    machine.type_line("xl destroy filler")?;
    let left = free_pages(machine)?;
    let text = machine.console.text();
    let said = text.get(before..).unwrap_or_default();
    require!(
        !said.contains("BREACH"),
        "registers were left over{}",
        machine.tail()
    );
    came_to(said, "fpu-read", GoesOn)?;
    require!(
        left == free,
        "{left} pages are free after it, {free} were before"
    );
    Ok(())
}

/// The well-behaved guest sends events to dom0 and gets its answers.
fn answers(machine: &mut Machine) -> Checked<()> {
    machine.type_line("xl ping guest1 3")?;
    machine.expect("guest1 sent 3 events to dom0, 3 were answered")?;
    Ok(())
}

/// Whether the shell still answers.
fn alive(machine: &mut Machine) -> bool {
    machine.type_line("xl destroy rogue").is_ok()
        && machine.type_line("echo still-here-$").is_ok()
        && machine.expect("\nstill-here-$").is_ok()
}

/// Pages that nobody has, as the hypervisor counts them.
fn free_pages(machine: &mut Machine) -> Checked<u64> {
    machine.type_line("xl info")?;
    let line = machine.expect_line("free_pages ")?;
    let pages = line
        .rsplit(':')
        .next()
        .and_then(|number| number.trim().parse().ok());
    pages.ok_or_else(|| Trouble::Failure(format!("no number of pages: `{line}`")))
}

//! Contract: the story of the guests. dom0 starts two; in each, three processes and
//! more run side by side, pre-empted by the timer, and those that fault are ended
//! alone. A guest's events are answered by dom0; dom0 balloons a guest down and up
//! again while a checksum over its memory holds; one guest crashes, `xl list` shows
//! it, and everything else goes on.
//!
//! The script and both images are the same on Debian's Xen, where the story must be
//! the same: the toolstack has no back door in Paravane.

use super::BootTest;
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::qemu::Machine;
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "guests",
    contract: "two guests run, fault, balloon, talk to dom0; one crashes and the rest goes on",
    run: on_paravane,
};

pub(super) const TEST_ON_XEN: BootTest = BootTest {
    name: "xen_guests",
    contract: "the same script and images tell the same story on Debian's Xen",
    run: on_xen,
};

pub(super) const SCRIPT: &str = include_str!("../../scripts/story");

fn on_paravane(lab: &Lab, report: &mut Report) -> Checked<()> {
    let mut machine = lab.start(&lab.paravane(Some(SCRIPT))?, "paravane")?;
    tell(&mut machine, report)?;
    let status = machine.expect_end()?;
    require!(status.success(), "QEMU ended with {status}");
    Ok(())
}

fn on_xen(lab: &Lab, report: &mut Report) -> Checked<()> {
    let modules = lab.dom0_for(Some(SCRIPT))?;
    let mut machine = lab.start(&lab.xen_with(HYPERVISOR_OPTIONS, modules)?, "xen")?;
    tell(&mut machine, report)
}

/// Follows the script. Its commands check their own figures, and end it where one is
/// off; what the guests say of themselves is checked here.
pub(super) fn tell(machine: &mut Machine, report: &mut Report) -> Checked<()> {
    machine.expect("guest1 was ballooned down and up and its memory is unchanged")?;
    machine.expect("guest2 crashed, as it was asked to")?;
    report.note(format!(
        "after guest2's crash, {}",
        machine.expect_line("guest1 sent ")?
    ));
    machine.expect("* xl list")?;
    let listed = machine.expect_line("guest2 ")?;
    require!(
        state_of(&listed).is_some_and(|state| state.contains('c')),
        "not shown as crashed: `{listed}`"
    );
    machine.expect_script_done()?;
    let text = machine.console.text();
    for guest in ["guest1", "guest2"] {
        ran_its_processes(&text, guest)?;
    }
    Ok(())
}

/// Checks what the first process of a guest says at the end of its work.
fn ran_its_processes(text: &str, guest: &str) -> Checked<()> {
    let said: String = text
        .lines()
        .filter_map(|line| line.strip_prefix(&format!("[{guest}] init: ")))
        .collect();
    let figure = |what: &str| number_before(&said, what);
    require!(
        figure(" processes ran side by side") >= Some(3),
        "{guest}: not three processes: `{said}`"
    );
    require!(
        figure(" pre-emptions by the timer") >= Some(1),
        "{guest}: no pre-emption: `{said}`"
    );
    let ended = figure(" faulting processes ended alone");
    require!(
        ended >= Some(1),
        "{guest}: no process ended alone by its fault: `{said}`"
    );
    require!(said.contains("all is well"), "{guest}: `{said}`");
    Ok(())
}

/// The number before the words `what`.
fn number_before(text: &str, what: &str) -> Option<u64> {
    let (before, _) = text.split_once(what)?;
    let digits = before
        .rfind(|character: char| !character.is_ascii_digit())
        .map_or(0, |at| at + 1);
    before[digits..].parse().ok()
}

/// The column of `xl list` that holds letters and dashes: `-b----`.
fn state_of(line: &str) -> Option<&str> {
    line.split_whitespace()
        .find(|word| word.len() == 6 && word.bytes().all(|byte| b"-rbpscd".contains(&byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "[guest1] init: 4 processes ran side by side and ended as they should;\n\
        [guest2] init: noise\n\
        [guest1] init: 34 pre-emptions by the timer, 92 system calls, 83 events taken,\n\
        [guest1] init: 258 page faults answered with memory, 3 of 3 faulting processes ended alone.\n\
        [guest1] init: all is well after 1713 ms\n";

    #[test]
    fn a_guests_own_figures_are_checked() {
        assert!(ran_its_processes(SAID, "guest1").is_ok());
        assert!(ran_its_processes(SAID, "guest2").is_err());
        for (good, bad) in [
            ("4 processes", "2 processes"),
            ("34 pre", "0 pre"),
            ("all is well", "trouble"),
        ] {
            assert!(
                ran_its_processes(&SAID.replace(good, bad), "guest1").is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn the_state_column_is_found() {
        assert_eq!(
            state_of("guest2    2    24     1     ---sc-       0.4"),
            Some("---sc-")
        );
        assert_eq!(state_of("guest2 without a state"), None);
    }
}

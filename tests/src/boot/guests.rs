//! Contract: the story of the guests. dom0 starts two; in each, three processes run
//! side by side, pre-empted by the timer, and one that faults is killed alone. A
//! guest's event is answered by dom0; dom0 balloons a guest down and up again while
//! a checksum over its memory holds; one guest crashes, and everything else goes on.

use super::BootTest;
use crate::lab::Lab;
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "guests",
    contract: "two guests run, fault, balloon, talk to dom0; one crashes and the rest goes on",
    run,
};

const SCRIPT: &str = include_str!("../../scripts/story");

/// What each guest must have shown of itself by the time it is asked, at least.
const AT_LEAST: [(&str, u64); 3] = [
    ("processes,", 3),
    ("pre-emptions", 1),
    ("processes ended by a fault", 1),
];

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let mut machine = lab.start(&lab.paravane(Some(SCRIPT))?, "paravane")?;
    guest_is_busy(&machine.expect_line("guest1 says: ")?)?;
    // The commands themselves fail, and with them the script, when a number is off.
    machine.expect_line("guest1 sent ")?;
    machine.expect("guest1 was ballooned down and up and its memory is unchanged")?;
    guest_is_busy(&machine.expect_line("guest2 says: ")?)?;
    machine.expect("guest2 crashed, as it was asked to")?;
    report.note(machine.expect_line("guest1 sent ")?);
    let crashed = machine.expect_line("guest2 ")?;
    require!(
        state_of(&crashed).is_some_and(|state| state.contains('c')),
        "not shown as crashed: `{crashed}`"
    );
    let line = machine.expect_line("script exited with status ")?;
    require!(
        line.trim_end().ends_with("status 0"),
        "{line}{}",
        machine.tail()
    );
    let status = machine.expect_end()?;
    require!(status.success(), "QEMU ended with {status}");
    Ok(())
}

/// Checks a line `guest1 says: 4 processes, 12 pre-emptions by its timer, …`.
fn guest_is_busy(line: &str) -> Checked<()> {
    for (what, least) in AT_LEAST {
        let count = number_before(line, what);
        require!(
            count.is_some_and(|count| count >= least),
            "fewer than {least} {what} in `{line}`"
        );
    }
    Ok(())
}

/// The number before the words `what`.
fn number_before(line: &str, what: &str) -> Option<u64> {
    let (before, _) = line.split_once(what)?;
    before.split_whitespace().next_back()?.parse().ok()
}

/// The column of `xl list` that holds letters and dashes: `-b----`.
fn state_of(line: &str) -> Option<&str> {
    line.split_whitespace()
        .find(|word| word.len() == 6 && word.bytes().all(|byte| b"-rbpscd".contains(&byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_own_figures_are_checked() {
        let line = "guest1 says: 4 processes, 12 pre-emptions by its timer, 1 processes ended by a fault, 0 events";
        assert!(guest_is_busy(line).is_ok());
        assert!(guest_is_busy(&line.replace("12 pre", "0 pre")).is_err());
        assert!(guest_is_busy("guest1 says: nothing").is_err());
    }

    #[test]
    fn the_state_column_is_found() {
        assert_eq!(
            state_of("guest2    2    24     1     ----c-       0.3"),
            Some("----c-")
        );
        assert_eq!(state_of("guest2 without a state"), None);
    }
}

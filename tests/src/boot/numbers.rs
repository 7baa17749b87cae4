//! Contract: the figures that are the same on every run stay under their ceilings:
//! the size of the image, the memory the hypervisor keeps, the instructions of a
//! null hypercall, and the virtual time (1 instruction is 1 ns) from the hypervisor's
//! first instruction to dom0's first. None of them is wall time.

use std::fs;

use super::{BootTest, PROMPT};
use crate::lab::Lab;
use crate::verdict::{Checked, Report, Trouble};

pub(super) const TEST: BootTest = BootTest {
    name: "numbers",
    contract: "image size, memory kept, boot and null hypercall stay under their ceilings",
    run,
};

/// A figure that the console shows.
struct Figure {
    what: &'static str,
    /// The line has this text …
    line: &'static str,
    /// … and the number stands after this.
    key: &'static str,
    ceiling: u64,
}

const FIGURES: [Figure; 3] = [
    Figure {
        what: "memory the hypervisor keeps of 512 MiB, KiB",
        line: "(PVN) Hypervisor keeps ",
        key: " pages (",
        ceiling: 6 << 10,
    },
    Figure {
        what: "first instruction to dom0's start, virtual us",
        line: "(PVN) Starting dom0 ",
        key: "Starting dom0 ",
        ceiling: 60_000,
    },
    Figure {
        what: "null hypercall, instructions",
        line: "BENCH null_hypercall ",
        key: "insns=",
        ceiling: 80,
    },
];

const IMAGE_BYTES: u64 = 512 << 10;

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let image = fs::metadata(&lab.images.hypervisor)?.len();
    check(
        report,
        "hypervisor image, stripped, bytes",
        image,
        IMAGE_BYTES,
    );
    let mut config = lab.paravane(None)?;
    config.icount = true;
    let mut machine = lab.start(&config, "icount")?;
    machine.expect(PROMPT)?;
    let text = machine.console.text();
    for figure in &FIGURES {
        let line = text.lines().find(|line| line.contains(figure.line));
        match line.and_then(|line| number_after(line, figure.key)) {
            Some(value) => check(report, figure.what, value, figure.ceiling),
            None => report.case(
                figure.what,
                Err(Trouble::Failure(format!(
                    "no line `{}…{}N`",
                    figure.line, figure.key
                ))),
            ),
        }
    }
    Ok(())
}

fn check(report: &mut Report, what: &str, value: u64, ceiling: u64) {
    report.note(format!("{what}: {value} (at most {ceiling})"));
    if value > ceiling {
        report.failure(format!("{what}: {value} exceeds {ceiling}"));
    }
}

/// The decimal number that follows `key` in `line`.
fn number_after(line: &str, key: &str) -> Option<u64> {
    let (_, rest) = line.split_once(key)?;
    let digits = rest
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_after_their_key() {
        let line = "(PVN) Hypervisor keeps 1263 pages (5052 KiB) of 512 MiB";
        assert_eq!(number_after(line, " pages ("), Some(5052));
        assert_eq!(number_after("KiB=many", "KiB="), None);
        assert_eq!(number_after("nothing", "KiB="), None);
    }

    #[test]
    fn a_figure_above_its_ceiling_is_a_failure() {
        let mut report = Report::default();
        check(&mut report, "x", 80, 80);
        assert!(report.findings.is_empty());
        check(&mut report, "x", 81, 80);
        assert_eq!(report.findings.len(), 1);
    }
}

//! Contract: the figures that are the same on every run stay under their ceilings:
//! the size of the image, the memory the hypervisor keeps, the instructions of a
//! null hypercall, and the virtual time (1 instruction = 1 ns) from the hypervisor's
//! first instruction to dom0's first line. None of them is wall time.

use std::fs;

use super::{BootTest, PROMPT};
use crate::lab::Lab;
use crate::verdict::{Checked, Report, Trouble};

pub(super) const TEST: BootTest = BootTest {
    name: "numbers",
    contract: "image size, memory kept, boot and null hypercall stay under their ceilings",
    run,
};

const IMAGE_BYTES: u64 = 512 << 10;
const MEMORY_KIB: u64 = 6 << 10;
const BOOT_NS: u64 = 60_000_000;
const NULL_HYPERCALL_INSTRUCTIONS: u64 = 80;

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let image = fs::metadata(&lab.images.hypervisor)?.len();
    ceiling(
        report,
        "hypervisor image, stripped: bytes",
        image,
        IMAGE_BYTES,
    );
    let mut config = lab.paravane(None)?;
    config.icount = true;
    let mut machine = lab.start(&config, "icount")?;
    machine.expect(PROMPT)?;
    let text = machine.console.text();
    let figure = |key: &str| {
        let value = text.lines().find_map(|line| number_after(line, key));
        value.ok_or_else(|| {
            Trouble::Failure(format!("no `{key}N` on the console{}", machine.tail()))
        })
    };
    let kept = figure("hypervisor keeps KiB=");
    let boot = figure("to dom0's first line ns=");
    let null = figure("BENCH null_hypercall insns=");
    for (what, value, limit) in [
        (
            "memory the hypervisor keeps of 512 MiB: KiB",
            kept,
            MEMORY_KIB,
        ),
        (
            "first instruction to dom0's first line: virtual ns",
            boot,
            BOOT_NS,
        ),
        (
            "null hypercall: instructions",
            null,
            NULL_HYPERCALL_INSTRUCTIONS,
        ),
    ] {
        match value {
            Ok(value) => ceiling(report, what, value, limit),
            Err(trouble) => report.case(what, Err(trouble)),
        }
    }
    Ok(())
}

fn ceiling(report: &mut Report, what: &str, value: u64, limit: u64) {
    report.note(format!("{what}: {value} (ceiling {limit})"));
    if value > limit {
        report.failure(format!("{what}: {value} exceeds {limit}"));
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
        assert_eq!(
            number_after("(PVN) keeps KiB=4711, that is", "KiB="),
            Some(4711)
        );
        assert_eq!(number_after("KiB=many", "KiB="), None);
        assert_eq!(number_after("nothing", "KiB="), None);
    }

    #[test]
    fn a_figure_above_its_ceiling_is_a_failure() {
        let mut report = Report::default();
        ceiling(&mut report, "x", 80, 80);
        assert!(report.findings.is_empty());
        ceiling(&mut report, "x", 81, 80);
        assert_eq!(report.findings.len(), 1);
    }
}

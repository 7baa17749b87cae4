//! Contract: the figures that are the same on every run stay under their ceilings:
//! the size of the image, the memory the hypervisor keeps, the instructions of
//! hypercalls, and the virtual time (1 instruction is 1 ns) from the hypervisor's
//! first instruction to dom0's first line. None of them is wall time. What the other
//! operations cost is shown next to Debian's Xen, where the same kernel measures it, and
//! next to what they cost with guests isolated from the hypervisor (`xpti`).

use std::fmt::Write as _;
use std::fs;

use super::BootTest;
use crate::bench::ceilings;
use crate::bench::lines::{self, Line};
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::qemu::Config;
use crate::verdict::{Checked, Report, Trouble};

pub(super) const TEST: BootTest = BootTest {
    name: "numbers",
    contract: "image size, memory kept, boot and hypercalls stay under their ceilings",
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

const FIGURES: [Figure; 2] = [
    Figure {
        what: "memory the hypervisor keeps of 512 MiB, KiB",
        line: "(PVN) Hypervisor keeps ",
        key: " pages (",
        ceiling: 6 << 10,
    },
    Figure {
        what: "first instruction to dom0's first line, virtual us",
        line: "(PVN) dom0's first console output ",
        key: "output ",
        ceiling: 60_000,
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
    let modules = lab.our_dom0("bench", None)?;
    let ours = lab.paravane_with(HYPERVISOR_OPTIONS, modules.clone());
    let (text, ours) = bench(lab, ours, "on-paravane")?;
    let isolated = lab.paravane_with(&format!("{HYPERVISOR_OPTIONS} xpti=true"), modules.clone());
    let (_, isolated) = bench(lab, isolated, "isolated")?;
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
    let mut ceilings = ceilings::read(&lab.workspace)?;
    // The others take more machines than this one: `cost_lab` has them all.
    ceilings.retain(|name, _| ours.iter().any(|line| line.name == *name));
    let measured = |name: &str| {
        let line = ours.iter().find(|line| line.name == name)?;
        Some(line.tenths.div_ceil(10))
    };
    for (name, &most) in &ceilings {
        if let Some(cost) = measured(name) {
            report.note(format!("{name}: {cost} (at most {most})"));
        }
    }
    for text in ceilings::exceeded(&ceilings, measured) {
        report.failure(text);
    }
    let theirs = lab.xen_with(HYPERVISOR_OPTIONS, modules)?;
    let (_, theirs) = bench(lab, theirs, "on-xen")?;
    let table = table(&ours, &isolated, &theirs);
    lab.write("numbers.txt", table.as_bytes())?;
    report.note(format!(
        "instructions in the hypervisor, per operation:\n{table}"
    ));
    Ok(())
}

/// Boots our kernel to measure; what the console showed, and its lines.
fn bench(lab: &Lab, mut config: Config, name: &str) -> Checked<(String, Vec<Line>)> {
    config.icount = true;
    let mut machine = lab.start(&config, name)?;
    machine.expect_line(lines::DONE)?;
    let text = machine.console.text();
    match lines::read(&text) {
        Ok(lines) => Ok((text, lines)),
        Err(error) => Err(Trouble::Failure(format!(
            "{name}: {error:#}{}",
            machine.tail()
        ))),
    }
}

/// Both sides' figures, and ours with `xpti`, as far as all have them, and how the sides compare.
fn table(ours: &[Line], isolated: &[Line], theirs: &[Line]) -> String {
    let mut text = format!(
        "{:36}{:>10}{:>10}{:>10}\n",
        "", "Paravane", "xpti", "Xen 4.17"
    );
    for our in ours {
        let of = |side: &'_ [Line]| side.iter().find(|cost| cost.name == our.name).cloned();
        let (Some(isolated), Some(their)) = (of(isolated), of(theirs)) else {
            continue;
        };
        let show = |cost: &Line| format!("{}.{}", cost.tenths / 10, cost.tenths % 10);
        let percent = our.tenths * 100 / their.tenths.max(1);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:36}{:>10}{:>10}{:>10}{percent:>5} %",
            our.name,
            show(our),
            show(&isolated),
            show(&their)
        );
    }
    text
}

fn check(report: &mut Report, what: &str, value: u64, ceiling: u64) {
    report.note(format!("{what}: {value} (at most {ceiling})"));
    if value > ceiling {
        report.failure(format!("{what}: {value} exceeds {ceiling}"));
    }
}

/// The decimal number that follows `key` in `line`.
pub(super) fn number_after(line: &str, key: &str) -> Option<u64> {
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
    fn the_sides_stand_beside_each_other() {
        let lines = [Line {
            name: "b".into(),
            unit: lines::Unit::Others,
            tenths: 2008,
            number: 0,
            times: 1,
        }];
        let table = table(&lines, &lines, &lines);
        assert!(
            table.contains("200.8     200.8     200.8  100 %"),
            "{table}"
        );
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

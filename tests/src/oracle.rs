//! The other side: the same guest image runs its self-checks as dom0 on Debian's
//! Xen and on Paravane. Real Xen is right by definition; any difference is ours.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Result, bail, ensure};

use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::qemu::Config;
use crate::verdict::{Checked, Report, Trouble};

const PREFIX: &str = "CHECK ";
const CLOSING: &str = "CHECKS DONE";
/// What only Xen is told: page tables that refer to themselves are refused, as Paravane always
/// refuses them.
pub(crate) const XEN_OPTIONS: &str = "pv-linear-pt=false";

/// What a self-check run printed: the answer of each check, in the order run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    answers: Vec<(String, String)>,
}

impl Checks {
    /// Reads the `CHECK name key=value …` lines of a console. A check may print
    /// several lines: name and first key together name an answer.
    ///
    /// # Errors
    /// The run is incomplete: no closing line, a count that does not agree, or no
    /// check at all.
    pub fn parse(console: &str) -> Result<Self> {
        let mut checks = Self::default();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for line in console.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix(PREFIX) {
                let (label, answer) = rest.split_once('=').unwrap_or((rest, ""));
                let times = seen.entry(label.to_owned()).or_default();
                *times += 1;
                let label = if *times == 1 {
                    label.to_owned()
                } else {
                    format!("{label} #{times}")
                };
                checks.answers.push((label, answer.trim().to_owned()));
            } else if let Some(rest) = line.strip_prefix(CLOSING) {
                let count = rest
                    .trim()
                    .strip_prefix("n=")
                    .and_then(|count| count.parse::<usize>().ok());
                ensure!(
                    count == Some(checks.answers.len()),
                    "{} checks, but `{line}`",
                    checks.answers.len()
                );
                ensure!(!checks.answers.is_empty(), "not one check ran");
                return Ok(checks);
            }
        }
        bail!("no `{CLOSING}` after {} checks", checks.answers.len())
    }

    /// How many checks ran.
    #[must_use]
    pub fn count(&self) -> usize {
        self.answers.len()
    }

    fn answer(&self, name: &str) -> Option<&str> {
        self.answers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, answer)| answer.as_str())
    }
}

/// One check's answers on both sides; `None` where it did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The check, and the key of the answer.
    pub name: String,
    /// The answer on Debian's Xen.
    pub xen: Option<String>,
    /// The answer on Paravane.
    pub paravane: Option<String>,
}

impl Row {
    /// The check printed `error=why` instead of an answer.
    fn could_not_run(&self) -> bool {
        self.name.split(' ').any(|word| word == "error")
    }

    /// Both sides ran the check and gave the same answer.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.xen == self.paravane && !self.could_not_run()
    }
}

/// Puts the two sides next to each other: Xen's order, then what only Paravane ran.
#[must_use]
pub fn compare(xen: &Checks, paravane: &Checks) -> Vec<Row> {
    let of_xen = xen.answers.iter();
    let only_ours = paravane
        .answers
        .iter()
        .filter(|(name, _)| xen.answer(name).is_none());
    of_xen
        .chain(only_ours)
        .map(|(name, _)| Row {
            name: name.clone(),
            xen: xen.answer(name).map(str::to_owned),
            paravane: paravane.answer(name).map(str::to_owned),
        })
        .collect()
}

/// The rows as a table; rows that differ are marked.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    const MISSING: &str = "(did not run)";
    let show = |answer: &Option<String>| answer.clone().unwrap_or_else(|| MISSING.into());
    let name_width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let xen_width = rows
        .iter()
        .map(|row| show(&row.xen).len())
        .max()
        .unwrap_or(0)
        .max(8);
    let mut text = format!(
        "  {:name_width$}  {:xen_width$}  Paravane\n",
        "", "Xen 4.17"
    );
    for row in rows {
        let mark = if row.agrees() { ' ' } else { '!' };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{mark} {:name_width$}  {:xen_width$}  {}",
            row.name,
            show(&row.xen),
            show(&row.paravane)
        );
    }
    text
}

/// Which checks run, and where.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// Arguments of the guest.
    pub args: &'static str,
    /// Options for both hypervisors, besides the usual ones.
    pub options: &'static str,
    /// Processors of the machine.
    pub smp: u32,
    /// Devices of the machine besides those of every PC: QEMU arguments.
    pub devices: &'static [&'static str],
}

impl Subject {
    /// All checks that one processor is enough for.
    pub const ONE: Self = Self {
        args: "selfcheck",
        options: "",
        smp: 1,
        devices: &[],
    };
    /// The checks of several vCPUs, of which there are more than processors.
    pub const SEVERAL: Self = Self {
        args: "smpcheck",
        options: " dom0_max_vcpus=8",
        smp: 4,
        devices: &[],
    };
    /// The checks of a device that a domain other than dom0 was given.
    pub const ASSIGNED: Self = Self {
        args: "assigncheck",
        ..Self::DEVICES
    };
    /// The checks of devices' interrupts.
    pub const DEVICES: Self = Self {
        args: "devicecheck",
        options: "",
        smp: 1,
        devices: &["-device", "edu"],
    };
}

/// Boots both sides, writes the table to `oracle.txt` in the test's directory, and
/// reports every difference.
///
/// # Errors
/// A side does not finish its checks.
pub fn run(lab: &Lab, subject: Subject, report: &mut Report) -> Checked<Vec<Row>> {
    let modules = lab.our_dom0(subject.args, None)?;
    let options = format!("{HYPERVISOR_OPTIONS}{}", subject.options);
    let on_xen = format!("{options} {XEN_OPTIONS}");
    let side = |mut config: Config, name| {
        config.smp = subject.smp;
        // A clock that counts instructions: no check of a deadline depends on how busy the host is.
        // Several processors are to run at once, which they then do not.
        config.icount = subject.smp == 1;
        config.devices = subject.devices.iter().map(ToString::to_string).collect();
        run_side(lab, &config, name)
    };
    let xen = side(lab.xen_with(&on_xen, modules.clone())?, "on-xen")?;
    let paravane = side(lab.paravane_with(&options, modules), "on-paravane")?;
    let rows = compare(&xen, &paravane);
    lab.write("oracle.txt", table(&rows).as_bytes())?;
    report.note(format!(
        "{} checks on Debian's Xen, {} on Paravane",
        xen.count(),
        paravane.count()
    ));
    for row in rows.iter().filter(|row| !row.agrees()) {
        report.failure(table(std::slice::from_ref(row)));
    }
    Ok(rows)
}

fn run_side(lab: &Lab, config: &Config, name: &str) -> Checked<Checks> {
    let mut machine = lab.start(config, name)?;
    machine.expect_line(CLOSING)?;
    let text = machine.console.text();
    Checks::parse(&text)
        .map_err(|error| Trouble::Failure(format!("{name}: {error:#}{}", machine.tail())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const XEN: &str = "(XEN) noise\r\nCHECK version result=0x40011\r\n\
        CHECK nosys errno=38\r\nCHECKS DONE n=2\r\n";

    #[test]
    fn equal_runs_agree() {
        let checks = Checks::parse(XEN).unwrap();
        assert_eq!(checks.count(), 2);
        assert!(compare(&checks, &checks).iter().all(Row::agrees));
    }

    #[test]
    fn a_different_answer_is_marked() {
        let ours = Checks::parse(&XEN.replace("errno=38", "errno=22")).unwrap();
        let rows = compare(&Checks::parse(XEN).unwrap(), &ours);
        assert_eq!(rows.iter().filter(|row| !row.agrees()).count(), 1);
        assert!(
            table(&rows).contains("! nosys errno     38        22\n"),
            "{}",
            table(&rows)
        );
    }

    #[test]
    fn a_check_missing_on_either_side_is_marked() {
        let short = Checks::parse("CHECK version result=0x40011\nCHECKS DONE n=1\n").unwrap();
        let full = Checks::parse(XEN).unwrap();
        for (xen, ours) in [(&short, &full), (&full, &short)] {
            let rows = compare(xen, ours);
            assert_eq!(rows.len(), 2);
            assert_eq!(rows.iter().filter(|row| !row.agrees()).count(), 1);
        }
    }

    #[test]
    fn a_check_that_could_not_run_agrees_with_nothing() {
        let text = "CHECK a error=no memory\nCHECKS DONE n=1\n";
        let checks = Checks::parse(text).unwrap();
        assert!(!compare(&checks, &checks)[0].agrees());
    }

    #[test]
    fn repeated_answers_are_told_apart() {
        let checks = Checks::parse("CHECK a x=1\nCHECK a x=2 y=3\nCHECKS DONE n=2\n").unwrap();
        assert_eq!(checks.answer("a x"), Some("1"));
        assert_eq!(checks.answer("a x #2"), Some("2 y=3"));
    }

    #[test]
    fn incomplete_runs_are_errors() {
        for bad in [
            "CHECK a x=1\n",
            "CHECK a x=1\nCHECKS DONE n=2\n",
            "CHECKS DONE n=0\n",
            "CHECK a x=1\nCHECKS DONE\n",
        ] {
            assert!(Checks::parse(bad).is_err(), "{bad}");
        }
    }
}

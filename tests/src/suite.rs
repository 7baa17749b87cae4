//! Runs boot tests side by side and tells how they ended.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{panic, thread};

use anyhow::{Result, anyhow, bail};

use crate::boot::BootTest;
use crate::lab::Lab;
use crate::verdict::{Report, Trouble, Verdict};

/// How many tests ended how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Success.
    pub passed: usize,
    /// Failure or error.
    pub failed: usize,
    /// Errors among the failed: the lab broke, not Paravane.
    pub errors: usize,
    /// Skipped because the user said so.
    pub skipped: usize,
    /// Each of the failed with what was found first, to be told again at the end.
    pub failures: Vec<String>,
}

impl Tally {
    fn count(&mut self, name: &str, report: &Report) {
        let verdict = report.verdict();
        if matches!(verdict, Verdict::Error | Verdict::Failure) {
            let worst = report.findings.iter().find(|(found, _)| *found == verdict);
            let (_, finding) = worst.expect("a verdict is that of a finding");
            self.failures.push(format!("{verdict} {name}: {finding}"));
        }
        match verdict {
            Verdict::Success => self.passed += 1,
            Verdict::Skip => self.skipped += 1,
            Verdict::Error => {
                self.failed += 1;
                self.errors += 1;
            }
            Verdict::Failure => self.failed += 1,
        }
    }

    /// The status that `cargo xtask test` exits with: 0, 1 when Paravane failed, 2
    /// when only the lab did.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self.failed {
            0 => 0,
            failed if failed == self.errors => 2,
            _ => 1,
        }
    }
}

/// The tests whose names contain one of `only` (all, when empty).
///
/// # Errors
/// A name in `only` or `skip` fits no test: a typing error must not pass for success.
pub fn select(all: &[BootTest], only: &[String], skip: &[String]) -> Result<Vec<BootTest>> {
    for name in only.iter().chain(skip) {
        if !all.iter().any(|test| test.name.contains(name.as_str())) {
            let known: Vec<_> = all.iter().map(|test| test.name).collect();
            bail!(
                "no boot test is named `{name}`; there are: {}",
                known.join(", ")
            );
        }
    }
    let wanted = |test: &&BootTest| {
        only.is_empty() || only.iter().any(|name| test.name.contains(name.as_str()))
    };
    Ok(all.iter().filter(wanted).copied().collect())
}

/// Runs `tests`, at most `jobs` at once, and prints each verdict as it falls.
///
/// # Panics
/// Never because of a test: a test that panics is an error of the lab.
pub fn run(tests: &[BootTest], skip: &[String], jobs: usize, lab: &Lab) -> Tally {
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(Tally::default());
    let worker = || {
        while let Some(test) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
            let begun = Instant::now();
            let report = if skip.iter().any(|name| test.name.contains(name.as_str())) {
                Report {
                    findings: vec![(Verdict::Skip, "asked for with --skip".into())],
                    ..Report::default()
                }
            } else {
                run_one(test, lab)
            };
            let mut tally = tally
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            tally.count(test.name, &report);
            print(test, &report, begun.elapsed());
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, tests.len().max(1)) {
            scope.spawn(worker);
        }
    });
    tally
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn run_one(test: &BootTest, lab: &Lab) -> Report {
    let mut report = Report::default();
    let dir = lab.dir.join(test.name);
    let lab = Lab {
        dir: dir.clone(),
        ..lab.clone()
    };
    let result = fs::create_dir_all(&dir)
        .map_err(Trouble::from)
        .and_then(|()| {
            let run = panic::AssertUnwindSafe(|| (test.run)(&lab, &mut report));
            panic::catch_unwind(run)
                .unwrap_or_else(|_| Err(Trouble::Error(anyhow!("the test panicked"))))
        });
    report.case(test.name, result);
    let written = write_report(&dir, test, &report);
    report.case("report", written.map_err(Trouble::from));
    report
}

fn write_report(dir: &Path, test: &BootTest, report: &Report) -> std::io::Result<()> {
    let mut text = format!("{}\n{}\n{}\n", test.name, test.contract, report.verdict());
    for note in &report.notes {
        text += &format!("note: {note}\n");
    }
    for (verdict, finding) in &report.findings {
        text += &format!("{verdict}: {finding}\n");
    }
    fs::write(dir.join("report.txt"), text)
}

fn print(test: &BootTest, report: &Report, took: Duration) {
    println!(
        "{:7} {:20} {:5.1} s  {}",
        report.verdict(),
        test.name,
        took.as_secs_f32(),
        test.contract
    );
    for note in &report.notes {
        println!("        {note}");
    }
    for (verdict, finding) in &report.findings {
        println!("    {verdict}: {finding}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TESTS: [BootTest; 2] = [
        BootTest {
            name: "prompt",
            contract: "",
            run: |_, _| Ok(()),
        },
        BootTest {
            name: "paging",
            contract: "",
            run: |_, _| Ok(()),
        },
    ];

    fn names(only: &[&str]) -> Result<Vec<&'static str>> {
        let only: Vec<String> = only.iter().map(|&name| name.to_owned()).collect();
        Ok(select(&TESTS, &only, &[])?
            .iter()
            .map(|test| test.name)
            .collect())
    }

    #[test]
    fn tests_are_selected_by_part_of_their_name() {
        assert_eq!(names(&[]).unwrap(), ["prompt", "paging"]);
        assert_eq!(names(&["pag"]).unwrap(), ["paging"]);
        assert!(names(&["nonsense"]).is_err());
        assert!(select(&TESTS, &[], &["nonsense".into()]).is_err());
    }

    #[test]
    fn exit_statuses_tell_a_broken_lab_from_a_broken_subject() {
        let mut tally = Tally::default();
        let mut count = |findings: &[(Verdict, &str)]| {
            let findings = findings
                .iter()
                .map(|&(verdict, text)| (verdict, text.into()));
            tally.count(
                "name",
                &Report {
                    findings: findings.collect(),
                    ..Report::default()
                },
            );
            tally.exit_status()
        };
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&[(Verdict::Skip, "")]), 0);
        assert_eq!(count(&[(Verdict::Error, "no QEMU")]), 2);
        assert_eq!(
            count(&[
                (Verdict::Error, "no log"),
                (Verdict::Failure, "it fell over")
            ]),
            1
        );
        assert_eq!(
            tally,
            Tally {
                passed: 1,
                failed: 2,
                errors: 1,
                skipped: 1,
                failures: vec![
                    "ERROR name: no QEMU".into(),
                    "FAILURE name: it fell over".into()
                ],
            }
        );
    }
}

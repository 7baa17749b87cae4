//! What a test concludes.

use std::fmt;

/// The verdict on one test, mildest first: the most severe of a test's findings wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The contract holds.
    Success,
    /// The user asked for the test not to run.
    Skip,
    /// The test itself broke: nothing is known about its subject.
    Error,
    /// The subject broke its contract.
    Failure,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Success => "SUCCESS",
            Self::Skip => "SKIP",
            Self::Error => "ERROR",
            Self::Failure => "FAILURE",
        })
    }
}

/// Why a test stopped before its end.
#[derive(Debug)]
pub enum Trouble {
    /// The lab broke (QEMU missing, a file that cannot be written, …).
    Error(anyhow::Error),
    /// The subject broke its contract.
    Failure(String),
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Error(error)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Error(error.into())
    }
}

/// The result of a step that can end a test.
pub type Checked<T> = Result<T, Trouble>;

/// Ends a test with [`Trouble::Failure`] unless the condition holds.
#[macro_export]
macro_rules! require {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::verdict::Trouble::Failure(format!($($message)+)));
        }
    };
}

/// Findings of one test.
#[derive(Debug, Default)]
pub struct Report {
    /// Measured facts worth showing whatever the verdict.
    pub notes: Vec<String>,
    /// What went wrong, with its severity.
    pub findings: Vec<(Verdict, String)>,
}

impl Report {
    /// Records a measured fact.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Records that the subject broke its contract; the test goes on.
    pub fn failure(&mut self, text: impl Into<String>) {
        self.findings.push((Verdict::Failure, text.into()));
    }

    /// Records how one of several cases of a test ended; the test goes on.
    pub fn case(&mut self, name: &str, result: Checked<()>) {
        match result {
            Ok(()) => {}
            Err(Trouble::Error(error)) => self
                .findings
                .push((Verdict::Error, format!("{name}: {error:#}"))),
            Err(Trouble::Failure(text)) => self
                .findings
                .push((Verdict::Failure, format!("{name}: {text}"))),
        }
    }

    /// The most severe finding.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.findings
            .iter()
            .map(|(verdict, _)| *verdict)
            .max()
            .unwrap_or(Verdict::Success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_severe_finding_wins() {
        let mut report = Report::default();
        assert_eq!(report.verdict(), Verdict::Success);
        report.case("lab", Err(Trouble::Error(anyhow::anyhow!("no QEMU"))));
        assert_eq!(report.verdict(), Verdict::Error);
        report.case("subject", Err(Trouble::Failure("it fell over".into())));
        report.case("fine", Ok(()));
        assert_eq!(report.verdict(), Verdict::Failure);
    }
}

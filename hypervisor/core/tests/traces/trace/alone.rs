//! Whole traces: alone, many in one world, and shorter ones that fail alike.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::Run;
use super::format::STEP;

/// Traces that one world of a [`Fuzzer`] runs: worlds are never given back to the host.
const LIVES: u32 = 500;

/// Runs a trace in a world of its own.
///
/// # Errors
/// What went wrong; a panic counts.
pub fn run_alone(bytes: &[u8], verbose: bool) -> Result<(), String> {
    let run = AssertUnwindSafe(|| {
        let mut run = Run::new();
        run.verbose = verbose;
        run.trace(bytes)
    });
    catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

/// Runs the traces that a fuzzer makes up, many in one world.
pub struct Fuzzer {
    run: Run,
    lives: u32,
}

impl Fuzzer {
    /// One that has run nothing yet.
    pub fn new() -> Self {
        Self {
            run: Run::new(),
            lives: 0,
        }
    }

    /// Runs a trace; panics when something is wrong.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.lives == LIVES {
            *self = Self::new();
        }
        self.lives += 1;
        if let Err(why) = self.run.trace(bytes) {
            // What earlier traces left behind may have a part in it.
            panic!("{why}\nin a world of its own: {:?}", run_alone(bytes, true));
        }
    }
}

/// What sort of failure it is: its words without numbers.
fn sort(result: &Result<(), String>) -> Vec<&str> {
    let words = result.as_ref().err().map(|why| why.split_whitespace());
    let plain = |word: &&str| word.chars().all(|c| c.is_ascii_alphabetic() && c != 'x');
    words.into_iter().flatten().filter(plain).take(6).collect()
}

/// Leaves steps out of a failing trace while it still fails alike, for at most `patience`.
pub fn shrink(bytes: &[u8], patience: Duration) -> Vec<u8> {
    let begun = Instant::now();
    let mut trace: Vec<u8> = bytes.to_vec();
    // Nothing behind the step that failed matters.
    let mut run = Run::new();
    let _ = catch_unwind(AssertUnwindSafe(|| run.trace(bytes)));
    trace.truncate(run.steps * STEP);
    let result = run_alone(&trace, false);
    let mut chunk = trace.len() / STEP / 2;
    while chunk > 0 {
        let mut at = 0;
        while at < trace.len() && begun.elapsed() < patience {
            let end = (at + chunk * STEP).min(trace.len());
            let mut shorter = trace.clone();
            shorter.drain(at..end);
            let other = run_alone(&shorter, false);
            if other.is_err() && sort(&other) == sort(&result) {
                trace = shorter;
            } else {
                at = end;
            }
        }
        chunk /= 2;
    }
    trace
}

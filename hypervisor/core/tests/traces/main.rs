//! Random traces of all memory operations against a reference model; see [`trace`].
//!
//! `cargo test` runs a few; the long run, which `cargo xtask test` makes, prints rates and what was
//! done: `cargo test --profile checked -p hypervisor-core --test traces long -- --ignored --nocapture`.
//! `TRACE_OPERATIONS` says how many operations at least (ten million unless it is given),
//! `TRACE_SEED` is where it begins; `TRACE_FILE` names a trace to run alone.

extern crate alloc;

mod found;

#[allow(
    unreachable_pub,
    clippy::needless_range_loop,
    reason = "the fuzz target uses the module too; numbers of domains and frames index many tables"
)]
mod trace;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, panic, thread};

use trace::alone::{Fuzzer, run_alone, shrink};
use trace::format::{Kind, Random, STEP, steps};
use trace::{Run, Tally};

/// Steps of one trace. A world of its own for each is never given back to the host.
const LENGTH: usize = 50_000;
/// Steps at the end of a shrunk trace that are told.
const TOLD: usize = 40;

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| {
        let digits = text.trim_start_matches("0x");
        let radix = if digits.len() < text.len() { 16 } else { 10 };
        u64::from_str_radix(digits, radix).expect("a number")
    })
}

/// Shrinks a failing trace, keeps it in a file, and tells how it ends.
fn report(seed: u64, bytes: &[u8], why: &str) -> String {
    let short = shrink(bytes, Duration::from_secs(number("TRACE_SHRINK", 30)));
    let again = run_alone(&short, true);
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("trace-{seed:x}"));
    let kept = match fs::write(&file, &short) {
        Ok(()) => format!("TRACE_FILE={} has them", file.display()),
        Err(e) => format!("not kept: {e}"),
    };
    let text: Vec<String> = steps(&short).map(|step| format!("    {step}")).collect();
    format!(
        "seed {seed:#x}: {why}\n{} of {} steps are enough ({kept}): {again:?}\n{}",
        text.len(),
        bytes.len() / STEP,
        text[text.len().saturating_sub(TOLD)..].join("\n")
    )
}

/// What many traces came to.
#[derive(Default)]
struct Sum {
    tallies: BTreeMap<Kind, Tally>,
    entries: u64,
    checks: [u64; 2],
}

impl Sum {
    fn add(&mut self, run: &Run) {
        self.entries += run.entries;
        for (sum, count) in self.checks.iter_mut().zip(run.checks) {
            *sum += count;
        }
        for (kind, tally) in &run.tallies {
            self.tallies.entry(*kind).or_default().add(tally);
        }
    }

    fn operations(&self) -> u64 {
        self.tallies.values().map(|t| t.done + t.refused).sum()
    }
}

/// Runs traces from `seed` on until `total` operations are done, on `threads` threads.
fn run_many(seed: u64, total: u64, threads: u64) -> Sum {
    let next = AtomicU64::new(0);
    let sum = Mutex::new(Sum::default());
    let failure = Mutex::new(None);
    let more = || sum.lock().unwrap().operations() < total && failure.lock().unwrap().is_none();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while more() {
                    let seed = seed.wrapping_add(next.fetch_add(1, Ordering::Relaxed));
                    let bytes = Random(seed).trace(LENGTH);
                    let mut run = Run::new();
                    let result = panic::catch_unwind(panic::AssertUnwindSafe(|| run.trace(&bytes)));
                    if !matches!(result, Ok(Ok(()))) {
                        let why = match result {
                            Ok(Err(why)) => why,
                            _ => "panic".into(),
                        };
                        failure.lock().unwrap().get_or_insert((seed, bytes, why));
                        return;
                    }
                    sum.lock().unwrap().add(&run);
                }
            });
        }
    });
    if let Some((seed, bytes, why)) = failure.into_inner().unwrap() {
        panic!("{}", report(seed, &bytes, &why));
    }
    sum.into_inner().unwrap()
}

#[test]
fn traces_agree_with_the_model() {
    let seed = number("TRACE_SEED", 1);
    let sum = run_many(seed, number("TRACE_OPERATIONS", 20_000), 1);
    for (kind, tally) in sum.tallies {
        assert!(tally.done > 0, "{kind:?} never succeeded: {tally:?}");
    }
}

/// The run that continuous integration makes, in an optimised build.
#[test]
#[ignore = "long; wants an optimised build"]
fn long() {
    let (seed, total) = (
        number("TRACE_SEED", 1),
        number("TRACE_OPERATIONS", 10_000_000),
    );
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    let begun = Instant::now();
    let sum = run_many(seed, total, threads);
    let seconds = begun.elapsed().as_secs_f64();
    let done = sum.operations();
    println!(
        "TRACE {:<14} {:>9} {:>9} {:>11} {:>9} {:>9}",
        "", "accepted", "refused", "interrupted", "forgotten", "mixed up"
    );
    for (kind, t) in &sum.tallies {
        let name = format!("{kind:?}");
        println!(
            "TRACE {name:<14} {:>9} {:>9} {:>11} {:>9} {:>9}",
            t.done, t.refused, t.interrupted, t.forgotten, t.mixed
        );
    }
    let [checks, exact] = sum.checks;
    let mixed: u64 = sum.tallies.values().map(|t| t.mixed).sum();
    println!(
        "TRACE {checks} checks of all words, counts, tables and TLBs, one after every step and every \
         interruption; in {exact} nothing was under way and every count exact, in the others what \
         is worked on may count more than can be seen. All of memory: every {} checks.",
        trace::check::WHOLE
    );
    println!(
        "TRACE outcomes compared with the model: {}; mixed up with others' work, and judged by the \
         checks alone: {mixed}",
        done - mixed
    );
    println!(
        "TRACE seed {seed:#x}: {done} operations, {} entries, {seconds:.0} s on {threads} threads, \
         {:.0} operations/s",
        sum.entries,
        done as f64 / seconds
    );
}

/// The corpus that fuzzing begins with: many short traces, and some that end within a step.
fn corpus() -> impl Iterator<Item = (u64, Vec<u8>)> {
    (0..64).map(|seed| {
        let mut bytes = Random(seed).trace(4 << (seed % 6));
        bytes.truncate(bytes.len() - seed as usize % STEP);
        (seed, bytes)
    })
}

/// What the fuzz target does with its corpus, without the fuzzer. `TRACE_CORPUS` names a directory
/// to keep the corpus in.
#[test]
fn the_fuzz_target_runs_its_corpus() {
    let mut fuzzer = Fuzzer::new();
    let kept = env::var("TRACE_CORPUS");
    for (seed, bytes) in corpus() {
        fuzzer.feed(&bytes);
        if let Ok(dir) = &kept {
            fs::write(Path::new(dir).join(format!("seed-{seed}")), &bytes).unwrap();
        }
    }
}

/// A trace from a file, alone and told step by step.
#[test]
#[ignore = "needs TRACE_FILE"]
fn from_file() {
    let bytes = fs::read(env::var("TRACE_FILE").expect("TRACE_FILE")).unwrap();
    run_alone(&bytes, true).unwrap();
}

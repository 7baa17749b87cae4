//! Random traces of all memory operations against a reference model; see [`trace`].
//!
//! `cargo test` runs a few; the long run prints rates and what was done:
//! `cargo test --profile checked -p hypervisor-core --test traces long -- --ignored --nocapture`.
//! `TRACE_OPERATIONS` says how many operations at least (ten million unless it is given),
//! `TRACE_SEED` is where it begins; `TRACE_FILE` names a trace to run alone.

extern crate alloc;

#[allow(
    unreachable_pub,
    clippy::needless_range_loop,
    reason = "the fuzz target uses the module too; numbers of domains and frames index many tables"
)]
mod trace;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, panic, thread};

use trace::format::{Kind, Random, STEP, steps};
use trace::{Run, Tally, run_alone, shrink};

/// Steps of one trace.
const LENGTH: usize = 20_000;

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| {
        let digits = text.trim_start_matches("0x");
        let radix = if digits.len() < text.len() { 16 } else { 10 };
        u64::from_str_radix(digits, radix).expect("a number")
    })
}

/// Shrinks a failing trace, and tells it as text.
fn report(seed: u64, bytes: &[u8], why: &str) -> String {
    let short = shrink(bytes, Duration::from_secs(number("TRACE_SHRINK", 30)));
    let again = run_alone(&short, true);
    let text: Vec<String> = steps(&short).map(|step| format!("    {step}")).collect();
    let hex: String = short.iter().map(|b| format!("{b:02x}")).collect();
    format!(
        "seed {seed:#x}: {why}\n{} of {} steps are enough: {again:?}\n{}\nas bytes: {hex}",
        text.len(),
        bytes.len() / STEP,
        text.join("\n")
    )
}

/// Runs traces from `seed` on until `total` operations are done, on `threads` threads.
fn run_many(seed: u64, total: u64, threads: u64) -> (BTreeMap<Kind, Tally>, u64) {
    let next = AtomicU64::new(0);
    let done = AtomicU64::new(0);
    let sum = Mutex::new((BTreeMap::<Kind, Tally>::new(), 0));
    let failure = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while done.load(Ordering::Relaxed) < total && failure.lock().unwrap().is_none() {
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
                    let now: u64 = run.tallies.values().map(|t| t.done + t.refused).sum();
                    done.fetch_add(now, Ordering::Relaxed);
                    let mut sum = sum.lock().unwrap();
                    sum.1 += run.entries;
                    for (kind, tally) in &run.tallies {
                        sum.0.entry(*kind).or_default().add(tally);
                    }
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
    let (tallies, _) = run_many(seed, number("TRACE_OPERATIONS", 60_000), 1);
    for (kind, tally) in tallies {
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
    let (tallies, entries) = run_many(seed, total, threads);
    let seconds = begun.elapsed().as_secs_f64();
    let done: u64 = tallies.values().map(|t| t.done + t.refused).sum();
    println!(
        "TRACE {:<14} {:>9} {:>9} {:>11} {:>9}",
        "", "accepted", "refused", "interrupted", "mixed"
    );
    for (kind, t) in &tallies {
        let name = format!("{kind:?}");
        println!(
            "TRACE {name:<14} {:>9} {:>9} {:>11} {:>9}",
            t.done, t.refused, t.interrupted, t.mixed
        );
    }
    println!(
        "TRACE seed {seed:#x}: {done} operations, {entries} entries, {seconds:.0} s, {:.0} operations/s",
        done as f64 / seconds
    );
}

/// A trace from a file, alone and told step by step.
#[test]
#[ignore = "needs TRACE_FILE"]
fn from_file() {
    let bytes = fs::read(env::var("TRACE_FILE").expect("TRACE_FILE")).unwrap();
    run_alone(&bytes, true).unwrap();
}

//! Computes without system calls, so that only the timer can take the processor from it, and
//! reports its progress. Argument: `parts=N`, how many parts to compute (default 4).
#![no_std]
#![no_main]

use guest_user::abi::INFO_PREEMPTIONS_SELF;
use guest_user::{println, start, sys, work};

guest_user::entry!(main);

/// Rounds per part: some tens of milliseconds under emulation, several time slices.
const ROUNDS: u64 = 2_000_000;

fn main() -> i32 {
    let parts = start::option("parts")
        .and_then(|n| n.parse().ok())
        .unwrap_or(4);
    let pid = sys::getpid();
    let mut state = pid;
    for part in 1..=parts {
        state = work::compute(state, ROUNDS);
        let lost = sys::info(INFO_PREEMPTIONS_SELF).unwrap_or(0);
        println!("worker {pid}: part {part} of {parts} done, pre-empted {lost} times so far");
    }
    // A register lost in a pre-emption would make the same computation end differently.
    let seed = core::hint::black_box(pid);
    let again = (0..parts).fold(seed, |state, _| work::compute(state, ROUNDS));
    println!("worker {pid}: result {state:#018x}, computed again {again:#018x}");
    i32::from(again != state)
}

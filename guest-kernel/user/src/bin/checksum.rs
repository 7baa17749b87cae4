//! Fills memory with a pattern and checks it again and again, while the domain may be ballooned.
//! Arguments: `pages=N` (default 256), `rounds=N` (default 5), `pause=MILLISECONDS` (default 20).
#![no_std]
#![no_main]

extern crate alloc;

use guest_user::{println, start, sys, work};

guest_user::entry!(main);

const WORDS_PER_PAGE: usize = 512;

fn number(name: &str, default: u64) -> u64 {
    start::option(name)
        .and_then(|n| n.parse().ok())
        .unwrap_or(default)
}

fn main() -> i32 {
    let pid = sys::getpid();
    let words = number("pages", 256) as usize * WORDS_PER_PAGE;
    let (rounds, pause) = (number("rounds", 5), number("pause", 20));
    let mut memory = alloc::vec![0; words];
    work::fill(&mut memory, pid);
    let expected = work::expected(words, pid);
    let mut wrong = 0;
    for _ in 0..rounds {
        if work::checksum(&memory) != expected {
            wrong += 1;
        }
        sys::sleep(pause * 1_000_000);
    }
    println!(
        "checksum {pid}: {} pages checked {rounds} times, {wrong} times wrong, sum {expected:#018x}",
        words / WORDS_PER_PAGE
    );
    i32::from(wrong > 0)
}

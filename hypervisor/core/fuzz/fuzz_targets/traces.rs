//! Traces of memory operations that a fuzzer makes up; see `../../tests/traces/trace`.
#![no_main]
#![allow(dead_code, unreachable_pub)]

extern crate alloc;

#[path = "../../tests/traces/trace/mod.rs"]
mod trace;

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use trace::{Run, run_alone};

/// Traces that one world runs; then another is made. Worlds are never given back to the host.
const LIVES: u32 = 500;

thread_local! {
    static RUN: RefCell<(u32, Run)> = RefCell::new((0, Run::new()));
}

fuzz_target!(|bytes: &[u8]| {
    RUN.with_borrow_mut(|(lives, run)| {
        if *lives == LIVES {
            (*lives, *run) = (0, Run::new());
        }
        *lives += 1;
        if let Err(why) = run.trace(bytes) {
            // What earlier traces left behind may have a part in it.
            panic!("{why}\nin a world of its own: {:?}", run_alone(bytes, true));
        }
    });
});

//! Traces of memory operations that a fuzzer makes up; see `../../tests/traces/trace`.
#![no_main]
#![allow(dead_code, unreachable_pub)]

extern crate alloc;

#[path = "../../tests/traces/trace/mod.rs"]
mod trace;

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use trace::alone::Fuzzer;

thread_local! {
    static FUZZER: RefCell<Fuzzer> = RefCell::new(Fuzzer::new());
}

fuzz_target!(|bytes: &[u8]| FUZZER.with_borrow_mut(|fuzzer| fuzzer.feed(bytes)));

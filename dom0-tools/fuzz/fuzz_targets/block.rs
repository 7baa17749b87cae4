//! A disk's front end: any requests, ring indices, grants and states.
#![no_main]

#[path = "../../tests/inputs/block.rs"]
mod block;

libfuzzer_sys::fuzz_target!(|data: &[u8]| block::check(data));

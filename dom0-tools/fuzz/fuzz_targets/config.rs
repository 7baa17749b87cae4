//! Configuration files: any bytes.
#![no_main]

#[path = "../../tests/inputs/config.rs"]
mod config;

libfuzzer_sys::fuzz_target!(|data: &[u8]| config::check(data));

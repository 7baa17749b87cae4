//! A guest's network interface: any ring indices, requests and grants.
#![no_main]

#[path = "../../tests/inputs/net.rs"]
mod net;

libfuzzer_sys::fuzz_target!(|data: &[u8]| net::check(data));

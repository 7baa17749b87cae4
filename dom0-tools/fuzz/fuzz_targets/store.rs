//! The store's clients: any messages, bytes and ring indices.
#![no_main]

#[path = "../../tests/inputs/store.rs"]
mod store;

libfuzzer_sys::fuzz_target!(|data: &[u8]| store::check(data));

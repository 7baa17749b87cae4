//! A domain that was given a PCI device: any requests, words of its page, and states.
#![no_main]

#[path = "../../tests/inputs/pci.rs"]
mod pci;

libfuzzer_sys::fuzz_target!(|data: &[u8]| pci::check(data));

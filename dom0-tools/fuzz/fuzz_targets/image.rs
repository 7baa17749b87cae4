//! Kernel files: any bytes.
#![no_main]

#[path = "../../tests/inputs/image.rs"]
mod image;

libfuzzer_sys::fuzz_target!(|data: &[u8]| image::check(data));

//! Starts many processes one after the other and checks that the kernel gets all their memory
//! back. Argument: `count=N` (default 100).
#![no_std]
#![no_main]

extern crate alloc;

use guest_user::abi::INFO_FREE_PAGES;
use guest_user::{println, start, sys};

guest_user::entry!(main);

/// Processes started before counting, so that what the kernel keeps for reuse is there.
const WARM_UP: u64 = 3;

fn main() -> i32 {
    if start::args().any(|arg| arg == "leaf") {
        return leaf();
    }
    let count = start::option("count")
        .and_then(|n| n.parse().ok())
        .unwrap_or(100);
    let free = || sys::info(INFO_FREE_PAGES).unwrap_or(0);
    let mut before = free();
    for i in 0..WARM_UP + count {
        if i == WARM_UP {
            before = free();
        }
        let ended = sys::spawn("/bin/churn", b"leaf").and_then(sys::wait);
        if ended != Ok(0) {
            println!("churn: process {i} of {count} gave {ended:?}");
            return 1;
        }
    }
    let lost = before.abs_diff(free());
    println!("churn: {count} processes came and went, {lost} pages are not back");
    i32::from(lost > 0)
}

/// Uses heap and stack, maps and unmaps, and ends.
fn leaf() -> i32 {
    let memory = alloc::vec![1u8; 100_000];
    let Ok(mapping) = sys::map_anon(8) else {
        return 1;
    };
    // SAFETY: the range was just mapped for this function alone.
    unsafe { mapping.write_volatile(7) };
    // SAFETY: nothing uses the mapping any more.
    let unmapped = unsafe { sys::unmap(mapping, 8) };
    i32::from(unmapped.is_err() || memory.iter().any(|&b| b != 1))
}

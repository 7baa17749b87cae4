//! The smallest program: says who it is.
#![no_std]
#![no_main]

use guest_user::abi::INFO_WALLCLOCK;
use guest_user::{println, start, sys};

guest_user::entry!(main);

fn main() -> i32 {
    println!("hello from process {} in ring 3", sys::getpid());
    let seconds = sys::info(INFO_WALLCLOCK).unwrap_or(0);
    println!("it is {seconds} seconds since 1970");
    for (i, arg) in start::args().enumerate() {
        println!("  argument {i}: {arg}");
    }
    0
}

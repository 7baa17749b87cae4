//! The smallest program: says who it is. With the argument `ask` it asks who else is there.
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
    if start::args().skip(1).any(|arg| arg == "ask") {
        return ask();
    }
    0
}

/// Repeats a line that is typed.
fn ask() -> i32 {
    println!("who is there?");
    let mut line = [0; 64];
    let typed = sys::read(0, &mut line).map(|n| core::str::from_utf8(&line[..n]));
    match typed {
        Ok(Ok(name)) => {
            println!("hello, {}", name.trim_end());
            0
        }
        other => {
            println!("nobody understandable: {other:?}");
            1
        }
    }
}

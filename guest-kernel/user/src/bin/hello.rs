//! The smallest program: says who it is.
#![no_std]
#![no_main]

use guest_user::{println, start, sys};

guest_user::entry!(main);

fn main() -> i32 {
    println!("hello from process {} in ring 3", sys::getpid());
    for (i, arg) in start::args().enumerate() {
        println!("  argument {i}: {arg}");
    }
    0
}

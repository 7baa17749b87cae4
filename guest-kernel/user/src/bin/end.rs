//! Ends the process that listens at a name. Argument: `name=NAME`.
#![no_std]
#![no_main]

use guest_user::{println, start, sys};

guest_user::entry!(main);

fn main() -> i32 {
    let Some(name) = start::option("name") else {
        println!("end: whoever listens at which name=NAME?");
        return 1;
    };
    let ended = sys::connect(name).and_then(sys::peer).and_then(|pid| {
        sys::kill(pid)?;
        Ok(pid)
    });
    match ended {
        Ok(pid) => {
            println!("end: process {pid} is ended");
            0
        }
        Err(e) => {
            println!("end: {name}: {e}");
            1
        }
    }
}

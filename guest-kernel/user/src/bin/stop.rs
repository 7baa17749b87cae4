//! Kills the process that listens at a name, as a service does: `stop NAME`. Who started it starts
//! it again, or not.
#![no_std]
#![no_main]

use guest_user::sys::SysResult;
use guest_user::{println, start, sys};

guest_user::entry!(main);

fn stop(name: &str) -> SysResult<u64> {
    let stream = sys::connect(name)?;
    let process = sys::peer(stream)?;
    sys::kill(process)?;
    Ok(process)
}

fn main() -> i32 {
    let Some(name) = start::args().nth(1) else {
        println!("stop: whom?");
        return 2;
    };
    match stop(name) {
        Ok(process) => {
            println!("stop: process {process}, which served {name}, is killed");
            0
        }
        Err(errno) => {
            println!("stop: {name}: {errno}");
            1
        }
    }
}

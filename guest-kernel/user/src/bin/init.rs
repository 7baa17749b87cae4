//! The first process of a domU: runs the other programs, tells in plain words what happened, and
//! stays. With the argument `once` it ends instead, and with it the domain; with `balloon` it also
//! takes the domain down in size and up again while its memory is checked; with `demo=NAME` it
//! runs that one program and ends.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use guest_user::abi::*;
use guest_user::{println, start, sys};

guest_user::entry!(main);

/// The ways in which `faulter` faults, and the vector that must end it; the first [`USUAL`] of
/// them, or with the argument `faults=all` every one.
const FAULTS: [(&str, i64); 7] = [
    ("how=null", 14),
    ("how=exec", 14),
    ("how=kernel", 14),
    ("how=stack", 14),
    ("how=int", 13),
    ("how=undefined", 6),
    ("how=fpu", 7),
];

/// Faults that are tried without being asked for.
const USUAL: usize = 3;

struct Tally {
    failures: u32,
}

impl Tally {
    fn start(&mut self, path: &str, args: &str) -> Option<u64> {
        match sys::spawn(path, args.as_bytes()) {
            Ok(pid) => Some(pid),
            Err(e) => {
                println!("init: {path} cannot be started: {e}");
                self.failures += 1;
                None
            }
        }
    }

    /// Waits for a process and checks its status.
    fn expect(&mut self, what: &str, pid: u64, wanted: i64) {
        match sys::wait(pid) {
            Ok(status) if status == wanted => {}
            Ok(status) => {
                println!("init: {what} (process {pid}) ended with {status:#x}, not {wanted:#x}");
                self.failures += 1;
            }
            Err(e) => {
                println!("init: {what} (process {pid}) cannot be waited for: {e}");
                self.failures += 1;
            }
        }
    }
}

fn figure(what: u64) -> u64 {
    sys::info(what).unwrap_or(0)
}

/// Gives half of the free pages away and takes them back; returns the low and the last size.
fn balloon(tally: &mut Tally) {
    let before = figure(INFO_PAGES);
    let target = before - figure(INFO_FREE_PAGES) / 2;
    let low = sys::balloon(target);
    let high = sys::balloon(before);
    match (low, high) {
        (Ok(low), Ok(high)) if low == target && high == before => {
            println!("init: ballooned from {before} pages down to {low} and up again to {high}");
        }
        _ => {
            println!("init: ballooning from {before} to {target} and back gave {low:?}, {high:?}");
            tally.failures += 1;
        }
    }
}

/// Runs one program alone, as `demo=NAME` asks; returns its status.
fn demo(name: &str) -> i32 {
    let path = alloc::format!("/bin/{name}");
    match sys::spawn(&path, &[]).and_then(sys::wait) {
        Ok(status) => {
            println!("init: {path} ended with status {status:#x}");
            i32::from(status != 0)
        }
        Err(e) => {
            println!("init: {path} cannot be run: {e}");
            1
        }
    }
}

fn main() -> i32 {
    if let Some(name) = start::option("demo") {
        return demo(name);
    }
    let has = |word: &str| start::args().skip(1).any(|arg| arg == word);
    let mut tally = Tally { failures: 0 };
    let mut running = Vec::new();
    for (path, args) in [
        ("/bin/worker", "parts=4"),
        ("/bin/worker", "parts=4"),
        ("/bin/talker", "rounds=5"),
        ("/bin/checksum", "pages=256\0rounds=20"),
        ("/bin/channels", ""),
    ] {
        running.extend(tally.start(path, args).map(|pid| (path, pid)));
    }
    let mut killed_alone = 0;
    let faults = if start::option("faults") == Some("all") {
        FAULTS.len()
    } else {
        USUAL
    };
    for &(how, vector) in &FAULTS[..faults] {
        if let Some(pid) = tally.start("/bin/faulter", how) {
            let before = tally.failures;
            tally.expect(how, pid, STATUS_FAULT | vector);
            killed_alone += u32::from(tally.failures == before);
        }
    }
    if has("balloon") {
        balloon(&mut tally);
    }
    let started = running.len();
    for (path, pid) in running {
        tally.expect(path, pid, 0);
    }
    println!("init: {started} processes ran side by side and ended as they should;");
    println!(
        "init: {} pre-emptions by the timer, {} system calls, {} events taken,",
        figure(INFO_PREEMPTIONS),
        figure(INFO_SYSCALLS),
        figure(INFO_EVENTS)
    );
    println!(
        "init: {} page faults answered with memory, {killed_alone} of {faults} faulting processes ended alone.",
        figure(INFO_FAULTS_SERVED)
    );
    if figure(INFO_PREEMPTIONS) == 0 {
        println!("init: nothing was ever pre-empted");
        tally.failures += 1;
    }
    if tally.failures == 0 {
        println!("init: all is well after {} ms", sys::clock() / 1_000_000);
    } else {
        println!("init: {} things went wrong", tally.failures);
    }
    if has("once") {
        return i32::from(tally.failures > 0);
    }
    // The kernel serves the toolstack from here on; this process only has to exist.
    loop {
        sys::sleep(3_600_000_000_000);
    }
}

//! Kills a program of dom0's toolstack at many moments of its work, then has another command clean
//! up behind it, and checks each time that nothing is left: no domain, no page of the machine, no
//! event channel, no local channel. Arguments: `times=N` (default 50), `first=COMMAND` (a `+` is a
//! blank) to be run before each time, `then=COMMAND`, then the program's path and its arguments.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use guest_user::abi::*;
use guest_user::dom0::{free_pages, next_domain, ports_used};
use guest_user::{println, start, sys};

guest_user::entry!(main);

/// Runs before anything is counted, so that what is kept for reuse is there.
const WARM_UP: u64 = 2;
const OPTIONS: [&str; 3] = ["times=", "first=", "then="];
/// Services are waited for no longer, in nanoseconds, and looked at so often.
const PATIENCE: u64 = 20_000_000_000;
const PAUSE: u64 = 2_000_000;
/// Time for the services to have done all that they will, before anything is counted.
const WHILE: u64 = 200_000_000;
/// Pages that dom0's services may have more in the end than at first.
const KEPT_MAX: u64 = 64;

fn main() -> i32 {
    match all() {
        Ok(told) => {
            println!("killer: {told}");
            0
        }
        Err(why) => {
            println!("killer: {why}");
            1
        }
    }
}

type Done<T = ()> = Result<T, String>;

fn told<T>(what: &str, result: sys::SysResult<T>) -> Done<T> {
    result.map_err(|e| format!("{what}: {e}"))
}

/// What must come back.
#[derive(Debug, PartialEq, Eq)]
struct Figures {
    domains: Vec<u16>,
    ports: usize,
    /// Of the machine.
    free_pages: u64,
    channels: u64,
}

fn figures() -> Done<Figures> {
    Ok(Figures {
        domains: domains(),
        ports: ports_used(),
        free_pages: told("physinfo", free_pages())?,
        channels: told("info", sys::info(INFO_CHANNELS))?,
    })
}

/// Pages of dom0 that nobody uses: services may keep a few more than before.
fn own_pages() -> Done<u64> {
    told("info", sys::info(INFO_FREE_PAGES))
}

fn all() -> Done<String> {
    let times = start::option("times").map_or(Ok(50), str::parse::<u64>);
    let times = times.map_err(|_| "times=N has no number")?;
    let first = start::option("first");
    let then = start::option("then").ok_or("which command then?")?;
    let is_option = |word: &&str| OPTIONS.iter().any(|option| word.starts_with(option));
    let mut words = start::args().skip(1).filter(|word| !is_option(word));
    let path = words.next().ok_or("which program?")?;
    let args = words.collect::<Vec<_>>().join("\0");
    let known = domains();
    let mut whole = 0;
    for _ in 0..WARM_UP {
        first.map_or(Ok(()), run)?;
        let begun = sys::clock();
        let pid = told(path, sys::spawn(path, args.as_bytes()))?;
        match told("wait", sys::wait(pid))? {
            0 => whole = sys::clock() - begun,
            status => return Err(format!("{path} alone ended with {status:#x}")),
        }
        run(then)?;
        while domains() != known {
            sys::sleep(PAUSE);
        }
        sys::sleep(WHILE);
    }
    let (before, own_before) = (figures()?, own_pages()?);
    let (mut killed, mut made) = (0, 0);
    for time in 0..times {
        first.map_or(Ok(()), run)?;
        let pid = told(path, sys::spawn(path, args.as_bytes()))?;
        sys::sleep(whole * time / times);
        // It may have ended before.
        let _ = sys::kill(pid);
        killed += u64::from(told("wait", sys::wait(pid))? == STATUS_KILLED);
        made += domains().len() - known.len();
        run(then)?;
        settle(&before).map_err(|why| format!("killed after {time} of {times} parts, {why}"))?;
    }
    let lost = own_before.saturating_sub(own_pages()?);
    if lost > KEPT_MAX {
        return Err(format!("dom0 has {lost} free pages less than before"));
    }
    Ok(format!(
        "{path} was killed {killed} times, with {made} domains made, half made or half destroyed; \
         {} ports are in use as before",
        before.ports
    ))
}

/// Waits until everything is as before: services give back what is theirs when they hear of an end.
fn settle(before: &Figures) -> Done {
    let end = sys::clock() + PATIENCE;
    loop {
        let now = figures()?;
        if now == *before {
            return Ok(());
        }
        if sys::clock() > end {
            return Err(format!("{before:?} became {now:?}"));
        }
        sys::sleep(PAUSE);
    }
}

fn domains() -> Vec<u16> {
    let mut from = 0;
    core::iter::from_fn(|| {
        let domain = next_domain(from).ok()?.domain;
        from = domain.checked_add(1)?;
        Some(domain)
    })
    .collect()
}

/// Runs a command, whatever comes of it.
fn run(command: &str) -> Done {
    let (path, args) = command.split_once('+').unwrap_or((command, ""));
    let args = args.replace('+', "\0");
    let pid = told(path, sys::spawn(path, args.as_bytes()))?;
    told("wait", sys::wait(pid)).map(drop)
}

//! Kills a program of dom0's toolstack at many moments of its work, and checks each time that it
//! leaves no event channel and no mapped frame behind: what it made of a domain can then be
//! destroyed, and as many pages and ports are free as before. Arguments: `times=N` (default 50),
//! then the program's path and its arguments.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use guest_user::abi::*;
use guest_user::dom0::{destroy_domain, free_pages, next_domain, ports_used};
use guest_user::{println, start, sys};

guest_user::entry!(main);

/// Runs before anything is counted, so that what is kept for reuse is there.
const WARM_UP: u64 = 2;

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

#[derive(Debug, PartialEq, Eq)]
struct Figures {
    ports: usize,
    /// Of the machine, and of dom0.
    free_pages: [u64; 2],
    channels: u64,
}

fn figures() -> Done<Figures> {
    let own = told("info", sys::info(INFO_FREE_PAGES))?;
    Ok(Figures {
        ports: ports_used(),
        free_pages: [told("physinfo", free_pages())?, own],
        channels: told("info", sys::info(INFO_CHANNELS))?,
    })
}

fn all() -> Done<String> {
    let times = start::option("times").map_or(Ok(50), str::parse::<u64>);
    let times = times.map_err(|_| "times=N has no number")?;
    let mut words = start::args()
        .skip(1)
        .filter(|word| !word.starts_with("times="));
    let path = words.next().ok_or("which program?")?;
    let args = words.collect::<Vec<_>>().join("\0");
    let known = domains();
    let mut whole = 0;
    for _ in 0..WARM_UP {
        let begun = sys::clock();
        let pid = told(path, sys::spawn(path, args.as_bytes()))?;
        match told("wait", sys::wait(pid))? {
            0 => whole = sys::clock() - begun,
            status => return Err(format!("{path} alone ended with {status:#x}")),
        }
        clean_up(&known)?;
    }
    let before = figures()?;
    let (mut killed, mut made) = (0, 0);
    for time in 0..times {
        let pid = told(path, sys::spawn(path, args.as_bytes()))?;
        sys::sleep(whole * time / times);
        // It may have ended before.
        let _ = sys::kill(pid);
        killed += u64::from(told("wait", sys::wait(pid))? == STATUS_KILLED);
        made += clean_up(&known)?;
        let after = figures()?;
        if after != before {
            return Err(format!(
                "after {time} of {times} parts of its work, {before:?} became {after:?}"
            ));
        }
    }
    Ok(format!(
        "{path} was killed {killed} times, with {made} domains half made; {} ports are in use as before",
        before.ports
    ))
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

/// Destroys the domains that were not there at first; how many.
fn clean_up(known: &[u16]) -> Done<u64> {
    let mut gone = 0;
    for domain in domains()
        .into_iter()
        .filter(|domain| !known.contains(domain))
    {
        told("destroydomain", destroy_domain(domain))?;
        if domains().contains(&domain) {
            return Err(format!("domain {domain} does not go away"));
        }
        gone += 1;
    }
    Ok(gone)
}

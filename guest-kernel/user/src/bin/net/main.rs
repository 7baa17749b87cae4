//! TCP/IP over the domain's first network interface, by smoltcp. Arguments, in any order:
//!
//! - `ip=ADDRESS/BITS`, with `gateway=ADDRESS` if there is one; or `ip=dhcp`;
//! - `ping=ADDRESS`, with `count=N` (default 5) and `pause=MS` between them: ends with status 0 if all
//!   were answered;
//! - `fetch=ADDRESS:PORT`, with `bytes=N` (default 1 MiB): takes so much from a server of the kind
//!   below, and ends with status 0 if it and its checksum are right;
//! - `flood=N`: sends so many frames to everybody, as fast as they are taken;
//! - `serve=PORT`: serves whoever connects, one after the other, until it is killed, or as many as
//!   `clients=N` says.
//!
//! What is asked for is done in the order of this list. Without any of it, pings are answered. With
//! `window=N` the lab counts what pings cost, behind a few that are not counted, and in window N + 1
//! what fetching does.
#![no_std]
#![no_main]

extern crate alloc;

mod nic;
mod ping;
mod stack;
mod transfer;

use core::net::SocketAddrV4;
use guest_user::{println, start, window};
use stack::Stack;

guest_user::entry!(main);

/// A number given as `name=N`.
fn number<T: core::str::FromStr>(name: &str, default: T) -> T {
    start::option(name)
        .and_then(|n| n.parse().ok())
        .unwrap_or(default)
}

type Done = Result<(), &'static str>;

/// Does something, in a window if the lab counts.
fn counted(behind_first: usize, what: impl FnOnce() -> Done) -> Done {
    let Some(first) = start::option("window").and_then(|n| n.parse::<usize>().ok()) else {
        return what();
    };
    let mut done = Ok(());
    window::tell("net", first + behind_first, || done = what());
    done
}

fn run() -> Done {
    let mut stack = Stack::open()?;
    match start::option("ip") {
        Some("dhcp") => stack.ask_for_address()?,
        Some(address) => {
            let address = address.parse().map_err(|()| "`ip` is no address/bits")?;
            let gateway = start::option("gateway").map(str::parse).transpose();
            stack.set_address(address, gateway.map_err(|_| "`gateway` is no address")?);
        }
        None => return Err("`ip=ADDRESS/BITS` or `ip=dhcp` is needed"),
    }
    println!("net: {} is {}", stack.mac(), stack.address());
    if let Some(whom) = start::option("ping") {
        let whom = whom.parse().map_err(|_| "`ping` is no address")?;
        let pause = start::option("pause").and_then(|ms| ms.parse().ok());
        let pause = pause.map(|ms: u64| ms * 1_000_000);
        if start::option("window").is_some() {
            ping::ping(&mut stack, whom, 2, None)?;
        }
        counted(0, || {
            ping::ping(&mut stack, whom, number("count", 5), pause)
        })?;
    }
    if let Some(whom) = start::option("fetch") {
        let whom: SocketAddrV4 = whom.parse().map_err(|_| "`fetch` is no address:port")?;
        let bytes = number("bytes", 1 << 20);
        counted(1, || transfer::fetch(&mut stack, whom, bytes))?;
    }
    if start::option("flood").is_some() {
        let taken = stack.flood(number("flood", 0))?;
        println!("net: {taken} frames are sent to everybody");
    }
    match start::option("serve") {
        Some(port) => {
            let port = port.parse().map_err(|_| "`serve` is no port")?;
            transfer::serve(&mut stack, port, number("clients", u64::MAX))
        }
        None if ["ping", "fetch", "flood"]
            .iter()
            .all(|what| start::option(what).is_none()) =>
        {
            stack.answer()
        }
        None => Ok(()),
    }
}

fn main() -> i32 {
    match run() {
        Ok(()) => 0,
        Err(why) => {
            println!("net: {why}");
            1
        }
    }
}

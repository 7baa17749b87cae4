//! Checks local channels between processes: what goes through them, what is refused, and that a
//! process leaves none of its own, however it ends. With `role=...` it is the other process.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use guest_user::abi::*;
use guest_user::check::{Done, same, status, told};
use guest_user::{println, start, sys, work};

guest_user::entry!(main);

/// Bytes that go through a stream and come back.
const ECHOED: u64 = 50_000;
/// What a stream takes that nobody reads.
const ROOM: usize = 16_384;
/// A client is waited for no longer, in nanoseconds.
const PATIENCE: u64 = 60_000_000_000;

fn main() -> i32 {
    let done = match start::option("role") {
        Some(role) => client(role, start::option("name").unwrap_or("")),
        None => server(),
    };
    status("channels", done)
}

fn watch(fd: u64, wanted: u32) -> Poll {
    Poll {
        kind: POLL_FD,
        id: fd as u32,
        wanted,
        ready: 0,
    }
}

/// Waits until a descriptor is ready; what it is ready for.
fn wait_for(fd: u64, wanted: u32) -> Done<u32> {
    let mut entries = [watch(fd, wanted)];
    match told("poll", sys::poll(&mut entries, PATIENCE))? {
        1 => Ok(entries[0].ready),
        n => Err(format!("{n} of one descriptor became ready")),
    }
}

fn server() -> Done {
    let name = format!("channels {}", sys::getpid());
    let before = told("info", sys::info(INFO_CHANNELS))?;
    refused_without_listener(&name)?;
    let listener = told("listen", sys::listen(&name))?;
    refused_of_listener(&name, listener)?;
    echo(&name, listener)?;
    flood(&name, listener)?;
    for (how, status) in [
        ("exit", 3),
        ("fault", STATUS_FAULT | 6),
        ("killed", STATUS_KILLED),
    ] {
        end(&name, listener, how, status)?;
    }
    waiting(&name, listener)?;
    told("close", sys::close(listener))?;
    same(
        "close of what is closed",
        sys::close(listener),
        Err(Errno::EBADF),
    )?;
    let after = told("info", sys::info(INFO_CHANNELS))?;
    same("the number of channels in the end", after, before)?;
    println!("channels {}: all as it should be", sys::getpid());
    Ok(())
}

fn refused_without_listener(name: &str) -> Done {
    let long = [b'x'; CHANNEL_NAME_MAX as usize + 1];
    let long = core::str::from_utf8(&long).unwrap_or("");
    same("connect to nobody", sys::connect(name), Err(Errno::ENOENT))?;
    same("listen without a name", sys::listen(""), Err(Errno::EINVAL))?;
    same(
        "listen with a long name",
        sys::listen(long),
        Err(Errno::E2BIG),
    )?;
    for fd in [0, 1, 3, 99, u64::MAX] {
        same(
            "accept of no descriptor",
            sys::accept(fd),
            Err(Errno::EBADF),
        )?;
        same("peer of no descriptor", sys::peer(fd), Err(Errno::EBADF))?;
    }
    same(
        "read of no descriptor",
        sys::read(77, &mut [0]),
        Err(Errno::EBADF),
    )?;
    same(
        "write to no descriptor",
        sys::write(77, b"x"),
        Err(Errno::EBADF),
    )?;
    let mut entry = [watch(77, POLL_READABLE)];
    same(
        "poll of no descriptor",
        sys::poll(&mut entry, 0),
        Err(Errno::EBADF),
    )?;
    entry[0].kind = 3;
    same(
        "poll of no kind",
        sys::poll(&mut entry, 0),
        Err(Errno::EINVAL),
    )?;
    let napped = sys::clock();
    same("poll of nothing", sys::poll(&mut [], 2_000_000), Ok(0))?;
    same("a short poll", sys::clock() - napped >= 2_000_000, true)?;
    same("life of nobody", sys::alive(u64::MAX), false)?;
    same("own life", sys::alive(sys::getpid()), true)
}

fn refused_of_listener(name: &str, listener: u64) -> Done {
    same("listen again", sys::listen(name), Err(Errno::EEXIST))?;
    same(
        "accept of nothing",
        sys::accept(listener),
        Err(Errno::EAGAIN),
    )?;
    same(
        "read of a listener",
        sys::read(listener, &mut [0]),
        Err(Errno::EINVAL),
    )?;
    same(
        "write to a listener",
        sys::write(listener, b"x"),
        Err(Errno::EINVAL),
    )?;
    same(
        "peer of a listener",
        sys::peer(listener),
        Err(Errno::EINVAL),
    )?;
    let mut entry = [watch(listener, POLL_READABLE)];
    same("poll of a quiet listener", sys::poll(&mut entry, 0), Ok(0))
}

/// Starts a client and takes its stream.
fn serve(name: &str, listener: u64, role: &str) -> Done<(u64, u64)> {
    let args = format!("role={role}\0name={name}");
    let pid = told("spawn", sys::spawn("/bin/channels", args.as_bytes()))?;
    same(
        "a client that connects",
        wait_for(listener, POLL_READABLE)?,
        POLL_READABLE,
    )?;
    let stream = told("accept", sys::accept(listener))?;
    same("peer", sys::peer(stream), Ok(pid))?;
    Ok((pid, stream))
}

/// Waits for a client, whose end is closed by then.
fn reap(pid: u64, stream: u64, status: i64) -> Done {
    same("a client's status", sys::wait(pid), Ok(status))?;
    same("a client's life", sys::alive(pid), false)?;
    let ready = wait_for(stream, 0)?;
    same("a client that is gone", ready, POLL_HUNG_UP)?;
    same("peer of a client that is gone", sys::peer(stream), Ok(pid))?;
    same(
        "write to a client that is gone",
        sys::write(stream, b"x"),
        Err(Errno::EPIPE),
    )?;
    told("close", sys::close(stream))
}

/// Sends back what a client sends, in pieces of any size, until it has closed its end.
fn echo(name: &str, listener: u64) -> Done {
    let (pid, stream) = serve(name, listener, "echo")?;
    let mut buf = [0; 1000];
    let mut all = 0;
    loop {
        wait_for(stream, POLL_READABLE)?;
        let n = told("read", sys::read(stream, &mut buf))?;
        if n == 0 {
            break;
        }
        let mut rest = &buf[..n];
        while !rest.is_empty() {
            wait_for(stream, POLL_WRITABLE)?;
            let written = told("write", sys::write(stream, rest))?;
            rest = &rest[written..];
        }
        all += n as u64;
    }
    same("bytes that came", all, ECHOED)?;
    reap(pid, stream, 0)
}

/// A client that writes and writes is told that there is no room; what it wrote is there after
/// its end.
fn flood(name: &str, listener: u64) -> Done {
    let (pid, stream) = serve(name, listener, "flood")?;
    same("a client's status", sys::wait(pid), Ok(0))?;
    let mut buf = [0; 1000];
    let mut all = 0;
    loop {
        match told("read", sys::read(stream, &mut buf))? {
            0 => break,
            n => all += n,
        }
    }
    same("bytes of a flood", all, ROOM)?;
    told("close", sys::close(stream))
}

/// A client that ends while it is connected, and blocks if it is to be killed.
fn end(name: &str, listener: u64, how: &str, status: i64) -> Done {
    let (pid, stream) = serve(name, listener, how)?;
    wait_for(stream, POLL_READABLE)?;
    same("a client's word", sys::read(stream, &mut [0; 8]), Ok(2))?;
    if how == "killed" {
        same(
            "read of a silent client",
            sys::read(stream, &mut [0; 8]),
            Err(Errno::EAGAIN),
        )?;
        told("kill", sys::kill(pid))?;
    }
    reap(pid, stream, status)
}

/// Streams that nobody accepts are closed with their listener.
fn waiting(name: &str, listener: u64) -> Done {
    let second = format!("{name} again");
    let other = told("listen", sys::listen(&second))?;
    let streams: alloc::vec::Vec<u64> =
        core::iter::from_fn(|| sys::connect(&second).ok()).collect();
    same(
        "connect to a busy listener",
        sys::connect(&second),
        Err(Errno::EAGAIN),
    )?;
    told("close", sys::close(other))?;
    for stream in streams {
        same(
            "a stream never accepted",
            wait_for(stream, 0)?,
            POLL_HUNG_UP,
        )?;
        same("read of it", sys::read(stream, &mut [0]), Ok(0))?;
        told("close", sys::close(stream))?;
    }
    same(
        "accept of nothing",
        sys::accept(listener),
        Err(Errno::EAGAIN),
    )
}

/// The other process.
fn client(role: &str, name: &str) -> Done {
    let stream = told("connect", sys::connect(name))?;
    match role {
        "echo" => return echo_client(stream),
        "flood" => return flood_client(stream),
        _ => {}
    }
    told("write", sys::write(stream, b"ok"))?;
    match role {
        "exit" => sys::exit(3),
        // SAFETY: the instruction has no effect but its fault.
        "fault" => unsafe { core::arch::asm!("ud2") },
        _ => wait_for(stream, POLL_READABLE).map(drop)?,
    }
    Err(format!("survived `{role}`"))
}

fn byte(i: u64) -> u8 {
    work::pattern(5, i) as u8
}

/// Sends and receives at once, as each is possible.
fn echo_client(stream: u64) -> Done {
    let (mut sent, mut received) = (0, 0);
    let mut buf = [0; 700];
    while received < ECHOED {
        let writes = if sent < ECHOED { POLL_WRITABLE } else { 0 };
        let ready = wait_for(stream, POLL_READABLE | writes)?;
        if ready & POLL_WRITABLE != 0 {
            let n = (ECHOED - sent).min(buf.len() as u64);
            for (i, to) in (sent..sent + n).zip(&mut buf) {
                *to = byte(i);
            }
            sent += told("write", sys::write(stream, &buf[..n as usize]))? as u64;
        }
        if ready & POLL_READABLE != 0 {
            let n = told("read", sys::read(stream, &mut buf))?;
            for (i, &got) in (received..).zip(&buf[..n]) {
                same("a byte that came back", got, byte(i))?;
            }
            received += n as u64;
        }
    }
    told("close", sys::close(stream))
}

fn flood_client(stream: u64) -> Done {
    let mut all = 0;
    loop {
        match sys::write(stream, &[b'x'; 999]) {
            Ok(n) => all += n,
            Err(Errno::EAGAIN) => break,
            Err(e) => return Err(format!("write: {e}")),
        }
    }
    same("bytes that a stream took", all, ROOM)
}

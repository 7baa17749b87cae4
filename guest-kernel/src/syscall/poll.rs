//! Waiting for the first of several: descriptors, event channels, console input; or for whatever
//! happens.

use super::{channel, deadline, door, file, ports};
use crate::dev::{console, event, time};
use crate::mm::user;
use crate::task::{self, Wait};
use alloc::vec::Vec;
use guest_user::abi::*;

const ENTRY_LEN: u64 = size_of::<Poll>() as u64;

/// What is ready of an entry, wanted or not.
fn look(entry: &Poll) -> Result<u32, Errno> {
    let readable = |is: bool| if is { POLL_READABLE } else { 0 };
    match entry.kind {
        POLL_FD => file::ready(u64::from(entry.id)),
        POLL_PORT => Ok(readable(event::is_latched(entry.id))),
        POLL_CONSOLE if entry.id == 0 => Ok(readable(console::has_input())),
        _ => Err(Errno::EINVAL),
    }
}

/// Fills in what is ready; how many entries are.
fn look_at_all(entries: &mut [Poll]) -> Result<u64, Errno> {
    let mut ready = 0;
    for entry in entries {
        entry.ready = look(entry)? & (entry.wanted | POLL_HUNG_UP);
        ready += u64::from(entry.ready != 0);
    }
    Ok(ready)
}

fn read_entries(ptr: u64, count: u64) -> Result<Vec<Poll>, Errno> {
    let bytes = user::read(ptr, count * ENTRY_LEN)?;
    let mut entries = Vec::new();
    entries
        .try_reserve_exact(count as usize)
        .map_err(|_| Errno::ENOMEM)?;
    entries.extend(
        bytes
            .as_chunks::<{ size_of::<Poll>() }>()
            .0
            .iter()
            .map(|b| {
                let word = |i: usize| u32::from_le_bytes([b[i], b[i + 1], b[i + 2], b[i + 3]]);
                Poll {
                    kind: word(0),
                    id: word(4),
                    wanted: word(8),
                    ready: 0,
                }
            }),
    );
    Ok(entries)
}

fn write_entries(ptr: u64, entries: &[Poll]) -> Result<(), Errno> {
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(size_of_val(entries))
        .map_err(|_| Errno::ENOMEM)?;
    for Poll {
        kind,
        id,
        wanted,
        ready,
    } in entries
    {
        for word in [kind, id, wanted, ready] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
    }
    user::write(ptr, &bytes)
}

/// Serves `SYS_POLL`.
pub(super) fn poll(ptr: u64, count: u64, timeout: u64) -> Result<u64, Errno> {
    if count > POLL_MAX {
        return Err(Errno::EINVAL);
    }
    let until = deadline(timeout);
    let mut entries = read_entries(ptr, count)?;
    for port in entries.iter().filter(|entry| entry.kind == POLL_PORT) {
        door::open_port(port.id)?;
    }
    loop {
        // Events that come later are taken when the task has blocked, and wake it.
        event::deliver();
        let ready = look_at_all(&mut entries)?;
        if ready > 0 || time::system_time() >= until {
            write_entries(ptr, &entries)?;
            return Ok(ready);
        }
        task::block(Wait::Poll, until)?;
    }
}

/// What has happened to the running process's descriptors and ports, at most so many.
fn take_news(most: usize) -> Vec<Poll> {
    let entry = |kind, id, ready| Poll {
        kind,
        id,
        wanted: 0,
        ready,
    };
    let streams = channel::take_news(most).into_iter();
    let mut news: Vec<Poll> = streams
        .map(|(fd, ready)| entry(POLL_FD, fd as u32, ready))
        .collect();
    let ports = ports::take_news(most - news.len()).into_iter();
    news.extend(ports.map(|port| entry(POLL_PORT, port, POLL_READABLE)));
    news
}

/// Serves `SYS_NEWS`.
pub(super) fn news(ptr: u64, count: u64, timeout: u64) -> Result<u64, Errno> {
    if count == 0 || count > POLL_MAX {
        return Err(Errno::EINVAL);
    }
    // What is taken must be delivered.
    user::check_writable(ptr, count * ENTRY_LEN)?;
    let until = deadline(timeout);
    loop {
        event::deliver();
        let news = take_news(count as usize);
        if !news.is_empty() || time::system_time() >= until {
            write_entries(ptr, &news)?;
            return Ok(news.len() as u64);
        }
        task::block(Wait::News, until)?;
    }
}

/// Serves `SYS_CONSOLE_POLL`.
pub(super) fn console(timeout: u64) -> Result<u64, Errno> {
    let until = deadline(timeout);
    event::deliver();
    while !console::has_input() {
        if timeout == 0 || task::block(Wait::ConsoleInput, until)? {
            break;
        }
    }
    Ok(u64::from(console::has_input()))
}

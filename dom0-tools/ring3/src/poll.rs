//! Waiting for the first of a few things; see [`crate::wait_for_news`] for many.

use alloc::vec::Vec;

use guest_user::abi::{POLL_FD, POLL_HUNG_UP, POLL_PORT, POLL_READABLE, POLL_WRITABLE, Poll};
use guest_user::{println, sys};

/// Nanoseconds that do not end.
pub const FOREVER: u64 = u64::MAX;

/// What is waited for, and after waiting what of it is there.
#[derive(Debug, Default)]
pub struct Poller {
    /// Each with the name of whose it is.
    entries: Vec<(u64, Poll)>,
}

fn entry(kind: u32, id: u32, wanted: u32) -> Poll {
    Poll {
        kind,
        id,
        wanted,
        ready: 0,
    }
}

impl Poller {
    /// Until a descriptor has something to read (a listener: somebody who connects), or room to
    /// write, or until its other end is closed. `name` is whatever the caller calls it.
    pub fn descriptor(&mut self, name: u64, descriptor: u64, read: bool, write: bool) {
        let read = if read { POLL_READABLE } else { 0 };
        let write = if write { POLL_WRITABLE } else { 0 };
        let entry = entry(POLL_FD, descriptor as u32, read | write);
        self.entries.push((name, entry));
    }

    /// Until there is an event of a port that this process has bound; it is taken.
    pub fn port(&mut self, name: u64, port: u32) {
        let entry = entry(POLL_PORT, port, POLL_READABLE);
        self.entries.push((name, entry));
    }

    /// Waits for at most so many nanoseconds, and takes the events.
    pub fn wait(&mut self, timeout: u64) {
        let mut all: Vec<Poll> = self.entries.iter().map(|(_, entry)| *entry).collect();
        if let Err(errno) = sys::poll(&mut all, timeout) {
            println!("waiting was refused: {errno}");
            sys::exit(1)
        }
        for ((_, old), new) in self.entries.iter_mut().zip(all) {
            *old = new;
            if new.kind == POLL_PORT && new.ready != 0 {
                // The event is there; that another one took it, cannot be.
                let _ = sys::evtchn_wait(new.id, 0);
            }
        }
    }

    fn ready(&self) -> impl Iterator<Item = (u64, &Poll)> {
        let ready = self.entries.iter().filter(|(_, entry)| entry.ready != 0);
        ready.map(|(name, entry)| (*name, entry))
    }

    /// Whether there was an event of a port.
    #[must_use]
    pub fn had_event(&self, port: u32) -> bool {
        let is_its = |entry: &Poll| entry.kind == POLL_PORT && entry.id == port;
        self.ready().any(|(_, entry)| is_its(entry))
    }

    /// The names of those that have something.
    pub fn ready_names(&self) -> impl Iterator<Item = u64> {
        self.ready().map(|(name, _)| name)
    }

    /// The names of those whose other end is closed.
    pub fn hung_up(&self) -> impl Iterator<Item = u64> {
        let hung_up = |entry: &Poll| entry.ready & POLL_HUNG_UP != 0;
        let hung_up = self.ready().filter(move |(_, entry)| hung_up(entry));
        hung_up.map(|(name, _)| name)
    }
}

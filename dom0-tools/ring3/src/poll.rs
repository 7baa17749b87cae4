//! Waiting for the first of several things.

use alloc::vec::Vec;

use guest_user::abi::{POLL_FD, POLL_HUNG_UP, POLL_PORT, POLL_READABLE, POLL_WRITABLE, Poll};
use guest_user::{println, sys};

/// Nanoseconds that do not end.
pub const FOREVER: u64 = u64::MAX;

/// What is waited for, and after waiting what of it is there.
#[derive(Debug, Default)]
pub struct Poller {
    entries: Vec<Poll>,
}

impl Poller {
    fn add(&mut self, kind: u32, id: u32, wanted: u32) {
        self.entries.push(Poll {
            kind,
            id,
            wanted,
            ready: 0,
        });
    }

    /// Until a descriptor has something to read (a listener: somebody who connects), or room to
    /// write, or until its other end is closed.
    pub fn descriptor(&mut self, descriptor: u64, read: bool, write: bool) {
        let read = if read { POLL_READABLE } else { 0 };
        let write = if write { POLL_WRITABLE } else { 0 };
        self.add(POLL_FD, descriptor as u32, read | write);
    }

    /// Until there is an event of a port that this process has bound; it is taken.
    pub fn port(&mut self, port: u32) {
        self.add(POLL_PORT, port, POLL_READABLE);
    }

    /// Waits for at most so many nanoseconds, and takes the events.
    pub fn wait(&mut self, timeout: u64) {
        if let Err(errno) = sys::poll(&mut self.entries, timeout) {
            println!("waiting was refused: {errno}");
            sys::exit(1);
        }
        for entry in self.ready(POLL_PORT) {
            // The event is there; that another one took it, cannot be.
            let _ = sys::evtchn_wait(entry.id, 0);
        }
    }

    fn ready(&self, kind: u32) -> impl Iterator<Item = &Poll> {
        let ready = move |entry: &&Poll| entry.kind == kind && entry.ready != 0;
        self.entries.iter().filter(ready)
    }

    /// Whether there was an event of a port.
    #[must_use]
    pub fn had_event(&self, port: u32) -> bool {
        self.ready(POLL_PORT).any(|entry| entry.id == port)
    }

    /// Descriptors whose other end is closed.
    pub fn hung_up(&self) -> impl Iterator<Item = u64> {
        let ready = self.ready(POLL_FD);
        let hung_up = ready.filter(|entry| entry.ready & POLL_HUNG_UP != 0);
        hung_up.map(|entry| entry.id.into())
    }
}

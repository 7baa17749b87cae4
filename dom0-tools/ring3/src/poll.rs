//! Waiting for the first of several things.

use alloc::vec::Vec;

use guest_user::abi::{
    POLL_FD, POLL_HUNG_UP, POLL_PORT, POLL_PORTS, POLL_READABLE, POLL_WRITABLE, Poll,
};
use guest_user::{println, sys};

/// Nanoseconds that do not end.
pub const FOREVER: u64 = u64::MAX;

/// What is waited for, and after waiting what of it is there.
#[derive(Debug, Default)]
pub struct Poller {
    /// Each with the name of whose it is.
    entries: Vec<(u64, Poll)>,
    /// The ports, which may be many.
    ports: Vec<(u64, Poll)>,
}

fn entry(kind: u32, id: u32, wanted: u32) -> Poll {
    Poll {
        kind,
        id,
        wanted,
        ready: 0,
    }
}

/// Has the kernel fill in what is ready of all in `lists`, and waits for it so long; whether anything is.
fn poll(lists: &mut [&mut [(u64, Poll)]], timeout: u64) -> bool {
    let of = |list: &[(u64, Poll)]| list.iter().map(|(_, entry)| *entry).collect::<Vec<_>>();
    let mut all = lists.iter().flat_map(|list| of(list)).collect::<Vec<_>>();
    let ready = sys::poll(&mut all, timeout).unwrap_or_else(|errno| {
        println!("waiting was refused: {errno}");
        sys::exit(1)
    });
    let entries = lists.iter_mut().flat_map(|list| list.iter_mut());
    entries.zip(all).for_each(|((_, old), new)| *old = new);
    ready != 0
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
        self.ports
            .push((name, entry(POLL_PORT, port, POLL_READABLE)));
    }

    /// Waits for at most so many nanoseconds, and takes the events.
    pub fn wait(&mut self, timeout: u64) {
        // Most of the time none of the ports has anything: they are looked at one by one only when
        // one of them has.
        let mut any = [(0, entry(POLL_PORTS, 0, POLL_READABLE))];
        poll(&mut [&mut self.entries, &mut any], timeout);
        if any[0].1.ready == 0 {
            return;
        }
        let lists = &mut [&mut self.entries[..], &mut self.ports[..]];
        // The event may be that of a port which is not waited for.
        if !poll(lists, 0) {
            poll(lists, timeout);
        }
        for (_, entry) in self.ports.iter().filter(|(_, entry)| entry.ready != 0) {
            // The event is there; that another one took it, cannot be.
            let _ = sys::evtchn_wait(entry.id, 0);
        }
    }

    fn ready(&self) -> impl Iterator<Item = (u64, &Poll)> {
        let all = self.entries.iter().chain(&self.ports);
        let ready = all.filter(|(_, entry)| entry.ready != 0);
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

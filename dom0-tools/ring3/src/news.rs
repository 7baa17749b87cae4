//! Waiting for whatever happens to a service's streams and ports, however many there are.

use alloc::vec::Vec;

use guest_user::abi::{POLL_FD, POLL_HUNG_UP, Poll};
use guest_user::{println, sys};

/// Nanoseconds that do not end.
pub const FOREVER: u64 = u64::MAX;
/// What is taken at once.
const MOST: usize = 64;

/// Something that has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// A stream has something to read, or has room again; at a listener, somebody waits.
    Stream {
        /// Its descriptor.
        descriptor: u64,
        /// Its other end is closed.
        hung_up: bool,
    },
    /// There was an event of a port. It is taken.
    Port(u32),
}

/// Waits for news for at most so many nanoseconds. What was told is not told again: what is to be
/// read is to be read to its end.
pub fn wait_for_news(timeout: u64) -> Vec<News> {
    let blank = Poll {
        kind: 0,
        id: 0,
        wanted: 0,
        ready: 0,
    };
    let mut entries = [blank; MOST];
    let count = sys::news(&mut entries, timeout).unwrap_or_else(|errno| {
        println!("waiting was refused: {errno}");
        sys::exit(1)
    });
    let news = |entry: &Poll| match entry.kind {
        POLL_FD => News::Stream {
            descriptor: entry.id.into(),
            hung_up: entry.ready & POLL_HUNG_UP != 0,
        },
        _ => News::Port(entry.id),
    };
    entries[..count].iter().map(news).collect()
}

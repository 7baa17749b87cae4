//! Local channels: streams between processes of dom0.

use dom0_tools::service::{Closed, Transport};
use dom0_tools::store::Channel;
use guest_user::abi::{Errno, POLL_FD, POLL_READABLE, Poll};
use guest_user::println;
use guest_user::sys::{self, SysResult};

use crate::news::FOREVER;

/// How long apart attempts to connect are, in nanoseconds.
const AGAIN: u64 = 10_000_000;

/// A name that is open for streams from other processes.
#[derive(Debug)]
pub struct Listener(u64);

impl Listener {
    /// Opens a name.
    ///
    /// # Errors
    /// EEXIST: somebody else has it.
    pub fn new(name: &str) -> SysResult<Self> {
        sys::listen(name).map(Listener)
    }

    /// The next stream, if one waits.
    pub fn accept(&self) -> Option<Stream> {
        sys::accept(self.0).ok().map(Stream)
    }

    /// Its descriptor.
    #[must_use]
    pub fn descriptor(&self) -> u64 {
        self.0
    }
}

/// One end of a stream; closed when dropped.
#[derive(Debug)]
pub struct Stream(u64);

impl Stream {
    /// To whoever listens there.
    ///
    /// # Errors
    /// ENOENT: nobody does. EAGAIN: too many wait there.
    pub fn connect(name: &str) -> SysResult<Self> {
        sys::connect(name).map(Stream)
    }

    /// The same; who does not listen yet is waited for, for at most so many nanoseconds.
    pub fn connect_within(name: &str, patience: u64) -> SysResult<Self> {
        let end = sys::clock().saturating_add(patience);
        loop {
            match Self::connect(name) {
                Err(_) if sys::clock() < end => sys::sleep(AGAIN),
                other => return other,
            }
        }
    }

    /// Its descriptor.
    #[must_use]
    pub fn descriptor(&self) -> u64 {
        self.0
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // The descriptor is this object's alone, so it is not refused.
        let _ = sys::close(self.0);
    }
}

impl Transport for Stream {
    fn read(&mut self, to: &mut [u8]) -> Result<usize, Closed> {
        match sys::read(self.0, to) {
            Ok(0) if !to.is_empty() => Err(Closed::Gone),
            Ok(count) => Ok(count),
            Err(Errno::EAGAIN) => Ok(0),
            Err(_) => Err(Closed::Gone),
        }
    }

    fn write(&mut self, from: &[u8]) -> Result<usize, Closed> {
        match sys::write(self.0, from) {
            Ok(count) => Ok(count),
            Err(Errno::EAGAIN) => Ok(0),
            Err(_) => Err(Closed::Gone),
        }
    }
}

impl Channel for Stream {
    fn wait(&mut self, timeout: Option<u64>) {
        // What comes is of interest also to one who has something to say: else neither goes on.
        let mut entry = [Poll {
            kind: POLL_FD,
            id: self.0 as u32,
            wanted: POLL_READABLE,
            ready: 0,
        }];
        if let Err(errno) = sys::poll(&mut entry, timeout.unwrap_or(FOREVER)) {
            println!("waiting was refused: {errno}");
            sys::exit(1)
        }
    }
}

//! Processes of this domain that use its connection to the store, on local channels: what xenstored
//! serves in dom0, the kernel serves here, by the same name.

use super::Rings;
use crate::syscall::channel;
use crate::task;
use alloc::vec;
use core::sync::atomic::{AtomicU64, Ordering};
use guest_kernel::store::client::{Client, Failure};
use guest_kernel::store::share::{Id, Shared};
use guest_user::abi::Errno;

/// Where processes connect.
const NAME: &str = "xenstore";
/// Where the kernel listens.
static LISTENER: AtomicU64 = AtomicU64::new(0);

/// Opens the name; who connects is served by that task.
pub(super) fn listen(task: u64) -> Result<(), Errno> {
    let listener = channel::listen_in_kernel(task, NAME)?;
    LISTENER.store(listener, Ordering::Relaxed);
    Ok(())
}

/// Those that are connected.
pub(super) struct Locals(Shared);

impl Locals {
    pub(super) fn new() -> Self {
        Self(Shared::new())
    }

    /// Does for each what it asks for first; whether there was anything. If not, nothing was waited
    /// for, so nothing has been missed.
    pub(super) fn turn(&mut self, daemon: &mut Client<Rings>) -> Result<bool, Failure> {
        let listener = LISTENER.load(Ordering::Relaxed);
        while let Ok(id) = channel::accept_in_kernel(task::current(), listener) {
            if !self.0.connect(id) {
                // It was just accepted.
                let _ = channel::close(id);
            }
        }
        self.0.take_events(daemon);
        let mut busy = false;
        for id in self.0.clients() {
            match self.serve(id, daemon)? {
                Turn::Quiet => {}
                Turn::Busy => busy = true,
                Turn::Gone => {
                    let _ = channel::close(id);
                    self.0.end(id, daemon)?;
                    // Somebody may have come while that was waited for.
                    busy = true;
                }
            }
        }
        Ok(busy)
    }

    fn serve(&mut self, id: Id, daemon: &mut Client<Rings>) -> Result<Turn, Failure> {
        if !self.flush(id) {
            return Ok(Turn::Gone);
        }
        loop {
            let wanted = self.0.wanted(id);
            if self.0.is_broken(id) {
                return Ok(Turn::Gone);
            }
            if wanted == 0 {
                return Ok(Turn::Quiet);
            }
            let mut bytes = vec![0; wanted];
            match channel::read(id, &mut bytes) {
                Ok(0) => return Ok(Turn::Gone),
                Ok(count) if self.0.take(id, &bytes[..count], daemon)? => {
                    self.flush(id);
                    return Ok(Turn::Busy);
                }
                Ok(_) => {}
                Err(Errno::EAGAIN) => return Ok(Turn::Quiet),
                Err(_) => return Ok(Turn::Gone),
            }
        }
    }

    /// Sends what there is room for; false to one who is gone.
    fn flush(&mut self, id: Id) -> bool {
        while !self.0.outgoing(id).is_empty() {
            match channel::write(id, self.0.outgoing(id)) {
                Ok(count) => self.0.sent(id, count),
                Err(Errno::EAGAIN) => return true,
                Err(_) => return false,
            }
        }
        true
    }

    /// Ends all connections, because the session has ended.
    pub(super) fn end_all(&mut self, daemon: &mut Client<Rings>, ended: &Result<(), Failure>) {
        for id in self.0.clients() {
            let _ = channel::close(id);
            // A daemon that only seemed to begin anew knows of what they have begun.
            if ended.is_ok() {
                let _ = self.0.end(id, daemon);
            }
        }
        self.0.forget();
    }
}

/// What came of a client's turn.
enum Turn {
    /// It asks for nothing now.
    Quiet,
    /// It asked for something, and may ask for more.
    Busy,
    /// It has ended, or is given up.
    Gone,
}

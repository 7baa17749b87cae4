//! Requests to a guest kernel over the page and channel made for the store.
//!
//! What the page holds is an agreement between a front end and its guests; this library only
//! needs the operations below.

use crate::hyper::Mapping;

/// What a guest kernel can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Change its size to this many pages; answers with the size reached.
    Balloon(u64),
    /// Checksum its patterned memory; answers with the checksum, or EIO if the pattern is damaged.
    Checksum,
    /// Send this many events and wait for the answers; answers with how many came.
    Ping(u64),
    /// Have this many vCPUs up; answers with how many are.
    Vcpus(u64),
    /// Shut down with this SHUTDOWN_* reason.
    Shutdown(u64),
    /// Crash on purpose.
    Crash,
}

/// What a guest kernel says of itself, unasked. Claims, shown as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// Events it took.
    pub events_received: u64,
    /// Events it sent.
    pub events_sent: u64,
    /// Events it took on all its ports; those above are of its channel to the toolstack.
    pub events: u64,
    /// Ring-3 processes it runs.
    pub processes: u64,
    /// How often its timer took the processor from a process.
    pub preemptions: u64,
    /// Processes it ended because they faulted.
    pub faults: u64,
}

/// The agreement on the page.
pub trait Protocol<M: Mapping> {
    /// Whether a guest kernel serves the page.
    fn is_served(page: &M) -> bool;
    /// Places a request and returns its number; notify the guest then.
    fn post(page: &mut M, request: Request) -> u64;
    /// The answer to a request, once there is one; the error is a positive errno.
    fn answer(page: &M, number: u64) -> Option<Result<u64, u64>>;
    /// Answers a ping of the guest; true if there was one: notify it then.
    fn answer_ping(page: &mut M) -> bool;
    /// The guest's own figures.
    fn status(page: &M) -> Status;
}

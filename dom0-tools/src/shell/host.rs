//! What the shell needs besides the hypervisor.

use alloc::string::String;
use alloc::vec::Vec;

use crate::hyper::{Errno, Hyper};
use crate::store::Channel;

/// Terminal, files, processes and time of the control domain.
pub trait Host: Hyper + 'static {
    /// Streams to services of this domain.
    type Stream: Channel;

    /// A new stream to a service, by the name under which it listens.
    ///
    /// # Errors
    /// ENOENT: nobody listens there. EAGAIN: too many wait there.
    fn connect(&mut self, service: &str) -> Result<Self::Stream, Errno>;
    /// This process.
    fn pid(&mut self) -> u64;
    /// Whether a process has not ended.
    fn is_alive(&mut self, process: u64) -> bool;
    /// Starts a program that runs beside this one.
    ///
    /// # Errors
    /// The reason why it could not be started, in words.
    fn start_program(&mut self, path: &str) -> Result<u64, String>;
    /// Forgets a program that was started so and has ended: until then it has its place among processes.
    fn forget_program(&mut self, process: u64);
    /// Writes to the terminal.
    fn write(&mut self, bytes: &[u8]);
    /// Waits up to `timeout` ns for unedited, unechoed input and returns how many bytes came.
    fn read_input(&mut self, buffer: &mut [u8], timeout: u64) -> usize;
    /// Nanoseconds since some fixed time.
    fn now(&mut self) -> u64;
    /// Seconds since 1970, UTC.
    fn wallclock(&mut self) -> u64;
    /// Events that this domain's own kernel has taken.
    fn events(&mut self) -> u64;
    /// Pages of this domain that nobody uses.
    fn free_pages(&mut self) -> u64;
    /// Has this domain's own kernel use so many vCPUs; how many are up then.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn set_own_vcpus(&mut self, count: u32) -> Result<u64, Errno>;
    /// Waits.
    fn sleep(&mut self, ns: u64);
    /// Waits up to `timeout` ns for an event on a port of this domain, and takes it.
    fn wait_event(&mut self, port: u32, timeout: u64) -> bool;
    /// A whole file.
    ///
    /// # Errors
    /// The reason, in words.
    fn read_file(&mut self, path: &str) -> Result<Vec<u8>, String>;
    /// The names of all files.
    fn file_names(&mut self) -> Vec<String>;
    /// Runs a program to its end and returns its status.
    ///
    /// # Errors
    /// The reason why it could not be started, in words.
    fn run_program(&mut self, path: &str, arguments: &[&str]) -> Result<i64, String>;
    /// Ends the machine. May return: it takes effect when it does.
    fn power_off(&mut self);
}

//! The domU's connection to xenstore: its page, its event channel, and the kernel task behind it.

mod local;
mod pci;
mod ping;
mod serve;
mod talk;
mod vbd;
mod vif;

use super::{event, time};
use crate::boot::BootInfo;
use crate::hypercall;
use crate::mm::{Mfn, p2m};
use crate::task::{self, Wait};
use alloc::string::String;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use guest_kernel::store::client::{Client, Failure, Link};
use guest_kernel::store::ring;
use guest_kernel::store::wire::Broken;
use guest_user::abi::Errno;

/// How long the daemon may do nothing about a request, in nanoseconds.
const PATIENCE: u64 = 30_000_000_000;

/// The page's address in the direct map; 0 without one.
static PAGE: AtomicU64 = AtomicU64::new(0);
static PORT: AtomicU32 = AtomicU32::new(0);
/// Events of the daemon, and of pings, that came; and those sent there.
static RECEIVED: AtomicU64 = AtomicU64::new(0);
static SENT: AtomicU64 = AtomicU64::new(0);

/// The page, which the daemon writes too.
struct Page;

impl Page {
    fn address(offset: usize, size: usize) -> u64 {
        assert!(offset.is_multiple_of(size) && offset + size <= 4096);
        PAGE.load(Ordering::Relaxed) + offset as u64
    }

    fn word(offset: usize) -> &'static AtomicU32 {
        let address = Self::address(offset, 4);
        // SAFETY: `init` found the page in the direct map; it is reserved for the store, and is
        // accessed atomically only.
        unsafe { &*(address as *const AtomicU32) }
    }

    fn cell(offset: usize) -> &'static AtomicU8 {
        let address = Self::address(offset, 1);
        // SAFETY: as in `word`.
        unsafe { &*(address as *const AtomicU8) }
    }
}

impl ring::Page for Page {
    fn load(&self, offset: usize) -> u32 {
        Self::word(offset).load(Ordering::Acquire)
    }

    fn store(&mut self, offset: usize, value: u32) {
        // Sequentially consistent: what the daemon has consumed is read after it.
        Self::word(offset).store(value, Ordering::SeqCst);
    }

    fn byte(&self, offset: usize) -> u8 {
        Self::cell(offset).load(Ordering::Relaxed)
    }

    fn set_byte(&mut self, offset: usize, value: u8) {
        Self::cell(offset).store(value, Ordering::Relaxed);
    }
}

/// Sends an event and counts it.
fn notify(port: u32) -> Result<(), Errno> {
    hypercall::evtchn_send(port)?;
    SENT.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Tells the daemon to look at the page.
fn kick() {
    // A daemon that is gone will not answer: that is noticed.
    let _ = notify(PORT.load(Ordering::Relaxed));
}

pub(crate) use ping::answered;
pub(crate) use talk::talk;

/// The event of the daemon, or of who answers pings.
pub(crate) fn event() {
    RECEIVED.fetch_add(1, Ordering::Relaxed);
    task::wake(Wait::Store);
}

/// Waits for the next event that wakes [`Wait::Store`]; false if the deadline passed.
fn wait_until(deadline: u64) -> bool {
    if task::current() != task::IDLE {
        // Kernel tasks are never killed, so this cannot fail.
        return !task::block(Wait::Store, deadline).unwrap_or(true);
    }
    let before = RECEIVED.load(Ordering::Relaxed);
    while RECEIVED.load(Ordering::Relaxed) == before {
        if time::system_time() > deadline {
            return false;
        }
        hypercall::sched_yield();
        event::deliver();
    }
    true
}

/// The way to the daemon over the page.
struct Rings {
    /// When the daemon is taken for dead.
    deadline: u64,
    /// When there last was a request on its way.
    busy: u64,
}

impl Link for Rings {
    fn send(&mut self, message: &[u8]) -> Result<bool, Broken> {
        let sent = ring::send(&mut Page, message)?;
        if sent {
            kick();
        }
        Ok(sent)
    }

    fn receive(&mut self, buf: &mut [u8]) -> Result<usize, Broken> {
        let full = ring::is_full(&Page);
        let n = ring::receive(&mut Page, buf)?;
        if full && n > 0 {
            kick();
        }
        self.busy = time::system_time();
        Ok(n)
    }

    fn begin(&mut self) {
        self.deadline = time::system_time() + PATIENCE;
    }

    fn wait(&mut self) -> bool {
        wait_until(self.deadline)
    }
}

fn client() -> Client<Rings> {
    Client::new(Rings {
        deadline: 0,
        busy: 0,
    })
}

/// Writes a node while the kernel's tasks do not run.
pub(crate) fn write_now(path: &str, value: &str) {
    if let Err(why) = client().write(path, value) {
        panic!("{path} cannot be written: {why:?}");
    }
}

/// Reads a node while the kernel's tasks do not run; `None` if that is refused.
pub(crate) fn read_now(path: &str) -> Option<String> {
    match client().read(path) {
        Ok(value) => Some(value),
        Err(Failure::Refused(_)) => None,
        Err(why) => panic!("{path} cannot be read: {why:?}"),
    }
}

/// Has a node watched while the kernel's tasks do not run; see [`has_message`].
pub(crate) fn watch_now(path: &str) {
    let mut client = client();
    let watched = client.watch(path, 0).and_then(|()| {
        // To begin with, it fires once.
        client.link.begin();
        while client.fired()?.is_none() && client.link.wait() {}
        Ok(())
    });
    if let Err(why) = watched {
        panic!("{path} cannot be watched: {why:?}");
    }
}

/// Whether the daemon said something that nobody has read.
pub(crate) fn has_message() -> bool {
    ring::has_reply(&Page)
}

/// Starts the task, if the domain has a page.
pub(crate) fn init(boot: &BootInfo) -> Result<(), Errno> {
    let Some((mfn, port)) = boot.store() else {
        return Ok(());
    };
    let pfn = p2m::pfn_of(Mfn(mfn)).ok_or(Errno::EFAULT)?;
    PAGE.store(pfn.va(), Ordering::Relaxed);
    PORT.store(port, Ordering::Relaxed);
    let task = task::spawn_kernel("store", serve::serve)?;
    // Who connects before there is a session waits for it.
    local::listen(task)?;
    event::handle(port, event::Handler::Store).map(drop)
}

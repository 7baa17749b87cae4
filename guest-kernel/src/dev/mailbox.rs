//! The domU's side of the control mailbox: a kernel task that carries out the toolstack's
//! requests. The protocol is in `guest_user::mailbox`.

use super::{event, time};
use crate::boot::BootInfo;
use crate::hypercall;
use crate::log::klog;
use crate::mm::{Mfn, balloon, p2m};
use crate::smp;
use crate::task::{self, Wait};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use guest_user::abi::Errno;
use guest_user::mailbox::{self, MAGIC_VALUE, Request, Words, command, guest, tools};

/// How long a ping's answer is waited for, in nanoseconds.
const PING_TIMEOUT: u64 = 1_000_000_000;
/// The most pings one request makes.
const PINGS_MAX: u64 = 1_000_000;

static PAGE: AtomicU64 = AtomicU64::new(0);
static PORT: AtomicU32 = AtomicU32::new(0);

/// The mailbox page in the direct map.
struct Page;

impl Page {
    fn word(offset: usize) -> &'static AtomicU64 {
        assert!(offset < mailbox::PAGE_LEN && offset.is_multiple_of(8));
        let address = PAGE.load(Ordering::Relaxed) + offset as u64;
        // SAFETY: `init` found the page in the direct map; it is reserved for the mailbox, and is
        // accessed atomically only.
        unsafe { &*(address as *const AtomicU64) }
    }
}

impl Words for Page {
    fn load(&self, offset: usize) -> u64 {
        Self::word(offset).load(Ordering::Acquire)
    }

    fn store(&self, offset: usize, value: u64) {
        Self::word(offset).store(value, Ordering::Release);
    }
}

fn count(offset: usize) {
    Page::word(offset).fetch_add(1, Ordering::Relaxed);
}

fn ring() -> Result<(), Errno> {
    hypercall::evtchn_send(PORT.load(Ordering::Relaxed))?;
    count(guest::EVENTS_SENT);
    Ok(())
}

/// The doorbell's event.
pub(crate) fn doorbell() {
    count(guest::EVENTS_RECEIVED);
    task::wake(Wait::Mailbox);
}

/// Tells how many events the kernel has taken, if there is somebody to tell. On any vCPU.
pub(crate) fn publish_events(taken: u64) {
    if PAGE.load(Ordering::Relaxed) != 0 {
        // Two vCPUs may come in another order than they counted.
        Page::word(guest::EVENTS).fetch_max(taken, Ordering::Relaxed);
    }
}

fn publish() {
    let (_, preemptions) = task::preemptions();
    Page.store(guest::CURRENT_PAGES, balloon::owned());
    Page.store(guest::PROCESSES, task::processes());
    Page.store(guest::PREEMPTIONS, preemptions);
    Page.store(guest::FAULTS_FATAL, task::fatal_faults());
}

/// Pings the other end, and does not wait for an answer.
pub(crate) fn ping_once() -> Result<(), Errno> {
    let ping = Page.load(guest::GUEST_PING).wrapping_add(1);
    Page.store(guest::GUEST_PING, ping);
    ring()
}

/// Whether a request waits, which nobody takes while the kernel's tasks do not run.
pub(crate) fn is_asked() -> bool {
    mailbox::next_request(&Page).is_some()
}

/// Pings the other end `count` times, each after the answer to the last.
fn ping(count: u64) -> Result<u64, Errno> {
    let mut answered = 0;
    while answered < count.min(PINGS_MAX) {
        ping_once()?;
        let ping = Page.load(guest::GUEST_PING);
        let deadline = time::system_time() + PING_TIMEOUT;
        while Page.load(tools::TOOLS_PONG) != ping {
            if task::block(Wait::Mailbox, deadline)? {
                return Ok(answered);
            }
        }
        answered += 1;
        Page.store(
            guest::PINGS_ANSWERED,
            Page.load(guest::PINGS_ANSWERED).wrapping_add(1),
        );
    }
    Ok(answered)
}

fn carry_out(request: Request) -> Result<u64, Errno> {
    match request.command {
        command::ECHO => Ok(request.argument),
        command::BALLOON => {
            Page.store(guest::TARGET_PAGES, request.argument);
            balloon::set_target(request.argument)
        }
        command::CHECKSUM => {
            let sum = crate::pattern::check()?;
            Page.store(guest::CHECKSUM, sum);
            Ok(sum)
        }
        command::VCPUS => smp::plug::set_count(request.argument),
        command::PING => ping(request.argument),
        command::SHUTDOWN => {
            klog!(
                "shutdown with reason {}, as the toolstack asks",
                request.argument
            );
            crate::shut_down(request.argument)
        }
        command::CRASH => panic!("the toolstack asked for a crash"),
        _ => Err(Errno::ENOSYS),
    }
}

extern "C" fn serve() -> ! {
    loop {
        publish();
        let Some(request) = mailbox::next_request(&Page) else {
            // Kernel tasks are never killed, so this cannot fail.
            let _ = task::block(Wait::Mailbox, time::NEVER);
            continue;
        };
        let result = carry_out(request).map_err(|e| e.0.cast_unsigned());
        publish();
        mailbox::reply(&Page, request.seq, result);
        if let Err(e) = ring() {
            klog!("the mailbox's doorbell cannot be rung: {e}");
        }
    }
}

/// Whether there is a mailbox.
pub(crate) fn exists() -> bool {
    PAGE.load(Ordering::Relaxed) != 0
}

/// Starts serving, if the domain has a mailbox; whether it has.
pub(crate) fn init(boot: &BootInfo) -> Result<bool, Errno> {
    let Some((mfn, port)) = boot.store() else {
        return Ok(false);
    };
    let pfn = p2m::pfn_of(Mfn(mfn)).ok_or(Errno::EFAULT)?;
    PAGE.store(pfn.va(), Ordering::Relaxed);
    if !mailbox::is_marked(&Page) {
        PAGE.store(0, Ordering::Relaxed);
        return Ok(false);
    }
    PORT.store(port, Ordering::Relaxed);
    // A request may wait from before; the task looks at once.
    task::spawn_kernel("mailbox", serve)?;
    event::handle(port, event::Handler::Mailbox)?;
    Page.store(guest::MAGIC, MAGIC_VALUE);
    ring()?;
    Ok(true)
}

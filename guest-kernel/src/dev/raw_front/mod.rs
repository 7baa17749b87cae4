//! Front ends without a driver, step by step: for rogues, and for guests that die amid a transfer. The
//! kernel's own front ends do not run beside these, nor do its tasks.

pub(crate) mod disk;
pub(crate) mod net;

use super::grant::{self, Access};
use super::{store, time};
use crate::hypercall;
use crate::mm::{PAGE_SIZE, Pfn, frame};
use alloc::format;
use alloc::string::String;
use core::fmt::Display;
use core::sync::atomic::{AtomicU32, Ordering};
use hypercall_abi::event_channel::*;
use hypercall_abi::io::xenbus::XenbusState;
use hypercall_abi::xen::DOMID_SELF;

/// A back end is waited for no longer, in nanoseconds.
const PATIENCE: u64 = 20_000_000_000;
/// Between two looks at a node, in nanoseconds: the store is others' too.
const PAUSE: u64 = 300_000;
/// What a ring begins with, in bytes: requests produced, responses produced, entries.
pub(crate) const REQ_PROD: usize = 0;
const RSP_PROD: usize = 8;
const ENTRIES: usize = 64;

/// Waits until something is so, doing something meanwhile.
///
/// # Panics
/// If it takes too long.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool, mut meanwhile: impl FnMut()) {
    let end = time::system_time() + PATIENCE;
    while !is_so() {
        assert!(time::system_time() < end, "in vain: {what}");
        meanwhile();
        hypercall::sched_yield();
    }
}

/// A page that domain 0 may use.
pub(crate) struct Shared {
    page: Pfn,
    gref: u32,
}

impl Shared {
    pub(crate) fn new() -> Self {
        let page = frame::alloc_zeroed().expect("there is memory to spare");
        let gref = grant::offer(page, 0, Access::Write).expect("a page can be granted");
        Self { page, gref }
    }

    pub(crate) fn gref(&self) -> u32 {
        self.gref
    }

    /// A word, by its offset in bytes.
    pub(crate) fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset < PAGE_SIZE as usize);
        let address = self.page.va() + offset as u64;
        // SAFETY: inside a page of this domain's that stays mapped, and which is accessed atomically
        // only.
        unsafe { &*(address as *const AtomicU32) }
    }

    pub(crate) fn get(&self, offset: usize) -> u32 {
        self.word(offset).load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self, offset: usize, value: u32) {
        self.word(offset).store(value, Ordering::SeqCst);
    }

    /// Ends the grant; the page is something else as soon as nobody uses it.
    pub(crate) fn end(self) {
        grant::retire(self.gref, self.page);
    }
}

/// A ring in a shared page, with entries of so many bytes.
pub(crate) struct Ring {
    pub(crate) page: Shared,
    entry: usize,
    size: u32,
}

impl Ring {
    /// An empty one with `size` entries of `entry` bytes.
    pub(crate) fn new(entry: usize, size: u32) -> Self {
        assert!(entry.is_multiple_of(4) && ENTRIES + entry * size as usize <= PAGE_SIZE as usize);
        let page = Shared::new();
        Self { page, entry, size }
    }

    /// Requests that the back end was shown.
    pub(crate) fn shown(&self) -> u32 {
        self.page.get(REQ_PROD)
    }

    /// Requests that were answered.
    pub(crate) fn answered(&self) -> u32 {
        self.page.get(RSP_PROD)
    }

    fn place(&self, index: u32) -> usize {
        ENTRIES + (index % self.size) as usize * self.entry
    }

    /// Writes a request where it belongs.
    pub(crate) fn put(&self, index: u32, entry: &[u8]) {
        let (words, rest) = entry.as_chunks::<4>();
        assert!(rest.is_empty() && entry.len() <= self.entry);
        for (i, word) in words.iter().enumerate() {
            let value = u32::from_le_bytes(*word);
            self.page.set(self.place(index) + i * 4, value);
        }
    }

    /// A word of an entry.
    pub(crate) fn word(&self, index: u32, word: usize) -> u32 {
        self.page.get(self.place(index) + word * 4)
    }

    /// Shows the back end so many requests more.
    pub(crate) fn show(&self, count: u32) {
        self.page.set(REQ_PROD, self.shown().wrapping_add(count));
    }

    /// Writes a request and shows it.
    pub(crate) fn ask(&self, entry: &[u8]) {
        self.put(self.shown(), entry);
        self.show(1);
    }

    /// Waits until all but so many of the requests are answered, doing something meanwhile.
    pub(crate) fn wait(&self, but: u32, meanwhile: impl FnMut()) {
        let wanted = self.shown().wrapping_sub(but);
        let is_so = || (self.answered().wrapping_sub(wanted)).cast_signed() >= 0;
        wait_until("an answer", is_so, meanwhile);
    }
}

/// A front end's nodes.
pub(crate) struct Node {
    path: &'static str,
    backend: String,
}

impl Node {
    /// Those that the toolstack has made there.
    pub(crate) fn new(path: &'static str) -> Self {
        let backend = store::read_now(&format!("{path}/backend"));
        let backend = backend.unwrap_or_else(|| panic!("{path} has no back end"));
        Self { path, backend }
    }

    pub(crate) fn say(&self, name: &str, value: impl Display) {
        store::write_now(&format!("{}/{name}", self.path), &format!("{value}"));
    }

    /// Whether the back end is in a state.
    pub(crate) fn is(&self, state: XenbusState) -> bool {
        let said = store::read_now(&format!("{}/state", self.backend));
        said == Some(format!("{state}"))
    }

    /// Waits until the back end is in a state.
    pub(crate) fn wait_for(&self, state: XenbusState) {
        let what = format!("state {state} of {}", self.backend);
        let mut next = 0;
        let is_so = || {
            let due = time::system_time() >= next;
            let is_so = due && self.is(state);
            if due {
                next = time::system_time() + PAUSE;
            }
            is_so
        };
        wait_until(&what, is_so, || {});
    }
}

/// A port that domain 0 may bind.
pub(crate) fn open_port() -> u32 {
    let mut alloc = evtchn_alloc_unbound {
        dom: DOMID_SELF,
        remote_dom: 0,
        port: 0,
    };
    hypercall::event_channel_op(EVTCHNOP_alloc_unbound, &mut alloc).expect("a port is free");
    alloc.port
}

/// Closes one.
pub(crate) fn close_port(port: u32) {
    // It is this domain's own.
    let _ = hypercall::event_channel_op(EVTCHNOP_close, &mut evtchn_close { port });
}

/// Sends an event, which is refused where the back end is gone.
pub(crate) fn notify(port: u32) {
    let _ = hypercall::evtchn_send(port);
}

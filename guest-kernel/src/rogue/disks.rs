//! Lies to who serves disks: rings that cannot be, requests that make no sense or change while they are
//! read, grants that end meanwhile. The kernel's own front end does not run beside these.

use super::*;
use crate::dev::grant::{self, Access};
use crate::dev::{store, time};
use crate::random::Random;
use alloc::format;
use core::sync::atomic::{AtomicU32, Ordering};
use hypercall_abi::event_channel::{EVTCHNOP_alloc_unbound, evtchn_alloc_unbound};
use hypercall_abi::io::blkif::*;
use hypercall_abi::io::xenbus::*;
use zerocopy::{FromZeros, IntoBytes};

pub(super) const ROGUES: &[Rogue] = &[
    ("disk-indices", disk_indices),
    ("disk-requests", disk_requests),
    ("disk-rewrites", disk_rewrites),
    ("disk-revoked", disk_revoked),
];

/// The disk's number: xvda.
const DISK: &str = "device/vbd/51712";
/// A back end is waited for no longer, in nanoseconds.
const PATIENCE: u64 = 20_000_000_000;
/// Indices of the ring, in words, and where entries begin.
const REQ_PROD: usize = 0;
const RSP_PROD: usize = 2;
const ENTRIES: usize = 16;
const ENTRY_WORDS: usize = size_of::<blkif_request>() / 4;
/// Entries of the ring.
const SIZE: u32 = 32;

/// A connection with the back end.
struct Front {
    ring: Pfn,
    port: u32,
    backend: alloc::string::String,
}

/// A page that the back end's domain may use.
fn granted() -> (Pfn, u32) {
    let page = spare();
    let gref = grant::offer(page, 0, Access::Write).expect("the table has room");
    (page, gref)
}

fn say(name: &str, value: u32) {
    store::write_now(&format!("{DISK}/{name}"), &format!("{value}"));
}

impl Front {
    fn connect() -> Self {
        let (ring, gref) = granted();
        let mut alloc = evtchn_alloc_unbound {
            dom: DOMID_SELF,
            remote_dom: 0,
            port: 0,
        };
        hypercall::event_channel_op(EVTCHNOP_alloc_unbound, &mut alloc).expect("a port is free");
        let backend = store::read_now(&format!("{DISK}/backend")).expect("it has a back end");
        let front = Self {
            ring,
            port: alloc.port,
            backend,
        };
        say("state", XenbusStateInitialising);
        front.wait_for(XenbusStateInitWait);
        say("ring-ref", gref);
        say("event-channel", front.port);
        say("state", XenbusStateConnected);
        front.wait_for(XenbusStateConnected);
        front
    }

    fn wait_for(&self, state: XenbusState) {
        let end = time::system_time() + PATIENCE;
        let path = format!("{}/state", self.backend);
        while store::read_now(&path) != Some(format!("{state}")) {
            assert!(
                time::system_time() < end,
                "the back end does not say {state}"
            );
            hypercall::sched_yield();
        }
    }

    fn word(&self, word: usize) -> &AtomicU32 {
        assert!(word < 1024);
        // SAFETY: inside of a page of this rogue's own, which is accessed atomically only.
        unsafe { &*((self.ring.va() + word as u64 * 4) as *const AtomicU32) }
    }

    fn kick(&self) {
        let _ = hypercall::evtchn_send(self.port);
        hypercall::sched_yield();
    }

    fn put(&self, index: u32, entry: &blkif_request) {
        let (words, _) = entry.as_bytes().as_chunks::<4>();
        for (i, word) in words.iter().enumerate() {
            let at = ENTRIES + (index % SIZE) as usize * ENTRY_WORDS + i;
            self.word(at)
                .store(u32::from_le_bytes(*word), Ordering::SeqCst);
        }
    }

    fn ask(&self, entry: &blkif_request) {
        let index = self.word(REQ_PROD).load(Ordering::SeqCst);
        self.put(index, entry);
        self.word(REQ_PROD)
            .store(index.wrapping_add(1), Ordering::SeqCst);
    }

    /// Waits until all that was asked is answered, doing something meanwhile.
    fn wait(&self, mut meanwhile: impl FnMut()) {
        let end = time::system_time() + PATIENCE;
        let asked = self.word(REQ_PROD).load(Ordering::SeqCst);
        while self.word(RSP_PROD).load(Ordering::SeqCst) != asked {
            assert!(time::system_time() < end, "the back end does not answer");
            meanwhile();
            self.kick();
        }
    }

    /// The status of an answer.
    fn status(&self, index: u32) -> i16 {
        let at = ENTRIES + (index % SIZE) as usize * ENTRY_WORDS + 2;
        (self.word(at).load(Ordering::SeqCst) >> 16) as u16 as i16
    }
}

/// More requests than there is room for: each ends the connection, and another can be made.
fn disk_indices() {
    for lie in [SIZE + 1, 1000, 1 << 31, u32::MAX] {
        let front = Front::connect();
        front.word(REQ_PROD).store(lie, Ordering::SeqCst);
        front.kick();
        front.wait_for(XenbusStateClosed);
    }
}

fn request(random: &mut Random, grefs: &[u32]) -> blkif_request {
    let mut entry = blkif_request::new_zeroed();
    entry.operation = random.below(9) as u8;
    entry.nr_segments = random.below(13) as u8;
    entry.handle = random.next() as u16;
    entry.sector_number = match random.below(3) {
        0 => random.next(),
        1 => u64::MAX - random.below(16),
        _ => random.below(64),
    };
    for segment in &mut entry.seg {
        segment.gref = random.pick(grefs);
        (segment.first_sect, segment.last_sect) = (random.below(10) as u8, random.below(10) as u8);
    }
    entry
}

/// Requests of which few make sense; all are answered, and nothing but one's own pages changes.
fn disk_requests() {
    let front = Front::connect();
    let (_, gref) = granted();
    let grefs = [gref, 0, 7, 5000, u32::MAX];
    let mut random = Random(20);
    let mut well = 0;
    for _ in 0..40 {
        let first = front.word(REQ_PROD).load(Ordering::SeqCst);
        (0..SIZE).for_each(|_| front.ask(&request(&mut random, &grefs)));
        front.wait(|| {});
        let statuses = (0..SIZE).map(|i| front.status(first.wrapping_add(i)));
        well += statuses.filter(|status| *status == BLKIF_RSP_OKAY).count();
    }
    klog!("{well} of {} requests were done", 40 * SIZE);
}

/// Requests that change while they are read.
fn disk_rewrites() {
    let front = Front::connect();
    let (_, gref) = granted();
    let mut random = Random(21);
    for _ in 0..40 {
        let first = front.word(REQ_PROD).load(Ordering::SeqCst);
        (0..SIZE).for_each(|_| front.ask(&request(&mut random, &[gref])));
        front.wait(|| {
            for i in 0..SIZE {
                let other = request(&mut random, &[gref, 9]);
                front.put(first.wrapping_add(i), &other);
            }
        });
    }
}

/// Grants that end while requests are served, and pages that are something else then.
fn disk_revoked() {
    let front = Front::connect();
    let mut random = Random(22);
    let end = 40;
    for round in 0..end {
        let (page, gref) = granted();
        for sector in 0..SIZE.into() {
            let mut entry = blkif_request::new_zeroed();
            (entry.operation, entry.nr_segments) = (BLKIF_OP_READ, 1);
            entry.sector_number = sector;
            (entry.seg[0].gref, entry.seg[0].last_sect) = (gref, 7);
            front.ask(&entry);
        }
        if random.below(2) == 0 {
            front.kick();
        }
        grant::retire(gref, page);
        front.wait(|| {});
        if grant::kept_by_others() != 0 {
            breach!("a page is mapped after round {round}");
        }
    }
}

//! The life of a disk's front end, in steps.

use super::Step;
use crate::dev::raw_front::disk::{Front, SIZE, indirect, request};
use crate::dev::raw_front::{REQ_PROD, Shared};
use crate::hypercall;
use alloc::vec::Vec;
use hypercall_abi::io::blkif::*;
use hypercall_abi::io::xenbus::*;
use zerocopy::{FromZeros, IntoBytes};

pub(super) struct Script {
    front: Front,
    pages: Vec<Shared>,
    /// Answers that were read.
    read: u32,
}

impl Script {
    pub(super) fn new() -> Self {
        Self {
            front: Front::new(),
            pages: Vec::new(),
            read: 0,
        }
    }

    fn ask(&self, entry: &blkif_request) {
        self.front.ring().ask(entry.as_bytes());
    }

    /// A request for the page, from a sector on.
    fn entry(&self, operation: u8, sector: u64) -> blkif_request {
        request(operation, sector, &[&self.pages[0]])
    }

    /// Reads answers until only so many are unread, which must be there.
    fn read(&mut self, but: u32) {
        let end = self.front.ring().answered().wrapping_sub(but);
        while self.read != end {
            assert_eq!(self.front.status(self.read), BLKIF_RSP_OKAY);
            self.read = self.read.wrapping_add(1);
        }
    }

    /// Waits for all answers, and reads them.
    fn finish(&mut self) {
        self.front.wait(0, || {});
        self.read(0);
    }
}

pub(super) const STEPS: &[Step<Script>] = &[
    ("nothing was done", |_| {}),
    ("its back end waits", |disk| {
        disk.front.node.wait_for(XenbusStateInitWait);
    }),
    ("a ring and a port are there", |disk| {
        disk.front.grant_ring();
        disk.front.open_port();
    }),
    ("the ring is told of", |disk| disk.front.say_ring()),
    ("all is told of", |disk| {
        disk.front.say_port();
        disk.front.node.say("protocol", "x86_64-abi");
    }),
    ("it is initialised", |disk| {
        disk.front.node.say("state", XenbusStateInitialised);
    }),
    ("its back end is connected", |disk| {
        disk.front.node.wait_for(XenbusStateConnected);
    }),
    ("it is connected", |disk| {
        disk.front.node.say("state", XenbusStateConnected);
    }),
    ("a request is written", |disk| {
        disk.pages.push(Shared::new());
        let entry = disk.entry(BLKIF_OP_READ, 0);
        disk.front.ring().put(0, entry.as_bytes());
    }),
    ("a request is shown", |disk| disk.front.ring().show(1)),
    ("a request is sent", |disk| disk.front.notify()),
    ("others had a turn", |_| hypercall::sched_yield()),
    ("a request is answered", |disk| disk.finish()),
    ("a full ring is sent", |disk| {
        for sector in 0..SIZE.into() {
            disk.ask(&disk.entry(BLKIF_OP_READ, sector));
        }
        disk.front.notify();
    }),
    ("the first of many is answered", |disk| {
        disk.front.wait(SIZE - 1, || {});
    }),
    ("half of many are answered", |disk| {
        disk.front.wait(SIZE / 2, || {});
    }),
    ("half of them are read", |disk| {
        let unread = disk.front.ring().answered().wrapping_sub(disk.read);
        disk.read(unread / 2);
    }),
    ("many are answered", |disk| disk.finish()),
    ("a page is sent to be written", |disk| {
        disk.ask(&disk.entry(BLKIF_OP_WRITE, 8));
        disk.front.notify();
    }),
    ("a page is written", |disk| disk.finish()),
    ("a flush is asked for", |disk| {
        let mut flush = blkif_request::new_zeroed();
        flush.operation = BLKIF_OP_FLUSH_DISKCACHE;
        disk.ask(&flush);
        disk.front.notify();
    }),
    ("an indirect request is sent", |disk| {
        disk.finish();
        disk.pages.push(Shared::new());
        disk.ask(&indirect(&disk.pages[1], &disk.pages[0]));
        disk.front.notify();
    }),
    ("an indirect request is answered", |disk| disk.finish()),
    ("grants end behind what was sent", |disk| {
        for sector in 0..4 {
            disk.ask(&disk.entry(BLKIF_OP_READ, sector));
        }
        disk.front.notify();
        disk.pages.drain(..).for_each(Shared::end);
    }),
    ("what had no grants is answered", |disk| {
        disk.front.wait(0, || {});
    }),
    ("it is closing", |disk| {
        disk.front.node.say("state", XenbusStateClosing);
    }),
    ("it is closed", |disk| {
        disk.front.node.say("state", XenbusStateClosed);
    }),
    ("its back end is closed", |disk| {
        disk.front.node.wait_for(XenbusStateClosed);
    }),
    ("it has begun anew, and sends", |disk| {
        disk.front = Front::connect();
        disk.read = 0;
        disk.pages.push(Shared::new());
        disk.ask(&disk.entry(BLKIF_OP_READ, 0));
        disk.front.notify();
    }),
    ("it lies", |disk| {
        let ring = disk.front.ring();
        ring.page.set(REQ_PROD, ring.shown().wrapping_add(1000));
        disk.front.notify();
    }),
];

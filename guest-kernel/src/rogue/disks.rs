//! Lies to who serves disks: rings that cannot be, requests that make no sense or change while they are
//! read, grants that end meanwhile, a ring that is never empty. The kernel's own front end does not run
//! beside these.

use super::*;
use crate::dev::grant;
use crate::dev::raw_front::disk::{Front, SIZE, request};
use crate::dev::raw_front::{REQ_PROD, Shared};
use crate::random::Random;
use hypercall_abi::io::blkif::*;
use hypercall_abi::io::xenbus::*;
use zerocopy::{FromZeros, IntoBytes};

pub(super) const ROGUES: &[Rogue] = &[
    ("disk-indices", indices),
    ("disk-requests", requests),
    ("disk-rewrites", rewrites),
    ("disk-revoked", revoked),
    ("disk-full", full),
];

/// More requests than there is room for: each ends the connection, and another can be made.
fn indices() {
    for lie in [SIZE + 1, 1000, 1 << 31, u32::MAX] {
        let front = Front::connect();
        front.ring().page.set(REQ_PROD, lie);
        front.kick();
        front.node.wait_for(XenbusStateClosed);
    }
}

fn anything(random: &mut Random, grefs: &[u32]) -> blkif_request {
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
fn requests() {
    let front = Front::connect();
    let page = Shared::new();
    let grefs = [page.gref(), 0, 7, 5000, u32::MAX];
    let mut random = Random(20);
    let mut well = 0;
    for _ in 0..40 {
        let first = front.ring().shown();
        (0..SIZE).for_each(|_| front.ring().ask(anything(&mut random, &grefs).as_bytes()));
        front.kick();
        front.wait(0, || {});
        let statuses = (0..SIZE).map(|i| front.status(first.wrapping_add(i)));
        well += statuses.filter(|status| *status == BLKIF_RSP_OKAY).count();
    }
    klog!("{well} of {} requests were done", 40 * SIZE);
}

/// Requests that change while they are read.
fn rewrites() {
    let front = Front::connect();
    let page = Shared::new();
    let mut random = Random(21);
    for _ in 0..40 {
        let first = front.ring().shown();
        let grefs = [page.gref()];
        (0..SIZE).for_each(|_| front.ring().ask(anything(&mut random, &grefs).as_bytes()));
        front.notify();
        front.wait(0, || {
            for i in 0..SIZE {
                let other = anything(&mut random, &[page.gref(), 9]);
                front.ring().put(first.wrapping_add(i), other.as_bytes());
            }
        });
    }
}

/// Grants that end while requests are served, and pages that are something else then.
fn revoked() {
    let front = Front::connect();
    let mut random = Random(22);
    for round in 0..40 {
        let page = Shared::new();
        for sector in 0..SIZE.into() {
            let entry = request(BLKIF_OP_READ, sector, &[&page]);
            front.ring().ask(entry.as_bytes());
        }
        if random.below(2) == 0 {
            front.kick();
        }
        page.end();
        front.notify();
        front.wait(0, || {});
        if grant::kept_by_others() != 0 {
            breach!("a page is mapped after round {round}");
        }
    }
}

/// The largest requests that there are, as many as there is room for, again as soon as they are
/// answered, for ever. No answer is read.
fn full() {
    let front = Front::connect();
    let page = Shared::new();
    let all = [&page; BLKIF_MAX_SEGMENTS_PER_REQUEST];
    let largest = request(BLKIF_OP_READ, 0, &all);
    let ring = front.ring();
    klog!("rogue disk: its ring is full from now on");
    loop {
        while ring.shown().wrapping_sub(ring.answered()) < SIZE {
            ring.ask(largest.as_bytes());
        }
        front.kick();
    }
}

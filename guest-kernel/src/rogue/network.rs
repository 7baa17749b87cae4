//! Lies to netback: what a guest can put into the rings of its network interface. The kernel's own
//! driver does not run beside these.

use super::*;
use crate::dev::grant;
use crate::dev::raw_front::net::{FIRST, FRAME, Front, SIZE, frame};
use crate::dev::raw_front::{REQ_PROD, Ring, Shared};
use crate::random::Random;
use hypercall_abi::io::netif::*;
use hypercall_abi::io::xenbus::*;

pub(super) const ROGUES: &[Rogue] = &[
    ("net-lies", lies),
    ("net-revoked", revoked),
    ("net-requests", requests),
    ("net-rewrites", rewrites),
    ("net-random", random),
    ("net-full", full),
];

/// Each lie must end the interface.
fn lies() {
    let mut count = 0;
    let mut tell = |lie: &dyn Fn(&Front)| {
        let front = Front::connect(FIRST);
        lie(&front);
        front.notify();
        front.node.wait_for(XenbusStateClosed);
        front.end();
        count += 1;
    };
    for index in [SIZE + 1, 1000, 1 << 31, u32::MAX] {
        tell(&|front| front.tx().page.set(REQ_PROD, index));
        tell(&|front| front.rx().page.set(REQ_PROD, index));
    }
    // Backwards, behind what was answered.
    tell(&|front| {
        let page = frame(1);
        front.send(&page);
        front.notify();
        front.tx().wait(0, || {});
        front.tx().page.set(REQ_PROD, 0);
    });
    for flags in [NETTXF_more_data, NETTXF_extra_info] {
        tell(&|front| {
            (0..SIZE).for_each(|index| front.put(index, 0, flags, FRAME));
            front.tx().show(SIZE);
        });
    }
    klog!("rogue net: each of {count} lies has ended its interface, and it has begun anew");
}

/// Grants that end before they are used, or while they are: what is sent then is answered, as an
/// error where nothing was granted; nobody keeps a page.
fn revoked() {
    let front = Front::connect(FIRST);
    let mut refused = 0;
    for round in 0..64_u32 {
        let (page, other) = (frame(1), Shared::new());
        let before = front.tx().shown();
        front.send(&page);
        front.give(front.rx().shown(), &other);
        front.rx().show(1);
        // Half of them end when the back end knows already.
        if round % 2 == 1 {
            front.notify();
        }
        page.end();
        other.end();
        front.notify();
        front.tx().wait(0, || {});
        let status = front.sent(before);
        refused += u32::from(status == NETIF_RSP_ERROR);
        if round % 2 == 0 && status != NETIF_RSP_ERROR {
            breach!("a frame without a grant was answered by {status}");
        }
        // The ring to receive is no longer than this: what came there must be an error.
        if grant::kept_by_others() != 0 {
            breach!("a page is mapped after round {round}");
        }
    }
    front.end();
    klog!("rogue net: {refused} of 64 frames whose grants ended were refused");
}

/// A request of which little makes sense; frames end after a few pieces.
fn anything(random: &mut Random, grefs: &[u32]) -> (u32, u16, u16) {
    let gref = random.pick(grefs);
    let sizes = [0, 13, FRAME, 1514, 1600, 4096, 4097, u16::MAX];
    let more = if random.below(4) == 0 {
        NETTXF_more_data
    } else {
        0
    };
    let flags = (random.next() as u16 & (NETTXF_csum_blank | NETTXF_data_validated)) | more;
    (gref, flags, random.pick(&sizes))
}

/// Puts as many as there is room for, the last of which ends a frame.
fn put_all(front: &Front, random: &mut Random, grefs: &[u32]) {
    let first = front.tx().shown();
    for i in 0..SIZE {
        let (gref, flags, size) = anything(random, grefs);
        let flags = if i == SIZE - 1 { 0 } else { flags };
        front.put(first.wrapping_add(i), gref, flags, size);
    }
}

/// Frames of which few make sense; each is answered.
fn requests() {
    let front = Front::connect(FIRST);
    let page = frame(1);
    let grefs = [page.gref(), page.gref(), 0, 7, 5000, u32::MAX];
    let mut random = Random(7);
    let mut well = 0;
    for _ in 0..20 {
        let first = front.tx().shown();
        put_all(&front, &mut random, &grefs);
        front.tx().show(SIZE);
        front.notify();
        front.tx().wait(0, || {});
        let statuses = (0..SIZE).map(|i| front.sent(first.wrapping_add(i)));
        well += statuses.filter(|status| *status == NETIF_RSP_OKAY).count();
    }
    front.end();
    klog!(
        "rogue net: {well} of {} pieces of frames were taken",
        20 * SIZE
    );
}

/// Requests that change while they are read: all are answered, or the interface ends.
fn rewrites() {
    let page = frame(1);
    let mut random = Random(8);
    let mut ended = 0;
    for _ in 0..10 {
        let front = Front::connect(FIRST);
        for _ in 0..10 {
            let grefs = [page.gref(), 9];
            put_all(&front, &mut random, &grefs);
            front.tx().show(SIZE);
            front.notify();
            let tx = front.tx();
            while tx.answered() != tx.shown() && !front.node.is(XenbusStateClosed) {
                put_all(&front, &mut random, &grefs);
                front.notify();
                hypercall::sched_yield();
            }
            // What ended it answers nothing more.
            if tx.answered() != tx.shown() {
                ended += 1;
                break;
            }
        }
        front.end();
    }
    klog!("rogue net: requests that changed have ended {ended} of 10 interfaces");
}

/// Anything in both rings, again and again.
fn random() {
    let mut numbers = Random(6);
    let mut ended = 0;
    for _ in 0..20 {
        let front = Front::connect(FIRST);
        for _ in 0..200 {
            let number = numbers.next();
            let ring: &Ring = if number & 1 == 0 {
                front.tx()
            } else {
                front.rx()
            };
            // Mostly entries, and small steps of the indices.
            let value = (number >> 32) as u32;
            ring.page.set(
                (number >> 1) as usize % 1024 * 4,
                if number & 6 == 0 { value } else { value % 300 },
            );
            ring.show(value % 3);
            front.notify();
            hypercall::sched_yield();
        }
        ended += u32::from(front.node.is(XenbusStateClosed));
        front.end();
    }
    klog!("rogue net: 20 times anything in the rings, {ended} of them ended the interface");
}

/// As many frames as there is room for, to everybody, for ever; no answer is read, and what comes
/// finds no page.
fn full() {
    let front = Front::connect(FIRST);
    let page = frame(1);
    klog!("rogue net: its ring is full from now on");
    loop {
        let tx = front.tx();
        while tx.shown().wrapping_sub(tx.answered()) < SIZE {
            front.send(&page);
        }
        front.notify();
        hypercall::sched_yield();
    }
}

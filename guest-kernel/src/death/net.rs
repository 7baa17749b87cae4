//! The life of a network interface's front end, in steps; the domain has a second one on the same
//! bridge, which sends it frames.

use super::Step;
use crate::dev::raw_front::net::{FIRST, FRAME, Front, SECOND, SIZE, frame};
use crate::dev::raw_front::{REQ_PROD, Shared};
use crate::hypercall;
use alloc::vec::Vec;
use hypercall_abi::io::netif::*;
use hypercall_abi::io::xenbus::*;

/// Pages that are given for frames.
const PAGES: u32 = 8;
/// Frames that come, more than there are pages for, and pages that are given again.
const FRAMES: u32 = 12;
const AGAIN: u32 = 4;

pub(super) struct Script {
    front: Front,
    /// The second interface.
    peer: Option<Front>,
    /// What is sent.
    frame: Option<Shared>,
    /// For what comes.
    pages: Vec<Shared>,
}

impl Script {
    pub(super) fn new() -> Self {
        Self {
            front: Front::new(FIRST),
            peer: None,
            frame: None,
            pages: Vec::new(),
        }
    }

    fn frame(&self) -> &Shared {
        self.frame.as_ref().expect("there is a frame")
    }

    /// Shows so many frames more.
    fn send(&self, count: u32) {
        (0..count).for_each(|_| self.front.send(self.frame()));
    }

    /// Has the second interface send so many.
    fn send_from_peer(&self, count: u32) {
        let peer = self.peer.as_ref().expect("there is a second interface");
        (0..count).for_each(|_| peer.send(self.frame()));
        peer.notify();
        peer.tx().wait(0, || {});
    }

    /// Waits until so many frames of this domain have come; others' may have, too.
    fn wait_for(&self, count: u32) {
        let rx = self.front.rx();
        rx.wait(rx.shown().wrapping_sub(count), || {});
    }
}

/// Whatever was sent must have been taken.
fn check_sent(net: &mut Script) {
    let tx = net.front.tx();
    tx.wait(0, || {});
    let last = tx.answered().wrapping_sub(1);
    assert_eq!(net.front.sent(last), NETIF_RSP_OKAY);
}

pub(super) const STEPS: &[Step<Script>] = &[
    ("nothing was done", |_| {}),
    ("its back end waits", |net| {
        net.front.node.wait_for(XenbusStateInitWait);
    }),
    ("rings and a port are there", |net| {
        net.front.grant_tx();
        net.front.grant_rx();
        net.front.open_port();
    }),
    ("the ring to send is told of", |net| net.front.say_tx()),
    ("all is told of", |net| {
        net.front.say_rx();
        net.front.say_port();
        net.front.node.say("request-rx-copy", 1);
        net.front.node.say("feature-rx-notify", 1);
    }),
    ("it is connected", |net| {
        net.front.node.say("state", XenbusStateConnected);
    }),
    ("its back end is connected", |net| {
        net.front.node.wait_for(XenbusStateConnected);
    }),
    ("pages are written", |net| {
        net.pages.extend((0..PAGES).map(|_| Shared::new()));
        let pages = (0..).zip(&net.pages);
        pages.for_each(|(index, page)| net.front.give(index, page));
    }),
    ("pages are given", |net| {
        net.front.rx().show(PAGES);
        net.front.notify();
    }),
    ("a frame is written", |net| {
        net.frame = Some(frame(1));
        net.front.put(0, net.frame().gref(), 0, FRAME);
    }),
    ("a frame is shown", |net| net.front.tx().show(1)),
    ("a frame is sent", |net| net.front.notify()),
    ("others had a turn", |_| hypercall::sched_yield()),
    ("a frame is answered", check_sent),
    ("a frame in pieces is sent", |net| {
        let (at, gref) = (net.front.tx().shown(), net.frame().gref());
        net.front.put(at, gref, NETTXF_more_data, 2 * FRAME);
        net.front.put(at.wrapping_add(1), gref, 0, FRAME);
        net.front.tx().show(2);
        net.front.notify();
    }),
    ("a full ring is sent", |net| {
        check_sent(net);
        net.send(SIZE);
        net.front.notify();
    }),
    ("the first of many is answered", |net| {
        net.front.tx().wait(SIZE - 1, || {});
    }),
    ("half of many are answered", |net| {
        net.front.tx().wait(SIZE / 2, || {});
    }),
    ("many are answered", check_sent),
    ("there is a second interface", |net| {
        net.peer = Some(Front::connect(SECOND));
        net.frame = Some(frame(2));
    }),
    ("a frame has come", |net| {
        net.send_from_peer(1);
        net.wait_for(1);
    }),
    ("all pages are used", |net| {
        net.send_from_peer(FRAMES - 1);
        net.wait_for(PAGES);
    }),
    ("pages are given again", |net| {
        let at = net.front.rx().shown();
        let pages = (at..).zip(&net.pages[..AGAIN as usize]);
        pages.for_each(|(index, page)| net.front.give(index, page));
        net.front.rx().show(AGAIN);
        net.front.notify();
    }),
    ("what has waited has come", |net| {
        net.wait_for(PAGES + AGAIN);
        let last = net.front.rx().answered().wrapping_sub(1);
        assert!(net.front.came(last) > 0, "it did not come whole");
    }),
    ("a page without a grant is given", |net| {
        let page = Shared::new();
        net.front.give(net.front.rx().shown(), &page);
        page.end();
        net.front.rx().show(1);
        net.front.notify();
    }),
    ("grants end behind what was sent", |net| {
        net.send_from_peer(1);
        net.wait_for(PAGES + AGAIN + 1);
        let last = net.front.rx().answered().wrapping_sub(1);
        assert_eq!(net.front.came(last), NETIF_RSP_ERROR);
        net.send(4);
        net.front.notify();
        net.frame.take().expect("there is a frame").end();
    }),
    ("it is closing", |net| {
        net.front.node.say("state", XenbusStateClosing);
    }),
    ("it is closed", |net| {
        net.front.node.say("state", XenbusStateClosed);
        net.front.node.wait_for(XenbusStateClosed);
    }),
    ("it has begun anew, and sends", |net| {
        net.front.node.say("state", XenbusStateInitialising);
        net.front.connect_on();
        net.frame = Some(frame(3));
        net.send(SIZE);
        net.front.notify();
    }),
    ("it lies", |net| {
        let rx = net.front.rx();
        rx.page.set(REQ_PROD, rx.shown().wrapping_add(1000));
        net.front.notify();
    }),
];

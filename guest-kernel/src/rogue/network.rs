//! Lies to netback: what a guest can put into the rings of its network interface. The kernel's own
//! driver does not run beside these.

use super::*;
use crate::dev::grant::{self, Access};
use crate::dev::store;
use crate::random::Random;
use alloc::format;
use alloc::string::String;
use core::sync::atomic::{AtomicU32, Ordering};
use hypercall_abi::event_channel::*;
use hypercall_abi::io::netif::*;

pub(super) const ROGUES: &[Rogue] = &[
    ("net-lies", lies),
    ("net-revoked", revoked),
    ("net-random", random),
];

const NODE: &str = "device/vif/0";
/// States of the back end: it waits, it serves, it has closed.
const WAITS: &str = "2";
const SERVES: &str = "4";
const CLOSED: &str = "6";
/// How often the store is asked for a state.
const TRIES: u32 = 100_000;
const REQ_PROD: usize = 0;
const RSP_PROD: usize = 8;

/// A connection with the back end in domain 0.
struct Rings {
    pages: [(Pfn, u32); 2],
    port: u32,
}

fn state() -> String {
    let backend = store::read_now(&format!("{NODE}/backend")).unwrap_or_default();
    store::read_now(&format!("{backend}/state")).unwrap_or_default()
}

/// Waits for a state of the back end.
fn wait_for(wanted: &str) {
    if !(0..TRIES).any(|_| state() == wanted) {
        breach!("netback is in state {}, not {wanted}", state());
    }
}

impl Rings {
    fn connect() -> Self {
        wait_for(WAITS);
        let pages = [(); 2].map(|()| {
            let page = spare();
            let gref = grant::offer(page, 0, Access::Write).expect("a page can be granted");
            (page, gref)
        });
        let mut alloc = evtchn_alloc_unbound {
            dom: DOMID_SELF,
            remote_dom: 0,
            port: 0,
        };
        hypercall::event_channel_op(EVTCHNOP_alloc_unbound, &mut alloc).expect("there are ports");
        let port = alloc.port;
        for (name, number) in [
            ("tx-ring-ref", pages[0].1),
            ("rx-ring-ref", pages[1].1),
            ("event-channel", port),
            ("request-rx-copy", 1),
            ("state", 4),
        ] {
            store::write_now(&format!("{NODE}/{name}"), &format!("{number}"));
        }
        wait_for(SERVES);
        Self { pages, port }
    }

    /// A word of the ring of sent frames (0), or of those that come (1).
    fn word(&self, ring: usize, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset < PAGE_SIZE as usize);
        let address = self.pages[ring].0.va() + offset as u64;
        // SAFETY: inside a page of this domain's that stays mapped, and which this module accesses
        // atomically only.
        unsafe { &*(address as *const AtomicU32) }
    }

    fn set(&self, ring: usize, offset: usize, value: u32) {
        self.word(ring, offset).store(value, Ordering::SeqCst);
    }

    /// Puts a request of a frame to send in its place.
    fn request(&self, index: u32, gref: u32, flags: u16, size: u16) {
        let place = 64 + index as usize % 256 * 12;
        let words = [gref, u32::from(flags) << 16, index | u32::from(size) << 16];
        for (word, value) in words.into_iter().enumerate() {
            self.set(0, place + word * 4, value);
        }
    }

    fn notify(&self) {
        let _ = hypercall::evtchn_send(self.port);
    }

    /// Takes everything back, and begins anew.
    fn end(self) {
        store::write_now(&format!("{NODE}/state"), CLOSED);
        wait_for(CLOSED);
        // The port is this domain's own.
        let _ = hypercall::event_channel_op(EVTCHNOP_close, &mut evtchn_close { port: self.port });
        for (page, gref) in self.pages {
            grant::retire(gref, page);
        }
        store::write_now(&format!("{NODE}/state"), "1");
    }
}

/// Each lie must end the interface.
fn lies() {
    let mut count = 0;
    let mut tell = |lie: &dyn Fn(&Rings)| {
        let rings = Rings::connect();
        lie(&rings);
        rings.notify();
        wait_for(CLOSED);
        rings.end();
        count += 1;
    };
    for index in [257, 1000, 1 << 31, u32::MAX] {
        for ring in [0, 1] {
            tell(&|rings| rings.set(ring, REQ_PROD, index));
        }
    }
    for flags in [NETTXF_more_data, NETTXF_extra_info] {
        tell(&|rings| {
            (0..256).for_each(|index| rings.request(index, 0, flags, 60));
            rings.set(0, REQ_PROD, 256);
        });
    }
    klog!("rogue net: each of {count} lies has ended its interface, and it has begun anew");
}

/// Grants that were never given, or are taken back, are answered as errors, each.
fn revoked() {
    let rings = Rings::connect();
    for round in 0..64_u32 {
        let page = spare();
        let gref = grant::offer(page, 0, Access::Write).expect("a page can be granted");
        rings.request(round, gref, 0, 60);
        grant::retire(gref, page);
        rings.set(0, REQ_PROD, round + 1);
        rings.notify();
        while rings.word(0, RSP_PROD).load(Ordering::SeqCst) != round + 1 {
            hypercall::sched_yield();
        }
        let answer = rings
            .word(0, 64 + round as usize * 12)
            .load(Ordering::SeqCst);
        if (answer >> 16) as u16 as i16 != NETIF_RSP_ERROR {
            breach!("a frame without a grant was answered by {answer:#x}");
        }
    }
    rings.end();
    klog!("rogue net: 64 frames without a grant were refused one by one");
}

/// Anything in both rings, again and again.
fn random() {
    let mut numbers = Random(6);
    let mut ended = 0;
    for _ in 0..20 {
        let rings = Rings::connect();
        for _ in 0..200 {
            let number = numbers.next();
            let (ring, offset) = ((number & 1) as usize, (number >> 1) as usize % 1024 * 4);
            // Mostly entries, and small steps of the indices.
            let value = (number >> 32) as u32;
            rings.set(
                ring,
                offset,
                if number & 6 == 0 { value } else { value % 300 },
            );
            let produced = rings.word(ring, REQ_PROD).load(Ordering::SeqCst);
            rings.set(ring, REQ_PROD, produced.wrapping_add(value % 3));
            rings.notify();
            hypercall::sched_yield();
        }
        ended += u32::from(state() == CLOSED);
        rings.end();
    }
    klog!("rogue net: 20 times anything in the rings, {ended} of them ended the interface");
}

//! Lies to dom0's daemons: what a guest can put into the pages that it shares with xenstore and
//! its console. The kernel's own store task does not run beside these.

use super::*;
use crate::boot_info;
use crate::random::Random;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use guest_kernel::store::wire;
use hypercall_abi::io::console::xencons_interface;
use hypercall_abi::io::xs_wire::*;

pub(super) const ROGUES: &[Rogue] = &[
    ("store-indices", store_indices),
    ("store-lengths", store_lengths),
    ("store-half", store_half),
    ("store-flood", store_flood),
    ("store-deaf", store_deaf),
    ("store-random", store_random),
    ("console-indices", console_indices),
    ("console-random", console_random),
];

/// Counts that no ring can have, and some that it can have had.
const MAD: [u32; 10] = [
    1,
    1024,
    1025,
    2048,
    2049,
    4096,
    1 << 31,
    u32::MAX - 1024,
    u32::MAX - 1,
    u32::MAX,
];

/// A page that this domain shares with a daemon, and the port of its event channel.
struct Shared {
    page: Pfn,
    port: u32,
}

impl Shared {
    fn new(of: Option<(u64, u32)>) -> Self {
        let (mfn, port) = of.expect("a domU has this page");
        let page = p2m::pfn_of(crate::mm::Mfn(mfn)).expect("it is one of its own");
        Self { page, port }
    }

    fn store() -> Self {
        Self::new(boot_info().store())
    }

    fn console() -> Self {
        Self::new(boot_info().console())
    }

    fn at(&self, offset: usize, size: usize) -> u64 {
        assert!(offset.is_multiple_of(size) && offset + size <= PAGE_SIZE as usize);
        self.page.va() + offset as u64
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: inside a page of this domain's that stays mapped, and which this module accesses
        // atomically only.
        unsafe { &*(self.at(offset, 4) as *const AtomicU32) }
    }

    fn cell(&self, offset: usize) -> &AtomicU8 {
        // SAFETY: as above.
        unsafe { &*(self.at(offset, 1) as *const AtomicU8) }
    }

    fn kick(&self) {
        let _ = hypercall::evtchn_send(self.port);
        hypercall::sched_yield();
    }

    /// Puts bytes into the ring of requests, as there is room.
    fn send(&self, bytes: &[u8]) {
        let consumed = self.word(offset_of!(xenstore_domain_interface, req_cons));
        let produced = self.word(offset_of!(xenstore_domain_interface, req_prod));
        for &byte in bytes {
            let at = produced.load(Ordering::SeqCst);
            while at.wrapping_sub(consumed.load(Ordering::SeqCst)) >= XENSTORE_RING_SIZE as u32 {
                self.kick();
            }
            self.cell(MASK_XENSTORE_IDX(at))
                .store(byte, Ordering::SeqCst);
            produced.store(at.wrapping_add(1), Ordering::SeqCst);
        }
        self.kick();
    }

    /// Throws away what came.
    fn drain(&self) {
        let came = self.word(offset_of!(xenstore_domain_interface, rsp_prod));
        let read = self.word(offset_of!(xenstore_domain_interface, rsp_cons));
        read.store(came.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

/// Every mad count in every place, each told to the daemon.
fn store_indices() {
    let store = Shared::store();
    let words = [
        offset_of!(xenstore_domain_interface, req_prod),
        offset_of!(xenstore_domain_interface, req_cons),
        offset_of!(xenstore_domain_interface, rsp_prod),
        offset_of!(xenstore_domain_interface, rsp_cons),
        offset_of!(xenstore_domain_interface, server_features),
        offset_of!(xenstore_domain_interface, connection),
        offset_of!(xenstore_domain_interface, error),
    ];
    for word in words {
        for value in MAD {
            store.word(word).store(value, Ordering::SeqCst);
            store.kick();
        }
    }
}

/// A head, whatever it says of its payload.
fn head(kind: u32, len: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, word) in bytes
        .as_chunks_mut::<4>()
        .0
        .iter_mut()
        .zip([kind, 1, 0, len])
    {
        *to = word.to_le_bytes();
    }
    bytes
}

/// Payloads of lengths that payloads do not have, in messages of every kind and of none.
fn store_lengths() {
    let store = Shared::store();
    for kind in (0..XS_TYPE_COUNT + 2).chain([XS_INVALID, u32::MAX]) {
        for len in [XENSTORE_PAYLOAD_MAX as u32 + 1, 1 << 31, u32::MAX] {
            // A daemon that has closed the connection takes nothing more: do not wait for it.
            let consumed = store.word(offset_of!(xenstore_domain_interface, req_cons));
            let produced = store.word(offset_of!(xenstore_domain_interface, req_prod));
            produced.store(consumed.load(Ordering::SeqCst), Ordering::SeqCst);
            store.send(&head(kind, len));
        }
    }
}

/// Half a head, then silence; the other half never comes.
fn store_half() {
    let store = Shared::store();
    store.send(&head(XS_READ, 5)[..8]);
    loop {
        store.kick();
    }
}

fn request(kind: u32, payload: &[u8]) -> alloc::vec::Vec<u8> {
    wire::request(kind, 1, &[payload]).expect("it fits the ring")
}

/// What makes a daemon remember: nodes, watches, transactions that never end.
fn greed(round: u32) -> [alloc::vec::Vec<u8>; 4] {
    let node = alloc::format!("data/{round}\0{round}");
    let watch = alloc::format!("data/{round}\0{round}\0");
    [
        request(XS_WRITE, node.as_bytes()),
        request(XS_WATCH, watch.as_bytes()),
        request(XS_TRANSACTION_START, b"\0"),
        request(XS_DIRECTORY, b"data\0"),
    ]
}

/// Requests as fast as they are taken.
fn store_flood() {
    let store = Shared::store();
    for round in 0.. {
        for message in greed(round) {
            store.send(&message);
            store.drain();
        }
    }
}

/// The same, and no reply is ever read.
fn store_deaf() {
    let store = Shared::store();
    for round in 0.. {
        for message in greed(round) {
            store.send(&message);
        }
    }
}

/// Messages of random kinds with random payloads of the right length.
fn store_random() {
    let store = Shared::store();
    let mut random = Random(0x5eed);
    loop {
        let words: [&[u8]; 6] = [
            b"data/x\0",
            b"@releaseDomain\0",
            b"/\0",
            b"0\0",
            b"\0",
            b"T\0",
        ];
        let mut payload = alloc::vec::Vec::new();
        for _ in 0..random.below(4) {
            payload.extend_from_slice(random.pick(&words));
        }
        if random.below(8) == 0 {
            payload = (0..random.below(200))
                .map(|_| random.next() as u8)
                .collect();
        }
        store.send(&request(random.below(25) as u32, &payload));
        store.drain();
    }
}

/// Every mad count in every place; from then on the console is whatever its daemon makes of it.
fn console_indices() {
    let console = Shared::console();
    let words = [
        offset_of!(xencons_interface, out_prod),
        offset_of!(xencons_interface, out_cons),
        offset_of!(xencons_interface, in_prod),
        offset_of!(xencons_interface, in_cons),
    ];
    // What was said until now is heard first.
    let count = |word: usize| console.word(word).load(Ordering::SeqCst);
    while count(words[0]) != count(words[1]) {
        console.kick();
    }
    loop {
        for word in words {
            for value in MAD {
                console.word(word).store(value, Ordering::SeqCst);
                console.kick();
            }
        }
    }
}

/// Random bytes as fast as they are taken: control sequences, no lines, anything.
fn console_random() {
    let mut random = Random(0x5eed);
    loop {
        let bytes = random.next().to_le_bytes();
        crate::dev::console::write_kernel(&bytes.map(|byte| byte & 0x7f));
    }
}

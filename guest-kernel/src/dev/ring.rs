//! The console ring of a domU: bytes out to, and in from, whoever serves the domain's console.

use crate::hypercall;
use crate::mm::{Mfn, p2m};
use core::mem::offset_of;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use hypercall_abi::io::console::xencons_interface;

const OUT_LEN: u32 = 2048;
const IN_LEN: u32 = 1024;

/// The ring's address in the direct map; 0 without a ring.
static BASE: AtomicU64 = AtomicU64::new(0);
static PORT: AtomicU32 = AtomicU32::new(0);

/// Finds the ring; false if its frame is not this domain's.
pub(crate) fn init(mfn: u64, port: u32) -> bool {
    let Some(pfn) = p2m::pfn_of(Mfn(mfn)) else {
        return false;
    };
    BASE.store(pfn.va(), Ordering::Relaxed);
    PORT.store(port, Ordering::Relaxed);
    true
}

/// Whether there is a ring.
pub(crate) fn exists() -> bool {
    BASE.load(Ordering::Relaxed) != 0
}

fn index(offset: usize) -> &'static AtomicU32 {
    let address = BASE.load(Ordering::Relaxed) + offset as u64;
    // SAFETY: the ring's page stays mapped, is reserved for the ring, and is accessed atomically.
    unsafe { &*(address as *const AtomicU32) }
}

fn cell(offset: usize) -> &'static AtomicU8 {
    let address = BASE.load(Ordering::Relaxed) + offset as u64;
    // SAFETY: as in `index`.
    unsafe { &*(address as *const AtomicU8) }
}

fn notify() {
    // A peer that is gone is no reason for the kernel to fail: bytes then stay in the ring.
    let _ = hypercall::evtchn_send(PORT.load(Ordering::Relaxed));
}

/// Puts as many bytes as there is room for; returns how many.
pub(crate) fn put(data: &[u8]) -> usize {
    let consumer = index(offset_of!(xencons_interface, out_cons)).load(Ordering::Acquire);
    let producer = index(offset_of!(xencons_interface, out_prod));
    let mut at = producer.load(Ordering::Relaxed);
    let mut put = 0;
    // A consumer that lies gets at most a full ring of bytes.
    while put < data.len() && at.wrapping_sub(consumer) < OUT_LEN {
        let offset = offset_of!(xencons_interface, out) + (at % OUT_LEN) as usize;
        cell(offset).store(data[put], Ordering::Relaxed);
        at = at.wrapping_add(1);
        put += 1;
    }
    producer.store(at, Ordering::Release);
    if put > 0 {
        notify();
    }
    put
}

/// Takes waiting input; returns how many bytes.
pub(crate) fn take(buf: &mut [u8]) -> usize {
    let producer = index(offset_of!(xencons_interface, in_prod)).load(Ordering::Acquire);
    let consumer = index(offset_of!(xencons_interface, in_cons));
    let mut at = consumer.load(Ordering::Relaxed);
    let waiting = producer.wrapping_sub(at).min(IN_LEN) as usize;
    let n = waiting.min(buf.len());
    for byte in &mut buf[..n] {
        let offset = offset_of!(xencons_interface, r#in) + (at % IN_LEN) as usize;
        *byte = cell(offset).load(Ordering::Relaxed);
        at = at.wrapping_add(1);
    }
    if n > 0 {
        consumer.store(at, Ordering::Release);
        notify();
    }
    n
}

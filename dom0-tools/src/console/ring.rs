//! The console ring of io/console.h, from the side that serves it.
//!
//! The guest writes everything in the page at any time. Indices are read once, and a ring whose
//! indices are further apart than it is long is given up: nothing in it can be trusted.

use alloc::vec::Vec;
use core::mem::{offset_of, size_of};

use hypercall_abi::io::console::xencons_interface;

use crate::hyper::Mapping;

const IN: usize = offset_of!(xencons_interface, r#in);
const IN_SIZE: u32 = (offset_of!(xencons_interface, out) - IN) as u32;
const OUT: usize = offset_of!(xencons_interface, out);
const OUT_SIZE: u32 = (offset_of!(xencons_interface, in_cons) - OUT) as u32;
const IN_CONS: usize = offset_of!(xencons_interface, in_cons);
const IN_PROD: usize = offset_of!(xencons_interface, in_prod);
const OUT_CONS: usize = offset_of!(xencons_interface, out_cons);
const OUT_PROD: usize = offset_of!(xencons_interface, out_prod);
const _: () = assert!(size_of::<xencons_interface>() <= 4096);

/// A ring whose indices make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "its console ring is corrupt: {direction} producer {producer} and consumer {consumer} are more than {size} apart"
)]
pub struct RingFault {
    /// "input" or "output".
    pub direction: &'static str,
    /// Index of the producer.
    pub producer: u32,
    /// Index of the consumer.
    pub consumer: u32,
    /// Length of the ring in bytes.
    pub size: u32,
}

/// Takes everything the guest has written. Notify it when the result is not empty: it may wait
/// for room.
///
/// # Errors
/// [`RingFault`]
pub fn drain<M: Mapping>(page: &mut M) -> Result<Vec<u8>, RingFault> {
    let (producer, consumer) = (page.load_u32(OUT_PROD), page.load_u32(OUT_CONS));
    let used = producer.wrapping_sub(consumer);
    if used > OUT_SIZE {
        return Err(RingFault {
            direction: "output",
            producer,
            consumer,
            size: OUT_SIZE,
        });
    }
    let mut bytes = alloc::vec![0; used as usize];
    let start = consumer % OUT_SIZE;
    let (head, tail) = bytes.split_at_mut(used.min(OUT_SIZE - start) as usize);
    page.read(OUT + start as usize, head);
    page.read(OUT, tail);
    page.store_u32(OUT_CONS, producer);
    Ok(bytes)
}

/// Gives the guest as much of `bytes` as there is room for, and returns how much that was.
///
/// # Errors
/// [`RingFault`]
pub fn push<M: Mapping>(page: &mut M, bytes: &[u8]) -> Result<usize, RingFault> {
    let (producer, consumer) = (page.load_u32(IN_PROD), page.load_u32(IN_CONS));
    let used = producer.wrapping_sub(consumer);
    if used > IN_SIZE {
        return Err(RingFault {
            direction: "input",
            producer,
            consumer,
            size: IN_SIZE,
        });
    }
    let count = bytes.len().min((IN_SIZE - used) as usize);
    let start = producer % IN_SIZE;
    let (head, tail) = bytes[..count].split_at(count.min((IN_SIZE - start) as usize));
    page.write(IN + start as usize, head);
    page.write(IN, tail);
    // At most IN_SIZE, so it fits.
    page.store_u32(IN_PROD, producer.wrapping_add(count as u32));
    Ok(count)
}

//! `xen/io/console.h`: the console ring page that a domain shares with its console server.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A count of bytes, wrapping at 2^32; [`MASK_XENCONS_IDX`] gives the place in the ring.
pub type XENCONS_RING_IDX = u32;

/// The console ring page. Whoever produces writes bytes, then `*_prod`; whoever consumes reads
/// them, then writes `*_cons`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xencons_interface {
    /// Input: bytes to the guest.
    pub r#in: [u8; 1024],
    /// Output: bytes from the guest.
    pub out: [u8; 2048],
    /// Bytes of `in` consumed.
    pub in_cons: XENCONS_RING_IDX,
    /// Bytes of `in` produced.
    pub in_prod: XENCONS_RING_IDX,
    /// Bytes of `out` consumed.
    pub out_cons: XENCONS_RING_IDX,
    /// Bytes of `out` produced.
    pub out_prod: XENCONS_RING_IDX,
}
const _: () = assert!(size_of::<xencons_interface>() == 3088);

/// The byte of a console ring of `ring_size` bytes (a power of two: the length of `in` or of
/// `out`) that a free-running index names.
pub const fn MASK_XENCONS_IDX(idx: XENCONS_RING_IDX, ring_size: usize) -> usize {
    idx as usize & (ring_size - 1)
}

//! `xen/io/console.h`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Xencons ring idx.
pub type XENCONS_RING_IDX = u32;

/// Xencons interface.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xencons_interface {
    /// In.
    pub r#in: [u8; 1024],
    /// Out.
    pub out: [u8; 2048],
    /// In cons.
    pub in_cons: XENCONS_RING_IDX,
    /// In prod.
    pub in_prod: XENCONS_RING_IDX,
    /// Out cons.
    pub out_cons: XENCONS_RING_IDX,
    /// Out prod.
    pub out_prod: XENCONS_RING_IDX,
}
const _: () = assert!(size_of::<xencons_interface>() == 3088);

/// The byte of a console ring of `ring_size` bytes (a power of two: the length of `in` or of
/// `out`) that a free-running index names.
pub const fn MASK_XENCONS_IDX(idx: XENCONS_RING_IDX, ring_size: usize) -> usize {
    idx as usize & (ring_size - 1)
}

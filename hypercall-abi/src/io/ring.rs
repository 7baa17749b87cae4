//! `xen/io/ring.h`: request/response rings in one shared page.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A ring index: it counts up freely and wraps at 2^32; its low bits name the entry.
pub type RING_IDX = u32;

/// What stands before the entries of every shared ring (`struct NAME_sring` up to `ring`).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct sring_header {
    /// Requests published by the front end.
    pub req_prod: RING_IDX,
    /// The back end wants an event once `req_prod` passes this.
    pub req_event: RING_IDX,
    /// Responses published by the back end.
    pub rsp_prod: RING_IDX,
    /// The front end wants an event once `rsp_prod` passes this.
    pub rsp_event: RING_IDX,
    /// Bytes that belong to the protocol on top (`pvt`).
    pub pvt_pad: [u8; 4],
    /// Unused.
    pub __pad: [u8; 44],
}
const _: () = assert!(size_of::<sring_header>() == 64);

impl sring_header {
    /// An empty ring, as `SHARED_RING_INIT` leaves it: the first entry of either kind is
    /// announced by an event.
    pub const INIT: Self = Self {
        req_prod: 0,
        req_event: 1,
        rsp_prod: 0,
        rsp_event: 1,
        pvt_pad: [0; 4],
        __pad: [0; 44],
    };
}

/// Entries of `entry_size` bytes in a ring of `ring_size` bytes (`__CONST_RING_SIZE`): what fits
/// behind the header, rounded down to a power of two; 0 if nothing fits.
pub const fn ring_size(entry_size: usize, ring_size: usize) -> usize {
    if entry_size == 0 || ring_size < size_of::<sring_header>() {
        return 0;
    }
    let entries = (ring_size - size_of::<sring_header>()) / entry_size;
    if entries == 0 {
        0
    } else {
        1 << entries.ilog2()
    }
}

/// Whether publishing entries `old..new` must be followed by an event, given the other side's
/// `req_event` or `rsp_event` (`RING_PUSH_*_AND_CHECK_NOTIFY`). Read `event` after the barrier
/// that follows the publication.
pub const fn ring_notify_needed(old: RING_IDX, new: RING_IDX, event: RING_IDX) -> bool {
    new.wrapping_sub(event) < new.wrapping_sub(old)
}

#[cfg(test)]
mod tests {
    use super::ring_notify_needed;

    #[test]
    fn an_event_is_needed_when_its_index_is_passed() {
        assert!(ring_notify_needed(4, 5, 5));
        assert!(!ring_notify_needed(5, 6, 5));
        assert!(!ring_notify_needed(4, 5, 6));
        assert!(ring_notify_needed(u32::MAX, 1, 0));
    }
}

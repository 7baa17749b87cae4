//! `xen/io/netif.h`: the rings of a network interface between a front end (the guest) and its back
//! end. Each is a page with an [`sring_header`](super::ring::sring_header); frames are in pages that
//! the front end grants. The control ring is not here.

use crate::Union;
use crate::grant_table::grant_ref_t;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Requests of one frame that any back end takes without being asked.
pub const XEN_NETIF_NR_SLOTS_MIN: u32 = 18;

/// The transport checksum is blank: whoever needs it computes it.
pub const NETTXF_csum_blank: u16 = 1 << 0;
/// The transport checksum was found right, or need not be looked at.
pub const NETTXF_data_validated: u16 = 1 << 1;
/// The frame goes on in the next request.
pub const NETTXF_more_data: u16 = 1 << 2;
/// [`netif_extra_info`] follows.
pub const NETTXF_extra_info: u16 = 1 << 3;
/// Bytes of the largest frame.
pub const XEN_NETIF_MAX_TX_SIZE: u16 = 0xffff;

/// A piece of a frame that the guest sends.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct netif_tx_request {
    /// The page that holds it.
    pub gref: grant_ref_t,
    /// Where in the page, bytes.
    pub offset: u16,
    /// `NETTXF_*`.
    pub flags: u16,
    /// Echoed in the response.
    pub id: u16,
    /// Of the first request the bytes of the frame, of others those of the piece.
    pub size: u16,
}
const _: () = assert!(size_of::<netif_tx_request>() == 12);

/// No valid type.
pub const XEN_NETIF_EXTRA_TYPE_NONE: u8 = 0;
/// How a frame is to be cut into segments.
pub const XEN_NETIF_EXTRA_TYPE_GSO: u8 = 1;
/// A multicast address that the guest wants.
pub const XEN_NETIF_EXTRA_TYPE_MCAST_ADD: u8 = 2;
/// One that it wants no more.
pub const XEN_NETIF_EXTRA_TYPE_MCAST_DEL: u8 = 3;
/// A hash of the frame.
pub const XEN_NETIF_EXTRA_TYPE_HASH: u8 = 4;
/// The number of types.
pub const XEN_NETIF_EXTRA_TYPE_MAX: u8 = 5;
/// Another one follows.
pub const XEN_NETIF_EXTRA_FLAG_MORE: u8 = 1 << 0;
/// No segmentation.
pub const XEN_NETIF_GSO_TYPE_NONE: u8 = 0;
/// TCP over IPv4.
pub const XEN_NETIF_GSO_TYPE_TCPV4: u8 = 1;
/// TCP over IPv6.
pub const XEN_NETIF_GSO_TYPE_TCPV6: u8 = 2;

/// What stands in the place of a request or response that it belongs to.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct netif_extra_info {
    /// `XEN_NETIF_EXTRA_TYPE_*`.
    pub r#type: u8,
    /// `XEN_NETIF_EXTRA_FLAG_*`.
    pub flags: u8,
    /// By type: `netif_extra_info_gso`, an address, a hash.
    pub u: Union<[u16; 3]>,
}
const _: () = assert!(size_of::<netif_extra_info>() == 8);

/// `netif_extra_info.u.gso`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct netif_extra_info_gso {
    /// Bytes of payload in each segment.
    pub size: u16,
    /// `XEN_NETIF_GSO_TYPE_*`.
    pub r#type: u8,
    /// Unused.
    pub pad: u8,
    /// What else segmentation needs.
    pub features: u16,
}
const _: () = assert!(size_of::<netif_extra_info_gso>() == 6);

/// The answer to one [`netif_tx_request`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct netif_tx_response {
    /// Of the request.
    pub id: u16,
    /// `NETIF_RSP_*`.
    pub status: i16,
}
const _: () = assert!(size_of::<netif_tx_response>() == 4);

/// A page for a frame, or a piece of one, that comes to the guest.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct netif_rx_request {
    /// Echoed in the response.
    pub id: u16,
    /// Unused.
    pub pad: u16,
    /// The page.
    pub gref: grant_ref_t,
}
const _: () = assert!(size_of::<netif_rx_request>() == 8);

/// The transport checksum was found right, or need not be looked at.
pub const NETRXF_data_validated: u16 = 1 << 0;
/// The transport checksum is blank.
pub const NETRXF_csum_blank: u16 = 1 << 1;
/// The frame goes on in the next response.
pub const NETRXF_more_data: u16 = 1 << 2;
/// [`netif_extra_info`] follows.
pub const NETRXF_extra_info: u16 = 1 << 3;
/// Segmentation is told by what stands before the frame; deprecated.
pub const NETRXF_gso_prefix: u16 = 1 << 4;

/// The answer to the [`netif_rx_request`] in the same place of the ring.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct netif_rx_response {
    /// Of the request.
    pub id: u16,
    /// Where the piece begins in the page, bytes.
    pub offset: u16,
    /// `NETRXF_*`.
    pub flags: u16,
    /// Bytes of the piece, or `NETIF_RSP_*` below 0.
    pub status: i16,
}
const _: () = assert!(size_of::<netif_rx_response>() == 8);

/// The frame was dropped.
pub const NETIF_RSP_DROPPED: i16 = -2;
/// The request is wrong.
pub const NETIF_RSP_ERROR: i16 = -1;
/// The frame was taken.
pub const NETIF_RSP_OKAY: i16 = 0;
/// The answer to what is no request, as extra info.
pub const NETIF_RSP_NULL: i16 = 1;

//! `xen/io/blkif.h`: requests and responses of paravirtual disks, in the ring of `ring.rs`.

use crate::grant_table::grant_ref_t;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Number of a virtual device, as the guest names it.
pub type blkif_vdev_t = u16;
/// A sector of 512 bytes, or how many.
pub type blkif_sector_t = u64;

/// Read sectors.
pub const BLKIF_OP_READ: u8 = 0;
/// Write sectors.
pub const BLKIF_OP_WRITE: u8 = 1;
/// Write after all earlier requests and before all later ones; if `feature-barrier` is offered.
pub const BLKIF_OP_WRITE_BARRIER: u8 = 2;
/// Bring everything written so far to stable storage; if `feature-flush-cache` is offered.
pub const BLKIF_OP_FLUSH_DISKCACHE: u8 = 3;
/// Formerly used by others.
pub const BLKIF_OP_RESERVED_1: u8 = 4;
/// Forget sectors; if `feature-discard` is offered.
pub const BLKIF_OP_DISCARD: u8 = 5;
/// A request whose segments are in granted pages; if `feature-max-indirect-segments` is offered.
pub const BLKIF_OP_INDIRECT: u8 = 6;
/// Segments that a request has itself.
pub const BLKIF_MAX_SEGMENTS_PER_REQUEST: usize = 11;
/// Pages of segments of an indirect request.
pub const BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST: usize = 8;

/// A part of a page.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct blkif_request_segment {
    /// The page.
    pub gref: grant_ref_t,
    /// Its first sector that is meant.
    pub first_sect: u8,
    /// Its last sector that is meant.
    pub last_sect: u8,
    /// Padding.
    pub _pad0: [u8; 2],
}
const _: () = assert!(size_of::<blkif_request_segment>() == 8);

/// A request.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct blkif_request {
    /// `BLKIF_OP_*`.
    pub operation: u8,
    /// How many of `seg` are meant.
    pub nr_segments: u8,
    /// The device.
    pub handle: blkif_vdev_t,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Whatever the front end likes; comes back in the response.
    pub id: u64,
    /// The first sector on the disk.
    pub sector_number: blkif_sector_t,
    /// Where the bytes are.
    pub seg: [blkif_request_segment; BLKIF_MAX_SEGMENTS_PER_REQUEST],
}
const _: () = assert!(size_of::<blkif_request>() == 112);

/// A request to forget sectors.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct blkif_request_discard {
    /// [`BLKIF_OP_DISCARD`].
    pub operation: u8,
    /// [`BLKIF_DISCARD_SECURE`] or 0.
    pub flag: u8,
    /// The device.
    pub handle: blkif_vdev_t,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Comes back in the response.
    pub id: u64,
    /// The first sector.
    pub sector_number: blkif_sector_t,
    /// How many.
    pub nr_sectors: u64,
}
const _: () = assert!(size_of::<blkif_request_discard>() == 32);

/// Their contents must be gone for good.
pub const BLKIF_DISCARD_SECURE: u8 = 1;

/// A request with its segments elsewhere.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct blkif_request_indirect {
    /// [`BLKIF_OP_INDIRECT`].
    pub operation: u8,
    /// [`BLKIF_OP_READ`] or [`BLKIF_OP_WRITE`].
    pub indirect_op: u8,
    /// How many segments.
    pub nr_segments: u16,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Comes back in the response.
    pub id: u64,
    /// The first sector on the disk.
    pub sector_number: blkif_sector_t,
    /// The device.
    pub handle: blkif_vdev_t,
    /// Padding.
    pub _pad1: [u8; 2],
    /// The pages of segments.
    pub indirect_grefs: [grant_ref_t; BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST],
    /// Padding.
    pub _pad2: [u8; 4],
}
const _: () = assert!(size_of::<blkif_request_indirect>() == 64);

/// A response.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct blkif_response {
    /// That of the request.
    pub id: u64,
    /// That of the request; of an indirect one, its `indirect_op`.
    pub operation: u8,
    /// Padding.
    pub _pad0: u8,
    /// `BLKIF_RSP_*`.
    pub status: i16,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<blkif_response>() == 16);

/// The operation is not offered.
pub const BLKIF_RSP_EOPNOTSUPP: i16 = -2;
/// It failed.
pub const BLKIF_RSP_ERROR: i16 = -1;
/// It is done.
pub const BLKIF_RSP_OKAY: i16 = 0;

/// In `info`: a CD-ROM.
pub const VDISK_CDROM: u32 = 1;
/// In `info`: can be taken out.
pub const VDISK_REMOVABLE: u32 = 2;
/// In `info`: cannot be written.
pub const VDISK_READONLY: u32 = 4;

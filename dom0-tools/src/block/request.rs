//! Requests of front ends: bytes that may say anything, and what may be done for them.

use alloc::vec::Vec;

use hypercall_abi::io::blkif::*;
use zerocopy::FromBytes;

use super::disk::SECTOR;
use crate::hyper::PAGE_SIZE;

/// The most segments of an indirect request.
pub const INDIRECT_MAX: usize = 32;
/// Sectors of a page.
const PER_PAGE: u8 = (PAGE_SIZE / SECTOR) as u8;

/// What a front end may do with a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// How many sectors there are.
    pub sectors: u64,
    /// Whether they may be written.
    pub writable: bool,
    /// Whether they may be given up.
    pub discards: bool,
}

/// A part of a granted page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The page.
    pub gref: u32,
    /// The first byte.
    pub offset: u16,
    /// Bytes.
    pub len: u16,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// From the disk to the segments, or from them to the disk.
    Transfer {
        /// To the disk.
        write: bool,
        /// The first sector.
        sector: u64,
        /// Where the bytes are, checked.
        segments: Vec<Segment>,
    },
    /// The same; the segments are first to be read from this page, and checked.
    Indirect {
        /// To the disk.
        write: bool,
        /// The first sector.
        sector: u64,
        /// The page that holds them.
        gref: u32,
        /// How many, at most [`INDIRECT_MAX`].
        count: usize,
    },
    /// All that was written is to stay written.
    Flush,
    /// Sectors are given up, which the disk has.
    Discard {
        /// The first sector.
        sector: u64,
        /// How many.
        count: u64,
    },
    /// Nothing: the request is answered with this `BLKIF_RSP_*`.
    Refuse(i16),
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Comes back in the response.
    pub id: u64,
    /// Goes into the response.
    pub operation: u8,
    /// What is to be done.
    pub action: Action,
}

impl Request {
    /// Reads a request from a copy of its entry.
    pub fn read(entry: &[u8; size_of::<blkif_request>()], disk: Geometry) -> Self {
        let request: blkif_request = zerocopy::transmute!(*entry);
        let action = match request.operation {
            BLKIF_OP_READ | BLKIF_OP_WRITE => direct(&request, disk),
            BLKIF_OP_FLUSH_DISKCACHE if request.nr_segments == 0 => Some(Action::Flush),
            // One that carries data asks for more than is offered.
            BLKIF_OP_FLUSH_DISKCACHE => None,
            BLKIF_OP_INDIRECT => indirect(entry, disk),
            BLKIF_OP_DISCARD if disk.discards => discard(entry, disk),
            _ => Some(Action::Refuse(BLKIF_RSP_EOPNOTSUPP)),
        };
        // Front ends look for the operation that they meant: of one whose segments are elsewhere, the
        // one inside, which stands where others have the number of theirs.
        let operation = match request.operation {
            BLKIF_OP_INDIRECT => request.nr_segments,
            operation => operation,
        };
        // All forms have the id at the same place.
        Request {
            id: request.id,
            operation,
            action: action.unwrap_or(Action::Refuse(BLKIF_RSP_ERROR)),
        }
    }

    /// The response with this `BLKIF_RSP_*`.
    pub fn response(&self, status: i16) -> blkif_response {
        blkif_response {
            id: self.id,
            operation: self.operation,
            _pad0: 0,
            status,
            _pad1: [0; 4],
        }
    }
}

/// A segment that is inside of its page.
fn segment(of: &blkif_request_segment) -> Option<Segment> {
    if of.first_sect > of.last_sect || of.last_sect >= PER_PAGE {
        return None;
    }
    let sectors = u16::from(of.last_sect - of.first_sect) + 1;
    Some(Segment {
        gref: of.gref,
        offset: u16::from(of.first_sect) * SECTOR as u16,
        len: sectors * SECTOR as u16,
    })
}

/// Segments that are inside of their pages and, together, of the disk.
pub(super) fn check(
    list: &[blkif_request_segment],
    sector: u64,
    disk: Geometry,
) -> Option<Vec<Segment>> {
    let segments: Vec<Segment> = list.iter().map(segment).collect::<Option<_>>()?;
    let bytes: u64 = segments.iter().map(|segment| u64::from(segment.len)).sum();
    let end = sector.checked_add(bytes / SECTOR as u64)?;
    (!segments.is_empty() && end <= disk.sectors).then_some(segments)
}

fn direct(request: &blkif_request, disk: Geometry) -> Option<Action> {
    let write = request.operation == BLKIF_OP_WRITE;
    let list = request.seg.get(..usize::from(request.nr_segments))?;
    if write && !disk.writable {
        return None;
    }
    let sector = request.sector_number;
    Some(Action::Transfer {
        write,
        sector,
        segments: check(list, sector, disk)?,
    })
}

/// That the sectors be beyond recovery is not offered, so that whoever asks for it asks for nothing.
fn discard(entry: &[u8], disk: Geometry) -> Option<Action> {
    let (request, _) = blkif_request_discard::read_from_prefix(entry).ok()?;
    let (sector, count) = (request.sector_number, request.nr_sectors);
    let end = sector.checked_add(count)?;
    (count > 0 && end <= disk.sectors).then_some(Action::Discard { sector, count })
}

fn indirect(entry: &[u8], disk: Geometry) -> Option<Action> {
    let (request, _) = blkif_request_indirect::read_from_prefix(entry).ok()?;
    let write = match request.indirect_op {
        BLKIF_OP_READ => false,
        BLKIF_OP_WRITE if disk.writable => true,
        _ => return None,
    };
    let count = usize::from(request.nr_segments);
    if count == 0 || count > INDIRECT_MAX {
        return None;
    }
    let [gref, ..] = request.indirect_grefs;
    Some(Action::Indirect {
        write,
        sector: request.sector_number,
        gref,
        count,
    })
}

//! What is served: a row of sectors.

use alloc::boxed::Box;

/// Bytes of a sector, in which everything counts.
pub const SECTOR: usize = 512;

/// It failed, or the disk cannot do that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the disk failed")]
pub struct DiskError;

/// A disk. Buffers are whole sectors that the disk has.
pub trait Disk {
    /// How many sectors it has.
    fn sectors(&self) -> u64;
    /// Reads from a sector on.
    ///
    /// # Errors
    /// The disk's failure; the buffer then holds anything.
    fn read(&mut self, sector: u64, to: &mut [u8]) -> Result<(), DiskError>;
    /// Writes from a sector on.
    ///
    /// # Errors
    /// The disk's failure, or that it is not to be written.
    fn write(&mut self, sector: u64, from: &[u8]) -> Result<(), DiskError>;
    /// Returns when all that was written stays written.
    ///
    /// # Errors
    /// The disk's failure.
    fn flush(&mut self) -> Result<(), DiskError>;
    /// Bytes of what can be given up at once, where sectors can be given up.
    fn discard_granularity(&self) -> Option<u32> {
        None
    }
    /// Gives sectors up: what is read there is anything, until they are written again.
    ///
    /// # Errors
    /// The disk's failure, or that it cannot do that.
    fn discard(&mut self, _sector: u64, _count: u64) -> Result<(), DiskError> {
        Err(DiskError)
    }
}

impl<D: Disk + ?Sized> Disk for Box<D> {
    fn sectors(&self) -> u64 {
        (**self).sectors()
    }

    fn read(&mut self, sector: u64, to: &mut [u8]) -> Result<(), DiskError> {
        (**self).read(sector, to)
    }

    fn write(&mut self, sector: u64, from: &[u8]) -> Result<(), DiskError> {
        (**self).write(sector, from)
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        (**self).flush()
    }

    fn discard_granularity(&self) -> Option<u32> {
        (**self).discard_granularity()
    }

    fn discard(&mut self, sector: u64, count: u64) -> Result<(), DiskError> {
        (**self).discard(sector, count)
    }
}

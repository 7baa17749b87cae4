//! What is served: a row of sectors.

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
}

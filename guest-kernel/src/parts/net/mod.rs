//! The front end's side of a network interface (io/netif.h): two rings of requests over buffers
//! that are granted once, for as long as the interface is connected.
//!
//! The back end is another domain: what it writes in the rings is a claim. It can lose frames, make
//! them up and change them, but it cannot have a buffer used twice or read beyond one.

mod receive;
#[cfg(test)]
mod tests;
mod transmit;

pub use receive::{Piece, Receiver};
pub use transmit::Transmitter;

/// Bytes of a buffer.
pub const BUFFER: usize = 4096;
/// Buffers of either ring, one for each entry: `id` and `gref` of a request are those of a buffer.
pub const BUFFERS: usize = 256;
/// The most pieces of a frame that is taken.
pub const PIECES_MAX: usize = 18;

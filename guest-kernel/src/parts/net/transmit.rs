//! Frames to the back end.

use super::BUFFERS;
use crate::front_ring::{Broken, FrontRing, Words};
use alloc::vec::Vec;

/// The ring of frames that are sent, and whose each buffer is.
pub struct Transmitter<W> {
    ring: FrontRing<W, 3>,
    free: Vec<u16>,
    /// The buffer is the back end's.
    away: [bool; BUFFERS],
    /// Frames that the back end has refused.
    refused: u64,
}

impl<W: Words> Transmitter<W> {
    /// With a page that is nobody's yet, and so many buffers, at most [`BUFFERS`].
    pub fn new(page: W, buffers: usize) -> Self {
        let count = buffers.min(BUFFERS) as u16;
        Self {
            ring: FrontRing::new(page),
            free: (0..count).rev().collect(),
            away: [false; BUFFERS],
            refused: 0,
        }
    }

    /// Takes back the buffers of frames that were sent.
    ///
    /// # Errors
    /// The back end answers what was not asked.
    pub fn collect(&mut self) -> Result<(), Broken> {
        for _ in 0..self.ring.waiting()? {
            let [answer, ..] = self.ring.take();
            let (id, status) = (answer as u16, (answer >> 16) as u16 as i16);
            let away = self.away.get_mut(usize::from(id)).ok_or(Broken)?;
            if !core::mem::take(away) {
                return Err(Broken);
            }
            self.free.push(id);
            self.refused += u64::from(status < 0);
        }
        Ok(())
    }

    /// A buffer for a frame: fill it before it is given to [`Transmitter::send`].
    pub fn buffer(&self) -> Option<u16> {
        self.free.last().copied()
    }

    /// Sends what is in the buffer that [`Transmitter::buffer`] has named, which is granted as
    /// `gref`: `len` bytes from its start. It is the back end's until [`Transmitter::collect`].
    pub fn send(&mut self, gref: u32, len: u16) {
        let Some(id) = self.free.pop() else {
            return;
        };
        self.away[usize::from(id)] = true;
        // Offset and flags are 0: one piece, its checksum whole.
        self.ring
            .ask([gref, 0, u32::from(id) | u32::from(len) << 16]);
    }

    /// Shows the frames to the back end; whether it is to be notified.
    pub fn publish(&mut self) -> bool {
        self.ring.publish()
    }

    /// Asks for an event when a buffer comes back; whether one has.
    ///
    /// # Errors
    /// The ring makes no sense.
    pub fn want_event(&mut self) -> Result<bool, Broken> {
        self.ring.want_event()
    }

    /// Frames that the back end has refused.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

//! Frames from the back end.

use super::{BUFFER, BUFFERS, PIECES_MAX};
use crate::front_ring::{Broken, FrontRing, Words};
use alloc::vec::Vec;
use hypercall_abi::io::netif::{NETRXF_extra_info, NETRXF_more_data};

/// A part of a frame: in the buffer, from the offset on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The buffer, which is the kernel's until it is given to [`Receiver::give`] again.
    pub buffer: u16,
    /// Where it begins, bytes.
    pub offset: u16,
    /// Its bytes.
    pub len: u16,
}

/// The ring of buffers for frames that come.
pub struct Receiver<W> {
    ring: FrontRing<W, 2>,
    /// The buffer in each place of the ring.
    places: [u16; BUFFERS],
    /// Frames that were dropped because the back end could not fill them, or made no sense.
    dropped: u64,
}

impl<W: Words> Receiver<W> {
    /// With a page that is nobody's yet.
    pub fn new(page: W) -> Self {
        Self {
            ring: FrontRing::new(page),
            places: [0; BUFFERS],
            dropped: 0,
        }
    }

    /// Gives the back end a buffer that it does not have, granted as `gref`.
    pub fn give(&mut self, buffer: u16, gref: u32) {
        if self.ring.room() == 0 {
            return;
        }
        self.places[self.ring.next_request()] = buffer;
        self.ring.ask([buffer.into(), gref]);
    }

    /// Shows the buffers to the back end; whether it is to be notified.
    pub fn publish(&mut self) -> bool {
        self.ring.publish()
    }

    /// Whether a frame, or what may be one, waits.
    ///
    /// # Errors
    /// The ring makes no sense.
    pub fn has_frame(&self) -> Result<bool, Broken> {
        Ok(self.ring.waiting()? > 0)
    }

    /// Asks for an event when a frame comes; whether one has.
    ///
    /// # Errors
    /// The ring makes no sense.
    pub fn want_event(&mut self) -> Result<bool, Broken> {
        self.ring.want_event()
    }

    /// Takes the next frame. Every buffer in `pieces` must be given again, also of a frame that is
    /// none (`Ok(false)`): then they are not to be read.
    ///
    /// # Errors
    /// The back end answers what was not asked, or begins a frame without its end.
    pub fn take(&mut self, pieces: &mut Vec<Piece>) -> Result<bool, Broken> {
        pieces.clear();
        let mut left = self.ring.waiting()?;
        let mut valid = left > 0;
        while left > 0 {
            left -= 1;
            let buffer = self.places[self.ring.next_place()];
            let [first, second] = self.ring.take();
            let (id, offset) = (first as u16, (first >> 16) as u16);
            let (flags, status) = (second as u16, (second >> 16) as u16 as i16);
            // Answers come in the places of their requests, and nothing extra was agreed upon.
            if id != buffer || flags & NETRXF_extra_info != 0 {
                return Err(Broken);
            }
            let len = u16::try_from(status).unwrap_or(0);
            valid &= len > 0 && usize::from(offset) + usize::from(len) <= BUFFER;
            pieces.push(Piece {
                buffer,
                offset,
                len,
            });
            if flags & NETRXF_more_data == 0 {
                valid &= pieces.len() <= PIECES_MAX;
                self.dropped += u64::from(!valid);
                return Ok(valid);
            }
        }
        // A frame is shown whole.
        if pieces.is_empty() {
            Ok(false)
        } else {
            Err(Broken)
        }
    }

    /// Frames that were dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

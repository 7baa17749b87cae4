//! A connection with a back end: rings and buffers, all of them granted from beginning to end.

use crate::dev::grant::Access;
use crate::dev::granted::{Granted, RingPage};
use crate::hypercall;
use alloc::vec::Vec;
use guest_kernel::front_ring::Broken;
use guest_kernel::net::{BUFFERS, Piece, Receiver, Transmitter};
use guest_user::abi::Errno;

/// Buffers for frames that are sent.
const TX_BUFFERS: usize = 64;

/// So many pages that a back end may use.
fn many(count: usize, domid: u16, access: Access) -> Result<Vec<Granted>, Errno> {
    let mut all = Vec::new();
    all.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    for _ in 0..count {
        all.push(Granted::new(domid, access)?);
    }
    Ok(all)
}

pub(super) struct Link {
    // The rings are dropped before their pages.
    tx: Transmitter<RingPage>,
    rx: Receiver<RingPage>,
    tx_page: Granted,
    rx_page: Granted,
    tx_buffers: Vec<Granted>,
    rx_buffers: Vec<Granted>,
    /// The frame that is being taken.
    pieces: Vec<Piece>,
    port: u32,
}

impl Link {
    pub(super) fn new(domid: u16, port: u32) -> Result<Self, Errno> {
        let (tx_page, rx_page) = (
            Granted::new(domid, Access::Write)?,
            Granted::new(domid, Access::Write)?,
        );
        let mut link = Self {
            tx: Transmitter::new(tx_page.ring(), TX_BUFFERS),
            rx: Receiver::new(rx_page.ring()),
            tx_page,
            rx_page,
            tx_buffers: many(TX_BUFFERS, domid, Access::Read)?,
            rx_buffers: many(BUFFERS, domid, Access::Write)?,
            pieces: Vec::new(),
            port,
        };
        for (buffer, granted) in link.rx_buffers.iter().enumerate() {
            link.rx.give(buffer as u16, granted.gref());
        }
        link.rx.publish();
        Ok(link)
    }

    pub(super) fn grants(&self) -> (u32, u32) {
        (self.tx_page.gref(), self.rx_page.gref())
    }

    pub(super) fn port(&self) -> u32 {
        self.port
    }

    fn notify(&self) {
        // A back end that is gone is found by its state in the store.
        let _ = hypercall::evtchn_send(self.port);
    }

    /// Takes the next frame that is one, and fits.
    pub(super) fn receive(&mut self, to: &mut [u8]) -> Result<Option<usize>, Broken> {
        loop {
            let valid = self.rx.take(&mut self.pieces)?;
            if self.pieces.is_empty() {
                return Ok(None);
            }
            let len = self.pieces.iter().map(|piece| usize::from(piece.len)).sum();
            let taken = valid && len <= to.len();
            if taken {
                let mut rest = &mut *to;
                for piece in &self.pieces {
                    let (part, later) = rest.split_at_mut(piece.len.into());
                    self.rx_buffers[usize::from(piece.buffer)].read(piece.offset.into(), part);
                    rest = later;
                }
            }
            for piece in &self.pieces {
                let gref = self.rx_buffers[usize::from(piece.buffer)].gref();
                self.rx.give(piece.buffer, gref);
            }
            if self.rx.publish() {
                self.notify();
            }
            if taken {
                return Ok(Some(len));
            }
        }
    }

    /// Sends a frame; false if there is no room.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<bool, Broken> {
        self.tx.collect()?;
        let Some(buffer) = self.tx.buffer() else {
            return Ok(false);
        };
        let granted = &self.tx_buffers[usize::from(buffer)];
        granted.write(bytes);
        self.tx.send(granted.gref(), bytes.len() as u16);
        if self.tx.publish() {
            self.notify();
        }
        Ok(true)
    }

    /// Whether there is a frame, and room for one; an event comes where there is not.
    pub(super) fn ready(&mut self) -> Result<(bool, bool), Broken> {
        let readable = self.rx.has_frame()? || self.rx.want_event()?;
        self.tx.collect()?;
        if self.tx.buffer().is_none() && self.tx.want_event()? {
            self.tx.collect()?;
        }
        Ok((readable, self.tx.buffer().is_some()))
    }
}

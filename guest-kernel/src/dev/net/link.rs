//! A connection with a back end: rings and buffers, all of them granted from beginning to end.

use crate::dev::grant::{self, Access};
use crate::hypercall;
use crate::mm::{Pfn, frame};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering, fence};
use guest_kernel::net::{BUFFER, BUFFERS, Broken, Piece, Receiver, Transmitter, Words};
use guest_user::abi::Errno;

/// Buffers for frames that are sent.
const TX_BUFFERS: usize = 64;

/// A page that a back end may use; given back when it is dropped, as soon as the back end has let
/// go of it.
struct Granted {
    pfn: Pfn,
    gref: u32,
}

impl Granted {
    fn new(domid: u16, access: Access) -> Result<Self, Errno> {
        let pfn = frame::alloc_zeroed().ok_or(Errno::ENOMEM)?;
        let gref = grant::offer(pfn, domid, access).inspect_err(|_| frame::free(pfn))?;
        Ok(Self { pfn, gref })
    }

    fn many(count: usize, domid: u16, access: Access) -> Result<Vec<Self>, Errno> {
        let mut all = Vec::new();
        all.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        for _ in 0..count {
            all.push(Self::new(domid, access)?);
        }
        Ok(all)
    }

    /// Copies out of the page, which the back end may write meanwhile.
    fn read(&self, offset: usize, to: &mut [u8]) {
        assert!(offset + to.len() <= BUFFER, "a piece is inside its buffer");
        let from = (self.pfn.va() as *const u8).wrapping_add(offset);
        let (chunks, rest) = to.as_chunks_mut::<8>();
        let tail = from.wrapping_add(chunks.len() * 8);
        for (index, chunk) in chunks.iter_mut().enumerate() {
            // SAFETY: inside the page, as checked, which stays this object's; volatile, because the
            // other domain may write it; byte arrays need no alignment.
            *chunk = unsafe { from.cast::<[u8; 8]>().wrapping_add(index).read_volatile() };
        }
        for (index, byte) in rest.iter_mut().enumerate() {
            // SAFETY: as above.
            *byte = unsafe { tail.wrapping_add(index).read_volatile() };
        }
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        grant::retire(self.gref, self.pfn);
    }
}

/// A page of a ring, by its address in the direct map.
struct Ring(u64);

impl Ring {
    fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset < BUFFER);
        // SAFETY: the page is one of the link's, which outlives the rings in it; its words are
        // accessed atomically only.
        unsafe { &*((self.0 + offset as u64) as *const AtomicU32) }
    }
}

impl Words for Ring {
    fn load(&self, offset: usize) -> u32 {
        self.word(offset).load(Ordering::Acquire)
    }

    fn store(&mut self, offset: usize, value: u32) {
        self.word(offset).store(value, Ordering::Release);
    }

    fn fence(&self) {
        fence(Ordering::SeqCst);
    }
}

pub(super) struct Link {
    // The rings are dropped before their pages.
    tx: Transmitter<Ring>,
    rx: Receiver<Ring>,
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
            tx: Transmitter::new(Ring(tx_page.pfn.va()), TX_BUFFERS),
            rx: Receiver::new(Ring(rx_page.pfn.va())),
            tx_page,
            rx_page,
            tx_buffers: Granted::many(TX_BUFFERS, domid, Access::Read)?,
            rx_buffers: Granted::many(BUFFERS, domid, Access::Write)?,
            pieces: Vec::new(),
            port,
        };
        for (buffer, granted) in link.rx_buffers.iter().enumerate() {
            link.rx.give(buffer as u16, granted.gref);
        }
        link.rx.publish();
        Ok(link)
    }

    pub(super) fn grants(&self) -> (u32, u32) {
        (self.tx_page.gref, self.rx_page.gref)
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
                let gref = self.rx_buffers[usize::from(piece.buffer)].gref;
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
        frame::fill(granted.pfn, 0, bytes);
        self.tx.send(granted.gref, bytes.len() as u16);
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

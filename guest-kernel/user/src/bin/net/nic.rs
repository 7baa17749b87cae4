//! The network interface as smoltcp wants it: a descriptor that takes and gives frames.

use alloc::vec::Vec;
use guest_user::abi::{Errno, POLL_FD, POLL_HUNG_UP, POLL_READABLE, POLL_WRITABLE, Poll};
use guest_user::sys::{self, SysResult};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

/// How long the interface is waited for, and how often it is looked for, ns.
const PATIENCE: u64 = 30_000_000_000;
const AGAIN: u64 = 10_000_000;
/// Frames that are taken in one turn: while others come without end, something is sent as well.
const TURN: u32 = 32;
/// Bytes of the largest frame.
const FRAME_MAX: usize = 1514;

pub(crate) struct Nic {
    fd: u64,
    /// A frame that the kernel had no room for.
    held: Option<Vec<u8>>,
    /// There may be something to read.
    readable: bool,
    /// Frames that may still be taken in this turn.
    left: u32,
}

impl Nic {
    /// Opens the interface; one that is not there yet is waited for.
    pub(crate) fn open() -> SysResult<Self> {
        let end = sys::clock() + PATIENCE;
        let fd = loop {
            match sys::open("/dev/net0") {
                Err(Errno::ENODEV) if sys::clock() < end => sys::sleep(AGAIN),
                other => break other?,
            }
        };
        Ok(Self {
            fd,
            held: None,
            readable: true,
            left: TURN,
        })
    }

    /// Begins a turn.
    pub(crate) fn begin_turn(&mut self) {
        self.left = TURN;
    }

    /// Whether the turn has ended before all was taken.
    pub(crate) fn turn_is_over(&self) -> bool {
        self.left == 0
    }

    pub(crate) fn mac(&self) -> SysResult<[u8; 6]> {
        sys::net_address(self.fd)
    }

    /// Waits for a frame, for room for one that is held, or for so many nanoseconds.
    ///
    /// # Errors
    /// The interface is not there any more.
    pub(crate) fn wait(&mut self, timeout: u64) -> SysResult<()> {
        let room = if self.held.is_some() {
            POLL_WRITABLE
        } else {
            0
        };
        let mut entry = [Poll {
            kind: POLL_FD,
            id: self.fd as u32,
            wanted: POLL_READABLE | room,
            ready: 0,
        }];
        sys::poll(&mut entry, timeout)?;
        if entry[0].ready & POLL_HUNG_UP != 0 {
            return Err(Errno::ENODEV);
        }
        self.readable = true;
        if let Some(frame) = self.held.take() {
            self.send(frame)?;
        }
        Ok(())
    }

    /// Sends a frame, and waits until it is taken.
    ///
    /// # Errors
    /// The interface is not there any more.
    pub(crate) fn send_all(&mut self, frame: Vec<u8>) -> SysResult<()> {
        self.send(frame)?;
        while self.held.is_some() {
            self.wait(u64::MAX)?;
        }
        Ok(())
    }

    fn send(&mut self, frame: Vec<u8>) -> SysResult<()> {
        match sys::write(self.fd, &frame) {
            Err(Errno::EAGAIN) => self.held = Some(frame),
            result => {
                result?;
            }
        }
        Ok(())
    }
}

pub(crate) struct Arrived(Vec<u8>);

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

pub(crate) struct Leaving<'a>(&'a mut Nic);

impl TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = alloc::vec![0; len];
        let result = f(&mut frame);
        // An interface that is gone is noticed when it is waited for.
        let _ = self.0.send(frame);
        result
    }
}

impl Device for Nic {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Leaving<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Arrived, Leaving<'_>)> {
        if !self.readable || self.held.is_some() || self.left == 0 {
            return None;
        }
        self.left -= 1;
        let mut frame = alloc::vec![0; FRAME_MAX + 4];
        match sys::read(self.fd, &mut frame) {
            Ok(len) => {
                frame.truncate(len);
                Some((Arrived(frame), Leaving(self)))
            }
            Err(_) => {
                self.readable = false;
                None
            }
        }
    }

    fn transmit(&mut self, _: Instant) -> Option<Leaving<'_>> {
        self.held.is_none().then_some(Leaving(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_MAX;
        capabilities
    }
}

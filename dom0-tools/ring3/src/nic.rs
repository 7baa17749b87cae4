//! The network device of this domain, by which a bridge reaches other machines.

use alloc::boxed::Box;
use alloc::vec::Vec;

use dom0_tools::net::Wire;
use virtio_drivers::device::net::VirtIONetRaw;
use virtio_drivers::transport::DeviceType;
use virtio_drivers::transport::pci::PciTransport;

use crate::interrupt::Interrupt;
use crate::pci::Claim;
use crate::virtio::{self, Memory};

/// Entries of either queue.
const QUEUE: usize = 64;
/// Bytes of a buffer: a frame with what virtio says before it.
const BUFFER: usize = 2048;

type Buffer = Box<[u8; BUFFER]>;

/// A virtio network device.
pub struct Nic {
    device: VirtIONetRaw<Memory, PciTransport, QUEUE>,
    interrupt: Interrupt,
    _claim: Claim,
    /// Buffers that the device has, by the queue's names for them.
    receiving: [Option<Buffer>; QUEUE],
    sending: [Option<(Buffer, usize)>; QUEUE],
}

fn buffer() -> Buffer {
    Box::new([0; BUFFER])
}

impl Nic {
    /// The first that there is. One that was another driver's before is reset.
    #[must_use]
    pub fn find() -> Option<Self> {
        let found = virtio::find(DeviceType::Network, 0).ok()?;
        let mut nic = Nic {
            device: VirtIONetRaw::new(found.transport).ok()?,
            interrupt: found.interrupt?,
            _claim: found.claim,
            receiving: [const { None }; QUEUE],
            sending: [const { None }; QUEUE],
        };
        for _ in 0..QUEUE / 2 {
            nic.give(buffer());
        }
        Some(nic)
    }

    /// Its address.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        self.device.mac_address()
    }

    /// Gives the device a buffer for a frame.
    fn give(&mut self, mut buffer: Buffer) {
        // SAFETY: the buffer is kept, and not looked at, until the device gives it back.
        if let Ok(token) = unsafe { self.device.receive_begin(&mut buffer[..]) } {
            self.receiving[usize::from(token) % QUEUE] = Some(buffer);
        }
    }

    /// The port of its interrupt.
    pub fn port(&mut self) -> u32 {
        self.interrupt.port()
    }

    /// Takes its interrupt, if there was one.
    pub fn acknowledge(&mut self) {
        self.device.ack_interrupt();
        self.interrupt.end();
    }

    /// Takes back the buffers of frames that were sent.
    fn collect(&mut self) {
        while let Some(token) = self.device.poll_transmit() {
            let Some((buffer, len)) = self.sending[usize::from(token) % QUEUE].take() else {
                return;
            };
            // SAFETY: it is the buffer that the token stands for.
            let done = unsafe { self.device.transmit_complete(token, &buffer[..len]) };
            if done.is_err() {
                return;
            }
        }
    }
}

impl Wire for Nic {
    fn receive(&mut self) -> Option<Vec<u8>> {
        loop {
            let token = self.device.poll_receive()?;
            let mut buffer = self.receiving[usize::from(token) % QUEUE].take()?;
            // SAFETY: it is the buffer that the token stands for.
            let done = unsafe { self.device.receive_complete(token, &mut buffer[..]) };
            let frame = done
                .ok()
                .and_then(|(head, len)| buffer.get(head..head.checked_add(len)?))
                .map(<[u8]>::to_vec);
            self.give(buffer);
            if frame.is_some() {
                return frame;
            }
        }
    }

    fn send(&mut self, frame: &[u8]) -> bool {
        self.collect();
        if !self.device.can_send() {
            return false;
        }
        let mut buffer = buffer();
        let Ok(head) = self.device.fill_buffer_header(&mut buffer[..]) else {
            return true;
        };
        let len = head + frame.len();
        // One that no Ethernet has is nobody's loss.
        let Some(body) = buffer.get_mut(head..len) else {
            return true;
        };
        body.copy_from_slice(frame);
        // SAFETY: the buffer is kept, and not changed, until the device gives it back.
        match unsafe { self.device.transmit_begin(&buffer[..len]) } {
            Ok(token) => {
                self.sending[usize::from(token) % QUEUE] = Some((buffer, len));
                true
            }
            Err(_) => false,
        }
    }
}

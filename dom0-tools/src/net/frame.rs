//! Ethernet frames in memory of our own.

use alloc::vec::Vec;

/// An Ethernet address.
pub type Mac = [u8; 6];
/// Bytes before what an Ethernet frame carries.
pub const ETHERNET_HEADER: usize = 14;

/// What a frame carries: a VLAN tag, IPv4, IPv6.
pub(super) const VLAN: u16 = 0x8100;
pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;

/// What is known of a frame's transport checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// It is there, right or wrong.
    Unknown,
    /// Its sender vouches for the data.
    Validated,
    /// It is to be computed yet.
    Blank,
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// From the destination's address on, at least [`ETHERNET_HEADER`] bytes.
    pub bytes: Vec<u8>,
    /// Of its transport checksum.
    pub checksum: Checksum,
}

impl Frame {
    /// A frame from these bytes, unless they are too few.
    #[must_use]
    pub fn new(bytes: Vec<u8>, checksum: Checksum) -> Option<Self> {
        let frame = Frame { bytes, checksum };
        (frame.bytes.len() >= ETHERNET_HEADER).then_some(frame)
    }

    fn address(&self, at: usize) -> Mac {
        let bytes = self.bytes.get(at..at + 6);
        bytes.and_then(|b| b.try_into().ok()).unwrap_or_default()
    }

    /// What it carries, behind a VLAN tag if it has one.
    pub(super) fn kind(&self) -> u16 {
        let word = |at: usize| {
            let bytes = self.bytes.get(at..at + 2);
            bytes.map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
        };
        match word(12) {
            VLAN => word(16),
            kind => kind,
        }
    }

    /// Who it is for.
    #[must_use]
    pub fn destination(&self) -> Mac {
        self.address(0)
    }

    /// Who it says it is from.
    #[must_use]
    pub fn source(&self) -> Mac {
        self.address(6)
    }
}

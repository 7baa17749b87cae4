//! PCI configuration space, by the pair of ports that every PC has (PCI specification, 3.2.2.3.2),
//! and what the hypervisor looks for there: capabilities.

use spin::Mutex;

use crate::platform::Machine;

/// The address, a 32-bit register of its own in front of other ports.
pub(crate) const ADDRESS: u16 = 0xcf8;
/// The data.
pub(crate) const DATA: u16 = 0xcfc;
/// Bit of the address: accesses to the data port are configuration accesses.
pub(crate) const ENABLE: u32 = 1 << 31;

/// Covers the pair of accesses that one configuration access is.
static PAIR: Mutex<()> = Mutex::new(());

/// Reads `size` bytes from `port`, one of the data port's four, with `address` set.
pub(crate) fn read_port<M: Machine>(m: &M, address: u32, port: u16, size: u8) -> u32 {
    let _pair = PAIR.lock();
    m.port_out(ADDRESS, 4, address);
    m.port_in(port, size)
}

/// Writes them.
pub(crate) fn write_port<M: Machine>(m: &M, address: u32, port: u16, size: u8, value: u32) {
    let _pair = PAIR.lock();
    m.port_out(ADDRESS, 4, address);
    m.port_out(port, size, value);
}

/// A function of segment 0: bus in bits 15:8, device in 7:3, function in 2:0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Function(pub(crate) u16);

/// Offsets in the header.
const STATUS: u8 = 0x06;
const CAPABILITIES: u8 = 0x34;
/// Bit of the status: there are capabilities.
const HAS_CAPABILITIES: u32 = 1 << 4;
/// Most capabilities that fit: a list that goes on is a loop.
const MOST_CAPABILITIES: usize = 48;

impl Function {
    const fn address(self, offset: u8) -> u32 {
        ENABLE | (self.0 as u32) << 8 | offset as u32 & 0xfc
    }

    const fn port(offset: u8) -> u16 {
        DATA + (offset & 3) as u16
    }

    /// Reads `size` (1, 2 or 4) bytes, aligned.
    pub(crate) fn read<M: Machine>(self, m: &M, offset: u8, size: u8) -> u32 {
        read_port(m, self.address(offset), Self::port(offset), size)
    }

    /// Writes them.
    pub(crate) fn write<M: Machine>(self, m: &M, offset: u8, size: u8, value: u32) {
        write_port(m, self.address(offset), Self::port(offset), size, value);
    }

    /// The offset of its capability `id`, in the part of the space behind the header.
    #[cold]
    pub(crate) fn capability<M: Machine>(self, m: &M, id: u8) -> Option<u8> {
        let status = self.read(m, STATUS, 2);
        // Where nothing is, all ones are read.
        if status == 0xffff || status & HAS_CAPABILITIES == 0 {
            return None;
        }
        let mut at = self.read(m, CAPABILITIES, 1) as u8 & 0xfc;
        for _ in 0..MOST_CAPABILITIES {
            if at < 0x40 {
                return None;
            }
            let header = self.read(m, at, 2);
            if header as u8 == id {
                return Some(at);
            }
            at = (header >> 8) as u8 & 0xfc;
        }
        None
    }
}

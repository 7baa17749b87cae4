//! Messages that PCI functions interrupt by (PCI specification, 6.8): the hypervisor writes them into
//! the function's capability; the guest switches them on.

use crate::pci::Function;
use crate::platform::{CpuId, Machine};

/// The capability's number.
const MSI: u8 = 0x05;
/// Offsets in the capability.
const CONTROL: u8 = 2;
const ADDRESS: u8 = 4;
const ADDRESS_HIGH: u8 = 8;
const DATA: u8 = 8;
const DATA_WIDE: u8 = 12;
/// From the data to the mask bits.
const MASK_BITS: u8 = 4;
/// Bits of the control word.
const ENABLE: u32 = 1;
const SEVERAL: u32 = 7 << 4;
const WIDE: u32 = 1 << 7;
const MASKABLE: u32 = 1 << 8;

/// A function's one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) function: Function,
    /// Offset of the capability.
    at: u8,
    /// Whether the address has 64 bits.
    wide: bool,
    maskable: bool,
}

impl Message {
    /// The message of a function that has the capability.
    #[cold]
    pub(super) fn of<M: Machine>(m: &M, function: Function) -> Option<Self> {
        let at = function.capability(m, MSI)?;
        // All of it lies in the configuration space.
        if at > 0xe8 {
            return None;
        }
        let control = function.read(m, at + CONTROL, 2);
        Some(Self {
            function,
            at,
            wide: control & WIDE != 0,
            maskable: control & MASKABLE != 0,
        })
    }

    const fn data(self) -> u8 {
        self.at + if self.wide { DATA_WIDE } else { DATA }
    }

    /// Writes the message that brings `vector` to `cpu`.
    #[cold]
    pub(super) fn program<M: Machine>(self, m: &M, vector: u8, cpu: CpuId) {
        let (address, data) = m.message(vector, cpu);
        let control = self.function.read(m, self.at + CONTROL, 2);
        if control & SEVERAL != 0 {
            let one = control & !SEVERAL;
            self.function.write(m, self.at + CONTROL, 2, one);
        }
        self.function.write(m, self.at + ADDRESS, 4, address);
        if self.wide {
            self.function.write(m, self.at + ADDRESS_HIGH, 4, 0);
        }
        self.function.write(m, self.data(), 2, data);
    }

    /// Masks the message or lets it pass, where the function can.
    pub(super) fn mask<M: Machine>(self, m: &M, masked: bool) {
        if self.maskable {
            let at = self.data() + MASK_BITS;
            self.function.write(m, at, 4, u32::from(masked));
        }
    }

    /// Whether the function can mask it.
    pub(super) const fn is_maskable(self) -> bool {
        self.maskable
    }

    /// Switches messages on.
    #[cold]
    pub(super) fn enable<M: Machine>(self, m: &M) {
        let control = self.function.read(m, self.at + CONTROL, 2);
        (self.function).write(m, self.at + CONTROL, 2, control | ENABLE);
    }

    /// Switches messages off.
    #[cold]
    pub(super) fn disable<M: Machine>(self, m: &M) {
        let control = self.function.read(m, self.at + CONTROL, 2);
        (self.function).write(m, self.at + CONTROL, 2, control & !ENABLE);
    }
}

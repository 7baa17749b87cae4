//! Configuration space as a domain sees it that was given the device.
//!
//! Registers are shown as they are, and written only where that cannot hurt others: the switches of the
//! command register, the size of cache lines. Base addresses stay where they are; a domain that asks
//! for their sizes, by writing ones, is answered from what was found out before. Whatever else is
//! written, capabilities and so the addresses of messages among it, is dropped.

use super::{Address, Config};

/// The command register, and above it the status, whose bits are cleared by writing ones.
pub(super) const COMMAND: u8 = 0x04;
/// Cache line size and latency timer, below the kind of header and the self test.
const CACHE_LINE: u8 = 0x0c;
/// The first base address register, and how many there are in a header of kind 0.
pub(super) const BARS: u8 = 0x10;
pub(super) const BAR_COUNT: usize = 6;
/// The address of the device's own program, which is not shown.
const ROM: u8 = 0x30;

/// Bits of the command register by which a device answers, and itself reaches memory.
const IO: u32 = 1;
const MEMORY: u32 = 1 << 1;
pub(super) const MASTER: u32 = 1 << 2;
const PARITY: u32 = 1 << 6;
const SERR: u32 = 1 << 8;
const NO_INTERRUPTS: u32 = 1 << 10;
/// Those that a domain may change.
const ALLOWED: u32 = IO | MEMORY | MASTER | PARITY | SERR | NO_INTERRUPTS;

/// A base address register.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bar {
    /// What is in it.
    pub(super) value: u32,
    /// What is in it after all bits were written: 0 where there is none.
    pub(super) mask: u32,
    /// The domain has written ones, and has not read the size yet, or has not written since.
    sizing: bool,
}

impl Bar {
    pub(super) fn new(value: u32, mask: u32) -> Self {
        Bar {
            value,
            mask,
            sizing: false,
        }
    }
}

/// A device's function as a domain sees it.
#[derive(Debug, Clone)]
pub struct Function {
    at: Address,
    pub(super) bars: [Bar; BAR_COUNT],
}

/// The bits of the `size` bytes from `offset` on in the register in which they are.
fn bits(offset: u8, size: u8) -> (u32, u32) {
    let shift = u32::from(offset % 4) * 8;
    let bytes = u32::MAX >> (32 - 8 * u32::from(size));
    (bytes << shift, shift)
}

fn bar_index(register: u8) -> Option<usize> {
    let index = usize::from(register.checked_sub(BARS)? / 4);
    (index < BAR_COUNT).then_some(index)
}

impl Function {
    pub(super) fn new(at: Address, bars: [Bar; BAR_COUNT]) -> Self {
        Function { at, bars }
    }

    fn register(&self, machine: &mut impl Config, register: u8) -> u32 {
        match bar_index(register) {
            Some(index) => {
                let bar = &self.bars[index];
                if bar.sizing { bar.mask } else { bar.value }
            }
            None if register == ROM => 0,
            None => machine.read_config(self.at, register),
        }
    }

    /// What is in `size` bytes (1, 2 or 4) from `offset` on, which is a multiple of `size`.
    pub fn read(&self, machine: &mut impl Config, offset: u8, size: u8) -> u32 {
        let (mask, shift) = bits(offset, size);
        (self.register(machine, offset & !3) & mask) >> shift
    }

    /// Writes them, as far as that is allowed; whether the device may reach memory by it.
    pub fn write(&mut self, machine: &mut impl Config, offset: u8, size: u8, value: u32) -> bool {
        let register = offset & !3;
        let (mask, shift) = bits(offset, size);
        let value = value << shift & mask;
        let now = self.register(machine, register);
        if let Some(index) = bar_index(register) {
            self.bars[index].sizing = now & !mask | value == u32::MAX;
            return false;
        }
        match register {
            COMMAND => {
                let allowed = ALLOWED & mask;
                let command = now & 0xffff & !allowed | value & allowed;
                machine.write_config(self.at, COMMAND, command);
                command & MASTER != 0
            }
            CACHE_LINE => {
                let mask = mask & 0xffff;
                // The self test is not begun.
                let line = now & 0x00ff_ffff & !mask | value & mask;
                machine.write_config(self.at, CACHE_LINE, line);
                false
            }
            _ => false,
        }
    }

    /// Forgets what the domain has begun to ask.
    pub(super) fn forget(&mut self) {
        for bar in &mut self.bars {
            bar.sizing = false;
        }
    }
}

/// Ends what a device does to memory, and that it answers at its addresses.
pub fn quiesce(machine: &mut impl Config, at: Address) {
    let command = machine.read_config(at, COMMAND);
    // Where nothing is, nothing is written; of the status, nothing is cleared.
    if command != u32::MAX {
        machine.write_config(at, COMMAND, command & 0xffff & !(IO | MEMORY | MASTER));
    }
}

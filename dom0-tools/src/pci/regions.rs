//! What a device has of the machine: memory and ports for its registers. They are found by writing ones
//! into its base address registers, while it does not answer; what was in them is kept before.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::function::{BAR_COUNT, BARS, Bar, COMMAND, Function};
use super::{Address, Config};
use crate::hyper::PAGE_SIZE;

/// The register with the kind of header in its third byte.
const HEADER: u8 = 0x0c;
/// Bytes of configuration space that are kept: the header.
const KEPT: usize = 16;

/// Registers as they were, by their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Saved([u32; KEPT]);

/// Words in hexadecimal digits, one behind the other.
fn words_to_text(words: &[u32]) -> String {
    words.iter().map(|word| format!("{word:08x}")).collect()
}

fn words_of_text<const N: usize>(text: &str) -> Option<[u32; N]> {
    let mut words = [0; N];
    if text.len() != 8 * N || !text.is_ascii() {
        return None;
    }
    for (i, word) in words.iter_mut().enumerate() {
        *word = u32::from_str_radix(&text[8 * i..8 * i + 8], 16).ok()?;
    }
    Some(words)
}

/// A part of the machine's memory or ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// Memory: the first address and bytes, both of whole pages.
    Memory(u64, u64),
    /// Ports: the first and how many.
    Ports(u32, u32),
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Region::Memory(start, len) => write!(f, "memory {start:#x} {len:#x}"),
            Region::Ports(first, count) => write!(f, "ports {first:#x} {count:#x}"),
        }
    }
}

/// Reads regions as they are written, separated by commas.
#[must_use]
pub fn parse_regions(text: &str) -> Option<Vec<Region>> {
    let number = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    let region = |part: &str| {
        let mut words = part.split(' ');
        let (kind, start, len) = (words.next()?, words.next()?, words.next()?);
        let (start, len) = (number(start)?, number(len)?);
        match kind {
            "memory" => Some(Region::Memory(start, len)),
            "ports" => Some(Region::Ports(start.try_into().ok()?, len.try_into().ok()?)),
            _ => None,
        }
    };
    let parts = text.split(',').filter(|part| !part.is_empty());
    parts.map(region).collect()
}

impl Saved {
    pub(super) fn read(machine: &mut impl Config, at: Address) -> Self {
        let word = |index: usize| machine.read_config(at, 4 * index as u8);
        Saved(core::array::from_fn(word))
    }

    /// As text, for whoever comes next.
    pub(super) fn to_text(self) -> String {
        words_to_text(&self.0)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        words_of_text(text).map(Saved)
    }

    fn bar(&self, index: usize) -> u32 {
        self.0[usize::from(BARS) / 4 + index]
    }

    /// Puts base addresses back, and lets the device do nothing yet.
    pub(super) fn restore(&self, machine: &mut impl Config, at: Address) {
        super::function::quiesce(machine, at);
        for index in 0..BAR_COUNT {
            machine.write_config(at, BARS + 4 * index as u8, self.bar(index));
        }
    }

    /// Lets it do what it did.
    pub(super) fn resume(&self, machine: &mut impl Config, at: Address) {
        self.restore(machine, at);
        let command = self.0[usize::from(COMMAND) / 4] & 0xffff;
        machine.write_config(at, COMMAND, command);
    }
}

/// Checks that a device can be given away.
pub(super) fn check(machine: &mut impl Config, at: Address) -> Result<(), String> {
    if machine.read_config(at, 0) == u32::MAX {
        return Err("there is no such device".to_string());
    }
    match machine.read_config(at, HEADER) >> 16 & 0x7f {
        0 => Ok(()),
        _ => Err("it is a bridge".to_string()),
    }
}

/// Finds out what is behind the base addresses of a device that does not answer meanwhile.
pub(super) fn find(machine: &mut impl Config, at: Address, saved: &Saved) -> Function {
    saved.restore(machine, at);
    let bars = core::array::from_fn(|index| {
        let (register, value) = (BARS + 4 * index as u8, saved.bar(index));
        machine.write_config(at, register, u32::MAX);
        let mask = machine.read_config(at, register);
        machine.write_config(at, register, value);
        Bar::new(value, mask)
    });
    Function::new(at, bars)
}

/// A base address register's lowest bits: it is of ports; of memory of 64-bit addresses.
const OF_PORTS: u32 = 1;
const KIND: u32 = 0b110;
const OF_64_BITS: u32 = 0b100;

impl Function {
    /// As it was found before: with what its [`Self::masks`] were.
    pub(super) fn found_before(at: Address, saved: &Saved, masks: &str) -> Option<Self> {
        let masks = words_of_text::<BAR_COUNT>(masks)?;
        let bar = |index: usize| Bar::new(saved.bar(index), masks[index]);
        Some(Function::new(at, core::array::from_fn(bar)))
    }

    /// What was found out of its base addresses, for whoever comes next.
    pub(super) fn masks(&self) -> String {
        words_to_text(&self.bars.map(|bar| bar.mask))
    }

    /// What it has.
    ///
    /// # Errors
    /// In words: it has a page in common with another device, or none where it should have one.
    pub fn regions(&self) -> Result<Vec<Region>, String> {
        let mut regions = Vec::new();
        let mut bars = self.bars.iter();
        while let Some(bar) = bars.next() {
            if bar.mask == 0 {
                continue;
            }
            if bar.mask & OF_PORTS != 0 {
                let count = ((!(bar.mask & !3)).wrapping_add(1)) & 0xffff;
                regions.push(Region::Ports(bar.value & 0xfffc, count));
                continue;
            }
            let (mut start, mut mask) = (u64::from(bar.value & !15), u64::from(bar.mask & !15));
            if bar.mask & KIND == OF_64_BITS {
                let high = bars.next().ok_or("an address has only half its bits")?;
                start |= u64::from(high.value) << 32;
                mask |= u64::from(high.mask) << 32;
            } else {
                mask |= 0xffff_ffff_0000_0000;
            }
            let len = (!mask).wrapping_add(1);
            let page = PAGE_SIZE as u64;
            if !start.is_multiple_of(page) || !len.is_multiple_of(page) {
                return Err(format!(
                    "its registers at {start:#x}, {len:#x} bytes, are not whole pages"
                ));
            }
            if start == 0 {
                return Err("its registers have no address".to_string());
            }
            regions.push(Region::Memory(start, len));
        }
        Ok(regions)
    }
}

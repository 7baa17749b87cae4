//! A bus with devices, and who has claimed them: one of each thread's.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use dom0_tools::pci::{Address, Config, PciMachine};

use super::grants::Fake;

/// Words of configuration space.
const WORDS: usize = 64;

/// A device's function.
#[derive(Clone)]
pub struct Chip {
    pub words: [u32; WORDS],
    /// Bits of the base address registers that are not fixed.
    pub sizes: [u32; 6],
}

#[derive(Default)]
pub struct Bus {
    pub chips: BTreeMap<Address, Chip>,
    pub claimed: BTreeSet<Address>,
    /// What was written: where, which register, what.
    pub written: Vec<(Address, u8, u32)>,
}

thread_local! {
    pub static BUS: RefCell<Bus> = RefCell::default();
}

/// Does something with the thread's bus.
pub fn bus<R>(act: impl FnOnce(&mut Bus) -> R) -> R {
    BUS.with(|bus| act(&mut bus.borrow_mut()))
}

/// The address of a slot on the machine's bus.
pub fn at(slot: u8) -> Address {
    Address::of_slot(slot)
}

/// A disk as QEMU has it: ports, memory of a page, memory with 64-bit addresses.
pub fn chip() -> Chip {
    let mut words = [0; WORDS];
    words[0] = 0x1001_1af4;
    words[1] = 0x0010_0507;
    words[3] = 0x0000_4008;
    words[4] = 0xc001;
    words[5] = 0xfebd_1000;
    words[8] = 0xfe00_000c;
    words[9] = 0x0000_0001;
    words[12] = 0xfeb0_0001;
    words[15] = 0x0000_010b;
    // A capability with the address and data of messages.
    words[16] = 0x0080_0005;
    words[17] = 0xfee0_0000;
    Chip {
        words,
        sizes: [0xffff_ff80, 0xffff_f000, 0, 0, 0xffff_c000, 0xffff_ffff],
    }
}

impl Config for Fake {
    fn read_config(&mut self, at: Address, register: u8) -> u32 {
        assert!(register.is_multiple_of(4), "registers are words");
        let word = |chip: &Chip| chip.words[usize::from(register) / 4];
        bus(|bus| bus.chips.get(&at).map_or(u32::MAX, word))
    }

    fn write_config(&mut self, at: Address, register: u8, value: u32) {
        assert!(register.is_multiple_of(4), "registers are words");
        bus(|bus| {
            bus.written.push((at, register, value));
            let Some(chip) = bus.chips.get_mut(&at) else {
                return;
            };
            let word = usize::from(register) / 4;
            let now = chip.words[word];
            chip.words[word] = match word {
                // Bits of the status are cleared by ones.
                1 => (now & 0xffff_0000 & !value) | value & 0xffff,
                4..=9 => {
                    let size = chip.sizes[word - 4];
                    now & !size & if size == 0 { 0 } else { 0xf } | value & size
                }
                0 | 2 | 15 => now,
                _ => value,
            };
        });
    }
}

/// It is free again when this is dropped.
pub struct Claimed(Address);

impl Drop for Claimed {
    fn drop(&mut self) {
        bus(|bus| bus.claimed.remove(&self.0));
    }
}

impl PciMachine for Fake {
    type Claim = Claimed;

    fn claim(&mut self, at: Address) -> Result<Claimed, String> {
        if bus(|bus| bus.claimed.insert(at)) {
            Ok(Claimed(at))
        } else {
            Err("a driver of this domain uses it".to_string())
        }
    }
}

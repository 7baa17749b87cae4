//! Where PCI devices are.

use core::fmt;

/// A function of a device on a bus of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The segment.
    pub segment: u16,
    /// The bus.
    pub bus: u8,
    /// The device, below 32.
    pub device: u8,
    /// Its function, below 8.
    pub function: u8,
}

fn hex(text: &str, digits: core::ops::RangeInclusive<usize>) -> Option<u16> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hex && digits.contains(&text.len()))
        .then(|| u16::from_str_radix(text, 16).ok())
        .flatten()
}

impl Address {
    /// Reads `dddd:bb:dd.f`, in hexadecimal digits, where the segment may be left out.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, function) = text.rsplit_once('.')?;
        let (rest, device) = rest.rsplit_once(':')?;
        let (segment, bus) = rest.split_once(':').unwrap_or(("0", rest));
        let address = Address {
            segment: hex(segment, 1..=4)?,
            bus: hex(bus, 1..=2)? as u8,
            device: hex(device, 1..=2)? as u8,
            function: hex(function, 1..=1)? as u8,
        };
        (address.device < 32 && address.function < 8).then_some(address)
    }

    /// The first function of a slot on the only bus that there is.
    #[must_use]
    pub fn of_slot(slot: u8) -> Self {
        Address {
            segment: 0,
            bus: 0,
            device: slot,
            function: 0,
        }
    }

    /// The place of a register as the kernel names it; `None` where it cannot reach.
    #[must_use]
    pub fn place(self, register: u8) -> Option<u32> {
        let [bus, device, function] = [self.bus, self.device, self.function].map(u32::from);
        let place = bus << 16 | device << 11 | function << 8 | u32::from(register & !3);
        (self.segment == 0).then_some(place)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address {
            segment,
            bus,
            device,
            function,
        } = self;
        write!(f, "{segment:04x}:{bus:02x}:{device:02x}.{function}")
    }
}

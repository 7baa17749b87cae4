//! PCI devices that are given to a domain, as xl-pci-configuration(5) describes them.

use alloc::format;
use alloc::string::{String, ToString};

use super::keys::{parameter, valued};
use crate::pci::Address;

/// One entry of `pci`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pci {
    /// The device.
    pub address: Address,
}

/// Switches of xl that are off here.
const OFF: [&str; 4] = ["permissive", "msitranslate", "power_mgmt", "seize"];

impl Pci {
    /// Reads one entry: `[dddd:]bb:dd.f`, then `key=value` parameters.
    ///
    /// # Errors
    /// In words: what is not understood, or not served.
    pub fn parse(spec: &str) -> Result<Self, String> {
        let mut parts = spec.split(',');
        let first = parts.next().unwrap_or_default().trim();
        let (text, slot) = match first.split_once('@') {
            Some((text, slot)) => (text, Some(slot)),
            None => (first, None),
        };
        let address = Address::parse(text);
        let address = address.ok_or_else(|| {
            format!("`{text}` is no PCI device (for example: 00:04.0, or 0000:00:04.0)")
        })?;
        if slot.is_some() {
            return Err("the slot that the guest sees cannot be chosen".to_string());
        }
        for part in parts {
            let (key, value) = parameter(part);
            let value = valued(key, value)?;
            match (OFF.contains(&key), value.as_str()) {
                (true, "0") => {}
                (true, "1") => return Err(format!("`{key}` is not served")),
                (true, other) => return Err(format!("{key} is `{other}`: known are 0, 1")),
                (false, _) => return Err(format!("`{key}` is no parameter of a PCI device")),
            }
        }
        Ok(Pci { address })
    }

    /// The entry that [`Pci::parse`] reads as this.
    pub fn to_spec(&self) -> String {
        self.address.to_string()
    }
}

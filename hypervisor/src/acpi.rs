//! Where firmware's ACPI tables are found; what they say is read in the core.

use hypervisor_core::acpi::{self, Facts, Firmware};

use crate::boot::machine_bytes;
use crate::boot::multiboot::{BootInfo, Range};

struct Tables<'a> {
    map: &'a [Range],
}

/// Reads the tables.
///
/// # Errors
/// Why there are none.
pub(crate) fn read(boot: &BootInfo) -> Result<Facts, &'static str> {
    acpi::read(&Tables { map: &boot.map }, &boot.rsdp)
}

impl Firmware for Tables<'_> {
    fn bytes(&self, start: u64, len: u64) -> Option<&[u8]> {
        let end = start.checked_add(len)?;
        let holds = |r: &Range| r.start <= start && end <= r.start.saturating_add(r.len);
        if !self.map.iter().any(holds) {
            return None;
        }
        // SAFETY: head.S maps all below 4 GiB; firmware's tables are not written to while they are
        // read, and the result is not kept.
        unsafe { machine_bytes(start, len) }
    }

    fn low_bytes(&self, start: u64, len: u64) -> Option<&[u8]> {
        if start.checked_add(len)? > 1 << 20 {
            return None;
        }
        // SAFETY: memory or ROM, mapped by head.S, and not written to.
        unsafe { machine_bytes(start, len) }
    }
}

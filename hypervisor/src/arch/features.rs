//! Protections that processors have or have not.

use core::arch::asm;
use core::fmt;

use super::cpu::{self, cr0, cr4};
use super::guest_copy::SmapSite;

const SMAP_LEN: usize = 3;

unsafe extern "C" {
    static __smap_sites_start: SmapSite;
    static __smap_sites_end: SmapSite;
}

/// What CPUID says, of what the hypervisor switches on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Features {
    smep: bool,
    smap: bool,
    umip: bool,
    fsgsbase: bool,
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NX WP")?;
        for (has, name) in [
            (self.smep, "SMEP"),
            (self.smap, "SMAP"),
            (self.umip, "UMIP"),
            (self.fsgsbase, "FSGSBASE"),
        ] {
            if has {
                write!(f, " {name}")?;
            }
        }
        Ok(())
    }
}

impl Features {
    /// Asks the processor.
    pub(crate) fn detect() -> Self {
        let (_, b, c, _) = if cpu::cpuid(0, 0).0 >= 7 {
            cpu::cpuid(7, 0)
        } else {
            (0, 0, 0, 0)
        };
        Self {
            smep: b & 1 << 7 != 0,
            smap: b & 1 << 20 != 0,
            umip: c & 1 << 2 != 0,
            fsgsbase: b & 1 != 0,
        }
    }

    /// Puts `stac` and `clac` in their places, if there is SMAP.
    ///
    /// # Safety
    /// The image's code is mapped writable: head.S's tables are in force.
    pub(crate) unsafe fn patch(self) {
        if !self.smap {
            return;
        }
        let mut at = &raw const __smap_sites_start;
        while at < &raw const __smap_sites_end {
            // SAFETY: between the table's bounds, which the linker script sets.
            let row = unsafe { &*at };
            let site = (at as u64).wrapping_add_signed(i64::from(row.site)) as *mut u8;
            // SAFETY: three bytes of code that nobody runs now, writable by the caller's word.
            unsafe {
                core::ptr::copy_nonoverlapping((&raw const row.bytes).cast(), site, SMAP_LEN)
            };
            at = at.wrapping_add(1);
        }
    }

    /// Switches the protections on.
    ///
    /// # Safety
    /// The final page tables are in force.
    pub(crate) unsafe fn enable(self) {
        // Not PGE: guests' user mappings have the global bit, as the ABI shows it to them, and must
        // all the same be forgotten when another root is loaded.
        let mut value = cr4::PAE | cr4::MCE | cr4::OSFXSR | cr4::OSXMMEXCPT;
        for (has, bit) in [
            (self.smep, cr4::SMEP),
            (self.smap, cr4::SMAP),
            (self.umip, cr4::UMIP),
            (self.fsgsbase, cr4::FSGSBASE),
        ] {
            if has {
                value |= bit;
            }
        }
        // SAFETY: bits that the processor has; the hypervisor does not run or read guests' pages
        // but in guest_copy.
        unsafe { cpu::write_cr4(value) };
        let wanted = cpu::read_cr0() | cr0::WP;
        // SAFETY: the hypervisor writes to no read-only page.
        unsafe { cpu::write_cr0(wanted) };
        // SAFETY: clears AC: guests' pages are closed.
        unsafe { asm!("push 2", "popfq") };
    }
}

/// First frame number that the processor cannot address.
pub(crate) fn frame_limit() -> u64 {
    let bits = if cpu::cpuid(0x8000_0000, 0).0 >= 0x8000_0008 {
        cpu::cpuid(0x8000_0008, 0).0 & 0xff
    } else {
        36
    };
    1 << (bits.clamp(32, 52) - 12)
}

/// The processor's name.
pub(crate) fn brand() -> arrayvec::ArrayString<48> {
    let mut name = arrayvec::ArrayString::new();
    if cpu::cpuid(0x8000_0000, 0).0 < 0x8000_0004 {
        return name;
    }
    for leaf in 0x8000_0002..=0x8000_0004 {
        let (a, b, c, d) = cpu::cpuid(leaf, 0);
        for byte in [a, b, c, d].iter().flat_map(|r| r.to_le_bytes()) {
            if byte.is_ascii_graphic() || byte == b' ' {
                name.push(char::from(byte));
            }
        }
    }
    name
}

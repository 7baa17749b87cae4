//! The few facts that the hypervisor takes from ACPI: CPUs, interrupt routing, clocks, and how to end
//! and restart the machine (ACPI specification, chapter 5). Tables are firmware's claims: every length is
//! checked, every checksum too, and what is malformed is as good as not there.

#[cfg(test)]
mod tests;

use arrayvec::ArrayVec;

use crate::bytes::{u8_at, u16_at, u32_at, u64_at};
use crate::frame::tlb::MAX_CPUS;

/// Most I/O APICs that are used.
pub const MAX_IO_APICS: usize = 8;
/// ISA interrupts.
const ISA_LINES: usize = 16;
/// Largest table that is believed, bytes.
const MAX_TABLE: u32 = 1 << 20;
const HEADER: usize = 36;

/// How an ISA interrupt reaches the IOAPIC.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Global interrupt number.
    pub gsi: u32,
    /// Active low.
    pub low: bool,
    /// Level-triggered.
    pub level: bool,
}

/// What to write to sleep for good (S5).
#[derive(Clone, Copy, Debug)]
pub struct SoftOff {
    /// PM1a and PM1b control ports; 0 = none.
    pub control: [u16; 2],
    /// SLP_TYP of each.
    pub sleep_type: [u8; 2],
    /// Port and value that switch ACPI on, if it is not.
    pub enable: (u16, u8),
}

/// What to write to restart.
#[derive(Clone, Copy, Debug)]
pub struct ResetPort {
    /// I/O port.
    pub port: u16,
    /// Value.
    pub value: u8,
}

/// Everything found.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// APIC ids of enabled CPUs.
    pub cpus: ArrayVec<u32, MAX_CPUS>,
    /// Enabled CPUs that are too many.
    pub cpus_lost: u32,
    /// Machine addresses and first interrupts of the I/O APICs.
    pub ioapics: ArrayVec<(u64, u32), MAX_IO_APICS>,
    /// Where ISA interrupts arrive that do not arrive where they usually do.
    pub overrides: ArrayVec<(u8, Route), ISA_LINES>,
    /// Machine address of the high-precision event timer's registers.
    pub hpet: Option<u64>,
    /// Port of the 3.579545 MHz counter, and whether it has 32 bits (else 24).
    pub pm_timer: Option<(u16, bool)>,
    /// Powering off.
    pub soft_off: Option<SoftOff>,
    /// Restarting.
    pub reset: Option<ResetPort>,
}

/// Where the tables are.
pub trait Firmware {
    /// Bytes at machine address `start` that the firmware's memory map names; other addresses may be
    /// devices.
    fn bytes(&self, start: u64, len: u64) -> Option<&[u8]>;
    /// Bytes of the first MiB, which is memory or ROM.
    fn low_bytes(&self, start: u64, len: u64) -> Option<&[u8]>;
}

/// Reads the tables; `given` is a copy of the root pointer if the loader handed one over.
///
/// # Errors
/// Why there are none.
pub fn read<F: Firmware>(firmware: &F, given: &[u8]) -> Result<Facts, &'static str> {
    let tables = Tables(firmware);
    let roots = tables.root(given).ok_or("no ACPI root pointer")?;
    let (list, entry_size) = tables.list(roots).ok_or("malformed ACPI root table")?;
    let mut facts = Facts::default();
    for entry in list.get(HEADER..).unwrap_or(&[]).chunks_exact(entry_size) {
        let address = if entry_size == 8 {
            u64_at(entry, 0)
        } else {
            u32_at(entry, 0).map(u64::from)
        };
        let Some(table) = address.and_then(|at| tables.table(at)) else {
            continue;
        };
        match table.get(..4) {
            Some(b"APIC") => facts.read_madt(table),
            Some(b"FACP") => facts.read_fadt(table, &tables),
            Some(b"HPET") => facts.read_hpet(table),
            _ => {}
        }
    }
    Ok(facts)
}

#[inline(never)]
fn checksum(bytes: &[u8]) -> bool {
    bytes.iter().fold(0_u8, |sum, &b| sum.wrapping_add(b)) == 0
}

struct Tables<'a, F>(&'a F);

impl<'a, F: Firmware> Tables<'a, F> {
    #[inline(never)]
    fn table(&self, at: u64) -> Option<&'a [u8]> {
        let len = u32_at(self.0.bytes(at, HEADER as u64)?, 4)?;
        if !(HEADER as u32..=MAX_TABLE).contains(&len) {
            return None;
        }
        self.0.bytes(at, u64::from(len)).filter(|t| checksum(t))
    }

    /// Addresses of RSDT and XSDT (0 = none).
    fn root(&self, given: &[u8]) -> Option<(u32, u64)> {
        if let Some(found) = root_pointer(given) {
            return Some(found);
        }
        let ebda = self.0.low_bytes(0x40e, 2).and_then(|b| u16_at(b, 0))?;
        let areas = [(u64::from(ebda) << 4, 1024), (0xe_0000, 0x2_0000)];
        areas.iter().find_map(|&(start, len)| {
            if !(0x400..0x10_0000).contains(&start) {
                return None;
            }
            let area = self.0.low_bytes(start, len)?;
            (0..area.len())
                .step_by(16)
                .find_map(|at| root_pointer(&area[at..]))
        })
    }

    /// The root table and the size of its entries.
    fn list(&self, (rsdt, xsdt): (u32, u64)) -> Option<(&'a [u8], usize)> {
        if xsdt != 0
            && let Some(table) = self.table(xsdt)
        {
            return Some((table, 8));
        }
        self.table(u64::from(rsdt)).map(|table| (table, 4))
    }
}

/// What the root pointer at the begin of `bytes` leads to, if it is one.
#[inline(never)]
fn root_pointer(bytes: &[u8]) -> Option<(u32, u64)> {
    if bytes.get(..8)? != b"RSD PTR " || !checksum(bytes.get(..20)?) {
        return None;
    }
    let extended = u8_at(bytes, 15)? >= 2 && bytes.get(..36).is_some_and(checksum);
    let xsdt = if extended { u64_at(bytes, 24)? } else { 0 };
    Some((u32_at(bytes, 16)?, xsdt))
}

impl Facts {
    fn read_madt(&mut self, table: &[u8]) {
        let mut at = 44;
        while let (Some(kind), Some(len)) = (u8_at(table, at), u8_at(table, at + 1)) {
            let Some(entry) = table.get(at..at + usize::from(len)).filter(|_| len >= 2) else {
                break;
            };
            match kind {
                // Local APIC, and local x2APIC: id and flags.
                0 => self.add_cpu(u8_at(entry, 3).map(u32::from), u32_at(entry, 4)),
                9 => self.add_cpu(u32_at(entry, 4), u32_at(entry, 8)),
                1 => {
                    if let (Some(address), Some(first)) = (u32_at(entry, 4), u32_at(entry, 8)) {
                        let _ = self.ioapics.try_push((u64::from(address), first));
                    }
                }
                // Interrupt source override.
                2 => {
                    let number = u8_at(entry, 3).filter(|&isa| usize::from(isa) < ISA_LINES);
                    if let (Some(isa), Some(gsi), Some(flags)) =
                        (number, u32_at(entry, 4), u16_at(entry, 8))
                    {
                        let route = Route {
                            gsi,
                            low: flags & 3 == 3,
                            level: flags >> 2 & 3 == 3,
                        };
                        let _ = self.overrides.try_push((isa, route));
                    }
                }
                _ => {}
            }
            at += usize::from(len);
        }
    }

    /// Where ISA interrupt `isa` arrives.
    pub fn isa_route(&self, isa: u8) -> Route {
        let mut overrides = self.overrides.iter();
        let found = overrides.find(|(number, _)| *number == isa);
        found.map_or(
            Route {
                gsi: u32::from(isa),
                low: false,
                level: false,
            },
            |(_, route)| *route,
        )
    }

    /// Adds the CPU with APIC id `id` if bit 0 of `flags` says that it is enabled.
    fn add_cpu(&mut self, id: Option<u32>, flags: Option<u32>) {
        let (Some(id), Some(flags)) = (id, flags) else {
            return;
        };
        if flags & 1 != 0 && !self.cpus.contains(&id) && self.cpus.try_push(id).is_err() {
            self.cpus_lost += 1;
        }
    }

    fn read_hpet(&mut self, table: &[u8]) {
        // Its registers are in memory (address space 0).
        if u8_at(table, 40) == Some(0) {
            self.hpet = u64_at(table, 44).filter(|&at| at != 0 && at.is_multiple_of(4096));
        }
    }

    fn read_fadt<F: Firmware>(&mut self, table: &[u8], tables: &Tables<'_, F>) {
        let port = |at| {
            u32_at(table, at)
                .and_then(|p| u16::try_from(p).ok())
                .unwrap_or(0)
        };
        let flags = u32_at(table, 112).unwrap_or(0);
        if port(76) != 0 && u8_at(table, 91) == Some(4) {
            self.pm_timer = Some((port(76), flags & 1 << 8 != 0));
        }
        // RESET_REG is a port where the flags say that it is there and its space is I/O (1).
        if flags & 1 << 10 != 0 && u8_at(table, 116) == Some(1) {
            let port = u64_at(table, 120).and_then(|p| u16::try_from(p).ok());
            if let (Some(port), Some(value)) = (port, u8_at(table, 128)) {
                self.reset = Some(ResetPort { port, value });
            }
        }
        let dsdt = u32_at(table, 40).and_then(|at| tables.table(u64::from(at)));
        if let Some(sleep_type) = dsdt.and_then(soft_off_type)
            && port(64) != 0
        {
            self.soft_off = Some(SoftOff {
                control: [port(64), port(68)],
                sleep_type,
                enable: (port(48), u8_at(table, 52).unwrap_or(0)),
            });
        }
    }
}

/// The two sleep types of the package `_S5_` in AML: `Name (_S5_, Package () { a, b, … })`.
fn soft_off_type(aml: &[u8]) -> Option<[u8; 2]> {
    const PACKAGE: u8 = 0x12;
    let name = aml
        .windows(5)
        .position(|w| w[0] != 0 && &w[1..] == b"_S5_")?
        + 5;
    let mut rest = aml.get(name..)?;
    rest = rest.strip_prefix(&[PACKAGE])?;
    // Package length: bits 7-6 of the first byte say how many bytes follow it; then the count.
    let skip = 1 + usize::from(*rest.first()? >> 6) + 1;
    rest = rest.get(skip..)?;
    let mut types = [0; 2];
    for slot in &mut types {
        let (value, used) = match *rest.first()? {
            // ZeroOp, OneOp, BytePrefix.
            small @ (0 | 1) => (small, 1),
            0x0a => (*rest.get(1)?, 2),
            _ => return None,
        };
        *slot = value & 7;
        rest = rest.get(used..)?;
    }
    Some(types)
}

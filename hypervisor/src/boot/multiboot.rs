//! What the boot loader says: multiboot 1 and multiboot 2 information, copied out of memory that
//! will soon be used otherwise. The loader is trusted no further than its offsets reach.

use arrayvec::{ArrayString, ArrayVec};
use hypervisor_core::bytes::{u16_at, u32_at, u64_at, until_nul};
use hypervisor_core::hypervisor::CommandLine;

use super::machine_bytes;

const MB1_BOOTLOADER_MAGIC: u32 = 0x2bad_b002;
const MB2_BOOTLOADER_MAGIC: u32 = 0x36d7_6289;
/// Longest string or table that is looked at, bytes.
const MAX_TABLE: u64 = 1 << 16;

/// Type of usable memory in the firmware's memory map.
pub(crate) const RAM: u32 = 1;

/// A range of the firmware's memory map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    /// First machine address.
    pub(crate) start: u64,
    /// Length, bytes.
    pub(crate) len: u64,
    /// Type (1 memory, 2 reserved, 3 ACPI tables, 4 ACPI NVS).
    pub(crate) kind: u32,
}

/// A boot module.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    /// First machine address.
    pub(crate) start: u64,
    /// First machine address behind it.
    pub(crate) end: u64,
    /// Its string, without the first word (a file name).
    pub(crate) arguments: CommandLine,
}

/// Everything taken from the boot loader.
#[derive(Default)]
pub(crate) struct BootInfo {
    /// Command line without its first word (the image's name).
    pub(crate) command_line: CommandLine,
    /// The firmware's memory map.
    pub(crate) map: ArrayVec<Range, 64>,
    /// Ranges that did not fit.
    pub(crate) ranges_lost: usize,
    /// Modules in the loader's order.
    pub(crate) modules: ArrayVec<Module, 8>,
    /// Modules that did not fit.
    pub(crate) modules_lost: usize,
    /// A copy of the ACPI root pointer, if the loader hands one over.
    pub(crate) rsdp: ArrayVec<u8, 36>,
    /// "multiboot 1" or "multiboot 2".
    pub(crate) protocol: &'static str,
}

/// Reads the information at machine address `info` that came with `magic`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn read(magic: u32, info: u32) -> Result<BootInfo, &'static str> {
    let mut boot = BootInfo::default();
    match magic {
        MB1_BOOTLOADER_MAGIC => {
            boot.protocol = "multiboot 1";
            boot.read_v1(u64::from(info))
                .ok_or("truncated multiboot 1 information")?;
        }
        MB2_BOOTLOADER_MAGIC => {
            boot.protocol = "multiboot 2";
            boot.read_v2(u64::from(info))
                .ok_or("truncated multiboot 2 information")?;
        }
        _ => return Err("not started by a multiboot loader"),
    }
    if boot.map.iter().all(|r| r.kind != RAM) {
        return Err("the boot loader gave no memory map");
    }
    Ok(boot)
}

fn loader_bytes(start: u64, len: u64) -> Option<&'static [u8]> {
    // SAFETY: the loader's tables lie in memory below 4 GiB that head.S mapped, outside the image,
    // and nothing has been written outside the image yet.
    unsafe { machine_bytes(start, len) }
}

fn loader_string(start: u32) -> Option<&'static [u8]> {
    let room = (super::FIRST_MAP - u64::from(start)).min(MAX_TABLE);
    Some(until_nul(loader_bytes(u64::from(start), room)?))
}

/// A command line without its first word; cut where it is too long, other bytes than printable
/// ASCII replaced.
fn command_line(bytes: &[u8]) -> CommandLine {
    let mut line = ArrayString::new();
    for &byte in hypervisor_core::cmdline::without_image_name(bytes) {
        let shown = if (0x20..0x7f).contains(&byte) {
            byte
        } else {
            b' '
        };
        if line.try_push(char::from(shown)).is_err() {
            break;
        }
    }
    line
}

impl BootInfo {
    fn add_range(&mut self, start: u64, len: u64, kind: u32) {
        if self.map.try_push(Range { start, len, kind }).is_err() {
            self.ranges_lost += 1;
        }
    }

    fn add_module(&mut self, start: u32, end: u32, string: &[u8]) {
        let module = Module {
            start: u64::from(start),
            end: u64::from(end),
            arguments: command_line(string),
        };
        if self.modules.try_push(module).is_err() {
            self.modules_lost += 1;
        }
    }

    fn read_v1(&mut self, info: u64) -> Option<()> {
        let head = loader_bytes(info, 116)?;
        let flags = u32_at(head, 0)?;
        if flags & 1 << 2 != 0 {
            self.command_line = command_line(loader_string(u32_at(head, 16)?)?);
        }
        if flags & 1 << 3 != 0 {
            let count = u32_at(head, 20)?;
            let table = loader_bytes(u64::from(u32_at(head, 24)?), u64::from(count) * 16)?;
            for entry in table.chunks_exact(16) {
                let string = match u32_at(entry, 8)? {
                    0 => &[][..],
                    at => loader_string(at)?,
                };
                self.add_module(u32_at(entry, 0)?, u32_at(entry, 4)?, string);
            }
        }
        if flags & 1 << 6 != 0 {
            let len = u64::from(u32_at(head, 44)?).min(MAX_TABLE);
            let table = loader_bytes(u64::from(u32_at(head, 48)?), len)?;
            let mut at = 0;
            while at + 24 <= table.len() {
                let size = u32_at(table, at)? as usize;
                self.add_range(
                    u64_at(table, at + 4)?,
                    u64_at(table, at + 12)?,
                    u32_at(table, at + 20)?,
                );
                at = at.checked_add(size)?.checked_add(4)?;
            }
        }
        Some(())
    }

    fn read_v2(&mut self, info: u64) -> Option<()> {
        let total = u64::from(u32_at(loader_bytes(info, 8)?, 0)?).min(4 * MAX_TABLE);
        let all = loader_bytes(info, total)?;
        let mut at = 8;
        loop {
            let kind = u32_at(all, at)?;
            let size = u32_at(all, at + 4)? as usize;
            let tag = all.get(at..at.checked_add(size.max(8))?)?;
            match kind {
                0 => return Some(()),
                1 => self.command_line = command_line(until_nul(tag.get(8..)?)),
                3 => self.add_module(u32_at(tag, 8)?, u32_at(tag, 12)?, until_nul(tag.get(16..)?)),
                6 => self.read_v2_map(tag)?,
                // ACPI 1.0 and 2.0 root pointers: the newer one wins, whatever the order.
                14 | 15 if tag.len() - 8 >= self.rsdp.len() => {
                    let copy = &tag[8..tag.len().min(8 + self.rsdp.capacity())];
                    self.rsdp = copy.iter().copied().collect();
                }
                _ => {}
            }
            at = at.checked_add(size.max(8))?.checked_next_multiple_of(8)?;
        }
    }

    fn read_v2_map(&mut self, tag: &[u8]) -> Option<()> {
        let entry_size = usize::from(u16_at(tag, 8)?);
        if entry_size < 24 {
            return None;
        }
        for entry in tag.get(16..)?.chunks_exact(entry_size) {
            self.add_range(u64_at(entry, 0)?, u64_at(entry, 8)?, u32_at(entry, 16)?);
        }
        Some(())
    }
}

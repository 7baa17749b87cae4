//! Where everything is in the hypervisor's part of the address space.
//!
//! ```text
//! slot  address
//! 256   ffff_8000_0000_0000  machine-to-phys table; guests may read it, nobody may write it here
//! 261   ffff_8280_0000_0000  the hypervisor's own memory at its machine address + this: frame
//!                            table, heap, page tables; not executable
//! 262   ffff_8300_0000_0000  direct map of all other memory, writable, not executable: guests'
//!  ..                        frames and free ones, never the hypervisor's (8 slots, 4 TiB)
//! 270   ffff_8700_0000_0000  CPU windows, 256 KiB each; behind them the interrupt descriptor table
//!                            (read-only) and device registers
//! 271   ffff_8780_0000_0000  the image at its load address + this
//! ```
//!
//! One CPU window, in pages:
//!
//! ```text
//!  0- 1  the CPU's own data, what GS points to     16-29  the guest's GDT pages
//!  3     #DF stack                                 30     the hypervisor's descriptors
//!  5     NMI stack                                 32-47  the guest's LDT pages
//!  7     #MC stack                                 50-57  the stack
//!  9     #DB stack                                 others not mapped: stacks end in guard pages
//! 11     stack of entries, with `xpti`
//! ```
//!
//! With `xpti`, what a guest's page tables show while it runs is slot 256, of slot 270 the interrupt table
//! and of each window the pages 0 to 47 but for 1, and of slot 271 the page of .text.isolated.

/// Bytes in a page, as an address.
pub(crate) const PAGE: u64 = 4096;
/// Bytes that one L4 slot spans.
const SLOT: u64 = 1 << 39;
const START: u64 = hypervisor_core::addr::HYPERVISOR_START;

/// The machine-to-phys table as guests see it (`__MACH2PHYS_VIRT_START`).
pub(crate) const M2P: u64 = START;
/// L4 slot of the direct map's first byte.
pub(crate) const DIRECT_MAP_SLOT: u64 = 262;
/// Where machine address 0 is seen.
pub(crate) const DIRECT_MAP: u64 = START + (DIRECT_MAP_SLOT - 256) * SLOT;
/// End of the direct map: memory beyond is not used.
pub(crate) const DIRECT_MAP_SIZE: u64 = 8 * SLOT;
/// The hypervisor's own memory at its machine address plus this.
pub(crate) const OWN: u64 = START + 5 * SLOT;
/// CPU windows.
pub(crate) const CPU_WINDOWS: u64 = START + 14 * SLOT;
/// Size of one CPU window; a power of two, windows are aligned to it.
pub(crate) const CPU_WINDOW_SIZE: u64 = 64 * PAGE;
/// The interrupt descriptor table, read-only.
pub(crate) const IDT: u64 = CPU_WINDOWS + (1 << 29);
/// Device registers.
pub(crate) const DEVICES: u64 = CPU_WINDOWS + (1 << 30);
/// L4 slot of the image.
pub(crate) const IMAGE_SLOT: u64 = 271;
/// The image's addresses minus its load addresses (as in paravane.ld).
pub(crate) const IMAGE_OFFSET: u64 = START + (IMAGE_SLOT - 256) * SLOT;

/// Pages of a CPU window, counted from its start.
pub(crate) mod window {
    /// The CPU's own data.
    pub(crate) const DATA: u64 = 0;
    /// Pages of the CPU's own data.
    pub(crate) const DATA_PAGES: u64 = 2;
    /// One-page stacks: #DF, NMI, #MC, #DB, in the order of their IST numbers.
    pub(crate) const IST: [u64; 4] = [3, 5, 7, 9];
    /// A one-page stack: entries, with `xpti`.
    pub(crate) const ENTRY_STACK: u64 = 11;
    /// The guest's GDT pages.
    pub(crate) const GDT: u64 = 16;
    /// The hypervisor's descriptors, behind `FIRST_RESERVED_GDT_PAGE` (arch-x86/xen.h) guest pages.
    pub(crate) const GDT_OWN: u64 = GDT + 14;
    /// The guest's LDT pages.
    pub(crate) const LDT: u64 = 32;
    /// LDT pages.
    pub(crate) const LDT_PAGES: u64 = 16;
    /// The stack.
    pub(crate) const STACK: u64 = 50;
    /// Pages of the stack.
    pub(crate) const STACK_PAGES: u64 = 8;
}

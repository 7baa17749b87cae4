//! `xen/elfnote.h`: types of the ELF notes (owner name `Xen`) by which a kernel image tells its
//! loader what it is. Numeric notes are 4 or 8 bytes long, strings end in NUL.

/// String: `NAME=VALUE`.
pub const XEN_ELFNOTE_INFO: i64 = 0;
/// Number: virtual address of the entry point.
pub const XEN_ELFNOTE_ENTRY: i64 = 1;
/// Number: virtual address of the page to fill with hypercall stubs.
pub const XEN_ELFNOTE_HYPERCALL_PAGE: i64 = 2;
/// Number: virtual address at which pseudo-physical address 0 is mapped; default 0.
pub const XEN_ELFNOTE_VIRT_BASE: i64 = 3;
/// Number: what to subtract from the program headers' physical addresses; default 0.
pub const XEN_ELFNOTE_PADDR_OFFSET: i64 = 4;
/// String: `xen-3.0`.
pub const XEN_ELFNOTE_XEN_VERSION: i64 = 5;
/// String: name of the kernel.
pub const XEN_ELFNOTE_GUEST_OS: i64 = 6;
/// String: version of the kernel.
pub const XEN_ELFNOTE_GUEST_VERSION: i64 = 7;
/// String: `generic`.
pub const XEN_ELFNOTE_LOADER: i64 = 8;
/// String, 32-bit kernels: `yes`, `no` or `bimodal`.
pub const XEN_ELFNOTE_PAE_MODE: i64 = 9;
/// String: features supported, separated by `|`; `!` before those required.
pub const XEN_ELFNOTE_FEATURES: i64 = 10;
/// String: `yes` to have the symbol table loaded.
pub const XEN_ELFNOTE_BSD_SYMTAB: i64 = 11;
/// Number: lowest address at which the hypervisor's range may begin.
pub const XEN_ELFNOTE_HV_START_LOW: i64 = 12;
/// Pairs of mask and value: which non-present L1 entries hold frame numbers.
pub const XEN_ELFNOTE_L1_MFN_VALID: i64 = 13;
/// Number: 1 if a suspend may be cancelled.
pub const XEN_ELFNOTE_SUSPEND_CANCEL: i64 = 14;
/// Number: virtual address at which the initial P2M is mapped.
pub const XEN_ELFNOTE_INIT_P2M: i64 = 15;
/// Number: 1 if the ramdisk need not be mapped.
pub const XEN_ELFNOTE_MOD_START_PFN: i64 = 16;
/// Number: bits of the features supported.
pub const XEN_ELFNOTE_SUPPORTED_FEATURES: i64 = 17;
/// Number: physical address of a 32-bit entry point (PVH).
pub const XEN_ELFNOTE_PHYS32_ENTRY: i64 = 18;
/// The highest type of a note in a kernel image; those below are in dumps.
pub const XEN_ELFNOTE_MAX: i64 = XEN_ELFNOTE_PHYS32_ENTRY;
/// Crash dump: what the hypervisor tells of itself.
pub const XEN_ELFNOTE_CRASH_INFO: i64 = 0x1000001;
/// Crash dump, one per CPU: control registers, which `CORE` notes leave out.
pub const XEN_ELFNOTE_CRASH_REGS: i64 = 0x1000002;
/// Domain dump: marks the file as one; empty.
pub const XEN_ELFNOTE_DUMPCORE_NONE: i64 = 0x2000000;
/// Domain dump: magic, numbers of vCPUs and pages, page size.
pub const XEN_ELFNOTE_DUMPCORE_HEADER: i64 = 0x2000001;
/// Domain dump: the hypervisor's version, as `xen_version` told it.
pub const XEN_ELFNOTE_DUMPCORE_XEN_VERSION: i64 = 0x2000002;
/// Domain dump: version of the dump's format.
pub const XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION: i64 = 0x2000003;

//! `xen/elfnote.h`.

/// NAME=VALUE pair (string).
pub const XEN_ELFNOTE_INFO: i64 = 0;
/// The virtual address of the entry point (numeric).
pub const XEN_ELFNOTE_ENTRY: i64 = 1;
/// The virtual address of the hypercall transfer page (numeric).
pub const XEN_ELFNOTE_HYPERCALL_PAGE: i64 = 2;
/// The virtual address where the kernel image should be mapped (numeric).
pub const XEN_ELFNOTE_VIRT_BASE: i64 = 3;
/// The offset of the ELF paddr field from the actual required pseudo-physical address
/// (numeric).
pub const XEN_ELFNOTE_PADDR_OFFSET: i64 = 4;
/// The version of Xen that we work with (string).
pub const XEN_ELFNOTE_XEN_VERSION: i64 = 5;
/// The name of the guest operating system (string).
pub const XEN_ELFNOTE_GUEST_OS: i64 = 6;
/// The version of the guest operating system (string).
pub const XEN_ELFNOTE_GUEST_VERSION: i64 = 7;
/// The loader type (string).
pub const XEN_ELFNOTE_LOADER: i64 = 8;
/// The kernel supports PAE (x86/32 only, string = "yes", "no" or "bimodal").
pub const XEN_ELFNOTE_PAE_MODE: i64 = 9;
/// The features supported/required by this kernel (string).
pub const XEN_ELFNOTE_FEATURES: i64 = 10;
/// The kernel requires the symbol table to be loaded (string = "yes" or "no") LEGACY:
/// BSD_SYMTAB (n.b.
pub const XEN_ELFNOTE_BSD_SYMTAB: i64 = 11;
/// The lowest address the hypervisor hole can begin at (numeric).
pub const XEN_ELFNOTE_HV_START_LOW: i64 = 12;
/// List of maddr_t-sized mask/value pairs describing how to recognize (non-present) L1 page
/// table entries carrying valid MFNs (numeric).
pub const XEN_ELFNOTE_L1_MFN_VALID: i64 = 13;
/// Whether or not the guest supports cooperative suspend cancellation.
pub const XEN_ELFNOTE_SUSPEND_CANCEL: i64 = 14;
/// The (non-default) location the initial phys-to-machine map should be placed at by the
/// hypervisor (Dom0) or the tools (DomU).
pub const XEN_ELFNOTE_INIT_P2M: i64 = 15;
/// Whether or not the guest can deal with being passed an initrd not mapped through its initial
/// page tables.
pub const XEN_ELFNOTE_MOD_START_PFN: i64 = 16;
/// The features supported by this kernel (numeric).
pub const XEN_ELFNOTE_SUPPORTED_FEATURES: i64 = 17;
/// Physical entry point into the kernel. 32bit entry point into the kernel.
pub const XEN_ELFNOTE_PHYS32_ENTRY: i64 = 18;
/// The number of the highest elfnote defined.
pub const XEN_ELFNOTE_MAX: i64 = XEN_ELFNOTE_PHYS32_ENTRY;
/// System information exported through crash notes.
pub const XEN_ELFNOTE_CRASH_INFO: i64 = 0x1000001;
/// System registers exported through crash notes.
pub const XEN_ELFNOTE_CRASH_REGS: i64 = 0x1000002;
/// xen dump-core none note. xm dump-core code will create one XEN_ELFNOTE_DUMPCORE_NONE in its
/// dump file to indicate that the file is xen dump-core file.
pub const XEN_ELFNOTE_DUMPCORE_NONE: i64 = 0x2000000;
/// xen dump-core header note. xm dump-core code will create one XEN_ELFNOTE_DUMPCORE_HEADER in
/// its dump file.
pub const XEN_ELFNOTE_DUMPCORE_HEADER: i64 = 0x2000001;
/// xen dump-core xen version note. xm dump-core code will create one
/// XEN_ELFNOTE_DUMPCORE_XEN_VERSION in its dump file.
pub const XEN_ELFNOTE_DUMPCORE_XEN_VERSION: i64 = 0x2000002;
/// xen dump-core format version note. xm dump-core code will create one
/// XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION in its dump file.
pub const XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION: i64 = 0x2000003;

//! `xen/platform.h`: arguments of `platform_op`, for the hardware domain's kernel.

mod efi;
mod power;

pub use self::efi::*;
pub use self::power::*;

use crate::arch_x86_64::xen_pfn_t;
use crate::xen::guest_handle;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The version that [`xen_platform_op::interface_version`] must have.
pub const XENPF_INTERFACE_VERSION: u32 = 0x0300_0001;
/// Sets the wallclock, with seconds that end in 2106, argument [`xenpf_settime32`].
pub const XENPF_settime32: u32 = 17;

/// Argument of [`XENPF_settime32`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_settime32 {
    /// IN: seconds since 1970.
    pub secs: u32,
    /// IN: nanoseconds of the second.
    pub nsecs: u32,
    /// IN: system time (ns) at which the wallclock stood there.
    pub system_time: u64,
}
const _: () = assert!(size_of::<xenpf_settime32>() == 16);

/// Sets the wallclock, argument [`xenpf_settime64`].
pub const XENPF_settime64: u32 = 62;

/// Argument of [`XENPF_settime64`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_settime64 {
    /// IN: seconds since 1970.
    pub secs: u64,
    /// IN: nanoseconds of the second.
    pub nsecs: u32,
    /// IN: must be zero.
    pub mbz: u32,
    /// IN: system time (ns) at which the wallclock stood there.
    pub system_time: u64,
}
const _: () = assert!(size_of::<xenpf_settime64>() == 24);

/// The form in use since Xen 4.6.
pub const XENPF_settime: u32 = XENPF_settime64;
/// Gives a range of memory a cache type in the MTRRs, argument [`xenpf_add_memtype`].
pub const XENPF_add_memtype: u32 = 31;

/// Argument of [`XENPF_add_memtype`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_add_memtype {
    /// IN: first frame of the range.
    pub mfn: xen_pfn_t,
    /// IN: its length in frames.
    pub nr_mfns: u64,
    /// IN: type as in MTRRs: 0 UC, 1 WC, 4 WT, 5 WP, 6 WB.
    pub r#type: u32,
    /// OUT: names this setting in [`XENPF_del_memtype`].
    pub handle: u32,
    /// OUT: number of the MTRR taken.
    pub reg: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xenpf_add_memtype>() == 32);

/// Undoes [`XENPF_add_memtype`], argument [`xenpf_del_memtype`].
pub const XENPF_del_memtype: u32 = 32;

/// Argument of [`XENPF_del_memtype`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_del_memtype {
    /// IN: what the setting was named, so that an overlapping one is not hit; 0 if unknown.
    pub handle: u32,
    /// IN: number of the MTRR.
    pub reg: u32,
}
const _: () = assert!(size_of::<xenpf_del_memtype>() == 8);

/// Reads a variable-range MTRR, argument [`xenpf_read_memtype`].
pub const XENPF_read_memtype: u32 = 33;

/// Argument of [`XENPF_read_memtype`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_read_memtype {
    /// IN: number of the MTRR.
    pub reg: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// OUT: first frame of its range.
    pub mfn: xen_pfn_t,
    /// OUT: its length in frames; 0 if the MTRR is not in use.
    pub nr_mfns: u64,
    /// OUT: type as in [`xenpf_add_memtype::type`](xenpf_add_memtype#structfield.type).
    pub r#type: u32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xenpf_read_memtype>() == 32);

/// Loads processor microcode on all CPUs, argument [`xenpf_microcode_update`].
pub const XENPF_microcode_update: u32 = 35;

/// Argument of [`XENPF_microcode_update`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_microcode_update {
    /// IN: the vendor's container of updates.
    pub data: guest_handle,
    /// IN: its length in bytes.
    pub length: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xenpf_microcode_update>() == 16);

/// Reports a fault of the chipset that dom0 knows of, argument [`xenpf_platform_quirk`].
pub const XENPF_platform_quirk: u32 = 39;
/// Interrupts must not be moved from one CPU to another.
pub const QUIRK_NOIRQBALANCING: u32 = 1;
/// The I/O APIC forgets which register was selected: select it before each access.
pub const QUIRK_IOAPIC_BAD_REGSEL: u32 = 2;
/// The I/O APIC keeps its register selection.
pub const QUIRK_IOAPIC_GOOD_REGSEL: u32 = 3;

/// Argument of [`XENPF_platform_quirk`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_platform_quirk {
    /// IN: `QUIRK_*`.
    pub quirk_id: u32,
}
const _: () = assert!(size_of::<xenpf_platform_quirk>() == 4);

/// Calls an EFI runtime service, argument [`xenpf_efi_runtime_call`].
pub const XENPF_efi_runtime_call: u32 = 49;
/// Reads what firmware told the hypervisor at boot, argument [`xenpf_firmware_info`].
pub const XENPF_firmware_info: u32 = 50;
/// Puts the machine to sleep or off, argument [`xenpf_enter_acpi_sleep`].
pub const XENPF_enter_acpi_sleep: u32 = 51;
/// Reports that dom0 changed a CPU's frequency, argument [`xenpf_change_freq`].
pub const XENPF_change_freq: u32 = 52;
/// Reads how long CPUs were idle, argument [`xenpf_getidletime`].
pub const XENPF_getidletime: u32 = 53;
/// Passes on what ACPI's namespace says of a processor's power states, argument
/// [`xenpf_set_processor_pminfo`].
pub const XENPF_set_processor_pminfo: u32 = 54;
/// Reads the identity and state of a CPU, argument [`xenpf_pcpuinfo`].
pub const XENPF_get_cpuinfo: u32 = 55;

/// Argument of [`XENPF_get_cpuinfo`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_pcpuinfo {
    /// IN: number of the CPU.
    pub xen_cpuid: u32,
    /// OUT: the highest number of a CPU that is present.
    pub max_present: u32,
    /// OUT: `XEN_PCPU_FLAGS_*`.
    pub flags: u32,
    /// OUT: its local APIC ID.
    pub apic_id: u32,
    /// OUT: its ACPI processor ID.
    pub acpi_id: u32,
}
const _: () = assert!(size_of::<xenpf_pcpuinfo>() == 20);

/// The CPU is up.
pub const XEN_PCPU_FLAGS_ONLINE: u32 = 1;
/// No CPU of this number is present; the IDs mean nothing.
pub const XEN_PCPU_FLAGS_INVALID: u32 = 2;
/// Reads what kind of processor a CPU is, argument [`xenpf_pcpu_version`].
pub const XENPF_get_cpu_version: u32 = 48;

/// Argument of [`XENPF_get_cpu_version`]; the results are those of CPUID leaves 0 and 1.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_pcpu_version {
    /// IN: number of the CPU.
    pub xen_cpuid: u32,
    /// OUT: the highest number of a CPU that is present.
    pub max_present: u32,
    /// OUT: vendor, such as `GenuineIntel`, without NUL.
    pub vendor_id: [u8; 12],
    /// OUT: family, its extension added.
    pub family: u32,
    /// OUT: model, its extension included.
    pub model: u32,
    /// OUT: stepping.
    pub stepping: u32,
}
const _: () = assert!(size_of::<xenpf_pcpu_version>() == 32);

/// Brings a CPU up, argument [`xenpf_cpu_ol`].
pub const XENPF_cpu_online: u32 = 56;
/// Takes a CPU down, argument [`xenpf_cpu_ol`].
pub const XENPF_cpu_offline: u32 = 57;

/// Names a CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_cpu_ol {
    /// IN: its number.
    pub cpuid: u32,
}
const _: () = assert!(size_of::<xenpf_cpu_ol>() == 4);

/// Reports a CPU that was plugged in; returns its number, argument [`xenpf_cpu_hotadd`].
pub const XENPF_cpu_hotadd: u32 = 58;

/// Argument of [`XENPF_cpu_hotadd`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_cpu_hotadd {
    /// IN: its local APIC ID.
    pub apic_id: u32,
    /// IN: its ACPI processor ID.
    pub acpi_id: u32,
    /// IN: its ACPI proximity domain.
    pub pxm: u32,
}
const _: () = assert!(size_of::<xenpf_cpu_hotadd>() == 12);

/// Reports memory that was plugged in, argument [`xenpf_mem_hotadd`].
pub const XENPF_mem_hotadd: u32 = 59;

/// Argument of [`XENPF_mem_hotadd`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_mem_hotadd {
    /// IN: its first frame.
    pub spfn: u64,
    /// IN: the frame after its last.
    pub epfn: u64,
    /// IN: its ACPI proximity domain.
    pub pxm: u32,
    /// IN: none is defined.
    pub flags: u32,
}
const _: () = assert!(size_of::<xenpf_mem_hotadd>() == 24);

/// Idles CPUs to save power, or tells how many are idled, argument [`xenpf_core_parking`].
pub const XENPF_core_parking: u32 = 60;
/// Reads and writes MSRs of one CPU, in order and without interruption; returns the number of
/// accesses done. Argument [`xenpf_resource_op`].
pub const XENPF_resource_op: u32 = 61;
/// Read an MSR. The TSC gives system time (ns) instead; right after another read, no interrupt
/// comes between the two.
pub const XEN_RESOURCE_OP_MSR_READ: u32 = 0;
/// Write an MSR; not the TSC.
pub const XEN_RESOURCE_OP_MSR_WRITE: u32 = 1;

/// One access.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_resource_entry {
    /// IN: `XEN_RESOURCE_OP_*`; OUT, if the access failed: its error, a negative `i32`.
    pub u: u32,
    /// IN: must be zero.
    pub rsvd: u32,
    /// IN: number of the MSR.
    pub idx: u64,
    /// Its value: OUT of a read, IN of a write.
    pub val: u64,
}
const _: () = assert!(size_of::<xenpf_resource_entry>() == 24);

/// Argument of [`XENPF_resource_op`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_resource_op {
    /// IN: number of accesses.
    pub nr_entries: u32,
    /// IN: the CPU that makes them.
    pub cpu: u32,
    /// IN: array of [`xenpf_resource_entry`], results written in place.
    pub entries: guest_handle,
}
const _: () = assert!(size_of::<xenpf_resource_op>() == 16);

/// Walks the hypervisor's symbol table, argument [`xenpf_symdata`].
pub const XENPF_get_symbol: u32 = 63;

/// One symbol of the hypervisor.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_symdata {
    /// IN: bytes of `name`; OUT: length of the symbol's name, even where it was cut.
    pub namelen: u32,
    /// IN: position in the table, from 0; OUT: the next one, or the same at the end.
    pub symnum: u32,
    /// IN: where to write the name, ending in NUL.
    pub name: guest_handle,
    /// OUT: virtual address.
    pub address: u64,
    /// OUT: kind, as the letter `nm` prints.
    pub r#type: u8,
    /// Padding.
    pub _pad0: [u8; 7],
}
const _: () = assert!(size_of::<xenpf_symdata>() == 32);

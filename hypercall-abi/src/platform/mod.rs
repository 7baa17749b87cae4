//! `xen/platform.h`: arguments of `platform_op`, for the hardware domain's kernel.

mod efi;
mod power;

pub use self::efi::*;
pub use self::power::*;

use crate::arch_x86_64::xen_pfn_t;
use crate::xen::guest_handle;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// XENPF_INTERFACE_VERSION.
pub const XENPF_INTERFACE_VERSION: u32 = 0x0300_0001;
/// Command `settime32`, argument [`xenpf_settime32`].
pub const XENPF_settime32: u32 = 17;

/// Structure `xenpf_settime32` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_settime32 {
    /// IN: seconds since 1970.
    pub secs: u32,
    /// Nanoseconds of the second.
    pub nsecs: u32,
    /// System time in ns to which it belongs.
    pub system_time: u64,
}
const _: () = assert!(size_of::<xenpf_settime32>() == 16);

/// Command `settime64`, argument [`xenpf_settime64`].
pub const XENPF_settime64: u32 = 62;

/// Structure `xenpf_settime64` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_settime64 {
    /// IN: seconds since 1970.
    pub secs: u64,
    /// Nanoseconds of the second.
    pub nsecs: u32,
    /// Must be zero.
    pub mbz: u32,
    /// System time in ns to which it belongs.
    pub system_time: u64,
}
const _: () = assert!(size_of::<xenpf_settime64>() == 24);

/// XENPF_settime.
pub const XENPF_settime: u32 = XENPF_settime64;
/// Command `add_memtype`, argument [`xenpf_add_memtype`].
pub const XENPF_add_memtype: u32 = 31;

/// Structure `xenpf_add_memtype` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_add_memtype {
    /// IN: mfn.
    pub mfn: xen_pfn_t,
    /// Nr mfns.
    pub nr_mfns: u64,
    /// Type.
    pub r#type: u32,
    /// OUT: uuid of the domain.
    pub handle: u32,
    /// Reg.
    pub reg: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xenpf_add_memtype>() == 32);

/// Command `del_memtype`, argument [`xenpf_del_memtype`].
pub const XENPF_del_memtype: u32 = 32;

/// Structure `xenpf_del_memtype` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_del_memtype {
    /// IN: uuid of the domain.
    pub handle: u32,
    /// Reg.
    pub reg: u32,
}
const _: () = assert!(size_of::<xenpf_del_memtype>() == 8);

/// Command `read_memtype`, argument [`xenpf_read_memtype`].
pub const XENPF_read_memtype: u32 = 33;

/// Structure `xenpf_read_memtype` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_read_memtype {
    /// IN: reg.
    pub reg: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// OUT: mfn.
    pub mfn: xen_pfn_t,
    /// Nr mfns.
    pub nr_mfns: u64,
    /// Type.
    pub r#type: u32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xenpf_read_memtype>() == 32);

/// Command `microcode_update`, argument [`xenpf_microcode_update`].
pub const XENPF_microcode_update: u32 = 35;

/// Structure `xenpf_microcode_update` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_microcode_update {
    /// Pointer to microcode data.
    pub data: guest_handle,
    /// Length of microcode data.
    pub length: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xenpf_microcode_update>() == 16);

/// Command `platform_quirk`, argument [`xenpf_platform_quirk`].
pub const XENPF_platform_quirk: u32 = 39;
/// Do not restrict IO-APIC RTE targets.
pub const QUIRK_NOIRQBALANCING: u32 = 1;
/// IO-APIC REGSEL forgets its value.
pub const QUIRK_IOAPIC_BAD_REGSEL: u32 = 2;
/// IO-APIC REGSEL behaves properly.
pub const QUIRK_IOAPIC_GOOD_REGSEL: u32 = 3;

/// Structure `xenpf_platform_quirk` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_platform_quirk {
    /// IN: quirk id.
    pub quirk_id: u32,
}
const _: () = assert!(size_of::<xenpf_platform_quirk>() == 4);

/// Command `efi_runtime_call`, argument [`xenpf_efi_runtime_call`].
pub const XENPF_efi_runtime_call: u32 = 49;
/// Command `firmware_info`, argument [`xenpf_firmware_info`].
pub const XENPF_firmware_info: u32 = 50;
/// Command `enter_acpi_sleep`, argument [`xenpf_enter_acpi_sleep`].
pub const XENPF_enter_acpi_sleep: u32 = 51;
/// Command `change_freq`, argument [`xenpf_change_freq`].
pub const XENPF_change_freq: u32 = 52;
/// Command `getidletime`, argument [`xenpf_getidletime`].
pub const XENPF_getidletime: u32 = 53;
/// Command `set_processor_pminfo`, argument [`xenpf_set_processor_pminfo`].
pub const XENPF_set_processor_pminfo: u32 = 54;
/// XENPF_get_cpuinfo.
pub const XENPF_get_cpuinfo: u32 = 55;

/// Structure `xenpf_pcpuinfo` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_pcpuinfo {
    /// IN: xen cpuid.
    pub xen_cpuid: u32,
    /// The maxium cpu_id that is present.
    pub max_present: u32,
    /// Flags.
    pub flags: u32,
    /// Apic id.
    pub apic_id: u32,
    /// Acpi id.
    pub acpi_id: u32,
}
const _: () = assert!(size_of::<xenpf_pcpuinfo>() == 20);

/// XEN_PCPU_FLAGS_ONLINE.
pub const XEN_PCPU_FLAGS_ONLINE: u32 = 1;
/// Correponding xen_cpuid is not present.
pub const XEN_PCPU_FLAGS_INVALID: u32 = 2;
/// XENPF_get_cpu_version.
pub const XENPF_get_cpu_version: u32 = 48;

/// Structure `xenpf_pcpu_version` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_pcpu_version {
    /// IN: xen cpuid.
    pub xen_cpuid: u32,
    /// The maxium cpu_id that is present.
    pub max_present: u32,
    /// Vendor id.
    pub vendor_id: [u8; 12],
    /// Family.
    pub family: u32,
    /// Model.
    pub model: u32,
    /// Stepping.
    pub stepping: u32,
}
const _: () = assert!(size_of::<xenpf_pcpu_version>() == 32);

/// XENPF_cpu_online.
pub const XENPF_cpu_online: u32 = 56;
/// XENPF_cpu_offline.
pub const XENPF_cpu_offline: u32 = 57;

/// Structure `xenpf_cpu_ol` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_cpu_ol {
    /// Cpuid.
    pub cpuid: u32,
}
const _: () = assert!(size_of::<xenpf_cpu_ol>() == 4);

/// Command `cpu_hotadd`, argument [`xenpf_cpu_hotadd`].
pub const XENPF_cpu_hotadd: u32 = 58;

/// Structure `xenpf_cpu_hotadd` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_cpu_hotadd {
    /// Apic id.
    pub apic_id: u32,
    /// Acpi id.
    pub acpi_id: u32,
    /// Pxm.
    pub pxm: u32,
}
const _: () = assert!(size_of::<xenpf_cpu_hotadd>() == 12);

/// Command `mem_hotadd`, argument [`xenpf_mem_hotadd`].
pub const XENPF_mem_hotadd: u32 = 59;

/// Structure `xenpf_mem_hotadd` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_mem_hotadd {
    /// Spfn.
    pub spfn: u64,
    /// Epfn.
    pub epfn: u64,
    /// Pxm.
    pub pxm: u32,
    /// Flags.
    pub flags: u32,
}
const _: () = assert!(size_of::<xenpf_mem_hotadd>() == 24);

/// Command `core_parking`, argument [`xenpf_core_parking`].
pub const XENPF_core_parking: u32 = 60;
/// Command `resource_op`, argument [`xenpf_resource_op`].
pub const XENPF_resource_op: u32 = 61;
/// XEN_RESOURCE_OP_MSR_READ.
pub const XEN_RESOURCE_OP_MSR_READ: u32 = 0;
/// XEN_RESOURCE_OP_MSR_WRITE.
pub const XEN_RESOURCE_OP_MSR_WRITE: u32 = 1;

/// Structure `xenpf_resource_entry` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_resource_entry {
    /// Depends on the command.
    pub u: u32,
    /// IN: padding and must be zero.
    pub rsvd: u32,
    /// IN: resource address to access.
    pub idx: u64,
    /// IN/OUT: resource value to set/get.
    pub val: u64,
}
const _: () = assert!(size_of::<xenpf_resource_entry>() == 24);

/// Structure `xenpf_resource_op` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_resource_op {
    /// Number of resource entry.
    pub nr_entries: u32,
    /// Which cpu to run.
    pub cpu: u32,
    /// Entries.
    pub entries: guest_handle,
}
const _: () = assert!(size_of::<xenpf_resource_op>() == 16);

/// XENPF_get_symbol.
pub const XENPF_get_symbol: u32 = 63;

/// Structure `xenpf_symdata` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_symdata {
    /// IN: size of name buffer.
    pub namelen: u32,
    /// IN: Symbol to read.
    pub symnum: u32,
    /// OUT: name.
    pub name: guest_handle,
    /// Address.
    pub address: u64,
    /// Type.
    pub r#type: u8,
    /// Padding.
    pub _pad0: [u8; 7],
}
const _: () = assert!(size_of::<xenpf_symdata>() == 32);

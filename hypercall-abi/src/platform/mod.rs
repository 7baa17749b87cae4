//! `xen/platform.h`.

mod efi;
mod power;

pub use self::efi::*;
pub use self::power::*;

use crate::arch_x86_64::xen_pfn_t;
use crate::xen::guest_handle;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Xenpf interface version.
pub const XENPF_INTERFACE_VERSION: u32 = 0x0300_0001;
/// Set clock such that it would read &lt;secs,nsecs> after 00:00:00 UTC, 1 January, 1970 if the
/// current system time was &lt;system_time>.
pub const XENPF_settime32: u32 = 17;

/// Xenpf settime32.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_settime32 {
    /// IN variables.
    pub secs: u32,
    /// Nsecs.
    pub nsecs: u32,
    /// System time.
    pub system_time: u64,
}
const _: () = assert!(size_of::<xenpf_settime32>() == 16);

/// Xenpf settime64.
pub const XENPF_settime64: u32 = 62;

/// Xenpf settime64.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_settime64 {
    /// IN variables.
    pub secs: u64,
    /// Nsecs.
    pub nsecs: u32,
    /// Mbz.
    pub mbz: u32,
    /// System time.
    pub system_time: u64,
}
const _: () = assert!(size_of::<xenpf_settime64>() == 24);

/// Xenpf settime.
pub const XENPF_settime: u32 = XENPF_settime64;
/// Request memory range (@mfn, @mfn+@nr_mfns-1) to have type @type.
pub const XENPF_add_memtype: u32 = 31;

/// Xenpf add memtype.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_add_memtype {
    /// IN variables.
    pub mfn: xen_pfn_t,
    /// Nr mfns.
    pub nr_mfns: u64,
    /// Type.
    pub r#type: u32,
    /// OUT variables.
    pub handle: u32,
    /// Reg.
    pub reg: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xenpf_add_memtype>() == 32);

/// Tear down an existing memory-range type.
pub const XENPF_del_memtype: u32 = 32;

/// Xenpf del memtype.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_del_memtype {
    /// IN variables.
    pub handle: u32,
    /// Reg.
    pub reg: u32,
}
const _: () = assert!(size_of::<xenpf_del_memtype>() == 8);

/// Read current type of an MTRR (x86-specific).
pub const XENPF_read_memtype: u32 = 33;

/// Xenpf read memtype.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_read_memtype {
    /// IN variables.
    pub reg: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// OUT variables.
    pub mfn: xen_pfn_t,
    /// Nr mfns.
    pub nr_mfns: u64,
    /// Type.
    pub r#type: u32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xenpf_read_memtype>() == 32);

/// Xenpf microcode update.
pub const XENPF_microcode_update: u32 = 35;

/// Xenpf microcode update.
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

/// Xenpf platform quirk.
pub const XENPF_platform_quirk: u32 = 39;
/// Do not restrict IO-APIC RTE targets.
pub const QUIRK_NOIRQBALANCING: u32 = 1;
/// IO-APIC REGSEL forgets its value.
pub const QUIRK_IOAPIC_BAD_REGSEL: u32 = 2;
/// IO-APIC REGSEL behaves properly.
pub const QUIRK_IOAPIC_GOOD_REGSEL: u32 = 3;

/// Xenpf platform quirk.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_platform_quirk {
    /// IN variables.
    pub quirk_id: u32,
}
const _: () = assert!(size_of::<xenpf_platform_quirk>() == 4);

/// Xenpf efi runtime call.
pub const XENPF_efi_runtime_call: u32 = 49;
/// Xenpf firmware info.
pub const XENPF_firmware_info: u32 = 50;
/// Xenpf enter acpi sleep.
pub const XENPF_enter_acpi_sleep: u32 = 51;
/// Xenpf change freq.
pub const XENPF_change_freq: u32 = 52;
/// Get idle times (nanoseconds since boot) for physical CPUs specified in the @cpumap_bitmap
/// with range \[0..@cpumap_nr_cpus-1\]. The @idletime array is indexed by CPU number; only
/// entries with the corresponding @cpumap_bitmap bit set are written to.
pub const XENPF_getidletime: u32 = 53;
/// Xenpf set processor pminfo.
pub const XENPF_set_processor_pminfo: u32 = 54;
/// Xenpf get cpuinfo.
pub const XENPF_get_cpuinfo: u32 = 55;

/// Xenpf pcpuinfo.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_pcpuinfo {
    /// IN.
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

/// Xen pcpu flags online.
pub const XEN_PCPU_FLAGS_ONLINE: u32 = 1;
/// Correponding xen_cpuid is not present.
pub const XEN_PCPU_FLAGS_INVALID: u32 = 2;
/// Xenpf get cpu version.
pub const XENPF_get_cpu_version: u32 = 48;

/// Xenpf pcpu version.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_pcpu_version {
    /// IN.
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

/// Xenpf cpu online.
pub const XENPF_cpu_online: u32 = 56;
/// Xenpf cpu offline.
pub const XENPF_cpu_offline: u32 = 57;

/// Xenpf cpu ol.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_cpu_ol {
    /// Cpuid.
    pub cpuid: u32,
}
const _: () = assert!(size_of::<xenpf_cpu_ol>() == 4);

/// Xenpf cpu hotadd.
pub const XENPF_cpu_hotadd: u32 = 58;

/// Xenpf cpu hotadd.
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

/// Xenpf mem hotadd.
pub const XENPF_mem_hotadd: u32 = 59;

/// Xenpf mem hotadd.
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

/// Xenpf core parking.
pub const XENPF_core_parking: u32 = 60;
/// Access generic platform resources(e.g., accessing MSR, port I/O, etc) in unified way.
pub const XENPF_resource_op: u32 = 61;
/// Xen resource op msr read.
pub const XEN_RESOURCE_OP_MSR_READ: u32 = 0;
/// Xen resource op msr write.
pub const XEN_RESOURCE_OP_MSR_WRITE: u32 = 1;

/// Xenpf resource entry.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_resource_entry {
    /// U.
    pub u: u32,
    /// IN: padding and must be zero.
    pub rsvd: u32,
    /// IN: resource address to access.
    pub idx: u64,
    /// IN/OUT: resource value to set/get.
    pub val: u64,
}
const _: () = assert!(size_of::<xenpf_resource_entry>() == 24);

/// Xenpf resource op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_resource_op {
    /// number of resource entry.
    pub nr_entries: u32,
    /// which cpu to run.
    pub cpu: u32,
    /// Entries.
    pub entries: guest_handle,
}
const _: () = assert!(size_of::<xenpf_resource_op>() == 16);

/// Xenpf get symbol.
pub const XENPF_get_symbol: u32 = 63;

/// Xenpf symdata.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_symdata {
    /// IN: size of name buffer.
    pub namelen: u32,
    /// IN: Symbol to read.
    pub symnum: u32,
    /// OUT variables.
    pub name: guest_handle,
    /// Address.
    pub address: u64,
    /// Type.
    pub r#type: u8,
    /// Padding.
    pub _pad0: [u8; 7],
}
const _: () = assert!(size_of::<xenpf_symdata>() == 32);

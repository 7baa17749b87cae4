//! `xen/platform.h`: ACPI sleep, processor power states, idle times.

use crate::Union;
use crate::xen::guest_handle;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Structure `xenpf_enter_acpi_sleep` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_enter_acpi_sleep {
    /// PM1a control / sleep type A.
    pub val_a: u16,
    /// PM1b control / sleep type B.
    pub val_b: u16,
    /// Which state to enter (Sn).
    pub sleep_state: u32,
    /// XENPF_ACPI_SLEEP_*.
    pub flags: u32,
}
const _: () = assert!(size_of::<xenpf_enter_acpi_sleep>() == 12);

/// XENPF_ACPI_SLEEP_EXTENDED.
pub const XENPF_ACPI_SLEEP_EXTENDED: u32 = 0x0000_0001;

/// Structure `xenpf_change_freq` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_change_freq {
    /// Must be zero.
    pub flags: u32,
    /// Physical cpu.
    pub cpu: u32,
    /// New frequency (Hz).
    pub freq: u64,
}
const _: () = assert!(size_of::<xenpf_change_freq>() == 16);

/// Structure `xenpf_getidletime` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_getidletime {
    /// IN: CPUs to interrogate; OUT: subset of IN which are present.
    pub cpumap_bitmap: guest_handle,
    /// Size of cpumap bitmap.
    pub cpumap_nr_cpus: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Must be indexable for every cpu in cpumap_bitmap.
    pub idletime: guest_handle,
    /// System time when the idletime snapshots were taken.
    pub now: u64,
}
const _: () = assert!(size_of::<xenpf_getidletime>() == 32);

/// The processor's CX states can be managed.
pub const XEN_PROCESSOR_PM_CX: u32 = 1;
/// The processor's PX states can be managed.
pub const XEN_PROCESSOR_PM_PX: u32 = 2;
/// The processor's TX states can be managed.
pub const XEN_PROCESSOR_PM_TX: u32 = 4;
/// [`xenpf_set_processor_pminfo::type`](xenpf_set_processor_pminfo#structfield.type): CX.
pub const XEN_PM_CX: u32 = 0;
/// [`xenpf_set_processor_pminfo::type`](xenpf_set_processor_pminfo#structfield.type): PX.
pub const XEN_PM_PX: u32 = 1;
/// [`xenpf_set_processor_pminfo::type`](xenpf_set_processor_pminfo#structfield.type): TX.
pub const XEN_PM_TX: u32 = 2;
/// [`xenpf_set_processor_pminfo::type`](xenpf_set_processor_pminfo#structfield.type): PDC.
pub const XEN_PM_PDC: u32 = 3;
/// [`xen_processor_performance::flags`]: `_PCT` is given.
pub const XEN_PX_PCT: u32 = 1;
/// [`xen_processor_performance::flags`]: `_PSS` is given.
pub const XEN_PX_PSS: u32 = 2;
/// [`xen_processor_performance::flags`]: `_PPC` is given.
pub const XEN_PX_PPC: u32 = 4;
/// [`xen_processor_performance::flags`]: `_PSD` is given.
pub const XEN_PX_PSD: u32 = 8;

/// Structure `xen_power_register` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_power_register {
    /// Space id.
    pub space_id: u32,
    /// Bit width.
    pub bit_width: u32,
    /// Bit offset.
    pub bit_offset: u32,
    /// Access size.
    pub access_size: u32,
    /// Address.
    pub address: u64,
}
const _: () = assert!(size_of::<xen_power_register>() == 24);

/// Structure `xen_processor_csd` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_processor_csd {
    /// Domain number of one dependent group.
    pub domain: u32,
    /// Coordination type.
    pub coord_type: u32,
    /// Number of processors in same domain.
    pub num: u32,
}
const _: () = assert!(size_of::<xen_processor_csd>() == 12);

/// Structure `xen_processor_cx` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_processor_cx {
    /// GAS for Cx trigger register.
    pub reg: xen_power_register,
    /// Cstate value, c0: 0, c1: 1, ...
    pub r#type: u8,
    /// Padding.
    pub _pad0: [u8; 3],
    /// Worst latency (ms) to enter/exit this cstate.
    pub latency: u32,
    /// Average power consumption(mW).
    pub power: u32,
    /// Number of dependency entries.
    pub dpcnt: u32,
    /// NULL if no dependency.
    pub dp: guest_handle,
}
const _: () = assert!(size_of::<xen_processor_cx>() == 48);

/// Structure `xen_processor_flags` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_processor_flags {
    /// Bits.
    pub bits: u32,
}
const _: () = assert!(size_of::<xen_processor_flags>() == 4);

/// Structure `xen_processor_power` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_processor_power {
    /// Number of C state entries in array below.
    pub count: u32,
    /// Global flags of this processor.
    pub flags: xen_processor_flags,
    /// Supported c states.
    pub states: guest_handle,
}
const _: () = assert!(size_of::<xen_processor_power>() == 16);

/// Structure `xen_pct_register` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_pct_register {
    /// Descriptor.
    pub descriptor: u8,
    /// Padding.
    pub _pad0: [u8; 1],
    /// Length.
    pub length: u16,
    /// Space id.
    pub space_id: u8,
    /// Bit width.
    pub bit_width: u8,
    /// Bit offset.
    pub bit_offset: u8,
    /// Reserved; zero.
    pub reserved: u8,
    /// Address.
    pub address: u64,
}
const _: () = assert!(size_of::<xen_pct_register>() == 16);

/// Structure `xen_processor_px` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_processor_px {
    /// Megahertz.
    pub core_frequency: u64,
    /// MilliWatts.
    pub power: u64,
    /// Microseconds.
    pub transition_latency: u64,
    /// Microseconds.
    pub bus_master_latency: u64,
    /// Control value.
    pub control: u64,
    /// Success indicator.
    pub status: u64,
}
const _: () = assert!(size_of::<xen_processor_px>() == 48);

/// Structure `xen_psd_package` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_psd_package {
    /// Num entries.
    pub num_entries: u64,
    /// Revision.
    pub revision: u64,
    /// The domain.
    pub domain: u64,
    /// Coord type.
    pub coord_type: u64,
    /// Num processors.
    pub num_processors: u64,
}
const _: () = assert!(size_of::<xen_psd_package>() == 40);

/// Structure `xen_processor_performance` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_processor_performance {
    /// Flag for Px sub info type.
    pub flags: u32,
    /// Platform limitation on freq usage.
    pub platform_limit: u32,
    /// Control register.
    pub control_register: xen_pct_register,
    /// Status register.
    pub status_register: xen_pct_register,
    /// Total available performance states.
    pub state_count: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// States.
    pub states: guest_handle,
    /// Domain info.
    pub domain_info: xen_psd_package,
    /// Shared type.
    pub shared_type: u32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xen_processor_performance>() == 104);

/// HW does needed coordination.
pub const XEN_CPUPERF_SHARED_TYPE_HW: u32 = 1;
/// All dependent CPUs should set freq.
pub const XEN_CPUPERF_SHARED_TYPE_ALL: u32 = 2;
/// Freq can be set from any dependent CPU.
pub const XEN_CPUPERF_SHARED_TYPE_ANY: u32 = 3;

/// Structure `xenpf_set_processor_pminfo` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_set_processor_pminfo {
    /// ACPI CPU ID.
    pub id: u32,
    /// {XEN_PM_CX, XEN_PM_PX}.
    pub r#type: u32,
    /// Depends on the command.
    ///
    /// One of: `power` ([`xen_processor_power`]), `perf` ([`xen_processor_performance`]), `pdc`
    /// (`guest_handle`).
    pub u: Union<[u64; 13]>,
}
const _: () = assert!(size_of::<xenpf_set_processor_pminfo>() == 112);

/// XEN_CORE_PARKING_SET.
pub const XEN_CORE_PARKING_SET: u32 = 1;
/// XEN_CORE_PARKING_GET.
pub const XEN_CORE_PARKING_GET: u32 = 2;

/// Structure `xenpf_core_parking` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_core_parking {
    /// IN: type.
    pub r#type: u32,
    /// OUT: idle nums.
    pub idle_nums: u32,
}
const _: () = assert!(size_of::<xenpf_core_parking>() == 8);

/// ` enum neg_errnoval ` HYPERVISOR_platform_op(const struct xen_platform_op*);.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_platform_op {
    /// Sub-command.
    pub cmd: u32,
    /// XENPF_INTERFACE_VERSION.
    pub interface_version: u32,
    /// Depends on the command.
    ///
    /// One of: `settime` ([`xenpf_settime64`](crate::platform::xenpf_settime64)), `settime32`
    /// ([`xenpf_settime32`](crate::platform::xenpf_settime32)), `settime64`
    /// ([`xenpf_settime64`](crate::platform::xenpf_settime64)), `add_memtype`
    /// ([`xenpf_add_memtype`](crate::platform::xenpf_add_memtype)), `del_memtype`
    /// ([`xenpf_del_memtype`](crate::platform::xenpf_del_memtype)), `read_memtype`
    /// ([`xenpf_read_memtype`](crate::platform::xenpf_read_memtype)), `microcode`
    /// ([`xenpf_microcode_update`](crate::platform::xenpf_microcode_update)), `platform_quirk`
    /// ([`xenpf_platform_quirk`](crate::platform::xenpf_platform_quirk)), `efi_runtime_call`
    /// ([`xenpf_efi_runtime_call`](crate::platform::xenpf_efi_runtime_call)), `firmware_info`
    /// ([`xenpf_firmware_info`](crate::platform::xenpf_firmware_info)), `enter_acpi_sleep`
    /// ([`xenpf_enter_acpi_sleep`]), `change_freq` ([`xenpf_change_freq`]), `getidletime`
    /// ([`xenpf_getidletime`]), `set_pminfo` ([`xenpf_set_processor_pminfo`]), `pcpu_info`
    /// ([`xenpf_pcpuinfo`](crate::platform::xenpf_pcpuinfo)), `pcpu_version`
    /// ([`xenpf_pcpu_version`](crate::platform::xenpf_pcpu_version)), `cpu_ol`
    /// ([`xenpf_cpu_ol`](crate::platform::xenpf_cpu_ol)), `cpu_add`
    /// ([`xenpf_cpu_hotadd`](crate::platform::xenpf_cpu_hotadd)), `mem_add`
    /// ([`xenpf_mem_hotadd`](crate::platform::xenpf_mem_hotadd)), `core_parking`
    /// ([`xenpf_core_parking`]), `resource_op`
    /// ([`xenpf_resource_op`](crate::platform::xenpf_resource_op)), `symdata`
    /// ([`xenpf_symdata`](crate::platform::xenpf_symdata)), `pad` (`[u8; 128]`).
    pub u: Union<[u64; 16]>,
}
const _: () = assert!(size_of::<xen_platform_op>() == 136);

//! `xen/platform.h`: ACPI sleep, processor power states, idle times.

use crate::Union;
use crate::xen::guest_handle;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Argument of `XENPF_enter_acpi_sleep`: dom0 has prepared devices and firmware, the hypervisor
/// writes the registers.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_enter_acpi_sleep {
    /// IN: what to write to the PM1a control register; sleep type A in the extended form.
    pub val_a: u16,
    /// IN: what to write to the PM1b control register; sleep type B in the extended form.
    pub val_b: u16,
    /// IN: the state Sn: 3 suspend to RAM, 5 off.
    pub sleep_state: u32,
    /// IN: [`XENPF_ACPI_SLEEP_EXTENDED`] or 0.
    pub flags: u32,
}
const _: () = assert!(size_of::<xenpf_enter_acpi_sleep>() == 12);

/// The machine has ACPI 5's sleep control register instead of PM1.
pub const XENPF_ACPI_SLEEP_EXTENDED: u32 = 0x0000_0001;

/// Argument of `XENPF_change_freq`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_change_freq {
    /// IN: must be zero.
    pub flags: u32,
    /// IN: number of the CPU.
    pub cpu: u32,
    /// IN: its new frequency, Hz.
    pub freq: u64,
}
const _: () = assert!(size_of::<xenpf_change_freq>() == 16);

/// Argument of `XENPF_getidletime`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_getidletime {
    /// A bit per CPU: IN those asked about, OUT those of them that are present.
    pub cpumap_bitmap: guest_handle,
    /// IN: length of the bitmap in bits.
    pub cpumap_nr_cpus: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// IN: array of `u64` by CPU number. OUT: time spent idle since boot, ns, where the bitmap
    /// asks for it; 0 for absent CPUs.
    pub idletime: guest_handle,
    /// OUT: system time (ns) at which the times were taken.
    pub now: u64,
}
const _: () = assert!(size_of::<xenpf_getidletime>() == 32);

/// In [`SIF_PM_MASK`](crate::xen::SIF_PM_MASK) of the start flags, shifted down by 8: the
/// hypervisor manages idle states and wants them reported.
pub const XEN_PROCESSOR_PM_CX: u32 = 1;
/// As [`XEN_PROCESSOR_PM_CX`], for performance states.
pub const XEN_PROCESSOR_PM_PX: u32 = 2;
/// As [`XEN_PROCESSOR_PM_CX`], for throttling states.
pub const XEN_PROCESSOR_PM_TX: u32 = 4;
/// [`xenpf_set_processor_pminfo`]: idle states (`power`).
pub const XEN_PM_CX: u32 = 0;
/// [`xenpf_set_processor_pminfo`]: performance states (`perf`).
pub const XEN_PM_PX: u32 = 1;
/// [`xenpf_set_processor_pminfo`]: throttling states; not accepted.
pub const XEN_PM_TX: u32 = 2;
/// [`xenpf_set_processor_pminfo`]: asks for the capability bits to give to `_PDC` (`pdc`).
pub const XEN_PM_PDC: u32 = 3;
/// [`xen_processor_performance::flags`]: the registers (`_PCT`) are given.
pub const XEN_PX_PCT: u32 = 1;
/// [`xen_processor_performance::flags`]: the states (`_PSS`) are given.
pub const XEN_PX_PSS: u32 = 2;
/// [`xen_processor_performance::flags`]: the platform's limit (`_PPC`) is given.
pub const XEN_PX_PPC: u32 = 4;
/// [`xen_processor_performance::flags`]: the dependency domain (`_PSD`) is given.
pub const XEN_PX_PSD: u32 = 8;

/// A register, as ACPI's generic address structure names it.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_power_register {
    /// ACPI address space: 0 memory, 1 I/O ports, 7Fh fixed hardware (MWAIT).
    pub space_id: u32,
    /// Width of the register, bits.
    pub bit_width: u32,
    /// Its lowest bit.
    pub bit_offset: u32,
    /// Width of an access: 1 byte, 2 word, 3 dword, 4 qword; 0 undefined.
    pub access_size: u32,
    /// Its address in that space.
    pub address: u64,
}
const _: () = assert!(size_of::<xen_power_register>() == 24);

/// CPUs that share an idle state (`_CSD`).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_processor_csd {
    /// Number of the dependency domain.
    pub domain: u32,
    /// Who coordinates: FCh software, all CPUs; FDh software, any CPU; FEh hardware.
    pub coord_type: u32,
    /// CPUs in the domain.
    pub num: u32,
}
const _: () = assert!(size_of::<xen_processor_csd>() == 12);

/// One idle state (`_CST`).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_processor_cx {
    /// How to enter it.
    pub reg: xen_power_register,
    /// 1 for C1, 2 for C2, 3 for C3.
    pub r#type: u8,
    /// Padding.
    pub _pad0: [u8; 3],
    /// Worst time to enter and leave: ACPI's microseconds, though the header says ms.
    pub latency: u32,
    /// Average consumption, mW.
    pub power: u32,
    /// Entries of `dp`.
    pub dpcnt: u32,
    /// Array of [`xen_processor_csd`]; null if there are none.
    pub dp: guest_handle,
}
const _: () = assert!(size_of::<xen_processor_cx>() == 48);

/// What the processor needs around idle states.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_processor_flags {
    /// Bit 0: can control bus mastering; 1: must check for it before C3; 2: has `_CST`; 3: is
    /// set up; 4: bus-master reload is set.
    pub bits: u32,
}
const _: () = assert!(size_of::<xen_processor_flags>() == 4);

/// The idle states of a processor.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_processor_power {
    /// Entries of `states`.
    pub count: u32,
    /// Flags that hold for all of them.
    pub flags: xen_processor_flags,
    /// Array of [`xen_processor_cx`].
    pub states: guest_handle,
}
const _: () = assert!(size_of::<xen_processor_power>() == 16);

/// A performance register: a generic register descriptor out of `_PCT`, byte for byte but for
/// its alignment.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_pct_register {
    /// Tag of the resource, 82h.
    pub descriptor: u8,
    /// Padding.
    pub _pad0: [u8; 1],
    /// Bytes that follow in the resource, 12.
    pub length: u16,
    /// ACPI address space: 1 I/O ports, 7Fh fixed hardware (an MSR).
    pub space_id: u8,
    /// Width of the register, bits.
    pub bit_width: u8,
    /// Its lowest bit.
    pub bit_offset: u8,
    /// Access size in newer ACPI; not used.
    pub reserved: u8,
    /// Its address in that space.
    pub address: u64,
}
const _: () = assert!(size_of::<xen_pct_register>() == 16);

/// One performance state (`_PSS`).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_processor_px {
    /// Frequency, MHz.
    pub core_frequency: u64,
    /// Consumption at full load, mW.
    pub power: u64,
    /// Worst time to enter it, microseconds.
    pub transition_latency: u64,
    /// Worst time in which bus masters cannot reach memory, microseconds.
    pub bus_master_latency: u64,
    /// What to write to the control register to enter it.
    pub control: u64,
    /// What the status register reads once it is entered.
    pub status: u64,
}
const _: () = assert!(size_of::<xen_processor_px>() == 48);

/// CPUs that share a performance state (`_PSD`).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_psd_package {
    /// Entries of the package, 5.
    pub num_entries: u64,
    /// Revision of the package, 0.
    pub revision: u64,
    /// Number of the dependency domain.
    pub domain: u64,
    /// As in [`xen_processor_csd::coord_type`].
    pub coord_type: u64,
    /// CPUs in the domain.
    pub num_processors: u64,
}
const _: () = assert!(size_of::<xen_psd_package>() == 40);

/// The performance states of a processor.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_processor_performance {
    /// `XEN_PX_*`: which of the parts are given. The hypervisor acts once it has had all.
    pub flags: u32,
    /// `_PPC`: index of the fastest state allowed now.
    pub platform_limit: u32,
    /// Where to ask for a state.
    pub control_register: xen_pct_register,
    /// Where to see the state.
    pub status_register: xen_pct_register,
    /// Entries of `states`.
    pub state_count: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Array of [`xen_processor_px`], the fastest first.
    pub states: guest_handle,
    /// With whom the state is shared.
    pub domain_info: xen_psd_package,
    /// `XEN_CPUPERF_SHARED_TYPE_*`.
    pub shared_type: u32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xen_processor_performance>() == 104);

/// Hardware coordinates the CPUs of a domain.
pub const XEN_CPUPERF_SHARED_TYPE_HW: u32 = 1;
/// Every CPU of the domain has to ask for the same state.
pub const XEN_CPUPERF_SHARED_TYPE_ALL: u32 = 2;
/// Any one CPU sets the state of the domain.
pub const XEN_CPUPERF_SHARED_TYPE_ANY: u32 = 3;

/// Argument of `XENPF_set_processor_pminfo`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_set_processor_pminfo {
    /// IN: ACPI processor ID.
    pub id: u32,
    /// IN: `XEN_PM_*`.
    pub r#type: u32,
    /// IN: the information, by `type`. `pdc` is the address of the `_PDC` buffer, an array of
    /// `u32` (revision, count, capability bits); its bits are changed in place.
    ///
    /// One of: `power` ([`xen_processor_power`]), `perf` ([`xen_processor_performance`]), `pdc`
    /// (`guest_handle`).
    pub u: Union<[u64; 13]>,
}
const _: () = assert!(size_of::<xenpf_set_processor_pminfo>() == 112);

/// Idle `idle_nums` CPUs from now on.
pub const XEN_CORE_PARKING_SET: u32 = 1;
/// Tell how many are idled.
pub const XEN_CORE_PARKING_GET: u32 = 2;

/// Argument of `XENPF_core_parking`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_core_parking {
    /// IN: `XEN_CORE_PARKING_*`.
    pub r#type: u32,
    /// IN of set: CPUs to idle; OUT of get: CPUs idled.
    pub idle_nums: u32,
}
const _: () = assert!(size_of::<xenpf_core_parking>() == 8);

/// The argument of `platform_op`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_platform_op {
    /// `XENPF_*`.
    pub cmd: u32,
    /// `XENPF_INTERFACE_VERSION`; -EACCES for any other.
    pub interface_version: u32,
    /// The command's argument.
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

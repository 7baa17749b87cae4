//! `xen/platform.h`.

use crate::Union;
use crate::arch_x86_64::{xen_pfn_t, xen_ulong_t};
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
pub const XENPF_settime: u32 = XENPF_settime32;
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
/// Xen efi get time.
pub const XEN_EFI_get_time: i64 = 1;
/// Xen efi set time.
pub const XEN_EFI_set_time: i64 = 2;
/// Xen efi get wakeup time.
pub const XEN_EFI_get_wakeup_time: i64 = 3;
/// Xen efi set wakeup time.
pub const XEN_EFI_set_wakeup_time: i64 = 4;
/// Xen efi get next high monotonic count.
pub const XEN_EFI_get_next_high_monotonic_count: i64 = 5;
/// Xen efi get variable.
pub const XEN_EFI_get_variable: i64 = 6;
/// Xen efi set variable.
pub const XEN_EFI_set_variable: i64 = 7;
/// Xen efi get next variable name.
pub const XEN_EFI_get_next_variable_name: i64 = 8;
/// Xen efi query variable info.
pub const XEN_EFI_query_variable_info: i64 = 9;
/// Xen efi query capsule capabilities.
pub const XEN_EFI_query_capsule_capabilities: i64 = 10;
/// Xen efi update capsule.
pub const XEN_EFI_update_capsule: i64 = 11;

/// Xenpf efi time.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_time {
    /// Year.
    pub year: u16,
    /// Month.
    pub month: u8,
    /// Day.
    pub day: u8,
    /// Hour.
    pub hour: u8,
    /// Min.
    pub min: u8,
    /// Sec.
    pub sec: u8,
    /// Padding.
    pub _pad0: [u8; 1],
    /// Ns.
    pub ns: u32,
    /// Tz.
    pub tz: i16,
    /// Daylight.
    pub daylight: u8,
    /// Padding.
    pub _pad1: [u8; 1],
}
const _: () = assert!(size_of::<xenpf_efi_time>() == 16);

/// Xenpf efi guid.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_guid {
    /// Data1.
    pub data1: u32,
    /// Data2.
    pub data2: u16,
    /// Data3.
    pub data3: u16,
    /// Data4.
    pub data4: [u8; 8],
}
const _: () = assert!(size_of::<xenpf_efi_guid>() == 16);

/// Xenpf efi runtime call.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_runtime_call {
    /// Function.
    pub function: u32,
    /// This field is generally used for per sub-function flags (defined below), except for the
    /// XEN_EFI_get_next_high_monotonic_count case, where it holds the single returned value.
    pub misc: u32,
    /// Status.
    pub status: xen_ulong_t,
    /// U.
    ///
    /// One of: `get_time` ([`xenpf_efi_runtime_call_get_time`]), `set_time`
    /// ([`xenpf_efi_time`]), `get_wakeup_time` ([`xenpf_efi_time`]), `set_wakeup_time`
    /// ([`xenpf_efi_time`]), `get_variable` ([`xenpf_efi_runtime_call_get_variable`]),
    /// `set_variable` ([`xenpf_efi_runtime_call_set_variable`]), `get_next_variable_name`
    /// ([`xenpf_efi_runtime_call_get_next_variable_name`]), `query_variable_info`
    /// ([`xenpf_efi_runtime_call_query_variable_info`]), `query_capsule_capabilities`
    /// ([`xenpf_efi_runtime_call_query_capsule_capabilities`]), `update_capsule`
    /// ([`xenpf_efi_runtime_call_update_capsule`]).
    pub u: Union<[u64; 5]>,
}
const _: () = assert!(size_of::<xenpf_efi_runtime_call>() == 56);

/// Xen efi get time set clears ns.
pub const XEN_EFI_GET_TIME_SET_CLEARS_NS: i64 = 0x0000_0001;

/// Xenpf efi runtime call get time.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_runtime_call_get_time {
    /// Time.
    pub time: xenpf_efi_time,
    /// Resolution.
    pub resolution: u32,
    /// Accuracy.
    pub accuracy: u32,
}
const _: () = assert!(size_of::<xenpf_efi_runtime_call_get_time>() == 24);

/// Xen efi get wakeup time enabled.
pub const XEN_EFI_GET_WAKEUP_TIME_ENABLED: i64 = 0x0000_0001;
/// Xen efi get wakeup time pending.
pub const XEN_EFI_GET_WAKEUP_TIME_PENDING: i64 = 0x0000_0002;
/// Xen efi set wakeup time enable.
pub const XEN_EFI_SET_WAKEUP_TIME_ENABLE: i64 = 0x0000_0001;
/// Xen efi set wakeup time enable only.
pub const XEN_EFI_SET_WAKEUP_TIME_ENABLE_ONLY: i64 = 0x0000_0002;
/// Xen efi variable non volatile.
pub const XEN_EFI_VARIABLE_NON_VOLATILE: i64 = 0x0000_0001;
/// Xen efi variable bootservice access.
pub const XEN_EFI_VARIABLE_BOOTSERVICE_ACCESS: i64 = 0x0000_0002;
/// Xen efi variable runtime access.
pub const XEN_EFI_VARIABLE_RUNTIME_ACCESS: i64 = 0x0000_0004;

/// Xenpf efi runtime call get variable.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_runtime_call_get_variable {
    /// UCS-2/UTF-16 string.
    pub name: guest_handle,
    /// Size.
    pub size: xen_ulong_t,
    /// Data.
    pub data: guest_handle,
    /// Vendor guid.
    pub vendor_guid: xenpf_efi_guid,
}
const _: () = assert!(size_of::<xenpf_efi_runtime_call_get_variable>() == 40);

/// Xenpf efi runtime call set variable.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_runtime_call_set_variable {
    /// UCS-2/UTF-16 string.
    pub name: guest_handle,
    /// Size.
    pub size: xen_ulong_t,
    /// Data.
    pub data: guest_handle,
    /// Vendor guid.
    pub vendor_guid: xenpf_efi_guid,
}
const _: () = assert!(size_of::<xenpf_efi_runtime_call_set_variable>() == 40);

/// Xenpf efi runtime call get next variable name.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_runtime_call_get_next_variable_name {
    /// Size.
    pub size: xen_ulong_t,
    /// UCS-2/UTF-16 string.
    pub name: guest_handle,
    /// Vendor guid.
    pub vendor_guid: xenpf_efi_guid,
}
const _: () = assert!(size_of::<xenpf_efi_runtime_call_get_next_variable_name>() == 32);

/// Xen efi varinfo boot snapshot.
pub const XEN_EFI_VARINFO_BOOT_SNAPSHOT: i64 = 0x0000_0001;

/// Xenpf efi runtime call query variable info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_runtime_call_query_variable_info {
    /// Attr.
    pub attr: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Max store size.
    pub max_store_size: u64,
    /// Remain store size.
    pub remain_store_size: u64,
    /// Max size.
    pub max_size: u64,
}
const _: () = assert!(size_of::<xenpf_efi_runtime_call_query_variable_info>() == 32);

/// Xenpf efi runtime call query capsule capabilities.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_runtime_call_query_capsule_capabilities {
    /// Capsule header array.
    pub capsule_header_array: guest_handle,
    /// Capsule count.
    pub capsule_count: xen_ulong_t,
    /// Max capsule size.
    pub max_capsule_size: u64,
    /// Reset type.
    pub reset_type: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xenpf_efi_runtime_call_query_capsule_capabilities>() == 32);

/// Xenpf efi runtime call update capsule.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_runtime_call_update_capsule {
    /// Capsule header array.
    pub capsule_header_array: guest_handle,
    /// Capsule count.
    pub capsule_count: xen_ulong_t,
    /// machine address.
    pub sg_list: u64,
}
const _: () = assert!(size_of::<xenpf_efi_runtime_call_update_capsule>() == 24);

/// Xenpf firmware info.
pub const XENPF_firmware_info: u32 = 50;
/// from int 13 AH=08/41/48.
pub const XEN_FW_DISK_INFO: u32 = 1;
/// from MBR offset 0x1b8.
pub const XEN_FW_DISK_MBR_SIGNATURE: u32 = 2;
/// from int 10 AX=4f15.
pub const XEN_FW_VBEDDC_INFO: u32 = 3;
/// from EFI.
pub const XEN_FW_EFI_INFO: u32 = 4;
/// Xen fw efi version.
pub const XEN_FW_EFI_VERSION: u32 = 0;
/// Xen fw efi config table.
pub const XEN_FW_EFI_CONFIG_TABLE: u32 = 1;
/// Xen fw efi vendor.
pub const XEN_FW_EFI_VENDOR: u32 = 2;
/// Xen fw efi mem info.
pub const XEN_FW_EFI_MEM_INFO: u32 = 3;
/// Xen fw efi rt version.
pub const XEN_FW_EFI_RT_VERSION: u32 = 4;
/// Xen fw efi pci rom.
pub const XEN_FW_EFI_PCI_ROM: u32 = 5;
/// Xen fw efi apple properties.
pub const XEN_FW_EFI_APPLE_PROPERTIES: u32 = 6;
/// Xen fw kbd shift flags.
pub const XEN_FW_KBD_SHIFT_FLAGS: u32 = 5;

/// Xenpf firmware info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_firmware_info {
    /// IN variables.
    pub r#type: u32,
    /// Index.
    pub index: u32,
    /// U.
    ///
    /// One of: `disk_info` ([`xenpf_firmware_info_disk_info`]), `disk_mbr_signature`
    /// ([`xenpf_firmware_info_disk_mbr_signature`]), `vbeddc_info`
    /// ([`xenpf_firmware_info_vbeddc_info`]), `efi_info` (`Union<[u64; 4]>`), `kbd_shift_flags`
    /// (`u8`).
    pub u: Union<[u64; 4]>,
}
const _: () = assert!(size_of::<xenpf_firmware_info>() == 40);

/// Xenpf firmware info disk info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_firmware_info_disk_info {
    /// %dl: bios device number.
    pub device: u8,
    /// %ah: major version.
    pub version: u8,
    /// %cx: support bitmap.
    pub interface_support: u16,
    /// %cl\[7:6\]:%ch: max cyl #.
    pub legacy_max_cylinder: u16,
    /// %dh: max head #.
    pub legacy_max_head: u8,
    /// %cl\[5:0\]: max sector #.
    pub legacy_sectors_per_track: u8,
    /// NB. First uint16_t of buffer must be set to buffer size.
    pub edd_params: guest_handle,
}
const _: () = assert!(size_of::<xenpf_firmware_info_disk_info>() == 16);

/// Xenpf firmware info disk mbr signature.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_firmware_info_disk_mbr_signature {
    /// bios device number.
    pub device: u8,
    /// Padding.
    pub _pad0: [u8; 3],
    /// offset 0x1b8 in mbr.
    pub mbr_signature: u32,
}
const _: () = assert!(size_of::<xenpf_firmware_info_disk_mbr_signature>() == 8);

/// Xenpf firmware info vbeddc info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_firmware_info_vbeddc_info {
    /// Int10, AX=4F15: Get EDID info.
    pub capabilities: u8,
    /// Edid transfer time.
    pub edid_transfer_time: u8,
    /// Padding.
    pub _pad0: [u8; 6],
    /// must refer to 128-byte buffer.
    pub edid: guest_handle,
}
const _: () = assert!(size_of::<xenpf_firmware_info_vbeddc_info>() == 16);

/// Xenpf efi info cfg.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_info_cfg {
    /// EFI_CONFIGURATION_TABLE.
    pub addr: u64,
    /// Nent.
    pub nent: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xenpf_efi_info_cfg>() == 16);

/// Xenpf efi info vendor.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_info_vendor {
    /// Revision.
    pub revision: u32,
    /// input, in bytes.
    pub bufsz: u32,
    /// UCS-2/UTF-16 string.
    pub name: guest_handle,
}
const _: () = assert!(size_of::<xenpf_efi_info_vendor>() == 16);

/// Xenpf efi info mem.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_info_mem {
    /// Addr.
    pub addr: u64,
    /// Size.
    pub size: u64,
    /// Attr.
    pub attr: u64,
    /// Type.
    pub r#type: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xenpf_efi_info_mem>() == 32);

/// Xenpf efi info pci rom.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_info_pci_rom {
    /// IN variables.
    pub segment: u16,
    /// Bus.
    pub bus: u8,
    /// Devfn.
    pub devfn: u8,
    /// Vendor.
    pub vendor: u16,
    /// Devid.
    pub devid: u16,
    /// OUT variables.
    pub address: u64,
    /// Size.
    pub size: xen_ulong_t,
}
const _: () = assert!(size_of::<xenpf_efi_info_pci_rom>() == 24);

/// Xenpf efi info apple properties.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_info_apple_properties {
    /// OUT variables.
    pub address: u64,
    /// Size.
    pub size: xen_ulong_t,
}
const _: () = assert!(size_of::<xenpf_efi_info_apple_properties>() == 16);

/// Xenpf enter acpi sleep.
pub const XENPF_enter_acpi_sleep: u32 = 51;

/// Xenpf enter acpi sleep.
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

/// Xenpf acpi sleep extended.
pub const XENPF_ACPI_SLEEP_EXTENDED: u32 = 0x0000_0001;
/// Xenpf change freq.
pub const XENPF_change_freq: u32 = 52;

/// Xenpf change freq.
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

/// Get idle times (nanoseconds since boot) for physical CPUs specified in the @cpumap_bitmap
/// with range \[0..@cpumap_nr_cpus-1\]. The @idletime array is indexed by CPU number; only
/// entries with the corresponding @cpumap_bitmap bit set are written to.
pub const XENPF_getidletime: u32 = 53;

/// Xenpf getidletime.
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

/// Xenpf set processor pminfo.
pub const XENPF_set_processor_pminfo: u32 = 54;
/// ability bits.
pub const XEN_PROCESSOR_PM_CX: u32 = 1;
/// Xen processor pm px.
pub const XEN_PROCESSOR_PM_PX: u32 = 2;
/// Xen processor pm tx.
pub const XEN_PROCESSOR_PM_TX: u32 = 4;
/// cmd type.
pub const XEN_PM_CX: u32 = 0;
/// Xen pm px.
pub const XEN_PM_PX: u32 = 1;
/// Xen pm tx.
pub const XEN_PM_TX: u32 = 2;
/// Xen pm pdc.
pub const XEN_PM_PDC: u32 = 3;
/// Px sub info type.
pub const XEN_PX_PCT: u32 = 1;
/// Xen px pss.
pub const XEN_PX_PSS: u32 = 2;
/// Xen px ppc.
pub const XEN_PX_PPC: u32 = 4;
/// Xen px psd.
pub const XEN_PX_PSD: u32 = 8;

/// Xen power register.
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

/// Xen processor csd.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_processor_csd {
    /// domain number of one dependent group.
    pub domain: u32,
    /// coordination type.
    pub coord_type: u32,
    /// number of processors in same domain.
    pub num: u32,
}
const _: () = assert!(size_of::<xen_processor_csd>() == 12);

/// Xen processor cx.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_processor_cx {
    /// GAS for Cx trigger register.
    pub reg: xen_power_register,
    /// cstate value, c0: 0, c1: 1, ...
    pub r#type: u8,
    /// Padding.
    pub _pad0: [u8; 3],
    /// worst latency (ms) to enter/exit this cstate.
    pub latency: u32,
    /// average power consumption(mW).
    pub power: u32,
    /// number of dependency entries.
    pub dpcnt: u32,
    /// NULL if no dependency.
    pub dp: guest_handle,
}
const _: () = assert!(size_of::<xen_processor_cx>() == 48);

/// Xen processor flags.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_processor_flags {
    /// Bits.
    pub bits: u32,
}
const _: () = assert!(size_of::<xen_processor_flags>() == 4);

/// Xen processor power.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_processor_power {
    /// number of C state entries in array below.
    pub count: u32,
    /// global flags of this processor.
    pub flags: xen_processor_flags,
    /// supported c states.
    pub states: guest_handle,
}
const _: () = assert!(size_of::<xen_processor_power>() == 16);

/// Xen pct register.
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
    /// Reserved.
    pub reserved: u8,
    /// Address.
    pub address: u64,
}
const _: () = assert!(size_of::<xen_pct_register>() == 16);

/// Xen processor px.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_processor_px {
    /// megahertz.
    pub core_frequency: u64,
    /// milliWatts.
    pub power: u64,
    /// microseconds.
    pub transition_latency: u64,
    /// microseconds.
    pub bus_master_latency: u64,
    /// control value.
    pub control: u64,
    /// success indicator.
    pub status: u64,
}
const _: () = assert!(size_of::<xen_processor_px>() == 48);

/// Xen psd package.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_psd_package {
    /// Num entries.
    pub num_entries: u64,
    /// Revision.
    pub revision: u64,
    /// Domain.
    pub domain: u64,
    /// Coord type.
    pub coord_type: u64,
    /// Num processors.
    pub num_processors: u64,
}
const _: () = assert!(size_of::<xen_psd_package>() == 40);

/// Xen processor performance.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_processor_performance {
    /// flag for Px sub info type.
    pub flags: u32,
    /// Platform limitation on freq usage.
    pub platform_limit: u32,
    /// Control register.
    pub control_register: xen_pct_register,
    /// Status register.
    pub status_register: xen_pct_register,
    /// total available performance states.
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

/// Xenpf set processor pminfo.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_set_processor_pminfo {
    /// ACPI CPU ID.
    pub id: u32,
    /// {XEN_PM_CX, XEN_PM_PX}.
    pub r#type: u32,
    /// U.
    ///
    /// One of: `power` ([`xen_processor_power`]), `perf` ([`xen_processor_performance`]), `pdc`
    /// (`guest_handle`).
    pub u: Union<[u64; 13]>,
}
const _: () = assert!(size_of::<xenpf_set_processor_pminfo>() == 112);

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
/// Xen core parking set.
pub const XEN_CORE_PARKING_SET: u32 = 1;
/// Xen core parking get.
pub const XEN_CORE_PARKING_GET: u32 = 2;

/// Xenpf core parking.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_core_parking {
    /// IN variables.
    pub r#type: u32,
    /// OUT variables: get cpu nums actually be idled.
    pub idle_nums: u32,
}
const _: () = assert!(size_of::<xenpf_core_parking>() == 8);

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

/// ` enum neg_errnoval ` HYPERVISOR_platform_op(const struct xen_platform_op*);.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_platform_op {
    /// Cmd.
    pub cmd: u32,
    /// XENPF_INTERFACE_VERSION.
    pub interface_version: u32,
    /// U.
    ///
    /// One of: `settime` ([`xenpf_settime64`]), `settime32` ([`xenpf_settime32`]), `settime64`
    /// ([`xenpf_settime64`]), `add_memtype` ([`xenpf_add_memtype`]), `del_memtype`
    /// ([`xenpf_del_memtype`]), `read_memtype` ([`xenpf_read_memtype`]), `microcode`
    /// ([`xenpf_microcode_update`]), `platform_quirk` ([`xenpf_platform_quirk`]),
    /// `efi_runtime_call` ([`xenpf_efi_runtime_call`]), `firmware_info`
    /// ([`xenpf_firmware_info`]), `enter_acpi_sleep` ([`xenpf_enter_acpi_sleep`]),
    /// `change_freq` ([`xenpf_change_freq`]), `getidletime` ([`xenpf_getidletime`]),
    /// `set_pminfo` ([`xenpf_set_processor_pminfo`]), `pcpu_info` ([`xenpf_pcpuinfo`]),
    /// `pcpu_version` ([`xenpf_pcpu_version`]), `cpu_ol` ([`xenpf_cpu_ol`]), `cpu_add`
    /// ([`xenpf_cpu_hotadd`]), `mem_add` ([`xenpf_mem_hotadd`]), `core_parking`
    /// ([`xenpf_core_parking`]), `resource_op` ([`xenpf_resource_op`]), `symdata`
    /// ([`xenpf_symdata`]), `pad` (`[u8; 128]`).
    pub u: Union<[u64; 16]>,
}
const _: () = assert!(size_of::<xen_platform_op>() == 136);

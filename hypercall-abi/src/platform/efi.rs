//! `xen/platform.h`: EFI run-time calls and firmware tables.

use crate::Union;
use crate::arch_x86_64::xen_ulong_t;
use crate::xen::guest_handle;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `GetTime`: `get_time` and, in `misc`, [`XEN_EFI_GET_TIME_SET_CLEARS_NS`].
pub const XEN_EFI_get_time: i64 = 1;
/// `SetTime` to `set_time`.
pub const XEN_EFI_set_time: i64 = 2;
/// `GetWakeupTime`: `get_wakeup_time` and, in `misc`, `XEN_EFI_GET_WAKEUP_TIME_*`.
pub const XEN_EFI_get_wakeup_time: i64 = 3;
/// `SetWakeupTime` to `set_wakeup_time`; `misc` holds `XEN_EFI_SET_WAKEUP_TIME_*`.
pub const XEN_EFI_set_wakeup_time: i64 = 4;
/// `GetNextHighMonotonicCount`: the count is returned in `misc`.
pub const XEN_EFI_get_next_high_monotonic_count: i64 = 5;
/// `GetVariable` into `get_variable`; the attributes are returned in `misc`.
pub const XEN_EFI_get_variable: i64 = 6;
/// `SetVariable` to `set_variable`; `misc` holds the attributes.
pub const XEN_EFI_set_variable: i64 = 7;
/// `GetNextVariableName`, in place in `get_next_variable_name`.
pub const XEN_EFI_get_next_variable_name: i64 = 8;
/// `QueryVariableInfo` into `query_variable_info`; `misc` may hold
/// [`XEN_EFI_VARINFO_BOOT_SNAPSHOT`].
pub const XEN_EFI_query_variable_info: i64 = 9;
/// `QueryCapsuleCapabilities` into `query_capsule_capabilities`.
pub const XEN_EFI_query_capsule_capabilities: i64 = 10;
/// `UpdateCapsule` with `update_capsule`.
pub const XEN_EFI_update_capsule: i64 = 11;

/// A time of day: `EFI_TIME` without its padding.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_time {
    /// 1900 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub min: u8,
    /// 0 to 59.
    pub sec: u8,
    /// Padding.
    pub _pad0: [u8; 1],
    /// 0 to 999,999,999.
    pub ns: u32,
    /// Minutes by which UTC is ahead of this time, -1440 to 1440; 2047 if it is local time of an
    /// unknown zone.
    pub tz: i16,
    /// Bit 0: the zone has daylight saving time; bit 1: it is applied.
    pub daylight: u8,
    /// Padding.
    pub _pad1: [u8; 1],
}
const _: () = assert!(size_of::<xenpf_efi_time>() == 16);

/// A GUID as EFI stores it: the first three groups little-endian.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_guid {
    /// First group.
    pub data1: u32,
    /// Second group.
    pub data2: u16,
    /// Third group.
    pub data3: u16,
    /// The last two groups, byte by byte as written.
    pub data4: [u8; 8],
}
const _: () = assert!(size_of::<xenpf_efi_guid>() == 16);

/// A call of an EFI runtime service. The hypercall's own result is 0 whenever the service was
/// called at all; -ENOSYS without EFI.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_runtime_call {
    /// IN: `XEN_EFI_*`, the service.
    pub function: u32,
    /// Flags or a result, by service.
    pub misc: u32,
    /// OUT: what the service returned, an `EFI_STATUS`.
    pub status: xen_ulong_t,
    /// The service's arguments and results.
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

/// Setting the clock clears what is below its resolution.
pub const XEN_EFI_GET_TIME_SET_CLEARS_NS: i64 = 0x0000_0001;

/// Results of [`XEN_EFI_get_time`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_runtime_call_get_time {
    /// OUT: the time.
    pub time: xenpf_efi_time,
    /// OUT: resolution of the clock, ticks per second.
    pub resolution: u32,
    /// OUT: error of the clock, in units of 1e-6 parts per million.
    pub accuracy: u32,
}
const _: () = assert!(size_of::<xenpf_efi_runtime_call_get_time>() == 24);

/// A wakeup is armed.
pub const XEN_EFI_GET_WAKEUP_TIME_ENABLED: i64 = 0x0000_0001;
/// A wakeup has fired and is not yet acknowledged.
pub const XEN_EFI_GET_WAKEUP_TIME_PENDING: i64 = 0x0000_0002;
/// Arm the wakeup; disarm it if clear.
pub const XEN_EFI_SET_WAKEUP_TIME_ENABLE: i64 = 0x0000_0001;
/// Leave the time as it is: only arm or disarm.
pub const XEN_EFI_SET_WAKEUP_TIME_ENABLE_ONLY: i64 = 0x0000_0002;
/// The variable survives power loss.
pub const XEN_EFI_VARIABLE_NON_VOLATILE: i64 = 0x0000_0001;
/// Boot services may access the variable.
pub const XEN_EFI_VARIABLE_BOOTSERVICE_ACCESS: i64 = 0x0000_0002;
/// Runtime services may access the variable.
pub const XEN_EFI_VARIABLE_RUNTIME_ACCESS: i64 = 0x0000_0004;

/// Arguments of [`XEN_EFI_get_variable`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_runtime_call_get_variable {
    /// IN: name of the variable, UCS-2, ending in NUL.
    pub name: guest_handle,
    /// IN: bytes of `data`; OUT: bytes of the value.
    pub size: xen_ulong_t,
    /// IN: where to write the value.
    pub data: guest_handle,
    /// IN: namespace of the variable.
    pub vendor_guid: xenpf_efi_guid,
}
const _: () = assert!(size_of::<xenpf_efi_runtime_call_get_variable>() == 40);

/// Arguments of [`XEN_EFI_set_variable`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_runtime_call_set_variable {
    /// IN: name of the variable, UCS-2, ending in NUL.
    pub name: guest_handle,
    /// IN: bytes of the value; 0 deletes the variable.
    pub size: xen_ulong_t,
    /// IN: the value.
    pub data: guest_handle,
    /// IN: namespace of the variable.
    pub vendor_guid: xenpf_efi_guid,
}
const _: () = assert!(size_of::<xenpf_efi_runtime_call_set_variable>() == 40);

/// Arguments of [`XEN_EFI_get_next_variable_name`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_runtime_call_get_next_variable_name {
    /// IN: bytes of `name`'s buffer; OUT: bytes of the name found.
    pub size: xen_ulong_t,
    /// The name, UCS-2, ending in NUL: IN the last one (empty to begin), OUT the next.
    pub name: guest_handle,
    /// Its namespace: IN of the last name, OUT of the next.
    pub vendor_guid: xenpf_efi_guid,
}
const _: () = assert!(size_of::<xenpf_efi_runtime_call_get_next_variable_name>() == 32);

/// Answer with what the hypervisor learned at boot instead of calling firmware.
pub const XEN_EFI_VARINFO_BOOT_SNAPSHOT: i64 = 0x0000_0001;

/// Arguments of [`XEN_EFI_query_variable_info`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_runtime_call_query_variable_info {
    /// IN: `XEN_EFI_VARIABLE_*` of the variables asked about.
    pub attr: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// OUT: bytes of storage for such variables.
    pub max_store_size: u64,
    /// OUT: bytes of it that are free.
    pub remain_store_size: u64,
    /// OUT: bytes of the largest possible variable.
    pub max_size: u64,
}
const _: () = assert!(size_of::<xenpf_efi_runtime_call_query_variable_info>() == 32);

/// Arguments of [`XEN_EFI_query_capsule_capabilities`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_runtime_call_query_capsule_capabilities {
    /// IN: array of pointers to `EFI_CAPSULE_HEADER`s.
    pub capsule_header_array: guest_handle,
    /// IN: length of the array.
    pub capsule_count: xen_ulong_t,
    /// OUT: bytes of the largest capsule that firmware takes.
    pub max_capsule_size: u64,
    /// OUT: the `EFI_RESET_TYPE` that the update needs.
    pub reset_type: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xenpf_efi_runtime_call_query_capsule_capabilities>() == 32);

/// Arguments of [`XEN_EFI_update_capsule`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_runtime_call_update_capsule {
    /// IN: array of pointers to `EFI_CAPSULE_HEADER`s.
    pub capsule_header_array: guest_handle,
    /// IN: length of the array.
    pub capsule_count: xen_ulong_t,
    /// IN: machine address of the capsules' scatter-gather list.
    pub sg_list: u64,
}
const _: () = assert!(size_of::<xenpf_efi_runtime_call_update_capsule>() == 24);

/// `disk_info` of the `index`-th BIOS disk, from INT 13h functions 08h, 41h and 48h.
pub const XEN_FW_DISK_INFO: u32 = 1;
/// `disk_mbr_signature` of the `index`-th BIOS disk.
pub const XEN_FW_DISK_MBR_SIGNATURE: u32 = 2;
/// `vbeddc_info` of the screen, from INT 10h function 4F15h; `index` must be 0.
pub const XEN_FW_VBEDDC_INFO: u32 = 3;
/// `efi_info`: what EFI told, `index` being `XEN_FW_EFI_*`.
pub const XEN_FW_EFI_INFO: u32 = 4;
/// Member `version` (`u32`): revision of EFI, from its system table.
pub const XEN_FW_EFI_VERSION: u32 = 0;
/// Member `cfg` ([`xenpf_efi_info_cfg`]): the configuration tables.
pub const XEN_FW_EFI_CONFIG_TABLE: u32 = 1;
/// Member `vendor` ([`xenpf_efi_info_vendor`]): who made the firmware.
pub const XEN_FW_EFI_VENDOR: u32 = 2;
/// Member `mem` ([`xenpf_efi_info_mem`]): what EFI's memory map says of an address.
pub const XEN_FW_EFI_MEM_INFO: u32 = 3;
/// Member `version` (`u32`): revision of the runtime services.
pub const XEN_FW_EFI_RT_VERSION: u32 = 4;
/// Member `pci_rom` ([`xenpf_efi_info_pci_rom`]): the option ROM of a device.
pub const XEN_FW_EFI_PCI_ROM: u32 = 5;
/// Member `apple_properties` ([`xenpf_efi_info_apple_properties`]): device properties of Apple's
/// firmware.
pub const XEN_FW_EFI_APPLE_PROPERTIES: u32 = 6;
/// `kbd_shift_flags`: keyboard shift state, from INT 16h function 02h.
pub const XEN_FW_KBD_SHIFT_FLAGS: u32 = 5;

/// Argument of `XENPF_firmware_info`. -ESRCH if there is no such thing, also for the index after
/// the last; -ENOSYS if it is EFI's and the machine has none.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_firmware_info {
    /// IN: `XEN_FW_*`.
    pub r#type: u32,
    /// IN: which of several, from 0.
    pub index: u32,
    /// OUT: the answer, by `type`.
    ///
    /// One of: `disk_info` ([`xenpf_firmware_info_disk_info`]), `disk_mbr_signature`
    /// ([`xenpf_firmware_info_disk_mbr_signature`]), `vbeddc_info`
    /// ([`xenpf_firmware_info_vbeddc_info`]), `efi_info` (`Union<[u64; 4]>`), `kbd_shift_flags`
    /// (`u8`).
    pub u: Union<[u64; 4]>,
}
const _: () = assert!(size_of::<xenpf_firmware_info>() == 40);

/// What the BIOS says of a disk.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_firmware_info_disk_info {
    /// OUT: BIOS device number, from 80h.
    pub device: u8,
    /// OUT: version of the extensions (AH of function 41h).
    pub version: u8,
    /// OUT: bitmap of the extensions (CX of function 41h).
    pub interface_support: u16,
    /// OUT: highest cylinder (CL bits 7:6 and CH of function 08h).
    pub legacy_max_cylinder: u16,
    /// OUT: highest head (DH of function 08h).
    pub legacy_max_head: u8,
    /// OUT: highest sector, counted from 1 (CL bits 5:0 of function 08h).
    pub legacy_sectors_per_track: u8,
    /// Buffer for the EDD parameters of function 48h. IN: its first `u16` holds its size in
    /// bytes; OUT: the parameters.
    pub edd_params: guest_handle,
}
const _: () = assert!(size_of::<xenpf_firmware_info_disk_info>() == 16);

/// The mark by which an operating system recognises a BIOS disk.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_firmware_info_disk_mbr_signature {
    /// OUT: BIOS device number, from 80h.
    pub device: u8,
    /// Padding.
    pub _pad0: [u8; 3],
    /// OUT: the word at offset 1B8h of the disk's first sector.
    pub mbr_signature: u32,
}
const _: () = assert!(size_of::<xenpf_firmware_info_disk_mbr_signature>() == 8);

/// What the screen says of itself (VBE/DDC).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_firmware_info_vbeddc_info {
    /// OUT: BL of subfunction 0: bit 0 DDC1, bit 1 DDC2, bit 2 the screen blanks during a
    /// transfer.
    pub capabilities: u8,
    /// OUT: BH of subfunction 0: seconds that a block takes, rounded up.
    pub edid_transfer_time: u8,
    /// Padding.
    pub _pad0: [u8; 6],
    /// IN: where to write the first EDID block, 128 bytes.
    pub edid: guest_handle,
}
const _: () = assert!(size_of::<xenpf_firmware_info_vbeddc_info>() == 16);

/// EFI's configuration tables.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_info_cfg {
    /// OUT: physical address of the array of `EFI_CONFIGURATION_TABLE`.
    pub addr: u64,
    /// OUT: its length.
    pub nent: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xenpf_efi_info_cfg>() == 16);

/// The firmware's maker.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_info_vendor {
    /// OUT: the firmware's own revision.
    pub revision: u32,
    /// IN: bytes of `name`'s buffer.
    pub bufsz: u32,
    /// IN: where to write the maker's name, UCS-2, ending in NUL.
    pub name: guest_handle,
}
const _: () = assert!(size_of::<xenpf_efi_info_vendor>() == 16);

/// A range of EFI's memory map.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_info_mem {
    /// IN: its physical address.
    pub addr: u64,
    /// IN: bytes asked about; OUT: how many of them have the same type and attributes.
    pub size: u64,
    /// OUT: `EFI_MEMORY_*` attributes.
    pub attr: u64,
    /// OUT: `EFI_MEMORY_TYPE`.
    pub r#type: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xenpf_efi_info_mem>() == 32);

/// A copy of an option ROM, taken at boot.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_info_pci_rom {
    /// IN: PCI segment of the device.
    pub segment: u16,
    /// IN: PCI bus.
    pub bus: u8,
    /// IN: device (bits 7:3) and function (bits 2:0).
    pub devfn: u8,
    /// IN: PCI vendor ID, which must match.
    pub vendor: u16,
    /// IN: PCI device ID, which must match.
    pub devid: u16,
    /// OUT: physical address of the copy.
    pub address: u64,
    /// OUT: its length in bytes.
    pub size: xen_ulong_t,
}
const _: () = assert!(size_of::<xenpf_efi_info_pci_rom>() == 24);

/// Apple's device properties, taken at boot.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_info_apple_properties {
    /// OUT: physical address.
    pub address: u64,
    /// OUT: length in bytes.
    pub size: xen_ulong_t,
}
const _: () = assert!(size_of::<xenpf_efi_info_apple_properties>() == 16);

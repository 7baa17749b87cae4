//! `xen/platform.h`: EFI run-time calls and firmware tables.

use crate::Union;
use crate::arch_x86_64::xen_ulong_t;
use crate::xen::guest_handle;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// [`xenpf_efi_runtime_call::function`]: `get_time`.
pub const XEN_EFI_get_time: i64 = 1;
/// [`xenpf_efi_runtime_call::function`]: `set_time`.
pub const XEN_EFI_set_time: i64 = 2;
/// [`xenpf_efi_runtime_call::function`]: `get_wakeup_time`.
pub const XEN_EFI_get_wakeup_time: i64 = 3;
/// [`xenpf_efi_runtime_call::function`]: `set_wakeup_time`.
pub const XEN_EFI_set_wakeup_time: i64 = 4;
/// [`xenpf_efi_runtime_call::function`]: `get_next_high_monotonic_count`.
pub const XEN_EFI_get_next_high_monotonic_count: i64 = 5;
/// [`xenpf_efi_runtime_call::function`]: `get_variable`.
pub const XEN_EFI_get_variable: i64 = 6;
/// [`xenpf_efi_runtime_call::function`]: `set_variable`.
pub const XEN_EFI_set_variable: i64 = 7;
/// [`xenpf_efi_runtime_call::function`]: `get_next_variable_name`.
pub const XEN_EFI_get_next_variable_name: i64 = 8;
/// [`xenpf_efi_runtime_call::function`]: `query_variable_info`.
pub const XEN_EFI_query_variable_info: i64 = 9;
/// [`xenpf_efi_runtime_call::function`]: `query_capsule_capabilities`.
pub const XEN_EFI_query_capsule_capabilities: i64 = 10;
/// [`xenpf_efi_runtime_call::function`]: `update_capsule`.
pub const XEN_EFI_update_capsule: i64 = 11;

/// Structure `xenpf_efi_time` of the header.
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

/// Structure `xenpf_efi_guid` of the header.
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

/// Structure `xenpf_efi_runtime_call` of the header.
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
    /// Depends on the command.
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

/// XEN_EFI_GET_TIME_SET_CLEARS_NS.
pub const XEN_EFI_GET_TIME_SET_CLEARS_NS: i64 = 0x0000_0001;

/// Xenpf_efi_runtime_call_get_time.
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

/// XEN_EFI_GET_WAKEUP_TIME_ENABLED.
pub const XEN_EFI_GET_WAKEUP_TIME_ENABLED: i64 = 0x0000_0001;
/// XEN_EFI_GET_WAKEUP_TIME_PENDING.
pub const XEN_EFI_GET_WAKEUP_TIME_PENDING: i64 = 0x0000_0002;
/// XEN_EFI_SET_WAKEUP_TIME_ENABLE.
pub const XEN_EFI_SET_WAKEUP_TIME_ENABLE: i64 = 0x0000_0001;
/// XEN_EFI_SET_WAKEUP_TIME_ENABLE_ONLY.
pub const XEN_EFI_SET_WAKEUP_TIME_ENABLE_ONLY: i64 = 0x0000_0002;
/// XEN_EFI_VARIABLE_NON_VOLATILE.
pub const XEN_EFI_VARIABLE_NON_VOLATILE: i64 = 0x0000_0001;
/// XEN_EFI_VARIABLE_BOOTSERVICE_ACCESS.
pub const XEN_EFI_VARIABLE_BOOTSERVICE_ACCESS: i64 = 0x0000_0002;
/// XEN_EFI_VARIABLE_RUNTIME_ACCESS.
pub const XEN_EFI_VARIABLE_RUNTIME_ACCESS: i64 = 0x0000_0004;

/// Xenpf_efi_runtime_call_get_variable.
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

/// Xenpf_efi_runtime_call_set_variable.
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

/// Xenpf_efi_runtime_call_get_next_variable_name.
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

/// XEN_EFI_VARINFO_BOOT_SNAPSHOT.
pub const XEN_EFI_VARINFO_BOOT_SNAPSHOT: i64 = 0x0000_0001;

/// Xenpf_efi_runtime_call_query_variable_info.
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

/// Xenpf_efi_runtime_call_query_capsule_capabilities.
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

/// Xenpf_efi_runtime_call_update_capsule.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_runtime_call_update_capsule {
    /// Capsule header array.
    pub capsule_header_array: guest_handle,
    /// Capsule count.
    pub capsule_count: xen_ulong_t,
    /// Machine address.
    pub sg_list: u64,
}
const _: () = assert!(size_of::<xenpf_efi_runtime_call_update_capsule>() == 24);

/// From int 13 AH=08/41/48.
pub const XEN_FW_DISK_INFO: u32 = 1;
/// From MBR offset 0x1b8.
pub const XEN_FW_DISK_MBR_SIGNATURE: u32 = 2;
/// From int 10 AX=4f15.
pub const XEN_FW_VBEDDC_INFO: u32 = 3;
/// From EFI.
pub const XEN_FW_EFI_INFO: u32 = 4;
/// XEN_FW_EFI_VERSION.
pub const XEN_FW_EFI_VERSION: u32 = 0;
/// XEN_FW_EFI_CONFIG_TABLE.
pub const XEN_FW_EFI_CONFIG_TABLE: u32 = 1;
/// XEN_FW_EFI_VENDOR.
pub const XEN_FW_EFI_VENDOR: u32 = 2;
/// XEN_FW_EFI_MEM_INFO.
pub const XEN_FW_EFI_MEM_INFO: u32 = 3;
/// XEN_FW_EFI_RT_VERSION.
pub const XEN_FW_EFI_RT_VERSION: u32 = 4;
/// XEN_FW_EFI_PCI_ROM.
pub const XEN_FW_EFI_PCI_ROM: u32 = 5;
/// XEN_FW_EFI_APPLE_PROPERTIES.
pub const XEN_FW_EFI_APPLE_PROPERTIES: u32 = 6;
/// XEN_FW_KBD_SHIFT_FLAGS.
pub const XEN_FW_KBD_SHIFT_FLAGS: u32 = 5;

/// Structure `xenpf_firmware_info` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_firmware_info {
    /// IN: type.
    pub r#type: u32,
    /// Index.
    pub index: u32,
    /// Depends on the command.
    ///
    /// One of: `disk_info` ([`xenpf_firmware_info_disk_info`]), `disk_mbr_signature`
    /// ([`xenpf_firmware_info_disk_mbr_signature`]), `vbeddc_info`
    /// ([`xenpf_firmware_info_vbeddc_info`]), `efi_info` (`Union<[u64; 4]>`), `kbd_shift_flags`
    /// (`u8`).
    pub u: Union<[u64; 4]>,
}
const _: () = assert!(size_of::<xenpf_firmware_info>() == 40);

/// Xenpf_firmware_info_disk_info.
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

/// Xenpf_firmware_info_disk_mbr_signature.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_firmware_info_disk_mbr_signature {
    /// Bios device number.
    pub device: u8,
    /// Padding.
    pub _pad0: [u8; 3],
    /// Offset 0x1b8 in mbr.
    pub mbr_signature: u32,
}
const _: () = assert!(size_of::<xenpf_firmware_info_disk_mbr_signature>() == 8);

/// Xenpf_firmware_info_vbeddc_info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_firmware_info_vbeddc_info {
    /// Int10, AX=4F15: Get EDID info.
    pub capabilities: u8,
    /// Edid transfer time.
    pub edid_transfer_time: u8,
    /// Padding.
    pub _pad0: [u8; 6],
    /// Must refer to 128-byte buffer.
    pub edid: guest_handle,
}
const _: () = assert!(size_of::<xenpf_firmware_info_vbeddc_info>() == 16);

/// Xenpf_efi_info_cfg.
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

/// Xenpf_efi_info_vendor.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_info_vendor {
    /// Revision.
    pub revision: u32,
    /// Input, in bytes.
    pub bufsz: u32,
    /// UCS-2/UTF-16 string.
    pub name: guest_handle,
}
const _: () = assert!(size_of::<xenpf_efi_info_vendor>() == 16);

/// Xenpf_efi_info_mem.
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

/// Xenpf_efi_info_pci_rom.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_info_pci_rom {
    /// IN: pci segment.
    pub segment: u16,
    /// PCI bus.
    pub bus: u8,
    /// PCI device (bits 7:3) and function (bits 2:0).
    pub devfn: u8,
    /// Vendor.
    pub vendor: u16,
    /// Devid.
    pub devid: u16,
    /// OUT: address.
    pub address: u64,
    /// Size.
    pub size: xen_ulong_t,
}
const _: () = assert!(size_of::<xenpf_efi_info_pci_rom>() == 24);

/// Xenpf_efi_info_apple_properties.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenpf_efi_info_apple_properties {
    /// OUT: address.
    pub address: u64,
    /// Size.
    pub size: xen_ulong_t,
}
const _: () = assert!(size_of::<xenpf_efi_info_apple_properties>() == 16);

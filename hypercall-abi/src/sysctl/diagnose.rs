//! Sysctls on the hypervisor's console, trace, counters and locks.

use crate::xen::{guest_handle, xenctl_bitmap};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Reads the hypervisor's console ring.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_readconsole {
    /// IN: not 0 empties the ring afterwards.
    pub clear: u8,
    /// IN: not 0 begins at `index` instead of the oldest byte.
    pub incremental: u8,
    /// Unused; zero.
    pub pad0: u8,
    /// Unused; zero.
    pub pad1: u8,
    /// IN: where to begin; OUT: where to go on.
    pub index: u32,
    /// IN: where to write.
    pub buffer: guest_handle,
    /// IN: bytes of the buffer; OUT: bytes written.
    pub count: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xen_sysctl_readconsole>() == 24);

/// Argument of `XEN_SYSCTL_tbuf_op`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_tbuf_op {
    /// Sub-command.
    pub cmd: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// IN: cpu mask.
    pub cpu_mask: xenctl_bitmap,
    /// Evt mask.
    pub evt_mask: u32,
    /// Padding.
    pub _pad1: [u8; 4],
    /// OUT: buffer mfn.
    pub buffer_mfn: u64,
    /// Also an IN variable!.
    pub size: u32,
    /// Padding.
    pub _pad2: [u8; 4],
}
const _: () = assert!(size_of::<xen_sysctl_tbuf_op>() == 48);

/// [`xen_sysctl_tbuf_op::cmd`]: `get_info`.
pub const XEN_SYSCTL_TBUFOP_get_info: u32 = 0;
/// [`xen_sysctl_tbuf_op::cmd`]: `set_cpu_mask`.
pub const XEN_SYSCTL_TBUFOP_set_cpu_mask: u32 = 1;
/// [`xen_sysctl_tbuf_op::cmd`]: `set_evt_mask`.
pub const XEN_SYSCTL_TBUFOP_set_evt_mask: u32 = 2;
/// [`xen_sysctl_tbuf_op::cmd`]: `set_size`.
pub const XEN_SYSCTL_TBUFOP_set_size: u32 = 3;
/// [`xen_sysctl_tbuf_op::cmd`]: `enable`.
pub const XEN_SYSCTL_TBUFOP_enable: u32 = 4;
/// [`xen_sysctl_tbuf_op::cmd`]: `disable`.
pub const XEN_SYSCTL_TBUFOP_disable: u32 = 5;
/// Reset all counters to zero.
pub const XEN_SYSCTL_PERFCOP_reset: u32 = 1;
/// Get perfctr information.
pub const XEN_SYSCTL_PERFCOP_query: u32 = 2;

/// Structure `xen_sysctl_perfc_desc` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_perfc_desc {
    /// Name of perf counter.
    pub name: [u8; 80],
    /// Number of values for this counter.
    pub nr_vals: u32,
}
const _: () = assert!(size_of::<xen_sysctl_perfc_desc>() == 84);

/// Xen_sysctl_perfc_val_t.
pub type xen_sysctl_perfc_val_t = u32;

/// Structure `xen_sysctl_perfc_op` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_perfc_op {
    /// XEN_SYSCTL_PERFCOP_???
    pub cmd: u32,
    /// Number of counters description.
    pub nr_counters: u32,
    /// Number of values.
    pub nr_vals: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Counter information (or NULL).
    pub desc: guest_handle,
    /// Counter values (or NULL).
    pub val: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_perfc_op>() == 32);

/// Presses keys on the hypervisor's console.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_debug_keys {
    /// The keys, one byte each.
    pub keys: guest_handle,
    /// Their number.
    pub nr_keys: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xen_sysctl_debug_keys>() == 16);

/// Argument of `XEN_SYSCTL_page_offline_op`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_page_offline_op {
    /// Sub-command.
    pub cmd: u32,
    /// Start.
    pub start: u32,
    /// End.
    pub end: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Bit 0~15: result flags bit 16~31: owner.
    pub status: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_page_offline_op>() == 24);

/// IN: range of page to be offlined.
pub const sysctl_page_offline: u32 = 1;
/// Sysctl_page_online.
pub const sysctl_page_online: u32 = 2;
/// Sysctl_query_page_offline.
pub const sysctl_query_page_offline: u32 = 3;
/// PG_OFFLINE_STATUS_MASK.
pub const PG_OFFLINE_STATUS_MASK: u32 = 0xFF;
/// The result is invalid, i.e.
pub const PG_OFFLINE_INVALID: u32 = 0x1;
/// PG_OFFLINE_OFFLINED.
pub const PG_OFFLINE_OFFLINED: u32 = 0x1 << 1;
/// PG_OFFLINE_PENDING.
pub const PG_OFFLINE_PENDING: u32 = 0x1 << 2;
/// PG_OFFLINE_FAILED.
pub const PG_OFFLINE_FAILED: u32 = 0x1 << 3;
/// PG_OFFLINE_AGAIN.
pub const PG_OFFLINE_AGAIN: u32 = 0x1 << 4;
/// PG_ONLINE_FAILED.
pub const PG_ONLINE_FAILED: u32 = PG_OFFLINE_FAILED;
/// PG_ONLINE_ONLINED.
pub const PG_ONLINE_ONLINED: u32 = PG_OFFLINE_OFFLINED;
/// PG_OFFLINE_STATUS_OFFLINED.
pub const PG_OFFLINE_STATUS_OFFLINED: u32 = 0x1 << 1;
/// PG_OFFLINE_STATUS_ONLINE.
pub const PG_OFFLINE_STATUS_ONLINE: u32 = 0x1 << 2;
/// PG_OFFLINE_STATUS_OFFLINE_PENDING.
pub const PG_OFFLINE_STATUS_OFFLINE_PENDING: u32 = 0x1 << 3;
/// PG_OFFLINE_STATUS_BROKEN.
pub const PG_OFFLINE_STATUS_BROKEN: u32 = 0x1 << 4;
/// PG_OFFLINE_MISC_MASK.
pub const PG_OFFLINE_MISC_MASK: u32 = 0xFF << 4;
/// Valid when PG_OFFLINE_FAILED or PG_OFFLINE_PENDING.
pub const PG_OFFLINE_XENPAGE: u32 = 0x1 << 8;
/// PG_OFFLINE_DOM0PAGE.
pub const PG_OFFLINE_DOM0PAGE: u32 = 0x1 << 9;
/// PG_OFFLINE_ANONYMOUS.
pub const PG_OFFLINE_ANONYMOUS: u32 = 0x1 << 10;
/// PG_OFFLINE_NOT_CONV_RAM.
pub const PG_OFFLINE_NOT_CONV_RAM: u32 = 0x1 << 11;
/// PG_OFFLINE_OWNED.
pub const PG_OFFLINE_OWNED: u32 = 0x1 << 12;
/// PG_OFFLINE_BROKEN.
pub const PG_OFFLINE_BROKEN: u32 = 0x1 << 13;
/// PG_ONLINE_BROKEN.
pub const PG_ONLINE_BROKEN: u32 = PG_OFFLINE_BROKEN;
/// PG_OFFLINE_OWNER_SHIFT.
pub const PG_OFFLINE_OWNER_SHIFT: u32 = 16;
/// Reset all profile data to zero.
pub const XEN_SYSCTL_LOCKPROF_reset: u32 = 1;
/// Get lock profile information.
pub const XEN_SYSCTL_LOCKPROF_query: u32 = 2;
/// Global lock, idx meaningless.
pub const LOCKPROF_TYPE_GLOBAL: u32 = 0;
/// Per-domain lock, idx is domid.
pub const LOCKPROF_TYPE_PERDOM: u32 = 1;
/// Number of types.
pub const LOCKPROF_TYPE_N: u32 = 2;

/// Structure `xen_sysctl_lockprof_data` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_lockprof_data {
    /// Lock name (may include up to 2 %d specifiers).
    pub name: [u8; 40],
    /// LOCKPROF_TYPE_???
    pub r#type: i32,
    /// Index (e.g. domain id).
    pub idx: i32,
    /// # of locking succeeded.
    pub lock_cnt: u64,
    /// # of wait for lock.
    pub block_cnt: u64,
    /// Nsecs lock held.
    pub lock_time: u64,
    /// Nsecs waited for lock.
    pub block_time: u64,
}
const _: () = assert!(size_of::<xen_sysctl_lockprof_data>() == 80);

/// Structure `xen_sysctl_lockprof_op` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_lockprof_op {
    /// XEN_SYSCTL_LOCKPROF_???
    pub cmd: u32,
    /// Size of output buffer.
    pub max_elem: u32,
    /// Number of elements available.
    pub nr_elem: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Nsecs of profile measurement.
    pub time: u64,
    /// Profile information (or NULL).
    pub data: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_lockprof_op>() == 32);

/// XCOV.
pub const XEN_GCOV_FORMAT_MAGIC: u32 = 0x5843_4f56;
/// Get total size of output data.
pub const XEN_SYSCTL_COVERAGE_get_size: u32 = 0;
/// Read output data.
pub const XEN_SYSCTL_COVERAGE_read: u32 = 1;
/// Reset all counters.
pub const XEN_SYSCTL_COVERAGE_reset: u32 = 2;

/// Structure `xen_sysctl_coverage_op` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_coverage_op {
    /// Sub-command.
    pub cmd: u32,
    /// IN/OUT: size of the buffer.
    pub size: u32,
    /// OUT: buffer in the caller's memory.
    pub buffer: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_coverage_op>() == 16);

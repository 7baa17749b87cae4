//! `xen/sysctl/diagnose.h`.

use crate::xen::{guest_handle, xenctl_bitmap};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// XEN_SYSCTL_readconsole.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_readconsole {
    /// IN: Non-zero -> clear after reading.
    pub clear: u8,
    /// IN: Non-zero -> start index specified by @index field.
    pub incremental: u8,
    /// Pad0.
    pub pad0: u8,
    /// Pad1.
    pub pad1: u8,
    /// IN: Start index for consuming from ring buffer (if @incremental); OUT: End index after
    /// consuming from ring buffer.
    pub index: u32,
    /// IN: Virtual address to write console data.
    pub buffer: guest_handle,
    /// IN: Size of buffer; OUT: Bytes written to buffer.
    pub count: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xen_sysctl_readconsole>() == 24);

/// XEN_SYSCTL_tbuf_op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_tbuf_op {
    /// Cmd.
    pub cmd: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// IN/OUT variables.
    pub cpu_mask: xenctl_bitmap,
    /// Evt mask.
    pub evt_mask: u32,
    /// Padding.
    pub _pad1: [u8; 4],
    /// OUT variables.
    pub buffer_mfn: u64,
    /// Also an IN variable!.
    pub size: u32,
    /// Padding.
    pub _pad2: [u8; 4],
}
const _: () = assert!(size_of::<xen_sysctl_tbuf_op>() == 48);

/// IN variables.
pub const XEN_SYSCTL_TBUFOP_get_info: u32 = 0;
/// Xen sysctl tbufop set cpu mask.
pub const XEN_SYSCTL_TBUFOP_set_cpu_mask: u32 = 1;
/// Xen sysctl tbufop set evt mask.
pub const XEN_SYSCTL_TBUFOP_set_evt_mask: u32 = 2;
/// Xen sysctl tbufop set size.
pub const XEN_SYSCTL_TBUFOP_set_size: u32 = 3;
/// Xen sysctl tbufop enable.
pub const XEN_SYSCTL_TBUFOP_enable: u32 = 4;
/// Xen sysctl tbufop disable.
pub const XEN_SYSCTL_TBUFOP_disable: u32 = 5;
/// Reset all counters to zero.
pub const XEN_SYSCTL_PERFCOP_reset: u32 = 1;
/// Get perfctr information.
pub const XEN_SYSCTL_PERFCOP_query: u32 = 2;

/// Xen sysctl perfc desc.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_perfc_desc {
    /// name of perf counter.
    pub name: [u8; 80],
    /// number of values for this counter.
    pub nr_vals: u32,
}
const _: () = assert!(size_of::<xen_sysctl_perfc_desc>() == 84);

/// Xen sysctl perfc val t.
pub type xen_sysctl_perfc_val_t = u32;

/// Xen sysctl perfc op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_perfc_op {
    /// XEN_SYSCTL_PERFCOP_???.
    pub cmd: u32,
    /// number of counters description.
    pub nr_counters: u32,
    /// number of values.
    pub nr_vals: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// counter information (or NULL).
    pub desc: guest_handle,
    /// counter values (or NULL).
    pub val: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_perfc_op>() == 32);

/// XEN_SYSCTL_debug_keys.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_debug_keys {
    /// IN variables.
    pub keys: guest_handle,
    /// Nr keys.
    pub nr_keys: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xen_sysctl_debug_keys>() == 16);

/// XEN_SYSCTL_page_offline_op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_page_offline_op {
    /// Cmd.
    pub cmd: u32,
    /// Start.
    pub start: u32,
    /// End.
    pub end: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// bit 0~15: result flags bit 16~31: owner.
    pub status: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_page_offline_op>() == 24);

/// IN: range of page to be offlined.
pub const sysctl_page_offline: u32 = 1;
/// Sysctl page online.
pub const sysctl_page_online: u32 = 2;
/// Sysctl query page offline.
pub const sysctl_query_page_offline: u32 = 3;
/// Pg offline status mask.
pub const PG_OFFLINE_STATUS_MASK: u32 = 0xFF;
/// The result is invalid, i.e.
pub const PG_OFFLINE_INVALID: u32 = 0x1;
/// Pg offline offlined.
pub const PG_OFFLINE_OFFLINED: u32 = 0x1 << 1;
/// Pg offline pending.
pub const PG_OFFLINE_PENDING: u32 = 0x1 << 2;
/// Pg offline failed.
pub const PG_OFFLINE_FAILED: u32 = 0x1 << 3;
/// Pg offline again.
pub const PG_OFFLINE_AGAIN: u32 = 0x1 << 4;
/// Pg online failed.
pub const PG_ONLINE_FAILED: u32 = PG_OFFLINE_FAILED;
/// Pg online onlined.
pub const PG_ONLINE_ONLINED: u32 = PG_OFFLINE_OFFLINED;
/// Pg offline status offlined.
pub const PG_OFFLINE_STATUS_OFFLINED: u32 = 0x1 << 1;
/// Pg offline status online.
pub const PG_OFFLINE_STATUS_ONLINE: u32 = 0x1 << 2;
/// Pg offline status offline pending.
pub const PG_OFFLINE_STATUS_OFFLINE_PENDING: u32 = 0x1 << 3;
/// Pg offline status broken.
pub const PG_OFFLINE_STATUS_BROKEN: u32 = 0x1 << 4;
/// Pg offline misc mask.
pub const PG_OFFLINE_MISC_MASK: u32 = 0xFF << 4;
/// valid when PG_OFFLINE_FAILED or PG_OFFLINE_PENDING.
pub const PG_OFFLINE_XENPAGE: u32 = 0x1 << 8;
/// Pg offline dom0page.
pub const PG_OFFLINE_DOM0PAGE: u32 = 0x1 << 9;
/// Pg offline anonymous.
pub const PG_OFFLINE_ANONYMOUS: u32 = 0x1 << 10;
/// Pg offline not conv ram.
pub const PG_OFFLINE_NOT_CONV_RAM: u32 = 0x1 << 11;
/// Pg offline owned.
pub const PG_OFFLINE_OWNED: u32 = 0x1 << 12;
/// Pg offline broken.
pub const PG_OFFLINE_BROKEN: u32 = 0x1 << 13;
/// Pg online broken.
pub const PG_ONLINE_BROKEN: u32 = PG_OFFLINE_BROKEN;
/// Pg offline owner shift.
pub const PG_OFFLINE_OWNER_SHIFT: u32 = 16;
/// Reset all profile data to zero.
pub const XEN_SYSCTL_LOCKPROF_reset: u32 = 1;
/// Get lock profile information.
pub const XEN_SYSCTL_LOCKPROF_query: u32 = 2;
/// global lock, idx meaningless.
pub const LOCKPROF_TYPE_GLOBAL: u32 = 0;
/// per-domain lock, idx is domid.
pub const LOCKPROF_TYPE_PERDOM: u32 = 1;
/// number of types.
pub const LOCKPROF_TYPE_N: u32 = 2;

/// Xen sysctl lockprof data.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_lockprof_data {
    /// lock name (may include up to 2 %d specifiers).
    pub name: [u8; 40],
    /// LOCKPROF_TYPE_???.
    pub r#type: i32,
    /// index (e.g. domain id).
    pub idx: i32,
    /// # of locking succeeded.
    pub lock_cnt: u64,
    /// # of wait for lock.
    pub block_cnt: u64,
    /// nsecs lock held.
    pub lock_time: u64,
    /// nsecs waited for lock.
    pub block_time: u64,
}
const _: () = assert!(size_of::<xen_sysctl_lockprof_data>() == 80);

/// Xen sysctl lockprof op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_lockprof_op {
    /// XEN_SYSCTL_LOCKPROF_???.
    pub cmd: u32,
    /// size of output buffer.
    pub max_elem: u32,
    /// number of elements available.
    pub nr_elem: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// nsecs of profile measurement.
    pub time: u64,
    /// profile information (or NULL).
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

/// Xen sysctl coverage op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_coverage_op {
    /// Cmd.
    pub cmd: u32,
    /// IN/OUT: size of the buffer.
    pub size: u32,
    /// OUT.
    pub buffer: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_coverage_op>() == 16);

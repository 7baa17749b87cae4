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

/// Controls the trace buffers.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_tbuf_op {
    /// IN: `XEN_SYSCTL_TBUFOP_*`.
    pub cmd: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// IN of set CPU mask: CPUs that trace.
    pub cpu_mask: xenctl_bitmap,
    /// IN of set event mask, OUT of get info: the classes of event traced, `TRC_*` of
    /// `xen/trace.h`.
    pub evt_mask: u32,
    /// Padding.
    pub _pad1: [u8; 4],
    /// OUT of get info: first frame of the table that tells where the buffers are (`struct
    /// t_info`).
    pub buffer_mfn: u64,
    /// IN of set size: pages per CPU; OUT of get info: bytes of the table.
    pub size: u32,
    /// Padding.
    pub _pad2: [u8; 4],
}
const _: () = assert!(size_of::<xen_sysctl_tbuf_op>() == 48);

/// [`xen_sysctl_tbuf_op::cmd`]: where the buffers are, and what is traced.
pub const XEN_SYSCTL_TBUFOP_get_info: u32 = 0;
/// [`xen_sysctl_tbuf_op::cmd`]: choose the CPUs that trace.
pub const XEN_SYSCTL_TBUFOP_set_cpu_mask: u32 = 1;
/// [`xen_sysctl_tbuf_op::cmd`]: choose the events traced.
pub const XEN_SYSCTL_TBUFOP_set_evt_mask: u32 = 2;
/// [`xen_sysctl_tbuf_op::cmd`]: allocate the buffers, once.
pub const XEN_SYSCTL_TBUFOP_set_size: u32 = 3;
/// [`xen_sysctl_tbuf_op::cmd`]: start tracing.
pub const XEN_SYSCTL_TBUFOP_enable: u32 = 4;
/// [`xen_sysctl_tbuf_op::cmd`]: stop tracing.
pub const XEN_SYSCTL_TBUFOP_disable: u32 = 5;
/// Set all counters to zero.
pub const XEN_SYSCTL_PERFCOP_reset: u32 = 1;
/// Read the counters.
pub const XEN_SYSCTL_PERFCOP_query: u32 = 2;

/// Name and extent of a counter.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_perfc_desc {
    /// Name, ending in NUL.
    pub name: [u8; 80],
    /// Values of the counter: 1, or the entries of an array.
    pub nr_vals: u32,
}
const _: () = assert!(size_of::<xen_sysctl_perfc_desc>() == 84);

/// A value of a counter.
pub type xen_sysctl_perfc_val_t = u32;

/// The hypervisor's own performance counters.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_perfc_op {
    /// IN: `XEN_SYSCTL_PERFCOP_*`.
    pub cmd: u32,
    /// OUT: number of counters.
    pub nr_counters: u32,
    /// OUT: number of values of all counters.
    pub nr_vals: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// IN: where to write, an array of [`xen_sysctl_perfc_desc`]; null to ask for the numbers
    /// only.
    pub desc: guest_handle,
    /// IN: where to write, an array of [`xen_sysctl_perfc_val_t`] in the order of the counters;
    /// null as for `desc`.
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

/// Takes frames out of use, for memory that shows errors.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_page_offline_op {
    /// IN: `sysctl_page_*` or [`sysctl_query_page_offline`].
    pub cmd: u32,
    /// IN: first frame.
    pub start: u32,
    /// IN: last frame, inclusive.
    pub end: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// IN: where to write, a `u32` for each frame: flags in bits 15:0, owner in bits 31:16.
    pub status: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_page_offline_op>() == 24);

/// Take the frames out of use; results are `PG_OFFLINE_*`.
pub const sysctl_page_offline: u32 = 1;
/// Bring the frames back into use; results are `PG_ONLINE_*`.
pub const sysctl_page_online: u32 = 2;
/// Ask in which state the frames are; results are `PG_OFFLINE_STATUS_*`.
pub const sysctl_query_page_offline: u32 = 3;
/// The bits that hold the outcome.
pub const PG_OFFLINE_STATUS_MASK: u32 = 0xFF;
/// Not a frame that the hypervisor manages.
pub const PG_OFFLINE_INVALID: u32 = 0x1;
/// The frame is out of use.
pub const PG_OFFLINE_OFFLINED: u32 = 0x1 << 1;
/// The frame will be out of use once its owner gives it up.
pub const PG_OFFLINE_PENDING: u32 = 0x1 << 2;
/// The frame stays in use: it cannot be given up.
pub const PG_OFFLINE_FAILED: u32 = 0x1 << 3;
/// The frame's state changed meanwhile: try again.
pub const PG_OFFLINE_AGAIN: u32 = 0x1 << 4;
/// The frame stays out of use.
pub const PG_ONLINE_FAILED: u32 = PG_OFFLINE_FAILED;
/// The frame is in use again.
pub const PG_ONLINE_ONLINED: u32 = PG_OFFLINE_OFFLINED;
/// Query: out of use.
pub const PG_OFFLINE_STATUS_OFFLINED: u32 = 0x1 << 1;
/// Query: in use.
pub const PG_OFFLINE_STATUS_ONLINE: u32 = 0x1 << 2;
/// Query: still in use, to go out of use.
pub const PG_OFFLINE_STATUS_OFFLINE_PENDING: u32 = 0x1 << 3;
/// Query: has a memory error.
pub const PG_OFFLINE_STATUS_BROKEN: u32 = 0x1 << 4;
/// The header's mask of the bits that explain the outcome. It covers bits 11:4, where they lie
/// in 13:8.
pub const PG_OFFLINE_MISC_MASK: u32 = 0xFF << 4;
/// With failed or pending: the frame is the hypervisor's.
pub const PG_OFFLINE_XENPAGE: u32 = 0x1 << 8;
/// With failed or pending: the frame is dom0's.
pub const PG_OFFLINE_DOM0PAGE: u32 = 0x1 << 9;
/// With failed or pending: the frame has no owner and is not free.
pub const PG_OFFLINE_ANONYMOUS: u32 = 0x1 << 10;
/// With failed or pending: the frame is no ordinary RAM.
pub const PG_OFFLINE_NOT_CONV_RAM: u32 = 0x1 << 11;
/// With failed or pending: the frame belongs to the domain in bits 31:16.
pub const PG_OFFLINE_OWNED: u32 = 0x1 << 12;
/// The frame has a memory error.
pub const PG_OFFLINE_BROKEN: u32 = 0x1 << 13;
/// The frame has a memory error and cannot come back.
pub const PG_ONLINE_BROKEN: u32 = PG_OFFLINE_BROKEN;
/// Lowest bit of the owner's domain number.
pub const PG_OFFLINE_OWNER_SHIFT: u32 = 16;
/// Set all figures to zero.
pub const XEN_SYSCTL_LOCKPROF_reset: u32 = 1;
/// Read the figures.
pub const XEN_SYSCTL_LOCKPROF_query: u32 = 2;
/// A lock of the hypervisor as a whole; its index means nothing.
pub const LOCKPROF_TYPE_GLOBAL: u32 = 0;
/// A lock of each domain; its index is the domain.
pub const LOCKPROF_TYPE_PERDOM: u32 = 1;
/// Number of kinds.
pub const LOCKPROF_TYPE_N: u32 = 2;

/// Figures of one lock.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_lockprof_data {
    /// Name, ending in NUL; up to two `%d` stand for the index.
    pub name: [u8; 40],
    /// `LOCKPROF_TYPE_*`.
    pub r#type: i32,
    /// Index: the domain.
    pub idx: i32,
    /// Times it was taken.
    pub lock_cnt: u64,
    /// Times somebody had to wait for it.
    pub block_cnt: u64,
    /// Time it was held, ns.
    pub lock_time: u64,
    /// Time spent waiting for it, ns.
    pub block_time: u64,
}
const _: () = assert!(size_of::<xen_sysctl_lockprof_data>() == 80);

/// Profile of the hypervisor's locks.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_lockprof_op {
    /// IN: `XEN_SYSCTL_LOCKPROF_*`.
    pub cmd: u32,
    /// IN: entries of `data`.
    pub max_elem: u32,
    /// OUT: locks there are.
    pub nr_elem: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// OUT: time over which the figures were taken, ns.
    pub time: u64,
    /// IN: where to write, an array of [`xen_sysctl_lockprof_data`]; null to ask for the number
    /// only.
    pub data: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_lockprof_op>() == 32);

/// First word of a coverage dump made with GCC: `XCOV`.
pub const XEN_GCOV_FORMAT_MAGIC: u32 = 0x5843_4f56;
/// Ask for the size of the dump.
pub const XEN_SYSCTL_COVERAGE_get_size: u32 = 0;
/// Read the dump.
pub const XEN_SYSCTL_COVERAGE_read: u32 = 1;
/// Set all counters to zero.
pub const XEN_SYSCTL_COVERAGE_reset: u32 = 2;

/// Test coverage of the hypervisor's code.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_coverage_op {
    /// IN: `XEN_SYSCTL_COVERAGE_*`.
    pub cmd: u32,
    /// IN of read: bytes of the buffer; OUT: bytes of the dump.
    pub size: u32,
    /// IN: where to write the dump.
    pub buffer: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_coverage_op>() == 16);

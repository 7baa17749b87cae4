//! `xen/domctl/sched.h`.

use crate::Union;
use crate::xen::guest_handle;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// #define XEN_SCHEDULER_SEDF 4 (Removed).
pub const XEN_SCHEDULER_CREDIT: u32 = 5;
/// Xen scheduler credit2.
pub const XEN_SCHEDULER_CREDIT2: u32 = 6;
/// Xen scheduler arinc653.
pub const XEN_SCHEDULER_ARINC653: u32 = 7;
/// Xen scheduler rtds.
pub const XEN_SCHEDULER_RTDS: u32 = 8;
/// Xen scheduler null.
pub const XEN_SCHEDULER_NULL: u32 = 9;

/// Xen domctl sched credit.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_sched_credit {
    /// Weight.
    pub weight: u16,
    /// Cap.
    pub cap: u16,
}
const _: () = assert!(size_of::<xen_domctl_sched_credit>() == 4);

/// Xen domctl sched credit2.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_sched_credit2 {
    /// Weight.
    pub weight: u16,
    /// Cap.
    pub cap: u16,
}
const _: () = assert!(size_of::<xen_domctl_sched_credit2>() == 4);

/// Xen domctl sched rtds.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_sched_rtds {
    /// Period.
    pub period: u32,
    /// Budget.
    pub budget: u32,
    /// Flags.
    pub flags: u32,
}
const _: () = assert!(size_of::<xen_domctl_sched_rtds>() == 12);

/// Can this vCPU execute beyond its reserved amount of time?.
pub const XEN_DOMCTL_SCHEDRT_extra: u32 = 1;

/// Xen domctl schedparam vcpu.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_schedparam_vcpu {
    /// U.
    ///
    /// One of: `credit` ([`xen_domctl_sched_credit`]), `credit2`
    /// ([`xen_domctl_sched_credit2`]), `rtds` ([`xen_domctl_sched_rtds`]).
    pub u: Union<[u32; 3]>,
    /// Vcpuid.
    pub vcpuid: u32,
}
const _: () = assert!(size_of::<xen_domctl_schedparam_vcpu>() == 16);

/// Set or get info? For schedulers supporting per-vcpu settings (e.g., RTDS):
/// XEN_DOMCTL_SCHEDOP_putinfo sets params for all vcpus; XEN_DOMCTL_SCHEDOP_getinfo gets
/// default params; XEN_DOMCTL_SCHEDOP_put(get)vcpuinfo sets (gets) params of vcpus; For
/// schedulers not supporting per-vcpu settings: XEN_DOMCTL_SCHEDOP_putinfo sets params for all
/// vcpus; XEN_DOMCTL_SCHEDOP_getinfo gets domain-wise params;
/// XEN_DOMCTL_SCHEDOP_put(get)vcpuinfo returns error;.
pub const XEN_DOMCTL_SCHEDOP_putinfo: u32 = 0;
/// Xen domctl schedop getinfo.
pub const XEN_DOMCTL_SCHEDOP_getinfo: u32 = 1;
/// Xen domctl schedop putvcpuinfo.
pub const XEN_DOMCTL_SCHEDOP_putvcpuinfo: u32 = 2;
/// Xen domctl schedop getvcpuinfo.
pub const XEN_DOMCTL_SCHEDOP_getvcpuinfo: u32 = 3;

/// Xen domctl scheduler op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_scheduler_op {
    /// XEN_SCHEDULER_.
    pub sched_id: u32,
    /// XEN_DOMCTL_SCHEDOP_.
    pub cmd: u32,
    /// U.
    ///
    /// One of: `credit` ([`xen_domctl_sched_credit`]), `credit2`
    /// ([`xen_domctl_sched_credit2`]), `rtds` ([`xen_domctl_sched_rtds`]), `v`
    /// ([`xen_domctl_scheduler_op_v`]).
    pub u: Union<[u64; 2]>,
}
const _: () = assert!(size_of::<xen_domctl_scheduler_op>() == 24);

/// Xen domctl scheduler op v.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_scheduler_op_v {
    /// Vcpus.
    pub vcpus: guest_handle,
    /// IN: Number of elements in vcpus array.
    pub nr_vcpus: u32,
    /// Padding.
    pub padding: u32,
}
const _: () = assert!(size_of::<xen_domctl_scheduler_op_v>() == 16);

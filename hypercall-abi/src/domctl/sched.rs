//! Domctls on scheduling.

use crate::Union;
use crate::xen::guest_handle;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Proportional shares with caps, the default of older Xen.
pub const XEN_SCHEDULER_CREDIT: u32 = 5;
/// Proportional shares with better latency, the default since Xen 4.12.
pub const XEN_SCHEDULER_CREDIT2: u32 = 6;
/// A fixed cyclic schedule.
pub const XEN_SCHEDULER_ARINC653: u32 = 7;
/// Real time: a budget in each period, earliest deadline first.
pub const XEN_SCHEDULER_RTDS: u32 = 8;
/// Each vCPU on a CPU of its own.
pub const XEN_SCHEDULER_NULL: u32 = 9;

/// Parameters of [`XEN_SCHEDULER_CREDIT`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_sched_credit {
    /// Share of CPU time relative to other domains; 256 is usual.
    pub weight: u16,
    /// Most CPU time it gets, percent of one CPU; 0 for no limit.
    pub cap: u16,
}
const _: () = assert!(size_of::<xen_domctl_sched_credit>() == 4);

/// Parameters of [`XEN_SCHEDULER_CREDIT2`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_sched_credit2 {
    /// Share of CPU time relative to other domains; 256 is usual.
    pub weight: u16,
    /// Most CPU time it gets, percent of one CPU; 0 for no limit.
    pub cap: u16,
}
const _: () = assert!(size_of::<xen_domctl_sched_credit2>() == 4);

/// Parameters of [`XEN_SCHEDULER_RTDS`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_sched_rtds {
    /// Period, microseconds.
    pub period: u32,
    /// CPU time per period, microseconds.
    pub budget: u32,
    /// [`XEN_DOMCTL_SCHEDRT_extra`] or 0.
    pub flags: u32,
}
const _: () = assert!(size_of::<xen_domctl_sched_rtds>() == 12);

/// The vCPU may use idle time beyond its budget.
pub const XEN_DOMCTL_SCHEDRT_extra: u32 = 1;

/// Scheduling parameters of one vCPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_schedparam_vcpu {
    /// Parameters, by scheduler.
    ///
    /// One of: `credit` ([`xen_domctl_sched_credit`]), `credit2`
    /// ([`xen_domctl_sched_credit2`]), `rtds` ([`xen_domctl_sched_rtds`]).
    pub u: Union<[u32; 3]>,
    /// The vCPU.
    pub vcpuid: u32,
}
const _: () = assert!(size_of::<xen_domctl_schedparam_vcpu>() == 16);

/// [`xen_domctl_scheduler_op::cmd`]: put the domain's parameters.
pub const XEN_DOMCTL_SCHEDOP_putinfo: u32 = 0;
/// [`xen_domctl_scheduler_op::cmd`]: get the domain's parameters.
pub const XEN_DOMCTL_SCHEDOP_getinfo: u32 = 1;
/// [`xen_domctl_scheduler_op::cmd`]: put single vCPUs' parameters.
pub const XEN_DOMCTL_SCHEDOP_putvcpuinfo: u32 = 2;
/// [`xen_domctl_scheduler_op::cmd`]: get single vCPUs' parameters.
pub const XEN_DOMCTL_SCHEDOP_getvcpuinfo: u32 = 3;

/// Reads or sets the scheduling of a domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_scheduler_op {
    /// `XEN_SCHEDULER_*`: must be the one in force.
    pub sched_id: u32,
    /// `XEN_DOMCTL_SCHEDOP_*`.
    pub cmd: u32,
    /// Parameters, by scheduler; `v` for the per-vCPU commands.
    ///
    /// One of: `credit` ([`xen_domctl_sched_credit`]), `credit2`
    /// ([`xen_domctl_sched_credit2`]), `rtds` ([`xen_domctl_sched_rtds`]), `v`
    /// ([`xen_domctl_scheduler_op_v`]).
    pub u: Union<[u64; 2]>,
}
const _: () = assert!(size_of::<xen_domctl_scheduler_op>() == 24);

/// Parameters of several vCPUs.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_scheduler_op_v {
    /// Array of [`xen_domctl_schedparam_vcpu`].
    pub vcpus: guest_handle,
    /// IN: its length; OUT: entries done.
    pub nr_vcpus: u32,
    /// Unused; zero.
    pub padding: u32,
}
const _: () = assert!(size_of::<xen_domctl_scheduler_op_v>() == 16);

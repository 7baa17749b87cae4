//! Sysctls on schedulers and CPU pools.

use crate::Union;
use crate::xen::{guest_handle, xen_domain_handle_t, xenctl_bitmap};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Asks for the default scheduler.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_sched_id {
    /// OUT variable.
    pub sched_id: u32,
}
const _: () = assert!(size_of::<xen_sysctl_sched_id>() == 4);

/// [`xen_sysctl_cpupool_op::op`]: `CREATE`.
pub const XEN_SYSCTL_CPUPOOL_OP_CREATE: u32 = 1;
/// [`xen_sysctl_cpupool_op::op`]: `DESTROY`.
pub const XEN_SYSCTL_CPUPOOL_OP_DESTROY: u32 = 2;
/// [`xen_sysctl_cpupool_op::op`]: `INFO`.
pub const XEN_SYSCTL_CPUPOOL_OP_INFO: u32 = 3;
/// [`xen_sysctl_cpupool_op::op`]: `ADDCPU`.
pub const XEN_SYSCTL_CPUPOOL_OP_ADDCPU: u32 = 4;
/// [`xen_sysctl_cpupool_op::op`]: `RMCPU`.
pub const XEN_SYSCTL_CPUPOOL_OP_RMCPU: u32 = 5;
/// [`xen_sysctl_cpupool_op::op`]: `MOVEDOMAIN`.
pub const XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN: u32 = 6;
/// [`xen_sysctl_cpupool_op::op`]: `FREEINFO`.
pub const XEN_SYSCTL_CPUPOOL_OP_FREEINFO: u32 = 7;
/// XEN_SYSCTL_CPUPOOL_PAR_ANY.
pub const XEN_SYSCTL_CPUPOOL_PAR_ANY: u32 = 0xffff_ffff;

/// Works on CPU pools.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cpupool_op {
    /// IN: sub-command.
    pub op: u32,
    /// IN: CDIARM OUT: CI.
    pub cpupool_id: u32,
    /// IN: C OUT: I.
    pub sched_id: u32,
    /// IN: M.
    pub domid: u32,
    /// IN: AR.
    pub cpu: u32,
    /// OUT: I.
    pub n_dom: u32,
    /// OUT: IF.
    pub cpumap: xenctl_bitmap,
}
const _: () = assert!(size_of::<xen_sysctl_cpupool_op>() == 40);

/// ARINC653_MAX_DOMAINS_PER_SCHEDULE.
pub const ARINC653_MAX_DOMAINS_PER_SCHEDULE: usize = 64;

/// This structure is used to pass a new ARINC653 schedule from a privileged domain (ie dom0) to
/// Xen.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_arinc653_schedule {
    /// Major_frame holds the time for the new schedule's major frame in nanoseconds.
    pub major_frame: u64,
    /// Num_sched_entries holds how many of the entries in the sched_entries\[\] array are
    /// valid.
    pub num_sched_entries: u8,
    /// Padding.
    pub _pad0: [u8; 7],
    /// Sched entries.
    pub sched_entries: [xen_sysctl_arinc653_schedule_sched_entries; 64],
}
const _: () = assert!(size_of::<xen_sysctl_arinc653_schedule>() == 2064);

/// The sched_entries array holds the actual schedule entries.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_arinc653_schedule_sched_entries {
    /// Dom_handle must match a domain's UUID.
    pub dom_handle: xen_domain_handle_t,
    /// If a domain has multiple VCPUs, vcpu_id specifies which one this schedule entry applies
    /// to.
    pub vcpu_id: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Runtime specifies the amount of time that should be allocated to this VCPU per major
    /// frame.
    pub runtime: u64,
}
const _: () = assert!(size_of::<xen_sysctl_arinc653_schedule_sched_entries>() == 32);

/// Valid range for context switch rate limit (in microseconds).
pub const XEN_SYSCTL_SCHED_RATELIMIT_MAX: u32 = 500000;
/// XEN_SYSCTL_SCHED_RATELIMIT_MIN.
pub const XEN_SYSCTL_SCHED_RATELIMIT_MIN: u32 = 100;

/// Parameters of credit.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_credit_schedule {
    /// Time slice, ms.
    pub tslice_ms: u32,
    /// Shortest time a vCPU runs before another takes its CPU, microseconds.
    pub ratelimit_us: u32,
    /// How long a vCPU's cache counts as warm, microseconds.
    pub vcpu_migr_delay_us: u32,
}
const _: () = assert!(size_of::<xen_sysctl_credit_schedule>() == 12);

/// Length of timeslice in milliseconds.
pub const XEN_SYSCTL_CSCHED_TSLICE_MAX: u32 = 1000;
/// XEN_SYSCTL_CSCHED_TSLICE_MIN.
pub const XEN_SYSCTL_CSCHED_TSLICE_MIN: u32 = 1;
/// How long we consider a vCPU to be cache-hot on the CPU where it has run (max 100ms, in
/// microseconds).
pub const XEN_SYSCTL_CSCHED_MGR_DLY_MAX_US: u32 = 100 * 1000;

/// Parameters of credit2.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_credit2_schedule {
    /// Shortest time a vCPU runs before another takes its CPU, microseconds.
    pub ratelimit_us: u32,
}
const _: () = assert!(size_of::<xen_sysctl_credit2_schedule>() == 4);

/// [`xen_sysctl_scheduler_op::cmd`]: put the scheduler's parameters.
pub const XEN_SYSCTL_SCHEDOP_putinfo: u32 = 0;
/// [`xen_sysctl_scheduler_op::cmd`]: get the scheduler's parameters.
pub const XEN_SYSCTL_SCHEDOP_getinfo: u32 = 1;

/// Reads or sets a scheduler's parameters.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_scheduler_op {
    /// Cpupool whose scheduler is to be targetted.
    pub cpupool_id: u32,
    /// XEN_SCHEDULER_* (domctl.h).
    pub sched_id: u32,
    /// `XEN_SYSCTL_SCHEDOP_*`.
    pub cmd: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Parameters, by scheduler.
    ///
    /// One of: `sched_arinc653` ([`xen_sysctl_sched_arinc653`]), `sched_credit`
    /// ([`xen_sysctl_credit_schedule`]), `sched_credit2` ([`xen_sysctl_credit2_schedule`]).
    pub u: Union<[u64; 2]>,
}
const _: () = assert!(size_of::<xen_sysctl_scheduler_op>() == 32);

/// Structure `xen_sysctl_sched_arinc653` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_sched_arinc653 {
    /// Schedule.
    pub schedule: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_sched_arinc653>() == 8);

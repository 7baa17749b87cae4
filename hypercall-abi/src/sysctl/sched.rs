//! Sysctls on schedulers and CPU pools.

use crate::Union;
use crate::xen::{guest_handle, xen_domain_handle_t, xenctl_bitmap};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Asks for the default scheduler.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_sched_id {
    /// OUT: `XEN_SCHEDULER_*`.
    pub sched_id: u32,
}
const _: () = assert!(size_of::<xen_sysctl_sched_id>() == 4);

/// Make a pool without CPUs for `sched_id`; -EEXIST if its number is taken.
pub const XEN_SYSCTL_CPUPOOL_OP_CREATE: u32 = 1;
/// Remove a pool; -EBUSY while it has domains.
pub const XEN_SYSCTL_CPUPOOL_OP_DESTROY: u32 = 2;
/// Describe the first pool numbered `cpupool_id` or higher; -ENOENT after the last.
pub const XEN_SYSCTL_CPUPOOL_OP_INFO: u32 = 3;
/// Give a pool a free CPU; -ENODEV if it is not free.
pub const XEN_SYSCTL_CPUPOOL_OP_ADDCPU: u32 = 4;
/// Take a CPU away: -ENODEV if it is not the pool's, -EBUSY if it is the last of a pool with
/// domains, -EAGAIN if the hypervisor uses it just now.
pub const XEN_SYSCTL_CPUPOOL_OP_RMCPU: u32 = 5;
/// Move a domain to a pool.
pub const XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN: u32 = 6;
/// List the CPUs that are in no pool.
pub const XEN_SYSCTL_CPUPOOL_OP_FREEINFO: u32 = 7;
/// In `cpupool_id` of create: any number; in `cpu` of add and remove: any CPU.
pub const XEN_SYSCTL_CPUPOOL_PAR_ANY: u32 = 0xffff_ffff;

/// Works on CPU pools.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cpupool_op {
    /// IN: `XEN_SYSCTL_CPUPOOL_OP_*`.
    pub op: u32,
    /// The pool: IN of all but free info; OUT of create and info.
    pub cpupool_id: u32,
    /// `XEN_SCHEDULER_*`: IN of create, OUT of info.
    pub sched_id: u32,
    /// IN of move: the domain.
    pub domid: u32,
    /// IN of add and remove: the CPU.
    pub cpu: u32,
    /// OUT of info: domains in the pool.
    pub n_dom: u32,
    /// OUT of info: CPUs of the pool; of free info: CPUs in none.
    pub cpumap: xenctl_bitmap,
}
const _: () = assert!(size_of::<xen_sysctl_cpupool_op>() == 40);

/// Entries that a schedule can have.
pub const ARINC653_MAX_DOMAINS_PER_SCHEDULE: usize = 64;

/// A cyclic schedule.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_arinc653_schedule {
    /// Length of the cycle, ns.
    pub major_frame: u64,
    /// Entries in use.
    pub num_sched_entries: u8,
    /// Padding.
    pub _pad0: [u8; 7],
    /// The entries, in the order in which they run.
    pub sched_entries: [xen_sysctl_arinc653_schedule_sched_entries; 64],
}
const _: () = assert!(size_of::<xen_sysctl_arinc653_schedule>() == 2064);

/// A slot in the cycle.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_arinc653_schedule_sched_entries {
    /// UUID of the domain that runs.
    pub dom_handle: xen_domain_handle_t,
    /// Which of its vCPUs.
    pub vcpu_id: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Length of the slot, ns.
    pub runtime: u64,
}
const _: () = assert!(size_of::<xen_sysctl_arinc653_schedule_sched_entries>() == 32);

/// Largest rate limit, microseconds.
pub const XEN_SYSCTL_SCHED_RATELIMIT_MAX: u32 = 500000;
/// Smallest rate limit, microseconds; 0 turns it off.
pub const XEN_SYSCTL_SCHED_RATELIMIT_MIN: u32 = 100;

/// Parameters of `XEN_SCHEDULER_CREDIT`.
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

/// Largest [`xen_sysctl_credit_schedule::tslice_ms`].
pub const XEN_SYSCTL_CSCHED_TSLICE_MAX: u32 = 1000;
/// Smallest [`xen_sysctl_credit_schedule::tslice_ms`].
pub const XEN_SYSCTL_CSCHED_TSLICE_MIN: u32 = 1;
/// Largest [`xen_sysctl_credit_schedule::vcpu_migr_delay_us`].
pub const XEN_SYSCTL_CSCHED_MGR_DLY_MAX_US: u32 = 100 * 1000;

/// Parameters of `XEN_SCHEDULER_CREDIT2`.
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
    /// IN: the CPU pool whose scheduler is meant.
    pub cpupool_id: u32,
    /// IN: `XEN_SCHEDULER_*`: must be the one of that pool.
    pub sched_id: u32,
    /// IN: `XEN_SYSCTL_SCHEDOP_*`.
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

/// Parameters of `XEN_SCHEDULER_ARINC653`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_sched_arinc653 {
    /// An [`xen_sysctl_arinc653_schedule`], written or read.
    pub schedule: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_sched_arinc653>() == 8);

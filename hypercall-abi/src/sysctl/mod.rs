//! `xen/sysctl.h`: arguments of `sysctl`, by which a toolstack inspects and steers the machine.
//! The items stand in private submodules by subject and are all re-exported here.

mod cpu;
mod diagnose;
mod host;
mod livepatch;
mod power;
mod sched;

pub use self::cpu::*;
pub use self::diagnose::*;
pub use self::host::*;
pub use self::livepatch::*;
pub use self::power::*;
pub use self::sched::*;

use crate::Union;
use crate::xen::{domid_t, guest_handle};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The interface of Xen 4.17.
pub const XEN_SYSCTL_INTERFACE_VERSION: u32 = 0x0000_0015;

/// Lists domains in ascending order.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_getdomaininfolist {
    /// IN: the lowest number of interest.
    pub first_domain: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// IN: entries of the buffer.
    pub max_domains: u32,
    /// IN: array of [`xen_domctl_getdomaininfo`](crate::domctl::xen_domctl_getdomaininfo).
    pub buffer: guest_handle,
    /// OUT: entries written.
    pub num_domains: u32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xen_sysctl_getdomaininfolist>() == 24);

/// The argument of `sysctl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl {
    /// `XEN_SYSCTL_*`.
    pub cmd: u32,
    /// [`XEN_SYSCTL_INTERFACE_VERSION`]; -EACCES for any other.
    pub interface_version: u32,
    /// The command's argument.
    ///
    /// One of: `readconsole` ([`xen_sysctl_readconsole`]), `tbuf_op` ([`xen_sysctl_tbuf_op`]),
    /// `physinfo` ([`xen_sysctl_physinfo`]), `cputopoinfo` ([`xen_sysctl_cputopoinfo`]),
    /// `pcitopoinfo` ([`xen_sysctl_pcitopoinfo`]), `numainfo` ([`xen_sysctl_numainfo`]),
    /// `sched_id` ([`xen_sysctl_sched_id`]), `perfc_op` ([`xen_sysctl_perfc_op`]),
    /// `getdomaininfolist` ([`xen_sysctl_getdomaininfolist`]), `debug_keys`
    /// ([`xen_sysctl_debug_keys`]), `getcpuinfo` ([`xen_sysctl_getcpuinfo`]), `availheap`
    /// ([`xen_sysctl_availheap`]), `get_pmstat` ([`xen_sysctl_get_pmstat`]), `cpu_hotplug`
    /// ([`xen_sysctl_cpu_hotplug`]), `pm_op` ([`xen_sysctl_pm_op`]), `page_offline`
    /// ([`xen_sysctl_page_offline_op`]), `lockprof_op` ([`xen_sysctl_lockprof_op`]),
    /// `cpupool_op` ([`xen_sysctl_cpupool_op`]), `scheduler_op` ([`xen_sysctl_scheduler_op`]),
    /// `coverage_op` ([`xen_sysctl_coverage_op`]), `psr_cmt_op` ([`xen_sysctl_psr_cmt_op`]),
    /// `psr_alloc` ([`xen_sysctl_psr_alloc`]), `cpu_levelling_caps`
    /// ([`xen_sysctl_cpu_levelling_caps`]), `cpu_featureset` ([`xen_sysctl_cpu_featureset`]),
    /// `livepatch` ([`xen_sysctl_livepatch_op`]), `cpu_policy` ([`xen_sysctl_cpu_policy`]),
    /// `pad` (`[u8; 128]`).
    pub u: Union<[u64; 16]>,
}
const _: () = assert!(size_of::<xen_sysctl>() == 136);

/// Read the hypervisor's console ring, argument [`xen_sysctl_readconsole`].
pub const XEN_SYSCTL_readconsole: u32 = 1;
/// Control the trace buffers, argument [`xen_sysctl_tbuf_op`].
pub const XEN_SYSCTL_tbuf_op: u32 = 2;
/// Describe the machine, argument [`xen_sysctl_physinfo`].
pub const XEN_SYSCTL_physinfo: u32 = 3;
/// Ask for the default scheduler, argument [`xen_sysctl_sched_id`].
pub const XEN_SYSCTL_sched_id: u32 = 4;
/// Read the hypervisor's performance counters, argument [`xen_sysctl_perfc_op`].
pub const XEN_SYSCTL_perfc_op: u32 = 5;
/// List domains, argument [`xen_sysctl_getdomaininfolist`].
pub const XEN_SYSCTL_getdomaininfolist: u32 = 6;
/// Press keys on the hypervisor's console, argument [`xen_sysctl_debug_keys`].
pub const XEN_SYSCTL_debug_keys: u32 = 7;
/// Read CPUs' idle times, argument [`xen_sysctl_getcpuinfo`].
pub const XEN_SYSCTL_getcpuinfo: u32 = 8;
/// Ask for free memory, argument [`xen_sysctl_availheap`].
pub const XEN_SYSCTL_availheap: u32 = 9;
/// Read a CPU's power figures, argument [`xen_sysctl_get_pmstat`].
pub const XEN_SYSCTL_get_pmstat: u32 = 10;
/// Take CPUs up or down, argument [`xen_sysctl_cpu_hotplug`].
pub const XEN_SYSCTL_cpu_hotplug: u32 = 11;
/// Read or set power management, argument [`xen_sysctl_pm_op`].
pub const XEN_SYSCTL_pm_op: u32 = 12;
/// Take frames out of use or back, argument [`xen_sysctl_page_offline_op`].
pub const XEN_SYSCTL_page_offline_op: u32 = 14;
/// Profile the hypervisor's locks, argument [`xen_sysctl_lockprof_op`].
pub const XEN_SYSCTL_lockprof_op: u32 = 15;
/// Ask where the CPUs sit, argument [`xen_sysctl_cputopoinfo`].
pub const XEN_SYSCTL_cputopoinfo: u32 = 16;
/// Ask for memory and distances of NUMA nodes, argument [`xen_sysctl_numainfo`].
pub const XEN_SYSCTL_numainfo: u32 = 17;
/// Work on CPU pools, argument [`xen_sysctl_cpupool_op`].
pub const XEN_SYSCTL_cpupool_op: u32 = 18;
/// Read or set a scheduler's parameters, argument [`xen_sysctl_scheduler_op`].
pub const XEN_SYSCTL_scheduler_op: u32 = 19;
/// Read test coverage, argument [`xen_sysctl_coverage_op`].
pub const XEN_SYSCTL_coverage_op: u32 = 20;
/// Ask about cache monitoring, argument [`xen_sysctl_psr_cmt_op`].
pub const XEN_SYSCTL_psr_cmt_op: u32 = 21;
/// Ask for the NUMA nodes of PCI devices, argument [`xen_sysctl_pcitopoinfo`].
pub const XEN_SYSCTL_pcitopoinfo: u32 = 22;
/// Ask about cache and bandwidth allocation, argument [`xen_sysctl_psr_alloc`].
pub const XEN_SYSCTL_psr_alloc: u32 = 23;
/// Ask how PV guests' CPUID can be changed, argument [`xen_sysctl_cpu_levelling_caps`].
pub const XEN_SYSCTL_get_cpu_levelling_caps: u32 = 25;
/// Read CPUID feature words, argument [`xen_sysctl_cpu_featureset`].
pub const XEN_SYSCTL_get_cpu_featureset: u32 = 26;
/// Patch the running hypervisor, argument [`xen_sysctl_livepatch_op`].
pub const XEN_SYSCTL_livepatch_op: u32 = 27;
/// Read CPUID leaves and MSRs, argument [`xen_sysctl_cpu_policy`].
pub const XEN_SYSCTL_get_cpu_policy: u32 = 29;

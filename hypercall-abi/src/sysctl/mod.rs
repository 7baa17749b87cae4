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

/// Command `readconsole`, argument [`xen_sysctl_readconsole`].
pub const XEN_SYSCTL_readconsole: u32 = 1;
/// Command `tbuf_op`, argument [`xen_sysctl_tbuf_op`].
pub const XEN_SYSCTL_tbuf_op: u32 = 2;
/// Command `physinfo`, argument [`xen_sysctl_physinfo`].
pub const XEN_SYSCTL_physinfo: u32 = 3;
/// Command `sched_id`, argument [`xen_sysctl_sched_id`].
pub const XEN_SYSCTL_sched_id: u32 = 4;
/// Command `perfc_op`, argument [`xen_sysctl_perfc_op`].
pub const XEN_SYSCTL_perfc_op: u32 = 5;
/// Command `getdomaininfolist`, argument [`xen_sysctl_getdomaininfolist`].
pub const XEN_SYSCTL_getdomaininfolist: u32 = 6;
/// Command `debug_keys`, argument [`xen_sysctl_debug_keys`].
pub const XEN_SYSCTL_debug_keys: u32 = 7;
/// Command `getcpuinfo`, argument [`xen_sysctl_getcpuinfo`].
pub const XEN_SYSCTL_getcpuinfo: u32 = 8;
/// Command `availheap`, argument [`xen_sysctl_availheap`].
pub const XEN_SYSCTL_availheap: u32 = 9;
/// Command `get_pmstat`, argument [`xen_sysctl_get_pmstat`].
pub const XEN_SYSCTL_get_pmstat: u32 = 10;
/// Command `cpu_hotplug`, argument [`xen_sysctl_cpu_hotplug`].
pub const XEN_SYSCTL_cpu_hotplug: u32 = 11;
/// Command `pm_op`, argument [`xen_sysctl_pm_op`].
pub const XEN_SYSCTL_pm_op: u32 = 12;
/// Command `page_offline_op`, argument [`xen_sysctl_page_offline_op`].
pub const XEN_SYSCTL_page_offline_op: u32 = 14;
/// Command `lockprof_op`, argument [`xen_sysctl_lockprof_op`].
pub const XEN_SYSCTL_lockprof_op: u32 = 15;
/// Command `cputopoinfo`, argument [`xen_sysctl_cputopoinfo`].
pub const XEN_SYSCTL_cputopoinfo: u32 = 16;
/// Command `numainfo`, argument [`xen_sysctl_numainfo`].
pub const XEN_SYSCTL_numainfo: u32 = 17;
/// Command `cpupool_op`, argument [`xen_sysctl_cpupool_op`].
pub const XEN_SYSCTL_cpupool_op: u32 = 18;
/// Command `scheduler_op`, argument [`xen_sysctl_scheduler_op`].
pub const XEN_SYSCTL_scheduler_op: u32 = 19;
/// Command `coverage_op`, argument [`xen_sysctl_coverage_op`].
pub const XEN_SYSCTL_coverage_op: u32 = 20;
/// Command `psr_cmt_op`, argument [`xen_sysctl_psr_cmt_op`].
pub const XEN_SYSCTL_psr_cmt_op: u32 = 21;
/// Command `pcitopoinfo`, argument [`xen_sysctl_pcitopoinfo`].
pub const XEN_SYSCTL_pcitopoinfo: u32 = 22;
/// Command `psr_alloc`, argument [`xen_sysctl_psr_alloc`].
pub const XEN_SYSCTL_psr_alloc: u32 = 23;
/// Command `get_cpu_levelling_caps`, argument [`xen_sysctl_cpu_levelling_caps`].
pub const XEN_SYSCTL_get_cpu_levelling_caps: u32 = 25;
/// Command `get_cpu_featureset`, argument [`xen_sysctl_cpu_featureset`].
pub const XEN_SYSCTL_get_cpu_featureset: u32 = 26;
/// Command `livepatch_op`, argument [`xen_sysctl_livepatch_op`].
pub const XEN_SYSCTL_livepatch_op: u32 = 27;
/// Command `get_cpu_policy`, argument [`xen_sysctl_cpu_policy`].
pub const XEN_SYSCTL_get_cpu_policy: u32 = 29;

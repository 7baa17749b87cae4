//! `xen/sysctl.h`.

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

/// Xen sysctl interface version.
pub const XEN_SYSCTL_INTERFACE_VERSION: u32 = 0x0000_0015;

/// XEN_SYSCTL_getdomaininfolist.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_getdomaininfolist {
    /// IN variables.
    pub first_domain: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// Max domains.
    pub max_domains: u32,
    /// Buffer.
    pub buffer: guest_handle,
    /// OUT variables.
    pub num_domains: u32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xen_sysctl_getdomaininfolist>() == 24);

/// Xen sysctl.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl {
    /// Cmd.
    pub cmd: u32,
    /// XEN_SYSCTL_INTERFACE_VERSION.
    pub interface_version: u32,
    /// U.
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

/// Xen sysctl readconsole.
pub const XEN_SYSCTL_readconsole: u32 = 1;
/// Xen sysctl tbuf op.
pub const XEN_SYSCTL_tbuf_op: u32 = 2;
/// Xen sysctl physinfo.
pub const XEN_SYSCTL_physinfo: u32 = 3;
/// Xen sysctl sched id.
pub const XEN_SYSCTL_sched_id: u32 = 4;
/// Xen sysctl perfc op.
pub const XEN_SYSCTL_perfc_op: u32 = 5;
/// Xen sysctl getdomaininfolist.
pub const XEN_SYSCTL_getdomaininfolist: u32 = 6;
/// Xen sysctl debug keys.
pub const XEN_SYSCTL_debug_keys: u32 = 7;
/// Xen sysctl getcpuinfo.
pub const XEN_SYSCTL_getcpuinfo: u32 = 8;
/// Xen sysctl availheap.
pub const XEN_SYSCTL_availheap: u32 = 9;
/// Xen sysctl get pmstat.
pub const XEN_SYSCTL_get_pmstat: u32 = 10;
/// Xen sysctl cpu hotplug.
pub const XEN_SYSCTL_cpu_hotplug: u32 = 11;
/// Xen sysctl pm op.
pub const XEN_SYSCTL_pm_op: u32 = 12;
/// Xen sysctl page offline op.
pub const XEN_SYSCTL_page_offline_op: u32 = 14;
/// Xen sysctl lockprof op.
pub const XEN_SYSCTL_lockprof_op: u32 = 15;
/// Xen sysctl cputopoinfo.
pub const XEN_SYSCTL_cputopoinfo: u32 = 16;
/// Xen sysctl numainfo.
pub const XEN_SYSCTL_numainfo: u32 = 17;
/// Xen sysctl cpupool op.
pub const XEN_SYSCTL_cpupool_op: u32 = 18;
/// Xen sysctl scheduler op.
pub const XEN_SYSCTL_scheduler_op: u32 = 19;
/// Xen sysctl coverage op.
pub const XEN_SYSCTL_coverage_op: u32 = 20;
/// Xen sysctl psr cmt op.
pub const XEN_SYSCTL_psr_cmt_op: u32 = 21;
/// Xen sysctl pcitopoinfo.
pub const XEN_SYSCTL_pcitopoinfo: u32 = 22;
/// Xen sysctl psr alloc.
pub const XEN_SYSCTL_psr_alloc: u32 = 23;
/// #define XEN_SYSCTL_tmem_op 24.
pub const XEN_SYSCTL_get_cpu_levelling_caps: u32 = 25;
/// Xen sysctl get cpu featureset.
pub const XEN_SYSCTL_get_cpu_featureset: u32 = 26;
/// Xen sysctl livepatch op.
pub const XEN_SYSCTL_livepatch_op: u32 = 27;
/// #define XEN_SYSCTL_set_parameter 28.
pub const XEN_SYSCTL_get_cpu_policy: u32 = 29;

//! Sysctls on CPU features, CPUID policy and cache allocation.

use crate::Union;
use crate::xen::guest_handle;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// [`xen_sysctl_psr_cmt_op::cmd`]: the highest RMID.
pub const XEN_SYSCTL_PSR_CMT_get_total_rmid: u32 = 0;
/// [`xen_sysctl_psr_cmt_op::cmd`]: bytes per unit of the monitoring counters.
pub const XEN_SYSCTL_PSR_CMT_get_l3_upscaling_factor: u32 = 1;
/// [`xen_sysctl_psr_cmt_op::cmd`]: size of the L3 cache of CPU `l3_cache.cpu`, KiB.
pub const XEN_SYSCTL_PSR_CMT_get_l3_cache_size: u32 = 2;
/// [`xen_sysctl_psr_cmt_op::cmd`]: 1 if monitoring is on.
pub const XEN_SYSCTL_PSR_CMT_enabled: u32 = 3;
/// [`xen_sysctl_psr_cmt_op::cmd`]: what can be monitored: bit 0 occupancy, 1 total and 2 local
/// memory bandwidth.
pub const XEN_SYSCTL_PSR_CMT_get_l3_event_mask: u32 = 4;

/// Asks about cache monitoring (Intel CMT).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_psr_cmt_op {
    /// IN: `XEN_SYSCTL_PSR_CMT_*`.
    pub cmd: u32,
    /// IN: must be zero.
    pub flags: u32,
    /// IN: `l3_cache`, where the command has an argument; OUT: `data`, the answer.
    ///
    /// One of: `data` (`u64`), `l3_cache` ([`xen_sysctl_psr_cmt_op_l3_cache`]).
    pub u: Union<[u64; 1]>,
}
const _: () = assert!(size_of::<xen_sysctl_psr_cmt_op>() == 16);

/// Argument of [`XEN_SYSCTL_PSR_CMT_get_l3_cache_size`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_psr_cmt_op_l3_cache {
    /// IN: a CPU that uses the cache.
    pub cpu: u32,
    /// Reserved; zero.
    pub rsvd: u32,
}
const _: () = assert!(size_of::<xen_sysctl_psr_cmt_op_l3_cache>() == 8);

/// [`xen_sysctl_psr_alloc::cmd`]: allocation of the L3 cache (`cat_info`).
pub const XEN_SYSCTL_PSR_get_l3_info: u32 = 0;
/// [`xen_sysctl_psr_alloc::cmd`]: allocation of the L2 cache (`cat_info`).
pub const XEN_SYSCTL_PSR_get_l2_info: u32 = 1;
/// [`xen_sysctl_psr_alloc::cmd`]: throttling of memory bandwidth (`mba_info`).
pub const XEN_SYSCTL_PSR_get_mba_info: u32 = 2;

/// Asks about cache and bandwidth allocation (Intel RDT).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_psr_alloc {
    /// IN: `XEN_SYSCTL_PSR_*`.
    pub cmd: u32,
    /// IN: the socket.
    pub target: u32,
    /// OUT: the answer, by `cmd`.
    ///
    /// One of: `cat_info` ([`xen_sysctl_psr_alloc_cat_info`]), `mba_info`
    /// ([`xen_sysctl_psr_alloc_mba_info`]).
    pub u: Union<[u32; 3]>,
}
const _: () = assert!(size_of::<xen_sysctl_psr_alloc>() == 20);

/// How a cache can be divided.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_psr_alloc_cat_info {
    /// OUT: bits of a capacity bitmask.
    pub cbm_len: u32,
    /// OUT: the highest class of service.
    pub cos_max: u32,
    /// OUT: [`XEN_SYSCTL_PSR_CAT_L3_CDP`] or 0.
    pub flags: u32,
}
const _: () = assert!(size_of::<xen_sysctl_psr_alloc_cat_info>() == 12);

/// Code and data have masks of their own (CDP).
pub const XEN_SYSCTL_PSR_CAT_L3_CDP: u32 = 1;

/// How memory bandwidth can be throttled.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_psr_alloc_mba_info {
    /// OUT: the highest throttle: percent if it is linear.
    pub thrtl_max: u32,
    /// OUT: the highest class of service.
    pub cos_max: u32,
    /// OUT: [`XEN_SYSCTL_PSR_MBA_LINEAR`] or 0.
    pub flags: u32,
}
const _: () = assert!(size_of::<xen_sysctl_psr_alloc_mba_info>() == 12);

/// The throttle is linear, in percent; otherwise it takes powers of two.
pub const XEN_SYSCTL_PSR_MBA_LINEAR: u32 = 1;

/// How the CPUID that PV guests see can be changed.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cpu_levelling_caps {
    /// OUT: `XEN_SYSCTL_CPU_LEVELCAP_*`.
    pub caps: u32,
}
const _: () = assert!(size_of::<xen_sysctl_cpu_levelling_caps>() == 4);

/// CPUID in user mode faults and can be emulated. The other bits name registers that the
/// processor can mask instead, by leaf.
pub const XEN_SYSCTL_CPU_LEVELCAP_faulting: u32 = 1;
/// Can mask leaf 1, ECX.
pub const XEN_SYSCTL_CPU_LEVELCAP_ecx: u32 = 1 << 1;
/// Can mask leaf 1, EDX.
pub const XEN_SYSCTL_CPU_LEVELCAP_edx: u32 = 1 << 2;
/// Can mask leaf 80000001h, ECX.
pub const XEN_SYSCTL_CPU_LEVELCAP_extd_ecx: u32 = 1 << 3;
/// Can mask leaf 80000001h, EDX.
pub const XEN_SYSCTL_CPU_LEVELCAP_extd_edx: u32 = 1 << 4;
/// Can mask leaf 0Dh subleaf 1, EAX.
pub const XEN_SYSCTL_CPU_LEVELCAP_xsave_eax: u32 = 1 << 5;
/// Can mask leaf 6, ECX.
pub const XEN_SYSCTL_CPU_LEVELCAP_thermal_ecx: u32 = 1 << 6;
/// Can mask leaf 7 subleaf 0, EAX.
pub const XEN_SYSCTL_CPU_LEVELCAP_l7s0_eax: u32 = 1 << 7;
/// Can mask leaf 7 subleaf 0, EBX.
pub const XEN_SYSCTL_CPU_LEVELCAP_l7s0_ebx: u32 = 1 << 8;

/// CPUID feature words, numbered as in `xen/arch-x86/cpufeatureset.h`. -EOPNOTSUPP for a kind of
/// guest that cannot run.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cpu_featureset {
    /// IN: `XEN_SYSCTL_cpu_featureset_*`.
    pub index: u32,
    /// IN: entries of `features`; OUT: entries written, or what there is if `features` is null.
    /// All sets have the same length.
    pub nr_features: u32,
    /// IN: where to write the words, a `u32` each.
    pub features: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_cpu_featureset>() == 16);

/// [`xen_sysctl_cpu_featureset::index`]: what CPUID itself says.
pub const XEN_SYSCTL_cpu_featureset_raw: u32 = 0;
/// [`xen_sysctl_cpu_featureset::index`]: what the hypervisor uses, after its command line.
pub const XEN_SYSCTL_cpu_featureset_host: u32 = 1;
/// [`xen_sysctl_cpu_featureset::index`]: what a PV guest gets by default.
pub const XEN_SYSCTL_cpu_featureset_pv: u32 = 2;
/// [`xen_sysctl_cpu_featureset::index`]: what an HVM guest gets by default.
pub const XEN_SYSCTL_cpu_featureset_hvm: u32 = 3;
/// [`xen_sysctl_cpu_featureset::index`]: the most that a PV guest can get.
pub const XEN_SYSCTL_cpu_featureset_pv_max: u32 = 4;
/// [`xen_sysctl_cpu_featureset::index`]: the most that an HVM guest can get.
pub const XEN_SYSCTL_cpu_featureset_hvm_max: u32 = 5;

/// CPUID leaves and MSRs, as [`xen_domctl_cpu_policy`](crate::domctl::xen_domctl_cpu_policy) has
/// them for a domain. -EOPNOTSUPP for a kind of guest that cannot run.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cpu_policy {
    /// IN: `XEN_SYSCTL_cpu_policy_*`.
    pub index: u32,
    /// IN: entries of `leaves`; OUT: entries written, or the most there can be if `leaves` is
    /// null.
    pub nr_leaves: u32,
    /// IN: entries of `msrs`; OUT: entries written, or the most there can be if `msrs` is null.
    pub nr_msrs: u32,
    /// IN: must be zero.
    pub _rsvd: u32,
    /// IN: where to write, an array of [`xen_cpuid_leaf`](crate::arch_x86_64::xen_cpuid_leaf).
    pub leaves: guest_handle,
    /// IN: where to write, an array of [`xen_msr_entry`](crate::arch_x86_64::xen_msr_entry).
    pub msrs: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_cpu_policy>() == 32);

/// [`xen_sysctl_cpu_policy::index`]: what the processor itself says.
pub const XEN_SYSCTL_cpu_policy_raw: u32 = 0;
/// [`xen_sysctl_cpu_policy::index`]: what the hypervisor uses, after its command line.
pub const XEN_SYSCTL_cpu_policy_host: u32 = 1;
/// [`xen_sysctl_cpu_policy::index`]: the most that a PV guest can get, experimental features
/// included.
pub const XEN_SYSCTL_cpu_policy_pv_max: u32 = 2;
/// [`xen_sysctl_cpu_policy::index`]: the most that an HVM guest can get, experimental features
/// included.
pub const XEN_SYSCTL_cpu_policy_hvm_max: u32 = 3;
/// [`xen_sysctl_cpu_policy::index`]: what a PV guest gets unless its toolstack chooses.
pub const XEN_SYSCTL_cpu_policy_pv_default: u32 = 4;
/// [`xen_sysctl_cpu_policy::index`]: what an HVM guest gets unless its toolstack chooses.
pub const XEN_SYSCTL_cpu_policy_hvm_default: u32 = 5;

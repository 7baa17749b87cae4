//! Sysctls on CPU features, CPUID policy and cache allocation.

use crate::Union;
use crate::xen::guest_handle;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// [`xen_sysctl_psr_cmt_op::cmd`]: `get_total_rmid`.
pub const XEN_SYSCTL_PSR_CMT_get_total_rmid: u32 = 0;
/// [`xen_sysctl_psr_cmt_op::cmd`]: `get_l3_upscaling_factor`.
pub const XEN_SYSCTL_PSR_CMT_get_l3_upscaling_factor: u32 = 1;
/// [`xen_sysctl_psr_cmt_op::cmd`]: `get_l3_cache_size`.
pub const XEN_SYSCTL_PSR_CMT_get_l3_cache_size: u32 = 2;
/// [`xen_sysctl_psr_cmt_op::cmd`]: `enabled`.
pub const XEN_SYSCTL_PSR_CMT_enabled: u32 = 3;
/// [`xen_sysctl_psr_cmt_op::cmd`]: `get_l3_event_mask`.
pub const XEN_SYSCTL_PSR_CMT_get_l3_event_mask: u32 = 4;

/// Structure `xen_sysctl_psr_cmt_op` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_psr_cmt_op {
    /// IN: `XEN_SYSCTL_PSR_CMT_*`.
    pub cmd: u32,
    /// Padding variable, may be extended for future use.
    pub flags: u32,
    /// Depends on the command.
    ///
    /// One of: `data` (`u64`), `l3_cache` ([`xen_sysctl_psr_cmt_op_l3_cache`]).
    pub u: Union<[u64; 1]>,
}
const _: () = assert!(size_of::<xen_sysctl_psr_cmt_op>() == 16);

/// Xen_sysctl_psr_cmt_op_l3_cache.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_psr_cmt_op_l3_cache {
    /// IN: the cpu.
    pub cpu: u32,
    /// Reserved; zero.
    pub rsvd: u32,
}
const _: () = assert!(size_of::<xen_sysctl_psr_cmt_op_l3_cache>() == 8);

/// [`xen_sysctl_psr_alloc::cmd`]: `get_l3_info`.
pub const XEN_SYSCTL_PSR_get_l3_info: u32 = 0;
/// [`xen_sysctl_psr_alloc::cmd`]: `get_l2_info`.
pub const XEN_SYSCTL_PSR_get_l2_info: u32 = 1;
/// [`xen_sysctl_psr_alloc::cmd`]: `get_mba_info`.
pub const XEN_SYSCTL_PSR_get_mba_info: u32 = 2;

/// Structure `xen_sysctl_psr_alloc` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_psr_alloc {
    /// IN: `XEN_SYSCTL_PSR_*`.
    pub cmd: u32,
    /// IN: target.
    pub target: u32,
    /// Depends on the command.
    ///
    /// One of: `cat_info` ([`xen_sysctl_psr_alloc_cat_info`]), `mba_info`
    /// ([`xen_sysctl_psr_alloc_mba_info`]).
    pub u: Union<[u32; 3]>,
}
const _: () = assert!(size_of::<xen_sysctl_psr_alloc>() == 20);

/// Xen_sysctl_psr_alloc_cat_info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_psr_alloc_cat_info {
    /// OUT: CBM length.
    pub cbm_len: u32,
    /// OUT: Maximum COS.
    pub cos_max: u32,
    /// OUT: CAT flags.
    pub flags: u32,
}
const _: () = assert!(size_of::<xen_sysctl_psr_alloc_cat_info>() == 12);

/// XEN_SYSCTL_PSR_CAT_L3_CDP.
pub const XEN_SYSCTL_PSR_CAT_L3_CDP: u32 = 1;

/// Xen_sysctl_psr_alloc_mba_info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_psr_alloc_mba_info {
    /// OUT: Maximum throttle.
    pub thrtl_max: u32,
    /// OUT: Maximum COS.
    pub cos_max: u32,
    /// OUT: MBA flags.
    pub flags: u32,
}
const _: () = assert!(size_of::<xen_sysctl_psr_alloc_mba_info>() == 12);

/// XEN_SYSCTL_PSR_MBA_LINEAR.
pub const XEN_SYSCTL_PSR_MBA_LINEAR: u32 = 1;

/// XEN_SYSCTL_get_cpu_levelling_caps (x86 specific) Return hardware capabilities concerning
/// masking or faulting of the cpuid instruction for PV guests.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cpu_levelling_caps {
    /// Caps.
    pub caps: u32,
}
const _: () = assert!(size_of::<xen_sysctl_cpu_levelling_caps>() == 4);

/// CPUID faulting.
pub const XEN_SYSCTL_CPU_LEVELCAP_faulting: u32 = 1;
/// 0x00000001.ecx.
pub const XEN_SYSCTL_CPU_LEVELCAP_ecx: u32 = 1 << 1;
/// 0x00000001.edx.
pub const XEN_SYSCTL_CPU_LEVELCAP_edx: u32 = 1 << 2;
/// 0x80000001.ecx.
pub const XEN_SYSCTL_CPU_LEVELCAP_extd_ecx: u32 = 1 << 3;
/// 0x80000001.edx.
pub const XEN_SYSCTL_CPU_LEVELCAP_extd_edx: u32 = 1 << 4;
/// 0x0000000D:1.eax.
pub const XEN_SYSCTL_CPU_LEVELCAP_xsave_eax: u32 = 1 << 5;
/// 0x00000006.ecx.
pub const XEN_SYSCTL_CPU_LEVELCAP_thermal_ecx: u32 = 1 << 6;
/// 0x00000007:0.eax.
pub const XEN_SYSCTL_CPU_LEVELCAP_l7s0_eax: u32 = 1 << 7;
/// 0x00000007:0.ebx.
pub const XEN_SYSCTL_CPU_LEVELCAP_l7s0_ebx: u32 = 1 << 8;

/// XEN_SYSCTL_get_cpu_featureset (x86 specific) Return information about featuresets available
/// on this host. - Raw: The real cpuid values. - Host: The values Xen is using, (after command
/// line overrides, etc). - PV: Maximum set of features which can be given to a PV guest. - HVM:
/// Maximum set of features which can be given to a HVM guest.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cpu_featureset {
    /// IN: Which featureset to query?
    pub index: u32,
    /// IN/OUT: Number of entries in/written to 'features', or the maximum number of features if
    /// the guest handle is NULL. NB. All featuresets come from the same numberspace, so have
    /// the same maximum length.
    pub nr_features: u32,
    /// OUT:
    pub features: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_cpu_featureset>() == 16);

/// `index` of [`xen_sysctl_cpu_featureset`]: `raw`.
pub const XEN_SYSCTL_cpu_featureset_raw: u32 = 0;
/// `index` of [`xen_sysctl_cpu_featureset`]: `host`.
pub const XEN_SYSCTL_cpu_featureset_host: u32 = 1;
/// `index` of [`xen_sysctl_cpu_featureset`]: `pv`.
pub const XEN_SYSCTL_cpu_featureset_pv: u32 = 2;
/// `index` of [`xen_sysctl_cpu_featureset`]: `hvm`.
pub const XEN_SYSCTL_cpu_featureset_hvm: u32 = 3;
/// `index` of [`xen_sysctl_cpu_featureset`]: `pv_max`.
pub const XEN_SYSCTL_cpu_featureset_pv_max: u32 = 4;
/// `index` of [`xen_sysctl_cpu_featureset`]: `hvm_max`.
pub const XEN_SYSCTL_cpu_featureset_hvm_max: u32 = 5;

/// XEN_SYSCTL_get_cpu_policy (x86 specific) Return information about CPUID and MSR policies
/// available on this host. - Raw: The real H/W values. - Host: The values Xen is using, (after
/// command line overrides, etc). - Max_*: Maximum set of features a PV or HVM guest can use.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cpu_policy {
    /// IN: Which policy to query?
    pub index: u32,
    /// IN/OUT: Number of leaves in/written to 'leaves', or the max number if 'leaves' is NULL.
    pub nr_leaves: u32,
    /// IN/OUT: Number of MSRs in/written to 'msrs', or the max number of if 'msrs' is NULL.
    pub nr_msrs: u32,
    /// Must be zero.
    pub _rsvd: u32,
    /// OUT: leaves.
    pub leaves: guest_handle,
    /// OUT: msrs.
    pub msrs: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_cpu_policy>() == 32);

/// `index` of [`xen_sysctl_cpu_policy`]: `raw`.
pub const XEN_SYSCTL_cpu_policy_raw: u32 = 0;
/// `index` of [`xen_sysctl_cpu_policy`]: `host`.
pub const XEN_SYSCTL_cpu_policy_host: u32 = 1;
/// `index` of [`xen_sysctl_cpu_policy`]: `pv_max`.
pub const XEN_SYSCTL_cpu_policy_pv_max: u32 = 2;
/// `index` of [`xen_sysctl_cpu_policy`]: `hvm_max`.
pub const XEN_SYSCTL_cpu_policy_hvm_max: u32 = 3;
/// `index` of [`xen_sysctl_cpu_policy`]: `pv_default`.
pub const XEN_SYSCTL_cpu_policy_pv_default: u32 = 4;
/// `index` of [`xen_sysctl_cpu_policy`]: `hvm_default`.
pub const XEN_SYSCTL_cpu_policy_hvm_default: u32 = 5;

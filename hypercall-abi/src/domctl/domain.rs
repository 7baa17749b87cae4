//! `xen/domctl/domain.h`.

use crate::arch_x86_64::xen_arch_domainconfig;
use crate::xen::{domid_t, xen_domain_handle_t};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// XEN_DOMCTL_createdomain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_createdomain {
    /// IN parameters.
    pub ssidref: u32,
    /// Handle.
    pub handle: xen_domain_handle_t,
    /// Flags.
    pub flags: u32,
    /// Iommu opts.
    pub iommu_opts: u32,
    /// Various domain limits, which impact the quantity of resources (global mapping space,
    /// xenheap, etc) a guest may consume.
    pub max_vcpus: u32,
    /// Max evtchn port.
    pub max_evtchn_port: u32,
    /// Max grant frames.
    pub max_grant_frames: i32,
    /// Max maptrack frames.
    pub max_maptrack_frames: i32,
    /// Grant opts.
    pub grant_opts: u32,
    /// Per-vCPU buffer size in bytes. 0 to disable.
    pub vmtrace_size: u32,
    /// CPU pool to use; specify 0 or a specific existing pool.
    pub cpupool_id: u32,
    /// Arch.
    pub arch: xen_arch_domainconfig,
}
const _: () = assert!(size_of::<xen_domctl_createdomain>() == 64);

/// Is this an HVM guest (as opposed to a PV guest)?.
pub const XEN_DOMCTL_CDF_hvm: u32 = 1;
/// Use hardware-assisted paging if available?.
pub const XEN_DOMCTL_CDF_hap: u32 = 1 << 1;
/// Should domain memory integrity be verifed by tboot during Sx?.
pub const XEN_DOMCTL_CDF_s3_integrity: u32 = 1 << 2;
/// Disable out-of-sync shadow page tables?.
pub const XEN_DOMCTL_CDF_oos_off: u32 = 1 << 3;
/// Is this a xenstore domain?.
pub const XEN_DOMCTL_CDF_xs_domain: u32 = 1 << 4;
/// Should this domain be permitted to use the IOMMU?.
pub const XEN_DOMCTL_CDF_iommu: u32 = 1 << 5;
/// Xen domctl cdf nested virt.
pub const XEN_DOMCTL_CDF_nested_virt: u32 = 1 << 6;
/// Should we expose the vPMU to the guest?.
pub const XEN_DOMCTL_CDF_vpmu: u32 = 1 << 7;
/// Max XEN_DOMCTL_CDF_* constant.
pub const XEN_DOMCTL_CDF_MAX: u32 = XEN_DOMCTL_CDF_vpmu;
/// Xen domctl iommu no sharept.
pub const XEN_DOMCTL_IOMMU_no_sharept: u32 = 1;
/// Max XEN_DOMCTL_IOMMU_* constant.
pub const XEN_DOMCTL_IOMMU_MAX: u32 = XEN_DOMCTL_IOMMU_no_sharept;
/// Grant version, use low 4 bits.
pub const XEN_DOMCTL_GRANT_version_mask: u32 = 0xf;

/// XEN_DOMCTL_getdomaininfo.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_getdomaininfo {
    /// Also echoed in domctl.domain.
    pub domain: domid_t,
    /// Pad1.
    pub pad1: u16,
    /// XEN_DOMINF_.
    pub flags: u32,
    /// Tot pages.
    pub tot_pages: u64,
    /// Max pages.
    pub max_pages: u64,
    /// Outstanding pages.
    pub outstanding_pages: u64,
    /// Shr pages.
    pub shr_pages: u64,
    /// Paged pages.
    pub paged_pages: u64,
    /// GMFN of shared_info struct.
    pub shared_info_frame: u64,
    /// Cpu time.
    pub cpu_time: u64,
    /// Number of VCPUs currently online.
    pub nr_online_vcpus: u32,
    /// Maximum VCPUID in use by this domain.
    pub max_vcpu_id: u32,
    /// Ssidref.
    pub ssidref: u32,
    /// Handle.
    pub handle: xen_domain_handle_t,
    /// Cpupool.
    pub cpupool: u32,
    /// Guest physical address space size.
    pub gpaddr_bits: u8,
    /// Pad2.
    pub pad2: [u8; 7],
    /// Arch config.
    pub arch_config: xen_arch_domainconfig,
}
const _: () = assert!(size_of::<xen_domctl_getdomaininfo>() == 112);

/// Domain is scheduled to die.
pub const XEN_DOMINF_dying: u32 = 1;
/// Domain is an HVM guest (as opposed to a PV guest).
pub const XEN_DOMINF_hvm_guest: u32 = 1 << 1;
/// The guest OS has shut down.
pub const XEN_DOMINF_shutdown: u32 = 1 << 2;
/// Currently paused by control software.
pub const XEN_DOMINF_paused: u32 = 1 << 3;
/// Currently blocked pending an event.
pub const XEN_DOMINF_blocked: u32 = 1 << 4;
/// Domain is currently running.
pub const XEN_DOMINF_running: u32 = 1 << 5;
/// Being debugged.
pub const XEN_DOMINF_debugged: u32 = 1 << 6;
/// domain is a xenstore domain.
pub const XEN_DOMINF_xs_domain: u32 = 1 << 7;
/// domain has hardware assisted paging.
pub const XEN_DOMINF_hap: u32 = 1 << 8;
/// XEN_DOMINF_shutdown guest-supplied code.
pub const XEN_DOMINF_shutdownmask: u32 = 255;
/// Xen dominf shutdownshift.
pub const XEN_DOMINF_shutdownshift: u32 = 16;
/// Domain has no vcpus?.
pub const XEN_INVALID_MAX_VCPU_ID: u32 = 0xffff_ffff;

/// XEN_DOMCTL_setdomainhandle.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_setdomainhandle {
    /// Handle.
    pub handle: xen_domain_handle_t,
}
const _: () = assert!(size_of::<xen_domctl_setdomainhandle>() == 16);

/// XEN_DOMCTL_setdebugging.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_setdebugging {
    /// Enable.
    pub enable: u8,
}
const _: () = assert!(size_of::<xen_domctl_setdebugging>() == 1);

/// XEN_DOMCTL_hypercall_init.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_hypercall_init {
    /// GMFN to be initialised.
    pub gmfn: u64,
}
const _: () = assert!(size_of::<xen_domctl_hypercall_init>() == 8);

/// XEN_DOMCTL_settimeoffset.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_settimeoffset {
    /// applied to domain wallclock time.
    pub time_offset_seconds: i64,
}
const _: () = assert!(size_of::<xen_domctl_settimeoffset>() == 8);

/// XEN_DOMCTL_get_address_size.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_address_size {
    /// Size.
    pub size: u32,
}
const _: () = assert!(size_of::<xen_domctl_address_size>() == 4);

/// XEN_DOMCTL_set_target.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_set_target {
    /// Target.
    pub target: domid_t,
}
const _: () = assert!(size_of::<xen_domctl_set_target>() == 2);

/// XEN_DOMCTL_subscribe.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_subscribe {
    /// IN.
    pub port: u32,
}
const _: () = assert!(size_of::<xen_domctl_subscribe>() == 4);

/// XEN_DOMCTL_settscinfo.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_tsc_info {
    /// IN/OUT.
    pub tsc_mode: u32,
    /// Gtsc khz.
    pub gtsc_khz: u32,
    /// Incarnation.
    pub incarnation: u32,
    /// Pad.
    pub pad: u32,
    /// Elapsed nsec.
    pub elapsed_nsec: u64,
}
const _: () = assert!(size_of::<xen_domctl_tsc_info>() == 24);

/// Xen domctl set virq handler.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_set_virq_handler {
    /// IN.
    pub virq: u32,
}
const _: () = assert!(size_of::<xen_domctl_set_virq_handler>() == 4);

/// The grant-table version (1 or 2) that a [`xen_domctl_createdomain::grant_opts`] asks for.
pub const fn XEN_DOMCTL_GRANT_version(grant_opts: u32) -> u32 {
    grant_opts & XEN_DOMCTL_GRANT_version_mask
}

//! Domctls on a domain as a whole: creation, information, time, limits.

use crate::arch_x86_64::xen_arch_domainconfig;
use crate::xen::{domid_t, xen_domain_handle_t};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A domain to create. The number in [`xen_domctl::domain`](crate::domctl::xen_domctl::domain),
/// if 0 or reserved, is chosen by the hypervisor.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_createdomain {
    /// Label for the security module; 0 without one.
    pub ssidref: u32,
    /// UUID, of the toolstack's choice.
    pub handle: xen_domain_handle_t,
    /// `XEN_DOMCTL_CDF_*`; 0 for plain PV.
    pub flags: u32,
    /// `XEN_DOMCTL_IOMMU_*`.
    pub iommu_opts: u32,
    /// vCPUs it will have.
    pub max_vcpus: u32,
    /// Highest port it may have.
    pub max_evtchn_port: u32,
    /// Frames of its grant table; negative for the default.
    pub max_grant_frames: i32,
    /// Frames that record what it maps from others; negative for the default.
    pub max_maptrack_frames: i32,
    /// Grant-table version, see [`XEN_DOMCTL_GRANT_version`].
    pub grant_opts: u32,
    /// Bytes of trace buffer per vCPU; 0 for none.
    pub vmtrace_size: u32,
    /// CPU pool it runs in.
    pub cpupool_id: u32,
    /// The x86 part.
    pub arch: xen_arch_domainconfig,
}
const _: () = assert!(size_of::<xen_domctl_createdomain>() == 64);

/// An HVM guest; PV if clear.
pub const XEN_DOMCTL_CDF_hvm: u32 = 1;
/// Nested paging, if the machine has it.
pub const XEN_DOMCTL_CDF_hap: u32 = 1 << 1;
/// Have tboot verify its memory across suspend to RAM.
pub const XEN_DOMCTL_CDF_s3_integrity: u32 = 1 << 2;
/// Keep shadow page tables in step at all times.
pub const XEN_DOMCTL_CDF_oos_off: u32 = 1 << 3;
/// It serves xenstore.
pub const XEN_DOMCTL_CDF_xs_domain: u32 = 1 << 4;
/// It may use the IOMMU.
pub const XEN_DOMCTL_CDF_iommu: u32 = 1 << 5;
/// It may run a hypervisor of its own.
pub const XEN_DOMCTL_CDF_nested_virt: u32 = 1 << 6;
/// It has virtual performance counters.
pub const XEN_DOMCTL_CDF_vpmu: u32 = 1 << 7;
/// The highest `XEN_DOMCTL_CDF_*` flag.
pub const XEN_DOMCTL_CDF_MAX: u32 = XEN_DOMCTL_CDF_vpmu;
/// Give the IOMMU page tables of its own.
pub const XEN_DOMCTL_IOMMU_no_sharept: u32 = 1;
/// The highest `XEN_DOMCTL_IOMMU_*` flag.
pub const XEN_DOMCTL_IOMMU_MAX: u32 = XEN_DOMCTL_IOMMU_no_sharept;
/// The bits of the grant-table version.
pub const XEN_DOMCTL_GRANT_version_mask: u32 = 0xf;

/// What a toolstack can know of a domain. For the command, the first domain numbered
/// [`xen_domctl::domain`](crate::domctl::xen_domctl::domain) or higher answers.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_getdomaininfo {
    /// Its number.
    pub domain: domid_t,
    /// Unused; zero.
    pub pad1: u16,
    /// `XEN_DOMINF_*`.
    pub flags: u32,
    /// Pages it has.
    pub tot_pages: u64,
    /// Pages it may have.
    pub max_pages: u64,
    /// Pages claimed for it and not yet given.
    pub outstanding_pages: u64,
    /// Pages it shares copy-on-write.
    pub shr_pages: u64,
    /// Pages that are paged out.
    pub paged_pages: u64,
    /// Frame of its shared page.
    pub shared_info_frame: u64,
    /// CPU time of all its vCPUs, ns.
    pub cpu_time: u64,
    /// vCPUs that are up.
    pub nr_online_vcpus: u32,
    /// Its highest vCPU number, or [`XEN_INVALID_MAX_VCPU_ID`].
    pub max_vcpu_id: u32,
    /// Label for the security module.
    pub ssidref: u32,
    /// UUID.
    pub handle: xen_domain_handle_t,
    /// CPU pool it runs in.
    pub cpupool: u32,
    /// Width of its physical addresses, bits.
    pub gpaddr_bits: u8,
    /// Unused; zero.
    pub pad2: [u8; 7],
    /// The x86 part of its creation.
    pub arch_config: xen_arch_domainconfig,
}
const _: () = assert!(size_of::<xen_domctl_getdomaininfo>() == 112);

/// It is being destroyed.
pub const XEN_DOMINF_dying: u32 = 1;
/// It is an HVM guest.
pub const XEN_DOMINF_hvm_guest: u32 = 1 << 1;
/// It has shut down; the reason is in bits 23:16.
pub const XEN_DOMINF_shutdown: u32 = 1 << 2;
/// Paused by a toolstack.
pub const XEN_DOMINF_paused: u32 = 1 << 3;
/// All its vCPUs wait for events.
pub const XEN_DOMINF_blocked: u32 = 1 << 4;
/// One of its vCPUs runs now.
pub const XEN_DOMINF_running: u32 = 1 << 5;
/// A debugger is attached.
pub const XEN_DOMINF_debugged: u32 = 1 << 6;
/// It serves xenstore.
pub const XEN_DOMINF_xs_domain: u32 = 1 << 7;
/// It uses nested paging.
pub const XEN_DOMINF_hap: u32 = 1 << 8;
/// Mask of the shutdown reason, after the shift.
pub const XEN_DOMINF_shutdownmask: u32 = 255;
/// Shift of the shutdown reason.
pub const XEN_DOMINF_shutdownshift: u32 = 16;
/// The domain has no vCPUs.
pub const XEN_INVALID_MAX_VCPU_ID: u32 = 0xffff_ffff;

/// A new UUID for a domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_setdomainhandle {
    /// IN: the UUID.
    pub handle: xen_domain_handle_t,
}
const _: () = assert!(size_of::<xen_domctl_setdomainhandle>() == 16);

/// Whether a debugger is attached: debug exceptions then pause the domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_setdebugging {
    /// IN: not 0 attaches, 0 detaches.
    pub enable: u8,
}
const _: () = assert!(size_of::<xen_domctl_setdebugging>() == 1);

/// Fills a hypercall page for a guest that is being built.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_hypercall_init {
    /// IN: the page's frame.
    pub gmfn: u64,
}
const _: () = assert!(size_of::<xen_domctl_hypercall_init>() == 8);

/// The distance of a domain's wallclock from the machine's.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_settimeoffset {
    /// IN: seconds to add.
    pub time_offset_seconds: i64,
}
const _: () = assert!(size_of::<xen_domctl_settimeoffset>() == 8);

/// Width of a PV guest.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_address_size {
    /// 32 or 64, bits.
    pub size: u32,
}
const _: () = assert!(size_of::<xen_domctl_address_size>() == 4);

/// Lets a domain act on another as its device model does.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_set_target {
    /// IN: the domain to be served.
    pub target: domid_t,
}
const _: () = assert!(size_of::<xen_domctl_set_target>() == 2);

/// Asks for an event when a domain shuts down or crashes.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_subscribe {
    /// IN: port of the caller that gets the event; 0 for none.
    pub port: u32,
}
const _: () = assert!(size_of::<xen_domctl_subscribe>() == 4);

/// How a domain sees the TSC.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_tsc_info {
    /// 0 default, 1 always emulated, 2 never emulated.
    pub tsc_mode: u32,
    /// Frequency that the guest sees, kHz.
    pub gtsc_khz: u32,
    /// Times the domain was restored.
    pub incarnation: u32,
    /// Unused; zero.
    pub pad: u32,
    /// System time that has passed in the domain, ns.
    pub elapsed_nsec: u64,
}
const _: () = assert!(size_of::<xen_domctl_tsc_info>() == 24);

/// Makes the domain the receiver of a global virtual interrupt.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_set_virq_handler {
    /// IN: `VIRQ_*`; -EINVAL unless it is global.
    pub virq: u32,
}
const _: () = assert!(size_of::<xen_domctl_set_virq_handler>() == 4);

/// The grant-table version (1 or 2) that a [`xen_domctl_createdomain::grant_opts`] asks for.
pub const fn XEN_DOMCTL_GRANT_version(grant_opts: u32) -> u32 {
    grant_opts & XEN_DOMCTL_GRANT_version_mask
}

//! `xen/domctl.h`.

use crate::Union;
use crate::arch_x86_64::{xen_arch_domainconfig, xen_pfn_t};
use crate::event_channel::evtchn_port_t;
use crate::xen::{domid_t, guest_handle, xen_domain_handle_t, xenctl_bitmap};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Xen domctl interface version.
pub const XEN_DOMCTL_INTERFACE_VERSION: u32 = 0x0000_0015;

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
/// Xen domctl pfinfo ltab shift.
pub const XEN_DOMCTL_PFINFO_LTAB_SHIFT: u32 = 28;
/// Xen domctl pfinfo notab.
pub const XEN_DOMCTL_PFINFO_NOTAB: u32 = 0x0 << 28;
/// Xen domctl pfinfo l1tab.
pub const XEN_DOMCTL_PFINFO_L1TAB: u32 = 0x1 << 28;
/// Xen domctl pfinfo l2tab.
pub const XEN_DOMCTL_PFINFO_L2TAB: u32 = 0x2 << 28;
/// Xen domctl pfinfo l3tab.
pub const XEN_DOMCTL_PFINFO_L3TAB: u32 = 0x3 << 28;
/// Xen domctl pfinfo l4tab.
pub const XEN_DOMCTL_PFINFO_L4TAB: u32 = 0x4 << 28;
/// Xen domctl pfinfo ltabtype mask.
pub const XEN_DOMCTL_PFINFO_LTABTYPE_MASK: u32 = 0x7 << 28;
/// Xen domctl pfinfo lpintab.
pub const XEN_DOMCTL_PFINFO_LPINTAB: u32 = 0x1 << 31;
/// invalid page.
pub const XEN_DOMCTL_PFINFO_XTAB: u32 = 0xf << 28;
/// allocate-only page.
pub const XEN_DOMCTL_PFINFO_XALLOC: u32 = 0xe << 28;
/// broken page.
pub const XEN_DOMCTL_PFINFO_BROKEN: u32 = 0xd << 28;
/// Xen domctl pfinfo ltab mask.
pub const XEN_DOMCTL_PFINFO_LTAB_MASK: u32 = 0xf << 28;

/// Both value `num' and `array' may get modified by the hypercall to allow preemption.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_getpageframeinfo3 {
    /// IN variables.
    pub num: u64,
    /// IN/OUT variables.
    pub array: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_getpageframeinfo3>() == 16);

/// Disable shadow mode.
pub const XEN_DOMCTL_SHADOW_OP_OFF: u32 = 0;
/// Enable shadow mode (mode contains ORed XEN_DOMCTL_SHADOW_ENABLE_* flags).
pub const XEN_DOMCTL_SHADOW_OP_ENABLE: u32 = 32;
/// Return the bitmap and clean internal copy for next round.
pub const XEN_DOMCTL_SHADOW_OP_CLEAN: u32 = 11;
/// Return the bitmap but do not modify internal copy.
pub const XEN_DOMCTL_SHADOW_OP_PEEK: u32 = 12;
/// Memory allocation accessors.
pub const XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION: u32 = 30;
/// Xen domctl shadow op set allocation.
pub const XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION: u32 = 31;
/// Equiv. to ENABLE with no mode flags.
pub const XEN_DOMCTL_SHADOW_OP_ENABLE_TEST: u32 = 1;
/// Equiv. to ENABLE with mode flag ENABLE_LOG_DIRTY.
pub const XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY: u32 = 2;
/// Shadow pagetables are refcounted: guest does not use explicit mmu operations nor
/// write-protect its pagetables.
pub const XEN_DOMCTL_SHADOW_ENABLE_REFCOUNT: u32 = 1 << 1;
/// Log pages in a bitmap as they are dirtied.
pub const XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY: u32 = 1 << 2;
/// Automatically translate GPFNs into MFNs.
pub const XEN_DOMCTL_SHADOW_ENABLE_TRANSLATE: u32 = 1 << 3;
/// Xen does not steal virtual address space from the guest.
pub const XEN_DOMCTL_SHADOW_ENABLE_EXTERNAL: u32 = 1 << 4;
/// This is the final iteration: Requesting to include pages mapped writably by the hypervisor
/// in the dirty bitmap.
pub const XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL: u32 = 1;

/// Xen domctl shadow op stats.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_shadow_op_stats {
    /// Fault count.
    pub fault_count: u32,
    /// Dirty count.
    pub dirty_count: u32,
}
const _: () = assert!(size_of::<xen_domctl_shadow_op_stats>() == 8);

/// Xen domctl shadow op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_shadow_op {
    /// XEN_DOMCTL_SHADOW_OP_.
    pub op: u32,
    /// OP_PEAK / OP_CLEAN: XEN_DOMCTL_SHADOW_LOGDIRTY_.
    pub mode: u32,
    /// Shadow memory allocation in MB.
    pub mb: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// OP_PEEK / OP_CLEAN.
    pub dirty_bitmap: guest_handle,
    /// Size of buffer.
    pub pages: u64,
    /// Stats.
    pub stats: xen_domctl_shadow_op_stats,
}
const _: () = assert!(size_of::<xen_domctl_shadow_op>() == 40);

/// XEN_DOMCTL_max_mem.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_max_mem {
    /// IN variables.
    pub max_memkb: u64,
}
const _: () = assert!(size_of::<xen_domctl_max_mem>() == 8);

/// XEN_DOMCTL_getvcpucontext.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vcpucontext {
    /// IN.
    pub vcpu: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// IN/OUT.
    pub ctxt: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_vcpucontext>() == 16);

/// XEN_DOMCTL_getvcpuinfo.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_getvcpuinfo {
    /// IN variables.
    pub vcpu: u32,
    /// currently online (not hotplugged)?.
    pub online: u8,
    /// blocked waiting for an event?.
    pub blocked: u8,
    /// currently scheduled on its CPU?.
    pub running: u8,
    /// Padding.
    pub _pad0: [u8; 1],
    /// total cpu time consumed (ns).
    pub cpu_time: u64,
    /// current mapping.
    pub cpu: u32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xen_domctl_getvcpuinfo>() == 24);

/// XEN_DOMCTL_getnodeaffinity.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_nodeaffinity {
    /// IN.
    pub nodemap: xenctl_bitmap,
}
const _: () = assert!(size_of::<xen_domctl_nodeaffinity>() == 16);

/// XEN_DOMCTL_getvcpuaffinity.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vcpuaffinity {
    /// IN variables.
    pub vcpu: u32,
    /// Flags.
    pub flags: u32,
    /// IN/OUT variables.
    pub cpumap_hard: xenctl_bitmap,
    /// Cpumap soft.
    pub cpumap_soft: xenctl_bitmap,
}
const _: () = assert!(size_of::<xen_domctl_vcpuaffinity>() == 40);

/// Set/get the hard affinity for vcpu.
pub const XEN_VCPUAFFINITY_HARD: u32 = 1;
/// Set/get the soft affinity for vcpu.
pub const XEN_VCPUAFFINITY_SOFT: u32 = 1 << 1;
/// Undo SCHEDOP_pin_override.
pub const XEN_VCPUAFFINITY_FORCE: u32 = 1 << 2;

/// XEN_DOMCTL_max_vcpus: The parameter passed to XEN_DOMCTL_max_vcpus must match the value
/// passed to XEN_DOMCTL_createdomain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_max_vcpus {
    /// maximum number of vcpus.
    pub max: u32,
}
const _: () = assert!(size_of::<xen_domctl_max_vcpus>() == 4);

/// #define XEN_SCHEDULER_SEDF 4 (Removed).
pub const XEN_SCHEDULER_CREDIT: u32 = 5;
/// Xen scheduler credit2.
pub const XEN_SCHEDULER_CREDIT2: u32 = 6;
/// Xen scheduler arinc653.
pub const XEN_SCHEDULER_ARINC653: u32 = 7;
/// Xen scheduler rtds.
pub const XEN_SCHEDULER_RTDS: u32 = 8;
/// Xen scheduler null.
pub const XEN_SCHEDULER_NULL: u32 = 9;

/// Xen domctl sched credit.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_sched_credit {
    /// Weight.
    pub weight: u16,
    /// Cap.
    pub cap: u16,
}
const _: () = assert!(size_of::<xen_domctl_sched_credit>() == 4);

/// Xen domctl sched credit2.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_sched_credit2 {
    /// Weight.
    pub weight: u16,
    /// Cap.
    pub cap: u16,
}
const _: () = assert!(size_of::<xen_domctl_sched_credit2>() == 4);

/// Xen domctl sched rtds.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_sched_rtds {
    /// Period.
    pub period: u32,
    /// Budget.
    pub budget: u32,
    /// Flags.
    pub flags: u32,
}
const _: () = assert!(size_of::<xen_domctl_sched_rtds>() == 12);

/// Can this vCPU execute beyond its reserved amount of time?.
pub const XEN_DOMCTL_SCHEDRT_extra: u32 = 1;

/// Xen domctl schedparam vcpu.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_schedparam_vcpu {
    /// U.
    ///
    /// One of: `credit` ([`xen_domctl_sched_credit`]), `credit2`
    /// ([`xen_domctl_sched_credit2`]), `rtds` ([`xen_domctl_sched_rtds`]).
    pub u: Union<[u32; 3]>,
    /// Vcpuid.
    pub vcpuid: u32,
}
const _: () = assert!(size_of::<xen_domctl_schedparam_vcpu>() == 16);

/// Set or get info? For schedulers supporting per-vcpu settings (e.g., RTDS):
/// XEN_DOMCTL_SCHEDOP_putinfo sets params for all vcpus; XEN_DOMCTL_SCHEDOP_getinfo gets
/// default params; XEN_DOMCTL_SCHEDOP_put(get)vcpuinfo sets (gets) params of vcpus; For
/// schedulers not supporting per-vcpu settings: XEN_DOMCTL_SCHEDOP_putinfo sets params for all
/// vcpus; XEN_DOMCTL_SCHEDOP_getinfo gets domain-wise params;
/// XEN_DOMCTL_SCHEDOP_put(get)vcpuinfo returns error;.
pub const XEN_DOMCTL_SCHEDOP_putinfo: u32 = 0;
/// Xen domctl schedop getinfo.
pub const XEN_DOMCTL_SCHEDOP_getinfo: u32 = 1;
/// Xen domctl schedop putvcpuinfo.
pub const XEN_DOMCTL_SCHEDOP_putvcpuinfo: u32 = 2;
/// Xen domctl schedop getvcpuinfo.
pub const XEN_DOMCTL_SCHEDOP_getvcpuinfo: u32 = 3;

/// Xen domctl scheduler op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_scheduler_op {
    /// XEN_SCHEDULER_.
    pub sched_id: u32,
    /// XEN_DOMCTL_SCHEDOP_.
    pub cmd: u32,
    /// U.
    ///
    /// One of: `credit` ([`xen_domctl_sched_credit`]), `credit2`
    /// ([`xen_domctl_sched_credit2`]), `rtds` ([`xen_domctl_sched_rtds`]), `v`
    /// ([`xen_domctl_scheduler_op_v`]).
    pub u: Union<[u64; 2]>,
}
const _: () = assert!(size_of::<xen_domctl_scheduler_op>() == 24);

/// Xen domctl scheduler op v.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_scheduler_op_v {
    /// Vcpus.
    pub vcpus: guest_handle,
    /// IN: Number of elements in vcpus array.
    pub nr_vcpus: u32,
    /// Padding.
    pub padding: u32,
}
const _: () = assert!(size_of::<xen_domctl_scheduler_op_v>() == 16);

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

/// XEN_DOMCTL_irq_permission.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_irq_permission {
    /// Pirq.
    pub pirq: u32,
    /// flag to specify enable/disable of IRQ access.
    pub allow_access: u8,
    /// Pad.
    pub pad: [u8; 3],
}
const _: () = assert!(size_of::<xen_domctl_irq_permission>() == 8);

/// XEN_DOMCTL_iomem_permission.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_iomem_permission {
    /// first page (physical page number) in range.
    pub first_mfn: u64,
    /// number of pages in range (>0).
    pub nr_mfns: u64,
    /// allow (!0) or deny (0) access to range?.
    pub allow_access: u8,
    /// Padding.
    pub _pad0: [u8; 7],
}
const _: () = assert!(size_of::<xen_domctl_iomem_permission>() == 24);

/// XEN_DOMCTL_ioport_permission.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_ioport_permission {
    /// first port int range.
    pub first_port: u32,
    /// size of port range.
    pub nr_ports: u32,
    /// allow or deny access to range?.
    pub allow_access: u8,
    /// Padding.
    pub _pad0: [u8; 3],
}
const _: () = assert!(size_of::<xen_domctl_ioport_permission>() == 12);

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

/// XEN_DOMCTL_sethvmcontext.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_hvmcontext {
    /// IN/OUT: size of buffer / bytes filled.
    pub size: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// IN/OUT: data, or call gethvmcontext with NULL buffer to get size req'd.
    pub buffer: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_hvmcontext>() == 16);

/// XEN_DOMCTL_get_address_size.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_address_size {
    /// Size.
    pub size: u32,
}
const _: () = assert!(size_of::<xen_domctl_address_size>() == 4);

/// XEN_DOMCTL_sendtrigger.
pub const XEN_DOMCTL_SENDTRIGGER_NMI: u32 = 0;
/// Xen domctl sendtrigger reset.
pub const XEN_DOMCTL_SENDTRIGGER_RESET: u32 = 1;
/// Xen domctl sendtrigger init.
pub const XEN_DOMCTL_SENDTRIGGER_INIT: u32 = 2;
/// Xen domctl sendtrigger power.
pub const XEN_DOMCTL_SENDTRIGGER_POWER: u32 = 3;
/// Xen domctl sendtrigger sleep.
pub const XEN_DOMCTL_SENDTRIGGER_SLEEP: u32 = 4;

/// Xen domctl sendtrigger.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_sendtrigger {
    /// IN.
    pub trigger: u32,
    /// IN.
    pub vcpu: u32,
}
const _: () = assert!(size_of::<xen_domctl_sendtrigger>() == 8);

/// XEN_DOMCTL_deassign_device: The behavior of this DOMCTL differs between the different type
/// of device: - PCI device (XEN_DOMCTL_DEV_PCI) will be reassigned to DOM0 - DT device
/// (XEN_DOMCTL_DEV_DT) will left unassigned.
pub const XEN_DOMCTL_DEV_PCI: u32 = 0;
/// Xen domctl dev dt.
pub const XEN_DOMCTL_DEV_DT: u32 = 1;

/// Xen domctl assign device.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_assign_device {
    /// XEN_DOMCTL_DEV_.
    pub dev: u32,
    /// Flags.
    pub flags: u32,
    /// U.
    ///
    /// One of: `pci` ([`xen_domctl_assign_device_pci`]), `dt`
    /// ([`xen_domctl_assign_device_dt`]).
    pub u: Union<[u64; 2]>,
}
const _: () = assert!(size_of::<xen_domctl_assign_device>() == 24);

/// assign only.
pub const XEN_DOMCTL_DEV_RDM_RELAXED: u32 = 1;

/// Xen domctl assign device pci.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_assign_device_pci {
    /// machine PCI ID of assigned device.
    pub machine_sbdf: u32,
}
const _: () = assert!(size_of::<xen_domctl_assign_device_pci>() == 4);

/// Xen domctl assign device dt.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_assign_device_dt {
    /// Length of the path.
    pub size: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Path to the device tree node.
    pub path: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_assign_device_dt>() == 16);

/// XEN_DOMCTL_get_device_group.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_get_device_group {
    /// IN.
    pub machine_sbdf: u32,
    /// IN.
    pub max_sdevs: u32,
    /// OUT.
    pub num_sdevs: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// OUT.
    pub sdev_array: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_get_device_group>() == 24);

/// Pt irq type pci.
pub const PT_IRQ_TYPE_PCI: u32 = 0;
/// Pt irq type isa.
pub const PT_IRQ_TYPE_ISA: u32 = 1;
/// Pt irq type msi.
pub const PT_IRQ_TYPE_MSI: u32 = 2;
/// Pt irq type msi translate.
pub const PT_IRQ_TYPE_MSI_TRANSLATE: u32 = 3;
/// ARM: valid range 32-1019.
pub const PT_IRQ_TYPE_SPI: u32 = 4;

/// Xen domctl bind pt irq.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_bind_pt_irq {
    /// Machine irq.
    pub machine_irq: u32,
    /// enum pt_irq_type.
    pub irq_type: u32,
    /// U.
    ///
    /// One of: `isa` ([`xen_domctl_bind_pt_irq_isa`]), `pci` ([`xen_domctl_bind_pt_irq_pci`]),
    /// `msi` ([`xen_domctl_bind_pt_irq_msi`]), `spi` ([`xen_domctl_bind_pt_irq_spi`]).
    pub u: Union<[u64; 2]>,
}
const _: () = assert!(size_of::<xen_domctl_bind_pt_irq>() == 24);

/// Xen domctl bind pt irq isa.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_bind_pt_irq_isa {
    /// Isa irq.
    pub isa_irq: u8,
}
const _: () = assert!(size_of::<xen_domctl_bind_pt_irq_isa>() == 1);

/// Xen domctl bind pt irq pci.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_bind_pt_irq_pci {
    /// Bus.
    pub bus: u8,
    /// Device.
    pub device: u8,
    /// Intx.
    pub intx: u8,
}
const _: () = assert!(size_of::<xen_domctl_bind_pt_irq_pci>() == 3);

/// Xen domctl bind pt irq msi.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_bind_pt_irq_msi {
    /// Gvec.
    pub gvec: u8,
    /// Padding.
    pub _pad0: [u8; 3],
    /// Gflags.
    pub gflags: u32,
    /// Gtable.
    pub gtable: u64,
}
const _: () = assert!(size_of::<xen_domctl_bind_pt_irq_msi>() == 16);

/// Xen domctl vmsi x86 dest id mask.
pub const XEN_DOMCTL_VMSI_X86_DEST_ID_MASK: u32 = 0x0000ff;
/// Xen domctl vmsi x86 rh mask.
pub const XEN_DOMCTL_VMSI_X86_RH_MASK: u32 = 0x000100;
/// Xen domctl vmsi x86 dm mask.
pub const XEN_DOMCTL_VMSI_X86_DM_MASK: u32 = 0x000200;
/// Xen domctl vmsi x86 deliv mask.
pub const XEN_DOMCTL_VMSI_X86_DELIV_MASK: u32 = 0x007000;
/// Xen domctl vmsi x86 trig mask.
pub const XEN_DOMCTL_VMSI_X86_TRIG_MASK: u32 = 0x008000;
/// Xen domctl vmsi x86 unmasked.
pub const XEN_DOMCTL_VMSI_X86_UNMASKED: u32 = 0x010000;

/// Xen domctl bind pt irq spi.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_bind_pt_irq_spi {
    /// Spi.
    pub spi: u16,
}
const _: () = assert!(size_of::<xen_domctl_bind_pt_irq_spi>() == 2);

/// Returns - zero success, everything done - -E2BIG passed in nr_mfns value too large for the
/// implementation - positive partial success for the first &lt;result> page frames (with
/// &lt;result> less than nr_mfns), requiring re-invocation by the caller after updating inputs
/// - negative error; other than -E2BIG.
pub const DPCI_ADD_MAPPING: u32 = 1;
/// Dpci remove mapping.
pub const DPCI_REMOVE_MAPPING: u32 = 0;

/// Xen domctl memory mapping.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_memory_mapping {
    /// first page (hvm guest phys page) in range.
    pub first_gfn: u64,
    /// first page (machine page) in range.
    pub first_mfn: u64,
    /// number of pages in range (>0).
    pub nr_mfns: u64,
    /// add or remove mapping.
    pub add_mapping: u32,
    /// padding for 64-bit aligned structure.
    pub padding: u32,
}
const _: () = assert!(size_of::<xen_domctl_memory_mapping>() == 32);

/// XEN_DOMCTL_ioport_mapping.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_ioport_mapping {
    /// first guest IO port.
    pub first_gport: u32,
    /// first machine IO port.
    pub first_mport: u32,
    /// size of port range.
    pub nr_ports: u32,
    /// add or remove mapping.
    pub add_mapping: u32,
}
const _: () = assert!(size_of::<xen_domctl_ioport_mapping>() == 16);

/// Caching types: these happen to be the same as x86 MTRR/PAT type codes.
pub const XEN_DOMCTL_MEM_CACHEATTR_UC: u32 = 0;
/// Xen domctl mem cacheattr wc.
pub const XEN_DOMCTL_MEM_CACHEATTR_WC: u32 = 1;
/// Xen domctl mem cacheattr wt.
pub const XEN_DOMCTL_MEM_CACHEATTR_WT: u32 = 4;
/// Xen domctl mem cacheattr wp.
pub const XEN_DOMCTL_MEM_CACHEATTR_WP: u32 = 5;
/// Xen domctl mem cacheattr wb.
pub const XEN_DOMCTL_MEM_CACHEATTR_WB: u32 = 6;
/// Xen domctl mem cacheattr ucm.
pub const XEN_DOMCTL_MEM_CACHEATTR_UCM: u32 = 7;
/// Xen domctl delete mem cacheattr.
pub const XEN_DOMCTL_DELETE_MEM_CACHEATTR: u32 = 0xffff_ffff;

/// XEN_DOMCTL_get_ext_vcpucontext.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_ext_vcpucontext {
    /// IN: VCPU that this call applies to.
    pub vcpu: u32,
    /// SET: Size of struct (IN) GET: Size of struct (OUT, up to 128 bytes).
    pub size: u32,
    /// NB. SYSCALL from 64-bit mode is contained in vcpu_guest_context_t.
    pub syscall32_callback_eip: u64,
    /// Sysenter callback eip.
    pub sysenter_callback_eip: u64,
    /// Syscall32 callback cs.
    pub syscall32_callback_cs: u16,
    /// Sysenter callback cs.
    pub sysenter_callback_cs: u16,
    /// Syscall32 disables events.
    pub syscall32_disables_events: u8,
    /// Sysenter disables events.
    pub sysenter_disables_events: u8,
    /// Padding.
    pub _pad0: [u8; 2],
    /// Vmce.
    pub vmce: hvm_vmce_vcpu,
}
const _: () = assert!(size_of::<xen_domctl_ext_vcpucontext>() == 64);

/// XEN_DOMCTL_set_target.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_set_target {
    /// Target.
    pub target: domid_t,
}
const _: () = assert!(size_of::<xen_domctl_set_target>() == 2);

/// Xen cpuid input unused.
pub const XEN_CPUID_INPUT_UNUSED: u32 = 0xffff_ffff;

/// XEN_DOMCTL_{get,set}_cpu_policy (x86 specific) Query or set the CPUID and MSR policies for a
/// specific domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_cpu_policy {
    /// IN/OUT: Number of leaves in/written to 'leaves'.
    pub nr_leaves: u32,
    /// IN/OUT: Number of MSRs in/written to 'msrs'.
    pub nr_msrs: u32,
    /// IN/OUT.
    pub leaves: guest_handle,
    /// IN/OUT.
    pub msrs: guest_handle,
    /// OUT, set_policy only.
    pub err_leaf: u32,
    /// OUT, set_policy only.
    pub err_subleaf: u32,
    /// OUT, set_policy only.
    pub err_msr: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xen_domctl_cpu_policy>() == 40);

/// XEN_DOMCTL_subscribe.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_subscribe {
    /// IN.
    pub port: u32,
}
const _: () = assert!(size_of::<xen_domctl_subscribe>() == 4);

/// XEN_DOMCTL_debug_op.
pub const XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_OFF: u32 = 0;
/// Xen domctl debug op single step on.
pub const XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_ON: u32 = 1;

/// Xen domctl debug op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_debug_op {
    /// IN.
    pub op: u32,
    /// IN.
    pub vcpu: u32,
}
const _: () = assert!(size_of::<xen_domctl_debug_op>() == 8);

/// XEN_DOMCTL_gethvmcontext_partial.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_hvmcontext_partial {
    /// IN: Type of record required.
    pub r#type: u32,
    /// IN: Instance of that type.
    pub instance: u32,
    /// IN: size of buffer.
    pub bufsz: u64,
    /// OUT: buffer to write record into.
    pub buffer: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_hvmcontext_partial>() == 24);

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

/// XEN_DOMCTL_gdbsx_guestmemio guest mem io.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_gdbsx_memio {
    /// optional: init_mm.pgd\[3\] value.
    pub pgd3val: u64,
    /// guest virtual address.
    pub gva: u64,
    /// user buffer virtual address.
    pub uva: u64,
    /// number of bytes to read/write.
    pub len: u32,
    /// 0 = read from guest. 1 = write to guest.
    pub gwr: u8,
    /// Padding.
    pub _pad0: [u8; 3],
    /// bytes remaining to be copied.
    pub remain: u32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xen_domctl_gdbsx_memio>() == 40);

/// pause/unpause a vcpu.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_gdbsx_pauseunp_vcpu {
    /// which vcpu.
    pub vcpu: u32,
}
const _: () = assert!(size_of::<xen_domctl_gdbsx_pauseunp_vcpu>() == 4);

/// XEN_DOMCTL_gdbsx_domstatus.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_gdbsx_domstatus {
    /// is the domain paused.
    pub paused: u8,
    /// Padding.
    pub _pad0: [u8; 3],
    /// any vcpu in an event?.
    pub vcpu_id: u32,
    /// if yes, what event?.
    pub vcpu_ev: u32,
}
const _: () = assert!(size_of::<xen_domctl_gdbsx_domstatus>() == 12);

/// There are currently three rings available for VM events: sharing, monitor and paging.
pub const XEN_VM_EVENT_ENABLE: u32 = 0;
/// Xen vm event disable.
pub const XEN_VM_EVENT_DISABLE: u32 = 1;
/// Xen vm event resume.
pub const XEN_VM_EVENT_RESUME: u32 = 2;
/// Xen vm event get version.
pub const XEN_VM_EVENT_GET_VERSION: u32 = 3;
/// Domain memory paging Page memory in and out.
pub const XEN_DOMCTL_VM_EVENT_OP_PAGING: u32 = 1;
/// Monitor helper.
pub const XEN_DOMCTL_VM_EVENT_OP_MONITOR: u32 = 2;
/// Sharing ENOMEM helper.
pub const XEN_DOMCTL_VM_EVENT_OP_SHARING: u32 = 3;

/// Use for teardown/setup of helper&lt;->hypervisor interface for paging, access and sharing.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vm_event_op {
    /// XEN_VM_EVENT_.
    pub op: u32,
    /// XEN_DOMCTL_VM_EVENT_OP_.
    pub mode: u32,
    /// U.
    ///
    /// One of: `enable` ([`xen_domctl_vm_event_op_enable`]), `version` (`u32`).
    pub u: Union<[u32; 1]>,
}
const _: () = assert!(size_of::<xen_domctl_vm_event_op>() == 12);

/// Xen domctl vm event op enable.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vm_event_op_enable {
    /// OUT: event channel for ring.
    pub port: u32,
}
const _: () = assert!(size_of::<xen_domctl_vm_event_op_enable>() == 4);

/// XEN_DOMCTL_mem_sharing_op.
pub const XEN_DOMCTL_MEM_SHARING_CONTROL: u8 = 0;

/// Xen domctl mem sharing op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_mem_sharing_op {
    /// XEN_DOMCTL_MEM_SHARING_.
    pub op: u8,
    /// U.
    pub u: u8,
}
const _: () = assert!(size_of::<xen_domctl_mem_sharing_op>() == 2);

/// Xen domctl audit p2m.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_audit_p2m {
    /// OUT error counts.
    pub orphans: u64,
    /// M2p bad.
    pub m2p_bad: u64,
    /// P2m bad.
    pub p2m_bad: u64,
}
const _: () = assert!(size_of::<xen_domctl_audit_p2m>() == 24);

/// Xen domctl set virq handler.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_set_virq_handler {
    /// IN.
    pub virq: u32,
}
const _: () = assert!(size_of::<xen_domctl_set_virq_handler>() == 4);

/// XEN_DOMCTL_getvcpuextstate.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vcpuextstate {
    /// IN: VCPU that this call applies to.
    pub vcpu: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// SET: Ignored.
    pub xfeature_mask: u64,
    /// SET: Size of struct (IN) GET: Size of struct (IN/OUT).
    pub size: u64,
    /// Buffer.
    pub buffer: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_vcpuextstate>() == 32);

/// XEN_DOMCTL_set_access_required: sets whether a memory event listener must be present to
/// handle page access events: if false, the page access will revert to full permissions if no
/// one is listening;.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_set_access_required {
    /// Access required.
    pub access_required: u8,
}
const _: () = assert!(size_of::<xen_domctl_set_access_required>() == 1);

/// Xen domctl set broken page p2m.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_set_broken_page_p2m {
    /// Pfn.
    pub pfn: u64,
}
const _: () = assert!(size_of::<xen_domctl_set_broken_page_p2m>() == 8);

/// ARM: Clean and invalidate caches associated with given region of guest memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_cacheflush {
    /// IN: page range to flush.
    pub start_pfn: xen_pfn_t,
    /// IN: page range to flush.
    pub nr_pfns: xen_pfn_t,
}
const _: () = assert!(size_of::<xen_domctl_cacheflush>() == 16);

/// XEN_DOMCTL_get_paging_mempool_size / XEN_DOMCTL_set_paging_mempool_size.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_paging_mempool {
    /// Size in bytes.
    pub size: u64,
}
const _: () = assert!(size_of::<xen_domctl_paging_mempool>() == 8);

/// Xen domctl vcpu msr.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vcpu_msr {
    /// Index.
    pub index: u32,
    /// Reserved.
    pub reserved: u32,
    /// Value.
    pub value: u64,
}
const _: () = assert!(size_of::<xen_domctl_vcpu_msr>() == 16);

/// XEN_DOMCTL_set_vcpu_msrs / XEN_DOMCTL_get_vcpu_msrs.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vcpu_msrs {
    /// IN.
    pub vcpu: u32,
    /// IN/OUT.
    pub msr_count: u32,
    /// IN/OUT.
    pub msrs: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_vcpu_msrs>() == 16);

/// XEN_DOMCTL_setvnumainfo: specifies a virtual NUMA topology for the guest.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vnuma {
    /// IN: number of vNUMA nodes to setup.
    pub nr_vnodes: u32,
    /// IN: number of memory ranges to setup.
    pub nr_vmemranges: u32,
    /// IN: number of vCPUs of the domain (used as size of the vcpu_to_vnode array declared
    /// below).
    pub nr_vcpus: u32,
    /// must be zero.
    pub pad: u32,
    /// IN: array for specifying the distances of the vNUMA nodes between each others.
    pub vdistance: guest_handle,
    /// IN: array for specifying to what vNUMA node each vCPU belongs.
    pub vcpu_to_vnode: guest_handle,
    /// IN: array for specifying on what physical NUMA node each vNUMA node is placed.
    pub vnode_to_pnode: guest_handle,
    /// IN: array for specifying the memory ranges.
    pub vmemrange: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_vnuma>() == 48);

/// Xen domctl psr cmt op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_psr_cmt_op {
    /// Cmd.
    pub cmd: u32,
    /// Data.
    pub data: u32,
}
const _: () = assert!(size_of::<xen_domctl_psr_cmt_op>() == 8);

/// Xen domctl psr cmt op detach.
pub const XEN_DOMCTL_PSR_CMT_OP_DETACH: u32 = 0;
/// Xen domctl psr cmt op attach.
pub const XEN_DOMCTL_PSR_CMT_OP_ATTACH: u32 = 1;
/// Xen domctl psr cmt op query rmid.
pub const XEN_DOMCTL_PSR_CMT_OP_QUERY_RMID: u32 = 2;
/// XEN_DOMCTL_MONITOR_* Enable/disable monitoring various VM events.
pub const XEN_DOMCTL_MONITOR_OP_ENABLE: u32 = 0;
/// Xen domctl monitor op disable.
pub const XEN_DOMCTL_MONITOR_OP_DISABLE: u32 = 1;
/// Xen domctl monitor op get capabilities.
pub const XEN_DOMCTL_MONITOR_OP_GET_CAPABILITIES: u32 = 2;
/// Xen domctl monitor op emulate each rep.
pub const XEN_DOMCTL_MONITOR_OP_EMULATE_EACH_REP: u32 = 3;
/// Control register feature can result in guest-crashes when the monitor subsystem is being
/// turned off.
pub const XEN_DOMCTL_MONITOR_OP_CONTROL_REGISTERS: u32 = 4;
/// Xen domctl monitor event write ctrlreg.
pub const XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG: u32 = 0;
/// Xen domctl monitor event mov to msr.
pub const XEN_DOMCTL_MONITOR_EVENT_MOV_TO_MSR: u32 = 1;
/// Xen domctl monitor event singlestep.
pub const XEN_DOMCTL_MONITOR_EVENT_SINGLESTEP: u32 = 2;
/// Xen domctl monitor event software breakpoint.
pub const XEN_DOMCTL_MONITOR_EVENT_SOFTWARE_BREAKPOINT: u32 = 3;
/// Xen domctl monitor event guest request.
pub const XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST: u32 = 4;
/// Xen domctl monitor event debug exception.
pub const XEN_DOMCTL_MONITOR_EVENT_DEBUG_EXCEPTION: u32 = 5;
/// Xen domctl monitor event cpuid.
pub const XEN_DOMCTL_MONITOR_EVENT_CPUID: u32 = 6;
/// Xen domctl monitor event privileged call.
pub const XEN_DOMCTL_MONITOR_EVENT_PRIVILEGED_CALL: u32 = 7;
/// Xen domctl monitor event interrupt.
pub const XEN_DOMCTL_MONITOR_EVENT_INTERRUPT: u32 = 8;
/// Xen domctl monitor event desc access.
pub const XEN_DOMCTL_MONITOR_EVENT_DESC_ACCESS: u32 = 9;
/// Xen domctl monitor event emul unimplemented.
pub const XEN_DOMCTL_MONITOR_EVENT_EMUL_UNIMPLEMENTED: u32 = 10;
/// Enabled by default.
pub const XEN_DOMCTL_MONITOR_EVENT_INGUEST_PAGEFAULT: u32 = 11;
/// Xen domctl monitor event vmexit.
pub const XEN_DOMCTL_MONITOR_EVENT_VMEXIT: u32 = 12;

/// Xen domctl monitor op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_monitor_op {
    /// XEN_DOMCTL_MONITOR_OP_.
    pub op: u32,
    /// When used with ENABLE/DISABLE this has to be set to the requested
    /// XEN_DOMCTL_MONITOR_EVENT_* value.
    pub event: u32,
    /// U.
    ///
    /// One of: `mov_to_cr` ([`xen_domctl_monitor_op_mov_to_cr`]), `mov_to_msr`
    /// ([`xen_domctl_monitor_op_mov_to_msr`]), `guest_request`
    /// ([`xen_domctl_monitor_op_guest_request`]), `debug_exception`
    /// ([`xen_domctl_monitor_op_debug_exception`]), `vmexit`
    /// ([`xen_domctl_monitor_op_vmexit`]).
    pub u: Union<[u64; 2]>,
}
const _: () = assert!(size_of::<xen_domctl_monitor_op>() == 24);

/// Xen domctl monitor op mov to cr.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_monitor_op_mov_to_cr {
    /// Which control register.
    pub index: u8,
    /// Pause vCPU until response.
    pub sync: u8,
    /// Send event only on a change of value.
    pub onchangeonly: u8,
    /// Allignment padding.
    pub pad1: u8,
    /// Pad2.
    pub pad2: u32,
    /// Send event only if the changed bit in the control register is not masked.
    pub bitmask: u64,
}
const _: () = assert!(size_of::<xen_domctl_monitor_op_mov_to_cr>() == 16);

/// Xen domctl monitor op mov to msr.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_monitor_op_mov_to_msr {
    /// Msr.
    pub msr: u32,
    /// Send event only on a change of value.
    pub onchangeonly: u8,
    /// Padding.
    pub _pad0: [u8; 3],
}
const _: () = assert!(size_of::<xen_domctl_monitor_op_mov_to_msr>() == 8);

/// Xen domctl monitor op guest request.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_monitor_op_guest_request {
    /// Pause vCPU until response.
    pub sync: u8,
    /// Allow userspace.
    pub allow_userspace: u8,
}
const _: () = assert!(size_of::<xen_domctl_monitor_op_guest_request>() == 2);

/// Xen domctl monitor op debug exception.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_monitor_op_debug_exception {
    /// Pause vCPU until response.
    pub sync: u8,
}
const _: () = assert!(size_of::<xen_domctl_monitor_op_debug_exception>() == 1);

/// Xen domctl monitor op vmexit.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_monitor_op_vmexit {
    /// Send event and don't process vmexit.
    pub sync: u8,
}
const _: () = assert!(size_of::<xen_domctl_monitor_op_vmexit>() == 1);

/// Xen domctl psr alloc.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_psr_alloc {
    /// IN: XEN_DOMCTL_PSR_.
    pub cmd: u32,
    /// IN.
    pub target: u32,
    /// IN/OUT.
    pub data: u64,
}
const _: () = assert!(size_of::<xen_domctl_psr_alloc>() == 16);

/// Xen domctl psr set l3 cbm.
pub const XEN_DOMCTL_PSR_SET_L3_CBM: u32 = 0;
/// Xen domctl psr get l3 cbm.
pub const XEN_DOMCTL_PSR_GET_L3_CBM: u32 = 1;
/// Xen domctl psr set l3 code.
pub const XEN_DOMCTL_PSR_SET_L3_CODE: u32 = 2;
/// Xen domctl psr set l3 data.
pub const XEN_DOMCTL_PSR_SET_L3_DATA: u32 = 3;
/// Xen domctl psr get l3 code.
pub const XEN_DOMCTL_PSR_GET_L3_CODE: u32 = 4;
/// Xen domctl psr get l3 data.
pub const XEN_DOMCTL_PSR_GET_L3_DATA: u32 = 5;
/// Xen domctl psr set l2 cbm.
pub const XEN_DOMCTL_PSR_SET_L2_CBM: u32 = 6;
/// Xen domctl psr get l2 cbm.
pub const XEN_DOMCTL_PSR_GET_L2_CBM: u32 = 7;
/// Xen domctl psr set mba thrtl.
pub const XEN_DOMCTL_PSR_SET_MBA_THRTL: u32 = 8;
/// Xen domctl psr get mba thrtl.
pub const XEN_DOMCTL_PSR_GET_MBA_THRTL: u32 = 9;

/// XEN_DOMCTL_vuart_op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vuart_op {
    /// XEN_DOMCTL_VUART_OP_.
    pub cmd: u32,
    /// IN - type of vuart.
    pub r#type: u32,
    /// IN - guest gfn to be used as a ring buffer.
    pub gfn: u64,
    /// IN - domid of domain running the backend console.
    pub console_domid: domid_t,
    /// Pad.
    pub pad: [u8; 2],
    /// OUT - remote port of the event channel used for sending ring buffer events.
    pub evtchn: evtchn_port_t,
}
const _: () = assert!(size_of::<xen_domctl_vuart_op>() == 24);

/// Xen domctl vuart op init.
pub const XEN_DOMCTL_VUART_OP_INIT: u32 = 0;
/// Xen domctl vuart type vpl011.
pub const XEN_DOMCTL_VUART_TYPE_VPL011: u32 = 0;

/// XEN_DOMCTL_vmtrace_op: Perform VM tracing operations.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vmtrace_op {
    /// IN.
    pub cmd: u32,
    /// IN.
    pub vcpu: u32,
    /// IN - @cmd specific data.
    pub key: u64,
    /// IN/OUT - @cmd specific data.
    pub value: u64,
}
const _: () = assert!(size_of::<xen_domctl_vmtrace_op>() == 24);

/// General enable/disable of tracing.
pub const XEN_DOMCTL_vmtrace_enable: u32 = 1;
/// Xen domctl vmtrace disable.
pub const XEN_DOMCTL_vmtrace_disable: u32 = 2;
/// Xen domctl vmtrace reset and enable.
pub const XEN_DOMCTL_vmtrace_reset_and_enable: u32 = 3;
/// Obtain the current output position within the buffer.
pub const XEN_DOMCTL_vmtrace_output_position: u32 = 4;
/// Get/Set platform specific configuration.
pub const XEN_DOMCTL_vmtrace_get_option: u32 = 5;
/// Xen domctl vmtrace set option.
pub const XEN_DOMCTL_vmtrace_set_option: u32 = 6;

/// Xen domctl.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl {
    /// Cmd.
    pub cmd: u32,
    /// XEN_DOMCTL_INTERFACE_VERSION.
    pub interface_version: u32,
    /// Domain.
    pub domain: domid_t,
    /// Pad.
    pub _pad: [u16; 3],
    /// U.
    ///
    /// One of: `createdomain` ([`xen_domctl_createdomain`]), `getdomaininfo`
    /// ([`xen_domctl_getdomaininfo`]), `getpageframeinfo3` ([`xen_domctl_getpageframeinfo3`]),
    /// `nodeaffinity` ([`xen_domctl_nodeaffinity`]), `vcpuaffinity`
    /// ([`xen_domctl_vcpuaffinity`]), `shadow_op` ([`xen_domctl_shadow_op`]), `max_mem`
    /// ([`xen_domctl_max_mem`]), `vcpucontext` ([`xen_domctl_vcpucontext`]), `getvcpuinfo`
    /// ([`xen_domctl_getvcpuinfo`]), `max_vcpus` ([`xen_domctl_max_vcpus`]), `scheduler_op`
    /// ([`xen_domctl_scheduler_op`]), `setdomainhandle` ([`xen_domctl_setdomainhandle`]),
    /// `setdebugging` ([`xen_domctl_setdebugging`]), `irq_permission`
    /// ([`xen_domctl_irq_permission`]), `iomem_permission` ([`xen_domctl_iomem_permission`]),
    /// `ioport_permission` ([`xen_domctl_ioport_permission`]), `hypercall_init`
    /// ([`xen_domctl_hypercall_init`]), `settimeoffset` ([`xen_domctl_settimeoffset`]),
    /// `tsc_info` ([`xen_domctl_tsc_info`]), `hvmcontext` ([`xen_domctl_hvmcontext`]),
    /// `hvmcontext_partial` ([`xen_domctl_hvmcontext_partial`]), `address_size`
    /// ([`xen_domctl_address_size`]), `sendtrigger` ([`xen_domctl_sendtrigger`]),
    /// `get_device_group` ([`xen_domctl_get_device_group`]), `assign_device`
    /// ([`xen_domctl_assign_device`]), `bind_pt_irq` ([`xen_domctl_bind_pt_irq`]),
    /// `memory_mapping` ([`xen_domctl_memory_mapping`]), `ioport_mapping`
    /// ([`xen_domctl_ioport_mapping`]), `ext_vcpucontext` ([`xen_domctl_ext_vcpucontext`]),
    /// `set_target` ([`xen_domctl_set_target`]), `subscribe` ([`xen_domctl_subscribe`]),
    /// `debug_op` ([`xen_domctl_debug_op`]), `vm_event_op` ([`xen_domctl_vm_event_op`]),
    /// `mem_sharing_op` ([`xen_domctl_mem_sharing_op`]), `cpu_policy`
    /// ([`xen_domctl_cpu_policy`]), `vcpuextstate` ([`xen_domctl_vcpuextstate`]), `vcpu_msrs`
    /// ([`xen_domctl_vcpu_msrs`]), `access_required` ([`xen_domctl_set_access_required`]),
    /// `audit_p2m` ([`xen_domctl_audit_p2m`]), `set_virq_handler`
    /// ([`xen_domctl_set_virq_handler`]), `gdbsx_guest_memio` ([`xen_domctl_gdbsx_memio`]),
    /// `set_broken_page_p2m` ([`xen_domctl_set_broken_page_p2m`]), `cacheflush`
    /// ([`xen_domctl_cacheflush`]), `gdbsx_pauseunp_vcpu` ([`xen_domctl_gdbsx_pauseunp_vcpu`]),
    /// `gdbsx_domstatus` ([`xen_domctl_gdbsx_domstatus`]), `vnuma` ([`xen_domctl_vnuma`]),
    /// `psr_cmt_op` ([`xen_domctl_psr_cmt_op`]), `monitor_op` ([`xen_domctl_monitor_op`]),
    /// `psr_alloc` ([`xen_domctl_psr_alloc`]), `vuart_op` ([`xen_domctl_vuart_op`]),
    /// `vmtrace_op` ([`xen_domctl_vmtrace_op`]), `paging_mempool`
    /// ([`xen_domctl_paging_mempool`]), `pad` (`[u8; 128]`).
    pub u: Union<[u64; 16]>,
}
const _: () = assert!(size_of::<xen_domctl>() == 144);

/// Xen domctl createdomain.
pub const XEN_DOMCTL_createdomain: u32 = 1;
/// Xen domctl destroydomain.
pub const XEN_DOMCTL_destroydomain: u32 = 2;
/// Xen domctl pausedomain.
pub const XEN_DOMCTL_pausedomain: u32 = 3;
/// Xen domctl unpausedomain.
pub const XEN_DOMCTL_unpausedomain: u32 = 4;
/// Xen domctl getdomaininfo.
pub const XEN_DOMCTL_getdomaininfo: u32 = 5;
/// #define XEN_DOMCTL_getpageframeinfo2 8 Obsolete - use getpageframeinfo3.
pub const XEN_DOMCTL_setvcpuaffinity: u32 = 9;
/// Xen domctl shadow op.
pub const XEN_DOMCTL_shadow_op: u32 = 10;
/// Xen domctl max mem.
pub const XEN_DOMCTL_max_mem: u32 = 11;
/// Xen domctl setvcpucontext.
pub const XEN_DOMCTL_setvcpucontext: u32 = 12;
/// Xen domctl getvcpucontext.
pub const XEN_DOMCTL_getvcpucontext: u32 = 13;
/// Xen domctl getvcpuinfo.
pub const XEN_DOMCTL_getvcpuinfo: u32 = 14;
/// Xen domctl max vcpus.
pub const XEN_DOMCTL_max_vcpus: u32 = 15;
/// Xen domctl scheduler op.
pub const XEN_DOMCTL_scheduler_op: u32 = 16;
/// Xen domctl setdomainhandle.
pub const XEN_DOMCTL_setdomainhandle: u32 = 17;
/// Xen domctl setdebugging.
pub const XEN_DOMCTL_setdebugging: u32 = 18;
/// Xen domctl irq permission.
pub const XEN_DOMCTL_irq_permission: u32 = 19;
/// Xen domctl iomem permission.
pub const XEN_DOMCTL_iomem_permission: u32 = 20;
/// Xen domctl ioport permission.
pub const XEN_DOMCTL_ioport_permission: u32 = 21;
/// Xen domctl hypercall init.
pub const XEN_DOMCTL_hypercall_init: u32 = 22;
/// Xen domctl settimeoffset.
pub const XEN_DOMCTL_settimeoffset: u32 = 24;
/// Xen domctl getvcpuaffinity.
pub const XEN_DOMCTL_getvcpuaffinity: u32 = 25;
/// Obsolete PPC only.
pub const XEN_DOMCTL_real_mode_area: u32 = 26;
/// Xen domctl resumedomain.
pub const XEN_DOMCTL_resumedomain: u32 = 27;
/// Xen domctl sendtrigger.
pub const XEN_DOMCTL_sendtrigger: u32 = 28;
/// Xen domctl subscribe.
pub const XEN_DOMCTL_subscribe: u32 = 29;
/// Xen domctl gethvmcontext.
pub const XEN_DOMCTL_gethvmcontext: u32 = 33;
/// Xen domctl sethvmcontext.
pub const XEN_DOMCTL_sethvmcontext: u32 = 34;
/// Xen domctl set address size.
pub const XEN_DOMCTL_set_address_size: u32 = 35;
/// Xen domctl get address size.
pub const XEN_DOMCTL_get_address_size: u32 = 36;
/// Xen domctl assign device.
pub const XEN_DOMCTL_assign_device: u32 = 37;
/// Xen domctl bind pt irq.
pub const XEN_DOMCTL_bind_pt_irq: u32 = 38;
/// Xen domctl memory mapping.
pub const XEN_DOMCTL_memory_mapping: u32 = 39;
/// Xen domctl ioport mapping.
pub const XEN_DOMCTL_ioport_mapping: u32 = 40;
/// #define XEN_DOMCTL_pin_mem_cacheattr 41 Removed - use dmop.
pub const XEN_DOMCTL_set_ext_vcpucontext: u32 = 42;
/// Xen domctl get ext vcpucontext.
pub const XEN_DOMCTL_get_ext_vcpucontext: u32 = 43;
/// Obsolete IA64 only.
pub const XEN_DOMCTL_set_opt_feature: u32 = 44;
/// Xen domctl test assign device.
pub const XEN_DOMCTL_test_assign_device: u32 = 45;
/// Xen domctl set target.
pub const XEN_DOMCTL_set_target: u32 = 46;
/// Xen domctl deassign device.
pub const XEN_DOMCTL_deassign_device: u32 = 47;
/// Xen domctl unbind pt irq.
pub const XEN_DOMCTL_unbind_pt_irq: u32 = 48;
/// #define XEN_DOMCTL_set_cpuid 49 - Obsolete - use set_cpu_policy.
pub const XEN_DOMCTL_get_device_group: u32 = 50;
/// #define XEN_DOMCTL_suppress_spurious_page_faults 53 - Obsolete.
pub const XEN_DOMCTL_debug_op: u32 = 54;
/// Xen domctl gethvmcontext partial.
pub const XEN_DOMCTL_gethvmcontext_partial: u32 = 55;
/// Xen domctl vm event op.
pub const XEN_DOMCTL_vm_event_op: u32 = 56;
/// Xen domctl mem sharing op.
pub const XEN_DOMCTL_mem_sharing_op: u32 = 57;
/// #define XEN_DOMCTL_disable_migrate 58 - Obsolete.
pub const XEN_DOMCTL_gettscinfo: u32 = 59;
/// Xen domctl settscinfo.
pub const XEN_DOMCTL_settscinfo: u32 = 60;
/// Xen domctl getpageframeinfo3.
pub const XEN_DOMCTL_getpageframeinfo3: u32 = 61;
/// Xen domctl setvcpuextstate.
pub const XEN_DOMCTL_setvcpuextstate: u32 = 62;
/// Xen domctl getvcpuextstate.
pub const XEN_DOMCTL_getvcpuextstate: u32 = 63;
/// Xen domctl set access required.
pub const XEN_DOMCTL_set_access_required: u32 = 64;
/// Xen domctl audit p2m.
pub const XEN_DOMCTL_audit_p2m: u32 = 65;
/// Xen domctl set virq handler.
pub const XEN_DOMCTL_set_virq_handler: u32 = 66;
/// Xen domctl set broken page p2m.
pub const XEN_DOMCTL_set_broken_page_p2m: u32 = 67;
/// Xen domctl setnodeaffinity.
pub const XEN_DOMCTL_setnodeaffinity: u32 = 68;
/// Xen domctl getnodeaffinity.
pub const XEN_DOMCTL_getnodeaffinity: u32 = 69;
/// #define XEN_DOMCTL_set_max_evtchn 70 - Moved into XEN_DOMCTL_createdomain.
pub const XEN_DOMCTL_cacheflush: u32 = 71;
/// Xen domctl get vcpu msrs.
pub const XEN_DOMCTL_get_vcpu_msrs: u32 = 72;
/// Xen domctl set vcpu msrs.
pub const XEN_DOMCTL_set_vcpu_msrs: u32 = 73;
/// Xen domctl setvnumainfo.
pub const XEN_DOMCTL_setvnumainfo: u32 = 74;
/// Xen domctl psr cmt op.
pub const XEN_DOMCTL_psr_cmt_op: u32 = 75;
/// Xen domctl monitor op.
pub const XEN_DOMCTL_monitor_op: u32 = 77;
/// Xen domctl psr alloc.
pub const XEN_DOMCTL_psr_alloc: u32 = 78;
/// Xen domctl soft reset.
pub const XEN_DOMCTL_soft_reset: u32 = 79;
/// #define XEN_DOMCTL_set_gnttab_limits 80 - Moved into XEN_DOMCTL_createdomain.
pub const XEN_DOMCTL_vuart_op: u32 = 81;
/// Xen domctl get cpu policy.
pub const XEN_DOMCTL_get_cpu_policy: u32 = 82;
/// Xen domctl set cpu policy.
pub const XEN_DOMCTL_set_cpu_policy: u32 = 83;
/// Xen domctl vmtrace op.
pub const XEN_DOMCTL_vmtrace_op: u32 = 84;
/// Xen domctl get paging mempool size.
pub const XEN_DOMCTL_get_paging_mempool_size: u32 = 85;
/// Xen domctl set paging mempool size.
pub const XEN_DOMCTL_set_paging_mempool_size: u32 = 86;
/// Xen domctl gdbsx guestmemio.
pub const XEN_DOMCTL_gdbsx_guestmemio: u32 = 1000;
/// Xen domctl gdbsx pausevcpu.
pub const XEN_DOMCTL_gdbsx_pausevcpu: u32 = 1001;
/// Xen domctl gdbsx unpausevcpu.
pub const XEN_DOMCTL_gdbsx_unpausevcpu: u32 = 1002;
/// Xen domctl gdbsx domstatus.
pub const XEN_DOMCTL_gdbsx_domstatus: u32 = 1003;

/// Hvm vmce vcpu.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct hvm_vmce_vcpu {
    /// Caps.
    pub caps: u64,
    /// Mci ctl2 bank0.
    pub mci_ctl2_bank0: u64,
    /// Mci ctl2 bank1.
    pub mci_ctl2_bank1: u64,
    /// Mcg ext ctl.
    pub mcg_ext_ctl: u64,
}
const _: () = assert!(size_of::<hvm_vmce_vcpu>() == 32);

/// The grant-table version (1 or 2) that a [`xen_domctl_createdomain::grant_opts`] asks for.
pub const fn XEN_DOMCTL_GRANT_version(grant_opts: u32) -> u32 {
    grant_opts & XEN_DOMCTL_GRANT_version_mask
}

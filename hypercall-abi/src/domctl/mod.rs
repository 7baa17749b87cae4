//! `xen/domctl.h`: arguments of `domctl`, by which a toolstack makes, inspects and destroys
//! domains. The items stand in private submodules by subject and are all re-exported here.

mod device;
mod domain;
mod inspect;
mod memory;
mod sched;
mod vcpu;

pub use self::device::*;
pub use self::domain::*;
pub use self::inspect::*;
pub use self::memory::*;
pub use self::sched::*;
pub use self::vcpu::*;

use crate::Union;
use crate::xen::domid_t;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The interface of Xen 4.17.
pub const XEN_DOMCTL_INTERFACE_VERSION: u32 = 0x0000_0015;

/// The argument of `domctl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl {
    /// `XEN_DOMCTL_*`.
    pub cmd: u32,
    /// [`XEN_DOMCTL_INTERFACE_VERSION`]; -EACCES for any other.
    pub interface_version: u32,
    /// The domain; createdomain also writes it.
    pub domain: domid_t,
    /// Unused; zero.
    pub _pad: [u16; 3],
    /// The command's argument.
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

/// Create a domain, paused, argument [`xen_domctl_createdomain`].
pub const XEN_DOMCTL_createdomain: u32 = 1;
/// Destroy the domain. May have to be repeated on -ERESTART.
pub const XEN_DOMCTL_destroydomain: u32 = 2;
/// Stop the domain's vCPUs; pauses count.
pub const XEN_DOMCTL_pausedomain: u32 = 3;
/// Undo one pause.
pub const XEN_DOMCTL_unpausedomain: u32 = 4;
/// Read what there is to know of a domain, argument [`xen_domctl_getdomaininfo`].
pub const XEN_DOMCTL_getdomaininfo: u32 = 5;
/// Choose the CPUs of a vCPU, argument [`xen_domctl_vcpuaffinity`].
pub const XEN_DOMCTL_setvcpuaffinity: u32 = 9;
/// Shadow paging and log-dirty tracking for migration, argument [`xen_domctl_shadow_op`].
pub const XEN_DOMCTL_shadow_op: u32 = 10;
/// Set the limit of the domain's memory, argument [`xen_domctl_max_mem`].
pub const XEN_DOMCTL_max_mem: u32 = 11;
/// Write a vCPU's registers and bring it up, argument [`xen_domctl_vcpucontext`].
pub const XEN_DOMCTL_setvcpucontext: u32 = 12;
/// Read a vCPU's registers, argument [`xen_domctl_vcpucontext`].
pub const XEN_DOMCTL_getvcpucontext: u32 = 13;
/// Read a vCPU's scheduling state, argument [`xen_domctl_getvcpuinfo`].
pub const XEN_DOMCTL_getvcpuinfo: u32 = 14;
/// Allocate the vCPUs of a new domain, argument [`xen_domctl_max_vcpus`].
pub const XEN_DOMCTL_max_vcpus: u32 = 15;
/// Scheduling parameters of the domain, argument [`xen_domctl_scheduler_op`].
pub const XEN_DOMCTL_scheduler_op: u32 = 16;
/// Give the domain a UUID, argument [`xen_domctl_setdomainhandle`].
pub const XEN_DOMCTL_setdomainhandle: u32 = 17;
/// Attach or detach a debugger, argument [`xen_domctl_setdebugging`].
pub const XEN_DOMCTL_setdebugging: u32 = 18;
/// Allow or forbid a physical interrupt, argument [`xen_domctl_irq_permission`].
pub const XEN_DOMCTL_irq_permission: u32 = 19;
/// Allow or forbid I/O memory, argument [`xen_domctl_iomem_permission`].
pub const XEN_DOMCTL_iomem_permission: u32 = 20;
/// Allow or forbid I/O ports, argument [`xen_domctl_ioport_permission`].
pub const XEN_DOMCTL_ioport_permission: u32 = 21;
/// Write hypercall stubs into a page of the domain, argument [`xen_domctl_hypercall_init`].
pub const XEN_DOMCTL_hypercall_init: u32 = 22;
/// Shift the domain's wallclock, argument [`xen_domctl_settimeoffset`].
pub const XEN_DOMCTL_settimeoffset: u32 = 24;
/// Read the CPUs of a vCPU, argument [`xen_domctl_vcpuaffinity`].
pub const XEN_DOMCTL_getvcpuaffinity: u32 = 25;
/// Obsolete: PowerPC.
pub const XEN_DOMCTL_real_mode_area: u32 = 26;
/// Let a domain that shut down run on.
pub const XEN_DOMCTL_resumedomain: u32 = 27;
/// Inject an NMI, a reset or a button press, argument [`xen_domctl_sendtrigger`].
pub const XEN_DOMCTL_sendtrigger: u32 = 28;
/// Have an event sent when the domain shuts down, argument [`xen_domctl_subscribe`].
pub const XEN_DOMCTL_subscribe: u32 = 29;
/// Save an HVM domain's state, argument [`xen_domctl_hvmcontext`].
pub const XEN_DOMCTL_gethvmcontext: u32 = 33;
/// Restore an HVM domain's state, argument [`xen_domctl_hvmcontext`].
pub const XEN_DOMCTL_sethvmcontext: u32 = 34;
/// Make a new PV domain 32-bit or 64-bit, argument [`xen_domctl_address_size`].
pub const XEN_DOMCTL_set_address_size: u32 = 35;
/// Ask whether the domain is 32-bit or 64-bit, argument [`xen_domctl_address_size`].
pub const XEN_DOMCTL_get_address_size: u32 = 36;
/// Give the domain a device, argument [`xen_domctl_assign_device`].
pub const XEN_DOMCTL_assign_device: u32 = 37;
/// Route a physical interrupt into an HVM domain, argument [`xen_domctl_bind_pt_irq`].
pub const XEN_DOMCTL_bind_pt_irq: u32 = 38;
/// Map I/O memory into an HVM domain, argument [`xen_domctl_memory_mapping`].
pub const XEN_DOMCTL_memory_mapping: u32 = 39;
/// Map I/O ports into an HVM domain, argument [`xen_domctl_ioport_mapping`].
pub const XEN_DOMCTL_ioport_mapping: u32 = 40;
/// Write the rest of a PV vCPU's state, argument [`xen_domctl_ext_vcpucontext`].
pub const XEN_DOMCTL_set_ext_vcpucontext: u32 = 42;
/// Read the rest of a PV vCPU's state, argument [`xen_domctl_ext_vcpucontext`].
pub const XEN_DOMCTL_get_ext_vcpucontext: u32 = 43;
/// Obsolete: IA-64.
pub const XEN_DOMCTL_set_opt_feature: u32 = 44;
/// Ask whether a device could be given to the domain, argument [`xen_domctl_assign_device`].
pub const XEN_DOMCTL_test_assign_device: u32 = 45;
/// Let the domain serve another as its device model, argument [`xen_domctl_set_target`].
pub const XEN_DOMCTL_set_target: u32 = 46;
/// Take a device back, argument [`xen_domctl_assign_device`].
pub const XEN_DOMCTL_deassign_device: u32 = 47;
/// Undo [`XEN_DOMCTL_bind_pt_irq`], argument [`xen_domctl_bind_pt_irq`].
pub const XEN_DOMCTL_unbind_pt_irq: u32 = 48;
/// List the devices that must be given away together, argument [`xen_domctl_get_device_group`].
pub const XEN_DOMCTL_get_device_group: u32 = 50;
/// Single-step a vCPU, argument [`xen_domctl_debug_op`].
pub const XEN_DOMCTL_debug_op: u32 = 54;
/// Save one record of an HVM domain's state, argument [`xen_domctl_hvmcontext_partial`].
pub const XEN_DOMCTL_gethvmcontext_partial: u32 = 55;
/// Control the rings that report events of an HVM domain, argument [`xen_domctl_vm_event_op`].
pub const XEN_DOMCTL_vm_event_op: u32 = 56;
/// Allow copy-on-write sharing of the domain's memory, argument [`xen_domctl_mem_sharing_op`].
pub const XEN_DOMCTL_mem_sharing_op: u32 = 57;
/// Read how the domain sees the TSC, argument [`xen_domctl_tsc_info`].
pub const XEN_DOMCTL_gettscinfo: u32 = 59;
/// Choose how the domain sees the TSC, argument [`xen_domctl_tsc_info`].
pub const XEN_DOMCTL_settscinfo: u32 = 60;
/// Ask which frames are page tables, for migration, argument [`xen_domctl_getpageframeinfo3`].
pub const XEN_DOMCTL_getpageframeinfo3: u32 = 61;
/// Write a vCPU's XSAVE state, argument [`xen_domctl_vcpuextstate`].
pub const XEN_DOMCTL_setvcpuextstate: u32 = 62;
/// Read a vCPU's XSAVE state, argument [`xen_domctl_vcpuextstate`].
pub const XEN_DOMCTL_getvcpuextstate: u32 = 63;
/// Choose what an access violation without listener does, argument
/// [`xen_domctl_set_access_required`].
pub const XEN_DOMCTL_set_access_required: u32 = 64;
/// Check an HVM domain's P2M, argument [`xen_domctl_audit_p2m`].
pub const XEN_DOMCTL_audit_p2m: u32 = 65;
/// Send a global virtual interrupt to this domain, argument [`xen_domctl_set_virq_handler`].
pub const XEN_DOMCTL_set_virq_handler: u32 = 66;
/// Mark a page of an HVM domain as broken, argument [`xen_domctl_set_broken_page_p2m`].
pub const XEN_DOMCTL_set_broken_page_p2m: u32 = 67;
/// Choose the NUMA nodes that the domain's memory comes from, argument
/// [`xen_domctl_nodeaffinity`].
pub const XEN_DOMCTL_setnodeaffinity: u32 = 68;
/// Ask for the NUMA nodes that the domain's memory comes from, argument
/// [`xen_domctl_nodeaffinity`].
pub const XEN_DOMCTL_getnodeaffinity: u32 = 69;
/// Write back and empty caches for the domain's memory (Arm), argument
/// [`xen_domctl_cacheflush`].
pub const XEN_DOMCTL_cacheflush: u32 = 71;
/// Read a vCPU's MSRs, argument [`xen_domctl_vcpu_msrs`].
pub const XEN_DOMCTL_get_vcpu_msrs: u32 = 72;
/// Write a vCPU's MSRs, argument [`xen_domctl_vcpu_msrs`].
pub const XEN_DOMCTL_set_vcpu_msrs: u32 = 73;
/// Give the domain a NUMA topology, argument [`xen_domctl_vnuma`].
pub const XEN_DOMCTL_setvnumainfo: u32 = 74;
/// Monitor the domain's cache use, argument [`xen_domctl_psr_cmt_op`].
pub const XEN_DOMCTL_psr_cmt_op: u32 = 75;
/// Choose which events of an HVM domain are reported, argument [`xen_domctl_monitor_op`].
pub const XEN_DOMCTL_monitor_op: u32 = 77;
/// Limit the domain's share of cache and memory bandwidth, argument [`xen_domctl_psr_alloc`].
pub const XEN_DOMCTL_psr_alloc: u32 = 78;
/// Reset the domain in place, keeping its memory.
pub const XEN_DOMCTL_soft_reset: u32 = 79;
/// Emulate a UART (Arm), argument [`xen_domctl_vuart_op`].
pub const XEN_DOMCTL_vuart_op: u32 = 81;
/// Read the CPUID leaves and MSRs that the domain sees, argument [`xen_domctl_cpu_policy`].
pub const XEN_DOMCTL_get_cpu_policy: u32 = 82;
/// Choose the CPUID leaves and MSRs that the domain sees, argument [`xen_domctl_cpu_policy`].
pub const XEN_DOMCTL_set_cpu_policy: u32 = 83;
/// Trace a vCPU with the processor's help, argument [`xen_domctl_vmtrace_op`].
pub const XEN_DOMCTL_vmtrace_op: u32 = 84;
/// Ask for the size of an HVM domain's pool of page tables, argument
/// [`xen_domctl_paging_mempool`].
pub const XEN_DOMCTL_get_paging_mempool_size: u32 = 85;
/// Set the size of an HVM domain's pool of page tables, argument [`xen_domctl_paging_mempool`].
pub const XEN_DOMCTL_set_paging_mempool_size: u32 = 86;
/// Debugger: read or write guest memory, argument [`xen_domctl_gdbsx_memio`].
pub const XEN_DOMCTL_gdbsx_guestmemio: u32 = 1000;
/// Debugger: stop a vCPU, argument [`xen_domctl_gdbsx_pauseunp_vcpu`].
pub const XEN_DOMCTL_gdbsx_pausevcpu: u32 = 1001;
/// Debugger: let a vCPU run on, argument [`xen_domctl_gdbsx_pauseunp_vcpu`].
pub const XEN_DOMCTL_gdbsx_unpausevcpu: u32 = 1002;
/// Debugger: ask whether the domain has stopped, argument [`xen_domctl_gdbsx_domstatus`].
pub const XEN_DOMCTL_gdbsx_domstatus: u32 = 1003;

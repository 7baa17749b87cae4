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
/// Command `getdomaininfo`, argument [`xen_domctl_getdomaininfo`].
pub const XEN_DOMCTL_getdomaininfo: u32 = 5;
/// Command `setvcpuaffinity`, argument [`xen_domctl_vcpuaffinity`].
pub const XEN_DOMCTL_setvcpuaffinity: u32 = 9;
/// Command `shadow_op`, argument [`xen_domctl_shadow_op`].
pub const XEN_DOMCTL_shadow_op: u32 = 10;
/// Command `max_mem`, argument [`xen_domctl_max_mem`].
pub const XEN_DOMCTL_max_mem: u32 = 11;
/// Command `setvcpucontext`, argument [`xen_domctl_vcpucontext`].
pub const XEN_DOMCTL_setvcpucontext: u32 = 12;
/// Command `getvcpucontext`, argument [`xen_domctl_vcpucontext`].
pub const XEN_DOMCTL_getvcpucontext: u32 = 13;
/// Command `getvcpuinfo`, argument [`xen_domctl_getvcpuinfo`].
pub const XEN_DOMCTL_getvcpuinfo: u32 = 14;
/// Command `max_vcpus`, argument [`xen_domctl_max_vcpus`].
pub const XEN_DOMCTL_max_vcpus: u32 = 15;
/// Command `scheduler_op`, argument [`xen_domctl_scheduler_op`].
pub const XEN_DOMCTL_scheduler_op: u32 = 16;
/// Command `setdomainhandle`, argument [`xen_domctl_setdomainhandle`].
pub const XEN_DOMCTL_setdomainhandle: u32 = 17;
/// Command `setdebugging`, argument [`xen_domctl_setdebugging`].
pub const XEN_DOMCTL_setdebugging: u32 = 18;
/// Command `irq_permission`, argument [`xen_domctl_irq_permission`].
pub const XEN_DOMCTL_irq_permission: u32 = 19;
/// Command `iomem_permission`, argument [`xen_domctl_iomem_permission`].
pub const XEN_DOMCTL_iomem_permission: u32 = 20;
/// Command `ioport_permission`, argument [`xen_domctl_ioport_permission`].
pub const XEN_DOMCTL_ioport_permission: u32 = 21;
/// Command `hypercall_init`, argument [`xen_domctl_hypercall_init`].
pub const XEN_DOMCTL_hypercall_init: u32 = 22;
/// Command `settimeoffset`, argument [`xen_domctl_settimeoffset`].
pub const XEN_DOMCTL_settimeoffset: u32 = 24;
/// Command `getvcpuaffinity`, argument [`xen_domctl_vcpuaffinity`].
pub const XEN_DOMCTL_getvcpuaffinity: u32 = 25;
/// Obsolete.
pub const XEN_DOMCTL_real_mode_area: u32 = 26;
/// Let a domain that shut down run on.
pub const XEN_DOMCTL_resumedomain: u32 = 27;
/// Command `sendtrigger`, argument [`xen_domctl_sendtrigger`].
pub const XEN_DOMCTL_sendtrigger: u32 = 28;
/// Command `subscribe`, argument [`xen_domctl_subscribe`].
pub const XEN_DOMCTL_subscribe: u32 = 29;
/// Command `gethvmcontext`, argument [`xen_domctl_hvmcontext`].
pub const XEN_DOMCTL_gethvmcontext: u32 = 33;
/// Command `sethvmcontext`, argument [`xen_domctl_hvmcontext`].
pub const XEN_DOMCTL_sethvmcontext: u32 = 34;
/// Command `set_address_size`, argument [`xen_domctl_address_size`].
pub const XEN_DOMCTL_set_address_size: u32 = 35;
/// Command `get_address_size`, argument [`xen_domctl_address_size`].
pub const XEN_DOMCTL_get_address_size: u32 = 36;
/// Command `assign_device`, argument [`xen_domctl_assign_device`].
pub const XEN_DOMCTL_assign_device: u32 = 37;
/// Command `bind_pt_irq`, argument [`xen_domctl_bind_pt_irq`].
pub const XEN_DOMCTL_bind_pt_irq: u32 = 38;
/// Command `memory_mapping`, argument [`xen_domctl_memory_mapping`].
pub const XEN_DOMCTL_memory_mapping: u32 = 39;
/// Command `ioport_mapping`, argument [`xen_domctl_ioport_mapping`].
pub const XEN_DOMCTL_ioport_mapping: u32 = 40;
/// Command `set_ext_vcpucontext`, argument [`xen_domctl_ext_vcpucontext`].
pub const XEN_DOMCTL_set_ext_vcpucontext: u32 = 42;
/// Command `get_ext_vcpucontext`, argument [`xen_domctl_ext_vcpucontext`].
pub const XEN_DOMCTL_get_ext_vcpucontext: u32 = 43;
/// Obsolete.
pub const XEN_DOMCTL_set_opt_feature: u32 = 44;
/// Command `test_assign_device`, argument [`xen_domctl_assign_device`].
pub const XEN_DOMCTL_test_assign_device: u32 = 45;
/// Command `set_target`, argument [`xen_domctl_set_target`].
pub const XEN_DOMCTL_set_target: u32 = 46;
/// Command `deassign_device`, argument [`xen_domctl_assign_device`].
pub const XEN_DOMCTL_deassign_device: u32 = 47;
/// Command `unbind_pt_irq`, argument [`xen_domctl_bind_pt_irq`].
pub const XEN_DOMCTL_unbind_pt_irq: u32 = 48;
/// Command `get_device_group`, argument [`xen_domctl_get_device_group`].
pub const XEN_DOMCTL_get_device_group: u32 = 50;
/// Command `debug_op`, argument [`xen_domctl_debug_op`].
pub const XEN_DOMCTL_debug_op: u32 = 54;
/// Command `gethvmcontext_partial`, argument [`xen_domctl_hvmcontext_partial`].
pub const XEN_DOMCTL_gethvmcontext_partial: u32 = 55;
/// Command `vm_event_op`, argument [`xen_domctl_vm_event_op`].
pub const XEN_DOMCTL_vm_event_op: u32 = 56;
/// Command `mem_sharing_op`, argument [`xen_domctl_mem_sharing_op`].
pub const XEN_DOMCTL_mem_sharing_op: u32 = 57;
/// Command `gettscinfo`, argument [`xen_domctl_tsc_info`].
pub const XEN_DOMCTL_gettscinfo: u32 = 59;
/// Command `settscinfo`, argument [`xen_domctl_tsc_info`].
pub const XEN_DOMCTL_settscinfo: u32 = 60;
/// Command `getpageframeinfo3`, argument [`xen_domctl_getpageframeinfo3`].
pub const XEN_DOMCTL_getpageframeinfo3: u32 = 61;
/// Command `setvcpuextstate`, argument [`xen_domctl_vcpuextstate`].
pub const XEN_DOMCTL_setvcpuextstate: u32 = 62;
/// Command `getvcpuextstate`, argument [`xen_domctl_vcpuextstate`].
pub const XEN_DOMCTL_getvcpuextstate: u32 = 63;
/// Command `set_access_required`, argument [`xen_domctl_set_access_required`].
pub const XEN_DOMCTL_set_access_required: u32 = 64;
/// Command `audit_p2m`, argument [`xen_domctl_audit_p2m`].
pub const XEN_DOMCTL_audit_p2m: u32 = 65;
/// Command `set_virq_handler`, argument [`xen_domctl_set_virq_handler`].
pub const XEN_DOMCTL_set_virq_handler: u32 = 66;
/// Command `set_broken_page_p2m`, argument [`xen_domctl_set_broken_page_p2m`].
pub const XEN_DOMCTL_set_broken_page_p2m: u32 = 67;
/// Command `setnodeaffinity`, argument [`xen_domctl_nodeaffinity`].
pub const XEN_DOMCTL_setnodeaffinity: u32 = 68;
/// Command `getnodeaffinity`, argument [`xen_domctl_nodeaffinity`].
pub const XEN_DOMCTL_getnodeaffinity: u32 = 69;
/// Command `cacheflush`, argument [`xen_domctl_cacheflush`].
pub const XEN_DOMCTL_cacheflush: u32 = 71;
/// Command `get_vcpu_msrs`, argument [`xen_domctl_vcpu_msrs`].
pub const XEN_DOMCTL_get_vcpu_msrs: u32 = 72;
/// Command `set_vcpu_msrs`, argument [`xen_domctl_vcpu_msrs`].
pub const XEN_DOMCTL_set_vcpu_msrs: u32 = 73;
/// Command `setvnumainfo`, argument [`xen_domctl_vnuma`].
pub const XEN_DOMCTL_setvnumainfo: u32 = 74;
/// Command `psr_cmt_op`, argument [`xen_domctl_psr_cmt_op`].
pub const XEN_DOMCTL_psr_cmt_op: u32 = 75;
/// Command `monitor_op`, argument [`xen_domctl_monitor_op`].
pub const XEN_DOMCTL_monitor_op: u32 = 77;
/// Command `psr_alloc`, argument [`xen_domctl_psr_alloc`].
pub const XEN_DOMCTL_psr_alloc: u32 = 78;
/// Reset the domain in place, keeping its memory.
pub const XEN_DOMCTL_soft_reset: u32 = 79;
/// Command `vuart_op`, argument [`xen_domctl_vuart_op`].
pub const XEN_DOMCTL_vuart_op: u32 = 81;
/// Command `get_cpu_policy`, argument [`xen_domctl_cpu_policy`].
pub const XEN_DOMCTL_get_cpu_policy: u32 = 82;
/// Command `set_cpu_policy`, argument [`xen_domctl_cpu_policy`].
pub const XEN_DOMCTL_set_cpu_policy: u32 = 83;
/// Command `vmtrace_op`, argument [`xen_domctl_vmtrace_op`].
pub const XEN_DOMCTL_vmtrace_op: u32 = 84;
/// Command `get_paging_mempool_size`, argument [`xen_domctl_paging_mempool`].
pub const XEN_DOMCTL_get_paging_mempool_size: u32 = 85;
/// Command `set_paging_mempool_size`, argument [`xen_domctl_paging_mempool`].
pub const XEN_DOMCTL_set_paging_mempool_size: u32 = 86;
/// Command `gdbsx_guestmemio`, argument [`xen_domctl_gdbsx_memio`].
pub const XEN_DOMCTL_gdbsx_guestmemio: u32 = 1000;
/// Command `gdbsx_pausevcpu`, argument [`xen_domctl_gdbsx_pauseunp_vcpu`].
pub const XEN_DOMCTL_gdbsx_pausevcpu: u32 = 1001;
/// Command `gdbsx_unpausevcpu`, argument [`xen_domctl_gdbsx_pauseunp_vcpu`].
pub const XEN_DOMCTL_gdbsx_unpausevcpu: u32 = 1002;
/// Command `gdbsx_domstatus`, argument [`xen_domctl_gdbsx_domstatus`].
pub const XEN_DOMCTL_gdbsx_domstatus: u32 = 1003;

//! `xen/domctl.h`.

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

/// Xen domctl interface version.
pub const XEN_DOMCTL_INTERFACE_VERSION: u32 = 0x0000_0015;

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

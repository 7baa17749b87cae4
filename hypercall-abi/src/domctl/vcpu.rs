//! `xen/domctl/vcpu.h`.

use crate::xen::{guest_handle, xenctl_bitmap};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

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

//! Domctls on virtual CPUs.

use crate::xen::{guest_handle, xenctl_bitmap};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Argument of get/setvcpucontext.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vcpucontext {
    /// The vCPU.
    pub vcpu: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// A [`vcpu_guest_context`](crate::arch_x86_64::vcpu_guest_context), read or written; for
    /// set, null resets the vCPU.
    pub ctxt: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_vcpucontext>() == 16);

/// State of one vCPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_getvcpuinfo {
    /// IN: the vCPU.
    pub vcpu: u32,
    /// OUT: it is up.
    pub online: u8,
    /// OUT: it waits for an event.
    pub blocked: u8,
    /// OUT: it runs now.
    pub running: u8,
    /// Padding.
    pub _pad0: [u8; 1],
    /// OUT: its CPU time, ns.
    pub cpu_time: u64,
    /// OUT: the CPU it is on, or was last.
    pub cpu: u32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xen_domctl_getvcpuinfo>() == 24);

/// On which CPUs a vCPU may and should run.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vcpuaffinity {
    /// The vCPU.
    pub vcpu: u32,
    /// `XEN_VCPUAFFINITY_*`: which of the maps.
    pub flags: u32,
    /// Where it may run. Set writes back what came into force.
    pub cpumap_hard: xenctl_bitmap,
    /// Where it should run. Set writes back what came into force.
    pub cpumap_soft: xenctl_bitmap,
}
const _: () = assert!(size_of::<xen_domctl_vcpuaffinity>() == 40);

/// The hard map.
pub const XEN_VCPUAFFINITY_HARD: u32 = 1;
/// The soft map.
pub const XEN_VCPUAFFINITY_SOFT: u32 = 1 << 1;
/// End a `SCHEDOP_pin_override`.
pub const XEN_VCPUAFFINITY_FORCE: u32 = 1 << 2;

/// Allocates the vCPUs of a new domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_max_vcpus {
    /// Must equal
    /// [`xen_domctl_createdomain::max_vcpus`](super::xen_domctl_createdomain::max_vcpus).
    pub max: u32,
}
const _: () = assert!(size_of::<xen_domctl_max_vcpus>() == 4);

/// [`xen_domctl_sendtrigger::trigger`]: an NMI for the vCPU.
pub const XEN_DOMCTL_SENDTRIGGER_NMI: u32 = 0;
/// [`xen_domctl_sendtrigger::trigger`]: a reset.
pub const XEN_DOMCTL_SENDTRIGGER_RESET: u32 = 1;
/// [`xen_domctl_sendtrigger::trigger`]: an INIT for the vCPU.
pub const XEN_DOMCTL_SENDTRIGGER_INIT: u32 = 2;
/// [`xen_domctl_sendtrigger::trigger`]: the ACPI power button (HVM).
pub const XEN_DOMCTL_SENDTRIGGER_POWER: u32 = 3;
/// [`xen_domctl_sendtrigger::trigger`]: the ACPI sleep button (HVM).
pub const XEN_DOMCTL_SENDTRIGGER_SLEEP: u32 = 4;

/// An event to inject into a domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_sendtrigger {
    /// IN: `XEN_DOMCTL_SENDTRIGGER_*`; -ENOSYS for one that the domain cannot receive.
    pub trigger: u32,
    /// IN: the vCPU.
    pub vcpu: u32,
}
const _: () = assert!(size_of::<xen_domctl_sendtrigger>() == 8);

/// The state of a vCPU that [`vcpu_guest_context`](crate::arch_x86_64::vcpu_guest_context) has
/// no room for: entry points from 32-bit user mode, and machine-check state.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_ext_vcpucontext {
    /// IN: the vCPU.
    pub vcpu: u32,
    /// Bytes of this structure that are valid: IN of set, OUT of get.
    pub size: u32,
    /// Entry point for SYSCALL from 32-bit mode.
    pub syscall32_callback_eip: u64,
    /// Entry point for SYSENTER.
    pub sysenter_callback_eip: u64,
    /// Code selector of that for SYSCALL; used in 32-bit guests only.
    pub syscall32_callback_cs: u16,
    /// Code selector of that for SYSENTER; used in 32-bit guests only.
    pub sysenter_callback_cs: u16,
    /// Not 0: SYSCALL enters with events masked.
    pub syscall32_disables_events: u8,
    /// Not 0: SYSENTER enters with events masked.
    pub sysenter_disables_events: u8,
    /// Padding.
    pub _pad0: [u8; 2],
    /// Machine-check state.
    pub vmce: hvm_vmce_vcpu,
}
const _: () = assert!(size_of::<xen_domctl_ext_vcpucontext>() == 64);

/// A leaf has no subleaf; [`XEN_CPUID_NO_SUBLEAF`](crate::arch_x86_64::XEN_CPUID_NO_SUBLEAF) of
/// the older interface.
pub const XEN_CPUID_INPUT_UNUSED: u32 = 0xffff_ffff;

/// A domain's CPUID leaves and MSRs.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_cpu_policy {
    /// IN: entries of `leaves`; OUT: written or needed.
    pub nr_leaves: u32,
    /// IN: entries of `msrs`; OUT: written or needed.
    pub nr_msrs: u32,
    /// Array of [`xen_cpuid_leaf`](crate::arch_x86_64::xen_cpuid_leaf).
    pub leaves: guest_handle,
    /// Array of [`xen_msr_entry`](crate::arch_x86_64::xen_msr_entry).
    pub msrs: guest_handle,
    /// OUT of set: the leaf that was refused, or all ones.
    pub err_leaf: u32,
    /// OUT of set: its subleaf, or all ones.
    pub err_subleaf: u32,
    /// OUT of set: the MSR that was refused, or all ones.
    pub err_msr: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xen_domctl_cpu_policy>() == 40);

/// Extended register state (XSAVE) of a vCPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vcpuextstate {
    /// IN: the vCPU.
    pub vcpu: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Get: the features that the state may hold, as XCR0 numbers them, so that a receiver can
    /// check that it can load them. Set ignores it.
    pub xfeature_mask: u64,
    /// IN: bytes of the buffer; OUT of get: bytes written, or needed if the buffer is null.
    pub size: u64,
    /// XCR0, the bits of XCR0 ever set, then the XSAVE area: OUT of get, IN of set.
    pub buffer: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_vcpuextstate>() == 32);

/// One MSR of a vCPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vcpu_msr {
    /// Number of the MSR.
    pub index: u32,
    /// Reserved; zero.
    pub reserved: u32,
    /// Its value.
    pub value: u64,
}
const _: () = assert!(size_of::<xen_domctl_vcpu_msr>() == 16);

/// MSRs that a vCPU has beyond its registers, for migration.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vcpu_msrs {
    /// IN: the vCPU.
    pub vcpu: u32,
    /// IN: entries of the array; OUT of get: entries written, or needed if the array is null or
    /// too short (-ENOBUFS).
    pub msr_count: u32,
    /// Array of [`xen_domctl_vcpu_msr`]: OUT of get, IN of set.
    pub msrs: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_vcpu_msrs>() == 16);

/// Virtual machine-check banks of a vCPU (`xen/arch-x86/hvm/save.h`).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct hvm_vmce_vcpu {
    /// `MCG_CAP`.
    pub caps: u64,
    /// `MCI_CTL2` of bank 0.
    pub mci_ctl2_bank0: u64,
    /// `MCI_CTL2` of bank 1.
    pub mci_ctl2_bank1: u64,
    /// `MCG_EXT_CTL`.
    pub mcg_ext_ctl: u64,
}
const _: () = assert!(size_of::<hvm_vmce_vcpu>() == 32);

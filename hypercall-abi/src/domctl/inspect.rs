//! Domctls for debuggers, introspection and hardware tracing.

use crate::Union;
use crate::xen::guest_handle;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Argument of `XEN_DOMCTL_sethvmcontext`.
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

/// XEN_DOMCTL_debug_op.
pub const XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_OFF: u32 = 0;
/// XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_ON.
pub const XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_ON: u32 = 1;

/// Single-steps a vCPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_debug_op {
    /// IN: sub-command.
    pub op: u32,
    /// IN: the vcpu.
    pub vcpu: u32,
}
const _: () = assert!(size_of::<xen_domctl_debug_op>() == 8);

/// Argument of `XEN_DOMCTL_gethvmcontext_partial`.
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

/// XEN_DOMCTL_gdbsx_guestmemio guest mem io.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_gdbsx_memio {
    /// Optional: init_mm.pgd\[3\] value.
    pub pgd3val: u64,
    /// Guest virtual address.
    pub gva: u64,
    /// User buffer virtual address.
    pub uva: u64,
    /// Number of bytes to read/write.
    pub len: u32,
    /// 0 = read from guest. 1 = write to guest.
    pub gwr: u8,
    /// Padding.
    pub _pad0: [u8; 3],
    /// Bytes remaining to be copied.
    pub remain: u32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xen_domctl_gdbsx_memio>() == 40);

/// Pause/unpause a vcpu.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_gdbsx_pauseunp_vcpu {
    /// Which vcpu.
    pub vcpu: u32,
}
const _: () = assert!(size_of::<xen_domctl_gdbsx_pauseunp_vcpu>() == 4);

/// Argument of `XEN_DOMCTL_gdbsx_domstatus`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_gdbsx_domstatus {
    /// Is the domain paused.
    pub paused: u8,
    /// Padding.
    pub _pad0: [u8; 3],
    /// Any vcpu in an event?
    pub vcpu_id: u32,
    /// If yes, what event?
    pub vcpu_ev: u32,
}
const _: () = assert!(size_of::<xen_domctl_gdbsx_domstatus>() == 12);

/// [`xen_domctl_vm_event_op::op`]: `ENABLE`.
pub const XEN_VM_EVENT_ENABLE: u32 = 0;
/// [`xen_domctl_vm_event_op::op`]: `DISABLE`.
pub const XEN_VM_EVENT_DISABLE: u32 = 1;
/// [`xen_domctl_vm_event_op::op`]: `RESUME`.
pub const XEN_VM_EVENT_RESUME: u32 = 2;
/// [`xen_domctl_vm_event_op::op`]: `GET_VERSION`.
pub const XEN_VM_EVENT_GET_VERSION: u32 = 3;
/// [`xen_domctl_vm_event_op::mode`]: the PAGING ring.
pub const XEN_DOMCTL_VM_EVENT_OP_PAGING: u32 = 1;
/// [`xen_domctl_vm_event_op::mode`]: the MONITOR ring.
pub const XEN_DOMCTL_VM_EVENT_OP_MONITOR: u32 = 2;
/// [`xen_domctl_vm_event_op::mode`]: the SHARING ring.
pub const XEN_DOMCTL_VM_EVENT_OP_SHARING: u32 = 3;

/// Use for teardown/setup of helper&lt;->hypervisor interface for paging, access and sharing.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vm_event_op {
    /// `XEN_VM_EVENT_*`.
    pub op: u32,
    /// `XEN_DOMCTL_VM_EVENT_OP_*`.
    pub mode: u32,
    /// Depends on the command.
    ///
    /// One of: `enable` ([`xen_domctl_vm_event_op_enable`]), `version` (`u32`).
    pub u: Union<[u32; 1]>,
}
const _: () = assert!(size_of::<xen_domctl_vm_event_op>() == 12);

/// Xen_domctl_vm_event_op_enable.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vm_event_op_enable {
    /// OUT: event channel for ring.
    pub port: u32,
}
const _: () = assert!(size_of::<xen_domctl_vm_event_op_enable>() == 4);

/// XEN_DOMCTL_mem_sharing_op.
pub const XEN_DOMCTL_MEM_SHARING_CONTROL: u8 = 0;

/// Turns memory sharing on or off.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_mem_sharing_op {
    /// `XEN_DOMCTL_MEM_SHARING_*`.
    pub op: u8,
    /// Depends on the command.
    pub u: u8,
}
const _: () = assert!(size_of::<xen_domctl_mem_sharing_op>() == 2);

/// XEN_DOMCTL_set_access_required: sets whether a memory event listener must be present to
/// handle page access events: if false, the page access will revert to full permissions if no
/// one is listening;.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_set_access_required {
    /// Not 0 requires a listener.
    pub access_required: u8,
}
const _: () = assert!(size_of::<xen_domctl_set_access_required>() == 1);

/// Cache monitoring of a domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_psr_cmt_op {
    /// Sub-command.
    pub cmd: u32,
    /// Data.
    pub data: u32,
}
const _: () = assert!(size_of::<xen_domctl_psr_cmt_op>() == 8);

/// XEN_DOMCTL_PSR_CMT_OP_DETACH.
pub const XEN_DOMCTL_PSR_CMT_OP_DETACH: u32 = 0;
/// XEN_DOMCTL_PSR_CMT_OP_ATTACH.
pub const XEN_DOMCTL_PSR_CMT_OP_ATTACH: u32 = 1;
/// XEN_DOMCTL_PSR_CMT_OP_QUERY_RMID.
pub const XEN_DOMCTL_PSR_CMT_OP_QUERY_RMID: u32 = 2;
/// [`xen_domctl_monitor_op::op`]: `ENABLE`.
pub const XEN_DOMCTL_MONITOR_OP_ENABLE: u32 = 0;
/// [`xen_domctl_monitor_op::op`]: `DISABLE`.
pub const XEN_DOMCTL_MONITOR_OP_DISABLE: u32 = 1;
/// [`xen_domctl_monitor_op::op`]: `GET_CAPABILITIES`.
pub const XEN_DOMCTL_MONITOR_OP_GET_CAPABILITIES: u32 = 2;
/// [`xen_domctl_monitor_op::op`]: `EMULATE_EACH_REP`.
pub const XEN_DOMCTL_MONITOR_OP_EMULATE_EACH_REP: u32 = 3;
/// [`xen_domctl_monitor_op::op`]: `CONTROL_REGISTERS`.
pub const XEN_DOMCTL_MONITOR_OP_CONTROL_REGISTERS: u32 = 4;
/// [`xen_domctl_monitor_op::event`]: `WRITE_CTRLREG`.
pub const XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG: u32 = 0;
/// [`xen_domctl_monitor_op::event`]: `MOV_TO_MSR`.
pub const XEN_DOMCTL_MONITOR_EVENT_MOV_TO_MSR: u32 = 1;
/// [`xen_domctl_monitor_op::event`]: `SINGLESTEP`.
pub const XEN_DOMCTL_MONITOR_EVENT_SINGLESTEP: u32 = 2;
/// [`xen_domctl_monitor_op::event`]: `SOFTWARE_BREAKPOINT`.
pub const XEN_DOMCTL_MONITOR_EVENT_SOFTWARE_BREAKPOINT: u32 = 3;
/// [`xen_domctl_monitor_op::event`]: `GUEST_REQUEST`.
pub const XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST: u32 = 4;
/// [`xen_domctl_monitor_op::event`]: `DEBUG_EXCEPTION`.
pub const XEN_DOMCTL_MONITOR_EVENT_DEBUG_EXCEPTION: u32 = 5;
/// [`xen_domctl_monitor_op::event`]: `CPUID`.
pub const XEN_DOMCTL_MONITOR_EVENT_CPUID: u32 = 6;
/// [`xen_domctl_monitor_op::event`]: `PRIVILEGED_CALL`.
pub const XEN_DOMCTL_MONITOR_EVENT_PRIVILEGED_CALL: u32 = 7;
/// [`xen_domctl_monitor_op::event`]: `INTERRUPT`.
pub const XEN_DOMCTL_MONITOR_EVENT_INTERRUPT: u32 = 8;
/// [`xen_domctl_monitor_op::event`]: `DESC_ACCESS`.
pub const XEN_DOMCTL_MONITOR_EVENT_DESC_ACCESS: u32 = 9;
/// [`xen_domctl_monitor_op::event`]: `EMUL_UNIMPLEMENTED`.
pub const XEN_DOMCTL_MONITOR_EVENT_EMUL_UNIMPLEMENTED: u32 = 10;
/// [`xen_domctl_monitor_op::event`]: `INGUEST_PAGEFAULT`.
pub const XEN_DOMCTL_MONITOR_EVENT_INGUEST_PAGEFAULT: u32 = 11;
/// [`xen_domctl_monitor_op::event`]: `VMEXIT`.
pub const XEN_DOMCTL_MONITOR_EVENT_VMEXIT: u32 = 12;

/// Introspection events of a domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_monitor_op {
    /// `XEN_DOMCTL_MONITOR_OP_*`.
    pub op: u32,
    /// When used with ENABLE/DISABLE this has to be set to the requested
    /// XEN_DOMCTL_MONITOR_EVENT_* value.
    pub event: u32,
    /// Depends on the command.
    ///
    /// One of: `mov_to_cr` ([`xen_domctl_monitor_op_mov_to_cr`]), `mov_to_msr`
    /// ([`xen_domctl_monitor_op_mov_to_msr`]), `guest_request`
    /// ([`xen_domctl_monitor_op_guest_request`]), `debug_exception`
    /// ([`xen_domctl_monitor_op_debug_exception`]), `vmexit`
    /// ([`xen_domctl_monitor_op_vmexit`]).
    pub u: Union<[u64; 2]>,
}
const _: () = assert!(size_of::<xen_domctl_monitor_op>() == 24);

/// Xen_domctl_monitor_op_mov_to_cr.
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
    /// Unused; zero.
    pub pad2: u32,
    /// Send event only if the changed bit in the control register is not masked.
    pub bitmask: u64,
}
const _: () = assert!(size_of::<xen_domctl_monitor_op_mov_to_cr>() == 16);

/// Xen_domctl_monitor_op_mov_to_msr.
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

/// Xen_domctl_monitor_op_guest_request.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_monitor_op_guest_request {
    /// Pause vCPU until response.
    pub sync: u8,
    /// Allow userspace.
    pub allow_userspace: u8,
}
const _: () = assert!(size_of::<xen_domctl_monitor_op_guest_request>() == 2);

/// Xen_domctl_monitor_op_debug_exception.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_monitor_op_debug_exception {
    /// Pause vCPU until response.
    pub sync: u8,
}
const _: () = assert!(size_of::<xen_domctl_monitor_op_debug_exception>() == 1);

/// Xen_domctl_monitor_op_vmexit.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_monitor_op_vmexit {
    /// Send event and don't process vmexit.
    pub sync: u8,
}
const _: () = assert!(size_of::<xen_domctl_monitor_op_vmexit>() == 1);

/// Cache and bandwidth allocation of a domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_psr_alloc {
    /// IN: `XEN_DOMCTL_PSR_*`.
    pub cmd: u32,
    /// IN: target.
    pub target: u32,
    /// IN/OUT: data.
    pub data: u64,
}
const _: () = assert!(size_of::<xen_domctl_psr_alloc>() == 16);

/// [`xen_domctl_psr_alloc::cmd`]: SET the domain's L3_CBM value.
pub const XEN_DOMCTL_PSR_SET_L3_CBM: u32 = 0;
/// [`xen_domctl_psr_alloc::cmd`]: GET the domain's L3_CBM value.
pub const XEN_DOMCTL_PSR_GET_L3_CBM: u32 = 1;
/// [`xen_domctl_psr_alloc::cmd`]: SET the domain's L3_CODE value.
pub const XEN_DOMCTL_PSR_SET_L3_CODE: u32 = 2;
/// [`xen_domctl_psr_alloc::cmd`]: SET the domain's L3_DATA value.
pub const XEN_DOMCTL_PSR_SET_L3_DATA: u32 = 3;
/// [`xen_domctl_psr_alloc::cmd`]: GET the domain's L3_CODE value.
pub const XEN_DOMCTL_PSR_GET_L3_CODE: u32 = 4;
/// [`xen_domctl_psr_alloc::cmd`]: GET the domain's L3_DATA value.
pub const XEN_DOMCTL_PSR_GET_L3_DATA: u32 = 5;
/// [`xen_domctl_psr_alloc::cmd`]: SET the domain's L2_CBM value.
pub const XEN_DOMCTL_PSR_SET_L2_CBM: u32 = 6;
/// [`xen_domctl_psr_alloc::cmd`]: GET the domain's L2_CBM value.
pub const XEN_DOMCTL_PSR_GET_L2_CBM: u32 = 7;
/// [`xen_domctl_psr_alloc::cmd`]: SET the domain's MBA_THRTL value.
pub const XEN_DOMCTL_PSR_SET_MBA_THRTL: u32 = 8;
/// [`xen_domctl_psr_alloc::cmd`]: GET the domain's MBA_THRTL value.
pub const XEN_DOMCTL_PSR_GET_MBA_THRTL: u32 = 9;

/// XEN_DOMCTL_vmtrace_op: Perform VM tracing operations.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vmtrace_op {
    /// IN: sub-command.
    pub cmd: u32,
    /// IN: the vcpu.
    pub vcpu: u32,
    /// IN - @cmd specific data.
    pub key: u64,
    /// IN/OUT - @cmd specific data.
    pub value: u64,
}
const _: () = assert!(size_of::<xen_domctl_vmtrace_op>() == 24);

/// Command `vmtrace_enable`.
pub const XEN_DOMCTL_vmtrace_enable: u32 = 1;
/// Command `vmtrace_disable`.
pub const XEN_DOMCTL_vmtrace_disable: u32 = 2;
/// Command `vmtrace_reset_and_enable`.
pub const XEN_DOMCTL_vmtrace_reset_and_enable: u32 = 3;
/// Command `vmtrace_output_position`.
pub const XEN_DOMCTL_vmtrace_output_position: u32 = 4;
/// Command `vmtrace_get_option`.
pub const XEN_DOMCTL_vmtrace_get_option: u32 = 5;
/// Command `vmtrace_set_option`.
pub const XEN_DOMCTL_vmtrace_set_option: u32 = 6;

//! Domctls for debuggers, introspection and hardware tracing.

use crate::Union;
use crate::xen::guest_handle;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The saved state of an HVM domain, as a stream of records (`xen/hvm/save.h`).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_hvmcontext {
    /// IN: bytes of the buffer; OUT of get: bytes written.
    pub size: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// The stream: OUT of get, IN of set. Get with a null buffer only asks for the size.
    pub buffer: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_hvmcontext>() == 16);

/// Let the vCPU run freely again.
pub const XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_OFF: u32 = 0;
/// Stop the vCPU after each instruction.
pub const XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_ON: u32 = 1;

/// Single-steps a vCPU of an HVM domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_debug_op {
    /// IN: `XEN_DOMCTL_DEBUG_OP_*`.
    pub op: u32,
    /// IN: the vCPU.
    pub vcpu: u32,
}
const _: () = assert!(size_of::<xen_domctl_debug_op>() == 8);

/// One record of the state that [`xen_domctl_hvmcontext`] holds.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_hvmcontext_partial {
    /// IN: type of the record, an `HVM_SAVE_CODE`.
    pub r#type: u32,
    /// IN: which record of that type: the vCPU, for state of a vCPU.
    pub instance: u32,
    /// IN: bytes of the buffer; OUT: bytes of the record.
    pub bufsz: u64,
    /// IN: where to write the record, without its header; null only asks for its size.
    pub buffer: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_hvmcontext_partial>() == 24);

/// Reads or writes guest memory for a debugger.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_gdbsx_memio {
    /// IN: for 32-bit guests, a top-level page-table entry to translate kernel addresses with; 0
    /// for none.
    pub pgd3val: u64,
    /// IN: virtual address in the guest.
    pub gva: u64,
    /// IN: virtual address of the caller's buffer.
    pub uva: u64,
    /// IN: bytes to copy.
    pub len: u32,
    /// IN: 0 reads guest memory, 1 writes it.
    pub gwr: u8,
    /// Padding.
    pub _pad0: [u8; 3],
    /// OUT: bytes not copied; not 0 goes with -EFAULT.
    pub remain: u32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xen_domctl_gdbsx_memio>() == 40);

/// A vCPU to stop or to let run on.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_gdbsx_pauseunp_vcpu {
    /// IN: the vCPU.
    pub vcpu: u32,
}
const _: () = assert!(size_of::<xen_domctl_gdbsx_pauseunp_vcpu>() == 4);

/// Whether a debugged domain has stopped, and why.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_gdbsx_domstatus {
    /// OUT: not 0 if the domain is paused; only then are the other fields valid.
    pub paused: u8,
    /// Padding.
    pub _pad0: [u8; 3],
    /// OUT: the vCPU that hit a debug event; all ones if none did.
    pub vcpu_id: u32,
    /// OUT: vector of its exception: 1 debug, 3 breakpoint.
    pub vcpu_ev: u32,
}
const _: () = assert!(size_of::<xen_domctl_gdbsx_domstatus>() == 12);

/// [`xen_domctl_vm_event_op::op`]: set up the ring; the listener gets a port.
pub const XEN_VM_EVENT_ENABLE: u32 = 0;
/// [`xen_domctl_vm_event_op::op`]: tear the ring down.
pub const XEN_VM_EVENT_DISABLE: u32 = 1;
/// [`xen_domctl_vm_event_op::op`]: take the answers that are in the ring.
pub const XEN_VM_EVENT_RESUME: u32 = 2;
/// [`xen_domctl_vm_event_op::op`]: ask for the version of the ring's protocol.
pub const XEN_VM_EVENT_GET_VERSION: u32 = 3;
/// [`xen_domctl_vm_event_op::mode`]: requests to bring back paged-out memory. Enabling fails
/// with -ENODEV without nested paging, -EMLINK with passed-through devices, -EXDEV with
/// populate-on-demand, -EBUSY if the ring is in use.
pub const XEN_DOMCTL_VM_EVENT_OP_PAGING: u32 = 1;
/// [`xen_domctl_vm_event_op::mode`]: events of [`xen_domctl_monitor_op`] and violations of
/// memory access rights. Enabling fails with -ENODEV without nested paging, -EBUSY if the ring
/// is in use.
pub const XEN_DOMCTL_VM_EVENT_OP_MONITOR: u32 = 2;
/// [`xen_domctl_vm_event_op::mode`]: reports of shared pages that no memory was left to copy.
/// Enabling fails with -ENODEV without nested paging, -EBUSY if the ring is in use.
pub const XEN_DOMCTL_VM_EVENT_OP_SHARING: u32 = 3;

/// Controls a ring by which the hypervisor reports events of an HVM domain to a listener.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vm_event_op {
    /// IN: `XEN_VM_EVENT_*`.
    pub op: u32,
    /// IN: `XEN_DOMCTL_VM_EVENT_OP_*`: which ring.
    pub mode: u32,
    /// The answer, by `op`.
    ///
    /// One of: `enable` ([`xen_domctl_vm_event_op_enable`]), `version` (`u32`).
    pub u: Union<[u32; 1]>,
}
const _: () = assert!(size_of::<xen_domctl_vm_event_op>() == 12);

/// Answer to [`XEN_VM_EVENT_ENABLE`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vm_event_op_enable {
    /// OUT: the port by which the ring is announced, for the caller to bind.
    pub port: u32,
}
const _: () = assert!(size_of::<xen_domctl_vm_event_op_enable>() == 4);

/// [`xen_domctl_mem_sharing_op::op`]: turn sharing on or off.
pub const XEN_DOMCTL_MEM_SHARING_CONTROL: u8 = 0;

/// Lets pages of an HVM domain be shared copy-on-write.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_mem_sharing_op {
    /// IN: [`XEN_DOMCTL_MEM_SHARING_CONTROL`].
    pub op: u8,
    /// IN: not 0 turns it on.
    pub u: u8,
}
const _: () = assert!(size_of::<xen_domctl_mem_sharing_op>() == 2);

/// What becomes of a memory access violation that nobody listens to.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_set_access_required {
    /// IN: 0 lifts the page's restriction; otherwise the vCPU waits for a listener.
    pub access_required: u8,
}
const _: () = assert!(size_of::<xen_domctl_set_access_required>() == 1);

/// Monitors the L3 cache use of a domain (Intel CMT).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_psr_cmt_op {
    /// IN: `XEN_DOMCTL_PSR_CMT_OP_*`.
    pub cmd: u32,
    /// OUT of query: the domain's RMID; 0 if it is not monitored.
    pub data: u32,
}
const _: () = assert!(size_of::<xen_domctl_psr_cmt_op>() == 8);

/// Free the domain's RMID; -ENOENT if it has none.
pub const XEN_DOMCTL_PSR_CMT_OP_DETACH: u32 = 0;
/// Give the domain an RMID; -EEXIST if it has one, -EOVERFLOW if all are in use.
pub const XEN_DOMCTL_PSR_CMT_OP_ATTACH: u32 = 1;
/// Ask for the domain's RMID.
pub const XEN_DOMCTL_PSR_CMT_OP_QUERY_RMID: u32 = 2;
/// [`xen_domctl_monitor_op::op`]: report an event from now on.
pub const XEN_DOMCTL_MONITOR_OP_ENABLE: u32 = 0;
/// [`xen_domctl_monitor_op::op`]: no longer report an event.
pub const XEN_DOMCTL_MONITOR_OP_DISABLE: u32 = 1;
/// [`xen_domctl_monitor_op::op`]: ask which events can be reported.
pub const XEN_DOMCTL_MONITOR_OP_GET_CAPABILITIES: u32 = 2;
/// [`xen_domctl_monitor_op::op`]: emulate string instructions one repetition at a time, so that
/// each is seen.
pub const XEN_DOMCTL_MONITOR_OP_EMULATE_EACH_REP: u32 = 3;
/// [`xen_domctl_monitor_op::op`]: let answers set control registers. Turn monitoring off only
/// once all vCPUs run again, or the guest may crash.
pub const XEN_DOMCTL_MONITOR_OP_CONTROL_REGISTERS: u32 = 4;
/// [`xen_domctl_monitor_op::event`]: a control register was written.
pub const XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG: u32 = 0;
/// [`xen_domctl_monitor_op::event`]: an MSR was written.
pub const XEN_DOMCTL_MONITOR_EVENT_MOV_TO_MSR: u32 = 1;
/// [`xen_domctl_monitor_op::event`]: an instruction was single-stepped.
pub const XEN_DOMCTL_MONITOR_EVENT_SINGLESTEP: u32 = 2;
/// [`xen_domctl_monitor_op::event`]: `int3` was executed.
pub const XEN_DOMCTL_MONITOR_EVENT_SOFTWARE_BREAKPOINT: u32 = 3;
/// [`xen_domctl_monitor_op::event`]: the guest asked to be seen
/// (`HVMOP_guest_request_vm_event`).
pub const XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST: u32 = 4;
/// [`xen_domctl_monitor_op::event`]: #DB was raised.
pub const XEN_DOMCTL_MONITOR_EVENT_DEBUG_EXCEPTION: u32 = 5;
/// [`xen_domctl_monitor_op::event`]: CPUID was executed.
pub const XEN_DOMCTL_MONITOR_EVENT_CPUID: u32 = 6;
/// [`xen_domctl_monitor_op::event`]: Arm's SMC was executed.
pub const XEN_DOMCTL_MONITOR_EVENT_PRIVILEGED_CALL: u32 = 7;
/// [`xen_domctl_monitor_op::event`]: an interrupt was injected; one report per request.
pub const XEN_DOMCTL_MONITOR_EVENT_INTERRUPT: u32 = 8;
/// [`xen_domctl_monitor_op::event`]: GDTR, IDTR, LDTR or TR was read or written.
pub const XEN_DOMCTL_MONITOR_EVENT_DESC_ACCESS: u32 = 9;
/// [`xen_domctl_monitor_op::event`]: the instruction emulator met an instruction that it does
/// not know.
pub const XEN_DOMCTL_MONITOR_EVENT_EMUL_UNIMPLEMENTED: u32 = 10;
/// [`xen_domctl_monitor_op::event`]: a page fault of the guest's own page walk; on by default,
/// disabling it drops such reports.
pub const XEN_DOMCTL_MONITOR_EVENT_INGUEST_PAGEFAULT: u32 = 11;
/// [`xen_domctl_monitor_op::event`]: the vCPU left guest mode, for whatever reason.
pub const XEN_DOMCTL_MONITOR_EVENT_VMEXIT: u32 = 12;

/// Chooses which events of an HVM domain the monitor ring reports.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_monitor_op {
    /// IN: `XEN_DOMCTL_MONITOR_OP_*`.
    pub op: u32,
    /// IN of enable and disable: `XEN_DOMCTL_MONITOR_EVENT_*`. OUT of get capabilities: bit n is
    /// set if event n can be reported.
    pub event: u32,
    /// IN of enable: details, by `event`.
    ///
    /// One of: `mov_to_cr` ([`xen_domctl_monitor_op_mov_to_cr`]), `mov_to_msr`
    /// ([`xen_domctl_monitor_op_mov_to_msr`]), `guest_request`
    /// ([`xen_domctl_monitor_op_guest_request`]), `debug_exception`
    /// ([`xen_domctl_monitor_op_debug_exception`]), `vmexit`
    /// ([`xen_domctl_monitor_op_vmexit`]).
    pub u: Union<[u64; 2]>,
}
const _: () = assert!(size_of::<xen_domctl_monitor_op>() == 24);

/// Details of [`XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_monitor_op_mov_to_cr {
    /// Which register, a `VM_EVENT_X86_*` of `xen/vm_event.h`.
    pub index: u8,
    /// Not 0 stops the vCPU until the listener answers.
    pub sync: u8,
    /// Not 0 reports only writes that change the value.
    pub onchangeonly: u8,
    /// Unused; zero.
    pub pad1: u8,
    /// Unused; zero.
    pub pad2: u32,
    /// Bits whose change alone is not reported.
    pub bitmask: u64,
}
const _: () = assert!(size_of::<xen_domctl_monitor_op_mov_to_cr>() == 16);

/// Details of [`XEN_DOMCTL_MONITOR_EVENT_MOV_TO_MSR`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_monitor_op_mov_to_msr {
    /// Number of the MSR.
    pub msr: u32,
    /// Not 0 reports only writes that change the value.
    pub onchangeonly: u8,
    /// Padding.
    pub _pad0: [u8; 3],
}
const _: () = assert!(size_of::<xen_domctl_monitor_op_mov_to_msr>() == 8);

/// Details of [`XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_monitor_op_guest_request {
    /// Not 0 stops the vCPU until the listener answers.
    pub sync: u8,
    /// Not 0 takes requests from user mode too.
    pub allow_userspace: u8,
}
const _: () = assert!(size_of::<xen_domctl_monitor_op_guest_request>() == 2);

/// Details of [`XEN_DOMCTL_MONITOR_EVENT_DEBUG_EXCEPTION`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_monitor_op_debug_exception {
    /// Not 0 stops the vCPU until the listener answers.
    pub sync: u8,
}
const _: () = assert!(size_of::<xen_domctl_monitor_op_debug_exception>() == 1);

/// Details of [`XEN_DOMCTL_MONITOR_EVENT_VMEXIT`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_monitor_op_vmexit {
    /// Not 0 stops the vCPU and leaves the exit unhandled; 0 reports and handles it.
    pub sync: u8,
}
const _: () = assert!(size_of::<xen_domctl_monitor_op_vmexit>() == 1);

/// How much cache and memory bandwidth a domain may take (Intel RDT).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_psr_alloc {
    /// IN: `XEN_DOMCTL_PSR_*`.
    pub cmd: u32,
    /// IN: the socket.
    pub target: u32,
    /// IN of set, OUT of get: a capacity bitmask, or the throttle.
    pub data: u64,
}
const _: () = assert!(size_of::<xen_domctl_psr_alloc>() == 16);

/// [`xen_domctl_psr_alloc::cmd`]: set the ways of the L3 cache.
pub const XEN_DOMCTL_PSR_SET_L3_CBM: u32 = 0;
/// [`xen_domctl_psr_alloc::cmd`]: get the ways of the L3 cache.
pub const XEN_DOMCTL_PSR_GET_L3_CBM: u32 = 1;
/// [`xen_domctl_psr_alloc::cmd`]: set the ways of the L3 cache for code; needs CDP.
pub const XEN_DOMCTL_PSR_SET_L3_CODE: u32 = 2;
/// [`xen_domctl_psr_alloc::cmd`]: set the ways of the L3 cache for data; needs CDP.
pub const XEN_DOMCTL_PSR_SET_L3_DATA: u32 = 3;
/// [`xen_domctl_psr_alloc::cmd`]: get the ways of the L3 cache for code; needs CDP.
pub const XEN_DOMCTL_PSR_GET_L3_CODE: u32 = 4;
/// [`xen_domctl_psr_alloc::cmd`]: get the ways of the L3 cache for data; needs CDP.
pub const XEN_DOMCTL_PSR_GET_L3_DATA: u32 = 5;
/// [`xen_domctl_psr_alloc::cmd`]: set the ways of the L2 cache.
pub const XEN_DOMCTL_PSR_SET_L2_CBM: u32 = 6;
/// [`xen_domctl_psr_alloc::cmd`]: get the ways of the L2 cache.
pub const XEN_DOMCTL_PSR_GET_L2_CBM: u32 = 7;
/// [`xen_domctl_psr_alloc::cmd`]: set the throttle of memory bandwidth (MBA).
pub const XEN_DOMCTL_PSR_SET_MBA_THRTL: u32 = 8;
/// [`xen_domctl_psr_alloc::cmd`]: get the throttle of memory bandwidth (MBA).
pub const XEN_DOMCTL_PSR_GET_MBA_THRTL: u32 = 9;

/// Controls processor tracing of a vCPU (Intel PT). The buffer's size is fixed at the domain's
/// creation; its pages are mapped by `XENMEM_acquire_resource`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vmtrace_op {
    /// IN: `XEN_DOMCTL_vmtrace_*`.
    pub cmd: u32,
    /// IN: the vCPU.
    pub vcpu: u32,
    /// IN: number of the MSR for the option commands.
    pub key: u64,
    /// IN of set option, OUT of get option: the MSR's value. OUT of output position: bytes.
    pub value: u64,
}
const _: () = assert!(size_of::<xen_domctl_vmtrace_op>() == 24);

/// Start tracing, or go on.
pub const XEN_DOMCTL_vmtrace_enable: u32 = 1;
/// Stop tracing; the trace stays.
pub const XEN_DOMCTL_vmtrace_disable: u32 = 2;
/// Start tracing at the buffer's begin, status cleared.
pub const XEN_DOMCTL_vmtrace_reset_and_enable: u32 = 3;
/// Ask how far into the buffer the trace reaches.
pub const XEN_DOMCTL_vmtrace_output_position: u32 = 4;
/// Read one of the `RTIT` MSRs.
pub const XEN_DOMCTL_vmtrace_get_option: u32 = 5;
/// Write one of the `RTIT` MSRs; only harmless bits are taken.
pub const XEN_DOMCTL_vmtrace_set_option: u32 = 6;

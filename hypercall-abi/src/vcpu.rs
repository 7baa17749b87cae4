//! `xen/vcpu.h`: arguments of `vcpu_op`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Give a vCPU its first state, a
/// [`vcpu_guest_context`](crate::arch_x86_64::vcpu_guest_context); it stays down.
pub const VCPUOP_initialise: u32 = 0;
/// Let a vCPU run.
pub const VCPUOP_up: u32 = 1;
/// Stop a vCPU; at once only if it is the caller.
pub const VCPUOP_down: u32 = 2;
/// Returns 1 if the vCPU is up, 0 if not.
pub const VCPUOP_is_up: u32 = 3;
/// Read a vCPU's state and times, argument [`vcpu_runstate_info`].
pub const VCPUOP_get_runstate_info: u32 = 4;

/// In which state a vCPU is, since when, and for how long it was in each.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_runstate_info {
    /// `RUNSTATE_*`.
    pub state: i32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// System time in ns at which it entered the state; see [`XEN_RUNSTATE_UPDATE`].
    pub state_entry_time: u64,
    /// Nanoseconds in each state; their sum does not drift from system time.
    pub time: [u64; 4],
}
const _: () = assert!(size_of::<vcpu_runstate_info>() == 48);

/// Set in [`vcpu_runstate_info::state_entry_time`] while the area is written, if the guest
/// asked for it by `VMASST_TYPE_runstate_update_flag`.
pub const XEN_RUNSTATE_UPDATE: u64 = 1 << 63;
/// On a CPU.
pub const RUNSTATE_running: i32 = 0;
/// Waiting for a CPU.
pub const RUNSTATE_runnable: i32 = 1;
/// Waiting for an event.
pub const RUNSTATE_blocked: i32 = 2;
/// Not runnable for any other reason: paused or down.
pub const RUNSTATE_offline: i32 = 3;
/// Have the runstate written to guest memory at every switch, argument
/// [`vcpu_register_runstate_memory_area`].
pub const VCPUOP_register_runstate_memory_area: u32 = 5;

/// Where to write the runstate.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_register_runstate_memory_area {
    /// Virtual address of a [`vcpu_runstate_info`].
    pub addr: u64,
}
const _: () = assert!(size_of::<vcpu_register_runstate_memory_area>() == 8);

/// Start the periodic timer, argument [`vcpu_set_periodic_timer`].
pub const VCPUOP_set_periodic_timer: u32 = 6;
/// Stop the periodic timer. No argument.
pub const VCPUOP_stop_periodic_timer: u32 = 7;

/// Argument of [`VCPUOP_set_periodic_timer`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_set_periodic_timer {
    /// Period in ns; less than 1 ms may be refused.
    pub period_ns: u64,
}
const _: () = assert!(size_of::<vcpu_set_periodic_timer>() == 8);

/// Start the one-shot timer, argument [`vcpu_set_singleshot_timer`].
pub const VCPUOP_set_singleshot_timer: u32 = 8;
/// Stop the one-shot timer. No argument.
pub const VCPUOP_stop_singleshot_timer: u32 = 9;

/// Argument of [`VCPUOP_set_singleshot_timer`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_set_singleshot_timer {
    /// System time in ns.
    pub timeout_abs_ns: u64,
    /// [`VCPU_SSHOTTMR_future`] or 0.
    pub flags: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<vcpu_set_singleshot_timer>() == 16);

/// Fail with -ETIME if the time has passed.
pub const VCPU_SSHOTTMR_future: u32 = 1;
/// Move a vCPU's `vcpu_info` out of the shared page, once, argument
/// [`vcpu_register_vcpu_info`].
pub const VCPUOP_register_vcpu_info: u32 = 10;

/// Argument of [`VCPUOP_register_vcpu_info`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_register_vcpu_info {
    /// Frame that will hold it.
    pub mfn: u64,
    /// Offset in the frame; it must not cross the frame's end.
    pub offset: u32,
    /// Unused.
    pub rsvd: u32,
}
const _: () = assert!(size_of::<vcpu_register_vcpu_info>() == 16);

/// Send an NMI to a vCPU. No argument.
pub const VCPUOP_send_nmi: u32 = 11;
/// Ask which physical CPU a pinned vCPU is on, argument [`vcpu_get_physid`].
pub const VCPUOP_get_physid: u32 = 12;

/// Argument of [`VCPUOP_get_physid`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_get_physid {
    /// Local APIC ID in bits 31:0, ACPI ID in bits 63:32.
    pub phys_id: u64,
}
const _: () = assert!(size_of::<vcpu_get_physid>() == 8);

/// Have the clock written to guest memory as well, argument [`vcpu_register_time_memory_area`].
pub const VCPUOP_register_vcpu_time_memory_area: u32 = 13;

/// Where to write the clock.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_register_time_memory_area {
    /// Virtual address of a [`vcpu_time_info`](crate::xen::vcpu_time_info).
    pub addr: u64,
}
const _: () = assert!(size_of::<vcpu_register_time_memory_area>() == 8);

/// The local APIC ID in a [`vcpu_get_physid::phys_id`].
pub const fn xen_vcpu_physid_to_x86_apicid(physid: u64) -> u32 {
    physid as u32
}

/// The ACPI processor ID in a [`vcpu_get_physid::phys_id`].
pub const fn xen_vcpu_physid_to_x86_acpiid(physid: u64) -> u32 {
    (physid >> 32) as u32
}

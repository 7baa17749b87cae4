//! `xen/vcpu.h`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Initialise a VCPU. Each VCPU can be initialised only once.
pub const VCPUOP_initialise: u32 = 0;
/// Bring up a VCPU. This makes the VCPU runnable.
pub const VCPUOP_up: u32 = 1;
/// Bring down a VCPU (i.e., make it non-runnable).
pub const VCPUOP_down: u32 = 2;
/// Returns 1 if the given VCPU is up.
pub const VCPUOP_is_up: u32 = 3;
/// Return information about the state and running time of a VCPU. @extra_arg == pointer to
/// vcpu_runstate_info structure.
pub const VCPUOP_get_runstate_info: u32 = 4;

/// Vcpu runstate info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_runstate_info {
    /// VCPU's current state (RUNSTATE_*).
    pub state: i32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// When was current state entered (system time, ns)?.
    pub state_entry_time: u64,
    /// Time spent in each RUNSTATE_* (ns).
    pub time: [u64; 4],
}
const _: () = assert!(size_of::<vcpu_runstate_info>() == 48);

/// Update indicator set in state_entry_time: When activated via
/// VMASST_TYPE_runstate_update_flag, set during updates in guest memory mapped copy of
/// vcpu_runstate_info.
pub const XEN_RUNSTATE_UPDATE: u64 = 1 << 63;
/// VCPU is currently running on a physical CPU.
pub const RUNSTATE_running: i32 = 0;
/// VCPU is runnable, but not currently scheduled on any physical CPU.
pub const RUNSTATE_runnable: i32 = 1;
/// VCPU is blocked (a.k.a. idle).
pub const RUNSTATE_blocked: i32 = 2;
/// VCPU is not runnable, but it is not blocked.
pub const RUNSTATE_offline: i32 = 3;
/// Register a shared memory area from which the guest may obtain its own runstate information
/// without needing to execute a hypercall.
pub const VCPUOP_register_runstate_memory_area: u32 = 5;

/// Vcpu register runstate memory area.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_register_runstate_memory_area {
    /// Addr.
    pub addr: u64,
}
const _: () = assert!(size_of::<vcpu_register_runstate_memory_area>() == 8);

/// arg == vcpu_set_periodic_timer_t.
pub const VCPUOP_set_periodic_timer: u32 = 6;
/// arg == NULL.
pub const VCPUOP_stop_periodic_timer: u32 = 7;

/// Vcpu set periodic timer.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_set_periodic_timer {
    /// Period ns.
    pub period_ns: u64,
}
const _: () = assert!(size_of::<vcpu_set_periodic_timer>() == 8);

/// arg == vcpu_set_singleshot_timer_t.
pub const VCPUOP_set_singleshot_timer: u32 = 8;
/// arg == NULL.
pub const VCPUOP_stop_singleshot_timer: u32 = 9;

/// Vcpu set singleshot timer.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_set_singleshot_timer {
    /// Absolute system time value in nanoseconds.
    pub timeout_abs_ns: u64,
    /// VCPU_SSHOTTMR_???.
    pub flags: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<vcpu_set_singleshot_timer>() == 16);

/// Request the timeout to be in the future (return -ETIME if it's passed) but can be ignored by
/// the hypervisor.
pub const VCPU_SSHOTTMR_future: u32 = 1;
/// arg == vcpu_register_vcpu_info_t.
pub const VCPUOP_register_vcpu_info: u32 = 10;

/// Vcpu register vcpu info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_register_vcpu_info {
    /// mfn of page to place vcpu_info.
    pub mfn: u64,
    /// offset within page.
    pub offset: u32,
    /// unused.
    pub rsvd: u32,
}
const _: () = assert!(size_of::<vcpu_register_vcpu_info>() == 16);

/// Send an NMI to the specified VCPU. @extra_arg == NULL.
pub const VCPUOP_send_nmi: u32 = 11;
/// arg == vcpu_get_physid_t.
pub const VCPUOP_get_physid: u32 = 12;

/// Vcpu get physid.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_get_physid {
    /// Phys id.
    pub phys_id: u64,
}
const _: () = assert!(size_of::<vcpu_get_physid>() == 8);

/// Register a memory location to get a secondary copy of the vcpu time parameters.
pub const VCPUOP_register_vcpu_time_memory_area: u32 = 13;

/// Vcpu register time memory area.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_register_time_memory_area {
    /// Addr.
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

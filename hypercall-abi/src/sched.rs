//! `xen/sched.h`.

use crate::xen::{domid_t, guest_handle};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Voluntarily yield the CPU. @arg == NULL.
pub const SCHEDOP_yield: u32 = 0;
/// Block execution of this VCPU until an event is received for processing.
pub const SCHEDOP_block: u32 = 1;
/// Halt execution of this domain (all VCPUs) and notify the system controller. @arg == pointer
/// to sched_shutdown_t structure.
pub const SCHEDOP_shutdown: u32 = 2;
/// Poll a set of event-channel ports.
pub const SCHEDOP_poll: u32 = 3;
/// Declare a shutdown for another domain.
pub const SCHEDOP_remote_shutdown: u32 = 4;
/// Latch a shutdown code, so that when the domain later shuts down it reports this code to the
/// control tools. @arg == sched_shutdown_t, as for SCHEDOP_shutdown.
pub const SCHEDOP_shutdown_code: u32 = 5;
/// Setup, poke and destroy a domain watchdog timer. @arg == pointer to sched_watchdog_t
/// structure.
pub const SCHEDOP_watchdog: u32 = 6;
/// Override the current vcpu affinity by pinning it to one physical cpu or undo this override
/// restoring the previous affinity. @arg == pointer to sched_pin_override_t structure.
pub const SCHEDOP_pin_override: u32 = 7;

/// Sched shutdown.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct sched_shutdown {
    /// Reason.
    pub reason: u32,
}
const _: () = assert!(size_of::<sched_shutdown>() == 4);

/// Sched poll.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct sched_poll {
    /// Ports.
    pub ports: guest_handle,
    /// Nr ports.
    pub nr_ports: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Timeout.
    pub timeout: u64,
}
const _: () = assert!(size_of::<sched_poll>() == 24);

/// Sched remote shutdown.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct sched_remote_shutdown {
    /// Remote domain ID.
    pub domain_id: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// Reason.
    pub reason: u32,
}
const _: () = assert!(size_of::<sched_remote_shutdown>() == 8);

/// Sched watchdog.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct sched_watchdog {
    /// watchdog ID.
    pub id: u32,
    /// timeout.
    pub timeout: u32,
}
const _: () = assert!(size_of::<sched_watchdog>() == 8);

/// Sched pin override.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct sched_pin_override {
    /// Pcpu.
    pub pcpu: i32,
}
const _: () = assert!(size_of::<sched_pin_override>() == 4);

/// Domain exited normally.
pub const SHUTDOWN_poweroff: u32 = 0;
/// Clean up, kill, and then restart.
pub const SHUTDOWN_reboot: u32 = 1;
/// Clean up, save suspend info, kill.
pub const SHUTDOWN_suspend: u32 = 2;
/// Tell controller we've crashed.
pub const SHUTDOWN_crash: u32 = 3;
/// Restart because watchdog time expired.
pub const SHUTDOWN_watchdog: u32 = 4;
/// Domain asked to perform 'soft reset' for it.
pub const SHUTDOWN_soft_reset: u32 = 5;
/// Maximum valid shutdown reason.
pub const SHUTDOWN_MAX: u32 = 5;

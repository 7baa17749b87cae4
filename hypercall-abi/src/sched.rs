//! `xen/sched.h`: arguments of `sched_op`.

use crate::xen::{domid_t, guest_handle};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Give up the CPU, staying runnable. No argument.
pub const SCHEDOP_yield: u32 = 0;
/// Unmask events and sleep until one waits. No argument.
pub const SCHEDOP_block: u32 = 1;
/// Stop the domain, argument [`sched_shutdown`].
pub const SCHEDOP_shutdown: u32 = 2;
/// Sleep until one of some ports has an event or a time has come, argument [`sched_poll`].
pub const SCHEDOP_poll: u32 = 3;
/// Stop another domain (toolstack), argument [`sched_remote_shutdown`].
pub const SCHEDOP_remote_shutdown: u32 = 4;
/// Record a reason without stopping, argument [`sched_shutdown`].
pub const SCHEDOP_shutdown_code: u32 = 5;
/// Arm, poke or disarm a watchdog, argument [`sched_watchdog`].
pub const SCHEDOP_watchdog: u32 = 6;
/// Pin this vCPU to a CPU for a while (dom0), argument [`sched_pin_override`].
pub const SCHEDOP_pin_override: u32 = 7;

/// Why a domain stops.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct sched_shutdown {
    /// `SHUTDOWN_*`.
    pub reason: u32,
}
const _: () = assert!(size_of::<sched_shutdown>() == 4);

/// Argument of [`SCHEDOP_poll`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct sched_poll {
    /// Array of ports ([`evtchn_port_t`](crate::event_channel::evtchn_port_t)).
    pub ports: guest_handle,
    /// Its length, at most 128.
    pub nr_ports: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// System time in ns at which to stop waiting; 0 for never.
    pub timeout: u64,
}
const _: () = assert!(size_of::<sched_poll>() == 24);

/// Argument of [`SCHEDOP_remote_shutdown`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct sched_remote_shutdown {
    /// The domain.
    pub domain_id: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// `SHUTDOWN_*`.
    pub reason: u32,
}
const _: () = assert!(size_of::<sched_remote_shutdown>() == 8);

/// Argument of [`SCHEDOP_watchdog`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct sched_watchdog {
    /// Which watchdog; 0 asks for a new one.
    pub id: u32,
    /// Seconds until it fires; 0 disarms.
    pub timeout: u32,
}
const _: () = assert!(size_of::<sched_watchdog>() == 8);

/// Argument of [`SCHEDOP_pin_override`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct sched_pin_override {
    /// The CPU; negative ends the override.
    pub pcpu: i32,
}
const _: () = assert!(size_of::<sched_pin_override>() == 4);

/// The domain is done.
pub const SHUTDOWN_poweroff: u32 = 0;
/// Start it again.
pub const SHUTDOWN_reboot: u32 = 1;
/// Its state is to be saved.
pub const SHUTDOWN_suspend: u32 = 2;
/// It crashed.
pub const SHUTDOWN_crash: u32 = 3;
/// Its watchdog fired: start it again.
pub const SHUTDOWN_watchdog: u32 = 4;
/// Reset it in place, keeping its memory (kexec, kdump).
pub const SHUTDOWN_soft_reset: u32 = 5;
/// The highest reason.
pub const SHUTDOWN_MAX: u32 = 5;

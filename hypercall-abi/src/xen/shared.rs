//! `xen/xen.h`, part 3: the page shared by hypervisor and guest, and the PV clock in it.

use crate::arch_x86_64::{arch_shared_info, arch_vcpu_info, xen_ulong_t};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The PV clock of one vCPU. Read it as a sequence lock over `version`: system time now is
/// `system_time` + (((`tsc` - `tsc_timestamp`) << `tsc_shift`) * `tsc_to_system_mul`) >> 32, a
/// negative shift meaning a shift to the right.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_time_info {
    /// Odd while the hypervisor writes; changes with every update.
    pub version: u32,
    /// Unused; zero.
    pub pad0: u32,
    /// TSC at the last update.
    pub tsc_timestamp: u64,
    /// Nanoseconds since boot at the last update.
    pub system_time: u64,
    /// Nanoseconds per shifted TSC tick, as a 32-bit binary fraction.
    pub tsc_to_system_mul: u32,
    /// Left shift of the TSC difference; right if negative.
    pub tsc_shift: i8,
    /// `XEN_PVCLOCK_*`.
    pub flags: u8,
    /// Unused; zero.
    pub pad1: [u8; 2],
}
const _: () = assert!(size_of::<vcpu_time_info>() == 32);

/// The clocks of all vCPUs agree: no vCPU will see time go back.
pub const XEN_PVCLOCK_TSC_STABLE_BIT: u8 = 1;
/// The guest was stopped by its host; a watchdog should forgive.
pub const XEN_PVCLOCK_GUEST_STOPPED: u8 = 1 << 1;

/// What hypervisor and guest share about one vCPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_info {
    /// Set by the hypervisor when an event waits; the guest clears it before it looks.
    pub evtchn_upcall_pending: u8,
    /// While non-zero no upcall is made: the virtual interrupt flag, inverted.
    pub evtchn_upcall_mask: u8,
    /// Padding.
    pub _pad0: [u8; 6],
    /// Which words of [`shared_info::evtchn_pending`] to look at.
    pub evtchn_pending_sel: xen_ulong_t,
    /// The part that depends on the architecture.
    pub arch: arch_vcpu_info,
    /// This vCPU's clock.
    pub time: vcpu_time_info,
}
const _: () = assert!(size_of::<vcpu_info>() == 64);

/// The shared page of a domain. It may be mapped and changed on both sides at any time.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct shared_info {
    /// The first 32 vCPUs; others register their own place.
    pub vcpu_info: [vcpu_info; 32],
    /// A bit per port: an event waits. Set by the hypervisor, cleared by the guest.
    pub evtchn_pending: [xen_ulong_t; 64],
    /// A bit per port: no upcall for it. Written by the guest.
    pub evtchn_mask: [xen_ulong_t; 64],
    /// Odd while the wallclock is written, as in [`vcpu_time_info::version`].
    pub wc_version: u32,
    /// Wallclock at system time 0, seconds since 1970, low half.
    pub wc_sec: u32,
    /// Its nanoseconds.
    pub wc_nsec: u32,
    /// Its seconds, high half.
    pub wc_sec_hi: u32,
    /// The part that depends on the architecture.
    pub arch: arch_shared_info,
}
const _: () = assert!(size_of::<shared_info>() == 3136);

//! `xen/xen/shared.h`.

use crate::arch_x86_64::{arch_shared_info, arch_vcpu_info, xen_ulong_t};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Vcpu time info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_time_info {
    /// Updates to the following values are preceded and followed by an increment of 'version'.
    /// The guest can therefore detect updates by looking for changes to 'version'. If the
    /// least-significant bit of the version number is set then an update is in progress and the
    /// guest must wait to read a consistent set of values.
    pub version: u32,
    /// Pad0.
    pub pad0: u32,
    /// TSC at last update of time vals.
    pub tsc_timestamp: u64,
    /// Time, in nanosecs, since boot.
    pub system_time: u64,
    /// Current system time: system_time + ((((tsc - tsc_timestamp) &lt;&lt; tsc_shift) *
    /// tsc_to_system_mul) >> 32) CPU frequency (Hz): ((10^9 &lt;&lt; 32) / tsc_to_system_mul)
    /// >> tsc_shift.
    pub tsc_to_system_mul: u32,
    /// Tsc shift.
    pub tsc_shift: i8,
    /// Flags.
    pub flags: u8,
    /// Pad1.
    pub pad1: [u8; 2],
}
const _: () = assert!(size_of::<vcpu_time_info>() == 32);

/// Xen pvclock tsc stable bit.
pub const XEN_PVCLOCK_TSC_STABLE_BIT: u8 = 1;
/// Xen pvclock guest stopped.
pub const XEN_PVCLOCK_GUEST_STOPPED: u8 = 1 << 1;

/// Vcpu info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_info {
    /// 'evtchn_upcall_pending' is written non-zero by Xen to indicate a pending notification
    /// for a particular VCPU. It is then cleared by the guest OS /before/ checking for pending
    /// work, thus avoiding a set-and-check race.
    pub evtchn_upcall_pending: u8,
    /// Evtchn upcall mask.
    pub evtchn_upcall_mask: u8,
    /// Padding.
    pub _pad0: [u8; 6],
    /// Evtchn pending sel.
    pub evtchn_pending_sel: xen_ulong_t,
    /// Arch.
    pub arch: arch_vcpu_info,
    /// Time.
    pub time: vcpu_time_info,
}
const _: () = assert!(size_of::<vcpu_info>() == 64);

/// `incontents 200 startofday_shared Start-of-day shared data structure Xen/kernel shared data
/// -- pointer provided in start_info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct shared_info {
    /// Vcpu info.
    pub vcpu_info: [vcpu_info; 32],
    /// A domain can create "event channels" on which it can send and receive asynchronous event
    /// notifications.
    pub evtchn_pending: [xen_ulong_t; 64],
    /// Evtchn mask.
    pub evtchn_mask: [xen_ulong_t; 64],
    /// Version counter: see vcpu_time_info_t.
    pub wc_version: u32,
    /// Wc sec.
    pub wc_sec: u32,
    /// Wc nsec.
    pub wc_nsec: u32,
    /// Wc sec hi.
    pub wc_sec_hi: u32,
    /// Arch.
    pub arch: arch_shared_info,
}
const _: () = assert!(size_of::<shared_info>() == 3136);

//! `xen/callback.h`: arguments of `callback_op`.

use crate::arch_x86_64::xen_callback_t;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// An event waits.
pub const CALLBACKTYPE_event: u16 = 0;
/// A guest selector could not be loaded on the way back.
pub const CALLBACKTYPE_failsafe: u16 = 1;
/// SYSCALL from 64-bit user mode.
pub const CALLBACKTYPE_syscall: u16 = 2;
/// SYSENTER, in an obsolete numbering.
pub const CALLBACKTYPE_sysenter_deprecated: u16 = 3;
/// An NMI.
pub const CALLBACKTYPE_nmi: u16 = 4;
/// SYSENTER from user mode (Intel processors).
pub const CALLBACKTYPE_sysenter: u16 = 5;
/// SYSCALL from 32-bit user mode (AMD processors).
pub const CALLBACKTYPE_syscall32: u16 = 7;
/// Enter with events masked; event and NMI callbacks always do.
pub const CALLBACKF_mask_events: u16 = 1;
/// Set a callback, argument [`callback_register`].
pub const CALLBACKOP_register: u32 = 0;

/// Argument of [`CALLBACKOP_register`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct callback_register {
    /// `CALLBACKTYPE_*`.
    pub r#type: u16,
    /// `CALLBACKF_*`.
    pub flags: u16,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Virtual address of the entry point.
    pub address: xen_callback_t,
}
const _: () = assert!(size_of::<callback_register>() == 16);

/// Remove a callback, argument [`callback_unregister`]; -EINVAL for one that must stay.
pub const CALLBACKOP_unregister: u32 = 1;

/// Argument of [`CALLBACKOP_unregister`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct callback_unregister {
    /// `CALLBACKTYPE_*`.
    pub r#type: u16,
    /// Unused.
    pub _unused: u16,
}
const _: () = assert!(size_of::<callback_unregister>() == 4);

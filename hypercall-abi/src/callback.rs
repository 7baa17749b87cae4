//! `xen/callback.h`.

use crate::arch_x86_64::xen_callback_t;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// x86: Callback for event delivery.
pub const CALLBACKTYPE_event: u16 = 0;
/// x86: Failsafe callback when guest state cannot be restored by Xen.
pub const CALLBACKTYPE_failsafe: u16 = 1;
/// x86/64 hypervisor: Syscall by 64-bit guest app ('64-on-64-on-64').
pub const CALLBACKTYPE_syscall: u16 = 2;
/// x86/32 hypervisor: Only available on x86/32 when supervisor_mode_kernel feature is enabled.
pub const CALLBACKTYPE_sysenter_deprecated: u16 = 3;
/// x86: Callback for NMI delivery.
pub const CALLBACKTYPE_nmi: u16 = 4;
/// x86: sysenter is only available as follows: - 32-bit hypervisor: with the
/// supervisor_mode_kernel feature enabled - 64-bit hypervisor: 32-bit guest applications on
/// Intel CPUs ('32-on-32-on-64', '32-on-64-on-64') \[nb. also 64-bit guest applications on
/// Intel CPUs ('64-on-64-on-64'), but syscall is preferred\].
pub const CALLBACKTYPE_sysenter: u16 = 5;
/// x86/64 hypervisor: Syscall by 32-bit guest app on AMD CPUs ('32-on-32-on-64',
/// '32-on-64-on-64').
pub const CALLBACKTYPE_syscall32: u16 = 7;
/// Disable event deliver during callback? This flag is ignored for event and NMI callbacks:
/// event delivery is unconditionally disabled.
pub const CALLBACKF_mask_events: u16 = 1;
/// Register a callback.
pub const CALLBACKOP_register: u32 = 0;

/// Callback register.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct callback_register {
    /// Type.
    pub r#type: u16,
    /// Flags.
    pub flags: u16,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Address.
    pub address: xen_callback_t,
}
const _: () = assert!(size_of::<callback_register>() == 16);

/// Unregister a callback.
pub const CALLBACKOP_unregister: u32 = 1;

/// Callback unregister.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct callback_unregister {
    /// Type.
    pub r#type: u16,
    /// Unused.
    pub _unused: u16,
}
const _: () = assert!(size_of::<callback_unregister>() == 4);

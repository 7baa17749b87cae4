//! How domains end, and what is done about it.

use hypercall_abi::domctl::*;
use hypercall_abi::sched::*;

use crate::config::{DomainConfig, EndAction};

/// How a domain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// SHUTDOWN_poweroff
    Poweroff,
    /// SHUTDOWN_reboot
    Reboot,
    /// SHUTDOWN_suspend
    Suspend,
    /// SHUTDOWN_crash, or a reason that cannot be acted upon.
    Crash,
    /// The hypervisor no longer knows it, or is taking it apart.
    Gone,
}

impl End {
    /// The end that getdomaininfo's flags tell of, if any.
    #[allow(non_upper_case_globals)] // constants of sched.h as patterns
    pub fn of(flags: u32) -> Option<End> {
        if flags & XEN_DOMINF_dying != 0 {
            return Some(End::Gone);
        }
        if flags & XEN_DOMINF_shutdown == 0 {
            return None;
        }
        Some(
            match (flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask {
                SHUTDOWN_poweroff => End::Poweroff,
                SHUTDOWN_reboot => End::Reboot,
                SHUTDOWN_suspend => End::Suspend,
                _ => End::Crash,
            },
        )
    }

    /// In words: "guest1 ...".
    pub fn describe(self) -> &'static str {
        match self {
            End::Poweroff => "powered off",
            End::Reboot => "asked for a reboot",
            End::Suspend => "suspended",
            End::Crash => "crashed",
            End::Gone => "is gone",
        }
    }

    /// What a configuration says is to follow.
    pub fn action(self, config: &DomainConfig) -> EndAction {
        match self {
            End::Poweroff => config.on_end.poweroff,
            End::Reboot => config.on_end.reboot,
            End::Crash => config.on_end.crash,
            End::Suspend => EndAction::Preserve,
            End::Gone => EndAction::Destroy,
        }
    }
}

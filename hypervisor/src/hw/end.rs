//! The end of the machine.

use hypervisor_core::platform::Shutdown;

use crate::arch::{cpu, ipi};
use crate::logging::{self, Panic};
use crate::{power, stretches};

/// Ends the machine in the one way or the other.
pub(super) fn shutdown(how: Shutdown) -> ! {
    stretches::print();
    match how {
        Shutdown::Poweroff => {
            info!("Powering off");
            alone();
            power::switch_off();
            error!("This machine cannot be switched off by software: halted");
        }
        Shutdown::Reboot => {
            info!("Restarting");
            alone();
            power::restart();
        }
        Shutdown::Halt => {
            info!("Halted");
            alone();
        }
    }
    cpu::halt_forever()
}

/// Stops the other CPUs. What they held stays locked, and so the log no longer waits.
fn alone() {
    if logging::begin_panic() == Panic::Elsewhere {
        ipi::stop_here();
    }
    ipi::stop_others();
}

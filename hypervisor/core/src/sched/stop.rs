//! The end of a domain's running: shutdown, and coming to rest.

use core::sync::atomic::Ordering;

use hypercall_abi::sched::{SHUTDOWN_crash, SHUTDOWN_poweroff};
use hypercall_abi::xen::VIRQ_DOM_EXC;

use super::run::settle_domain;
use crate::domain::{Domain, DomainState};
use crate::hypervisor::Hypervisor;
use crate::platform::{Machine, Shutdown};

/// Shuts a domain down for `reason` (`SHUTDOWN_*`): none of its vCPUs runs any more, the control
/// domain hears of it, and it stays until it is destroyed or resumed. A reason that the domain
/// latched before wins. If it is the control domain, the machine ends.
pub fn shutdown<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, reason: u8) {
    let mut state = dom.lock();
    let reason = *state.sched.shutdown_code.get_or_insert(reason);
    if dom.is_privileged() {
        drop(state);
        end_machine(hv, reason);
    }
    if dom.shutdown.load(Ordering::Relaxed) != 0 {
        return;
    }
    dom.shutdown.store(u16::from(reason) + 1, Ordering::Relaxed);
    settle_domain(hv, dom, &mut state);
    drop(state);
    crate::evtchn::virq::send_to_control_domain(hv, VIRQ_DOM_EXC);
}

/// The control domain ended: so does the machine.
fn end_machine<M: Machine>(hv: &Hypervisor<M>, reason: u8) -> ! {
    if u32::from(reason) == SHUTDOWN_poweroff {
        log::info!("dom0 powers the machine off");
        hv.machine.shutdown(Shutdown::Poweroff);
    }
    if u32::from(reason) == SHUTDOWN_crash {
        log::error!("dom0 crashed");
    }
    if hv.config.noreboot {
        log::info!("dom0 ended with reason {reason}; noreboot: the machine halts");
        hv.machine.shutdown(Shutdown::Halt);
    }
    log::info!("dom0 ended with reason {reason}; the machine restarts");
    hv.machine.shutdown(Shutdown::Reboot);
}

/// Takes a shutdown back (after a suspend that was cancelled, or for a checkpoint).
pub fn resume<M: Machine>(hv: &Hypervisor<M>, dom: &Domain) {
    let mut state = dom.lock();
    state.sched.shutdown_code = None;
    dom.shutdown.store(0, Ordering::Relaxed);
    settle_domain(hv, dom, &mut state);
}

/// Whether none of a domain's vCPUs is on a CPU.
#[must_use]
pub fn stopped(state: &DomainState) -> bool {
    state.vcpus.iter().all(|v| v.sched.running.is_none())
}

/// Takes the vCPUs of a domain that may not run (paused, shut down, destroyed) off their CPUs; true
/// once all have come off, else to be asked again after this CPU has seen to its interrupts.
pub fn stop<M: Machine>(hv: &Hypervisor<M>, dom: &Domain) -> bool {
    let mut state = dom.lock();
    settle_domain(hv, dom, &mut state);
    stopped(&state)
}

//! Debug keys (`xl debug-keys`): questions that are answered in the log.

use core::sync::atomic::Ordering;

use hypercall_abi::vcpu::{RUNSTATE_runnable, RUNSTATE_running};
use hypercall_abi::xen::VIRQ_DEBUG;

use crate::evtchn::virq;
use crate::hypervisor::Hypervisor;
use crate::platform::{Machine, Shutdown};
use crate::sched::share::share;

/// Acts on a key.
pub(super) fn pressed<M: Machine>(hv: &Hypervisor<M>, key: u8) {
    match key {
        b'h' => {
            log::info!(
                "keys: h this list, i interrupts, m memory, n NMIs, q domains, r CPU time, R restart the \
                 machine, W try out the watchdog"
            )
        }
        b'i' => (hv.irqs.lock())
            .show(&|slot, what, number, pirq| has(hv.domains.slot(slot).id(), what, number, pirq)),
        b'm' => log::info!(
            "memory: {} pages in all, {} free; {} bytes of the heap used",
            hv.frames.ram_frames(),
            hv.frames.free_frames(),
            hv.machine.heap_used()
        ),
        b'n' => log::info!(
            "NMIs on this CPU, {}: {}",
            hv.machine.cpu(),
            hv.machine.nmis()
        ),
        b'q' => domains(hv),
        b'r' => cpu_time(hv),
        b'R' => {
            log::info!("restarting the machine: asked for by a debug key");
            hv.machine.shutdown(Shutdown::Reboot)
        }
        b'W' => {
            log::info!(
                "this CPU, {}, stops here if it is watched",
                hv.machine.cpu()
            );
            hv.machine.try_out_watchdog();
            log::info!("it is not watched");
        }
        _ => log::info!("no debug key {:?}; h lists them", char::from(key)),
    }
}

/// Shows something that a domain has, by two numbers.
#[cold]
#[inline(never)]
fn has(id: u16, what: &str, first: u64, second: u64) {
    log::info!("d{id} has {what} {first:x}, {second:x}");
}

/// What every vCPU had by the same moment.
fn cpu_time<M: Machine>(hv: &Hypervisor<M>) {
    let now = hv.machine.now();
    log::info!("scheduler {}, at {now} ns", hv.sched.policy().kind().name());
    for dom in hv.domains.iter() {
        let (weight, cap) = share(dom).unwrap_or_default();
        log::info!("d{}: weight {weight}, cap {cap} %", dom.id());
        for (index, vcpu) in dom.lock().vcpus.iter().enumerate() {
            let time = vcpu.sched.runstate(now).time;
            log::info!(
                "  d{}v{index}: ran {} ns, waited {} ns",
                dom.id(),
                time[RUNSTATE_running as usize],
                time[RUNSTATE_runnable as usize]
            );
        }
    }
}

/// Shows every domain, and asks the domain itself to show what it knows: `VIRQ_DEBUG` on each vCPU, as
/// on real Xen.
fn domains<M: Machine>(hv: &Hypervisor<M>) {
    for dom in hv.domains.iter() {
        let mut state = dom.lock();
        log::info!(
            "d{}: {:?}, {} of {} pages, {} pauses, shutdown {}",
            dom.id(),
            dom.phase(),
            dom.tot_pages.load(Ordering::Relaxed),
            dom.max_pages.load(Ordering::Relaxed),
            dom.pauses.load(Ordering::Relaxed),
            dom.shutdown.load(Ordering::Relaxed)
        );
        dom.show_rights(&|what, first, last| has(dom.id(), what, first, last));
        for (index, vcpu) in state.vcpus.iter().enumerate() {
            let s = &vcpu.sched;
            log::info!(
                "  d{}v{index}: up {}, blocked {}, CPU {}, running {}",
                dom.id(),
                vcpu.up,
                s.blocked,
                s.account.cpu,
                s.running.is_some()
            );
        }
        for index in 0..state.vcpus.len() as u16 {
            virq::send_locked(hv, dom, &mut state, index, VIRQ_DEBUG);
        }
    }
}

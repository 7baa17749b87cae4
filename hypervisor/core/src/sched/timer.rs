//! Guest timers: firing those that are due, and arming the CPU's own.

use core::sync::atomic::Ordering;

use hypercall_abi::sched::SHUTDOWN_watchdog;
use hypercall_abi::xen::VIRQ_TIMER;

use super::heap::{Entry, Unit, Who};
use super::run::wake_locked;
use super::share::{CAP, refill};
use super::stop::shutdown;
use crate::domain::{Domain, DomainState};
use crate::evtchn::virq;
use crate::hypervisor::Hypervisor;
use crate::pirq::storm;
use crate::platform::{CpuId, Machine, Nanos};
use crate::vcpu::Vcpu;

/// [`Who::index`] of an entry that is a domain's watchdogs.
pub(super) const WATCHDOG: u16 = u16::MAX;

/// [`Who::index`] of an entry that is for a domain's interrupts which are held back.
const HELD: u16 = u16::MAX - 2;

/// Most deadlines that one pass serves; the CPU's timer brings it back for the rest.
const BATCH: usize = 64;

/// Arms this CPU's timer for `deadline` unless it fires earlier anyway.
#[inline]
pub(super) fn arm_by<M: Machine>(hv: &Hypervisor<M>, deadline: Nanos) {
    let cpu = hv.sched.cpu(hv.machine.cpu());
    if deadline < cpu.armed.load(Ordering::Relaxed) {
        cpu.armed.store(deadline, Ordering::Relaxed);
        hv.machine.arm_timer(deadline);
    }
}

/// Arms this CPU's timer for `deadline`, whatever it is armed for.
pub(super) fn arm_at<M: Machine>(hv: &Hypervisor<M>, cpu: CpuId, deadline: Nanos) {
    let cpu = hv.sched.cpu(cpu);
    if cpu.armed.swap(deadline, Ordering::Relaxed) != deadline {
        hv.machine.arm_timer(deadline);
    }
}

/// Fires the deadlines of the vCPU that runs here.
pub(super) fn fire_own<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, vcpu: &mut Vcpu, now: Nanos) {
    let timers = &mut vcpu.timers;
    if timers.next_running() > now {
        return;
    }
    if timers.singleshot <= now {
        timers.singleshot = Nanos::MAX;
    }
    if timers.period != 0 && timers.ticked.saturating_add(timers.period) <= now {
        timers.ticked = now;
    }
    virq::send(hv, dom, vcpu.id.index, VIRQ_TIMER);
}

/// Fires what is due in this CPU's queue.
pub(super) fn fire_due<M: Machine>(hv: &Hypervisor<M>, cpu: CpuId, now: Nanos) {
    for _ in 0..BATCH {
        let due = {
            let mut queue = hv.sched.queues.queue(cpu);
            match queue.timers.first() {
                Some(first) if first.key <= now => queue.timers.pop(),
                _ => None,
            }
        };
        let Some(due) = due else { return };
        let dom = hv.domains.slot(due.what.slot);
        match due.what.index {
            WATCHDOG => fire_watchdogs(hv, dom, due.unit, now),
            HELD => storm::let_through(hv, dom, cpu, due.unit, now),
            CAP => refill(hv, dom, cpu, due.unit, now),
            _ => fire_parked(hv, dom, cpu, &due, now),
        }
    }
}

/// Fires the deadlines of a vCPU that does not run.
fn fire_parked<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    cpu: CpuId,
    due: &Entry<Who>,
    now: Nanos,
) {
    let mut state = dom.lock();
    let Some(vcpu) = state.vcpus.get_mut(usize::from(due.what.index)) else {
        return;
    };
    let s = &mut vcpu.sched;
    // Since it left the queue, it may have started to run, moved, or been replaced.
    if s.account.unit != Some(due.unit) || s.timer_cpu != Some(cpu) || s.running.is_some() {
        return;
    }
    s.timer_cpu = None;
    let singleshot = s.timers.singleshot <= now;
    let poll = s.timers.poll <= now;
    if singleshot {
        s.timers.singleshot = Nanos::MAX;
    }
    if poll {
        s.timers.poll = Nanos::MAX;
    }
    park(hv, dom, &mut state, due.what.index, cpu);
    if singleshot {
        virq::send_locked(hv, dom, &mut state, due.what.index, VIRQ_TIMER);
    }
    if poll {
        wake_locked(hv, dom, &mut state, due.what.index);
    }
}

/// Enters the next deadline of a vCPU that does not run into `cpu`'s queue.
pub(super) fn park<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    index: u16,
    cpu: CpuId,
) {
    let Some(vcpu) = state.vcpus.get_mut(usize::from(index)) else {
        return;
    };
    let s = &mut vcpu.sched;
    let (Some(unit), deadline) = (s.account.unit, s.timers.next_parked()) else {
        return;
    };
    if deadline == Nanos::MAX {
        return;
    }
    s.timer_cpu = Some(cpu);
    insert(hv, cpu, deadline, unit, dom, index);
}

/// Enters a deadline of `dom` into `cpu`'s queue.
pub(super) fn insert<M: Machine>(
    hv: &Hypervisor<M>,
    cpu: CpuId,
    key: Nanos,
    unit: Unit,
    dom: &Domain,
    index: u16,
) {
    let what = Who {
        slot: dom.slot,
        index,
    };
    let entry = Entry { key, unit, what };
    hv.sched.queues.queue(cpu).timers.insert(entry);
}

/// Has what is held back of `dom`'s interrupts let through at `deadline`, by this CPU.
pub(crate) fn call_held<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, unit: Unit, deadline: Nanos) {
    insert(hv, hv.machine.cpu(), deadline, unit, dom, HELD);
    arm_by(hv, deadline);
}

/// Takes a vCPU's deadline out of the queue it is in.
pub(super) fn unpark<M: Machine>(hv: &Hypervisor<M>, state: &mut DomainState, index: u16) {
    let Some(vcpu) = state.vcpus.get_mut(usize::from(index)) else {
        return;
    };
    if let (Some(cpu), Some(unit)) = (vcpu.sched.timer_cpu.take(), vcpu.sched.account.unit) {
        hv.sched.queues.queue(cpu).timers.remove(unit);
    }
}

/// Enters a domain's next watchdog deadline into the queue, or takes it out.
pub(super) fn park_watchdogs<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
) {
    let Some((unit, cpu)) = state.sched.watchdog_unit else {
        return;
    };
    let next = state.sched.watchdogs.iter().flatten().min().copied();
    let Some(key) = next else {
        hv.sched.queues.queue(cpu).timers.remove(unit);
        return;
    };
    insert(hv, cpu, key, unit, dom, WATCHDOG);
    if cpu == hv.machine.cpu() {
        arm_by(hv, key);
    } else {
        super::run::poke(hv, cpu);
    }
}

fn fire_watchdogs<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, unit: Unit, now: Nanos) {
    let mut state = dom.lock();
    if state.sched.watchdog_unit.map(|(u, _)| u) != Some(unit) {
        return;
    }
    let mut expired = false;
    for watchdog in &mut state.sched.watchdogs {
        if watchdog.is_some_and(|deadline| deadline <= now) {
            *watchdog = None;
            expired = true;
        }
    }
    park_watchdogs(hv, dom, &mut state);
    drop(state);
    if expired {
        log::warn!("d{}: watchdog expired", dom.id());
        shutdown(hv, dom, SHUTDOWN_watchdog as u8);
    }
}

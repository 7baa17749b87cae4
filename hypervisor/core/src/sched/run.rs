//! What makes a vCPU ready to run, or keeps it from running: waking, pausing, creation, removal.

use core::sync::atomic::Ordering;

use super::heap::{Entry, Who};
use super::queue::{Queue, SLEEPER_BONUS};
use super::{Scheduler, VcpuSched};
use crate::domain::{Domain, DomainState, Phase, VcpuShared};
use crate::error::{Errno, Result};
use crate::hypervisor::Hypervisor;
use crate::platform::{CpuId, Machine, Nanos};

/// Period of the ticker that every vCPU starts with, as on real Xen: 100 Hz.
const FIRST_PERIOD: Nanos = 10_000_000;

/// Whether nothing but the want of a CPU keeps the vCPU from running.
#[must_use]
pub fn is_ready(dom: &Domain, vcpu: &VcpuShared) -> bool {
    vcpu.up
        && vcpu.initialised
        && !vcpu.sched.blocked
        && vcpu.sched.pauses == 0
        && vcpu.sched.unit.is_some()
        && dom.pauses.load(Ordering::Relaxed) == 0
        && dom.shutdown.load(Ordering::Relaxed) == 0
        && dom.phase() == Phase::Alive
}

/// Makes `cpu` think again about what it runs.
pub(super) fn poke<M: Machine>(hv: &Hypervisor<M>, cpu: CpuId) {
    // Whoever set the flag first has sent the interrupt; the CPU clears it before it looks.
    let first = !hv.sched.cpu(cpu).resched.swap(true, Ordering::AcqRel);
    if cpu == hv.machine.cpu() {
        hv.machine.attend();
    } else if first {
        hv.machine.kick(cpu);
    }
}

/// Puts a vCPU where it belongs after something changed that decides whether it may run. Its
/// domain's lock is held.
pub fn settle<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, state: &mut DomainState, index: u16) {
    let Some(vcpu) = state.vcpus.get_mut(usize::from(index)) else {
        return;
    };
    let ready = is_ready(dom, vcpu);
    let s = &mut vcpu.sched;
    if let Some(cpu) = s.running {
        // Its CPU looks at the flags itself once it is asked to.
        if !ready || !may_run_on(s, cpu) {
            poke(hv, cpu);
        }
        return;
    }
    let now = hv.machine.now();
    s.enter(s.waiting_state(ready), now);
    if s.queued && !(ready && may_run_on(s, s.cpu)) {
        dequeue(&hv.sched, s);
    }
    if ready && !s.queued {
        enqueue(hv, dom, s, index, now);
    }
}

/// Whether the vCPU's affinity allows a CPU.
pub(super) fn may_run_on(s: &VcpuSched, cpu: CpuId) -> bool {
    s.affinity >> cpu & 1 != 0
}

/// The CPU that a vCPU shall wait for: the one it ran on, unless another allowed one is idle; in
/// both cases rather one that it prefers.
fn choose_cpu(sched: &Scheduler, s: &VcpuSched) -> CpuId {
    let allowed = s.affinity & sched.all();
    let allowed = if allowed == 0 { sched.all() } else { allowed };
    let idle = allowed & sched.idle.load(Ordering::Relaxed);
    let liked = s.preference;
    for set in [idle & liked, idle, allowed & liked, allowed] {
        if set >> s.cpu & 1 != 0 {
            return s.cpu;
        }
        if set != 0 {
            return set.trailing_zeros();
        }
    }
    0
}

/// A virtual time of `from`'s queue in terms of `to`'s: as far from the clock there as here.
pub(super) fn translate_vtime(sched: &Scheduler, vtime: u64, from: CpuId, to: CpuId) -> u64 {
    if from == to {
        return vtime;
    }
    let ahead = vtime.wrapping_sub(sched.cpu(from).clock.load(Ordering::Relaxed)) as i64;
    let clock = sched.cpu(to).clock.load(Ordering::Relaxed);
    clock.saturating_add_signed(ahead)
}

fn enqueue<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    s: &mut VcpuSched,
    index: u16,
    now: Nanos,
) {
    let Some(unit) = s.unit else { return };
    let target = choose_cpu(&hv.sched, s);
    let vtime = translate_vtime(&hv.sched, s.vtime, s.cpu, target);
    let cpu = hv.sched.cpu(target);
    let mut queue = cpu.queue.lock();
    let clock = advance_clock(&hv.sched, target, &mut queue, now);
    s.vtime = vtime.max(clock.saturating_sub(SLEEPER_BONUS));
    s.cpu = target;
    s.queued = true;
    let who = Who {
        slot: dom.slot,
        index,
    };
    queue.ready.insert(Entry {
        key: s.vtime,
        unit,
        who,
    });
    cpu.waiting
        .store(queue.ready.len() as u32, Ordering::Relaxed);
    let concerned = queue.concerns_cpu(s.vtime, now);
    // The next one to look for an idle CPU finds another. One that stays idle says so again.
    hv.sched.idle.fetch_and(!(1 << target), Ordering::Relaxed);
    drop(queue);
    if concerned {
        poke(hv, target);
    }
}

/// Advances a queue's clock, also for those who read it without the lock.
pub(super) fn advance_clock(sched: &Scheduler, cpu: CpuId, queue: &mut Queue, now: Nanos) -> u64 {
    let clock = queue.advance_clock(now);
    sched.cpu(cpu).clock.store(clock, Ordering::Relaxed);
    clock
}

fn dequeue(sched: &Scheduler, s: &mut VcpuSched) {
    let cpu = sched.cpu(s.cpu);
    let mut queue = cpu.queue.lock();
    if let Some(unit) = s.unit {
        queue.ready.remove(unit);
    }
    cpu.waiting
        .store(queue.ready.len() as u32, Ordering::Relaxed);
    s.queued = false;
}

/// An upcall became pending for a vCPU: wakes it if it waits, makes it look if it runs elsewhere.
pub(crate) fn notify<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    index: u16,
) {
    let Some(vcpu) = state.vcpus.get_mut(usize::from(index)) else {
        return;
    };
    if vcpu.sched.blocked {
        wake_locked(hv, dom, state, index);
    } else if let Some(cpu) = vcpu.sched.running
        && cpu != hv.machine.cpu()
    {
        // On its way out of the interrupt it sees the pending upcall.
        hv.machine.kick(cpu);
    }
}

/// Ends a vCPU's waiting, of whatever kind.
pub(crate) fn wake_locked<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    index: u16,
) {
    let DomainState { vcpus, events, .. } = state;
    let Some(vcpu) = vcpus.get_mut(usize::from(index)) else {
        return;
    };
    vcpu.sched.blocked = false;
    if vcpu.sched.poll.take().is_some() {
        events.stop_polling(index);
    }
    settle(hv, dom, state, index);
}

/// Ends a vCPU's waiting, of whatever kind.
pub fn wake<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, index: u16) {
    wake_locked(hv, dom, &mut dom.lock(), index);
}

/// Puts every vCPU of a domain where it belongs.
pub fn settle_domain<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, state: &mut DomainState) {
    for index in 0..state.vcpus.len() as u16 {
        settle(hv, dom, state, index);
    }
}

/// Pauses a domain once more. Whether it has come to rest is told by [`super::stopped`].
///
/// # Errors
/// `EINVAL` when it cannot be paused more often.
pub fn pause_domain<M: Machine>(hv: &Hypervisor<M>, dom: &Domain) -> Result<()> {
    let mut state = dom.lock();
    let pauses = dom.pauses.load(Ordering::Relaxed);
    let more = pauses.checked_add(1).ok_or(Errno::EINVAL)?;
    dom.pauses.store(more, Ordering::Relaxed);
    settle_domain(hv, dom, &mut state);
    Ok(())
}

/// Takes back one pause.
///
/// # Errors
/// `EINVAL` when there is none.
pub fn unpause_domain<M: Machine>(hv: &Hypervisor<M>, dom: &Domain) -> Result<()> {
    let mut state = dom.lock();
    let pauses = dom.pauses.load(Ordering::Relaxed);
    let fewer = pauses.checked_sub(1).ok_or(Errno::EINVAL)?;
    dom.pauses.store(fewer, Ordering::Relaxed);
    settle_domain(hv, dom, &mut state);
    Ok(())
}

/// Pauses one vCPU once more.
///
/// # Errors
/// `ENOENT` when there is none, `EINVAL` when it cannot be paused more often.
pub fn pause_vcpu<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, index: u16) -> Result<()> {
    change_pauses(hv, dom, index, |pauses| pauses.checked_add(1))
}

/// Takes back one pause of a vCPU.
///
/// # Errors
/// `ENOENT` when there is no such vCPU, `EINVAL` when it is not paused.
pub fn unpause_vcpu<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, index: u16) -> Result<()> {
    change_pauses(hv, dom, index, |pauses| pauses.checked_sub(1))
}

fn change_pauses<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    index: u16,
    change: impl FnOnce(u32) -> Option<u32>,
) -> Result<()> {
    let mut state = dom.lock();
    let vcpu = state
        .vcpus
        .get_mut(usize::from(index))
        .ok_or(Errno::ENOENT)?;
    vcpu.sched.pauses = change(vcpu.sched.pauses).ok_or(Errno::EINVAL)?;
    settle(hv, dom, &mut state, index);
    Ok(())
}

/// Gives a vCPU's weight and cap to all vCPUs of a domain.
///
/// # Errors
/// `EINVAL` for a weight of 0.
pub fn set_share(dom: &Domain, weight: u16, cap: u16) -> Result<()> {
    if weight == 0 {
        return Err(Errno::EINVAL);
    }
    for vcpu in &mut dom.lock().vcpus {
        vcpu.sched.weight = weight;
        vcpu.sched.cap = cap;
    }
    Ok(())
}

/// A vCPU was added to its domain: it can be scheduled once it is initialised and up.
///
/// # Errors
/// `ENOMEM`; `ENOSPC` when there are too many vCPUs in all.
pub fn vcpu_created<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, index: u16) -> Result<()> {
    let unit = hv.sched.take_unit()?;
    let mut state = dom.lock();
    let Some(vcpu) = state.vcpus.get_mut(usize::from(index)) else {
        drop(state);
        hv.sched.give_unit(unit);
        return Err(Errno::ENOENT);
    };
    let now = hv.machine.now();
    // Spread over the CPUs, so that a new machine is busy everywhere.
    let cpu = CpuId::from(unit) % hv.sched.cpus();
    vcpu.sched = VcpuSched {
        unit: Some(unit),
        cpu,
        vtime: hv.sched.cpu(cpu).clock.load(Ordering::Relaxed),
        since: now,
        ..VcpuSched::default()
    };
    vcpu.sched.timers.period = FIRST_PERIOD;
    vcpu.sched.timers.ticked = now;
    settle(hv, dom, &mut state, index);
    Ok(())
}

/// A vCPU that does not run leaves its domain: the scheduler forgets it, its timers, and with the
/// first vCPU the domain's watchdogs.
pub fn vcpu_destroyed<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, index: u16) {
    let mut state = dom.lock();
    if index == 0
        && let Some((unit, _)) = state.sched.watchdog_unit.take()
    {
        state.sched.watchdogs = [None; 2];
        hv.sched.give_unit(unit);
    }
    let Some(vcpu) = state.vcpus.get_mut(usize::from(index)) else {
        return;
    };
    debug_assert!(vcpu.sched.running.is_none(), "it still runs");
    if vcpu.sched.queued {
        dequeue(&hv.sched, &mut vcpu.sched);
    }
    vcpu.sched.timer_cpu = None;
    if let Some(unit) = vcpu.sched.unit.take() {
        hv.sched.give_unit(unit);
    }
}

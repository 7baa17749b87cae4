//! What makes a vCPU ready to run, or keeps it from running: waking, pausing, creation, removal.

use core::sync::atomic::Ordering;

use super::account::Account;
use super::heap::Who;
use super::policy::Policy;
use super::queues::Concern;
use super::timer::arm_by;
use super::{VcpuSched, share};
use crate::domain::{Domain, DomainState, VcpuShared};
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
        && !vcpu.sched.capped
        && vcpu.sched.account.unit.is_some()
        && dom.pauses.load(Ordering::Relaxed) == 0
        && dom.shutdown.load(Ordering::Relaxed) == 0
        && !dom.ending.load(Ordering::Relaxed)
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
    let online = vcpu.up;
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
    let account = &mut s.account;
    account.slept |= !ready;
    if !ready || !is_well_placed(hv, account) {
        hv.sched.queues.dequeue(account);
    }
    let keeps_cpu = online && account.affinity.contains(account.cpu);
    if !keeps_cpu && let Some(freed) = hv.sched.policy.released(account) {
        poke(hv, freed);
    }
    if ready && account.queued.is_none() {
        let who = Who {
            slot: dom.slot,
            index,
        };
        match hv.sched.queues.enqueue(&hv.sched.policy, account, who, now) {
            // What runs here runs on until then.
            Some(Concern {
                cpu,
                later: Some(at),
            }) if cpu == hv.machine.cpu() => arm_by(hv, at),
            Some(Concern { cpu, .. }) => poke(hv, cpu),
            None => {}
        }
    }
}

/// Whether the queue that a vCPU waits in, if it does, is one of a CPU that it may run on, or of none.
fn is_well_placed<M: Machine>(hv: &Hypervisor<M>, account: &Account) -> bool {
    let homeless = hv.sched.queues.homeless();
    account
        .queued
        .is_none_or(|at| at == homeless || account.affinity.contains(at))
}

/// Places a vCPU anew after its affinity changed. Its domain's lock is held.
pub fn requeue<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, state: &mut DomainState, index: u16) {
    if let Some(vcpu) = state.vcpus.get_mut(usize::from(index)) {
        hv.sched.queues.dequeue(&mut vcpu.sched.account);
    }
    settle(hv, dom, state, index);
}

/// Whether the vCPU's affinity allows a CPU.
pub(super) fn may_run_on(s: &VcpuSched, cpu: CpuId) -> bool {
    s.account.affinity.contains(cpu)
}

/// An upcall became pending for a vCPU that waited a moment ago: wakes it.
pub(crate) fn wake_waiting<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    index: u16,
) {
    let vcpu = state.vcpus.get(usize::from(index));
    if vcpu.is_some_and(|vcpu| vcpu.sched.blocked) {
        wake_locked(hv, dom, state, index);
    }
}

/// Ends a vCPU's waiting, of whatever kind.
pub(crate) fn wake_locked<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    index: u16,
) {
    let Some(vcpu) = state.vcpus.get_mut(usize::from(index)) else {
        return;
    };
    vcpu.sched.blocked = false;
    vcpu.sched.tell_senders(hv, dom, index);
    if vcpu.sched.poll.take().is_some() {
        dom.senders.root().set_polling(hv.machine, index, false);
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

/// Adds a vCPU to its domain, behind those there are: it can be scheduled once it is initialised and
/// up.
///
/// # Errors
/// `ENOMEM`; `ENOSPC` when there are too many vCPUs in all.
pub fn add_vcpu<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    mut vcpu: VcpuShared,
) -> Result<()> {
    let unit = hv.sched.take_unit()?;
    let now = hv.machine.now();
    // Spread over the CPUs, so that a new machine is busy everywhere.
    let cpu = CpuId::from(unit) % hv.sched.cpus();
    vcpu.sched = VcpuSched {
        account: Account {
            unit: Some(unit),
            cpu,
            ..Account::default()
        },
        since: now,
        ..VcpuSched::default()
    };
    vcpu.sched.timers.period = FIRST_PERIOD;
    vcpu.sched.timers.ticked = now;
    let index = state.vcpus.len() as u16;
    state.vcpus.push(vcpu);
    settle(hv, dom, state, index);
    Ok(())
}

/// The last vCPU, which does not run, leaves its domain: the scheduler forgets it, its timers, and
/// with the first vCPU the domain's watchdogs.
pub fn remove_vcpu<M: Machine>(hv: &Hypervisor<M>, state: &mut DomainState) {
    let Some(mut vcpu) = state.vcpus.pop() else {
        return;
    };
    if state.vcpus.is_empty()
        && let Some((unit, _)) = state.sched.watchdog_unit.take()
    {
        state.sched.watchdogs = [None; 2];
        hv.sched.give_unit(unit);
    }
    if state.vcpus.is_empty() {
        share::forget(hv, state);
    }
    debug_assert!(vcpu.sched.running.is_none(), "it still runs");
    let account = &mut vcpu.sched.account;
    hv.sched.queues.dequeue(account);
    if let Some(freed) = hv.sched.policy.released(account) {
        poke(hv, freed);
    }
    if let Some(unit) = account.unit.take() {
        hv.sched.give_unit(unit);
    }
}

//! Weights and caps: what the toolstack sets, and what becomes of a domain whose cap is used up.

use super::cap::Cap;
use super::heap::Unit;
use super::run::settle_domain;
use super::timer::insert;
use crate::domain::{Domain, DomainState};
use crate::error::{Errno, Result};
use crate::hypervisor::Hypervisor;
use crate::platform::{CpuId, Machine, Nanos};

/// [`super::heap::Who::index`] of an entry that is a domain's cap.
pub(super) const CAP: u16 = u16::MAX - 1;

/// A domain's weight and cap, percent of one CPU; of one without vCPUs `None`.
#[must_use]
pub fn share(dom: &Domain) -> Option<(u16, u16)> {
    let state = dom.lock();
    let weight = state.vcpus.first()?.sched.account.weight;
    Some((weight, state.sched.cap.percent()))
}

/// Sets the weight of all vCPUs of a domain, unless it is 0, and how much CPU time it gets at most,
/// in percent of one CPU; 0 for no limit.
///
/// # Errors
/// `EINVAL` for a cap above what its vCPUs could use, though the weight is set then, as on real
/// Xen; `ENOMEM`, `ENOSPC`.
pub fn set_share<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    weight: u16,
    cap: u16,
) -> Result<()> {
    let mut state = dom.lock();
    if weight != 0 {
        for vcpu in &mut state.vcpus {
            vcpu.sched.account.weight = weight;
        }
    }
    if usize::from(cap) > 100 * state.vcpus.len() {
        return Err(Errno::EINVAL);
    }
    if cap != 0 && state.sched.cap_unit.is_none() {
        let unit = hv.sched.take_unit()?;
        state.sched.cap_unit = Some((unit, hv.machine.cpu()));
    }
    if cap != state.sched.cap.percent() {
        state.sched.cap = Cap::new(cap, hv.machine.now());
        release(hv, dom, &mut state);
        if cap != 0 {
            // So that those that run are measured by it.
            let running = state.vcpus.iter().filter_map(|v| v.sched.running);
            running.for_each(|cpu| super::run::poke(hv, cpu));
        }
    }
    Ok(())
}

/// The time that a vCPU which `cpu` runs has used is taken off its domain's cap. If that is used up,
/// none of the domain's vCPUs is ready any more, until it is refilled by `cpu`.
pub(super) fn spend<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    cpu: CpuId,
    ran: Nanos,
    now: Nanos,
) {
    if !state.sched.cap.is_set() || !state.sched.cap.spend(ran, now) {
        return;
    }
    for vcpu in &mut state.vcpus {
        vcpu.sched.capped = true;
    }
    settle_domain(hv, dom, state);
    await_refill(hv, dom, state, cpu);
}

fn await_refill<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, state: &mut DomainState, cpu: CpuId) {
    let at = state.sched.cap.ready_at();
    if let Some((unit, of)) = state.sched.cap_unit.as_mut() {
        *of = cpu;
        insert(hv, cpu, at, *unit, dom, CAP);
    }
}

/// When a vCPU that runs from `now` on has to be asked whether the cap still lets it.
pub(super) fn cap_end(state: &DomainState, now: Nanos) -> Nanos {
    let cap = &state.sched.cap;
    if !cap.is_set() {
        return Nanos::MAX;
    }
    let running = |v: &&crate::domain::VcpuShared| v.sched.running.is_some();
    let running = state.vcpus.iter().filter(running).count();
    now.saturating_add(cap.allows(running))
}

/// A domain's cap is due to be refilled, by `cpu`.
pub(super) fn refill<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    cpu: CpuId,
    unit: Unit,
    now: Nanos,
) {
    let mut state = dom.lock();
    if state.sched.cap_unit != Some((unit, cpu)) || !state.sched.cap.is_empty() {
        return;
    }
    // vCPUs that ran on until they were told may owe some.
    if state.sched.cap.is_ready(now) {
        release(hv, dom, &mut state);
    } else {
        await_refill(hv, dom, &mut state, cpu);
    }
}

/// The domain's vCPUs no longer wait for its cap.
fn release<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, state: &mut DomainState) {
    for vcpu in &mut state.vcpus {
        vcpu.sched.capped = false;
    }
    settle_domain(hv, dom, state);
}

/// The domain goes: its cap with it.
pub(super) fn forget<M: Machine>(hv: &Hypervisor<M>, state: &mut DomainState) {
    state.sched.cap = Cap::default();
    if let Some((unit, _)) = state.sched.cap_unit.take() {
        hv.sched.give_unit(unit);
    }
}

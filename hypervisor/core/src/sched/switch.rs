//! The way from one vCPU to the next on a CPU.

use core::sync::atomic::Ordering;

use hypercall_abi::vcpu::RUNSTATE_running;

use super::heap::Who;
use super::policy::Policy;
use super::queue::Taken;
use super::queues::Turn;
use super::run::{is_ready, may_run_on, settle};
use super::timer::{arm_at, fire_due, fire_own, park, unpark};
use super::{Cpu, area, share, upcall_due};
use crate::domain::{Domain, DomainState, lifecycle};
use crate::entry::Resume;
use crate::hypervisor::Hypervisor;
use crate::platform::{CpuId, Machine, Nanos};
use crate::vcpu::VcpuBox;

/// Passes over the work that others sent meanwhile before a ready vCPU runs on regardless.
const PASSES: u32 = 4;

/// The way out of the hypervisor when there is something to decide: fires timers, charges the
/// current vCPU for its time, switches if another shall run, arms the timer, delivers events.
#[cold]
#[inline(never)]
pub(super) fn reschedule<M: Machine>(hv: &Hypervisor<M>, cpu: &mut Cpu) -> Resume {
    loop {
        if let Some(vcpu) = cpu.current.as_mut() {
            lifecycle::see_to_crash(hv, vcpu);
        }
        settle_cpu(hv, cpu);
        arm(hv, cpu, hv.machine.now());
        let Some(vcpu) = cpu.current.as_mut() else {
            hv.tlb.leave_guests(cpu.id);
            return Resume::Idle;
        };
        if core::mem::take(&mut vcpu.nmi) {
            crate::trap::bounce::nmi(hv, vcpu);
        }
        if upcall_due(hv, vcpu) {
            crate::trap::bounce::event(hv, vcpu);
        }
        // A guest without room for the callback's frame is dead now: something else runs.
        if !vcpu.reschedule {
            return Resume::Guest;
        }
    }
}

/// Does what there is to do until nothing asks for more, or a ready vCPU has waited long enough.
fn settle_cpu<M: Machine>(hv: &Hypervisor<M>, cpu: &mut Cpu) {
    let me = hv.sched.cpu(cpu.id);
    for pass in 1.. {
        me.resched.store(false, Ordering::Release);
        let now = hv.machine.now();
        fire_due(hv, cpu.id, now);
        one_pass(hv, cpu, now);
        let again = me.resched.load(Ordering::Acquire);
        if !again || (cpu.current.is_some() && pass >= PASSES) {
            return;
        }
    }
}

fn one_pass<M: Machine>(hv: &Hypervisor<M>, cpu: &mut Cpu, now: Nanos) {
    let Some(mut current) = cpu.current.take() else {
        let next = pick(hv, cpu.id, None, now);
        if let Some(mut vcpu) = next {
            hv.sched.cpu(cpu.id).idle.ends(now);
            begin(hv, cpu, &mut vcpu, now);
            cpu.current = Some(vcpu);
        }
        return;
    };
    let dom = hv.domains.slot(current.slot);
    fire_own(hv, dom, &mut current, now);
    let next = match decide(hv, cpu, dom, &mut current, now) {
        Turn::Same => {
            cpu.current = Some(current);
            return;
        }
        Turn::Switch(taken) => pick(hv, cpu.id, Some(taken), now),
        Turn::Next => pick(hv, cpu.id, None, now),
    };
    hv.machine.save_vcpu(&mut current);
    match next {
        Some(mut vcpu) => {
            begin(hv, cpu, &mut vcpu, now);
            cpu.current = Some(vcpu);
        }
        None => {
            hv.sched.cpu(cpu.id).idle.begins(now);
            hv.machine.unload_vcpu();
        }
    }
    // Only now: until the CPU had loaded something else, it still used what this vCPU holds.
    put_home(hv, cpu.id, dom, current, now);
}

/// Charges the current vCPU and decides whether it runs on.
fn decide<M: Machine>(
    hv: &Hypervisor<M>,
    cpu: &mut Cpu,
    dom: &Domain,
    current: &mut VcpuBox,
    now: Nanos,
) -> Turn {
    current.reschedule = false;
    let (queues, policy) = (&hv.sched.queues, &hv.sched.policy);
    let index = usize::from(current.id.index);
    let mut state = dom.lock();
    let Some(shared) = state.vcpus.get_mut(index) else {
        return Turn::Next;
    };
    let ran = queues.charge(cpu.id, &mut shared.sched.account, now);
    share::spend(hv, dom, &mut state, cpu.id, ran, now);
    cpu.cap_end = share::cap_end(&state, now);
    let Some(shared) = state.vcpus.get_mut(index) else {
        return Turn::Next;
    };
    let ready = is_ready(dom, shared);
    let s = &mut shared.sched;
    if let Some(period) = s.new_period.take() {
        current.timers.period = period;
        current.timers.ticked = now;
    }
    current.nmi |= core::mem::take(&mut s.nmi);
    let able = ready && may_run_on(s, cpu.id);
    let turn = queues.turn(policy, cpu.id, &mut s.account, able, now);
    if turn == Turn::Same {
        if current.clock_stale {
            area::update_clock(hv, current, s);
        }
    } else {
        s.enter(s.waiting_state(ready), now);
        area::update_runstate(hv, current, s, now);
    }
    turn
}

/// Takes a vCPU that is ready for `cpu`: `first` if that still is, else what the policy says. Marks
/// the CPU idle if there is none.
fn pick<M: Machine>(
    hv: &Hypervisor<M>,
    cpu: CpuId,
    first: Option<Taken>,
    now: Nanos,
) -> Option<VcpuBox> {
    let mut candidate = first;
    loop {
        let taken = match candidate.take() {
            Some(taken) => taken,
            None => hv.sched.queues.next(&hv.sched.policy, cpu, now)?,
        };
        if let Some(vcpu) = take(hv, cpu, &taken, now) {
            return Some(vcpu);
        }
        hv.sched.policy.returned(&hv.sched.queues, cpu, &taken);
    }
}

/// Takes a vCPU from its home that was taken from a queue, if that still spoke the truth and the
/// vCPU may run on `cpu`.
fn take<M: Machine>(hv: &Hypervisor<M>, cpu: CpuId, taken: &Taken, now: Nanos) -> Option<VcpuBox> {
    let Who { slot, index } = taken.who;
    let dom = hv.domains.slot(slot);
    let mut state = dom.lock();
    let shared = state.vcpus.get_mut(usize::from(index))?;
    let info = shared.info;
    let account = &mut shared.sched.account;
    if account.unit != Some(taken.unit) || account.queued != Some(taken.from) {
        return None;
    }
    account.queued = None;
    account.vtime = taken.vtime;
    let ready = is_ready(dom, shared);
    let s = &mut shared.sched;
    if !ready || !may_run_on(s, cpu) {
        // Not for this CPU: where else it belongs is decided afresh.
        settle(hv, dom, &mut state, index);
        return None;
    }
    let home = dom.homes.lock().get_mut(usize::from(index))?.take();
    let Some(mut vcpu) = home else {
        debug_assert!(false, "a ready vCPU that is not at home");
        return None;
    };
    let (queues, policy) = (&hv.sched.queues, &hv.sched.policy);
    queues.begin(policy, cpu, &mut s.account, taken, now);
    s.running = Some(cpu);
    s.tell_senders(hv, dom, index);
    s.enter(RUNSTATE_running, now);
    vcpu.runstate = s.runstate(now);
    vcpu.ran_from = now.wrapping_sub(s.cpu_time(now));
    vcpu.timers = s.timers;
    vcpu.timers.poll = Nanos::MAX;
    if let Some(period) = s.new_period.take() {
        vcpu.timers.period = period;
    }
    vcpu.info = info;
    vcpu.nmi |= core::mem::take(&mut s.nmi);
    unpark(hv, &mut state, index);
    Some(vcpu)
}

/// Loads a vCPU that was taken for this CPU, and brings what its guest reads up to date.
fn begin<M: Machine>(hv: &Hypervisor<M>, cpu: &mut Cpu, vcpu: &mut VcpuBox, now: Nanos) {
    hv.tlb.enter_guests(cpu.id);
    hv.machine.load_vcpu(vcpu);
    vcpu.reschedule = false;
    let dom = hv.domains.slot(vcpu.slot);
    {
        let mut state = dom.lock();
        cpu.cap_end = share::cap_end(&state, now);
        if let Some(shared) = state.vcpus.get_mut(usize::from(vcpu.id.index)) {
            area::update_clock(hv, vcpu, &mut shared.sched);
            area::update_runstate(hv, vcpu, &shared.sched, now);
        }
    }
    fire_own(hv, dom, vcpu, now);
}

/// Puts a vCPU that no longer runs home, parks its timers, and queues it if it is ready.
fn put_home<M: Machine>(hv: &Hypervisor<M>, cpu: CpuId, dom: &Domain, vcpu: VcpuBox, now: Nanos) {
    let index = vcpu.id.index;
    let mut state = dom.lock();
    let DomainState { vcpus, .. } = &mut *state;
    let Some(shared) = vcpus.get_mut(usize::from(index)) else {
        return;
    };
    let s = &mut shared.sched;
    s.timers = vcpu.timers;
    s.running = None;
    if s.blocked && s.poll.is_some() && s.timers.poll <= now {
        // The poll ended before it began.
        s.timers.poll = Nanos::MAX;
        s.blocked = false;
        s.poll = None;
        dom.senders.root().set_polling(hv.machine, index, false);
    }
    s.tell_senders(hv, dom, index);
    if let Some(home) = dom.homes.lock().get_mut(usize::from(index)) {
        *home = Some(vcpu);
    }
    park(hv, dom, &mut state, index, cpu);
    settle(hv, dom, &mut state, index);
}

/// Arms the CPU's timer for the first of: the current vCPU's next deadline, when another may have to
/// run instead or its domain's cap may be used up, the next deadline of those that do not run.
fn arm<M: Machine>(hv: &Hypervisor<M>, cpu: &mut Cpu, now: Nanos) {
    let queues = &hv.sched.queues;
    let mut deadline = queues.plan(&hv.sched.policy, cpu.id, now);
    if let Some(vcpu) = &cpu.current {
        deadline = deadline.min(vcpu.timers.next_running()).min(cpu.cap_end);
    }
    let parked = queues.queue(cpu.id).timers.first().map(|e| e.key);
    arm_at(hv, cpu.id, deadline.min(parked.unwrap_or(Nanos::MAX)));
}

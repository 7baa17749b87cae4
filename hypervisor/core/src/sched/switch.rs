//! The way from one vCPU to the next on a CPU.

use core::sync::atomic::Ordering;

use hypercall_abi::vcpu::RUNSTATE_running;

use super::heap::{Entry, Who};
use super::queue::{Queue, Running, SLICE, virtual_time};
use super::run::{advance_clock, is_ready, may_run_on, settle, translate_vtime};
use super::timer::{arm_at, fire_due, fire_own, park, unpark};
use super::{Cpu, area, upcall_due};
use crate::domain::{Domain, DomainState, lifecycle};
use crate::entry::Resume;
use crate::hypervisor::Hypervisor;
use crate::platform::{CpuId, Machine, Nanos};
use crate::vcpu::VcpuBox;

/// Passes over the work that others sent meanwhile before a ready vCPU runs on regardless.
const PASSES: u32 = 4;

/// What a CPU does next.
enum Next {
    /// Runs on what it runs.
    Same,
    /// Runs what was taken from a queue.
    Switch(Entry),
    /// Runs nothing that it knows of.
    Nothing,
}

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
            begin(hv, cpu, &mut vcpu, now);
            cpu.current = Some(vcpu);
        }
        return;
    };
    let dom = hv.domains.slot(current.slot);
    fire_own(hv, dom, &mut current, now);
    let next = match decide(hv, cpu, dom, &mut current, now) {
        Next::Same => {
            cpu.current = Some(current);
            return;
        }
        Next::Switch(entry) => pick(hv, cpu.id, Some(entry), now),
        Next::Nothing => pick(hv, cpu.id, None, now),
    };
    hv.machine.save_vcpu(&mut current);
    match next {
        Some(mut vcpu) => {
            begin(hv, cpu, &mut vcpu, now);
            cpu.current = Some(vcpu);
        }
        None => hv.machine.unload_vcpu(),
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
) -> Next {
    current.reschedule = false;
    let index = current.id.index;
    let mut state = dom.lock();
    let Some(shared) = state.vcpus.get_mut(usize::from(index)) else {
        return Next::Nothing;
    };
    let ready = is_ready(dom, shared);
    let s = &mut shared.sched;
    if let Some(period) = s.new_period.take() {
        current.timers.period = period;
        current.timers.ticked = now;
    }
    current.nmi |= core::mem::take(&mut s.nmi);
    let allowed = may_run_on(s, cpu.id);
    let mut queue = hv.sched.cpu(cpu.id).queue.lock();
    charge(&mut queue, &mut s.vtime, s.weight, now);
    advance_clock(&hv.sched, cpu.id, &mut queue, now);
    let slice_over = now >= cpu.slice_end;
    if ready && allowed && !queue.overtakes(s.vtime, slice_over) {
        if slice_over {
            cpu.slice_end = now.saturating_add(SLICE);
        }
        if let Some(running) = queue.running.as_mut() {
            running.yielded = false;
        }
        drop(queue);
        let stale = current.clock_stale;
        if stale {
            area::update_clock(hv, current, &mut shared.sched);
        }
        return Next::Same;
    }
    let next = queue.ready.pop();
    if let (Some(next), true) = (&next, queue.running.is_some_and(|r| r.yielded)) {
        // Who yields lets the other go first even if it was behind.
        s.vtime = s.vtime.max(next.key);
    }
    hv.sched
        .cpu(cpu.id)
        .waiting
        .store(queue.ready.len() as u32, Ordering::Relaxed);
    drop(queue);
    s.enter(s.waiting_state(ready), now);
    area::update_runstate(hv, current, &shared.sched, now);
    match next {
        Some(entry) => Next::Switch(entry),
        None => Next::Nothing,
    }
}

/// Adds the time since the last charge to the running vCPU's virtual time.
fn charge(queue: &mut Queue, vtime: &mut u64, weight: u16, now: Nanos) {
    let Some(running) = queue.running.as_mut() else {
        return;
    };
    let ran = now.saturating_sub(running.since);
    *vtime = vtime.saturating_add(virtual_time(ran, weight));
    running.vtime = *vtime;
    running.since = now;
    running.weight = weight;
}

/// Takes a vCPU that is ready for `cpu`: `first` if that still is, else from its queue, else from
/// another's. Marks the CPU idle if there is none.
fn pick<M: Machine>(
    hv: &Hypervisor<M>,
    cpu: CpuId,
    first: Option<Entry>,
    now: Nanos,
) -> Option<VcpuBox> {
    let mut candidate = first;
    loop {
        while let Some(entry) = candidate.take().or_else(|| pop(hv, cpu)) {
            if let Some(vcpu) = take(hv, cpu, &entry, cpu, now) {
                return Some(vcpu);
            }
        }
        if let Some(vcpu) = steal(hv, cpu, now) {
            return Some(vcpu);
        }
        let mut queue = hv.sched.cpu(cpu).queue.lock();
        if queue.ready.is_empty() {
            queue.running = None;
            hv.sched.idle.fetch_or(1 << cpu, Ordering::Relaxed);
            return None;
        }
    }
}

/// Takes the first element out of a CPU's ready queue.
fn pop<M: Machine>(hv: &Hypervisor<M>, cpu: CpuId) -> Option<Entry> {
    let of = hv.sched.cpu(cpu);
    let mut queue = of.queue.lock();
    let entry = queue.ready.pop()?;
    of.waiting
        .store(queue.ready.len() as u32, Ordering::Relaxed);
    Some(entry)
}

/// Takes a vCPU that waits for another CPU; one attempt for each.
fn steal<M: Machine>(hv: &Hypervisor<M>, cpu: CpuId, now: Nanos) -> Option<VcpuBox> {
    let cpus = hv.sched.cpus();
    (1..cpus)
        .map(|distance| (cpu + distance) % cpus)
        .filter(|&from| hv.sched.cpu(from).waiting.load(Ordering::Relaxed) != 0)
        .find_map(|from| take(hv, cpu, &pop(hv, from)?, from, now))
}

/// Takes the vCPU of a queue entry from its home, if the entry still speaks the truth and the vCPU
/// may run on `cpu`.
fn take<M: Machine>(
    hv: &Hypervisor<M>,
    cpu: CpuId,
    entry: &Entry,
    from: CpuId,
    now: Nanos,
) -> Option<VcpuBox> {
    let Who { slot, index } = entry.who;
    let dom = hv.domains.slot(slot);
    let mut state = dom.lock();
    let shared = state.vcpus.get_mut(usize::from(index))?;
    let info = shared.info;
    let s = &mut shared.sched;
    if s.unit != Some(entry.unit) || !s.queued || s.cpu != from {
        return None;
    }
    s.queued = false;
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
    s.vtime = translate_vtime(&hv.sched, s.vtime, from, cpu);
    s.cpu = cpu;
    s.running = Some(cpu);
    s.enter(RUNSTATE_running, now);
    let running = Running {
        vtime: s.vtime,
        since: now,
        weight: s.weight,
        yielded: false,
    };
    vcpu.timers = s.timers;
    vcpu.timers.poll = Nanos::MAX;
    if let Some(period) = s.new_period.take() {
        vcpu.timers.period = period;
    }
    vcpu.info = info;
    vcpu.nmi |= core::mem::take(&mut s.nmi);
    unpark(hv, &mut state, index);
    hv.sched.cpu(cpu).queue.lock().running = Some(running);
    hv.sched.idle.fetch_and(!(1 << cpu), Ordering::Relaxed);
    Some(vcpu)
}

/// Loads a vCPU that was taken for this CPU, and brings what its guest reads up to date.
fn begin<M: Machine>(hv: &Hypervisor<M>, cpu: &mut Cpu, vcpu: &mut VcpuBox, now: Nanos) {
    hv.tlb.enter_guests(cpu.id);
    hv.machine.load_vcpu(vcpu);
    cpu.slice_end = now.saturating_add(SLICE);
    vcpu.reschedule = false;
    let dom = hv.domains.slot(vcpu.slot);
    {
        let mut state = dom.lock();
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
        state.events.stop_polling(index);
    }
    if let Some(home) = dom.homes.lock().get_mut(usize::from(index)) {
        *home = Some(vcpu);
    }
    park(hv, dom, &mut state, index, cpu);
    settle(hv, dom, &mut state, index);
}

/// Arms the CPU's timer for the first of: the current vCPU's next deadline, the end of its slice if
/// somebody waits, the next deadline of those that do not run.
fn arm<M: Machine>(hv: &Hypervisor<M>, cpu: &mut Cpu, now: Nanos) {
    let mut queue = hv.sched.cpu(cpu.id).queue.lock();
    let mut deadline = queue.timers.first().map_or(Nanos::MAX, |e| e.key);
    if let Some(vcpu) = &cpu.current {
        deadline = deadline.min(vcpu.timers.next_running());
        queue.slice_armed = !queue.ready.is_empty();
        if queue.slice_armed {
            if cpu.slice_end <= now {
                cpu.slice_end = now.saturating_add(SLICE);
            }
            deadline = deadline.min(cpu.slice_end);
        }
    }
    drop(queue);
    arm_at(hv, cpu.id, deadline);
}

//! The sched_op and set_timer_op hypercalls (sched.h, xen.h).

use core::mem::offset_of;

use hypercall_abi::sched::*;
use hypercall_abi::xen::vcpu_info;

use super::cpuset::CpuSet;
use super::run::poke;
use super::timer::{arm_by, park_watchdogs};
use super::{Poll, stop, upcall_due};
use crate::domain::DomainState;
use crate::error::{Errno, HypercallResult, Result};
use crate::evtchn::{pending, virq};
use crate::guest::{GuestSlice, copy_in};
use crate::hypercall::Cx;
use crate::platform::{CpuId, Machine, Nanos};

pub use super::vcpu_op::{quick_vcpu_op, vcpu_op};

/// Most ports of one poll.
const MAX_POLL_PORTS: usize = 128;
/// A `set_timer_op` deadline this far ahead or farther is taken for one that wrapped: 13 days.
const FAR: u64 = 1 << 50;
/// When a deadline that wrapped fires instead.
const SOON: Nanos = 100_000_000;
const SECOND: Nanos = 1_000_000_000;

/// `HYPERVISOR_sched_op(cmd, arg)`.
///
/// # Errors
/// As each operation's in sched.h; `ENOSYS` for an unknown one.
pub fn sched_op<M: Machine>(cx: &mut Cx<'_, M>, cmd: u64, arg: u64) -> HypercallResult {
    match cmd as u32 {
        SCHEDOP_yield => {
            do_yield(cx);
            Ok(0)
        }
        SCHEDOP_block => {
            block(cx);
            Ok(0)
        }
        SCHEDOP_poll => poll(cx, arg),
        SCHEDOP_shutdown => {
            let s: sched_shutdown = copy_in(cx.m(), arg)?;
            stop::shutdown(cx.hv, cx.dom, s.reason as u8);
            cx.reschedule();
            Ok(0)
        }
        SCHEDOP_shutdown_code => {
            let s: sched_shutdown = copy_in(cx.m(), arg)?;
            let mut state = cx.dom.lock();
            state.sched.shutdown_code.get_or_insert(s.reason as u8);
            Ok(0)
        }
        SCHEDOP_remote_shutdown => remote_shutdown(cx, arg),
        SCHEDOP_watchdog => watchdog(cx, arg),
        SCHEDOP_pin_override => pin_override(cx, arg),
        _ => Err(Errno::ENOSYS.into()),
    }
}

fn do_yield<M: Machine>(cx: &mut Cx<'_, M>) {
    let (queues, cpu) = (&cx.hv.sched.queues, cx.m().cpu());
    if queues.first(cpu).is_none() {
        return;
    }
    queues.note_yield(cpu);
    cx.reschedule();
}

/// Unmasks upcalls and waits for one. That it waits is said before it looks, so that whoever raises
/// one now either is seen or wakes it.
fn block<M: Machine>(cx: &mut Cx<'_, M>) {
    let mut state = cx.dom.lock();
    if let Some(info) = cx.vcpu.info {
        let mask = offset_of!(vcpu_info, evtchn_upcall_mask);
        cx.m()
            .store_u8(info.mfn, usize::from(info.offset) + mask, 0);
    }
    let index = cx.vcpu.id.index;
    let Some(me) = state.vcpus.get_mut(usize::from(index)) else {
        return;
    };
    me.sched.blocked = true;
    me.sched.tell_senders(cx.hv, cx.dom, index);
    if upcall_due(cx.hv, cx.vcpu) {
        me.sched.blocked = false;
        me.sched.tell_senders(cx.hv, cx.dom, index);
        return;
    }
    cx.reschedule();
}

fn poll<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> HypercallResult {
    let asked: sched_poll = copy_in(cx.m(), arg)?;
    let count = asked.nr_ports as usize;
    if count > MAX_POLL_PORTS {
        return Err(Errno::EINVAL.into());
    }
    let slice = GuestSlice::<u32>::new(asked.ports, count as u64)?;
    let mut ports = [0; MAX_POLL_PORTS];
    for (i, port) in ports.iter_mut().enumerate().take(count) {
        *port = slice.read(cx.m(), i as u64)?;
    }
    let ports = &ports[..count];
    let mut state = cx.dom.lock();
    let index = cx.vcpu.id.index;
    let Some(me) = state.vcpus.get_mut(usize::from(index)) else {
        return Ok(0);
    };
    // As in `block`: first it waits, then it looks.
    me.sched.blocked = true;
    me.sched.poll = Some(match *ports {
        [port] => Poll::Port(port),
        _ => Poll::Any,
    });
    cx.dom.senders.root().set_polling(cx.m(), index, true);
    me.sched.tell_senders(cx.hv, cx.dom, index);
    let waits = must_wait(cx, &state, ports);
    if waits == Ok(true) {
        cx.vcpu.timers.poll = match asked.timeout {
            0 => Nanos::MAX,
            // A negative time is before the beginning.
            negative if negative.cast_signed() < 0 => 1,
            deadline => deadline,
        };
        cx.reschedule();
        return Ok(0);
    }
    if let Some(me) = state.vcpus.get_mut(usize::from(index)) {
        me.sched.blocked = false;
        me.sched.poll = None;
        me.sched.tell_senders(cx.hv, cx.dom, index);
    }
    cx.dom.senders.root().set_polling(cx.m(), index, false);
    waits?;
    Ok(0)
}

/// Whether nothing has happened that a poll of `ports` waits for.
fn must_wait<M: Machine>(cx: &Cx<'_, M>, state: &DomainState, ports: &[u32]) -> Result<bool> {
    if upcall_due(cx.hv, cx.vcpu) {
        return Ok(false);
    }
    for &port in ports {
        if port == 0 || !state.events.is_valid(port) {
            return Err(Errno::EINVAL);
        }
        if pending::is_set(cx.hv, state, port) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn remote_shutdown<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> HypercallResult {
    let s: sched_remote_shutdown = copy_in(cx.m(), arg)?;
    let dom = cx.hv.domains.find(s.domain_id)?;
    if !cx.dom.is_privileged() {
        return Err(Errno::EPERM.into());
    }
    stop::shutdown(cx.hv, dom, s.reason as u8);
    Ok(0)
}

/// Sets up, pokes or stops one of the domain's two watchdogs, numbered 1 and 2.
fn watchdog<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> HypercallResult {
    let asked: sched_watchdog = copy_in(cx.m(), arg)?;
    let mut state = cx.dom.lock();
    let slot = match (asked.id as usize).checked_sub(1) {
        Some(slot) => match state.sched.watchdogs.get(slot) {
            Some(Some(_)) => slot,
            _ => return Err(Errno::EINVAL.into()),
        },
        None if asked.timeout == 0 => return Err(Errno::EINVAL.into()),
        None => {
            let mut all = state.sched.watchdogs.iter();
            match all.position(Option::is_none) {
                Some(free) => free,
                // Real Xen's error here is 32 bits wide, and so a number to the guest.
                None => return Ok(i64::from(Errno::ENOSPC.negated() as u32)),
            }
        }
    };
    if state.sched.watchdog_unit.is_none() {
        let unit = cx.hv.sched.take_unit()?;
        state.sched.watchdog_unit = Some((unit, cx.m().cpu()));
    }
    let timeout = Nanos::from(asked.timeout) * SECOND;
    state.sched.watchdogs[slot] = match asked.timeout {
        0 => None,
        _ => Some(cx.m().now().saturating_add(timeout)),
    };
    park_watchdogs(cx.hv, cx.dom, &mut state);
    // Setting one up answers its number; anything else 0.
    Ok(if asked.id == 0 { slot as i64 + 1 } else { 0 })
}

fn pin_override<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> HypercallResult {
    if !cx.dom.is_privileged() {
        return Err(Errno::EPERM.into());
    }
    let asked: sched_pin_override = copy_in(cx.m(), arg)?;
    let mut state = cx.dom.lock();
    let index = usize::from(cx.vcpu.id.index);
    let s = &mut state.vcpus.get_mut(index).ok_or(Errno::EINVAL)?.sched;
    if asked.pcpu < 0 {
        s.account.affinity = s.pinned_over.take().ok_or(Errno::EINVAL)?.into();
        return Ok(0);
    }
    let cpu = asked.pcpu as CpuId;
    if cpu >= cx.hv.sched.cpus() {
        return Err(Errno::EINVAL.into());
    }
    if s.pinned_over.is_some() {
        return Err(Errno::EBUSY.into());
    }
    let before = core::mem::replace(&mut s.account.affinity, CpuSet::only(cpu));
    s.pinned_over = Some(before.mask());
    poke(cx.hv, cx.m().cpu());
    Ok(0)
}

/// `HYPERVISOR_set_timer_op(timeout)`: an absolute time in nanoseconds, 0 to stop the timer. A
/// negative one, or one many days ahead, is what a guest's arithmetic gives that wrapped: it has
/// something to do, so its timer fires soon.
///
/// # Errors
/// None.
#[inline(always)]
pub fn set_timer_op<M: Machine>(cx: &mut Cx<'_, M>, timeout: u64) -> HypercallResult {
    if timeout == 0 {
        cx.vcpu.timers.singleshot = Nanos::MAX;
        return Ok(0);
    }
    let now = cx.m().now();
    let wrapped = (timeout as i64) < 0 || timeout.saturating_sub(now) >= FAR;
    set_singleshot(cx, if wrapped { now + SOON } else { timeout }, now);
    Ok(0)
}

/// Sets the calling vCPU's timer. A deadline that is past at `now` fires at once.
#[inline]
pub(super) fn set_singleshot<M: Machine>(cx: &mut Cx<'_, M>, deadline: Nanos, now: Nanos) {
    if deadline <= now {
        cx.vcpu.timers.singleshot = Nanos::MAX;
        let index = cx.vcpu.id.index;
        virq::send(cx.hv, cx.dom, index, hypercall_abi::xen::VIRQ_TIMER);
        return;
    }
    cx.vcpu.timers.singleshot = deadline;
    arm_by(cx.hv, deadline);
}

/// The errno of a vCPU id that names none.
pub(super) fn vcpu_index<M: Machine>(cx: &Cx<'_, M>, id: u64) -> Result<usize> {
    if id as u32 == u32::from(cx.vcpu.id.index) {
        return Ok(usize::from(cx.vcpu.id.index));
    }
    let count = cx.dom.lock().vcpus.len();
    match usize::try_from(id as u32) {
        Ok(index) if index < count => Ok(crate::addr::clamp_index(index, count)),
        _ => Err(Errno::ENOENT),
    }
}

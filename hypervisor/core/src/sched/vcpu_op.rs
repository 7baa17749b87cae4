//! The vcpu_op hypercall (vcpu.h).

use core::mem::offset_of;

use hypercall_abi::vcpu::*;
use hypercall_abi::xen::vcpu_info;

use super::area;
use super::ops::{set_singleshot, vcpu_index};
use super::run::{poke, settle};
use super::stop;
use super::timer::arm_by;
use crate::addr::{Mfn, PAGE_SIZE};
use crate::error::{Errno, HypercallResult, Result};
use crate::guest::{copy_in, copy_out};
use crate::hypercall::Cx;
use crate::hypervisor::Hypervisor;
use crate::platform::{Machine, Nanos};
use crate::vcpu::{InfoArea, Vcpu};

/// Shortest period of the ticker.
const MIN_PERIOD: Nanos = 1_000_000;
/// Longest period of the ticker.
const MAX_PERIOD: Nanos = u64::MAX >> 2;

/// What guests ask of `vcpu_op` all the time, about the vCPU that asks: answers with 0, unless it is
/// false; then nothing has changed, and [`vcpu_op`] answers.
#[inline(always)]
pub fn quick_vcpu_op<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, args: [u64; 6]) -> bool {
    let [cmd, id, arg, ..] = args;
    if id as u32 != u32::from(vcpu.id.index) {
        return false;
    }
    match cmd as u32 {
        VCPUOP_get_runstate_info => {
            let ran = hv.machine.now().wrapping_sub(vcpu.ran_from);
            vcpu.runstate.time[RUNSTATE_running as usize] = ran;
            copy_out(hv.machine, arg, &vcpu.runstate).is_ok()
        }
        VCPUOP_stop_singleshot_timer => {
            vcpu.timers.singleshot = Nanos::MAX;
            true
        }
        VCPUOP_set_singleshot_timer => {
            // In one page with the deadline, the rest of the structure is there if that is.
            if arg % PAGE_SIZE as u64 > (PAGE_SIZE - size_of::<vcpu_set_singleshot_timer>()) as u64
            {
                return false;
            }
            let now = hv.machine.now();
            match copy_in::<Nanos, M>(hv.machine, arg) {
                Ok(deadline) if deadline > now && deadline.cast_signed() >= 0 => {
                    vcpu.timers.singleshot = deadline;
                    arm_by(hv, deadline);
                    true
                }
                _ => false,
            }
        }
        _ => false,
    }
}

/// `HYPERVISOR_vcpu_op(cmd, vcpuid, arg)`.
///
/// # Errors
/// `ENOENT` for a vCPU that was never created, then as each operation's in vcpu.h; `ENOSYS` for an
/// unknown one.
#[inline(never)]
pub fn vcpu_op<M: Machine>(cx: &mut Cx<'_, M>, cmd: u64, vcpuid: u64, arg: u64) -> HypercallResult {
    let index = vcpu_index(cx, vcpuid)?;
    match cmd as u32 {
        VCPUOP_initialise => initialise(cx, index, arg),
        VCPUOP_up => up(cx, index),
        VCPUOP_down => down(cx, index),
        VCPUOP_is_up => {
            let state = cx.dom.lock();
            Ok(i64::from(state.vcpus.get(index).is_some_and(|v| v.up)))
        }
        VCPUOP_get_runstate_info => {
            let now = cx.m().now();
            let info = match cx.dom.lock().vcpus.get(index) {
                Some(vcpu) => vcpu.sched.runstate(now),
                None => return Err(Errno::ENOENT.into()),
            };
            copy_out(cx.m(), arg, &info)?;
            Ok(0)
        }
        VCPUOP_register_runstate_memory_area => register_runstate(cx, index, arg),
        VCPUOP_set_periodic_timer => {
            let set: vcpu_set_periodic_timer = copy_in(cx.m(), arg)?;
            if !(MIN_PERIOD..=MAX_PERIOD).contains(&set.period_ns) {
                return Err(Errno::EINVAL.into());
            }
            set_period(cx, index, set.period_ns)
        }
        VCPUOP_stop_periodic_timer => set_period(cx, index, 0),
        VCPUOP_set_singleshot_timer => {
            only_self(cx, index)?;
            let set: vcpu_set_singleshot_timer = copy_in(cx.m(), arg)?;
            start_singleshot(cx, &set)
        }
        VCPUOP_stop_singleshot_timer => {
            only_self(cx, index)?;
            cx.vcpu.timers.singleshot = Nanos::MAX;
            Ok(0)
        }
        VCPUOP_register_vcpu_info => register_vcpu_info(cx, index, arg),
        VCPUOP_send_nmi => send_nmi(cx, index, arg),
        VCPUOP_get_physid => get_physid(cx, index, arg),
        VCPUOP_register_vcpu_time_memory_area => register_time(cx, index, arg),
        _ => Err(Errno::ENOSYS.into()),
    }
}

/// The physical CPU of a vCPU of dom0's that can only run there; others have none to tell.
fn get_physid<M: Machine>(cx: &Cx<'_, M>, index: usize, arg: u64) -> HypercallResult {
    let affinity = {
        let state = cx.dom.lock();
        let vcpu = state.vcpus.get(index).ok_or(Errno::ENOENT)?;
        vcpu.sched.account.affinity.mask()
    };
    let places = affinity & cx.hv.sched.all();
    if !cx.dom.is_privileged() || places.count_ones() != 1 {
        return Err(Errno::EINVAL.into());
    }
    let cpu = u64::from(places.trailing_zeros());
    // APIC and ACPI numbers, which are CPU numbers here.
    let told = vcpu_get_physid {
        phys_id: cpu << 32 | cpu,
    };
    copy_out(cx.m(), arg, &told)?;
    Ok(0)
}

fn is_self<M: Machine>(cx: &Cx<'_, M>, index: usize) -> bool {
    index == usize::from(cx.vcpu.id.index)
}

fn only_self<M: Machine>(cx: &Cx<'_, M>, index: usize) -> Result<()> {
    if is_self(cx, index) {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

fn initialise<M: Machine>(cx: &mut Cx<'_, M>, index: usize, arg: u64) -> HypercallResult {
    {
        let state = cx.dom.lock();
        let vcpu = state.vcpus.get(index).ok_or(Errno::ENOENT)?;
        if vcpu.info.is_none() {
            return Err(Errno::EINVAL.into());
        }
    }
    // An argument that is not there comes before a vCPU that is there already.
    let _: u64 = copy_in(cx.m(), arg)?;
    crate::domain::context::initialise(cx, index as u16, arg)
}

fn up<M: Machine>(cx: &mut Cx<'_, M>, index: usize) -> HypercallResult {
    let mut state = cx.dom.lock();
    let vcpu = state.vcpus.get_mut(index).ok_or(Errno::ENOENT)?;
    if vcpu.info.is_none() || !vcpu.initialised {
        return Err(Errno::EINVAL.into());
    }
    vcpu.up = true;
    settle(cx.hv, cx.dom, &mut state, index as u16);
    Ok(0)
}

/// Takes a vCPU down; a domain whose last vCPU goes down has powered itself off.
fn down<M: Machine>(cx: &mut Cx<'_, M>, index: usize) -> HypercallResult {
    let mut state = cx.dom.lock();
    let others_up = state
        .vcpus
        .iter()
        .enumerate()
        .any(|(i, v)| i != index && v.up);
    if !others_up {
        drop(state);
        stop::shutdown(cx.hv, cx.dom, hypercall_abi::sched::SHUTDOWN_poweroff as u8);
        cx.reschedule();
        return Ok(0);
    }
    let vcpu = state.vcpus.get_mut(index).ok_or(Errno::ENOENT)?;
    vcpu.up = false;
    settle(cx.hv, cx.dom, &mut state, index as u16);
    Ok(0)
}

fn register_runstate<M: Machine>(cx: &mut Cx<'_, M>, index: usize, arg: u64) -> HypercallResult {
    let area: vcpu_register_runstate_memory_area = copy_in(cx.m(), arg)?;
    if !area::acceptable(area.addr) {
        return Err(Errno::EFAULT.into());
    }
    let now = cx.m().now();
    let mut state = cx.dom.lock();
    let s = &mut state.vcpus.get_mut(index).ok_or(Errno::ENOENT)?.sched;
    s.runstate_area = (area.addr != 0).then_some(area.addr);
    if area.addr != 0 {
        // As on real Xen, an area that is not mapped yet is registered all the same.
        let _ = area::write_runstate(cx.m(), area.addr, &s.runstate(now), false);
    }
    Ok(0)
}

fn register_time<M: Machine>(cx: &mut Cx<'_, M>, index: usize, arg: u64) -> HypercallResult {
    let area: vcpu_register_time_memory_area = copy_in(cx.m(), arg)?;
    if !area::acceptable(area.addr) {
        return Err(Errno::EFAULT.into());
    }
    let mut state = cx.dom.lock();
    let s = &mut state.vcpus.get_mut(index).ok_or(Errno::ENOENT)?.sched;
    s.time_area = (area.addr != 0).then_some(area.addr);
    s.clock = None;
    refresh_clock(cx, index, s.running);
    Ok(0)
}

/// Has a vCPU's clock page written before it runs on.
fn refresh_clock<M: Machine>(cx: &mut Cx<'_, M>, index: usize, running: Option<u32>) {
    if is_self(cx, index) {
        cx.vcpu.clock_stale = true;
        cx.reschedule();
    } else if let Some(cpu) = running {
        poke(cx.hv, cpu);
    }
}

fn set_period<M: Machine>(cx: &mut Cx<'_, M>, index: usize, period: Nanos) -> HypercallResult {
    let now = cx.m().now();
    if is_self(cx, index) {
        cx.vcpu.timers.period = period;
        cx.vcpu.timers.ticked = now;
        arm_by(cx.hv, cx.vcpu.timers.next_running());
        return Ok(0);
    }
    let mut state = cx.dom.lock();
    let s = &mut state.vcpus.get_mut(index).ok_or(Errno::ENOENT)?.sched;
    if let Some(cpu) = s.running {
        s.new_period = Some(period);
        poke(cx.hv, cpu);
    } else {
        s.timers.period = period;
        s.timers.ticked = now;
    }
    Ok(0)
}

fn start_singleshot<M: Machine>(
    cx: &mut Cx<'_, M>,
    set: &vcpu_set_singleshot_timer,
) -> HypercallResult {
    // Real Xen 4.17 has ceased to refuse what `VCPU_SSHOTTMR_future` asked to be refused.
    // A time with the sign bit set is before the beginning: it is past.
    let past = (set.timeout_abs_ns as i64) < 0;
    let now = cx.m().now();
    set_singleshot(cx, if past { 0 } else { set.timeout_abs_ns }, now);
    Ok(0)
}

/// Moves a vCPU's `vcpu_info` to a page of the guest's, with what it says, and marks everything
/// pending so that nothing is lost on the way.
fn register_vcpu_info<M: Machine>(cx: &mut Cx<'_, M>, index: usize, arg: u64) -> HypercallResult {
    let asked: vcpu_register_vcpu_info = copy_in(cx.m(), arg)?;
    let offset = asked.offset as usize;
    let aligned = offset.is_multiple_of(align_of::<vcpu_info>());
    if offset > PAGE_SIZE - size_of::<vcpu_info>() || !aligned {
        return Err(Errno::ENXIO.into());
    }
    let mine = is_self(cx, index);
    let mut state = cx.dom.lock();
    let shared = state.shared_info;
    let vcpu = state.vcpus.get_mut(index).ok_or(Errno::ENOENT)?;
    let old = vcpu.info;
    let moved_before = old.is_some_and(|i| Some(i.mfn) != shared);
    if moved_before || (!mine && vcpu.up) {
        return Err(Errno::EINVAL.into());
    }
    let mfn = Mfn(asked.mfn);
    cx.hv
        .page_get_writable(cx.dom, mfn)
        .map_err(|_| Errno::EINVAL)?;
    let new = InfoArea {
        mfn,
        offset: offset as u16,
    };
    copy_info(cx, old, new);
    vcpu.info = Some(new);
    let root = cx.dom.senders.root();
    root.set_info(cx.m(), index as u16, Some(new));
    vcpu.sched.clock = None;
    let running = vcpu.sched.running;
    if mine {
        cx.vcpu.info = Some(new);
        cx.m().note_info(Some(new));
    }
    refresh_clock(cx, index, running);
    Ok(0)
}

fn copy_info<M: Machine>(cx: &Cx<'_, M>, old: Option<InfoArea>, new: InfoArea) {
    let m = cx.m();
    let mut bytes = [0; size_of::<vcpu_info>()];
    match old {
        Some(old) => m.read_frame(old.mfn, usize::from(old.offset), &mut bytes),
        // Upcalls of a vCPU that had no vcpu_info until now are masked.
        None => bytes[offset_of!(vcpu_info, evtchn_upcall_mask)] = 1,
    }
    let at = usize::from(new.offset);
    m.write_frame(new.mfn, at, &bytes);
    let selectors = at + offset_of!(vcpu_info, evtchn_pending_sel);
    m.store_u64(new.mfn, selectors, u64::MAX);
    m.store_u8(
        new.mfn,
        at + offset_of!(vcpu_info, evtchn_upcall_pending),
        1,
    );
}

fn send_nmi<M: Machine>(cx: &mut Cx<'_, M>, index: usize, arg: u64) -> HypercallResult {
    if arg != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mut state = cx.dom.lock();
    let s = &mut state.vcpus.get_mut(index).ok_or(Errno::ENOENT)?.sched;
    s.nmi = true;
    if is_self(cx, index) {
        cx.reschedule();
    } else if s.blocked {
        super::run::wake_locked(cx.hv, cx.dom, &mut state, index as u16);
    } else if let Some(cpu) = s.running {
        poke(cx.hv, cpu);
    }
    Ok(0)
}

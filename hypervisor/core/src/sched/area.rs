//! What a guest reads of time and scheduling in its own memory: the clock in `vcpu_info`, a second
//! copy of it, the runstate area, and the wall clock in `shared_info`.

use core::mem::offset_of;

use hypercall_abi::vcpu::{XEN_RUNSTATE_UPDATE, vcpu_runstate_info};
use hypercall_abi::xen::{
    VMASST_TYPE_runstate_update_flag, XEN_PVCLOCK_TSC_STABLE_BIT, shared_info, vcpu_info,
    vcpu_time_info,
};
use zerocopy::IntoBytes;

use super::VcpuSched;
use crate::addr::{Mfn, canonical, guest_range};
use crate::error::{Errno, Result};
use crate::guest::{copy_in, copy_out};
use crate::hypervisor::Hypervisor;
use crate::platform::{Machine, Nanos};
use crate::vcpu::{Mode, Vcpu};

const SECOND: Nanos = 1_000_000_000;

/// Brings the vCPU's clock up to date if it is stale or the CPU's parameters are others. The vCPU
/// is loaded.
pub(super) fn update_clock<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, sched: &mut VcpuSched) {
    let scale = hv.machine.tsc_scale();
    if !vcpu.clock_stale && sched.clock == Some(scale) {
        return;
    }
    let Some(info) = vcpu.info else { return };
    vcpu.clock_stale = false;
    sched.clock = Some(scale);
    let m = hv.machine;
    let at = usize::from(info.offset) + offset_of!(vcpu_info, time);
    let version = m.load_u32(info.mfn, at) | 1;
    let time = vcpu_time_info {
        version: version.wrapping_add(1),
        pad0: 0,
        tsc_timestamp: scale.tsc_timestamp,
        system_time: scale.system_time,
        tsc_to_system_mul: scale.tsc_to_system_mul,
        tsc_shift: scale.tsc_shift,
        flags: XEN_PVCLOCK_TSC_STABLE_BIT,
        pad1: [0; 2],
    };
    m.store_u32(info.mfn, at, version);
    let body = offset_of!(vcpu_time_info, pad0);
    m.write_frame(info.mfn, at + body, &time.as_bytes()[body..]);
    m.store_u32(info.mfn, at, time.version);
    if let Some(va) = sched.time_area {
        with_kernel_root(hv, vcpu, || {
            // A guest that unmapped its area loses nothing but its updates.
            let _ = write_second_clock(m, va, &time);
        });
    }
}

/// Writes the clock to its second place, as its reader expects: odd version, body, even version.
fn write_second_clock<M: Machine>(m: &M, va: u64, time: &vcpu_time_info) -> Result<()> {
    whole::<vcpu_time_info>(va)?;
    let old: u32 = copy_in(m, va)?;
    let odd = old | 1;
    copy_out(m, va, &odd)?;
    let body = offset_of!(vcpu_time_info, pad0);
    crate::guest::copy_out_bytes(m, va + body as u64, &time.as_bytes()[body..])?;
    copy_out(m, va, &odd.wrapping_add(1))
}

/// Writes the vCPU's runstate to where it registered. The vCPU is loaded.
pub(super) fn update_runstate<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &Vcpu,
    sched: &VcpuSched,
    now: Nanos,
) {
    let Some(va) = sched.runstate_area else {
        return;
    };
    let flagged = vcpu.arch.vm_assist & 1 << VMASST_TYPE_runstate_update_flag != 0;
    let runstate = sched.runstate(now);
    with_kernel_root(hv, vcpu, || {
        let _ = write_runstate(hv.machine, va, &runstate, flagged);
    });
}

/// Writes a runstate to guest memory; a guest that asked for it sees [`XEN_RUNSTATE_UPDATE`] set
/// while the rest changes.
pub(super) fn write_runstate<M: Machine>(
    m: &M,
    va: u64,
    runstate: &vcpu_runstate_info,
    flagged: bool,
) -> Result<()> {
    whole::<vcpu_runstate_info>(va)?;
    if !flagged {
        return copy_out(m, va, runstate);
    }
    let entry_time = va.wrapping_add(offset_of!(vcpu_runstate_info, state_entry_time) as u64);
    let during = vcpu_runstate_info {
        state_entry_time: runstate.state_entry_time | XEN_RUNSTATE_UPDATE,
        ..*runstate
    };
    copy_out(m, entry_time, &during.state_entry_time)?;
    copy_out(m, va, &during)?;
    copy_out(m, entry_time, &runstate.state_entry_time)
}

/// Whether a guest may register an area at `va`. As on real Xen, its begin alone decides: one that
/// reaches where the guest may not write is registered, and never written.
pub(super) fn acceptable(va: u64) -> bool {
    canonical(va) && guest_range(va, 0)
}

/// Refuses a `T` that a guest may not name as a whole, so that no part of it is written.
fn whole<T>(va: u64) -> Result<()> {
    match guest_range(va, size_of::<T>() as u64) {
        true => Ok(()),
        false => Err(Errno::EFAULT),
    }
}

/// Runs `f` with the guest kernel's address space loaded: the areas are mapped there.
fn with_kernel_root<M: Machine>(hv: &Hypervisor<M>, vcpu: &Vcpu, f: impl FnOnce()) {
    match (
        vcpu.mode,
        vcpu.arch.kernel_root.get(),
        vcpu.arch.user_root.get(),
    ) {
        (Mode::User, Some(kernel), Some(user)) => {
            hv.machine.load_root(kernel);
            f();
            hv.machine.load_root(user);
        }
        (Mode::Kernel, Some(_), _) => f(),
        _ => {}
    }
}

/// Writes the time of day at boot into a shared-info page.
pub fn write_wallclock<M: Machine>(hv: &Hypervisor<M>, page: Mfn) {
    let m = hv.machine;
    let boot = hv.wallclock.load(core::sync::atomic::Ordering::Relaxed);
    let (seconds, nanoseconds) = (boot / SECOND, (boot % SECOND) as u32);
    let at = offset_of!(shared_info, wc_version);
    let version = m.load_u32(page, at) | 1;
    m.store_u32(page, at, version);
    m.store_u32(page, offset_of!(shared_info, wc_sec), seconds as u32);
    m.store_u32(page, offset_of!(shared_info, wc_nsec), nanoseconds);
    let high = (seconds >> 32) as u32;
    m.store_u32(page, offset_of!(shared_info, wc_sec_hi), high);
    m.store_u32(page, at, version.wrapping_add(1));
}

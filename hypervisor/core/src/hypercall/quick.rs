//! Hypercalls that guests make all the time, in their usual forms, with what is at hand and without the
//! context that the others get. Where one of these is not done, nothing has changed but for what is
//! noted as done, and the whole form goes on.

use hypercall_abi::version::XENVER_version;
use hypercall_abi::xen as nr;

use super::{multicall, version};
use crate::addr::guest_range;
use crate::domain::Domain;
use crate::error::Errno;
use crate::grant;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::pv::{mmu_update, mmuext};
use crate::sched::ops as sched_ops;
use crate::trap::{calls, tables};
use crate::vcpu::Vcpu;

/// What a quick form works on, besides the vCPU.
pub(super) struct Near<'a, M: Machine> {
    pub(super) hv: &'a Hypervisor<M>,
    /// The vCPU's domain.
    pub(super) dom: &'a Domain,
}

/// What became of a call in its quick form.
pub(super) enum Outcome {
    /// It is done; its result is 0.
    Done,
    /// It ends with this error.
    Failed(Errno),
    /// The whole form does it or goes on with it; so many units of budget were used.
    Partly(u32),
}

/// It is as if it had not been made yet.
const NOT: Outcome = Outcome::Partly(0);

/// Whether a call's whole form is kept apart from the quick one, which then has fewer registers to save.
pub(super) const fn is_apart(number: u64) -> bool {
    matches!(
        number,
        nr::__HYPERVISOR_vcpu_op
            | nr::__HYPERVISOR_mmuext_op
            | nr::__HYPERVISOR_multicall
            | nr::__HYPERVISOR_grant_table_op
    )
}

impl Outcome {
    fn done_if(done: bool) -> Self {
        if done { Self::Done } else { NOT }
    }
}

/// Units of budget for each item of a call that is run quickly.
const UNITS: u32 = 3;

/// The same for a grant.
const UNITS_OF_GRANT: u32 = 4;

/// Units of budget that a call took which is done.
pub(super) const fn units<const NUMBER: u64>(args: [u64; 6]) -> u32 {
    match NUMBER {
        nr::__HYPERVISOR_mmu_update | nr::__HYPERVISOR_mmuext_op => args[1] as u32 * UNITS,
        _ => UNITS,
    }
}

/// Runs hypercall `NUMBER` of a vCPU in kernel mode, in a multicall of depth 1 or directly.
#[inline(always)]
pub(super) fn call<const NUMBER: u64, M: Machine>(
    near: &Near<'_, M>,
    vcpu: &mut Vcpu,
    (depth, args): (usize, [u64; 6]),
) -> Outcome {
    match NUMBER {
        nr::__HYPERVISOR_vcpu_op => Outcome::done_if(sched_ops::quick_vcpu_op(near.hv, vcpu, args)),
        nr::__HYPERVISOR_mmu_update
        | nr::__HYPERVISOR_update_va_mapping
        | nr::__HYPERVISOR_mmuext_op
        | nr::__HYPERVISOR_multicall => {
            // What is left over comes first.
            if !vcpu.walk.is_idle() || vcpu.continuation[depth].is_some() {
                return NOT;
            }
            with_tables::<NUMBER, M>(near, vcpu, (depth, args))
        }
        _ => NOT,
    }
}

#[inline(always)]
fn with_tables<const NUMBER: u64, M: Machine>(
    near: &Near<'_, M>,
    vcpu: &mut Vcpu,
    (depth, args): (usize, [u64; 6]),
) -> Outcome {
    let (hv, dom) = (near.hv, near.dom);
    match NUMBER {
        nr::__HYPERVISOR_mmu_update => {
            let done = mmu_update::quick_update(hv, vcpu, dom, args);
            let all = done != 0 && done == u64::from(args[1] as u32);
            if !all && done != 0 {
                vcpu.suspend_at(depth, (NUMBER, args), done);
            }
            Outcome::done_if(all)
        }
        nr::__HYPERVISOR_update_va_mapping => {
            Outcome::done_if(mmu_update::quick_va_mapping(hv, vcpu, dom, args))
        }
        nr::__HYPERVISOR_mmuext_op => {
            if !mmuext::quick(hv, vcpu, dom, args) {
                NOT
            } else if depth != 0 || vcpu.walk.is_idle() {
                Outcome::Done
            } else {
                // A root went with its last use.
                partly(vcpu, NUMBER, (1, UNITS))
            }
        }
        _ => list(near, vcpu, args),
    }
}

/// Operation `CMD` on grants, in a direct call.
#[inline(always)]
pub(super) fn grants<const CMD: u32, M: Machine>(
    near: &Near<'_, M>,
    vcpu: &mut Vcpu,
    list: (u64, u64),
) -> Outcome {
    if !vcpu.walk.is_idle() || vcpu.continuation[0].is_some() {
        return NOT;
    }
    match grant::quick::list::<CMD, M>(near.hv, vcpu, near.dom, list) {
        Ok(0) => NOT,
        Ok(done) if done == list.1 => Outcome::Done,
        Ok(done) => {
            let units = done as u32 * UNITS_OF_GRANT;
            partly(vcpu, nr::__HYPERVISOR_grant_table_op, (done, units))
        }
        Err(_) => Outcome::Failed(Errno::EFAULT),
    }
}

/// A multicall: its first entries, as far as they are usual ones.
#[inline(always)]
fn list<M: Machine>(near: &Near<'_, M>, vcpu: &mut Vcpu, args: [u64; 6]) -> Outcome {
    let [at, count, ..] = args;
    let count = u64::from(count as u32);
    // Most lists that have no such entries begin with another.
    if !guest_range(at, 8) || !near.hv.machine.read_guest_u64(at).is_ok_and(has_entry) {
        return NOT;
    }
    let Ok(done) = multicall::quick(near, vcpu, (at, count)) else {
        return Outcome::Failed(Errno::EFAULT);
    };
    if done == 0 {
        return NOT;
    }
    if done == count && vcpu.walk.is_idle() {
        return Outcome::Done;
    }
    let units = done as u32 * multicall::UNITS;
    partly(vcpu, nr::__HYPERVISOR_multicall, (done, units))
}

/// Notes that `done` items of a direct call are done.
#[cold]
#[inline(never)]
fn partly(vcpu: &mut Vcpu, number: u64, (done, units): (u64, u32)) -> Outcome {
    let args = vcpu.regs.hypercall_args();
    vcpu.suspend_at(0, (number, args), done);
    Outcome::Partly(units)
}

/// Whether [`entry`] has something for hypercall `number`.
#[inline(always)]
fn has_entry(number: u64) -> bool {
    const SOME: u64 = 1 << nr::__HYPERVISOR_xen_version
        | 1 << nr::__HYPERVISOR_stack_switch
        | 1 << nr::__HYPERVISOR_fpu_taskswitch
        | 1 << nr::__HYPERVISOR_update_descriptor
        | 1 << nr::__HYPERVISOR_update_va_mapping
        | 1 << nr::__HYPERVISOR_mmuext_op;
    number < 64 && SOME >> number & 1 != 0
}

/// An entry of a multicall in its quick form: its result, if it has one and is done.
#[inline(always)]
pub(super) fn entry<M: Machine>(
    near: &Near<'_, M>,
    vcpu: &mut Vcpu,
    number: u64,
    args: [u64; 4],
) -> Option<u64> {
    let done = match number {
        nr::__HYPERVISOR_update_descriptor => {
            tables::quick_descriptor(near.hv.machine, vcpu, args[0], args[1])
        }
        nr::__HYPERVISOR_stack_switch => {
            calls::set_stack(vcpu, args[0], args[1]);
            true
        }
        nr::__HYPERVISOR_fpu_taskswitch => {
            calls::set_task_switched(near.hv.machine, vcpu, args[0]);
            true
        }
        nr::__HYPERVISOR_mmuext_op => mmuext_op(near, vcpu, args),
        nr::__HYPERVISOR_update_va_mapping => update_va_mapping(near, vcpu, args),
        nr::__HYPERVISOR_xen_version if args[0] as u32 == XENVER_version => {
            return Some(version::VERSION);
        }
        _ => false,
    };
    done.then_some(0)
}

#[inline(never)]
fn mmuext_op<M: Machine>(near: &Near<'_, M>, vcpu: &mut Vcpu, [a, b, c, d]: [u64; 4]) -> bool {
    vcpu.walk.is_idle() && mmuext::quick(near.hv, vcpu, near.dom, [a, b, c, d, 0, 0])
}

#[inline(never)]
fn update_va_mapping<M: Machine>(
    near: &Near<'_, M>,
    vcpu: &mut Vcpu,
    [a, b, c, _]: [u64; 4],
) -> bool {
    vcpu.walk.is_idle() && mmu_update::quick_va_mapping(near.hv, vcpu, near.dom, [a, b, c, 0, 0, 0])
}

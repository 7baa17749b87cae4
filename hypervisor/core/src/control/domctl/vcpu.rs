//! Commands about one vCPU: where it runs, how much, what became of it.

use hypercall_abi::domctl::{
    XEN_DOMCTL_SCHEDOP_getinfo, XEN_DOMCTL_SCHEDOP_putinfo, XEN_VCPUAFFINITY_FORCE,
    XEN_VCPUAFFINITY_HARD, XEN_VCPUAFFINITY_SOFT, xen_domctl_getvcpuinfo, xen_domctl_nodeaffinity,
    xen_domctl_sched_credit2, xen_domctl_scheduler_op, xen_domctl_vcpuaffinity,
};

use super::Answer;
use crate::control::bitmap;
use crate::domain::Domain;
use crate::error::{Errno, Result};
use crate::hypercall::Cx;
use crate::platform::Machine;
use crate::sched;
use crate::sched::cpuset::CpuSet;
use crate::sched::policy::Kind;
use crate::sched::share::{set_share, share};

/// The only NUMA node there is, as a set.
const NODES: u64 = 1;

/// `XEN_DOMCTL_getvcpuinfo`.
pub(super) fn info<M: Machine>(
    cx: &Cx<'_, M>,
    dom: &Domain,
    answer: &mut xen_domctl_getvcpuinfo,
) -> Result<Answer> {
    let state = dom.lock();
    let vcpu = state.vcpus.get(answer.vcpu as usize).ok_or(Errno::EINVAL)?;
    answer.online = u8::from(vcpu.initialised && vcpu.up);
    answer.blocked = u8::from(vcpu.sched.blocked);
    answer.running = u8::from(vcpu.sched.running.is_some());
    answer.cpu_time = vcpu.sched.cpu_time(cx.m().now());
    answer.cpu = vcpu.sched.account.cpu;
    Ok(Answer::Written)
}

const ANY_FLAG: u32 = XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT | XEN_VCPUAFFINITY_FORCE;

/// `XEN_DOMCTL_setvcpuaffinity`. Hard affinity is obeyed, soft affinity where there is a choice of
/// idle CPUs. What comes back is where the vCPU can run, and where it will rather run. Neither
/// changes while the vCPU has pinned itself, unless that is ended by force, which it is even where
/// nothing else comes of the call.
pub(super) fn set_affinity<M: Machine>(
    cx: &Cx<'_, M>,
    dom: &Domain,
    request: &xen_domctl_vcpuaffinity,
) -> Result<Answer> {
    let flags = request.flags;
    if flags & ANY_FLAG == 0 {
        return Err(Errno::EINVAL);
    }
    if flags & XEN_VCPUAFFINITY_FORCE != 0 {
        end_override(cx, dom, request.vcpu)?;
    }
    let (m, online) = (cx.m(), cx.hv.sched.all());
    let read = |flag, map| match flags & flag {
        0 => Ok(None),
        _ => bitmap::read(m, map).map(Some),
    };
    let hard = read(XEN_VCPUAFFINITY_HARD, &request.cpumap_hard)?;
    if hard.is_some_and(|set| set & online == 0) {
        return Err(Errno::EINVAL);
    }
    let soft = read(XEN_VCPUAFFINITY_SOFT, &request.cpumap_soft)?;
    let (hard, soft) = change_affinity(cx, dom, request.vcpu, hard, soft)?;
    write_affinity(cx, request, hard, hard & soft)
}

/// Tells those of the two sets that the caller asks for, as far as there are such CPUs.
fn write_affinity<M: Machine>(
    cx: &Cx<'_, M>,
    request: &xen_domctl_vcpuaffinity,
    hard: u64,
    soft: u64,
) -> Result<Answer> {
    let online = cx.hv.sched.all();
    if request.flags & XEN_VCPUAFFINITY_HARD != 0 {
        bitmap::write(cx.m(), &request.cpumap_hard, hard & online)?;
    }
    if request.flags & XEN_VCPUAFFINITY_SOFT != 0 {
        bitmap::write(cx.m(), &request.cpumap_soft, soft & online)?;
    }
    Ok(Answer::Written)
}

/// Gives a vCPU back the hard affinity it had before it pinned itself, if it did.
fn end_override<M: Machine>(cx: &Cx<'_, M>, dom: &Domain, vcpu: u32) -> Result<()> {
    let mut state = dom.lock();
    let shared = state.vcpus.get_mut(vcpu as usize).ok_or(Errno::EINVAL)?;
    let s = &mut shared.sched;
    if let Some(before) = s.pinned_over.take() {
        s.account.affinity = before.into();
        sched::requeue(cx.hv, dom, &mut state, vcpu as u16);
    }
    Ok(())
}

/// Changes a vCPU's hard and soft affinity where there are new ones; gives those in force.
fn change_affinity<M: Machine>(
    cx: &Cx<'_, M>,
    dom: &Domain,
    vcpu: u32,
    hard: Option<u64>,
    soft: Option<u64>,
) -> Result<(u64, u64)> {
    let mut state = dom.lock();
    let shared = state.vcpus.get_mut(vcpu as usize).ok_or(Errno::EINVAL)?;
    let s = &mut shared.sched;
    if (hard.is_some() || soft.is_some()) && s.pinned_over.is_some() {
        return Err(Errno::EBUSY);
    }
    let account = &mut s.account;
    account.affinity = hard.map_or(account.affinity, CpuSet::from);
    account.preference = soft.map_or(account.preference, CpuSet::from);
    let both = (account.affinity.mask(), account.preference.mask());
    if hard.is_some() {
        sched::requeue(cx.hv, dom, &mut state, vcpu as u16);
    }
    Ok(both)
}

/// `XEN_DOMCTL_getvcpuaffinity`.
pub(super) fn get_affinity<M: Machine>(
    cx: &Cx<'_, M>,
    dom: &Domain,
    request: &xen_domctl_vcpuaffinity,
) -> Result<Answer> {
    if request.flags & ANY_FLAG == 0 {
        return Err(Errno::EINVAL);
    }
    let (hard, soft) = change_affinity(cx, dom, request.vcpu, None, None)?;
    write_affinity(cx, request, hard, soft)
}

/// `XEN_DOMCTL_setnodeaffinity`: there is one node, and it must be in the set.
pub(super) fn set_nodes<M: Machine>(
    cx: &Cx<'_, M>,
    request: &xen_domctl_nodeaffinity,
) -> Result<Answer> {
    if bitmap::read(cx.m(), &request.nodemap)? & NODES == 0 {
        return Err(Errno::EINVAL);
    }
    Ok(Answer::None)
}

/// `XEN_DOMCTL_getnodeaffinity`.
pub(super) fn get_nodes<M: Machine>(
    cx: &Cx<'_, M>,
    request: &xen_domctl_nodeaffinity,
) -> Result<Answer> {
    bitmap::write(cx.m(), &request.nodemap, NODES)?;
    Ok(Answer::Written)
}

/// `XEN_DOMCTL_scheduler_op`: weight and cap of a domain, where the policy has them.
pub(super) fn scheduler<M: Machine>(
    cx: &Cx<'_, M>,
    dom: &Domain,
    op: &mut xen_domctl_scheduler_op,
) -> Result<Answer> {
    let policy = cx.hv.sched.policy().kind();
    if op.sched_id != policy.id() {
        return Err(Errno::EINVAL);
    }
    if policy != Kind::Credit2 {
        return Err(Errno::EOPNOTSUPP);
    }
    match op.cmd {
        XEN_DOMCTL_SCHEDOP_putinfo => {
            let asked: xen_domctl_sched_credit2 = op.u.get();
            set_share(cx.hv, dom, asked.weight, asked.cap)?;
            Ok(Answer::None)
        }
        XEN_DOMCTL_SCHEDOP_getinfo => {
            let (weight, cap) = share(dom).ok_or(Errno::EINVAL)?;
            op.u.set(xen_domctl_sched_credit2 { weight, cap });
            Ok(Answer::Written)
        }
        _ => Err(Errno::EINVAL),
    }
}

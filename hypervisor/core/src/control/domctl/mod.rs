//! `domctl` (domctl.h): what the toolstack does to domains.

mod context;
mod domain;
mod info;
mod vcpu;

use hypercall_abi::domctl::{
    XEN_DOMCTL_INTERFACE_VERSION, XEN_DOMCTL_assign_device, XEN_DOMCTL_createdomain,
    XEN_DOMCTL_deassign_device, XEN_DOMCTL_destroydomain, XEN_DOMCTL_get_address_size,
    XEN_DOMCTL_get_cpu_policy, XEN_DOMCTL_get_device_group, XEN_DOMCTL_getdomaininfo,
    XEN_DOMCTL_getnodeaffinity, XEN_DOMCTL_getpageframeinfo3, XEN_DOMCTL_gettscinfo,
    XEN_DOMCTL_getvcpuaffinity, XEN_DOMCTL_getvcpucontext, XEN_DOMCTL_getvcpuinfo,
    XEN_DOMCTL_hypercall_init, XEN_DOMCTL_iomem_permission, XEN_DOMCTL_ioport_permission,
    XEN_DOMCTL_irq_permission, XEN_DOMCTL_max_mem, XEN_DOMCTL_max_vcpus, XEN_DOMCTL_pausedomain,
    XEN_DOMCTL_resumedomain, XEN_DOMCTL_scheduler_op, XEN_DOMCTL_set_address_size,
    XEN_DOMCTL_set_cpu_policy, XEN_DOMCTL_setdomainhandle, XEN_DOMCTL_setnodeaffinity,
    XEN_DOMCTL_settscinfo, XEN_DOMCTL_setvcpuaffinity, XEN_DOMCTL_setvcpucontext,
    XEN_DOMCTL_shadow_op, XEN_DOMCTL_test_assign_device, XEN_DOMCTL_unpausedomain, xen_domctl,
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::domain::Domain;
use crate::error::{Errno, HypercallResult, Result, Stop};
use crate::guest::{copy_in, copy_out};
use crate::hypercall::Cx;
use crate::platform::Machine;

pub(super) use domain::domain_info;

/// Whether the caller's structure is written back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// It is.
    Written,
    /// It stays as it is.
    None,
}

type Outcome = core::result::Result<Answer, Stop>;

/// `domctl(arg)`.
///
/// # Errors
/// `EFAULT`; `EACCES` for another interface version; `EPERM` unless the caller is privileged;
/// `ESRCH` when there is no such domain; `ENOSYS` for unknown commands; else as the command says.
// Never inlined: its frame must not be the dispatcher's, nor its callers' in a multicall.
#[inline(never)]
pub fn domctl<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> HypercallResult {
    let result = command(cx, arg);
    cx.ended(result)
}

fn command<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> HypercallResult {
    let mut op: xen_domctl = copy_in(cx.m(), arg)?;
    if op.interface_version != XEN_DOMCTL_INTERFACE_VERSION {
        return Err(Errno::EACCES.into());
    }
    if !cx.dom.is_privileged() {
        return Err(unprivileged(cx, &op).into());
    }
    let answer = match op.cmd {
        XEN_DOMCTL_createdomain => domain::create(cx, &mut op)?,
        XEN_DOMCTL_getdomaininfo => domain::get_info(cx, &mut op)?,
        _ => {
            let dom = cx.hv.domains.find(op.domain)?;
            on_domain(cx, dom, &mut op)?
        }
    };
    if answer == Answer::Written {
        copy_out(cx.m(), arg, &op)?;
    }
    Ok(0)
}

/// Why a domain may not do this to another. As on real Xen, one that is not there is told, and ports
/// that are none.
#[cold]
fn unprivileged<M: Machine>(cx: &Cx<'_, M>, op: &xen_domctl) -> Errno {
    let about_none = matches!(op.cmd, XEN_DOMCTL_createdomain | XEN_DOMCTL_getdomaininfo);
    if !about_none && cx.hv.domains.find(op.domain).is_err() {
        return Errno::ESRCH;
    }
    if op.cmd == XEN_DOMCTL_ioport_permission && domain::ports_of(&op.u.get()).is_err() {
        return Errno::EINVAL;
    }
    Errno::EPERM
}

/// The commands about an existing domain.
fn on_domain<M: Machine>(cx: &mut Cx<'_, M>, dom: &Domain, op: &mut xen_domctl) -> Outcome {
    match op.cmd {
        XEN_DOMCTL_destroydomain => domain::destroy(cx, dom),
        XEN_DOMCTL_pausedomain => domain::pause(cx, dom),
        XEN_DOMCTL_unpausedomain => domain::unpause(cx, dom),
        XEN_DOMCTL_resumedomain => domain::resume(cx, dom),
        XEN_DOMCTL_max_mem => with(op, |a| domain::max_mem(dom, a)),
        XEN_DOMCTL_max_vcpus => domain::max_vcpus(cx, dom, &op.u.get()),
        XEN_DOMCTL_setdomainhandle => with(op, |a| domain::set_handle(dom, a)),
        XEN_DOMCTL_set_address_size => with(op, |a| domain::set_address_size(a)),
        XEN_DOMCTL_get_address_size => with(op, domain::get_address_size),
        XEN_DOMCTL_hypercall_init => with(op, |a| domain::hypercall_init(cx, dom, a)),
        XEN_DOMCTL_settscinfo => with(op, |a| domain::set_tsc_info(cx, dom, a)),
        XEN_DOMCTL_gettscinfo => with(op, |a| domain::get_tsc_info(cx, dom, a)),
        XEN_DOMCTL_irq_permission => with(op, |a| domain::irq_permission(cx, dom, a)),
        XEN_DOMCTL_iomem_permission => with(op, |a| domain::iomem_permission(cx, dom, a)),
        XEN_DOMCTL_ioport_permission => with(op, |a| domain::ioport_permission(cx, dom, a)),
        // A function is given to a domain as a whole by an IOMMU, and there is none.
        XEN_DOMCTL_assign_device
        | XEN_DOMCTL_test_assign_device
        | XEN_DOMCTL_deassign_device
        | XEN_DOMCTL_get_device_group => Err(Errno::EOPNOTSUPP.into()),
        XEN_DOMCTL_getpageframeinfo3 => {
            let request = op.u.get();
            info::page_frames(cx, dom, &request)
        }
        XEN_DOMCTL_setvcpucontext => {
            let request = op.u.get();
            context::set(cx, dom, &request)
        }
        XEN_DOMCTL_getvcpucontext => {
            let request = op.u.get();
            context::get(cx, dom, &request)
        }
        XEN_DOMCTL_getvcpuinfo => with(op, |a| vcpu::info(cx, dom, a)),
        XEN_DOMCTL_setvcpuaffinity => with(op, |a| vcpu::set_affinity(cx, dom, a)),
        XEN_DOMCTL_getvcpuaffinity => with(op, |a| vcpu::get_affinity(cx, dom, a)),
        XEN_DOMCTL_setnodeaffinity => with(op, |a| vcpu::set_nodes(cx, a)),
        XEN_DOMCTL_getnodeaffinity => with(op, |a| vcpu::get_nodes(cx, a)),
        XEN_DOMCTL_scheduler_op => with(op, |a| vcpu::scheduler(cx, dom, a)),
        // No shadow paging, no log-dirty yet, and no per-domain CPUID.
        XEN_DOMCTL_shadow_op | XEN_DOMCTL_get_cpu_policy | XEN_DOMCTL_set_cpu_policy => {
            Err(Errno::EOPNOTSUPP.into())
        }
        _ => Err(Errno::ENOSYS.into()),
    }
}

/// Runs a command on its member of the union, and puts the member back.
fn with<T: FromBytes + IntoBytes + Immutable>(
    op: &mut xen_domctl,
    command: impl FnOnce(&mut T) -> Result<Answer>,
) -> Outcome {
    let mut member: T = op.u.get();
    let answer = command(&mut member)?;
    op.u.set(member);
    Ok(answer)
}

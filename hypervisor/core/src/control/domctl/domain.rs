//! Commands about a domain as a whole.

use core::sync::atomic::Ordering;

use hypercall_abi::arch_x86_64::XEN_X86_EMU_PIT;
use hypercall_abi::domctl::{
    XEN_DOMCTL_CDF_s3_integrity, XEN_DOMCTL_CDF_xs_domain, XEN_DOMCTL_GRANT_version_mask,
    XEN_DOMINF_blocked, XEN_DOMINF_dying, XEN_DOMINF_paused, XEN_DOMINF_running,
    XEN_DOMINF_shutdown, XEN_DOMINF_shutdownshift, XEN_DOMINF_xs_domain, XEN_INVALID_MAX_VCPU_ID,
    xen_domctl, xen_domctl_address_size, xen_domctl_createdomain, xen_domctl_getdomaininfo,
    xen_domctl_hypercall_init, xen_domctl_iomem_permission, xen_domctl_ioport_permission,
    xen_domctl_irq_permission, xen_domctl_max_mem, xen_domctl_max_vcpus,
    xen_domctl_setdomainhandle, xen_domctl_tsc_info,
};
use zerocopy::FromZeros;

use super::{Answer, Outcome};
use crate::addr::{Mfn, PAGE_SIZE};
use crate::domain::lifecycle::{self, CreateParams, Progress};
use crate::domain::{DOMID_FIRST_RESERVED, Domain, Phase};
use crate::error::{Errno, Result, Stop};
use crate::hypercall::Cx;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::{grant, pirq, sched};

/// Grant-table frames of a domain whose toolstack leaves the number to the hypervisor.
const DEFAULT_GRANT_FRAMES: u32 = 64;
/// Creation flags of a PV domain (the others are of hardware-assisted ones, or need an IOMMU).
const CREATION_FLAGS: u32 = XEN_DOMCTL_CDF_xs_domain | XEN_DOMCTL_CDF_s3_integrity;
/// Most kibibytes `max_mem` takes literally.
const KIB_PER_PAGE: u64 = PAGE_SIZE as u64 / 1024;

/// Not for the calling domain itself.
fn not_self<M: Machine>(cx: &Cx<'_, M>, dom: &Domain) -> Result<()> {
    if dom.slot == cx.dom.slot {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// `XEN_DOMCTL_createdomain`.
#[inline(never)]
pub(super) fn create<M: Machine>(cx: &mut Cx<'_, M>, op: &mut xen_domctl) -> Outcome {
    let request: xen_domctl_createdomain = op.u.get();
    let version = request.grant_opts & XEN_DOMCTL_GRANT_version_mask;
    let refused = request.flags & !CREATION_FLAGS != 0
        || request.iommu_opts != 0
        || request.vmtrace_size != 0
        || request.cpupool_id != 0
        || request.arch.emulation_flags != 0
        || request.arch.misc_flags != 0
        || request.grant_opts & !XEN_DOMCTL_GRANT_version_mask != 0
        || !matches!(version, 1 | 2);
    if refused {
        return Err(Errno::EINVAL.into());
    }
    let wanted = op.domain;
    let max_grant_frames = match u32::try_from(request.max_grant_frames) {
        Ok(frames) => frames.min(grant::MAX_FRAMES),
        Err(_) => DEFAULT_GRANT_FRAMES,
    };
    let max_maptrack_frames = u32::try_from(request.max_maptrack_frames)
        .map_or(grant::MAX_TRACKS, |frames| frames.min(grant::MAX_TRACKS));
    let params = CreateParams {
        id: (1..DOMID_FIRST_RESERVED)
            .contains(&wanted)
            .then_some(wanted),
        handle: request.handle,
        flags: request.flags,
        max_vcpus: request.max_vcpus,
        privileged: false,
        max_evtchn_port: request.max_evtchn_port.cast_signed(),
        max_grant_frames,
        max_maptrack_frames,
    };
    op.domain = lifecycle::create(cx.hv, params)?.id();
    Ok(Answer::Written)
}

/// `XEN_DOMCTL_destroydomain`: runs until the domain is gone, or a zombie kept by frames that
/// others still use.
pub(super) fn destroy<M: Machine>(cx: &mut Cx<'_, M>, dom: &Domain) -> Outcome {
    not_self(cx, dom)?;
    match lifecycle::destroy(cx.hv, dom, &mut cx.budget)? {
        Progress::Done => Ok(Answer::None),
        Progress::More => Err(Stop::Retry),
    }
}

/// `XEN_DOMCTL_pausedomain`.
pub(super) fn pause<M: Machine>(cx: &Cx<'_, M>, dom: &Domain) -> Outcome {
    not_self(cx, dom)?;
    sched::pause_domain(cx.hv, dom)?;
    Ok(Answer::None)
}

/// `XEN_DOMCTL_unpausedomain`: `EINVAL` when it is not paused.
pub(super) fn unpause<M: Machine>(cx: &Cx<'_, M>, dom: &Domain) -> Outcome {
    sched::unpause_domain(cx.hv, dom)?;
    Ok(Answer::None)
}

/// `XEN_DOMCTL_resumedomain`.
pub(super) fn resume<M: Machine>(cx: &Cx<'_, M>, dom: &Domain) -> Outcome {
    not_self(cx, dom)?;
    sched::resume(cx.hv, dom);
    Ok(Answer::None)
}

/// `XEN_DOMCTL_getdomaininfo`: of the domain with this id or the next higher one.
pub(super) fn get_info<M: Machine>(cx: &Cx<'_, M>, op: &mut xen_domctl) -> Outcome {
    if op.domain >= DOMID_FIRST_RESERVED {
        return Err(Errno::EINVAL.into());
    }
    let domains = cx.hv.domains.iter().filter(|d| d.id() >= op.domain);
    let dom = domains.min_by_key(|d| d.id()).ok_or(Errno::ESRCH)?;
    op.domain = dom.id();
    op.u.set(domain_info(cx.hv, dom));
    Ok(Answer::Written)
}

/// What the toolstack sees of a domain.
pub(crate) fn domain_info<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
) -> xen_domctl_getdomaininfo {
    let now = hv.machine.now();
    let state = dom.lock();
    let mut info = xen_domctl_getdomaininfo::new_zeroed();
    info.domain = dom.id();
    let (mut blocked, mut running) = (true, false);
    for vcpu in state.vcpus.iter().filter(|v| v.initialised && v.up) {
        info.nr_online_vcpus += 1;
        blocked &= vcpu.sched.blocked;
        running |= vcpu.sched.running.is_some();
        info.cpu_time = info.cpu_time.saturating_add(vcpu.sched.cpu_time(now));
    }
    let shutdown = dom.shutdown.load(Ordering::Relaxed);
    for (flag, holds) in [
        (XEN_DOMINF_dying, dom.phase() != Phase::Alive),
        (XEN_DOMINF_shutdown, shutdown != 0),
        (XEN_DOMINF_paused, dom.pauses.load(Ordering::Relaxed) != 0),
        (XEN_DOMINF_blocked, blocked),
        (XEN_DOMINF_running, running),
        (
            XEN_DOMINF_xs_domain,
            state.flags & XEN_DOMCTL_CDF_xs_domain != 0,
        ),
    ] {
        if holds {
            info.flags |= flag;
        }
    }
    // No reason yet shows as all ones.
    let reason = shutdown.checked_sub(1).map_or(u32::MAX, u32::from);
    info.flags |= reason << XEN_DOMINF_shutdownshift;
    if dom.is_privileged() {
        // The control domain's timer ports are served.
        info.arch_config.emulation_flags = XEN_X86_EMU_PIT;
    }
    info.tot_pages = dom.tot_pages.load(Ordering::Relaxed).into();
    info.max_pages = dom.max_pages.load(Ordering::Relaxed).into();
    info.outstanding_pages = dom.outstanding().into();
    info.shared_info_frame = state.shared_info.map_or(u64::MAX, |mfn| mfn.0);
    info.max_vcpu_id = match state.vcpus.len() {
        0 => XEN_INVALID_MAX_VCPU_ID,
        count => count as u32 - 1,
    };
    info.handle = state.handle;
    info
}

/// `XEN_DOMCTL_max_mem`.
pub(super) fn max_mem(dom: &Domain, request: &xen_domctl_max_mem) -> Result<Answer> {
    let pages = u32::try_from(request.max_memkb / KIB_PER_PAGE).unwrap_or(u32::MAX);
    dom.max_pages.store(pages, Ordering::Relaxed);
    Ok(Answer::None)
}

/// `XEN_DOMCTL_max_vcpus`: makes the vCPUs; the number was fixed at creation.
pub(super) fn max_vcpus<M: Machine>(
    cx: &mut Cx<'_, M>,
    dom: &Domain,
    request: &xen_domctl_max_vcpus,
) -> Outcome {
    not_self(cx, dom)?;
    if request.max != dom.lock().max_vcpus {
        return Err(Errno::EINVAL.into());
    }
    match lifecycle::create_vcpus(cx.hv, dom, &mut cx.budget)? {
        Progress::Done => Ok(Answer::None),
        Progress::More => Err(Stop::Retry),
    }
}

/// `XEN_DOMCTL_setdomainhandle`.
pub(super) fn set_handle(dom: &Domain, request: &xen_domctl_setdomainhandle) -> Result<Answer> {
    dom.lock().handle = request.handle;
    Ok(Answer::None)
}

/// `XEN_DOMCTL_set_address_size`: 64-bit guests only.
pub(super) fn set_address_size(request: &xen_domctl_address_size) -> Result<Answer> {
    match request.size {
        64 => Ok(Answer::None),
        32 => Err(Errno::EOPNOTSUPP),
        _ => Err(Errno::EINVAL),
    }
}

/// `XEN_DOMCTL_get_address_size`.
pub(super) fn get_address_size(answer: &mut xen_domctl_address_size) -> Result<Answer> {
    answer.size = 64;
    Ok(Answer::Written)
}

/// `XEN_DOMCTL_hypercall_init`: fills a frame of the domain with the hypercall stubs.
#[inline(never)]
pub(super) fn hypercall_init<M: Machine>(
    cx: &Cx<'_, M>,
    dom: &Domain,
    request: &xen_domctl_hypercall_init,
) -> Result<Answer> {
    let mfn = Mfn(request.gmfn);
    cx.hv
        .page_get_writable(dom, mfn)
        .map_err(|_| Errno::EACCES)?;
    let mut stubs = [0; PAGE_SIZE];
    crate::hypercall::page::fill(&mut stubs);
    cx.m().write_frame(mfn, 0, &stubs);
    cx.hv.page_put_writable(mfn);
    Ok(Answer::None)
}

/// `XEN_DOMCTL_settscinfo`: guests read the processor's counter; emulating it is refused.
pub(super) fn set_tsc_info<M: Machine>(
    cx: &Cx<'_, M>,
    dom: &Domain,
    request: &xen_domctl_tsc_info,
) -> Result<Answer> {
    const DEFAULT: u32 = 0;
    const ALWAYS_EMULATE: u32 = 1;
    const NEVER_EMULATE: u32 = 2;
    not_self(cx, dom)?;
    match request.tsc_mode {
        DEFAULT | NEVER_EMULATE => Ok(Answer::None),
        ALWAYS_EMULATE => Err(Errno::EOPNOTSUPP),
        _ => Err(Errno::EINVAL),
    }
}

/// `XEN_DOMCTL_gettscinfo`, of others only.
pub(super) fn get_tsc_info<M: Machine>(
    cx: &Cx<'_, M>,
    dom: &Domain,
    answer: &mut xen_domctl_tsc_info,
) -> Result<Answer> {
    if dom.slot == cx.dom.slot {
        return Err(Errno::EINVAL);
    }
    *answer = xen_domctl_tsc_info::new_zeroed();
    answer.gtsc_khz = cx.m().tsc_khz();
    answer.elapsed_nsec = cx.m().now();
    Ok(Answer::Written)
}

/// `XEN_DOMCTL_irq_permission`: about the line that a PIRQ of the caller's stands for.
pub(super) fn irq_permission<M: Machine>(
    cx: &Cx<'_, M>,
    dom: &Domain,
    request: &xen_domctl_irq_permission,
) -> Result<Answer> {
    let Some(gsi) = pirq::line_to_give(cx.dom, request.pirq)? else {
        // A message goes with its PIRQ.
        return Ok(Answer::None);
    };
    dom.change_rights(|rights| {
        rights.set_line(gsi, request.allow_access != 0);
        Ok(())
    })?;
    Ok(Answer::None)
}

/// `XEN_DOMCTL_iomem_permission`: frames that the caller has itself. What is mapped stays mapped.
pub(super) fn iomem_permission<M: Machine>(
    cx: &Cx<'_, M>,
    dom: &Domain,
    request: &xen_domctl_iomem_permission,
) -> Result<Answer> {
    let (first, more) = (request.first_mfn, request.nr_mfns.checked_sub(1));
    let last = more.and_then(|more| first.checked_add(more));
    let last = last.ok_or(Errno::EINVAL)?;
    if !cx.dom.may_give(|rights| rights.frames.has(first, last)) {
        return Err(Errno::EPERM);
    }
    dom.change_rights(|rights| rights.frames.set((first, last), request.allow_access != 0))?;
    Ok(Answer::None)
}

/// `XEN_DOMCTL_ioport_permission`: ports that the caller has itself.
pub(super) fn ioport_permission<M: Machine>(
    cx: &Cx<'_, M>,
    dom: &Domain,
    request: &xen_domctl_ioport_permission,
) -> Result<Answer> {
    let (first, last) = ports_of(request)?;
    if !cx.dom.may_give(|rights| rights.ports.has(first, last)) {
        return Err(Errno::EPERM);
    }
    dom.change_ports((first, last), request.allow_access != 0)?;
    Ok(Answer::None)
}

/// The first and the last port that are meant.
///
/// # Errors
/// `EINVAL` where they are none.
pub(super) fn ports_of(request: &xen_domctl_ioport_permission) -> Result<(u64, u64)> {
    let end = request.first_port.checked_add(request.nr_ports);
    match end {
        Some(end @ ..=0x1_0000) if request.nr_ports != 0 => {
            Ok((request.first_port.into(), u64::from(end) - 1))
        }
        _ => Err(Errno::EINVAL),
    }
}

//! What `memory_op` has for guests whose frame numbers the hypervisor translates, and for the
//! toolstack of any guest: PV guests are refused the first as real Xen refuses them.

use hypercall_abi::memory as abi;

use super::Domain;
use crate::error::{Errno, HypercallResult, Result, Stop};
use crate::grant;
use crate::guest::{GuestSlice, copy_in, copy_out};
use crate::hypercall::Cx;
use crate::platform::Machine;

/// `add_to_physmap`: a PV guest has no map for anything to be added to.
pub(super) fn add<M: Machine>(cx: &Cx<'_, M>, arg: u64) -> HypercallResult {
    let request: abi::xen_add_to_physmap = copy_in(cx.m(), arg)?;
    // Of this space, whose owner the structure has no room for, only in batches.
    if request.space == abi::XENMAPSPACE_gmfn_foreign {
        return Err(Errno::ENOSYS.into());
    }
    refuse(cx, request.domid)
}

/// `add_to_physmap_batch`: likewise.
pub(super) fn add_batch<M: Machine>(cx: &Cx<'_, M>, arg: u64) -> HypercallResult {
    let request: abi::xen_add_to_physmap_batch = copy_in(cx.m(), arg)?;
    if u32::from(request.space) == abi::XENMAPSPACE_gmfn_range {
        return Err(Errno::EOPNOTSUPP.into());
    }
    refuse(cx, request.domid)
}

/// `remove_from_physmap`: likewise.
pub(super) fn remove<M: Machine>(cx: &Cx<'_, M>, arg: u64) -> HypercallResult {
    let request: abi::xen_remove_from_physmap = copy_in(cx.m(), arg)?;
    refuse(cx, request.domid)
}

fn refuse<M: Machine>(cx: &Cx<'_, M>, domid: u16) -> HypercallResult {
    cx.subject(domid)?;
    Err(Errno::EACCES.into())
}

/// `set_pod_target`, `get_pod_target`: PV guests are not populated on demand.
pub(super) fn pod<M: Machine>(cx: &Cx<'_, M>, arg: u64) -> HypercallResult {
    let request: abi::xen_pod_target = copy_in(cx.m(), arg)?;
    cx.subject(request.domid)?;
    Err(Errno::EINVAL.into())
}

/// `get_vnumainfo`: no domain has virtual nodes.
pub(super) fn vnuma<M: Machine>(cx: &Cx<'_, M>, arg: u64) -> HypercallResult {
    let request: abi::xen_vnuma_topology_info = copy_in(cx.m(), arg)?;
    cx.subject(request.domid)?;
    Err(Errno::EOPNOTSUPP.into())
}

/// `reserved_device_memory_map`: without an IOMMU nothing is reserved for devices.
pub(super) fn reserved_memory<M: Machine>(cx: &Cx<'_, M>, arg: u64) -> HypercallResult {
    let mut request: abi::xen_reserved_device_memory_map = copy_in(cx.m(), arg)?;
    if request.flags & !abi::XENMEM_RDM_ALL != 0 {
        return Err(Errno::EINVAL.into());
    }
    request.nr_entries = 0;
    copy_out(cx.m(), arg, &request)?;
    Ok(0)
}

/// Another domain, which the toolstack names by number.
fn other<'a, M: Machine>(cx: &Cx<'a, M>, domid: u16) -> Result<&'a Domain> {
    let dom = cx.hv.domains.find(domid)?;
    if dom.slot == cx.dom.slot || !cx.dom.is_privileged() {
        return Err(Errno::EPERM);
    }
    Ok(dom)
}

/// `acquire_resource`: frames that the hypervisor made for another domain, for the toolstack to map.
/// Of a PV domain there is its grant table.
///
/// # Errors
/// `ESRCH`, `EPERM` for the domain; `EINVAL` for what there is not; `EOPNOTSUPP` for an unknown
/// type, whose size real Xen gives as that number; `ENOMEM`, `EFAULT`.
pub(super) fn acquire<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> HypercallResult {
    let mut request: abi::xen_mem_acquire_resource = copy_in(cx.m(), arg)?;
    if request.pad != 0 {
        return Err(Errno::EINVAL.into());
    }
    let dom = other(cx, request.domid)?;
    let known = match request.r#type {
        abi::XENMEM_resource_grant_table => {
            if request.id != abi::XENMEM_resource_grant_table_id_shared {
                return Err(Errno::EINVAL.into());
            }
            true
        }
        abi::XENMEM_resource_ioreq_server | abi::XENMEM_resource_vmtrace_buf => {
            return Err(Errno::EINVAL.into());
        }
        _ => false,
    };
    if request.frame_list == 0 {
        if request.nr_frames != 0 {
            return Err(Errno::EINVAL.into());
        }
        request.nr_frames = if known {
            dom.lock().grants.max_frames
        } else {
            Errno::EOPNOTSUPP.negated() as u32
        };
        copy_out(cx.m(), arg, &request)?;
        return Ok(0);
    }
    let end = u32::try_from(request.frame)
        .ok()
        .and_then(|first| first.checked_add(request.nr_frames))
        .ok_or(Errno::EINVAL)?;
    if !known {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let list = GuestSlice::<u64>::new(request.frame_list, request.nr_frames.into())?;
    let mut state = dom.lock();
    grant::grow(cx.hv, dom, &mut state, end, &mut cx.budget)?;
    // For telling of the frames.
    cx.afford(request.nr_frames / 2)?;
    let frames = state.grants.frames.iter().skip(request.frame as usize);
    for (index, mfn) in (0..list.len()).zip(frames) {
        list.write(cx.m(), index, &mfn.0).map_err(Stop::from)?;
    }
    Ok(0)
}

/// `access_op`: rights of pages beside those in a guest's tables, which no PV guest has.
pub(super) fn access<M: Machine>(cx: &Cx<'_, M>, arg: u64) -> HypercallResult {
    let request: abi::xen_mem_access_op = copy_in(cx.m(), arg)?;
    other(cx, request.domid)?;
    Err(Errno::EINVAL.into())
}

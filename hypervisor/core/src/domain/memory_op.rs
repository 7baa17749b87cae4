//! `memory_op` (memory.h): how much memory a domain has, and what it looks like.

use core::sync::atomic::Ordering;

use hypercall_abi::memory as abi;

use super::reservation::{Change, reservation};
use super::{Domain, physmap};
use crate::addr::HYPERVISOR_START;
use crate::error::{Errno, HypercallResult, Result, Stop};
use crate::guest::{GuestSlice, copy_in, copy_out, copy_out_bytes};
use crate::hypercall::Cx;
use crate::platform::Machine;

/// Bits of the command word that carry the sub-operation (the rest is a continuation's on real
/// Xen; here progress stays in the hypervisor).
const COMMAND_MASK: u64 = 0x3f;

/// `memory_op(cmd, arg)`.
///
/// # Errors
/// As the sub-operation; reservations answer with the number of extents done instead.
pub fn memory_op<M: Machine>(cx: &mut Cx<'_, M>, cmd: u64, arg: u64) -> HypercallResult {
    let result = operation(cx, cmd, arg);
    let result = cx.ended(result);
    if cx.vcpu.unfinished.is_some() && !matches!(result, Err(Stop::Retry)) {
        // Nobody goes on with it: the call was refused when it was made again.
        super::unfinished::abandon(cx.hv, cx.vcpu.unfinished.take());
    }
    result
}

fn operation<M: Machine>(cx: &mut Cx<'_, M>, cmd: u64, arg: u64) -> HypercallResult {
    match (cmd & COMMAND_MASK) as u32 {
        abi::XENMEM_increase_reservation => reservation(cx, arg, Change::Increase),
        abi::XENMEM_decrease_reservation => reservation(cx, arg, Change::Decrease),
        abi::XENMEM_populate_physmap => reservation(cx, arg, Change::Populate),
        abi::XENMEM_exchange => super::exchange::exchange(cx, arg),
        abi::XENMEM_maximum_ram_page => Ok(cx.hv.frames.len() as i64 - 1),
        abi::XENMEM_current_reservation => {
            let dom = named_domain(cx, arg)?;
            Ok(i64::from(dom.tot_pages.load(Ordering::Relaxed)))
        }
        abi::XENMEM_maximum_reservation => {
            let dom = named_domain(cx, arg)?;
            Ok(i64::from(dom.max_pages.load(Ordering::Relaxed)))
        }
        // A PV guest's frame numbers are its own business: real Xen answers from the shared info.
        abi::XENMEM_maximum_gpfn => maximum_gpfn(cx, arg),
        abi::XENMEM_machphys_mfn_list => machphys_mfn_list(cx, arg),
        abi::XENMEM_machphys_mapping => machphys_mapping(cx, arg),
        abi::XENMEM_memory_map => memory_map(cx, arg),
        abi::XENMEM_machine_memory_map => machine_memory_map(cx, arg),
        abi::XENMEM_set_memory_map => set_memory_map(cx, arg),
        abi::XENMEM_claim_pages => claim_pages(cx, arg),
        abi::XENMEM_get_sharing_freed_pages | abi::XENMEM_get_sharing_shared_pages => Ok(0),
        abi::XENMEM_add_to_physmap => physmap::add(cx, arg),
        abi::XENMEM_add_to_physmap_batch => physmap::add_batch(cx, arg),
        abi::XENMEM_remove_from_physmap => physmap::remove(cx, arg),
        abi::XENMEM_set_pod_target | abi::XENMEM_get_pod_target => physmap::pod(cx, arg),
        abi::XENMEM_acquire_resource => physmap::acquire(cx, arg),
        abi::XENMEM_get_vnumainfo => physmap::vnuma(cx, arg),
        abi::XENMEM_reserved_device_memory_map => physmap::reserved_memory(cx, arg),
        abi::XENMEM_access_op => physmap::access(cx, arg),
        // The table for 32-bit guests.
        abi::XENMEM_machphys_compat_mfn_list => Err(Errno::EOPNOTSUPP.into()),
        _ => Err(Errno::ENOSYS.into()),
    }
}

/// The domain that a `xen_memory_domain` at `arg` names.
fn named_domain<'a, M: Machine>(cx: &Cx<'a, M>, arg: u64) -> Result<&'a Domain> {
    let request: abi::xen_memory_domain = copy_in(cx.m(), arg)?;
    cx.subject(request.domid)
}

fn maximum_gpfn<M: Machine>(cx: &Cx<'_, M>, arg: u64) -> HypercallResult {
    let dom = named_domain(cx, arg)?;
    let shared = dom.lock().shared_info.ok_or(Errno::EINVAL)?;
    let offset = core::mem::offset_of!(hypercall_abi::xen::shared_info, arch)
        + core::mem::offset_of!(hypercall_abi::arch_x86_64::arch_shared_info, max_pfn);
    Ok(cx.m().load_u64(shared, offset).saturating_sub(1) as i64)
}

/// Where the machine-to-phys table is mapped, in every address space.
fn machphys_mapping<M: Machine>(cx: &Cx<'_, M>, arg: u64) -> HypercallResult {
    let mapping = abi::xen_machphys_mapping {
        v_start: HYPERVISOR_START,
        v_end: HYPERVISOR_START + MACHPHYS_BYTES,
        max_mfn: MACHPHYS_BYTES / 8 - 1,
    };
    copy_out(cx.m(), arg, &mapping)?;
    Ok(0)
}

/// Room for the machine-to-phys table in the ABI's layout (`MACH2PHYS_VIRT_END` - `_START`).
const MACHPHYS_BYTES: u64 = 0x40_0000_0000;

/// The frames that hold the machine-to-phys table, one for each 2 MiB of it: a privileged
/// domain's right, to map it whole.
fn machphys_mfn_list<M: Machine>(cx: &Cx<'_, M>, arg: u64) -> HypercallResult {
    if !cx.dom.is_privileged() {
        return Err(Errno::EPERM.into());
    }
    let mut request: abi::xen_machphys_mfn_list = copy_in(cx.m(), arg)?;
    let out = GuestSlice::<u64>::new(request.extent_start, u64::from(request.max_extents))?;
    let bytes = cx.hv.m2p.len() as u64 * 8;
    let extents = bytes.div_ceil(1 << 21).min(out.len());
    for i in 0..extents {
        let first = cx.hv.config.m2p_start.0 + i * 512;
        out.write(cx.m(), i, &first)?;
    }
    request.nr_extents = extents as u32;
    copy_out(cx.m(), arg, &request)?;
    Ok(0)
}

/// One entry of a memory map in the BIOS's E820 format: address, size, type, packed.
fn e820_entry((address, size, kind): (u64, u64, u32)) -> [u8; 20] {
    let mut raw = [0; 20];
    raw[..8].copy_from_slice(&address.to_le_bytes());
    raw[8..16].copy_from_slice(&size.to_le_bytes());
    raw[16..].copy_from_slice(&kind.to_le_bytes());
    raw
}

fn write_map<M: Machine>(
    cx: &Cx<'_, M>,
    arg: u64,
    map: impl Iterator<Item = (u64, u64, u32)>,
) -> Result<()> {
    let mut request: abi::xen_memory_map = copy_in(cx.m(), arg)?;
    let mut written = 0;
    for entry in map.take(request.nr_entries as usize) {
        let at = request.buffer.wrapping_add(u64::from(written) * 20);
        copy_out_bytes(cx.m(), at, &e820_entry(entry))?;
        written += 1;
    }
    request.nr_entries = written;
    copy_out(cx.m(), arg, &request)
}

/// The map that the toolstack set for the caller; `ENOSYS` when it set none, as on real Xen.
fn memory_map<M: Machine>(cx: &Cx<'_, M>, arg: u64) -> HypercallResult {
    let _: abi::xen_memory_map = copy_in(cx.m(), arg)?;
    let map = {
        let state = cx.dom.lock();
        if state.memory_map.is_empty() {
            return Err(Errno::ENOSYS.into());
        }
        let mut copy = arrayvec::ArrayVec::<_, MAX_MAP>::new();
        copy.extend(state.memory_map.iter().copied());
        copy
    };
    write_map(cx, arg, map.into_iter())?;
    Ok(0)
}

/// The machine's own map, for the privileged domain.
fn machine_memory_map<M: Machine>(cx: &Cx<'_, M>, arg: u64) -> HypercallResult {
    if !cx.dom.is_privileged() {
        return Err(Errno::EPERM.into());
    }
    let map = &cx.hv.config.memory_map;
    let mut request: abi::xen_memory_map = copy_in(cx.m(), arg)?;
    if request.buffer == 0 {
        request.nr_entries = map.len() as u32 + 1;
        copy_out(cx.m(), arg, &request)?;
        return Ok(0);
    }
    // All of it or nothing, with a place to spare, as on real Xen.
    if (request.nr_entries as usize) < map.len() + 1 {
        return Err(Errno::EINVAL.into());
    }
    write_map(cx, arg, map.iter().copied())?;
    Ok(0)
}

/// Most entries of a domain's memory map (`E820MAX`).
const MAX_MAP: usize = 128;

fn set_memory_map<M: Machine>(cx: &Cx<'_, M>, arg: u64) -> HypercallResult {
    let request: abi::xen_foreign_memory_map = copy_in(cx.m(), arg)?;
    let dom = cx.subject(request.domid)?;
    if !cx.dom.is_privileged() {
        return Err(Errno::EPERM.into());
    }
    let count = request.map.nr_entries as usize;
    if count > MAX_MAP {
        return Err(Errno::EINVAL.into());
    }
    let mut map = alloc::vec::Vec::new();
    map.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    for i in 0..count as u64 {
        let at = request.map.buffer.wrapping_add(i * 20);
        let low: [u64; 2] = copy_in(cx.m(), at)?;
        let kind: u32 = copy_in(cx.m(), at.wrapping_add(16))?;
        map.push((low[0], low[1], kind));
    }
    dom.lock().memory_map = map;
    Ok(0)
}

/// Sets frames aside for a domain. One that is being destroyed is refused here: as on real Xen no
/// memory comes to it any more, so that a claim could but keep frames from others. Real Xen takes the
/// claim and never ends it, and the frames are lost.
fn claim_pages<M: Machine>(cx: &Cx<'_, M>, arg: u64) -> HypercallResult {
    if !cx.dom.is_privileged() {
        return Err(Errno::EPERM.into());
    }
    let request: abi::xen_memory_reservation = copy_in(cx.m(), arg)?;
    if request.extent_start != 0 || request.extent_order != 0 || request.mem_flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    // By number only.
    let dom = (cx.hv.domains.find(request.domid)).map_err(|_| Errno::EINVAL)?;
    cx.hv.frames.claim(dom, request.nr_extents)?;
    Ok(0)
}

//! `XENMEM_exchange` (memory.h): frames of one size for frames of another, contiguity gained or
//! lost, the amount of memory the same.

use alloc::vec::Vec;

use hypercall_abi::memory as abi;

use super::Domain;
use crate::addr::Mfn;
use crate::error::{Errno, HypercallResult, Result, Stop};
use crate::frame::word::Owner;
use crate::guest::{GuestSlice, copy_in, copy_out};
use crate::hypercall::Cx;
use crate::platform::Machine;

/// Largest extent in an exchange: what a domain may turn into a contiguous piece for a device.
const MAX_ORDER: u32 = 9;

/// Byte offset of `nr_exchanged` in the request.
const NR_EXCHANGED: u64 = core::mem::offset_of!(abi::xen_memory_exchange, nr_exchanged) as u64;

/// `XENMEM_exchange`: gives up the input extents and gets output extents for them. A chunk, the
/// larger of the two extent sizes, is exchanged whole or not at all.
///
/// # Errors
/// `EINVAL` for sizes that do not agree or frames that are in use, `ENOMEM` when no extent of the
/// output size is free; `nr_exchanged` says how far it came.
pub(super) fn exchange<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> HypercallResult {
    let mut request: abi::xen_memory_exchange = copy_in(cx.m(), arg)?;
    let (input, output) = (request.r#in, request.out);
    let in_frames = frames(&input)?;
    if in_frames != frames(&output)? || request.nr_exchanged > input.nr_extents {
        return Err(Errno::EINVAL.into());
    }
    if input.domid != output.domid {
        return Err(Errno::EINVAL.into());
    }
    if cx.subject(input.domid)?.slot != cx.dom.slot {
        return Err(Errno::EPERM.into());
    }
    let ins = GuestSlice::new(input.extent_start, input.nr_extents)?;
    let outs = GuestSlice::new(output.extent_start, output.nr_extents)?;
    let order = input.extent_order.max(output.extent_order);
    let chunk = Chunk {
        ins,
        outs,
        in_order: input.extent_order,
        out_order: output.extent_order,
        order,
    };
    let per_chunk = 1_u64 << (order - input.extent_order);
    let chunks = input.nr_extents / per_chunk;
    let first = cx.resume_at().max(request.nr_exchanged / per_chunk);
    for index in first..chunks {
        if !cx
            .budget
            .take((8 << order).min(crate::hypercall::Budget::FULL))
        {
            cx.suspend_at(index);
            return Err(Stop::Retry);
        }
        let result = one(cx, &chunk, index);
        request.nr_exchanged = if result.is_ok() { index + 1 } else { index } * per_chunk;
        copy_out(
            cx.m(),
            arg.wrapping_add(NR_EXCHANGED),
            &request.nr_exchanged,
        )?;
        result?;
    }
    Ok(0)
}

fn frames(r: &abi::xen_memory_reservation) -> Result<u64> {
    if r.extent_order > MAX_ORDER {
        return Err(Errno::EPERM);
    }
    r.nr_extents
        .checked_shl(r.extent_order)
        .filter(|f| f >> r.extent_order == r.nr_extents)
        .ok_or(Errno::EINVAL)
}

struct Chunk {
    ins: GuestSlice<u64>,
    outs: GuestSlice<u64>,
    in_order: u32,
    out_order: u32,
    order: u32,
}

fn one<M: Machine>(cx: &Cx<'_, M>, chunk: &Chunk, index: u64) -> Result<()> {
    let dom = cx.dom;
    let ins = 1_u64 << (chunk.order - chunk.in_order);
    let outs = 1_u64 << (chunk.order - chunk.out_order);
    // Both lists as they are read or written now: the guest may change them any time.
    let mut given = room(ins)?;
    for i in 0..ins {
        let first = chunk.ins.read(cx.m(), index * ins + i)?;
        unused(cx, dom, first, chunk.in_order)?;
        given.push(first);
    }
    // New frames first: a domain never has less than it had.
    let mut made = room(outs)?;
    for i in 0..outs {
        match replace(cx, chunk, index * outs + i) {
            Ok(first) => made.push(first),
            Err(e) => {
                for first in made {
                    give_back(cx, dom, first, chunk.out_order);
                }
                return Err(e);
            }
        }
    }
    for first in given {
        give_back(cx, dom, first, chunk.in_order);
    }
    Ok(())
}

fn room(count: u64) -> Result<Vec<u64>> {
    let mut list = Vec::new();
    list.try_reserve_exact(count as usize)
        .map_err(|_| Errno::ENOMEM)?;
    Ok(list)
}

/// Whether the domain owns all frames of an extent, and nothing uses any.
fn unused<M: Machine>(cx: &Cx<'_, M>, dom: &Domain, first: u64, order: u32) -> Result<()> {
    let end = first.checked_add(1 << order).ok_or(Errno::EINVAL)?;
    for mfn in (first..end).map(Mfn) {
        let w = cx.hv.frames.word(mfn);
        if w.owner() != Owner::domain(dom.slot) || !w.is_allocated() || w.refs() != 1 {
            return Err(Errno::EINVAL);
        }
    }
    Ok(())
}

/// Allocates one output extent and gives its first frame; the guest put the pseudo-physical number
/// where the frame number goes.
fn replace<M: Machine>(cx: &Cx<'_, M>, chunk: &Chunk, index: u64) -> Result<u64> {
    let gpfn = chunk.outs.read(cx.m(), index)?;
    let first = cx.hv.alloc_domain_pages(cx.dom, chunk.out_order)?;
    for i in 0..1 << chunk.out_order {
        cx.hv.set_m2p(Mfn(first.0 + i), gpfn.wrapping_add(i));
    }
    if let Err(e) = chunk.outs.write(cx.m(), index, &first.0) {
        give_back(cx, cx.dom, first.0, chunk.out_order);
        return Err(e);
    }
    Ok(first.0)
}

fn give_back<M: Machine>(cx: &Cx<'_, M>, dom: &Domain, first: u64, order: u32) {
    for i in 0..1 << order {
        // Refused only for frames that the guest meanwhile gave away itself.
        let _ = cx.hv.release_domain_page(dom, Mfn(first.wrapping_add(i)));
    }
}

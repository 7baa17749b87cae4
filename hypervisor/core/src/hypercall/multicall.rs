//! `multicall` (xen.h): several hypercalls in one entry.

use hypercall_abi::xen::{__HYPERVISOR_iret, multicall_entry};
use zerocopy::IntoBytes;

use super::quick::Near;
use super::{Cx, dispatch, quick};
use crate::addr::guest_range;
use crate::error::{Errno, HypercallResult, Stop};
use crate::guest::GuestSlice;
use crate::platform::{CopyFault, Machine};
use crate::trap::iret;
use crate::vcpu::Vcpu;

/// Units of budget for an entry, besides what its call takes by itself.
pub(super) const UNITS: u32 = 12;
/// Bytes of an entry.
const ENTRY: u64 = size_of::<multicall_entry>() as u64;
/// Byte offset of `result` in a `multicall_entry`.
const RESULT: u64 = core::mem::offset_of!(multicall_entry, result) as u64;

/// Runs the first of `count` entries at `list`, as far as they are done in their quick forms, and gives their
/// number.
///
/// # Errors
/// When a result cannot be written.
#[inline(never)]
pub(super) fn quick<M: Machine>(
    near: &Near<'_, M>,
    vcpu: &mut Vcpu,
    (list, count): (u64, u64),
) -> Result<u64, CopyFault> {
    let m = near.hv.machine;
    let most = count.min(u64::from(m.budget() / UNITS));
    if !guest_range(list, most * ENTRY) {
        return Ok(0);
    }
    let mut at = list;
    for done in 0..most {
        let Ok([op, a, b, c, d]) = m.read_guest_entry(at) else {
            return Ok(done);
        };
        let Some(result) = quick::entry(near, vcpu, op, [a, b, c, d]) else {
            return Ok(done);
        };
        m.write_guest_u64(at + RESULT, result)?;
        at += ENTRY;
    }
    Ok(most)
}

/// `multicall(call_list, nr_calls)`: runs each entry and writes its result back.
///
/// # Errors
/// `EFAULT` when the list is not the guest's; `EINVAL` inside another multicall. Entries that fail
/// say so in their own result. `iret` in an entry ends the list, as nothing in it may run in the
/// address space that comes after (XSA-213): the guest goes on where its frame says, with the
/// frame's rax, which is the entry's result too.
pub fn multicall<M: Machine>(cx: &mut Cx<'_, M>, list: u64, count: u64) -> HypercallResult {
    if cx.depth != 0 {
        return Err(Errno::EINVAL.into());
    }
    if !guest_range(list, 1) {
        return Err(Errno::EFAULT.into());
    }
    let entries = GuestSlice::<multicall_entry>::new(list, u64::from(count as u32))?;
    let outer = cx.number;
    let mut next = cx.resume_at();
    cx.depth = 1;
    let outcome = run(cx, &entries, &mut next);
    if cx.vcpu.continuation[1].is_some() && outcome != Err(Stop::Retry) {
        // Of an entry that is not there any more.
        cx.end_progress();
    }
    (cx.number, cx.depth) = (outer, 0);
    if outcome == Err(Stop::Retry) {
        cx.suspend_at(next);
    }
    outcome
}

/// Runs the entries from `next` on, which keeps up with it.
fn run<M: Machine>(
    cx: &mut Cx<'_, M>,
    entries: &GuestSlice<multicall_entry>,
    next: &mut u64,
) -> HypercallResult {
    while *next < entries.len() {
        // Taken at the end: an entry that finds nothing left would not get anywhere.
        if cx.budget.is_spent() {
            return Err(Stop::Retry);
        }
        let at = entries.address(*next);
        let entry = cx.vcpu.entry.as_mut_bytes();
        (cx.hv.machine.copy_from_guest(at, entry)).map_err(|_| Errno::EFAULT)?;
        cx.number = cx.vcpu.entry.op;
        if cx.number == __HYPERVISOR_iret {
            if !cx.vcpu.all_saved {
                return Err(dispatch::call_whole(cx));
            }
            iret::iret(cx)?;
            // Where the list is not writable any more, nobody looks at it.
            let _ = put_result(cx, at, cx.vcpu.regs.rax);
            return Ok(cx.vcpu.regs.rax as i64);
        }
        let value = match dispatch::inner_call(cx) {
            Ok(value) => value,
            Err(Stop::Err(e)) => {
                cx.end_progress();
                e.negated()
            }
            Err(stop) => return Err(stop),
        };
        put_result(cx, at, value as u64)?;
        cx.budget.take(UNITS);
        *next += 1;
    }
    Ok(0)
}

/// Writes the result of the entry at `at`.
#[inline]
fn put_result<M: Machine>(cx: &Cx<'_, M>, at: u64, value: u64) -> Result<(), Errno> {
    (cx.m().write_guest_u64(at.wrapping_add(RESULT), value)).map_err(|_| Errno::EFAULT)
}

//! `multicall` (xen.h): several hypercalls in one entry.

use hypercall_abi::xen::{__HYPERVISOR_iret, multicall_entry};
use zerocopy::IntoBytes;

use super::{Cx, dispatch};
use crate::addr::guest_range;
use crate::error::{Errno, HypercallResult, Stop};
use crate::guest::GuestSlice;
use crate::platform::Machine;
use crate::trap::iret;

/// Units of budget for an entry, besides what its call takes by itself.
const UNITS: u32 = 12;
/// Byte offset of `result` in a `multicall_entry`.
const RESULT: u64 = core::mem::offset_of!(multicall_entry, result) as u64;

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
            Err(Stop::Err(e)) => e.negated(),
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

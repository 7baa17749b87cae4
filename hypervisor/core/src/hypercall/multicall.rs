//! `multicall` (xen.h): several hypercalls in one entry.

use hypercall_abi::xen::{__HYPERVISOR_iret, __HYPERVISOR_multicall, multicall_entry};

use super::{Cx, dispatch};
use crate::addr::guest_range;
use crate::error::{Errno, HypercallResult, Stop};
use crate::guest::GuestSlice;
use crate::platform::Machine;
use crate::trap::iret;

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
    let outer = cx.call;
    let first = cx.resume_at();
    for index in first..entries.len() {
        let outcome = entry(cx, &entries, index);
        cx.call = outer;
        cx.depth = 0;
        match outcome {
            Ok(Next::Entry) => {}
            Ok(Next::Left) => return Ok(cx.vcpu.regs.rax as i64),
            Err(Stop::Retry) => {
                cx.suspend_at(index);
                return Err(Stop::Retry);
            }
            Err(other) => return Err(other),
        }
    }
    Ok(0)
}

/// What follows an entry.
enum Next {
    /// The next entry.
    Entry,
    /// Nothing: the guest goes on elsewhere.
    Left,
}

fn entry<M: Machine>(
    cx: &mut Cx<'_, M>,
    entries: &GuestSlice<multicall_entry>,
    index: u64,
) -> Result<Next, Stop> {
    // Taken at the end: an entry that finds nothing left would not get anywhere.
    if cx.budget.is_spent() {
        return Err(Stop::Retry);
    }
    let e = entries.read(cx.m(), index)?;
    if e.op == __HYPERVISOR_iret {
        iret::iret(cx)?;
        // Where the list is not writable any more, nobody looks at it.
        let _ = put_result(cx, entries, index, cx.vcpu.regs.rax);
        return Ok(Next::Left);
    }
    cx.call = (e.op, e.args);
    cx.depth = 1;
    let result = if e.op == __HYPERVISOR_multicall {
        Err(Errno::EINVAL.into())
    } else {
        dispatch::call(cx)
    };
    let value = match result {
        Ok(value) => value,
        Err(Stop::Err(e)) => e.negated(),
        Err(stop) => return Err(stop),
    };
    put_result(cx, entries, index, value as u64)?;
    cx.budget.take(2);
    Ok(Next::Entry)
}

fn put_result<M: Machine>(
    cx: &Cx<'_, M>,
    entries: &GuestSlice<multicall_entry>,
    index: u64,
    value: u64,
) -> Result<(), Errno> {
    let at = entries.address(index).wrapping_add(RESULT);
    cx.m().write_guest_u64(at, value).map_err(|_| Errno::EFAULT)
}

//! `multicall` (xen.h): several hypercalls in one entry.

use hypercall_abi::xen::{__HYPERVISOR_iret, __HYPERVISOR_multicall, multicall_entry};

use super::{Cx, dispatch};
use crate::error::{Errno, HypercallResult, Stop};
use crate::guest::GuestSlice;
use crate::platform::Machine;

/// Byte offset of `result` in a `multicall_entry`.
const RESULT: u64 = core::mem::offset_of!(multicall_entry, result) as u64;

/// `multicall(call_list, nr_calls)`: runs each entry and writes its result back.
///
/// # Errors
/// `EFAULT` when the list is not the guest's; `EINVAL` inside another multicall. Entries that fail
/// say so in their own result. `iret` in an entry ends the domain: it would resume elsewhere than
/// behind the list (XSA-213).
pub fn multicall<M: Machine>(cx: &mut Cx<'_, M>, list: u64, count: u64) -> HypercallResult {
    if cx.depth != 0 {
        return Err(Errno::EINVAL.into());
    }
    let entries = GuestSlice::<multicall_entry>::new(list, u64::from(count as u32))?;
    let outer = cx.call;
    let first = cx.resume_at();
    for index in first..entries.len() {
        let outcome = entry(cx, &entries, index);
        cx.call = outer;
        cx.depth = 0;
        match outcome {
            Ok(()) => {}
            Err(Stop::Retry) => {
                cx.suspend_at(index);
                return Err(Stop::Retry);
            }
            Err(other) => return Err(other),
        }
    }
    Ok(0)
}

fn entry<M: Machine>(
    cx: &mut Cx<'_, M>,
    entries: &GuestSlice<multicall_entry>,
    index: u64,
) -> Result<(), Stop> {
    if !cx.budget.take(2) {
        return Err(Stop::Retry);
    }
    let e = entries.read(cx.m(), index)?;
    if e.op == __HYPERVISOR_iret {
        return Err(crate::error::Crash("iret inside a multicall").into());
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
    let at = entries.address(index).wrapping_add(RESULT);
    cx.m()
        .write_guest_u64(at, value as u64)
        .map_err(|_| Errno::EFAULT)?;
    Ok(())
}

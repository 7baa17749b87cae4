//! `mmuext_op` (xen.h): pins, roots, flushes, descriptor tables, page copies.

use hypercall_abi::xen::{
    DOMID_SELF, MMUEXT_CLEAR_PAGE, MMUEXT_COPY_PAGE, MMUEXT_FLUSH_CACHE, MMUEXT_FLUSH_CACHE_GLOBAL,
    MMUEXT_INVLPG_ALL, MMUEXT_INVLPG_LOCAL, MMUEXT_INVLPG_MULTI, MMUEXT_MARK_SUPER,
    MMUEXT_NEW_BASEPTR, MMUEXT_NEW_USER_BASEPTR, MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE,
    MMUEXT_PIN_L3_TABLE, MMUEXT_PIN_L4_TABLE, MMUEXT_SET_LDT, MMUEXT_TLB_FLUSH_ALL,
    MMUEXT_TLB_FLUSH_LOCAL, MMUEXT_TLB_FLUSH_MULTI, MMUEXT_UNMARK_SUPER, MMUEXT_UNPIN_TABLE,
    mmuext_op as Op,
};

use super::mmu_update::{operations, page_owner, tell_done, unnamed};
use super::{root, scope, walk};
use crate::addr::{Mfn, guest_range};
use crate::domain::Domain;
use crate::error::{Errno, HypercallResult, Result, Stop};
use crate::frame::word::{Owner, Word};
use crate::guest::GuestSlice;
use crate::hypercall::Cx;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::vcpu::Vcpu;

/// `mmuext_op` with one operation that sets a root which is live, or flushes: whether that was all,
/// and done.
#[inline(always)]
pub(crate) fn quick<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    dom: &Domain,
    args: [u64; 6],
) -> bool {
    let [at, count, pdone, foreign, ..] = args;
    let usual = count as u32 == 1 && pdone == 0 && foreign as u16 == DOMID_SELF;
    if !usual || !guest_range(at, size_of::<Op>() as u64) {
        return false;
    }
    // The last one is not used, but has to be there.
    let Ok([cmd, arg, _]) = hv.machine.read_guest_three(at) else {
        return false;
    };
    match cmd as u32 {
        MMUEXT_NEW_BASEPTR => root::quick_kernel_root(hv, vcpu, dom, Mfn(arg)),
        MMUEXT_NEW_USER_BASEPTR => root::quick_user_root(hv, vcpu, dom, Mfn(arg)),
        cmd => scope::quick(hv, dom, cmd, arg),
    }
}

/// `mmuext_op(uops, count, pdone, foreigndom)`.
///
/// # Errors
/// That of the first operation that failed; `pdone` tells how many succeeded.
pub fn mmuext_op<M: Machine>(
    cx: &mut Cx<'_, M>,
    ops: u64,
    count: u64,
    pdone: u64,
    foreign: u64,
) -> HypercallResult {
    let count = u64::from(count as u32);
    let dom = match page_owner(cx, foreign as u16) {
        Ok(dom) => dom,
        Err(e) => return unnamed(cx, (count, pdone), e),
    };
    let slice = operations::<Op, M>(cx, ops, count, pdone)?;
    let mut done = cx.resume_at();
    let mut result = Ok(());
    while done < slice.len() {
        result = step(cx, dom, &slice, done);
        match result {
            Ok(()) => done += 1,
            Err(Stop::Retry) => {
                cx.suspend_at(done);
                return Err(Stop::Retry);
            }
            Err(_) => break,
        }
    }
    tell_done(cx, pdone, done);
    result.map(|()| 0)
}

fn step<M: Machine>(
    cx: &mut Cx<'_, M>,
    dom: Option<&Domain>,
    ops: &GuestSlice<Op>,
    index: u64,
) -> Result<(), Stop> {
    if cx.budget.is_spent() {
        return Err(Stop::Retry);
    }
    let op = ops.read(cx.m(), index)?;
    cx.afford(units_of(op.cmd))?;
    match dom {
        Some(dom) => one(cx, dom, op),
        // Device frames are no tables, and no domain's to clear.
        None if names_page(op.cmd) => Err(Errno::EINVAL.into()),
        None => Err(Errno::EPERM.into()),
    }
}

/// Units of budget for an operation, besides those of the tables that it validates or releases.
const fn units_of(cmd: u32) -> u32 {
    match cmd {
        MMUEXT_CLEAR_PAGE => 10,
        MMUEXT_COPY_PAGE => 20,
        _ => 6,
    }
}

/// Whether an operation works on a page of the domain that the caller named, and not on the
/// calling vCPU.
const fn names_page(cmd: u32) -> bool {
    matches!(
        cmd,
        MMUEXT_PIN_L1_TABLE
            | MMUEXT_PIN_L2_TABLE
            | MMUEXT_PIN_L3_TABLE
            | MMUEXT_PIN_L4_TABLE
            | MMUEXT_UNPIN_TABLE
            | MMUEXT_CLEAR_PAGE
            | MMUEXT_COPY_PAGE
    )
}

fn one<M: Machine>(cx: &mut Cx<'_, M>, dom: &Domain, op: Op) -> Result<(), Stop> {
    let mfn = Mfn(op.arg1);
    match op.cmd {
        MMUEXT_PIN_L1_TABLE => pin(cx, dom, mfn, 1),
        MMUEXT_PIN_L2_TABLE => pin(cx, dom, mfn, 2),
        MMUEXT_PIN_L3_TABLE => pin(cx, dom, mfn, 3),
        MMUEXT_PIN_L4_TABLE => pin(cx, dom, mfn, 4),
        MMUEXT_UNPIN_TABLE => unpin(cx, dom, mfn),
        _ if dom.slot != cx.dom.slot && !names_page(op.cmd) => Err(Errno::EPERM.into()),
        MMUEXT_NEW_BASEPTR => root::new_kernel_root(cx, mfn),
        MMUEXT_NEW_USER_BASEPTR => root::new_user_root(cx, mfn),
        _ => Ok(others(cx, dom, op)?),
    }
}

fn others<M: Machine>(cx: &mut Cx<'_, M>, dom: &Domain, op: Op) -> Result<()> {
    match op.cmd {
        MMUEXT_TLB_FLUSH_LOCAL => scope::flush_here(cx),
        MMUEXT_INVLPG_LOCAL => scope::invlpg_here(cx, op.arg1),
        MMUEXT_TLB_FLUSH_ALL => scope::flush(cx, scope::all(cx)),
        MMUEXT_INVLPG_ALL => scope::invlpg(cx, scope::all(cx), op.arg1),
        MMUEXT_TLB_FLUSH_MULTI => {
            let mask = scope::listed(cx, op.arg2).map_err(|_| Errno::EINVAL)?;
            scope::flush(cx, mask);
        }
        MMUEXT_INVLPG_MULTI => {
            let mask = scope::listed(cx, op.arg2).map_err(|_| Errno::EINVAL)?;
            scope::invlpg(cx, mask, op.arg1);
        }
        MMUEXT_SET_LDT => crate::trap::calls::set_ldt(cx.hv, cx.vcpu, op.arg1, op.arg2)?,
        MMUEXT_CLEAR_PAGE => {
            let mfn = Mfn(op.arg1);
            cx.hv.page_get_writable(dom, mfn)?;
            cx.m().zero_frame(mfn);
            cx.hv.page_put_writable(mfn);
        }
        MMUEXT_COPY_PAGE => copy_page(cx, dom, Mfn(op.arg1), Mfn(op.arg2))?,
        // Only domains with devices cache what must be written back.
        MMUEXT_FLUSH_CACHE | MMUEXT_FLUSH_CACHE_GLOBAL => {
            if !cx.dom.has_devices() {
                return Err(match op.cmd {
                    MMUEXT_FLUSH_CACHE => Errno::EACCES,
                    _ => Errno::EINVAL,
                });
            }
            cx.m().flush_cache();
        }
        MMUEXT_MARK_SUPER | MMUEXT_UNMARK_SUPER => return Err(Errno::EOPNOTSUPP),
        _ => return Err(Errno::ENOSYS),
    }
    Ok(())
}

fn copy_page<M: Machine>(cx: &Cx<'_, M>, dom: &Domain, dst: Mfn, src: Mfn) -> Result<()> {
    cx.hv.page_get(dom, src)?;
    let taken = cx.hv.page_get_writable(dom, dst);
    if taken.is_ok() {
        cx.m().copy_frame(dst, src);
        cx.hv.page_put_writable(dst);
    }
    cx.hv.page_put(src);
    taken
}

/// Validates `table` as a table of `level` and keeps it live until unpinned.
fn pin<M: Machine>(cx: &mut Cx<'_, M>, dom: &Domain, table: Mfn, level: u8) -> Result<(), Stop> {
    let _guard = dom.lock();
    let walk = &mut cx.vcpu.walk;
    walk::get_table(cx.hv, dom, (table, level), walk, &mut cx.budget)?;
    if cx.hv.frames.change(table, Word::pin).is_err() {
        walk::put_table(cx.hv, table, walk);
        return Err(Errno::EINVAL.into());
    }
    if dom.is_dying() {
        // Nobody would ever take the pin off.
        root::unpin_if_pinned(cx.hv, dom, table, walk);
        return Err(Errno::EINVAL.into());
    }
    Ok(())
}

fn unpin<M: Machine>(cx: &mut Cx<'_, M>, dom: &Domain, table: Mfn) -> Result<(), Stop> {
    let _guard = dom.lock();
    walk::finish(cx.hv, dom, &mut cx.vcpu.walk, &mut cx.budget)?;
    let owner = Owner::domain(dom.slot);
    cx.hv
        .frames
        .change(table, |w| w.unpin(owner))
        .map_err(|_| Errno::EINVAL)?;
    walk::put_table(cx.hv, table, &mut cx.vcpu.walk);
    // Done, whether or not the release is: what is left of it ends before the vCPU's next call.
    let _ = walk::finish(cx.hv, dom, &mut cx.vcpu.walk, &mut cx.budget);
    Ok(())
}

//! Roots: the address spaces a vCPU runs in.

use core::hint::cold_path;

use super::walk;
use crate::addr::Mfn;
use crate::domain::Domain;
use crate::error::{Errno, Result, Stop};
use crate::frame::word::{Kind, Owner, Word};
use crate::hypercall::{Budget, Cx};
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::vcpu::Vcpu;

/// `MMUEXT_NEW_BASEPTR`: the kernel root, loaded at once.
///
/// # Errors
/// `EINVAL` when it is no valid root; `Retry`.
pub(crate) fn new_kernel_root<M: Machine>(cx: &mut Cx<'_, M>, new: Mfn) -> Result<(), Stop> {
    if cx.vcpu.arch.kernel_root == Some(new).into() {
        load(cx.hv, new);
        return Ok(());
    }
    let _guard = cx.dom.lock();
    let walk = &mut cx.vcpu.walk;
    walk::get_table(cx.hv, cx.dom, (new, 4), walk, &mut cx.budget)?;
    run_in(cx.hv, cx.dom, (cx.vcpu, new), &mut cx.budget);
    Ok(())
}

/// The same for a vCPU without page-table work in progress and a root that is live; says whether it
/// is done, but for the release of the old root, or else nothing has changed.
#[inline(always)]
pub(super) fn quick_kernel_root<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    dom: &Domain,
    new: Mfn,
) -> bool {
    if vcpu.arch.kernel_root == Some(new).into() {
        load(hv, new);
        return true;
    }
    let _guard = dom.lock();
    if !take_live_root(hv, dom, new) {
        return false;
    }
    let old = vcpu.arch.kernel_root.replace(new);
    load(hv, new);
    leave(hv, old, &mut vcpu.walk);
    true
}

/// The same for the user root, which is loaded later.
#[inline(always)]
pub(super) fn quick_user_root<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    dom: &Domain,
    new: Mfn,
) -> bool {
    if vcpu.arch.user_root == Some(new).into() {
        return true;
    }
    let _guard = dom.lock();
    if !take_live_root(hv, dom, new) {
        return false;
    }
    let old = vcpu.arch.user_root.replace(new);
    leave(hv, old, &mut vcpu.walk);
    true
}

/// Gives up a root's use; says whether it was the last one: then the release is queued in `walk`.
#[inline(always)]
fn leave<M: Machine>(hv: &Hypervisor<M>, old: Option<Mfn>, walk: &mut walk::Walk) -> bool {
    let Some(old) = old else {
        return false;
    };
    let last = !walk::put_one_of_several(hv, old);
    if last {
        cold_path();
        walk::put_table(hv, old, walk);
    }
    last
}

/// Takes a use of a root of `dom`, whose lock is held, if it is live.
#[inline(always)]
fn take_live_root<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, root: Mfn) -> bool {
    let owner = Owner::from(dom);
    let live = |word: Word| word.get_validated(owner, Kind::L4);
    hv.frames.try_change(root, live)
}

/// Has `vcpu` run in `new`, of which it holds a use, and gives up that of its old root.
#[inline(always)]
fn run_in<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    (vcpu, new): (&mut Vcpu, Mfn),
    budget: &mut Budget,
) {
    let old = vcpu.arch.kernel_root.replace(new);
    load(hv, new);
    retire(hv, dom, old, (&mut vcpu.walk, budget));
}

/// `MMUEXT_NEW_USER_BASEPTR`: the user root, loaded at the next return to user mode; 0 for none.
///
/// # Errors
/// `EINVAL` when it is no valid root; `Retry`.
pub(crate) fn new_user_root<M: Machine>(cx: &mut Cx<'_, M>, new: Mfn) -> Result<(), Stop> {
    let old = cx.vcpu.arch.user_root.get();
    let new = (new.0 != 0).then_some(new);
    if old == new {
        return Ok(());
    }
    let _guard = cx.dom.lock();
    if let Some(new) = new {
        let walk = &mut cx.vcpu.walk;
        walk::get_table(cx.hv, cx.dom, (new, 4), walk, &mut cx.budget)?;
    }
    cx.vcpu.arch.user_root = new.into();
    retire(cx.hv, cx.dom, old, (&mut cx.vcpu.walk, &mut cx.budget));
    Ok(())
}

/// Gives up a root's use; what is left of its release ends before the vCPU's next call.
#[inline(always)]
fn retire<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    old: Option<Mfn>,
    (walk, budget): (&mut walk::Walk, &mut Budget),
) {
    if leave(hv, old, walk) {
        let _ = walk::finish(hv, dom, walk, budget);
    }
}

/// Loads a root on this CPU, which flushes it.
#[inline]
fn load<M: Machine>(hv: &Hypervisor<M>, root: Mfn) {
    hv.tlb.note(hv.machine.cpu(), || hv.machine.load_root(root));
}

/// Takes a use of `mfn` as a root of `dom`, however long it takes: for the domain builder and for
/// setting a vCPU's context. With `pin`, the use becomes a pin.
///
/// # Errors
/// `EINVAL` when it is no valid root, or is pinned already.
pub fn adopt_root<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, mfn: Mfn, pin: bool) -> Result<()> {
    let _guard = dom.lock();
    let mut walk = walk::Walk::default();
    loop {
        let mut budget = Budget::new(Budget::FULL);
        match walk::get_table(hv, dom, (mfn, 4), &mut walk, &mut budget) {
            Ok(()) => break,
            Err(Stop::Err(e)) => {
                drain(hv, dom, &mut walk);
                return Err(e);
            }
            Err(_) => drain_keeping_verdict(hv, dom, &mut walk),
        }
    }
    if pin && hv.frames.change(mfn, Word::pin).is_err() {
        walk::put_table(hv, mfn, &mut walk);
        drain(hv, dom, &mut walk);
        return Err(Errno::EINVAL);
    }
    Ok(())
}

fn drain_keeping_verdict<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, walk: &mut walk::Walk) {
    loop {
        let mut budget = Budget::new(Budget::FULL);
        if walk::finish(hv, dom, walk, &mut budget).is_ok() {
            return;
        }
    }
}

/// Ends all work of a walk, however long it takes.
pub(crate) fn drain<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, walk: &mut walk::Walk) {
    walk::forget_verdict(hv, walk);
    drain_keeping_verdict(hv, dom, walk);
}

/// Gives up a root that [`adopt_root`] or a vCPU held. The release is queued in `walk`.
pub(crate) fn give_up_root<M: Machine>(hv: &Hypervisor<M>, mfn: Mfn, walk: &mut walk::Walk) {
    walk::put_table(hv, mfn, walk);
}

/// Takes the pin off a table of `dom`, if it has one; the release is queued in `walk`.
pub(crate) fn unpin_if_pinned<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    mfn: Mfn,
    walk: &mut walk::Walk,
) {
    let owner = Owner::domain(dom.slot);
    if hv.frames.change(mfn, |w| w.unpin(owner)).is_ok() {
        walk::put_table(hv, mfn, walk);
    }
}

//! `mmu_update`, `update_va_mapping` and `update_va_mapping_otherdomain` (xen.h).

use hypercall_abi::xen::{
    DOMID_IO, DOMID_SELF, DOMID_XEN, MMU_MACHPHYS_UPDATE, MMU_NORMAL_PT_UPDATE,
    MMU_PT_UPDATE_NO_TRANSLATE, MMU_PT_UPDATE_PRESERVE_AD, UVMF_NONE, mmu_update as Request,
};

use super::update::{AccessedDirty, Parties};
use super::{scope, walk};
use crate::addr::Mfn;
use crate::addr::guest_range;
use crate::domain::Domain;
use crate::error::{Errno, HypercallResult, Result, Stop};
use crate::frame::word::Owner;
use crate::guest::{GuestSlice, copy_out};
use crate::hypercall::Cx;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

impl<'a, M: Machine> Cx<'a, M> {
    /// The domain that the caller means by `domid`, if it may act on it.
    ///
    /// # Errors
    /// `ESRCH` when there is none, `EPERM` when it is another's and the caller is not privileged.
    #[inline]
    pub(crate) fn subject(&self, domid: u16) -> Result<&'a Domain> {
        if domid == DOMID_SELF || domid == self.dom.id() {
            return Ok(self.dom);
        }
        if !self.dom.is_privileged() {
            // Whether it exists is nobody else's business, but real Xen tells.
            return Err(self.hv.domains.find(domid).err().unwrap_or(Errno::EPERM));
        }
        self.hv.domains.find(domid)
    }
}

/// Whose tables `domid` means, which real Xen takes by number only.
fn table_owner<'a, M: Machine>(cx: &Cx<'a, M>, domid: u16) -> Result<&'a Domain> {
    if domid == DOMID_SELF {
        return Err(Errno::ESRCH);
    }
    cx.subject(domid)
}

/// Whose pages `domid` means: the caller's (who may not name itself by number), another domain's,
/// or device frames only.
pub(super) fn page_owner<'a, M: Machine>(cx: &Cx<'a, M>, domid: u16) -> Result<Option<&'a Domain>> {
    match domid {
        DOMID_SELF => Ok(Some(cx.dom)),
        DOMID_IO | DOMID_XEN if cx.dom.is_privileged() => Ok(None),
        DOMID_IO | DOMID_XEN => Err(Errno::EPERM),
        _ if domid == cx.dom.id() => Err(Errno::ESRCH),
        _ => cx.subject(domid).map(Some),
    }
}

/// The same for the pages that entries map.
fn mapped_owner<M: Machine>(cx: &Cx<'_, M>, domid: u16) -> Result<Owner> {
    Ok(page_owner(cx, domid)?.map_or(Owner::IO, Owner::from))
}

/// `mmu_update(ureqs, count, pdone, foreigndom)`.
///
/// # Errors
/// That of the first request that failed; `pdone` tells how many succeeded.
pub fn mmu_update<M: Machine>(
    cx: &mut Cx<'_, M>,
    requests: u64,
    count: u64,
    pdone: u64,
    foreign: u64,
) -> HypercallResult {
    let count = u64::from(count as u32);
    let parties = if foreign as u32 == u32::from(DOMID_SELF) {
        Parties::own(cx.dom)
    } else {
        let table = match (foreign >> 16) as u16 {
            0 => cx.dom,
            other => table_owner(cx, other - 1)?,
        };
        Parties {
            table,
            pages: mapped_owner(cx, foreign as u16)?,
            devices: cx.dom.is_privileged(),
        }
    };
    let slice = operations::<Request, M>(cx, requests, count, pdone)?;
    let start = cx.resume_at();
    let guard = parties.table.lock();
    let (done, result) = run(cx, parties, slice, start);
    drop(guard);
    if let Err(Stop::Retry) = result {
        cx.suspend_at(done);
        return Err(Stop::Retry);
    }
    tell_done(cx, pdone, done);
    result.map(|()| 0)
}

/// The list that a guest gave as `count` operations at `va`. Real Xen looks only at the list's
/// first byte before it begins, even if it is empty; the rest shows on the way.
pub(super) fn operations<T, M: Machine>(
    cx: &Cx<'_, M>,
    va: u64,
    count: u64,
    pdone: u64,
) -> Result<GuestSlice<T>> {
    if !guest_range(va, 1) {
        return Err(Errno::EFAULT);
    }
    GuestSlice::new(va, count).inspect_err(|_| tell_done(cx, pdone, 0))
}

/// Writes how many operations of a list are done to where the guest asked for it. A place that
/// cannot be written is the guest's own loss: what was done is done.
pub(super) fn tell_done<M: Machine>(cx: &Cx<'_, M>, pdone: u64, done: u64) {
    if pdone != 0 {
        let _ = copy_out(cx.m(), pdone, &(done as u32));
    }
}

/// Requests that are copied in at once.
pub const BATCH: usize = 32;
/// Units of budget for one request.
const UNITS: u32 = 2;

/// Runs requests from `start` on; gives how many are finished, and why it stopped.
fn run<M: Machine>(
    cx: &mut Cx<'_, M>,
    parties: Parties<'_>,
    requests: GuestSlice<Request>,
    start: u64,
) -> (u64, Result<(), Stop>) {
    let mut done = start;
    while done < requests.len() {
        let affordable = cx.budget.good_for(UNITS) as usize;
        if affordable == 0 {
            return (done, Err(Stop::Retry));
        }
        let read = copy_in(cx, requests, done, affordable);
        if read == 0 {
            return (done, Err(Errno::EFAULT.into()));
        }
        let (count, result) = several(cx, parties, read);
        done += count as u64;
        if result.is_err() {
            return (done, result);
        }
    }
    (done, Ok(()))
}

/// Copies requests from `first` on in, as many as are affordable and readable, and gives how many.
#[inline(always)]
fn copy_in<M: Machine>(
    cx: &mut Cx<'_, M>,
    requests: GuestSlice<Request>,
    first: u64,
    affordable: usize,
) -> usize {
    let (m, buffer) = (cx.hv.machine, &mut cx.vcpu.requests);
    if requests.len() - first > 1 {
        return requests.read_many(m, first, &mut buffer[..BATCH.min(affordable)]);
    }
    match requests.read(m, first) {
        Ok(request) => {
            buffer[0] = request;
            1
        }
        Err(_) => 0,
    }
}

/// Runs the requests that were copied in up to the first that fails or that is no update of a
/// level-1 table: after that one the rest is to be copied in anew, for it may have changed them.
#[inline]
fn several<M: Machine>(
    cx: &mut Cx<'_, M>,
    parties: Parties<'_>,
    count: usize,
) -> (usize, Result<(), Stop>) {
    let done = level_one(cx.hv, parties, &cx.vcpu.requests[..count]);
    cx.budget.take(done as u32 * UNITS);
    if done == count {
        return (done, Ok(()));
    }
    let request = cx.vcpu.requests[done];
    let (finished, result) = other(cx, parties, &request);
    (done + usize::from(finished), result)
}

/// How a request treats accessed and dirty bits, if it is an update of an entry.
#[inline]
const fn update_of(request: &Request) -> Option<AccessedDirty> {
    match request.ptr & 7 {
        MMU_NORMAL_PT_UPDATE | MMU_PT_UPDATE_NO_TRANSLATE => Some(AccessedDirty::Overwrite),
        MMU_PT_UPDATE_PRESERVE_AD => Some(AccessedDirty::Keep),
        _ => None,
    }
}

/// Runs requests as long as they are usual updates of level-1 tables; how many. The next one
/// changed nothing.
#[inline(never)]
fn level_one<M: Machine>(hv: &Hypervisor<M>, parties: Parties<'_>, requests: &[Request]) -> usize {
    let owner = Owner::from(parties.table);
    // Updates of level-1 tables end no table's life, and the lock keeps others from it.
    let mut live = Mfn(u64::MAX);
    let mut left = requests;
    while let [request, rest @ ..] = left {
        let table = Mfn::containing(request.ptr);
        if live != table {
            if !hv.frames.word(table).is_live_l1(owner) {
                break;
            }
            live = table;
        }
        let finished = match update_of(request) {
            Some(AccessedDirty::Overwrite) => {
                let index = (request.ptr as usize >> 3) & 511;
                hv.try_update_l1(parties.pages, table, index, request.val)
            }
            Some(ad) => keeping(hv, parties, request, ad),
            None => false,
        };
        if !finished {
            break;
        }
        left = rest;
    }
    requests.len() - left.len()
}

/// An update of a live level-1 table that keeps what the processor noted; whether it succeeded.
#[inline(never)]
fn keeping<M: Machine>(
    hv: &Hypervisor<M>,
    parties: Parties<'_>,
    request: &Request,
    ad: AccessedDirty,
) -> bool {
    let slot = (
        Mfn::containing(request.ptr),
        (request.ptr as usize >> 3) & 511,
    );
    hv.update_l1(parties, slot, request.val, ad).is_ok()
}

/// Any request: whether it is finished, and what to return.
#[cold]
#[inline(never)]
fn other<M: Machine>(
    cx: &mut Cx<'_, M>,
    parties: Parties<'_>,
    request: &Request,
) -> (bool, Result<(), Stop>) {
    cx.budget.take(UNITS);
    if request.ptr & 7 == MMU_MACHPHYS_UPDATE {
        let result = machphys(cx.hv, parties, request);
        return (result.is_ok(), result.map_err(Stop::from));
    }
    let Some(ad) = update_of(request) else {
        return (false, Err(Errno::ENOSYS.into()));
    };
    let (walk, budget) = (&mut cx.vcpu.walk, &mut cx.budget);
    let address = request.ptr & !7;
    let result = cx
        .hv
        .update_entry(parties, address, request.val, ad, (walk, budget));
    if result.is_err() || walk.is_idle() {
        return (result.is_ok(), result);
    }
    // What the old entry left behind.
    (true, walk::finish(cx.hv, parties.table, walk, budget))
}

fn machphys<M: Machine>(hv: &Hypervisor<M>, parties: Parties<'_>, request: &Request) -> Result<()> {
    let mfn = Mfn::containing(request.ptr);
    if hv.frames.owner(mfn) != parties.pages {
        return Err(Errno::EINVAL);
    }
    hv.set_m2p(mfn, request.val);
    Ok(())
}

/// `update_va_mapping(va, new_val, flags)`.
///
/// # Errors
/// `EINVAL` when no level-1 table maps `va`, or as the entry's validation says.
pub fn update_va_mapping<M: Machine>(
    cx: &mut Cx<'_, M>,
    va: u64,
    raw: u64,
    flags: u64,
) -> HypercallResult {
    update_va(cx, Parties::own(cx.dom), va, raw, flags)
}

/// `update_va_mapping_otherdomain(va, new_val, flags, domid)`: maps another domain's page.
///
/// # Errors
/// As [`update_va_mapping`]; `EPERM`, `ESRCH` for the domain.
pub fn update_va_mapping_otherdomain<M: Machine>(
    cx: &mut Cx<'_, M>,
    va: u64,
    raw: u64,
    flags: u64,
    domid: u64,
) -> HypercallResult {
    let parties = Parties {
        table: cx.dom,
        pages: mapped_owner(cx, domid as u16)?,
        devices: cx.dom.is_privileged(),
    };
    update_va(cx, parties, va, raw, flags)
}

#[inline]
fn update_va<M: Machine>(
    cx: &mut Cx<'_, M>,
    parties: Parties<'_>,
    va: u64,
    raw: u64,
    flags: u64,
) -> HypercallResult {
    let guard = parties.table.lock();
    let root = cx.vcpu.arch.kernel_root.ok_or(Errno::EINVAL)?;
    let (table, index) = cx.hv.l1_slot(root, va).ok_or(Errno::EINVAL)?;
    let updated = if cx.hv.try_update_l1(parties.pages, table, index, raw) {
        Ok(())
    } else {
        let ad = AccessedDirty::Overwrite;
        cx.hv.update_l1(parties, (table, index), raw, ad)
    };
    drop(guard);
    // Like real Xen, also after a refused update.
    if flags != UVMF_NONE {
        scope::flush_as_flags_say(cx, va, flags)?;
    }
    updated?;
    Ok(0)
}

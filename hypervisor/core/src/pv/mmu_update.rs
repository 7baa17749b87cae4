//! `mmu_update`, `update_va_mapping` and `update_va_mapping_otherdomain` (xen.h).

use hypercall_abi::xen::{
    DOMID_IO, DOMID_SELF, DOMID_XEN, MMU_MACHPHYS_UPDATE, MMU_NORMAL_PT_UPDATE,
    MMU_PT_UPDATE_NO_TRANSLATE, MMU_PT_UPDATE_PRESERVE_AD, UVMF_INVLPG, UVMF_NONE,
    mmu_update as Request,
};

use zerocopy::IntoBytes;

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
use crate::vcpu::Vcpu;

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

/// Who is meant by the last argument of `mmu_update`.
fn named_parties<'a, M: Machine>(cx: &Cx<'a, M>, foreign: u32) -> Result<Parties<'a>> {
    let table = match (foreign >> 16) as u16 {
        0 => cx.dom,
        other => table_owner(cx, other - 1)?,
    };
    // Any domain may name devices' frames here.
    let (pages, devices) = match foreign as u16 {
        DOMID_IO => (Owner::IO, Some(cx.dom)),
        other => mapped_owner(cx, other)?,
    };
    Ok(Parties {
        table,
        pages,
        devices,
    })
}

/// The same for the pages that entries map, with the domain whose right to device frames counts.
/// What is the hypervisor's own is no device's.
fn mapped_owner<'a, M: Machine>(cx: &Cx<'a, M>, domid: u16) -> Result<(Owner, Option<&'a Domain>)> {
    Ok(match page_owner(cx, domid)? {
        Some(dom) => (Owner::from(dom), Some(dom)),
        None => (Owner::IO, Some(cx.dom).filter(|_| domid == DOMID_IO)),
    })
}

/// `mmu_update` of entries of level-1 tables, the caller's own; how many it did, from the first on.
#[inline(always)]
pub(crate) fn quick_update<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    dom: &Domain,
    args: [u64; 6],
) -> u64 {
    let [at, count, pdone, foreign, ..] = args;
    let count = count as u32;
    if pdone != 0 || foreign as u32 != u32::from(DOMID_SELF) {
        return 0;
    }
    if count != 1 {
        return quick_list(hv, vcpu, dom, (at, count));
    }
    if !guest_range(at, size_of::<Request>() as u64) {
        return 0;
    }
    let Ok([ptr, val]) = hv.machine.read_guest_two(at) else {
        return 0;
    };
    let (owner, table) = (Owner::from(dom), Mfn::containing(ptr));
    let _guard = dom.lock();
    let done = ptr & 7 == MMU_NORMAL_PT_UPDATE
        && hv.frames.word(table).is_live_l1(owner)
        && hv.try_update_l1(owner, table, index_of(ptr), val);
    u64::from(done)
}

/// The same of a list that fits into one batch.
#[inline(never)]
fn quick_list<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    dom: &Domain,
    (at, count): (u64, u32),
) -> u64 {
    let bytes = u64::from(count) * size_of::<Request>() as u64;
    if count > hv.machine.budget() / UNITS || !guest_range(at, bytes) {
        return 0;
    }
    let Some(requests) = vcpu.requests.get_mut(..count as usize) else {
        return 0;
    };
    if hv
        .machine
        .copy_from_guest(at, requests.as_mut_bytes())
        .is_err()
    {
        return 0;
    }
    let _guard = dom.lock();
    level_one(hv, Parties::own(dom), requests) as u64
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
        match named_parties(cx, foreign as u32) {
            Ok(parties) => parties,
            // As on real Xen, an empty list asks for no right.
            Err(Errno::EPERM) if count == 0 => return Ok(0),
            Err(e) => return unnamed(cx, (count, pdone), e),
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
pub(crate) fn operations<T, M: Machine>(
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

/// The end of a list whose domain cannot be named, for `why`: maybe not any more, for the last of it
/// went while the list was interrupted. What was done then is done.
pub(super) fn unnamed<M: Machine>(
    cx: &mut Cx<'_, M>,
    (count, pdone): (u64, u64),
    why: Errno,
) -> HypercallResult {
    let done = cx.resume_at();
    if done > 0 {
        tell_done(cx, pdone, done);
    }
    if done > 0 && done == count {
        return Ok(0);
    }
    Err(why.into())
}

/// Requests that are copied in at once.
pub const BATCH: usize = 32;
/// Units of budget for one request.
const UNITS: u32 = 3;
/// The same where the next requests are copied in anew behind it.
const UNITS_OF_OTHERS: u32 = 8;

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
    cx.hv.settle_aside(&mut cx.budget);
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

/// The bits of an entry's machine address that say which of its table's entries it is.
const INDEX: u64 = 0xff8;

/// Which of its table's entries a request is about.
#[inline(always)]
const fn index_of(ptr: u64) -> usize {
    (ptr & INDEX) as usize >> 3
}

/// Runs requests as long as they are usual updates of level-1 tables; how many. The next one
/// changed nothing.
#[inline(never)]
fn level_one<M: Machine>(hv: &Hypervisor<M>, parties: Parties<'_>, requests: &[Request]) -> usize {
    let owner = Owner::from(parties.table);
    let mut left = requests;
    while let [next, rest @ ..] = left {
        let table = Mfn::containing(next.ptr);
        if !hv.frames.word(table).is_live_l1(owner) {
            break;
        }
        match overwrite(hv, parties.pages, table, left) {
            0 if update_of(next) == Some(AccessedDirty::Keep) && keep(hv, parties, next) => {
                left = rest;
            }
            0 => break,
            done => left = left.get(done..).unwrap_or_default(),
        }
    }
    requests.len() - left.len()
}

/// Runs requests as long as they are plain updates of the live level-1 table `table` and succeed at
/// once; how many. They end no table's life, and the lock keeps others from it.
#[inline(always)]
fn overwrite<M: Machine>(
    hv: &Hypervisor<M>,
    pages: Owner,
    table: Mfn,
    requests: &[Request],
) -> usize {
    let plain = table.addr() | MMU_NORMAL_PT_UPDATE;
    let done = requests.iter().position(|request| {
        // The same table, said in the way that needs no other register.
        let table = Mfn::containing(request.ptr);
        (request.ptr ^ plain) & !INDEX != 0
            || !hv.try_update_l1(pages, table, index_of(request.ptr), request.val)
    });
    done.unwrap_or(requests.len())
}

/// An update of a live level-1 table that keeps what the processor noted; whether it succeeded.
#[inline(never)]
fn keep<M: Machine>(hv: &Hypervisor<M>, parties: Parties<'_>, request: &Request) -> bool {
    let slot = (Mfn::containing(request.ptr), index_of(request.ptr));
    hv.update_l1(parties, slot, request.val, AccessedDirty::Keep)
        .is_ok()
}

/// Any request: whether it is finished, and what to return.
#[cold]
#[inline(never)]
fn other<M: Machine>(
    cx: &mut Cx<'_, M>,
    parties: Parties<'_>,
    request: &Request,
) -> (bool, Result<(), Stop>) {
    cx.budget.take(UNITS_OF_OTHERS);
    if request.ptr & 7 == MMU_MACHPHYS_UPDATE {
        let result = machphys(cx, parties, request);
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

/// Sets the number by which a page's owner knows it. Whoever names a domain's tables may not: it is not
/// about tables.
fn machphys<M: Machine>(cx: &Cx<'_, M>, parties: Parties<'_>, request: &Request) -> Result<()> {
    if !core::ptr::eq(parties.table, cx.dom) {
        return Err(Errno::EPERM);
    }
    let mfn = Mfn::containing(request.ptr);
    // Device frames are no other domain's, and have a number only amid memory.
    let denied = parties.pages == Owner::IO && !parties.devices.is_some_and(Domain::is_privileged);
    let beyond = mfn.0 >= cx.hv.frames.len();
    if denied || beyond || cx.hv.frames.owner(mfn) != parties.pages {
        return Err(Errno::EINVAL);
    }
    cx.hv.set_m2p(mfn, request.val);
    Ok(())
}

/// `update_va_mapping` without a flush or with that of one page here: whether it is done.
#[inline(always)]
pub(crate) fn quick_va_mapping<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &Vcpu,
    dom: &Domain,
    args: [u64; 6],
) -> bool {
    let [va, raw, flags, ..] = args;
    let Some(root) = vcpu.arch.kernel_root.get() else {
        return false;
    };
    if flags & !UVMF_INVLPG != 0 {
        return false;
    }
    let guard = dom.lock();
    let Some((table, index)) = hv.l1_slot(root, va) else {
        return false;
    };
    if !hv.try_update_l1(Owner::from(dom), table, index, raw) {
        return false;
    }
    drop(guard);
    if flags == UVMF_INVLPG {
        hv.machine.invlpg_local(va);
    }
    true
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
    let (pages, devices) = mapped_owner(cx, domid as u16)?;
    let parties = Parties {
        table: cx.dom,
        pages,
        devices,
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
    let root = cx.vcpu.arch.kernel_root.get().ok_or(Errno::EINVAL)?;
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

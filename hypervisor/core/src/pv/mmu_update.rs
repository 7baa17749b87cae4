//! `mmu_update`, `update_va_mapping` and `update_va_mapping_otherdomain` (xen.h).

use hypercall_abi::xen::{
    DOMID_IO, DOMID_SELF, DOMID_XEN, MMU_MACHPHYS_UPDATE, MMU_NORMAL_PT_UPDATE,
    MMU_PT_UPDATE_NO_TRANSLATE, MMU_PT_UPDATE_PRESERVE_AD, UVMF_ALL, UVMF_FLUSHTYPE_MASK,
    UVMF_INVLPG, UVMF_LOCAL, UVMF_NONE, UVMF_TLB_FLUSH,
};

use super::update::{AccessedDirty, Parties};
use super::walk;
use crate::addr::Mfn;
use crate::addr::guest_range;
use crate::domain::Domain;
use crate::error::{Errno, HypercallResult, Result, Stop};
use crate::frame::word::Owner;
use crate::guest::{GuestSlice, copy_in, copy_out};
use crate::hypercall::Cx;
use crate::platform::{CpuMask, Machine};

/// One request of `mmu_update`: two words, read once.
#[derive(Clone, Copy)]
struct Request {
    ptr: u64,
    val: u64,
}

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
            pages: page_owner(cx, foreign as u16)?,
            devices: cx.dom.is_privileged(),
        }
    };
    let slice = operations::<hypercall_abi::xen::mmu_update, M>(cx, requests, count, pdone)?;
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

/// Runs requests from `start` on; gives how many are finished, and why it stopped.
fn run<M: Machine>(
    cx: &mut Cx<'_, M>,
    parties: Parties<'_>,
    requests: GuestSlice<hypercall_abi::xen::mmu_update>,
    start: u64,
) -> (u64, Result<(), Stop>) {
    for done in start..requests.len() {
        if !cx.budget.take(2) {
            return (done, Err(Stop::Retry));
        }
        let at = requests.address(done);
        let read = |at| cx.hv.machine.read_guest_u64(at);
        let (Ok(ptr), Ok(val)) = (read(at), read(at + 8)) else {
            return (done, Err(Errno::EFAULT.into()));
        };
        if let Err(stop) = one(cx, parties, Request { ptr, val }) {
            return (done, Err(stop));
        }
        if !cx.vcpu.walk.is_idle()
            && let Err(stop) = walk::finish(cx.hv, parties.table, &mut cx.vcpu.walk, &mut cx.budget)
        {
            return (done + 1, Err(stop));
        }
    }
    (requests.len(), Ok(()))
}

#[inline]
fn one<M: Machine>(cx: &mut Cx<'_, M>, parties: Parties<'_>, request: Request) -> Result<(), Stop> {
    let address = request.ptr & !7;
    let ad = match request.ptr & 7 {
        MMU_NORMAL_PT_UPDATE | MMU_PT_UPDATE_NO_TRANSLATE => AccessedDirty::Overwrite,
        MMU_PT_UPDATE_PRESERVE_AD => AccessedDirty::Keep,
        MMU_MACHPHYS_UPDATE => return machphys(cx, parties, address, request.val),
        _ => return Err(Errno::ENOSYS.into()),
    };
    let work = (&mut cx.vcpu.walk, &mut cx.budget);
    cx.hv.update_entry(parties, address, request.val, ad, work)
}

#[cold]
fn machphys<M: Machine>(
    cx: &Cx<'_, M>,
    parties: Parties<'_>,
    address: u64,
    pfn: u64,
) -> Result<(), Stop> {
    let mfn = Mfn::containing(address);
    let owner = parties
        .pages
        .map_or(Owner::IO, |dom| Owner::domain(dom.slot));
    if cx.hv.frames.owner(mfn) != owner {
        return Err(Errno::EINVAL.into());
    }
    cx.hv.set_m2p(mfn, pfn);
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
        pages: page_owner(cx, domid as u16)?,
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
    let updated = cx
        .hv
        .update_l1(parties, table, index, raw, AccessedDirty::Overwrite);
    drop(guard);
    if flags != UVMF_NONE {
        flush_after(cx, va, flags)?;
    }
    updated?;
    Ok(0)
}

/// The flush that `flags` asks for; like real Xen, also after a refused update.
fn flush_after<M: Machine>(cx: &mut Cx<'_, M>, va: u64, flags: u64) -> Result<()> {
    let pointer = flags & !UVMF_FLUSHTYPE_MASK & !UVMF_ALL;
    let mask = if flags & UVMF_ALL != 0 {
        CpuMask::MAX
    } else if pointer == 0 {
        UVMF_LOCAL_MASK
    } else {
        vcpus_to_cpus(cx, pointer)?
    };
    match flags & UVMF_FLUSHTYPE_MASK {
        UVMF_TLB_FLUSH => flush(cx, mask),
        UVMF_INVLPG => invlpg(cx, mask, va),
        // The fourth type flushes nothing.
        _ => {}
    }
    Ok(())
}

/// No CPU named: this one only. (`UVMF_LOCAL` is the absence of the other scopes.)
const UVMF_LOCAL_MASK: CpuMask = UVMF_LOCAL;

/// Flushes this CPU, or those in `mask`, of guest translations.
pub(super) fn flush<M: Machine>(cx: &Cx<'_, M>, mask: CpuMask) {
    if mask == UVMF_LOCAL_MASK {
        cx.hv.flush_local();
    } else {
        cx.hv.flush_mask(mask);
    }
}

/// Invalidates one page on this CPU, or flushes those in `mask`.
pub(super) fn invlpg<M: Machine>(cx: &Cx<'_, M>, mask: CpuMask, va: u64) {
    let me = 1_u64 << (cx.m().cpu() % 64);
    if crate::addr::guest_range(va, 1) {
        cx.m().invlpg_local(va);
    }
    if mask & !me != 0 {
        cx.hv.flush_mask(mask & !me);
    }
}

/// The CPUs on which vCPUs of the bitmap at `pointer` may have translations: without a record of
/// each vCPU's CPUs, all of them when any vCPU but the caller is named.
pub(super) fn vcpus_to_cpus<M: Machine>(cx: &Cx<'_, M>, pointer: u64) -> Result<CpuMask> {
    let bits: u64 = copy_in(cx.m(), pointer)?;
    let mine = 1_u64 << (cx.vcpu.id.index % 64);
    if bits & !mine != 0 {
        return Ok(CpuMask::MAX);
    }
    Ok(if bits & mine != 0 {
        1 << (cx.m().cpu() % 64)
    } else {
        UVMF_LOCAL_MASK
    })
}

//! The guest's GDT and LDT.

use hypercall_abi::arch_x86_64::FIRST_RESERVED_GDT_ENTRY;

use super::descriptor;
use crate::addr::{Mfn, PAGE_SIZE, guest_range};
use crate::error::{Errno, HypercallResult, Result, Stop};
use crate::guest::GuestSlice;
use crate::hypercall::{Budget, Cx, dispatch};
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::vcpu::{Pages, Vcpu};

/// Descriptors in a page.
const PER_PAGE: u64 = 512;
/// Most descriptors of an LDT.
const MAX_LDT_ENTRIES: u64 = 8192;
/// Bytes of a descriptor.
const DESCRIPTOR: u64 = 8;

/// Units of budget for taking a page of descriptors and giving one up.
pub(crate) const UNITS_OF_PAGE: u32 = 190;

/// Takes a use of each page, for the vCPU to have beside those of its GDT. The pages of a run that was
/// interrupted are kept for the next.
fn take_pages<M: Machine>(cx: &mut Cx<'_, M>, named: &[Mfn]) -> Result<(), Stop> {
    let again = cx.resume_at() != 0;
    if !(again && named.starts_with(&cx.vcpu.arch.gdt_coming)) {
        put_pages(cx.hv, &mut cx.vcpu.arch.gdt_coming);
    }
    for &page in &named[cx.vcpu.arch.gdt_coming.len()..] {
        if let Err(stop) = cx.afford(UNITS_OF_PAGE) {
            cx.suspend_at(cx.vcpu.arch.gdt_coming.len() as u64);
            return Err(stop);
        }
        if let Err(e) = cx.hv.page_get_descriptors(cx.dom, page) {
            put_pages(cx.hv, &mut cx.vcpu.arch.gdt_coming);
            return Err(e.into());
        }
        cx.vcpu.arch.gdt_coming.push(page);
    }
    Ok(())
}

/// Gives up the use of each page.
pub(crate) fn put_pages<M: Machine>(hv: &Hypervisor<M>, pages: &mut Pages) {
    for page in pages.drain(..) {
        hv.page_put_descriptors(page);
    }
}

/// `set_gdt(frames, entries)`: the frames of the guest's part of the GDT.
///
/// # Errors
/// `EINVAL` when there would be more than the guest's part holds, or a frame cannot be a descriptor
/// page; `EFAULT`. The old table stays then.
pub fn set_gdt<M: Machine>(cx: &mut Cx<'_, M>, frames: u64, entries: u64) -> HypercallResult {
    let entries = entries as u32;
    if entries > FIRST_RESERVED_GDT_ENTRY {
        return Err(Errno::EINVAL.into());
    }
    let count = u64::from(entries).div_ceil(PER_PAGE);
    let list = GuestSlice::<u64>::new(frames, count)?;
    let mut named = Pages::new();
    for index in 0..count {
        match list.read(cx.m(), index) {
            Ok(mfn) => named.push(Mfn(mfn)),
            Err(e) => {
                cx.end_progress();
                put_pages(cx.hv, &mut cx.vcpu.arch.gdt_coming);
                return Err(e.into());
            }
        }
    }
    take_pages(cx, &named)?;
    let arch = &mut cx.vcpu.arch;
    core::mem::swap(&mut arch.gdt, &mut arch.gdt_coming);
    arch.gdt_entries = entries as u16;
    cx.hv.machine.load_gdt(&arch.gdt);
    // Now the old ones.
    put_pages(cx.hv, &mut arch.gdt_coming);
    Ok(0)
}

/// Stores a descriptor in a page of the vCPU's own GDT: whether that is done.
#[inline(always)]
pub(crate) fn quick_descriptor<M: Machine>(m: &M, vcpu: &Vcpu, ma: u64, desc: u64) -> bool {
    if !ma.is_multiple_of(DESCRIPTOR) {
        return false;
    }
    let Some(admitted) = descriptor::admit(desc) else {
        return false;
    };
    let mfn = Mfn::containing(ma);
    // The vCPU holds it as a page of descriptors.
    let own = vcpu.arch.gdt.contains(&mfn);
    if own {
        m.store_u64(mfn, ma as usize % PAGE_SIZE, admitted);
    }
    own
}

/// `update_descriptor(ma, desc)`: stores one descriptor at a machine address, in a page of
/// descriptors or of data.
///
/// # Errors
/// `EINVAL` for an address that is not aligned, a descriptor that no guest may have, a frame that
/// is not the domain's or is a page table.
pub fn update_descriptor<M: Machine>(cx: &mut Cx<'_, M>, ma: u64, desc: u64) -> HypercallResult {
    if quick_descriptor(cx.m(), cx.vcpu, ma, desc) {
        return Ok(0);
    }
    if !ma.is_multiple_of(DESCRIPTOR) {
        return Err(Errno::EINVAL.into());
    }
    let admitted = descriptor::admit(desc).ok_or(Errno::EINVAL)?;
    let mfn = Mfn::containing(ma);
    let offset = ma as usize % PAGE_SIZE;
    let hv = cx.hv;
    if hv.page_get_writable(cx.dom, mfn).is_ok() {
        hv.machine.store_u64(mfn, offset, admitted);
        hv.page_put_writable(mfn);
    } else {
        return store_elsewhere(cx, mfn, offset, admitted);
    }
    Ok(0)
}

/// Stores a descriptor in a page that is not writable, or is not yet.
#[cold]
#[inline(never)]
fn store_elsewhere<M: Machine>(
    cx: &mut Cx<'_, M>,
    mfn: Mfn,
    offset: usize,
    admitted: u64,
) -> HypercallResult {
    let hv = cx.hv;
    if !cx.vcpu.walk.is_idle() {
        // What another entry of a multicall left over may be the release of this very page.
        dispatch::finish_walk(hv, cx.vcpu, &mut cx.budget)?;
        if hv.page_get_writable(cx.dom, mfn).is_ok() {
            hv.machine.store_u64(mfn, offset, admitted);
            hv.page_put_writable(mfn);
            return Ok(0);
        }
    }
    hv.page_get_descriptors(cx.dom, mfn)?;
    hv.machine.store_u64(mfn, offset, admitted);
    hv.page_put_descriptors(mfn);
    Ok(0)
}

/// `MMUEXT_SET_LDT`: `entries` descriptors at `base`. Their pages are looked up as they are used.
///
/// # Errors
/// `EINVAL` for more than 8192 descriptors, a base that is not at a page's start or not the
/// guest's.
pub fn set_ldt<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    base: u64,
    entries: u64,
) -> Result<()> {
    let aligned = base.is_multiple_of(PAGE_SIZE as u64);
    if entries > MAX_LDT_ENTRIES || !aligned || !guest_range(base, entries * DESCRIPTOR) {
        return Err(Errno::EINVAL);
    }
    hv.machine.load_ldt(entries as u32);
    vcpu.arch.ldt_base = base;
    vcpu.arch.ldt_entries = entries as u32;
    for page in &mut vcpu.arch.ldt_pages {
        if let Some(mfn) = page.take() {
            hv.page_put_descriptors(mfn);
        }
    }
    Ok(())
}

/// The processor did not find the LDT's byte `offset`: maps its page, if the guest has one there
/// that is fit to be one. False when the access is the guest's fault, true when it can come again.
pub fn ldt_fault<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, offset: u32) -> bool {
    if u64::from(offset) >= u64::from(vcpu.arch.ldt_entries) * DESCRIPTOR {
        return false;
    }
    let page = offset as usize / PAGE_SIZE;
    if !matches!(vcpu.arch.ldt_pages.get(page), Some(None)) {
        return false;
    }
    // What an earlier call left over may be the release of this very page; else the access comes
    // again.
    if !vcpu.walk.is_idle()
        && dispatch::finish_walk(hv, vcpu, &mut Budget::new(hv.machine.budget())).is_err()
    {
        return true;
    }
    let at = vcpu.arch.ldt_base + (page * PAGE_SIZE) as u64;
    let Some((mfn, _)) = hv.translate(vcpu, at) else {
        return false;
    };
    let dom = hv.domains.slot(vcpu.slot);
    if hv.page_get_descriptors(dom, mfn).is_err() {
        return false;
    }
    if let Some(slot) = vcpu.arch.ldt_pages.get_mut(page) {
        *slot = Some(mfn);
    }
    hv.machine.map_ldt_page(page, mfn);
    true
}

/// The descriptor that `selector` names in the guest's tables, if it names one there.
pub(crate) fn descriptor<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &Vcpu,
    selector: u16,
) -> Option<u64> {
    let offset = usize::from(selector & !7);
    let (page, end) = if selector & 4 == 0 {
        let end = usize::from(vcpu.arch.gdt_entries) * 8;
        (vcpu.arch.gdt.get(offset / PAGE_SIZE).copied(), end)
    } else {
        let end = vcpu.arch.ldt_entries as usize * 8;
        (*vcpu.arch.ldt_pages.get(offset / PAGE_SIZE)?, end)
    };
    if offset >= end {
        return None;
    }
    Some(hv.machine.load_u64(page?, offset % PAGE_SIZE))
}

//! `map_grant_ref`, `unmap_grant_ref`, `unmap_and_replace`.
//!
//! A mapping is three things that come and go together: uses of the shared entry, a handle of the
//! mapper's, and the claims of a page-table entry, of devices, or of both, on the page. A guest that
//! overwrites the entry itself ends that one's claims, as with any entry; the rest stays until it
//! puts the page there again and unmaps, or its domain ends. That is so on real Xen, too.

use arrayvec::ArrayVec;
use hypercall_abi::grant_table::{
    _GNTMAP_guest_avail0, GNTMAP_application_map, GNTMAP_contains_pte, GNTMAP_device_map,
    GNTMAP_host_map, GNTMAP_readonly, GNTST_bad_dev_addr, GNTST_bad_domain, GNTST_bad_gntref,
    GNTST_bad_handle, GNTST_bad_page, GNTST_general_error, GNTST_no_device_space, GNTST_okay,
    gnttab_map_grant_ref, gnttab_unmap_and_replace, gnttab_unmap_grant_ref,
};

use super::entry::{For, Pins, put_page};
use super::list;
use super::table::Track;
use crate::addr::Mfn;
use crate::domain::lifecycle::Progress;
use crate::domain::{Domain, Phase};
use crate::error::HypercallResult;
use crate::frame::word::Owner;
use crate::hypercall::{Budget, Cx};
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::pv::entry::{ACCESSED, AVAILABLE, DIRTY, NX, PRESENT, RW, USER};
use crate::pv::scope;

/// Flags of a mapping that its handle remembers.
const REMEMBERED: u32 = GNTMAP_host_map | GNTMAP_device_map | GNTMAP_readonly | GNTMAP_contains_pte;
const HOST: u16 = GNTMAP_host_map as u16;
const DEVICE: u16 = GNTMAP_device_map as u16;

/// Units of budget for a mapping.
const UNITS: u32 = 12;
/// The same for one undone, with its flush.
const UNITS_UNDONE: u32 = 14;
/// Mappings that are undone with one flush.
const BATCH: usize = 16;

impl Track {
    #[inline(always)]
    pub(super) const fn writes(self) -> bool {
        self.flags() & GNTMAP_readonly as u16 == 0
    }
}

/// `GNTTABOP_map_grant_ref`.
pub(super) fn map<M: Machine>(cx: &mut Cx<'_, M>, uop: u64, count: u64) -> HypercallResult {
    list::each(
        cx,
        (uop, count),
        UNITS,
        |cx, op: &mut gnttab_map_grant_ref| {
            op.status = match map_one(cx, op) {
                Ok((handle, mfn)) => {
                    (op.handle, op.dev_bus_addr) = (handle, mfn.addr());
                    GNTST_okay
                }
                Err(status) => status,
            };
        },
    )
}

#[inline]
fn map_one<M: Machine>(cx: &mut Cx<'_, M>, op: &gnttab_map_grant_ref) -> Result<(u32, Mfn), i16> {
    let (hv, flags) = (cx.hv, op.flags);
    let pins = Pins::of(flags);
    if pins == Pins::NONE {
        return Err(GNTST_bad_gntref);
    }
    let granter = hv.domains.find(op.dom).map_err(|_| GNTST_bad_domain)?;
    let references = (flags & (GNTMAP_host_map | GNTMAP_device_map)).count_ones();
    let state = granter.lock();
    // Of a domain that is being destroyed real Xen maps once more what is mapped already, for its table
    // lasts until nothing of it is held. Here the table goes with the domain, and the record of a
    // mapping does not do instead: it does not say whether the entry grants writing, and it is found by
    // its handle alone, so that all that the mapper has would have to be searched.
    if granter.phase() != Phase::Alive {
        return Err(GNTST_bad_page);
    }
    let caller = (op.r#ref, cx.dom.id());
    let claim = state
        .grants
        .claim(hv, granter, caller, (pins, For::Map), references)?;
    state.grants.keep(hv.machine, &claim, pins);
    let mfn = claim.mfn;
    let kept = (flags & REMEMBERED) as u16;
    let track = Track::new(granter, op.r#ref, mfn.0 as u32, kept);
    drop(state);
    match place(cx, op, track) {
        Ok(handle) => Ok((handle, mfn)),
        Err(status) => {
            let_go(hv, track, references);
            Err(status)
        }
    }
}

/// Gives a claimed page a handle and, if it is to have one, its entry.
fn place<M: Machine>(
    cx: &mut Cx<'_, M>,
    op: &gnttab_map_grant_ref,
    track: Track,
) -> Result<u32, i16> {
    let mut state = cx.dom.lock();
    let handle = state.grants.new_handle(cx.hv);
    let handle = handle.map_err(|_| GNTST_no_device_space)?;
    if op.flags & GNTMAP_host_map != 0 {
        let Some(slot) = slot_of(cx, op.host_addr, track) else {
            state.grants.drop_handle(cx.hv.machine, handle);
            return Err(GNTST_general_error);
        };
        let right = if track.writes() { RW } else { 0 };
        cx.hv
            .put_claimed_entry(slot, entry_for(op.flags, track.mfn(), right));
    }
    state.grants.set_track(cx.hv.machine, handle, track);
    Ok(handle)
}

/// The entry that maps a granted page; `right` is [`RW`] or 0.
#[inline(always)]
pub(super) fn entry_for(flags: u32, mfn: Mfn, right: u64) -> u64 {
    let mut entry = mfn.addr() | PRESENT | ACCESSED | DIRTY | NX | right;
    if flags & GNTMAP_application_map != 0 {
        entry |= USER;
    }
    entry | u64::from(flags >> _GNTMAP_guest_avail0) << AVAILABLE.trailing_zeros() & AVAILABLE
}

/// The entry of the caller's tables that `address` names, in the way that the mapping was asked for.
/// The caller's domain is locked.
#[inline(never)]
fn slot_of<M: Machine>(cx: &Cx<'_, M>, address: u64, track: Track) -> Option<(Mfn, usize)> {
    if track.flags() & GNTMAP_contains_pte as u16 == 0 {
        return cx.hv.l1_slot(cx.vcpu.arch.kernel_root.get()?, address);
    }
    let table = Mfn::containing(address);
    let live = cx.hv.frames.word(table).is_live_l1(Owner::from(cx.dom));
    (live && address & 7 == 0).then_some((table, (address >> 3 & 511) as usize))
}

/// All of a mapping ends, or of one that has found no place: its uses of the entry, and `references` to
/// the page.
#[cold]
#[inline(never)]
pub(super) fn let_go<M: Machine>(hv: &Hypervisor<M>, track: Track, references: u32) {
    for _ in 0..references {
        put_page(hv, track.mfn(), track.writes());
    }
    end_uses(hv, track, Pins::of(track.flags().into()));
}

/// Makes all CPUs forget what they remember of the tables of `dom`, whose vCPU runs here.
#[inline(never)]
pub(super) fn flush_everywhere<M: Machine>(hv: &Hypervisor<M>, dom: &Domain) {
    hv.flush_mask(scope::everywhere(hv, dom));
}

/// Uses of the granter's entry end, if it has its table still.
#[inline(never)]
fn end_uses<M: Machine>(hv: &Hypervisor<M>, track: Track, pins: Pins) {
    let granter = hv.domains.slot(track.slot());
    let state = granter.lock();
    if granter.generation() == track.generation() {
        state.grants.unpin(hv.machine, track.gref(), pins);
    }
}

/// What is to be undone.
struct Unmap {
    host_addr: u64,
    dev_bus_addr: u64,
    /// The address whose entry takes the place, or 0.
    new_addr: u64,
    handle: u32,
}

/// A mapping, or a part of one, whose entry is gone; what it held is still held, for some CPU may
/// remember the entry.
struct Undone {
    track: Track,
    /// What it was.
    pins: Pins,
    /// References to the page, with writable uses if it wrote.
    references: u32,
}

/// An entry that was taken out of a table to no use, likewise.
type Stolen = u64;

#[derive(Default)]
struct Batch {
    undone: ArrayVec<Undone, BATCH>,
    stolen: ArrayVec<Stolen, BATCH>,
}

/// `GNTTABOP_unmap_grant_ref`.
pub(super) fn unmap<M: Machine>(cx: &mut Cx<'_, M>, uop: u64, count: u64) -> HypercallResult {
    undo(
        cx,
        (uop, count),
        |cx, batch, op: &mut gnttab_unmap_grant_ref| {
            let what = Unmap {
                host_addr: op.host_addr,
                dev_bus_addr: op.dev_bus_addr,
                new_addr: 0,
                handle: op.handle,
            };
            op.status = undo_one(cx, batch, &what);
        },
    )
}

/// `GNTTABOP_unmap_and_replace`.
pub(super) fn replace<M: Machine>(cx: &mut Cx<'_, M>, uop: u64, count: u64) -> HypercallResult {
    undo(
        cx,
        (uop, count),
        |cx, batch, op: &mut gnttab_unmap_and_replace| {
            let what = Unmap {
                host_addr: op.host_addr,
                dev_bus_addr: 0,
                new_addr: op.new_addr,
                handle: op.handle,
            };
            op.status = undo_one(cx, batch, &what);
        },
    )
}

/// Undoes a list of mappings: first all entries of a batch go, then whoever may remember them flushes,
/// and only then the granters get their pages back.
#[inline(always)]
fn undo<T: list::Item, M: Machine>(
    cx: &mut Cx<'_, M>,
    list: (u64, u64),
    mut one: impl FnMut(&mut Cx<'_, M>, &mut Batch, &mut T),
) -> HypercallResult {
    let mut batch = Batch::default();
    let result = list::each(cx, list, UNITS_UNDONE, |cx, op| {
        if batch.undone.is_full() || batch.stolen.is_full() {
            finish(cx, &mut batch);
        }
        one(cx, &mut batch, op);
    });
    finish(cx, &mut batch);
    result
}

/// The end of a batch.
#[inline(never)]
fn finish<M: Machine>(cx: &mut Cx<'_, M>, batch: &mut Batch) {
    if batch.undone.is_empty() && batch.stolen.is_empty() {
        return;
    }
    flush_everywhere(cx.hv, cx.dom);
    for undone in batch.undone.drain(..) {
        let Undone { track, pins, .. } = undone;
        // First the page: a granter that sees its entry unused may do with it what it likes.
        for _ in 0..undone.references {
            put_page(cx.hv, track.mfn(), track.writes());
        }
        end_uses(cx.hv, track, pins);
    }
    for entry in batch.stolen.drain(..) {
        cx.hv.give_up_entry(entry);
    }
    cx.hv.settle_aside(&mut cx.budget);
}

/// Takes the entry of a mapping out, and the mapping's handle; its status.
#[inline(never)]
fn undo_one<M: Machine>(cx: &mut Cx<'_, M>, batch: &mut Batch, what: &Unmap) -> i16 {
    match take_out(cx, batch, what) {
        Ok(undone) => {
            if undone.pins != Pins::NONE {
                batch.undone.push(undone);
            }
            GNTST_okay
        }
        Err(status) => status,
    }
}

#[inline(always)]
fn take_out<M: Machine>(
    cx: &mut Cx<'_, M>,
    batch: &mut Batch,
    what: &Unmap,
) -> Result<Undone, i16> {
    let (hv, dom) = (cx.hv, cx.dom);
    let mut state = dom.lock();
    let track = state.grants.track(hv.machine, what.handle);
    let track = track.ok_or(GNTST_bad_handle)?;
    let mfn = track.mfn();
    let device = what.dev_bus_addr != 0 && track.flags() & DEVICE != 0;
    if device && what.dev_bus_addr != mfn.addr() {
        return Err(GNTST_bad_dev_addr);
    }
    let mut gone = 0;
    let mut references = 0;
    if what.host_addr != 0 && track.flags() & HOST != 0 {
        let mut entry = 0;
        if what.new_addr != 0 {
            entry = steal(cx, what.new_addr, track)?;
        }
        let slot = slot_of(cx, what.host_addr, track);
        if !slot.is_some_and(|slot| hv.replace_entry(slot, (mfn, track.writes()), entry)) {
            if entry != 0 {
                batch.stolen.push(entry);
            }
            return Err(GNTST_general_error);
        }
        (gone, references) = (HOST, 1);
    }
    if device {
        (gone, references) = (gone | DEVICE, references + 1);
    }
    let mut left = track.flags() & !gone;
    if left & (HOST | DEVICE) == 0 {
        left = 0;
    }
    let pins = Pins::of(u32::from(gone | track.flags() & GNTMAP_readonly as u16));
    if gone != 0 {
        state
            .grants
            .set_track(hv.machine, what.handle, track.with_flags(left));
    }
    Ok(Undone {
        track,
        pins,
        references,
    })
}

/// Takes the entry that maps `address` out of the caller's tables; what it claims is the caller's to
/// give up.
#[cold]
#[inline(never)]
fn steal<M: Machine>(cx: &Cx<'_, M>, address: u64, track: Track) -> Result<u64, i16> {
    if track.flags() & GNTMAP_contains_pte as u16 != 0 {
        return Err(GNTST_general_error);
    }
    let slot = slot_of(cx, address, track).ok_or(GNTST_general_error)?;
    Ok(cx.hv.take_entry(slot))
}

/// Ends the uses of all mappings of a domain whose page tables are gone.
pub(super) fn release<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    budget: &mut Budget,
) -> Progress {
    /// Handles that are looked at for one unit.
    const PER_UNIT: u32 = 4;
    loop {
        let mut state = dom.lock();
        let table = &mut state.grants;
        if table.mapped == 0 {
            return Progress::Done;
        }
        let handle = table.released;
        if handle >= table.handles() {
            debug_assert!(false, "{} mappings of no handle", table.mapped);
            return Progress::Done;
        }
        if handle.is_multiple_of(PER_UNIT) && !budget.take(1) {
            return Progress::More;
        }
        table.released += 1;
        let Some(track) = table.track(hv.machine, handle) else {
            continue;
        };
        table.set_track(hv.machine, handle, track.with_flags(0));
        drop(state);
        budget.take(UNITS);
        if track.flags() & DEVICE != 0 {
            put_page(hv, track.mfn(), track.writes());
        }
        end_uses(hv, track, Pins::of(u32::from(track.flags())));
        hv.settle_aside(budget);
    }
}

//! Page faults that the hypervisor resolves itself: stale translations, and a guest kernel's direct
//! stores to its page tables.

use super::entry::{NX, PRESENT, RW, USER, frame};
use super::store::{Operation, Store, decode};
use super::update::{AccessedDirty, Parties};
use super::walk;
use crate::addr::{ENTRIES, Mfn, table_index};
use crate::domain::Domain;
use crate::error::{Errno, Stop};
use crate::frame::word::Owner;
use crate::hypercall::Budget;
use crate::hypercall::dispatch::finish_walk;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::trap::code::Code;
use crate::vcpu::{Mode, Vcpu};

/// Page-fault error code: the translation was present.
const PF_PRESENT: u32 = 1 << 0;
/// It was a write.
const PF_WRITE: u32 = 1 << 1;
/// It came from ring 3, where all of a guest runs.
const PF_USER: u32 = 1 << 2;
/// A reserved bit was set.
const PF_RESERVED: u32 = 1 << 3;
/// It was an instruction fetch.
const PF_FETCH: u32 = 1 << 4;

/// Whether the guest's page fault at its address `cr2`, where there was a translation, is settled, so
/// that the instruction can run again.
#[inline(never)]
pub fn page_fault<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, error: u32, cr2: u64) -> bool {
    let protection_write = error & !PF_USER == PF_PRESENT | PF_WRITE;
    (protection_write && vcpu.mode == Mode::Kernel && table_store(hv, vcpu, cr2))
        || stale(hv, vcpu, error, cr2)
}

/// Carries out a guest kernel's store to one of its live page tables of level 1, as if it had asked
/// for it with `mmu_update`. False when it is none, or is refused: then the guest gets its page
/// fault, as it does on real Xen for tables above.
#[inline(always)]
fn table_store<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, cr2: u64) -> bool {
    let dom = hv.domains.slot(vcpu.slot);
    let Some((table, entry)) = hv.translate(vcpu, cr2) else {
        return false;
    };
    if entry & RW != 0 || !hv.frames.word(table).is_live_l1(Owner::from(dom)) {
        return false;
    }
    let Some(store) = decode(&Code::whole(hv, vcpu.regs.rip)) else {
        return false;
    };
    if store.width == 8 && cr2 & 7 != 0 {
        return false;
    }
    // What is left over may be work on another domain's tables; a retry runs the instruction again.
    if !vcpu.walk.is_idle() && !ends_walk(hv, vcpu) {
        return true;
    }
    let _guard = dom.lock();
    if store.operation == Operation::Move {
        // As the quick form of `mmu_update` does it.
        let value = store.operand.value(&vcpu.regs);
        let index = entry_index(cr2);
        let owner = Owner::from(dom);
        if hv.frames.word(table).is_live_l1(owner) && hv.try_update_l1(owner, table, index, value) {
            store.advance(&mut vcpu.regs);
            return true;
        }
    }
    match perform(hv, vcpu, &store, (table, cr2), dom) {
        // A retry runs the instruction again.
        Ok(()) | Err(Stop::Retry | Stop::Err(Errno::EAGAIN)) => true,
        Err(_) => false,
    }
}

/// Ends page-table work that is in progress as far as one entry may; whether that was all.
#[cold]
#[inline(never)]
fn ends_walk<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu) -> bool {
    finish_walk(hv, vcpu, &mut Budget::new(hv.machine.budget())).is_ok()
}

/// Which entry of its table is at `va`.
const fn entry_index(va: u64) -> usize {
    (va as usize >> 3) & (ENTRIES - 1)
}

/// Any store, where no page-table work is in progress.
#[inline(never)]
fn perform<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    store: &Store,
    (table, cr2): (Mfn, u64),
    dom: &Domain,
) -> Result<(), Stop> {
    let mut budget = Budget::new(hv.machine.budget());
    let work = &mut vcpu.walk;
    let old = hv.machine.read_entry(table, entry_index(cr2));
    let effect = store.effect(&vcpu.regs, old, (cr2 & 7) as u32);
    if let Some(new) = effect.value {
        let at = table.addr() | (cr2 & 0xff8);
        let exact = AccessedDirty::Unchanged(old);
        hv.update_entry(Parties::own(dom), at, new, exact, (work, &mut budget))?;
    }
    effect.apply(&mut vcpu.regs, old);
    store.advance(&mut vcpu.regs);
    // What the old entry leaves behind may outlast the budget; it ends before the next hypercall.
    let _ = walk::finish(hv, dom, work, &mut budget);
    Ok(())
}

/// Whether the tables allow what faulted: then the TLB was behind them, as it may be after a
/// guest gave more rights without a flush.
fn stale<M: Machine>(hv: &Hypervisor<M>, vcpu: &Vcpu, error: u32, cr2: u64) -> bool {
    if error & (PF_RESERVED | PF_PRESENT) != PF_PRESENT {
        return false;
    }
    let Some(root) = vcpu.current_root() else {
        return false;
    };
    let mut need = PRESENT | USER;
    if error & PF_WRITE != 0 {
        need |= RW;
    }
    let mut table = root;
    for level in [4, 3, 2, 1] {
        let entry = hv.machine.read_entry(table, table_index(cr2, level));
        if entry & need != need || (error & PF_FETCH != 0 && entry & NX != 0) {
            return false;
        }
        table = frame(entry);
    }
    hv.machine.invlpg_local(cr2);
    true
}

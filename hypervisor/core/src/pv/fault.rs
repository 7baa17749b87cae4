//! Page faults that the hypervisor resolves itself: stale translations, and a guest kernel's direct
//! stores to its page tables.

use super::entry::{NX, PRESENT, RW, USER, frame};
use super::store::{Store, decode};
use super::update::{AccessedDirty, Parties};
use super::walk;
use crate::addr::{Mfn, guest_range, table_index};
use crate::error::{Errno, Stop};
use crate::frame::word::{Kind, Owner};
use crate::hypercall::Budget;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
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

/// Whether the guest's page fault at `cr2` is settled, so that the instruction can run again.
pub fn page_fault<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, error: u32, cr2: u64) -> bool {
    if !guest_range(cr2, 1) {
        return false;
    }
    let protection_write = error & !PF_USER == PF_PRESENT | PF_WRITE;
    (protection_write && vcpu.mode == Mode::Kernel && table_store(hv, vcpu, cr2))
        || stale(hv, vcpu, error, cr2)
}

/// Longest instruction of the processor, bytes.
const LONGEST: usize = 15;

/// Carries out a guest kernel's store to one of its live page tables of level 1, as if it had asked
/// for it with `mmu_update`. False when it is none, or is refused: then the guest gets its page
/// fault, as it does on real Xen for tables above.
fn table_store<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, cr2: u64) -> bool {
    let dom = hv.domains.slot(vcpu.slot);
    let Some((table, entry)) = hv.translate(vcpu, cr2) else {
        return false;
    };
    let word = hv.frames.word(table);
    let live = word.is_live_table(Owner::domain(dom.slot)) && word.kind() == Kind::L1;
    if entry & RW != 0 || !live {
        return false;
    }
    let mut code = [0; LONGEST];
    let fetched = fetch(hv, vcpu.regs.rip, &mut code);
    let Some(store) = decode(&code[..fetched]) else {
        return false;
    };
    if store.width == 8 && cr2 & 7 != 0 {
        return false;
    }
    let _guard = dom.lock();
    let result = perform(hv, vcpu, &store, (table, cr2), Parties::own(dom));
    match result {
        // A retry runs the instruction again.
        Ok(()) | Err(Stop::Retry | Stop::Err(Errno::EAGAIN)) => true,
        Err(_) => false,
    }
}

fn perform<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    store: &Store,
    (table, cr2): (Mfn, u64),
    parties: Parties<'_>,
) -> Result<(), Stop> {
    let mut budget = Budget::new(hv.machine.budget());
    let work = &mut vcpu.walk;
    walk::finish(hv, parties.table, work, &mut budget)?;
    let index = (cr2 as usize >> 3) & 511;
    let old = hv.machine.read_entry(table, index);
    let effect = store.effect(&vcpu.regs, old, (cr2 & 7) as u32);
    if let Some(new) = effect.value {
        let at = table.addr() | (cr2 & 0xff8);
        let exact = AccessedDirty::Unchanged(old);
        hv.update_entry(parties, at, new, exact, (work, &mut budget))?;
    }
    effect.apply(&mut vcpu.regs, old, store.length);
    // What the old entry leaves behind may outlast the budget; it ends before the next hypercall.
    let _ = walk::finish(hv, parties.table, work, &mut budget);
    Ok(())
}

/// Reads instruction bytes at `rip`, up to the end of what is mapped.
fn fetch<M: Machine>(hv: &Hypervisor<M>, rip: u64, code: &mut [u8; LONGEST]) -> usize {
    if !guest_range(rip, LONGEST as u64) {
        return 0;
    }
    match hv.machine.copy_from_guest(rip, code) {
        Ok(()) => LONGEST,
        Err(fault) => (fault.0.saturating_sub(rip) as usize).min(LONGEST),
    }
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

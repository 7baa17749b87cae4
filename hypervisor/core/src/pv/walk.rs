//! Validation and release of whole tables as one interruptible machine.
//!
//! A table becomes live by a walk over its entries and everything below that is not live yet; it is
//! released by a walk the other way. A walk is a stack of at most four tables, each locked in its
//! frame word (typed, not validated), so that no other vCPU relies on it meanwhile. When the budget
//! is spent the stack stays in the vCPU; whatever hypercall it makes next first ends the walk.
//! Walks wait for one another only downwards in level, hence never in a circle.

use arrayvec::ArrayVec;

use super::entry::{Claim, PRESENT, ValidEntry, adjust, claim, frame};
use super::update::Parties;
use crate::addr::{ENTRIES, HYPERVISOR_SLOT_END, HYPERVISOR_SLOT_START, Mfn};
use crate::domain::Domain;
use crate::error::{Errno, Result, Stop};
use crate::frame::proof::Flushed;
use crate::frame::word::{Kind, Owner, Refusal, Word};
use crate::hypercall::Budget;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

/// Groups of eight absent entries that are passed over for one unit of budget; a level-1 entry is
/// one unit.
const EMPTY_GROUPS_PER_UNIT: usize = 4;
/// Units for an entry of a higher level.
const TABLE_ENTRY: u32 = 2;
/// Units for a table that is begun or ended.
const TABLE: u32 = 4;

/// What a walk does with one table.
#[derive(Debug)]
enum Task {
    /// Entries below `index` are granted.
    Validate(Flushed),
    /// Entries below `index` are still granted and are given back; then the table's type ends.
    Release,
    /// As `Release`, because validation failed: then whoever needed the table fails too.
    Fail(Errno),
}

#[derive(Debug)]
struct Step {
    table: Mfn,
    level: u8,
    index: u16,
    task: Task,
}

/// How the walk that a hypercall was interrupted in ended, for that hypercall's next run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verdict {
    table: Mfn,
    level: u8,
    result: Result<()>,
}

/// A vCPU's page-table work in progress.
#[derive(Default, Debug)]
pub struct Walk {
    stack: ArrayVec<Step, 4>,
    /// Tables whose last use has ended, waiting for their release; locked.
    queue: ArrayVec<(Mfn, u8), 8>,
    verdict: Option<Verdict>,
    /// Table slot of the domain whose tables they are.
    pub(crate) slot: u16,
}

/// The name under which [`crate::vcpu::Vcpu`] keeps it.
pub type WalkState = Walk;

impl Walk {
    /// Whether nothing is in progress and nothing is remembered.
    #[inline]
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.stack.is_empty() && self.queue.is_empty() && self.verdict.is_none()
    }

    /// Level of the table that is worked on, 0 if none is: of several walks, the one with the lowest
    /// waits for none of the others.
    #[must_use]
    pub fn level(&self) -> u8 {
        self.stack.last().map_or(0, |step| step.level)
    }
}

/// Takes a use of `table` as a live page table of its level, validating it first if need be.
///
/// # Errors
/// `EINVAL` when it cannot be one; `Retry` when the budget ran out or another vCPU's walk holds
/// it. After a `Retry`, the same request made again picks up the result.
#[inline]
pub(crate) fn get_table<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    (table, level): (Mfn, u8),
    walk: &mut Walk,
    budget: &mut Budget,
) -> Result<(), Stop> {
    let (owner, kind) = (Owner::from(dom), Kind::table(level));
    let live = |word: Word| word.get_validated(owner, kind);
    if walk.is_idle() && hv.frames.try_change(table, live) {
        return Ok(());
    }
    make_table(hv, dom, (table, level), walk, budget)
}

/// The same for a table that may have to be validated first.
fn make_table<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    (table, level): (Mfn, u8),
    walk: &mut Walk,
    budget: &mut Budget,
) -> Result<(), Stop> {
    if let Some(verdict) = walk.verdict
        && (verdict.table, verdict.level) == (table, level)
    {
        walk.verdict = None;
        return Ok(verdict.result?);
    }
    if walk.verdict.is_some() {
        forget_verdict(hv, walk);
        if !walk.is_idle() {
            // Of an interrupted call that nobody goes on with. Its tables may be another domain's, or
            // the very one that is being changed: they go first, and all is looked at again.
            return Err(Stop::Retry);
        }
    }
    // The release queue may hold this very table: then that must end first.
    finish(hv, dom, walk, budget)?;
    walk.slot = dom.slot;
    match acquire(hv, dom, table, level)? {
        Acquired::Live => Ok(()),
        Acquired::Locked(proof) => {
            walk.stack.push(Step {
                table,
                level,
                index: 0,
                task: Task::Validate(proof),
            });
            finish(hv, dom, walk, budget)?;
            match walk.verdict.take() {
                Some(v) => Ok(v.result?),
                None => Ok(()),
            }
        }
    }
}

/// Gives up a use of a live table. The last use queues its release.
#[inline]
pub(crate) fn put_table<M: Machine>(hv: &Hypervisor<M>, table: Mfn, walk: &mut Walk) {
    if !put_one_of_several(hv, table) {
        put_last(hv, table, walk);
    }
}

/// Gives up a use of a live table if it is not the last, at the first attempt; whether it did.
#[inline(always)]
pub(crate) fn put_one_of_several<M: Machine>(hv: &Hypervisor<M>, table: Mfn) -> bool {
    let fewer = |word: Word| word.put_validated()?.ok_or(Refusal::BadState);
    hv.frames.try_change(table, fewer)
}

fn put_last<M: Machine>(hv: &Hypervisor<M>, table: Mfn, walk: &mut Walk) {
    let Some(level) = drop_use(hv, table) else {
        return;
    };
    if let Some(slot) = hv.frames.owner(table).slot() {
        debug_assert!(
            slot == walk.slot || walk.stack.is_empty() && walk.queue.is_empty(),
            "work on two domains' tables at once"
        );
        walk.slot = slot;
    }
    if walk.queue.try_push((table, level)).is_err() {
        // Never more than a few per operation, each followed by a drain.
        debug_assert!(false, "release queue overflow");
    }
}

/// Gives up a use of a live table; `Some(level)` when it was the last and the table is now locked.
fn drop_use<M: Machine>(hv: &Hypervisor<M>, table: Mfn) -> Option<u8> {
    let changed = hv.frames.change(table, |w| match w.put_validated()? {
        Some(fewer) => Ok(fewer),
        None => w.unvalidate(),
    });
    match changed {
        Ok(w) if w.is_validated() => None,
        Ok(w) => w.kind().level(),
        Err(_) => {
            debug_assert!(false, "put of {table:?}, which is not a live table");
            None
        }
    }
}

enum Acquired {
    Live,
    /// Locked and flushed: to be validated.
    Locked(Flushed),
}

/// A use of a live table, or the lock on one that is to be validated.
fn acquire<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    table: Mfn,
    level: u8,
) -> Result<Acquired, Stop> {
    let owner = Owner::domain(dom.slot);
    let kind = Kind::table(level);
    match hv.frames.change(table, |w| w.get_validated(owner, kind)) {
        Ok(_) => return Ok(Acquired::Live),
        Err(Refusal::Locked) => return Err(Stop::Retry),
        Err(Refusal::WrongKind) => {}
        Err(refusal) => return Err(Errno::from(refusal).into()),
    }
    let locked = hv
        .frames
        .lock_first(table, owner, kind)
        .map_err(Errno::from)?;
    // Writable mappings that ended may still be in a TLB.
    let flushed = hv.flush_former_use(locked);
    Ok(Acquired::Locked(flushed))
}

/// Ends all page-table work in progress.
///
/// # Errors
/// `Retry` when the budget ran out or another walk must end first.
#[inline]
pub(crate) fn finish<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    walk: &mut Walk,
    budget: &mut Budget,
) -> Result<(), Stop> {
    if walk.stack.is_empty() && walk.queue.is_empty() {
        return Ok(());
    }
    finish_some(hv, dom, walk, budget)
}

/// The same where there is some.
#[inline(never)]
fn finish_some<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    walk: &mut Walk,
    budget: &mut Budget,
) -> Result<(), Stop> {
    debug_assert_eq!(walk.slot, dom.slot, "another domain's lock is held");
    loop {
        if walk.stack.is_empty() {
            let Some((table, level)) = walk.queue.pop() else {
                return Ok(());
            };
            walk.stack.push(Step {
                table,
                level,
                index: ENTRIES as u16,
                task: Task::Release,
            });
        }
        advance(hv, dom, walk, budget)?;
    }
}

/// Forgets a result that the hypercall did not pick up, giving up the use it stands for; but not yet
/// while there is work on another domain's tables, for all that is in progress is one domain's.
pub(crate) fn forget_verdict<M: Machine>(hv: &Hypervisor<M>, walk: &mut Walk) {
    let slot = walk.verdict.and_then(|v| hv.frames.owner(v.table).slot());
    if slot != Some(walk.slot) && !(walk.stack.is_empty() && walk.queue.is_empty()) {
        return;
    }
    if let Some(verdict) = walk.verdict.take()
        && verdict.result.is_ok()
    {
        put_table(hv, verdict.table, walk);
    }
}

/// Works on the top of the stack until it ends, a child must be worked on first, or the budget is
/// spent.
fn advance<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    walk: &mut Walk,
    budget: &mut Budget,
) -> Result<(), Stop> {
    let Some(top) = walk.stack.last_mut() else {
        return Ok(());
    };
    let child = match (&top.task, top.level) {
        (Task::Validate(_), 1) => validate_pages(hv, dom, top, budget)?,
        (Task::Validate(_), _) => validate_tables(hv, dom, top, budget)?,
        (_, 1) => release_pages(hv, top, budget)?,
        _ => release_tables(hv, top, budget)?,
    };
    match child {
        Next::Again => return Ok(()),
        Next::Child(step) => walk.stack.push(step),
        Next::End => end_of_table(hv, walk),
    }
    // The work is done: if that was all there was to spend, what follows waits.
    budget.take(TABLE);
    hv.settle_aside(budget);
    Ok(())
}

enum Next {
    /// The same step again, with another task.
    Again,
    /// This one first.
    Child(Step),
    /// The table is done.
    End,
}

/// Entries of a row of the commonest sort, about 30 instructions each, that one unit pays for.
const ROW_ENTRIES_PER_UNIT: usize = 2;

#[inline]
fn charge(budget: &mut Budget, units: u32) -> Result<(), Stop> {
    if budget.take(units) {
        Ok(())
    } else {
        Err(Stop::Retry)
    }
}

/// The first entry from `index` on whose group of eight is not all absent.
#[inline(always)]
fn skip_up<M: Machine>(hv: &Hypervisor<M>, table: Mfn, index: usize, budget: &mut Budget) -> usize {
    let begins = index.is_multiple_of(8) && index < ENTRIES;
    if !begins || hv.machine.read_entry(table, index) & PRESENT != 0 {
        return index;
    }
    let to = hv.machine.absent_from(table, index);
    budget.take(((to - index) / (8 * EMPTY_GROUPS_PER_UNIT)) as u32);
    to
}

/// The first entry from `end` downwards whose group of eight is not all absent, and one more.
#[inline(always)]
fn skip_down<M: Machine>(hv: &Hypervisor<M>, table: Mfn, end: usize, budget: &mut Budget) -> usize {
    let ends = end.is_multiple_of(8) && end > 0;
    if !ends || hv.machine.read_entry(table, end - 1) & PRESENT != 0 {
        return end;
    }
    let to = hv.machine.absent_before(table, end);
    budget.take(((end - to) / (8 * EMPTY_GROUPS_PER_UNIT)) as u32);
    to
}

/// How many of `wanted` level-1 entries the budget is good for.
///
/// # Errors
/// `Retry` when that is none.
#[inline(always)]
fn affordable(wanted: usize, budget: &mut Budget) -> Result<usize, Stop> {
    let count = wanted.min(budget.good_for(1) as usize);
    charge(budget, count as u32)?;
    Ok(count)
}

/// Takes the units of a row of entries of the commonest sort, which are done.
#[inline(always)]
fn charge_row(entries: usize, budget: &mut Budget) {
    budget.take((entries / ROW_ENTRIES_PER_UNIT) as u32);
}

fn validate_pages<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    step: &mut Step,
    budget: &mut Budget,
) -> Result<Next, Stop> {
    let parties = Parties::own(dom);
    loop {
        let first = skip_up(hv, step.table, usize::from(step.index), budget);
        step.index = first as u16;
        if first >= ENTRIES {
            return Ok(Next::End);
        }
        let to = ENTRIES.min(first + budget.good_for(1) as usize);
        let row = hv.grant_row(parties.pages, step.table, first, to);
        if row > first {
            charge_row(row - first, budget);
            step.index = row as u16;
            continue;
        }
        let end = first + affordable(8 - first % 8, budget)?;
        if let Err((index, errno)) = validate_some(hv, parties, step.table, first..end) {
            step.index = index as u16;
            step.task = Task::Fail(errno);
            return Ok(Next::Again);
        }
        step.index = end as u16;
    }
}

/// Grants a range of level-1 entries; the first that fails, and how, if one does.
#[inline]
fn validate_some<M: Machine>(
    hv: &Hypervisor<M>,
    parties: Parties<'_>,
    table: Mfn,
    range: core::ops::Range<usize>,
) -> Result<(), (usize, Errno)> {
    for index in range {
        let raw = hv.machine.read_entry(table, index);
        let mut new = adjust(1, raw);
        if !hv.try_grant_page(parties.pages, new) {
            new = hv.grant_page(parties, new).map_err(|e| (index, e))?;
        }
        if new != raw {
            hv.machine
                .write_entry(table, index, ValidEntry::granted(new));
        }
    }
    Ok(())
}

fn release_pages<M: Machine>(
    hv: &Hypervisor<M>,
    step: &mut Step,
    budget: &mut Budget,
) -> Result<Next, Stop> {
    let table = step.table;
    loop {
        let end = skip_down(hv, table, usize::from(step.index), budget);
        step.index = end as u16;
        if end == 0 {
            return Ok(Next::End);
        }
        let from = end.saturating_sub(budget.good_for(1) as usize);
        let row = hv.ungrant_row(table, from, end);
        if row < end {
            charge_row(end - row, budget);
            step.index = row as u16;
            continue;
        }
        let first = end - affordable((end - 1) % 8 + 1, budget)?;
        for index in first..end {
            hv.ungrant_page(hv.machine.read_entry(table, index));
        }
        hv.settle_aside(budget);
        step.index = first as u16;
    }
}

fn is_hypervisor_slot(level: u8, index: usize) -> bool {
    level == 4 && (HYPERVISOR_SLOT_START..HYPERVISOR_SLOT_END).contains(&index)
}

fn validate_tables<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    step: &mut Step,
    budget: &mut Budget,
) -> Result<Next, Stop> {
    loop {
        let index = skip_up(hv, step.table, usize::from(step.index), budget);
        step.index = index as u16;
        if index >= ENTRIES {
            return Ok(Next::End);
        }
        charge(budget, TABLE_ENTRY)?;
        let raw = hv.machine.read_entry(step.table, index);
        if raw & PRESENT == 0 || is_hypervisor_slot(step.level, index) {
            step.index += 1;
            continue;
        }
        let new = adjust(step.level, raw);
        let acquired = match claim(step.level, new) {
            Ok(Claim::Table(child)) => acquire(hv, dom, child, step.level - 1).map(|a| (a, child)),
            Ok(_) => Err(Errno::EINVAL.into()),
            Err(e) => Err(e.into()),
        };
        match acquired {
            Ok((Acquired::Live, _)) => step.entry_is_good(hv),
            Ok((Acquired::Locked(proof), child)) => {
                return Ok(Next::Child(Step {
                    table: child,
                    level: step.level - 1,
                    index: 0,
                    task: Task::Validate(proof),
                }));
            }
            Err(Stop::Err(e)) => {
                step.task = Task::Fail(e);
                return Ok(Next::Again);
            }
            Err(stop) => return Err(stop),
        }
    }
}

impl Step {
    /// The entry at hand holds what it claims: it is stored as the processor is to see it. One that
    /// fails stays as the guest wrote it.
    fn entry_is_good<M: Machine>(&mut self, hv: &Hypervisor<M>) {
        let index = usize::from(self.index);
        let raw = hv.machine.read_entry(self.table, index);
        let new = adjust(self.level, raw);
        if new != raw {
            hv.machine
                .write_entry(self.table, index, ValidEntry::granted(new));
        }
        self.index += 1;
    }
}

fn release_tables<M: Machine>(
    hv: &Hypervisor<M>,
    step: &mut Step,
    budget: &mut Budget,
) -> Result<Next, Stop> {
    loop {
        let index = skip_down(hv, step.table, usize::from(step.index), budget);
        step.index = index as u16;
        if index == 0 {
            return Ok(Next::End);
        }
        charge(budget, TABLE_ENTRY)?;
        step.index -= 1;
        let raw = hv.machine.read_entry(step.table, index - 1);
        if raw & PRESENT == 0 || is_hypervisor_slot(step.level, index - 1) {
            continue;
        }
        if let Some(level) = drop_use(hv, frame(raw)) {
            return Ok(Next::Child(Step {
                table: frame(raw),
                level,
                index: ENTRIES as u16,
                task: Task::Release,
            }));
        }
    }
}

/// The top of the stack is done: pops it and tells who waits for it.
fn end_of_table<M: Machine>(hv: &Hypervisor<M>, walk: &mut Walk) {
    let Some(done) = walk.stack.pop() else {
        return;
    };
    let result = match done.task {
        Task::Validate(proof) => {
            if done.level == 4 {
                hv.machine.install_hypervisor_slots(done.table);
            }
            let made = hv.frames.set_validated(&proof);
            debug_assert!(made.is_ok(), "{:?} was not locked", done.table);
            Ok(())
        }
        Task::Release => {
            hv.untype(done.table);
            return;
        }
        Task::Fail(e) => {
            hv.untype(done.table);
            Err(e)
        }
    };
    match (walk.stack.last_mut(), result) {
        (Some(parent), Ok(())) => parent.entry_is_good(hv),
        (Some(parent), Err(e)) => parent.task = Task::Fail(e),
        (None, result) => {
            walk.verdict = Some(Verdict {
                table: done.table,
                level: done.level,
                result,
            });
        }
    }
}

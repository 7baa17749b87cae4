//! A model check of the frame word and of the flush clock: all interleavings of three CPUs that
//! map, unmap, promote to a page table, demote, give up and reuse one frame, each atomic access of
//! memory a step of its own.
//!
//! The steps call the real transitions ([`Word`]) and the real clock ([`Tlb`]); what is modelled is
//! the order in which [`hypervisor_core::frame::page`] and [`hypervisor_core::pv::walk`] call them,
//! and the TLBs. That the order is theirs is tested too: [`mod@order`]. No domain lock is modelled: two domains that share a frame do not share one, and
//! what holds without holds with it. A CPU that is in a guest's address space remembers every
//! mapping from the moment it is made: a processor may, and to remember less is never worse.
//!
//! Each mistake in [`Mistake`] must be found, so that the properties are known to bite.

mod order;

use hypervisor_core::frame::proof::Flushed;
use hypervisor_core::frame::tlb::{Reading, Tlb};
use hypervisor_core::frame::word::{Kind, Owner, Refusal, Word};
use stateright::{Checker, Model, Property};

/// CPUs, each with a TLB and one page-table entry that may map the frame.
const CPUS: usize = 3;
/// The frame's owner.
const ME: Owner = Owner::domain(1);
/// The types keep the real code from flushing before it locks; here that is tried.
const PROOF: Flushed = Flushed::of_no_frame();

/// What a page-table entry makes of the frame; as a bit set, what a TLB remembers of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
enum Entry {
    Absent = 0,
    ReadOnly = 1,
    Writable = 2,
    /// An upper-level entry: the processor walks the frame as a page table.
    Table = 4,
}

/// A TLB remembers something of the frame from before it was given out again.
const FORMER_LIFE: u8 = 8;

/// What a CPU sets out to do, with the frame or its own entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Operation {
    MapReadOnly,
    MapWritable,
    /// Validates the frame as a page table, if it is none, and refers to it.
    MapTable,
    Unmap,
    /// The owner gives the frame up.
    GiveUp,
    /// Takes the frame from the free list for a domain.
    Allocate,
    /// The guest loads its root again.
    FlushLocal,
    /// The CPU has nothing to run any more.
    Idle,
    /// It has again.
    Enter,
}

const OPERATIONS: [Operation; 9] = [
    Operation::MapReadOnly,
    Operation::MapWritable,
    Operation::MapTable,
    Operation::Unmap,
    Operation::GiveUp,
    Operation::Allocate,
    Operation::FlushLocal,
    Operation::Idle,
    Operation::Enter,
];

/// What follows a flush.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Then {
    Nothing,
    /// The frame's entries are examined, then it is a table.
    Validate,
    /// The seeded order: the type is locked only now.
    LockType,
    /// A former table becomes writable.
    Writable,
    /// The frame is given out.
    GiveOut,
}

/// The next step of a CPU.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Step {
    Free,
    GetReadOnly,
    GetWritable,
    GetTable,
    /// The entry is stored: the reference for it is held.
    Store(Entry),
    LockType,
    ReadStamp(Then),
    LockFormerTable,
    /// Who must flush, for a use that ended at this stamp?
    WhoIsStale(u32, Then),
    BeginRemote(u8, Then),
    /// These others still have to flush, these are flushed, since the tick.
    Remote(u8, u8, u32, Then),
    BeginLocal(Then),
    Local(u32, Then),
    EndLocal(u32, Then),
    SetFlushed,
    Examine,
    Validated,
    SetAllocated,
    Put,
    /// A writable use ends: the word is read, then replaced if it still is what was read.
    LoadForPut,
    /// The clock is read, the frame stamped, and then the word changed as `End` says.
    ReadClock(End),
    Stamp(u32, End),
    Change(End),
    DropTable,
    SetFree,
    ToFreeList,
    ReadFreeStamp,
    LeaveSpace,
    SayAway,
    SayBack,
    EnterSpace,
}

/// The change of the word that ends a use.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum End {
    /// From this word.
    PutWritable(u64),
    Untype,
    Free,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    word: u64,
    stamp: u32,
    clock: Reading<CPUS>,
    on_free_list: bool,
    entries: [Entry; CPUS],
    tlbs: [u8; CPUS],
    /// Whether the CPU's root is a guest's.
    in_guest: [bool; CPUS],
    steps: [Step; CPUS],
    /// Operations that may still begin.
    left: u8,
}

impl State {
    fn word(&self) -> Word {
        Word(self.word)
    }

    /// What a processor that walks the entries now may remember.
    fn visible(&self) -> u8 {
        self.entries.iter().fold(0, |seen, &e| seen | e as u8)
    }

    fn drop_tlb(&mut self, cpu: usize) {
        self.tlbs[cpu] = if self.in_guest[cpu] {
            self.visible()
        } else {
            0
        };
    }

    fn store(&mut self, cpu: usize, entry: Entry) {
        self.entries[cpu] = entry;
        for (tlb, _) in self
            .tlbs
            .iter_mut()
            .zip(self.in_guest)
            .filter(|(_, in_guest)| *in_guest)
        {
            *tlb |= entry as u8;
        }
    }

    /// Applies a transition of the word, as one compare-and-swap does.
    fn change(&mut self, f: impl Fn(Word) -> Result<Word, Refusal>) -> Result<Word, Refusal> {
        let next = f(self.word())?;
        self.word = next.0;
        Ok(next)
    }

    fn tlb<T>(&mut self, f: impl FnOnce(&Tlb) -> T) -> T {
        let tlb = self.clock.restore();
        let result = f(&tlb);
        self.clock = Reading::of(&tlb);
        result
    }
}

/// A wrong order or a forgotten step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mistake {
    None,
    /// XSA-401: the flush comes before the type is locked.
    FlushBeforeLock,
    /// A validated table without a flush.
    NoFlushForTable,
    /// XSA-346, XSA-355: a frame is given out with translations of its former life in TLBs.
    NoFlushForReuse,
    /// A former table becomes writable without a flush.
    NoFlushForWritable,
    /// The word shows the end of a writable use before the frame is stamped.
    StampAfterPut,
    /// Only the end of the last use stamps the frame: another use may begin and end between the
    /// stamp and the change of the word, which is then the same again.
    StampOnlyAtTheLast,
    /// A stamp that was read earlier replaces a later one.
    StampGoesBack,
    /// A flush counts from its end, not from its beginning.
    FlushCountsFromItsEnd,
    /// A CPU says that it left the guest's address space before it has.
    AwayTooEarly,
    /// A CPU says that it is back only once it is in the guest's address space.
    BackTooLate,
}

struct FrameModel {
    mistake: Mistake,
    /// Operations in one interleaving, of these kinds.
    depth: u8,
    operations: &'static [Operation],
}

/// Which CPU makes a step, and which operation it begins if it is free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Move {
    cpu: usize,
    begins: Option<Operation>,
}

impl FrameModel {
    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == mistake
    }

    fn begin(&self, s: &State, cpu: usize, operation: Operation) -> Option<Step> {
        let vacant = s.entries[cpu] == Entry::Absent;
        let in_guest = s.in_guest[cpu];
        let step = match operation {
            Operation::MapReadOnly if vacant => Step::GetReadOnly,
            Operation::MapWritable if vacant => Step::GetWritable,
            Operation::MapTable if vacant && self.has(Mistake::FlushBeforeLock) => {
                Step::ReadStamp(Then::LockType)
            }
            Operation::MapTable if vacant => Step::GetTable,
            Operation::Unmap if !vacant => match s.entries[cpu] {
                Entry::Writable => Step::LoadForPut,
                Entry::Table => Step::DropTable,
                _ => Step::Put,
            },
            // One CPU each is enough for what needs no race with itself.
            Operation::GiveUp if cpu == 0 && s.word().is_allocated() => Step::Put,
            Operation::Allocate if s.on_free_list => Step::ReadFreeStamp,
            Operation::FlushLocal if in_guest => Step::BeginLocal(Then::Nothing),
            Operation::Idle if cpu == 2 && in_guest => {
                if self.has(Mistake::AwayTooEarly) {
                    Step::SayAway
                } else {
                    Step::LeaveSpace
                }
            }
            Operation::Enter if cpu == 2 && !in_guest => {
                if self.has(Mistake::BackTooLate) {
                    Step::EnterSpace
                } else {
                    Step::SayBack
                }
            }
            _ => return None,
        };
        Some(step)
    }

    /// After the flush, or without one.
    fn after(&self, then: Then) -> Step {
        match then {
            Then::Nothing => Step::Free,
            Then::Validate => Step::Examine,
            Then::LockType => Step::LockType,
            Then::Writable => Step::SetFlushed,
            Then::GiveOut => Step::SetAllocated,
        }
    }

    /// After a change of the word: the last reference frees the frame.
    fn last(&self, changed: Result<Word, Refusal>) -> Step {
        match changed {
            Ok(w) if w.refs() == 0 => Step::ReadClock(End::Free),
            Ok(_) => Step::Free,
            Err(refusal) => panic!("a use that was held cannot be given up: {refusal:?}"),
        }
    }

    fn step(&self, s: &mut State, cpu: usize) -> Step {
        match s.steps[cpu] {
            Step::Free => Step::Free,
            Step::GetReadOnly => match s.change(|w| w.get(ME)) {
                Ok(_) => Step::Store(Entry::ReadOnly),
                Err(_) => Step::Free,
            },
            Step::GetWritable => match s.change(|w| w.get_writable(ME)) {
                Ok(_) => Step::Store(Entry::Writable),
                Err(Refusal::NeedsFlush) if self.has(Mistake::NoFlushForWritable) => {
                    match s.change(|w| w.flushed(&PROOF).get_writable(ME)) {
                        Ok(_) => Step::Store(Entry::Writable),
                        Err(_) => Step::Free,
                    }
                }
                Err(Refusal::NeedsFlush) => Step::LockFormerTable,
                Err(_) => Step::Free,
            },
            Step::GetTable => match s.change(|w| w.get_validated(ME, Kind::L1)) {
                Ok(_) => Step::Store(Entry::Table),
                Err(Refusal::WrongKind) => Step::LockType,
                Err(_) => Step::Free,
            },
            Step::Store(entry) => {
                s.store(cpu, entry);
                Step::Free
            }
            Step::LockType => match s.change(|w| w.get_first(ME, Kind::L1)) {
                Ok(_) if self.has(Mistake::NoFlushForTable) => Step::Examine,
                Ok(_) if self.has(Mistake::FlushBeforeLock) => Step::Examine,
                Ok(_) => Step::ReadStamp(Then::Validate),
                Err(_) => Step::Free,
            },
            Step::ReadStamp(then) => Step::WhoIsStale(s.stamp, then),
            Step::LockFormerTable => match s.change(|w| w.get_former_table(ME)) {
                Ok(_) => Step::ReadStamp(Then::Writable),
                Err(_) => Step::Free,
            },
            Step::WhoIsStale(stamp, then) => self.who_is_stale(s, cpu, stamp, then),
            Step::SetFlushed => {
                s.change(|w| Ok(w.flushed(&PROOF))).expect("always");
                Step::Store(Entry::Writable)
            }
            Step::Examine => Step::Validated,
            Step::Validated => {
                s.change(|w| w.validated(&PROOF))
                    .expect("its type is locked");
                Step::Store(Entry::Table)
            }
            Step::ReadFreeStamp => {
                // The free list's own lock makes this one step.
                if !core::mem::take(&mut s.on_free_list) {
                    Step::Free
                } else if s.stamp == 0 || self.has(Mistake::NoFlushForReuse) {
                    Step::SetAllocated
                } else {
                    Step::ReadStamp(Then::GiveOut)
                }
            }
            Step::SetAllocated => {
                s.word = Word::allocated(ME, &PROOF).0;
                for tlb in &mut s.tlbs {
                    *tlb = if *tlb == 0 { 0 } else { FORMER_LIFE };
                }
                Step::Free
            }
            _ => self.step_of_end_or_flush(s, cpu),
        }
    }

    fn who_is_stale(&self, s: &mut State, cpu: usize, stamp: u32, then: Then) -> Step {
        let mask = s.tlb(|tlb| tlb.stale_cpus(stamp)) as u8;
        let me = 1 << cpu;
        match (mask & !me, mask & me) {
            (0, 0) => self.after(then),
            (0, _) => Step::BeginLocal(then),
            _ => Step::BeginRemote(mask, then),
        }
    }

    fn step_of_end_or_flush(&self, s: &mut State, cpu: usize) -> Step {
        match s.steps[cpu] {
            Step::BeginRemote(mask, then) => {
                let begun = s.tlb(Tlb::begin_flush);
                Step::Remote(mask & !(1 << cpu), mask, begun, then)
            }
            Step::Remote(0, mask, begun, then) => {
                let me = 1 << cpu;
                let begun = self.counted_from(s, begun);
                s.tlb(|tlb| {
                    for other in (0..CPUS).filter(|&c| mask & !me & 1 << c != 0) {
                        tlb.end_flush(other as u32, begun);
                    }
                });
                if mask & me == 0 {
                    self.after(then)
                } else {
                    Step::BeginLocal(then)
                }
            }
            Step::Remote(left, mask, begun, then) => {
                s.drop_tlb(left.trailing_zeros() as usize);
                Step::Remote(left & (left - 1), mask, begun, then)
            }
            Step::BeginLocal(then) => Step::Local(s.tlb(Tlb::begin_flush), then),
            Step::Local(begun, then) => {
                s.drop_tlb(cpu);
                Step::EndLocal(begun, then)
            }
            Step::EndLocal(begun, then) => {
                let begun = self.counted_from(s, begun);
                s.tlb(|tlb| tlb.end_flush(cpu as u32, begun));
                self.after(then)
            }
            Step::LeaveSpace => {
                s.in_guest[cpu] = false;
                s.drop_tlb(cpu);
                if self.has(Mistake::AwayTooEarly) {
                    Step::Free
                } else {
                    Step::SayAway
                }
            }
            Step::SayAway => {
                s.tlb(|tlb| tlb.leave_guests(cpu as u32));
                if self.has(Mistake::AwayTooEarly) {
                    Step::LeaveSpace
                } else {
                    Step::Free
                }
            }
            Step::SayBack => {
                s.tlb(|tlb| tlb.enter_guests(cpu as u32));
                if self.has(Mistake::BackTooLate) {
                    Step::Free
                } else {
                    Step::EnterSpace
                }
            }
            Step::EnterSpace => {
                s.in_guest[cpu] = true;
                s.drop_tlb(cpu);
                if self.has(Mistake::BackTooLate) {
                    Step::SayBack
                } else {
                    Step::Free
                }
            }
            _ => self.step_of_end(s, cpu),
        }
    }

    fn counted_from(&self, s: &mut State, begun: u32) -> u32 {
        if self.has(Mistake::FlushCountsFromItsEnd) {
            s.tlb(Tlb::stamp)
        } else {
            begun
        }
    }

    fn step_of_end(&self, s: &mut State, cpu: usize) -> Step {
        match s.steps[cpu] {
            Step::Put => {
                let changed = s.change(Word::put);
                self.last(changed)
            }
            Step::DropTable => {
                let changed = s.change(|w| match w.put_validated()? {
                    Some(fewer) => Ok(fewer),
                    None => w.unvalidate(),
                });
                match changed {
                    Ok(w) if w.is_validated() => Step::Free,
                    Ok(_) => Step::ReadClock(End::Untype),
                    Err(refusal) => panic!("a table's use cannot be given up: {refusal:?}"),
                }
            }
            Step::LoadForPut => {
                let end = End::PutWritable(s.word);
                let next = s.word().put_writable().expect("the use is held");
                // Once one use is left or none, the stamp is for all that ended before.
                let stamped = if self.has(Mistake::StampOnlyAtTheLast) {
                    next.types() == 0
                } else {
                    next.types() <= 1
                };
                if stamped && !self.has(Mistake::StampAfterPut) {
                    Step::ReadClock(end)
                } else {
                    Step::Change(end)
                }
            }
            Step::ReadClock(end) => Step::Stamp(s.tlb(Tlb::stamp), end),
            Step::Stamp(stamp, end) => {
                if self.has(Mistake::StampGoesBack) || stamp.wrapping_sub(s.stamp) as i32 > 0 {
                    s.stamp = stamp;
                }
                if self.has(Mistake::StampAfterPut) && matches!(end, End::PutWritable(_)) {
                    Step::Free
                } else {
                    Step::Change(end)
                }
            }
            Step::Change(End::PutWritable(expected)) if s.word != expected => Step::LoadForPut,
            Step::Change(End::PutWritable(_)) => {
                let changed = s.change(Word::put_writable);
                match self.last(changed) {
                    Step::Free if self.has(Mistake::StampAfterPut) => {
                        Step::Stamp(s.tlb(Tlb::stamp), End::PutWritable(0))
                    }
                    next => next,
                }
            }
            Step::Change(End::Untype) => {
                let changed = s.change(Word::untype);
                self.last(changed)
            }
            Step::Change(End::Free) => Step::SetFree,
            Step::SetFree => {
                s.word = Word::FREE.0;
                Step::ToFreeList
            }
            Step::ToFreeList => {
                s.on_free_list = true;
                Step::Free
            }
            other => unreachable!("{other:?}"),
        }
    }
}

/// What was removed from an entry before the steps that give the use up.
fn clears_entry(operation: Operation) -> bool {
    operation == Operation::Unmap
}

impl Model for FrameModel {
    type State = State;
    type Action = Move;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            word: Word::allocated(ME, &PROOF).0,
            stamp: 0,
            clock: Reading::of(&Tlb::new(CPUS as u32)),
            on_free_list: false,
            entries: [Entry::Absent; CPUS],
            tlbs: [0; CPUS],
            in_guest: [true; CPUS],
            steps: [Step::Free; CPUS],
            left: self.depth,
        }]
    }

    fn actions(&self, s: &State, moves: &mut Vec<Move>) {
        for cpu in 0..CPUS {
            if s.steps[cpu] != Step::Free {
                moves.push(Move { cpu, begins: None });
                continue;
            }
            if s.left == 0 {
                continue;
            }
            let possible = self
                .operations
                .iter()
                .copied()
                .filter(|&o| self.begin(s, cpu, o).is_some())
                // A CPU without a guest makes no calls.
                .filter(|&o| s.in_guest[cpu] || o == Operation::Enter);
            moves.extend(possible.map(|o| Move {
                cpu,
                begins: Some(o),
            }));
        }
    }

    fn next_state(&self, before: &State, Move { cpu, begins }: Move) -> Option<State> {
        let mut s = before.clone();
        match begins {
            None => s.steps[cpu] = self.step(&mut s, cpu),
            Some(operation) => {
                s.left -= 1;
                s.steps[cpu] = self.begin(before, cpu, operation)?;
                if operation == Operation::GiveUp {
                    let changed = s.change(|w| w.give_up(ME));
                    s.steps[cpu] = self.last(changed);
                } else if clears_entry(operation) {
                    // What processors remember of it stays.
                    s.entries[cpu] = Entry::Absent;
                }
            }
        }
        Some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no CPU can write to a table", |_, s: &State| {
                let examined = s
                    .steps
                    .iter()
                    .any(|s| matches!(s, Step::Examine | Step::Validated));
                let table = s.word().is_validated() || examined;
                !table || s.tlbs.iter().all(|tlb| tlb & Entry::Writable as u8 == 0)
            }),
            Property::always("no CPU walks what a guest can write", |_, s: &State| {
                let all = s.tlbs.iter().fold(0, |all, tlb| all | tlb);
                !s.entries.contains(&Entry::Writable) || all & Entry::Table as u8 == 0
            }),
            Property::always("no CPU remembers a frame's former life", |_, s: &State| {
                s.tlbs.iter().all(|tlb| tlb & FORMER_LIFE == 0)
            }),
            Property::always("a free frame is referenced by nothing", |_, s: &State| {
                s.word().owner() != Owner::FREE || s.entries.iter().all(|&e| e == Entry::Absent)
            }),
            Property::sometimes("the frame becomes a table", |_, s: &State| {
                s.entries.contains(&Entry::Table)
            }),
            Property::sometimes("a former table becomes writable", |_, s: &State| {
                s.steps.contains(&Step::SetFlushed)
            }),
            Property::sometimes("the frame is given out again", |_, s: &State| {
                s.stamp != 0 && s.word() == Word::allocated(ME, &PROOF)
            }),
        ]
    }
}

/// All operations, as many as show each mistake but one.
const ALL: (u8, &[Operation]) = (5, &OPERATIONS);
/// Those of a frame that stays with its owner: deeper.
const TYPES: (u8, &[Operation]) = (
    6,
    &[
        Operation::MapWritable,
        Operation::MapTable,
        Operation::Unmap,
        Operation::FlushLocal,
    ],
);

fn model(mistake: Mistake, (depth, operations): (u8, &'static [Operation])) -> FrameModel {
    FrameModel {
        mistake,
        depth,
        operations,
    }
}

fn must_pass(scope: (u8, &'static [Operation])) {
    let model = model(Mistake::None, scope);
    let checked = model.checker().threads(2).spawn_bfs().join();
    let (depth, kinds) = (scope.0, scope.1.len());
    let states = checked.unique_state_count();
    println!("{states} states of {CPUS} CPUs: {depth} operations of {kinds} kinds");
    assert_eq!(
        checked
            .discoveries()
            .into_iter()
            .find(|(name, _)| name.starts_with("no ") || name.starts_with("a free"))
            .map(|(name, path)| (name, path.into_actions())),
        None
    );
    // That nothing wrong happens is said of something that does happen.
    for name in [
        "the frame becomes a table",
        "a former table becomes writable",
    ] {
        assert!(checked.discovery(name).is_some(), "never: {name}");
    }
}

/// Looks for the shortest way to a violation of `property`.
fn must_find(mistake: Mistake, scope: (u8, &'static [Operation]), property: &'static str) {
    let checked = model(mistake, scope)
        .checker()
        .threads(2)
        .finish_when(stateright::HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    println!("{mistake:?}: after {} states", checked.unique_state_count());
    let path = checked.discovery(property).unwrap_or_else(|| {
        panic!(
            "{mistake:?} is not found: {:?}",
            checked.discoveries().keys()
        )
    });
    for action in path.into_actions() {
        println!("    {action:?}");
    }
}

#[test]
fn all_operations_of_three_cpus_pass() {
    must_pass(ALL);
}

#[test]
#[ignore = "12 million states, more than a minute"]
fn changes_of_type_by_three_cpus_pass() {
    must_pass(TYPES);
}

#[test]
fn xsa_401_flush_before_lock_is_found() {
    must_find(Mistake::FlushBeforeLock, ALL, "no CPU can write to a table");
}

#[test]
fn a_table_without_a_flush_is_found() {
    must_find(Mistake::NoFlushForTable, ALL, "no CPU can write to a table");
}

#[test]
fn xsa_346_reuse_without_a_flush_is_found() {
    must_find(
        Mistake::NoFlushForReuse,
        ALL,
        "no CPU remembers a frame's former life",
    );
}

#[test]
fn a_former_table_written_without_a_flush_is_found() {
    must_find(
        Mistake::NoFlushForWritable,
        ALL,
        "no CPU walks what a guest can write",
    );
}

#[test]
fn a_stamp_after_the_end_is_found() {
    must_find(Mistake::StampAfterPut, ALL, "no CPU can write to a table");
}

#[test]
fn a_stamp_only_at_the_last_end_is_found() {
    must_find(
        Mistake::StampOnlyAtTheLast,
        TYPES,
        "no CPU can write to a table",
    );
}

#[test]
fn a_stamp_that_goes_back_is_found() {
    must_find(Mistake::StampGoesBack, TYPES, "no CPU can write to a table");
}

#[test]
fn a_flush_counted_from_its_end_is_found() {
    must_find(
        Mistake::FlushCountsFromItsEnd,
        ALL,
        "no CPU can write to a table",
    );
}

#[test]
fn away_too_early_is_found() {
    must_find(Mistake::AwayTooEarly, ALL, "no CPU can write to a table");
}

#[test]
fn back_too_late_is_found() {
    must_find(Mistake::BackTooLate, ALL, "no CPU can write to a table");
}

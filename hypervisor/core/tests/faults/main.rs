//! Fault injection: every operation of [`all`], with every allocation that it makes
//! failing, every guest access faulting, the guest's memory changing between two reads, and its
//! work cut into the smallest pieces. After each: no panic, every count as memory says, nothing
//! lost when the domains are destroyed; and the end that the operation's kind promises.

#![allow(unreachable_pub, reason = "modules of one test")]

mod control;
mod devices;
mod events;
mod grants;
mod heap;
mod left_over;
mod operations;
mod refusals;
mod table;
mod traps;
mod world;

use std::collections::BTreeMap;

use control::NOTHING_THERE;
use operations::{OnError, Operation, REFUSED};
use traps::FAULTING;
use world::{FAULTED, Way, World, difference};

/// All operations.
fn all() -> impl Iterator<Item = &'static Operation> {
    let tables = [
        operations::MEMORY,
        events::EVENTS,
        grants::GRANTS,
        control::CONTROL,
        devices::DEVICES,
        traps::TRAPS,
    ];
    tables.into_iter().flatten()
}

/// What an operation came to.
#[derive(Clone, PartialEq, Eq)]
struct Outcome {
    result: i64,
    state: BTreeMap<String, String>,
    answer: Vec<u8>,
}

impl Outcome {
    fn differs(&self, other: &Self) -> Vec<String> {
        let mut all = difference(&self.state, &other.state);
        if self.result != other.result {
            all.push(format!("result {} / {}", self.result, other.result));
        }
        if self.answer != other.answer {
            all.push("what was written to the caller".to_owned());
        }
        all
    }
}

fn prepared(operation: &Operation) -> (World, Way) {
    let mut world = World::new();
    let call = (operation.prepare)(&mut world);
    world.deliver();
    (world, call)
}

fn outcome(world: &mut World, operation: &Operation, result: i64) -> Outcome {
    world
        .hv
        .machine
        .set_budget(hypervisor_core::hypercall::Budget::FULL);
    world.settle(operation.caller);
    Outcome {
        result,
        state: world.state(),
        answer: world.answer(),
    }
}

fn undisturbed(operation: &Operation) -> Outcome {
    let (mut world, call) = prepared(operation);
    let result = world.run(operation.caller, call);
    let whole = outcome(&mut world, operation, result);
    world
        .end()
        .unwrap_or_else(|e| panic!("{}: {e}", operation.name));
    whole
}

/// What is wrong, of all operations; a test fails with all of it.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn add(&mut self, operation: &Operation, k: u64, what: impl std::fmt::Display) {
        self.0.push(format!("{} at {k}: {what}", operation.name));
    }

    fn none(self, what: &str, runs: u64) {
        println!("{} operations, {runs} runs with {what}", all().count());
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

/// Error numbers that an operation may end with when something failed underneath.
const EFAULT: i64 = -14;
const ENOMEM: i64 = -12;
const EINVAL: i64 = -22;
/// And those that real Xen gives instead.
const INSTEAD: &[(&str, i64)] = &[
    // A mask of vCPUs that cannot be read.
    ("mmuext_flushes", EINVAL),
];

/// What an operation that ended with an error should not have left.
fn not_undone(
    operation: &Operation,
    before: &BTreeMap<String, String>,
    end: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut all = difference(before, end);
    match operation.on_error {
        OnError::Undone => {}
        OnError::Prefix => all.clear(),
        OnError::Faults => all.retain(|line| line.starts_with("frame ")),
    }
    all
}

/// Runs every operation with `disturb` for k = 0, 1, … until it says that the fault did not come
/// up; `errnos` are what may come of the fault.
fn sweep(
    what: &str,
    errnos: &[i64],
    mut disturb: impl FnMut(&mut World, u64, &Operation, Way) -> (i64, bool),
) {
    const MOST: u64 = 2000;
    let mut findings = Findings::default();
    let mut runs = 0;
    for operation in all() {
        let whole = undisturbed(operation);
        for k in 0..=MOST {
            assert!(k < MOST, "{} has no end", operation.name);
            let (mut world, call) = prepared(operation);
            let before = world.state();
            let (result, happened) = disturb(&mut world, k, operation, call);
            runs += 1;
            let end = outcome(&mut world, operation, result);
            if !happened {
                for line in end.differs(&whole) {
                    findings.add(operation, k, format!("not as undisturbed: {line}"));
                }
            } else if result < 0 {
                let as_xen = INSTEAD.contains(&(operation.name, result));
                let trapped = operation.on_error == OnError::Faults && result <= FAULTED;
                let known = errnos.contains(&result) || as_xen || trapped;
                if !known && result != whole.result {
                    findings.add(operation, k, format!("ends with {result}"));
                }
                for line in not_undone(operation, &before, &end.state) {
                    findings.add(operation, k, format!("not undone: {line}"));
                }
            }
            if let Err(e) = world.end() {
                findings.add(operation, k, e);
            }
            if !happened {
                break;
            }
        }
    }
    findings.none(what, runs);
}

#[test]
fn every_operation_is_one() {
    let mut wrong = Vec::new();
    for operation in all() {
        let lists = [REFUSED, NOTHING_THERE, FAULTING];
        let refused = lists.iter().any(|list| list.contains(&operation.name));
        let result = undisturbed(operation).result;
        println!("{} gives {result}", operation.name);
        if (result < 0) != refused {
            wrong.push((operation.name, result));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn any_guest_access_may_fault() {
    sweep(
        "a faulting guest access",
        &[EFAULT],
        |world, k, operation, call| {
            world.hv.machine.fail_guest_access_after(k);
            let result = world.run(operation.caller, call);
            let untouched = world.hv.machine.stop_failing();
            (result, !untouched)
        },
    );
}

#[test]
fn any_allocation_may_fail() {
    sweep(
        "a failing allocation",
        &[ENOMEM],
        |world, k, operation, call| {
            heap::without_allocation(k, || world.run(operation.caller, call))
        },
    );
}

#[test]
fn any_number_of_free_frames() {
    let mut findings = Findings::default();
    let mut runs = 0;
    for operation in all() {
        let whole = undisturbed(operation);
        for frames in 0.. {
            let (mut world, call) = prepared(operation);
            // A tree of tables is no matter for this, a domain's memory is.
            world.hoard(frames);
            let before = world.state();
            let result = world.run(operation.caller, call);
            runs += 1;
            let end = outcome(&mut world, operation, result);
            if result < 0 && result != whole.result {
                if result != ENOMEM {
                    findings.add(operation, frames, format!("ends with {result}"));
                }
                for line in not_undone(operation, &before, &end.state) {
                    findings.add(operation, frames, format!("not undone: {line}"));
                }
            }
            if let Err(e) = world.end() {
                findings.add(operation, frames, e);
            }
            // What the operation gives up may be what it takes: the result alone tells.
            if end.result == whole.result && end.answer == whole.answer || frames == MOST_FRAMES {
                break;
            }
        }
    }
    findings.none("few free frames", runs);
}

/// More frames than any operation takes: from here on only their numbers differ.
const MOST_FRAMES: u64 = 12;

/// A word of the arguments, by its index, with another value.
fn with_word(args: &[u8], word: usize, value: u64) -> Vec<u8> {
    let mut changed = args.to_vec();
    changed.resize(changed.len().next_multiple_of(8), 0);
    changed[word * 8..word * 8 + 8].copy_from_slice(&value.to_le_bytes());
    changed
}

/// Runs the call on arguments that every second read finds as `other`.
fn with_two_faces(operation: &Operation, args: &[u8], other: &[u8]) -> (Outcome, Vec<u8>) {
    let (mut world, call) = prepared(operation);
    world.set_args(args.to_vec());
    world.deliver();
    let mut window = world.window();
    window[..other.len()].copy_from_slice(other);
    world.hv.machine.alternate_window(window);
    // In one piece: a call that is made again reads its arguments again.
    world.hv.machine.set_budget(1 << 20);
    let result = world.run(operation.caller, call);
    let counts = world.hv.machine.stop_alternating();
    let end = outcome(&mut world, operation, result);
    world
        .end()
        .unwrap_or_else(|e| panic!("{}: {e}", operation.name));
    (end, counts)
}

/// Every word that is read twice is given other values on its second read: what comes of it must
/// be what comes of one of the two values.
#[test]
fn memory_that_changes_between_two_reads() {
    let mut findings = Findings::default();
    let mut runs = 0;
    for operation in all() {
        let (world, _) = prepared(operation);
        let args = world.args().to_vec();
        let others = [
            0,
            1,
            world.guest.pages[0].0,
            world.guest.pages[world::MAPPED + 6].0,
        ];
        let (first, counts) = with_two_faces(operation, &args, &args);
        let words = counts.chunks(8).enumerate();
        for (word, _) in words.filter(|(_, c)| c.iter().any(|&c| c > 1)) {
            println!("{} reads word {word} twice", operation.name);
            for value in others {
                let other = with_word(&args, word, value);
                let (second, _) = with_two_faces(operation, &other, &other);
                let (mixed, _) = with_two_faces(operation, &args, &other);
                runs += 1;
                let like = |one: &Outcome| one.result == mixed.result && one.state == mixed.state;
                if !like(&first) && !like(&second) {
                    let differs = mixed.differs(&first).join("\n    ");
                    findings.add(
                        operation,
                        word as u64,
                        format!("with {value:#x}: {differs}"),
                    );
                }
            }
        }
    }
    findings.none("memory that changes between two reads", runs);
}

#[test]
fn small_budgets_come_to_the_same() {
    let mut findings = Findings::default();
    let budgets = [1, 2, 3, 4, 7, 64];
    for operation in all() {
        let whole = undisturbed(operation);
        for budget in budgets {
            let (mut world, call) = prepared(operation);
            world.hv.machine.set_budget(budget);
            let result = world.run(operation.caller, call);
            let end = outcome(&mut world, operation, result);
            for line in end.differs(&whole) {
                findings.add(operation, budget.into(), line);
            }
            if let Err(e) = world.end() {
                findings.add(operation, budget.into(), e);
            }
        }
    }
    findings.none(
        "a small budget",
        all().count() as u64 * budgets.len() as u64,
    );
}

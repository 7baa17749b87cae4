//! CPUs that run one at a time, and change where a schedule says: all schedules with few changes are
//! tried, one after the other, with the code as it is.
//!
//! A CPU is a thread of `shuttle`'s that calls [`turn`] before each access to what others see; the fake
//! machine does that for words of frames, the domains' locks do it for themselves. Most mistakes of
//! CPUs that get in each other's way show with two changes at places where a CPU could have gone on.
//!
//! Stores are seen by others as late as x86 processors allow it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::sync::atomic::{AtomicU64, Ordering};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;

use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

use crate::platform::CpuId;

/// What one CPU does in a scene.
pub type Part = Box<dyn FnOnce() + Send>;

/// CPUs that can take turns.
const SEATS: usize = 8;
/// Bytes of a CPU's stack.
const STACK: usize = 1 << 20;

std::thread_local! {
    /// The game that is played.
    static GAME: RefCell<Option<Arc<Mutex<Game>>>> = const { RefCell::new(None) };
    /// Which of the CPUs that take turns runs.
    static SEAT: Cell<Option<usize>> = const { Cell::new(None) };
    /// What each CPU stored and others do not see yet.
    static STORES: [RefCell<Vec<(&'static AtomicU64, u64)>>; SEATS] =
        const { [const { RefCell::new(Vec::new()) }; SEATS] };
    /// Words that [`later`] is to zero, and whether the store before was done.
    static LATE: [RefCell<(bool, Vec<&'static AtomicU64>)>; SEATS] =
        const { [const { RefCell::new((false, Vec::new())) }; SEATS] };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    /// Until another has done something.
    Waits,
    Done,
}

struct Game {
    /// Whose turn it is.
    turn: Option<usize>,
    states: Vec<State>,
    /// What was chosen of how many, at each place with a choice.
    choices: Vec<(usize, usize)>,
    /// How many of them were made.
    made: usize,
    changes_left: usize,
}

impl Game {
    /// The next of `options` in the schedule; the first, where that is new.
    fn choose(&mut self, options: usize) -> usize {
        if options == 1 {
            return 0;
        }
        if self.made == self.choices.len() {
            self.choices.push((0, options));
        }
        self.made += 1;
        let (choice, of) = self.choices[self.made - 1];
        assert_eq!(of, options, "the code does not do the same again");
        choice
    }

    fn others(&self, me: usize) -> Vec<usize> {
        let ready = |&other: &usize| other != me && self.states[other] == State::Ready;
        (0..self.states.len()).filter(ready).collect()
    }

    fn wake_all(&mut self) {
        for state in &mut self.states {
            if *state == State::Waits {
                *state = State::Ready;
            }
        }
    }

    /// `me` may change here.
    fn turn(&mut self, me: usize) {
        self.wake_all();
        if self.changes_left == 0 {
            return;
        }
        let others = self.others(me);
        let choice = self.choose(others.len() + 1);
        if choice != 0 {
            self.changes_left -= 1;
            self.turn = Some(others[choice - 1]);
        }
    }

    /// `me` stops here, for good or until another has done something.
    fn stop(&mut self, me: usize, state: State) {
        self.states[me] = state;
        if state == State::Done {
            self.wake_all();
        }
        let others = self.others(me);
        if others.is_empty() {
            let waits = self.states.contains(&State::Waits);
            assert!(!waits, "all CPUs wait for one another");
            self.turn = None;
            return;
        }
        let choice = self.choose(others.len());
        self.turn = Some(others[choice]);
    }
}

/// Lets the CPU that runs take a step of the game, and others run if it is their turn then. True
/// unless there is no game.
fn play(step: impl FnOnce(&mut Game, usize)) -> bool {
    let (Some(me), Some(game)) = (SEAT.get(), GAME.with_borrow(Clone::clone)) else {
        return false;
    };
    // What holds a lock gives it back while a failed game is cleared away.
    if std::thread::panicking() {
        return true;
    }
    let mine = {
        let mut game = game.lock().unwrap_or_else(|e| e.into_inner());
        step(&mut game, me);
        game.turn == Some(me) || game.states[me] == State::Done
    };
    if !mine {
        shuttle::thread::yield_now();
        SEAT.set(Some(me));
    }
    true
}

/// The CPU that runs, if it takes turns.
pub(crate) fn cpu() -> Option<CpuId> {
    SEAT.get().map(|seat| seat as CpuId)
}

/// Another CPU may run here, if this one takes turns.
pub fn turn() {
    play(Game::turn);
}

/// Another CPU has to do something first; true unless this one does not take turns, and so can only try
/// again.
pub fn wait() -> bool {
    play(|game, me| game.stop(me, State::Waits))
}

/// Stores a word, as processors do: others see it at the latest behind the next store, locked
/// operation, or lock taken or given back; this CPU sees it at once.
pub(super) fn store(word: &'static AtomicU64, value: u64) {
    turn_after_stores();
    match SEAT.get() {
        Some(me) => STORES.with(|stores| stores[me].borrow_mut().push((word, value))),
        None => word.store(value, Ordering::SeqCst),
    }
}

/// What this CPU stored in a word, if others do not see it yet.
pub(super) fn stored(word: &AtomicU64) -> Option<u64> {
    let me = SEAT.get()?;
    STORES.with(|stores| {
        let stores = stores[me].borrow();
        let mut of_word = stores
            .iter()
            .rev()
            .filter(|(at, _)| core::ptr::eq(*at, word));
        of_word.next().map(|&(_, value)| value)
    })
}

/// Zeroes words behind this CPU's next store, as no machine may; false unless it takes turns.
pub(super) fn later(words: &[&'static AtomicU64]) -> bool {
    let me = SEAT.get();
    if let Some(me) = me {
        LATE.with(|late| late[me].borrow_mut().1.extend_from_slice(words));
    }
    me.is_some()
}

/// Others see what this CPU stored, and may run.
pub fn turn_after_stores() {
    let Some(me) = SEAT.get() else { return };
    let stores = STORES.with(|stores| stores[me].take());
    if !stores.is_empty() {
        turn();
    }
    for (word, value) in stores {
        word.store(value, Ordering::SeqCst);
    }
    turn();
    LATE.with(|late| {
        let (due, late) = &mut *late[me].borrow_mut();
        if core::mem::replace(due, !late.is_empty()) {
            late.drain(..)
                .for_each(|word| word.store(0, Ordering::SeqCst));
            *due = false;
        }
    });
}

/// Plays a scene by every schedule with at most `changes` changes at places where a CPU could have gone
/// on. `scene` sets it up and gives what each CPU does, and `end` looks at what came of it. Gives the
/// number of schedules.
///
/// # Panics
/// As a part or `end` does; which schedule that was is written to the standard error output.
pub fn play_all<S>(changes: usize, scene: impl Fn() -> (S, Vec<Part>), end: impl Fn(S)) -> usize {
    let mut choices = Vec::new();
    for schedules in 1.. {
        let (state, parts) = scene();
        let played = catch_unwind(AssertUnwindSafe(|| {
            choices = play_once(changes, core::mem::take(&mut choices), parts);
            end(state);
        }));
        if let Err(failure) = played {
            std::eprintln!("in schedule {schedules}");
            resume_unwind(failure);
        }
        // The last choice that can still be made otherwise is.
        while let Some((choice, of)) = choices.pop() {
            if choice + 1 < of {
                choices.push((choice + 1, of));
                break;
            }
        }
        if choices.is_empty() {
            return schedules;
        }
    }
    unreachable!("numbers do not end")
}

/// Plays one schedule, which begins with `choices`; gives all that were made.
fn play_once(
    changes: usize,
    choices: Vec<(usize, usize)>,
    parts: Vec<Part>,
) -> Vec<(usize, usize)> {
    assert!(parts.len() <= SEATS);
    let game = Arc::new(Mutex::new(Game {
        turn: None,
        states: parts.iter().map(|_| State::Ready).collect(),
        choices,
        made: 0,
        changes_left: changes,
    }));
    GAME.set(Some(game.clone()));
    let mut config = Config::new();
    config.stack_size = STACK;
    config.failure_persistence = FailurePersistence::None;
    config.max_steps = MaxSteps::None;
    let parts = Mutex::new(Some(parts));
    let players = game.clone();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let by_turns = ByTurns {
            game: players.clone(),
            played: false,
        };
        Runner::new(by_turns, config).run(move || run(&players, parts.lock().unwrap().take()));
    }));
    GAME.set(None);
    SEAT.set(None);
    STORES.with(|all| all.iter().for_each(|stores| stores.borrow_mut().clear()));
    LATE.with(|all| all.iter().for_each(|late| late.take().1.clear()));
    if let Err(failure) = result {
        resume_unwind(failure);
    }
    let game = game.lock().unwrap_or_else(|e| e.into_inner());
    game.choices.clone()
}

/// The first task: starts the others and waits for them.
fn run(game: &Mutex<Game>, parts: Option<Vec<Part>>) {
    let threads: Vec<_> = (parts.into_iter().flatten().enumerate())
        .map(|(seat, part)| {
            shuttle::thread::spawn(move || {
                SEAT.set(Some(seat));
                part();
                turn_after_stores();
                play(|game, me| game.stop(me, State::Done));
                SEAT.set(None);
            })
        })
        .collect();
    {
        let mut game = game.lock().unwrap();
        let seats = game.states.len();
        game.turn = Some(game.choose(seats));
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Runs the task whose turn the game says it is; the first task before and after.
struct ByTurns {
    game: Arc<Mutex<Game>>,
    played: bool,
}

impl Scheduler for ByTurns {
    fn new_execution(&mut self) -> Option<Schedule> {
        (!core::mem::replace(&mut self.played, true)).then(|| Schedule::new(0))
    }

    fn next_task(&mut self, tasks: &[&Task], _: Option<TaskId>, _: bool) -> Option<TaskId> {
        let turn = self.game.lock().unwrap_or_else(|e| e.into_inner()).turn;
        // The first task has number 0, and the CPUs follow.
        let wanted = TaskId::from(turn.map_or(0, |seat| seat + 1));
        let mut ids = tasks.iter().map(|task| task.id());
        ids.clone().find(|&id| id == wanted).or_else(|| ids.next())
    }

    fn next_u64(&mut self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicU32;
    use std::collections::BTreeSet;
    use std::vec;

    /// Two CPUs that each add one in two steps.
    fn added(changes: usize) -> BTreeSet<u32> {
        let seen = Mutex::new(BTreeSet::new());
        let scene = || {
            let sum = Arc::new(AtomicU32::new(0));
            let part = || {
                let sum = sum.clone();
                Box::new(move || {
                    turn();
                    let before = sum.load(Ordering::SeqCst);
                    turn();
                    sum.store(before + 1, Ordering::SeqCst);
                }) as Part
            };
            (sum.clone(), vec![part(), part()])
        };
        let schedules = play_all(changes, scene, |sum| {
            seen.lock().unwrap().insert(sum.load(Ordering::SeqCst));
        });
        assert!(schedules >= 2);
        seen.into_inner().unwrap()
    }

    #[test]
    fn a_lost_update_is_found_with_one_change() {
        assert_eq!(added(0), BTreeSet::from([2]));
        assert_eq!(added(1), BTreeSet::from([1, 2]));
    }

    #[test]
    #[should_panic(expected = "all CPUs wait for one another")]
    fn waiting_for_nobody_is_found() {
        let scene = || ((), vec![Box::new(|| assert!(wait())) as Part]);
        play_all(0, scene, |()| ());
    }
}

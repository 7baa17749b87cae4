//! Processes and kernel tasks: their table, round-robin scheduling with the timer, blocking.
//!
//! A task gives the processor up only in [`schedule`]; a process loses it when the timer fires
//! while it is in user mode. Task 0 is the idle loop on the boot stack.

mod spawn;

use crate::dev::{event, shared, time};
use crate::global::{self, Global};
use crate::hypercall;
use crate::mm::space::{self, AddressSpace};
use crate::mm::stack::KernelStack;
use crate::syscall::{self, Open};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use guest_user::abi::{Errno, STATUS_KILLED};
use hypercall_abi::arch_x86_64::FLAT_KERNEL_SS;

pub(crate) use spawn::{exec, fork, spawn_kernel, spawn_process};

/// How long a process runs before another's turn, in nanoseconds.
const SLICE: u64 = 10_000_000;
/// The idle loop's number; also the parent of tasks without one.
pub(crate) const IDLE: u64 = 0;
/// The most tasks there can be.
const MAX_TASKS: usize = 256;

/// What a blocked task waits for, besides its deadline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wait {
    /// Only the deadline.
    Time,
    /// The end of this task.
    Child(u64),
    ConsoleInput,
    ConsoleRoom,
    /// An event of the store's daemon.
    Store,
    /// Something about disks.
    Disk,
    /// Something about PCI devices.
    Pci,
    /// An event on this port.
    Port(u32),
    /// The first of several things; what they are, the task knows.
    Poll,
    /// Whatever happens to its descriptors and ports.
    News,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Running, or in the queue.
    Ready,
    Blocked {
        wait: Wait,
        deadline: u64,
    },
    /// Ended with this status, not yet waited for.
    Ended(i64),
}

struct Task {
    name: String,
    parent: u64,
    state: State,
    /// The stack pointer while it does not run.
    saved_rsp: u64,
    /// `None` once the task has ended and its successor has cleaned up.
    stack: Option<KernelStack>,
    /// `None` for kernel tasks.
    space: Option<AddressSpace>,
    /// Open files by descriptor - 3.
    files: Vec<Option<Open>>,
    preemptions: u64,
    /// Set by `kill`: the task ends when it would return to user mode or block.
    killed: bool,
    timed_out: bool,
}

/// The state of the one vCPU; when there are several, each has one of these.
struct Cpu {
    current: u64,
    idle_rsp: u64,
    slice_end: u64,
    /// A task that ended on this CPU, whose stack and space are still to be freed.
    ended: Option<u64>,
}

struct Tasks {
    table: BTreeMap<u64, Box<Task>>,
    queue: VecDeque<u64>,
    next: u64,
    /// No blocked task's deadline is before this one. It may be that of a task that was woken since:
    /// then the timer fires for nobody, and finds the next.
    first_deadline: u64,
    cpu: Cpu,
}

static TASKS: Global<Tasks> = Global::new(Tasks {
    table: BTreeMap::new(),
    queue: VecDeque::new(),
    next: 1,
    first_deadline: time::NEVER,
    cpu: Cpu {
        current: IDLE,
        idle_rsp: 0,
        slice_end: 0,
        ended: None,
    },
});
static PREEMPTIONS: AtomicU64 = AtomicU64::new(0);
static FATAL_FAULTS: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" {
    fn switch_stacks(save: *mut u64, next: u64);
}

impl Tasks {
    fn current(&mut self) -> Option<&mut Task> {
        self.table
            .get_mut(&self.cpu.current)
            .map(|task| &mut **task)
    }

    /// Makes the blocked tasks ready that `which` chooses by what they wait for and until when.
    /// Allocates nothing: there is always room in the queue for every task.
    fn wake(&mut self, which: impl Fn(Wait, u64) -> bool, timed_out: bool) {
        for (&pid, task) in &mut self.table {
            match task.state {
                State::Blocked { wait, deadline } if which(wait, deadline) => {
                    task.state = State::Ready;
                    task.timed_out = timed_out;
                    self.queue.push_back(pid);
                }
                _ => {}
            }
        }
    }

    /// Leaves the children of `pid` without a parent; those that have ended are forgotten.
    fn orphan_children(&mut self, pid: u64) {
        for child in self.table.values_mut().filter(|child| child.parent == pid) {
            child.parent = IDLE;
        }
        self.table.retain(|_, task| {
            let ended = matches!(task.state, State::Ended(_)) && task.stack.is_none();
            !(ended && task.parent == IDLE)
        });
    }

    /// Makes a task ready if it is blocked for what `which` chooses.
    fn wake_one(&mut self, pid: u64, which: impl Fn(Wait) -> bool) {
        if let Some(task) = self.table.get_mut(&pid)
            && let State::Blocked { wait, .. } = task.state
            && which(wait)
        {
            task.state = State::Ready;
            task.timed_out = false;
            self.queue.push_back(pid);
        }
    }

    /// Wakes those whose deadline has passed, and finds the next one.
    fn wake_late(&mut self, now: u64) {
        self.wake(|_, deadline| deadline <= now, true);
        let deadlines = self.table.values().filter_map(|task| match task.state {
            State::Blocked { deadline, .. } => Some(deadline),
            _ => None,
        });
        self.first_deadline = deadlines.fold(time::NEVER, u64::min);
    }

    /// When the timer must fire: at the first deadline, or at the end of the slice of a process
    /// that keeps others waiting.
    fn deadline(&self) -> u64 {
        let contended = self.cpu.current != IDLE && !self.queue.is_empty();
        let slice = if contended {
            self.cpu.slice_end
        } else {
            time::NEVER
        };
        slice.min(self.first_deadline)
    }
}

fn arm_timer() {
    time::arm(TASKS.with(|t| t.deadline()));
}

/// The timer event: wakes every task whose deadline has passed.
pub(crate) fn timer_fired() {
    time::fired();
    let now = time::system_time();
    TASKS.with(|t| t.wake_late(now));
}

/// Wakes every task that waits for `wait`.
pub(crate) fn wake(wait: Wait) {
    TASKS.with(|t| t.wake(|w, _| w == wait, false));
}

/// Wakes whose the port is, if it waits for its event, polls or waits for news; of a port that is
/// nobody's, every task that waits for its event or polls.
pub(crate) fn wake_port(port: u32) {
    let is_for = |wait| wait == Wait::Port(port) || wait == Wait::Poll;
    match syscall::owner_of(port) {
        Some(pid) => {
            TASKS.with(|t| t.wake_one(pid, |wait| is_for(wait) || is_news(wait)));
        }
        None => TASKS.with(|t| t.wake(|wait, _| is_for(wait), false)),
    }
}

/// Wakes a task that waits for news, or as the store's for whatever concerns it.
pub(crate) fn wake_for_news(pid: u64) {
    TASKS.with(|t| t.wake_one(pid, is_news));
}

fn is_news(wait: Wait) -> bool {
    matches!(wait, Wait::News | Wait::Store)
}

/// Switches to the next ready task, or to the idle loop.
fn schedule() {
    global::assert_none_open();
    let switch = TASKS.with(|t| {
        let previous = t.cpu.current;
        let next = t.queue.pop_front().unwrap_or(IDLE);
        t.cpu.slice_end = time::system_time() + SLICE;
        if next == previous {
            return None;
        }
        t.cpu.current = next;
        let (rsp, top) = match t.table.get(&next) {
            Some(task) => {
                space::activate(task.space.as_ref());
                (task.saved_rsp, task.stack.as_ref().map(KernelStack::top))
            }
            None => {
                space::activate(None);
                (t.cpu.idle_rsp, None)
            }
        };
        if let Some(top) = top {
            hypercall::stack_switch(FLAT_KERNEL_SS, top).expect("a kernel stack is accepted");
        }
        let save = match t.table.get_mut(&previous) {
            Some(task) => &raw mut task.saved_rsp,
            None => &raw mut t.cpu.idle_rsp,
        };
        Some((save, rsp))
    });
    if let Some((save, rsp)) = switch {
        // SAFETY: `save` is in the static table or in a boxed task, which lives until its
        // successor cleans up; `rsp` was saved by this function or prepared by `spawn`. The task
        // switched from comes back here with its stack unchanged.
        unsafe { switch_stacks(save, rsp) };
        after_switch();
    } else {
        arm_timer();
    }
}

/// Cleans up after a task that ended, on the stack of its successor.
#[unsafe(no_mangle)]
extern "C" fn after_switch() {
    let left = TASKS.with(|t| {
        let pid = t.cpu.ended.take()?;
        let task = t.table.get_mut(&pid)?;
        let left = (task.space.take(), task.stack.take());
        if task.parent == IDLE {
            t.table.remove(&pid);
        }
        Some(left)
    });
    if let Some((space, stack)) = left {
        if let Some(space) = space {
            space.destroy();
        }
        drop(stack);
    }
    arm_timer();
}

/// The idle loop: never returns.
pub(crate) fn idle() -> ! {
    loop {
        event::deliver();
        if TASKS.with(|t| !t.queue.is_empty()) {
            schedule();
            continue;
        }
        arm_timer();
        hypercall::sched_block();
        shared::set_upcall_mask(true);
    }
}

/// Blocks the running task until it is woken for `wait` or the deadline (system time) passes.
/// True if it was the deadline. `Err` if the task was killed meanwhile.
pub(crate) fn block(wait: Wait, deadline: u64) -> Result<bool, Errno> {
    TASKS.with(|t| {
        let task = t.current().expect("only tasks block");
        if task.killed {
            return Err(EINTR);
        }
        task.timed_out = false;
        task.state = State::Blocked { wait, deadline };
        t.first_deadline = t.first_deadline.min(deadline);
        Ok(())
    })?;
    schedule();
    TASKS.with(|t| {
        let task = t.current().expect("a task resumes as itself");
        if task.killed {
            Err(EINTR)
        } else {
            Ok(task.timed_out)
        }
    })
}

/// What a blocking operation of a killed task returns; nobody sees it.
const EINTR: Errno = Errno(4);

/// Lets every other ready task run once.
pub(crate) fn yield_now() {
    event::deliver();
    let others = TASKS.with(|t| {
        let others = !t.queue.is_empty();
        if others && t.cpu.current != IDLE {
            t.queue.push_back(t.cpu.current);
        }
        others && t.cpu.current != IDLE
    });
    if others {
        schedule();
    }
}

/// On the way back to user mode: pre-empts a process whose slice is over, and ends a killed one.
pub(crate) fn before_user_mode() {
    let now = time::system_time();
    let preempt = TASKS.with(|t| {
        if now < t.cpu.slice_end {
            return false;
        }
        t.cpu.slice_end = now + SLICE;
        if t.queue.is_empty() {
            return false;
        }
        let pid = t.cpu.current;
        t.queue.push_back(pid);
        if let Some(task) = t.current() {
            task.preemptions += 1;
        }
        true
    });
    if preempt {
        PREEMPTIONS.fetch_add(1, Ordering::Relaxed);
        schedule();
    } else {
        arm_timer();
    }
    if TASKS.with(|t| t.current().is_some_and(|task| task.killed)) {
        exit(STATUS_KILLED);
    }
}

/// Ends the running task. Nothing on its kernel stack is dropped: callers hold no memory.
pub(crate) fn exit(status: i64) -> ! {
    let pid = current();
    syscall::clean_up(pid);
    TASKS.with(|t| {
        t.orphan_children(pid);
        let task = t.current().expect("only tasks exit");
        task.state = State::Ended(status);
        t.cpu.ended = Some(pid);
    });
    if pid == INIT.load(Ordering::Relaxed) {
        crate::init_ended(status);
    }
    wake(Wait::Child(pid));
    schedule();
    unreachable!("an ended task is scheduled again");
}

/// The process whose end is the end of the domain.
static INIT: AtomicU64 = AtomicU64::new(u64::MAX);

/// Names the process whose end is the end of the domain.
pub(crate) fn set_init(pid: u64) {
    INIT.store(pid, Ordering::Relaxed);
}

/// The running task; 0 is the idle loop.
pub(crate) fn current() -> u64 {
    TASKS.with(|t| t.cpu.current)
}

/// Number and name of the running task.
pub(crate) fn current_name() -> (u64, String) {
    TASKS.with(|t| {
        (
            t.cpu.current,
            t.current()
                .map_or_else(String::new, |task| task.name.clone()),
        )
    })
}

/// Runs `f` on the address space of the running process, if it is one.
pub(crate) fn with_space<R>(f: impl FnOnce(&mut AddressSpace) -> R) -> Option<R> {
    TASKS.with(|t| t.current()?.space.as_mut().map(f))
}

/// Runs `f` on the open files of the running process.
pub(crate) fn with_files<R>(f: impl FnOnce(&mut Vec<Option<Open>>) -> R) -> Option<R> {
    TASKS.with(|t| t.current().map(|task| f(&mut task.files)))
}

/// Waits for a child to end; returns its status.
pub(crate) fn wait(pid: u64) -> Result<i64, Errno> {
    loop {
        let status = TASKS.with(|t| {
            let parent = t.cpu.current;
            let child = t.table.get(&pid).filter(|child| child.parent == parent);
            let child = child.ok_or(Errno::ECHILD)?;
            match child.state {
                // Its stack goes when its successor has run, which is before this.
                State::Ended(status) if child.stack.is_none() => {
                    t.table.remove(&pid);
                    Ok(Some(status))
                }
                _ => Ok(None),
            }
        })?;
        match status {
            Some(status) => return Ok(status),
            None => block(Wait::Child(pid), time::NEVER)?,
        };
    }
}

/// Ends another process, when it next would return to user mode.
pub(crate) fn kill(pid: u64) -> Result<(), Errno> {
    TASKS.with(|t| {
        let task = t.table.get_mut(&pid).ok_or(Errno::ESRCH)?;
        if task.space.is_none() {
            return Err(Errno::EPERM);
        }
        task.killed = true;
        if let State::Blocked { .. } = task.state {
            task.state = State::Ready;
            t.queue.push_back(pid);
        }
        Ok(())
    })
}

/// Whether a process exists and has not ended.
pub(crate) fn is_alive(pid: u64) -> bool {
    let ended = |task: &Task| matches!(task.state, State::Ended(_));
    TASKS.with(|t| t.table.get(&pid).is_some_and(|task| !ended(task)))
}

/// How often a process was pre-empted: the running one, and all.
pub(crate) fn preemptions() -> (u64, u64) {
    let own = TASKS.with(|t| t.current().map_or(0, |task| task.preemptions));
    (own, PREEMPTIONS.load(Ordering::Relaxed))
}

/// How many processes exist.
pub(crate) fn processes() -> u64 {
    TASKS.with(|t| t.table.values().filter(|task| task.space.is_some()).count() as u64)
}

/// Counts a process that ended by a fault.
pub(crate) fn count_fatal_fault() {
    FATAL_FAULTS.fetch_add(1, Ordering::Relaxed);
}

/// How many processes ended by a fault.
pub(crate) fn fatal_faults() -> u64 {
    FATAL_FAULTS.load(Ordering::Relaxed)
}

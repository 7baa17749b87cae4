//! Who runs: run queues, blocking and waking, time slices, guest timers.
//!
//! The state of a vCPU that decides whether it may run is under its domain's lock
//! ([`VcpuSched`]); the order in which ready vCPUs run is under the lock of one CPU's queue. A vCPU
//! is in at most one queue. It counts as running until its CPU has loaded something else, so that
//! nothing it holds is freed under the CPU.

pub mod area;
pub mod heap;
pub mod ops;
pub mod queue;
pub mod run;
pub mod stop;
pub mod switch;
pub mod timer;
pub mod vcpu_op;

#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use hypercall_abi::vcpu::{
    RUNSTATE_blocked, RUNSTATE_offline, RUNSTATE_runnable, vcpu_runstate_info,
};
use spin::Mutex;

use crate::entry::Resume;
use crate::error::{Errno, Result};
use crate::hypervisor::Hypervisor;
use crate::platform::{CpuId, CpuMask, Machine, Nanos, TscScale};
use crate::vcpu::{Vcpu, VcpuBox};

use heap::Unit;
use queue::{DEFAULT_WEIGHT, Queue};

pub use run::{
    pause_domain, pause_vcpu, settle, settle_domain, unpause_domain, unpause_vcpu, vcpu_created,
    vcpu_destroyed, wake,
};
pub use stop::{resume, shutdown, stop, stopped};

/// A physical CPU's own state; the binary keeps one per CPU and hands it to every entry point.
pub struct Cpu {
    /// Its number.
    pub id: CpuId,
    /// The vCPU it runs; its registers are where the entry code saves them.
    pub current: Option<VcpuBox>,
    /// When the current vCPU's time slice ends.
    slice_end: Nanos,
}

impl Cpu {
    /// A CPU that runs nothing yet.
    #[must_use]
    pub fn new(id: CpuId) -> Self {
        Self {
            id,
            current: None,
            slice_end: 0,
        }
    }
}

/// Deadlines of one vCPU. They travel with it while it runs, and are in [`VcpuSched::timers`] and
/// in a queue while it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// `set_timer_op` and `VCPUOP_set_singleshot_timer`; `Nanos::MAX` when stopped.
    pub singleshot: Nanos,
    /// End of a `SCHEDOP_poll`; `Nanos::MAX` when there is none.
    pub poll: Nanos,
    /// Period of the ticker, which ticks while the vCPU runs; 0 when stopped.
    pub period: Nanos,
    /// When it last ticked.
    pub ticked: Nanos,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            singleshot: Nanos::MAX,
            poll: Nanos::MAX,
            period: 0,
            ticked: 0,
        }
    }
}

impl Timers {
    /// The next deadline of a vCPU that runs.
    #[must_use]
    pub fn next_running(&self) -> Nanos {
        let tick = match self.period {
            0 => Nanos::MAX,
            period => self.ticked.saturating_add(period),
        };
        self.singleshot.min(tick)
    }

    /// The next deadline of a vCPU that does not run.
    #[must_use]
    pub fn next_parked(&self) -> Nanos {
        self.singleshot.min(self.poll)
    }
}

/// Which ports a vCPU in `SCHEDOP_poll` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// This one.
    Port(u32),
    /// Any: it named several, or none.
    Any,
}

/// Scheduling state of one vCPU under its domain's lock.
#[derive(Clone, Debug)]
pub struct VcpuSched {
    /// The scheduler's number for it; `None` before [`vcpu_created`].
    pub unit: Option<Unit>,
    /// The CPU that runs it, or still holds its state.
    pub running: Option<CpuId>,
    /// Whether it is in the ready queue of `cpu`.
    pub queued: bool,
    /// Where it ran last; its virtual time is in terms of this CPU's queue.
    pub cpu: CpuId,
    /// Whether it waits for an event.
    pub blocked: bool,
    /// What it polls for, if that is how it waits.
    pub poll: Option<Poll>,
    /// Pauses of this vCPU alone.
    pub pauses: u32,
    /// Virtual time, see [`queue`].
    pub vtime: u64,
    /// Share of CPU time in relation to others' (`xl sched-credit2 -w`).
    pub weight: u16,
    /// Most CPU time in percent of one CPU, 0 for no limit (`xl sched-credit2 -c`).
    pub cap: u16,
    /// CPUs it may run on.
    pub affinity: CpuMask,
    /// CPUs it had better run on, of those it may (soft affinity).
    pub preference: CpuMask,
    /// What [`Self::affinity`] was before `SCHEDOP_pin_override`.
    pub pinned_over: Option<CpuMask>,
    /// Deadlines while it does not run.
    pub timers: Timers,
    /// The CPU whose queue holds its next deadline.
    pub timer_cpu: Option<CpuId>,
    /// A period that another vCPU set for it while it ran.
    pub new_period: Option<Nanos>,
    /// Whether another vCPU sent it an NMI that it has not had.
    pub nmi: bool,
    /// `RUNSTATE_*` it is in.
    pub state: i32,
    /// Since when.
    pub since: Nanos,
    /// Time spent in each state before.
    pub spent: [Nanos; 4],
    /// Guest address of its runstate area.
    pub runstate_area: Option<u64>,
    /// Guest address of its second clock page.
    pub time_area: Option<u64>,
    /// What its clock page says.
    pub clock: Option<TscScale>,
}

impl Default for VcpuSched {
    fn default() -> Self {
        Self {
            unit: None,
            running: None,
            queued: false,
            cpu: 0,
            blocked: false,
            poll: None,
            pauses: 0,
            vtime: 0,
            weight: DEFAULT_WEIGHT,
            cap: 0,
            affinity: CpuMask::MAX,
            preference: CpuMask::MAX,
            pinned_over: None,
            timers: Timers::default(),
            timer_cpu: None,
            new_period: None,
            nmi: false,
            state: RUNSTATE_offline,
            since: 0,
            spent: [0; 4],
            runstate_area: None,
            time_area: None,
            clock: None,
        }
    }
}

impl VcpuSched {
    /// Enters `RUNSTATE_*` `state` at `now`.
    pub(crate) fn enter(&mut self, state: i32, now: Nanos) {
        if state == self.state {
            return;
        }
        if let Some(spent) = self.spent.get_mut(self.state as usize) {
            *spent += now.saturating_sub(self.since);
        }
        self.state = state;
        self.since = now;
    }

    /// The state of a vCPU that does not run: blocked before anything else.
    fn waiting_state(&self, ready: bool) -> i32 {
        match (self.blocked, ready) {
            (true, _) => RUNSTATE_blocked,
            (false, true) => RUNSTATE_runnable,
            (false, false) => RUNSTATE_offline,
        }
    }

    /// Time spent in each state, the present one up to `now`.
    #[must_use]
    pub fn runstate(&self, now: Nanos) -> vcpu_runstate_info {
        let mut time = self.spent;
        if let Some(spent) = time.get_mut(self.state as usize) {
            *spent += now.saturating_sub(self.since);
        }
        vcpu_runstate_info {
            state: self.state,
            _pad0: [0; 4],
            state_entry_time: self.since,
            time,
        }
    }

    /// CPU time used, for the toolstack.
    #[must_use]
    pub fn cpu_time(&self, now: Nanos) -> Nanos {
        self.runstate(now).time[hypercall_abi::vcpu::RUNSTATE_running as usize]
    }
}

/// Scheduling state of a domain under its lock.
#[derive(Clone, Debug, Default)]
pub struct DomainSched {
    /// Reason that `SCHEDOP_shutdown_code` latched.
    pub shutdown_code: Option<u8>,
    /// Deadlines of the two watchdogs; `None` when not in use.
    pub watchdogs: [Option<Nanos>; 2],
    /// The scheduler's number for the watchdogs, and whose queue they are in.
    pub watchdog_unit: Option<(Unit, CpuId)>,
}

/// What others may do to a CPU.
#[derive(Debug)]
pub struct PerCpu {
    /// Whether it must think again before it runs its vCPU on.
    resched: AtomicBool,
    /// What its timer is armed for; changed by the CPU itself only.
    armed: AtomicU64,
    /// Number of ready vCPUs in its queue, for those who look without the lock.
    waiting: AtomicU32,
    /// Its queue's clock, likewise.
    clock: AtomicU64,
    queue: Mutex<Queue>,
}

/// Numbers for vCPUs, dense.
#[derive(Debug, Default)]
struct Units {
    free: Vec<Unit>,
    next: Unit,
}

/// The scheduler's shared state.
#[derive(Debug)]
pub struct Scheduler {
    cpus: Vec<PerCpu>,
    /// CPUs that run nothing; a hint.
    idle: AtomicU64,
    units: Mutex<Units>,
}

impl Scheduler {
    /// For `cpus` CPUs, 1 to 64.
    ///
    /// # Errors
    /// `ENOMEM`; `EINVAL` for another number of CPUs.
    pub fn new(cpus: u32) -> Result<Self> {
        if !(1..=64).contains(&cpus) {
            return Err(Errno::EINVAL);
        }
        let mut all = Vec::new();
        all.try_reserve_exact(cpus as usize)
            .map_err(|_| Errno::ENOMEM)?;
        all.resize_with(cpus as usize, || PerCpu {
            resched: AtomicBool::new(true),
            armed: AtomicU64::new(Nanos::MAX),
            waiting: AtomicU32::new(0),
            clock: AtomicU64::new(0),
            queue: Mutex::new(Queue::default()),
        });
        Ok(Self {
            cpus: all,
            idle: AtomicU64::new(0),
            units: Mutex::new(Units::default()),
        })
    }

    /// Number of CPUs.
    #[must_use]
    pub fn cpus(&self) -> u32 {
        self.cpus.len() as u32
    }

    /// All CPUs, as a set.
    #[must_use]
    pub fn all(&self) -> CpuMask {
        CpuMask::MAX >> (64 - self.cpus.len())
    }

    #[inline]
    fn cpu(&self, id: CpuId) -> &PerCpu {
        &self.cpus[id as usize]
    }

    /// A number that no vCPU has, with room for it in every queue.
    fn take_unit(&self) -> Result<Unit> {
        let mut units = self.units.lock();
        if let Some(unit) = units.free.pop() {
            return Ok(unit);
        }
        let unit = units.next;
        let count = unit.checked_add(1).ok_or(Errno::ENOSPC)?;
        units
            .free
            .try_reserve(usize::from(count))
            .map_err(|_| Errno::ENOMEM)?;
        for cpu in &self.cpus {
            let mut queue = cpu.queue.lock();
            queue.ready.reserve(usize::from(count))?;
            queue.timers.reserve(usize::from(count))?;
        }
        units.next = count;
        Ok(unit)
    }

    /// Gives a number back; room for it was reserved when it was made.
    fn give_unit(&self, unit: Unit) {
        for cpu in &self.cpus {
            cpu.queue.lock().forget(unit);
        }
        self.units.lock().free.push(unit);
    }
}

/// Whether an upcall is pending and not masked: the first two bytes of `vcpu_info`.
#[inline]
pub fn upcall_due<M: Machine>(hv: &Hypervisor<M>, vcpu: &Vcpu) -> bool {
    match vcpu.info {
        Some(info) => {
            let word = hv.machine.load_u32(info.mfn, usize::from(info.offset));
            word & 0xff != 0 && word & 0xff00 == 0
        }
        None => false,
    }
}

/// The last thing on every way out: switches if it is time to, delivers a pending event.
#[inline]
pub fn leave<M: Machine>(hv: &Hypervisor<M>, cpu: &mut Cpu) -> Resume {
    if let Some(vcpu) = cpu.current.as_mut()
        && !vcpu.reschedule
        && !hv.sched.cpu(cpu.id).resched.load(Ordering::Acquire)
    {
        // A handler that made a call of its own would lose the progress of the call in hand, and
        // what that did would be done twice.
        if !upcall_due(hv, vcpu) || vcpu.is_amid_call() {
            return Resume::Guest;
        }
        crate::trap::bounce::event(hv, vcpu);
        // Unless the guest had no room for the callback's frame, which ended its domain.
        if !vcpu.reschedule {
            return Resume::Guest;
        }
    }
    switch::reschedule(hv, cpu)
}

/// This CPU's timer fired.
pub fn timer_interrupt<M: Machine>(hv: &Hypervisor<M>, cpu: &mut Cpu) {
    let me = hv.sched.cpu(cpu.id);
    me.armed.store(Nanos::MAX, Ordering::Relaxed);
    me.resched.store(true, Ordering::Release);
}

//! Who runs: run queues, blocking and waking, shares and caps, guest timers.
//!
//! The state of a vCPU that decides whether it may run is under its domain's lock
//! ([`VcpuSched`]); the order in which ready vCPUs run is under the lock of one CPU's queue
//! ([`queues`]), and decided by a policy ([`policy`]). A vCPU is in at most one queue. It counts as
//! running until its CPU has loaded something else, so that nothing it holds is freed under the CPU.

pub mod account;
pub mod area;
pub mod cap;
pub mod cost;
pub mod cpuset;
pub mod heap;
pub mod idle;
pub mod ops;
pub mod policy;
pub mod queue;
pub mod queues;
pub mod run;
pub mod share;
pub mod stop;
pub mod switch;
pub mod timer;
pub mod vcpu_op;

#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use hypercall_abi::vcpu::{
    RUNSTATE_blocked, RUNSTATE_offline, RUNSTATE_runnable, vcpu_runstate_info,
};
use spin::Mutex;

use crate::domain::Domain;
use crate::entry::Resume;
use crate::error::{Errno, Result};
use crate::evtchn::table::Doing;
use crate::hypervisor::Hypervisor;
use crate::platform::{CpuId, CpuMask, Machine, Nanos, TscScale};
use crate::vcpu::{Vcpu, VcpuBox};

use account::Account;
use cap::Cap;
pub(crate) use heap::Unit;
use policy::{Chosen, Kind};
use queues::{PerCpu, Queues, UNARMED};

pub use run::{
    add_vcpu, pause_domain, pause_vcpu, remove_vcpu, requeue, settle, settle_domain,
    unpause_domain, unpause_vcpu, wake,
};
pub use stop::{resume, shutdown, stop, stopped};

/// A physical CPU's own state; the binary keeps one per CPU and hands it to every entry point.
pub struct Cpu {
    /// Its number.
    pub id: CpuId,
    /// The vCPU it runs; its registers are where the entry code saves them.
    pub current: Option<VcpuBox>,
    /// When its domain's cap lets the current vCPU run no longer without asking again.
    cap_end: Nanos,
}

impl Cpu {
    /// A CPU that runs nothing yet.
    #[must_use]
    pub fn new(id: CpuId) -> Self {
        Self {
            id,
            current: None,
            cap_end: Nanos::MAX,
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
    /// What the policy keeps of it; it has a number from [`add_vcpu`] on.
    pub account: Account,
    /// The CPU that runs it, or still holds its state.
    pub running: Option<CpuId>,
    /// Whether it waits for an event.
    pub blocked: bool,
    /// What it polls for, if that is how it waits.
    pub poll: Option<Poll>,
    /// Pauses of this vCPU alone.
    pub pauses: u32,
    /// Whether its domain's cap is used up.
    pub capped: bool,
    /// What its affinity was before `SCHEDOP_pin_override`.
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
            account: Account::default(),
            running: None,
            blocked: false,
            poll: None,
            pauses: 0,
            capped: false,
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
    /// Tells those who send events to the vCPU whether it waits or runs. Whoever marks an upcall
    /// pending from now on knows, and what was marked before is seen by whoever looks from now on.
    pub(crate) fn tell_senders<M: Machine>(&self, hv: &Hypervisor<M>, dom: &Domain, index: u16) {
        let doing = Doing {
            waits: self.blocked,
            running: self.running,
        };
        dom.senders.root().set_doing(hv.machine, index, doing);
    }

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

    /// The state of a vCPU that does not run: blocked before anything else. One that waits for its
    /// domain's cap could run.
    fn waiting_state(&self, ready: bool) -> i32 {
        match (self.blocked, ready || self.capped) {
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
    /// Most CPU time it gets (`xl sched-credit2 -c`).
    pub cap: Cap,
    /// The scheduler's number for the cap, and whose queue it was in last.
    pub cap_unit: Option<(Unit, CpuId)>,
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
    queues: Queues,
    policy: Chosen,
    units: Mutex<Units>,
}

impl Scheduler {
    /// For `cpus` CPUs, 1 to 64.
    ///
    /// # Errors
    /// `ENOMEM`; `EINVAL` for another number of CPUs.
    pub fn new(cpus: u32, kind: Kind) -> Result<Self> {
        Ok(Self {
            queues: Queues::new(cpus)?,
            policy: Chosen::new(kind, cpus),
            units: Mutex::new(Units::default()),
        })
    }

    /// Number of CPUs.
    #[must_use]
    pub fn cpus(&self) -> u32 {
        self.queues.cpus()
    }

    /// All CPUs, as a set.
    #[must_use]
    pub fn all(&self) -> CpuMask {
        self.queues.all().mask()
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &Chosen {
        &self.policy
    }

    /// How long a CPU, of those there are, has been idle up to `now`, nanoseconds.
    #[must_use]
    pub fn idle_time(&self, id: CpuId, now: Nanos) -> Nanos {
        self.cpu(id).idle.time(now)
    }

    #[inline]
    fn cpu(&self, id: CpuId) -> &PerCpu<1> {
        self.queues.of(id)
    }

    /// A number that no vCPU has, with room for it in every queue.
    pub(crate) fn take_unit(&self) -> Result<Unit> {
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
        self.queues.reserve(usize::from(count))?;
        units.next = count;
        Ok(unit)
    }

    /// Gives a number back; room for it was reserved when it was made.
    pub(crate) fn give_unit(&self, unit: Unit) {
        self.queues.forget(unit);
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
    me.armed.store(UNARMED, Ordering::Relaxed);
    me.resched.store(true, Ordering::Release);
}

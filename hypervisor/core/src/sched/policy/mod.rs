//! Scheduling policies: who waits where, who overtakes whom, who takes what from other queues.
//!
//! The command line chooses one; every question to it is one comparison and a direct call.

mod credit2;
mod null;

pub use credit2::Credit2;
pub use null::Null;

use hypercall_abi::domctl::{XEN_SCHEDULER_CREDIT2, XEN_SCHEDULER_NULL};

use super::account::Account;
use super::queue::{Queue, Taken};
use super::queues::Queues;
use crate::platform::{CpuId, Nanos};

/// What a policy decides. Virtual times are in nanoseconds of a vCPU of the default weight.
pub trait Policy<const W: usize = 1> {
    /// The queue in which a vCPU waits that could run from now on: a CPU's that it may run on, or
    /// [`Queues::homeless`].
    fn place(&self, cpus: &Queues<W>, account: &mut Account<W>) -> CpuId;

    /// Sets the virtual time with which a vCPU enters a queue at `now`.
    fn arrive(&self, cpus: &Queues<W>, queue: &mut Queue<W>, account: &mut Account<W>, now: Nanos);

    /// A CPU that could run a queued vCPU at once, but may not have noticed it.
    fn server(&self, cpus: &Queues<W>, account: &Account<W>) -> Option<CpuId>;

    /// Whether the first that waits shall run instead of what runs.
    fn overtaken(&self, queue: &Queue<W>, now: Nanos) -> bool;

    /// Whether it is time to compare the queue with others.
    fn looks_around(&self, queue: &Queue<W>, now: Nanos) -> bool;

    /// When the CPU of `queue` decides again; `Nanos::MAX` if only others can make it.
    fn until(&self, cpus: &Queues<W>, queue: &Queue<W>, now: Nanos) -> Nanos;

    /// Takes a vCPU from another queue that shall run on `cpu` rather than one of virtual time
    /// `than`; rather than nothing where that is `None`.
    fn elsewhere(
        &self,
        cpus: &Queues<W>,
        cpu: CpuId,
        than: Option<u64>,
        now: Nanos,
    ) -> Option<Taken>;

    /// What was taken for `cpu` turned out not to run there.
    fn returned(&self, cpus: &Queues<W>, cpu: CpuId, taken: &Taken);

    /// A vCPU went offline, or may not run any more where it did; the CPU that is free by that.
    fn released(&self, account: &mut Account<W>) -> Option<CpuId>;

    /// How far the virtual times of two queues may be apart.
    fn window(&self) -> u64;
}

/// Names of policies, as on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Proportional share.
    #[default]
    Credit2,
    /// A CPU for each vCPU.
    Null,
}

impl Kind {
    /// `XEN_SCHEDULER_*`.
    #[must_use]
    pub fn id(self) -> u32 {
        match self {
            Self::Credit2 => XEN_SCHEDULER_CREDIT2,
            Self::Null => XEN_SCHEDULER_NULL,
        }
    }

    /// As Xen's users know it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Credit2 => "credit2",
            Self::Null => "null",
        }
    }
}

/// The policy in force.
#[derive(Debug)]
pub enum Chosen<const W: usize = 1> {
    /// Proportional share.
    Credit2(Credit2),
    /// A CPU for each vCPU.
    Null(Null<W>),
}

impl<const W: usize> Chosen<W> {
    /// The policy of this name, for `cpus` CPUs.
    #[must_use]
    pub fn new(kind: Kind, cpus: u32) -> Self {
        match kind {
            Kind::Credit2 => Self::Credit2(Credit2::default()),
            Kind::Null => Self::Null(Null::new(cpus)),
        }
    }

    /// Which it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Credit2(_) => Kind::Credit2,
            Self::Null(_) => Kind::Null,
        }
    }
}

macro_rules! ask {
    ($chosen:expr, $policy:ident => $question:expr) => {
        match $chosen {
            Chosen::Credit2($policy) => $question,
            Chosen::Null($policy) => $question,
        }
    };
}

impl<const W: usize> Policy<W> for Chosen<W> {
    fn place(&self, cpus: &Queues<W>, account: &mut Account<W>) -> CpuId {
        ask!(self, p => p.place(cpus, account))
    }

    fn arrive(&self, cpus: &Queues<W>, queue: &mut Queue<W>, account: &mut Account<W>, now: Nanos) {
        ask!(self, p => p.arrive(cpus, queue, account, now))
    }

    fn server(&self, cpus: &Queues<W>, account: &Account<W>) -> Option<CpuId> {
        ask!(self, p => p.server(cpus, account))
    }

    fn overtaken(&self, queue: &Queue<W>, now: Nanos) -> bool {
        ask!(self, p => p.overtaken(queue, now))
    }

    fn looks_around(&self, queue: &Queue<W>, now: Nanos) -> bool {
        ask!(self, p => p.looks_around(queue, now))
    }

    fn until(&self, cpus: &Queues<W>, queue: &Queue<W>, now: Nanos) -> Nanos {
        ask!(self, p => p.until(cpus, queue, now))
    }

    fn elsewhere(
        &self,
        cpus: &Queues<W>,
        cpu: CpuId,
        than: Option<u64>,
        now: Nanos,
    ) -> Option<Taken> {
        ask!(self, p => p.elsewhere(cpus, cpu, than, now))
    }

    fn returned(&self, cpus: &Queues<W>, cpu: CpuId, taken: &Taken) {
        ask!(self, p => p.returned(cpus, cpu, taken))
    }

    fn released(&self, account: &mut Account<W>) -> Option<CpuId> {
        ask!(self, p => p.released(account))
    }

    fn window(&self) -> u64 {
        ask!(self, p => Policy::<W>::window(p))
    }
}

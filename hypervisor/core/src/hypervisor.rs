//! The hypervisor as a whole: the tables, and the entry points that the binary calls.

use core::sync::atomic::AtomicU64;

use arrayvec::{ArrayString, ArrayVec};
use spin::Mutex;

use crate::addr::Mfn;
use crate::domain::DomainTable;
use crate::error::Result;
use crate::frame::table::FrameTable;
use crate::frame::tlb::Tlb;
use crate::hypercall::{Aside, Budget};
use crate::pirq::Irqs;
use crate::platform::{Machine, Wiring};
use crate::sched::Scheduler;
use crate::sched::policy::Kind;

/// What the command line and the boot code decided.
#[derive(Clone, Debug)]
pub struct Config {
    /// Physical CPUs brought up.
    pub cpus: u32,
    /// The scheduling policy.
    pub scheduler: Kind,
    /// The command line as given, for `XENVER_commandline`.
    pub command_line: CommandLine,
    /// Whether a domain's reboot request halts the machine instead.
    pub noreboot: bool,
    /// Whether guests other than dom0 may write to the console (`guest_loglvl=all`).
    pub verbose_guests: bool,
    /// Device frames that no domain may map, as first frame and count: the interrupt controllers
    /// and timers that the hypervisor itself drives.
    pub device_denied: ArrayVec<(Mfn, u64), 16>,
    /// Device frames that may be mapped, but not writable.
    pub device_read_only: ArrayVec<(Mfn, u64), 16>,
    /// The first of four ports of the timer by which the hypervisor may keep time.
    pub timer_port: Option<u16>,
    /// The lines of the I/O APICs, and how they are wired if nobody says otherwise.
    pub lines: ArrayVec<Wiring, 256>,
    /// The line that the hypervisor's own console interrupts by.
    pub console_line: Option<u32>,
    /// Interrupts of a device that are taken in 10 ms, where nobody has to acknowledge them; 0 for any
    /// number.
    pub irq_limit: u32,
    /// First frame of the (physically contiguous) machine-to-phys table.
    pub m2p_start: Mfn,
    /// The machine's memory map as the firmware gave it: address, size, type (E820).
    pub memory_map: ArrayVec<(u64, u64, u32), 64>,
    /// Frame numbers from this on do not exist: the processor's physical address width.
    pub max_mfn: u64,
}

impl Config {
    /// Whether device frame `mfn` may be mapped read-only at most.
    #[must_use]
    pub fn device_frame_read_only(&self, mfn: Mfn) -> bool {
        within(&self.device_read_only, mfn)
    }
}

fn within(ranges: &[(Mfn, u64)], mfn: Mfn) -> bool {
    ranges
        .iter()
        .any(|&(start, count)| mfn.0.wrapping_sub(start.0) < count)
}

/// The hypervisor's command line, bounded.
pub type CommandLine = ArrayString<1024>;

/// Everything the hypervisor knows, in one place; there is one, and it is never dropped.
pub struct Hypervisor<M: Machine> {
    /// The machine.
    pub machine: &'static M,
    /// One word for each frame.
    pub frames: FrameTable,
    /// Machine-to-phys table, mapped read-only into every guest.
    pub m2p: &'static [AtomicU64],
    /// TLB flush clock.
    pub tlb: Tlb,
    /// All domains.
    pub domains: DomainTable,
    /// Who runs.
    pub sched: Scheduler,
    /// Who has which interrupt of the machine.
    pub(crate) irqs: Mutex<Irqs>,
    /// Work that no budget was at hand for.
    pub(crate) aside: Aside,
    /// Settings.
    pub config: Config,
    /// Wall-clock time at boot, nanoseconds since 1970, as the control domain last corrected it.
    pub wallclock: AtomicU64,
}

impl<M: Machine> Hypervisor<M> {
    /// Puts the hypervisor together; no domain exists yet.
    ///
    /// # Errors
    /// `ENOMEM` when the heap cannot hold the tables.
    pub fn new(
        machine: &'static M,
        frames: FrameTable,
        m2p: &'static [AtomicU64],
        config: Config,
    ) -> Result<Self> {
        Ok(Self {
            machine,
            frames,
            m2p,
            tlb: Tlb::new(config.cpus),
            domains: DomainTable::new()?,
            sched: Scheduler::new(config.cpus, config.scheduler)?,
            irqs: Mutex::new(Irqs::new(&config)?),
            aside: Aside::new(config.cpus)?,
            config,
            wallclock: AtomicU64::new(machine.wallclock_at_boot()),
        })
    }

    /// Who has which interrupt, in words.
    #[cfg(any(test, feature = "testkit"))]
    #[must_use]
    pub fn irqs_text(&self) -> alloc::string::String {
        alloc::format!("{:?}", self.irqs.lock())
    }

    /// Takes off `budget` what this CPU did on the side.
    #[inline]
    pub(crate) fn settle_aside(&self, budget: &mut Budget) {
        let units = self.aside.take(self.machine.cpu());
        if units != 0 {
            budget.take(units);
        }
    }
}

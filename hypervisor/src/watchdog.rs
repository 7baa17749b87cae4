//! The watchdog (`watchdog`, `watchdog_timeout=`): every CPU sees to it that the next one still takes
//! interrupts. One that has not for too long is made to show its registers by an NMI, and the machine
//! stops. Emulated machines have no counter that would interrupt a CPU by itself, so a machine with one
//! CPU cannot be watched, and if all are stuck nobody tells.

use core::sync::atomic::{AtomicU64, Ordering};

use hypervisor_core::frame::tlb::MAX_CPUS;
use hypervisor_core::platform::{CpuId, Nanos};

use crate::arch::{ipi, percpu};
use crate::time;

/// How long a CPU may take no interrupt; 0 while nobody is watched.
static TIMEOUT: AtomicU64 = AtomicU64::new(0);
/// Looks in the time that a CPU has.
const LOOKS: Nanos = 4;
/// How long a stuck CPU may take to show its registers.
const PATIENCE: Nanos = 2_000_000_000;

/// What is known of each CPU.
static WATCHED: [Watched; MAX_CPUS] = [const { Watched::new() }; MAX_CPUS];

struct Watched {
    /// When it took the last tick of its own.
    ticked: AtomicU64,
    /// When its next tick is due.
    due: AtomicU64,
}

impl Watched {
    const fn new() -> Self {
        Self {
            ticked: AtomicU64::new(0),
            due: AtomicU64::new(0),
        }
    }
}

/// Begins to watch, once all CPUs are up; each may take `seconds` without an interrupt.
pub(crate) fn start(seconds: u32, cpus: u32) {
    if cpus < 2 {
        return warn!("watchdog: there is no other CPU to watch this one");
    }
    let now = time::now();
    for watched in &WATCHED {
        // Those that do not run yet have their time from now on.
        watched.ticked.store(now, Ordering::Relaxed);
        watched.due.store(now, Ordering::Relaxed);
    }
    TIMEOUT.store(Nanos::from(seconds) * 1_000_000_000, Ordering::Release);
    info!("watchdog: each CPU has {seconds} s to take an interrupt");
}

/// Whether CPUs are watched.
#[inline]
pub(crate) fn is_on() -> bool {
    TIMEOUT.load(Ordering::Relaxed) != 0
}

/// When this CPU's next tick is due.
pub(crate) fn due() -> Nanos {
    WATCHED[percpu::number() as usize]
        .due
        .load(Ordering::Relaxed)
}

/// The timer has interrupted this CPU.
pub(crate) fn tick() {
    let timeout = TIMEOUT.load(Ordering::Acquire);
    let (me, now) = (percpu::number(), time::now());
    let own = &WATCHED[me as usize];
    if timeout == 0 || now < own.due.load(Ordering::Relaxed) {
        return;
    }
    own.ticked.store(now, Ordering::Relaxed);
    own.due.store(now + timeout / LOOKS, Ordering::Relaxed);
    let next = (1..MAX_CPUS as u32)
        .map(|ahead| (me + ahead) % MAX_CPUS as u32)
        .find(|&id| ipi::is_up(id));
    let Some(next) = next else { return };
    let ticked = WATCHED[next as usize].ticked.load(Ordering::Relaxed);
    if now.saturating_sub(ticked) > timeout {
        tell(next);
    }
}

/// Has a CPU show where it is stuck. Nothing is logged here: it may hold the log.
#[cold]
fn tell(id: CpuId) {
    ipi::ask_for_registers(id);
    let deadline = time::now().saturating_add(PATIENCE);
    while time::now() < deadline {
        core::hint::spin_loop();
    }
    panic!("CPU {id} is stuck and takes no NMI either");
}

/// Leaves this CPU stuck, if somebody watches; returns otherwise.
pub(crate) fn try_out() {
    while is_on() {
        core::hint::spin_loop();
    }
}

//! What CPUs ask of each other: to look for work by an ordinary interrupt; to flush or to halt by an
//! NMI, because the one that asks may hold a lock for which the other waits with interrupts off.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use hypervisor_core::frame::tlb::MAX_CPUS;
use hypervisor_core::platform::{CpuId, CpuMask};

use super::percpu::{self, Requests};
use super::{apic, cpu};
use crate::time;

/// How long a CPU may take to flush: it can be late only if the machine stops it.
const FLUSH_PATIENCE: u64 = 10_000_000_000;
/// How long a CPU may take to halt.
const STOP_PATIENCE: u64 = 100_000_000;

/// CPUs that are up.
static UP: AtomicU64 = AtomicU64::new(0);
static APIC_IDS: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(0) }; MAX_CPUS];

/// From now on this CPU, whose per-CPU data is set up, can be asked.
pub(crate) fn join(id: CpuId) {
    APIC_IDS[id as usize].store(apic::id(), Ordering::Relaxed);
    UP.fetch_or(1 << id, Ordering::Release);
}

/// CPU `id` was up and is to be left alone again.
pub(crate) fn leave(id: CpuId) {
    UP.fetch_and(!(1 << id), Ordering::Relaxed);
}

/// Whether CPU `id` can be asked.
pub(crate) fn is_up(id: CpuId) -> bool {
    UP.load(Ordering::Acquire) >> id & 1 != 0
}

fn members(mut mask: CpuMask) -> impl Iterator<Item = CpuId> {
    core::iter::from_fn(move || {
        let id = (mask != 0).then(|| mask.trailing_zeros())?;
        mask &= mask - 1;
        Some(id)
    })
}

/// The APIC id of CPU `id` and the requests to it.
fn peer(id: CpuId) -> (u32, &'static Requests) {
    assert!(is_up(id), "CPU {id} is not up");
    // SAFETY: `join` comes after its `init`.
    let requests = unsafe { percpu::requests_to(id) };
    (APIC_IDS[id as usize].load(Ordering::Relaxed), requests)
}

/// The APIC id of CPU `id`, if it is up.
pub(crate) fn apic_id(id: CpuId) -> Option<u32> {
    is_up(id).then(|| APIC_IDS[id as usize].load(Ordering::Relaxed))
}

/// CPU `id`'s mark that it looks at what others own, if it is up.
pub(crate) fn looking_of(id: CpuId) -> Option<&'static AtomicU64> {
    is_up(id).then(|| &peer(id).1.looking)
}

/// Makes CPU `id` look for work, unless it runs this.
pub(crate) fn kick(id: CpuId) {
    if id != percpu::number() {
        apic::send_kick(peer(id).0);
    }
}

/// Makes this CPU, which has joined, look for work once interrupts are on.
pub(crate) fn kick_self() {
    apic::send_kick(peer(percpu::number()).0);
}

/// Flushes the TLBs of the CPUs in `mask`, this one not among them, and waits until it is done.
pub(crate) fn flush(mask: CpuMask) {
    let mut wanted = [0; MAX_CPUS];
    for id in members(mask) {
        let (apic_id, requests) = peer(id);
        wanted[id as usize] = requests.flushes.fetch_add(1, Ordering::SeqCst) + 1;
        apic::send_nmi(apic_id);
    }
    let deadline = time::now().saturating_add(FLUSH_PATIENCE);
    for id in members(mask) {
        let (_, requests) = peer(id);
        while requests.flushed.load(Ordering::Acquire) < wanted[id as usize] {
            assert!(time::now() < deadline, "CPU {id} does not flush its TLB");
            core::hint::spin_loop();
        }
    }
}

/// Has CPU `id` show its registers and end the machine.
pub(crate) fn ask_for_registers(id: CpuId) {
    let (apic_id, requests) = peer(id);
    requests.show.store(1, Ordering::SeqCst);
    apic::send_nmi(apic_id);
}

/// Halts all other CPUs for good, wherever they are: they may hold any lock.
pub(crate) fn stop_others() {
    let me = percpu::number();
    let others = UP.load(Ordering::Acquire) & !(1 << me);
    for id in members(others) {
        let (apic_id, requests) = peer(id);
        requests.stop.store(1, Ordering::SeqCst);
        apic::send_nmi(apic_id);
    }
    let deadline = time::now().saturating_add(STOP_PATIENCE);
    for id in members(others) {
        let (_, requests) = peer(id);
        while requests.stopped.load(Ordering::Acquire) == 0 && time::now() < deadline {
            core::hint::spin_loop();
        }
    }
}

/// Halts this CPU because another ends the machine.
pub(crate) fn stop_here() -> ! {
    // SAFETY: `number` is a CPU that is set up; before that there is no other to end the machine.
    let requests = unsafe { percpu::requests_to(percpu::number()) };
    requests.stopped.store(1, Ordering::Release);
    cpu::halt_forever()
}

//! Domains: the table of them, what is shared between a domain's vCPUs, and its one lock.

pub mod context;
mod exchange;
pub mod lifecycle;
mod lock;
pub mod memory_op;
mod physmap;
mod reservation;
pub(crate) mod rights;
pub(crate) mod unfinished;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

use spin::{Mutex, MutexGuard};

use crate::addr::Mfn;
use crate::error::{Errno, Result};
use crate::evtchn::{EventChannels, Senders};
use crate::grant::GrantTable;
use crate::vcpu::{InfoArea, VcpuBox};

pub use lock::{DomainGuard, lock_pair};

/// Slots of the domain table; a domain's slot is its id modulo this.
pub const MAX_DOMAINS: usize = 256;
/// Most vCPUs of one domain.
pub const MAX_VCPUS: usize = 64;
/// First id that is not an ordinary domain's (`DOMID_FIRST_RESERVED`, xen.h).
pub const DOMID_FIRST_RESERVED: u16 = 0x7ff0;
/// The calling domain itself (`DOMID_SELF`, xen.h).
pub const DOMID_SELF: u16 = 0x7ff0;
/// I/O frames (`DOMID_IO`, xen.h).
pub const DOMID_IO: u16 = 0x7ff1;
/// The hypervisor (`DOMID_XEN`, xen.h).
pub const DOMID_XEN: u16 = 0x7ff2;

/// A domain's phase of life, in [`Domain::phase`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// The slot holds no domain.
    Free = 0,
    /// Created and not being destroyed.
    Alive = 1,
    /// Being destroyed; gives its frames back.
    Dying = 2,
    /// Destroyed, but others still hold some of its frames.
    Zombie = 3,
}

/// A slot of the domain table, with the domain in it if there is one.
pub struct Domain {
    /// Index in the table.
    pub slot: u16,
    id: AtomicU16,
    phase: AtomicU8,
    generation: AtomicU32,
    /// Whether it is the control domain.
    pub privileged: AtomicBool,
    /// What it may use of devices.
    rights: Mutex<rights::Rights>,
    /// Whether that is a port or a frame.
    devices: AtomicBool,
    /// Whether its ports are what dom0 has from the beginning.
    has_dom0s_ports: AtomicBool,
    /// PCI configuration address, as last written to port 0xcf8.
    pub(crate) pci_address: AtomicU32,
    /// Number of a register of the clock, as last written to port 0x70.
    pub(crate) clock_index: AtomicU8,
    /// Frames the domain owns and counts.
    pub tot_pages: AtomicU32,
    /// Frames that bear its mark, counted or not: shared pages, and pages given up that others
    /// still map.
    owned: AtomicU32,
    /// Most frames it may own.
    pub max_pages: AtomicU32,
    /// Frames that were claimed for it: what it is to have in all, 0 for no claim. Changes under the
    /// lock of the free frames.
    pub(crate) claim: AtomicU32,
    /// vm_assist bits in force (VMASST_TYPE_*).
    pub vm_assist: AtomicU64,
    /// Why it cannot run: number of pauses by the toolstack.
    pub pauses: AtomicU32,
    /// Why it cannot run: it is being destroyed. Said before its phase changes, so that its vCPUs have
    /// come to rest by then and none of them sees what a dying domain is refused.
    pub(crate) ending: AtomicBool,
    /// `SHUTDOWN_*` + 1 once it has shut down, else 0.
    pub shutdown: AtomicU16,
    /// What those who send events to it see.
    pub senders: Senders,
    state: Mutex<DomainState>,
    /// How far its destruction is. Held by the one who goes on with that, or makes the domain.
    teardown: Mutex<Teardown>,
    /// vCPUs that are not running at the moment; taken and put back by the scheduler alone.
    pub homes: Mutex<Vec<Option<VcpuBox>>>,
}

/// How far a domain's destruction is.
#[derive(Debug, Default)]
struct Teardown {
    /// The next frame to look at.
    frame: u64,
    /// Page-table work.
    walk: crate::pv::walk::Walk,
}

/// What the domain's lock covers.
#[derive(Default)]
pub struct DomainState {
    /// The toolstack's name for it (uuid).
    pub handle: [u8; 16],
    /// `ssidref` and creation flags as given.
    pub flags: u32,
    /// The shared-info page.
    pub shared_info: Option<Mfn>,
    /// vCPUs it was created for.
    pub max_vcpus: u32,
    /// Per-vCPU state that others may look at, of those that are made.
    pub vcpus: Vec<VcpuShared>,
    /// Event channels.
    pub events: EventChannels,
    /// What the scheduler knows of the whole domain.
    pub sched: crate::sched::DomainSched,
    /// Physical interrupts.
    pub pirqs: crate::pirq::Pirqs,
    /// Grant table.
    pub grants: GrantTable,
    /// Pseudo-physical memory map set by the toolstack, as (address, size, type).
    pub memory_map: Vec<(u64, u64, u32)>,
    /// What it wrote to the hypervisor's console and is not a whole line yet.
    pub console: crate::control::console::GuestConsole,
}

/// Per-vCPU state under the domain's lock: reachable while the vCPU runs elsewhere.
#[derive(Clone, Default)]
pub struct VcpuShared {
    /// Whether a context was set.
    pub initialised: bool,
    /// Whether it is up (vcpu_op, vcpu.h).
    pub up: bool,
    /// Where its `vcpu_info` lives.
    pub info: Option<InfoArea>,
    /// The port that each virtual IRQ is bound to on this vCPU, 0 for none; global ones on vCPU 0.
    pub virqs: [u32; hypercall_abi::xen::NR_VIRQS as usize],
    /// Scheduling and timers: see [`crate::sched`].
    pub sched: crate::sched::VcpuSched,
}

impl Domain {
    /// An empty slot.
    #[must_use]
    pub fn empty(slot: u16) -> Self {
        Self {
            slot,
            id: AtomicU16::new(u16::MAX),
            phase: AtomicU8::new(Phase::Free as u8),
            generation: AtomicU32::new(0),
            privileged: AtomicBool::new(false),
            rights: Mutex::new(rights::Rights::default()),
            devices: AtomicBool::new(false),
            has_dom0s_ports: AtomicBool::new(false),
            pci_address: AtomicU32::new(0),
            clock_index: AtomicU8::new(0),
            tot_pages: AtomicU32::new(0),
            owned: AtomicU32::new(0),
            max_pages: AtomicU32::new(0),
            claim: AtomicU32::new(0),
            vm_assist: AtomicU64::new(0),
            pauses: AtomicU32::new(0),
            ending: AtomicBool::new(false),
            shutdown: AtomicU16::new(0),
            senders: Senders::default(),
            state: Mutex::new(DomainState::default()),
            teardown: Mutex::new(Teardown::default()),
            homes: Mutex::new(Vec::new()),
        }
    }

    /// The domain's id; meaningless while the slot is free.
    #[must_use]
    pub fn id(&self) -> u16 {
        self.id.load(Ordering::Relaxed)
    }

    /// A number that no other domain ever had, neither in this slot nor elsewhere; not 0.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Counts `pages` more as the domain's.
    ///
    /// # Errors
    /// `ENOMEM` when that would exceed its maximum.
    pub fn charge(&self, pages: u32) -> Result<()> {
        self.charge_beyond(pages, 0)
    }

    /// Counts up to `pages` more as the domain's, as far as its maximum allows; how many.
    pub(crate) fn charge_some(&self, pages: u32) -> u32 {
        if self.charge(pages).is_ok() {
            return pages;
        }
        (0..pages).take_while(|_| self.charge(1).is_ok()).count() as u32
    }

    /// As [`Self::charge`], with a maximum that is `extra` higher: for frames that replace others.
    pub(crate) fn charge_beyond(&self, pages: u32, extra: u32) -> Result<()> {
        let max = self.max_pages.load(Ordering::Relaxed).saturating_add(extra);
        self.tot_pages
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                now.checked_add(pages).filter(|&n| n <= max)
            })
            .map(|_| ())
            .map_err(|_| Errno::ENOMEM)
    }

    /// Counts `pages` fewer as the domain's.
    pub fn uncharge(&self, pages: u32) {
        self.tot_pages.fetch_sub(pages, Ordering::Relaxed);
    }

    /// Frames that were claimed for it and that it has not got yet.
    #[must_use]
    pub fn outstanding(&self) -> u32 {
        let claim = self.claim.load(Ordering::Relaxed);
        claim.saturating_sub(self.tot_pages.load(Ordering::Relaxed))
    }

    /// What was claimed for it: how many frames it is to have in all, 0 for no claim.
    #[cfg(any(test, feature = "testkit"))]
    #[must_use]
    pub fn claimed(&self) -> u32 {
        self.claim.load(Ordering::Relaxed)
    }

    /// Whether a claim of it has not been met yet.
    #[must_use]
    pub fn has_claim(&self) -> bool {
        self.claim.load(Ordering::Relaxed) != 0
    }

    /// A frame got the domain's mark.
    pub(crate) fn frame_marked(&self) {
        self.owned.fetch_add(1, Ordering::Relaxed);
    }

    /// A frame lost the domain's mark.
    pub(crate) fn frame_unmarked(&self) {
        self.frames_unmarked(1);
    }

    /// `count` frames lost the domain's mark; the last one of a destroyed domain frees its slot.
    pub(crate) fn frames_unmarked(&self, count: u32) {
        if count != 0 && self.owned.fetch_sub(count, Ordering::AcqRel) == count {
            self.lay_to_rest();
        }
    }

    /// Everything but frames held by others is gone.
    pub(crate) fn bury(&self) {
        self.phase.store(Phase::Zombie as u8, Ordering::Release);
        if self.owned.load(Ordering::Acquire) == 0 {
            self.lay_to_rest();
        }
    }

    fn lay_to_rest(&self) {
        // Only a zombie's slot becomes free, and only once.
        let _ = self.phase.compare_exchange(
            Phase::Zombie as u8,
            Phase::Free as u8,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
    }

    /// Its phase of life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            1 => Phase::Alive,
            2 => Phase::Dying,
            3 => Phase::Zombie,
            _ => Phase::Free,
        }
    }

    /// Whether it is being destroyed or has been. Asked after a frame was given to it or pinned for
    /// it: either its destruction finds that frame, or this is true.
    #[must_use]
    pub(crate) fn is_dying(&self) -> bool {
        fence(Ordering::SeqCst);
        self.phase() != Phase::Alive
    }

    /// Whether it is the control domain.
    #[must_use]
    pub fn is_privileged(&self) -> bool {
        self.privileged.load(Ordering::Relaxed)
    }

    pub(crate) fn set_identity(&self, id: u16, generation: u32, phase: Phase) {
        self.id.store(id, Ordering::Relaxed);
        self.generation.store(generation, Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Release);
        fence(Ordering::SeqCst);
    }
}

/// All domains.
pub struct DomainTable {
    slots: Box<[Domain; MAX_DOMAINS]>,
    generations: AtomicU32,
    /// Held while a domain is created or its slot freed; covers the next id to try.
    creation: Mutex<u16>,
}

impl DomainTable {
    /// An empty table.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new() -> Result<Self> {
        let mut slots = Vec::new();
        slots
            .try_reserve_exact(MAX_DOMAINS)
            .map_err(|_| Errno::ENOMEM)?;
        for slot in 0..MAX_DOMAINS {
            slots.push(Domain::empty(slot as u16));
        }
        let slots = slots.into_boxed_slice().try_into();
        Ok(Self {
            slots: slots.map_err(|_| Errno::ENOMEM)?,
            generations: AtomicU32::new(0),
            creation: Mutex::new(0),
        })
    }

    /// Takes the lock of creation. In the lock's care is the next id to try.
    pub(crate) fn lock_creation(&self) -> MutexGuard<'_, u16> {
        lock::take(&self.creation)
    }

    /// A generation that no domain had before.
    pub(crate) fn next_generation(&self) -> u32 {
        self.generations.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The slot with this index, whatever is in it.
    #[inline(always)]
    #[must_use]
    pub fn slot(&self, slot: u16) -> &Domain {
        &self.slots[slot as usize % MAX_DOMAINS]
    }

    /// The domain with this id, alive or dying.
    ///
    /// # Errors
    /// `ESRCH` when there is none.
    pub fn find(&self, id: u16) -> Result<&Domain> {
        let d = self.slot(id);
        if d.phase() == Phase::Free || d.id() != id {
            return Err(Errno::ESRCH);
        }
        Ok(d)
    }

    /// All domains, alive or dying, in slot order.
    pub fn iter(&self) -> impl Iterator<Item = &Domain> {
        self.slots.iter().filter(|d| d.phase() != Phase::Free)
    }
}

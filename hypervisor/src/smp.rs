//! Bringing up the other CPUs, one after the other.
//!
//! A CPU starts in real mode in a page below 1 MiB, so it takes one there that is free, and with it
//! four for page tables that show that page where it is, besides all that the hypervisor's own show.
//! No CPU uses any of them once it is in [`processor_main`]; afterwards they are zeroed and free.

use core::arch::global_asm;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use hypervisor_core::acpi::Facts;
use hypervisor_core::hypervisor::Hypervisor;
use hypervisor_core::platform::{CpuId, Nanos};
use spin::Once;

use crate::arch::features::Features;
use crate::arch::percpu::{self, PerCpu};
use crate::arch::{apic, cpu, descriptors, entry, fpu, ipi};
use crate::boot::memory::{FrameSet, Frames};
use crate::boot::paging::{Rights, bits};
use crate::boot::space::Space;
use crate::hw::Hw;
use crate::layout::{DIRECT_MAP, PAGE};
use crate::{own, time};

global_asm!(include_str!("trampoline.S"), options(att_syntax));

unsafe extern "C" {
    static trampoline_start: u8;
    static trampoline_words: u8;
    static trampoline_end: u8;
}

/// The words at the end of trampoline.S that are filled in.
#[repr(C)]
struct Words {
    stack: AtomicU64,
    entry: AtomicU64,
    root: AtomicU32,
    number: AtomicU32,
    ticket: AtomicU32,
    /// Offset in the page; the page's address is added once.
    far_offset: AtomicU32,
    _far_selector: u16,
    _gdt_limit: u16,
    /// Likewise.
    gdt_base: AtomicU32,
}

/// First frame that a CPU cannot start in: video memory and ROMs.
const LOW_FRAMES: u64 = 0xa0;
/// The trampoline, and page tables of four levels.
const PAGES: u64 = 5;

/// A ticket that a CPU may take.
const TICKET: u32 = 1;

const MILLISECOND: Nanos = 1_000_000;
/// From the reset of a CPU to its start.
const RESET_TIME: Nanos = 10 * MILLISECOND;
/// From a CPU's start until it must have taken its ticket, or is started once more.
const START_TIME: Nanos = MILLISECOND;
/// Until a CPU must have come up.
const PATIENCE: Nanos = 2000 * MILLISECOND;

/// How far the CPU that comes up is.
static STAGE: AtomicU32 = AtomicU32::new(0);
/// It has not reached Rust.
const STARTED: u32 = 0;
/// It is set up and waits for the comparison of clocks.
const ARRIVED: u32 = 1;
/// It compares clocks with the boot CPU.
const COMPARING: u32 = 2;
/// It waits for [`RUN`].
const UP: u32 = 3;

/// Readings of the TSC, in turns, by which two CPUs compare theirs.
const READINGS: u64 = 32;
static TURN: AtomicU64 = AtomicU64::new(0);
static LAST_TSC: AtomicU64 = AtomicU64::new(0);
/// Most ticks by which a reading was less than the one before it.
static WARP: AtomicU64 = AtomicU64::new(0);

/// What CPUs need to set themselves up.
static SHARED: Once<(Space, Features)> = Once::new();
/// The hypervisor, once CPUs may run guests.
static RUN: Once<&'static Hypervisor<Hw>> = Once::new();

/// Starts the other CPUs that ACPI names; returns how many there are with this one, numbered
/// without gaps. Those that do not come up, or whose clock is another, are named and left out.
pub(crate) fn bring_up(acpi: &Facts, space: &Space, features: Features, usable: &FrameSet) -> u32 {
    let boot_id = apic::id();
    let mut up = 1;
    if acpi.cpus.iter().all(|&id| id == boot_id) {
        return up;
    }
    let Some(frames) = usable.lowest(PAGES, LOW_FRAMES) else {
        warn!("No free memory below 640 KiB: the other CPUs cannot be started");
        return up;
    };
    SHARED.call_once(|| (*space, features));
    let trampoline = Trampoline::new(frames);
    let others = || {
        let all = acpi.cpus.iter().copied();
        all.filter(|&id| id != boot_id && apic::reaches(id))
    };
    others().for_each(apic::send_init);
    wait_until(time::now() + RESET_TIME, || false);
    for apic_id in others() {
        match trampoline.start(up, apic_id) {
            Ok(()) => up += 1,
            Err(reason) => {
                // Back to waiting for a start that does not come, wherever it is now.
                ipi::leave(up);
                apic::send_init(apic_id);
                warn!("CPU with APIC id {apic_id:#x} left out: {reason}");
            }
        }
    }
    for &id in acpi.cpus.iter().filter(|&&id| !apic::reaches(id)) {
        warn!("CPU with APIC id {id:#x} left out: out of the APIC's reach");
    }
    if up > 1 {
        info!("TSC: the same on {up} CPUs, by {READINGS} readings in turns with each");
    }
    up
}

/// Lets the CPUs that [`bring_up`] started run guests.
pub(crate) fn release(hypervisor: &'static Hypervisor<Hw>) {
    RUN.call_once(|| hypervisor);
    for id in 1..hypervisor.config.cpus {
        ipi::kick(id);
    }
}

/// Waits for `done`; false when it did not come by `deadline`.
fn wait_until(deadline: Nanos, done: impl Fn() -> bool) -> bool {
    loop {
        if done() {
            return true;
        }
        if time::now() >= deadline {
            return false;
        }
        core::hint::spin_loop();
    }
}

/// The page where CPUs start.
struct Trampoline {
    frames: Frames,
}

impl Trampoline {
    /// In `frames`, which are free and below 1 MiB.
    fn new(frames: Frames) -> Self {
        let new = Self { frames };
        let len = (&raw const trampoline_end) as usize - (&raw const trampoline_start) as usize;
        assert!(len as u64 <= PAGE, "the trampoline is larger than a page");
        new.clear();
        // SAFETY: free frames, seen in the direct map; the image's bytes fit, as just checked.
        unsafe {
            core::ptr::copy_nonoverlapping(&raw const trampoline_start, new.page(0), len);
        }
        new.fill_tables();
        let base = new.address(0) as u32;
        let words = new.words();
        words.root.store(new.address(1) as u32, Ordering::Relaxed);
        let entry = processor_main as *const () as u64;
        words.entry.store(entry, Ordering::Relaxed);
        words.far_offset.fetch_add(base, Ordering::Relaxed);
        words.gdt_base.fetch_add(base, Ordering::Relaxed);
        new
    }

    fn address(&self, page: u64) -> u64 {
        (self.frames.start + page) * PAGE
    }

    /// Where a page is seen.
    fn page(&self, page: u64) -> *mut u8 {
        (DIRECT_MAP + self.address(page)) as *mut u8
    }

    fn words(&self) -> &Words {
        let start = &raw const trampoline_start;
        let offset = (&raw const trampoline_words) as usize - start as usize;
        let at = self.page(0).wrapping_add(offset).cast::<Words>();
        // SAFETY: trampoline.S has them there, aligned; CPUs that start change them atomically.
        unsafe { &*at }
    }

    fn clear(&self) {
        // SAFETY: free frames, seen in the direct map; no Rust object lies there.
        unsafe { self.page(0).write_bytes(0, (PAGES * PAGE) as usize) };
    }

    /// A root like the hypervisor's, which shows the first page also at its own address: executable
    /// there, and not writable.
    fn fill_tables(&self) {
        let entry = |table: u64, index: u64, value: u64| {
            let at = self
                .page(table)
                .cast::<u64>()
                .wrapping_add(index as usize % 512);
            // SAFETY: in one of the free frames; no CPU uses the tables yet.
            unsafe { at.write_volatile(value) };
        };
        for index in 0..512 {
            if let Some(value) = crate::hw::read_table(own::root(), index) {
                entry(1, index, value);
            }
        }
        let down = bits::PRESENT | bits::WRITE | bits::ACCESSED;
        entry(1, 0, self.address(2) | down);
        entry(2, 0, self.address(3) | down);
        entry(3, 0, self.address(4) | down);
        entry(
            4,
            self.frames.start,
            self.address(0) | Rights::Execute.bits(),
        );
    }

    /// Starts the CPU `apic_id`, which waits for it, as CPU `id`.
    fn start(&self, id: CpuId, apic_id: u32) -> Result<(), &'static str> {
        let words = self.words();
        words.stack.store(percpu::stack_of(id), Ordering::Relaxed);
        words.number.store(id, Ordering::Relaxed);
        STAGE.store(STARTED, Ordering::Relaxed);
        let ticket = &words.ticket;
        ticket.store(TICKET, Ordering::SeqCst);
        let deadline = time::now() + PATIENCE;
        for _ in 0..2 {
            apic::send_startup(apic_id, self.frames.start as u8);
            let taken = || ticket.load(Ordering::Acquire) != TICKET;
            if wait_until(time::now() + START_TIME, taken) {
                break;
            }
        }
        let arrived = || STAGE.load(Ordering::Acquire) == ARRIVED;
        if !wait_until(deadline, arrived) {
            ticket.store(0, Ordering::SeqCst);
            return Err("it does not start");
        }
        compare_clocks(id)
    }
}

impl Drop for Trampoline {
    /// The frames are as good as any other free ones.
    fn drop(&mut self) {
        self.clear();
    }
}

/// The boot CPU's side: time must not go backwards from one CPU to another.
fn compare_clocks(id: CpuId) -> Result<(), &'static str> {
    TURN.store(0, Ordering::Relaxed);
    LAST_TSC.store(0, Ordering::Relaxed);
    WARP.store(0, Ordering::Relaxed);
    STAGE.store(COMPARING, Ordering::Release);
    read_in_turns(0);
    let done = || TURN.load(Ordering::Acquire) == READINGS;
    if !wait_until(time::now() + PATIENCE, done) {
        return Err("it stopped while clocks were compared");
    }
    let warp = WARP.load(Ordering::Relaxed);
    if warp != 0 {
        warn!("TSC of CPU {id} is {warp} ticks or more apart from the boot CPU's");
        return Err("its clock is another");
    }
    STAGE.store(UP, Ordering::Release);
    Ok(())
}

/// Reads the TSC whenever it is the turn of `side`, 0 or 1.
fn read_in_turns(side: u64) {
    let deadline = time::now() + PATIENCE;
    for turn in (side..READINGS).step_by(2) {
        if !wait_until(deadline, || TURN.load(Ordering::Acquire) == turn) {
            return;
        }
        let now = cpu::rdtsc_in_order();
        let last = LAST_TSC.swap(now, Ordering::Relaxed);
        WARP.fetch_max(last.saturating_sub(now), Ordering::Relaxed);
        TURN.store(turn + 1, Ordering::Release);
    }
}

/// Another CPU's first function, on its own stack and under the trampoline's page tables.
extern "C" fn processor_main(id: u32) -> ! {
    let Some((space, features)) = SHARED.get() else {
        cpu::halt_forever();
    };
    // SAFETY: maps this code and stack, and all data, as the present tables do.
    unsafe { cpu::write_cr3(space.root) };
    // SAFETY: the final tables are in force.
    unsafe { features.enable() };
    // SAFETY: trampoline.S gives each number to one CPU; `space::build` made its window.
    let own = unsafe { PerCpu::init(id, space.window(id)) };
    descriptors::load(own);
    fpu::init();
    apic::follow();
    apic::init();
    apic::start_timer_alike();
    ipi::join(id);
    STAGE.store(ARRIVED, Ordering::Release);
    while STAGE.load(Ordering::Acquire) == ARRIVED {
        core::hint::spin_loop();
    }
    read_in_turns(1);
    let hypervisor = loop {
        if let Some(hypervisor) = RUN.get() {
            break hypervisor;
        }
        entry::wait(own);
    };
    own.set_hypervisor(hypervisor);
    entry::run()
}

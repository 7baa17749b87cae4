//! The I/O APICs: one page of registers each, one pair of them for each line.
//!
//! Every line is masked until it is routed. A level-triggered one is masked when its interrupt is
//! taken, before that is ended at the local APIC: so it does not come again until it is unmasked.

use core::sync::atomic::{AtomicU16, Ordering};

use arrayvec::ArrayVec;
use hypervisor_core::acpi::{self, Facts, MAX_IO_APICS};
use hypervisor_core::platform::{CpuId, Route, Wiring};
use spin::{Mutex, Once};

use super::apic;
use super::ipi;
use crate::layout::{DEVICES, PAGE};

/// Most lines that are used.
const MAX_LINES: usize = 256;

/// Registers.
const VERSION: u32 = 1;
const FIRST_LINE: u32 = 0x10;
/// Offset of the window in the page; the selector is its first word.
const WINDOW: u64 = 0x10;

/// Bits of a line's low register.
const MASKED: u32 = 1 << 16;
const LEVEL: u32 = 1 << 15;
const LOW: u32 = 1 << 13;
/// Where the destination is in the high one.
const DESTINATION: u32 = 24;

/// Where the registers of I/O APIC `index` are mapped.
pub(crate) const fn page(index: u64) -> u64 {
    DEVICES + (1 + index) * PAGE
}

#[derive(Clone, Copy, Debug)]
struct IoApic {
    /// Machine address of its registers.
    base: u64,
    /// Where they are mapped.
    page: u64,
    /// Its first line, and how many there are.
    first: u32,
    lines: u32,
}

/// All of them, found once; held by whoever uses a selector and window.
static FOUND: Once<Mutex<ArrayVec<IoApic, MAX_IO_APICS>>> = Once::new();

/// The level-triggered line that has a vector, counted from 1; 0 for none.
static LEVEL_LINES: [AtomicU16; 256] = [const { AtomicU16::new(0) }; 256];

impl IoApic {
    fn read(&self, register: u32) -> u32 {
        // SAFETY: the I/O APIC's registers are mapped there, uncached.
        unsafe { (self.page as *mut u32).write_volatile(register) };
        // SAFETY: as above.
        unsafe { ((self.page + WINDOW) as *const u32).read_volatile() }
    }

    /// Counts its lines, and masks them.
    #[cold]
    #[inline(never)]
    fn mask_all(&mut self) {
        self.lines = (self.read(VERSION) >> 16 & 0xff) + 1;
        for line in 0..self.lines {
            self.write(FIRST_LINE + 2 * line, MASKED);
        }
    }

    fn write(&self, register: u32, value: u32) {
        // SAFETY: as in `read`.
        unsafe { (self.page as *mut u32).write_volatile(register) };
        // SAFETY: as in `read`; vectors lead to entry.S.
        unsafe { ((self.page + WINDOW) as *mut u32).write_volatile(value) };
    }
}

/// Finds the I/O APICs, which are mapped, and masks all lines.
#[cold]
pub(crate) fn init(facts: &Facts) {
    let mut found = ArrayVec::new();
    for (index, &(base, first)) in (0..).zip(&facts.ioapics) {
        let mut apic = IoApic {
            base,
            page: page(index),
            first,
            lines: 0,
        };
        apic.mask_all();
        found.push(apic);
    }
    FOUND.call_once(|| Mutex::new(found));
}

/// How the lines are wired if nobody says otherwise: by edges, unless the firmware says otherwise of
/// an ISA interrupt.
#[cold]
pub(crate) fn wiring(facts: &Facts, lines: &mut ArrayVec<Wiring, MAX_LINES>) {
    let end = |apic: &IoApic| apic.first.saturating_add(apic.lines);
    let end = FOUND
        .get()
        .and_then(|found| found.lock().iter().map(end).max());
    let count = end.unwrap_or(0).min(MAX_LINES as u32);
    let by_edges = Wiring {
        level: false,
        low: false,
    };
    lines.extend((0..count).map(|_| by_edges));
    for (_, route) in &facts.overrides {
        if let Some(wiring) = lines.get_mut(route.gsi as usize) {
            (wiring.level, wiring.low) = (route.level, route.low);
        }
    }
}

/// Calls `f` with the I/O APIC that has line `gsi`, and the number of its register there.
fn with<T>(gsi: u32, f: impl FnOnce(&IoApic, u32) -> T) -> Option<T> {
    let found = FOUND.get()?.lock();
    let apic = found
        .iter()
        .find(|apic| gsi.wrapping_sub(apic.first) < apic.lines)?;
    Some(f(apic, FIRST_LINE + 2 * (gsi - apic.first)))
}

/// What I/O APICs and messages call a CPU: its APIC id, which has eight bits there; for one that has
/// more, the boot CPU's.
pub(crate) fn destination(cpu: CpuId) -> u32 {
    let reached = ipi::apic_id(cpu).filter(|&id| id < 0xff);
    reached.or_else(|| ipi::apic_id(0)).unwrap_or(0)
}

/// Routes a line; whether it is there.
pub(crate) fn route(gsi: u32, route: Route, masked: bool) -> bool {
    let line = gsi.min(u32::from(u16::MAX) - 1) as u16 + 1;
    with(gsi, |apic, register| {
        // The vector that it had may become another's.
        let had = apic.read(register) as u8;
        let _ = LEVEL_LINES[usize::from(had)].compare_exchange(
            line,
            0,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        apic.write(register, MASKED);
        let of_vector = if route.wiring.level { line } else { 0 };
        LEVEL_LINES[usize::from(route.vector)].store(of_vector, Ordering::Relaxed);
        apic.write(register + 1, destination(route.cpu) << DESTINATION);
        let mut low = u32::from(route.vector);
        for (set, bit) in [
            (route.wiring.level, LEVEL),
            (route.wiring.low, LOW),
            (masked, MASKED),
        ] {
            low |= if set { bit } else { 0 };
        }
        apic.write(register, low);
    })
    .is_some()
}

/// Sends a line's interrupts to another CPU from now on.
pub(crate) fn aim(gsi: u32, cpu: CpuId) {
    with(gsi, |apic, register| {
        apic.write(register + 1, destination(cpu) << DESTINATION);
    });
}

/// Masks a line or lets its interrupts through.
#[inline(never)]
pub(crate) fn mask(gsi: u32, masked: bool) {
    with(gsi, |apic, register| {
        let low = apic.read(register) & !MASKED;
        apic.write(register, if masked { low | MASKED } else { low });
    });
}

/// An interrupt with a device's vector was taken, and is about to be ended.
#[inline(never)]
pub(crate) fn taken(vector: u8) {
    let line = LEVEL_LINES[usize::from(vector)].load(Ordering::Relaxed);
    if let Some(gsi) = line.checked_sub(1) {
        mask(u32::from(gsi), true);
    }
}

/// A register of the I/O APIC at machine address `base`.
#[inline(never)]
pub(crate) fn register_of(base: u64, register: u8) -> Option<u32> {
    let found = FOUND.get()?.lock();
    let apic = found.iter().find(|apic| apic.base == base)?;
    Some(apic.read(u32::from(register)))
}

/// Routes the console's line to this CPU; false if there is no such line.
pub(crate) fn route_console(line: acpi::Route) -> bool {
    let to = Route {
        vector: apic::CONSOLE_VECTOR,
        wiring: Wiring {
            level: line.level,
            low: line.low,
        },
        cpu: 0,
    };
    // Its handler empties the device before the interrupt is ended.
    let routed = route(line.gsi, to, false);
    LEVEL_LINES[usize::from(apic::CONSOLE_VECTOR)].store(0, Ordering::Relaxed);
    routed
}

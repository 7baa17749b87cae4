//! A second processor, brought up as processors want it: an INIT, a while, and a message that names the
//! page where it begins. It does one piece of work at a time, and spins in between.

use super::{apic, cpu};
use crate::dev::time;
use core::sync::atomic::{AtomicU64, Ordering};

/// What the second processor can be given to do.
pub(crate) type Work = extern "C" fn(u64) -> u64;

/// The page where it begins, below 1 MiB, where no loader leaves anything.
const PAGE: u64 = 0x70;
/// How long a processor has to come up, in nanoseconds.
const PATIENCE: u64 = 100_000_000;

/// A [`Work`]; 0 when there is none.
static WORK: AtomicU64 = AtomicU64::new(0);
static ARGUMENT: AtomicU64 = AtomicU64::new(0);
static IS_UP: AtomicU64 = AtomicU64::new(0);
/// The root that the first processor has.
static ROOT: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" {
    static native_second: [u8; 0];
    static native_second_end: [u8; 0];
}

/// Copies the code where a processor begins; `seen` gives the address at which a physical one is mapped.
pub(super) fn prepare(seen: impl Fn(u64) -> u64) {
    let (from, end) = (
        &raw const native_second as usize,
        &raw const native_second_end as usize,
    );
    // SAFETY: `head.S` defines both ends; the page is conventional memory, mapped, and in use by nobody.
    unsafe {
        core::ptr::copy_nonoverlapping(from as *const u8, seen(PAGE << 12) as *mut u8, end - from)
    };
}

fn wait_for(nanoseconds: u64, done: impl Fn() -> bool) -> bool {
    let end = time::system_time() + nanoseconds;
    while !done() {
        if time::system_time() > end {
            return false;
        }
        core::hint::spin_loop();
    }
    true
}

fn is_up() -> bool {
    IS_UP.load(Ordering::Acquire) != 0
}

/// Brings the processor with APIC identifier 1 up; false if it does not come.
pub(crate) fn bring_up(root: u64) -> bool {
    if is_up() {
        return true;
    }
    ROOT.store(root, Ordering::Release);
    apic::send_init(apic::SECOND);
    wait_for(10_000_000, || false);
    (0..2).any(|_| {
        apic::send_start(apic::SECOND, PAGE as u8);
        wait_for(PATIENCE, is_up)
    })
}

/// Called by `head.S` on the second processor.
#[unsafe(no_mangle)]
extern "C" fn native_second_main() -> ! {
    cpu::load_root(ROOT.load(Ordering::Acquire));
    cpu::init_second();
    apic::init_second();
    IS_UP.store(1, Ordering::Release);
    loop {
        let work = WORK.load(Ordering::Acquire);
        if work == 0 {
            core::hint::spin_loop();
            continue;
        }
        // SAFETY: `start` stored a `Work` there.
        let work = unsafe { core::mem::transmute::<usize, Work>(work as usize) };
        work(ARGUMENT.load(Ordering::Relaxed));
        WORK.store(0, Ordering::Release);
    }
}

/// Has the second processor, which is up and does nothing, run `work(argument)`.
pub(crate) fn start(work: Work, argument: u64) {
    ARGUMENT.store(argument, Ordering::Relaxed);
    WORK.store(work as usize as u64, Ordering::Release);
}

/// Waits until its work is done; false if that takes too long.
pub(crate) fn finish() -> bool {
    wait_for(PATIENCE, || WORK.load(Ordering::Acquire) == 0)
}

//! The end of the kernel: message, backtrace, shutdown as crashed.

use crate::hypercall;
use crate::log::kprintln;
use crate::mm::{STACKS, VIRT_BASE, paging};
use core::sync::atomic::{AtomicU32, Ordering};
use hypercall_abi::sched::SHUTDOWN_crash;

/// The most frames a backtrace shows.
const MAX_FRAMES: usize = 32;

static PANICS: AtomicU32 = AtomicU32::new(0);

/// Prints the chain of return addresses that starts at a frame pointer. Stops at anything that is
/// not a mapped, aligned address on a kernel stack above the last one.
pub(crate) fn backtrace(mut rbp: u64) {
    kprintln!("backtrace (return addresses):");
    let mut last = 0;
    for _ in 0..MAX_FRAMES {
        let in_kernel = (VIRT_BASE..STACKS.end).contains(&rbp);
        if !in_kernel || rbp <= last || !rbp.is_multiple_of(8) {
            break;
        }
        let root = paging::boot_root();
        if paging::translate(root, rbp).is_none() || paging::translate(root, rbp + 8).is_none() {
            break;
        }
        // SAFETY: the word was just found to be mapped.
        let return_address = unsafe { ((rbp + 8) as *const u64).read_volatile() };
        kprintln!("  {return_address:#x}");
        last = rbp;
        // SAFETY: as above.
        rbp = unsafe { (rbp as *const u64).read_volatile() };
    }
}

fn frame_pointer() -> u64 {
    let rbp: u64;
    // SAFETY: reads a register.
    unsafe { core::arch::asm!("mov {}, rbp", out(reg) rbp, options(nomem, nostack)) };
    rbp
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    // A second panic while the first is being told: say nothing more, just end.
    if PANICS.fetch_add(1, Ordering::Relaxed) == 0 {
        kprintln!("kernel panic: {info}");
        backtrace(frame_pointer());
    }
    let _ = hypercall::shutdown(SHUTDOWN_crash);
    loop {
        hypercall::sched_block();
    }
}

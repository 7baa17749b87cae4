//! Windows in which instructions are counted from outside, as the kernel's benches have them
//! (`bench/window.rs` there says how they are marked), around what a program does.

use crate::println;
use core::arch::asm;
use core::sync::atomic::AtomicU64;

/// Where the window's number is told, by the address of a store.
#[repr(C, align(4096))]
struct Told([AtomicU64; 512]);

static TOLD: Told = Told([const { AtomicU64::new(0) }; 512]);

/// Runs `f` in the window with a number below 256; returns the ticks of the time-stamp counter that went
/// by.
pub fn measure(number: usize, f: impl FnOnce()) -> u64 {
    let told = TOLD.0[..256][number].as_ptr();
    let (low, high): (u32, u32);
    // SAFETY: writes a word that is only there to be written, and reads a counter.
    unsafe {
        asm!(
            ".byte 0x0f, 0x1f, 0x80, 0x50, 0x56, 0x4e, 0x03",
            "mov [{told}], {told}",
            "rdtsc",
            ".byte 0x0f, 0x1f, 0x80, 0x50, 0x56, 0x4e, 0x01",
            told = in(reg) told,
            out("eax") low,
            out("edx") high,
        );
    }
    f();
    let (low_after, high_after): (u32, u32);
    // SAFETY: reads a counter.
    unsafe {
        asm!(
            ".byte 0x0f, 0x1f, 0x80, 0x50, 0x56, 0x4e, 0x02",
            "rdtsc",
            out("eax") low_after,
            out("edx") high_after,
        );
    }
    let at = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    at(low_after, high_after) - at(low, high)
}

/// The same, and prints how long it took: `NAME: window NUMBER took TICKS ticks`.
pub fn tell(name: &str, number: usize, f: impl FnOnce()) {
    let ticks = measure(number, f);
    println!("{name}: window {number} took {ticks} ticks");
}

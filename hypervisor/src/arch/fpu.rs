//! Guests' floating-point state: saved and loaded whole at every switch.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use hypervisor_core::vcpu::FpuArea;

use super::cpu::{self, cr0, cr4};

/// x87, SSE, AVX.
const COMPONENTS: u64 = 0b111;
const CPUID_XSAVE: u32 = 1 << 26;
const CPUID_AVX: u32 = 1 << 28;

/// The components that `xsave` saves; 0 where state is saved by `fxsave`.
static SAVED: AtomicU64 = AtomicU64::new(0);

/// Switches the FPU on for guests and chooses how state is saved; returns the enabled components
/// (XCR0), 0 without `xsave`.
pub(crate) fn init() -> u64 {
    let value = cpu::read_cr0() & !(cr0::EM | cr0::TS) | cr0::MP | cr0::NE;
    // SAFETY: changes how FPU instructions behave, which only this module uses.
    unsafe { cpu::write_cr0(value) };
    let (_, _, features, _) = cpu::cpuid(1, 0);
    if features & CPUID_XSAVE == 0 {
        return 0;
    }
    // SAFETY: the processor has the bit.
    unsafe { cpu::write_cr4(cpu::read_cr4() | cr4::OSXSAVE) };
    let wanted = if features & CPUID_AVX == 0 {
        COMPONENTS & 0b011
    } else {
        COMPONENTS
    };
    let (supported, ..) = cpu::cpuid(0xd, 0);
    let components = wanted & u64::from(supported) | 1;
    write_xcr0(components);
    let (_, size, ..) = cpu::cpuid(0xd, 0);
    assert!(
        size as usize <= size_of::<FpuArea>(),
        "XSAVE area of {size} bytes"
    );
    SAVED.store(components, Ordering::Relaxed);
    components
}

/// Writes XCR0.
#[inline]
fn write_xcr0(components: u64) {
    // SAFETY: `init` chose, or the core admitted, a subset of what the processor supports, with
    // x87 always in it, and AVX only with SSE.
    unsafe {
        asm!("xsetbv", in("ecx") 0, in("eax") components as u32, in("edx") 0, options(nostack, preserves_flags))
    };
}

/// Sets XCR0 for the guest that runs, if there is the register; all components of a guest are
/// saved all the same, for what it switches off it may switch on again.
#[inline]
pub(crate) fn set_components(components: u64) {
    if SAVED.load(Ordering::Relaxed) == 0 {
        return;
    }
    let now: u32;
    // SAFETY: reading has no effect; CR4.OSXSAVE is set.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") now, out("edx") _, options(nomem, nostack, preserves_flags))
    };
    if components != u64::from(now) {
        write_xcr0(components);
    }
}

/// Saves the FPU's state.
#[inline]
pub(crate) fn save(area: &mut FpuArea) {
    cpu::clts();
    let at = area.0.as_mut_ptr();
    let saved = SAVED.load(Ordering::Relaxed);
    if saved != 0 {
        set_components(saved);
        // SAFETY: the area is large enough (`init`) and aligned to 64 bytes by its type.
        unsafe {
            asm!("xsave64 [{}]", in(reg) at, in("eax") COMPONENTS as u32, in("edx") 0, options(nostack, preserves_flags))
        };
    } else {
        // SAFETY: 512 bytes, aligned to 16.
        unsafe { asm!("fxsave64 [{}]", in(reg) at, options(nostack, preserves_flags)) };
    }
}

/// Loads the FPU's state; an image that the processor refuses (reserved bits set by a toolstack)
/// leaves the initial state.
#[inline]
pub(crate) fn load(area: &FpuArea) {
    cpu::clts();
    let failed: u32;
    let at = area.0.as_ptr();
    let saved = SAVED.load(Ordering::Relaxed);
    if saved != 0 {
        set_components(saved);
        // SAFETY: as for `save`; the fixup (entry.rs) makes a refused image an answer.
        unsafe {
            asm!(
                "xor {f:e}, {f:e}", "770: xrstor64 [{at}]", "771:",
                ".pushsection .fixup, \"ax\"", "772: mov {f:e}, 1", "jmp 771b", ".popsection",
                ".pushsection .ex_table, \"a\"", ".long 770b - .", ".long 772b - .", ".popsection",
                at = in(reg) at, f = out(reg) failed, in("eax") COMPONENTS as u32, in("edx") 0, options(nostack)
            );
        }
    } else {
        // SAFETY: as above.
        unsafe {
            asm!(
                "xor {f:e}, {f:e}", "770: fxrstor64 [{at}]", "771:",
                ".pushsection .fixup, \"ax\"", "772: mov {f:e}, 1", "jmp 771b", ".popsection",
                ".pushsection .ex_table, \"a\"", ".long 770b - .", ".long 772b - .", ".popsection",
                at = in(reg) at, f = out(reg) failed, options(nostack)
            );
        }
    }
    if failed != 0 {
        load(&FpuArea::initial());
    }
}

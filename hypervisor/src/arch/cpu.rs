//! Single instructions as functions. Each is `unsafe` only where executing it can break memory
//! safety; the caller's argument is at the call.

use core::arch::asm;

/// CR0: write protection, task switched.
pub(crate) mod cr0 {
    pub(crate) const MP: u64 = 1 << 1;
    pub(crate) const EM: u64 = 1 << 2;
    pub(crate) const TS: u64 = 1 << 3;
    pub(crate) const NE: u64 = 1 << 5;
    pub(crate) const WP: u64 = 1 << 16;
}

/// CR4 bits.
pub(crate) mod cr4 {
    pub(crate) const PAE: u64 = 1 << 5;
    pub(crate) const MCE: u64 = 1 << 6;
    pub(crate) const OSFXSR: u64 = 1 << 9;
    pub(crate) const OSXMMEXCPT: u64 = 1 << 10;
    pub(crate) const UMIP: u64 = 1 << 11;
    pub(crate) const FSGSBASE: u64 = 1 << 16;
    pub(crate) const OSXSAVE: u64 = 1 << 18;
    pub(crate) const SMEP: u64 = 1 << 20;
    pub(crate) const SMAP: u64 = 1 << 21;
}

/// Model-specific registers.
pub(crate) mod msr {
    pub(crate) const APIC_BASE: u32 = 0x1b;
    pub(crate) const TSC_DEADLINE: u32 = 0x6e0;
    pub(crate) const EFER: u32 = 0xc000_0080;
    pub(crate) const STAR: u32 = 0xc000_0081;
    pub(crate) const LSTAR: u32 = 0xc000_0082;
    pub(crate) const CSTAR: u32 = 0xc000_0083;
    pub(crate) const SFMASK: u32 = 0xc000_0084;
    pub(crate) const FS_BASE: u32 = 0xc000_0100;
    pub(crate) const GS_BASE: u32 = 0xc000_0101;
    pub(crate) const KERNEL_GS_BASE: u32 = 0xc000_0102;
    pub(crate) const TSC_AUX: u32 = 0xc000_0103;
    /// EFER: `syscall` enabled.
    pub(crate) const EFER_SCE: u64 = 1;
}

/// CPUID: (eax, ebx, ecx, edx).
#[inline]
pub(crate) fn cpuid(leaf: u32, subleaf: u32) -> (u32, u32, u32, u32) {
    let r = core::arch::x86_64::__cpuid_count(leaf, subleaf);
    (r.eax, r.ebx, r.ecx, r.edx)
}

/// The time-stamp counter.
#[inline]
pub(crate) fn rdtsc() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reads a counter; CR4.TSD, a guest's, does not concern ring 0.
    unsafe {
        asm!("rdtsc", out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags))
    };
    u64::from(high) << 32 | u64::from(low)
}

/// The time-stamp counter, read after all that comes before is done, and before what comes behind.
pub(crate) fn rdtsc_in_order() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: as for `rdtsc`; fences have no effect of their own.
    unsafe {
        asm!("mfence", "lfence", "rdtsc", "lfence", out("eax") low, out("edx") high, options(nostack, preserves_flags))
    };
    u64::from(high) << 32 | u64::from(low)
}

/// Reads a model-specific register that exists.
#[inline]
pub(crate) fn rdmsr(register: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reading a register that exists has no effect on memory; one that does not exist
    // faults, which is a panic, not undefined behaviour.
    unsafe {
        asm!("rdmsr", in("ecx") register, out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags))
    };
    u64::from(high) << 32 | u64::from(low)
}

/// Writes a model-specific register.
///
/// # Safety
/// The register exists and the value keeps the hypervisor's own state (bases, entry points) valid.
#[inline]
pub(crate) unsafe fn wrmsr(register: u32, value: u64) {
    // SAFETY: the caller's.
    unsafe {
        asm!("wrmsr", in("ecx") register, in("eax") value as u32, in("edx") (value >> 32) as u32, options(nostack, preserves_flags))
    };
}

macro_rules! control_register {
    ($name:literal, $read:ident, $write:ident) => {
        /// Reads the register.
        #[inline]
        pub(crate) fn $read() -> u64 {
            let value: u64;
            // SAFETY: reading has no effect.
            unsafe { asm!(concat!("mov {}, ", $name), out(reg) value, options(nomem, nostack, preserves_flags)) };
            value
        }
        /// Writes the register.
        ///
        /// # Safety
        /// The value keeps the hypervisor mapped and protected as Rust relies on it.
        #[inline]
        pub(crate) unsafe fn $write(value: u64) {
            // SAFETY: the caller's.
            unsafe { asm!(concat!("mov ", $name, ", {}"), in(reg) value, options(nostack, preserves_flags)) };
        }
    };
}

control_register!("cr0", read_cr0, write_cr0);
control_register!("cr3", read_cr3, write_cr3);
control_register!("cr4", read_cr4, write_cr4);

/// Clears CR0.TS.
#[inline]
pub(crate) fn clts() {
    // SAFETY: the hypervisor does not use the FPU but in `fpu`; the bit only gates FPU use.
    unsafe { asm!("clts", options(nomem, nostack, preserves_flags)) };
}

/// Writes back and empties this CPU's caches.
pub(crate) fn wbinvd() {
    // SAFETY: no effect on what memory holds.
    unsafe { asm!("wbinvd", options(nostack, preserves_flags)) };
}

/// Invalidates the translation of `va`.
#[inline]
pub(crate) fn invlpg(va: u64) {
    // SAFETY: forgetting a cached translation is always allowed.
    unsafe { asm!("invlpg [{}]", in(reg) va, options(nostack, preserves_flags)) };
}

/// Reads debug register `index` (0-3, 6, 7).
pub(crate) fn read_dr(index: usize) -> u64 {
    let value: u64;
    macro_rules! read {
        ($name:literal) => {
            // SAFETY: reading has no effect; 4 and 5, which CR4.DE decides on, are never named.
            unsafe { asm!(concat!("mov {}, ", $name), out(reg) value, options(nomem, nostack, preserves_flags)) }
        };
    }
    match index {
        0 => read!("dr0"),
        1 => read!("dr1"),
        2 => read!("dr2"),
        3 => read!("dr3"),
        6 => read!("dr6"),
        _ => read!("dr7"),
    }
    value
}

/// Writes debug register `index` (0-3, 6, 7). The core checked the value: no breakpoint in the
/// hypervisor's range. Bits that would fault here or later (the upper half of 6 and 7, "general
/// detect") are dropped in any case.
pub(crate) fn write_dr(index: usize, mut value: u64) {
    if index >= 6 {
        value &= 0xffff_dfff;
    }
    macro_rules! write {
        ($name:literal) => {
            // SAFETY: a debug exception in ring 0 is survived (entry.S), so no value can do harm.
            unsafe { asm!(concat!("mov ", $name, ", {}"), in(reg) value, options(nomem, nostack, preserves_flags)) }
        };
    }
    match index {
        0 => write!("dr0"),
        1 => write!("dr1"),
        2 => write!("dr2"),
        3 => write!("dr3"),
        6 => write!("dr6"),
        _ => write!("dr7"),
    }
}

/// Reads a byte from an I/O port.
#[inline]
pub(crate) fn inb(port: u16) -> u8 {
    let value: u8;
    // SAFETY: no port that the hypervisor reads makes a device write to memory.
    unsafe {
        asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags))
    };
    value
}

/// Reads two bytes from an I/O port.
#[inline]
pub(crate) fn inw(port: u16) -> u16 {
    let value: u16;
    // SAFETY: as for `inb`.
    unsafe {
        asm!("in ax, dx", in("dx") port, out("ax") value, options(nomem, nostack, preserves_flags))
    };
    value
}

/// Reads four bytes from an I/O port.
#[inline]
pub(crate) fn inl(port: u16) -> u32 {
    let value: u32;
    // SAFETY: as for `inb`.
    unsafe {
        asm!("in eax, dx", in("dx") port, out("eax") value, options(nomem, nostack, preserves_flags))
    };
    value
}

/// Writes a byte to an I/O port.
///
/// # Safety
/// The device behind the port does not write to memory because of it, or only to memory that is
/// not the hypervisor's.
#[inline]
pub(crate) unsafe fn outb(port: u16, value: u8) {
    // SAFETY: the caller's.
    unsafe {
        asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags))
    };
}

/// Writes two bytes to an I/O port.
///
/// # Safety
/// As for [`outb`].
#[inline]
pub(crate) unsafe fn outw(port: u16, value: u16) {
    // SAFETY: the caller's.
    unsafe {
        asm!("out dx, ax", in("dx") port, in("ax") value, options(nomem, nostack, preserves_flags))
    };
}

/// Writes four bytes to an I/O port.
///
/// # Safety
/// As for [`outb`].
#[inline]
pub(crate) unsafe fn outl(port: u16, value: u32) {
    // SAFETY: the caller's.
    unsafe {
        asm!("out dx, eax", in("dx") port, in("eax") value, options(nomem, nostack, preserves_flags))
    };
}

/// Stops this CPU for good.
pub(crate) fn halt_forever() -> ! {
    loop {
        // SAFETY: with interrupts off nothing but an NMI ends the instruction; the loop goes on.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}

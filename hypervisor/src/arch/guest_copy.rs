//! Access to guest memory, MSRs and selectors that may fault: the exception table tells where the
//! code goes on that met a fault.

use core::arch::{asm, global_asm};

use hypervisor_core::platform::{CopyFault, Refused};

/// A row of the exception table: both relative to their own place.
#[repr(C)]
struct Row {
    fault: i32,
    resume: i32,
}

/// A place to patch: relative address, and the three bytes for processors with SMAP.
#[repr(C)]
pub(crate) struct SmapSite {
    /// Relative to the field's own address.
    pub(crate) site: i32,
    /// The instruction, in the low three bytes.
    pub(crate) bytes: u32,
}

unsafe extern "C" {
    static __extable_start: Row;
    static __extable_end: Row;
}

/// Where to go on after a fault of the instruction at `rip`; `None` if it must not fault.
pub(crate) fn fixup(rip: u64) -> Option<u64> {
    let mut row = &raw const __extable_start;
    let end = &raw const __extable_end;
    while row < end {
        let fault = (&raw const row_ref(row).fault) as u64;
        let (at, to) = (row_ref(row).fault, row_ref(row).resume);
        if fault.wrapping_add_signed(i64::from(at)) == rip {
            return Some((fault + 4).wrapping_add_signed(i64::from(to)));
        }
        row = row.wrapping_add(1);
    }
    None
}

fn row_ref(row: *const Row) -> &'static Row {
    // SAFETY: only called for rows between the table's bounds, which the linker script sets.
    unsafe { &*row }
}

global_asm!(
    // Copies rcx bytes from (rsi) to (rdi); gives the number of bytes not copied. One of the two is
    // guest memory. A fault in the word loop is met again by the byte loop, at the exact byte.
    ".section .text.entry, \"ax\"",
    ".balign 16",
    "copy_faultable:",
    "700: .byte 0x0f, 0x1f, 0x00",
    "    movq %rdx, %rcx",
    "    shrq $3, %rcx",
    "    andl $7, %edx",
    "701: rep movsq",
    "    movl %edx, %ecx",
    "702: rep movsb",
    "703: .byte 0x0f, 0x1f, 0x00",
    "    movq %rcx, %rax",
    "    retq",
    ".section .fixup, \"ax\"",
    "704: leaq (%rdx,%rcx,8), %rcx",
    "    jmp 702b",
    ".section .ex_table, \"a\"",
    ".long 701b - ., 704b - .",
    ".long 702b - ., 703b - .",
    ".section .smap_sites, \"a\"",
    ".long 700b - ., 0x00cb010f",
    ".long 703b - ., 0x00ca010f",
    ".text",
    options(att_syntax)
);

unsafe extern "C" {
    /// `dst`, `src`, length; gives the number of bytes not copied.
    fn copy_faultable(dst: *mut u8, src: *const u8, len: u64) -> u64;
}

/// One or more instructions that load or store guest memory, between `stac` and `clac` where the
/// processor has SMAP; whether none of them faulted. Behind one that does the others are left out.
macro_rules! access {
    ([$($instruction:expr),+], $($operand:tt)*) => {{
        let failed: u32;
        asm!(
            "xor {f:e}, {f:e}",
            "770: .byte 0x0f, 0x1f, 0x00",
            $(concat!("771: ", $instruction),
            ".pushsection .ex_table, \"a\"", ".long 771b - ., 772f - .", ".popsection",)+
            "773: .byte 0x0f, 0x1f, 0x00",
            ".pushsection .fixup, \"ax\"", "772: mov {f:e}, 1", "jmp 773b", ".popsection",
            ".pushsection .smap_sites, \"a\"", ".long 770b - ., 0x00cb010f", ".long 773b - ., 0x00ca010f", ".popsection",
            f = out(reg) failed, $($operand)*, options(nostack)
        );
        failed == 0
    }};
}

/// Whole words of at most this many bytes are copied in line.
const SHORT: usize = 128;

/// Copies `words` words, one side being guest memory.
///
/// # Safety
/// The other side is valid for that; the guest's side is outside the hypervisor's range.
#[inline(always)]
unsafe fn copy_words(dst: u64, src: u64, words: usize) -> Result<(), (u64, u64)> {
    let (to, from): (u64, u64);
    // SAFETY: the caller's; after a fault both addresses are at the word that faulted.
    let done = unsafe {
        access!(
            ["rep movsq"],
            inout("rdi") dst => to, inout("rsi") src => from, inout("rcx") words => _
        )
    };
    if done { Ok(()) } else { Err((to, from)) }
}

/// Copies from guest memory at `va` into `buf`.
///
/// # Safety
/// `va..va + buf.len()` is outside the hypervisor's range.
#[inline]
pub(crate) unsafe fn copy_from(va: u64, buf: &mut [u8]) -> Result<(), CopyFault> {
    if let Ok(word) = <&mut [u8; 8]>::try_from(&mut *buf) {
        // SAFETY: the caller's.
        *word = unsafe { read_u64(va)? }.to_ne_bytes();
        return Ok(());
    }
    if let Ok(half) = <&mut [u8; 4]>::try_from(&mut *buf) {
        // SAFETY: the caller's.
        *half = unsafe { read_u32(va)? }.to_ne_bytes();
        return Ok(());
    }
    if buf.len().is_multiple_of(8) && buf.len() <= SHORT {
        // SAFETY: the target is a live buffer, the source the caller's.
        let copied = unsafe { copy_words(buf.as_mut_ptr() as u64, va, buf.len() / 8) };
        return copied.map_err(|(_, at)| first_fault(at, 8));
    }
    // SAFETY: the target is a live buffer; reading the caller's range can only fault, which is met.
    let left = unsafe { copy_faultable(buf.as_mut_ptr(), va as *const u8, buf.len() as u64) };
    result(va, buf.len(), left)
}

/// Copies `bytes` to guest memory at `va`.
///
/// # Safety
/// As for [`copy_from`].
#[inline]
pub(crate) unsafe fn copy_to(va: u64, bytes: &[u8]) -> Result<(), CopyFault> {
    if let Ok(word) = <[u8; 8]>::try_from(bytes) {
        // SAFETY: the caller's.
        return unsafe { write_u64(va, u64::from_ne_bytes(word)) };
    }
    if bytes.len().is_multiple_of(8) && bytes.len() <= SHORT {
        // SAFETY: the source is a live buffer, the target the caller's.
        let copied = unsafe { copy_words(va, bytes.as_ptr() as u64, bytes.len() / 8) };
        return copied.map_err(|(at, _)| first_fault(at, 8));
    }
    // SAFETY: guest memory holds no Rust object; a fault is met.
    let left = unsafe { copy_faultable(va as *mut u8, bytes.as_ptr(), bytes.len() as u64) };
    result(va, bytes.len(), left)
}

#[inline]
fn result(va: u64, len: usize, left: u64) -> Result<(), CopyFault> {
    if left == 0 {
        Ok(())
    } else {
        Err(CopyFault(va + (len as u64 - left)))
    }
}

/// One 4-byte load from guest memory.
///
/// # Safety
/// As for [`copy_from`].
#[inline(always)]
unsafe fn read_u32(va: u64) -> Result<u32, CopyFault> {
    let value: u32;
    // SAFETY: loads outside the hypervisor's range; a fault is told.
    let done = unsafe { access!(["mov {v:e}, [{at}]"], at = in(reg) va, v = out(reg) value) };
    if done {
        Ok(value)
    } else {
        Err(first_fault(va, 4))
    }
}

/// One 4-byte load from guest memory; `otherwise` if it faults.
///
/// # Safety
/// As for [`copy_from`].
#[inline(always)]
pub(crate) unsafe fn read_u32_or(va: u64, otherwise: u32) -> u64 {
    let value: u64;
    // SAFETY: loads outside the hypervisor's range; a fault leaves the register as it is.
    unsafe {
        asm!(
            "770: .byte 0x0f, 0x1f, 0x00",
            "771: mov {v:e}, [{at}]",
            "773: .byte 0x0f, 0x1f, 0x00",
            ".pushsection .ex_table, \"a\"", ".long 771b - ., 773b - .", ".popsection",
            ".pushsection .smap_sites, \"a\"", ".long 770b - ., 0x00cb010f", ".long 773b - ., 0x00ca010f", ".popsection",
            at = in(reg) va, v = inout(reg) u64::from(otherwise) => value, options(nostack)
        );
    }
    value
}

/// One 8-byte load from guest memory.
///
/// # Safety
/// As for [`copy_from`].
#[inline]
pub(crate) unsafe fn read_u64(va: u64) -> Result<u64, CopyFault> {
    let value: u64;
    // SAFETY: loads outside the hypervisor's range; a fault is told.
    let done = unsafe { access!(["mov {v}, [{at}]"], at = in(reg) va, v = out(reg) value) };
    if done {
        Ok(value)
    } else {
        Err(first_fault(va, 8))
    }
}

/// One 8-byte store to guest memory.
///
/// # Safety
/// As for [`copy_from`].
#[inline]
pub(crate) unsafe fn write_u64(va: u64, value: u64) -> Result<(), CopyFault> {
    // SAFETY: stores outside the hypervisor's range; a fault is told.
    let done = unsafe { access!(["mov [{at}], {v}"], at = in(reg) va, v = in(reg) value) };
    if done {
        Ok(())
    } else {
        Err(first_fault(va, 8))
    }
}

/// Defines loads of several words, each with its offset.
macro_rules! read_words {
    ($($(#[$doc:meta])* $name:ident: $count:literal, $($word:ident $offset:literal),+;)*) => { $(
        $(#[$doc])*
        ///
        /// # Safety
        /// As for [`copy_from`].
        #[inline(always)]
        pub(crate) unsafe fn $name(va: u64) -> Result<[u64; $count], CopyFault> {
            $(let $word: u64;)+
            // SAFETY: loads outside the hypervisor's range; a fault is told.
            let done = unsafe {
                access!(
                    [$(concat!("mov {", stringify!($word), "}, [{at} + ", $offset, "]")),+],
                    at = in(reg) va, $($word = out(reg) $word),+
                )
            };
            if done {
                Ok([$($word),+])
            } else {
                Err(first_fault(va, $count * 8))
            }
        }
    )* };
}

read_words! {
    /// Loads two words, each once.
    read_two: 2, w0 0, w1 8;
    /// Loads three words, each once.
    read_three: 3, w0 0, w1 8, w2 16;
    /// Loads five words, each once.
    read_five: 5, w0 0, w1 8, w2 16, w3 24, w4 32;
    /// Loads a `multicall_entry`'s number, its first four arguments, and its last, which is not used
    /// but has to be there.
    read_entry: 6, w0 0, w1 16, w2 24, w3 32, w4 40, w5 56;
    /// Loads the nine words of a frame for `iret`, each once.
    read_frame: 9, w0 0, w1 8, w2 16, w3 24, w4 32, w5 40, w6 48, w7 56, w8 64;
}

/// Defines stores of several words, each with its offset. They leave by a jump if one faults, and
/// need no register to tell it.
macro_rules! write_words {
    ($($(#[$doc:meta])* $name:ident: $count:literal, $($word:ident $offset:literal),+;)*) => { $(
        $(#[$doc])*
        ///
        /// # Safety
        /// As for [`copy_from`].
        #[inline(always)]
        pub(crate) unsafe fn $name(va: u64, words: [u64; $count]) -> Result<(), CopyFault> {
            let [$($word),+] = words;
            // SAFETY: stores outside the hypervisor's range; a fault goes on at 772, then behind.
            unsafe {
                asm!(
                    "770: .byte 0x0f, 0x1f, 0x00",
                    $(concat!("771: mov [{at} + ", $offset, "], {", stringify!($word), "}"),
                    ".pushsection .ex_table, \"a\"", ".long 771b - ., 772f - .", ".popsection",)+
                    "773: .byte 0x0f, 0x1f, 0x00",
                    ".pushsection .fixup, \"ax\"", "772: .byte 0x0f, 0x1f, 0x00", "jmp {fault}", ".popsection",
                    ".pushsection .smap_sites, \"a\"", ".long 770b - ., 0x00cb010f", ".long 772b - ., 0x00ca010f",
                    ".long 773b - ., 0x00ca010f", ".popsection",
                    at = in(reg) va, $($word = in(reg) $word,)+
                    fault = label { return Err(first_fault(va, $count * 8)) }, options(nostack)
                );
            }
            Ok(())
        }
    )* };
}

write_words! {
    /// Stores two words.
    write_two: 2, w0 0, w1 8;
    /// Stores the seven words of a handler's frame.
    write_frame: 7, w0 0, w1 8, w2 16, w3 24, w4 32, w5 40, w6 48;
    /// Stores the eight words of a handler's frame with an error code.
    write_error_frame: 8, w0 0, w1 8, w2 16, w3 24, w4 32, w5 40, w6 48, w7 56;
}

/// The first byte of the `len` bytes at `va` that faulted: the page that CR2 names.
#[cold]
fn first_fault(va: u64, len: u64) -> CopyFault {
    let cr2: u64;
    // SAFETY: reading has no effect.
    unsafe { asm!("mov {}, cr2", out(reg) cr2, options(nomem, nostack, preserves_flags)) };
    // A word or frame across two pages may have failed in the second; a #GP leaves an older CR2.
    CopyFault(if cr2.wrapping_sub(va) < len { cr2 } else { va })
}

/// Reads a model-specific register that may not exist.
pub(crate) fn rdmsr(register: u32) -> Result<u64, Refused> {
    let (low, high, failed): (u32, u32, u32);
    // SAFETY: reading a register has no effect on memory; a fault goes on at 772.
    unsafe {
        asm!(
            "xor {f:e}, {f:e}", "770: rdmsr", "771:",
            ".pushsection .fixup, \"ax\"", "772: mov {f:e}, 1", "xor eax, eax", "xor edx, edx", "jmp 771b", ".popsection",
            ".pushsection .ex_table, \"a\"", ".long 770b - ., 772b - .", ".popsection",
            in("ecx") register, out("eax") low, out("edx") high, f = out(reg) failed, options(nostack)
        );
    }
    if failed == 0 {
        Ok(u64::from(high) << 32 | u64::from(low))
    } else {
        Err(Refused)
    }
}

macro_rules! load_selector {
    ($name:ident, $register:literal, $before:literal, $after:literal) => {
        /// Loads a data selector; null, and `Refused`, if it faults.
        pub(crate) fn $name(selector: u16) -> Result<(), Refused> {
            let failed: u32;
            // SAFETY: ring 0 uses none of the segment's contents in 64-bit mode; a fault goes on at
            // 772 with the null selector, which never faults.
            unsafe {
                asm!(
                    "xor {f:e}, {f:e}", $before,
                    concat!("770: mov ", $register, ", {s:e}"),
                    concat!("771: ", $after),
                    ".pushsection .fixup, \"ax\"", "772: xor {f:e}, {f:e}",
                    concat!("mov ", $register, ", {f:e}"), "mov {f:e}, 1", "jmp 771b", ".popsection",
                    ".pushsection .ex_table, \"a\"", ".long 770b - ., 772b - .", ".popsection",
                    s = in(reg) u32::from(selector), f = out(reg) failed, options(nostack)
                );
            }
            if failed == 0 { Ok(()) } else { Err(Refused) }
        }
    };
}

load_selector!(load_ds, "ds", "", "");
load_selector!(load_es, "es", "", "");
load_selector!(load_fs, "fs", "", "");
// The guest's GS base is behind `swapgs`; loading the selector changes the base in force.
load_selector!(load_gs, "gs", "swapgs", "swapgs");

macro_rules! store_selector {
    ($name:ident, $register:literal) => {
        /// The selector in the register.
        pub(crate) fn $name() -> u16 {
            let selector: u32;
            // SAFETY: reading has no effect.
            unsafe { asm!(concat!("mov {:e}, ", $register), out(reg) selector, options(nomem, nostack, preserves_flags)) };
            selector as u16
        }
    };
}

store_selector!(ds, "ds");
store_selector!(es, "es");
store_selector!(fs, "fs");
store_selector!(gs, "gs");

/// Copies bytes between memory that Rust owns and frames of the direct map.
///
/// # Safety
/// Both ranges are mapped or faulting is right; the target is no Rust object but the caller's own.
pub(crate) unsafe fn copy_bytes(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: the caller's.
    unsafe {
        asm!(
            "mov {n}, rcx", "shr rcx, 3", "and {n:e}, 7", "rep movsq", "mov ecx, {n:e}", "rep movsb",
            n = out(reg) _, inout("rdi") dst => _, inout("rsi") src => _, inout("rcx") len => _, options(nostack)
        );
    }
}

//! Frames as the hypervisor sees them: through the direct map, where none of its own are.

use core::arch::asm;

use hypervisor_core::addr::{ENTRIES, Mfn};

use crate::arch::guest_copy;
use crate::layout::{DIRECT_MAP, PAGE};
use crate::own;

/// Where a byte of a frame is seen. The hypervisor's own frames are not mapped there: an access to
/// one is a page fault in ring 0, whoever asked for it.
#[inline(always)]
pub(super) fn at<T>(mfn: Mfn, offset: usize) -> *mut T {
    debug_assert!(offset + size_of::<T>() <= PAGE as usize);
    let inside = offset as u64 & (PAGE - 1) & !(size_of::<T>() as u64 - 1);
    (DIRECT_MAP + (mfn.addr() | inside)) as *mut T
}

/// Loads what lies at an offset.
#[inline(always)]
pub(super) fn load<T: Copy>(mfn: Mfn, offset: usize) -> T {
    let at = at::<T>(mfn, offset);
    // SAFETY: in the direct map, aligned; frames of the hypervisor are not there. Volatile: guests
    // write to it as they like.
    unsafe { at.read_volatile() }
}

/// Stores at an offset.
#[inline(always)]
pub(super) fn store<T: Copy>(mfn: Mfn, offset: usize, value: T) {
    let at = at::<T>(mfn, offset);
    // SAFETY: as in `load`; no Rust object lies in a frame that is not the hypervisor's.
    unsafe { at.write_volatile(value) };
}

/// Compare and exchange of an aligned word; `Err` gives what was found.
#[inline(always)]
pub(super) fn exchange(mfn: Mfn, offset: usize, old: u64, new: u64) -> Result<(), u64> {
    let at = at::<u64>(mfn, offset);
    let found: u64;
    // SAFETY: as in `store`.
    unsafe {
        asm!("lock cmpxchg [{at}], {new}", at = in(reg) at, new = in(reg) new, inout("rax") old => found, options(nostack))
    };
    if found == old { Ok(()) } else { Err(found) }
}

/// The same for a word of 32 bits.
#[inline(always)]
pub(super) fn exchange_u32(mfn: Mfn, offset: usize, old: u32, new: u32) -> Result<(), u32> {
    let at = at::<u32>(mfn, offset);
    let found: u32;
    // SAFETY: as in `store`.
    unsafe {
        asm!("lock cmpxchg dword ptr [{at}], {new:e}", at = in(reg) at, new = in(reg) new, inout("eax") old => found, options(nostack))
    };
    if found == old { Ok(()) } else { Err(found) }
}

/// Replaces an aligned word by what `change` makes of it; returns the old value.
#[inline(always)]
pub(super) fn modify(mfn: Mfn, offset: usize, change: impl Fn(u64) -> u64) -> u64 {
    let mut old = load(mfn, offset);
    while let Err(found) = exchange(mfn, offset, old, change(old)) {
        old = found;
    }
    old
}

/// Clears bits of an aligned word of 32 bits.
#[inline(always)]
pub(super) fn clear_u32(mfn: Mfn, offset: usize, bits: u32) {
    let at = at::<u32>(mfn, offset);
    // SAFETY: as in `store`.
    unsafe {
        asm!("lock and dword ptr [{at}], {keep:e}", at = in(reg) at, keep = in(reg) !bits, options(nostack))
    };
}

/// A bit of a frame, counted from the start of machine memory.
#[inline(always)]
const fn machine_bit(mfn: Mfn, bit: usize) -> u64 {
    mfn.addr() << 3 | (bit as u64 & (8 * PAGE - 1))
}

/// Sets a bit of a frame; whether it was set.
#[inline(always)]
pub(super) fn set_bit(mfn: Mfn, bit: usize) -> bool {
    let bit = machine_bit(mfn, bit);
    // SAFETY: as in `store`: a bit of the direct map, counted from its start.
    unsafe {
        asm!("lock bts qword ptr [{map}], {bit}", "jc {was_set}",
            map = in(reg) DIRECT_MAP, bit = in(reg) bit, was_set = label { return true }, options(nostack))
    };
    false
}

/// Whether a bit of a frame is set.
#[inline(always)]
pub(super) fn has_bit(mfn: Mfn, bit: usize) -> bool {
    let bit = machine_bit(mfn, bit);
    // SAFETY: as in `load`: a bit of the direct map, counted from its start.
    unsafe {
        asm!("bt qword ptr [{map}], {bit}", "jc {is_set}",
            map = in(reg) DIRECT_MAP, bit = in(reg) bit, is_set = label { return true }, options(nostack, readonly))
    };
    false
}

/// Clears a bit of a frame; whether it was set.
#[inline(always)]
pub(super) fn clear_bit(mfn: Mfn, bit: usize) -> bool {
    let bit = machine_bit(mfn, bit);
    // SAFETY: as in `set_bit`.
    unsafe {
        asm!("lock btr qword ptr [{map}], {bit}", "jc {was_set}",
            map = in(reg) DIRECT_MAP, bit = in(reg) bit, was_set = label { return true }, options(nostack))
    };
    false
}

/// Whether none of the eight entries from `index` (a multiple of 8 below 512) on is present.
#[inline(always)]
fn eight_absent(table: Mfn, index: usize) -> bool {
    debug_assert!(index.is_multiple_of(8) && index < ENTRIES);
    // No mask: callers go through a table's groups in a loop with constant bounds.
    let first = at::<u64>(table, 0).wrapping_add(index);
    let any: u64;
    // SAFETY: eight aligned words of one frame of the direct map, for `index` is as said, and no
    // guest decides on it; a plain load of each.
    unsafe {
        asm!(
            "mov {any}, [{at}]", "or {any}, [{at} + 8]", "or {any}, [{at} + 16]", "or {any}, [{at} + 24]",
            "or {any}, [{at} + 32]", "or {any}, [{at} + 40]", "or {any}, [{at} + 48]", "or {any}, [{at} + 56]",
            at = in(reg) first, any = out(reg) any, options(nostack, readonly)
        );
    }
    any & 1 == 0
}

/// The first group of eight entries from `index` (a multiple of 8) on of which one is present.
#[inline]
pub(super) fn absent_from(table: Mfn, index: usize) -> usize {
    let mut to = index.min(ENTRIES);
    while to < ENTRIES && eight_absent(table, to) {
        to += 8;
    }
    to
}

/// The same downwards: the end of that group.
#[inline]
pub(super) fn absent_before(table: Mfn, end: usize) -> usize {
    let mut groups = end.min(ENTRIES) / 8;
    while groups > 0 && eight_absent(table, (groups - 1) * 8) {
        groups -= 1;
    }
    groups * 8
}

/// Makes a frame all zeroes.
pub(super) fn zero(mfn: Mfn) {
    let at = at::<u64>(mfn, 0);
    // SAFETY: one frame of the direct map; no Rust object lies in it.
    unsafe {
        asm!("rep stosq", inout("rdi") at => _, inout("rcx") 512_u64 => _, in("rax") 0_u64, options(nostack, preserves_flags))
    };
}

/// Copies `len` bytes between two frames.
#[inline(always)]
pub(super) fn copy_part(dst: (Mfn, usize), src: (Mfn, usize), len: usize) {
    assert!(dst.1.max(src.1) <= PAGE as usize && len <= PAGE as usize - dst.1.max(src.1));
    let to = at::<u8>(dst.0, 0).wrapping_add(dst.1);
    let from = at::<u8>(src.0, 0).wrapping_add(src.1);
    // SAFETY: inside two frames of the direct map, where no Rust object lies.
    unsafe { guest_copy::copy_bytes(to, from, len) };
}

/// Copies bytes out of a frame.
pub(super) fn read(mfn: Mfn, offset: usize, buf: &mut [u8]) {
    assert!(offset <= PAGE as usize && buf.len() <= PAGE as usize - offset);
    let from = at::<u8>(mfn, 0).wrapping_add(offset);
    // SAFETY: inside one frame of the direct map, into a live buffer; guests may write to the
    // frame meanwhile, which the bytewise copy in assembly allows.
    unsafe { guest_copy::copy_bytes(buf.as_mut_ptr(), from, buf.len()) };
}

/// Copies bytes into a frame.
pub(super) fn write(mfn: Mfn, offset: usize, bytes: &[u8]) {
    assert!(offset <= PAGE as usize && bytes.len() <= PAGE as usize - offset);
    let to = at::<u8>(mfn, 0).wrapping_add(offset);
    // SAFETY: inside one frame of the direct map, where no Rust object lies.
    unsafe { guest_copy::copy_bytes(to, bytes.as_ptr(), bytes.len()) };
}

/// Entry `index` of the table at a machine address, the hypervisor's own tables included.
pub(crate) fn read_table(table: u64, index: u64) -> Option<u64> {
    let at = own::address_of(table)? + (index & 511) * 8;
    // SAFETY: a load of hypervisor or guest memory has no effect; holes between pieces of memory
    // fault, which is met.
    unsafe { guest_copy::read_u64(at) }.ok()
}

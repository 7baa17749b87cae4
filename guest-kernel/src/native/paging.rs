//! Page tables changed by the kernel itself.

use super::cpu;
use crate::hypercall::HvResult;
use crate::mm::paging::{Table, find_l1, index};
use crate::mm::{PAGE_SIZE, Pfn};
use guest_user::abi::Errno;
use hypercall_abi::xen::*;

/// Changes the entry that maps an address in the active space.
pub(crate) fn update_va_mapping(va: u64, entry: u64, flags: u64) -> HvResult {
    let root = Table(Pfn(cpu::root() / PAGE_SIZE));
    let l1 = find_l1(root, va).ok_or(Errno::EFAULT)?;
    let slot = (l1.0.va() as *mut u64).wrapping_add(index(va, 1));
    // SAFETY: the slot lies in a table, which the direct map has; what the entry does to the mapping is
    // the matter of the wrapper's caller.
    unsafe { slot.write_volatile(entry) };
    if flags != UVMF_NONE {
        cpu::flush_page(va);
    }
    Ok(0)
}

/// What the processor does for an extended operation: tables are neither pinned nor unpinned.
pub(crate) fn mmuext(op: &mmuext_op) {
    match op.cmd {
        MMUEXT_NEW_BASEPTR => cpu::load_root(op.arg1 << 12),
        MMUEXT_TLB_FLUSH_LOCAL => cpu::flush(),
        MMUEXT_INVLPG_LOCAL => cpu::flush_page(op.arg1),
        _ => {}
    }
}

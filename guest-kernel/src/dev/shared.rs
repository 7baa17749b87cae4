//! The shared_info page: words that the hypervisor and this kernel both change.

use crate::mm::{Mfn, SHARED_INFO_VA, paging};
use crate::native;
use core::mem::offset_of;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use guest_user::abi::Errno;
use hypercall_abi::arch_x86_64::{arch_shared_info, arch_vcpu_info};
use hypercall_abi::xen::{shared_info, vcpu_info};

static MAPPED: AtomicBool = AtomicBool::new(false);

/// Maps the page.
pub(crate) fn init(machine_address: u64) -> Result<(), Errno> {
    let rights = paging::pte::RW;
    // SAFETY: the window is unmapped, and the frame is used through the atomics below only.
    unsafe { paging::map_kernel(SHARED_INFO_VA, Mfn(machine_address >> 12), rights) }?;
    MAPPED.store(true, Ordering::Relaxed);
    Ok(())
}

fn address(offset: usize, size: usize) -> u64 {
    assert!(
        MAPPED.load(Ordering::Relaxed),
        "shared_info is used before it is mapped"
    );
    assert!(offset.is_multiple_of(size) && offset + size <= size_of::<shared_info>());
    SHARED_INFO_VA + offset as u64
}

/// The 64-bit word at an offset.
pub(crate) fn word(offset: usize) -> &'static AtomicU64 {
    // SAFETY: inside the mapped page, aligned, and only ever accessed atomically.
    unsafe { &*(address(offset, 8) as *const AtomicU64) }
}

/// The 32-bit word at an offset.
pub(crate) fn half(offset: usize) -> &'static AtomicU32 {
    // SAFETY: as in `word`.
    unsafe { &*(address(offset, 4) as *const AtomicU32) }
}

/// The byte at an offset.
pub(crate) fn byte(offset: usize) -> &'static AtomicU8 {
    // SAFETY: as in `word`.
    unsafe { &*(address(offset, 1) as *const AtomicU8) }
}

/// Offset of vCPU 0's vcpu_info.
pub(crate) const VCPU0: usize = offset_of!(shared_info, vcpu_info);

/// The address of the last page fault.
pub(crate) fn cr2() -> u64 {
    if native::is_native() {
        return native::cpu::fault_address();
    }
    let offset = VCPU0 + offset_of!(vcpu_info, arch) + offset_of!(arch_vcpu_info, cr2);
    word(offset).load(Ordering::Relaxed)
}

/// Masks or unmasks event upcalls. Unmasking does not deliver what is pending.
pub(crate) fn set_upcall_mask(masked: bool) {
    let offset = VCPU0 + offset_of!(vcpu_info, evtchn_upcall_mask);
    byte(offset).store(u8::from(masked), Ordering::SeqCst);
}

/// Whether event upcalls are masked.
pub(crate) fn upcall_mask() -> bool {
    let offset = VCPU0 + offset_of!(vcpu_info, evtchn_upcall_mask);
    byte(offset).load(Ordering::SeqCst) != 0
}

/// Tells the toolstack how many pages the P2M list covers, as dumps and lists show it.
pub(crate) fn publish_max_pfn(pages: u64) {
    let offset = offset_of!(shared_info, arch) + offset_of!(arch_shared_info, max_pfn);
    word(offset).store(pages, Ordering::Relaxed);
}

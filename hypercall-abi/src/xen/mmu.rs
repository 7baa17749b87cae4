//! `xen/xen.h`, part 2: commands and arguments of the page-table hypercalls.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Write a page-table entry, validated; `ptr` is its machine address. Commands stand in `ptr`
/// bits 1:0.
pub const MMU_NORMAL_PT_UPDATE: u64 = 0;
/// Set the machine-to-phys entry of the frame in which `ptr` lies to `val`.
pub const MMU_MACHPHYS_UPDATE: u64 = 1;
/// As a normal update, keeping the accessed and dirty bits the entry has by then.
pub const MMU_PT_UPDATE_PRESERVE_AD: u64 = 2;
/// As a normal update; `val` holds a machine frame even in a translated guest.
pub const MMU_PT_UPDATE_NO_TRANSLATE: u64 = 3;
/// Pin frame `mfn` as a level 1 table: validate it, keep it so.
pub const MMUEXT_PIN_L1_TABLE: u32 = 0;
/// Pin frame `mfn` as a level 2 table: validate it, keep it so.
pub const MMUEXT_PIN_L2_TABLE: u32 = 1;
/// Pin frame `mfn` as a level 3 table: validate it, keep it so.
pub const MMUEXT_PIN_L3_TABLE: u32 = 2;
/// Pin frame `mfn` as a level 4 table: validate it, keep it so.
pub const MMUEXT_PIN_L4_TABLE: u32 = 3;
/// Undo a pin of `mfn`.
pub const MMUEXT_UNPIN_TABLE: u32 = 4;
/// Load the kernel's page-table root.
pub const MMUEXT_NEW_BASEPTR: u32 = 5;
/// Flush this vCPU's TLB.
pub const MMUEXT_TLB_FLUSH_LOCAL: u32 = 6;
/// Flush `linear_addr` from this vCPU's TLB.
pub const MMUEXT_INVLPG_LOCAL: u32 = 7;
/// Flush the TLBs of the vCPUs in `vcpumask`.
pub const MMUEXT_TLB_FLUSH_MULTI: u32 = 8;
/// Flush `linear_addr` from the TLBs of the vCPUs in `vcpumask`.
pub const MMUEXT_INVLPG_MULTI: u32 = 9;
/// Flush the TLBs of all vCPUs of the domain.
pub const MMUEXT_TLB_FLUSH_ALL: u32 = 10;
/// Flush `linear_addr` from the TLBs of all vCPUs of the domain.
pub const MMUEXT_INVLPG_ALL: u32 = 11;
/// Write back and empty this CPU's caches.
pub const MMUEXT_FLUSH_CACHE: u32 = 12;
/// Load an LDT of `nr_ents` entries at page-aligned `linear_addr`.
pub const MMUEXT_SET_LDT: u32 = 13;
/// Set the user's page-table root; frame 0 is none.
pub const MMUEXT_NEW_USER_BASEPTR: u32 = 15;
/// Fill frame `mfn` with zeros.
pub const MMUEXT_CLEAR_PAGE: u32 = 16;
/// Copy frame `src_mfn` to frame `mfn`.
pub const MMUEXT_COPY_PAGE: u32 = 17;
/// Write back and empty every CPU's caches.
pub const MMUEXT_FLUSH_CACHE_GLOBAL: u32 = 18;
/// Mark `mfn` as head of a superpage.
pub const MMUEXT_MARK_SUPER: u32 = 19;
/// Undo [`MMUEXT_MARK_SUPER`].
pub const MMUEXT_UNMARK_SUPER: u32 = 20;

/// One request of `mmuext_op`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct mmuext_op {
    /// `MMUEXT_*`.
    pub cmd: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// A union: `mfn` (pin, unpin, base pointers, clear, copy, superpages) or `linear_addr`
    /// (INVLPG, LDT).
    pub arg1: u64,
    /// A union: `nr_ents` (LDT; the low 32 bits), `vcpumask` (`*_MULTI`; a guest handle), or
    /// `src_mfn` (copy).
    pub arg2: u64,
}
const _: () = assert!(size_of::<mmuext_op>() == 24);

/// Flush nothing.
pub const UVMF_NONE: u64 = 0;
/// Flush whole TLBs.
pub const UVMF_TLB_FLUSH: u64 = 1;
/// Flush the one address.
pub const UVMF_INVLPG: u64 = 2;
/// The bits that hold one of the three kinds of flush.
pub const UVMF_FLUSHTYPE_MASK: u64 = 3;
/// Flush on the vCPUs of a bitmap, whose address is ORed into the flags.
pub const UVMF_MULTI: u64 = 0;
/// Flush on this vCPU (a multi flush with a null bitmap).
pub const UVMF_LOCAL: u64 = 0;
/// Flush on all vCPUs of the domain.
pub const UVMF_ALL: u64 = 1 << 2;

/// One request of `mmu_update`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct mmu_update {
    /// Machine address of the entry; bits 1:0 are the `MMU_*` command.
    pub ptr: u64,
    /// The entry's new contents.
    pub val: u64,
}
const _: () = assert!(size_of::<mmu_update>() == 16);

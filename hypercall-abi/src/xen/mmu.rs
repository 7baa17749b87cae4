//! `xen/xen/mmu.h`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// checked '*ptr = val'. ptr is MA.
pub const MMU_NORMAL_PT_UPDATE: u64 = 0;
/// ptr = MA of frame to modify entry for.
pub const MMU_MACHPHYS_UPDATE: u64 = 1;
/// atomically: *ptr = val | (*ptr&(A|D)).
pub const MMU_PT_UPDATE_PRESERVE_AD: u64 = 2;
/// checked '*ptr = val'. ptr is MA.
pub const MMU_PT_UPDATE_NO_TRANSLATE: u64 = 3;
/// ` enum mmuext_cmd {.
pub const MMUEXT_PIN_L1_TABLE: u32 = 0;
/// Mmuext pin l2 table.
pub const MMUEXT_PIN_L2_TABLE: u32 = 1;
/// Mmuext pin l3 table.
pub const MMUEXT_PIN_L3_TABLE: u32 = 2;
/// Mmuext pin l4 table.
pub const MMUEXT_PIN_L4_TABLE: u32 = 3;
/// Mmuext unpin table.
pub const MMUEXT_UNPIN_TABLE: u32 = 4;
/// Mmuext new baseptr.
pub const MMUEXT_NEW_BASEPTR: u32 = 5;
/// Mmuext tlb flush local.
pub const MMUEXT_TLB_FLUSH_LOCAL: u32 = 6;
/// Mmuext invlpg local.
pub const MMUEXT_INVLPG_LOCAL: u32 = 7;
/// Mmuext tlb flush multi.
pub const MMUEXT_TLB_FLUSH_MULTI: u32 = 8;
/// Mmuext invlpg multi.
pub const MMUEXT_INVLPG_MULTI: u32 = 9;
/// Mmuext tlb flush all.
pub const MMUEXT_TLB_FLUSH_ALL: u32 = 10;
/// Mmuext invlpg all.
pub const MMUEXT_INVLPG_ALL: u32 = 11;
/// Mmuext flush cache.
pub const MMUEXT_FLUSH_CACHE: u32 = 12;
/// Mmuext set ldt.
pub const MMUEXT_SET_LDT: u32 = 13;
/// Mmuext new user baseptr.
pub const MMUEXT_NEW_USER_BASEPTR: u32 = 15;
/// Mmuext clear page.
pub const MMUEXT_CLEAR_PAGE: u32 = 16;
/// Mmuext copy page.
pub const MMUEXT_COPY_PAGE: u32 = 17;
/// Mmuext flush cache global.
pub const MMUEXT_FLUSH_CACHE_GLOBAL: u32 = 18;
/// Mmuext mark super.
pub const MMUEXT_MARK_SUPER: u32 = 19;
/// Mmuext unmark super.
pub const MMUEXT_UNMARK_SUPER: u32 = 20;

/// Mmuext op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct mmuext_op {
    /// Cmd.
    pub cmd: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Arg1.
    pub arg1: u64,
    /// Arg2.
    pub arg2: u64,
}
const _: () = assert!(size_of::<mmuext_op>() == 24);

/// No flushing at all.
pub const UVMF_NONE: u64 = 0;
/// Flush entire TLB(s).
pub const UVMF_TLB_FLUSH: u64 = 1;
/// Flush only one entry.
pub const UVMF_INVLPG: u64 = 2;
/// Uvmf flushtype mask.
pub const UVMF_FLUSHTYPE_MASK: u64 = 3;
/// Flush subset of TLBs.
pub const UVMF_MULTI: u64 = 0;
/// Flush local TLB.
pub const UVMF_LOCAL: u64 = 0;
/// Flush all TLBs.
pub const UVMF_ALL: u64 = 1 << 2;

/// Send an array of these to HYPERVISOR_mmu_update().
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct mmu_update {
    /// Machine address of PTE.
    pub ptr: u64,
    /// New contents of PTE.
    pub val: u64,
}
const _: () = assert!(size_of::<mmu_update>() == 16);

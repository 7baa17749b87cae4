//! `xen/features.h`: bit numbers of the features that `XENVER_get_features` reports and ELF
//! notes ask for. In notes a name stands without `XENFEAT_`, with `!` before it where it is
//! required.

/// The guest may write its page tables directly, and need not map them read-only.
pub const XENFEAT_writable_page_tables: u32 = 0;
/// The guest may write its descriptor tables directly, and need not map them read-only.
pub const XENFEAT_writable_descriptor_tables: u32 = 1;
/// The hypervisor translates the guest's frame numbers.
pub const XENFEAT_auto_translated_physmap: u32 = 2;
/// The guest kernel runs in ring 0 (HVM, PVH).
pub const XENFEAT_supervisor_mode_kernel: u32 = 3;
/// 32-bit guests: the top-level page table may lie above 4 GiB.
pub const XENFEAT_pae_pgdir_above_4gb: u32 = 4;
/// `mmu_update` knows `MMU_PT_UPDATE_PRESERVE_AD`.
pub const XENFEAT_mmu_pt_update_preserve_ad: u32 = 5;
/// `mmuext_op` knows `MMUEXT_CLEAR_PAGE` and `MMUEXT_COPY_PAGE`.
pub const XENFEAT_highmem_assist: u32 = 6;
/// Grant mappings take the page-table entry's software bits from their flags.
pub const XENFEAT_gnttab_map_avail_bits: u32 = 7;
/// HVM: events can arrive by a vector.
pub const XENFEAT_hvm_callback_vector: u32 = 8;
/// HVM: the PV clock is safe to use.
pub const XENFEAT_hvm_safe_pvclock: u32 = 9;
/// HVM: physical interrupts can be event channels.
pub const XENFEAT_hvm_pirqs: u32 = 10;
/// The domain can be, or is, dom0.
pub const XENFEAT_dom0: u32 = 11;
/// `memory_op` knows `XENMEMF_vnode`.
pub const XENFEAT_memory_op_vnode_supported: u32 = 13;
/// Arm: the hypervisor follows the SMC calling convention.
pub const XENFEAT_ARM_SMCCC_supported: u32 = 14;
/// PVH Linux: the ACPI RSDP may lie above 1 MiB.
pub const XENFEAT_linux_rsdp_unrestricted: u32 = 15;
/// The domain's frame numbers are not machine frame numbers.
pub const XENFEAT_not_direct_mapped: u32 = 16;
/// The domain's frame numbers are machine frame numbers.
pub const XENFEAT_direct_mapped: u32 = 17;
/// Number of submaps, 32 features each.
pub const XENFEAT_NR_SUBMAPS: u32 = 1;

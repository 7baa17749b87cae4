//! `xen/features.h`: bit numbers of the features that `XENVER_get_features` reports and ELF
//! notes ask for. In notes a name stands without `XENFEAT_`, with `!` before it where it is
//! required.

/// If set, the guest does not need to write-protect its pagetables, and can update them via
/// direct writes.
pub const XENFEAT_writable_page_tables: u32 = 0;
/// If set, the guest does not need to write-protect its segment descriptor tables, and can
/// update them via direct writes.
pub const XENFEAT_writable_descriptor_tables: u32 = 1;
/// If set, translation between the guest's 'pseudo-physical' address space and the host's
/// machine address space are handled by the hypervisor.
pub const XENFEAT_auto_translated_physmap: u32 = 2;
/// If set, the guest is running in supervisor mode (e.g., x86 ring 0).
pub const XENFEAT_supervisor_mode_kernel: u32 = 3;
/// If set, the guest does not need to allocate x86 PAE page directories below 4GB. This flag is
/// usually implied by auto_translated_physmap.
pub const XENFEAT_pae_pgdir_above_4gb: u32 = 4;
/// X86: Does this Xen host support the MMU_PT_UPDATE_PRESERVE_AD hypercall?.
pub const XENFEAT_mmu_pt_update_preserve_ad: u32 = 5;
/// X86: Does this Xen host support the MMU_{CLEAR,COPY}_PAGE hypercall?.
pub const XENFEAT_highmem_assist: u32 = 6;
/// If set, GNTTABOP_map_grant_ref honors flags to be placed into guest kernel available pte
/// bits.
pub const XENFEAT_gnttab_map_avail_bits: u32 = 7;
/// X86: Does this Xen host support the HVM callback vector type?.
pub const XENFEAT_hvm_callback_vector: u32 = 8;
/// X86: pvclock algorithm is safe to use on HVM.
pub const XENFEAT_hvm_safe_pvclock: u32 = 9;
/// X86: pirq can be used by HVM guests.
pub const XENFEAT_hvm_pirqs: u32 = 10;
/// Operation as Dom0 is supported.
pub const XENFEAT_dom0: u32 = 11;
/// Guest can use XENMEMF_vnode to specify virtual node for memory op.
pub const XENFEAT_memory_op_vnode_supported: u32 = 13;
/// Arm: Hypervisor supports ARM SMC calling convention.
pub const XENFEAT_ARM_SMCCC_supported: u32 = 14;
/// X86/PVH: If set, ACPI RSDP can be placed at any address.
pub const XENFEAT_linux_rsdp_unrestricted: u32 = 15;
/// A direct-mapped (or 1:1 mapped) domain is a domain for which its local pages have gfn ==
/// mfn.
pub const XENFEAT_not_direct_mapped: u32 = 16;
/// XENFEAT_direct_mapped.
pub const XENFEAT_direct_mapped: u32 = 17;
/// XENFEAT_NR_SUBMAPS.
pub const XENFEAT_NR_SUBMAPS: u32 = 1;

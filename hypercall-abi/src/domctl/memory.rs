//! Domctls on a domain's memory.

use crate::arch_x86_64::xen_pfn_t;
use crate::xen::{guest_handle, xenctl_bitmap};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Shift of the type.
pub const XEN_DOMCTL_PFINFO_LTAB_SHIFT: u32 = 28;
/// Not a page table.
pub const XEN_DOMCTL_PFINFO_NOTAB: u32 = 0x0 << 28;
/// A level 1 page table.
pub const XEN_DOMCTL_PFINFO_L1TAB: u32 = 0x1 << 28;
/// A level 2 page table.
pub const XEN_DOMCTL_PFINFO_L2TAB: u32 = 0x2 << 28;
/// A level 3 page table.
pub const XEN_DOMCTL_PFINFO_L3TAB: u32 = 0x3 << 28;
/// A level 4 page table.
pub const XEN_DOMCTL_PFINFO_L4TAB: u32 = 0x4 << 28;
/// Bits of the level.
pub const XEN_DOMCTL_PFINFO_LTABTYPE_MASK: u32 = 0x7 << 28;
/// The table is pinned.
pub const XEN_DOMCTL_PFINFO_LPINTAB: u32 = 0x1 << 31;
/// No such frame, or not the domain's.
pub const XEN_DOMCTL_PFINFO_XTAB: u32 = 0xf << 28;
/// Allocate-only page.
pub const XEN_DOMCTL_PFINFO_XALLOC: u32 = 0xe << 28;
/// Broken page.
pub const XEN_DOMCTL_PFINFO_BROKEN: u32 = 0xd << 28;
/// Bits of the type.
pub const XEN_DOMCTL_PFINFO_LTAB_MASK: u32 = 0xf << 28;

/// Types of a domain's frames.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_getpageframeinfo3 {
    /// Entries of the array; counts down while the call is continued.
    pub num: u64,
    /// Frame numbers, overwritten by `XEN_DOMCTL_PFINFO_*`.
    pub array: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_getpageframeinfo3>() == 16);

/// Disable shadow mode.
pub const XEN_DOMCTL_SHADOW_OP_OFF: u32 = 0;
/// Enable shadow mode (mode contains ORed XEN_DOMCTL_SHADOW_ENABLE_* flags).
pub const XEN_DOMCTL_SHADOW_OP_ENABLE: u32 = 32;
/// Return the bitmap and clean internal copy for next round.
pub const XEN_DOMCTL_SHADOW_OP_CLEAN: u32 = 11;
/// Return the bitmap but do not modify internal copy.
pub const XEN_DOMCTL_SHADOW_OP_PEEK: u32 = 12;
/// Memory allocation accessors.
pub const XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION: u32 = 30;
/// XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION.
pub const XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION: u32 = 31;
/// Equiv. to ENABLE with no mode flags.
pub const XEN_DOMCTL_SHADOW_OP_ENABLE_TEST: u32 = 1;
/// Equiv. to ENABLE with mode flag ENABLE_LOG_DIRTY.
pub const XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY: u32 = 2;
/// Shadow pagetables are refcounted: guest does not use explicit mmu operations nor
/// write-protect its pagetables.
pub const XEN_DOMCTL_SHADOW_ENABLE_REFCOUNT: u32 = 1 << 1;
/// Log pages in a bitmap as they are dirtied.
pub const XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY: u32 = 1 << 2;
/// Automatically translate GPFNs into MFNs.
pub const XEN_DOMCTL_SHADOW_ENABLE_TRANSLATE: u32 = 1 << 3;
/// Xen does not steal virtual address space from the guest.
pub const XEN_DOMCTL_SHADOW_ENABLE_EXTERNAL: u32 = 1 << 4;
/// This is the final iteration: Requesting to include pages mapped writably by the hypervisor
/// in the dirty bitmap.
pub const XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL: u32 = 1;

/// Counters of log-dirty tracking since it was last cleaned.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_shadow_op_stats {
    /// Faults taken.
    pub fault_count: u32,
    /// Pages that became dirty.
    pub dirty_count: u32,
}
const _: () = assert!(size_of::<xen_domctl_shadow_op_stats>() == 8);

/// Shadow paging and log-dirty tracking.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_shadow_op {
    /// `XEN_DOMCTL_SHADOW_OP_*`.
    pub op: u32,
    /// `XEN_DOMCTL_SHADOW_ENABLE_*` or `XEN_DOMCTL_SHADOW_LOGDIRTY_*`, by `op`.
    pub mode: u32,
    /// Shadow memory allocation in MB.
    pub mb: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Peek and clean: a bit per page.
    pub dirty_bitmap: guest_handle,
    /// Peek and clean: pages the bitmap covers; on return, pages it holds.
    pub pages: u64,
    /// OUT: counters.
    pub stats: xen_domctl_shadow_op_stats,
}
const _: () = assert!(size_of::<xen_domctl_shadow_op>() == 40);

/// Argument of [`XEN_DOMCTL_max_mem`](super::XEN_DOMCTL_max_mem).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_max_mem {
    /// Limit of its memory, KiB.
    pub max_memkb: u64,
}
const _: () = assert!(size_of::<xen_domctl_max_mem>() == 8);

/// NUMA nodes from which the domain should get memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_nodeaffinity {
    /// The nodes.
    pub nodemap: xenctl_bitmap,
}
const _: () = assert!(size_of::<xen_domctl_nodeaffinity>() == 16);

/// Cache attribute UC, numbered as in MTRRs.
pub const XEN_DOMCTL_MEM_CACHEATTR_UC: u32 = 0;
/// Cache attribute WC, numbered as in MTRRs.
pub const XEN_DOMCTL_MEM_CACHEATTR_WC: u32 = 1;
/// Cache attribute WT, numbered as in MTRRs.
pub const XEN_DOMCTL_MEM_CACHEATTR_WT: u32 = 4;
/// Cache attribute WP, numbered as in MTRRs.
pub const XEN_DOMCTL_MEM_CACHEATTR_WP: u32 = 5;
/// Cache attribute WB, numbered as in MTRRs.
pub const XEN_DOMCTL_MEM_CACHEATTR_WB: u32 = 6;
/// Cache attribute UCM, numbered as in MTRRs.
pub const XEN_DOMCTL_MEM_CACHEATTR_UCM: u32 = 7;
/// XEN_DOMCTL_DELETE_MEM_CACHEATTR.
pub const XEN_DOMCTL_DELETE_MEM_CACHEATTR: u32 = 0xffff_ffff;

/// Counts of inconsistencies between P2M and M2P.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_audit_p2m {
    /// OUT error counts.
    pub orphans: u64,
    /// M2p bad.
    pub m2p_bad: u64,
    /// P2m bad.
    pub p2m_bad: u64,
}
const _: () = assert!(size_of::<xen_domctl_audit_p2m>() == 24);

/// Marks a page as broken.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_set_broken_page_p2m {
    /// The page.
    pub pfn: u64,
}
const _: () = assert!(size_of::<xen_domctl_set_broken_page_p2m>() == 8);

/// ARM: Clean and invalidate caches associated with given region of guest memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_cacheflush {
    /// IN: page range to flush.
    pub start_pfn: xen_pfn_t,
    /// IN: page range to flush.
    pub nr_pfns: xen_pfn_t,
}
const _: () = assert!(size_of::<xen_domctl_cacheflush>() == 16);

/// XEN_DOMCTL_get_paging_mempool_size / XEN_DOMCTL_set_paging_mempool_size.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_paging_mempool {
    /// Size in bytes.
    pub size: u64,
}
const _: () = assert!(size_of::<xen_domctl_paging_mempool>() == 8);

/// XEN_DOMCTL_setvnumainfo: specifies a virtual NUMA topology for the guest.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vnuma {
    /// IN: number of vNUMA nodes to setup.
    pub nr_vnodes: u32,
    /// IN: number of memory ranges to setup.
    pub nr_vmemranges: u32,
    /// IN: number of vCPUs of the domain (used as size of the vcpu_to_vnode array declared
    /// below).
    pub nr_vcpus: u32,
    /// Must be zero.
    pub pad: u32,
    /// IN: array for specifying the distances of the vNUMA nodes between each others.
    pub vdistance: guest_handle,
    /// IN: array for specifying to what vNUMA node each vCPU belongs.
    pub vcpu_to_vnode: guest_handle,
    /// IN: array for specifying on what physical NUMA node each vNUMA node is placed.
    pub vnode_to_pnode: guest_handle,
    /// IN: array for specifying the memory ranges.
    pub vmemrange: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_vnuma>() == 48);

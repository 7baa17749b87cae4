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
/// Allocated and without contents, so that nothing need be sent.
pub const XEN_DOMCTL_PFINFO_XALLOC: u32 = 0xe << 28;
/// The page has a memory error.
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

/// Turn shadow paging and log-dirty tracking off.
pub const XEN_DOMCTL_SHADOW_OP_OFF: u32 = 0;
/// Turn on what `mode` holds of `XEN_DOMCTL_SHADOW_ENABLE_*`.
pub const XEN_DOMCTL_SHADOW_OP_ENABLE: u32 = 32;
/// Copy the dirty bitmap out and clear it.
pub const XEN_DOMCTL_SHADOW_OP_CLEAN: u32 = 11;
/// Copy the dirty bitmap out and leave it as it is.
pub const XEN_DOMCTL_SHADOW_OP_PEEK: u32 = 12;
/// Ask for the size of the pool of shadow pages, MiB.
pub const XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION: u32 = 30;
/// Set the size of the pool of shadow pages, MiB.
pub const XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION: u32 = 31;
/// As [`XEN_DOMCTL_SHADOW_OP_ENABLE`] with no mode: shadow paging and nothing else.
pub const XEN_DOMCTL_SHADOW_OP_ENABLE_TEST: u32 = 1;
/// As [`XEN_DOMCTL_SHADOW_OP_ENABLE`] with [`XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY`].
pub const XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY: u32 = 2;
/// The guest writes its page tables freely, without page-table hypercalls; not for PV.
pub const XEN_DOMCTL_SHADOW_ENABLE_REFCOUNT: u32 = 1 << 1;
/// Record which pages are written.
pub const XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY: u32 = 1 << 2;
/// The guest's frame numbers are its own and are translated; not for PV.
pub const XEN_DOMCTL_SHADOW_ENABLE_TRANSLATE: u32 = 1 << 3;
/// The hypervisor takes no part of the guest's address space; not for PV.
pub const XEN_DOMCTL_SHADOW_ENABLE_EXTERNAL: u32 = 1 << 4;
/// [`xen_domctl_shadow_op::mode`] of clean and peek: the last round; pages that the hypervisor
/// itself may write count as dirty.
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
    /// MiB of shadow pages: IN of set, OUT of get allocation.
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

/// Cache attribute, numbered as in MTRRs: uncacheable.
pub const XEN_DOMCTL_MEM_CACHEATTR_UC: u32 = 0;
/// Cache attribute: write-combining.
pub const XEN_DOMCTL_MEM_CACHEATTR_WC: u32 = 1;
/// Cache attribute: write-through.
pub const XEN_DOMCTL_MEM_CACHEATTR_WT: u32 = 4;
/// Cache attribute: write-protected.
pub const XEN_DOMCTL_MEM_CACHEATTR_WP: u32 = 5;
/// Cache attribute: write-back.
pub const XEN_DOMCTL_MEM_CACHEATTR_WB: u32 = 6;
/// Cache attribute: uncacheable unless MTRRs say write-combining (UC-).
pub const XEN_DOMCTL_MEM_CACHEATTR_UCM: u32 = 7;
/// In place of a cache attribute: remove the one set before.
pub const XEN_DOMCTL_DELETE_MEM_CACHEATTR: u32 = 0xffff_ffff;

/// Counts of inconsistencies between P2M and M2P of an HVM domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_audit_p2m {
    /// OUT: frames of the domain that have no PFN.
    pub orphans: u64,
    /// OUT: frames that M2P puts at another PFN than P2M does.
    pub m2p_bad: u64,
    /// OUT: PFNs whose frame is not the domain's.
    pub p2m_bad: u64,
}
const _: () = assert!(size_of::<xen_domctl_audit_p2m>() == 24);

/// Marks a page with a memory error as broken: the guest dies if it touches it.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_set_broken_page_p2m {
    /// IN: the page.
    pub pfn: u64,
}
const _: () = assert!(size_of::<xen_domctl_set_broken_page_p2m>() == 8);

/// Writes back and empties caches for a range of guest memory (Arm only).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_cacheflush {
    /// IN: its first page.
    pub start_pfn: xen_pfn_t,
    /// IN: its length in pages.
    pub nr_pfns: xen_pfn_t,
}
const _: () = assert!(size_of::<xen_domctl_cacheflush>() == 16);

/// Size of the pool from which an HVM domain's nested page tables come.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_paging_mempool {
    /// IN of set, OUT of get: bytes, a multiple of the page size (else -EINVAL).
    pub size: u64,
}
const _: () = assert!(size_of::<xen_domctl_paging_mempool>() == 8);

/// The NUMA topology that the guest sees.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vnuma {
    /// IN: its virtual nodes.
    pub nr_vnodes: u32,
    /// IN: entries of `vmemrange`.
    pub nr_vmemranges: u32,
    /// IN: vCPUs of the domain, the entries of `vcpu_to_vnode`.
    pub nr_vcpus: u32,
    /// IN: must be zero.
    pub pad: u32,
    /// IN: `u32` distances, `nr_vnodes` x `nr_vnodes`, row by row; 10 is local.
    pub vdistance: guest_handle,
    /// IN: `u32` virtual node of each vCPU.
    pub vcpu_to_vnode: guest_handle,
    /// IN: `u32` physical node of each virtual one.
    pub vnode_to_pnode: guest_handle,
    /// IN: array of [`xen_vmemrange`](crate::memory::xen_vmemrange), the memory of the nodes.
    pub vmemrange: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_vnuma>() == 48);

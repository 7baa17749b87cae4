//! `xen/memory.h`: paging, access and sharing of another domain's memory, for toolstacks. None
//! of it applies to PV guests; the numbers are here so that refusals can name them.

use crate::Union;
use crate::xen::{domid_t, guest_handle};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Returns the pages that sharing saves on the machine. No argument.
pub const XENMEM_get_sharing_freed_pages: u32 = 18;
/// Returns the pages that are shared on the machine. No argument.
pub const XENMEM_get_sharing_shared_pages: u32 = 19;
/// Page memory out and in, argument [`xen_mem_paging_op`].
pub const XENMEM_paging_op: u32 = 20;
/// [`xen_mem_paging_op::op`]: mark a page as about to go out; -EBUSY if it is in use.
pub const XENMEM_paging_op_nominate: u8 = 0;
/// [`xen_mem_paging_op::op`]: free a marked page, whose contents the pager has saved.
pub const XENMEM_paging_op_evict: u8 = 1;
/// [`xen_mem_paging_op::op`]: allocate a page again, with contents if a buffer is given.
pub const XENMEM_paging_op_prep: u8 = 2;

/// Argument of [`XENMEM_paging_op`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_mem_paging_op {
    /// IN: `XENMEM_paging_op_*`.
    pub op: u8,
    /// Padding.
    pub _pad0: [u8; 1],
    /// IN: whose page.
    pub domain: domid_t,
    /// Padding.
    pub _pad1: [u8; 4],
    /// IN of prep: virtual address of the page's contents; null leaves it unfilled.
    pub buffer: guest_handle,
    /// IN: the page.
    pub gfn: u64,
}
const _: () = assert!(size_of::<xen_mem_paging_op>() == 24);

/// Restrict what a guest may do with its pages, beyond its own page tables; violations go to the
/// monitor ring. Argument [`xen_mem_access_op`].
pub const XENMEM_access_op: u32 = 21;
/// [`xen_mem_access_op::op`]: set the rights of a range of pages.
pub const XENMEM_access_op_set_access: u8 = 0;
/// [`xen_mem_access_op::op`]: get the rights of a page.
pub const XENMEM_access_op_get_access: u8 = 1;
/// [`xen_mem_access_op::op`]: set the rights of single pages from two arrays. (Numbers 2 and 3
/// were in use once.)
pub const XENMEM_access_op_set_access_multi: u8 = 4;
/// Access rights: none.
pub const XENMEM_access_n: u8 = 0;
/// Access rights: read.
pub const XENMEM_access_r: u8 = 1;
/// Access rights: write.
pub const XENMEM_access_w: u8 = 2;
/// Access rights: read and write.
pub const XENMEM_access_rw: u8 = 3;
/// Access rights: execute.
pub const XENMEM_access_x: u8 = 4;
/// Access rights: read and execute.
pub const XENMEM_access_rx: u8 = 5;
/// Access rights: write and execute.
pub const XENMEM_access_wx: u8 = 6;
/// Access rights: all.
pub const XENMEM_access_rwx: u8 = 7;
/// Access rights: read and execute, until the first write makes it read and write.
pub const XENMEM_access_rx2rw: u8 = 8;
/// Access rights: none, until the first access is reported and makes it all; the vCPU does not
/// wait.
pub const XENMEM_access_n2rwx: u8 = 9;
/// Access rights: the domain's default.
pub const XENMEM_access_default: u8 = 10;

/// Argument of [`XENMEM_access_op`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_mem_access_op {
    /// IN: `XENMEM_access_op_*`.
    pub op: u8,
    /// Rights, from [`XENMEM_access_n`] on: IN of set, OUT of get.
    pub access: u8,
    /// IN: whose pages.
    pub domid: domid_t,
    /// IN: length of the range in pages, or entries of the arrays.
    pub nr: u32,
    /// IN: first page; all ones means the domain's default for new pages.
    pub pfn: u64,
    /// IN of set multi: array of pages (`u64`).
    pub pfn_list: guest_handle,
    /// IN of set multi: array of their rights (`u8`).
    pub access_list: guest_handle,
}
const _: () = assert!(size_of::<xen_mem_access_op>() == 32);

/// Share pages between domains, copy-on-write, argument [`xen_mem_sharing_op`].
pub const XENMEM_sharing_op: u32 = 22;
/// [`xen_mem_sharing_op::op`]: make a page sharable (`nominate`), named by its PFN.
pub const XENMEM_sharing_op_nominate_gfn: u8 = 0;
/// [`xen_mem_sharing_op::op`]: make a page sharable (`nominate`), named by a grant.
pub const XENMEM_sharing_op_nominate_gref: u8 = 1;
/// [`xen_mem_sharing_op::op`]: let two sharable pages become one (`share`).
pub const XENMEM_sharing_op_share: u8 = 2;
/// [`xen_mem_sharing_op::op`]: print what is known of a page (`debug`), named by its PFN.
pub const XENMEM_sharing_op_debug_gfn: u8 = 3;
/// [`xen_mem_sharing_op::op`]: print what is known of a page (`debug`), named by its frame.
pub const XENMEM_sharing_op_debug_mfn: u8 = 4;
/// [`xen_mem_sharing_op::op`]: print what is known of a page (`debug`), named by a grant.
pub const XENMEM_sharing_op_debug_gref: u8 = 5;
/// [`xen_mem_sharing_op::op`]: put a sharable page where the client has none (`share`).
pub const XENMEM_sharing_op_add_physmap: u8 = 6;
/// [`xen_mem_sharing_op::op`]: check the hypervisor's records; returns the errors found.
pub const XENMEM_sharing_op_audit: u8 = 7;
/// [`xen_mem_sharing_op::op`]: share a range that two domains have in common (`range`).
pub const XENMEM_sharing_op_range_share: u8 = 8;
/// [`xen_mem_sharing_op::op`]: make an empty domain a copy of a paused one (`fork`).
pub const XENMEM_sharing_op_fork: u8 = 9;
/// [`xen_mem_sharing_op::op`]: bring such a copy back to its begin (`fork`).
pub const XENMEM_sharing_op_fork_reset: u8 = 10;
/// Result of share and add: the source's handle is out of date.
pub const XENMEM_SHARING_OP_S_HANDLE_INVALID: i32 = -10;
/// Result of share: the client's handle is out of date.
pub const XENMEM_SHARING_OP_C_HANDLE_INVALID: i32 = -9;
/// ORed into `source_gfn` or `client_gfn`: the low bits are a grant reference.
pub const XENMEM_SHARING_OP_FIELD_IS_GREF_FLAG: u64 = 1 << 62;

/// Argument of [`XENMEM_sharing_op`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_mem_sharing_op {
    /// IN: `XENMEM_sharing_op_*`.
    pub op: u8,
    /// Padding.
    pub _pad0: [u8; 1],
    /// IN: whose pages; the source, or the copy for fork.
    pub domain: domid_t,
    /// Padding.
    pub _pad1: [u8; 4],
    /// The sub-command's argument.
    ///
    /// One of: `nominate` ([`mem_sharing_op_nominate`]), `share` ([`mem_sharing_op_share`]),
    /// `range` ([`mem_sharing_op_range`]), `debug` ([`mem_sharing_op_debug`]), `fork`
    /// ([`mem_sharing_op_fork`]).
    pub u: Union<[u64; 5]>,
}
const _: () = assert!(size_of::<xen_mem_sharing_op>() == 48);

/// A page to make sharable.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct mem_sharing_op_nominate {
    /// IN: its PFN, or a grant reference in the low 32 bits.
    pub u: u64,
    /// OUT: names the page's present contents.
    pub handle: u64,
}
const _: () = assert!(size_of::<mem_sharing_op_nominate>() == 16);

/// Two pages to make one.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct mem_sharing_op_share {
    /// IN: PFN of the page that stays.
    pub source_gfn: u64,
    /// IN: its handle.
    pub source_handle: u64,
    /// IN: PFN that will refer to it.
    pub client_gfn: u64,
    /// IN: handle of the page that goes.
    pub client_handle: u64,
    /// IN: whose page that is.
    pub client_domain: domid_t,
    /// Padding.
    pub _pad0: [u8; 6],
}
const _: () = assert!(size_of::<mem_sharing_op_share>() == 40);

/// Pages that have the same PFNs in both domains.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct mem_sharing_op_range {
    /// IN: the first.
    pub first_gfn: u64,
    /// IN: the last, inclusive.
    pub last_gfn: u64,
    /// IN: must be zero; holds the progress of a continued call.
    pub opaque: u64,
    /// IN: the other domain.
    pub client_domain: domid_t,
    /// IN: must be zero.
    pub _pad: [u16; 3],
}
const _: () = assert!(size_of::<mem_sharing_op_range>() == 32);

/// A page to print.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct mem_sharing_op_debug {
    /// IN: its PFN, its frame or a grant reference, by `op`.
    pub u: u64,
}
const _: () = assert!(size_of::<mem_sharing_op_debug>() == 8);

/// How to copy a domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct mem_sharing_op_fork {
    /// IN: the domain to copy; ignored by fork reset.
    pub parent_domain: domid_t,
    /// IN: `XENMEM_FORK_*`.
    pub flags: u16,
    /// IN: must be zero.
    pub pad: u32,
}
const _: () = assert!(size_of::<mem_sharing_op_fork>() == 8);

/// Fork: the copied domain may have devices. For short-lived copies.
pub const XENMEM_FORK_WITH_IOMMU_ALLOWED: u16 = 1;
/// Fork: the copy receives no interrupts. For short-lived copies.
pub const XENMEM_FORK_BLOCK_INTERRUPTS: u16 = 1 << 1;
/// Fork reset: bring back registers and devices.
pub const XENMEM_FORK_RESET_STATE: u16 = 1 << 2;
/// Fork reset: bring back memory.
pub const XENMEM_FORK_RESET_MEMORY: u16 = 1 << 3;

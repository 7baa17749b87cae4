//! `xen/memory.h`: paging, access and sharing of another domain's memory, for toolstacks. None
//! of it applies to PV guests; the numbers are here so that refusals can name them.

use crate::Union;
use crate::xen::{domid_t, guest_handle};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Get the number of MFNs saved through memory sharing.
pub const XENMEM_get_sharing_freed_pages: u32 = 18;
/// XENMEM_get_sharing_shared_pages.
pub const XENMEM_get_sharing_shared_pages: u32 = 19;
/// XENMEM_paging_op.
pub const XENMEM_paging_op: u32 = 20;
/// [`XENMEM_paging_op`]: sub-command `nominate`.
pub const XENMEM_paging_op_nominate: u8 = 0;
/// [`XENMEM_paging_op`]: sub-command `evict`.
pub const XENMEM_paging_op_evict: u8 = 1;
/// [`XENMEM_paging_op`]: sub-command `prep`.
pub const XENMEM_paging_op_prep: u8 = 2;

/// Structure `xen_mem_paging_op` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_mem_paging_op {
    /// `XENMEM_paging_op_*`.
    pub op: u8,
    /// Padding.
    pub _pad0: [u8; 1],
    /// The domain.
    pub domain: domid_t,
    /// Padding.
    pub _pad1: [u8; 4],
    /// IN: (XENMEM_paging_op_prep) buffer to immediately fill page from.
    pub buffer: guest_handle,
    /// IN: gfn of page being operated on.
    pub gfn: u64,
}
const _: () = assert!(size_of::<xen_mem_paging_op>() == 24);

/// XENMEM_access_op.
pub const XENMEM_access_op: u32 = 21;
/// [`XENMEM_access_op`]: set the access rights of pages.
pub const XENMEM_access_op_set_access: u8 = 0;
/// [`XENMEM_access_op`]: get the access rights of pages.
pub const XENMEM_access_op_get_access: u8 = 1;
/// XENMEM_access_op_enable_emulate and XENMEM_access_op_disable_emulate are currently unused,
/// but since they have been in use please do not reuse them. #define
/// XENMEM_access_op_enable_emulate 2 #define XENMEM_access_op_disable_emulate 3.
pub const XENMEM_access_op_set_access_multi: u8 = 4;
/// XENMEM_access_n.
pub const XENMEM_access_n: u8 = 0;
/// Access rights: only what the letters `r` name.
pub const XENMEM_access_r: u8 = 1;
/// Access rights: only what the letters `w` name.
pub const XENMEM_access_w: u8 = 2;
/// Access rights: only what the letters `rw` name.
pub const XENMEM_access_rw: u8 = 3;
/// Access rights: only what the letters `x` name.
pub const XENMEM_access_x: u8 = 4;
/// Access rights: only what the letters `rx` name.
pub const XENMEM_access_rx: u8 = 5;
/// Access rights: only what the letters `wx` name.
pub const XENMEM_access_wx: u8 = 6;
/// Access rights: only what the letters `rwx` name.
pub const XENMEM_access_rwx: u8 = 7;
/// Page starts off as r-x, but automatically change to r-w on a write.
pub const XENMEM_access_rx2rw: u8 = 8;
/// Log access: starts off as n, automatically goes to rwx, generating an event without pausing
/// the vcpu.
pub const XENMEM_access_n2rwx: u8 = 9;
/// Take the domain default.
pub const XENMEM_access_default: u8 = 10;

/// Structure `xen_mem_access_op` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_mem_access_op {
    /// `XENMEM_access_op_*`.
    pub op: u8,
    /// Xenmem_access_t.
    pub access: u8,
    /// The domain.
    pub domid: domid_t,
    /// Number of pages for set op (or size of pfn_list for XENMEM_access_op_set_access_multi)
    /// Ignored on setting default access and other ops.
    pub nr: u32,
    /// First pfn for set op pfn for get op ~0ull is used to set and get the default access for
    /// pages.
    pub pfn: u64,
    /// List of pfns to set access for Used only with XENMEM_access_op_set_access_multi.
    pub pfn_list: guest_handle,
    /// Corresponding list of access settings for pfn_list Used only with
    /// XENMEM_access_op_set_access_multi.
    pub access_list: guest_handle,
}
const _: () = assert!(size_of::<xen_mem_access_op>() == 32);

/// XENMEM_sharing_op.
pub const XENMEM_sharing_op: u32 = 22;
/// [`XENMEM_sharing_op`]: sub-command `nominate_gfn`.
pub const XENMEM_sharing_op_nominate_gfn: u8 = 0;
/// [`XENMEM_sharing_op`]: sub-command `nominate_gref`.
pub const XENMEM_sharing_op_nominate_gref: u8 = 1;
/// [`XENMEM_sharing_op`]: sub-command `share`.
pub const XENMEM_sharing_op_share: u8 = 2;
/// [`XENMEM_sharing_op`]: sub-command `debug_gfn`.
pub const XENMEM_sharing_op_debug_gfn: u8 = 3;
/// [`XENMEM_sharing_op`]: sub-command `debug_mfn`.
pub const XENMEM_sharing_op_debug_mfn: u8 = 4;
/// [`XENMEM_sharing_op`]: sub-command `debug_gref`.
pub const XENMEM_sharing_op_debug_gref: u8 = 5;
/// [`XENMEM_sharing_op`]: sub-command `add_physmap`.
pub const XENMEM_sharing_op_add_physmap: u8 = 6;
/// [`XENMEM_sharing_op`]: sub-command `audit`.
pub const XENMEM_sharing_op_audit: u8 = 7;
/// [`XENMEM_sharing_op`]: sub-command `range_share`.
pub const XENMEM_sharing_op_range_share: u8 = 8;
/// [`XENMEM_sharing_op`]: sub-command `fork`.
pub const XENMEM_sharing_op_fork: u8 = 9;
/// [`XENMEM_sharing_op`]: sub-command `fork_reset`.
pub const XENMEM_sharing_op_fork_reset: u8 = 10;
/// XENMEM_SHARING_OP_S_HANDLE_INVALID.
pub const XENMEM_SHARING_OP_S_HANDLE_INVALID: i32 = -10;
/// XENMEM_SHARING_OP_C_HANDLE_INVALID.
pub const XENMEM_SHARING_OP_C_HANDLE_INVALID: i32 = -9;
/// The following allows sharing of grant refs.
pub const XENMEM_SHARING_OP_FIELD_IS_GREF_FLAG: u64 = 1 << 62;

/// Structure `xen_mem_sharing_op` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_mem_sharing_op {
    /// `XENMEM_sharing_op_*`.
    pub op: u8,
    /// Padding.
    pub _pad0: [u8; 1],
    /// The domain.
    pub domain: domid_t,
    /// Padding.
    pub _pad1: [u8; 4],
    /// Depends on the command.
    ///
    /// One of: `nominate` ([`mem_sharing_op_nominate`]), `share` ([`mem_sharing_op_share`]),
    /// `range` ([`mem_sharing_op_range`]), `debug` ([`mem_sharing_op_debug`]), `fork`
    /// ([`mem_sharing_op_fork`]).
    pub u: Union<[u64; 5]>,
}
const _: () = assert!(size_of::<xen_mem_sharing_op>() == 48);

/// OP_NOMINATE_xxx.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct mem_sharing_op_nominate {
    /// Depends on the command.
    pub u: u64,
    /// OUT: the handle.
    pub handle: u64,
}
const _: () = assert!(size_of::<mem_sharing_op_nominate>() == 16);

/// OP_SHARE/ADD_PHYSMAP.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct mem_sharing_op_share {
    /// IN: the gfn of the source page.
    pub source_gfn: u64,
    /// IN: handle to the source page.
    pub source_handle: u64,
    /// IN: the client gfn.
    pub client_gfn: u64,
    /// IN: handle to the client page.
    pub client_handle: u64,
    /// IN: the client domain id.
    pub client_domain: domid_t,
    /// Padding.
    pub _pad0: [u8; 6],
}
const _: () = assert!(size_of::<mem_sharing_op_share>() == 40);

/// OP_RANGE_SHARE.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct mem_sharing_op_range {
    /// IN: the first gfn.
    pub first_gfn: u64,
    /// IN: the last gfn.
    pub last_gfn: u64,
    /// Must be set to 0.
    pub opaque: u64,
    /// IN: the client domain id.
    pub client_domain: domid_t,
    /// Must be set to 0.
    pub _pad: [u16; 3],
}
const _: () = assert!(size_of::<mem_sharing_op_range>() == 32);

/// OP_DEBUG_xxx.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct mem_sharing_op_debug {
    /// Depends on the command.
    pub u: u64,
}
const _: () = assert!(size_of::<mem_sharing_op_debug>() == 8);

/// OP_FORK{,_RESET}.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct mem_sharing_op_fork {
    /// IN: parent's domain id.
    pub parent_domain: domid_t,
    /// IN: optional settings.
    pub flags: u16,
    /// Must be set to 0.
    pub pad: u32,
}
const _: () = assert!(size_of::<mem_sharing_op_fork>() == 8);

/// Only makes sense for short-lived forks.
pub const XENMEM_FORK_WITH_IOMMU_ALLOWED: u16 = 1;
/// Only makes sense for short-lived forks.
pub const XENMEM_FORK_BLOCK_INTERRUPTS: u16 = 1 << 1;
/// XENMEM_FORK_RESET_STATE.
pub const XENMEM_FORK_RESET_STATE: u16 = 1 << 2;
/// XENMEM_FORK_RESET_MEMORY.
pub const XENMEM_FORK_RESET_MEMORY: u16 = 1 << 3;

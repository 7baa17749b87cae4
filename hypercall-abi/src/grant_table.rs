//! `xen/grant_table.h`.

use crate::Union;
use crate::arch_x86_64::xen_pfn_t;
use crate::xen::{domid_t, guest_handle};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Reference to a grant entry in a specified domain's grant table.
pub type grant_ref_t = u32;

/// Grant entry v1.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct grant_entry_v1 {
    /// GTF_xxx: various type and flag information. \[XEN,GST\].
    pub flags: u16,
    /// The domain being granted foreign privileges. \[GST\].
    pub domid: domid_t,
    /// GTF_permit_access: GFN that @domid is allowed to map and access. \[GST\]
    /// GTF_accept_transfer: GFN that @domid is allowed to transfer into. \[GST\]
    /// GTF_transfer_completed: MFN whose ownership transferred by @domid (non-translated guests
    /// only). \[XEN\].
    pub frame: u32,
}
const _: () = assert!(size_of::<grant_entry_v1>() == 8);

/// The first few grant table entries will be preserved across grant table version changes and
/// may be pre-populated at domain creation by tools.
pub const GNTTAB_NR_RESERVED_ENTRIES: u32 = 8;
/// Gnttab reserved console.
pub const GNTTAB_RESERVED_CONSOLE: u32 = 0;
/// Gnttab reserved xenstore.
pub const GNTTAB_RESERVED_XENSTORE: u32 = 1;
/// Type of grant entry.
pub const GTF_invalid: u16 = 0;
/// Gtf permit access.
pub const GTF_permit_access: u16 = 1;
/// Gtf accept transfer.
pub const GTF_accept_transfer: u16 = 2;
/// Gtf transitive.
pub const GTF_transitive: u16 = 3;
/// Gtf type mask.
pub const GTF_type_mask: u16 = 3;
/// Subflags for GTF_permit_access and GTF_transitive.
pub const GTF_readonly: u16 = 1 << 2;
/// Gtf reading.
pub const GTF_reading: u16 = 1 << 3;
/// Gtf writing.
pub const GTF_writing: u16 = 1 << 4;
/// Gtf pwt.
pub const GTF_PWT: u16 = 1 << 5;
/// Gtf pcd.
pub const GTF_PCD: u16 = 1 << 6;
/// Gtf pat.
pub const GTF_PAT: u16 = 1 << 7;
/// Gtf sub page.
pub const GTF_sub_page: u16 = 1 << 8;
/// Subflags for GTF_accept_transfer: GTF_transfer_committed: Xen sets this flag to indicate
/// that it is committed to transferring ownership of a page frame.
pub const GTF_transfer_committed: u16 = 1 << 2;
/// Gtf transfer completed.
pub const GTF_transfer_completed: u16 = 1 << 3;

/// Version 1 and version 2 grant entries share a common prefix.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct grant_entry_header {
    /// Flags.
    pub flags: u16,
    /// Domid.
    pub domid: domid_t,
}
const _: () = assert!(size_of::<grant_entry_header>() == 4);

/// Version 2 of the grant entry structure.
pub type grant_entry_v2 = Union<[u64; 2]>;

/// This member is used for V1-style full page grants, where either: -- hdr.type is
/// GTF_accept_transfer, or -- hdr.type is GTF_permit_access and GTF_sub_page is not set.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct grant_entry_v2_full_page {
    /// Hdr.
    pub hdr: grant_entry_header,
    /// Pad0.
    pub pad0: u32,
    /// Frame.
    pub frame: u64,
}
const _: () = assert!(size_of::<grant_entry_v2_full_page>() == 16);

/// If the grant type is GTF_grant_access and GTF_sub_page is set, @domid is allowed to access
/// bytes \[@page_off,@page_off+@length) in frame @frame.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct grant_entry_v2_sub_page {
    /// Hdr.
    pub hdr: grant_entry_header,
    /// Page off.
    pub page_off: u16,
    /// Length.
    pub length: u16,
    /// Frame.
    pub frame: u64,
}
const _: () = assert!(size_of::<grant_entry_v2_sub_page>() == 16);

/// If the grant is GTF_transitive, @domid is allowed to use the grant @gref in domain
/// @trans_domid, as if it was the local domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct grant_entry_v2_transitive {
    /// Hdr.
    pub hdr: grant_entry_header,
    /// Trans domid.
    pub trans_domid: domid_t,
    /// Pad0.
    pub pad0: u16,
    /// Gref.
    pub gref: grant_ref_t,
}
const _: () = assert!(size_of::<grant_entry_v2_transitive>() == 12);

/// Grant status t.
pub type grant_status_t = u16;

/// ` enum grant_table_op { // GNTTABOP_* => struct gnttab_.
pub const GNTTABOP_map_grant_ref: u32 = 0;
/// Gnttabop unmap grant ref.
pub const GNTTABOP_unmap_grant_ref: u32 = 1;
/// Gnttabop setup table.
pub const GNTTABOP_setup_table: u32 = 2;
/// Gnttabop dump table.
pub const GNTTABOP_dump_table: u32 = 3;
/// Gnttabop transfer.
pub const GNTTABOP_transfer: u32 = 4;
/// Gnttabop copy.
pub const GNTTABOP_copy: u32 = 5;
/// Gnttabop query size.
pub const GNTTABOP_query_size: u32 = 6;
/// Gnttabop unmap and replace.
pub const GNTTABOP_unmap_and_replace: u32 = 7;
/// Gnttabop set version.
pub const GNTTABOP_set_version: u32 = 8;
/// Gnttabop get status frames.
pub const GNTTABOP_get_status_frames: u32 = 9;
/// Gnttabop get version.
pub const GNTTABOP_get_version: u32 = 10;
/// Gnttabop swap grant ref.
pub const GNTTABOP_swap_grant_ref: u32 = 11;
/// Gnttabop cache flush.
pub const GNTTABOP_cache_flush: u32 = 12;

/// Handle to track a mapping created via a grant reference.
pub type grant_handle_t = u32;

/// GNTTABOP_map_grant_ref: Map the grant entry (&lt;dom>,&lt;ref>) for access by devices and/or
/// host CPUs.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_map_grant_ref {
    /// IN parameters.
    pub host_addr: u64,
    /// GNTMAP_.
    pub flags: u32,
    /// Ref.
    pub r#ref: grant_ref_t,
    /// Dom.
    pub dom: domid_t,
    /// OUT parameters.
    pub status: i16,
    /// Handle.
    pub handle: grant_handle_t,
    /// Dev bus addr.
    pub dev_bus_addr: u64,
}
const _: () = assert!(size_of::<gnttab_map_grant_ref>() == 32);

/// GNTTABOP_unmap_grant_ref: Destroy one or more grant-reference mappings tracked by
/// &lt;handle>. If &lt;host_addr> or &lt;dev_bus_addr> is zero, that field is ignored.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_unmap_grant_ref {
    /// IN parameters.
    pub host_addr: u64,
    /// Dev bus addr.
    pub dev_bus_addr: u64,
    /// Handle.
    pub handle: grant_handle_t,
    /// OUT parameters.
    pub status: i16,
    /// Padding.
    pub _pad0: [u8; 2],
}
const _: () = assert!(size_of::<gnttab_unmap_grant_ref>() == 24);

/// GNTTABOP_setup_table: Set up a grant table for &lt;dom> comprising at least &lt;nr_frames>
/// pages.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_setup_table {
    /// IN parameters.
    pub dom: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// Nr frames.
    pub nr_frames: u32,
    /// OUT parameters.
    pub status: i16,
    /// Padding.
    pub _pad1: [u8; 6],
    /// Frame list.
    pub frame_list: guest_handle,
}
const _: () = assert!(size_of::<gnttab_setup_table>() == 24);

/// GNTTABOP_dump_table: Dump the contents of the grant table to the xen console.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_dump_table {
    /// IN parameters.
    pub dom: domid_t,
    /// OUT parameters.
    pub status: i16,
}
const _: () = assert!(size_of::<gnttab_dump_table>() == 4);

/// GNTTABOP_transfer: Transfer &lt;frame> to a foreign domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_transfer {
    /// IN parameters.
    pub mfn: xen_pfn_t,
    /// Domid.
    pub domid: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// Ref.
    pub r#ref: grant_ref_t,
    /// OUT parameters.
    pub status: i16,
    /// Padding.
    pub _pad1: [u8; 6],
}
const _: () = assert!(size_of::<gnttab_transfer>() == 24);

/// Gntcopy source gref.
pub const GNTCOPY_source_gref: u16 = 1;
/// Gntcopy dest gref.
pub const GNTCOPY_dest_gref: u16 = 1 << 1;

/// Gnttab copy.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_copy {
    /// Source.
    pub source: gnttab_copy_ptr,
    /// Dest.
    pub dest: gnttab_copy_ptr,
    /// Len.
    pub len: u16,
    /// GNTCOPY_.
    pub flags: u16,
    /// OUT parameters.
    pub status: i16,
    /// Padding.
    pub _pad0: [u8; 2],
}
const _: () = assert!(size_of::<gnttab_copy>() == 40);

/// IN parameters.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_copy_ptr {
    /// U.
    pub u: u64,
    /// Domid.
    pub domid: domid_t,
    /// Offset.
    pub offset: u16,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<gnttab_copy_ptr>() == 16);

/// GNTTABOP_query_size: Query the current and maximum sizes of the shared grant table.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_query_size {
    /// IN parameters.
    pub dom: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// OUT parameters.
    pub nr_frames: u32,
    /// Max nr frames.
    pub max_nr_frames: u32,
    /// Status.
    pub status: i16,
    /// Padding.
    pub _pad1: [u8; 2],
}
const _: () = assert!(size_of::<gnttab_query_size>() == 16);

/// GNTTABOP_unmap_and_replace: Destroy one or more grant-reference mappings tracked by
/// &lt;handle> but atomically replace the page table entry with one pointing to the machine
/// address under &lt;new_addr>. &lt;new_addr> will be redirected to the null entry.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_unmap_and_replace {
    /// IN parameters.
    pub host_addr: u64,
    /// New addr.
    pub new_addr: u64,
    /// Handle.
    pub handle: grant_handle_t,
    /// OUT parameters.
    pub status: i16,
    /// Padding.
    pub _pad0: [u8; 2],
}
const _: () = assert!(size_of::<gnttab_unmap_and_replace>() == 24);

/// GNTTABOP_set_version: Request a particular version of the grant table shared table
/// structure.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_set_version {
    /// IN/OUT parameters.
    pub version: u32,
}
const _: () = assert!(size_of::<gnttab_set_version>() == 4);

/// GNTTABOP_get_status_frames: Get the list of frames used to store grant status for &lt;dom>.
/// In grant format version 2, the status is separated from the other shared grant fields to
/// allow more efficient synchronization using barriers instead of atomic cmpexch operations.
/// &lt;nr_frames> specify the size of vector &lt;frame_list>. The frame addresses are returned
/// in the &lt;frame_list>. Only &lt;nr_frames> addresses are returned, even if the table is
/// larger.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_get_status_frames {
    /// IN parameters.
    pub nr_frames: u32,
    /// Dom.
    pub dom: domid_t,
    /// OUT parameters.
    pub status: i16,
    /// Frame list.
    pub frame_list: guest_handle,
}
const _: () = assert!(size_of::<gnttab_get_status_frames>() == 16);

/// GNTTABOP_get_version: Get the grant table version which is in effect for domain &lt;dom>.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_get_version {
    /// IN parameters.
    pub dom: domid_t,
    /// Pad.
    pub pad: u16,
    /// OUT parameters.
    pub version: u32,
}
const _: () = assert!(size_of::<gnttab_get_version>() == 8);

/// GNTTABOP_swap_grant_ref: Swap the contents of two grant entries.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_swap_grant_ref {
    /// IN parameters.
    pub ref_a: grant_ref_t,
    /// Ref b.
    pub ref_b: grant_ref_t,
    /// OUT parameters.
    pub status: i16,
    /// Padding.
    pub _pad0: [u8; 2],
}
const _: () = assert!(size_of::<gnttab_swap_grant_ref>() == 12);

/// Issue one or more cache maintenance operations on a portion of a page granted to the calling
/// domain by a foreign domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_cache_flush {
    /// A.
    pub a: u64,
    /// offset from start of grant.
    pub offset: u16,
    /// size within the grant.
    pub length: u16,
    /// Op.
    pub op: u32,
}
const _: () = assert!(size_of::<gnttab_cache_flush>() == 16);

/// Gnttab cache clean.
pub const GNTTAB_CACHE_CLEAN: u32 = 1;
/// Gnttab cache inval.
pub const GNTTAB_CACHE_INVAL: u32 = 1 << 1;
/// Gnttab cache source gref.
pub const GNTTAB_CACHE_SOURCE_GREF: u32 = 1 << 31;
/// Map the grant entry for access by I/O devices.
pub const GNTMAP_device_map: u32 = 1;
/// Map the grant entry for access by host CPUs.
pub const GNTMAP_host_map: u32 = 1 << 1;
/// Accesses to the granted frame will be restricted to read-only access.
pub const GNTMAP_readonly: u32 = 1 << 2;
/// GNTMAP_host_map subflag: 0 => The host mapping is usable only by the guest OS. 1 => The host
/// mapping is usable by guest OS + current application.
pub const GNTMAP_application_map: u32 = 1 << 3;
/// GNTMAP_contains_pte subflag: 0 => This map request contains a host virtual address. 1 =>
/// This map request contains the machine addess of the PTE to update.
pub const GNTMAP_contains_pte: u32 = 1 << 4;
/// Bits to be placed in guest kernel available PTE bits (architecture dependent; only supported
/// when XENFEAT_gnttab_map_avail_bits is set).
pub const _GNTMAP_guest_avail0: u32 = 16;
/// Bits to be placed in guest kernel available PTE bits (architecture dependent; only supported
/// when XENFEAT_gnttab_map_avail_bits is set).
pub const GNTMAP_guest_avail_mask: u32 = 0xffff_0000;
/// Normal return.
pub const GNTST_okay: i16 = 0;
/// General undefined error.
pub const GNTST_general_error: i16 = -1;
/// Unrecognsed domain id.
pub const GNTST_bad_domain: i16 = -2;
/// Unrecognised or inappropriate gntref.
pub const GNTST_bad_gntref: i16 = -3;
/// Unrecognised or inappropriate handle.
pub const GNTST_bad_handle: i16 = -4;
/// Inappropriate virtual address to map.
pub const GNTST_bad_virt_addr: i16 = -5;
/// Inappropriate device address to unmap.
pub const GNTST_bad_dev_addr: i16 = -6;
/// Out of space in I/O MMU.
pub const GNTST_no_device_space: i16 = -7;
/// Not enough privilege for operation.
pub const GNTST_permission_denied: i16 = -8;
/// Specified page was invalid for op.
pub const GNTST_bad_page: i16 = -9;
/// copy arguments cross page boundary.
pub const GNTST_bad_copy_arg: i16 = -10;
/// transfer page address too large.
pub const GNTST_address_too_big: i16 = -11;
/// Operation not done; try again.
pub const GNTST_eagain: i16 = -12;
/// Out of space (handles etc).
pub const GNTST_no_space: i16 = -13;

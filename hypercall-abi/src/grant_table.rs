//! `xen/grant_table.h`: the shared grant table and the arguments of `grant_table_op`.

use crate::Union;
use crate::arch_x86_64::xen_pfn_t;
use crate::xen::{domid_t, guest_handle};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Index of an entry in a domain's grant table.
pub type grant_ref_t = u32;

/// An entry of a version 1 table. The granting guest writes `domid` and `frame`, then `flags`;
/// the hypervisor sets the busy flags.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct grant_entry_v1 {
    /// `GTF_*`.
    pub flags: u16,
    /// Who is granted access.
    pub domid: domid_t,
    /// The frame granted, or received.
    pub frame: u32,
}
const _: () = assert!(size_of::<grant_entry_v1>() == 8);

/// Entries that the toolstack may fill before the domain starts.
pub const GNTTAB_NR_RESERVED_ENTRIES: u32 = 8;
/// Entry of the console ring page.
pub const GNTTAB_RESERVED_CONSOLE: u32 = 0;
/// Entry of the xenstore ring page.
pub const GNTTAB_RESERVED_XENSTORE: u32 = 1;
/// Grants nothing.
pub const GTF_invalid: u16 = 0;
/// Grants access to a page.
pub const GTF_permit_access: u16 = 1;
/// Accepts a page from the other domain.
pub const GTF_accept_transfer: u16 = 2;
/// Passes on a grant (version 2).
pub const GTF_transitive: u16 = 3;
/// The bits that hold the kind of grant.
pub const GTF_type_mask: u16 = 3;
/// Read-only access.
pub const GTF_readonly: u16 = 1 << 2;
/// The page is mapped; set by the hypervisor.
pub const GTF_reading: u16 = 1 << 3;
/// The page is mapped writable; set by the hypervisor.
pub const GTF_writing: u16 = 1 << 4;
/// Map with the cache attribute bit PWT.
pub const GTF_PWT: u16 = 1 << 5;
/// Map with the cache attribute bit PCD.
pub const GTF_PCD: u16 = 1 << 6;
/// Map with the cache attribute bit PAT.
pub const GTF_PAT: u16 = 1 << 7;
/// Only part of the page (version 2).
pub const GTF_sub_page: u16 = 1 << 8;
/// The transfer will happen: the entry must be left alone.
pub const GTF_transfer_committed: u16 = 1 << 2;
/// The transfer has happened: `frame` is the new frame.
pub const GTF_transfer_completed: u16 = 1 << 3;

/// The common head of the entries.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct grant_entry_header {
    /// `GTF_*`.
    pub flags: u16,
    /// Who is granted access.
    pub domid: domid_t,
}
const _: () = assert!(size_of::<grant_entry_header>() == 4);

/// An entry of a version 2 table: one of [`grant_entry_v2_full_page`],
/// [`grant_entry_v2_sub_page`], [`grant_entry_v2_transitive`].
pub type grant_entry_v2 = Union<[u64; 2]>;

/// Version 2: grants a whole page.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct grant_entry_v2_full_page {
    /// Hdr.
    pub hdr: grant_entry_header,
    /// Unused; zero.
    pub pad0: u32,
    /// Frame.
    pub frame: u64,
}
const _: () = assert!(size_of::<grant_entry_v2_full_page>() == 16);

/// Version 2: grants part of a page, for copies.
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

/// Version 2: passes on a grant of a third domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct grant_entry_v2_transitive {
    /// Hdr.
    pub hdr: grant_entry_header,
    /// Trans domid.
    pub trans_domid: domid_t,
    /// Unused; zero.
    pub pad0: u16,
    /// Gref.
    pub gref: grant_ref_t,
}
const _: () = assert!(size_of::<grant_entry_v2_transitive>() == 12);

/// Version 2: the busy flags of an entry.
pub type grant_status_t = u16;

/// Map granted pages, argument [`gnttab_map_grant_ref`].
pub const GNTTABOP_map_grant_ref: u32 = 0;
/// Undo mappings, argument [`gnttab_unmap_grant_ref`].
pub const GNTTABOP_unmap_grant_ref: u32 = 1;
/// Get frames for the table, argument [`gnttab_setup_table`].
pub const GNTTABOP_setup_table: u32 = 2;
/// Print the table on the hypervisor's console, argument [`gnttab_dump_table`].
pub const GNTTABOP_dump_table: u32 = 3;
/// Give pages away, argument [`gnttab_transfer`].
pub const GNTTABOP_transfer: u32 = 4;
/// Copy between pages, argument [`gnttab_copy`].
pub const GNTTABOP_copy: u32 = 5;
/// Ask for the table's size, argument [`gnttab_query_size`].
pub const GNTTABOP_query_size: u32 = 6;
/// Undo a mapping and put another in its place, argument [`gnttab_unmap_and_replace`].
pub const GNTTABOP_unmap_and_replace: u32 = 7;
/// Choose the table's version, argument [`gnttab_set_version`].
pub const GNTTABOP_set_version: u32 = 8;
/// Get the frames of version 2's status words, argument [`gnttab_get_status_frames`].
pub const GNTTABOP_get_status_frames: u32 = 9;
/// Ask for the table's version, argument [`gnttab_get_version`].
pub const GNTTABOP_get_version: u32 = 10;
/// Swap two entries, argument [`gnttab_swap_grant_ref`].
pub const GNTTABOP_swap_grant_ref: u32 = 11;
/// Cache maintenance on a granted page, argument [`gnttab_cache_flush`].
pub const GNTTABOP_cache_flush: u32 = 12;

/// Names a mapping made by [`GNTTABOP_map_grant_ref`].
pub type grant_handle_t = u32;

/// A grant to map.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_map_grant_ref {
    /// IN: the virtual address to map at; with [`GNTMAP_contains_pte`] the machine address of
    /// the entry to write.
    pub host_addr: u64,
    /// IN: `GNTMAP_*`.
    pub flags: u32,
    /// IN: the entry.
    pub r#ref: grant_ref_t,
    /// IN: whose entry.
    pub dom: domid_t,
    /// OUT: `GNTST_*`.
    pub status: i16,
    /// OUT: names the mapping for its unmapping.
    pub handle: grant_handle_t,
    /// OUT: address for devices, with [`GNTMAP_device_map`].
    pub dev_bus_addr: u64,
}
const _: () = assert!(size_of::<gnttab_map_grant_ref>() == 32);

/// A mapping to undo.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_unmap_grant_ref {
    /// IN: where it is mapped; 0 leaves that mapping.
    pub host_addr: u64,
    /// IN: its address for devices; 0 leaves that mapping.
    pub dev_bus_addr: u64,
    /// IN: the mapping's name.
    pub handle: grant_handle_t,
    /// OUT: `GNTST_*`.
    pub status: i16,
    /// Padding.
    pub _pad0: [u8; 2],
}
const _: () = assert!(size_of::<gnttab_unmap_grant_ref>() == 24);

/// Grows the table and lists its frames.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_setup_table {
    /// IN: whose table.
    pub dom: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// IN: frames wanted.
    pub nr_frames: u32,
    /// OUT: `GNTST_*`.
    pub status: i16,
    /// Padding.
    pub _pad1: [u8; 6],
    /// IN: array for their numbers.
    pub frame_list: guest_handle,
}
const _: () = assert!(size_of::<gnttab_setup_table>() == 24);

/// Names a table to print.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_dump_table {
    /// IN: the domain.
    pub dom: domid_t,
    /// OUT: `GNTST_*`.
    pub status: i16,
}
const _: () = assert!(size_of::<gnttab_dump_table>() == 4);

/// A page to give away. Only if the status is [`GNTST_bad_page`] does it remain the caller's.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_transfer {
    /// IN: mfn.
    pub mfn: xen_pfn_t,
    /// The domain.
    pub domid: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// Ref.
    pub r#ref: grant_ref_t,
    /// OUT: `GNTST_*`.
    pub status: i16,
    /// Padding.
    pub _pad1: [u8; 6],
}
const _: () = assert!(size_of::<gnttab_transfer>() == 24);

/// The source is a grant reference.
pub const GNTCOPY_source_gref: u16 = 1;
/// The destination is a grant reference.
pub const GNTCOPY_dest_gref: u16 = 1 << 1;

/// Bytes to copy.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_copy {
    /// From where.
    pub source: gnttab_copy_ptr,
    /// To where.
    pub dest: gnttab_copy_ptr,
    /// Bytes; neither page may be left.
    pub len: u16,
    /// `GNTCOPY_*`.
    pub flags: u16,
    /// OUT: `GNTST_*`.
    pub status: i16,
    /// Padding.
    pub _pad0: [u8; 2],
}
const _: () = assert!(size_of::<gnttab_copy>() == 40);

/// A place to copy from or to.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_copy_ptr {
    /// A grant reference (low 32 bits) or a frame number, by [`gnttab_copy::flags`].
    pub u: u64,
    /// Whose it is.
    pub domid: domid_t,
    /// Offset in the page.
    pub offset: u16,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<gnttab_copy_ptr>() == 16);

/// Asks for the table's size.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_query_size {
    /// IN: whose table.
    pub dom: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// OUT: frames it has.
    pub nr_frames: u32,
    /// OUT: frames it may have.
    pub max_nr_frames: u32,
    /// OUT: `GNTST_*`.
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
    /// IN: where it is mapped; 0 leaves that mapping.
    pub host_addr: u64,
    /// New addr.
    pub new_addr: u64,
    /// IN: the mapping's name.
    pub handle: grant_handle_t,
    /// OUT: `GNTST_*`.
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
    /// IN: version.
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
    /// IN: nr frames.
    pub nr_frames: u32,
    /// The domain.
    pub dom: domid_t,
    /// OUT: `GNTST_*`.
    pub status: i16,
    /// Frame list.
    pub frame_list: guest_handle,
}
const _: () = assert!(size_of::<gnttab_get_status_frames>() == 16);

/// GNTTABOP_get_version: Get the grant table version which is in effect for domain &lt;dom>.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_get_version {
    /// IN: the domain.
    pub dom: domid_t,
    /// Unused; zero.
    pub pad: u16,
    /// OUT: version.
    pub version: u32,
}
const _: () = assert!(size_of::<gnttab_get_version>() == 8);

/// GNTTABOP_swap_grant_ref: Swap the contents of two grant entries.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_swap_grant_ref {
    /// IN: ref a.
    pub ref_a: grant_ref_t,
    /// Ref b.
    pub ref_b: grant_ref_t,
    /// OUT: `GNTST_*`.
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
    /// Offset from start of grant.
    pub offset: u16,
    /// Size within the grant.
    pub length: u16,
    /// Sub-command.
    pub op: u32,
}
const _: () = assert!(size_of::<gnttab_cache_flush>() == 16);

/// GNTTAB_CACHE_CLEAN.
pub const GNTTAB_CACHE_CLEAN: u32 = 1;
/// GNTTAB_CACHE_INVAL.
pub const GNTTAB_CACHE_INVAL: u32 = 1 << 1;
/// GNTTAB_CACHE_SOURCE_GREF.
pub const GNTTAB_CACHE_SOURCE_GREF: u32 = 1 << 31;
/// Map for devices.
pub const GNTMAP_device_map: u32 = 1;
/// Map for CPUs.
pub const GNTMAP_host_map: u32 = 1 << 1;
/// Map read-only.
pub const GNTMAP_readonly: u32 = 1 << 2;
/// User mode may use the mapping too.
pub const GNTMAP_application_map: u32 = 1 << 3;
/// `host_addr` names a page-table entry.
pub const GNTMAP_contains_pte: u32 = 1 << 4;
/// First of the bits that go into the entry's bits available to software.
pub const _GNTMAP_guest_avail0: u32 = 16;
/// All of these bits.
pub const GNTMAP_guest_avail_mask: u32 = 0xffff_0000;
/// Done.
pub const GNTST_okay: i16 = 0;
/// Failed for a reason without its own number.
pub const GNTST_general_error: i16 = -1;
/// No such domain.
pub const GNTST_bad_domain: i16 = -2;
/// No such entry, or not one for this use.
pub const GNTST_bad_gntref: i16 = -3;
/// No such mapping.
pub const GNTST_bad_handle: i16 = -4;
/// Not an address to map at.
pub const GNTST_bad_virt_addr: i16 = -5;
/// Not the device address of the mapping.
pub const GNTST_bad_dev_addr: i16 = -6;
/// The IOMMU has no room.
pub const GNTST_no_device_space: i16 = -7;
/// Not allowed.
pub const GNTST_permission_denied: i16 = -8;
/// Not a page for this use.
pub const GNTST_bad_page: i16 = -9;
/// The bytes to copy leave their page.
pub const GNTST_bad_copy_arg: i16 = -10;
/// The frame's address is too wide for the receiver.
pub const GNTST_address_too_big: i16 = -11;
/// Not done: try again.
pub const GNTST_eagain: i16 = -12;
/// Out of handles or other room.
pub const GNTST_no_space: i16 = -13;

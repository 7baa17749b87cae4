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
    /// Kind of grant, and to whom.
    pub hdr: grant_entry_header,
    /// Unused; zero.
    pub pad0: u32,
    /// The frame.
    pub frame: u64,
}
const _: () = assert!(size_of::<grant_entry_v2_full_page>() == 16);

/// Version 2: grants part of a page, for copies.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct grant_entry_v2_sub_page {
    /// Kind of grant, with [`GTF_sub_page`], and to whom.
    pub hdr: grant_entry_header,
    /// First byte granted, from the frame's begin.
    pub page_off: u16,
    /// Bytes granted.
    pub length: u16,
    /// The frame.
    pub frame: u64,
}
const _: () = assert!(size_of::<grant_entry_v2_sub_page>() == 16);

/// Version 2: passes on a grant of a third domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct grant_entry_v2_transitive {
    /// [`GTF_transitive`], and to whom.
    pub hdr: grant_entry_header,
    /// Who granted it to this domain.
    pub trans_domid: domid_t,
    /// Unused; zero.
    pub pad0: u16,
    /// The entry in that domain's table.
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
    /// IN: its frame.
    pub mfn: xen_pfn_t,
    /// IN: who receives it.
    pub domid: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// IN: the receiver's entry, with [`GTF_accept_transfer`].
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

/// A mapping to undo. The page-table entry takes over what maps `new_addr`, whose own entry
/// becomes empty; both at once.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_unmap_and_replace {
    /// IN: virtual address where it is mapped.
    pub host_addr: u64,
    /// IN: virtual address whose mapping moves there; 0 for none.
    pub new_addr: u64,
    /// IN: the mapping's name.
    pub handle: grant_handle_t,
    /// OUT: `GNTST_*`.
    pub status: i16,
    /// Padding.
    pub _pad0: [u8; 2],
}
const _: () = assert!(size_of::<gnttab_unmap_and_replace>() == 24);

/// Chooses the table's version; -EBUSY while grants are in use.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_set_version {
    /// IN: 1 or 2; OUT: the version in force.
    pub version: u32,
}
const _: () = assert!(size_of::<gnttab_set_version>() == 4);

/// Lists the frames of the status words. Version 2 keeps them apart from the entries, so that
/// the hypervisor need not change entries by compare-and-exchange.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_get_status_frames {
    /// IN: entries of the array; no more are written.
    pub nr_frames: u32,
    /// IN: whose table; only a toolstack may name another than `DOMID_SELF`.
    pub dom: domid_t,
    /// OUT: `GNTST_*`.
    pub status: i16,
    /// IN: where to write their numbers, a `u64` each.
    pub frame_list: guest_handle,
}
const _: () = assert!(size_of::<gnttab_get_status_frames>() == 16);

/// Asks for the version of a domain's table.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_get_version {
    /// IN: whose table; only a toolstack may name another than `DOMID_SELF`.
    pub dom: domid_t,
    /// Unused; zero.
    pub pad: u16,
    /// OUT: 1 or 2.
    pub version: u32,
}
const _: () = assert!(size_of::<gnttab_get_version>() == 8);

/// Two entries of the caller to exchange; neither may be in use.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_swap_grant_ref {
    /// IN: the one.
    pub ref_a: grant_ref_t,
    /// IN: the other.
    pub ref_b: grant_ref_t,
    /// OUT: `GNTST_*`.
    pub status: i16,
    /// Padding.
    pub _pad0: [u8; 2],
}
const _: () = assert!(size_of::<gnttab_swap_grant_ref>() == 12);

/// Writes back or drops what caches hold of a page granted to the caller.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct gnttab_cache_flush {
    /// IN: the page: its address for devices, or with [`GNTTAB_CACHE_SOURCE_GREF`] a grant
    /// reference in the low 32 bits.
    pub a: u64,
    /// IN: first byte, from the page's begin.
    pub offset: u16,
    /// IN: bytes.
    pub length: u16,
    /// IN: `GNTTAB_CACHE_*`.
    pub op: u32,
}
const _: () = assert!(size_of::<gnttab_cache_flush>() == 16);

/// Write caches back to memory.
pub const GNTTAB_CACHE_CLEAN: u32 = 1;
/// Drop what caches hold.
pub const GNTTAB_CACHE_INVAL: u32 = 1 << 1;
/// The page is named by a grant reference.
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
/// Number of the first flag bit that goes into the page-table entry's bits for software.
pub const _GNTMAP_guest_avail0: u32 = 16;
/// All the flag bits that go there.
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

//! `xen/memory.h`: arguments of `memory_op`, with which domains give, take, and describe
//! memory.

mod tools;

pub use self::tools::*;

use crate::Union;
use crate::arch_x86_64::{xen_pfn_t, xen_ulong_t};
use crate::xen::{domid_t, guest_handle};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Get frames without an address: returns extents allocated, argument
/// [`xen_memory_reservation`].
pub const XENMEM_increase_reservation: u32 = 0;
/// Give frames back: returns extents freed, argument [`xen_memory_reservation`].
pub const XENMEM_decrease_reservation: u32 = 1;
/// Get frames for given PFNs and record them in the machine-to-phys table: returns extents
/// allocated, argument [`xen_memory_reservation`].
pub const XENMEM_populate_physmap: u32 = 6;
/// Promise memory instead of allocating it.
pub const XENMEMF_populate_on_demand: u32 = 1 << 16;
/// Fail rather than take another node.
pub const XENMEMF_exact_node_request: u32 = 1 << 17;
/// The node is a virtual one.
pub const XENMEMF_vnode: u32 = 1 << 18;

/// Extents to allocate or free.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_memory_reservation {
    /// Array of frame numbers. Increase: written. Decrease: the frames. Populate: the PFNs,
    /// overwritten by the frames.
    pub extent_start: guest_handle,
    /// Entries of the array.
    pub nr_extents: xen_ulong_t,
    /// Each extent is 2^this pages, aligned to its size.
    pub extent_order: u32,
    /// `XENMEMF_*`.
    pub mem_flags: u32,
    /// Whose memory; only a toolstack may name another than `DOMID_SELF`.
    pub domid: domid_t,
    /// Padding.
    pub _pad0: [u8; 6],
}
const _: () = assert!(size_of::<xen_memory_reservation>() == 32);

/// Swap frames for others of another size or address width, argument [`xen_memory_exchange`].
pub const XENMEM_exchange: u32 = 11;

/// Frames to give and frames to get, of equal size in all.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_memory_exchange {
    /// What the caller gives.
    pub r#in: xen_memory_reservation,
    /// What it gets: PFNs on input, overwritten by frames.
    pub out: xen_memory_reservation,
    /// Extents of `in` done; must be 0 on input.
    pub nr_exchanged: xen_ulong_t,
}
const _: () = assert!(size_of::<xen_memory_exchange>() == 72);

/// Returns the highest frame number of RAM. No argument.
pub const XENMEM_maximum_ram_page: u32 = 2;

/// Names a domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_memory_domain {
    /// The domain asked about.
    pub domid: domid_t,
}
const _: () = assert!(size_of::<xen_memory_domain>() == 2);

/// Returns the domain's pages now, argument [`xen_memory_domain`].
pub const XENMEM_current_reservation: u32 = 3;
/// Returns the pages that the domain may have, argument [`xen_memory_domain`].
pub const XENMEM_maximum_reservation: u32 = 4;
/// Returns the highest PFN in use, argument [`xen_memory_domain`].
pub const XENMEM_maximum_gpfn: u32 = 14;
/// Lists the frames of the machine-to-phys table in steps of 2 MiB, argument
/// [`xen_machphys_mfn_list`].
pub const XENMEM_machphys_mfn_list: u32 = 5;

/// A buffer for frame numbers.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_machphys_mfn_list {
    /// Entries of the buffer.
    pub max_extents: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// The buffer; gaps are written as 0.
    pub extent_start: guest_handle,
    /// Entries written.
    pub nr_extents: u32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xen_machphys_mfn_list>() == 24);

/// As [`XENMEM_machphys_mfn_list`], of the table for 32-bit guests.
pub const XENMEM_machphys_compat_mfn_list: u32 = 25;
/// Tells where the machine-to-phys table is, argument [`xen_machphys_mapping`].
pub const XENMEM_machphys_mapping: u32 = 12;

/// Place and extent of the machine-to-phys table.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_machphys_mapping {
    /// Its first virtual address.
    pub v_start: xen_ulong_t,
    /// The virtual address after it.
    pub v_end: xen_ulong_t,
    /// The highest frame that may be looked up.
    pub max_mfn: xen_ulong_t,
}
const _: () = assert!(size_of::<xen_machphys_mapping>() == 24);

/// The shared page.
pub const XENMAPSPACE_shared_info: u32 = 0;
/// A page of the grant table, or with [`XENMAPIDX_grant_table_status`] of its status words.
pub const XENMAPSPACE_grant_table: u32 = 1;
/// A page of the domain's own, which moves.
pub const XENMAPSPACE_gmfn: u32 = 2;
/// A range of the domain's own pages; not in a batch.
pub const XENMAPSPACE_gmfn_range: u32 = 3;
/// A page of another domain; in a batch only.
pub const XENMAPSPACE_gmfn_foreign: u32 = 4;
/// A frame of a device's memory, mapped as ordinary write-back memory (Arm).
pub const XENMAPSPACE_dev_mmio: u32 = 5;
/// Choose what lies at a PFN of a translated guest, argument [`xen_add_to_physmap`].
pub const XENMEM_add_to_physmap: u32 = 7;

/// Argument of [`XENMEM_add_to_physmap`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_add_to_physmap {
    /// IN: whose address space changes.
    pub domid: domid_t,
    /// IN: pages, for [`XENMAPSPACE_gmfn_range`] only.
    pub size: u16,
    /// IN: `XENMAPSPACE_*`: what is to be mapped.
    pub space: u32,
    /// IN: which page of that space; the PFN, for the domain's own pages.
    pub idx: xen_ulong_t,
    /// IN: the PFN at which it will lie.
    pub gpfn: xen_pfn_t,
}
const _: () = assert!(size_of::<xen_add_to_physmap>() == 24);

/// ORed into an index: the page of status words (grant tables of version 2).
pub const XENMAPIDX_grant_table_status: u32 = 0x8000_0000;
/// As [`XENMEM_add_to_physmap`], for pages that need not be neighbours, argument
/// [`xen_add_to_physmap_batch`].
pub const XENMEM_add_to_physmap_batch: u32 = 23;

/// Argument of [`XENMEM_add_to_physmap_batch`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_add_to_physmap_batch {
    /// IN: whose address space changes.
    pub domid: domid_t,
    /// IN: `XENMAPSPACE_*`: what is to be mapped.
    pub space: u16,
    /// IN: entries of the arrays.
    pub size: u16,
    /// IN: the other domain, for [`XENMAPSPACE_gmfn_foreign`]; else zero.
    pub u: u16,
    /// IN: array of indices (`xen_ulong_t`) into the space.
    pub idxs: guest_handle,
    /// IN: array of the PFNs at which the pages will lie.
    pub gpfns: guest_handle,
    /// IN: where to write each page's result, an `i32`: 0 or a negated error.
    pub errs: guest_handle,
}
const _: () = assert!(size_of::<xen_add_to_physmap_batch>() == 32);

/// Leave nothing at a PFN of a translated guest, argument [`xen_remove_from_physmap`].
pub const XENMEM_remove_from_physmap: u32 = 15;

/// Argument of [`XENMEM_remove_from_physmap`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_remove_from_physmap {
    /// IN: whose address space changes.
    pub domid: domid_t,
    /// Padding.
    pub _pad0: [u8; 6],
    /// IN: the PFN.
    pub gpfn: xen_pfn_t,
}
const _: () = assert!(size_of::<xen_remove_from_physmap>() == 16);

/// Reads the domain's own memory map, argument [`xen_memory_map`].
pub const XENMEM_memory_map: u32 = 9;

/// A buffer for an E820 map: entries of 20 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_memory_map {
    /// Entries of the buffer; on return, entries written.
    pub nr_entries: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// The buffer.
    pub buffer: guest_handle,
}
const _: () = assert!(size_of::<xen_memory_map>() == 16);

/// Reads the machine's memory map (dom0), argument [`xen_memory_map`]; a null buffer asks for
/// the number of entries.
pub const XENMEM_machine_memory_map: u32 = 10;
/// Sets a domain's memory map, argument [`xen_foreign_memory_map`].
pub const XENMEM_set_memory_map: u32 = 13;

/// A memory map for another domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_foreign_memory_map {
    /// The domain.
    pub domid: domid_t,
    /// Padding.
    pub _pad0: [u8; 6],
    /// Its map.
    pub map: xen_memory_map,
}
const _: () = assert!(size_of::<xen_foreign_memory_map>() == 24);

/// Set how much memory a populate-on-demand domain really has, argument [`xen_pod_target`].
pub const XENMEM_set_pod_target: u32 = 16;
/// Ask for that memory, argument [`xen_pod_target`].
pub const XENMEM_get_pod_target: u32 = 17;

/// Populate on demand: a domain boots with less memory than it believes to have.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_pod_target {
    /// IN of set: pages to give it.
    pub target_pages: u64,
    /// OUT: pages it has.
    pub tot_pages: u64,
    /// OUT: pages of them kept for the promises.
    pub pod_cache_pages: u64,
    /// OUT: promises not yet kept, pages.
    pub pod_entries: u64,
    /// IN: the domain.
    pub domid: domid_t,
    /// Padding.
    pub _pad0: [u8; 6],
}
const _: () = assert!(size_of::<xen_pod_target>() == 40);

/// Sets memory aside for a domain that is about to be built, argument
/// [`xen_memory_reservation`].
pub const XENMEM_claim_pages: u32 = 24;
/// List the regions of address space that firmware reserves for devices (RMRR), so that RAM can
/// be kept out of them, argument [`xen_reserved_device_memory_map`].
pub const XENMEM_reserved_device_memory_map: u32 = 27;

/// A reserved region.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_reserved_device_memory {
    /// Its first frame.
    pub start_pfn: xen_pfn_t,
    /// Its length in pages.
    pub nr_pages: xen_ulong_t,
}
const _: () = assert!(size_of::<xen_reserved_device_memory>() == 16);

/// Argument of [`XENMEM_reserved_device_memory_map`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_reserved_device_memory_map {
    /// IN: [`XENMEM_RDM_ALL`], or 0 for the regions of one device.
    pub flags: u32,
    /// IN: entries of the buffer; OUT: what there are. -ERANGE if the buffer was too small.
    pub nr_entries: u32,
    /// IN: where to write, an array of [`xen_reserved_device_memory`].
    pub buffer: guest_handle,
    /// IN: the device.
    ///
    /// One of: `pci` ([`physdev_pci_device`](crate::physdev::physdev_pci_device)).
    pub dev: Union<[u16; 2]>,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xen_reserved_device_memory_map>() == 24);

/// The regions of all devices.
pub const XENMEM_RDM_ALL: u32 = 1;
/// Get the frames of a hypervisor-made resource of another domain, for a toolstack to map,
/// argument [`xen_mem_acquire_resource`].
pub const XENMEM_acquire_resource: u32 = 28;

/// Argument of [`XENMEM_acquire_resource`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_mem_acquire_resource {
    /// IN: whose resource.
    pub domid: domid_t,
    /// IN: `XENMEM_resource_*`.
    pub r#type: u16,
    /// IN: which of that type: the ioreq server, or `XENMEM_resource_grant_table_id_*`; else
    /// zero.
    pub id: u32,
    /// IN: frames wanted. 0 with a null list asks for the resource's size, written here.
    pub nr_frames: u32,
    /// IN: must be zero.
    pub pad: u32,
    /// IN: the first of them, counted from the resource's begin.
    pub frame: u64,
    /// IN: array of PFNs: for a PV caller where to write the machine frames, for others the
    /// places to map them at. After -EIO some are mapped.
    pub frame_list: guest_handle,
}
const _: () = assert!(size_of::<xen_mem_acquire_resource>() == 32);

/// The pages by which a device model receives I/O requests.
pub const XENMEM_resource_ioreq_server: u16 = 0;
/// The grant table.
pub const XENMEM_resource_grant_table: u16 = 1;
/// The processor trace of vCPU `id`.
pub const XENMEM_resource_vmtrace_buf: u16 = 2;
/// The entries.
pub const XENMEM_resource_grant_table_id_shared: u32 = 0;
/// The status words (version 2).
pub const XENMEM_resource_grant_table_id_status: u32 = 1;
/// Frame index of an ioreq server's page of buffered requests.
pub const XENMEM_resource_ioreq_server_frame_bufioreq: u32 = 0;
/// Read the NUMA topology that a domain was given, argument [`xen_vnuma_topology_info`].
pub const XENMEM_get_vnumainfo: u32 = 26;

/// Memory of a virtual NUMA node.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_vmemrange {
    /// First guest physical address, bytes.
    pub start: u64,
    /// The address after its last.
    pub end: u64,
    /// None is defined.
    pub flags: u32,
    /// The node.
    pub nid: u32,
}
const _: () = assert!(size_of::<xen_vmemrange>() == 24);

/// The NUMA topology of a guest. If an array is too small the numbers are written and the call
/// returns -ENOBUFS.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_vnuma_topology_info {
    /// IN: the domain.
    pub domid: domid_t,
    /// IN: must be zero.
    pub pad: u16,
    /// IN: nodes for which there is room; OUT: what there are.
    pub nr_vnodes: u32,
    /// IN: vCPUs for which there is room; OUT: what there are.
    pub nr_vcpus: u32,
    /// IN: ranges for which there is room; OUT: what there are.
    pub nr_vmemranges: u32,
    /// IN: handle of where to write `u32` distances, `nr_vnodes` x `nr_vnodes`, row by row.
    pub vdistance: u64,
    /// IN: handle of where to write the node of each vCPU, a `u32`.
    pub vcpu_to_vnode: u64,
    /// IN: handle of where to write the ranges, an array of [`xen_vmemrange`].
    pub vmemrange: u64,
}
const _: () = assert!(size_of::<xen_vnuma_topology_info>() == 40);

/// `mem_flags` that ask for frames below 2^`bits` bytes; 0 asks for none in particular.
pub const fn XENMEMF_address_bits(bits: u32) -> u32 {
    bits
}

/// The address-width limit in `mem_flags`, in bits; 0 means no limit.
pub const fn XENMEMF_get_address_bits(mem_flags: u32) -> u32 {
    mem_flags & 0xff
}

/// `mem_flags` that prefer NUMA node `node` (at most 254; a wider value wraps, as in C).
pub const fn XENMEMF_node(node: u32) -> u32 {
    node.wrapping_add(1) << 8
}

/// The NUMA node in `mem_flags`; 255 means none was named.
pub const fn XENMEMF_get_node(mem_flags: u32) -> u32 {
    (mem_flags >> 8).wrapping_sub(1) & 0xff
}

/// `mem_flags` that take frames from NUMA node `node` and no other.
pub const fn XENMEMF_exact_node(node: u32) -> u32 {
    XENMEMF_node(node) | XENMEMF_exact_node_request
}

/// Frame index of the `n`-th synchronous ioreq page of an ioreq server.
pub const fn XENMEM_resource_ioreq_server_frame_ioreq(n: u64) -> u64 {
    1 + n
}

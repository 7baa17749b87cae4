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

/// Shared info page.
pub const XENMAPSPACE_shared_info: u32 = 0;
/// Grant table page.
pub const XENMAPSPACE_grant_table: u32 = 1;
/// GMFN.
pub const XENMAPSPACE_gmfn: u32 = 2;
/// GMFN range, XENMEM_add_to_physmap only.
pub const XENMAPSPACE_gmfn_range: u32 = 3;
/// GMFN from another dom, XENMEM_add_to_physmap_batch only.
pub const XENMAPSPACE_gmfn_foreign: u32 = 4;
/// Device mmio region ARM only; the region is mapped in Stage-2 using the Normal Memory
/// Inner/Outer Write-Back Cacheable memory attribute.
pub const XENMAPSPACE_dev_mmio: u32 = 5;
/// Sets the GPFN at which a particular page appears in the specified guest's physical address
/// space (translated guests only). arg == addr of xen_add_to_physmap_t.
pub const XENMEM_add_to_physmap: u32 = 7;

/// Structure `xen_add_to_physmap` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_add_to_physmap {
    /// Which domain to change the mapping for.
    pub domid: domid_t,
    /// Number of pages to go through for gmfn_range.
    pub size: u16,
    /// Space.
    pub space: u32,
    /// Index into space being mapped.
    pub idx: xen_ulong_t,
    /// GPFN in domid where the source mapping page should appear.
    pub gpfn: xen_pfn_t,
}
const _: () = assert!(size_of::<xen_add_to_physmap>() == 24);

/// XENMAPIDX_grant_table_status.
pub const XENMAPIDX_grant_table_status: u32 = 0x8000_0000;
/// A batched version of add_to_physmap.
pub const XENMEM_add_to_physmap_batch: u32 = 23;

/// Structure `xen_add_to_physmap_batch` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_add_to_physmap_batch {
    /// Which domain to change the mapping for.
    pub domid: domid_t,
    /// Space.
    pub space: u16,
    /// Number of pages to go through.
    pub size: u16,
    /// Depends on the command.
    pub u: u16,
    /// Indexes into space being mapped.
    pub idxs: guest_handle,
    /// GPFN in domid where the source mapping page should appear.
    pub gpfns: guest_handle,
    /// Per index error code.
    pub errs: guest_handle,
}
const _: () = assert!(size_of::<xen_add_to_physmap_batch>() == 32);

/// Unmaps the page appearing at a particular GPFN from the specified guest's physical address
/// space (translated guests only). arg == addr of xen_remove_from_physmap_t.
pub const XENMEM_remove_from_physmap: u32 = 15;

/// Structure `xen_remove_from_physmap` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_remove_from_physmap {
    /// Which domain to change the mapping for.
    pub domid: domid_t,
    /// Padding.
    pub _pad0: [u8; 6],
    /// GPFN of the current mapping of the page.
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

/// XENMEM_set_pod_target.
pub const XENMEM_set_pod_target: u32 = 16;
/// XENMEM_get_pod_target.
pub const XENMEM_get_pod_target: u32 = 17;

/// Structure `xen_pod_target` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_pod_target {
    /// IN: target pages.
    pub target_pages: u64,
    /// OUT: tot pages.
    pub tot_pages: u64,
    /// Pod cache pages.
    pub pod_cache_pages: u64,
    /// Pod entries.
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
/// With some legacy devices, certain guest-physical addresses cannot safely be used for other
/// purposes, e.g. to map guest RAM. This hypercall enumerates those regions so the toolstack
/// can avoid using them.
pub const XENMEM_reserved_device_memory_map: u32 = 27;

/// Structure `xen_reserved_device_memory` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_reserved_device_memory {
    /// Start pfn.
    pub start_pfn: xen_pfn_t,
    /// Nr pages.
    pub nr_pages: xen_ulong_t,
}
const _: () = assert!(size_of::<xen_reserved_device_memory>() == 16);

/// Structure `xen_reserved_device_memory_map` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_reserved_device_memory_map {
    /// IN: flags.
    pub flags: u32,
    /// IN/OUT Gets set to the required number of entries when too low, signaled by error code
    /// -ERANGE.
    pub nr_entries: u32,
    /// OUT: buffer in the caller's memory.
    pub buffer: guest_handle,
    /// Dev.
    ///
    /// One of: `pci` ([`physdev_pci_device`](crate::physdev::physdev_pci_device)).
    pub dev: Union<[u16; 2]>,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xen_reserved_device_memory_map>() == 24);

/// Request all regions (ignore dev union).
pub const XENMEM_RDM_ALL: u32 = 1;
/// Get the pages for a particular guest resource, so that they can be mapped directly by a
/// tools domain.
pub const XENMEM_acquire_resource: u32 = 28;

/// Structure `xen_mem_acquire_resource` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_mem_acquire_resource {
    /// IN - The domain whose resource is to be mapped.
    pub domid: domid_t,
    /// IN - the type of resource.
    pub r#type: u16,
    /// IN - a type-specific resource identifier, which must be zero unless stated otherwise.
    /// type == XENMEM_resource_ioreq_server -> id == ioreq server id type ==
    /// XENMEM_resource_grant_table -> id defined below.
    pub id: u32,
    /// IN/OUT As an IN parameter number of frames of the resource to be mapped.
    pub nr_frames: u32,
    /// Padding field, must be zero on input.
    pub pad: u32,
    /// IN - the index of the initial frame to be mapped.
    pub frame: u64,
    /// IN/OUT - If the tools domain is PV then, upon return, frame_list will be populated with
    /// the MFNs of the resource.
    pub frame_list: guest_handle,
}
const _: () = assert!(size_of::<xen_mem_acquire_resource>() == 32);

/// XENMEM_resource_ioreq_server.
pub const XENMEM_resource_ioreq_server: u16 = 0;
/// XENMEM_resource_grant_table.
pub const XENMEM_resource_grant_table: u16 = 1;
/// XENMEM_resource_vmtrace_buf.
pub const XENMEM_resource_vmtrace_buf: u16 = 2;
/// XENMEM_resource_grant_table_id_shared.
pub const XENMEM_resource_grant_table_id_shared: u32 = 0;
/// XENMEM_resource_grant_table_id_status.
pub const XENMEM_resource_grant_table_id_status: u32 = 1;
/// XENMEM_resource_ioreq_server_frame_bufioreq.
pub const XENMEM_resource_ioreq_server_frame_bufioreq: u32 = 0;
/// XENMEM_get_vnumainfo used by guest to get vNUMA topology from hypervisor.
pub const XENMEM_get_vnumainfo: u32 = 26;

/// VNUMA node memory ranges.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_vmemrange {
    /// Start.
    pub start: u64,
    /// End.
    pub end: u64,
    /// Flags.
    pub flags: u32,
    /// Nid.
    pub nid: u32,
}
const _: () = assert!(size_of::<xen_vmemrange>() == 24);

/// VNUMA topology specifies vNUMA node number, distance table, memory ranges and vcpu mapping
/// provided for guests.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_vnuma_topology_info {
    /// IN: the domain.
    pub domid: domid_t,
    /// Unused; zero.
    pub pad: u16,
    /// IN/OUT: nr vnodes.
    pub nr_vnodes: u32,
    /// Nr vcpus.
    pub nr_vcpus: u32,
    /// Nr vmemranges.
    pub nr_vmemranges: u32,
    /// Vdistance.
    pub vdistance: u64,
    /// Vcpu to vnode.
    pub vcpu_to_vnode: u64,
    /// Vmemrange.
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

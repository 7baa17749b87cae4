//! Sysctls that describe the machine: CPUs, memory, topology.

use crate::xen::guest_handle;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// HVM guests can run.
pub const XEN_SYSCTL_PHYSCAP_hvm: u32 = 1;
/// PV guests can run.
pub const XEN_SYSCTL_PHYSCAP_pv: u32 = 1 << 1;
/// An IOMMU allows device pass-through.
pub const XEN_SYSCTL_PHYSCAP_directio: u32 = 1 << 2;
/// Nested paging is there.
pub const XEN_SYSCTL_PHYSCAP_hap: u32 = 1 << 3;
/// Shadow paging is there.
pub const XEN_SYSCTL_PHYSCAP_shadow: u32 = 1 << 4;
/// The IOMMU can share nested page tables.
pub const XEN_SYSCTL_PHYSCAP_iommu_hap_pt_share: u32 = 1 << 5;
/// Processor tracing of guests is there.
pub const XEN_SYSCTL_PHYSCAP_vmtrace: u32 = 1 << 6;
/// Virtual performance counters are there.
pub const XEN_SYSCTL_PHYSCAP_vpmu: u32 = 1 << 7;
/// Grant tables of version 1 are there.
pub const XEN_SYSCTL_PHYSCAP_gnttab_v1: u32 = 1 << 8;
/// Grant tables of version 2 are there.
pub const XEN_SYSCTL_PHYSCAP_gnttab_v2: u32 = 1 << 9;
/// The highest capability.
pub const XEN_SYSCTL_PHYSCAP_MAX: u32 = XEN_SYSCTL_PHYSCAP_gnttab_v2;

/// The machine in numbers.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_physinfo {
    /// Threads of a core.
    pub threads_per_core: u32,
    /// Cores of a socket.
    pub cores_per_socket: u32,
    /// CPUs that are up.
    pub nr_cpus: u32,
    /// The highest possible CPU number.
    pub max_cpu_id: u32,
    /// NUMA nodes that are up.
    pub nr_nodes: u32,
    /// The highest possible node number.
    pub max_node_id: u32,
    /// CPU frequency, kHz.
    pub cpu_khz: u32,
    /// `XEN_SYSCTL_PHYSCAP_*`.
    pub capabilities: u32,
    /// None on x86.
    pub arch_capabilities: u32,
    /// Unused; zero.
    pub pad: u32,
    /// Pages of RAM.
    pub total_pages: u64,
    /// Free pages.
    pub free_pages: u64,
    /// Free pages still to be wiped.
    pub scrub_pages: u64,
    /// Pages claimed for domains and not yet given.
    pub outstanding_pages: u64,
    /// The highest possible frame number.
    pub max_mfn: u64,
    /// CPUID feature words as `xl info` prints them.
    pub hw_cap: [u32; 8],
}
const _: () = assert!(size_of::<xen_sysctl_physinfo>() == 112);

/// Argument of `XEN_SYSCTL_getcpuinfo`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cpuinfo {
    /// Idletime.
    pub idletime: u64,
}
const _: () = assert!(size_of::<xen_sysctl_cpuinfo>() == 8);

/// Idle times of CPUs.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_getcpuinfo {
    /// IN: max cpus.
    pub max_cpus: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Info.
    pub info: guest_handle,
    /// OUT: nr cpus.
    pub nr_cpus: u32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xen_sysctl_getcpuinfo>() == 24);

/// Argument of `XEN_SYSCTL_availheap`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_availheap {
    /// Smallest address width (zero if don't care).
    pub min_bitwidth: u32,
    /// Largest address width (zero if don't care).
    pub max_bitwidth: u32,
    /// NUMA node of interest (-1 for all nodes).
    pub node: i32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Bytes available in the specified region.
    pub avail_bytes: u64,
}
const _: () = assert!(size_of::<xen_sysctl_availheap>() == 24);

/// XEN_SYSCTL_cputopoinfo.
pub const XEN_INVALID_CORE_ID: u32 = 0xffff_ffff;
/// XEN_INVALID_SOCKET_ID.
pub const XEN_INVALID_SOCKET_ID: u32 = 0xffff_ffff;
/// XEN_INVALID_NODE_ID.
pub const XEN_INVALID_NODE_ID: u32 = 0xffff_ffff;

/// Where a CPU sits.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cputopo {
    /// Core number, or [`XEN_INVALID_CORE_ID`].
    pub core: u32,
    /// Socket number, or [`XEN_INVALID_SOCKET_ID`].
    pub socket: u32,
    /// NUMA node, or [`XEN_INVALID_NODE_ID`].
    pub node: u32,
}
const _: () = assert!(size_of::<xen_sysctl_cputopo>() == 12);

/// Topology of the CPUs.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cputopoinfo {
    /// IN: entries of the array; OUT: CPUs.
    pub num_cpus: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Array of [`xen_sysctl_cputopo`].
    pub cputopo: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_cputopoinfo>() == 16);

/// XEN_SYSCTL_numainfo.
pub const XEN_INVALID_MEM_SZ: u32 = 0xffff_ffff;
/// XEN_INVALID_NODE_DIST.
pub const XEN_INVALID_NODE_DIST: u32 = 0xffff_ffff;

/// Memory of a NUMA node.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_meminfo {
    /// Its memory, bytes.
    pub memsize: u64,
    /// Its free memory, bytes.
    pub memfree: u64,
}
const _: () = assert!(size_of::<xen_sysctl_meminfo>() == 16);

/// Memory and distances of NUMA nodes.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_numainfo {
    /// IN: entries of the arrays; OUT: nodes.
    pub num_nodes: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Array of [`xen_sysctl_meminfo`].
    pub meminfo: guest_handle,
    /// Distance between nodes 'i' and 'j' is stored in index 'i*N + j', where N is the number
    /// of nodes that will be returned in 'num_nodes' (i.e. not 'num_nodes' provided by the
    /// caller).
    pub distance: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_numainfo>() == 24);

/// XEN_SYSCTL_pcitopoinfo.
pub const XEN_INVALID_DEV: u32 = XEN_INVALID_NODE_ID - 1;

/// Structure `xen_sysctl_pcitopoinfo` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_pcitopoinfo {
    /// IN: Number of elements in 'devs' and 'nodes' arrays.
    pub num_devs: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// IN: list of devices for which node IDs are requested.
    pub devs: guest_handle,
    /// OUT: node identifier for each device.
    pub nodes: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_pcitopoinfo>() == 24);

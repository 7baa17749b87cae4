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

/// Figures of one CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cpuinfo {
    /// Time spent idle since boot, ns.
    pub idletime: u64,
}
const _: () = assert!(size_of::<xen_sysctl_cpuinfo>() == 8);

/// Idle times of CPUs.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_getcpuinfo {
    /// IN: entries of `info`.
    pub max_cpus: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// IN: where to write, an array of [`xen_sysctl_cpuinfo`] by CPU number.
    pub info: guest_handle,
    /// OUT: entries written.
    pub nr_cpus: u32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xen_sysctl_getcpuinfo>() == 24);

/// Free memory within limits of address and node.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_availheap {
    /// IN: count only memory that needs addresses at least this wide, bits; 0 for no limit.
    pub min_bitwidth: u32,
    /// IN: count only memory whose addresses fit in this width, bits; 0 for no limit.
    pub max_bitwidth: u32,
    /// IN: NUMA node; -1 for all.
    pub node: i32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// OUT: bytes free.
    pub avail_bytes: u64,
}
const _: () = assert!(size_of::<xen_sysctl_availheap>() == 24);

/// [`xen_sysctl_cputopo::core`] of a CPU that is absent or down.
pub const XEN_INVALID_CORE_ID: u32 = 0xffff_ffff;
/// [`xen_sysctl_cputopo::socket`] of a CPU that is absent or down.
pub const XEN_INVALID_SOCKET_ID: u32 = 0xffff_ffff;
/// The NUMA node is unknown.
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

/// [`xen_sysctl_meminfo::memsize`] of a node that is not there.
pub const XEN_INVALID_MEM_SZ: u32 = 0xffff_ffff;
/// The distance between two nodes is unknown.
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
    /// IN: where to write `u32` distances, row by row, `num_nodes` (as returned) to a row; 10 is
    /// local.
    pub distance: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_numainfo>() == 24);

/// In [`xen_sysctl_pcitopoinfo::nodes`]: the hypervisor does not know the device.
pub const XEN_INVALID_DEV: u32 = XEN_INVALID_NODE_ID - 1;

/// NUMA nodes of PCI devices.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_pcitopoinfo {
    /// IN: entries of both arrays; OUT: entries done.
    pub num_devs: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// IN: array of [`physdev_pci_device`](crate::physdev::physdev_pci_device), the devices.
    pub devs: guest_handle,
    /// IN: where to write, a `u32` for each device: its node, [`XEN_INVALID_NODE_ID`] or
    /// [`XEN_INVALID_DEV`].
    pub nodes: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_pcitopoinfo>() == 24);

//! `xen/physdev.h`: arguments of `physdev_op`, by which the hardware domain routes interrupts
//! and reports PCI devices.

use crate::Union;
use crate::arch_x86_64::xen_pfn_t;
use crate::xen::{domid_t, guest_handle};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Command `eoi`, argument [`physdev_eoi`].
pub const PHYSDEVOP_eoi: u32 = 12;

/// Structure `physdev_eoi` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_eoi {
    /// IN: interrupt number.
    pub irq: u32,
}
const _: () = assert!(size_of::<physdev_eoi>() == 4);

/// Register a shared page for the hypervisor to indicate whether the guest must issue
/// PHYSDEVOP_eoi.
pub const PHYSDEVOP_pirq_eoi_gmfn_v1: u32 = 17;
/// Register a shared page for the hypervisor to indicate whether the guest must issue
/// PHYSDEVOP_eoi.
pub const PHYSDEVOP_pirq_eoi_gmfn_v2: u32 = 28;

/// Structure `physdev_pirq_eoi_gmfn` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_pirq_eoi_gmfn {
    /// IN: gmfn.
    pub gmfn: xen_pfn_t,
}
const _: () = assert!(size_of::<physdev_pirq_eoi_gmfn>() == 8);

/// Command `irq_status_query`, argument [`physdev_irq_status_query`].
pub const PHYSDEVOP_irq_status_query: u32 = 5;

/// Structure `physdev_irq_status_query` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_irq_status_query {
    /// IN: interrupt number.
    pub irq: u32,
    /// `XENIRQSTAT_*`.
    pub flags: u32,
}
const _: () = assert!(size_of::<physdev_irq_status_query>() == 8);

/// Need to call PHYSDEVOP_eoi when the IRQ has been serviced?
pub const XENIRQSTAT_needs_eoi: u32 = 1;
/// IRQ shared by multiple guests?
pub const XENIRQSTAT_shared: u32 = 1 << 1;
/// Command `set_iopl`, argument [`physdev_set_iopl`].
pub const PHYSDEVOP_set_iopl: u32 = 6;

/// Structure `physdev_set_iopl` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_set_iopl {
    /// IN: iopl.
    pub iopl: u32,
}
const _: () = assert!(size_of::<physdev_set_iopl>() == 4);

/// Command `set_iobitmap`, argument [`physdev_set_iobitmap`].
pub const PHYSDEVOP_set_iobitmap: u32 = 7;

/// Structure `physdev_set_iobitmap` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_set_iobitmap {
    /// Bitmap.
    pub bitmap: guest_handle,
    /// Nr ports.
    pub nr_ports: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<physdev_set_iobitmap>() == 16);

/// Read or write an IO-APIC register. @arg == pointer to physdev_apic structure.
pub const PHYSDEVOP_apic_read: u32 = 8;
/// PHYSDEVOP_apic_write.
pub const PHYSDEVOP_apic_write: u32 = 9;

/// Structure `physdev_apic` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_apic {
    /// IN: apic physbase.
    pub apic_physbase: u64,
    /// Reg.
    pub reg: u32,
    /// IN or OUT.
    pub value: u32,
}
const _: () = assert!(size_of::<physdev_apic>() == 16);

/// Allocate or free a physical upcall vector for the specified IRQ line. @arg == pointer to
/// physdev_irq structure.
pub const PHYSDEVOP_alloc_irq_vector: u32 = 10;
/// PHYSDEVOP_free_irq_vector.
pub const PHYSDEVOP_free_irq_vector: u32 = 11;

/// Structure `physdev_irq` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_irq {
    /// IN: interrupt number.
    pub irq: u32,
    /// IN or OUT.
    pub vector: u32,
}
const _: () = assert!(size_of::<physdev_irq>() == 8);

/// [`physdev_map_pirq::type`](physdev_map_pirq#structfield.type): MSI.
pub const MAP_PIRQ_TYPE_MSI: i32 = 0x0;
/// [`physdev_map_pirq::type`](physdev_map_pirq#structfield.type): GSI.
pub const MAP_PIRQ_TYPE_GSI: i32 = 0x1;
/// [`physdev_map_pirq::type`](physdev_map_pirq#structfield.type): UNKNOWN.
pub const MAP_PIRQ_TYPE_UNKNOWN: i32 = 0x2;
/// [`physdev_map_pirq::type`](physdev_map_pirq#structfield.type): MSI_SEG.
pub const MAP_PIRQ_TYPE_MSI_SEG: i32 = 0x3;
/// [`physdev_map_pirq::type`](physdev_map_pirq#structfield.type): MULTI_MSI.
pub const MAP_PIRQ_TYPE_MULTI_MSI: i32 = 0x4;
/// Command `map_pirq`, argument [`physdev_map_pirq`].
pub const PHYSDEVOP_map_pirq: u32 = 13;

/// Structure `physdev_map_pirq` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_map_pirq {
    /// The domain.
    pub domid: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// IN: type.
    pub r#type: i32,
    /// IN (ignored for ..._MULTI_MSI).
    pub index: i32,
    /// IN or OUT.
    pub pirq: i32,
    /// IN - high 16 bits hold segment for ..._MSI_SEG and ..._MULTI_MSI.
    pub bus: i32,
    /// IN: pci device (bits 7:3) and function (bits 2:0).
    pub devfn: i32,
    /// IN (also OUT for ..._MULTI_MSI).
    pub entry_nr: i32,
    /// Padding.
    pub _pad1: [u8; 4],
    /// IN: table base.
    pub table_base: u64,
}
const _: () = assert!(size_of::<physdev_map_pirq>() == 40);

/// Command `unmap_pirq`, argument [`physdev_unmap_pirq`].
pub const PHYSDEVOP_unmap_pirq: u32 = 14;

/// Structure `physdev_unmap_pirq` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_unmap_pirq {
    /// The domain.
    pub domid: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// IN: physical interrupt number.
    pub pirq: i32,
}
const _: () = assert!(size_of::<physdev_unmap_pirq>() == 8);

/// PHYSDEVOP_manage_pci_add.
pub const PHYSDEVOP_manage_pci_add: u32 = 15;
/// PHYSDEVOP_manage_pci_remove.
pub const PHYSDEVOP_manage_pci_remove: u32 = 16;

/// Structure `physdev_manage_pci` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_manage_pci {
    /// IN: pci bus.
    pub bus: u8,
    /// PCI device (bits 7:3) and function (bits 2:0).
    pub devfn: u8,
}
const _: () = assert!(size_of::<physdev_manage_pci>() == 2);

/// Command `restore_msi`, argument [`physdev_restore_msi`].
pub const PHYSDEVOP_restore_msi: u32 = 19;

/// Structure `physdev_restore_msi` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_restore_msi {
    /// IN: pci bus.
    pub bus: u8,
    /// PCI device (bits 7:3) and function (bits 2:0).
    pub devfn: u8,
}
const _: () = assert!(size_of::<physdev_restore_msi>() == 2);

/// PHYSDEVOP_manage_pci_add_ext.
pub const PHYSDEVOP_manage_pci_add_ext: u32 = 20;

/// Structure `physdev_manage_pci_ext` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_manage_pci_ext {
    /// IN: pci bus.
    pub bus: u8,
    /// PCI device (bits 7:3) and function (bits 2:0).
    pub devfn: u8,
    /// Padding.
    pub _pad0: [u8; 2],
    /// Is extfn.
    pub is_extfn: u32,
    /// Is virtfn.
    pub is_virtfn: u32,
    /// Physfn.
    pub physfn: physdev_manage_pci_ext_physfn,
    /// Padding.
    pub _pad1: [u8; 2],
}
const _: () = assert!(size_of::<physdev_manage_pci_ext>() == 16);

/// Physdev_manage_pci_ext_physfn.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_manage_pci_ext_physfn {
    /// PCI bus.
    pub bus: u8,
    /// PCI device (bits 7:3) and function (bits 2:0).
    pub devfn: u8,
}
const _: () = assert!(size_of::<physdev_manage_pci_ext_physfn>() == 2);

/// Argument to physdev_op_compat() hypercall.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_op {
    /// Sub-command.
    pub cmd: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Depends on the command.
    ///
    /// One of: `irq_status_query` ([`physdev_irq_status_query`]), `set_iopl`
    /// ([`physdev_set_iopl`]), `set_iobitmap` ([`physdev_set_iobitmap`]), `apic_op`
    /// ([`physdev_apic`]), `irq_op` ([`physdev_irq`]).
    pub u: Union<[u64; 2]>,
}
const _: () = assert!(size_of::<physdev_op>() == 24);

/// Command `setup_gsi`, argument [`physdev_setup_gsi`].
pub const PHYSDEVOP_setup_gsi: u32 = 21;

/// Structure `physdev_setup_gsi` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_setup_gsi {
    /// Global system interrupt.
    pub gsi: i32,
    /// IN: triggering.
    pub triggering: u8,
    /// IN: polarity.
    pub polarity: u8,
    /// Padding.
    pub _pad0: [u8; 2],
}
const _: () = assert!(size_of::<physdev_setup_gsi>() == 8);

/// Command `get_free_pirq`, argument [`physdev_get_free_pirq`].
pub const PHYSDEVOP_get_free_pirq: u32 = 23;

/// Structure `physdev_get_free_pirq` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_get_free_pirq {
    /// IN: type.
    pub r#type: i32,
    /// OUT: physical interrupt number.
    pub pirq: u32,
}
const _: () = assert!(size_of::<physdev_get_free_pirq>() == 8);

/// XEN_PCI_MMCFG_RESERVED.
pub const XEN_PCI_MMCFG_RESERVED: u32 = 0x1;
/// Command `pci_mmcfg_reserved`, argument [`physdev_pci_mmcfg_reserved`].
pub const PHYSDEVOP_pci_mmcfg_reserved: u32 = 24;

/// Structure `physdev_pci_mmcfg_reserved` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_pci_mmcfg_reserved {
    /// Address.
    pub address: u64,
    /// PCI segment.
    pub segment: u16,
    /// Start bus.
    pub start_bus: u8,
    /// End bus.
    pub end_bus: u8,
    /// Flags.
    pub flags: u32,
}
const _: () = assert!(size_of::<physdev_pci_mmcfg_reserved>() == 16);

/// XEN_PCI_DEV_EXTFN.
pub const XEN_PCI_DEV_EXTFN: u32 = 0x1;
/// XEN_PCI_DEV_VIRTFN.
pub const XEN_PCI_DEV_VIRTFN: u32 = 0x2;
/// XEN_PCI_DEV_PXM.
pub const XEN_PCI_DEV_PXM: u32 = 0x4;
/// Command `pci_device_add`, argument [`physdev_pci_device_add`].
pub const PHYSDEVOP_pci_device_add: u32 = 25;

/// Structure `physdev_pci_device_add` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_pci_device_add {
    /// IN: pci segment.
    pub seg: u16,
    /// PCI bus.
    pub bus: u8,
    /// PCI device (bits 7:3) and function (bits 2:0).
    pub devfn: u8,
    /// Flags.
    pub flags: u32,
    /// Physfn.
    pub physfn: physdev_pci_device_add_physfn,
    /// Padding.
    pub _pad0: [u8; 2],
    /// Optional parameters array.
    pub optarr: [u32; 0],
}
const _: () = assert!(size_of::<physdev_pci_device_add>() == 12);

/// Physdev_pci_device_add_physfn.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_pci_device_add_physfn {
    /// PCI bus.
    pub bus: u8,
    /// PCI device (bits 7:3) and function (bits 2:0).
    pub devfn: u8,
}
const _: () = assert!(size_of::<physdev_pci_device_add_physfn>() == 2);

/// PHYSDEVOP_pci_device_remove.
pub const PHYSDEVOP_pci_device_remove: u32 = 26;
/// PHYSDEVOP_restore_msi_ext.
pub const PHYSDEVOP_restore_msi_ext: u32 = 27;
/// Dom0 should use these two to announce MMIO resources assigned to MSI-X capable devices won't
/// (prepare) or may (release) change.
pub const PHYSDEVOP_prepare_msix: u32 = 30;
/// PHYSDEVOP_release_msix.
pub const PHYSDEVOP_release_msix: u32 = 31;

/// Structure `physdev_pci_device` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_pci_device {
    /// IN: pci segment.
    pub seg: u16,
    /// PCI bus.
    pub bus: u8,
    /// PCI device (bits 7:3) and function (bits 2:0).
    pub devfn: u8,
}
const _: () = assert!(size_of::<physdev_pci_device>() == 4);

/// PHYSDEVOP_DBGP_RESET_PREPARE.
pub const PHYSDEVOP_DBGP_RESET_PREPARE: u8 = 1;
/// PHYSDEVOP_DBGP_RESET_DONE.
pub const PHYSDEVOP_DBGP_RESET_DONE: u8 = 2;
/// PHYSDEVOP_DBGP_BUS_UNKNOWN.
pub const PHYSDEVOP_DBGP_BUS_UNKNOWN: u8 = 0;
/// PHYSDEVOP_DBGP_BUS_PCI.
pub const PHYSDEVOP_DBGP_BUS_PCI: u8 = 1;
/// Command `dbgp_op`, argument [`physdev_dbgp_op`].
pub const PHYSDEVOP_dbgp_op: u32 = 29;

/// Structure `physdev_dbgp_op` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_dbgp_op {
    /// IN: sub-command.
    pub op: u8,
    /// PCI bus.
    pub bus: u8,
    /// Depends on the command.
    ///
    /// One of: `pci` ([`physdev_pci_device`]).
    pub u: Union<[u16; 2]>,
}
const _: () = assert!(size_of::<physdev_dbgp_op>() == 6);

/// Notify that some PIRQ-bound event channels have been unmasked. ** This command is obsolete
/// since interface version 0x00030202 and is ** ** unsupported by newer versions of Xen.
pub const PHYSDEVOP_IRQ_UNMASK_NOTIFY: u32 = 4;
/// Command `pirq_eoi_gmfn`, argument [`physdev_pirq_eoi_gmfn`].
pub const PHYSDEVOP_pirq_eoi_gmfn: u32 = PHYSDEVOP_pirq_eoi_gmfn_v2;

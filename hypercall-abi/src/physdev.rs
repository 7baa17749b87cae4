//! `xen/physdev.h`.

use crate::Union;
use crate::arch_x86_64::xen_pfn_t;
use crate::xen::{domid_t, guest_handle};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Notify end-of-interrupt (EOI) for the specified IRQ. @arg == pointer to physdev_eoi
/// structure.
pub const PHYSDEVOP_eoi: u32 = 12;

/// Physdev eoi.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_eoi {
    /// IN.
    pub irq: u32,
}
const _: () = assert!(size_of::<physdev_eoi>() == 4);

/// Register a shared page for the hypervisor to indicate whether the guest must issue
/// PHYSDEVOP_eoi.
pub const PHYSDEVOP_pirq_eoi_gmfn_v1: u32 = 17;
/// Register a shared page for the hypervisor to indicate whether the guest must issue
/// PHYSDEVOP_eoi.
pub const PHYSDEVOP_pirq_eoi_gmfn_v2: u32 = 28;

/// Physdev pirq eoi gmfn.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_pirq_eoi_gmfn {
    /// IN.
    pub gmfn: xen_pfn_t,
}
const _: () = assert!(size_of::<physdev_pirq_eoi_gmfn>() == 8);

/// Query the status of an IRQ line. @arg == pointer to physdev_irq_status_query structure.
pub const PHYSDEVOP_irq_status_query: u32 = 5;

/// Physdev irq status query.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_irq_status_query {
    /// IN.
    pub irq: u32,
    /// XENIRQSTAT_.
    pub flags: u32,
}
const _: () = assert!(size_of::<physdev_irq_status_query>() == 8);

/// Need to call PHYSDEVOP_eoi when the IRQ has been serviced?.
pub const XENIRQSTAT_needs_eoi: u32 = 1;
/// IRQ shared by multiple guests?.
pub const XENIRQSTAT_shared: u32 = 1 << 1;
/// Set the current VCPU's I/O privilege level. @arg == pointer to physdev_set_iopl structure.
pub const PHYSDEVOP_set_iopl: u32 = 6;

/// Physdev set iopl.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_set_iopl {
    /// IN.
    pub iopl: u32,
}
const _: () = assert!(size_of::<physdev_set_iopl>() == 4);

/// Set the current VCPU's I/O-port permissions bitmap. @arg == pointer to physdev_set_iobitmap
/// structure.
pub const PHYSDEVOP_set_iobitmap: u32 = 7;

/// Physdev set iobitmap.
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
/// Physdevop apic write.
pub const PHYSDEVOP_apic_write: u32 = 9;

/// Physdev apic.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_apic {
    /// IN.
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
/// Physdevop free irq vector.
pub const PHYSDEVOP_free_irq_vector: u32 = 11;

/// Physdev irq.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_irq {
    /// IN.
    pub irq: u32,
    /// IN or OUT.
    pub vector: u32,
}
const _: () = assert!(size_of::<physdev_irq>() == 8);

/// Map pirq type msi.
pub const MAP_PIRQ_TYPE_MSI: i32 = 0x0;
/// Map pirq type gsi.
pub const MAP_PIRQ_TYPE_GSI: i32 = 0x1;
/// Map pirq type unknown.
pub const MAP_PIRQ_TYPE_UNKNOWN: i32 = 0x2;
/// Map pirq type msi seg.
pub const MAP_PIRQ_TYPE_MSI_SEG: i32 = 0x3;
/// Map pirq type multi msi.
pub const MAP_PIRQ_TYPE_MULTI_MSI: i32 = 0x4;
/// Physdevop map pirq.
pub const PHYSDEVOP_map_pirq: u32 = 13;

/// Physdev map pirq.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_map_pirq {
    /// Domid.
    pub domid: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// IN.
    pub r#type: i32,
    /// IN (ignored for ..._MULTI_MSI).
    pub index: i32,
    /// IN or OUT.
    pub pirq: i32,
    /// IN - high 16 bits hold segment for ..._MSI_SEG and ..._MULTI_MSI.
    pub bus: i32,
    /// IN.
    pub devfn: i32,
    /// IN (also OUT for ..._MULTI_MSI).
    pub entry_nr: i32,
    /// Padding.
    pub _pad1: [u8; 4],
    /// IN.
    pub table_base: u64,
}
const _: () = assert!(size_of::<physdev_map_pirq>() == 40);

/// Physdevop unmap pirq.
pub const PHYSDEVOP_unmap_pirq: u32 = 14;

/// Physdev unmap pirq.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_unmap_pirq {
    /// Domid.
    pub domid: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// IN.
    pub pirq: i32,
}
const _: () = assert!(size_of::<physdev_unmap_pirq>() == 8);

/// Physdevop manage pci add.
pub const PHYSDEVOP_manage_pci_add: u32 = 15;
/// Physdevop manage pci remove.
pub const PHYSDEVOP_manage_pci_remove: u32 = 16;

/// Physdev manage pci.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_manage_pci {
    /// IN.
    pub bus: u8,
    /// Devfn.
    pub devfn: u8,
}
const _: () = assert!(size_of::<physdev_manage_pci>() == 2);

/// Physdevop restore msi.
pub const PHYSDEVOP_restore_msi: u32 = 19;

/// Physdev restore msi.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_restore_msi {
    /// IN.
    pub bus: u8,
    /// Devfn.
    pub devfn: u8,
}
const _: () = assert!(size_of::<physdev_restore_msi>() == 2);

/// Physdevop manage pci add ext.
pub const PHYSDEVOP_manage_pci_add_ext: u32 = 20;

/// Physdev manage pci ext.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_manage_pci_ext {
    /// IN.
    pub bus: u8,
    /// Devfn.
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

/// Physdev manage pci ext physfn.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_manage_pci_ext_physfn {
    /// Bus.
    pub bus: u8,
    /// Devfn.
    pub devfn: u8,
}
const _: () = assert!(size_of::<physdev_manage_pci_ext_physfn>() == 2);

/// Argument to physdev_op_compat() hypercall.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_op {
    /// Cmd.
    pub cmd: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// U.
    ///
    /// One of: `irq_status_query` ([`physdev_irq_status_query`]), `set_iopl`
    /// ([`physdev_set_iopl`]), `set_iobitmap` ([`physdev_set_iobitmap`]), `apic_op`
    /// ([`physdev_apic`]), `irq_op` ([`physdev_irq`]).
    pub u: Union<[u64; 2]>,
}
const _: () = assert!(size_of::<physdev_op>() == 24);

/// Physdevop setup gsi.
pub const PHYSDEVOP_setup_gsi: u32 = 21;

/// Physdev setup gsi.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_setup_gsi {
    /// Gsi.
    pub gsi: i32,
    /// IN.
    pub triggering: u8,
    /// IN.
    pub polarity: u8,
    /// Padding.
    pub _pad0: [u8; 2],
}
const _: () = assert!(size_of::<physdev_setup_gsi>() == 8);

/// type is MAP_PIRQ_TYPE_GSI or MAP_PIRQ_TYPE_MSI the hypercall returns a free pirq.
pub const PHYSDEVOP_get_free_pirq: u32 = 23;

/// Physdev get free pirq.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_get_free_pirq {
    /// IN.
    pub r#type: i32,
    /// OUT.
    pub pirq: u32,
}
const _: () = assert!(size_of::<physdev_get_free_pirq>() == 8);

/// Xen pci mmcfg reserved.
pub const XEN_PCI_MMCFG_RESERVED: u32 = 0x1;
/// Physdevop pci mmcfg reserved.
pub const PHYSDEVOP_pci_mmcfg_reserved: u32 = 24;

/// Physdev pci mmcfg reserved.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_pci_mmcfg_reserved {
    /// Address.
    pub address: u64,
    /// Segment.
    pub segment: u16,
    /// Start bus.
    pub start_bus: u8,
    /// End bus.
    pub end_bus: u8,
    /// Flags.
    pub flags: u32,
}
const _: () = assert!(size_of::<physdev_pci_mmcfg_reserved>() == 16);

/// Xen pci dev extfn.
pub const XEN_PCI_DEV_EXTFN: u32 = 0x1;
/// Xen pci dev virtfn.
pub const XEN_PCI_DEV_VIRTFN: u32 = 0x2;
/// Xen pci dev pxm.
pub const XEN_PCI_DEV_PXM: u32 = 0x4;
/// Physdevop pci device add.
pub const PHYSDEVOP_pci_device_add: u32 = 25;

/// Physdev pci device add.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_pci_device_add {
    /// IN.
    pub seg: u16,
    /// Bus.
    pub bus: u8,
    /// Devfn.
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

/// Physdev pci device add physfn.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_pci_device_add_physfn {
    /// Bus.
    pub bus: u8,
    /// Devfn.
    pub devfn: u8,
}
const _: () = assert!(size_of::<physdev_pci_device_add_physfn>() == 2);

/// Physdevop pci device remove.
pub const PHYSDEVOP_pci_device_remove: u32 = 26;
/// Physdevop restore msi ext.
pub const PHYSDEVOP_restore_msi_ext: u32 = 27;
/// Dom0 should use these two to announce MMIO resources assigned to MSI-X capable devices won't
/// (prepare) or may (release) change.
pub const PHYSDEVOP_prepare_msix: u32 = 30;
/// Physdevop release msix.
pub const PHYSDEVOP_release_msix: u32 = 31;

/// Physdev pci device.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_pci_device {
    /// IN.
    pub seg: u16,
    /// Bus.
    pub bus: u8,
    /// Devfn.
    pub devfn: u8,
}
const _: () = assert!(size_of::<physdev_pci_device>() == 4);

/// Physdevop dbgp reset prepare.
pub const PHYSDEVOP_DBGP_RESET_PREPARE: u8 = 1;
/// Physdevop dbgp reset done.
pub const PHYSDEVOP_DBGP_RESET_DONE: u8 = 2;
/// Physdevop dbgp bus unknown.
pub const PHYSDEVOP_DBGP_BUS_UNKNOWN: u8 = 0;
/// Physdevop dbgp bus pci.
pub const PHYSDEVOP_DBGP_BUS_PCI: u8 = 1;
/// Physdevop dbgp op.
pub const PHYSDEVOP_dbgp_op: u32 = 29;

/// Physdev dbgp op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_dbgp_op {
    /// IN.
    pub op: u8,
    /// Bus.
    pub bus: u8,
    /// U.
    ///
    /// One of: `pci` ([`physdev_pci_device`]).
    pub u: Union<[u16; 2]>,
}
const _: () = assert!(size_of::<physdev_dbgp_op>() == 6);

/// Notify that some PIRQ-bound event channels have been unmasked. ** This command is obsolete
/// since interface version 0x00030202 and is ** ** unsupported by newer versions of Xen.
pub const PHYSDEVOP_IRQ_UNMASK_NOTIFY: u32 = 4;
/// Physdevop pirq eoi gmfn.
pub const PHYSDEVOP_pirq_eoi_gmfn: u32 = PHYSDEVOP_pirq_eoi_gmfn_v2;

//! `xen/physdev.h`: arguments of `physdev_op`, by which the hardware domain routes interrupts
//! and reports PCI devices.

use crate::Union;
use crate::arch_x86_64::xen_pfn_t;
use crate::xen::{domid_t, guest_handle};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Signals end of interrupt to a line that asked for it, argument [`physdev_eoi`].
pub const PHYSDEVOP_eoi: u32 = 12;

/// Argument of [`PHYSDEVOP_eoi`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_eoi {
    /// IN: the interrupt's PIRQ number.
    pub irq: u32,
}
const _: () = assert!(size_of::<physdev_eoi>() == 4);

/// Registers a page with a bit for each PIRQ: set while that PIRQ needs [`PHYSDEVOP_eoi`]. From
/// then on that call also unmasks the event channel. Argument [`physdev_pirq_eoi_gmfn`].
pub const PHYSDEVOP_pirq_eoi_gmfn_v1: u32 = 17;
/// As [`PHYSDEVOP_pirq_eoi_gmfn_v1`], but end of interrupt leaves event channels masked.
pub const PHYSDEVOP_pirq_eoi_gmfn_v2: u32 = 28;

/// Argument of `PHYSDEVOP_pirq_eoi_gmfn_*`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_pirq_eoi_gmfn {
    /// IN: the page's frame.
    pub gmfn: xen_pfn_t,
}
const _: () = assert!(size_of::<physdev_pirq_eoi_gmfn>() == 8);

/// Asks how a line has to be handled, argument [`physdev_irq_status_query`].
pub const PHYSDEVOP_irq_status_query: u32 = 5;

/// Argument of [`PHYSDEVOP_irq_status_query`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_irq_status_query {
    /// IN: the interrupt's PIRQ number.
    pub irq: u32,
    /// OUT: `XENIRQSTAT_*`.
    pub flags: u32,
}
const _: () = assert!(size_of::<physdev_irq_status_query>() == 8);

/// [`PHYSDEVOP_eoi`] must follow each time the interrupt has been served.
pub const XENIRQSTAT_needs_eoi: u32 = 1;
/// Other domains receive this interrupt too.
pub const XENIRQSTAT_shared: u32 = 1 << 1;
/// Sets the calling vCPU's I/O privilege level, argument [`physdev_set_iopl`].
pub const PHYSDEVOP_set_iopl: u32 = 6;

/// Argument of [`PHYSDEVOP_set_iopl`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_set_iopl {
    /// IN: the level, 0 to 3; -EINVAL for more.
    pub iopl: u32,
}
const _: () = assert!(size_of::<physdev_set_iopl>() == 4);

/// Sets the calling vCPU's port permissions, argument [`physdev_set_iobitmap`].
pub const PHYSDEVOP_set_iobitmap: u32 = 7;

/// Argument of [`PHYSDEVOP_set_iobitmap`]. It only narrows what the domain itself may reach.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_set_iobitmap {
    /// IN: the map as in a TSS, a clear bit allowing a port; null denies all. The hypervisor
    /// reads it in place at each access.
    pub bitmap: guest_handle,
    /// IN: ports that the map covers, at most 65536; those beyond are denied.
    pub nr_ports: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<physdev_set_iobitmap>() == 16);

/// Reads an I/O APIC register, argument [`physdev_apic`].
pub const PHYSDEVOP_apic_read: u32 = 8;
/// Writes an I/O APIC register, argument [`physdev_apic`]. The hypervisor owns the routing and
/// checks or ignores what would touch it.
pub const PHYSDEVOP_apic_write: u32 = 9;

/// A register of an I/O APIC.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_apic {
    /// IN: physical address of the I/O APIC, as ACPI's MADT gives it.
    pub apic_physbase: u64,
    /// IN: number of the register.
    pub reg: u32,
    /// Its contents: OUT of a read, IN of a write.
    pub value: u32,
}
const _: () = assert!(size_of::<physdev_apic>() == 16);

/// Reserves an interrupt vector for a line, argument [`physdev_irq`].
pub const PHYSDEVOP_alloc_irq_vector: u32 = 10;
/// Gives a line's vector back, argument [`physdev_irq`].
pub const PHYSDEVOP_free_irq_vector: u32 = 11;

/// The vector of an interrupt line.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_irq {
    /// IN: the line (GSI).
    pub irq: u32,
    /// The vector: OUT when allocated, IN when freed.
    pub vector: u32,
}
const _: () = assert!(size_of::<physdev_irq>() == 8);

/// [`physdev_map_pirq`]: an MSI or MSI-X interrupt of a device in PCI segment 0.
pub const MAP_PIRQ_TYPE_MSI: i32 = 0x0;
/// [`physdev_map_pirq`]: a line of an I/O APIC.
pub const MAP_PIRQ_TYPE_GSI: i32 = 0x1;
/// [`physdev_map_pirq`]: none of the kinds.
pub const MAP_PIRQ_TYPE_UNKNOWN: i32 = 0x2;
/// [`physdev_map_pirq`]: an MSI or MSI-X interrupt of a device in any PCI segment.
pub const MAP_PIRQ_TYPE_MSI_SEG: i32 = 0x3;
/// [`physdev_map_pirq`]: several MSIs of one device, with consecutive vectors and PIRQs.
pub const MAP_PIRQ_TYPE_MULTI_MSI: i32 = 0x4;
/// Gives a domain a PIRQ for a physical interrupt, argument [`physdev_map_pirq`].
pub const PHYSDEVOP_map_pirq: u32 = 13;

/// Argument of [`PHYSDEVOP_map_pirq`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_map_pirq {
    /// IN: who receives the interrupt.
    pub domid: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// IN: `MAP_PIRQ_TYPE_*`.
    pub r#type: i32,
    /// IN: the GSI; for an MSI the vector, or -1 to have one allocated; ignored for several
    /// MSIs.
    pub index: i32,
    /// IN: the PIRQ wanted, negative for any; OUT: the PIRQ given, the first of several.
    pub pirq: i32,
    /// IN: PCI bus in bits 15:0; segment in bits 31:16 for the types that have one.
    pub bus: i32,
    /// IN: PCI device (bits 7:3) and function (bits 2:0).
    pub devfn: i32,
    /// IN: entry of the MSI-X table; for several MSIs their number, which is also written back.
    pub entry_nr: i32,
    /// Padding.
    pub _pad1: [u8; 4],
    /// IN: physical address of the MSI-X table; 0 for MSI.
    pub table_base: u64,
}
const _: () = assert!(size_of::<physdev_map_pirq>() == 40);

/// Takes a PIRQ away again, argument [`physdev_unmap_pirq`].
pub const PHYSDEVOP_unmap_pirq: u32 = 14;

/// Argument of [`PHYSDEVOP_unmap_pirq`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_unmap_pirq {
    /// IN: whose PIRQ.
    pub domid: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// IN: the PIRQ.
    pub pirq: i32,
}
const _: () = assert!(size_of::<physdev_unmap_pirq>() == 8);

/// Reports a PCI device, argument [`physdev_manage_pci`]; [`PHYSDEVOP_pci_device_add`]
/// supersedes it.
pub const PHYSDEVOP_manage_pci_add: u32 = 15;
/// Reports that a PCI device is gone, argument [`physdev_manage_pci`];
/// [`PHYSDEVOP_pci_device_remove`] supersedes it.
pub const PHYSDEVOP_manage_pci_remove: u32 = 16;

/// A PCI device in segment 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_manage_pci {
    /// IN: PCI bus.
    pub bus: u8,
    /// IN: device (bits 7:3) and function (bits 2:0).
    pub devfn: u8,
}
const _: () = assert!(size_of::<physdev_manage_pci>() == 2);

/// Writes a device's MSI state back after it lost power, argument [`physdev_restore_msi`];
/// [`PHYSDEVOP_restore_msi_ext`] supersedes it.
pub const PHYSDEVOP_restore_msi: u32 = 19;

/// A PCI device in segment 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_restore_msi {
    /// IN: PCI bus.
    pub bus: u8,
    /// IN: device (bits 7:3) and function (bits 2:0).
    pub devfn: u8,
}
const _: () = assert!(size_of::<physdev_restore_msi>() == 2);

/// Reports an extended or virtual PCI function, argument [`physdev_manage_pci_ext`];
/// [`PHYSDEVOP_pci_device_add`] supersedes it.
pub const PHYSDEVOP_manage_pci_add_ext: u32 = 20;

/// A PCI function in segment 0, with what ARI and SR-IOV say of it.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_manage_pci_ext {
    /// IN: PCI bus.
    pub bus: u8,
    /// IN: device (bits 7:3) and function (bits 2:0).
    pub devfn: u8,
    /// Padding.
    pub _pad0: [u8; 2],
    /// IN: not 0 if all of `devfn` is a function number (ARI).
    pub is_extfn: u32,
    /// IN: not 0 if it is a virtual function (SR-IOV).
    pub is_virtfn: u32,
    /// IN: the physical function that a virtual one belongs to.
    pub physfn: physdev_manage_pci_ext_physfn,
    /// Padding.
    pub _pad1: [u8; 2],
}
const _: () = assert!(size_of::<physdev_manage_pci_ext>() == 16);

/// [`physdev_manage_pci_ext::physfn`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_manage_pci_ext_physfn {
    /// PCI bus.
    pub bus: u8,
    /// Device (bits 7:3) and function (bits 2:0).
    pub devfn: u8,
}
const _: () = assert!(size_of::<physdev_manage_pci_ext_physfn>() == 2);

/// A command with its argument, for the older form of the hypercall.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_op {
    /// `PHYSDEVOP_*`.
    pub cmd: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Its argument.
    ///
    /// One of: `irq_status_query` ([`physdev_irq_status_query`]), `set_iopl`
    /// ([`physdev_set_iopl`]), `set_iobitmap` ([`physdev_set_iobitmap`]), `apic_op`
    /// ([`physdev_apic`]), `irq_op` ([`physdev_irq`]).
    pub u: Union<[u64; 2]>,
}
const _: () = assert!(size_of::<physdev_op>() == 24);

/// Tells how a line of an I/O APIC is wired, argument [`physdev_setup_gsi`].
pub const PHYSDEVOP_setup_gsi: u32 = 21;

/// Argument of [`PHYSDEVOP_setup_gsi`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_setup_gsi {
    /// IN: global system interrupt, ACPI's number of the line.
    pub gsi: i32,
    /// IN: 0 edge, 1 level.
    pub triggering: u8,
    /// IN: 0 active high, 1 active low.
    pub polarity: u8,
    /// Padding.
    pub _pad0: [u8; 2],
}
const _: () = assert!(size_of::<physdev_setup_gsi>() == 8);

/// Reserves an unused PIRQ for a later [`PHYSDEVOP_map_pirq`], argument
/// [`physdev_get_free_pirq`].
pub const PHYSDEVOP_get_free_pirq: u32 = 23;

/// Argument of [`PHYSDEVOP_get_free_pirq`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_get_free_pirq {
    /// IN: [`MAP_PIRQ_TYPE_GSI`] or [`MAP_PIRQ_TYPE_MSI`].
    pub r#type: i32,
    /// OUT: the PIRQ.
    pub pirq: u32,
}
const _: () = assert!(size_of::<physdev_get_free_pirq>() == 8);

/// Firmware keeps the area out of RAM, so that it is safe to use.
pub const XEN_PCI_MMCFG_RESERVED: u32 = 0x1;
/// Tells whether a PCI configuration window (MMCONFIG) can be trusted, argument
/// [`physdev_pci_mmcfg_reserved`]. Only dom0, which reads ACPI's namespace, can know.
pub const PHYSDEVOP_pci_mmcfg_reserved: u32 = 24;

/// A window of ACPI's MCFG table.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_pci_mmcfg_reserved {
    /// IN: physical address at which bus 0 of the segment is, or would be.
    pub address: u64,
    /// IN: PCI segment.
    pub segment: u16,
    /// IN: first bus of the window.
    pub start_bus: u8,
    /// IN: last bus, inclusive.
    pub end_bus: u8,
    /// IN: [`XEN_PCI_MMCFG_RESERVED`] or 0.
    pub flags: u32,
}
const _: () = assert!(size_of::<physdev_pci_mmcfg_reserved>() == 16);

/// All of `devfn` is a function number (ARI).
pub const XEN_PCI_DEV_EXTFN: u32 = 0x1;
/// A virtual function (SR-IOV); `physfn` is valid.
pub const XEN_PCI_DEV_VIRTFN: u32 = 0x2;
/// The proximity domain is given in `optarr`.
pub const XEN_PCI_DEV_PXM: u32 = 0x4;
/// Reports a PCI device, argument [`physdev_pci_device_add`].
pub const PHYSDEVOP_pci_device_add: u32 = 25;

/// Argument of [`PHYSDEVOP_pci_device_add`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_pci_device_add {
    /// IN: PCI segment.
    pub seg: u16,
    /// IN: PCI bus.
    pub bus: u8,
    /// IN: device (bits 7:3) and function (bits 2:0).
    pub devfn: u8,
    /// IN: `XEN_PCI_DEV_*`.
    pub flags: u32,
    /// IN: the physical function that a virtual one belongs to.
    pub physfn: physdev_pci_device_add_physfn,
    /// Padding.
    pub _pad0: [u8; 2],
    /// IN: begins here; with [`XEN_PCI_DEV_PXM`] one word, ACPI's proximity domain of the
    /// device.
    pub optarr: [u32; 0],
}
const _: () = assert!(size_of::<physdev_pci_device_add>() == 12);

/// [`physdev_pci_device_add::physfn`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_pci_device_add_physfn {
    /// PCI bus.
    pub bus: u8,
    /// Device (bits 7:3) and function (bits 2:0).
    pub devfn: u8,
}
const _: () = assert!(size_of::<physdev_pci_device_add_physfn>() == 2);

/// Reports that a device is gone, argument [`physdev_pci_device`].
pub const PHYSDEVOP_pci_device_remove: u32 = 26;
/// Writes a device's MSI state back after it lost power, argument [`physdev_pci_device`].
pub const PHYSDEVOP_restore_msi_ext: u32 = 27;
/// Promises that a device's MSI-X memory will not move, before the device is given away,
/// argument [`physdev_pci_device`].
pub const PHYSDEVOP_prepare_msix: u32 = 30;
/// Ends the promise of [`PHYSDEVOP_prepare_msix`], argument [`physdev_pci_device`].
pub const PHYSDEVOP_release_msix: u32 = 31;

/// Names a PCI device.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_pci_device {
    /// IN: PCI segment.
    pub seg: u16,
    /// IN: PCI bus.
    pub bus: u8,
    /// IN: device (bits 7:3) and function (bits 2:0).
    pub devfn: u8,
}
const _: () = assert!(size_of::<physdev_pci_device>() == 4);

/// [`physdev_dbgp_op::op`]: the caller is about to reset the USB controller.
pub const PHYSDEVOP_DBGP_RESET_PREPARE: u8 = 1;
/// [`physdev_dbgp_op::op`]: the reset is over.
pub const PHYSDEVOP_DBGP_RESET_DONE: u8 = 2;
/// [`physdev_dbgp_op::bus`]: no device is named; every debug port is meant.
pub const PHYSDEVOP_DBGP_BUS_UNKNOWN: u8 = 0;
/// [`physdev_dbgp_op::bus`]: `u` names a PCI device.
pub const PHYSDEVOP_DBGP_BUS_PCI: u8 = 1;
/// Keeps the hypervisor off its USB (EHCI) debug port while dom0 resets the controller, argument
/// [`physdev_dbgp_op`].
pub const PHYSDEVOP_dbgp_op: u32 = 29;

/// Argument of [`PHYSDEVOP_dbgp_op`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct physdev_dbgp_op {
    /// IN: `PHYSDEVOP_DBGP_RESET_*`.
    pub op: u8,
    /// IN: `PHYSDEVOP_DBGP_BUS_*`.
    pub bus: u8,
    /// IN: the controller, by `bus`.
    ///
    /// One of: `pci` ([`physdev_pci_device`]).
    pub u: Union<[u16; 2]>,
}
const _: () = assert!(size_of::<physdev_dbgp_op>() == 6);

/// Reports event channels of PIRQs as unmasked. No hypervisor since Xen 3.1 needs or knows it.
pub const PHYSDEVOP_IRQ_UNMASK_NOTIFY: u32 = 4;
/// The form in use since Xen 4.2.
pub const PHYSDEVOP_pirq_eoi_gmfn: u32 = PHYSDEVOP_pirq_eoi_gmfn_v2;

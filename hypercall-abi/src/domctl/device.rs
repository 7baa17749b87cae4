//! Domctls that give devices, interrupts and ports to a domain.

use crate::Union;
use crate::event_channel::evtchn_port_t;
use crate::xen::{domid_t, guest_handle};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Lets a domain use a physical interrupt, or forbids it.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_irq_permission {
    /// IN: the interrupt, by its number in the caller.
    pub pirq: u32,
    /// IN: not 0 allows, 0 forbids.
    pub allow_access: u8,
    /// Unused; zero.
    pub pad: [u8; 3],
}
const _: () = assert!(size_of::<xen_domctl_irq_permission>() == 8);

/// Lets a domain map I/O memory, or forbids it. Mappings it already has stay.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_iomem_permission {
    /// IN: first frame of the range.
    pub first_mfn: u64,
    /// IN: its length in frames.
    pub nr_mfns: u64,
    /// IN: not 0 allows, 0 forbids.
    pub allow_access: u8,
    /// Padding.
    pub _pad0: [u8; 7],
}
const _: () = assert!(size_of::<xen_domctl_iomem_permission>() == 24);

/// Lets a domain use I/O ports, or forbids it.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_ioport_permission {
    /// IN: first port of the range.
    pub first_port: u32,
    /// IN: its length in ports.
    pub nr_ports: u32,
    /// IN: not 0 allows, 0 forbids.
    pub allow_access: u8,
    /// Padding.
    pub _pad0: [u8; 3],
}
const _: () = assert!(size_of::<xen_domctl_ioport_permission>() == 12);

/// [`xen_domctl_assign_device::dev`]: a PCI device. Taken back, it returns to dom0.
pub const XEN_DOMCTL_DEV_PCI: u32 = 0;
/// [`xen_domctl_assign_device::dev`]: a device-tree node (Arm). Taken back, it is nobody's.
pub const XEN_DOMCTL_DEV_DT: u32 = 1;

/// A device to give to a domain or to take back.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_assign_device {
    /// IN: `XEN_DOMCTL_DEV_*`.
    pub dev: u32,
    /// IN of assign: [`XEN_DOMCTL_DEV_RDM_RELAXED`] or 0.
    pub flags: u32,
    /// IN: the device, by `dev`.
    ///
    /// One of: `pci` ([`xen_domctl_assign_device_pci`]), `dt`
    /// ([`xen_domctl_assign_device_dt`]).
    pub u: Union<[u64; 2]>,
}
const _: () = assert!(size_of::<xen_domctl_assign_device>() == 24);

/// Tolerate that memory which firmware reserves for the device (RMRR) cannot be mapped where it
/// must be.
pub const XEN_DOMCTL_DEV_RDM_RELAXED: u32 = 1;

/// Names a PCI device.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_assign_device_pci {
    /// IN: segment (bits 31:16), bus (15:8), device (7:3), function (2:0) on the machine.
    pub machine_sbdf: u32,
}
const _: () = assert!(size_of::<xen_domctl_assign_device_pci>() == 4);

/// Names a device-tree node.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_assign_device_dt {
    /// IN: length of the path in bytes.
    pub size: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// IN: path of the node.
    pub path: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_assign_device_dt>() == 16);

/// Asks which devices the IOMMU cannot tell apart from one, so that they must go to the same
/// domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_get_device_group {
    /// IN: the device, as in [`xen_domctl_assign_device_pci`].
    pub machine_sbdf: u32,
    /// IN: entries of the array.
    pub max_sdevs: u32,
    /// OUT: entries written.
    pub num_sdevs: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// IN: where to write the devices, a `u32` each.
    pub sdev_array: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_get_device_group>() == 24);

/// [`xen_domctl_bind_pt_irq::irq_type`]: becomes an INTx pin of a PCI device.
pub const PT_IRQ_TYPE_PCI: u32 = 0;
/// [`xen_domctl_bind_pt_irq::irq_type`]: becomes an ISA interrupt.
pub const PT_IRQ_TYPE_ISA: u32 = 1;
/// [`xen_domctl_bind_pt_irq::irq_type`]: becomes an MSI.
pub const PT_IRQ_TYPE_MSI: u32 = 2;
/// [`xen_domctl_bind_pt_irq::irq_type`]: an MSI of the machine becomes an INTx pin.
pub const PT_IRQ_TYPE_MSI_TRANSLATE: u32 = 3;
/// [`xen_domctl_bind_pt_irq::irq_type`]: becomes a shared peripheral interrupt (Arm), 32 to
/// 1019.
pub const PT_IRQ_TYPE_SPI: u32 = 4;

/// Routes a physical interrupt into an HVM guest.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_bind_pt_irq {
    /// IN: the PIRQ, in the numbering of the guest.
    pub machine_irq: u32,
    /// IN: `PT_IRQ_TYPE_*`.
    pub irq_type: u32,
    /// IN: what the guest receives, by `irq_type`.
    ///
    /// One of: `isa` ([`xen_domctl_bind_pt_irq_isa`]), `pci` ([`xen_domctl_bind_pt_irq_pci`]),
    /// `msi` ([`xen_domctl_bind_pt_irq_msi`]), `spi` ([`xen_domctl_bind_pt_irq_spi`]).
    pub u: Union<[u64; 2]>,
}
const _: () = assert!(size_of::<xen_domctl_bind_pt_irq>() == 24);

/// The guest's interrupt as an ISA one.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_bind_pt_irq_isa {
    /// Its number, 0 to 15.
    pub isa_irq: u8,
}
const _: () = assert!(size_of::<xen_domctl_bind_pt_irq_isa>() == 1);

/// The guest's interrupt as a pin of a virtual PCI device.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_bind_pt_irq_pci {
    /// PCI bus.
    pub bus: u8,
    /// PCI device number, 0 to 31.
    pub device: u8,
    /// Pin: 0 INTA to 3 INTD.
    pub intx: u8,
}
const _: () = assert!(size_of::<xen_domctl_bind_pt_irq_pci>() == 3);

/// The guest's interrupt as an MSI.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_bind_pt_irq_msi {
    /// Vector.
    pub gvec: u8,
    /// Padding.
    pub _pad0: [u8; 3],
    /// Address and delivery, `XEN_DOMCTL_VMSI_X86_*`.
    pub gflags: u32,
    /// Guest physical address of the MSI-X table; 0 for MSI.
    pub gtable: u64,
}
const _: () = assert!(size_of::<xen_domctl_bind_pt_irq_msi>() == 16);

/// [`xen_domctl_bind_pt_irq_msi::gflags`]: destination, an APIC ID.
pub const XEN_DOMCTL_VMSI_X86_DEST_ID_MASK: u32 = 0x0000ff;
/// [`xen_domctl_bind_pt_irq_msi::gflags`]: redirection hint.
pub const XEN_DOMCTL_VMSI_X86_RH_MASK: u32 = 0x000100;
/// [`xen_domctl_bind_pt_irq_msi::gflags`]: logical destination mode.
pub const XEN_DOMCTL_VMSI_X86_DM_MASK: u32 = 0x000200;
/// [`xen_domctl_bind_pt_irq_msi::gflags`]: delivery mode.
pub const XEN_DOMCTL_VMSI_X86_DELIV_MASK: u32 = 0x007000;
/// [`xen_domctl_bind_pt_irq_msi::gflags`]: level triggered.
pub const XEN_DOMCTL_VMSI_X86_TRIG_MASK: u32 = 0x008000;
/// [`xen_domctl_bind_pt_irq_msi::gflags`]: unmask the machine's MSI once it is bound.
pub const XEN_DOMCTL_VMSI_X86_UNMASKED: u32 = 0x010000;

/// The guest's interrupt on Arm.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_bind_pt_irq_spi {
    /// Its number, 32 to 1019.
    pub spi: u16,
}
const _: () = assert!(size_of::<xen_domctl_bind_pt_irq_spi>() == 2);

/// Map the range.
pub const DPCI_ADD_MAPPING: u32 = 1;
/// Unmap the range.
pub const DPCI_REMOVE_MAPPING: u32 = 0;

/// Maps I/O memory into an HVM guest. 0 if all is done; a positive result is the number of pages
/// done, to be called again for the rest; -E2BIG if the range is too long for one call.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_memory_mapping {
    /// IN: first page in the guest.
    pub first_gfn: u64,
    /// IN: first frame of the machine.
    pub first_mfn: u64,
    /// IN: length in pages, not 0.
    pub nr_mfns: u64,
    /// IN: [`DPCI_ADD_MAPPING`] or [`DPCI_REMOVE_MAPPING`].
    pub add_mapping: u32,
    /// Unused; zero.
    pub padding: u32,
}
const _: () = assert!(size_of::<xen_domctl_memory_mapping>() == 32);

/// Maps I/O ports of the machine into an HVM guest.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_ioport_mapping {
    /// IN: first port in the guest.
    pub first_gport: u32,
    /// IN: first port of the machine.
    pub first_mport: u32,
    /// IN: length in ports, not 0.
    pub nr_ports: u32,
    /// IN: [`DPCI_ADD_MAPPING`] or [`DPCI_REMOVE_MAPPING`].
    pub add_mapping: u32,
}
const _: () = assert!(size_of::<xen_domctl_ioport_mapping>() == 16);

/// Emulates a UART whose bytes go to a console daemon through a ring (Arm only).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vuart_op {
    /// IN: [`XEN_DOMCTL_VUART_OP_INIT`].
    pub cmd: u32,
    /// IN: [`XEN_DOMCTL_VUART_TYPE_VPL011`].
    pub r#type: u32,
    /// IN: page of the guest that holds the ring.
    pub gfn: u64,
    /// IN: the domain that runs the console daemon.
    pub console_domid: domid_t,
    /// Unused; zero.
    pub pad: [u8; 2],
    /// OUT: port of the guest to which that domain connects.
    pub evtchn: evtchn_port_t,
}
const _: () = assert!(size_of::<xen_domctl_vuart_op>() == 24);

/// Create the UART.
pub const XEN_DOMCTL_VUART_OP_INIT: u32 = 0;
/// A virtual PL011.
pub const XEN_DOMCTL_VUART_TYPE_VPL011: u32 = 0;

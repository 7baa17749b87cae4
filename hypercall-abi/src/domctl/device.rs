//! Domctls that give devices, interrupts and ports to a domain.

use crate::Union;
use crate::event_channel::evtchn_port_t;
use crate::xen::{domid_t, guest_handle};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Argument of `XEN_DOMCTL_irq_permission`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_irq_permission {
    /// Physical interrupt number.
    pub pirq: u32,
    /// Not 0 allows, 0 denies.
    pub allow_access: u8,
    /// Unused; zero.
    pub pad: [u8; 3],
}
const _: () = assert!(size_of::<xen_domctl_irq_permission>() == 8);

/// Argument of `XEN_DOMCTL_iomem_permission`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_iomem_permission {
    /// First frame of the range.
    pub first_mfn: u64,
    /// Its length in frames.
    pub nr_mfns: u64,
    /// Not 0 allows, 0 denies.
    pub allow_access: u8,
    /// Padding.
    pub _pad0: [u8; 7],
}
const _: () = assert!(size_of::<xen_domctl_iomem_permission>() == 24);

/// Argument of `XEN_DOMCTL_ioport_permission`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_ioport_permission {
    /// First port of the range.
    pub first_port: u32,
    /// Its length in ports.
    pub nr_ports: u32,
    /// Not 0 allows, 0 denies.
    pub allow_access: u8,
    /// Padding.
    pub _pad0: [u8; 3],
}
const _: () = assert!(size_of::<xen_domctl_ioport_permission>() == 12);

/// XEN_DOMCTL_deassign_device: The behavior of this DOMCTL differs between the different type
/// of device: - PCI device (XEN_DOMCTL_DEV_PCI) will be reassigned to DOM0 - DT device
/// (XEN_DOMCTL_DEV_DT) will left unassigned.
pub const XEN_DOMCTL_DEV_PCI: u32 = 0;
/// XEN_DOMCTL_DEV_DT.
pub const XEN_DOMCTL_DEV_DT: u32 = 1;

/// A device to give to a domain or to take back.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_assign_device {
    /// `XEN_DOMCTL_DEV_*`.
    pub dev: u32,
    /// Flags.
    pub flags: u32,
    /// Depends on the command.
    ///
    /// One of: `pci` ([`xen_domctl_assign_device_pci`]), `dt`
    /// ([`xen_domctl_assign_device_dt`]).
    pub u: Union<[u64; 2]>,
}
const _: () = assert!(size_of::<xen_domctl_assign_device>() == 24);

/// Assign only.
pub const XEN_DOMCTL_DEV_RDM_RELAXED: u32 = 1;

/// Names a PCI device.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_assign_device_pci {
    /// Machine PCI ID of assigned device.
    pub machine_sbdf: u32,
}
const _: () = assert!(size_of::<xen_domctl_assign_device_pci>() == 4);

/// Names a device-tree node.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_assign_device_dt {
    /// Length of the path.
    pub size: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Path to the device tree node.
    pub path: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_assign_device_dt>() == 16);

/// Argument of `XEN_DOMCTL_get_device_group`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_get_device_group {
    /// IN: machine sbdf.
    pub machine_sbdf: u32,
    /// IN: max sdevs.
    pub max_sdevs: u32,
    /// OUT: num sdevs.
    pub num_sdevs: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// OUT: sdev array.
    pub sdev_array: guest_handle,
}
const _: () = assert!(size_of::<xen_domctl_get_device_group>() == 24);

/// [`xen_domctl_bind_pt_irq::irq_type`]: PCI.
pub const PT_IRQ_TYPE_PCI: u32 = 0;
/// [`xen_domctl_bind_pt_irq::irq_type`]: ISA.
pub const PT_IRQ_TYPE_ISA: u32 = 1;
/// [`xen_domctl_bind_pt_irq::irq_type`]: MSI.
pub const PT_IRQ_TYPE_MSI: u32 = 2;
/// [`xen_domctl_bind_pt_irq::irq_type`]: MSI_TRANSLATE.
pub const PT_IRQ_TYPE_MSI_TRANSLATE: u32 = 3;
/// [`xen_domctl_bind_pt_irq::irq_type`]: SPI.
pub const PT_IRQ_TYPE_SPI: u32 = 4;

/// Routes a physical interrupt into an HVM guest.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_bind_pt_irq {
    /// Machine irq.
    pub machine_irq: u32,
    /// Enum pt_irq_type.
    pub irq_type: u32,
    /// Depends on the command.
    ///
    /// One of: `isa` ([`xen_domctl_bind_pt_irq_isa`]), `pci` ([`xen_domctl_bind_pt_irq_pci`]),
    /// `msi` ([`xen_domctl_bind_pt_irq_msi`]), `spi` ([`xen_domctl_bind_pt_irq_spi`]).
    pub u: Union<[u64; 2]>,
}
const _: () = assert!(size_of::<xen_domctl_bind_pt_irq>() == 24);

/// The guest's interrupt, as isa.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_bind_pt_irq_isa {
    /// Isa irq.
    pub isa_irq: u8,
}
const _: () = assert!(size_of::<xen_domctl_bind_pt_irq_isa>() == 1);

/// The guest's interrupt, as pci.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_bind_pt_irq_pci {
    /// PCI bus.
    pub bus: u8,
    /// Device.
    pub device: u8,
    /// Intx.
    pub intx: u8,
}
const _: () = assert!(size_of::<xen_domctl_bind_pt_irq_pci>() == 3);

/// The guest's interrupt, as msi.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_bind_pt_irq_msi {
    /// Gvec.
    pub gvec: u8,
    /// Padding.
    pub _pad0: [u8; 3],
    /// Gflags.
    pub gflags: u32,
    /// Gtable.
    pub gtable: u64,
}
const _: () = assert!(size_of::<xen_domctl_bind_pt_irq_msi>() == 16);

/// [`xen_domctl_bind_pt_irq_msi::gflags`]: the DEST_ID_MASK bits.
pub const XEN_DOMCTL_VMSI_X86_DEST_ID_MASK: u32 = 0x0000ff;
/// [`xen_domctl_bind_pt_irq_msi::gflags`]: the RH_MASK bits.
pub const XEN_DOMCTL_VMSI_X86_RH_MASK: u32 = 0x000100;
/// [`xen_domctl_bind_pt_irq_msi::gflags`]: the DM_MASK bits.
pub const XEN_DOMCTL_VMSI_X86_DM_MASK: u32 = 0x000200;
/// [`xen_domctl_bind_pt_irq_msi::gflags`]: the DELIV_MASK bits.
pub const XEN_DOMCTL_VMSI_X86_DELIV_MASK: u32 = 0x007000;
/// [`xen_domctl_bind_pt_irq_msi::gflags`]: the TRIG_MASK bits.
pub const XEN_DOMCTL_VMSI_X86_TRIG_MASK: u32 = 0x008000;
/// [`xen_domctl_bind_pt_irq_msi::gflags`]: the UNMASKED bits.
pub const XEN_DOMCTL_VMSI_X86_UNMASKED: u32 = 0x010000;

/// The guest's interrupt, as spi.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_bind_pt_irq_spi {
    /// Spi.
    pub spi: u16,
}
const _: () = assert!(size_of::<xen_domctl_bind_pt_irq_spi>() == 2);

/// Returns - zero success, everything done - -E2BIG passed in nr_mfns value too large for the
/// implementation - positive partial success for the first &lt;result> page frames (with
/// &lt;result> less than nr_mfns), requiring re-invocation by the caller after updating inputs
/// - negative error; other than -E2BIG.
pub const DPCI_ADD_MAPPING: u32 = 1;
/// DPCI_REMOVE_MAPPING.
pub const DPCI_REMOVE_MAPPING: u32 = 0;

/// Maps machine pages into an HVM guest; a positive result counts the pages done of a call to
/// be repeated.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_memory_mapping {
    /// First page (hvm guest phys page) in range.
    pub first_gfn: u64,
    /// First page (machine page) in range.
    pub first_mfn: u64,
    /// Number of pages in range (>0).
    pub nr_mfns: u64,
    /// Add or remove mapping.
    pub add_mapping: u32,
    /// Padding for 64-bit aligned structure.
    pub padding: u32,
}
const _: () = assert!(size_of::<xen_domctl_memory_mapping>() == 32);

/// Argument of `XEN_DOMCTL_ioport_mapping`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_ioport_mapping {
    /// First guest IO port.
    pub first_gport: u32,
    /// First machine IO port.
    pub first_mport: u32,
    /// Size of port range.
    pub nr_ports: u32,
    /// Add or remove mapping.
    pub add_mapping: u32,
}
const _: () = assert!(size_of::<xen_domctl_ioport_mapping>() == 16);

/// Argument of `XEN_DOMCTL_vuart_op`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_domctl_vuart_op {
    /// `XEN_DOMCTL_VUART_OP_*`.
    pub cmd: u32,
    /// IN - type of vuart.
    pub r#type: u32,
    /// IN - guest gfn to be used as a ring buffer.
    pub gfn: u64,
    /// IN - domid of domain running the backend console.
    pub console_domid: domid_t,
    /// Unused; zero.
    pub pad: [u8; 2],
    /// OUT - remote port of the event channel used for sending ring buffer events.
    pub evtchn: evtchn_port_t,
}
const _: () = assert!(size_of::<xen_domctl_vuart_op>() == 24);

/// XEN_DOMCTL_VUART_OP_INIT.
pub const XEN_DOMCTL_VUART_OP_INIT: u32 = 0;
/// XEN_DOMCTL_VUART_TYPE_VPL011.
pub const XEN_DOMCTL_VUART_TYPE_VPL011: u32 = 0;

//! `xen/io/pciif.h`: what a domain asks of the PCI devices that it was given, in a page that it shares
//! with whoever has the bus.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The version of the protocol, which the front end says in its node `magic`.
pub const XEN_PCI_MAGIC: &str = "7";

/// The bit of [`XEN_PCIF_active`].
pub const _XEN_PCIF_active: u32 = 0;
/// Flag of the page: the front end waits for `op`.
pub const XEN_PCIF_active: u32 = 1 << _XEN_PCIF_active;
/// The bit of [`XEN_PCIB_AERHANDLER`].
pub const _XEN_PCIB_AERHANDLER: u32 = 1;
/// Flag of the page: the front end can handle errors that devices report.
pub const XEN_PCIB_AERHANDLER: u32 = 1 << _XEN_PCIB_AERHANDLER;
/// The bit of [`XEN_PCIB_active`].
pub const _XEN_PCIB_active: u32 = 2;
/// Flag of the page: the back end waits for `aer_op`.
pub const XEN_PCIB_active: u32 = 1 << _XEN_PCIB_active;

/// Read configuration space.
pub const XEN_PCI_OP_conf_read: u32 = 0;
/// Write configuration space.
pub const XEN_PCI_OP_conf_write: u32 = 1;
/// Have a device send messages; the PIRQ is the value.
pub const XEN_PCI_OP_enable_msi: u32 = 2;
/// Have it send none.
pub const XEN_PCI_OP_disable_msi: u32 = 3;
/// Have a device send messages of several kinds.
pub const XEN_PCI_OP_enable_msix: u32 = 4;
/// Have it send none.
pub const XEN_PCI_OP_disable_msix: u32 = 5;
/// From the back end: a device reports an error.
pub const XEN_PCI_OP_aer_detected: u32 = 6;
/// From the back end: a device goes on after one.
pub const XEN_PCI_OP_aer_resume: u32 = 7;
/// From the back end: a device's registers can be reached after one.
pub const XEN_PCI_OP_aer_mmio: u32 = 8;
/// From the back end: a device was reset after one.
pub const XEN_PCI_OP_aer_slotreset: u32 = 9;
/// Have a device send several messages.
pub const XEN_PCI_OP_enable_multi_msi: u32 = 10;

/// It is done.
pub const XEN_PCI_ERR_success: i32 = 0;
/// There is no such device.
pub const XEN_PCI_ERR_dev_not_found: i32 = -1;
/// There is nothing of that size at that offset.
pub const XEN_PCI_ERR_invalid_offset: i32 = -2;
/// It is not allowed.
pub const XEN_PCI_ERR_access_denied: i32 = -3;
/// The back end cannot do this.
pub const XEN_PCI_ERR_not_implemented: i32 = -4;
/// It was tried in vain.
pub const XEN_PCI_ERR_op_failed: i32 = -5;

/// The most entries of [`xen_pci_op::msix_entries`].
pub const SH_INFO_MAX_VEC: usize = 128;

/// One kind of a device's messages.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_msix_entry {
    /// OUT: the PIRQ.
    pub vector: u16,
    /// IN: which of the device's.
    pub entry: u16,
}
const _: () = assert!(size_of::<xen_msix_entry>() == 4);

/// What is asked, and the answer.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_pci_op {
    /// IN: `XEN_PCI_OP_*`.
    pub cmd: u32,
    /// OUT: `XEN_PCI_ERR_*`.
    pub err: i32,
    /// IN: the device's segment.
    pub domain: u32,
    /// IN: its bus.
    pub bus: u32,
    /// IN: device (bits 7:3) and function (2:0).
    pub devfn: u32,
    /// IN: the first byte of configuration space that is meant.
    pub offset: i32,
    /// IN: how many bytes are: 1, 2 or 4.
    pub size: i32,
    /// IN of a write, OUT of a read: what is there.
    pub value: u32,
    /// IN: more about the operation.
    pub info: u32,
    /// IN and OUT of the operations about MSI-X.
    pub msix_entries: [xen_msix_entry; SH_INFO_MAX_VEC],
}
const _: () = assert!(size_of::<xen_pci_op>() == 548);

/// What the back end asks about a device's error.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_pcie_aer_op {
    /// IN: `XEN_PCI_OP_aer_*`.
    pub cmd: u32,
    /// IN: how the device is; OUT: what the front end says.
    pub err: i32,
    /// IN: the device's segment.
    pub domain: u32,
    /// IN: its bus.
    pub bus: u32,
    /// IN: device and function.
    pub devfn: u32,
}
const _: () = assert!(size_of::<xen_pcie_aer_op>() == 20);

/// The shared page.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_pci_sharedinfo {
    /// `XEN_PCIF_*` and `XEN_PCIB_*`.
    pub flags: u32,
    /// The front end's.
    pub op: xen_pci_op,
    /// The back end's.
    pub aer_op: xen_pcie_aer_op,
}
const _: () = assert!(size_of::<xen_pci_sharedinfo>() == 572);

//! `xen/xen.h`.

mod hypercall;
mod mmu;
mod shared;
mod start;

pub use self::hypercall::*;
pub use self::mmu::*;
pub use self::shared::*;
pub use self::start::*;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// V. Timebase update, and/or requested timeout.
pub const VIRQ_TIMER: u32 = 0;
/// V. Request guest to dump debug info.
pub const VIRQ_DEBUG: u32 = 1;
/// G. (DOM0) Bytes received on emergency console.
pub const VIRQ_CONSOLE: u32 = 2;
/// G. (DOM0) Exceptional event for some domain.
pub const VIRQ_DOM_EXC: u32 = 3;
/// G. (DOM0) Trace buffer has records available.
pub const VIRQ_TBUF: u32 = 4;
/// G. (DOM0) A domain has paused for debugging.
pub const VIRQ_DEBUGGER: u32 = 6;
/// V. XenOprofile interrupt: new sample available.
pub const VIRQ_XENOPROF: u32 = 7;
/// G. (DOM0) Bytes received on console.
pub const VIRQ_CON_RING: u32 = 8;
/// G. (DOM0) PCPU state changed.
pub const VIRQ_PCPU_STATE: u32 = 9;
/// G. (DOM0) A memory event has occurred.
pub const VIRQ_MEM_EVENT: u32 = 10;
/// G. Argo interdomain message notification.
pub const VIRQ_ARGO: u32 = 11;
/// G. (DOM0) Low on heap memory.
pub const VIRQ_ENOMEM: u32 = 12;
/// V. PMC interrupt.
pub const VIRQ_XENPMU: u32 = 13;
/// Architecture-specific VIRQ definitions.
pub const VIRQ_ARCH_0: u32 = 16;
/// Virq arch 1.
pub const VIRQ_ARCH_1: u32 = 17;
/// Virq arch 2.
pub const VIRQ_ARCH_2: u32 = 18;
/// Virq arch 3.
pub const VIRQ_ARCH_3: u32 = 19;
/// Virq arch 4.
pub const VIRQ_ARCH_4: u32 = 20;
/// Virq arch 5.
pub const VIRQ_ARCH_5: u32 = 21;
/// Virq arch 6.
pub const VIRQ_ARCH_6: u32 = 22;
/// Virq arch 7.
pub const VIRQ_ARCH_7: u32 = 23;
/// Nr virqs.
pub const NR_VIRQS: u32 = 24;
/// Domain ids >= DOMID_FIRST_RESERVED cannot be used for ordinary domains.
pub const DOMID_FIRST_RESERVED: domid_t = 0x7FF0;
/// DOMID_SELF is used in certain contexts to refer to oneself.
pub const DOMID_SELF: domid_t = 0x7FF0;
/// DOMID_IO is used to restrict page-table updates to mapping I/O memory.
pub const DOMID_IO: domid_t = 0x7FF1;
/// DOMID_XEN is used to allow privileged domains to map restricted parts of Xen's heap space
/// (e.g., the machine_to_phys table).
pub const DOMID_XEN: domid_t = 0x7FF2;
/// DOMID_COW is used as the owner of sharable pages.
pub const DOMID_COW: domid_t = 0x7FF3;
/// DOMID_INVALID is used to identify pages with unknown owner.
pub const DOMID_INVALID: domid_t = 0x7FF4;
/// Idle domain.
pub const DOMID_IDLE: domid_t = 0x7FFF;
/// Mask for valid domain id values.
pub const DOMID_MASK: domid_t = 0x7FFF;

/// Domid t.
pub type domid_t = u16;

/// Xen domain handle t.
pub type xen_domain_handle_t = [u8; 16];

/// Xen uuid t.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_uuid_t {
    /// A.
    pub a: [u8; 16],
}
const _: () = assert!(size_of::<xen_uuid_t>() == 16);

/// Xenctl bitmap.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenctl_bitmap {
    /// Bitmap.
    pub bitmap: guest_handle,
    /// Nr bits.
    pub nr_bits: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xenctl_bitmap>() == 16);

/// A guest virtual address as a structure carries it (`XEN_GUEST_HANDLE`): a claim, never a
/// pointer that may be followed unchecked. Null is 0.
pub type guest_handle = u64;

/// A [`xen_uuid_t`] from the groups in which UUIDs are written, each big-endian in memory.
pub const fn XEN_DEFINE_UUID(a: u32, b: u16, c: u16, d: u16, e: [u8; 6]) -> xen_uuid_t {
    let ([a0, a1, a2, a3], [b0, b1]) = (a.to_be_bytes(), b.to_be_bytes());
    let ([c0, c1], [d0, d1]) = (c.to_be_bytes(), d.to_be_bytes());
    let [e0, e1, e2, e3, e4, e5] = e;
    xen_uuid_t {
        a: [
            a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, e0, e1, e2, e3, e4, e5,
        ],
    }
}

//! `xen/xen.h`: the core of the interface. The items stand in private submodules by subject and
//! are all re-exported here, so that `xen::NAME` finds each.

mod hypercall;
mod mmu;
mod shared;
mod start;

pub use self::hypercall::*;
pub use self::mmu::*;
pub use self::shared::*;
pub use self::start::*;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Per vCPU: a timer of this vCPU has expired.
pub const VIRQ_TIMER: u32 = 0;
/// Per vCPU: asks the guest to print its state.
pub const VIRQ_DEBUG: u32 = 1;
/// Global, dom0: input on the hypervisor's console.
pub const VIRQ_CONSOLE: u32 = 2;
/// Global, dom0: some domain died, shut down or changed so that a toolstack should look.
pub const VIRQ_DOM_EXC: u32 = 3;
/// Global, dom0: the trace buffers hold records.
pub const VIRQ_TBUF: u32 = 4;
/// Global, dom0: a domain stopped for its debugger.
pub const VIRQ_DEBUGGER: u32 = 6;
/// Per vCPU: a profile sample is there.
pub const VIRQ_XENOPROF: u32 = 7;
/// Global, dom0: new text in the hypervisor's console ring.
pub const VIRQ_CON_RING: u32 = 8;
/// Global, dom0: a physical CPU came or went.
pub const VIRQ_PCPU_STATE: u32 = 9;
/// Global, dom0: a memory event.
pub const VIRQ_MEM_EVENT: u32 = 10;
/// Global: an Argo message has arrived.
pub const VIRQ_ARGO: u32 = 11;
/// Global, dom0: the hypervisor is short of memory.
pub const VIRQ_ENOMEM: u32 = 12;
/// Per vCPU: a performance counter interrupt.
pub const VIRQ_XENPMU: u32 = 13;
/// Architecture-specific virtual interrupt 0: on x86 `VIRQ_MCA`, global, dom0: a machine check
/// was logged.
pub const VIRQ_ARCH_0: u32 = 16;
/// Architecture-specific virtual interrupt 1.
pub const VIRQ_ARCH_1: u32 = 17;
/// Architecture-specific virtual interrupt 2.
pub const VIRQ_ARCH_2: u32 = 18;
/// Architecture-specific virtual interrupt 3.
pub const VIRQ_ARCH_3: u32 = 19;
/// Architecture-specific virtual interrupt 4.
pub const VIRQ_ARCH_4: u32 = 20;
/// Architecture-specific virtual interrupt 5.
pub const VIRQ_ARCH_5: u32 = 21;
/// Architecture-specific virtual interrupt 6.
pub const VIRQ_ARCH_6: u32 = 22;
/// Architecture-specific virtual interrupt 7.
pub const VIRQ_ARCH_7: u32 = 23;
/// Number of virtual interrupts.
pub const NR_VIRQS: u32 = 24;
/// The first number that no ordinary domain has.
pub const DOMID_FIRST_RESERVED: domid_t = 0x7FF0;
/// The caller.
pub const DOMID_SELF: domid_t = 0x7FF0;
/// As owner in page-table calls: only I/O memory may be mapped.
pub const DOMID_IO: domid_t = 0x7FF1;
/// As owner: the frames that the hypervisor shares with privileged domains.
pub const DOMID_XEN: domid_t = 0x7FF2;
/// Owner of frames shared copy-on-write.
pub const DOMID_COW: domid_t = 0x7FF3;
/// No domain; the owner of frames whose owner is unknown.
pub const DOMID_INVALID: domid_t = 0x7FF4;
/// The idle domain.
pub const DOMID_IDLE: domid_t = 0x7FFF;
/// The bits a domain number has.
pub const DOMID_MASK: domid_t = 0x7FFF;

/// A domain's number.
pub type domid_t = u16;

/// A domain's UUID, chosen by the toolstack.
pub type xen_domain_handle_t = [u8; 16];

/// A UUID in the byte order of RFC 4122.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_uuid_t {
    /// The sixteen bytes in the order in which they are written.
    pub a: [u8; 16],
}
const _: () = assert!(size_of::<xen_uuid_t>() == 16);

/// A bitmap in the caller's memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenctl_bitmap {
    /// Address of its bytes, least significant bit first.
    pub bitmap: guest_handle,
    /// Its length in bits.
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

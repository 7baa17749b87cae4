//! `xen/event_channel.h`: arguments of `event_channel_op`, and the FIFO form of the event
//! array.

use crate::Union;
use crate::xen::domid_t;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Connect to a port that another domain left open for us, argument
/// [`evtchn_bind_interdomain`].
pub const EVTCHNOP_bind_interdomain: u32 = 0;
/// Receive a virtual interrupt, argument [`evtchn_bind_virq`].
pub const EVTCHNOP_bind_virq: u32 = 1;
/// Receive a physical interrupt, argument [`evtchn_bind_pirq`].
pub const EVTCHNOP_bind_pirq: u32 = 2;
/// Close a port, argument [`evtchn_close`].
pub const EVTCHNOP_close: u32 = 3;
/// Notify the other end of a port, argument [`evtchn_send`].
pub const EVTCHNOP_send: u32 = 4;
/// Ask what a port is bound to, argument [`evtchn_status`].
pub const EVTCHNOP_status: u32 = 5;
/// Open a port for one other domain, argument [`evtchn_alloc_unbound`].
pub const EVTCHNOP_alloc_unbound: u32 = 6;
/// A port by which vCPUs of this domain notify one of them, argument [`evtchn_bind_ipi`].
pub const EVTCHNOP_bind_ipi: u32 = 7;
/// Choose the vCPU that a port notifies, argument [`evtchn_bind_vcpu`].
pub const EVTCHNOP_bind_vcpu: u32 = 8;
/// Unmask a port and deliver what waits, argument [`evtchn_unmask`].
pub const EVTCHNOP_unmask: u32 = 9;
/// Close all ports, argument [`evtchn_reset`].
pub const EVTCHNOP_reset: u32 = 10;
/// FIFO form: register a vCPU's control block, argument [`evtchn_init_control`].
pub const EVTCHNOP_init_control: u32 = 11;
/// FIFO form: add a page of event words, argument [`evtchn_expand_array`].
pub const EVTCHNOP_expand_array: u32 = 12;
/// FIFO form: choose a port's queue, argument [`evtchn_set_priority`].
pub const EVTCHNOP_set_priority: u32 = 13;

/// A port: one end of an event channel, numbered per domain.
pub type evtchn_port_t = u32;

/// Argument of [`EVTCHNOP_alloc_unbound`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_alloc_unbound {
    /// IN: whose port; `DOMID_SELF` for the caller's.
    pub dom: domid_t,
    /// IN: who may connect to it.
    pub remote_dom: domid_t,
    /// OUT: the new port.
    pub port: evtchn_port_t,
}
const _: () = assert!(size_of::<evtchn_alloc_unbound>() == 8);

/// Argument of [`EVTCHNOP_bind_interdomain`]. The new port is pending from the start, lest an
/// earlier event be lost.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_bind_interdomain {
    /// IN: the other domain; `DOMID_SELF` makes a loop.
    pub remote_dom: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// IN: its port, which must be unbound and open to the caller.
    pub remote_port: evtchn_port_t,
    /// OUT: the caller's new port.
    pub local_port: evtchn_port_t,
}
const _: () = assert!(size_of::<evtchn_bind_interdomain>() == 12);

/// Argument of [`EVTCHNOP_bind_virq`]; -EEXIST if that vCPU has it bound already.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_bind_virq {
    /// IN: `VIRQ_*`.
    pub virq: u32,
    /// IN: the vCPU to notify; 0 for a global interrupt, to be moved later.
    pub vcpu: u32,
    /// OUT: the new port.
    pub port: evtchn_port_t,
}
const _: () = assert!(size_of::<evtchn_bind_virq>() == 12);

/// Argument of [`EVTCHNOP_bind_pirq`]; -EEXIST if the domain has it bound already.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_bind_pirq {
    /// IN: the PIRQ, as `PHYSDEVOP_map_pirq` gave it.
    pub pirq: u32,
    /// IN: [`BIND_PIRQ__WILL_SHARE`] or 0.
    pub flags: u32,
    /// OUT: the new port.
    pub port: evtchn_port_t,
}
const _: () = assert!(size_of::<evtchn_bind_pirq>() == 12);

/// The interrupt line may be shared with other domains.
pub const BIND_PIRQ__WILL_SHARE: u32 = 1;

/// Argument of [`EVTCHNOP_bind_ipi`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_bind_ipi {
    /// IN: the vCPU to notify, for good.
    pub vcpu: u32,
    /// OUT: the new port.
    pub port: evtchn_port_t,
}
const _: () = assert!(size_of::<evtchn_bind_ipi>() == 8);

/// Argument of [`EVTCHNOP_close`]. The other end of a channel becomes unbound.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_close {
    /// IN: the port.
    pub port: evtchn_port_t,
}
const _: () = assert!(size_of::<evtchn_close>() == 4);

/// Argument of [`EVTCHNOP_send`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_send {
    /// IN: the caller's end.
    pub port: evtchn_port_t,
}
const _: () = assert!(size_of::<evtchn_send>() == 4);

/// Argument of [`EVTCHNOP_status`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_status {
    /// IN: whose port; only a toolstack may name another than `DOMID_SELF`.
    pub dom: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// IN: the port.
    pub port: evtchn_port_t,
    /// OUT: `EVTCHNSTAT_*`.
    pub status: u32,
    /// OUT: the vCPU it notifies.
    pub vcpu: u32,
    /// OUT: what it is bound to, by `status`.
    ///
    /// One of: `unbound` ([`evtchn_status_unbound`]), `interdomain`
    /// ([`evtchn_status_interdomain`]), `pirq` (`u32`), `virq` (`u32`).
    pub u: Union<[u32; 2]>,
}
const _: () = assert!(size_of::<evtchn_status>() == 24);

/// Not in use.
pub const EVTCHNSTAT_closed: u32 = 0;
/// Waits for another domain.
pub const EVTCHNSTAT_unbound: u32 = 1;
/// Connected to another port.
pub const EVTCHNSTAT_interdomain: u32 = 2;
/// Bound to a physical interrupt.
pub const EVTCHNSTAT_pirq: u32 = 3;
/// Bound to a virtual interrupt.
pub const EVTCHNSTAT_virq: u32 = 4;
/// Bound to notifications between vCPUs.
pub const EVTCHNSTAT_ipi: u32 = 5;

/// Details of [`EVTCHNSTAT_unbound`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_status_unbound {
    /// Who may connect.
    pub dom: domid_t,
}
const _: () = assert!(size_of::<evtchn_status_unbound>() == 2);

/// Details of [`EVTCHNSTAT_interdomain`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_status_interdomain {
    /// The other domain.
    pub dom: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// Its port.
    pub port: evtchn_port_t,
}
const _: () = assert!(size_of::<evtchn_status_interdomain>() == 8);

/// Argument of [`EVTCHNOP_bind_vcpu`]; -EINVAL for ports whose vCPU is fixed: IPIs and per-vCPU
/// virtual interrupts.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_bind_vcpu {
    /// IN: the port.
    pub port: evtchn_port_t,
    /// IN: the vCPU to notify.
    pub vcpu: u32,
}
const _: () = assert!(size_of::<evtchn_bind_vcpu>() == 8);

/// Argument of [`EVTCHNOP_unmask`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_unmask {
    /// IN: the port.
    pub port: evtchn_port_t,
}
const _: () = assert!(size_of::<evtchn_unmask>() == 4);

/// Argument of [`EVTCHNOP_reset`]. For the caller itself it also ends the FIFO form.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_reset {
    /// IN: whose ports; only a toolstack may name another than `DOMID_SELF`.
    pub dom: domid_t,
}
const _: () = assert!(size_of::<evtchn_reset>() == 2);

/// Argument of [`EVTCHNOP_init_control`]. The first such call switches the domain to the FIFO
/// form; events pending then are lost.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_init_control {
    /// IN: frame that holds the control block.
    pub control_gfn: u64,
    /// IN: offset of the block in the frame, bytes, a multiple of 8.
    pub offset: u32,
    /// IN: whose block.
    pub vcpu: u32,
    /// OUT: bits of a link that the hypervisor uses, [`EVTCHN_FIFO_LINK_BITS`].
    pub link_bits: u8,
    /// Unused; zero.
    pub _pad: [u8; 7],
}
const _: () = assert!(size_of::<evtchn_init_control>() == 24);

/// Argument of [`EVTCHNOP_expand_array`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_expand_array {
    /// IN: frame with the words of the next 1024 ports.
    pub array_gfn: u64,
}
const _: () = assert!(size_of::<evtchn_expand_array>() == 8);

/// Argument of [`EVTCHNOP_set_priority`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_set_priority {
    /// IN: the port.
    pub port: evtchn_port_t,
    /// IN: the queue, [`EVTCHN_FIFO_PRIORITY_MAX`] to [`EVTCHN_FIFO_PRIORITY_MIN`].
    pub priority: u32,
}
const _: () = assert!(size_of::<evtchn_set_priority>() == 8);

/// A command with its argument, for the older form of the hypercall.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_op {
    /// `EVTCHNOP_*`.
    pub cmd: u32,
    /// Its argument.
    ///
    /// One of: `alloc_unbound` ([`evtchn_alloc_unbound`]), `bind_interdomain`
    /// ([`evtchn_bind_interdomain`]), `bind_virq` ([`evtchn_bind_virq`]), `bind_pirq`
    /// ([`evtchn_bind_pirq`]), `bind_ipi` ([`evtchn_bind_ipi`]), `close` ([`evtchn_close`]),
    /// `send` ([`evtchn_send`]), `status` ([`evtchn_status`]), `bind_vcpu`
    /// ([`evtchn_bind_vcpu`]), `unmask` ([`evtchn_unmask`]).
    pub u: Union<[u32; 6]>,
}
const _: () = assert!(size_of::<evtchn_op>() == 28);

/// Ports of a domain whose event array is the two-level one in the shared page.
pub const EVTCHN_2L_NR_CHANNELS: usize = 0x1000;
/// FIFO form: the queue served first.
pub const EVTCHN_FIFO_PRIORITY_MAX: u32 = 0;
/// FIFO form: the queue of a port that has chosen none.
pub const EVTCHN_FIFO_PRIORITY_DEFAULT: u32 = 7;
/// FIFO form: the queue served last.
pub const EVTCHN_FIFO_PRIORITY_MIN: u32 = 15;
/// FIFO form: queues of a vCPU, one for each priority.
pub const EVTCHN_FIFO_MAX_QUEUES: usize = 16;

/// FIFO form: the state of one port. Both sides change it, by atomic accesses only.
pub type event_word_t = u32;

/// Bit number in an [`event_word_t`]: an event waits. Set by the hypervisor, cleared by the
/// guest.
pub const EVTCHN_FIFO_PENDING: u32 = 31;
/// Bit number in an [`event_word_t`]: do not queue the port. Written by the guest.
pub const EVTCHN_FIFO_MASKED: u32 = 30;
/// Bit number in an [`event_word_t`]: the port is in a queue. Set by the hypervisor, cleared by
/// the guest as it takes the port out.
pub const EVTCHN_FIFO_LINKED: u32 = 29;
/// Bit number in an [`event_word_t`]: the guest is unmasking the port; the hypervisor keeps off
/// the link.
pub const EVTCHN_FIFO_BUSY: u32 = 28;
/// Bits of the link in an [`event_word_t`], from bit 0.
pub const EVTCHN_FIFO_LINK_BITS: u32 = 17;
/// The link in an [`event_word_t`]: the port that follows in the queue, 0 at its end.
pub const EVTCHN_FIFO_LINK_MASK: u32 = (1 << EVTCHN_FIFO_LINK_BITS) - 1;
/// Ports of a domain whose event array has the FIFO form.
pub const EVTCHN_FIFO_NR_CHANNELS: u32 = 1 << EVTCHN_FIFO_LINK_BITS;

/// FIFO form: the heads of a vCPU's queues.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_fifo_control_block {
    /// A bit per queue: it is not empty. Set by the hypervisor, cleared by the guest.
    pub ready: u32,
    /// Reserved; zero.
    pub _rsvd: u32,
    /// First port of each queue; 0 if the guest is to wait for the next.
    pub head: [u32; 16],
}
const _: () = assert!(size_of::<evtchn_fifo_control_block>() == 72);

//! `xen/event_channel.h`.

use crate::Union;
use crate::xen::domid_t;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// ` enum event_channel_op { // EVTCHNOP_* => struct evtchn_.
pub const EVTCHNOP_bind_interdomain: u32 = 0;
/// Evtchnop bind virq.
pub const EVTCHNOP_bind_virq: u32 = 1;
/// Evtchnop bind pirq.
pub const EVTCHNOP_bind_pirq: u32 = 2;
/// Evtchnop close.
pub const EVTCHNOP_close: u32 = 3;
/// Evtchnop send.
pub const EVTCHNOP_send: u32 = 4;
/// Evtchnop status.
pub const EVTCHNOP_status: u32 = 5;
/// Evtchnop alloc unbound.
pub const EVTCHNOP_alloc_unbound: u32 = 6;
/// Evtchnop bind ipi.
pub const EVTCHNOP_bind_ipi: u32 = 7;
/// Evtchnop bind vcpu.
pub const EVTCHNOP_bind_vcpu: u32 = 8;
/// Evtchnop unmask.
pub const EVTCHNOP_unmask: u32 = 9;
/// Evtchnop reset.
pub const EVTCHNOP_reset: u32 = 10;
/// Evtchnop init control.
pub const EVTCHNOP_init_control: u32 = 11;
/// Evtchnop expand array.
pub const EVTCHNOP_expand_array: u32 = 12;
/// Evtchnop set priority.
pub const EVTCHNOP_set_priority: u32 = 13;

/// Evtchn port t.
pub type evtchn_port_t = u32;

/// EVTCHNOP_alloc_unbound: Allocate a port in domain &lt;dom> and mark as accepting interdomain
/// bindings from domain &lt;remote_dom>. A fresh port is allocated in &lt;dom> and returned as
/// &lt;port>. NOTES: 1.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_alloc_unbound {
    /// IN parameters.
    pub dom: domid_t,
    /// IN parameters.
    pub remote_dom: domid_t,
    /// OUT parameters.
    pub port: evtchn_port_t,
}
const _: () = assert!(size_of::<evtchn_alloc_unbound>() == 8);

/// EVTCHNOP_bind_interdomain: Construct an interdomain event channel between the calling domain
/// and &lt;remote_dom>. &lt;remote_dom,remote_port> must identify a port that is unbound and
/// marked as accepting bindings from the calling domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_bind_interdomain {
    /// IN parameters.
    pub remote_dom: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// Remote port.
    pub remote_port: evtchn_port_t,
    /// OUT parameters.
    pub local_port: evtchn_port_t,
}
const _: () = assert!(size_of::<evtchn_bind_interdomain>() == 12);

/// EVTCHNOP_bind_virq: Bind a local event channel to VIRQ &lt;irq> on specified vcpu.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_bind_virq {
    /// enum virq.
    pub virq: u32,
    /// Vcpu.
    pub vcpu: u32,
    /// OUT parameters.
    pub port: evtchn_port_t,
}
const _: () = assert!(size_of::<evtchn_bind_virq>() == 12);

/// EVTCHNOP_bind_pirq: Bind a local event channel to a real IRQ (PIRQ &lt;irq>).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_bind_pirq {
    /// IN parameters.
    pub pirq: u32,
    /// BIND_PIRQ__.
    pub flags: u32,
    /// OUT parameters.
    pub port: evtchn_port_t,
}
const _: () = assert!(size_of::<evtchn_bind_pirq>() == 12);

/// Bind pirq will share.
pub const BIND_PIRQ__WILL_SHARE: u32 = 1;

/// EVTCHNOP_bind_ipi: Bind a local event channel to receive events.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_bind_ipi {
    /// Vcpu.
    pub vcpu: u32,
    /// OUT parameters.
    pub port: evtchn_port_t,
}
const _: () = assert!(size_of::<evtchn_bind_ipi>() == 8);

/// EVTCHNOP_close: Close a local event channel &lt;port>. If the channel is interdomain then
/// the remote end is placed in the unbound state (EVTCHNSTAT_unbound), awaiting a new
/// connection.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_close {
    /// IN parameters.
    pub port: evtchn_port_t,
}
const _: () = assert!(size_of::<evtchn_close>() == 4);

/// EVTCHNOP_send: Send an event to the remote end of the channel whose local endpoint is
/// &lt;port>.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_send {
    /// IN parameters.
    pub port: evtchn_port_t,
}
const _: () = assert!(size_of::<evtchn_send>() == 4);

/// EVTCHNOP_status: Get the current status of the communication channel which has an endpoint
/// at &lt;dom, port>. NOTES: 1. &lt;dom> may be specified as DOMID_SELF. 2.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_status {
    /// IN parameters.
    pub dom: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// Port.
    pub port: evtchn_port_t,
    /// Status.
    pub status: u32,
    /// VCPU to which this channel is bound.
    pub vcpu: u32,
    /// U.
    ///
    /// One of: `unbound` ([`evtchn_status_unbound`]), `interdomain`
    /// ([`evtchn_status_interdomain`]), `pirq` (`u32`), `virq` (`u32`).
    pub u: Union<[u32; 2]>,
}
const _: () = assert!(size_of::<evtchn_status>() == 24);

/// Channel is not in use.
pub const EVTCHNSTAT_closed: u32 = 0;
/// Channel is waiting interdom connection.
pub const EVTCHNSTAT_unbound: u32 = 1;
/// Channel is connected to remote domain.
pub const EVTCHNSTAT_interdomain: u32 = 2;
/// Channel is bound to a phys IRQ line.
pub const EVTCHNSTAT_pirq: u32 = 3;
/// Channel is bound to a virtual IRQ line.
pub const EVTCHNSTAT_virq: u32 = 4;
/// Channel is bound to a virtual IPI line.
pub const EVTCHNSTAT_ipi: u32 = 5;

/// Evtchn status unbound.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_status_unbound {
    /// Dom.
    pub dom: domid_t,
}
const _: () = assert!(size_of::<evtchn_status_unbound>() == 2);

/// Evtchn status interdomain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_status_interdomain {
    /// Dom.
    pub dom: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// Port.
    pub port: evtchn_port_t,
}
const _: () = assert!(size_of::<evtchn_status_interdomain>() == 8);

/// EVTCHNOP_bind_vcpu: Specify which vcpu a channel should notify when an event is pending.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_bind_vcpu {
    /// IN parameters.
    pub port: evtchn_port_t,
    /// Vcpu.
    pub vcpu: u32,
}
const _: () = assert!(size_of::<evtchn_bind_vcpu>() == 8);

/// EVTCHNOP_unmask: Unmask the specified local event-channel port and deliver a notification to
/// the appropriate VCPU if an event is pending.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_unmask {
    /// IN parameters.
    pub port: evtchn_port_t,
}
const _: () = assert!(size_of::<evtchn_unmask>() == 4);

/// EVTCHNOP_reset: Close all event channels associated with specified domain.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_reset {
    /// IN parameters.
    pub dom: domid_t,
}
const _: () = assert!(size_of::<evtchn_reset>() == 2);

/// EVTCHNOP_init_control: initialize the control block for the FIFO ABI. Note: any events that
/// are currently pending will not be resent and will be lost.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_init_control {
    /// IN parameters.
    pub control_gfn: u64,
    /// Offset.
    pub offset: u32,
    /// Vcpu.
    pub vcpu: u32,
    /// OUT parameters.
    pub link_bits: u8,
    /// Pad.
    pub _pad: [u8; 7],
}
const _: () = assert!(size_of::<evtchn_init_control>() == 24);

/// EVTCHNOP_expand_array: add an additional page to the event array.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_expand_array {
    /// IN parameters.
    pub array_gfn: u64,
}
const _: () = assert!(size_of::<evtchn_expand_array>() == 8);

/// EVTCHNOP_set_priority: set the priority for an event channel.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_set_priority {
    /// IN parameters.
    pub port: evtchn_port_t,
    /// Priority.
    pub priority: u32,
}
const _: () = assert!(size_of::<evtchn_set_priority>() == 8);

/// ` enum neg_errnoval ` HYPERVISOR_event_channel_op_compat(struct evtchn_op *op) ` Superceded
/// by new event_channel_op() hypercall since 0x00030202.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_op {
    /// enum event_channel_op.
    pub cmd: u32,
    /// U.
    ///
    /// One of: `alloc_unbound` ([`evtchn_alloc_unbound`]), `bind_interdomain`
    /// ([`evtchn_bind_interdomain`]), `bind_virq` ([`evtchn_bind_virq`]), `bind_pirq`
    /// ([`evtchn_bind_pirq`]), `bind_ipi` ([`evtchn_bind_ipi`]), `close` ([`evtchn_close`]),
    /// `send` ([`evtchn_send`]), `status` ([`evtchn_status`]), `bind_vcpu`
    /// ([`evtchn_bind_vcpu`]), `unmask` ([`evtchn_unmask`]).
    pub u: Union<[u32; 6]>,
}
const _: () = assert!(size_of::<evtchn_op>() == 28);

/// Evtchn 2l nr channels.
pub const EVTCHN_2L_NR_CHANNELS: usize = 0x1000;
/// Events may have priorities from 0 (highest) to 15 (lowest).
pub const EVTCHN_FIFO_PRIORITY_MAX: u32 = 0;
/// Evtchn fifo priority default.
pub const EVTCHN_FIFO_PRIORITY_DEFAULT: u32 = 7;
/// Evtchn fifo priority min.
pub const EVTCHN_FIFO_PRIORITY_MIN: u32 = 15;
/// Evtchn fifo max queues.
pub const EVTCHN_FIFO_MAX_QUEUES: usize = 16;

/// Event word t.
pub type event_word_t = u32;

/// Evtchn fifo pending.
pub const EVTCHN_FIFO_PENDING: u32 = 31;
/// Evtchn fifo masked.
pub const EVTCHN_FIFO_MASKED: u32 = 30;
/// Evtchn fifo linked.
pub const EVTCHN_FIFO_LINKED: u32 = 29;
/// Evtchn fifo busy.
pub const EVTCHN_FIFO_BUSY: u32 = 28;
/// Evtchn fifo link bits.
pub const EVTCHN_FIFO_LINK_BITS: u32 = 17;
/// Evtchn fifo link mask.
pub const EVTCHN_FIFO_LINK_MASK: u32 = (1 << EVTCHN_FIFO_LINK_BITS) - 1;
/// Evtchn fifo nr channels.
pub const EVTCHN_FIFO_NR_CHANNELS: u32 = 1 << EVTCHN_FIFO_LINK_BITS;

/// Evtchn fifo control block.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct evtchn_fifo_control_block {
    /// Ready.
    pub ready: u32,
    /// Rsvd.
    pub _rsvd: u32,
    /// Head.
    pub head: [u32; 16],
}
const _: () = assert!(size_of::<evtchn_fifo_control_block>() == 72);

//! Where a domain's ports are kept: in frames of the hypervisor's own, so that a sender finds them
//! without the domain's lock ([`super::looking`]).
//!
//! The root frame names the frames of the ports, 256 each, and says where every vCPU's `vcpu_info` is
//! and what the vCPU does. A port has two words. Its channel is what [`Channel`] says, and is
//! written under the domain's lock. Its target is for those who send: where the bit is that an event
//! sets, or 0 if the channel has to be looked at. A target that leads into a domain is written under
//! that domain's lock.
//!
//! Frames come and are filled before the word that leads to them is written, and go with the domain.

use hypercall_abi::event_channel::EVTCHN_FIFO_NR_CHANNELS;

use super::{Binding, Channel, Port};
use crate::addr::{Mfn, clamp_to_power};
use crate::domain::MAX_VCPUS;
use crate::error::{Errno, Result};
use crate::hypervisor::Hypervisor;
use crate::platform::{CpuId, Machine};
use crate::vcpu::InfoArea;

/// Ports of one frame.
pub(crate) const PORTS_PER_TABLE: usize = 256;
/// Frames of a full table.
const MOST_TABLES: usize = EVTCHN_FIFO_NR_CHANNELS as usize / PORTS_PER_TABLE;

/// Of a frame of ports: the targets, then the channels.
const CHANNELS: usize = PORTS_PER_TABLE * 8;
/// Of the root: the frames of ports, 4 bytes each.
const TABLE_SIZE: usize = 4;
/// Of the root: the places of `vcpu_info`.
const INFOS: usize = MOST_TABLES * TABLE_SIZE;
/// Of the root: what the vCPUs do.
const DOINGS: usize = INFOS + MAX_VCPUS * 8;
/// Of the root: the shared page, while the domain is in the two-level form; else 0.
const PAGE: usize = DOINGS + MAX_VCPUS * 8;
/// Of the root: vCPUs in `SCHEDOP_poll`, one bit each.
const POLLERS: usize = PAGE + 8;
const _: () = assert!(POLLERS + 8 <= 4096 && POLLERS.is_multiple_of(8));

/// A domain's root frame; 0 if it has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Root(pub(crate) u64);

/// Bits of a bit's number in a frame.
const BIT_BITS: u32 = 15;
const BIT_MASK: u64 = (1 << BIT_BITS) - 1;

/// Where an event sets its bit: in which frame, and which bit there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target(pub(crate) u64);

impl Target {
    /// Nowhere that can be said in a word.
    pub(super) const NONE: Self = Self(0);

    /// Bit `bit` of `mfn`.
    pub(super) fn new(mfn: Mfn, bit: usize) -> Self {
        Self(mfn.0 << BIT_BITS | bit as u64 & BIT_MASK)
    }

    #[inline(always)]
    pub(super) fn is_none(self) -> bool {
        self.0 == 0
    }

    #[inline(always)]
    pub(super) fn place(self) -> (Mfn, usize) {
        (Mfn(self.0 >> BIT_BITS), (self.0 & BIT_MASK) as usize)
    }
}

/// What a vCPU does, as far as senders care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Doing {
    /// Whether it waits for an event.
    pub(crate) waits: bool,
    /// The CPU that runs it.
    pub(crate) running: Option<CpuId>,
}

impl Doing {
    const WAITS: u64 = 1 << 32;

    fn to_word(self) -> u64 {
        let running = self.running.map_or(0, |cpu| u64::from(cpu) + 1);
        running | if self.waits { Self::WAITS } else { 0 }
    }

    fn from_word(word: u64) -> Self {
        Self {
            waits: word & Self::WAITS != 0,
            running: (word as u32).checked_sub(1),
        }
    }
}

impl Root {
    fn mfn(self) -> Option<Mfn> {
        (self.0 != 0).then_some(Mfn(self.0))
    }

    /// The frame of ports that `port` is in.
    #[inline]
    fn table<M: Machine>(self, m: &M, port: Port) -> Option<Mfn> {
        let index = port as usize / PORTS_PER_TABLE;
        if index >= MOST_TABLES {
            return None;
        }
        let offset = clamp_to_power::<MOST_TABLES>(index) * TABLE_SIZE;
        match m.load_u32(self.mfn()?, offset) {
            0 => None,
            mfn => Some(Mfn(u64::from(mfn))),
        }
    }

    /// The port's state; `None` for one that does not exist.
    #[inline]
    pub(super) fn channel<M: Machine>(self, m: &M, port: Port) -> Option<Channel> {
        let table = self.table(m, port)?;
        Channel::from_word(m.load_u64(table, CHANNELS + place_of(port)))
    }

    /// Writes a port's state, if there is room for it.
    #[inline(always)]
    pub(super) fn set_channel<M: Machine>(self, m: &M, port: Port, channel: Channel) {
        if let Some(table) = self.table(m, port) {
            m.store_u64(table, CHANNELS + place_of(port), channel.to_word());
        }
    }

    /// Says where the events go that are sent through `port`.
    pub(super) fn set_target<M: Machine>(self, m: &M, port: Port, target: Target) {
        if let Some(table) = self.table(m, port) {
            m.store_u64(table, place_of(port), target.0);
        }
    }

    /// The root and the frame of the first ports.
    pub(super) fn first<M: Machine>(self, m: &M) -> Option<(Mfn, Mfn)> {
        Some((self.mfn()?, self.table(m, 0)?))
    }

    /// Makes a root.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(super) fn new<M: Machine>(hv: &Hypervisor<M>) -> Result<Self> {
        Ok(Self(hv.alloc_own_page()?.0))
    }

    /// Makes room for `port` and those next to it.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(super) fn extend<M: Machine>(self, hv: &Hypervisor<M>, port: Port) -> Result<()> {
        if self.table(hv.machine, port).is_some() {
            return Ok(());
        }
        let root = self.mfn().ok_or(Errno::ENOMEM)?;
        let table = hv.alloc_own_page()?;
        let Ok(number) = u32::try_from(table.0) else {
            hv.free_own_page(table);
            return Err(Errno::ENOMEM);
        };
        let offset = port as usize / PORTS_PER_TABLE % MOST_TABLES * TABLE_SIZE;
        hv.machine.store_u32(root, offset, number);
        Ok(())
    }

    /// Takes back the frame of ports that `port` is in.
    pub(super) fn shorten<M: Machine>(self, hv: &Hypervisor<M>, port: Port) {
        if let (Some(root), Some(table)) = (self.mfn(), self.table(hv.machine, port)) {
            let offset = port as usize / PORTS_PER_TABLE % MOST_TABLES * TABLE_SIZE;
            hv.machine.store_u32(root, offset, 0);
            hv.free_own_page(table);
        }
    }

    /// Takes back the root, which names no frames of ports any more.
    pub(super) fn end<M: Machine>(self, hv: &Hypervisor<M>) {
        if let Some(root) = self.mfn() {
            hv.free_own_page(root);
        }
    }

    /// The shared page, if the domain is in the two-level form.
    #[inline]
    pub(super) fn page<M: Machine>(self, m: &M) -> Option<Mfn> {
        match m.load_u64(self.mfn()?, PAGE) {
            0 => None,
            mfn => Some(Mfn(mfn)),
        }
    }

    /// Says where the bits of the two-level form are, or that they are not used.
    pub(super) fn set_page<M: Machine>(self, m: &M, page: Option<Mfn>) {
        if let Some(root) = self.mfn() {
            m.store_u64(root, PAGE, page.map_or(0, |page| page.0));
        }
    }

    /// vCPUs in `SCHEDOP_poll`, one bit each.
    #[inline]
    pub(super) fn pollers<M: Machine>(self, m: &M) -> u64 {
        self.mfn().map_or(0, |root| m.load_u64(root, POLLERS))
    }

    /// Whether events are to be looked at for what a vCPU polls for. A full barrier.
    pub(crate) fn set_polling<M: Machine>(self, m: &M, vcpu: u16, polls: bool) {
        let bit = POLLERS * 8 + usize::from(vcpu) % MAX_VCPUS;
        match self.mfn() {
            Some(root) if polls => drop(m.set_bit(root, bit)),
            Some(root) => drop(m.clear_bit(root, bit)),
            None => {}
        }
    }

    /// Where a vCPU's `vcpu_info` is.
    #[inline]
    pub(super) fn info<M: Machine>(self, m: &M, vcpu: u16) -> Option<InfoArea> {
        match m.load_u64(self.mfn()?, vcpu_word(INFOS, vcpu)) {
            0 => None,
            address => Some(InfoArea {
                mfn: Mfn::containing(address),
                offset: address as u16 & 0xfff,
            }),
        }
    }

    /// Says where a vCPU's `vcpu_info` is.
    pub(crate) fn set_info<M: Machine>(self, m: &M, vcpu: u16, info: Option<InfoArea>) {
        if let Some(root) = self.mfn() {
            let address = info.map_or(0, |area| area.mfn.addr() | u64::from(area.offset));
            m.store_u64(root, vcpu_word(INFOS, vcpu), address);
        }
    }

    /// What a vCPU does.
    #[inline]
    pub(crate) fn doing<M: Machine>(self, m: &M, vcpu: u16) -> Doing {
        self.mfn().map_or_else(Doing::default, |root| {
            Doing::from_word(m.load_u64(root, vcpu_word(DOINGS, vcpu)))
        })
    }

    /// Says what a vCPU does. A full barrier: whoever marks an upcall pending later sees it, and one
    /// marked earlier is seen from now on.
    #[inline]
    pub(crate) fn set_doing<M: Machine>(self, m: &M, vcpu: u16, doing: Doing) {
        if let Some(root) = self.mfn() {
            m.store_u64(root, vcpu_word(DOINGS, vcpu), doing.to_word());
            m.barrier();
        }
    }
}

/// Of the running vCPU's domain: the target of one of the first ports.
#[inline(always)]
pub(super) fn own_target<M: Machine>(m: &M, port: u64) -> Target {
    Target(m.ports_word::<0>(port as usize))
}

/// Of the running vCPU's domain: the word of the channel of one of the first ports.
#[inline(always)]
fn own_channel<M: Machine>(m: &M, port: u64) -> u64 {
    m.ports_word::<{ CHANNELS / 8 }>(port as usize)
}

/// Whether one of the first ports of the running vCPU's domain exists.
#[inline(always)]
pub(super) fn own_exists<M: Machine>(m: &M, port: u64) -> bool {
    own_channel(m, port) != 0
}

/// The vCPU that one of the first ports of the running vCPU's domain notifies, if it is for events
/// between vCPUs.
#[inline(always)]
pub(super) fn own_ipi<M: Machine>(m: &M, port: u64) -> Option<u16> {
    let word = own_channel(m, port);
    (word & kind::MASK == kind::IPI).then_some((word >> VCPU) as u16 & 63)
}

/// Whether one of the first ports of the running vCPU's domain is for events between vCPUs and notifies the
/// running one.
#[inline(always)]
pub(super) fn own_notifies_itself<M: Machine>(m: &M, port: u64) -> bool {
    own_channel(m, port) & (kind::MASK | 63 << VCPU) == m.running_channel()
}

/// What the word of a port for events between vCPUs says that notifies `vcpu`: its lower bits.
pub(crate) const fn channel_to(vcpu: u16) -> u64 {
    kind::IPI | (vcpu as u64 & 63) << VCPU
}

/// Whether a vCPU of the running one's domain polls.
#[inline(always)]
pub(super) fn own_polls<M: Machine>(m: &M) -> bool {
    m.ports_root_word::<{ POLLERS / 8 }>() != 0
}

/// The shared page of the running vCPU's domain, as [`Root::page`] gives it.
#[inline(always)]
pub(super) fn own_page<M: Machine>(m: &M) -> Option<Mfn> {
    match m.ports_root_word::<{ PAGE / 8 }>() {
        0 => None,
        mfn => Some(Mfn(mfn)),
    }
}

#[inline(always)]
fn place_of(port: Port) -> usize {
    port as usize % PORTS_PER_TABLE * 8
}

#[inline(always)]
fn vcpu_word(words: usize, vcpu: u16) -> usize {
    words + usize::from(vcpu) % MAX_VCPUS * 8
}

/// What a channel's word says a port is bound to, in its low bits; 0 for one that does not exist.
mod kind {
    pub(super) const FREE: u64 = 1;
    pub(super) const RESERVED: u64 = 2;
    pub(super) const UNBOUND: u64 = 3;
    pub(super) const INTERDOMAIN: u64 = 4;
    pub(super) const VIRQ: u64 = 5;
    pub(super) const IPI: u64 = 6;
    pub(super) const PIRQ: u64 = 7;
    pub(super) const MASK: u64 = 7;
}

const VCPU: u32 = 3;
const PRIORITY: u32 = 9;
const QUEUED_VCPU: u32 = 13;
const QUEUED_PRIORITY: u32 = 19;
const HELD: u32 = 23;
const REMOTE: u32 = 24;
/// The other end's port, or the number of an interrupt.
const NUMBER: u32 = 40;
const NUMBER_MASK: u64 = EVTCHN_FIFO_NR_CHANNELS as u64 - 1;
const _: () = assert!(MAX_VCPUS <= 64);

impl Channel {
    /// The channel as a word, which is not 0.
    #[inline(always)]
    pub(super) fn to_word(self) -> u64 {
        let (kind, remote, number) = match self.binding {
            Binding::Free => (kind::FREE, 0, 0),
            Binding::Reserved => (kind::RESERVED, 0, 0),
            Binding::Unbound { remote } => (kind::UNBOUND, remote, 0),
            Binding::Interdomain { remote, port } => (kind::INTERDOMAIN, remote, port),
            Binding::Virq(virq) => (kind::VIRQ, 0, virq),
            Binding::Pirq(pirq) => (kind::PIRQ, 0, pirq),
            Binding::Ipi => (kind::IPI, 0, 0),
        };
        kind | u64::from(self.vcpu & 63) << VCPU
            | u64::from(self.priority & 15) << PRIORITY
            | u64::from(self.queued.0 & 63) << QUEUED_VCPU
            | u64::from(self.queued.1 & 15) << QUEUED_PRIORITY
            | u64::from(self.held) << HELD
            | u64::from(remote) << REMOTE
            | (u64::from(number) & NUMBER_MASK) << NUMBER
    }

    /// What a word says; `None` for a port that does not exist.
    #[inline]
    pub(super) fn from_word(word: u64) -> Option<Self> {
        let remote = (word >> REMOTE) as u16;
        let number = (word >> NUMBER & NUMBER_MASK) as u32;
        let binding = match word & kind::MASK {
            kind::FREE => Binding::Free,
            kind::RESERVED => Binding::Reserved,
            kind::UNBOUND => Binding::Unbound { remote },
            kind::INTERDOMAIN => Binding::Interdomain {
                remote,
                port: number,
            },
            kind::VIRQ => Binding::Virq(number),
            kind::IPI => Binding::Ipi,
            kind::PIRQ => Binding::Pirq(number),
            _ => return None,
        };
        Some(Self {
            binding,
            vcpu: (word >> VCPU) as u16 & 63,
            priority: (word >> PRIORITY) as u8 & 15,
            held: word >> HELD & 1 != 0,
            queued: (
                (word >> QUEUED_VCPU) as u16 & 63,
                (word >> QUEUED_PRIORITY) as u8 & 15,
            ),
        })
    }
}

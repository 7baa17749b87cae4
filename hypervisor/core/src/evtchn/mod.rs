//! Event channels: what the ports of a domain are bound to (event_channel.h).
//!
//! A domain's ports change under its lock; binding and closing a pair takes both domains' locks, in
//! domid order. Sending takes none in the two-level form, but that of a domain whose vCPU waits and
//! is to be woken: see [`table`] and [`looking`].

pub mod close;
pub mod fifo;
pub mod fifo_ops;
pub mod looking;
pub mod ops;
pub mod pending;
pub(crate) mod quick;
pub(crate) mod table;
pub mod two_level;
pub mod virq;

#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use hypercall_abi::event_channel::{
    EVTCHN_2L_NR_CHANNELS, EVTCHN_FIFO_NR_CHANNELS, EVTCHN_FIFO_PRIORITY_DEFAULT,
};

use crate::addr::Mfn;
use crate::domain::{Domain, DomainState};
use crate::error::{Errno, Result};
use crate::hypercall::Budget;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use fifo::Fifo;
use table::{PORTS_PER_TABLE, Root, Target};

pub use close::close_all;
pub use ops::event_channel_op;
pub(crate) use table::channel_to;

/// A port's number in its domain.
pub type Port = u32;

/// Ports that the table grows by: those of a page on real Xen, visible in which ports exist.
const CHUNK: usize = 64;

/// What a port is bound to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binding {
    /// Nothing; it may be given out.
    #[default]
    Free,
    /// Nothing, and it is never given out: port 0.
    Reserved,
    /// Waits for domain `remote` to bind to it.
    Unbound {
        /// The domain that may.
        remote: u16,
    },
    /// Is one end of a pair.
    Interdomain {
        /// The domain at the other end.
        remote: u16,
        /// The port at the other end.
        port: Port,
    },
    /// A virtual interrupt.
    Virq(u32),
    /// A physical interrupt.
    Pirq(u32),
    /// Events between vCPUs of the domain.
    Ipi,
}

/// A port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// What it is bound to.
    pub binding: Binding,
    /// The vCPU that it notifies.
    pub vcpu: u16,
    /// FIFO form: the queue of that vCPU that it goes into.
    pub priority: u8,
    /// FIFO form: pending, while there is no word to say so.
    pub held: bool,
    /// FIFO form: vCPU and priority of the queue that it was put into last.
    pub queued: (u16, u8),
}

impl Default for Channel {
    fn default() -> Self {
        Self {
            binding: Binding::Free,
            vcpu: 0,
            priority: EVTCHN_FIFO_PRIORITY_DEFAULT as u8,
            held: false,
            queued: (0, EVTCHN_FIFO_PRIORITY_DEFAULT as u8),
        }
    }
}

/// A domain's event channels: what its lock covers of them.
#[derive(Debug, Default)]
pub struct EventChannels {
    /// Where the ports are.
    root: Root,
    /// Free ports of each step of growth.
    free: Vec<u8>,
    /// The greatest port that the toolstack allows.
    limit: Port,
    /// The FIFO form, if the guest has chosen it.
    fifo: Option<Fifo>,
    /// The change to the FIFO form, while it is under way.
    changing: Option<fifo_ops::Change>,
    /// No port below is free.
    first_free: Port,
    /// Where closing all ports goes on; meaningful during one `reset` or destruction.
    closing: Port,
}

/// Where senders begin that have not the domain's lock: see [`looking`].
#[derive(Debug, Default)]
pub struct Senders(AtomicU64);

impl Senders {
    #[inline]
    pub(crate) fn root(&self) -> Root {
        Root(self.0.load(Ordering::Acquire))
    }
}

/// Gives a new domain, which has its shared page, its first ports. `max_port` below zero stands for
/// all that the ABI has.
///
/// # Errors
/// `ENOMEM`; `EINVAL` when not even port 0 is allowed for.
pub fn init<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    max_port: i32,
) -> Result<()> {
    state.events = EventChannels {
        root: Root::new(hv)?,
        limit: Port::try_from(max_port).unwrap_or(Port::MAX),
        ..EventChannels::default()
    };
    let events = &mut state.events;
    events.grow(hv)?;
    events.rebind(hv.machine, 0, Binding::Reserved);
    events.first_free = 1;
    events.root.set_page(hv.machine, state.shared_info);
    dom.senders.0.store(events.root.0, Ordering::Release);
    Ok(())
}

/// Takes back what [`init`] gave, as far as the budget allows; true when all is. No port is open.
pub fn release<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    budget: &mut Budget,
) -> bool {
    let events = &mut state.events;
    events.root.set_page(hv.machine, None);
    while let Some(last) = events.len().checked_sub(1) {
        if !budget.take(TABLE_UNITS) {
            return false;
        }
        let kept = last as usize / PORTS_PER_TABLE * (PORTS_PER_TABLE / CHUNK);
        events.free.truncate(kept);
        events.root.shorten(hv, last);
    }
    dom.senders.0.store(0, Ordering::SeqCst);
    events.root.end(hv);
    *events = EventChannels::default();
    true
}

/// Units of budget for taking a frame of ports back.
const TABLE_UNITS: u32 = 4;

impl EventChannels {
    /// The root and the frame of the first ports, for [`crate::vcpu::Vcpu::ports`].
    #[must_use]
    pub fn first_ports<M: Machine>(&self, m: &M) -> Option<(Mfn, Mfn)> {
        self.root.first(m)
    }

    /// Whether the port exists, bound or not.
    #[inline]
    #[must_use]
    pub fn is_valid(&self, port: Port) -> bool {
        port < self.len()
    }

    /// The port's state.
    ///
    /// # Errors
    /// `EINVAL` when it does not exist.
    #[inline]
    pub fn get<M: Machine>(&self, m: &M, port: Port) -> Result<Channel> {
        self.root.channel(m, port).ok_or(Errno::EINVAL)
    }

    /// Changes a port that exists.
    fn change<M: Machine>(&self, m: &M, port: Port, change: impl FnOnce(&mut Channel)) {
        if let Some(mut channel) = self.root.channel(m, port) {
            change(&mut channel);
            self.root.set_channel(m, port, channel);
        }
    }

    /// Ports there are, free ones included.
    #[must_use]
    pub fn len(&self) -> Port {
        (self.free.len() * CHUNK) as Port
    }

    /// Whether there are none yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.free.is_empty()
    }

    /// The greatest port that may be given out, in the form that the guest uses.
    fn max_port(&self) -> Port {
        let ports = match self.fifo {
            Some(_) => EVTCHN_FIFO_NR_CHANNELS,
            None => EVTCHN_2L_NR_CHANNELS as Port,
        };
        self.limit.min(ports - 1)
    }

    fn grow<M: Machine>(&mut self, hv: &Hypervisor<M>) -> Result<()> {
        let first = self.len();
        self.free.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.root.extend(hv, first)?;
        for port in first..first + CHUNK as Port {
            self.root.set_channel(hv.machine, port, Channel::default());
        }
        self.free.push(CHUNK as u8);
        Ok(())
    }

    /// The lowest port from `from` on that is bound to nothing, or the first that does not exist.
    pub(crate) fn next_free<M: Machine>(&self, m: &M, from: Port) -> Port {
        let (mut index, mut port) = (from as usize / CHUNK, from);
        while let Some(&free) = self.free.get(index) {
            let end = ((index + 1) * CHUNK) as Port;
            let is_free = |&port: &Port| {
                let channel = self.root.channel(m, port);
                channel.is_some_and(|c| c.binding == Binding::Free)
            };
            if free != 0
                && let Some(port) = (port..end).find(is_free)
            {
                return port;
            }
            (index, port) = (index + 1, end);
        }
        self.len().max(from)
    }

    /// Makes `port`, which [`Self::next_free`] gave, one that exists.
    ///
    /// # Errors
    /// `ENOSPC` when all that the domain may have are in use; `ENOMEM`.
    fn provide<M: Machine>(&mut self, hv: &Hypervisor<M>, port: Port) -> Result<()> {
        if port > self.max_port() {
            return Err(Errno::ENOSPC);
        }
        if !self.is_valid(port) {
            self.grow(hv)?;
        }
        Ok(())
    }

    /// Binds a port, which then notifies `vcpu`; a new user's port has the usual priority.
    pub(crate) fn bind<M: Machine>(&mut self, m: &M, port: Port, binding: Binding, vcpu: u16) {
        self.rebind(m, port, binding);
        self.change(m, port, |channel| {
            channel.vcpu = vcpu;
            if binding == Binding::Free {
                channel.priority = EVTCHN_FIFO_PRIORITY_DEFAULT as u8;
                channel.held = false;
            }
        });
        if binding == Binding::Free {
            self.first_free = self.first_free.min(port);
        }
    }

    /// Changes what a port is bound to and keeps whom it notifies.
    pub(crate) fn rebind<M: Machine>(&mut self, m: &M, port: Port, binding: Binding) {
        let Some(mut channel) = self.root.channel(m, port) else {
            return;
        };
        let Some(free) = self.free.get_mut(port as usize / CHUNK) else {
            return;
        };
        match (channel.binding, binding) {
            (Binding::Free, Binding::Free) => {}
            (Binding::Free, _) => *free -= 1,
            (_, Binding::Free) => *free += 1,
            _ => {}
        }
        channel.binding = binding;
        self.root.set_channel(m, port, channel);
    }

    /// Where events for `port` of this domain go, as those who send them are told.
    fn target<M: Machine>(&self, m: &M, port: Port) -> Target {
        match self.root.page(m) {
            Some(page) if self.changing.is_none() => two_level::target(page, port),
            _ => Target::NONE,
        }
    }
}

//! Event channels: what the ports of a domain are bound to (event_channel.h).
//!
//! A domain's ports are under its lock. Sending to another domain takes the two locks one after
//! the other, never both; only binding and closing a pair takes both, in domid order.

pub mod close;
pub mod ops;
pub mod two_level;
pub mod virq;

#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use hypercall_abi::event_channel::EVTCHN_2L_NR_CHANNELS;

use crate::domain::DomainState;
use crate::error::{Errno, Result};

pub use close::close_all;
pub use ops::event_channel_op;

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
    /// Events between vCPUs of the domain.
    Ipi,
}

/// A port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Channel {
    /// What it is bound to.
    pub binding: Binding,
    /// The vCPU that it notifies.
    pub vcpu: u16,
}

/// A domain's event channels.
#[derive(Debug, Default)]
pub struct EventChannels {
    channels: Vec<Channel>,
    /// Greatest port that may be given out.
    max_port: Port,
    /// No port below is free.
    first_free: Port,
    /// vCPUs in `SCHEDOP_poll`, one bit each.
    pollers: u64,
    /// Where closing all ports goes on; meaningful during one `reset` or destruction.
    closing: Port,
}

/// Gives a new domain its first ports. `max_port` below zero stands for all that the ABI has.
///
/// # Errors
/// `ENOMEM`; `EINVAL` when not even port 0 is allowed for.
pub fn init(state: &mut DomainState, max_port: i32) -> Result<()> {
    let most = EVTCHN_2L_NR_CHANNELS as Port - 1;
    let mut events = EventChannels {
        max_port: Port::try_from(max_port).map_or(most, |max| max.min(most)),
        ..EventChannels::default()
    };
    events.grow()?;
    events.channels[0].binding = Binding::Reserved;
    events.first_free = 1;
    state.events = events;
    Ok(())
}

impl EventChannels {
    /// Whether the port exists, bound or not.
    #[inline]
    #[must_use]
    pub fn is_valid(&self, port: Port) -> bool {
        (port as usize) < self.channels.len()
    }

    /// The port's state.
    ///
    /// # Errors
    /// `EINVAL` when it does not exist.
    #[inline]
    pub fn get(&self, port: Port) -> Result<Channel> {
        let index = crate::addr::clamp_index(port as usize, self.channels.len());
        match self.channels.get(index) {
            Some(channel) if self.is_valid(port) => Ok(*channel),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Ports there are, free ones included.
    #[must_use]
    pub fn len(&self) -> Port {
        self.channels.len() as Port
    }

    /// Whether there are none yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    fn grow(&mut self) -> Result<()> {
        self.channels
            .try_reserve(CHUNK)
            .map_err(|_| Errno::ENOMEM)?;
        let len = self.channels.len();
        self.channels.resize(len + CHUNK, Channel::default());
        Ok(())
    }

    /// The lowest free port; it stays free until it is [bound](Self::bind).
    ///
    /// # Errors
    /// `ENOSPC` when all that the domain may have are in use; `ENOMEM`.
    pub fn find_free(&mut self) -> Result<Port> {
        let from = self.first_free as usize;
        let free = self.channels[from.min(self.channels.len())..]
            .iter()
            .position(|c| c.binding == Binding::Free);
        let port = free.map_or(self.channels.len(), |distance| from + distance) as Port;
        if port > self.max_port {
            return Err(Errno::ENOSPC);
        }
        if !self.is_valid(port) {
            self.grow()?;
        }
        self.first_free = port;
        Ok(port)
    }

    /// Binds a port, which then notifies `vcpu`.
    pub(crate) fn bind(&mut self, port: Port, binding: Binding, vcpu: u16) {
        if let Some(channel) = self.channels.get_mut(port as usize) {
            *channel = Channel { binding, vcpu };
        }
        if binding == Binding::Free {
            self.first_free = self.first_free.min(port);
        }
    }

    /// Changes what an interdomain or unbound port is bound to and keeps whom it notifies.
    pub(crate) fn rebind(&mut self, port: Port, binding: Binding) {
        if let Some(channel) = self.channels.get_mut(port as usize) {
            channel.binding = binding;
        }
    }

    pub(crate) fn start_polling(&mut self, vcpu: u16) {
        self.pollers |= 1 << (vcpu % 64);
    }

    pub(crate) fn stop_polling(&mut self, vcpu: u16) {
        self.pollers &= !(1 << (vcpu % 64));
    }
}

//! Event channels: what the ports of a domain are bound to (event_channel.h).
//!
//! A domain's ports are under its lock. Sending to another domain takes the two locks one after
//! the other, never both; only binding and closing a pair takes both, in domid order.

pub mod close;
pub mod fifo;
pub mod fifo_ops;
pub mod ops;
pub mod pending;
pub mod two_level;
pub mod virq;

#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::vec::Vec;

use hypercall_abi::event_channel::{
    EVTCHN_2L_NR_CHANNELS, EVTCHN_FIFO_NR_CHANNELS, EVTCHN_FIFO_PRIORITY_DEFAULT,
};

use crate::domain::DomainState;
use crate::error::{Errno, Result};
use crate::hypercall::Budget;
use fifo::Fifo;

pub use close::close_all;
pub use ops::event_channel_op;

/// A port's number in its domain.
pub type Port = u32;

/// Ports that the table grows by: those of a page on real Xen, visible in which ports exist.
const CHUNK: usize = 64;
/// Units of budget for freeing them.
const CHUNK_UNITS: u32 = 3;

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

/// The ports of one step of growth.
#[derive(Debug)]
struct Chunk {
    channels: [Channel; CHUNK],
    free: usize,
}

/// A domain's event channels.
#[derive(Debug, Default)]
pub struct EventChannels {
    #[allow(clippy::vec_box, reason = "growth must not copy what is there")]
    chunks: Vec<Box<[Chunk; 1]>>,
    /// The greatest port that the toolstack allows.
    limit: Port,
    /// The FIFO form, if the guest has chosen it.
    fifo: Option<Fifo>,
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
    let mut events = EventChannels {
        limit: Port::try_from(max_port).unwrap_or(Port::MAX),
        ..EventChannels::default()
    };
    events.grow()?;
    events.rebind(0, Binding::Reserved);
    events.first_free = 1;
    state.events = events;
    Ok(())
}

impl EventChannels {
    /// Whether the port exists, bound or not.
    #[inline]
    #[must_use]
    pub fn is_valid(&self, port: Port) -> bool {
        (port as usize) < self.chunks.len() * CHUNK
    }

    /// The port's state.
    ///
    /// # Errors
    /// `EINVAL` when it does not exist.
    #[inline]
    pub fn get(&self, port: Port) -> Result<Channel> {
        let index = crate::addr::clamp_index(port as usize / CHUNK, self.chunks.len());
        match self.chunks.get(index) {
            Some(chunk) if self.is_valid(port) => Ok(chunk[0].channels[port as usize % CHUNK]),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Frees ports, all of which are closed, from the last on as far as the budget allows; whether
    /// none is left.
    pub(crate) fn shrink(&mut self, budget: &mut Budget) -> bool {
        while let Some(chunk) = self.chunks.pop() {
            drop(chunk);
            if !budget.take(CHUNK_UNITS) {
                return false;
            }
        }
        true
    }

    fn get_mut(&mut self, port: Port) -> Option<&mut Channel> {
        let chunk = self.chunks.get_mut(port as usize / CHUNK)?;
        Some(&mut chunk[0].channels[port as usize % CHUNK])
    }

    /// Ports there are, free ones included.
    #[must_use]
    pub fn len(&self) -> Port {
        (self.chunks.len() * CHUNK) as Port
    }

    /// Whether there are none yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The greatest port that may be given out, in the form that the guest uses.
    fn max_port(&self) -> Port {
        let ports = match self.fifo {
            Some(_) => EVTCHN_FIFO_NR_CHANNELS,
            None => EVTCHN_2L_NR_CHANNELS as Port,
        };
        self.limit.min(ports - 1)
    }

    fn grow(&mut self) -> Result<()> {
        let mut one = Vec::new();
        one.try_reserve_exact(1).map_err(|_| Errno::ENOMEM)?;
        one.push(Chunk {
            channels: [Channel::default(); CHUNK],
            free: CHUNK,
        });
        let one = one
            .into_boxed_slice()
            .try_into()
            .map_err(|_| Errno::ENOMEM)?;
        self.chunks.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.chunks.push(one);
        Ok(())
    }

    /// The lowest port from `from` on that is bound to nothing, or the first that does not exist.
    pub(crate) fn next_free(&self, from: Port) -> Port {
        let (mut index, mut skip) = (from as usize / CHUNK, from as usize % CHUNK);
        while let Some(chunk) = self.chunks.get(index) {
            if chunk[0].free != 0 {
                let rest = &chunk[0].channels[skip..];
                if let Some(at) = rest.iter().position(|c| c.binding == Binding::Free) {
                    return (index * CHUNK + skip + at) as Port;
                }
            }
            (index, skip) = (index + 1, 0);
        }
        self.len().max(from)
    }

    /// Makes `port`, which [`Self::next_free`] gave, one that exists.
    ///
    /// # Errors
    /// `ENOSPC` when all that the domain may have are in use; `ENOMEM`.
    fn provide(&mut self, port: Port) -> Result<()> {
        if port > self.max_port() {
            return Err(Errno::ENOSPC);
        }
        if !self.is_valid(port) {
            self.grow()?;
        }
        Ok(())
    }

    /// Binds a port, which then notifies `vcpu`; a new user's port has the usual priority.
    pub(crate) fn bind(&mut self, port: Port, binding: Binding, vcpu: u16) {
        self.rebind(port, binding);
        let Some(channel) = self.get_mut(port) else {
            return;
        };
        channel.vcpu = vcpu;
        if binding == Binding::Free {
            channel.priority = EVTCHN_FIFO_PRIORITY_DEFAULT as u8;
            channel.held = false;
            self.first_free = self.first_free.min(port);
        }
    }

    /// Changes what a port is bound to and keeps whom it notifies.
    pub(crate) fn rebind(&mut self, port: Port, binding: Binding) {
        if let Some(chunk) = self.chunks.get_mut(port as usize / CHUNK) {
            let [chunk] = &mut **chunk;
            let channel = &mut chunk.channels[port as usize % CHUNK];
            match (channel.binding, binding) {
                (Binding::Free, Binding::Free) => {}
                (Binding::Free, _) => chunk.free -= 1,
                (_, Binding::Free) => chunk.free += 1,
                _ => {}
            }
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

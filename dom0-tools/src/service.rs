//! What services of the control domain stand on: streams to their clients, pages and event
//! channels of guests.

use hypercall_abi::domctl::{XEN_DOMINF_dying, XEN_DOMINF_shutdown};
use hypercall_abi::errno::XEN_EIO;
use hypercall_abi::xen::domid_t;

use crate::error::Error;
use crate::hyper::{Access, DomctlExt, Errno, EventExt, Hyper, HyperExt, Mapping};

/// Why a connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The other side has gone.
    #[error("the other side has closed it")]
    Gone,
    /// The indices of its ring make no sense.
    #[error("the indices of its ring make no sense")]
    Ring,
    /// It sent what is no message.
    #[error("it sent what is no message")]
    Protocol,
}

/// A stream of bytes in both directions. Nothing waits.
pub trait Transport {
    /// Takes what has arrived, at most as much as there is room for; 0 if there is nothing.
    ///
    /// # Errors
    /// Nothing more will come.
    fn read(&mut self, to: &mut [u8]) -> Result<usize, Closed>;
    /// Gives as much as the other side has room for, and returns how much that was.
    ///
    /// # Errors
    /// Nobody takes it any more.
    fn write(&mut self, from: &[u8]) -> Result<usize, Closed>;
    /// Tells the other side of what was taken and given since it was told last. Whether there is more
    /// to read of which the other side, which was not told of the room yet, will not tell.
    fn flush(&mut self) -> bool {
        false
    }
}

/// The control domain's end of an event channel; closed when dropped.
pub trait Line {
    /// Notifies the guest. One that cannot be notified any more is found gone otherwise.
    fn notify(&mut self);
    /// The port on this side.
    fn port(&self) -> u32;
}

/// What has become of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DomainState {
    /// It runs, or will.
    Alive,
    /// It has shut itself down, or crashed; its memory is still there.
    Shutdown,
    /// It is being destroyed, or there is none of that number.
    Gone,
}

/// What a service needs of the machine.
pub trait Machine {
    /// A guest's page.
    type Page: Mapping;
    /// An event channel to a guest.
    type Line: Line;
    /// What has become of a domain.
    fn domain(&mut self, domain: u32) -> DomainState;
    /// Maps a guest's page, for writing, and binds its port.
    ///
    /// # Errors
    /// What refused it.
    fn connect(
        &mut self,
        domain: u32,
        frame: u64,
        port: u32,
    ) -> Result<(Self::Page, Self::Line), Errno>;
    /// Something that whoever looks after the machine should know.
    fn log(&mut self, message: &str);
    /// Has bytes kept for the service that comes after this one, behind those that are: all or none.
    /// Whether they are kept.
    fn keep(&mut self, _: &[u8]) -> bool {
        false
    }
    /// The same, but instead of those that are. If it fails, nothing is kept.
    fn keep_instead(&mut self, _: &[u8]) -> bool {
        false
    }
}

/// The machine below any [`Hyper`].
pub struct Below<H> {
    hyper: H,
    log: fn(&str),
}

impl<H: Hyper + Clone> Below<H> {
    /// With what takes the lines of its log.
    pub fn new(hyper: H, log: fn(&str)) -> Self {
        Below { hyper, log }
    }

    /// The port of a virtual interrupt of this domain.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    pub fn virq(&mut self, virq: u32) -> Result<u32, Error> {
        self.hyper.bind_virq(virq)
    }
}

fn errno_of(error: &Error) -> Errno {
    match error {
        Error::Hypercall { errno, .. } | Error::Mapping { errno, .. } => *errno,
        _ => Errno(XEN_EIO),
    }
}

impl<H: Hyper + Clone> Machine for Below<H> {
    type Page = H::Mapping;
    type Line = Port<H>;

    fn domain(&mut self, domain: u32) -> DomainState {
        let Ok(domain) = domid_t::try_from(domain) else {
            return DomainState::Gone;
        };
        match self.hyper.domain_info(domain) {
            Ok(Some(info)) if info.flags & XEN_DOMINF_dying != 0 => DomainState::Gone,
            Ok(Some(info)) if info.flags & XEN_DOMINF_shutdown != 0 => DomainState::Shutdown,
            Ok(None) => DomainState::Gone,
            // Nobody's nodes go for an answer that says nothing of its end.
            Ok(Some(_)) | Err(_) => DomainState::Alive,
        }
    }

    fn connect(
        &mut self,
        domain: u32,
        frame: u64,
        port: u32,
    ) -> Result<(H::Mapping, Port<H>), Errno> {
        let domain = domid_t::try_from(domain).map_err(|_| Errno(XEN_EIO))?;
        let page = self.hyper.map(domain, &[frame], Access::Write);
        let page = page.map_err(|error| errno_of(&error))?;
        Ok((page, Port::bind(self.hyper.clone(), domain, port)?))
    }

    fn log(&mut self, message: &str) {
        (self.log)(message);
    }
}

/// A port of this domain that is bound to one of a guest's; closed when dropped.
pub struct Port<H: Hyper> {
    hyper: H,
    port: u32,
}

impl<H: Hyper> Port<H> {
    /// Binds a port of a domain.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    pub fn bind(mut hyper: H, domain: domid_t, port: u32) -> Result<Self, Errno> {
        let bound = hyper.bind_interdomain(domain, port);
        let port = bound.map_err(|error| errno_of(&error))?;
        Ok(Port { hyper, port })
    }
}

impl<H: Hyper> Line for Port<H> {
    fn notify(&mut self) {
        // The only refusal there is: the guest has gone, which is found otherwise.
        let _ = self.hyper.notify(self.port);
    }

    fn port(&self) -> u32 {
        self.port
    }
}

impl<H: Hyper> Drop for Port<H> {
    fn drop(&mut self) {
        // The port is this object's alone, so it is not refused.
        let _ = self.hyper.close_port(self.port);
    }
}

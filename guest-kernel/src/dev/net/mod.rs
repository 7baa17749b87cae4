//! The domain's network interface: raw frames for the one process that has opened it.
//!
//! It stays open while the back end comes and goes: meanwhile there is nothing to read and no room.
//! Frames that were on their way are lost, as frames may be.

mod link;

use crate::dev::event::{self, Handler};
use crate::global::Global;
use crate::hypercall;
use crate::log::klog;
use crate::task::{self, Wait};
use guest_kernel::front_ring::Broken;
use guest_kernel::net::BUFFER;
use guest_user::abi::{Errno, POLL_HUNG_UP, POLL_READABLE, POLL_WRITABLE};
use hypercall_abi::event_channel::*;
use hypercall_abi::xen::DOMID_SELF;
use link::Link;

/// Bytes before what a frame carries.
const HEADER: usize = 14;

struct Device {
    /// Its address.
    mac: Option<[u8; 6]>,
    /// While a back end serves it.
    link: Option<Link>,
    /// It was taken away.
    gone: bool,
    /// A process has it.
    open: bool,
}

static DEVICE: Global<Device> = Global::new(Device {
    mac: None,
    link: None,
    gone: false,
    open: false,
});

/// What the back end is told of a connection.
pub(crate) struct Offer {
    /// The grants of both rings.
    pub(crate) tx_ring: u32,
    pub(crate) rx_ring: u32,
    /// The event channel.
    pub(crate) port: u32,
}

/// Makes rings, buffers and an event channel for a back end in `domid`.
///
/// # Errors
/// There is no memory, or the hypervisor refuses.
pub(crate) fn connect(domid: u16, mac: [u8; 6]) -> Result<Offer, Errno> {
    disconnect();
    let mut alloc = evtchn_alloc_unbound {
        dom: DOMID_SELF,
        remote_dom: domid,
        port: 0,
    };
    hypercall::event_channel_op(EVTCHNOP_alloc_unbound, &mut alloc)?;
    let port = alloc.port;
    let link = Link::new(domid, port).and_then(|link| {
        event::handle(port, Handler::Network)?;
        Ok(link)
    });
    let link = link.inspect_err(|_| close_port(port))?;
    let (tx_ring, rx_ring) = link.grants();
    DEVICE.with(|device| {
        (device.mac, device.link, device.gone) = (Some(mac), Some(link), false);
    });
    // There is room again.
    task::wake(Wait::Poll);
    Ok(Offer {
        tx_ring,
        rx_ring,
        port,
    })
}

fn close_port(port: u32) {
    event::unhandle(port);
    // It is this kernel's own, so it is not refused.
    let _ = hypercall::event_channel_op(EVTCHNOP_close, &mut evtchn_close { port });
}

/// Takes everything back from a back end that serves it no more.
pub(crate) fn disconnect() {
    if let Some(link) = DEVICE.with(|device| device.link.take()) {
        close_port(link.port());
        // Its pages are given back when the back end lets go of them.
        drop(link);
    }
    task::wake(Wait::Poll);
}

/// The interface is no more.
pub(crate) fn remove() {
    disconnect();
    DEVICE.with(|device| (device.mac, device.gone) = (None, true));
    task::wake(Wait::Poll);
}

/// The back end has sent an event.
pub(crate) fn event() {
    task::wake(Wait::Poll);
}

/// Gives the interface to a process.
///
/// # Errors
/// `ENODEV`: there is none. `EBUSY`: another process has it.
pub(crate) fn open() -> Result<(), Errno> {
    DEVICE.with(|device| {
        device.mac.ok_or(Errno::ENODEV)?;
        if device.open {
            return Err(Errno::EBUSY);
        }
        device.open = true;
        Ok(())
    })
}

/// The process has closed it.
pub(crate) fn close() {
    DEVICE.with(|device| device.open = false);
}

/// Its address.
///
/// # Errors
/// `ENODEV`: it was taken away.
pub(crate) fn address() -> Result<[u8; 6], Errno> {
    DEVICE.with(|device| device.mac.ok_or(Errno::ENODEV))
}

/// Does something with the link. One that is broken is given up.
fn with_link<R>(f: impl FnOnce(&mut Link) -> Result<R, Broken>) -> Result<R, Errno> {
    let done = DEVICE.with(|device| {
        if device.gone {
            return Err(Errno::ENODEV);
        }
        let link = device.link.as_mut().ok_or(Errno::EAGAIN)?;
        Ok(f(link))
    })?;
    done.map_err(|Broken| {
        klog!("the back end of the network interface breaks its rings: it is not used any more");
        disconnect();
        Errno::EAGAIN
    })
}

/// Takes a frame, at most as long as the buffer; its bytes.
///
/// # Errors
/// `EAGAIN`: there is none. `ENODEV`: there is no interface any more.
pub(crate) fn receive(buffer: &mut [u8]) -> Result<usize, Errno> {
    with_link(|link| link.receive(buffer))?.ok_or(Errno::EAGAIN)
}

/// Sends a frame.
///
/// # Errors
/// `EINVAL`: it is too short, or too long. `EAGAIN`: there is no room. `ENODEV`: there is no
/// interface any more.
pub(crate) fn send(frame: &[u8]) -> Result<usize, Errno> {
    if !(HEADER..=BUFFER).contains(&frame.len()) {
        return Err(Errno::EINVAL);
    }
    let sent = with_link(|link| link.send(frame))?;
    if sent {
        Ok(frame.len())
    } else {
        Err(Errno::EAGAIN)
    }
}

/// `POLL_*` bits.
pub(crate) fn ready() -> u32 {
    match with_link(Link::ready) {
        Ok((readable, writable)) => {
            (if readable { POLL_READABLE } else { 0 }) | if writable { POLL_WRITABLE } else { 0 }
        }
        Err(Errno::ENODEV) => POLL_HUNG_UP,
        Err(_) => 0,
    }
}

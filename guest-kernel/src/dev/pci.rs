//! The PCI devices that this domain was given: their configuration space, asked for by `xen/io/pciif.h`
//! of whoever has the bus. One request is on its way at a time.

use super::event::{self, Handler};
use super::grant::Access;
use super::granted::{Granted, RingPage};
use super::time;
use crate::global::Global;
use crate::hypercall;
use crate::task::{self, Wait};
use core::mem::offset_of;
use guest_kernel::front_ring::Words;
use guest_user::abi::Errno;
use hypercall_abi::event_channel::*;
use hypercall_abi::io::pciif::*;
use hypercall_abi::xen::DOMID_SELF;

/// How long the back end may take for a request, in nanoseconds.
const PATIENCE: u64 = 30_000_000_000;

/// Whose the page is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Use {
    Free,
    /// A process waits for the answer, or is about to take it.
    Waited,
    /// Nobody waits any more for what is still asked.
    Left,
}

struct Link {
    page: RingPage,
    /// The page's, given back with it.
    _granted: Granted,
    port: u32,
    /// Which link it is: an answer is taken from the one that was asked.
    number: u64,
    /// The back end has said that it is connected.
    open: bool,
    used: Use,
}

struct State {
    link: Option<Link>,
    links: u64,
}

static STATE: Global<State> = Global::new(State {
    link: None,
    links: 0,
});

/// What the back end is told of a connection.
pub(crate) struct Offer {
    pub(crate) page: u32,
    pub(crate) port: u32,
}

/// What is asked.
enum Ask {
    Read,
    Write(u32),
}

/// Where a word of the request is in the page.
const fn at(offset: usize) -> usize {
    offset_of!(xen_pci_sharedinfo, op) + offset
}

const FLAGS: usize = offset_of!(xen_pci_sharedinfo, flags);

impl Link {
    fn is_active(&self) -> bool {
        self.page.load(FLAGS) & XEN_PCIF_active != 0
    }

    /// Puts a request into the page.
    fn ask(&mut self, place: u64, ask: &Ask) {
        let (command, value) = match *ask {
            Ask::Read => (XEN_PCI_OP_conf_read, 0),
            Ask::Write(value) => (XEN_PCI_OP_conf_write, value),
        };
        let words = [
            (offset_of!(xen_pci_op, cmd), command),
            (offset_of!(xen_pci_op, err), 0),
            (offset_of!(xen_pci_op, domain), 0),
            (offset_of!(xen_pci_op, bus), (place >> 16 & 0xff) as u32),
            (offset_of!(xen_pci_op, devfn), (place >> 8 & 0xff) as u32),
            (offset_of!(xen_pci_op, offset), (place & 0xff) as u32),
            (offset_of!(xen_pci_op, size), 4),
            (offset_of!(xen_pci_op, value), value),
        ];
        for (offset, word) in words {
            self.page.store(at(offset), word);
        }
        self.page.fence();
        self.page.store(FLAGS, XEN_PCIF_active);
        // A back end that is gone is found by its state in the store.
        let _ = hypercall::evtchn_send(self.port);
    }

    /// What the back end has answered.
    fn answer(&self) -> (i32, u32) {
        let error = self.page.load(at(offset_of!(xen_pci_op, err)));
        let value = self.page.load(at(offset_of!(xen_pci_op, value)));
        (error.cast_signed(), value)
    }
}

/// Makes a page and an event channel for a back end in `backend`.
///
/// # Errors
/// There is no memory, or the hypervisor refuses.
pub(crate) fn connect(backend: u16) -> Result<Offer, Errno> {
    disconnect();
    let granted = Granted::new(backend, Access::Write)?;
    let mut alloc = evtchn_alloc_unbound {
        dom: DOMID_SELF,
        remote_dom: backend,
        port: 0,
    };
    hypercall::event_channel_op(EVTCHNOP_alloc_unbound, &mut alloc)?;
    let port = alloc.port;
    event::handle(port, Handler::Pci)?;
    let page = granted.gref();
    STATE.with(|state| {
        state.links += 1;
        state.link = Some(Link {
            page: granted.ring(),
            _granted: granted,
            port,
            number: state.links,
            open: false,
            used: Use::Free,
        });
    });
    Ok(Offer { page, port })
}

/// The back end serves from now on.
pub(crate) fn open() {
    STATE.with(|state| {
        if let Some(link) = &mut state.link {
            link.open = true;
        }
    });
}

/// It does not any more; who waits for an answer gets none.
pub(crate) fn disconnect() {
    let link = STATE.with(|state| state.link.take());
    if let Some(Link { port, .. }) = link {
        event::unhandle(port);
        // It is this kernel's own, so it is not refused.
        let _ = hypercall::event_channel_op(EVTCHNOP_close, &mut evtchn_close { port });
    }
    task::wake(Wait::Pci);
}

/// The back end has sent an event.
pub(crate) fn event() {
    task::wake(Wait::Pci);
}

/// Asks, if nobody else waits for an answer; which link was asked.
fn begin(place: u64, ask: &Ask) -> Result<Option<u64>, Errno> {
    STATE.with(|state| {
        let link = state.link.as_mut().filter(|link| link.open);
        let link = link.ok_or(Errno::ENODEV)?;
        let free = match link.used {
            Use::Free => true,
            Use::Waited => false,
            Use::Left => !link.is_active(),
        };
        if free {
            link.used = Use::Waited;
            link.ask(place, ask);
        }
        Ok(free.then_some(link.number))
    })
}

/// The answer, if it is there.
fn take(number: u64) -> Result<Option<(i32, u32)>, Errno> {
    STATE.with(|state| {
        let link = state.link.as_mut().filter(|link| link.number == number);
        let link = link.ok_or(Errno::ENODEV)?;
        if link.is_active() {
            return Ok(None);
        }
        link.used = Use::Free;
        Ok(Some(link.answer()))
    })
}

/// Waits for something about the link; an error when it has taken too long, or the process is killed.
fn wait(until: u64) -> Result<(), Errno> {
    match task::block(Wait::Pci, until)? {
        true => Err(Errno::EIO),
        false => Ok(()),
    }
}

fn transact(place: u64, ask: &Ask) -> Result<u32, Errno> {
    let until = time::system_time() + PATIENCE;
    let number = loop {
        match begin(place, ask)? {
            Some(number) => break number,
            None => wait(until)?,
        }
    };
    let (error, value) = loop {
        if let Some(answer) = take(number)? {
            break answer;
        }
        wait(until).inspect_err(|_| leave(number))?;
    };
    task::wake(Wait::Pci);
    let nothing = error == XEN_PCI_ERR_dev_not_found && matches!(ask, Ask::Read);
    if error == XEN_PCI_ERR_success {
        Ok(value)
    } else if nothing {
        // As a bus answers where nothing is.
        Ok(u32::MAX)
    } else {
        Err(Errno::EIO)
    }
}

/// Nobody waits for the answer any more.
fn leave(number: u64) {
    STATE.with(|state| {
        let link = state.link.as_mut();
        if let Some(link) = link.filter(|link| link.number == number) {
            link.used = Use::Left;
        }
    });
    task::wake(Wait::Pci);
}

/// Reads four bytes of configuration space, as `SYS_PCI_READ` names them.
///
/// # Errors
/// `ENODEV`: this domain was given no device, or not yet. `EIO`: the back end says so, or nothing.
pub(crate) fn read(place: u64) -> Result<u32, Errno> {
    transact(place, &Ask::Read)
}

/// Writes them.
///
/// # Errors
/// As [`read`].
pub(crate) fn write(place: u64, value: u32) -> Result<(), Errno> {
    transact(place, &Ask::Write(value)).map(drop)
}

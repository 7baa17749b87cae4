//! The domain's disks: sectors for processes, by requests to back ends in other domains.
//!
//! A disk stays while its back end comes and goes: what is asked for waits, and what was not answered
//! is asked for again when there is a back end. So a write that a process was told of is on the disk,
//! and one that it was not told of may be done twice.

pub(crate) mod mount;

use super::event::{self, Handler};
use super::grant::Access;
use super::granted::{Granted, RingPage};
use super::time;
use crate::global::Global;
use crate::hypercall;
use crate::log::klog;
use crate::task::{self, Wait};
use alloc::vec::Vec;
use guest_kernel::block::{BUFFER, BUFFERS, Operation, REQUEST_MAX, Request, Ring, SECTOR, SLOTS};
use guest_kernel::front_ring::Broken;
use guest_user::abi::Errno;
use hypercall_abi::event_channel::*;
use hypercall_abi::xen::DOMID_SELF;

/// The number of xvda; each disk has 16 partitions.
const XVDA: u32 = 202 << 8;
const PARTITIONS: u32 = 16;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Free,
    /// A process prepares or takes what is in the buffers.
    Held,
    /// It is to be done; the process waits, or has ended.
    Asked(Request, Owner),
    Done(bool),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    Waits,
    Ended,
}

/// A request's place, with buffers that are granted for as long as the disk is there.
struct Slot {
    state: State,
    buffers: [Granted; BUFFERS],
}

struct Link {
    ring: Ring<RingPage>,
    /// The ring's, given back with it.
    _page: Granted,
    port: u32,
}

/// What is known of a disk whose back end has said so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub(crate) sectors: u64,
    pub(crate) writable: bool,
    /// Its sectors can be given up.
    pub(crate) discards: bool,
}

struct Disk {
    number: u32,
    backend: u16,
    slots: [Slot; SLOTS],
    link: Option<Link>,
    geometry: Option<Geometry>,
}

static DISKS: Global<Vec<Disk>> = Global::new(Vec::new());

/// What the back end is told of a connection.
pub(crate) struct Offer {
    pub(crate) ring: u32,
    pub(crate) port: u32,
}

/// The buffers of a slot.
fn buffers(backend: u16) -> Result<[Granted; BUFFERS], Errno> {
    let mut all = Vec::new();
    for _ in 0..BUFFERS {
        all.push(Granted::new(backend, Access::Write)?);
    }
    all.try_into().map_err(|_| Errno::ENOMEM)
}

impl Disk {
    fn new(number: u32, backend: u16) -> Result<Self, Errno> {
        let mut slots = Vec::new();
        for _ in 0..SLOTS {
            slots.push(Slot {
                state: State::Free,
                buffers: buffers(backend)?,
            });
        }
        let slots = slots.try_into().map_err(|_| Errno::ENOMEM)?;
        Ok(Self {
            number,
            backend,
            slots,
            link: None,
            geometry: None,
        })
    }

    /// Has another domain's back end serve it: what waits is asked of that one. All of it, or nothing
    /// changes.
    fn move_to(&mut self, backend: u16) -> Result<(), Errno> {
        self.disconnect();
        let mut bytes = [0; BUFFER];
        let mut new = Vec::new();
        for slot in &self.slots {
            let granted = buffers(backend)?;
            if slot.state != State::Free {
                for (from, to) in slot.buffers.iter().zip(&granted) {
                    from.read(0, &mut bytes);
                    to.write(&bytes);
                }
            }
            new.push(granted);
        }
        for (slot, buffers) in self.slots.iter_mut().zip(new) {
            slot.buffers = buffers;
        }
        self.backend = backend;
        Ok(())
    }

    /// Asks for what a slot holds, if there is somebody to ask.
    fn ask(&mut self, slot: usize) {
        let Slot { state, buffers } = &self.slots[slot];
        if let (State::Asked(request, _), Some(link)) = (state, &mut self.link) {
            let grants = buffers.each_ref().map(|buffer| buffer.gref());
            if link.ring.ask(slot, request, &grants) {
                // A back end that is gone is found by its state in the store.
                let _ = hypercall::evtchn_send(link.port);
            }
        }
    }

    /// Takes the answers that have come.
    fn take_answers(&mut self) -> Result<(), Broken> {
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        while let Some((slot, done)) = link.ring.take()? {
            let state = &mut self.slots[slot].state;
            *state = match *state {
                State::Asked(_, Owner::Ended) => State::Free,
                _ => State::Done(done),
            };
        }
        Ok(())
    }

    /// Gives the connection up; its ring's page is free when the back end lets go of it.
    fn disconnect(&mut self) {
        if let Some(link) = self.link.take() {
            event::unhandle(link.port);
            let port = link.port;
            // It is this kernel's own, so it is not refused.
            let _ = hypercall::event_channel_op(EVTCHNOP_close, &mut evtchn_close { port });
        }
    }
}

fn with<R>(number: u32, f: impl FnOnce(&mut Disk) -> R) -> Result<R, Errno> {
    DISKS.with(|disks| {
        let disk = disks.iter_mut().find(|disk| disk.number == number);
        disk.map(f).ok_or(Errno::ENODEV)
    })
}

/// Makes a ring and an event channel for a back end in `backend`, and asks for what waits.
///
/// # Errors
/// There is no memory, or the hypervisor refuses.
pub(crate) fn connect(number: u32, backend: u16) -> Result<Offer, Errno> {
    let known = with(number, |disk| {
        disk.disconnect();
        if disk.backend == backend {
            Ok(())
        } else {
            disk.move_to(backend)
        }
    });
    match known {
        Ok(moved) => moved?,
        Err(_) => {
            let disk = Disk::new(number, backend)?;
            DISKS.with(|disks| disks.push(disk));
        }
    }
    let page = Granted::new(backend, Access::Write)?;
    let mut alloc = evtchn_alloc_unbound {
        dom: DOMID_SELF,
        remote_dom: backend,
        port: 0,
    };
    hypercall::event_channel_op(EVTCHNOP_alloc_unbound, &mut alloc)?;
    let port = alloc.port;
    event::handle(port, Handler::Disk)?;
    let ring = Ring::new(page.ring());
    let offer = Offer {
        ring: page.gref(),
        port,
    };
    with(number, |disk| {
        disk.link = Some(Link {
            ring,
            _page: page,
            port,
        });
        (0..SLOTS).for_each(|slot| disk.ask(slot));
    })?;
    Ok(offer)
}

/// The back end has said what the disk is.
pub(crate) fn set_geometry(number: u32, geometry: Geometry) {
    // A disk that is gone needs none.
    let _ = with(number, |disk| disk.geometry = Some(geometry));
    task::wake(Wait::Disk);
}

/// The back end does not serve any more; what is asked for waits.
pub(crate) fn disconnect(number: u32) {
    let _ = with(number, Disk::disconnect);
}

/// The disk is no more.
pub(crate) fn remove(number: u32) {
    disconnect(number);
    DISKS.with(|disks| disks.retain(|disk| disk.number != number));
    task::wake(Wait::Disk);
}

/// A back end has sent an event.
pub(crate) fn event() {
    DISKS.with(|disks| {
        for disk in disks {
            if disk.take_answers().is_err() {
                klog!(
                    "the back end of disk {} breaks its ring: it is not used any more",
                    disk.number
                );
                disk.disconnect();
            }
        }
    });
    task::wake(Wait::Disk);
}

/// The number of a disk by its name, `xvda` to `xvdp`.
pub(crate) fn find(name: &str) -> Result<u32, Errno> {
    let letter = name.strip_prefix("xvd").map(str::as_bytes);
    let Some([letter @ b'a'..=b'p']) = letter else {
        return Err(Errno::ENOENT);
    };
    let number = XVDA + u32::from(letter - b'a') * PARTITIONS;
    geometry(number).map(|_| number)
}

/// What a disk is.
pub(crate) fn geometry(number: u32) -> Result<Geometry, Errno> {
    with(number, |disk| disk.geometry)?.ok_or(Errno::ENODEV)
}

/// Waits for something about disks.
fn wait() -> Result<(), Errno> {
    task::block(Wait::Disk, time::NEVER).map(drop)
}

/// Takes a slot.
fn hold(number: u32) -> Result<usize, Errno> {
    loop {
        let free = with(number, |disk| {
            let is_free = |slot: &Slot| slot.state == State::Free;
            let slot = disk.slots.iter().position(is_free)?;
            disk.slots[slot].state = State::Held;
            Some(slot)
        })?;
        match free {
            Some(slot) => return Ok(slot),
            None => wait()?,
        }
    }
}

/// Asks, and waits until it is done or the process is killed; then the slot is held, or nobody's.
fn ask(number: u32, slot: usize, request: Request) -> Result<(), Errno> {
    with(number, |disk| {
        disk.slots[slot].state = State::Asked(request, Owner::Waits);
        disk.ask(slot);
    })?;
    loop {
        match with(number, |disk| disk.slots[slot].state)? {
            State::Done(done) => {
                with(number, |disk| disk.slots[slot].state = State::Held)?;
                return if done { Ok(()) } else { Err(Errno::EIO) };
            }
            _ => wait().inspect_err(|_| {
                let _ = with(number, |disk| {
                    let state = &mut disk.slots[slot].state;
                    // The back end may still write into the buffers.
                    *state = match *state {
                        State::Asked(request, _) => State::Asked(request, Owner::Ended),
                        _ => State::Free,
                    };
                });
            })?,
        }
    }
}

fn release(number: u32, slot: usize) {
    let _ = with(number, |disk| disk.slots[slot].state = State::Free);
    task::wake(Wait::Disk);
}

/// Does a request in a slot of its own; `before` fills the buffers, `after` takes from them.
fn request(
    number: u32,
    request: Request,
    before: impl FnOnce(&[Granted; BUFFERS]),
    after: impl FnOnce(&[Granted; BUFFERS]),
) -> Result<(), Errno> {
    let slot = hold(number)?;
    with(number, |disk| before(&disk.slots[slot].buffers))?;
    let done = ask(number, slot, request);
    match done {
        // It is not ours any more.
        Err(Errno::EIO) | Ok(()) => {}
        Err(e) => return Err(e),
    }
    if done.is_ok() {
        with(number, |disk| after(&disk.slots[slot].buffers))?;
    }
    release(number, slot);
    done
}

/// Checks that a transfer is one of whole sectors that the disk has; the first of them.
fn first_sector(number: u32, offset: u64, len: u64, write: bool) -> Result<u64, Errno> {
    let disk = geometry(number)?;
    if write && !disk.writable {
        return Err(Errno::EACCES);
    }
    let whole = offset.is_multiple_of(SECTOR as u64) && len.is_multiple_of(SECTOR as u64);
    let end = offset.checked_add(len).filter(|_| whole);
    let inside = end.is_some_and(|end| end / SECTOR as u64 <= disk.sectors);
    if inside {
        Ok(offset / SECTOR as u64)
    } else {
        Err(Errno::EINVAL)
    }
}

/// Reads whole sectors.
///
/// # Errors
/// `EINVAL`: they are not whole, or not all there. `EIO`: the back end says so. `ENODEV`: the disk
/// is gone.
pub(crate) fn read(number: u32, offset: u64, to: &mut [u8]) -> Result<(), Errno> {
    let first = first_sector(number, offset, to.len() as u64, false)?;
    for (i, part) in (0..).zip(to.chunks_mut(REQUEST_MAX)) {
        let read = Request {
            operation: Operation::Read,
            sector: first + i * (REQUEST_MAX / SECTOR) as u64,
            count: (part.len() / SECTOR) as u64,
        };
        request(
            number,
            read,
            |_| {},
            |buffers| {
                let buffers = part.chunks_mut(BUFFER).zip(buffers);
                buffers.for_each(|(part, buffer)| buffer.read(0, part));
            },
        )?;
    }
    Ok(())
}

/// Writes whole sectors; when it returns, the back end has taken them.
///
/// # Errors
/// As [`read`]. `EACCES`: the disk is not to be written.
pub(crate) fn write(number: u32, offset: u64, from: &[u8]) -> Result<(), Errno> {
    let first = first_sector(number, offset, from.len() as u64, true)?;
    for (i, part) in (0..).zip(from.chunks(REQUEST_MAX)) {
        let write = Request {
            operation: Operation::Write,
            sector: first + i * (REQUEST_MAX / SECTOR) as u64,
            count: (part.len() / SECTOR) as u64,
        };
        let before = |buffers: &[Granted; BUFFERS]| {
            let buffers = part.chunks(BUFFER).zip(buffers);
            buffers.for_each(|(part, buffer)| buffer.write(part));
        };
        request(number, write, before, |_| {})?;
    }
    Ok(())
}

/// Returns when all that was written stays written.
///
/// # Errors
/// As [`read`].
pub(crate) fn flush(number: u32) -> Result<(), Errno> {
    let flush = Request {
        operation: Operation::Flush,
        sector: 0,
        count: 0,
    };
    request(number, flush, |_| {}, |_| {})
}

/// Lets the contents of whole sectors be forgotten.
///
/// # Errors
/// As [`write`]. `EOPNOTSUPP`: the back end does not offer that.
pub(crate) fn discard(number: u32, offset: u64, len: u64) -> Result<(), Errno> {
    let sector = first_sector(number, offset, len, true)?;
    if !geometry(number)?.discards {
        return Err(Errno::EOPNOTSUPP);
    }
    if len == 0 {
        return Err(Errno::EINVAL);
    }
    let discard = Request {
        operation: Operation::Discard,
        sector,
        count: len / SECTOR as u64,
    };
    request(number, discard, |_| {}, |_| {})
}

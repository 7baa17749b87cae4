//! Serving a device's ring.

use alloc::vec::Vec;

use hypercall_abi::grant_table::GNTST_okay;
use hypercall_abi::io::blkif::*;
use zerocopy::{FromBytes, IntoBytes};

use super::request::{Action, Request, Segment, check};
use super::{Blkback, Connection, Device, Disk, DiskMachine, INDIRECT_MAX};
use crate::grants::{Copy, Local};
use crate::service::Line;
use crate::store::{Channel, StoreError};
use crate::xenbus::{Broken, Bus};

/// What came of a request: `BLKIF_RSP_*`.
type Status = i16;

/// A copy for each segment; the bytes of `buffer` in order.
fn copies<'a>(segments: &[Segment], mut buffer: &'a mut [u8], to_disk: bool) -> Vec<Copy<'a>> {
    let mut copies = Vec::with_capacity(segments.len());
    for segment in segments {
        let (part, rest) = buffer.split_at_mut(usize::from(segment.len));
        buffer = rest;
        copies.push(Copy {
            gref: segment.gref,
            offset: segment.offset,
            local: if to_disk {
                Local::To(part)
            } else {
                Local::From(part)
            },
            status: GNTST_okay,
        });
    }
    copies
}

impl<C: Channel, M: DiskMachine> Bus<C, Blkback<M>> {
    /// Serves at most so many requests of each device that is connected; whether there may be more.
    /// Those whose front ends cannot be served any more are closed.
    ///
    /// # Errors
    /// There is no store any more.
    pub fn serve(&mut self, most: usize) -> Result<bool, StoreError> {
        let (mut more, mut broken) = (false, Vec::new());
        let (driver, devices) = self.connected();
        for (key, device) in devices {
            match driver.serve(device, most) {
                Ok(waiting) => more |= waiting,
                Err(why) => broken.push((key, why)),
            }
        }
        self.close_all(broken)?;
        Ok(more)
    }
}

impl<M: DiskMachine> Blkback<M> {
    /// Serves at most so many requests of a device; whether there may be more.
    ///
    /// # Errors
    /// Its front end cannot be served any more.
    pub fn serve(&mut self, device: &mut Device<M>, most: usize) -> Result<bool, Broken> {
        let Some(mut connection) = device.connection.take() else {
            return Ok(false);
        };
        let result = self.serve_ring(device, &mut connection, most);
        device.connection = Some(connection);
        result
    }

    fn serve_ring(
        &mut self,
        device: &mut Device<M>,
        connection: &mut Connection<M>,
        most: usize,
    ) -> Result<bool, Broken> {
        let mut entry = [0; size_of::<blkif_request>()];
        let mut served = 0;
        while served < most && connection.ring.take(&mut entry)? {
            let request = Request::read(&entry, device.geometry);
            let status = self.act(device, connection.domain, &request.action);
            connection.ring.answer(request.response(status).as_bytes());
            served += 1;
        }
        if served > 0 && connection.ring.publish() {
            connection.line.notify();
        }
        connection.ring.rest()
    }

    fn act(&mut self, device: &mut Device<M>, domain: u16, action: &Action) -> Status {
        let done = match action {
            Action::Refuse(status) => return *status,
            Action::Flush => device.disk.flush().is_ok(),
            Action::Discard { sector, count } => device.disk.discard(*sector, *count).is_ok(),
            Action::Transfer {
                write,
                sector,
                segments,
            } => self.transfer(device, domain, (*write, *sector), segments),
            Action::Indirect {
                write,
                sector,
                gref,
                count,
            } => match self.segments(device, domain, *gref, *count, *sector) {
                Some(segments) => self.transfer(device, domain, (*write, *sector), &segments),
                None => false,
            },
        };
        if done {
            BLKIF_RSP_OKAY
        } else {
            BLKIF_RSP_ERROR
        }
    }

    /// Copies the segments of an indirect request, once, and checks them.
    fn segments(
        &mut self,
        device: &Device<M>,
        domain: u16,
        gref: u32,
        count: usize,
        sector: u64,
    ) -> Option<Vec<Segment>> {
        const SIZE: usize = size_of::<blkif_request_segment>();
        let mut bytes = [0; INDIRECT_MAX * SIZE];
        let bytes = bytes.get_mut(..count * SIZE)?;
        let mut copy = [Copy {
            gref,
            offset: 0,
            local: Local::To(bytes),
            status: GNTST_okay,
        }];
        self.machine.copy_grants(domain, &mut copy).ok()?;
        if copy[0].status != GNTST_okay {
            return None;
        }
        let read = |bytes: &[u8]| blkif_request_segment::read_from_bytes(bytes).ok();
        let list: Option<Vec<_>> = bytes.chunks_exact(SIZE).map(read).collect();
        check(&list?, sector, device.geometry)
    }

    /// Moves bytes between disk and segments; whether all of it went well.
    fn transfer(
        &mut self,
        device: &mut Device<M>,
        domain: u16,
        (write, sector): (bool, u64),
        segments: &[Segment],
    ) -> bool {
        let bytes = segments
            .iter()
            .map(|segment| usize::from(segment.len))
            .sum();
        let Self { machine, buffer } = self;
        let Some(buffer) = buffer.get_mut(..bytes) else {
            return false;
        };
        if !write && device.disk.read(sector, buffer).is_err() {
            return false;
        }
        let mut copies = copies(segments, buffer, write);
        let copied = machine.copy_grants(domain, &mut copies).is_ok();
        let whole = copies.iter().all(|copy| copy.status == GNTST_okay);
        copied && whole && (!write || device.disk.write(sector, buffer).is_ok())
    }
}

//! Frames that a guest sends: their requests, and the bytes that these name.

use alloc::vec::Vec;

use hypercall_abi::grant_table::{GNTST_general_error, GNTST_okay};
use hypercall_abi::io::netif::*;
use hypercall_abi::xen::domid_t;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::frame::{Checksum, ETHERNET_HEADER};
use super::interface::{Fault, of_tx};
use crate::grants::{Copy, Grants, Local};
use crate::hyper::{Mapping, PAGE_SIZE};
use crate::xenbus::{BackRing, Broken};

/// A place of the ring that a frame has taken.
#[derive(Clone, Copy)]
pub(super) enum Slot {
    Request(u16),
    Extra,
}

/// A frame that a guest wants to send.
pub(super) struct Sending {
    /// How many places and pieces of the batch are its own.
    pub(super) slots: usize,
    pieces: usize,
    /// Bytes of all pieces.
    pub(super) length: usize,
    /// What was fetched.
    pub(super) bytes: Vec<u8>,
    pub(super) checksum: Checksum,
    /// It can be what it says, and was fetched if that was tried.
    pub(super) valid: bool,
}

/// Frames that are taken together. It is kept, so that no memory is asked for each time.
#[derive(Default)]
pub(super) struct Taking {
    pub(super) frames: Vec<Sending>,
    pub(super) slots: Vec<Slot>,
    pieces: Vec<netif_tx_request>,
    copied: Vec<bool>,
}

/// Takes a request of which so many are left.
fn take<T, M>(ring: &mut BackRing<M>, left: &mut u32) -> Result<T, Fault>
where
    T: FromBytes + IntoBytes,
    M: Mapping,
{
    *left = left.checked_sub(1).ok_or(Fault::Unfinished)?;
    let mut request = T::new_zeroed();
    match ring.take(request.as_mut_bytes()) {
        Ok(true) => Ok(request),
        // It was there before.
        Ok(false) | Err(Broken) => Err(of_tx(Broken)),
    }
}

/// An extra info as it stands in the larger entry of the ring of sent frames.
#[repr(C)]
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
struct TxExtra {
    info: netif_extra_info,
    pad: u32,
}
const _: () = assert!(size_of::<TxExtra>() == size_of::<netif_tx_request>());

/// Takes the extra information of a frame: none is offered, so that whatever has some is refused.
fn take_extras<M: Mapping>(
    ring: &mut BackRing<M>,
    left: &mut u32,
    slots: &mut Vec<Slot>,
) -> Result<(), Fault> {
    loop {
        let TxExtra { info, .. } = take(ring, left)?;
        slots.push(Slot::Extra);
        if info.r#type == XEN_NETIF_EXTRA_TYPE_NONE || info.r#type >= XEN_NETIF_EXTRA_TYPE_MAX {
            return Err(Fault::Extra(info.r#type));
        }
        if info.flags & XEN_NETIF_EXTRA_FLAG_MORE == 0 {
            return Ok(());
        }
    }
}

impl Taking {
    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.slots.clear();
        self.pieces.clear();
    }

    /// Takes the requests of one frame, which has so many bytes at most.
    pub(super) fn take_frame<M: Mapping>(
        &mut self,
        ring: &mut BackRing<M>,
        left: &mut u32,
        most: usize,
    ) -> Result<&mut Sending, Fault> {
        let first: netif_tx_request = take(ring, left)?;
        let (slots, pieces) = (self.slots.len(), self.pieces.len());
        self.slots.push(Slot::Request(first.id));
        let has_extra = first.flags & NETTXF_extra_info != 0;
        if has_extra {
            take_extras(ring, left, &mut self.slots)?;
        }
        self.pieces.push(first);
        let mut last = first;
        while last.flags & NETTXF_more_data != 0 {
            last = take(ring, left)?;
            self.slots.push(Slot::Request(last.id));
            self.pieces.push(last);
        }
        let slots = self.slots.len() - slots;
        let pieces = &mut self.pieces[pieces..];
        let sizes = pieces.iter().map(|piece| usize::from(piece.size));
        // The first one has the length of them all.
        let others: usize = sizes.skip(1).sum();
        let own = usize::from(first.size).checked_sub(others);
        pieces[0].size = own.unwrap_or_default() as u16;
        let end = |piece: &netif_tx_request| usize::from(piece.offset) + usize::from(piece.size);
        let valid = own.is_some()
            && !has_extra
            && pieces.len() <= XEN_NETIF_NR_SLOTS_MIN as usize
            && (ETHERNET_HEADER..=most).contains(&first.size.into())
            && pieces.iter().all(|piece| end(piece) <= PAGE_SIZE);
        let checksum = if first.flags & NETTXF_csum_blank != 0 {
            Checksum::Blank
        } else if first.flags & NETTXF_data_validated != 0 {
            Checksum::Validated
        } else {
            Checksum::Unknown
        };
        self.frames.push(Sending {
            slots,
            pieces: pieces.len(),
            length: own.unwrap_or_default() + others,
            bytes: Vec::new(),
            checksum,
            valid,
        });
        let at = self.frames.len() - 1;
        Ok(&mut self.frames[at])
    }

    /// Fetches what the frames describe: those of which not all can be had are not valid.
    pub(super) fn fetch(&mut self, domain: domid_t, grants: &mut impl Grants) {
        let mut copies = Vec::with_capacity(self.pieces.len());
        let mut pieces = &self.pieces[..];
        for frame in &mut self.frames {
            let (own, others) = pieces.split_at(frame.pieces);
            pieces = others;
            if !frame.valid {
                continue;
            }
            frame.bytes = alloc::vec![0; frame.length];
            let mut rest = &mut frame.bytes[..];
            for piece in own {
                let (bytes, later) = rest.split_at_mut(piece.size.into());
                rest = later;
                copies.push(Copy {
                    gref: piece.gref,
                    offset: piece.offset,
                    local: Local::To(bytes),
                    status: GNTST_general_error,
                });
            }
        }
        copy(domain, &mut copies, grants);
        self.copied.clear();
        self.copied.extend(copies.iter().map(is_done));
        let mut done = self.copied.iter();
        for frame in self.frames.iter_mut().filter(|frame| frame.valid) {
            let whole = done
                .by_ref()
                .take(frame.pieces)
                .fold(true, |all, one| all & one);
            frame.valid = whole;
        }
    }
}

/// Copies what can be copied.
pub(super) fn copy(domain: domid_t, copies: &mut [Copy<'_>], grants: &mut impl Grants) {
    if !copies.is_empty() && grants.copy_grants(domain, copies).is_err() {
        (copies.iter_mut()).for_each(|copy| copy.status = GNTST_general_error);
    }
}

pub(super) fn is_done(copy: &Copy<'_>) -> bool {
    copy.status == GNTST_okay
}

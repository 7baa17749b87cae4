//! The balloon: pages given to the hypervisor and taken back.

use super::paging::{self, pte};
use super::{Mfn, Pfn, frame, p2m};
use crate::hypercall;
use crate::task;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use guest_user::abi::Errno;
use hypercall_abi::memory::{XENMEM_decrease_reservation, XENMEM_populate_physmap};
use hypercall_abi::xen::{UVMF_INVLPG, UVMF_LOCAL};

/// Pages per hypercall.
const BATCH: u64 = 64;
/// Pages that stay free however small the target is.
const RESERVE: u64 = 256;

static OWNED: AtomicU64 = AtomicU64::new(0);

/// Sets the number of pages at boot.
pub(crate) fn init(pages: u64) {
    OWNED.store(pages, Ordering::Relaxed);
}

/// Pages the domain owns.
pub(crate) fn owned() -> u64 {
    OWNED.load(Ordering::Relaxed)
}

/// Takes a page's frame out of the direct map and the P2M; returns the frame.
pub(super) fn detach(pfn: Pfn) -> Result<Mfn, Errno> {
    let mfn = p2m::mfn(pfn);
    // SAFETY: the page was just taken from the allocator: nothing refers to it.
    unsafe { hypercall::update_va_mapping(pfn.va(), 0, UVMF_INVLPG | UVMF_LOCAL) }?;
    p2m::set(pfn, None);
    Ok(mfn)
}

/// Puts a frame behind a page that has none.
pub(super) fn put_behind(pfn: Pfn, mfn: Mfn) -> Result<(), Errno> {
    p2m::set(pfn, Some(mfn));
    // SAFETY: nothing is mapped there while the page has no frame.
    unsafe { paging::set_fresh(pfn.va(), pte::new(mfn, pte::RW)) }
}

/// Puts a frame behind a page and makes the page free.
fn attach(pfn: Pfn, mfn: Mfn) -> Result<(), Errno> {
    put_behind(pfn, mfn)?;
    frame::free(pfn);
    Ok(())
}

/// Gives up to `count` pages away; returns how many went.
fn deflate_domain(count: u64) -> Result<u64, Errno> {
    let mut pages = Vec::new();
    let mut frames = Vec::new();
    pages
        .try_reserve(count as usize)
        .map_err(|_| Errno::ENOMEM)?;
    frames
        .try_reserve(count as usize)
        .map_err(|_| Errno::ENOMEM)?;
    while (pages.len() as u64) < count && frame::free_count() > RESERVE {
        let Some(pfn) = frame::alloc() else { break };
        match detach(pfn) {
            Ok(mfn) => {
                pages.push(pfn);
                frames.push(mfn.0);
            }
            Err(e) => {
                frame::free(pfn);
                return Err(e);
            }
        }
    }
    // SAFETY: the frames are neither mapped nor used.
    let result = unsafe { hypercall::reservation(XENMEM_decrease_reservation, &mut frames) };
    let gone = result.unwrap_or(0).min(frames.len() as u64);
    for (pfn, mfn) in pages.into_iter().zip(frames).skip(gone as usize) {
        attach(pfn, Mfn(mfn))?;
    }
    OWNED.fetch_sub(gone, Ordering::Relaxed);
    result
}

/// Takes up to `count` pages back, for the first pages from `from` on that have no frame.
fn inflate_domain(count: u64, from: &mut u64) -> Result<u64, Errno> {
    let mut pages = Vec::new();
    pages
        .try_reserve(count as usize)
        .map_err(|_| Errno::ENOMEM)?;
    while (pages.len() as u64) < count && *from < p2m::pages() {
        if p2m::get(Pfn(*from)).is_none() {
            pages.push(*from);
        }
        *from += 1;
    }
    let mut frames = pages.clone();
    if frames.is_empty() {
        return Ok(0);
    }
    // SAFETY: frames are added, none taken.
    let got = unsafe { hypercall::reservation(XENMEM_populate_physmap, &mut frames) }?;
    let got = got.min(frames.len() as u64);
    for (pfn, mfn) in pages.into_iter().zip(frames).take(got as usize) {
        attach(Pfn(pfn), Mfn(mfn))?;
    }
    OWNED.fetch_add(got, Ordering::Relaxed);
    Ok(got)
}

/// Moves the domain's size to `target` pages as far as possible; returns the size reached. Other
/// tasks run in between.
pub(crate) fn set_target(target: u64) -> Result<u64, Errno> {
    let target = target.min(p2m::pages());
    let mut from = 0;
    loop {
        let now = owned();
        let moved = match now.cmp(&target) {
            core::cmp::Ordering::Greater => deflate_domain((now - target).min(BATCH))?,
            core::cmp::Ordering::Less => inflate_domain((target - now).min(BATCH), &mut from)?,
            core::cmp::Ordering::Equal => 0,
        };
        if moved == 0 {
            return Ok(owned());
        }
        task::yield_now();
    }
}

//! What the hypervisor keeps of a domain's grants, in frames of its own: how each shared entry is
//! used ([`Active`]), and what each mapping that the domain has made maps ([`Track`]). All of it is
//! under the domain's lock.

use alloc::vec::Vec;

use super::{INITIAL_FRAMES, UNITS_OF_FRAME};
use crate::addr::Mfn;
use crate::domain::Domain;
use crate::error::{Errno, Result, Stop};
use crate::hypercall::Budget;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

/// Entries of a frame of the shared table.
pub(super) const PER_FRAME: u32 = 512;
/// Of what is kept for them, and of mappings, in one frame: each has two words.
pub(super) const PER_OWN_FRAME: u32 = 256;

/// A domain's grant table.
#[derive(Default)]
pub struct GrantTable {
    /// Its frames, in order.
    pub frames: Vec<Mfn>,
    /// Most frames it may have.
    pub max_frames: u32,
    /// For each half of a frame, that frame, and the one that says how the half's entries are used.
    rows: Rows<[Mfn; 2]>,
    /// Frames of the mappings that the domain has made.
    tracks: Rows<Mfn>,
    /// Most of these.
    pub(super) max_tracks: u32,
    /// The first free handle, plus 1; the next is in its place.
    free: u32,
    /// How many are in use.
    pub(super) mapped: u32,
    /// When the domain ends: handles below this are not in use any more.
    pub(super) released: u32,
}

/// How a shared entry is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Active {
    /// The frame that it granted when its use began.
    pub frame: u32,
    /// How often it is used: four counts of a byte each, see [`super::entry`].
    pub pins: u32,
    /// Who uses it.
    pub grantee: u16,
}

/// A mapping, as it is kept: the shared entry and the granter's generation; the frame, the granter's
/// slot, and which mappings there are, and how (`GNTMAP_*`, 0 for none).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Track {
    entry: u64,
    page: u64,
}

impl Track {
    #[inline(always)]
    pub(super) fn new(granter: &Domain, gref: u32, frame: u32, flags: u16) -> Self {
        let page = u64::from(frame) | u64::from(granter.slot) << 32;
        Self {
            entry: u64::from(gref) | u64::from(granter.generation()) << 32,
            page: page | u64::from(flags) << 48,
        }
    }

    /// The granter's slot.
    #[inline(always)]
    pub(super) const fn slot(self) -> u16 {
        (self.page >> 32) as u16
    }

    /// The granter's generation: another domain in its slot granted nothing.
    #[inline(always)]
    pub(super) const fn generation(self) -> u32 {
        (self.entry >> 32) as u32
    }

    #[inline(always)]
    pub(super) const fn gref(self) -> u32 {
        self.entry as u32
    }

    #[inline(always)]
    pub(super) const fn mfn(self) -> Mfn {
        Mfn(self.page & 0xffff_ffff)
    }

    #[inline(always)]
    pub(super) const fn flags(self) -> u16 {
        (self.page >> 48) as u16
    }

    /// The same with other flags.
    pub(super) const fn with_flags(self, flags: u16) -> Self {
        let page = self.page & 0xffff_ffff_ffff | (flags as u64) << 48;
        Self { page, ..self }
    }
}

/// A list that guests index. Whatever the processor speculates, it stays within what is allocated.
struct Rows<T> {
    list: Vec<T>,
    /// A power of two, less 1; there is room for as many.
    mask: usize,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            mask: 0,
        }
    }
}

impl<T> Rows<T> {
    /// Makes room for `count` in all.
    fn reserve(&mut self, count: usize) -> Result<()> {
        let room = count.next_power_of_two();
        let more = room.saturating_sub(self.list.len());
        (self.list.try_reserve_exact(more)).map_err(|_| Errno::ENOMEM)?;
        self.mask = room - 1;
        Ok(())
    }

    #[inline(always)]
    fn get(&self, index: usize) -> Option<&T> {
        if index >= self.list.len() {
            return None;
        }
        self.list.get(index & self.mask)
    }
}

/// Where an item of two words is.
pub(super) type Place = (Mfn, usize);

impl GrantTable {
    /// Reserves room for the lists of frames.
    pub(super) fn reserve(max_frames: u32, max_tracks: u32) -> Result<Self> {
        let mut table = Self {
            max_frames,
            max_tracks,
            ..Self::default()
        };
        let room = max_frames as usize;
        (table.frames.try_reserve_exact(room)).map_err(|_| Errno::ENOMEM)?;
        table.rows.reserve(2 * room)?;
        Ok(table)
    }

    /// Makes the table at least `nr_frames` long.
    ///
    /// # Errors
    /// As [`super::grow`].
    pub(super) fn grow<M: Machine>(
        &mut self,
        hv: &Hypervisor<M>,
        dom: &Domain,
        nr_frames: u32,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        while self.frames.len() < nr_frames.max(INITIAL_FRAMES) as usize {
            if !budget.take(UNITS_OF_FRAME) {
                return Err(Stop::Retry);
            }
            let shared = hv.alloc_shared_page(dom)?;
            match two_own_pages(hv) {
                Ok(kept) => self.rows.list.extend(kept.map(|kept| [shared, kept])),
                Err(e) => {
                    hv.free_shared_page(shared);
                    return Err(e.into());
                }
            }
            self.frames.push(shared);
        }
        Ok(())
    }

    /// Gives up one frame, or what is kept of one; whether there was any.
    pub(super) fn shrink<M: Machine>(&mut self, hv: &Hypervisor<M>) -> bool {
        if let Some(shared) = self.frames.pop() {
            hv.free_shared_page(shared);
            for _ in 0..2 {
                if let Some([_, kept]) = self.rows.list.pop() {
                    hv.free_own_page(kept);
                }
            }
        } else if let Some(mfn) = self.tracks.list.pop() {
            hv.free_own_page(mfn);
        } else {
            return false;
        }
        true
    }

    /// Where the shared entry is, and what is kept of it, if there is one.
    #[inline(always)]
    pub(super) fn places(&self, gref: u32) -> Option<(Place, Place)> {
        const { assert!(PER_FRAME == 2 * PER_OWN_FRAME) };
        let &[shared, kept] = self.rows.get((gref / PER_OWN_FRAME) as usize)?;
        let shared = (shared, (gref % PER_FRAME) as usize * 8);
        Some((shared, place(kept, gref)))
    }

    /// Where the shared entry is, if there is one.
    #[inline]
    pub(super) fn shared(&self, gref: u32) -> Option<Place> {
        self.places(gref).map(|(shared, _)| shared)
    }

    #[inline]
    fn active_place(&self, gref: u32) -> Option<Place> {
        self.places(gref).map(|(_, kept)| kept)
    }

    /// How the entry is used.
    #[inline]
    pub(super) fn active<M: Machine>(&self, m: &M, gref: u32) -> Active {
        let Some((mfn, at)) = self.active_place(gref) else {
            return Active::default();
        };
        let word = m.load_u64(mfn, at);
        Active {
            frame: word as u32,
            pins: (word >> 32) as u32,
            grantee: m.load_u32(mfn, at + 8) as u16,
        }
    }

    #[inline]
    pub(super) fn set_active<M: Machine>(&self, m: &M, gref: u32, active: Active) {
        if let Some((mfn, at)) = self.active_place(gref) {
            let word = u64::from(active.frame) | u64::from(active.pins) << 32;
            m.store_u64(mfn, at, word);
            m.store_u32(mfn, at + 8, active.grantee.into());
        }
    }

    /// Where the mapping `handle` is kept.
    #[inline(always)]
    pub(super) fn track_place(&self, handle: u32) -> Option<Place> {
        let frame = self.tracks.get((handle / PER_OWN_FRAME) as usize)?;
        Some(place(*frame, handle))
    }

    /// What is kept at the place of a handle: a mapping, or none.
    #[inline(always)]
    pub(super) fn track_at<M: Machine>(m: &M, (mfn, at): Place) -> Track {
        Track {
            entry: m.load_u64(mfn, at),
            page: m.load_u64(mfn, at + 8),
        }
    }

    /// The mapping `handle`, if there is one.
    #[inline]
    pub(super) fn track<M: Machine>(&self, m: &M, handle: u32) -> Option<Track> {
        let track = Self::track_at(m, self.track_place(handle)?);
        (track.flags() != 0).then_some(track)
    }

    #[inline(always)]
    pub(super) fn store_track<M: Machine>(m: &M, (mfn, at): Place, track: Track) {
        m.store_u64(mfn, at, track.entry);
        m.store_u64(mfn, at + 8, track.page);
    }

    /// `handle`, which is kept at `place`, is free.
    #[inline(always)]
    pub(super) fn free_at<M: Machine>(&mut self, m: &M, place: Place, handle: u32) {
        let (entry, page) = (self.free.into(), 0);
        Self::store_track(m, place, Track { entry, page });
        self.free = handle + 1;
        self.mapped -= 1;
    }

    /// The mapping `handle` is now `track`; if that maps nothing any more, the handle is free.
    pub(super) fn set_track<M: Machine>(&mut self, m: &M, handle: u32, track: Track) {
        let Some(place) = self.track_place(handle) else {
            return;
        };
        if track.flags() != 0 {
            Self::store_track(m, place, track);
        } else {
            self.free_at(m, place, handle);
        }
    }

    /// A handle for a mapping, and where that is to be kept, if one is free.
    #[inline(always)]
    fn free_handle<M: Machine>(&mut self, m: &M) -> Option<(u32, Place)> {
        let handle = self.free.checked_sub(1)?;
        // Nobody else chose it.
        let frame = self.tracks.list.get((handle / PER_OWN_FRAME) as usize)?;
        let place = place(*frame, handle);
        self.free = m.load_u32(place.0, place.1);
        self.mapped += 1;
        Some((handle, place))
    }

    /// Keeps a mapping if there is a free handle for it, which it gives.
    #[inline(always)]
    pub(super) fn keep_track<M: Machine>(&mut self, m: &M, track: Track) -> Option<u32> {
        let (handle, place) = self.free_handle(m)?;
        Self::store_track(m, place, track);
        Some(handle)
    }

    /// A handle for a mapping.
    ///
    /// # Errors
    /// `ENOMEM` when the domain has as many as it may, or there is no frame for more.
    #[inline(never)]
    pub(super) fn new_handle<M: Machine>(&mut self, hv: &Hypervisor<M>) -> Result<u32> {
        if self.free == 0 {
            self.more_handles(hv)?;
        }
        let (handle, _) = self.free_handle(hv.machine).ok_or(Errno::ENOMEM)?;
        Ok(handle)
    }

    /// A handle that was got and is not used is free again.
    pub(super) fn drop_handle<M: Machine>(&mut self, m: &M, handle: u32) {
        if let Some(place) = self.track_place(handle) {
            self.free_at(m, place, handle);
        }
    }

    #[cold]
    #[inline(never)]
    fn more_handles<M: Machine>(&mut self, hv: &Hypervisor<M>) -> Result<()> {
        let count = self.tracks.list.len() as u32;
        if count >= self.max_tracks {
            return Err(Errno::ENOMEM);
        }
        self.tracks.reserve(count as usize + 1)?;
        self.tracks.list.push(hv.alloc_own_page()?);
        let first = count * PER_OWN_FRAME;
        self.mapped += PER_OWN_FRAME;
        for handle in (first..first + PER_OWN_FRAME).rev() {
            self.drop_handle(hv.machine, handle);
        }
        Ok(())
    }

    /// Frames of the hypervisor's own in which it is kept.
    #[cfg(any(test, feature = "testkit"))]
    #[must_use]
    pub fn own_frames(&self) -> u64 {
        (self.rows.list.len() + self.tracks.list.len()) as u64
    }

    /// One above the highest handle that there can be now.
    pub(super) fn handles(&self) -> u32 {
        self.tracks.list.len() as u32 * PER_OWN_FRAME
    }
}

/// The place of item `index` in its frame.
#[inline(always)]
fn place(mfn: Mfn, index: u32) -> Place {
    (mfn, (index % PER_OWN_FRAME) as usize * 16)
}

fn two_own_pages<M: Machine>(hv: &Hypervisor<M>) -> Result<[Mfn; 2]> {
    let first = hv.alloc_own_page()?;
    match hv.alloc_own_page() {
        Ok(second) => Ok([first, second]),
        Err(e) => {
            hv.free_own_page(first);
            Err(e)
        }
    }
}

//! Claims on shared entries: the handshake with the granter.
//!
//! The granter writes an entry's grantee and frame, then its flags. The hypervisor claims an entry by
//! setting `GTF_reading`, and `GTF_writing`, in the very word that says whom it grants what, by
//! compare-and-swap: so the granter, who takes its grant back by compare-and-swap of that word to
//! 0, either is too late or prevents it. The frame is read once, after that, and is what the entry
//! grants until its last use ends, whatever the granter writes.

use hypercall_abi::grant_table::{
    GNTMAP_device_map, GNTMAP_host_map, GNTMAP_readonly, GNTST_bad_gntref, GNTST_bad_page,
    GNTST_general_error, GTF_permit_access, GTF_reading, GTF_readonly, GTF_sub_page, GTF_type_mask,
    GTF_writing,
};

use super::table::{Active, GrantTable};
use crate::addr::Mfn;
use crate::domain::Domain;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

/// Uses that an entry may have at once, in four counts of at most 128: pages mapped, or copied from
/// or to, for reading; for writing; the same two for devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pins(pub(super) u32);

impl Pins {
    pub(super) const NONE: Self = Self(0);
    const READ: u32 = 1;
    const WRITE: u32 = 1 << 8;
    /// From a count for the host to that for devices.
    const DEVICE_SHIFT: u32 = 16;
    const WRITERS: u32 = 0xff00_ff00;

    /// One use by the host.
    pub(super) const fn host(writes: bool) -> Self {
        Self(if writes { Self::WRITE } else { Self::READ })
    }

    /// The uses of a mapping with these `GNTMAP_*` flags.
    #[inline(always)]
    pub(super) const fn of(flags: u32) -> Self {
        let one = Self::host(flags & GNTMAP_readonly == 0).0;
        let host = if flags & GNTMAP_host_map != 0 { one } else { 0 };
        let device = if flags & GNTMAP_device_map != 0 {
            one << Self::DEVICE_SHIFT
        } else {
            0
        };
        Self(host | device)
    }

    pub(super) const fn writes(self) -> bool {
        self.0 & Self::WRITERS != 0
    }
}

/// What a claim is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// A mapping, of a whole page.
    Map,
    /// A copy.
    Copy,
}

/// A claimed entry. Ends in [`GrantTable::keep`], or [`GrantTable::unclaim`], under the same lock.
#[must_use]
pub(super) struct Claim {
    pub(super) mfn: Mfn,
    gref: u32,
    active: Active,
    /// Flags that were set for it alone.
    flags: u16,
}

impl GrantTable {
    /// Claims `gref` for `caller`, with `references` to its page and as many writable uses if `pins`
    /// write.
    ///
    /// # Errors
    /// The status for the caller: `GNTST_bad_gntref`, `GNTST_bad_page`, `GNTST_general_error`.
    #[inline(never)]
    pub(super) fn claim<M: Machine>(
        &self,
        hv: &Hypervisor<M>,
        granter: &Domain,
        (gref, caller): (u32, u16),
        (pins, purpose): (Pins, For),
        references: u32,
    ) -> Result<Claim, i16> {
        let (shared, at) = self.shared(gref).ok_or(GNTST_bad_gntref)?;
        let mut active = self.active(hv.machine, gref);
        let used = active.pins != 0;
        if used && (active.grantee != caller || active.pins & pins.0 << 7 != 0) {
            return Err(GNTST_general_error);
        }
        let mut flags = 0;
        if !used || pins.writes() && !Pins(active.pins).writes() {
            let whole = match purpose {
                For::Map => GTF_type_mask | GTF_sub_page,
                For::Copy => GTF_type_mask,
            };
            let wanted = (!used).then_some((whole, caller));
            mark(hv.machine, (shared, at), wanted, pins.writes())?;
            flags = match (used, pins.writes()) {
                (true, _) => GTF_writing,
                (false, true) => GTF_reading | GTF_writing,
                (false, false) => GTF_reading,
            };
            let frame = if used && purpose == For::Map {
                active.frame
            } else {
                hv.machine.load_u32(shared, at + 4)
            };
            if used && frame != active.frame {
                unmark(hv.machine, (shared, at), flags);
                return Err(other_frame(hv, granter, frame));
            }
            active.frame = frame;
            active.grantee = caller;
        }
        let mfn = Mfn(active.frame.into());
        for taken in 0..references {
            if let Err(status) = get_page(hv, granter, mfn, pins.writes()) {
                for _ in 0..taken {
                    put_page(hv, mfn, pins.writes());
                }
                unmark(hv.machine, (shared, at), flags);
                return Err(status);
            }
        }
        Ok(Claim {
            mfn,
            gref,
            active,
            flags,
        })
    }

    /// The claim becomes a use that lasts, until [`Self::unpin`].
    #[inline]
    pub(super) fn keep<M: Machine>(&self, m: &M, claim: &Claim, pins: Pins) {
        let mut active = claim.active;
        active.pins += pins.0;
        self.set_active(m, claim.gref, active);
    }

    /// The claim ends; its references to the page are the caller's.
    #[inline]
    pub(super) fn unclaim<M: Machine>(&self, m: &M, claim: Claim) {
        if let Some(place) = self.shared(claim.gref) {
            unmark(m, place, claim.flags);
        }
    }

    /// Uses that were kept end.
    #[inline(never)]
    pub(super) fn unpin<M: Machine>(&self, m: &M, gref: u32, pins: Pins) {
        let mut active = self.active(m, gref);
        let Some(left) = active.pins.checked_sub(pins.0) else {
            // The entry of a domain whose table is gone.
            return;
        };
        active.pins = left;
        self.set_active(m, gref, active);
        let mut flags = 0;
        if pins.writes() && !Pins(left).writes() {
            flags = GTF_writing;
        }
        if left == 0 {
            flags |= GTF_reading;
        }
        if let Some(place) = self.shared(gref) {
            unmark(m, place, flags);
        }
    }
}

/// Sets the flags of an entry in use, if it still grants the use.
#[inline(never)]
fn mark<M: Machine>(
    m: &M,
    (shared, at): (Mfn, usize),
    wanted: Option<(u16, u16)>,
    writes: bool,
) -> Result<(), i16> {
    let mut word = m.load_u32(shared, at);
    loop {
        let flags = word as u16;
        if let Some((whole, grantee)) = wanted
            && (flags & whole != GTF_permit_access || (word >> 16) as u16 != grantee)
        {
            return Err(GNTST_general_error);
        }
        if writes && flags & GTF_readonly != 0 {
            return Err(GNTST_general_error);
        }
        let set = if writes {
            GTF_reading | GTF_writing
        } else {
            GTF_reading
        };
        match m.exchange_u32(shared, at, word, word | u32::from(set)) {
            Ok(()) => return Ok(()),
            Err(now) => word = now,
        }
    }
}

/// Takes flags off an entry.
#[inline(never)]
fn unmark<M: Machine>(m: &M, (shared, at): (Mfn, usize), flags: u16) {
    if flags != 0 {
        m.fetch_and_u64(shared, at, !u64::from(flags));
    }
}

/// Takes a reference to a page of the granter's, with a writable use if it is to be written.
///
/// # Errors
/// `GNTST_bad_page` unless it owns the page, `GNTST_general_error` for one that is used otherwise.
#[inline(never)]
pub(super) fn get_page<M: Machine>(
    hv: &Hypervisor<M>,
    owner: &Domain,
    mfn: Mfn,
    writes: bool,
) -> Result<(), i16> {
    if hv.try_get(owner.into(), mfn, writes) {
        return Ok(());
    }
    hv.page_get(owner, mfn).map_err(|_| GNTST_bad_page)?;
    if !writes {
        return Ok(());
    }
    let typed = hv.page_get_writable(owner, mfn);
    put_page(hv, mfn, false);
    typed.map_err(|_| GNTST_general_error)
}

/// Gives back what [`get_page`] took.
#[inline(never)]
pub(super) fn put_page<M: Machine>(hv: &Hypervisor<M>, mfn: Mfn, writes: bool) {
    if writes {
        hv.page_put_writable(mfn);
    } else {
        hv.page_put(mfn);
    }
}

/// An entry in use names another frame now: why nothing can be copied there.
#[cold]
#[inline(never)]
fn other_frame<M: Machine>(hv: &Hypervisor<M>, granter: &Domain, frame: u32) -> i16 {
    let mfn = Mfn(frame.into());
    match get_page(hv, granter, mfn, true) {
        Ok(()) => {
            put_page(hv, mfn, true);
            GNTST_general_error
        }
        Err(status) => status,
    }
}

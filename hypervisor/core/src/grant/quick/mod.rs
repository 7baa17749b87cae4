//! The commonest grant operations in their usual forms: pages mapped by address for the host alone, and
//! unmapped again; copies from or to a grant, and between own pages; the table's size. Where one is
//! not done, nothing has changed, and the whole form does it or tells why not.

mod copy;
mod map;
mod unmap;

use hypercall_abi::grant_table::{
    GNTMAP_readonly, GNTTABOP_copy, GNTTABOP_map_grant_ref, GNTTABOP_unmap_grant_ref,
    GTF_permit_access, GTF_reading, GTF_readonly, GTF_writing,
};
use hypercall_abi::xen::DOMID_SELF;

use super::INITIAL_FRAMES;
use super::entry::Pins;
use super::table::{Place, Track};
use crate::addr::{Mfn, guest_range, table_index};
use crate::domain::Domain;
use crate::frame::word::Owner;
use crate::hypervisor::Hypervisor;
use crate::platform::{CopyFault, Machine};
use crate::pv::entry::RW;
use crate::vcpu::Vcpu;

/// Most operations of a list that is done quickly.
const MOST: usize = 16;
/// Bytes of the largest operation.
const LARGEST: u64 = 40;
/// Where the results of mapping and unmapping are.
const RESULT: u64 = 16;

/// Does as much of a list of operation `CMD` as can be done quickly; how many, from the first on.
///
/// # Errors
/// When a result cannot be written.
#[inline(always)]
pub(crate) fn list<const CMD: u32, M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &Vcpu,
    dom: &Domain,
    list: (u64, u64),
) -> Result<u64, CopyFault> {
    let (at, count) = list;
    if count.wrapping_sub(1) >= MOST as u64 || !guest_range(at, MOST as u64 * LARGEST) {
        return Ok(0);
    }
    match CMD {
        GNTTABOP_map_grant_ref => map::maps(hv, vcpu, dom, list),
        GNTTABOP_unmap_grant_ref => unmap::unmaps(hv, vcpu, dom, list),
        GNTTABOP_copy if count == 1 => copy::copy(hv, dom, at),
        _ => Ok(0),
    }
}

/// The caller's level-1 entries by address. Its domain stays locked: no table goes meanwhile.
struct Slots {
    root: Mfn,
    /// The last address's upper bits, and its table.
    region: u64,
    table: Mfn,
}

impl Slots {
    fn of(vcpu: &Vcpu) -> Option<Self> {
        Some(Self {
            root: vcpu.arch.kernel_root.get()?,
            region: u64::MAX,
            table: Mfn(0),
        })
    }

    #[inline(always)]
    fn find<M: Machine>(&mut self, hv: &Hypervisor<M>, va: u64) -> Option<(Mfn, usize)> {
        if !guest_range(va, 1) {
            return None;
        }
        let region = va >> 21;
        if region != self.region {
            (self.table, _) = hv.l1_slot_here(self.root, va)?;
            self.region = region;
        }
        Some((self.table, table_index(va, 1)))
    }
}

/// `GNTMAP_readonly`, or 0. What follows from that is computed without a branch.
#[derive(Clone, Copy)]
struct Access(u32);

impl Access {
    const READ: Self = Self(GNTMAP_readonly);
    const WRITE: Self = Self(0);

    #[inline(always)]
    const fn writes(self) -> bool {
        self.0 == 0
    }

    /// Flags that an entry has while it is used so.
    #[inline(always)]
    const fn marks(self) -> u32 {
        const { assert!(GTF_writing as u32 == GNTMAP_readonly << 2) };
        (GTF_reading | GTF_writing) as u32 ^ self.0 << 2
    }

    /// The flag of an entry that forbids it.
    #[inline(always)]
    const fn forbidden(self) -> u32 {
        const { assert!(GTF_readonly as u32 == GNTMAP_readonly) };
        GTF_readonly as u32 ^ self.0
    }

    #[inline(always)]
    const fn of(track: Track) -> Self {
        Self(track.flags() as u32 & GNTMAP_readonly)
    }

    /// The bit of a page-table entry.
    #[inline(always)]
    const fn right(self) -> u64 {
        const { assert!(RW == GNTMAP_readonly as u64 >> 1) };
        RW ^ self.0 as u64 >> 1
    }

    /// A use of an entry by the host.
    #[inline(always)]
    const fn pins(self) -> Pins {
        const { assert!(Pins::host(true).0 >> (GNTMAP_readonly << 1) == Pins::host(false).0) };
        Pins(Pins::host(true).0 >> (self.0 << 1))
    }
}

/// Marks an entry in use if nobody uses it and it grants the whole of what is wanted to domain
/// `grantee`; whether it did. `kind` are the flags that say how it grants.
#[inline(always)]
fn mark<M: Machine>(
    m: &M,
    (shared, kept): (Place, Place),
    grantee: u32,
    (kind, access): (u16, Access),
) -> bool {
    if m.load_u64(kept.0, kept.1) != 0 {
        return false;
    }
    let word = m.load_u32(shared.0, shared.1);
    let right = u32::from(GTF_permit_access) | grantee << 16;
    if word & (0xffff_0000 | u32::from(kind) | access.forbidden()) != right {
        return false;
    }
    m.exchange_u32(shared.0, shared.1, word, word | access.marks())
        .is_ok()
}

/// A claim on a page of `owner`'s by an entry of its table, which is marked: the frame.
#[inline(always)]
fn claim<M: Machine>(
    hv: &Hypervisor<M>,
    owner: Owner,
    places: (Place, Place),
    grantee: u32,
    (kind, access): (u16, Access),
) -> Option<u32> {
    let (m, (shared, at)) = (hv.machine, places.0);
    if !mark(m, places, grantee, (kind, access)) {
        return None;
    }
    let frame = m.load_u32(shared, at + 4);
    if !hv.try_get_here(owner, Mfn(frame.into()), access.writes()) {
        m.clear_u32(shared, at, access.marks());
        return None;
    }
    Some(frame)
}

/// The size of the caller's own table, if it asks for that; whether it has it.
#[inline(always)]
pub(crate) fn query_size<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, at: u64) -> bool {
    if !guest_range(at, 16) {
        return false;
    }
    let Ok([first, _]) = hv.machine.read_guest_two(at) else {
        return false;
    };
    if first as u16 != DOMID_SELF {
        return false;
    }
    let state = dom.lock();
    let frames = (state.grants.frames.len() as u32).max(INITIAL_FRAMES);
    let most = state.grants.max_frames;
    drop(state);
    let size = first & 0xffff_ffff | u64::from(frames) << 32;
    (hv.machine.write_guest_two(at, [size, most.into()])).is_ok()
}

//! Two grant operations in their usual forms: copies between the caller's own pages, and the table's
//! size. Where one is not done, nothing has changed, and the whole form does it or tells why not.

use hypercall_abi::grant_table::{GNTCOPY_dest_gref, GNTCOPY_source_gref};
use hypercall_abi::xen::DOMID_SELF;

use super::INITIAL_FRAMES;
use crate::addr::{Mfn, PAGE_SIZE, guest_range};
use crate::domain::Domain;
use crate::frame::word::Owner;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

/// Bytes of a copy's arguments.
const COPY: u64 = 40;

/// A copy between the caller's own pages; whether it is done. A place for its status that cannot be
/// written is met again when the whole form does the same once more.
#[inline(always)]
pub(crate) fn copy<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, at: u64) -> bool {
    let m = hv.machine;
    if !guest_range(at, COPY) {
        return false;
    }
    let Ok([source, from, dest]) = m.read_guest_three(at) else {
        return false;
    };
    let Ok([to, what]) = m.read_guest_two(at + 24) else {
        return false;
    };
    let (len, flags) = (what as u16, (what >> 16) as u16);
    let offset = |ptr: u64| usize::from((ptr >> 16) as u16);
    let own = from as u16 == DOMID_SELF && to as u16 == DOMID_SELF;
    let inside = offset(from).max(offset(to)) + usize::from(len) <= PAGE_SIZE;
    if !own || !inside || flags & (GNTCOPY_source_gref | GNTCOPY_dest_gref) != 0 {
        return false;
    }
    let (source, dest, owner) = (Mfn(source), Mfn(dest), Owner::from(dom));
    if !hv.try_get(owner, source, false) {
        return false;
    }
    let got = hv.try_get(owner, dest, true);
    if got {
        m.copy_part((dest, offset(to)), (source, offset(from)), len.into());
        hv.page_put_writable(dest);
    }
    hv.page_put(source);
    // A status of 0, and what was there.
    let told = u64::from(len) | u64::from(flags) << 16;
    got && m.write_guest_u64(at + 32, told).is_ok()
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

//! The two-level bitmap ABI: pending and mask bits in `shared_info`, a selector and a flag in
//! `vcpu_info` (xen.h).
//!
//! The order is the one that guests rely on: pending bit, then, if the port is not masked, the
//! selector's bit, then the upcall flag, each only when the one before went from 0 to 1.

use core::mem::offset_of;

use hypercall_abi::event_channel::EVTCHN_2L_NR_CHANNELS;
use hypercall_abi::xen::{shared_info, vcpu_info};

use super::{Port, pending};
use crate::addr::Mfn;
use crate::domain::{Domain, DomainState};
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

const PENDING: usize = offset_of!(shared_info, evtchn_pending);
const MASK: usize = offset_of!(shared_info, evtchn_mask);
const SELECTOR: usize = offset_of!(vcpu_info, evtchn_pending_sel);

/// Byte offset of the port's word in a bitmap, and its bit.
#[inline]
const fn word(bitmap: usize, port: Port) -> (usize, u64) {
    (bitmap + (port as usize / 64) * 8, 1 << (port % 64))
}

/// Makes a port pending, and notifies its vCPU unless it was pending before or is masked. True if
/// it was not pending.
#[inline]
pub(super) fn set_pending<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    port: Port,
    vcpu: u16,
) -> bool {
    let Some(page) = state.shared_info else {
        return false;
    };
    let (offset, bit) = word(PENDING, port);
    if hv.machine.fetch_or_u64(page, offset, bit) & bit != 0 {
        return false;
    }
    let (offset, bit) = word(MASK, port);
    if hv.machine.load_u64(page, offset) & bit == 0 {
        select(hv, dom, state, port, vcpu);
    }
    true
}

/// Sets the port's bit in the vCPU's selector, and the upcall flag if that is news.
fn select<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    port: Port,
    vcpu: u16,
) {
    // A vCPU without a vcpu_info finds everything marked pending when it registers one.
    let Some(info) = state.vcpus.get(usize::from(vcpu)).and_then(|v| v.info) else {
        return;
    };
    let at = usize::from(info.offset);
    let bit = 1 << (port / 64);
    if hv.machine.fetch_or_u64(info.mfn, at + SELECTOR, bit) & bit != 0 {
        return;
    }
    pending::mark(hv, dom, state, info, vcpu);
}

/// Unmasks a port; if it is pending, its vCPU is notified as if it became so now.
pub(super) fn unmask<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    port: Port,
    vcpu: u16,
) {
    let Some(page) = state.shared_info else {
        return;
    };
    let (offset, bit) = word(MASK, port);
    if hv.machine.fetch_and_u64(page, offset, !bit) & bit != 0 && is_pending(hv, state, port) {
        select(hv, dom, state, port, vcpu);
    }
}

/// Whether a port is pending.
pub(super) fn is_pending<M: Machine>(hv: &Hypervisor<M>, state: &DomainState, port: Port) -> bool {
    let (offset, bit) = word(PENDING, port);
    state
        .shared_info
        .is_some_and(|page| hv.machine.load_u64(page, offset) & bit != 0)
}

/// Whether a port is masked.
pub(super) fn is_masked<M: Machine>(hv: &Hypervisor<M>, state: &DomainState, port: Port) -> bool {
    let (offset, bit) = word(MASK, port);
    state
        .shared_info
        .is_some_and(|page| hv.machine.load_u64(page, offset) & bit != 0)
}

/// Forgets that a port was pending, so that its next user does not see the last one's event.
pub(super) fn clear_pending<M: Machine>(hv: &Hypervisor<M>, state: &DomainState, port: Port) {
    let (offset, bit) = word(PENDING, port);
    if let Some(page) = state.shared_info {
        hv.machine.fetch_and_u64(page, offset, !bit);
    }
}

/// Words of the bitmap of pending ports in the shared page, with the numbers of their first ports.
pub(super) fn pending_words<M: Machine>(
    hv: &Hypervisor<M>,
    page: Option<Mfn>,
) -> impl Iterator<Item = (Port, u64)> {
    (0..EVTCHN_2L_NR_CHANNELS as Port / 64).filter_map(move |index| {
        let word = hv.machine.load_u64(page?, PENDING + index as usize * 8);
        Some((index * 64, word))
    })
}

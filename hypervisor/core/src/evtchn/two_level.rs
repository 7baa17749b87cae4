//! The two-level bitmap ABI: pending and mask bits in `shared_info`, a selector and a flag in
//! `vcpu_info` (xen.h).
//!
//! The order is the one that guests rely on: pending bit, then, if the port is not masked, the
//! selector's bit, then the upcall flag, each only when the one before went from 0 to 1. None of it
//! needs the domain's lock: whoever calls holds it, or looks ([`super::looking`]).

use core::mem::offset_of;

use hypercall_abi::event_channel::EVTCHN_2L_NR_CHANNELS;
use hypercall_abi::xen::{shared_info, vcpu_info};

use super::Port;
use super::pending::{self, News};
use super::table::Target;
use crate::addr::Mfn;
use crate::domain::Domain;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

const PENDING: usize = offset_of!(shared_info, evtchn_pending);
const MASK: usize = offset_of!(shared_info, evtchn_mask);
const SELECTOR: usize = offset_of!(vcpu_info, evtchn_pending_sel);

/// The bit of `port` in the bitmap at a byte offset of the shared page.
#[inline(always)]
const fn bit(bitmap: usize, port: Port) -> usize {
    bitmap * 8 + port as usize % EVTCHN_2L_NR_CHANNELS
}

/// Whether the port's bit is set in a bitmap.
#[inline(always)]
fn is_set<M: Machine>(m: &M, page: Mfn, bitmap: usize, port: Port) -> bool {
    m.has_bit(page, bit(bitmap, port))
}

/// What sends to `port` of the domain with this page.
pub(super) fn target(page: Mfn, port: Port) -> Target {
    Target::new(page, bit(PENDING, port))
}

/// The port that a target's bit is of.
pub(super) fn port_of(bit: usize) -> Port {
    (bit.wrapping_sub(PENDING * 8) % EVTCHN_2L_NR_CHANNELS) as Port
}

/// Makes a port pending; unless it was, and unless it is masked, its vCPU's selector and upcall flag
/// say so.
#[inline]
pub(super) fn raise<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    page: Mfn,
    port: Port,
) -> Option<News> {
    if hv.machine.set_bit(page, bit(PENDING, port)) {
        return None;
    }
    Some(tell(hv, dom, page, port))
}

/// What follows once a port has become pending.
pub(super) fn tell<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, page: Mfn, port: Port) -> News {
    let masked = is_masked(hv.machine, page, bit(PENDING, port));
    let mut news = if masked {
        News::default()
    } else {
        select(hv, dom, port)
    };
    news.polled = dom.senders.root().pollers(hv.machine) != 0;
    news
}

/// Whether the port is masked whose pending bit is `bit`.
#[inline(always)]
pub(super) fn is_masked<M: Machine>(m: &M, page: Mfn, bit: usize) -> bool {
    m.has_bit(page, bit | MASK_BIT)
}

/// What the bits of a port's two bitmaps differ in.
const MASK_BIT: usize = (MASK ^ PENDING) * 8;
const _: () = assert!(MASK_BIT == EVTCHN_2L_NR_CHANNELS && MASK == PENDING + MASK_BIT / 8);

/// The bit of `vcpu_info` that selects the port's word.
#[inline(always)]
pub(super) const fn selector(port: Port) -> usize {
    SELECTOR * 8 + port as usize / 64 % 64
}

/// Sets the port's bit in its vCPU's selector, and the upcall flag if that is news.
pub(super) fn select<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, port: Port) -> News {
    let root = dom.senders.root();
    let Some(channel) = root.channel(hv.machine, port) else {
        return News::default();
    };
    // A vCPU without a vcpu_info finds everything marked pending when it registers one.
    let Some(info) = root.info(hv.machine, channel.vcpu) else {
        return News::default();
    };
    let bit = usize::from(info.offset) * 8 + selector(port);
    if hv.machine.set_bit(info.mfn, bit) {
        return News::default();
    }
    pending::mark(hv, root, info, channel.vcpu)
}

/// Unmasks a port; true if its vCPU is to be told, as if it became pending now.
#[inline(always)]
pub(super) fn unmask<M: Machine>(m: &M, page: Mfn, port: Port) -> bool {
    let pending = bit(PENDING, port);
    m.clear_bit(page, pending | MASK_BIT) && m.has_bit(page, pending)
}

/// Whether a port is pending.
pub(super) fn is_pending<M: Machine>(hv: &Hypervisor<M>, page: Option<Mfn>, port: Port) -> bool {
    page.is_some_and(|page| is_set(hv.machine, page, PENDING, port))
}

/// Forgets that a port was pending, so that its next user does not see the last one's event.
pub(super) fn clear_pending<M: Machine>(hv: &Hypervisor<M>, page: Option<Mfn>, port: Port) {
    if let Some(page) = page {
        hv.machine.clear_bit(page, bit(PENDING, port));
    }
}

/// The word of the bitmap of pending ports that begins with port `first`.
pub(super) fn pending_word<M: Machine>(hv: &Hypervisor<M>, page: Option<Mfn>, first: Port) -> u64 {
    page.map_or(0, |page| {
        let at = bit(PENDING, first) / 64 * 8;
        hv.machine.load_u64(page, at)
    })
}

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
#[inline]
fn is_set<M: Machine>(m: &M, page: Mfn, bitmap: usize, port: Port) -> bool {
    let at = bit(bitmap, port);
    m.load_u64(page, at / 64 * 8) >> (at % 64) & 1 != 0
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
    let masked = is_set(hv.machine, page, MASK, port);
    let mut news = if masked {
        News::default()
    } else {
        select(hv, dom, port)
    };
    news.polled = dom.senders.root().pollers(hv.machine) != 0;
    news
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
    let selector = (usize::from(info.offset) + SELECTOR) * 8 + port as usize / 64 % 64;
    if hv.machine.set_bit(info.mfn, selector) {
        return News::default();
    }
    pending::mark(hv, root, info, channel.vcpu)
}

/// Unmasks a port; true if its vCPU is to be told, as if it became pending now.
#[inline(always)]
pub(super) fn unmask<M: Machine>(m: &M, page: Mfn, port: Port) -> bool {
    m.clear_bit(page, bit(MASK, port)) && is_set(m, page, PENDING, port)
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

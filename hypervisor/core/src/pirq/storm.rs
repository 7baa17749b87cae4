//! Storms: of each line or message that nobody has to acknowledge, so many interrupts are taken in a
//! while; then it is held back for the rest of it (`irq_ratelimit=`). What comes meanwhile is one event,
//! sent at the end. Level-triggered lines need none of this: they stay masked until the guest has seen
//! to them.

use super::{Pirqs, Source, sharing, silence};
use crate::domain::{Domain, DomainState};
use crate::error::Result;
use crate::evtchn::pending;
use crate::hypervisor::Hypervisor;
use crate::platform::{CpuId, Machine, Nanos};
use crate::sched::{Unit, timer};

/// The while.
const WINDOW: Nanos = 10_000_000;

/// How often an interrupt came of late.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    began: Nanos,
    count: u32,
    /// Whether it is held back.
    held: bool,
}

impl Rate {
    /// Counts one at `now`; true if it is the one behind which there are to be no more.
    fn is_full(&mut self, now: Nanos, most: u32) -> bool {
        if self.count == 0 || now >= self.end() {
            *self = Self {
                began: now,
                ..Self::default()
            };
        }
        self.count = self.count.saturating_add(1);
        most != 0 && self.count >= most
    }

    /// When it is let through again.
    const fn end(&self) -> Nanos {
        self.began.saturating_add(WINDOW)
    }
}

/// Makes sure that what is held back can be let through later.
///
/// # Errors
/// `ENOMEM`, `ENOSPC`.
pub(super) fn prepare<M: Machine>(hv: &Hypervisor<M>, pirqs: &mut Pirqs) -> Result<()> {
    if pirqs.held.is_none() {
        pirqs.held = Some((hv.sched.take_unit()?, None));
    }
    Ok(())
}

/// Counts an interrupt of a PIRQ, and holds it back if that was enough.
pub(super) fn count<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    number: u32,
) {
    let now = hv.machine.now();
    let pirqs = &mut state.pirqs;
    let Some(pirq) = pirqs.get_mut(number) else {
        return;
    };
    if pirq.rate.held || !pirq.rate.is_full(now, hv.config.irq_limit) {
        return;
    }
    pirq.rate.held = true;
    let (source, end) = (pirq.source, pirq.rate.end());
    hold(hv, source);
    if !core::mem::replace(&mut pirqs.stormed, true) {
        log::warn!("PIRQ {number} is held back: more than irq_ratelimit allows");
    }
    arm(hv, dom, pirqs, end);
}

/// Has [`let_through`] look at `end`; if it is to look already, then, which is within [`WINDOW`].
pub(super) fn arm<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, pirqs: &mut Pirqs, end: Nanos) {
    if let Some((unit, None)) = pirqs.held {
        pirqs.held = Some((unit, Some(hv.machine.cpu())));
        timer::call_held(hv, dom, unit, end);
    }
}

fn hold<M: Machine>(hv: &Hypervisor<M>, source: Source) {
    match source {
        Source::Message(message) if !message.is_maskable() => message.disable(hv.machine),
        source => silence(hv, source),
    }
}

/// A PIRQ is bound or closed: it begins anew, and is not held back.
pub(super) fn forget<M: Machine>(hv: &Hypervisor<M>, pirqs: &mut Pirqs, number: u32) {
    let Some(pirq) = pirqs.get_mut(number) else {
        return;
    };
    if core::mem::take(&mut pirq.rate).held {
        let_go(hv, pirq.source);
    }
}

fn let_go<M: Machine>(hv: &Hypervisor<M>, source: Source) {
    match source {
        Source::Line(gsi) => hv.machine.mask_line(gsi, false),
        Source::Message(message) if message.is_maskable() => message.mask(hv.machine, false),
        Source::Message(message) => message.enable(hv.machine),
        _ => {}
    }
}

/// The time is over for some that are held back: they come through, and one event with each. It is for
/// some that others wait for, too.
#[cold]
pub(crate) fn let_through<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    cpu: CpuId,
    unit: Unit,
    now: Nanos,
) {
    let mut state = dom.lock();
    if state.pirqs.held != Some((unit, Some(cpu))) {
        return;
    }
    let mut next = Nanos::MAX;
    for number in 0..state.pirqs.count {
        let Some(pirq) = state.pirqs.get_mut(number) else {
            break;
        };
        if let Some(until) = sharing::see_to(hv, dom, (number, pirq), now) {
            next = next.min(until);
        }
        if !pirq.rate.held {
            continue;
        }
        if pirq.rate.end() > now {
            next = next.min(pirq.rate.end());
            continue;
        }
        pirq.rate = Rate::default();
        let (source, port) = (pirq.source, pirq.port);
        let_go(hv, source);
        if port != 0 {
            pending::set(hv, dom, &mut state, port);
        }
    }
    if next == Nanos::MAX {
        state.pirqs.held = Some((unit, None));
    } else {
        timer::call_held(hv, dom, unit, next);
    }
}

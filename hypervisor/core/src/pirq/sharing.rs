//! Lines that several domains share: each is told of an interrupt, and the line stays masked until each
//! has ended it. Who is late is waited for no longer, so that nobody keeps it from the others; real Xen
//! waits as long.

use super::{Pirq, Pirqs, Source, storm};
use crate::domain::Domain;
use crate::hypervisor::Hypervisor;
use crate::platform::{Machine, Nanos};

/// How long the others wait.
const PATIENCE: Nanos = 1_000_000;

/// The others wait for the domain to end an interrupt of a PIRQ from now on.
#[cold]
pub(super) fn wait<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, pirqs: &mut Pirqs, number: u32) {
    let until = hv.machine.now().saturating_add(PATIENCE);
    if let Some(pirq) = pirqs.get_mut(number) {
        pirq.until = until;
        storm::arm(hv, dom, pirqs, until);
    }
}

/// Ends what a PIRQ is late with at `now`; gives until when it is waited for.
#[cold]
pub(super) fn see_to<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    (number, pirq): (u32, &mut Pirq),
    now: Nanos,
) -> Option<Nanos> {
    let until = core::mem::take(&mut pirq.until);
    let Source::Line(gsi) = pirq.source else {
        return None;
    };
    if until == 0 || !pirq.masked {
        return None;
    }
    if until > now {
        pirq.until = until;
        return Some(until);
    }
    pirq.masked = false;
    hv.irqs.lock().answer(hv.machine, gsi, dom.pirq(number));
    None
}

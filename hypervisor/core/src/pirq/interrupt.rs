//! A device's interrupt comes in.

use super::irqs::{Heard, Place};
use super::{Pirqs, Source, sharing, storm};
use crate::domain::{Domain, DomainState};
use crate::evtchn::pending;
use crate::hypervisor::Hypervisor;
use crate::platform::{CpuId, Machine};

/// The interrupt with this vector was taken on this CPU, and ended at its controller; a
/// level-triggered line is masked. One that nobody has bound is nobody's: a line stays masked.
pub(crate) fn interrupt<M: Machine>(hv: &Hypervisor<M>, vector: u8) {
    let Some(place) = hv.irqs.lock().by_vector(vector) else {
        return;
    };
    let (dom, number) = (hv.domains.slot(place.slot), place.pirq);
    let mut state = dom.lock();
    let Some(pirq) = state.pirqs.get(number) else {
        return;
    };
    // The vector may have become another's before the lock was taken.
    if pirq.port == 0 || pirq.vector != vector {
        if !matches!(pirq.source, Source::Message(_)) {
            hv.irqs.lock().stray(hv.machine);
        }
        return;
    }
    let heard = match pirq.source {
        Source::Line(gsi) => hv.irqs.lock().came(gsi, place),
        _ => Heard::default(),
    };
    note(hv, (dom, number), &mut state, &heard);
    follow(hv, dom, &mut state, number);
    pending::set(hv, dom, &mut state, pirq.port);
    drop(state);
    for &other in &heard.others {
        share(hv, pirq.source, other, &heard);
    }
}

/// An interrupt came to a PIRQ of `dom`.
fn note<M: Machine>(
    hv: &Hypervisor<M>,
    (dom, number): (&Domain, u32),
    state: &mut DomainState,
    heard: &Heard,
) {
    if let Some(pirq) = state.pirqs.get_mut(number) {
        (pirq.masked, pirq.until) = (heard.level, 0);
    }
    if !heard.level {
        storm::count(hv, dom, state, number);
    } else if !heard.others.is_empty() {
        sharing::wait(hv, dom, &mut state.pirqs, number);
    }
}

/// Another one that has the line bound hears of it, unless it has just closed its port.
#[cold]
fn share<M: Machine>(hv: &Hypervisor<M>, line: Source, place: Place, heard: &Heard) {
    let dom = hv.domains.slot(place.slot);
    let mut state = dom.lock();
    let pirq = state.pirqs.get(place.pirq);
    if let Some(pirq) = pirq.filter(|pirq| pirq.port != 0 && pirq.source == line) {
        note(hv, (dom, place.pirq), &mut state, heard);
        pending::set(hv, dom, &mut state, pirq.port);
    }
}

/// Has the next interrupt come to the CPU that runs the vCPU which the port notifies.
fn follow<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, state: &mut DomainState, number: u32) {
    let m = hv.machine;
    let Some(pirq) = state.pirqs.get(number) else {
        return;
    };
    let running = state.events.get(m, pirq.port).ok().and_then(|channel| {
        let root = dom.senders.root();
        root.doing(m, channel.vcpu).running
    });
    if let Some(cpu) = running
        && cpu != pirq.cpu
    {
        state.pirqs.reroute(hv, number, cpu);
    }
}

impl Pirqs {
    /// Makes another CPU the one that gets a PIRQ.
    fn reroute<M: Machine>(&mut self, hv: &Hypervisor<M>, number: u32, cpu: CpuId) {
        let Some(pirq) = self.get_mut(number) else {
            return;
        };
        pirq.cpu = cpu;
        let pirq = *pirq;
        match pirq.source {
            Source::Line(gsi) => hv.irqs.lock().aim(hv.machine, gsi, cpu),
            Source::Message(message) => message.program(hv.machine, pirq.vector, cpu),
            _ => {}
        }
    }
}

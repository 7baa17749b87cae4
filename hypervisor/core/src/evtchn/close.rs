//! Closing ports: one, or all of a domain's, a few at a time.

use super::table::Target;
use super::{Binding, Port, fifo, looking, pending};
use crate::domain::lifecycle::Progress;
use crate::domain::{Domain, DomainState, Phase, lock_pair};
use crate::error::{Errno, Result};
use crate::hypercall::Budget;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

/// Closes a port. The other end of a pair is left unbound, for `dom` to bind to again.
///
/// # Errors
/// `EINVAL` when it does not exist or is not open.
pub fn close<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, port: Port) -> Result<()> {
    loop {
        let mut state = dom.lock();
        let Binding::Interdomain { remote, .. } = state.events.get(hv.machine, port)?.binding
        else {
            return close_single(hv, dom, &mut state, port);
        };
        if remote == dom.id() {
            close_pair(hv, dom, &mut state, None, port);
            return Ok(());
        }
        drop(state);
        // A domain is in the table until all its ports are closed, so the other end's is; unless
        // the pair came apart just now, which the next look shows.
        let Ok(other) = hv.domains.find(remote) else {
            continue;
        };
        let (mut state, mut other_state) = lock_pair(dom, other);
        match state.events.get(hv.machine, port)?.binding {
            Binding::Interdomain { remote: now, .. } if now == remote => {
                close_pair(hv, dom, &mut state, other_state.as_deref_mut(), port);
                return Ok(());
            }
            _ => {}
        }
    }
}

/// Closes a port that has no other end.
fn close_single<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    port: Port,
) -> Result<()> {
    match state.events.get(hv.machine, port)?.binding {
        Binding::Free | Binding::Reserved | Binding::Interdomain { .. } => {
            return Err(Errno::EINVAL);
        }
        Binding::Virq(virq) => {
            for vcpu in &mut state.vcpus {
                if let Some(bound) = vcpu.virqs.get_mut(virq as usize)
                    && *bound == port
                {
                    *bound = 0;
                }
            }
        }
        Binding::Pirq(pirq) => crate::pirq::unbind(hv, dom, state, pirq),
        Binding::Unbound { .. } | Binding::Ipi => {}
    }
    free(hv, state, port);
    Ok(())
}

/// Closes one end of a pair whose other end is in `other`, or in `state` itself if that is `None`.
fn close_pair<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    other: Option<&mut DomainState>,
    port: Port,
) {
    let binding = state.events.get(hv.machine, port).map(|c| c.binding);
    let Ok(Binding::Interdomain {
        port: other_port, ..
    }) = binding
    else {
        return;
    };
    let other = match other {
        Some(other) => other,
        None => &mut *state,
    };
    let unbound = Binding::Unbound { remote: dom.id() };
    other
        .events
        .root
        .set_target(hv.machine, other_port, Target::NONE);
    other.events.rebind(hv.machine, other_port, unbound);
    free(hv, state, port);
}

/// Frees a port that no other leads to any more: nobody finds it now, and once those are done who
/// found it before, it is blank.
fn free<M: Machine>(hv: &Hypervisor<M>, state: &mut DomainState, port: Port) {
    state.events.root.set_target(hv.machine, port, Target::NONE);
    state.events.bind(hv.machine, port, Binding::Free, 0);
    looking::wait_for_all(hv);
    pending::clear(hv, state, port);
}

/// Units for looking at a port.
const PORT: u32 = 2;
/// Further units for one that was bound.
const BOUND_PORT: u32 = 4;

/// Closes all ports of a domain and ends the FIFO form, as far as the budget allows: call until
/// `Done`. Nobody may open any meanwhile, or those are closed or kept as it comes.
pub fn close_all<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, budget: &mut Budget) -> Progress {
    loop {
        let port = {
            let mut state = dom.lock();
            let port = state.events.closing;
            if !state.events.is_valid(port) {
                if !fifo::release(hv, &mut state, budget) {
                    return Progress::More;
                }
                // One that is destroyed has no ports to close again, however often this is called.
                if dom.phase() == Phase::Alive {
                    state.events.closing = 0;
                }
                return Progress::Done;
            }
            if !budget.take(PORT) {
                return Progress::More;
            }
            state.events.closing = port + 1;
            port
        };
        // Free ones refuse.
        if close(hv, dom, port).is_ok() {
            budget.take(BOUND_PORT);
        }
    }
}

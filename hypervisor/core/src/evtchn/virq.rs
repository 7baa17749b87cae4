//! Virtual interrupts (xen.h): raised by the hypervisor, delivered through a port that the guest
//! bound.

use hypercall_abi::xen::{VIRQ_DEBUG, VIRQ_TIMER, VIRQ_XENOPROF, VIRQ_XENPMU};

use super::{Binding, pending};
use crate::domain::{Domain, DomainState};
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

/// Whether there is one for the whole domain, bound on vCPU 0, and not one for each vCPU.
#[must_use]
pub const fn is_global(virq: u32) -> bool {
    !matches!(virq, VIRQ_TIMER | VIRQ_DEBUG | VIRQ_XENOPROF | VIRQ_XENPMU)
}

/// Raises `virq` for one vCPU; nothing happens if the vCPU has not bound it.
pub fn send<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, vcpu: u16, virq: u32) {
    send_locked(hv, dom, &mut dom.lock(), vcpu, virq);
}

/// As [`send`], with the domain's lock held.
pub fn send_locked<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    vcpu: u16,
    virq: u32,
) {
    let port = state
        .vcpus
        .get(usize::from(vcpu))
        .and_then(|v| v.virqs.get(virq as usize))
        .copied()
        .unwrap_or(0);
    if port == 0 {
        return;
    }
    if let Ok(channel) = state.events.get(hv.machine, port)
        && channel.binding == Binding::Virq(virq)
    {
        pending::set(hv, dom, state, port);
    }
}

/// Raises a global `virq` in the control domain. No domain's lock may be held.
pub fn send_to_control_domain<M: Machine>(hv: &Hypervisor<M>, virq: u32) {
    debug_assert!(is_global(virq));
    if let Ok(dom) = hv.domains.find(0) {
        send(hv, dom, 0, virq);
    }
}

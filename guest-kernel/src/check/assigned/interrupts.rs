//! A domain's side of an interrupt: its event, and what it tells the hypervisor.

use super::*;
use crate::dev::time;
use hypercall_abi::event_channel::*;
use hypercall_abi::physdev::*;

/// Waits for an event of the puppet's.
pub(super) fn comes(puppet: &Puppet, port: u32, patience: u64) -> bool {
    let end = time::uptime() + patience;
    while !puppet.take_pending(port) {
        if time::uptime() > end {
            return false;
        }
        core::hint::spin_loop();
    }
    true
}

pub(super) fn bind(puppet: &Puppet, pirq: u32, flags: u32) -> HvResult<u32> {
    let mut arg = evtchn_bind_pirq {
        pirq,
        flags,
        port: 0,
    };
    let nr = __HYPERVISOR_event_channel_op;
    puppet.with(nr, EVTCHNOP_bind_pirq, &mut arg)?;
    Ok(arg.port)
}

pub(super) fn close(puppet: &Puppet, port: u32) -> HvResult {
    let mut arg = evtchn_close { port };
    puppet.with(__HYPERVISOR_event_channel_op, EVTCHNOP_close, &mut arg)
}

pub(super) fn eoi(puppet: &Puppet, irq: u32) -> HvResult {
    let mut arg = physdev_eoi { irq };
    puppet.with(__HYPERVISOR_physdev_op, PHYSDEVOP_eoi, &mut arg)
}

/// What the puppet is told of a PIRQ.
pub(super) fn status(r: &mut Report, key: &str, puppet: &Puppet, irq: u32) {
    let mut arg = physdev_irq_status_query { irq, flags: 0xdead };
    let nr = __HYPERVISOR_physdev_op;
    let result = puppet.with(nr, PHYSDEVOP_irq_status_query, &mut arg);
    r.line(format_args!(
        "{key}_status={} flags={:#x}",
        Shown(result),
        arg.flags
    ));
}

/// Raises so many interrupts one after the other, and counts the puppet's events.
pub(super) fn rounds(
    r: &mut Report,
    key: &str,
    edu: &Edu,
    (puppet, port, pirq): (&Puppet, u32, u32),
    ends: bool,
) {
    const ROUNDS: u32 = 50;
    let (mut events, mut refused) = (0, 0);
    for round in 1..=ROUNDS {
        edu.raise(round);
        events += u32::from(comes(puppet, port, SECOND / 10));
        edu.acknowledge(round);
        if ends {
            refused += u32::from(eoi(puppet, pirq).is_err());
            // Real Xen does not wait for the puppet for ever.
            puppet.take_pending(port);
        }
    }
    let more = comes(puppet, port, SECOND / 50);
    r.line(format_args!(
        "{key}_events={events} refused={refused} more={more}"
    ));
}

/// dom0 takes the line itself, gets an interrupt and gives it back.
pub(super) fn take_line(edu: &Edu, gsi: u32) -> bool {
    let Ok(port) = pirq::bind(gsi, 1) else {
        return false;
    };
    let port = port as u32;
    edu.raise(1);
    let end = time::uptime() + SECOND;
    while !events::pending(port) && time::uptime() < end {}
    let came = events::pending(port);
    edu.acknowledge(1);
    let _ = pirq::eoi(gsi);
    events::clear_pending(port);
    events::clear_upcall();
    let _ = events::close(port);
    came
}

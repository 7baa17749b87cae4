//! A line that a domain was given.

use super::interrupts::*;
use super::*;
use crate::check::pirq::{map, setup_gsi, unmap};
use hypercall_abi::physdev::*;

const GSI: i32 = MAP_PIRQ_TYPE_GSI;

pub(super) fn line(r: &mut Report) {
    instructions::set_iopl(1);
    let Some(edu) = Edu::find() else {
        return r.error("no edu device");
    };
    let gsi = configuration(edu.devfn, 0x3c) & 0xff;
    let Some(puppet) = puppet(r) else { return };
    unmapped(r, &puppet, gsi);
    let pirqs = count(&puppet);
    r.line(format_args!("pirqs={pirqs}"));
    itself(r, &puppet, gsi);
    mapped(r, (&puppet, gsi), pirqs);
    let port = beside_dom0(r, &puppet, gsi);
    let port = port.and_then(|port| used(r, &edu, (&puppet, port, gsi)));
    let port = port.and_then(|port| denied(r, &edu, (&puppet, port, gsi)));
    let Some(port) = port else { return };
    taken_away(r, &edu, (&puppet, port, gsi));
    r.result("nobody_unmap", unmap(NOBODY, gsi as i32));
    r.result("beyond_unmap", unmap(puppet.id, pirqs as i32));
    mapped_again(r, (&puppet, port, gsi));
    of_two(r, &edu, &puppet, gsi);
    r.outcome("destroy", puppet.destroy());
    r.line(format_args!("mine_at_last={}", take_line(&edu, gsi)));
    instructions::set_iopl(0);
}

/// A line that it was not given.
fn unmapped(r: &mut Report, puppet: &Puppet, gsi: u32) {
    r.outcome("setup", setup_gsi(gsi as i32, 1, 0));
    r.line(format_args!(
        "bind_unmapped={}",
        events::outcome(bind(puppet, gsi, 0))
    ));
    status(r, "unmapped", puppet, gsi);
    r.line(format_args!("eoi_unmapped={}", Shown(eoi(puppet, gsi))));
}

/// How many PIRQs a domain may name.
fn count(puppet: &Puppet) -> u32 {
    let told = |irq: u32| {
        let mut arg = physdev_irq_status_query { irq, flags: 0 };
        let nr = __HYPERVISOR_physdev_op;
        let result = puppet.with(nr, PHYSDEVOP_irq_status_query, &mut arg);
        result.is_ok()
    };
    (0..512).find(|&irq| !told(irq)).unwrap_or(0)
}

/// It maps nothing for itself or others.
fn itself(r: &mut Report, puppet: &Puppet, gsi: u32) {
    let (id, own) = (puppet.id, gsi as i32);
    for (key, domid) in [
        ("self", DOMID_SELF),
        ("own_id", id),
        ("dom0", 0),
        ("nobody", NOBODY),
    ] {
        let mut arg = physdev_map_pirq::new_zeroed();
        (arg.domid, arg.r#type, arg.index, arg.pirq) = (domid, GSI, own, own);
        let nr = __HYPERVISOR_physdev_op;
        r.line(format_args!(
            "itself_{key}={}",
            Shown(puppet.with(nr, PHYSDEVOP_map_pirq, &mut arg))
        ));
        let mut arg = physdev_unmap_pirq::new_zeroed();
        (arg.domid, arg.pirq) = (domid, own);
        r.line(format_args!(
            "itself_{key}_unmap={}",
            Shown(puppet.with(nr, PHYSDEVOP_unmap_pirq, &mut arg))
        ));
    }
}

/// What dom0 may map for it, and it bind.
fn mapped(r: &mut Report, (puppet, gsi): (&Puppet, u32), pirqs: u32) {
    let (id, own) = (puppet.id, gsi as i32);
    for (key, index, pirq) in [
        ("negative", -1, own),
        ("beyond", 24, own),
        ("pirq_beyond", own, pirqs as i32),
        ("pirq_far", own, 207),
        ("pirq_most", own, i32::MAX),
        ("pit", 0, 0),
        ("console", 4, 4),
        ("it", own, own),
        ("it_again", own, own),
        ("it_other", own, 30),
        ("it_any", own, -1),
        ("other_there", 5, own),
        ("other_any", 5, -1),
        ("any", 6, -1),
        ("elsewhere", 7, 40),
        ("last", 8, 47),
        ("very_last", 12, pirqs as i32 - 1),
        ("high", 23, -1),
    ] {
        let (result, pirq) = map(id, GSI, index, pirq);
        r.line(format_args!("map_{key}={} pirq={pirq}", Shown(result)));
    }
    for pirq in [4, 5, gsi, 16, 17, 18, 23, 40, 47, pirqs - 1, pirqs] {
        let bound = bind(puppet, pirq, 1);
        r.line(format_args!("bind{pirq}={}", events::outcome(bound)));
        status(r, "bound", puppet, pirq);
        r.line(format_args!("eoi{pirq}={}", Shown(eoi(puppet, pirq))));
        if let Ok(port) = bound {
            events::status(r, "port", id, port);
            r.line(format_args!(
                "again{pirq}={}",
                events::outcome(bind(puppet, pirq, 1))
            ));
            r.line(format_args!("close{pirq}={}", Shown(close(puppet, port))));
        }
    }
}

/// What dom0 may bind beside it, and may not.
fn beside_dom0(r: &mut Report, puppet: &Puppet, gsi: u32) -> Option<u32> {
    let own = gsi as i32;
    let mine = map(DOMID_SELF, GSI, own, own).0;
    r.result("mine", mine.map(|_| 0));
    let bound = bind(puppet, gsi, 0);
    r.line(format_args!("alone={}", events::outcome(bound)));
    for flags in [0, 1] {
        let mine = pirq::bind(gsi, flags);
        r.line(format_args!(
            "mine_beside_{flags}={}",
            events::outcome(mine)
        ));
        if let Ok(port) = mine {
            let _ = events::close(port as u32);
        }
    }
    bound.ok()
}

/// The port that it binds the line to; says why if it cannot.
fn bound(r: &mut Report, key: &str, puppet: &Puppet, gsi: u32) -> Option<u32> {
    let bound = bind(puppet, gsi, 0);
    if let Err(errno) = bound {
        r.result(key, Err(errno));
    }
    bound.ok()
}

/// The device raises it; closed and bound again.
fn used(r: &mut Report, edu: &Edu, (puppet, port, gsi): (&Puppet, u32, u32)) -> Option<u32> {
    rounds(r, "line", edu, (puppet, port, gsi), true);
    // It stays silent until it is ended.
    edu.raise(1);
    let came = comes(puppet, port, SECOND);
    edu.acknowledge(1);
    r.line(format_args!(
        "came={came} ended={}",
        Shown(eoi(puppet, gsi))
    ));
    puppet.take_pending(port);
    // Closed and bound again.
    r.result("close", close(puppet, port));
    let port = bound(r, "rebind", puppet, gsi)?;
    rounds(r, "rebound", edu, (puppet, port, gsi), true);
    Some(port)
}

/// The permission is taken away while it is bound.
fn denied(r: &mut Report, edu: &Edu, (puppet, port, gsi): (&Puppet, u32, u32)) -> Option<u32> {
    let (id, own) = (puppet.id, gsi as i32);
    r.result("deny", allow_irq(id, gsi, 0));
    rounds(r, "denied", edu, (puppet, port, gsi), true);
    r.result("denied_close", close(puppet, port));
    r.line(format_args!(
        "denied_bind={}",
        events::outcome(bind(puppet, gsi, 0))
    ));
    let (result, pirq) = map(id, GSI, own, own);
    r.line(format_args!("denied_map={} pirq={pirq}", Shown(result)));
    let port = bound(r, "remapped_bind", puppet, gsi)?;
    r.result("deny_bound", allow_irq(id, gsi, 0));
    r.line(format_args!(
        "bound_bind={}",
        events::outcome(bind(puppet, gsi, 0))
    ));
    r.result("close_denied", close(puppet, port));
    r.result("allow", allow_irq(id, gsi, 1));
    let port = bound(r, "allowed_bind", puppet, gsi)?;
    rounds(r, "allowed", edu, (puppet, port, gsi), true);
    Some(port)
}

/// It is taken away altogether while it is bound.
fn taken_away(r: &mut Report, edu: &Edu, (puppet, port, gsi): (&Puppet, u32, u32)) {
    let (id, own) = (puppet.id, gsi as i32);
    r.result("unmap", unmap(id, own));
    edu.raise(1);
    r.line(format_args!(
        "unmapped_event={}",
        comes(puppet, port, SECOND / 50)
    ));
    edu.acknowledge(1);
    events::status(r, "unmapped", id, port);
    status(r, "unmapped_bound", puppet, gsi);
    r.line(format_args!("unmapped_eoi={}", Shown(eoi(puppet, gsi))));
    r.result("unmap_again", unmap(id, own));
    let (result, pirq) = map(id, GSI, own, own);
    r.line(format_args!("unmapped_map={} pirq={pirq}", Shown(result)));
    r.result("unmapped_close", close(puppet, port));
    let (result, pirq) = map(id, GSI, own, own);
    r.line(format_args!("closed_map={} pirq={pirq}", Shown(result)));
    r.line(format_args!(
        "closed_bind={}",
        events::outcome(bind(puppet, gsi, 0))
    ));
}

/// The line is dom0's again while the other lives.
fn mapped_again(r: &mut Report, (puppet, port, gsi): (&Puppet, u32, u32)) {
    let (id, own) = (puppet.id, gsi as i32);
    r.outcome("unmap_at_last", unmap(id, own));
    let (result, pirq) = map(id, GSI, own, 21);
    r.line(format_args!("still_bound={} pirq={pirq}", Shown(result)));
    r.outcome("close_at_last", close(puppet, port));
}

/// Two have it mapped, but only one bound.
fn of_two(r: &mut Report, edu: &Edu, puppet: &Puppet, gsi: u32) {
    let (id, own) = (puppet.id, gsi as i32);
    let second = Puppet::new();
    if let Ok(second) = second {
        let (result, pirq) = map(second.id, GSI, own, 20);
        r.line(format_args!("second={} pirq={pirq}", Shown(result)));
        let (result, pirq) = map(id, GSI, own, 21);
        r.line(format_args!("first={} pirq={pirq}", Shown(result)));
        let bound = bind(&second, 20, 1);
        r.line(format_args!("second_bind={}", events::outcome(bound)));
        r.line(format_args!(
            "first_bind={}",
            events::outcome(bind(puppet, 21, 0))
        ));
        if let Ok(port) = bound {
            rounds(r, "second", edu, (&second, port, 20), true);
        }
        r.outcome("second_destroy", second.destroy());
        let bound = bind(puppet, 21, 0);
        r.line(format_args!("first_later={}", events::outcome(bound)));
        if let Ok(port) = bound {
            rounds(r, "first", edu, (puppet, port, 21), true);
        }
    }
}

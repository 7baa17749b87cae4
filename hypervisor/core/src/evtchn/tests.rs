//! Event channels on the fake machine: every operation's success and refusals, the order of the
//! bits, exactly-once delivery, and the symmetry of pairs after random sequences.

mod coming;
mod fifo;
mod guest;
mod interleaved;
mod itself;
mod symmetry;

use core::mem::offset_of;

use std::vec::Vec;

use hypercall_abi::event_channel::*;
use hypercall_abi::xen::*;
use proptest::prelude::*;
use zerocopy::IntoBytes;

use super::*;
use crate::domain::lifecycle::Progress;
use crate::domain::{DOMID_SELF, Domain};
use crate::error::Stop;
use crate::hypercall::Budget;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::testkit::{self, FakeMachine};
use crate::vcpu::{Vcpu, VcpuId};
use guest::{ARG, Form, Guest};

/// Makes tests of functions that take a [`Form`]: one for each form, from the same code.
macro_rules! in_both_forms {
    ($($name:ident)*) => {
        mod in_two_levels {
            $(#[test] fn $name() { super::$name(super::Form::TwoLevel); })*
        }
        mod in_queues {
            $(#[test] fn $name() { super::$name(super::Form::Fifo); })*
        }
    };
}

in_both_forms! {
    alloc_unbound_gives_the_lowest_free_port
    ports_end_where_the_toolstack_says
    binding_makes_a_symmetric_pair_and_a_pending_port
    loopback_binds_and_delivers
    an_event_is_delivered_once_in_order_of_the_bits
    a_masked_port_becomes_pending_silently_and_unmasking_tells
    virqs_are_bound_per_vcpu_or_globally
    only_what_may_move_is_moved_to_another_vcpu
    status_and_close_tell_free_ports_from_none
    physical_interrupts_are_refused
    arguments_that_are_not_there_fault
    reset_closes_everything_in_steps
    a_domain_with_many_ports_open_can_be_destroyed
    every_event_is_taken_once
}

fn errno<T>(e: Errno) -> Result<T, Stop> {
    Err(Stop::Err(e))
}

/// Everything of a result that can be compared.
fn port_or(result: Result<Port, Stop>) -> Result<Port, Stop> {
    result
}

fn channels(guest: &Guest) -> Vec<Channel> {
    let events = &guest.dom.lock().events;
    let channel = |port| events.get(guest.hv.machine, port).unwrap();
    (0..events.len()).map(channel).collect()
}

fn pair(form: Form) -> (Guest, Guest) {
    let hv = testkit::hypervisor(256, 2);
    let guest = |id| Guest::new(hv, id, 2).in_form(form);
    (guest(0), guest(1))
}

fn alloc_unbound_gives_the_lowest_free_port(form: Form) {
    let (mut dom0, mut domu) = pair(form);
    assert_eq!(domu.alloc_unbound(DOMID_SELF, 0), Ok(1));
    assert_eq!(domu.alloc_unbound(1, 7), Ok(2));
    assert_eq!(domu.alloc_unbound(DOMID_SELF, DOMID_SELF), Ok(3));
    domu.close(2).unwrap();
    assert_eq!(domu.alloc_unbound(DOMID_SELF, 0), Ok(2));
    assert_eq!(dom0.alloc_unbound(1, 0), Ok(4));
    assert_eq!(dom0.status(1, 3).unwrap().u.get::<u16>(), 1);
    assert_eq!(port_or(domu.alloc_unbound(0, 1)), errno(Errno::EPERM));
    assert_eq!(port_or(dom0.alloc_unbound(9, 0)), errno(Errno::ESRCH));
}

#[test]
fn ports_end_where_the_abi_ends() {
    let (_, mut domu) = pair(Form::TwoLevel);
    for port in 1..4096 {
        assert_eq!(domu.ipi(0), Ok(port));
    }
    assert_eq!(port_or(domu.ipi(0)), errno(Errno::ENOSPC));
    domu.close(77).unwrap();
    assert_eq!(domu.ipi(1), Ok(77));
    assert_eq!(port_or(domu.ipi(0)), errno(Errno::ENOSPC));
}

fn ports_end_where_the_toolstack_says(form: Form) {
    let hv = testkit::hypervisor(64, 1);
    let mut guest = Guest::new(hv, 1, 1).in_form(form);
    guest.dom.lock().events.limit = 2;
    assert_eq!((guest.ipi(0), guest.ipi(0)), (Ok(1), Ok(2)));
    assert_eq!(port_or(guest.ipi(0)), errno(Errno::ENOSPC));
}

fn binding_makes_a_symmetric_pair_and_a_pending_port(form: Form) {
    let (mut dom0, mut domu) = pair(form);
    let there = domu.alloc_unbound(DOMID_SELF, 0).unwrap();
    assert_eq!(port_or(domu.bind(1, there)), errno(Errno::EINVAL));
    let here = dom0.bind(1, there).unwrap();
    assert!(dom0.pending(here) && !domu.pending(there));
    assert_eq!(dom0.upcall(0), (1, 1));
    let ends = |s: evtchn_status| {
        let u: evtchn_status_interdomain = s.u.get();
        (s.status, s.vcpu, u.dom, u.port)
    };
    let mine = dom0.status(DOMID_SELF, here).unwrap();
    assert_eq!(ends(mine), (EVTCHNSTAT_interdomain, 0, 1, there));
    let other = dom0.status(1, there).unwrap();
    assert_eq!(ends(other), (EVTCHNSTAT_interdomain, 0, 0, here));
    // Bound once is bound.
    assert_eq!(port_or(dom0.bind(1, there)), errno(Errno::EINVAL));
    assert_eq!(port_or(dom0.bind(1, 4000)), errno(Errno::EINVAL));
    assert_eq!(port_or(dom0.bind(5, 1)), errno(Errno::ESRCH));
    // Closing one end leaves the other to be bound again.
    dom0.close(here).unwrap();
    assert!(!dom0.pending(here));
    let left = domu.status(DOMID_SELF, there).unwrap();
    assert_eq!((left.status, left.u.get::<u16>()), (EVTCHNSTAT_unbound, 0));
    // A port that is still in a queue is nobody's until it was taken.
    dom0.acknowledge();
    assert_eq!(dom0.bind(1, there), Ok(here));
}

fn loopback_binds_and_delivers(form: Form) {
    let (_, mut domu) = pair(form);
    let a = domu.alloc_unbound(DOMID_SELF, DOMID_SELF).unwrap();
    let b = domu.bind(DOMID_SELF, a).unwrap();
    domu.acknowledge();
    domu.send(a).unwrap();
    assert!(domu.pending(b) && !domu.pending(a));
    domu.send(b).unwrap();
    assert!(domu.pending(a));
    domu.close(b).unwrap();
    assert_eq!(
        domu.status(DOMID_SELF, a).unwrap().status,
        EVTCHNSTAT_unbound
    );
    assert_eq!(domu.send(a), Ok(()));
}

fn an_event_is_delivered_once_in_order_of_the_bits(form: Form) {
    let (mut dom0, mut domu) = pair(form);
    let there = domu.alloc_unbound(DOMID_SELF, 0).unwrap();
    let here = dom0.bind(1, there).unwrap();
    dom0.send(here).unwrap();
    assert_eq!((domu.pending(there), domu.upcall(0)), (true, (1, 1)));
    // Pending already: nothing more, even if the guest has begun to look.
    domu.hv.machine.store_u8(domu.page(), 0, 0);
    dom0.send(here).unwrap();
    assert_eq!(domu.upcall(0).0, 0);
    // A second port of the same word raises no second upcall while the selector stands.
    let ipi = domu.ipi(0).unwrap();
    domu.send(ipi).unwrap();
    assert_eq!((domu.pending(ipi), domu.upcall(0).0), (true, 0));
    domu.acknowledge();
    domu.send(ipi).unwrap();
    assert_eq!(domu.upcall(0), (1, 1));
}

fn a_masked_port_becomes_pending_silently_and_unmasking_tells(form: Form) {
    let (_, mut domu) = pair(form);
    let port = domu.ipi(1).unwrap();
    domu.mask(port);
    domu.send(port).unwrap();
    assert_eq!((domu.pending(port), domu.upcall(1)), (true, (0, 0)));
    domu.unmask(port).unwrap();
    assert_eq!(domu.upcall(1), (1, 1));
    domu.acknowledge();
    domu.mask(port);
    domu.unmask(port).unwrap();
    assert_eq!(domu.upcall(1), (0, 0));
    // Unmasked and pending already: the guest knows.
    domu.send(port).unwrap();
    domu.hv
        .machine
        .store_u8(domu.page(), size_of::<vcpu_info>(), 0);
    domu.unmask(port).unwrap();
    assert_eq!(domu.upcall(1).0, 0);
    assert_eq!(domu.unmask(4095), errno(Errno::EINVAL));
}

fn virqs_are_bound_per_vcpu_or_globally(form: Form) {
    let (mut dom0, mut domu) = pair(form);
    let timer = [domu.virq(VIRQ_TIMER, 0), domu.virq(VIRQ_TIMER, 1)];
    assert_eq!(timer, [Ok(1), Ok(2)]);
    assert_eq!(port_or(domu.virq(VIRQ_TIMER, 1)), errno(Errno::EEXIST));
    assert_eq!(port_or(domu.virq(VIRQ_TIMER, 2)), errno(Errno::ENOENT));
    assert_eq!(port_or(domu.virq(NR_VIRQS, 0)), errno(Errno::EINVAL));
    assert_eq!(port_or(dom0.virq(VIRQ_CONSOLE, 1)), errno(Errno::EINVAL));
    virq::send(domu.hv, domu.dom, 1, VIRQ_TIMER);
    assert_eq!((domu.pending(1), domu.pending(2)), (false, true));
    assert_eq!((domu.upcall(0), domu.upcall(1)), ((0, 0), (1, 1)));
    virq::send(domu.hv, domu.dom, 0, VIRQ_DEBUG);
    virq::send(domu.hv, domu.dom, 9, VIRQ_TIMER);
    assert_eq!(domu.upcall(0), (0, 0));

    let console = dom0.virq(VIRQ_CONSOLE, 0).unwrap();
    dom0.bind_vcpu(console, 1).unwrap();
    virq::send_to_control_domain(dom0.hv, VIRQ_CONSOLE);
    assert_eq!((dom0.upcall(0), dom0.upcall(1)), ((0, 0), (1, 1)));
    let status = dom0.status(DOMID_SELF, console).unwrap();
    assert_eq!((status.status, status.vcpu), (EVTCHNSTAT_virq, 1));
    assert_eq!(status.u.get::<u32>(), VIRQ_CONSOLE);
    dom0.close(console).unwrap();
    dom0.acknowledge();
    virq::send_to_control_domain(dom0.hv, VIRQ_CONSOLE);
    assert_eq!(dom0.upcall(1), (0, 0));
    assert_eq!(dom0.virq(VIRQ_CONSOLE, 0), Ok(console));

    let ends = dom0.virq(VIRQ_DOM_EXC, 0).unwrap();
    crate::domain::lifecycle::destroy_whole(domu.hv, domu.dom).unwrap();
    assert!(
        dom0.pending(ends),
        "dom0 hears of a domain that is destroyed"
    );
}

fn only_what_may_move_is_moved_to_another_vcpu(form: Form) {
    let (mut dom0, mut domu) = pair(form);
    let ipi = domu.ipi(0).unwrap();
    let timer = domu.virq(VIRQ_TIMER, 0).unwrap();
    let unbound = domu.alloc_unbound(DOMID_SELF, 0).unwrap();
    assert_eq!(domu.bind_vcpu(ipi, 1), errno(Errno::EINVAL));
    assert_eq!(domu.bind_vcpu(timer, 1), errno(Errno::EINVAL));
    assert_eq!(domu.bind_vcpu(60, 1), errno(Errno::EINVAL));
    assert_eq!(domu.bind_vcpu(4096, 1), errno(Errno::EINVAL));
    assert_eq!(domu.bind_vcpu(unbound, 2), errno(Errno::ENOENT));
    assert_eq!(domu.bind_vcpu(unbound, u32::MAX), errno(Errno::ENOENT));
    assert_eq!(domu.bind_vcpu(unbound, 1), Ok(()));
    let here = dom0.bind(1, unbound).unwrap();
    dom0.send(here).unwrap();
    assert_eq!((domu.upcall(0), domu.upcall(1)), ((0, 0), (1, 1)));
    // A port that is used anew notifies vCPU 0 again.
    domu.close(unbound).unwrap();
    domu.alloc_unbound(DOMID_SELF, 0).unwrap();
    assert_eq!(domu.status(DOMID_SELF, unbound).unwrap().vcpu, 0);
}

fn status_and_close_tell_free_ports_from_none(form: Form) {
    let (mut dom0, mut domu) = pair(form);
    assert_eq!(
        domu.status(DOMID_SELF, 0).unwrap().status,
        EVTCHNSTAT_closed
    );
    assert_eq!(
        domu.status(DOMID_SELF, 63).unwrap().status,
        EVTCHNSTAT_closed
    );
    assert!(matches!(
        domu.status(DOMID_SELF, 64),
        Err(Stop::Err(Errno::EINVAL))
    ));
    assert!(matches!(
        domu.status(DOMID_SELF, u32::MAX),
        Err(Stop::Err(Errno::EINVAL))
    ));
    assert!(matches!(domu.status(0, 1), Err(Stop::Err(Errno::EPERM))));
    assert!(matches!(dom0.status(8, 1), Err(Stop::Err(Errno::ESRCH))));
    for port in [0, 5, 64, u32::MAX] {
        assert_eq!(domu.close(port), errno(Errno::EINVAL));
        assert_eq!(domu.send(port), errno(Errno::EINVAL));
    }
    let timer = domu.virq(VIRQ_TIMER, 0).unwrap();
    assert_eq!(domu.send(timer), errno(Errno::EINVAL));
}

fn physical_interrupts_are_refused(form: Form) {
    let (mut dom0, mut domu) = pair(form);
    let op = |pirq| evtchn_bind_pirq {
        pirq,
        flags: 0,
        port: 0,
    };
    let cmd = EVTCHNOP_bind_pirq;
    assert!(matches!(
        domu.call(cmd, op(9)),
        Err(Stop::Err(Errno::EPERM))
    ));
    assert!(matches!(
        domu.call(cmd, op(4096)),
        Err(Stop::Err(Errno::EINVAL))
    ));
    assert!(matches!(
        dom0.call(cmd, op(9)),
        Err(Stop::Err(Errno::EPERM))
    ));
    assert_eq!(domu.call(99, 0u64), errno(Errno::ENOSYS));
}

fn arguments_that_are_not_there_fault(form: Form) {
    let (_, mut domu) = pair(form);
    domu.load();
    for cmd in 0..=EVTCHNOP_set_priority {
        for va in [0, 0xffff_8000_0000_0000, u64::MAX - 1] {
            let got = domu.call_at::<u64>(cmd, va);
            assert_eq!(got, errno(Errno::EFAULT), "operation {cmd} at {va:#x}");
        }
    }
}

fn reset_closes_everything_in_steps(form: Form) {
    let (mut dom0, mut domu) = pair(form);
    let there = domu.alloc_unbound(DOMID_SELF, 0).unwrap();
    let here = dom0.bind(1, there).unwrap();
    domu.virq(VIRQ_TIMER, 1).unwrap();
    domu.ipi(0).unwrap();
    assert_eq!(domu.reset(0), errno(Errno::EPERM));
    assert_eq!(dom0.reset(1), errno(Errno::EINVAL));
    assert_eq!(dom0.reset(3), errno(Errno::ESRCH));
    let mut steps = 0;
    while close_all(domu.hv, domu.dom, &mut Budget::new(1)) == Progress::More {
        steps += 1;
    }
    assert!(
        steps >= 63,
        "a budget of 1 closes one port at a time, not {steps} steps"
    );
    assert!(
        channels(&domu)[1..]
            .iter()
            .all(|c| c.binding == Binding::Free)
    );
    assert_eq!(
        dom0.status(DOMID_SELF, here).unwrap().status,
        EVTCHNSTAT_unbound
    );
    assert_eq!(domu.virq(VIRQ_TIMER, 1), Ok(1));
    assert_eq!(domu.reset(DOMID_SELF), Ok(()));
    assert_eq!(domu.ipi(0), Ok(1));
    crate::sched::pause_domain(domu.hv, domu.dom).unwrap();
    assert_eq!(dom0.reset(1), Ok(()));
    assert_eq!(
        domu.status(DOMID_SELF, 1).unwrap().status,
        EVTCHNSTAT_closed
    );
}

fn a_domain_with_many_ports_open_can_be_destroyed(form: Form) {
    use crate::domain::lifecycle::destroy;
    let (_, mut domu) = pair(form);
    domu.dom.lock().events.limit = 4095;
    while domu.alloc_unbound(DOMID_SELF, 0).is_ok() {}
    let ports = domu.dom.lock().events.len();
    assert_eq!(
        ports % Budget::FULL,
        0,
        "closing all uses budgets up exactly"
    );
    let Guest { hv, dom, .. } = domu;
    let calls =
        (1..1000).find(|_| destroy(hv, dom, &mut Budget::new(Budget::FULL)) == Ok(Progress::Done));
    assert!(calls.is_some(), "it is never done");
}

/// Each event that was sent is taken once, whatever was masked and moved in between.
fn every_event_is_taken_once(form: Form) {
    let ops = prop::collection::vec((0..7u8, 0..6usize, 0..16u32), 1..200);
    let config = ProptestConfig {
        cases: 64,
        source_file: Some(file!()),
        ..ProptestConfig::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let played = runner.run(&ops, |ops| {
        let (_, mut guest) = pair(form);
        let ports: Vec<Port> = (0..6).map(|i| guest.ipi(i % 2).unwrap()).collect();
        // What a guest is owed, by port: an event is pending or it is not.
        let mut owed = [false; 6];
        let take = |guest: &Guest, owed: &mut [bool; 6]| {
            for taken in guest.take() {
                let i = ports.iter().position(|&p| p == taken).unwrap();
                prop_assert!(owed[i], "port {} came twice", taken);
                owed[i] = false;
            }
            Ok(())
        };
        for (op, i, n) in ops {
            let port = ports[i];
            match op {
                0..=2 => {
                    guest.send(port).unwrap();
                    owed[i] = true;
                }
                3 => fifo::prioritise_if(&mut guest, port, n),
                4 => guest.mask(port),
                5 => guest.unmask(port).unwrap(),
                _ => take(&guest, &mut owed)?,
            }
        }
        for &port in &ports {
            guest.unmask(port).unwrap();
        }
        take(&guest, &mut owed)?;
        prop_assert!(owed.iter().all(|owed| !owed), "an event was lost");
        Ok(())
    });
    played.unwrap();
}

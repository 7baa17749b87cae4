//! The policy that gives each vCPU a CPU.

use hypercall_abi::sched::*;
use hypercall_abi::vcpu::*;

use super::*;
use crate::error::Errno;
use crate::sched::{pause_domain, remove_vcpu, requeue, stop, unpause_domain, wake};

fn run(bench: &mut Bench) {
    for _ in 0..3 {
        bench.start();
    }
}

/// Which CPU runs a vCPU.
fn place(bench: &Bench, dom: u16, index: u16) -> Option<usize> {
    (0..bench.cpus.len()).find(|&cpu| bench.runs(cpu) == Some((dom, index)))
}

#[test]
fn each_has_its_own_and_the_rest_waits() {
    let mut bench = Bench::with(3, Kind::Null);
    let first = bench.domain(1, 2);
    let second = bench.domain(2, 2);
    run(&mut bench);
    let places = [(1, 0), (1, 1), (2, 0)].map(|(d, v)| place(&bench, d, v).unwrap());
    assert_eq!(place(&bench, 2, 1), None);
    // A CPU whose vCPU sleeps is not lent, and no slice ends.
    bench
        .call(places[0], |cx| {
            super::super::ops::sched_op(cx, SCHEDOP_block.into(), 0)
        })
        .unwrap();
    bench.run_until(5 * SECOND);
    run(&mut bench);
    assert_eq!(bench.runs(places[0]), None);
    assert_eq!(place(&bench, 1, 1), Some(places[1]));
    wake(bench.hv, first, 0);
    bench.answer_kicks();
    run(&mut bench);
    assert_eq!(place(&bench, 1, 0), Some(places[0]));
    // Nor does a yield or a pause give it away.
    pause_domain(bench.hv, first).unwrap();
    bench.answer_kicks();
    run(&mut bench);
    assert!(stop(bench.hv, first) && place(&bench, 2, 1).is_none());
    unpause_domain(bench.hv, first).unwrap();
    bench.answer_kicks();
    run(&mut bench);
    assert_eq!(place(&bench, 1, 0), Some(places[0]));
    assert_eq!(second.lock().vcpus[1].sched.account.queued, Some(3));
}

#[test]
fn a_vcpu_that_goes_leaves_its_cpu_to_the_one_that_waits_longest() {
    let mut bench = Bench::with(2, Kind::Null);
    let doms = [1, 2, 3, 4].map(|id| bench.domain(id, 1));
    run(&mut bench);
    assert_eq!((place(&bench, 3, 0), place(&bench, 4, 0)), (None, None));
    let of_first = place(&bench, 1, 0);
    pause_domain(bench.hv, doms[0]).unwrap();
    bench.answer_kicks();
    run(&mut bench);
    remove_vcpu(bench.hv, &mut doms[0].lock());
    bench.answer_kicks();
    run(&mut bench);
    assert_eq!((place(&bench, 3, 0), place(&bench, 4, 0)), (of_first, None));
    // One that is called off meanwhile has no CPU kept for it.
    pause_domain(bench.hv, doms[3]).unwrap();
    pause_domain(bench.hv, doms[1]).unwrap();
    bench.answer_kicks();
    run(&mut bench);
    remove_vcpu(bench.hv, &mut doms[1].lock());
    bench.answer_kicks();
    run(&mut bench);
    assert_eq!(place(&bench, 4, 0), None);
    unpause_domain(bench.hv, doms[3]).unwrap();
    bench.answer_kicks();
    run(&mut bench);
    assert!(place(&bench, 4, 0).is_some());
}

#[test]
fn offline_and_moved_vcpus_give_their_cpu_back() {
    let mut bench = Bench::with(2, Kind::Null);
    let dom = bench.domain(1, 2);
    let waits = bench.domain(2, 1);
    run(&mut bench);
    let of_second = place(&bench, 1, 1).unwrap();
    let on = place(&bench, 1, 0).unwrap();
    assert_eq!(bench.vcpu_op(on, VCPUOP_down, 1, &0u64), Ok(0));
    run(&mut bench);
    assert_eq!(place(&bench, 2, 0), Some(of_second));
    assert_eq!(bench.vcpu_op(on, VCPUOP_up, 1, &0u64), Ok(0));
    run(&mut bench);
    assert_eq!(place(&bench, 1, 1), None);
    // The one that waited may run only where the first is now: it waits, its CPU serves the next.
    let mut state = waits.lock();
    state.vcpus[0].sched.account.affinity = (1 << on).into();
    bench.hv.machine.run_on(on as u32);
    requeue(bench.hv, waits, &mut state, 0);
    drop(state);
    bench.answer_kicks();
    run(&mut bench);
    assert_eq!(place(&bench, 2, 0), None);
    assert_eq!(place(&bench, 1, 1), Some(of_second));
    assert_eq!(dom.lock().vcpus[1].sched.account.cpu, of_second as u32);
}

#[test]
fn weights_and_caps_are_not_its() {
    use hypercall_abi::domctl::*;
    use zerocopy::FromZeros;
    let mut bench = Bench::with(1, Kind::Null);
    bench.domain(0, 1);
    run(&mut bench);
    for (sched_id, error) in [
        (XEN_SCHEDULER_CREDIT2, Errno::EINVAL),
        (XEN_SCHEDULER_NULL, Errno::EOPNOTSUPP),
    ] {
        let mut op = xen_domctl::new_zeroed();
        op.cmd = XEN_DOMCTL_scheduler_op;
        op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
        let mut request = xen_domctl_scheduler_op::new_zeroed();
        (request.sched_id, request.cmd) = (sched_id, XEN_DOMCTL_SCHEDOP_getinfo);
        op.u.set(request);
        let result = bench.call_with(0, &op, crate::control::domctl::domctl);
        assert_eq!(result, errno(error));
    }
}

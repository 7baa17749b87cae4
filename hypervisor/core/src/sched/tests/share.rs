//! Who gets the CPU, and when.

use core::sync::atomic::Ordering;

use hypercall_abi::sched::*;
use hypercall_abi::vcpu::*;
use proptest::prelude::*;

use super::*;
use crate::domain::Phase;
use crate::domain::lifecycle::{self, Progress};
use crate::error::Errno;
use crate::hypercall::Budget;
use crate::sched::share::set_share;
use crate::sched::{
    pause_domain, pause_vcpu, resume, stop, stopped, unpause_domain, unpause_vcpu, wake,
};

/// How long a vCPU may run before others of the same virtual time get their turn.
const SLICE: Nanos = 10_000_000;

fn used(bench: &Bench, dom: &Domain) -> Nanos {
    let now = bench.hv.machine.now();
    dom.lock().vcpus.iter().map(|v| v.sched.cpu_time(now)).sum()
}

#[test]
fn cpu_time_follows_the_weights() {
    let mut bench = Bench::new(1);
    let doms = [1, 2, 3].map(|id| bench.domain(id, 1));
    for (dom, weight) in doms.iter().zip([256, 512, 1024]) {
        set_share(bench.hv, dom, weight, 0).unwrap();
    }
    bench.start();
    let end = 14 * SECOND;
    bench.run_until(end);
    let got = doms.map(|d| used(&bench, d));
    let all: Nanos = got.iter().sum();
    assert!(all + SLICE >= end, "the CPU was idle");
    for (got, weight) in got.into_iter().zip([1, 2, 4]) {
        let fair = end * weight / 7;
        assert!(
            got.abs_diff(fair) * 100 <= fair * 2,
            "weight {weight} got {got} ns of {end}, not {fair}"
        );
    }
}

#[test]
fn a_cpu_runs_or_is_idle_and_nothing_else() {
    let mut bench = Bench::new(2);
    let doms = [(1, 30), (2, 45)].map(|(id, cap)| {
        let dom = bench.domain(id, 1);
        set_share(bench.hv, dom, 0, cap).unwrap();
        dom
    });
    bench.start();
    for second in 1..=5 {
        bench.run_until(second * SECOND);
        let now = bench.hv.machine.now();
        let idle: Nanos = (0..2).map(|cpu| bench.hv.sched.idle_time(cpu, now)).sum();
        let ran: Nanos = doms.iter().map(|dom| used(&bench, dom)).sum();
        assert_eq!(idle + ran, 2 * now, "after {second} s");
        assert!(
            idle > now,
            "caps of 75 % of two CPUs leave more than one idle"
        );
    }
}

#[test]
fn no_cpu_idles_while_somebody_waits() {
    let mut bench = Bench::new(2);
    let doms = [1, 2, 3].map(|id| bench.domain(id, 1));
    bench.start();
    bench.run_until(9 * SECOND);
    let got = doms.map(|d| used(&bench, d));
    assert!(
        got.iter().sum::<Nanos>() + 2 * SLICE >= 18 * SECOND,
        "{got:?}"
    );
    // Where two share a CPU, they take turns with the one that has the other.
    for got in got {
        assert!(
            got.abs_diff(6 * SECOND) * 100 <= 6 * SECOND * 4,
            "one of three on two CPUs got {got} ns of 9 s"
        );
    }
}

/// As many vCPUs of each domain as CPUs: the weights hold over all of them.
#[test]
fn weights_hold_over_several_cpus() {
    for cpus in [2, 4] {
        let mut bench = Bench::new(cpus);
        let doms = [1, 2, 3].map(|id| bench.domain(id, cpus as u16));
        for (dom, weight) in doms.iter().zip([256, 512, 1024]) {
            set_share(bench.hv, dom, weight, 0).unwrap();
        }
        bench.start();
        bench.run_until(7 * SECOND);
        for (dom, weight) in doms.iter().zip([1, 2, 4]) {
            let (got, fair) = (used(&bench, dom), u64::from(cpus) * SECOND * weight);
            assert!(
                got.abs_diff(fair) * 100 <= fair * 2,
                "{cpus} CPUs: weight {weight} got {got} ns, not {fair}"
            );
        }
    }
}

#[test]
fn a_cap_holds_alone_and_in_company_and_can_be_taken_back() {
    for (cap, vcpus, company) in [
        (25, 1, false),
        (25, 2, true),
        (50, 1, true),
        (150, 2, false),
        (3, 2, true),
        (100, 4, true),
    ] {
        let mut bench = Bench::new(2);
        let capped = bench.domain(1, vcpus);
        let other = company.then(|| bench.domain(2, 1));
        set_share(bench.hv, capped, 1024, cap).unwrap();
        bench.start();
        bench.run_until(4 * SECOND);
        let (got, fair) = (used(&bench, capped), 4 * SECOND / 100 * u64::from(cap));
        assert!(
            got.abs_diff(fair) * 100 <= fair * 2,
            "cap {cap}, {vcpus} vCPUs, company {company}: {got}, not {fair}"
        );
        if let Some(other) = other {
            // What the capped domain leaves it gets.
            assert!(
                used(&bench, other) + got + SLICE > 4 * SECOND,
                "{cap}, {vcpus}"
            );
        }
        bench.hv.machine.run_on(0);
        set_share(bench.hv, capped, 1024, 0).unwrap();
        bench.answer_kicks();
        bench.start();
        bench.run_until(5 * SECOND);
        assert!(used(&bench, capped) - got + 2 * SLICE > SECOND);
    }
}

/// One that waits for its cap sees the time as stolen.
#[test]
fn what_a_cap_takes_is_steal_time() {
    let mut bench = Bench::new(1);
    let dom = bench.domain(1, 1);
    set_share(bench.hv, dom, 256, 40).unwrap();
    bench.start();
    bench.run_until(SECOND);
    let time = dom.lock().vcpus[0].sched.runstate(SECOND).time;
    let stolen = time[RUNSTATE_runnable as usize];
    assert!(stolen.abs_diff(SECOND * 6 / 10) < SLICE, "{time:?}");
    assert_eq!(time[RUNSTATE_blocked as usize], 0);
}

#[test]
fn a_woken_vcpu_runs_at_once() {
    let mut bench = Bench::new(1);
    let sleeper = bench.domain(1, 1);
    bench.start();
    bench
        .call(0, |cx| {
            super::super::ops::sched_op(cx, SCHEDOP_block.into(), 0)
        })
        .unwrap();
    assert_eq!(bench.runs(0), None);
    let hog = bench.domain(2, 1);
    let _ = bench.leave(0);
    bench.run_until(3 * SECOND);
    assert_eq!(bench.runs(0), Some((2, 0)));
    for round in 0..50 {
        wake(bench.hv, sleeper, 0);
        let _ = bench.leave(0);
        assert_eq!(bench.runs(0), Some((1, 0)), "round {round}");
        bench.hv.machine.advance(MS / 10);
        bench
            .call(0, |cx| {
                super::super::ops::sched_op(cx, SCHEDOP_block.into(), 0)
            })
            .unwrap();
        assert_eq!(bench.runs(0), Some((2, 0)));
        let next = bench.hv.machine.now() + 3 * MS;
        bench.run_until(next);
    }
    assert!(used(&bench, hog) > 30 * used(&bench, sleeper) / 2);
}

/// Before what runs may be interrupted, there is nothing to decide: it is not, until the timer comes.
#[test]
fn a_wake_that_may_not_interrupt_yet_arms_the_timer() {
    let mut bench = Bench::new(1);
    let sleeper = bench.domain(1, 1);
    bench.start();
    let block = |cx: &mut Cx<'_, _>| super::super::ops::sched_op(cx, SCHEDOP_block.into(), 0);
    bench.call(0, block).unwrap();
    bench.domain(2, 1);
    let _ = bench.leave(0);
    assert_eq!(bench.runs(0), Some((2, 0)));
    let began = bench.hv.machine.now();
    bench.hv.machine.advance(MS / 10);
    wake(bench.hv, sleeper, 0);
    let cpu = bench.hv.sched.cpu(0);
    assert!(!cpu.resched.load(Ordering::Relaxed));
    let due = cpu.armed.load(Ordering::Relaxed);
    assert!(due.abs_diff(began + MS) < 10, "{due}");
    bench.run_until(due + 1);
    assert_eq!(bench.runs(0), Some((1, 0)));
    // Where it may, it is at once.
    bench.call(0, block).unwrap();
    let later = bench.hv.machine.now() + 5 * MS;
    bench.run_until(later);
    assert_eq!(bench.runs(0), Some((2, 0)));
    wake(bench.hv, sleeper, 0);
    assert!(bench.hv.sched.cpu(0).resched.load(Ordering::Relaxed));
}

#[test]
fn a_sleeper_cannot_save_time_up() {
    let mut bench = Bench::new(1);
    let doms = [bench.domain(1, 1), bench.domain(2, 1)];
    bench.start();
    while bench.runs(0) != Some((1, 0)) {
        let next = bench.hv.machine.now() + SLICE;
        bench.run_until(next);
    }
    bench
        .call(0, |cx| {
            super::super::ops::sched_op(cx, SCHEDOP_block.into(), 0)
        })
        .unwrap();
    let asleep = bench.hv.machine.now() + 60 * SECOND;
    bench.run_until(asleep);
    let before = doms.map(|d| used(&bench, d));
    wake(bench.hv, doms[0], 0);
    let _ = bench.leave(0);
    bench.run_until(asleep + SECOND);
    let got = [
        used(&bench, doms[0]) - before[0],
        used(&bench, doms[1]) - before[1],
    ];
    assert!(got[0].abs_diff(got[1]) <= 3 * SLICE, "{got:?}");
}

#[test]
fn yielding_lets_the_other_go_first_and_alone_does_nothing() {
    let mut bench = Bench::new(1);
    bench.domain(1, 1);
    bench.start();
    let loads = |bench: &Bench| bench.hv.machine.take_happened().len();
    loads(&bench);
    bench
        .call(0, |cx| {
            super::super::ops::sched_op(cx, SCHEDOP_yield.into(), 0)
        })
        .unwrap();
    assert_eq!((bench.runs(0), loads(&bench)), (Some((1, 0)), 0));
    bench.domain(2, 1);
    let _ = bench.leave(0);
    let first = bench.runs(0);
    bench
        .call(0, |cx| {
            super::super::ops::sched_op(cx, SCHEDOP_yield.into(), 0)
        })
        .unwrap();
    assert_ne!(bench.runs(0), first);
    bench
        .call(0, |cx| {
            super::super::ops::sched_op(cx, SCHEDOP_yield.into(), 0)
        })
        .unwrap();
    assert_eq!(bench.runs(0), first);
}

/// As on Xen, where a domain is paused before it dies.
#[test]
fn a_destroyed_domain_rests_before_anything_is_refused() {
    let mut bench = Bench::new(2);
    let dom = bench.domain(1, 2);
    bench.start();
    assert_eq!((bench.runs(0), bench.runs(1)), (Some((1, 0)), Some((1, 1))));
    let step = |hv| lifecycle::destroy(hv, dom, &mut Budget::new(Budget::FULL));
    assert_eq!(step(bench.hv), Ok(Progress::More));
    assert_eq!((dom.phase(), dom.is_dying()), (Phase::Alive, false));
    let page = |cpu| {
        bench.hv.machine.run_on(cpu);
        bench.hv.alloc_domain_page(dom).map(|_| ())
    };
    assert_eq!(page(1), Ok(()), "a vCPU that still runs is not refused");
    assert_eq!(unpause_domain(bench.hv, dom), Err(Errno::EINVAL));
    resume(bench.hv, dom);
    bench.answer_kicks();
    bench.start();
    assert_eq!((bench.runs(0), bench.runs(1)), (None, None));
    wake(bench.hv, dom, 0);
    bench.start();
    assert_eq!(bench.runs(0), None, "it never runs again");
    // Its address space was made for this test alone: no reference is kept of it.
    for vcpu in dom.homes.lock().iter_mut().flatten() {
        vcpu.arch.kernel_root = None.into();
    }
    assert_eq!(step(bench.hv), Ok(Progress::Done));
    assert!(dom.is_dying());
}

#[test]
fn a_paused_domain_comes_to_rest_and_goes_on() {
    let mut bench = Bench::new(2);
    let dom = bench.domain(1, 2);
    bench.start();
    assert_eq!(
        (bench.runs(0).is_some(), bench.runs(1).is_some()),
        (true, true)
    );
    bench.hv.machine.run_on(0);
    pause_domain(bench.hv, dom).unwrap();
    pause_domain(bench.hv, dom).unwrap();
    assert!(!stopped(&dom.lock()) && !stop(bench.hv, dom));
    bench.answer_kicks();
    assert_eq!((bench.runs(0).is_some(), bench.runs(1)), (true, None));
    assert_eq!(bench.leave(0), Resume::Idle);
    assert!(stop(bench.hv, dom));
    wake(bench.hv, dom, 0);
    unpause_domain(bench.hv, dom).unwrap();
    bench.start();
    assert!(stopped(&dom.lock()));
    unpause_domain(bench.hv, dom).unwrap();
    assert_eq!(unpause_domain(bench.hv, dom), Err(Errno::EINVAL));
    bench.answer_kicks();
    bench.start();
    assert_eq!(
        (bench.runs(0).is_some(), bench.runs(1).is_some()),
        (true, true)
    );
    pause_vcpu(bench.hv, dom, 1).unwrap();
    assert_eq!(pause_vcpu(bench.hv, dom, 2), Err(Errno::ENOENT));
    bench.answer_kicks();
    bench.start();
    let running = [bench.runs(0), bench.runs(1)];
    assert!(running.contains(&Some((1, 0))) && !running.contains(&Some((1, 1))));
    unpause_vcpu(bench.hv, dom, 1).unwrap();
    bench.answer_kicks();
    bench.start();
    assert!([bench.runs(0), bench.runs(1)].contains(&Some((1, 1))));
}

#[test]
fn affinity_is_kept_and_pin_override_is_dom0s() {
    let mut bench = Bench::new(2);
    let dom0 = bench.domain(0, 1);
    let domu = bench.domain(1, 1);
    bench.start();
    bench.start();
    for cpu in [0b01, 0b10] {
        // Moved away from where it runs or waits.
        let mut state = domu.lock();
        state.vcpus[0].sched.account.affinity = cpu.into();
        bench.hv.machine.run_on(0);
        crate::sched::requeue(bench.hv, domu, &mut state, 0);
        drop(state);
        bench.answer_kicks();
        bench.start();
        bench.start();
        let state = domu.lock();
        let s = &state.vcpus[0].sched;
        assert_eq!(1 << s.running.unwrap_or(s.account.cpu), cpu);
    }
    for ms in 1..200 {
        bench.run_until(ms * 7 * MS);
        assert_ne!(bench.runs(0), Some((1, 0)));
    }
    let cpu = (0..2).find(|&c| bench.runs(c) == Some((0, 0))).unwrap();
    let pin = |pcpu| sched_pin_override { pcpu };
    let cmd = SCHEDOP_pin_override;
    assert_eq!(bench.sched_op(cpu, cmd, &pin(-1)), errno(Errno::EINVAL));
    assert_eq!(bench.sched_op(cpu, cmd, &pin(2)), errno(Errno::EINVAL));
    assert_eq!(bench.sched_op(cpu, cmd, &pin(cpu as i32)), Ok(0));
    assert_eq!(
        bench.sched_op(cpu, cmd, &pin(cpu as i32)),
        errno(Errno::EBUSY)
    );
    assert_eq!(dom0.lock().vcpus[0].sched.account.affinity.mask(), 1 << cpu);
    assert_eq!(bench.sched_op(cpu, cmd, &pin(-7)), Ok(0));
    assert_eq!(dom0.lock().vcpus[0].sched.account.affinity.mask(), u64::MAX);
    let cpu = (0..2).find(|&c| bench.runs(c) == Some((1, 0))).unwrap();
    assert_eq!(bench.sched_op(cpu, cmd, &pin(0)), errno(Errno::EPERM));
}

#[test]
fn of_idle_cpus_the_preferred_one_is_woken() {
    for preferred in 0..4 {
        let mut bench = Bench::new(4);
        let dom = bench.domain(1, 1);
        (0..4).for_each(|_| bench.start());
        let mut state = dom.lock();
        let s = &mut state.vcpus[0].sched;
        assert!(s.running.is_some() || s.account.queued.is_some());
        s.account.preference = (1 << preferred).into();
        // Away from all but two, so that it has to move.
        let allowed = 1 << preferred | 1 << ((preferred + 1) % 4);
        s.account.affinity = allowed.into();
        drop(state);
        bench.hv.machine.run_on(0);
        crate::sched::pause_domain(bench.hv, dom).unwrap();
        bench.answer_kicks();
        bench.start();
        crate::sched::unpause_domain(bench.hv, dom).unwrap();
        let state = dom.lock();
        let s = &state.vcpus[0].sched;
        assert_eq!(s.account.queued, Some(preferred));
    }
}

/// Nothing is in a queue that should not be, and nothing that should be is missing.
fn check_queues(bench: &Bench, doms: &[&'static Domain]) {
    let mut queued = 0;
    for dom in doms {
        let state = dom.lock();
        for (i, v) in state.vcpus.iter().enumerate() {
            let ready = crate::sched::run::is_ready(dom, v);
            let home = dom.homes.lock()[i].is_some();
            assert_eq!(home, v.sched.running.is_none());
            assert_eq!(
                v.sched.account.queued.is_some(),
                ready && home,
                "d{}v{i}",
                dom.id()
            );
            queued += usize::from(v.sched.account.queued.is_some());
        }
    }
    let queues = &bench.hv.sched.queues;
    let waiting = |cpu| queues.queue(cpu).len();
    assert_eq!((0..queues.cpus()).map(waiting).sum::<usize>(), queued);
    for cpu in &bench.cpus {
        assert!(
            cpu.current.is_some() || waiting(cpu.id) == 0,
            "an idle CPU has work"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Random blocking, waking, pausing and passing of time on three CPUs: queues stay right, time
    /// of every vCPU adds up, and its runstate clock never goes back.
    #[test]
    fn queues_stay_right(ops in prop::collection::vec((0..9u8, 0..3usize, 0..2u16), 1..150)) {
        let mut bench = Bench::new(3);
        let doms = [1, 2, 3].map(|id| bench.domain(id, 2));
        bench.start();
        let mut last = [[[0; 4]; 2]; 3];
        for (op, which, index) in ops {
            let dom = doms[which];
            match op {
                0 | 1 if bench.cpus[which].current.is_some() => {
                    let cmd = if op == 0 { SCHEDOP_block } else { SCHEDOP_yield };
                    bench.call(which, |cx| super::super::ops::sched_op(cx, cmd.into(), 0)).unwrap();
                }
                2 | 3 => wake(bench.hv, dom, index),
                4 => { let _ = pause_vcpu(bench.hv, dom, index); }
                5 | 6 => { let _ = unpause_vcpu(bench.hv, dom, index); }
                7 => {
                    let end = bench.hv.machine.now() + 3 * MS;
                    bench.run_until(end);
                }
                _ => bench.hv.machine.advance(MS / 3),
            }
            bench.answer_kicks();
            bench.start();
            check_queues(&bench, &doms);
            let now = bench.hv.machine.now();
            for (dom, last) in doms.iter().zip(&mut last) {
                for (v, last) in dom.lock().vcpus.iter().zip(last.iter_mut()) {
                    let state = v.sched.runstate(now);
                    prop_assert_eq!(state.time.iter().sum::<u64>(), now);
                    prop_assert!(state.time.iter().zip(*last).all(|(now, was)| *now >= was));
                    prop_assert_eq!(state.state == RUNSTATE_running, v.sched.running.is_some());
                    *last = state.time;
                }
            }
        }
    }
}

#[test]
fn destroyed_vcpus_leave_nothing_behind() {
    let mut bench = Bench::new(2);
    let dom = bench.domain(1, 3);
    bench.start();
    pause_domain(bench.hv, dom).unwrap();
    bench.answer_kicks();
    bench.start();
    assert!(stop(bench.hv, dom));
    for _ in 0..3 {
        crate::sched::remove_vcpu(bench.hv, &mut dom.lock());
    }
    let queues = &bench.hv.sched.queues;
    for cpu in 0..queues.cpus() {
        let queue = queues.queue(cpu);
        assert!(queue.is_empty() && queue.timers.is_empty());
    }
    let units = bench.hv.sched.units.lock();
    assert_eq!((units.free.len(), units.next), (3, 3));
}

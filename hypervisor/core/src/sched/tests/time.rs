//! Guest timers, clock pages and runstate areas.

use core::mem::offset_of;

use hypercall_abi::sched::*;
use hypercall_abi::vcpu::*;
use hypercall_abi::xen::*;
use proptest::prelude::*;

use super::*;
use crate::error::Errno;
use crate::sched::ops::{sched_op, set_timer_op};
use crate::sched::{pause_domain, unpause_domain};

fn no_ticker(bench: &mut Bench, cpu: usize) {
    let index = bench.runs(cpu).unwrap().1;
    bench
        .vcpu_op(cpu, VCPUOP_stop_periodic_timer, index.into(), &0u64)
        .unwrap();
}

fn set_timer(bench: &mut Bench, cpu: usize, at: u64) {
    assert_eq!(bench.call(cpu, |cx| set_timer_op(cx, at)), Ok(0));
}

fn block(bench: &mut Bench, cpu: usize) {
    assert_eq!(
        bench.call(cpu, |cx| sched_op(cx, SCHEDOP_block.into(), 0)),
        Ok(0)
    );
}

#[test]
fn a_timer_fires_while_the_vcpu_runs_and_while_it_sleeps() {
    let mut bench = Bench::new(1);
    let dom = bench.domain(1, 1);
    let port = bind_virq(bench.hv, dom, 0, VIRQ_TIMER);
    bench.start();
    no_ticker(&mut bench, 0);
    set_timer(&mut bench, 0, 5 * MS);
    bench.run_until(5 * MS - 1);
    assert!(!take_pending(bench.hv, dom, port));
    bench.run_until(5 * MS);
    assert!(take_pending(bench.hv, dom, port));
    assert_eq!(bench.hv.machine.armed(0), Nanos::MAX);

    set_timer(&mut bench, 0, 9 * MS);
    block(&mut bench, 0);
    bench.run_until(9 * MS - 1);
    assert_eq!(bench.runs(0), None);
    bench.run_until(9 * MS);
    assert_eq!(bench.runs(0), Some((1, 0)));
    assert!(take_pending(bench.hv, dom, port));

    // Stopped, it never fires; in the past, at once; with a sign or far away, soon.
    set_timer(&mut bench, 0, 12 * MS);
    set_timer(&mut bench, 0, 0);
    bench.run_until(SECOND);
    assert!(!take_pending(bench.hv, dom, port));
    set_timer(&mut bench, 0, MS);
    assert!(take_pending(bench.hv, dom, port));
    for odd in [u64::MAX, 1 << 63, 9 * SECOND + (1 << 50)] {
        let now = bench.hv.machine.now();
        set_timer(&mut bench, 0, odd);
        bench.run_until(now + 99 * MS);
        assert!(!take_pending(bench.hv, dom, port));
        bench.run_until(now + 101 * MS);
        assert!(take_pending(bench.hv, dom, port), "{odd:#x}");
    }
}

#[test]
fn a_paused_vcpu_keeps_its_timer_and_does_not_run() {
    let mut bench = Bench::new(1);
    let dom = bench.domain(1, 1);
    let port = bind_virq(bench.hv, dom, 0, VIRQ_TIMER);
    bench.start();
    no_ticker(&mut bench, 0);
    set_timer(&mut bench, 0, 5 * MS);
    block(&mut bench, 0);
    pause_domain(bench.hv, dom).unwrap();
    bench.run_until(SECOND);
    assert_eq!(bench.runs(0), None);
    unpause_domain(bench.hv, dom).unwrap();
    let _ = bench.leave(0);
    assert_eq!(bench.runs(0), Some((1, 0)));
    assert!(take_pending(bench.hv, dom, port));
}

#[test]
fn the_ticker_ticks_while_the_vcpu_runs() {
    let mut bench = Bench::new(1);
    let dom = bench.domain(1, 2);
    let port = bind_virq(bench.hv, dom, 0, VIRQ_TIMER);
    dom.lock().vcpus[1].up = false;
    crate::sched::wake(bench.hv, dom, 1);
    bench.start();
    let count = |bench: &mut Bench, ms: u64| {
        let start = bench.hv.machine.now();
        (1..=ms)
            .filter(|i| {
                bench.run_until(start + i * MS);
                take_pending(bench.hv, dom, port)
            })
            .count()
    };
    // 100 Hz from the start, as real Xen has it.
    assert_eq!(count(&mut bench, 100), 10);
    let op = |period_ns| vcpu_set_periodic_timer { period_ns };
    let set = VCPUOP_set_periodic_timer;
    assert_eq!(bench.vcpu_op(0, set, 0, &op(4 * MS)), Ok(0));
    assert_eq!(count(&mut bench, 100), 25);
    assert_eq!(bench.vcpu_op(0, set, 0, &op(MS - 1)), errno(Errno::EINVAL));
    assert_eq!(
        bench.vcpu_op(0, set, 0, &op(u64::MAX)),
        errno(Errno::EINVAL)
    );
    assert_eq!(bench.vcpu_op(0, set, 2, &op(4 * MS)), errno(Errno::ENOENT));
    assert_eq!(bench.vcpu_op(0, set, 1, &op(4 * MS)), Ok(0));
    assert_eq!(dom.lock().vcpus[1].sched.timers.period, 4 * MS);
    block(&mut bench, 0);
    assert_eq!(count(&mut bench, 50), 0);
    assert_eq!(bench.runs(0), None);
    crate::sched::wake(bench.hv, dom, 0);
    let _ = bench.leave(0);
    assert!(take_pending(bench.hv, dom, port), "it is overdue");
    no_ticker(&mut bench, 0);
    assert_eq!(count(&mut bench, 100), 0);
}

#[test]
fn singleshot_timers_are_ones_own_and_may_be_late() {
    let mut bench = Bench::new(1);
    let dom = bench.domain(1, 2);
    let port = bind_virq(bench.hv, dom, 0, VIRQ_TIMER);
    dom.lock().vcpus[1].up = false;
    crate::sched::wake(bench.hv, dom, 1);
    bench.start();
    no_ticker(&mut bench, 0);
    bench.run_until(10 * MS);
    let op = |timeout_abs_ns, flags| vcpu_set_singleshot_timer {
        timeout_abs_ns,
        flags,
        _pad0: [0; 4],
    };
    let set = VCPUOP_set_singleshot_timer;
    let future = VCPU_SSHOTTMR_future;
    // Real Xen does not refuse a deadline in the past, whatever the flag says.
    assert_eq!(bench.vcpu_op(0, set, 0, &op(9 * MS, future)), Ok(0));
    assert!(take_pending(bench.hv, dom, port));
    assert_eq!(bench.vcpu_op(0, set, 0, &op(9 * MS, 0)), Ok(0));
    assert!(take_pending(bench.hv, dom, port));
    assert_eq!(bench.vcpu_op(0, set, 0, &op(u64::MAX, future)), Ok(0));
    assert!(take_pending(bench.hv, dom, port));
    assert_eq!(
        bench.vcpu_op(0, set, 1, &op(11 * MS, 0)),
        errno(Errno::EINVAL)
    );
    assert_eq!(
        bench.vcpu_op(0, set, 7, &op(11 * MS, 0)),
        errno(Errno::ENOENT)
    );
    let stop = VCPUOP_stop_singleshot_timer;
    assert_eq!(bench.vcpu_op(0, stop, 1, &0u64), errno(Errno::EINVAL));
    assert_eq!(bench.vcpu_op(0, set, 0, &op(11 * MS, 0)), Ok(0));
    assert_eq!(bench.vcpu_op(0, stop, 0, &0u64), Ok(0));
    bench.run_until(SECOND);
    assert!(!take_pending(bench.hv, dom, port));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Whatever happens between arming and the deadline, the timer's event is there at the
    /// deadline, not before, and once.
    #[test]
    fn timers_are_neither_lost_nor_early(
        rounds in prop::collection::vec((0..2u16, 1..40u64, 0..5u8, 0..3u64), 1..60)
    ) {
        let mut bench = Bench::new(2);
        let doms = [bench.domain(1, 1), bench.domain(2, 1)];
        bench.domain(3, 1);
        let ports = doms.map(|d| bind_virq(bench.hv, d, 0, VIRQ_TIMER));
        for dom in doms {
            dom.lock().vcpus[0].sched.timers.period = 0;
        }
        bench.start();
        for (which, delay, then, pause) in rounds {
            let dom = doms[usize::from(which)];
            let port = ports[usize::from(which)];
            crate::sched::wake(bench.hv, dom, 0);
            bench.answer_kicks();
            bench.start();
            let find = |b: &Bench| (0..2).find(|&c| b.runs(c) == Some((dom.id(), 0)));
            while find(&bench).is_none() {
                let next = bench.hv.machine.now() + MS;
                bench.run_until(next);
            }
            let cpu = find(&bench).unwrap();
            take_pending(bench.hv, dom, port);
            let deadline = bench.hv.machine.now() + delay * MS;
            set_timer(&mut bench, cpu, deadline);
            match then {
                0 | 1 if find(&bench) == Some(cpu) => block(&mut bench, cpu),
                2 => pause_domain(bench.hv, dom).unwrap(),
                _ => {}
            }
            bench.answer_kicks();
            bench.start();
            bench.run_until(deadline - 1);
            prop_assert!(!take_pending(bench.hv, dom, port), "early");
            bench.run_until(deadline + pause);
            prop_assert!(take_pending(bench.hv, dom, port), "lost");
            if then == 2 {
                unpause_domain(bench.hv, dom).unwrap();
            }
            bench.answer_kicks();
            bench.start();
            prop_assert!(!take_pending(bench.hv, dom, port), "twice");
        }
    }
}

#[test]
fn the_clock_page_and_the_wall_clock_tell_the_time() {
    let mut bench = Bench::new(1);
    let dom = bench.domain(1, 1);
    bench.start();
    let m = bench.hv.machine;
    let page = dom.lock().shared_info.unwrap();
    let mut info = <vcpu_info as zerocopy::FromZeros>::new_zeroed();
    m.read_frame(page, 0, info.as_mut_bytes());
    let t = info.time;
    assert_eq!(
        (t.version, t.tsc_to_system_mul, t.tsc_shift),
        (2, 1 << 31, 0)
    );
    m.set_now(7 * SECOND + 3);
    let ticks = u128::from(m.tsc() - t.tsc_timestamp);
    let ns = t.system_time + ((ticks * u128::from(t.tsc_to_system_mul)) >> 32) as u64;
    assert_eq!(ns, m.now());
    let word = |at| m.load_u32(page, at);
    assert_eq!(word(offset_of!(shared_info, wc_version)), 2);
    assert_eq!(word(offset_of!(shared_info, wc_sec)), 1_000_000_000);
    assert_eq!(word(offset_of!(shared_info, wc_nsec)), 500_000_000);
    assert_eq!(word(offset_of!(shared_info, wc_sec_hi)), 0);

    let area = vcpu_register_time_memory_area { addr: ARG + 0x800 };
    let cmd = VCPUOP_register_vcpu_time_memory_area;
    assert_eq!(bench.vcpu_op(0, cmd, 0, &area), Ok(0));
    let second: vcpu_time_info = bench.read(0, area.addr);
    assert_eq!((second.version & 1, second.tsc_to_system_mul), (0, 1 << 31));
    let bad = vcpu_register_time_memory_area {
        addr: 0xffff_8000_0000_0000,
    };
    assert_eq!(bench.vcpu_op(0, cmd, 0, &bad), errno(Errno::EFAULT));
}

#[test]
fn the_runstate_area_shows_stolen_time() {
    let mut bench = Bench::new(1);
    let dom = bench.domain(1, 1);
    bench.start();
    let at = ARG + 0xff0;
    let area = vcpu_register_runstate_memory_area { addr: at };
    let cmd = VCPUOP_register_runstate_memory_area;
    assert_eq!(bench.vcpu_op(0, cmd, 0, &area), Ok(0));
    let first: vcpu_runstate_info = bench.read(0, at);
    assert_eq!(first.state, RUNSTATE_running);
    bench.domain(2, 1);
    let _ = bench.leave(0);
    while bench.runs(0) != Some((2, 0)) {
        let next = bench.hv.machine.now() + MS;
        bench.run_until(next);
    }
    while bench.runs(0) != Some((1, 0)) {
        let next = bench.hv.machine.now() + MS;
        bench.run_until(next);
    }
    let now: vcpu_runstate_info = bench.read(0, at);
    assert_eq!(now.state, RUNSTATE_running);
    assert!(now.time[RUNSTATE_runnable as usize] > 0);
    assert_eq!(now.time.iter().sum::<u64>(), now.state_entry_time);
    let asked = {
        let op = VCPUOP_get_runstate_info;
        assert_eq!(bench.vcpu_op(0, op, 0, &0u64), Ok(0));
        bench.read::<vcpu_runstate_info>(0, ARG)
    };
    assert_eq!(asked.time.iter().sum::<u64>(), bench.hv.machine.now());
    assert_eq!(
        dom.lock().vcpus[0].sched.cpu_time(bench.hv.machine.now()),
        asked.time[0]
    );
    for addr in [0xffff_8000_0000_0000, 0x8000_0000_0000] {
        let bad = vcpu_register_runstate_memory_area { addr };
        assert_eq!(bench.vcpu_op(0, cmd, 0, &bad), errno(Errno::EFAULT));
    }
    // Those that end where the guest may not write are taken, and left alone.
    for addr in [u64::MAX - 8, 0x7fff_ffff_fff8] {
        let odd = vcpu_register_runstate_memory_area { addr };
        assert_eq!(bench.vcpu_op(0, cmd, 0, &odd), Ok(0));
        let later = bench.hv.machine.now() + 50 * MS;
        bench.run_until(later);
    }
}

//! sched_op.

use core::sync::atomic::Ordering;

use hypercall_abi::sched::*;
use hypercall_abi::xen::*;

use super::*;
use crate::error::Errno;
use crate::evtchn::pending;
use crate::sched::ops::sched_op;

/// A domain on a one-CPU machine, running, with an IPI port.
fn with_port() -> (Bench, &'static Domain, u32) {
    let mut bench = Bench::new(1);
    let dom = bench.domain(1, 1);
    let port = {
        let mut state = dom.lock();
        let m = bench.hv.machine;
        let port = state.events.next_free(m, 1);
        let binding = crate::evtchn::Binding::Ipi;
        state.events.bind(m, port, binding, 0);
        port
    };
    bench.start();
    (bench, dom, port)
}

fn raise(bench: &mut Bench, dom: &Domain, port: u32) {
    pending::set(bench.hv, dom, &mut dom.lock(), port);
    let _ = bench.leave(0);
}

fn set_mask(bench: &Bench, dom: &Domain, upcall: u8, port: Option<u32>) {
    let page = dom.lock().shared_info.unwrap();
    bench.hv.machine.store_u8(page, 1, upcall);
    let at = core::mem::offset_of!(shared_info, evtchn_mask);
    let bits = port.map_or(0, |p| 1 << p);
    bench.hv.machine.store_u64(page, at, bits);
}

#[test]
fn block_unmasks_and_sleeps_until_an_event() {
    let (mut bench, dom, port) = with_port();
    let block = |b: &mut Bench| b.call(0, |cx| sched_op(cx, SCHEDOP_block.into(), 0));
    set_mask(&bench, dom, 1, None);
    assert_eq!(block(&mut bench), Ok(0));
    let page = dom.lock().shared_info.unwrap();
    assert_eq!(bench.hv.machine.load_u8(page, 1), 0);
    assert_eq!(bench.runs(0), None);
    raise(&mut bench, dom, port);
    assert_eq!(bench.runs(0), Some((1, 0)));
    // An event that came while upcalls were masked is not slept through.
    set_mask(&bench, dom, 1, None);
    assert_eq!(block(&mut bench), Ok(0));
    assert_eq!(bench.runs(0), Some((1, 0)));
    // A masked port does not wake.
    take_pending(bench.hv, dom, port);
    set_mask(&bench, dom, 0, Some(port));
    assert_eq!(block(&mut bench), Ok(0));
    raise(&mut bench, dom, port);
    assert_eq!(bench.runs(0), None);
}

fn poll_of(count: u32, timeout: u64) -> sched_poll {
    sched_poll {
        ports: ARG + 0x800,
        nr_ports: count,
        _pad0: [0; 4],
        timeout,
    }
}

fn set_ports(bench: &Bench, ports: &[u32]) {
    bench.hv.machine.run_on(0);
    bench
        .hv
        .machine
        .copy_to_guest(ARG + 0x800, ports.as_bytes())
        .unwrap();
}

#[test]
fn poll_waits_for_masked_ports_and_for_time() {
    let (mut bench, dom, port) = with_port();
    set_ports(&bench, &[port, 5]);
    for count in [1, 2] {
        set_mask(&bench, dom, 0, Some(port));
        assert_eq!(bench.sched_op(0, SCHEDOP_poll, &poll_of(count, 0)), Ok(0));
        assert_eq!(bench.runs(0), None);
        raise(&mut bench, dom, port);
        assert_eq!(bench.runs(0), Some((1, 0)));
        // Pending already: no waiting.
        assert_eq!(bench.sched_op(0, SCHEDOP_poll, &poll_of(count, 0)), Ok(0));
        assert_eq!(bench.runs(0), Some((1, 0)));
        take_pending(bench.hv, dom, port);
    }
    // Another port does not end the poll of one.
    set_mask(&bench, dom, 0, Some(port));
    set_ports(&bench, &[5]);
    let now = bench.hv.machine.now();
    assert_eq!(
        bench.sched_op(0, SCHEDOP_poll, &poll_of(1, now + 5 * MS)),
        Ok(0)
    );
    raise(&mut bench, dom, port);
    bench.run_until(now + 5 * MS - 1);
    assert_eq!(bench.runs(0), None);
    bench.run_until(now + 5 * MS);
    assert_eq!(bench.runs(0), Some((1, 0)));
    // A deadline in the past or before the beginning, and no port at all.
    for past in [1, 1 << 63, u64::MAX] {
        assert_eq!(bench.sched_op(0, SCHEDOP_poll, &poll_of(0, past)), Ok(0));
        assert_eq!(bench.runs(0), Some((1, 0)));
    }
    assert_eq!(
        bench.sched_op(0, SCHEDOP_poll, &poll_of(0, now + 9 * MS)),
        Ok(0)
    );
    assert_eq!(bench.runs(0), None);
    bench.run_until(now + 9 * MS);
    assert_eq!(bench.runs(0), Some((1, 0)));
    assert_eq!(dom.lock().vcpus[0].sched.poll, None);
}

#[test]
fn polls_of_nonsense_are_refused() {
    let (mut bench, _, _) = with_port();
    set_ports(&bench, &[64]);
    let mut poll = |op: sched_poll| bench.sched_op(0, SCHEDOP_poll, &op);
    assert_eq!(poll(poll_of(1, 0)), errno(Errno::EINVAL));
    assert_eq!(poll(poll_of(129, 0)), errno(Errno::EINVAL));
    assert_eq!(poll(poll_of(u32::MAX, 0)), errno(Errno::EINVAL));
    for ports in [0, 0xffff_8000_0000_0000, u64::MAX - 3] {
        let op = sched_poll {
            ports,
            ..poll_of(1, 0)
        };
        assert_eq!(poll(op), errno(Errno::EFAULT));
    }
    assert_eq!(bench.sched_op(0, 8, &0u32), errno(Errno::ENOSYS));
    for cmd in SCHEDOP_shutdown..=SCHEDOP_watchdog {
        let got = bench.call(0, |cx| sched_op(cx, cmd.into(), 0x10));
        assert_eq!(got, errno(Errno::EFAULT), "operation {cmd}");
    }
}

#[test]
fn a_shut_down_domain_stays_and_dom0_hears_of_it() {
    for reason in (0..=SHUTDOWN_MAX).chain([255]) {
        let mut bench = Bench::new(1);
        let dom0 = bench.domain(0, 1);
        let exc = bind_virq(bench.hv, dom0, 0, VIRQ_DOM_EXC);
        crate::sched::pause_domain(bench.hv, dom0).unwrap();
        let dom = bench.domain(1, 2);
        bench.start();
        assert_eq!(
            bench.sched_op(0, SCHEDOP_shutdown, &sched_shutdown { reason }),
            Ok(0)
        );
        assert_eq!(bench.runs(0), None);
        assert_eq!(dom.shutdown.load(Ordering::SeqCst), reason as u16 + 1);
        assert!(take_pending(bench.hv, dom0, exc));
        crate::sched::wake(bench.hv, dom, 0);
        let _ = bench.leave(0);
        assert_eq!(bench.runs(0), None);
        // Once is enough.
        crate::sched::shutdown(bench.hv, dom, 3);
        assert!(!take_pending(bench.hv, dom0, exc));
        assert_eq!(dom.shutdown.load(Ordering::SeqCst), reason as u16 + 1);
        crate::sched::resume(bench.hv, dom);
        let _ = bench.leave(0);
        assert!(bench.runs(0).is_some());
    }
}

#[test]
fn a_latched_reason_wins() {
    let mut bench = Bench::new(1);
    let dom = bench.domain(1, 1);
    bench.start();
    let op = |reason| sched_shutdown { reason };
    assert_eq!(
        bench.sched_op(0, SCHEDOP_shutdown_code, &op(SHUTDOWN_crash)),
        Ok(0)
    );
    assert_eq!(
        bench.sched_op(0, SCHEDOP_shutdown_code, &op(SHUTDOWN_reboot)),
        Ok(0)
    );
    assert_eq!(
        bench.sched_op(0, SCHEDOP_shutdown, &op(SHUTDOWN_poweroff)),
        Ok(0)
    );
    assert_eq!(
        dom.shutdown.load(Ordering::SeqCst),
        SHUTDOWN_crash as u16 + 1
    );
}

#[test]
fn only_dom0_shuts_others_down() {
    let mut bench = Bench::new(2);
    bench.domain(0, 1);
    let dom = bench.domain(1, 1);
    bench.start();
    bench.start();
    let cpu_of = |b: &Bench, id| (0..2).find(|&c| b.runs(c) == Some((id, 0))).unwrap();
    let op = |domain_id| sched_remote_shutdown {
        domain_id,
        _pad0: [0; 2],
        reason: SHUTDOWN_reboot,
    };
    let domu = cpu_of(&bench, 1);
    let cmd = SCHEDOP_remote_shutdown;
    assert_eq!(bench.sched_op(domu, cmd, &op(0)), errno(Errno::EPERM));
    assert_eq!(bench.sched_op(domu, cmd, &op(1)), errno(Errno::EPERM));
    assert_eq!(bench.sched_op(domu, cmd, &op(7)), errno(Errno::ESRCH));
    assert_eq!(
        bench.sched_op(domu, cmd, &op(DOMID_SELF)),
        errno(Errno::ESRCH)
    );
    let dom0 = cpu_of(&bench, 0);
    assert_eq!(bench.sched_op(dom0, cmd, &op(1)), Ok(0));
    bench.start();
    assert_eq!(
        dom.shutdown.load(Ordering::SeqCst),
        SHUTDOWN_reboot as u16 + 1
    );
    assert_ne!(bench.runs(domu), Some((1, 0)));
}

fn end_of_machine(reason: u32) {
    let mut bench = Bench::new(1);
    bench.domain(0, 1);
    bench.start();
    let _ = bench.sched_op(0, SCHEDOP_shutdown, &sched_shutdown { reason });
}

#[test]
#[should_panic(expected = "the machine ends: Poweroff")]
fn dom0_powers_the_machine_off() {
    end_of_machine(SHUTDOWN_poweroff);
}

#[test]
#[should_panic(expected = "the machine ends: Reboot")]
fn dom0_restarts_the_machine() {
    end_of_machine(SHUTDOWN_reboot);
}

#[test]
#[should_panic(expected = "the machine ends: Reboot")]
fn a_crash_of_dom0_restarts_the_machine() {
    end_of_machine(SHUTDOWN_crash);
}

#[test]
fn watchdogs_bite_unless_they_are_poked() {
    let (mut bench, dom, _) = with_port();
    let dog = |b: &mut Bench, id, timeout| {
        b.sched_op(0, SCHEDOP_watchdog, &sched_watchdog { id, timeout })
    };
    assert_eq!(dog(&mut bench, 0, 0), errno(Errno::EINVAL));
    assert_eq!(dog(&mut bench, 1, 1), errno(Errno::EINVAL));
    assert_eq!(dog(&mut bench, 0, 2), Ok(1));
    assert_eq!(dog(&mut bench, 0, 9), Ok(2));
    // ENOSPC, 32 bits wide.
    assert_eq!(dog(&mut bench, 0, 9), Ok(0xffff_ffe4));
    assert_eq!(dog(&mut bench, 3, 9), errno(Errno::EINVAL));
    assert_eq!(dog(&mut bench, u32::MAX, 9), errno(Errno::EINVAL));
    bench.run_until(SECOND * 3 / 2);
    assert_eq!(dog(&mut bench, 1, 4), Ok(0));
    bench.run_until(5 * SECOND);
    assert_eq!(dom.shutdown.load(Ordering::SeqCst), 0);
    assert_eq!(dog(&mut bench, 1, 0), Ok(0));
    bench.run_until(9 * SECOND - 1);
    assert_eq!(dom.shutdown.load(Ordering::SeqCst), 0);
    bench.run_until(9 * SECOND);
    assert_eq!(
        dom.shutdown.load(Ordering::SeqCst),
        SHUTDOWN_watchdog as u16 + 1
    );
    assert_eq!(bench.runs(0), None);
}

#[test]
fn no_event_comes_between_the_runs_of_one_call() {
    let (mut bench, dom, port) = with_port();
    set_mask(&bench, dom, 0, None);
    let vcpu = bench.cpus[0].current.as_mut().unwrap();
    vcpu.arch.event.address = 0x5000;
    (vcpu.regs.rip, vcpu.regs.rsp) = (0x1000, ARG + 0x1000);
    vcpu.continuation[0] = Some(crate::vcpu::Continuation {
        call: (12, [0; 6]),
        done: 1,
        rip: 0x1000,
    });
    let rip = |bench: &Bench| bench.cpus[0].current.as_ref().unwrap().regs.rip;
    raise(&mut bench, dom, port);
    assert_eq!(rip(&bench), 0x1000, "the call comes first");
    // It ended: the next instruction is another.
    bench.cpus[0].current.as_mut().unwrap().regs.rip = 0x1002;
    let _ = bench.leave(0);
    assert_eq!(rip(&bench), 0x5000);
}

//! `sched_op`, the timers, `vcpu_op`, and the clock.

use super::page::*;
use super::{Check, Report};
use crate::dev::{event, shared, time};
use crate::hypercall::{self, HvResult, with_struct};
use core::mem::offset_of;
use core::sync::atomic::Ordering;
use hypercall_abi::sched::*;
use hypercall_abi::vcpu::*;
use hypercall_abi::xen::*;

pub(super) const CHECKS: &[Check] = &[
    ("sched_commands", commands),
    ("sched_poll", poll),
    ("sched_block", block),
    ("sched_watchdog", watchdog),
    ("timers", timers),
    ("timer_fires", timer_fires),
    ("vcpu_numbers", vcpu_numbers),
    ("vcpu_info", vcpu_info_area),
    ("runstate", runstate),
    ("vcpu_time", vcpu_time),
    ("clock", clock),
];

const MILLISECOND: u64 = 1_000_000;

/// A call with a number of a vCPU and an address or number.
fn vcpu_op(cmd: u32, vcpu: u64, arg: u64) -> HvResult {
    // SAFETY: what the operations made here write is static, or a spare page, or refused.
    unsafe { call(__HYPERVISOR_vcpu_op, [u64::from(cmd), vcpu, arg, 0, 0]) }
}

fn sched_op(cmd: u32, arg: u64) -> HvResult {
    // SAFETY: the operations made here write no memory.
    unsafe { call(__HYPERVISOR_sched_op, [u64::from(cmd), arg, 0, 0, 0]) }
}

fn set_timer(deadline: u64) -> HvResult {
    // SAFETY: a timer changes no memory but the event's.
    unsafe { call(__HYPERVISOR_set_timer_op, [deadline, 0, 0, 0, 0]) }
}

fn commands(r: &mut Report) {
    r.result("yield", sched_op(SCHEDOP_yield, 0));
    r.result("unknown8", sched_op(8, 0));
    r.result("all_ones", sched_op(u32::MAX, 0));
    for (name, cmd) in [
        ("shutdown", SCHEDOP_shutdown),
        ("poll", SCHEDOP_poll),
        ("remote_shutdown", SCHEDOP_remote_shutdown),
        ("shutdown_code", SCHEDOP_shutdown_code),
        ("watchdog", SCHEDOP_watchdog),
        ("pin_override", SCHEDOP_pin_override),
    ] {
        for (key, at) in BAD_ADDRESSES {
            r.line(format_args!("{name}_{key}={}", Shown(sched_op(cmd, at))));
        }
    }
    for (key, domain_id) in [("nobody", NOBODY), ("idle", DOMID_IDLE), ("io", DOMID_IO)] {
        let mut arg = sched_remote_shutdown {
            domain_id,
            _pad0: [0; 2],
            reason: 0,
        };
        let result = with_struct(__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, &mut arg);
        r.line(format_args!("remote_{key}={}", Shown(result)));
    }
    for (key, pcpu) in [("cpu0", 0), ("back", -1), ("cpu99", 99)] {
        let mut arg = sched_pin_override { pcpu };
        let result = with_struct(__HYPERVISOR_sched_op, SCHEDOP_pin_override, &mut arg);
        r.line(format_args!("pin_{key}={}", Shown(result)));
    }
}

/// Polls; `ports` is an address.
/// `SCHEDOP_poll` of a list of ports, until `timeout` at most, system time.
pub(super) fn poll_for(ports: u64, nr_ports: u32, timeout: u64) -> HvResult {
    let mut arg = sched_poll {
        ports,
        nr_ports,
        _pad0: [0; 4],
        timeout,
    };
    with_struct(__HYPERVISOR_sched_op, SCHEDOP_poll, &mut arg)
}

fn poll(r: &mut Report) {
    let mut bad = [5000_u32, 4095];
    let bad = address(&mut bad);
    r.result("no_ports_past", poll_for(0, 0, 1));
    r.result("unmapped_list", poll_for(UNMAPPED, 1, 1));
    r.result("hypervisor_list", poll_for(HOLE, 1, 1));
    r.result("bad_port", poll_for(bad, 1, 1));
    r.result("too_many", poll_for(bad, 129, 1));
    r.result("way_too_many", poll_for(bad, u32::MAX, 1));
    let before = time::system_time();
    r.result("timeout", poll_for(0, 0, before + 2 * MILLISECOND));
    r.line(format_args!(
        "waited={}",
        time::system_time() - before >= 2 * MILLISECOND
    ));
    let mut bind = hypercall_abi::event_channel::evtchn_bind_ipi { vcpu: 0, port: 0 };
    let bound =
        hypercall::event_channel_op(hypercall_abi::event_channel::EVTCHNOP_bind_ipi, &mut bind);
    r.outcome("port", bound);
    let mut list = [bind.port];
    let list = address(&mut list);
    let before = time::system_time();
    r.result("idle_port", poll_for(list, 1, before + MILLISECOND));
    r.line(format_args!(
        "idle_port_waited={}",
        time::system_time() - before >= MILLISECOND
    ));
    r.result("send", hypercall::evtchn_send(bind.port));
    // Pending though masked is enough, and no deadline is needed then.
    r.result("pending_port", poll_for(list, 1, 0));
    r.line(format_args!("upcall_mask={}", shared::upcall_mask()));
    let mut close = hypercall_abi::event_channel::evtchn_close { port: bind.port };
    let closed =
        hypercall::event_channel_op(hypercall_abi::event_channel::EVTCHNOP_close, &mut close);
    r.result("close", closed);
    event::forget(bind.port);
    event::deliver();
}

fn block(r: &mut Report) {
    // With an upcall due, blocking lets it through and returns.
    let flag = shared::byte(shared::VCPU0 + offset_of!(vcpu_info, evtchn_upcall_pending));
    flag.store(1, Ordering::SeqCst);
    r.result("with_upcall_due", sched_op(SCHEDOP_block, 0));
    r.line(format_args!(
        "mask={} flag={}",
        shared::upcall_mask(),
        flag.load(Ordering::SeqCst)
    ));
    shared::set_upcall_mask(true);
    event::deliver();
}

fn watchdog(r: &mut Report) {
    let set = |id: u32, timeout: u32| {
        let mut arg = sched_watchdog { id, timeout };
        with_struct(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &mut arg)
    };
    // Not 0 with timeout 0, which the header leaves open: it ends the domain on real Xen.
    for (key, id, timeout) in [
        ("first", 0, 1000),
        ("second", 0, 1000),
        ("third", 0, 1000),
        ("unknown3", 3, 1000),
        ("poke", 1, 2000),
        ("stop_first", 1, 0),
        ("stop_first_again", 1, 0),
        ("stop_second", 2, 0),
        ("poke_stopped", 1, 1000),
        ("all_ones", u32::MAX, 1),
    ] {
        r.result(key, set(id, timeout));
    }
}

fn timers(r: &mut Report) {
    r.result("off", set_timer(0));
    r.result("off_again", set_timer(0));
    let far = time::system_time() + 1_000_000 * MILLISECOND;
    r.result("far", set_timer(far));
    r.result("off_far", set_timer(0));
    for (key, period_ns) in [
        ("period_zero", 0),
        ("period_short", 999_999),
        ("period_negative", 1 << 63),
        ("period_day", 86_400_000 * MILLISECOND),
    ] {
        let mut arg = vcpu_set_periodic_timer { period_ns };
        let at = address(&mut arg);
        r.line(format_args!(
            "{key}={}",
            Shown(vcpu_op(VCPUOP_set_periodic_timer, 0, at))
        ));
    }
    r.result("stop_periodic", vcpu_op(VCPUOP_stop_periodic_timer, 0, 0));
    for (key, timeout_abs_ns, flags) in [
        ("future_past", 1, VCPU_SSHOTTMR_future),
        (
            "future_late",
            time::system_time() - MILLISECOND,
            VCPU_SSHOTTMR_future,
        ),
        ("future_far", far, VCPU_SSHOTTMR_future),
        ("flag2", far, 2),
        ("far_plain", far, 0),
    ] {
        let mut arg = vcpu_set_singleshot_timer {
            timeout_abs_ns,
            flags,
            _pad0: [0; 4],
        };
        let at = address(&mut arg);
        r.line(format_args!(
            "single_{key}={}",
            Shown(vcpu_op(VCPUOP_set_singleshot_timer, 0, at))
        ));
    }
    r.result("stop_single", vcpu_op(VCPUOP_stop_singleshot_timer, 0, 0));
    r.result(
        "stop_single_again",
        vcpu_op(VCPUOP_stop_singleshot_timer, 0, 0),
    );
}

/// Blocks with a timer armed; how many events came, and whether it was not before the deadline.
fn wait_for_timer(r: &mut Report, key: &str, arm: impl FnOnce(u64) -> HvResult) {
    event::deliver();
    let (before, deadline) = (event::taken(), time::system_time() + 2 * MILLISECOND);
    let armed = arm(deadline);
    hypercall::sched_block();
    shared::set_upcall_mask(true);
    event::deliver();
    r.line(format_args!(
        "{key}={} events={} in_time={}",
        Shown(armed),
        event::taken() - before,
        time::system_time() >= deadline
    ));
}

fn timer_fires(r: &mut Report) {
    wait_for_timer(r, "set_timer_op", set_timer);
    wait_for_timer(r, "set_timer_op_past", |_| {
        set_timer(1).inspect(|_| wait_past())
    });
    wait_for_timer(r, "singleshot", hypercall::set_singleshot_timer);
    wait_for_timer(r, "singleshot_past", |_| {
        hypercall::set_singleshot_timer(1).inspect(|_| wait_past())
    });
    time::fired();
}

/// Lets the deadline of [`wait_for_timer`] pass.
fn wait_past() {
    let until = time::system_time() + 3 * MILLISECOND;
    while time::system_time() < until {
        core::hint::spin_loop();
    }
}

fn vcpu_numbers(r: &mut Report) {
    for vcpu in [0, 1, 31, 8191, 8192, u64::from(u32::MAX), 1 << 32] {
        r.line(format_args!(
            "is_up_{vcpu}={}",
            Shown(vcpu_op(VCPUOP_is_up, vcpu, 0))
        ));
    }
    r.result("up_0", vcpu_op(VCPUOP_up, 0, 0));
    r.result("up_1", vcpu_op(VCPUOP_up, 1, 0));
    r.result("down_1", vcpu_op(VCPUOP_down, 1, 0));
    r.result("initialise_1", vcpu_op(VCPUOP_initialise, 1, 0));
    r.result(
        "initialise_0_unmapped",
        vcpu_op(VCPUOP_initialise, 0, UNMAPPED),
    );
    for cmd in [14, 99, u32::MAX] {
        r.line(format_args!("cmd{cmd}={}", Shown(vcpu_op(cmd, 0, 0))));
    }
    let mut physid = vcpu_get_physid { phys_id: 0 };
    r.outcome(
        "physid",
        vcpu_op(VCPUOP_get_physid, 0, address(&mut physid)),
    );
    for (name, cmd) in [
        ("runstate", VCPUOP_get_runstate_info),
        ("runstate_area", VCPUOP_register_runstate_memory_area),
        ("periodic", VCPUOP_set_periodic_timer),
        ("singleshot", VCPUOP_set_singleshot_timer),
        ("info", VCPUOP_register_vcpu_info),
        ("time_area", VCPUOP_register_vcpu_time_memory_area),
    ] {
        for (key, at) in BAD_ADDRESSES {
            r.line(format_args!("{name}_{key}={}", Shown(vcpu_op(cmd, 0, at))));
        }
        r.line(format_args!(
            "{name}_vcpu1={}",
            Shown(vcpu_op(cmd, 1, UNMAPPED))
        ));
    }
}

fn vcpu_info_area(r: &mut Report) {
    // Only what is refused: the area can be moved once, and this kernel keeps it.
    let (page, table) = (Page::new(), Page::read_only());
    extended(MMUEXT_PIN_L1_TABLE, table.mfn(), 0).expect("an empty page is a table");
    for (key, mfn, offset) in [
        ("misaligned", page.mfn(), 4),
        ("crosses", page.mfn(), 4096 - 32),
        ("beyond_page", page.mfn(), 4096),
        ("offset_all_ones", page.mfn(), u32::MAX),
        ("beyond_memory", 0x3f_ffff, 0),
        ("local_apic", 0xf_ee00, 0),
        ("table", table.mfn(), 0),
    ] {
        let mut arg = vcpu_register_vcpu_info {
            mfn,
            offset,
            rsvd: 0,
        };
        let at = address(&mut arg);
        r.line(format_args!(
            "{key}={}",
            Shown(vcpu_op(VCPUOP_register_vcpu_info, 0, at))
        ));
    }
    extended(MMUEXT_UNPIN_TABLE, table.mfn(), 0).expect("a pinned table can be unpinned");
}

fn runstate(r: &mut Report) {
    let mut info = vcpu_runstate_info {
        state: -1,
        _pad0: [0; 4],
        state_entry_time: 0,
        time: [0; 4],
    };
    r.result(
        "get",
        vcpu_op(VCPUOP_get_runstate_info, 0, address(&mut info)),
    );
    let now = time::system_time();
    let total: u64 = info.time.iter().sum();
    r.line(format_args!(
        "state={} entered_before_now={} ran={} total_before_now={}",
        info.state,
        info.state_entry_time <= now,
        info.time[RUNSTATE_running as usize] > 0,
        total <= now
    ));
    for (key, addr) in [("hypervisor", HOLE), ("non_canonical", NON_CANONICAL)] {
        let mut area = vcpu_register_runstate_memory_area { addr };
        let at = address(&mut area);
        r.line(format_args!(
            "area_{key}={}",
            Shown(vcpu_op(VCPUOP_register_runstate_memory_area, 0, at))
        ));
    }
}

fn vcpu_time(r: &mut Report) {
    for (key, addr) in [("hypervisor", HOLE), ("non_canonical", NON_CANONICAL)] {
        let mut area = vcpu_register_time_memory_area { addr };
        let at = address(&mut area);
        r.line(format_args!(
            "area_{key}={}",
            Shown(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, at))
        ));
    }
}

fn clock(r: &mut Report) {
    let mut last = time::system_time();
    let mut backwards = 0;
    for _ in 0..10_000 {
        let now = time::system_time();
        backwards += u64::from(now < last);
        last = now;
    }
    r.line(format_args!("backwards={backwards}"));
    let base = shared::VCPU0 + offset_of!(vcpu_info, time);
    let version = shared::half(base + offset_of!(vcpu_time_info, version));
    let mul = shared::half(base + offset_of!(vcpu_time_info, tsc_to_system_mul));
    r.line(format_args!(
        "version_even={} scaled={}",
        version.load(Ordering::SeqCst) & 1 == 0,
        mul.load(Ordering::SeqCst) != 0
    ));
    // This year, whatever it is, is after 2020 and before 2100.
    let years = 1970 + time::wallclock() / 31_556_952;
    r.line(format_args!(
        "wallclock_sane={}",
        (2020..2100).contains(&years)
    ));
    let first = time::wallclock();
    r.line(format_args!(
        "wallclock_forward={}",
        time::wallclock() >= first
    ));
}

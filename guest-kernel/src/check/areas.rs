//! Deadlines before the beginning and at the end of time, and areas of runstate and clock that cross
//! pages, are not mapped, may not be written or are not the guest's.

use super::page::*;
use super::{Check, Report};
use crate::dev::{event, time};
use crate::hypercall::{self, HvResult, with_struct};
use alloc::vec::Vec;
use core::mem::offset_of;
use hypercall_abi::sched::{SCHEDOP_poll, sched_poll};
use hypercall_abi::vcpu::*;
use hypercall_abi::xen::*;

pub(super) const CHECKS: &[Check] = &[
    ("deadlines", deadlines),
    ("poll_deadlines", poll_deadlines),
    ("runstate_areas", runstate_areas),
    ("time_areas", time_areas),
];

const MILLISECOND: u64 = 1_000_000;
/// A negative time, as the headers' signed fields have it.
const NEGATIVE: u64 = 1 << 63;

/// Sets a timer; its result, and whether it fires at once, within 150 ms, or not.
fn try_timer(r: &mut Report, key: &str, set: impl FnOnce() -> HvResult) {
    event::deliver();
    let before = event::taken();
    let result = set();
    let passes = |ms: u64| {
        let until = time::system_time() + ms * MILLISECOND;
        loop {
            event::deliver();
            if event::taken() != before || time::system_time() > until {
                return event::taken() != before;
            }
        }
    };
    let fires = match (passes(20), passes(130)) {
        (true, _) => "at_once",
        (_, true) => "soon",
        _ => "no",
    };
    r.line(format_args!("{key}={} fires={fires}", Shown(result)));
    hypercall::set_singleshot_timer(u64::MAX >> 2).expect("a deadline is never refused");
    time::fired();
}

fn deadlines(r: &mut Report) {
    let now = time::system_time();
    for (key, deadline) in [
        ("one", 1),
        ("negative", NEGATIVE),
        ("minus_one", u64::MAX),
        ("last", NEGATIVE - 1),
        ("below_far", now + (1 << 49)),
        ("far", now + (1 << 51)),
    ] {
        try_timer(r, key, || {
            // SAFETY: a timer changes no memory but the event's.
            unsafe { call(__HYPERVISOR_set_timer_op, [deadline, 0, 0, 0, 0]) }
        });
        try_timer(r, &alloc::format!("single_{key}"), || {
            hypercall::set_singleshot_timer(deadline)
        });
    }
}

fn poll_deadlines(r: &mut Report) {
    let mut port = event::timer_port().expect("the timer can be bound");
    for (key, timeout) in [
        ("past", 1),
        ("negative", NEGATIVE),
        ("minus_one", u64::MAX),
        ("last", NEGATIVE - 1),
    ] {
        event::deliver();
        // So that it ends in any case.
        let start = time::system_time();
        hypercall::set_singleshot_timer(start + 20 * MILLISECOND)
            .expect("a deadline is never refused");
        let mut poll = sched_poll {
            ports: address(&mut port),
            nr_ports: 1,
            _pad0: [0; 4],
            timeout,
        };
        let result = with_struct(__HYPERVISOR_sched_op, SCHEDOP_poll, &mut poll);
        let early = time::system_time() < start + 15 * MILLISECOND;
        r.line(format_args!("{key}={} early={early}", Shown(result)));
        hypercall::set_singleshot_timer(u64::MAX >> 2).expect("a deadline is never refused");
        event::deliver();
    }
    time::fired();
}

/// Two pages of which the second follows the first.
fn pair() -> Option<(Page, Page)> {
    let mut pages: Vec<Page> = (0..16).map(|_| Page::new()).collect();
    let follows = |at: &usize| {
        let next = pages[*at].pfn() + 1;
        pages.iter().any(|page| page.pfn() == next)
    };
    let first = (0..pages.len()).find(follows)?;
    let first = pages.swap_remove(first);
    let second = pages
        .iter()
        .position(|page| page.pfn() == first.pfn() + 1)?;
    let second = pages.swap_remove(second);
    Some((first, second))
}

/// Registers areas of `size` bytes at addresses of all kinds; what became of each.
fn try_areas(r: &mut Report, cmd: u32, size: u64, written: impl Fn(u64) -> bool) {
    let Some((_first, second)) = pair() else {
        return r.error("no two pages follow one another");
    };
    let read_only = Page::read_only();
    let end = second.va();
    let register = |addr: u64| {
        let mut area = vcpu_register_runstate_memory_area { addr };
        // SAFETY: the hypervisor writes to spare pages at most, until the area is none.
        unsafe { hypercall::vcpu_call(cmd, 0, address(&mut area)) }
    };
    for (key, addr) in [
        ("inside", end - size),
        ("crossing", end - 8),
        ("odd", end - 13),
    ] {
        let result = register(addr);
        // Whoever gives the processor up comes back to a fresh area.
        hypercall::sched_yield();
        r.line(format_args!(
            "{key}={} written={}",
            Shown(result),
            written(addr)
        ));
    }
    second.map(0).expect("a spare page can be unmapped");
    r.result("half_mapped", register(end - 8));
    hypercall::sched_yield();
    second.restore();
    for (key, addr) in [
        ("read_only", read_only.va()),
        ("unmapped", UNMAPPED),
        ("below_hypervisor", 0xffff_7fff_ffff_fff8),
        ("last_of_lower_half", 0x7fff_ffff_fff8),
        ("hypervisor", HOLE),
        ("before_hypervisor", 0xffff_8000_0000_0000 - 8),
        ("m2p", 0xffff_8000_0000_0000),
        ("behind_hypervisor", 0xffff_8800_0000_0000 - 8),
        ("non_canonical", NON_CANONICAL),
        ("end", u64::MAX - 7),
        ("all_ones", u64::MAX),
        ("none", 0),
    ] {
        r.result(key, register(addr));
        hypercall::sched_yield();
    }
    r.result("none_again", register(0));
    r.line(format_args!("untouched={}", read_only.read(0) == 0));
}

/// The word at an address of a spare page.
fn word(at: u64) -> u64 {
    // SAFETY: the caller's pages are mapped; the hypervisor may change them.
    unsafe { (at as *const u64).read_unaligned() }
}

fn runstate_areas(r: &mut Report) {
    let size = size_of::<vcpu_runstate_info>() as u64;
    let entered = offset_of!(vcpu_runstate_info, state_entry_time) as u64;
    try_areas(r, VCPUOP_register_runstate_memory_area, size, |at| {
        word(at) as u32 == RUNSTATE_running as u32 && word(at + entered) != 0
    });
}

fn time_areas(r: &mut Report) {
    let size = size_of::<vcpu_time_info>() as u64;
    let mul = offset_of!(vcpu_time_info, tsc_to_system_mul) as u64;
    try_areas(r, VCPUOP_register_vcpu_time_memory_area, size, |at| {
        word(at) & 1 == 0 && word(at + mul) != 0
    });
}

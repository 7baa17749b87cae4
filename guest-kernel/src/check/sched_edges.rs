//! `sched_op` at its edges: polls of many ports, of none, of those that are nobody's; watchdogs with
//! the shortest and the longest time; another domain shut down for every reason there is, and for some
//! that there are not.

use super::events::{bind_ipi, clear_upcall, close, send, unmask};
use super::page::*;
use super::sched::poll_for;
use super::{Check, Report};
use crate::dev::time;
use crate::hypercall::{HvResult, with_struct};
use crate::stretch::domains;
use hypercall_abi::domctl::*;
use hypercall_abi::sched::*;
use hypercall_abi::xen::*;

pub(super) const CHECKS: &[Check] = &[
    ("poll_ports", poll_ports),
    ("watchdog_times", watchdog_times),
    ("remote_shutdown", remote_shutdown),
];

const MILLISECOND: u64 = 1_000_000;
/// The most ports of one poll.
const MOST: usize = 128;

/// Polls for `ports`, for a millisecond at most; whether it returned before that shows only in
/// polls that need no waiting.
fn poll(ports: &mut [u32]) -> HvResult {
    let list = ports.as_mut_ptr() as u64;
    poll_for(list, ports.len() as u32, time::system_time() + MILLISECOND)
}

fn poll_ports(r: &mut Report) {
    let bound = [(); 2].map(|()| bind_ipi(0).unwrap_or(0));
    let [port, other] = bound;
    let mut ports = [port; MOST];
    r.result("all_the_same", poll(&mut ports));
    ports[MOST - 1] = other;
    r.result("last_is_another", poll(&mut ports));
    r.result("send", send(other));
    // Without a deadline: one that is pending is enough, wherever in the list.
    let list = address(&mut ports);
    r.result("last_is_pending", poll_for(list, MOST as u32, 0));
    r.result("one_too_many", poll_for(list, MOST as u32 + 1, 0));
    for (key, bad) in [
        ("port0", 0),
        ("closed", 900),
        ("last", 4095),
        ("beyond", 4096),
        ("all_ones", u32::MAX),
    ] {
        let mut one = [bad];
        r.line(format_args!("{key}_alone={}", Shown(poll(&mut one))));
        let mut behind_pending = [other, bad];
        r.line(format_args!(
            "{key}_behind_pending={}",
            Shown(poll(&mut behind_pending))
        ));
        let mut before_pending = [bad, other];
        r.line(format_args!(
            "{key}_before_pending={}",
            Shown(poll(&mut before_pending))
        ));
    }
    // A list of which the end is not there is read before anything is looked at.
    let page = Page::new();
    let end = page.va() + 4096 - 4;
    page.write(511, u64::from(other) << 32 | u64::from(other));
    r.result("end_of_page", poll_for(end, 1, 0));
    page.map(0).expect("a spare page can be unmapped");
    r.result("not_there", poll_for(end, 1, 0));
    r.result("none_of_not_there", poll_for(end, 0, 1));
    page.restore();
    r.result("unmask", unmask(other));
    clear_upcall();
    for port in bound {
        r.result("close", close(port));
    }
}

fn watchdog_times(r: &mut Report) {
    let set = |id: u32, timeout: u32| {
        let mut arg = sched_watchdog { id, timeout };
        with_struct(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &mut arg)
    };
    for (key, id, timeout) in [
        ("longest", 0, u32::MAX),
        ("poke_longest", 1, u32::MAX),
        ("poke_signed_end", 1, 1 << 31),
        ("second_longest", 0, u32::MAX - 1),
        ("none_left", 0, 1),
        ("stop_second", 2, 0),
        ("stop_unknown", 3, 0),
        ("stop", 1, 0),
        ("poke_none", 2, 5),
    ] {
        r.result(key, set(id, timeout));
    }
}

fn shut_down(domain_id: u16, reason: u32) -> HvResult {
    let mut arg = sched_remote_shutdown {
        domain_id,
        _pad0: [0; 2],
        reason,
    };
    with_struct(__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, &mut arg)
}

/// Shut down, paused, and the reason, of a domain.
fn state(domain: u16) -> HvResult<(bool, bool, u32)> {
    let info: xen_domctl_getdomaininfo = domctl(XEN_DOMCTL_getdomaininfo, domain, 0_u64)?.u.get();
    Ok((
        info.flags & XEN_DOMINF_shutdown != 0,
        info.flags & XEN_DOMINF_paused != 0,
        info.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask,
    ))
}

fn remote_shutdown(r: &mut Report) {
    for (key, domain) in [
        ("self", DOMID_SELF),
        // Not its own id: that ends the machine, as one's own `SCHEDOP_shutdown` does.
        ("nobody", NOBODY),
        ("xen", DOMID_XEN),
        ("invalid", DOMID_INVALID),
    ] {
        for reason in [SHUTDOWN_poweroff, u32::MAX] {
            let result = shut_down(domain, reason);
            r.line(format_args!("{key}_{reason}={}", Shown(result)));
        }
    }
    for reason in (0..=SHUTDOWN_MAX + 2).chain([255, 256, 0x8000_0000, u32::MAX]) {
        let Ok(domain) = domains::create(1, 1) else {
            return r.error("no domain");
        };
        let result = shut_down(domain, reason);
        r.line(format_args!("reason{reason}={}", Shown(result)));
        r.line(format_args!("state{reason}={:?}", state(domain)));
        // The first reason stays.
        let again = shut_down(domain, SHUTDOWN_reboot);
        r.line(format_args!("again{reason}={}", Shown(again)));
        r.line(format_args!("state_again{reason}={:?}", state(domain)));
        let resumed = domctl(XEN_DOMCTL_resumedomain, domain, 0_u64).map(|_| 0);
        r.line(format_args!("resume{reason}={}", Shown(resumed)));
        r.line(format_args!("state_resumed{reason}={:?}", state(domain)));
        let gone = loop {
            match domains::destroy(domain) {
                Err(guest_user::abi::Errno::EAGAIN) => {}
                result => break result,
            }
        };
        r.line(format_args!("destroy{reason}={}", Shown(gone)));
        let after = shut_down(domain, SHUTDOWN_crash);
        r.line(format_args!("after{reason}={}", Shown(after)));
    }
}

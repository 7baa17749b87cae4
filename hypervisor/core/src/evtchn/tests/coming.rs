//! Sending to a vCPU that is just brought up, paused, or given another `vcpu_info`: no event is lost.

use std::vec;

use hypercall_abi::vcpu::{VCPUOP_register_vcpu_info, VCPUOP_up, vcpu_register_vcpu_info};

use super::interleaved::{Pair, Stage, Way, vcpu};
use super::*;
use crate::addr::Mfn;
use crate::sched;
use crate::testkit::turns::play_all;

/// The vCPU that the port notifies in these scenes.
const SECOND: usize = 1;

/// Plays what `changes` does to the receiver's second vCPU, which the port notifies, against two senders.
fn play<E: Copy + Send + 'static>(
    way: Way,
    before: impl Fn(Pair) -> E,
    changes: impl Fn(Pair, E) + Copy + Send + 'static,
    end: impl Fn(Pair, E),
) {
    let stage = Stage::new(way);
    for (cpus, changes_left) in [(2, 2), (3, 1)] {
        let scene = || {
            let pair = stage.pair();
            let _ = pair.takes();
            move_port(pair);
            let extra = before(pair);
            let toolstack = pair.does(move |pair| changes(pair, extra));
            let mut parts = vec![pair.sends(), toolstack, pair.sends()];
            parts.truncate(cpus);
            ((pair, extra), parts)
        };
        play_all(changes_left, scene, |(pair, extra)| {
            end(pair, extra);
            stage.clear();
        });
    }
}

fn move_port(pair: Pair) {
    let op = evtchn_bind_vcpu {
        port: pair.far,
        vcpu: SECOND as u32,
    };
    pair.hv.machine.write_window(0, op.as_bytes());
    let mut vcpu = vcpu(pair.to);
    let mut cx = testkit::context(pair.hv, pair.to, &mut vcpu);
    event_channel_op(&mut cx, u64::from(EVTCHNOP_bind_vcpu), ARG).unwrap();
}

/// A call of the receiver's first vCPU about the second.
fn about_second(pair: Pair, cmd: u32, arg: u64) {
    let mut vcpu = vcpu(pair.to);
    let mut cx = testkit::context(pair.hv, pair.to, &mut vcpu);
    sched::ops::vcpu_op(&mut cx, cmd.into(), SECOND as u64, arg).unwrap();
}

fn set_up(pair: Pair, up: bool) {
    let mut state = pair.to.lock();
    let second = &mut state.vcpus[SECOND];
    (second.up, second.initialised) = (up, true);
}

#[test]
fn an_event_finds_a_vcpu_that_comes_up() {
    for way in [Way::Quick, Way::General] {
        play(
            way,
            |pair| set_up(pair, false),
            |pair, ()| about_second(pair, VCPUOP_up, 0),
            |pair, ()| {
                assert!(pair.to.lock().vcpus[SECOND].up);
                assert!(
                    pair.is_pending(pair.far) && pair.is_told(SECOND),
                    "nobody is told"
                );
            },
        );
    }
}

/// It waits for an event while it is paused, and runs when it no longer is.
#[test]
fn an_event_wakes_a_vcpu_that_is_paused_meanwhile() {
    for way in [Way::Quick, Way::General] {
        play(
            way,
            |pair| {
                set_up(pair, true);
                let mut state = pair.to.lock();
                state.vcpus[SECOND].sched.blocked = true;
                let sched = &state.vcpus[SECOND].sched;
                sched.tell_senders(pair.hv, pair.to, SECOND as u16);
                sched::run::settle(pair.hv, pair.to, &mut state, SECOND as u16);
            },
            |pair, ()| {
                sched::pause_vcpu(pair.hv, pair.to, SECOND as u16).unwrap();
                sched::unpause_vcpu(pair.hv, pair.to, SECOND as u16).unwrap();
            },
            |pair, ()| {
                assert!(
                    pair.is_pending(pair.far) && pair.is_told(SECOND),
                    "nobody is told"
                );
                let state = pair.to.lock();
                let sched = &state.vcpus[SECOND].sched;
                assert!(!sched.blocked, "it sleeps over an event");
                assert!(sched.account.queued.is_some(), "it waits for no CPU");
            },
        );
    }
}

/// Where it was told first does not matter: everything counts as pending in the new place.
#[test]
fn an_event_is_told_where_the_vcpu_looks_from_now_on() {
    for way in [Way::Quick, Way::General] {
        play(
            way,
            |pair| {
                set_up(pair, false);
                let page = pair.hv.alloc_domain_page(pair.to).unwrap();
                pair.hv.machine.zero_frame(page);
                page
            },
            |pair, page| {
                let new = vcpu_register_vcpu_info {
                    mfn: page.0,
                    offset: 64,
                    rsvd: 0,
                };
                pair.hv.machine.write_window(0, new.as_bytes());
                about_second(pair, VCPUOP_register_vcpu_info, ARG);
                // It looks at once, and takes what it finds.
                taken(pair, page);
            },
            |pair, page| {
                let again = taken(pair, page);
                assert!(again || !pair.is_pending(pair.far), "nobody is told");
            },
        );
    }
}

/// What a vCPU does that looks into its `vcpu_info` in `page`; whether it was told of the port's word.
fn taken(pair: Pair, page: Mfn) -> bool {
    let m = pair.hv.machine;
    let mut told = false;
    while m.clear_bit(page, 64 * 8) {
        let selector = 64 + offset_of!(vcpu_info, evtchn_pending_sel);
        if m.fetch_and_u64(page, selector, 0) & 1 != 0 {
            told = true;
            let word = offset_of!(shared_info, evtchn_pending) * 8;
            m.clear_bit(pair.page(), word + pair.far as usize);
        }
    }
    told
}
